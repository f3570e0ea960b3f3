/* Geometric median of updates (RFA): the point with the least sum of distances.
 *
 * Source: Pillutla, Kakade, Harchaoui 2019, arXiv:1912.13445, the smoothed Weiszfeld
 * algorithm. From the weighted mean z of all updates, a fixed number of times:
 *     beta_i = weight_i / max(smoothing, |z - x_i|)
 *     z      = sum_i beta_i x_i / sum_i beta_i
 * where z is rounded to float32, as fold_mean() does, before distances to it are
 * taken in float64. No step is left out when it converges early.
 *
 * How it is driven, for `iterations` times: geometric_measure() for each section,
 * which threads may share, then geometric_next(). The result is then fold_mean() of
 * geometric_sources(). Sources are in the order of their ids and sections depend on
 * the model's length only (section.h), so the bytes are the same in whatever order
 * updates arrive and however sections are shared, on every processor.
 *
 * Limits: it holds while those who lie have less than half of the weight. Weights are
 * what sources say, so where samples are a participant's own word, use equal ones.
 * One pass over all updates for each iteration and one for the result. All updates
 * must be to the same base and whole. */
#ifndef AGGREGATE_GEOMETRIC_H
#define AGGREGATE_GEOMETRIC_H

#include "aggregate/source.h"

struct geometric;

/* sources:   (count,) that pass sources_check() over [0, param_count); copied, but
 *            what they refer to is kept
 * smoothing: in the units of distances, 2^-100..2^100
 * gives:     *ret, to be ended with geometric_free()
 * fails:     ST_INVALID (smoothing, count 0, param_count not in
 *            1..MODEL_PARAMS_MAX), ST_LIMIT (more than ROUND_PARTICIPANTS_MAX),
 *            ST_NOMEM */
MUST_CHECK enum status geometric_new(const struct source *sources, size_t count, size_t param_count,
                                     double smoothing, struct geometric **ret);

size_t geometric_section_count(const struct geometric *g);

/* Measures all updates' distances to the present z over one section.
 * fails: ST_NOT_FINITE (a value was not finite), ST_NOMEM */
MUST_CHECK enum status geometric_measure(struct geometric *g, size_t section);

/* Ends an iteration, once all sections are measured. */
void geometric_next(struct geometric *g);

/* The sources with the present weights: their mean is z. */
const struct source *geometric_sources(const struct geometric *g);

/* Ends g and returns NULL. NULL is allowed. */
struct geometric *geometric_free(struct geometric *g);

#endif
