#include "sandbox/sgemm.h"

#ifdef __AVX2__
#define KERNEL sgemm_kernel_avx2
#define LANES  8
#include "sandbox/sgemm_kernel.h"
#else
void sgemm_kernel_avx2(size_t m, size_t n, size_t k, struct sgemm_grid a, struct sgemm_grid b,
                       float *c)
{
    sgemm_kernel_base(m, n, k, a, b, c);
}
#endif
