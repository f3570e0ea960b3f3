/* One update, written anew in fewer bytes.
 *
 * What is sent are differences d = update - base + left_out_before, tensor by tensor, in the
 * dtype that is asked for: rounded to the nearest in float16 and bfloat16, at random in int8
 * (narrow.h) with one scale a tensor. With top_k only the ceil(top_k * count) of the largest
 * magnitude of each tensor are sent, with their places, and left_out_after is what d has
 * beyond what was sent: top-k with error feedback, Stich et al. 2018, arXiv:1809.07599.
 * Without top_k nothing is left out: the rounding is to the nearest, or right in the mean.
 *
 * The results are two safetensors files whose sizes are known before a value is looked at;
 * the owner lends memory for both, such as mapped files. What has been written is the same
 * for the same order, to the last bit. */
#ifndef COMPRESS_COMPRESS_H
#define COMPRESS_COMPRESS_H

#include "fl/compression.h"
#include "fl/update.h"

struct compress;

struct compress_order {
    struct compression compression; /* not none */
    struct view base;               /* the base model, F32 safetensors or JSON */
    struct view update;             /* the guest's update for it */
    struct view left_out;           /* left_out_after of an earlier update; empty: nothing.
                                     * A tensor that is not there is one of zeros */
    uint64_t seed;                  /* of the rounding at random */
};

/* Reads what the bytes say, but for the values.
 * order: borrowed, as are all its bytes, until compress_free()
 * gives: *ret, to be ended with compress_free()
 * fails, each with a sentence; the update should then go as it is, for its reader to judge:
 *   ST_MALFORMED, ... (base, update or left_out cannot be read)
 *   ST_INVALID (the base has a tensor that is named like a scale or indices)
 *   ST_SHAPE (the update has a tensor that the base has not, or not in this shape)
 *   ST_TYPE  (values that are not F32, or differences: the guest made it smaller itself)
 *   ST_LIMIT (a tensor's name leaves no room for those of its scale and indices)
 *   ST_EXISTS (no tensors, or what came out would not be smaller)
 *   ST_NOMEM */
MUST_CHECK enum status compress_new(const struct compress_order *order, struct compress **ret,
                                    struct why *why);

/* Bytes of the compressed update. */
size_t compress_size(const struct compress *c);
/* Bytes of what is left out; 0: nothing is. */
size_t compress_left_out_size(const struct compress *c);

/* Where the results go: memory of the sizes above, aligned to 8 bytes, the owner's.
 * left_out may be NULL: it is not wanted. Once, before the first step. */
void compress_into(struct compress *c, uint8_t *update, uint8_t *left_out);

/* Goes on as long as *budget is above 0, and takes off it 4 for each value that is looked at.
 * gives: *ret_done: true when both results are complete
 * fails: ST_NOT_FINITE (a difference is not), ST_LIMIT (one is too large for the dtype), each
 *        with a sentence; the results are then of no use */
MUST_CHECK enum status compress_step(struct compress *c, int64_t *budget, bool *ret_done,
                                     struct why *why);

/* NULL is allowed; returns NULL. */
struct compress *compress_free(struct compress *c);

#endif
