/* Squared Euclidean distances of all updates to each other: what Krum is made of.
 *
 * With g the sums of products of all values in float64, |x_i - x_j|^2 is
 * g_ii + g_jj - 2 g_ij, and 0 where rounding makes that negative. The error is
 * about 1e-13 of the squared norms: two updates that differ by less than a
 * millionth of their norm are told apart by float32 no better. Values are finite
 * float32, so nothing overflows, whatever a participant sends.
 *
 * Sums are split as section.h says: threads may add different sections at the same
 * time, and the result depends on neither that nor the processor. The distance of i
 * and j does not depend on who else is there. */
#ifndef AGGREGATE_DISTANCES_H
#define AGGREGATE_DISTANCES_H

#include "aggregate/section.h"
#include "aggregate/source.h"

/* Work grows with the square of the number of updates, as does memory: 128 bytes a
 * pair, 130 MB at most. */
#define DISTANCES_SOURCES_MAX ((size_t)1000)

struct distances;

/* gives: *ret, to be ended with distances_free(); nothing is added yet
 * fails: ST_INVALID (count 0, param_count not in 1..MODEL_PARAMS_MAX), ST_LIMIT
 *        (count above DISTANCES_SOURCES_MAX), ST_NOMEM */
MUST_CHECK enum status distances_new(size_t count, size_t param_count, struct distances **ret);

/* Sections to be added, each once: sections 0 up to this. */
size_t distances_section_count(const struct distances *d);

/* sources: as many as d was made for, that pass sources_check() over [0, param_count)
 * fails: ST_NOT_FINITE (a value was not finite), ST_NOMEM; the section is then as if
 *        it had not been added */
MUST_CHECK enum status distances_add(struct distances *d, const struct source *sources,
                                     size_t section);

size_t distances_source_count(const struct distances *d);

/* The squared distance of sources i and j, once all sections are added. */
double distances_squared(const struct distances *d, size_t i, size_t j);

/* Ends d and returns NULL. NULL is allowed. */
struct distances *distances_free(struct distances *d);

#endif
