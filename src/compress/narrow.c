#include "compress/narrow.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define SIGN          0x80000000u
#define FLOAT32_INF   0x7f800000u
#define FLOAT16_INF   0x7c00u
#define FLOAT16_MIN_E 113 /* the exponent, as it is stored, of the smallest normal float16 */
#define FRACTION_BITS 13  /* that float16 lacks */

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The upper bits of x, of which `lost` are cut off: to the nearest, ties to even. A carry
 * runs into the exponent, as it should. */
static uint32_t cut(uint32_t x, unsigned lost)
{
    uint32_t half = (uint32_t)1 << (lost - 1);
    uint32_t odd = (x >> lost) & 1;
    return (x + half - 1 + odd) >> lost;
}

uint16_t float16_of(float value)
{
    uint32_t bits = bits_of(value), sign = (bits & SIGN) >> 16, magnitude = bits & ~SIGN;
    if (magnitude > FLOAT32_INF) /* NaN: a quiet one */
        return (uint16_t)(sign | FLOAT16_INF | 0x200);
    uint32_t exponent = magnitude >> 23;
    if (exponent < FLOAT16_MIN_E - 11) /* below half of the smallest subnormal */
        return (uint16_t)sign;
    if (exponent < FLOAT16_MIN_E) { /* subnormal: the leading one becomes visible */
        uint32_t fraction = (magnitude & 0x7fffff) | 0x800000;
        return (uint16_t)(sign | cut(fraction, FRACTION_BITS + FLOAT16_MIN_E - exponent));
    }
    uint32_t rest = cut(magnitude - ((uint32_t)(FLOAT16_MIN_E - 1) << 23), FRACTION_BITS);
    return (uint16_t)(sign | (rest > FLOAT16_INF ? FLOAT16_INF : rest));
}

float float16_value(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 0x1f;
    uint32_t fraction = half & 0x3ff;
    if (exponent == 0x1f)
        return of_bits(sign | FLOAT32_INF | fraction << FRACTION_BITS);
    if (exponent == 0) {
        float magnitude = (float)fraction * 0x1p-24f;
        return sign == 0 ? magnitude : -magnitude;
    }
    return of_bits(sign | (exponent + FLOAT16_MIN_E - 1) << 23 | fraction << FRACTION_BITS);
}

uint16_t bfloat16_of(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & ~SIGN) > FLOAT32_INF)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)cut(bits, 16);
}

float bfloat16_value(uint16_t upper)
{
    return of_bits((uint32_t)upper << 16);
}

float int8_scale(float largest)
{
    float scale = largest / INT8_LEVELS;
    return scale < FLT_MIN ? FLT_MIN : scale;
}

int8_t int8_of(float value, float scale, struct rand *r)
{
    double levels = floor((double)value / (double)scale + rand_unit(r));
    if (levels > INT8_LEVELS) /* the scale itself is rounded */
        return INT8_LEVELS;
    return levels < -INT8_LEVELS ? -INT8_LEVELS : (int8_t)levels;
}
