/* The one function of ours that a guest can import, fml_sgemm: c = a b in
 * float32, computed by native code on matrices in the guest's memory.
 *
 * Everything in an order is the guest's and may be anything. This file knows
 * nothing of the runtime: the memory is bytes here (engine_sgemm.h has the rest). */
#ifndef SANDBOX_SGEMM_H
#define SANDBOX_SGEMM_H

#include <stddef.h>
#include <stdint.h>

#define SGEMM_A_TRANSPOSED 1u /* a lies as (k, m) */
#define SGEMM_B_TRANSPOSED 2u /* b lies as (n, k) */

/* Of m, n and k. A memory of 4 GiB holds no larger matrix, and three factors of
 * this size and the size of a float have no overflow in 64 bits. */
#define SGEMM_DIMENSION_MAX ((uint32_t)1 << 30)

struct sgemm_order {
    uint32_t flags;
    uint32_t m, n; /* rows and columns of c */
    uint32_t k;    /* the inner dimension; 0 makes c all zeros */
    uint32_t a;    /* offsets in the memory, in bytes, each a multiple of 4: */
    uint32_t b;    /* row-major matrices without gaps, a (m, k), b (k, n) */
    uint32_t c;    /* (m, n), overwritten without being read; overlaps neither a nor b */
};

/* Does what the order says. NaN and infinities are numbers like others. Sums
 * over k are in blocks, so results differ from plain loops by rounding; the same
 * order gives the same bytes on the same kind of processor.
 * memory: `size` bytes, aligned to 4
 * gives: NULL, or what is wrong with the order, and then the memory is as it was */
const char *sgemm_do(const struct sgemm_order *order, uint8_t *memory, size_t size);

/* ---- the kernels behind it, for the test ---- */

/* How a matrix lies: element (i, j) is at data[i * row + j * col]. */
struct sgemm_grid {
    const float *data;
    size_t row, col;
};

/* c (m, n), row-major. m, n, k at least 1 */
typedef void sgemm_kernel_fn(size_t m, size_t n, size_t k, struct sgemm_grid a, struct sgemm_grid b,
                             float *c);

sgemm_kernel_fn sgemm_kernel_base; /* what every processor of this architecture can do */
sgemm_kernel_fn sgemm_kernel_avx2; /* AVX2 and FMA; the base kernel on other architectures */

/* The best that this processor can do. */
sgemm_kernel_fn *sgemm_kernel(void);

#endif
