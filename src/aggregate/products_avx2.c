/* Built for processors with AVX2 and FMA. */
#include <immintrin.h>

#include "aggregate/products.h"

_Static_assert(PRODUCTS_WIDTH == 8 && PRODUCTS_NARROW == 4, "vectors are of four float64");

/* Four float32 of each of four rows, as four columns of four float64. */
static inline void pack_four(const float *const rows[4], size_t k, double *ret_panel)
{
    __m256d a = _mm256_cvtps_pd(_mm_loadu_ps(rows[0] + k));
    __m256d b = _mm256_cvtps_pd(_mm_loadu_ps(rows[1] + k));
    __m256d c = _mm256_cvtps_pd(_mm_loadu_ps(rows[2] + k));
    __m256d d = _mm256_cvtps_pd(_mm_loadu_ps(rows[3] + k));
    __m256d ab_even = _mm256_unpacklo_pd(a, b), ab_odd = _mm256_unpackhi_pd(a, b);
    __m256d cd_even = _mm256_unpacklo_pd(c, d), cd_odd = _mm256_unpackhi_pd(c, d);
    double *to = ret_panel + k * PRODUCTS_WIDTH;
    _mm256_storeu_pd(to, _mm256_permute2f128_pd(ab_even, cd_even, 0x20));
    _mm256_storeu_pd(to + PRODUCTS_WIDTH, _mm256_permute2f128_pd(ab_odd, cd_odd, 0x20));
    _mm256_storeu_pd(to + 2 * PRODUCTS_WIDTH, _mm256_permute2f128_pd(ab_even, cd_even, 0x31));
    _mm256_storeu_pd(to + 3 * PRODUCTS_WIDTH, _mm256_permute2f128_pd(ab_odd, cd_odd, 0x31));
}

static void pack(const float *const rows[PRODUCTS_WIDTH], size_t count, double *ret_panel)
{
    size_t k = 0;
    for (; k + 4 <= count; k += 4) {
        pack_four(rows, k, ret_panel);
        pack_four(rows + 4, k, ret_panel + 4);
    }
    for (; k < count; k++)
        for (size_t i = 0; i < PRODUCTS_WIDTH; i++)
            ret_panel[k * PRODUCTS_WIDTH + i] = (double)rows[i][k];
}

/* One row of sums; in registers while the products of a tile are added. */
struct row {
    __m256d low, high;
};

static inline struct row added(struct row r, const double *a, __m256d b_low, __m256d b_high)
{
    __m256d all = _mm256_broadcast_sd(a);
    return (struct row){_mm256_fmadd_pd(all, b_low, r.low), _mm256_fmadd_pd(all, b_high, r.high)};
}

static inline void add_row(double *sums, struct row r)
{
    _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_loadu_pd(sums), r.low));
    _mm256_storeu_pd(sums + 4, _mm256_add_pd(_mm256_loadu_pd(sums + 4), r.high));
}

/* Four rows of sums: eight vectors, which is what hides the latency of one FMA.
 * Not an array, which the compiler would keep in memory. */
static void add_four(const double *a, const double *b, size_t count, double *sums, size_t stride)
{
    struct row r0 = {0}, r1 = {0}, r2 = {0}, r3 = {0};
    for (size_t k = 0; k < count; k++, a += PRODUCTS_WIDTH, b += PRODUCTS_WIDTH) {
        __m256d b_low = _mm256_loadu_pd(b), b_high = _mm256_loadu_pd(b + 4);
        r0 = added(r0, a, b_low, b_high);
        r1 = added(r1, a + 1, b_low, b_high);
        r2 = added(r2, a + 2, b_low, b_high);
        r3 = added(r3, a + 3, b_low, b_high);
    }
    add_row(sums, r0);
    add_row(sums + stride, r1);
    add_row(sums + 2 * stride, r2);
    add_row(sums + 3 * stride, r3);
}

static void add(const double *a, const double *b, size_t count, double *sums, size_t stride)
{
    add_four(a, b, count, sums, stride);
    add_four(a + 4, b, count, sums + 4 * stride, stride);
}

static inline __m256d added_narrow(__m256d row, const double *a, __m256d b)
{
    return _mm256_fmadd_pd(_mm256_broadcast_sd(a), b, row);
}

static inline void add_narrow_row(double *sums, __m256d row)
{
    _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_loadu_pd(sums), row));
}

/* Eight rows of half the length: eight vectors again. */
static void add_narrow(const double *a, const double *b, size_t count, double *sums, size_t stride)
{
    __m256d r0 = {0}, r1 = {0}, r2 = {0}, r3 = {0}, r4 = {0}, r5 = {0}, r6 = {0}, r7 = {0};
    for (size_t k = 0; k < count; k++, a += PRODUCTS_WIDTH, b += PRODUCTS_WIDTH) {
        __m256d columns = _mm256_loadu_pd(b);
        r0 = added_narrow(r0, a, columns);
        r1 = added_narrow(r1, a + 1, columns);
        r2 = added_narrow(r2, a + 2, columns);
        r3 = added_narrow(r3, a + 3, columns);
        r4 = added_narrow(r4, a + 4, columns);
        r5 = added_narrow(r5, a + 5, columns);
        r6 = added_narrow(r6, a + 6, columns);
        r7 = added_narrow(r7, a + 7, columns);
    }
    add_narrow_row(sums, r0);
    add_narrow_row(sums + stride, r1);
    add_narrow_row(sums + 2 * stride, r2);
    add_narrow_row(sums + 3 * stride, r3);
    add_narrow_row(sums + 4 * stride, r4);
    add_narrow_row(sums + 5 * stride, r5);
    add_narrow_row(sums + 6 * stride, r6);
    add_narrow_row(sums + 7 * stride, r7);
}

const struct products products_avx2 = {"avx2", pack, add, add_narrow};
