#include "dp/fixed.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#include "dp/uniform.h"

static bool scale_is_valid(float scale)
{
    return scale >= FIXED_SCALE_MIN && scale <= FIXED_SCALE_MAX;
}

enum status fixed_square_max(float scale, double clip, size_t count, double beta,
                             uint64_t *ret_square_max)
{
    if (!scale_is_valid(scale) || !(clip > 0) || count < 1 || count > MODEL_PARAMS_MAX ||
        !(beta > 0 && beta < 1))
        return ST_INVALID;
    double c = (double)scale * clip, root = sqrt((double)count);
    double likely = c * c + (double)count / 4 + sqrt(-2 * log(beta)) * (c + root / 2);
    double certain = (c + root) * (c + root);
    double square = floor(fmin(likely, certain));
    if (!(square <= FIXED_NORM_MAX * FIXED_NORM_MAX))
        return ST_LIMIT;
    *ret_square_max = (uint64_t)square;
    return ST_OK;
}

double fixed_sensitivity(uint64_t square_max)
{
    /* Two steps up: the whole number may have been rounded down to a double, and the root. */
    return nextafter(nextafter(sqrt((double)square_max), INFINITY), INFINITY);
}

/* True with probability fraction, 0 <= fraction < 1: its binary digits, 64 at a time,
 * against random ones. Those of a product of two float32 end. */
static bool coin(double fraction, struct dp_random *r)
{
    while (fraction > 0) {
        double digits = fraction * 0x1p64, whole = floor(digits);
        uint64_t drawn = uniform_u64(r);
        if (drawn != (uint64_t)whole)
            return drawn < (uint64_t)whole;
        fraction = digits - whole;
    }
    return false;
}

static int64_t round_at_random(double x, struct dp_random *r)
{
    double below = floor(x);
    /* Just below zero the difference to -1 is rounded; the one to zero is exact. */
    if (below == -1 && x > -1)
        return coin(-x, r) ? -1 : 0;
    return (int64_t)below + coin(x - below, r);
}

__uint128_t fixed_round(float scale, const float *x, size_t count, struct dp_random *r,
                        int64_t *ret)
{
    __uint128_t square = 0;
    for (size_t i = 0; i < count; i++) {
        double scaled = (double)scale * (double)x[i];
        assert(fabs(scaled) <= FIXED_NORM_MAX);
        ret[i] = r == NULL ? (int64_t)scaled : round_at_random(scaled, r);
        square += (__uint128_t)((__int128_t)ret[i] * ret[i]);
    }
    return square;
}

/* Before anything is drawn or written: x is finite, and rounded towards zero is within. */
static enum status check(float scale, uint64_t square_max, const float *x, size_t count)
{
    __uint128_t square = 0;
    for (size_t i = 0; i < count; i++) {
        double scaled = (double)scale * (double)x[i];
        if (!isfinite(scaled))
            return ST_NOT_FINITE;
        if (fabs(scaled) > FIXED_NORM_MAX)
            return ST_LIMIT;
        uint64_t magnitude = (uint64_t)fabs(scaled);
        square += (__uint128_t)magnitude * magnitude;
    }
    return square <= square_max ? ST_OK : ST_INVALID;
}

enum status fixed_encode(float scale, uint64_t square_max, const float *x, size_t count,
                         struct dp_random *r, int64_t *ret)
{
    assert(scale_is_valid(scale));
    enum status status = check(scale, square_max, x, count);
    if (status != ST_OK)
        return status;
    for (unsigned draws = 0; draws < FIXED_DRAWS_MAX; draws++)
        if (fixed_round(scale, x, count, r, ret) <= square_max)
            return ST_OK;
    (void)fixed_round(scale, x, count, NULL, ret);
    return ST_OK;
}

int64_t fixed_centred(uint64_t word, unsigned bits)
{
    assert(bits >= 1 && bits <= 64);
    uint64_t half = (uint64_t)1 << (bits - 1), low = word & (half - 1);
    /* The highest bit counts minus half. */
    return (word & half) == 0 ? (int64_t)low : (int64_t)(low - half);
}

enum status fixed_decode(float scale, double divisor, const int64_t *sum, size_t count, float *ret)
{
    assert(scale_is_valid(scale) && divisor > 0);
    double unit = 1 / ((double)scale * divisor);
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        ret[i] = (float)((double)sum[i] * unit);
        finite &= isfinite(ret[i]);
    }
    return finite ? ST_OK : ST_NOT_FINITE;
}
