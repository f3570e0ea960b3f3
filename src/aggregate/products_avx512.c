/* Built for processors with AVX-512F (which all have AVX2 and FMA). */
#include <immintrin.h>

#include "aggregate/products.h"

_Static_assert(PRODUCTS_WIDTH == 8, "one vector of eight float64");

static void add(const double *a, const double *b, size_t count, double *sums, size_t stride)
{
    __m512d rows[PRODUCTS_WIDTH];
    for (size_t i = 0; i < PRODUCTS_WIDTH; i++)
        rows[i] = _mm512_setzero_pd();
    for (size_t k = 0; k < count; k++) {
        __m512d columns = _mm512_loadu_pd(b + k * PRODUCTS_WIDTH);
        for (size_t i = 0; i < PRODUCTS_WIDTH; i++)
            rows[i] = _mm512_fmadd_pd(_mm512_set1_pd(a[k * PRODUCTS_WIDTH + i]), columns, rows[i]);
    }
    for (size_t i = 0; i < PRODUCTS_WIDTH; i++)
        _mm512_storeu_pd(sums + i * stride,
                         _mm512_add_pd(_mm512_loadu_pd(sums + i * stride), rows[i]));
}

/* Half a vector is one of AVX2. */
extern const struct products products_avx2;

static void add_narrow(const double *a, const double *b, size_t count, double *sums, size_t stride)
{
    products_avx2.add_narrow(a, b, count, sums, stride);
}

static void pack(const float *const rows[PRODUCTS_WIDTH], size_t count, double *ret_panel)
{
    products_avx2.pack(rows, count, ret_panel);
}

const struct products products_avx512 = {"avx512", pack, add, add_narrow};
