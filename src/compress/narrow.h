/* Numbers of float32 in fewer bits, and back as a reader of the update will see them. */
#ifndef COMPRESS_NARROW_H
#define COMPRESS_NARROW_H

#include <stdint.h>

#include "base/rand.h"

#define INT8_LEVELS 127 /* on either side of 0: -128 is not used */

/* Rounded to the nearest, ties to even (IEEE 754). What is too large becomes an infinity,
 * which the owner has to refuse. */
uint16_t float16_of(float value);
uint16_t bfloat16_of(float value);
float float16_value(uint16_t half);
float bfloat16_value(uint16_t upper);

/* The scale with which values of a magnitude up to `largest` become int8. largest: finite,
 * not negative. gives: above 0 and finite, also for nothing but zeros */
float int8_scale(float largest);

/* value / scale, rounded up or down at random so that the mean of many is exact:
 * QSGD, Alistarh et al. 2017, arXiv:1610.02132, section 3.1.
 * value: of a magnitude that scale was made for. gives: -INT8_LEVELS..INT8_LEVELS */
int8_t int8_of(float value, float scale, struct rand *r);

#endif
