#include "dp/adaptive.h"

#include <assert.h>
#include <math.h>

#include "dp/clip.h"

#define BIT_NOISE_PARTS 20

double adaptive_next(double clip, double share, double quantile, double rate)
{
    assert(clip >= CLIP_MIN && clip <= CLIP_MAX && isfinite(share));
    assert(quantile >= 0 && quantile <= 1 && rate >= 0 && rate <= 1);
    double within = fmin(fmax(share, 0), 1);
    double next = clip * exp(-rate * (within - quantile));
    return fmin(fmax(next, CLIP_MIN), CLIP_MAX);
}

double adaptive_bit_noise(uint32_t devices)
{
    assert(devices >= 1);
    return (double)devices / BIT_NOISE_PARTS;
}

enum status adaptive_split(double z, double bit_noise, double *ret_z_delta, struct why *why)
{
    if (!(z > 0 && isfinite(z)) || !(bit_noise > 0 && isfinite(bit_noise))) {
        why_set(why, "noise of %g on updates and %g on bits is none", z, bit_noise);
        return ST_INVALID;
    }
    double ratio = z / (2 * bit_noise), left = (1 - ratio) * (1 + ratio);
    double z_delta = left > 0 ? z / sqrt(left) : INFINITY;
    if (!isfinite(z_delta)) {
        why_set(why,
                "noise of %g on the bits of the clip leaves nothing for updates at noise %g: it "
                "has to be above half of that",
                bit_noise, z);
        return ST_INVALID;
    }
    *ret_z_delta = z_delta;
    return ST_OK;
}
