/* The loops of every fast kernel, in the words of one processor's vectors. A
 * kernel_*.c defines these words and includes this file once:
 *
 *   LANES             numbers in a vfloat; a vdouble holds half as many
 *   vfloat, vdouble
 *   load_f32(bytes)   LANES numbers at any alignment, and so for f16, bf16, i8
 *   lower(v), upper(v)              the halves of a vfloat, as vdouble
 *   narrow(lower, upper)            the way back, rounded
 *   float_all(x), double_all(x)     x in every lane
 *   float_load, float_store, float_add, float_mul
 *   double_load, double_store, double_add, double_sub, double_mul, double_div
 *
 * What is left over at the end is less than a vector and goes to kernel_plain. */
#include <math.h>

#include "aggregate/kernel.h"

/* squares() reads one stream of bytes, and the processor alone does not fetch far
 * enough ahead in one: measured to be faster by a quarter. */
#define PREFETCH_SIZE 2048

#define INLINE static inline __attribute__((always_inline))

_Static_assert(KERNEL_LANES % LANES == 0, "a step of squares() is a whole number of vectors");

/* dtype is a constant wherever this is inlined. */
INLINE vfloat load(enum dtype dtype, const uint8_t *bytes, vfloat scale)
{
    switch (dtype) {
    case DTYPE_F16:
        return load_f16(bytes);
    case DTYPE_BF16:
        return load_bf16(bytes);
    case DTYPE_I8:
        return float_mul(scale, load_i8(bytes));
    case DTYPE_F32:
    case DTYPE_U32: /* no value */
        break;
    }
    return load_f32(bytes);
}

INLINE void decode(enum dtype dtype, const uint8_t *bytes, float scale, size_t count, float *values)
{
    size_t i = 0, size = dtype_size(dtype);
    for (; i + LANES <= count; i += LANES)
        float_store(values + i, load(dtype, bytes + i * size, float_all(scale)));
    kernel_plain.decode[dtype](bytes + i * size, scale, count - i, values + i);
}

/* run_count is a constant wherever this is inlined. */
INLINE void accumulate_runs(enum dtype dtype, const struct run *runs, size_t run_count,
                            size_t count, double *sums)
{
    const uint8_t *bytes[KERNEL_RUNS_MAX];
    vdouble weights[KERNEL_RUNS_MAX];
    vfloat scales[KERNEL_RUNS_MAX];
    for (size_t k = 0; k < run_count; k++) {
        bytes[k] = runs[k].bytes;
        weights[k] = double_all(runs[k].weight);
        scales[k] = float_all(runs[k].scale);
    }
    for (size_t i = 0; i < count; i += LANES) {
        vdouble low = double_load(sums + i), high = double_load(sums + i + LANES / 2);
        for (size_t k = 0; k < run_count; k++) {
            vfloat values = load(dtype, bytes[k] + i * dtype_size(dtype), scales[k]);
            low = double_add(low, double_mul(weights[k], lower(values)));
            high = double_add(high, double_mul(weights[k], upper(values)));
        }
        double_store(sums + i, low);
        double_store(sums + i + LANES / 2, high);
    }
}

INLINE void accumulate(enum dtype dtype, const struct run *runs, size_t run_count, size_t count,
                       double *sums)
{
    size_t whole = count - count % LANES;
    if (run_count == 4)
        accumulate_runs(dtype, runs, 4, whole, sums);
    else
        for (size_t k = 0; k < run_count; k++)
            accumulate_runs(dtype, runs + k, 1, whole, sums);
    if (whole == count)
        return;
    struct run rest[KERNEL_RUNS_MAX];
    for (size_t k = 0; k < run_count; k++) {
        rest[k] = runs[k];
        rest[k].bytes += whole * dtype_size(dtype);
    }
    kernel_plain.accumulate[dtype](rest, run_count, count - whole, sums + whole);
}

INLINE vdouble add_square(vdouble sum, vdouble difference)
{
    return double_add(sum, double_mul(difference, difference));
}

/* with_model is a constant wherever this is inlined. */
INLINE void squares_of(enum dtype dtype, bool with_model, const uint8_t *bytes, float scale,
                       const float *model, size_t count, double lanes[KERNEL_LANES])
{
    vdouble sums[2 * KERNEL_LANES / LANES];
    for (size_t j = 0; j < 2 * KERNEL_LANES / LANES; j++)
        sums[j] = double_load(lanes + j * (LANES / 2));
    for (size_t i = 0; i < count; i += KERNEL_LANES) {
        __builtin_prefetch(bytes + i * dtype_size(dtype) + PREFETCH_SIZE);
        for (size_t j = 0; j < KERNEL_LANES / LANES; j++) {
            size_t at = i + j * LANES;
            vfloat values = load(dtype, bytes + at * dtype_size(dtype), float_all(scale));
            vfloat zero = with_model ? float_load(model + at) : float_all(0);
            sums[2 * j] = add_square(sums[2 * j], double_sub(lower(values), lower(zero)));
            sums[2 * j + 1] = add_square(sums[2 * j + 1], double_sub(upper(values), upper(zero)));
        }
    }
    for (size_t j = 0; j < 2 * KERNEL_LANES / LANES; j++)
        double_store(lanes + j * (LANES / 2), sums[j]);
}

INLINE void squares(enum dtype dtype, const uint8_t *bytes, float scale, const float *model,
                    size_t count, double lanes[KERNEL_LANES])
{
    size_t whole = count - count % KERNEL_LANES;
    if (model != NULL)
        squares_of(dtype, true, bytes, scale, model, whole, lanes);
    else
        squares_of(dtype, false, bytes, scale, NULL, whole, lanes);
    kernel_plain.squares[dtype](bytes + whole * dtype_size(dtype), scale,
                                model == NULL ? NULL : model + whole, count - whole, lanes);
}

static bool divide(const double *sums, double divisor, size_t count, float *results)
{
    /* 0 times a number is 0, and NaN for all that is not finite. */
    vfloat zeros = float_all(0);
    vdouble divisors = double_all(divisor);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        vdouble low = double_div(double_load(sums + i), divisors);
        vdouble high = double_div(double_load(sums + i + LANES / 2), divisors);
        vfloat result = narrow(low, high);
        float_store(results + i, result);
        zeros = float_add(zeros, float_mul(result, float_all(0)));
    }
    float lanes[LANES];
    float_store(lanes, zeros);
    bool finite = true;
    for (size_t j = 0; j < LANES; j++)
        finite &= isfinite(lanes[j]) != 0;
    return kernel_plain.divide(sums + i, divisor, count - i, results + i) && finite;
}

#define LOOPS(name, dtype)                                                                         \
    static void decode_##name(const uint8_t *bytes, float scale, size_t count, float *values)      \
    {                                                                                              \
        decode(dtype, bytes, scale, count, values);                                                \
    }                                                                                              \
                                                                                                   \
    static void accumulate_##name(const struct run *runs, size_t run_count, size_t count,          \
                                  double *sums)                                                    \
    {                                                                                              \
        accumulate(dtype, runs, run_count, count, sums);                                           \
    }                                                                                              \
                                                                                                   \
    static void squares_##name(const uint8_t *bytes, float scale, const float *model,              \
                               size_t count, double lanes[KERNEL_LANES])                           \
    {                                                                                              \
        squares(dtype, bytes, scale, model, count, lanes);                                         \
    }

LOOPS(f32, DTYPE_F32)
LOOPS(f16, DTYPE_F16)
LOOPS(bf16, DTYPE_BF16)
LOOPS(i8, DTYPE_I8)

#define KERNEL(text)                                                                               \
    {                                                                                              \
        .name = text, .decode = {decode_f32, decode_f16, decode_bf16, decode_i8},                  \
        .accumulate = {accumulate_f32, accumulate_f16, accumulate_bf16, accumulate_i8},            \
        .squares = {squares_f32, squares_f16, squares_bf16, squares_i8}, .divide = divide,         \
    }
