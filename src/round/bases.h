/* What the updates of an asynchronous round were trained from: the newest version, or an
 * older one for those whom the round carries (fl/asynchronous.h). Not thread-safe. */
#ifndef ROUND_BASES_H
#define ROUND_BASES_H

#include "fl/asynchronous.h"
#include "model/model.h"
#include "round/ledger.h"

struct bases;

/* carries: borrowed until bases_free(). gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status bases_new(const struct asynchronous *carries, struct bases **ret);

/* Where the bytes of carries->carried[index]'s base lie; borrowed until bases_free(). */
void bases_set(struct bases *b, size_t index, struct view bytes);

/* Gives each update its staleness and what it was trained from. Only older versions of which
 * an update is here are brought into memory, each once, until bases_free().
 * newest:  what the others were trained from; borrowed as long as updates is
 * updates: (count,); each update's base becomes the parameters of a version, in the order
 *          of newest
 * fails:   ST_CORRUPT (bytes that are not there, not those of the digest, or no version of
 *          this model), ST_NOMEM; each with a sentence */
MUST_CHECK enum status bases_give(struct bases *b, const struct model *newest,
                                  struct counted *updates, size_t count, struct why *why);

/* NULL is allowed; returns NULL. */
struct bases *bases_free(struct bases *b);

#endif
