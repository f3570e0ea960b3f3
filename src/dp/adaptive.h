/* A clip that follows the updates: the norm that a given share of the devices stays below.
 *
 * Source: Andrew, Thakkar, McMahan, Ramaswamy 2021, arXiv:1905.03871, Algorithm 1:
 * each device also says in one bit whether its norm was at most C; with b the noised share
 * of those who were,
 *     C = C exp(-rate (b - quantile))
 * and, as the bits cost privacy too, the update's noise multiplier grows from z to
 *     z_delta = (z^-2 - (2 sigma_b)^-2)^(-1/2)
 * where sigma_b is the noise on the sum of the bits (which are sent as b - 1/2, of a
 * sensitivity of 1/2). Both releases together are then as private as one with z. */
#ifndef DP_ADAPTIVE_H
#define DP_ADAPTIVE_H

#include <stdint.h>

#include "base/status.h"

#define ADAPTIVE_QUANTILE 0.5
#define ADAPTIVE_RATE     0.2

/* The next clip, kept within CLIP_MIN..CLIP_MAX. A noised share may lie outside of 0..1;
 * it is cut to that, which costs no privacy and keeps one round from moving C far.
 * clip: CLIP_MIN..CLIP_MAX; share: finite; quantile: 0..1; rate: 0..1 */
double adaptive_next(double clip, double share, double quantile, double rate);

/* The paper's noise on the sum of `devices` bits: a twentieth of them. devices: at least 1 */
double adaptive_bit_noise(uint32_t devices);

/* z_delta, the noise multiplier of the update beside bits with noise bit_noise.
 * fails: ST_INVALID (z or bit_noise not finite and above 0; bit_noise not above z / 2: the
 *        bits alone would spend it all); why says so */
MUST_CHECK enum status adaptive_split(double z, double bit_noise, double *ret_z_delta,
                                      struct why *why);

#endif
