/* What an update changed, value by value, read from the bytes of base and update where they
 * lie: for files that are larger than memory should be. */
#ifndef PROTECT_DIFFERENCE_H
#define PROTECT_DIFFERENCE_H

#include "aggregate/update_source.h"

struct difference {
    struct model *shape;  /* owned: the base's parameters in their order; JSON: with values */
    struct piece *pieces; /* owned: the base's values in its safetensors; NULL: in shape */
    size_t piece_count;
    struct update_source update;
};

/* How many parameters a base model's bytes hold: all but a server optimiser's.
 * fails: as model_decode(), with a sentence */
MUST_CHECK enum status difference_parameters(struct view base, size_t *ret, struct why *why);

/* base, update: borrowed until difference_done(). u: what update_read() gave; its params are
 * taken
 * gives: *ret. fails: as update_source_of() and model_decode(), each with a sentence */
MUST_CHECK enum status difference_of(struct view base, struct update *u, struct difference *ret,
                                     struct why *why);

size_t difference_count(const struct difference *d);

/* update - base at [from, to), in float32. scratch, ret: (to - from,) float32, the caller's */
void difference_read(const struct difference *d, size_t from, size_t to, float *scratch,
                     float *ret);

/* Of a zeroed one: nothing. */
void difference_done(struct difference *d);

#endif
