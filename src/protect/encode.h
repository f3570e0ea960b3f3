/* One device's update, made into what may leave the device:
 *
 *   difference to the base -> clip -> whole numbers -> its share of the noise -> masks
 *
 * in steps, over memory that the owner lends. Nothing of the update is in the words before
 * all of that was done, if the round is masked: a file that is only half made stays inside. */
#ifndef PROTECT_ENCODE_H
#define PROTECT_ENCODE_H

#include "protect/masked.h"
#include "protect/protection.h"
#include "secagg/client.h"

struct encode;

struct encode_order {
    const struct protection *protection;
    struct id round_id;
    const char *base_model_uri;
    struct view base;   /* the base model, F32 safetensors or JSON */
    struct view update; /* the guest's update for it, any form but a sparse one */
    struct dp_random random;
    const struct secagg_client *client; /* masked only: secagg_client_can_mask() */
};

/* How many parameters an update of this base has.
 * fails: as model_decode(), with a sentence */
MUST_CHECK enum status encode_parameters(struct view base, size_t *ret, struct why *why);

/* Reads what the bytes say, but for the values.
 * order: copied; what it points to is borrowed until encode_free()
 * gives: *ret, to be ended with encode_free()
 * fails, each with a sentence: ST_MALFORMED, ST_INVALID, ... (base or update cannot be read,
 *   or are for another model), ST_SHAPE, ST_NOMEM */
MUST_CHECK enum status encode_new(const struct encode_order *order, struct encode **ret,
                                  struct why *why);

/* Bytes of the file. */
size_t encode_size(const struct encode *e);

/* Where the file goes: memory of that size, aligned to 8 bytes, the owner's. Once, before
 * the first step. */
void encode_into(struct encode *e, uint8_t *file);

/* Goes on as long as *budget is above 0, and takes off it 4 for each value that is looked at,
 * and as much for each mask and each draw of noise.
 * gives: *ret_done: true when the file is complete
 * fails: ST_NOT_FINITE (a difference is not), ST_NOMEM, each with a sentence; the file is then
 *        of no use */
MUST_CHECK enum status encode_step(struct encode *e, int64_t *budget, bool *ret_done,
                                   struct why *why);

/* Once all differences were looked at: whether it was longer than the clip. */
bool encode_was_clipped(const struct encode *e);

/* NULL is allowed; returns NULL. */
struct encode *encode_free(struct encode *e);

#endif
