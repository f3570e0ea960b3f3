/* AVX-512 F, the part that all of its processors have. */
#include <immintrin.h>
#include <stdint.h>

#define LANES 16
typedef __m512 vfloat;
typedef __m512d vdouble;

#define float_all    _mm512_set1_ps
#define float_load   _mm512_loadu_ps
#define float_store  _mm512_storeu_ps
#define float_add    _mm512_add_ps
#define float_mul    _mm512_mul_ps
#define double_all   _mm512_set1_pd
#define double_load  _mm512_loadu_pd
#define double_store _mm512_storeu_pd
#define double_add   _mm512_add_pd
#define double_sub   _mm512_sub_pd
#define double_mul   _mm512_mul_pd
#define double_div   _mm512_div_pd

static inline vdouble lower(vfloat v)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(v));
}

static inline vdouble upper(vfloat v)
{
    __m256d half = _mm512_extractf64x4_pd(_mm512_castps_pd(v), 1);
    return _mm512_cvtps_pd(_mm256_castpd_ps(half));
}

static inline vfloat narrow(vdouble low, vdouble high)
{
    __m512d v = _mm512_castps_pd(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)));
    return _mm512_castpd_ps(_mm512_insertf64x4(v, _mm256_castps_pd(_mm512_cvtpd_ps(high)), 1));
}

static inline vfloat load_f32(const uint8_t *bytes)
{
    return _mm512_castsi512_ps(_mm512_loadu_si512(bytes));
}

static inline vfloat load_f16(const uint8_t *bytes)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)bytes));
}

static inline vfloat load_bf16(const uint8_t *bytes)
{
    __m512i upper16 = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)bytes));
    return _mm512_castsi512_ps(_mm512_slli_epi32(upper16, 16));
}

static inline vfloat load_i8(const uint8_t *bytes)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)bytes)));
}

#include "aggregate/kernel_loops.h"

const struct kernel kernel_avx512 = KERNEL("avx512");
