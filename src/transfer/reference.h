/* Where a blob can be had, said in place of its bytes (PROTOCOL 2.9):
 *     {"manifest":{…},"holder":id}
 * It stands where the bytes would stand, on the same topic: a model, an update. No
 * model and no update in JSON can be mistaken for it, as theirs have no object of
 * the name "manifest". */
#ifndef TRANSFER_REFERENCE_H
#define TRANSFER_REFERENCE_H

#include "transfer/manifest.h"

struct reference {
    struct manifest manifest; /* owned */
    struct id holder;         /* whom to ask for the parts */
};

/* Whether these bytes could be one: cheap, and true for each that is. */
bool reference_looks_like(struct view payload);

/* gives: *ret, to be ended with reference_done()
 * fails: as jsn_parse() and manifest_decode(), ST_INVALID (holder), with a sentence */
MUST_CHECK enum status reference_decode(struct view payload, uint64_t size_max,
                                        struct reference *ret, struct why *why);

/* gives: text, to be freed with free(); NULL: no memory */
char *reference_encode(const struct reference *r);

void reference_done(struct reference *r);

#endif
