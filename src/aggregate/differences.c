#include "aggregate/differences.h"

#include <assert.h>
#include <math.h>

#include "aggregate/values.h"

#define TILE ((size_t)1024)

/* The loops are built for more than one kind of processor; nothing in them depends
 * on the width of its vectors. */
#if defined(__x86_64__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("default", "avx2")))
#else
#define WIDE
#endif

WIDE static void add(double *sums, const float *values, const float *base, double factor,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        sums[i] += factor * ((double)values[i] - (double)base[i]);
}

static bool step(const double *sums, const float *base, size_t count, float *ret)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        ret[i] = (float)((double)base[i] + sums[i]);
        finite &= isfinite(ret[i]) != 0;
    }
    return finite;
}

enum status differences_add(const struct source *sources, const double *factors,
                            const float *const *bases, size_t count, const float *base, size_t from,
                            size_t to, float *ret)
{
    assert(sources != NULL && factors != NULL && base != NULL && count >= 1 && from < to);
    for (; from < to; from += TILE, ret += TILE) {
        size_t size = to - from < TILE ? to - from : TILE;
        double sums[TILE] = {0};
        float room[TILE];
        for (size_t k = 0; k < count; k++) {
            const float *values = values_of(&sources[k], from, from + size, room);
            add(sums, values, (bases == NULL ? base : bases[k]) + from, factors[k], size);
        }
        if (!step(sums, base + from, size, ret))
            return ST_NOT_FINITE;
    }
    return ST_OK;
}

void difference_shares(const struct source *sources, size_t count, double *ret_factors)
{
    assert(count >= 1);
    double weights = 0;
    for (size_t k = 0; k < count; k++)
        weights += sources[k].weight;
    for (size_t k = 0; k < count; k++)
        ret_factors[k] = sources[k].weight / weights;
}

void norm_bound_factors(const struct source *sources, const double *squares, size_t count,
                        double bound, double *ret_factors)
{
    assert(bound > 0 && isfinite(bound));
    difference_shares(sources, count, ret_factors);
    for (size_t k = 0; k < count; k++)
        ret_factors[k] /= fmax(1, sqrt(squares[k]) / bound);
}
