/* A protected update as a file: safetensors with one tensor `words` of U32, (word_count,), or
 * (word_count, 2) for 64 bits (low half first), whose metadata says what every update says
 * (fl/update.h), `protection` = "masked" or "whole_numbers", and, masked, what it is bound to:
 * `configuration`, `roster` and `signature`, in hexadecimal digits. It says num_samples 1 and
 * no metrics: those are among the words. */
#ifndef PROTECT_MASKED_H
#define PROTECT_MASKED_H

#include "fl/update.h"
#include "identity/key.h"
#include "secagg/keys.h"

#define MASKED_TENSOR "words"

struct masked {
    bool is_masked;
    /* masked only */
    struct secagg_context context;
    struct key_signature signature; /* of the device, over the digest of its words */
    struct view words;              /* word_count * word bytes, at any alignment; borrowed */
};

/* What stands before the words, of one size for one round, device and model.
 * gives: appended to out. fails: ST_LIMIT, ST_NOMEM */
MUST_CHECK enum status masked_header(const struct masked *m, const struct id *round_id,
                                     const char *base_model_uri, size_t word_count,
                                     enum mask_word word, struct bytes *out);

/* u: from update_read(); borrowed by *ret
 * fails: ST_INVALID (it is no protected update, or not of this kind), ST_SHAPE (another
 *        number of words), ST_MALFORMED (what it is bound to cannot be read), each with a
 *        sentence */
MUST_CHECK enum status masked_of(const struct update *u, bool is_masked, size_t word_count,
                                 enum mask_word word, struct masked *ret, struct why *why);

#endif
