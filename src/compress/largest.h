/* The k largest magnitudes of many finite values that are looked at twice, in any portions,
 * and never held: a radix selection over the bits of a float's magnitude, which order as the
 * magnitudes do (IEEE 754). */
#ifndef COMPRESS_LARGEST_H
#define COMPRESS_LARGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct largest;

/* gives: *ret, of 512 KiB, to be ended with largest_free(). fails: ST_NOMEM */
MUST_CHECK enum status largest_new(struct largest **ret);

/* Begins anew. k: at least 1, at most as many as there will be values */
void largest_begin(struct largest *l, size_t k);

/* The first look, at all values: values (count,), finite. */
void largest_count(struct largest *l, const float *values, size_t count);
/* The second look, at the same values in the same order. */
void largest_count_again(struct largest *l, const float *values, size_t count);

/* After both: whether a value is one of the k largest. To be asked once for each value, in
 * the same order: of several with the same magnitude the first ones are. */
bool largest_takes(struct largest *l, float value);

struct largest *largest_free(struct largest *l);

#endif
