/* AVX2 and F16C: x86-64 processors since 2013. */
#include <immintrin.h>
#include <stdint.h>

#define LANES 8
typedef __m256 vfloat;
typedef __m256d vdouble;

#define float_all    _mm256_set1_ps
#define float_load   _mm256_loadu_ps
#define float_store  _mm256_storeu_ps
#define float_add    _mm256_add_ps
#define float_mul    _mm256_mul_ps
#define double_all   _mm256_set1_pd
#define double_load  _mm256_loadu_pd
#define double_store _mm256_storeu_pd
#define double_add   _mm256_add_pd
#define double_sub   _mm256_sub_pd
#define double_mul   _mm256_mul_pd
#define double_div   _mm256_div_pd

static inline vdouble lower(vfloat v)
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(v));
}

static inline vdouble upper(vfloat v)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
}

static inline vfloat narrow(vdouble low, vdouble high)
{
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
}

static inline vfloat load_f32(const uint8_t *bytes)
{
    return _mm256_castsi256_ps(_mm256_loadu_si256((const __m256i *)bytes));
}

static inline vfloat load_f16(const uint8_t *bytes)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)bytes));
}

static inline vfloat load_bf16(const uint8_t *bytes)
{
    __m256i upper16 = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)bytes));
    return _mm256_castsi256_ps(_mm256_slli_epi32(upper16, 16));
}

static inline vfloat load_i8(const uint8_t *bytes)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)bytes)));
}

#include "aggregate/kernel_loops.h"

const struct kernel kernel_avx2 = KERNEL("avx2");
