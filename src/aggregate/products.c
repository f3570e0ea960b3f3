/* The reference, and which kernels this processor has. */
#include "aggregate/products.h"

static void pack(const float *const rows[PRODUCTS_WIDTH], size_t count, double *ret_panel)
{
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < PRODUCTS_WIDTH; i++)
            ret_panel[k * PRODUCTS_WIDTH + i] = (double)rows[i][k];
}

static void add_columns(const double *a, const double *b, size_t count, size_t columns,
                        double *sums, size_t stride)
{
    for (size_t i = 0; i < PRODUCTS_WIDTH; i++) {
        double row[PRODUCTS_WIDTH] = {0};
        for (size_t k = 0; k < count; k++)
            for (size_t j = 0; j < columns; j++)
                row[j] += a[k * PRODUCTS_WIDTH + i] * b[k * PRODUCTS_WIDTH + j];
        for (size_t j = 0; j < columns; j++)
            sums[i * stride + j] += row[j];
    }
}

static void add(const double *a, const double *b, size_t count, double *sums, size_t stride)
{
    add_columns(a, b, count, PRODUCTS_WIDTH, sums, stride);
}

static void add_narrow(const double *a, const double *b, size_t count, double *sums, size_t stride)
{
    add_columns(a, b, count, PRODUCTS_NARROW, sums, stride);
}

const struct products products_plain = {"plain", pack, add, add_narrow};

#if defined(__x86_64__)

extern const struct products products_avx2, products_avx512;

const struct products *products_at(size_t index)
{
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f");
    const struct products *const all[] = {
        &products_plain,
        avx2 ? &products_avx2 : NULL,
        avx512 ? &products_avx512 : NULL,
    };
    return index < sizeof all / sizeof all[0] ? all[index] : NULL;
}

#else

const struct products *products_at(size_t index)
{
    return index == 0 ? &products_plain : NULL;
}

#endif

const struct products *products_best(void)
{
    const struct products *best = &products_plain;
    for (size_t i = 1; products_at(i) != NULL; i++)
        best = products_at(i);
    return best;
}
