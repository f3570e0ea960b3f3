/* Finds a table's slot by its text key: a hash table of slot numbers.
 *
 * The table owns the keys; this keeps only pointers to them, so a key must stay
 * where it is until its slot is removed. Keys come from the network, so the hash
 * is keyed (SipHash-2-4 of libsodium, Aumasson and Bernstein 2012): nobody
 * outside can choose keys that collide. Not thread-safe. */
#ifndef MANAGER_LOOKUP_H
#define MANAGER_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct lookup;

/* For slots 0..slot_count-1; slot_count 1..2^24.
 * gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status lookup_new(uint32_t slot_count, struct lookup **ret);

/* Asserts that neither the slot nor the key is there already. */
void lookup_put(struct lookup *l, uint32_t slot, const char *key);

bool lookup_find(const struct lookup *l, const char *key, uint32_t *ret_slot);

/* A slot that is not there is ignored. Call it before its key changes. */
void lookup_remove(struct lookup *l, uint32_t slot);

struct lookup *lookup_free(struct lookup *l);

#endif
