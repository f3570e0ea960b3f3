/* What the fast kernels must equal bit by bit. */
#include "aggregate/kernel.h"

#include <math.h>
#include <string.h>

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float read_f32(const uint8_t *bytes, float scale, size_t i)
{
    (void)scale;
    float value;
    memcpy(&value, bytes + 4 * i, sizeof value);
    return value;
}

/* binary16 has 5 bits of exponent (bias 15) and 10 of fraction. Moved up to
 * where binary32 (bias 127) has them, they read as the value times 2^-112,
 * subnormals included; that product is exact. */
static float read_f16(const uint8_t *bytes, float scale, size_t i)
{
    (void)scale;
    uint16_t half;
    memcpy(&half, bytes + 2 * i, sizeof half);
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t rest = (uint32_t)(half & 0x7fffu) << 13;
    if (rest >= 0x7c00u << 13) /* infinity or NaN */
        return float_of_bits(sign | 0x7f800000u | rest);
    return float_of_bits(sign | rest) * 0x1p112f;
}

static float read_bf16(const uint8_t *bytes, float scale, size_t i)
{
    (void)scale;
    uint16_t upper;
    memcpy(&upper, bytes + 2 * i, sizeof upper);
    return float_of_bits((uint32_t)upper << 16);
}

static float read_i8(const uint8_t *bytes, float scale, size_t i)
{
    return scale * (float)(int8_t)bytes[i];
}

/* The four loops of a dtype; the compiler puts read() into each. */
#define LOOPS(dtype, read)                                                                         \
    static void decode_##dtype(const uint8_t *bytes, float scale, size_t count, float *values)     \
    {                                                                                              \
        for (size_t i = 0; i < count; i++)                                                         \
            values[i] = read(bytes, scale, i);                                                     \
    }                                                                                              \
                                                                                                   \
    static void accumulate_##dtype(const struct run *runs, size_t run_count, size_t count,         \
                                   double *sums)                                                   \
    {                                                                                              \
        for (size_t k = 0; k < run_count; k++)                                                     \
            for (size_t i = 0; i < count; i++)                                                     \
                sums[i] += runs[k].weight * (double)read(runs[k].bytes, runs[k].scale, i);         \
    }                                                                                              \
                                                                                                   \
    static void squares_##dtype(const uint8_t *bytes, float scale, const float *model,             \
                                size_t count, double lanes[KERNEL_LANES])                          \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            double difference = (double)read(bytes, scale, i);                                     \
            difference -= model == NULL ? 0 : (double)model[i];                                    \
            lanes[i % KERNEL_LANES] += difference * difference;                                    \
        }                                                                                          \
    }

LOOPS(f32, read_f32)
LOOPS(f16, read_f16)
LOOPS(bf16, read_bf16)
LOOPS(i8, read_i8)

static bool divide(const double *sums, double divisor, size_t count, float *results)
{
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        results[i] = (float)(sums[i] / divisor);
        finite &= isfinite(results[i]) != 0;
    }
    return finite;
}

const struct kernel kernel_plain = {
    .name = "plain",
    .decode = {decode_f32, decode_f16, decode_bf16, decode_i8},
    .accumulate = {accumulate_f32, accumulate_f16, accumulate_bf16, accumulate_i8},
    .squares = {squares_f32, squares_f16, squares_bf16, squares_i8},
    .divide = divide,
};
