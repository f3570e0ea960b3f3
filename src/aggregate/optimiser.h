/* Server optimisers: the mean of a round is not the next version but a direction
 * to step in.
 *
 * Source: Reddi et al. 2021, arXiv:2003.00295, Algorithm 2, and for FedAvgM Hsu
 * et al. 2019, arXiv:1909.06335. With x the base model and
 * delta = mean - x, for each coordinate:
 *     fedavgm     m = beta1 m + delta
 *                 x = x + rate m
 *     the others  m = beta1 m + (1 - beta1) delta
 *                 v = v + delta^2                                  (fedadagrad)
 *                 v = beta2 v + (1 - beta2) delta^2                (fedadam)
 *                 v = v - (1 - beta2) delta^2 sign(v - delta^2)    (fedyogi)
 *                 x = x + rate m / (sqrt(v) + tau)
 * As in the paper there is no correction of bias, and v begins at tau^2.
 *
 * All operations are in float64, each rounded on its own, in the order written;
 * m and v are then rounded to float32, and it is the rounded ones that x is made
 * of: who continues from a stored state gets the same bytes as who never stopped.
 * A coordinate depends on nothing but itself, so ranges may be split over threads.
 *
 * Limits: with float32 moments a |delta| above about 1.8e19 overflows v; such a
 * step is refused. Partial updates: where nobody sent a coordinate, the owner
 * leaves it out of the range, and its moments stay as they are. */
#ifndef AGGREGATE_OPTIMISER_H
#define AGGREGATE_OPTIMISER_H

#include "model/model.h"

enum optimiser_kind {
    OPTIMISER_FEDAVGM,
    OPTIMISER_FEDADAGRAD,
    OPTIMISER_FEDADAM,
    OPTIMISER_FEDYOGI,
};
#define OPTIMISER_COUNT 4

/* Steps are kept as a float32 tensor, which is exact up to here. */
#define OPTIMISER_STEPS_MAX ((uint32_t)1 << 24)

struct optimiser {
    enum optimiser_kind kind;
    double rate;  /* the server's learning rate, 1e-9..1e3 */
    double beta1; /* 0..0.9999 */
    double beta2; /* 0..0.9999; fedadam and fedyogi only, else not looked at */
    double tau;   /* degree of adaptivity, 1e-9..1; not of fedavgm */
};

/* "fedavgm", "fedadagrad", "fedadam", "fedyogi". */
const char *optimiser_name(enum optimiser_kind kind);

/* fails: ST_NOT_FOUND; why names those that there are */
MUST_CHECK enum status optimiser_named(const char *name, enum optimiser_kind *ret_kind,
                                       struct why *why);

/* The papers' values: beta1 0.9 (fedadagrad: 0), beta2 0.99, tau 0.001. The rate
 * is 1 for fedavgm; for the others the paper searches it for each task, from
 * 0.001 to 10, and 0.1 is where we begin. */
struct optimiser optimiser_defaults(enum optimiser_kind kind);

/* fails: ST_INVALID (a value out of its range, or a NaN; why names it) */
MUST_CHECK enum status optimiser_check(const struct optimiser *o, struct why *why);

/* What one version hands to the next, as arrays that somebody else owns. */
struct optimiser_state {
    float *momentum;      /* (param_count,): m */
    float *second_moment; /* (param_count,): v, each at least 0; NULL for fedavgm */
    uint32_t steps;       /* that led here */
};

/* The state as tensors, to be stored with the version: "optimiser.momentum" and
 * "optimiser.second_moment", each of one dimension, in the order of the model's
 * coordinates; "optimiser.steps", a scalar. Its metadata "optimiser" is the kind's
 * name: what one kind left is not read by another.
 * gives: *ret, to be ended with model_free(); the state before the first step
 * fails: ST_LIMIT (state and model_new()'s MODEL_PARAMS_MAX), ST_INVALID
 *        (param_count 0), ST_NOMEM */
MUST_CHECK enum status optimiser_state_new(const struct optimiser *o, size_t param_count,
                                           struct model **ret);

/* The arrays inside of a state, which may come from outside.
 * ret_state: points into tensors, valid as long as these
 * fails: ST_INVALID (of another kind; steps not a whole number in
 *        0..OPTIMISER_STEPS_MAX; a negative second moment), ST_SHAPE (other tensors
 *        than expected for param_count), ST_NOT_FINITE */
MUST_CHECK enum status optimiser_state_of(const struct optimiser *o, const struct model *tensors,
                                          size_t param_count, struct optimiser_state *ret_state,
                                          struct why *why);

/* Writes the number of steps into the tensors of a state. steps at most
 * OPTIMISER_STEPS_MAX: no round begins another one after that. */
void optimiser_state_set_steps(struct model *tensors, uint32_t steps);

/* One step for the coordinates [from, to) of a model.
 * o:            passes optimiser_check()
 * base, mean:   (to - from,) float32, finite: x, and what the round aggregated
 * state:        before the step
 * next:         arrays to write [from, to) of; may be the same as state's, if what
 *               stood there is not needed when the step is refused. Its steps are
 *               not looked at
 * params:       (to - from,) float32: the new x; may be the array of mean
 * fails:        ST_NOT_FINITE (a moment or a new parameter overflowed); params and
 *               next are of no meaning then */
MUST_CHECK enum status optimiser_step(const struct optimiser *o,
                                      const struct optimiser_state *state, const float *base,
                                      const float *mean, size_t from, size_t to,
                                      const struct optimiser_state *next, float *params);

#endif
