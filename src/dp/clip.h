/* No device's update is longer than C: the L2 norm of float32 vectors, and the factor that
 * brings them down to it. In exact arithmetic, so that the sensitivity is a fact and not
 * one up to rounding.
 *
 * Source: McMahan et al. 2018, arXiv:1710.06963: update * min(1, C / norm).
 *
 * The norm is added up in float64. A square of a float32 is exact there, each addition is
 * off by a factor of at most 1 + 2^-53; clip_norm() is made larger by a bound of them all, and
 * clip_factor() smaller by one more. clip_apply() rounds towards zero. So the norm of what
 * it writes is at most C, and below it by a factor of at most (1 - 2^-23) (1 - count 2^-51). */
#ifndef DP_CLIP_H
#define DP_CLIP_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

#define CLIP_COUNT_MAX ((uint64_t)MODEL_PARAMS_MAX)
#define CLIP_MIN       1e-12 /* of C, in the model's units */
#define CLIP_MAX       1e12

/* A vector as it goes by. Zeroed: nothing yet. */
struct clip {
    double squares;
    uint64_t count;
};

/* Adds the next piece of the vector.
 * piece: (count,) float32, borrowed
 * fails: ST_NOT_FINITE (a NaN or an infinity), ST_LIMIT (more than CLIP_COUNT_MAX in all);
 *        c is then unchanged */
MUST_CHECK enum status clip_add(struct clip *c, const float *piece, size_t count);

/* The L2 norm, never below the true one. */
double clip_norm(const struct clip *c);

/* min(1, bound / norm), never above the true one. bound: CLIP_MIN..CLIP_MAX */
double clip_factor(const struct clip *c, double bound);

/* piece = factor * piece, each rounded towards zero.
 * piece: (count,) float32, finite; factor: of clip_factor() */
void clip_apply(float *piece, size_t count, double factor);

#endif
