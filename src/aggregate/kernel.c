/* Which kernels this processor has. */
#include "aggregate/kernel.h"

#if defined(__x86_64__)

extern const struct kernel kernel_sse2, kernel_avx2, kernel_avx512;

const struct kernel *kernel_at(size_t index)
{
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f");
    const struct kernel *const all[] = {
        &kernel_plain,
        &kernel_sse2,
        avx2 ? &kernel_avx2 : NULL,
        avx512 ? &kernel_avx512 : NULL,
    };
    return index < sizeof all / sizeof all[0] ? all[index] : NULL;
}

#elif defined(__aarch64__)

extern const struct kernel kernel_neon;

const struct kernel *kernel_at(size_t index)
{
    return index == 0 ? &kernel_plain : index == 1 ? &kernel_neon : NULL;
}

#else

const struct kernel *kernel_at(size_t index)
{
    return index == 0 ? &kernel_plain : NULL;
}

#endif

const struct kernel *kernel_best(void)
{
    const struct kernel *best = kernel_at(0);
    for (size_t i = 1; kernel_at(i) != NULL; i++)
        best = kernel_at(i);
    return best;
}
