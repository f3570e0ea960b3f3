/* Matrix products by the host: what matmul.c offers, through the import fml_sgemm,
 * in guests that are built with FML_GUEST_SGEMM. A WebAssembly module cannot ask
 * whether an import is there: where the host lacks it, or refuses it, such a
 * module does not start at all. So this is the guest author's choice, and the
 * other build of the same sources runs everywhere. */
#include "fml_guest.h"

#ifdef FML_GUEST_SGEMM
#ifndef __wasm__
#error "FML_GUEST_SGEMM is for WebAssembly"
#endif

#define A_TRANSPOSED 1u /* a lies as (k, m) */
#define B_TRANSPOSED 2u /* b lies as (n, k) */

/* Traps if a matrix is not inside the memory, or c overlaps a or b. */
__attribute__((import_module("fml"), import_name("fml_sgemm"))) void
host_sgemm(uint32_t flags, uint32_t m, uint32_t n, uint32_t k, const float *a, const float *b,
           float *c);

void fml_matmul(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    host_sgemm(0, m, n, k, a, b, c);
}

void fml_matmul_ta(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    host_sgemm(A_TRANSPOSED, m, n, k, a, b, c);
}

void fml_matmul_tb(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    host_sgemm(B_TRANSPOSED, m, n, k, a, b, c);
}

#endif
