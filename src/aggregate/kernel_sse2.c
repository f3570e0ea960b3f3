/* Every x86-64 processor. */
#include <emmintrin.h>
#include <stdint.h>
#include <string.h>

#define LANES 4
typedef __m128 vfloat;
typedef __m128d vdouble;

#define float_all    _mm_set1_ps
#define float_load   _mm_loadu_ps
#define float_store  _mm_storeu_ps
#define float_add    _mm_add_ps
#define float_mul    _mm_mul_ps
#define double_all   _mm_set1_pd
#define double_load  _mm_loadu_pd
#define double_store _mm_storeu_pd
#define double_add   _mm_add_pd
#define double_sub   _mm_sub_pd
#define double_mul   _mm_mul_pd
#define double_div   _mm_div_pd

static inline vdouble lower(vfloat v)
{
    return _mm_cvtps_pd(v);
}

static inline vdouble upper(vfloat v)
{
    return _mm_cvtps_pd(_mm_movehl_ps(v, v));
}

static inline vfloat narrow(vdouble low, vdouble high)
{
    return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
}

static inline vfloat load_f32(const uint8_t *bytes)
{
    return _mm_castsi128_ps(_mm_loadu_si128((const __m128i *)bytes));
}

/* Four numbers of 16 bits, each in the lower half of 32. */
static inline __m128i load_halves(const uint8_t *bytes)
{
    return _mm_unpacklo_epi16(_mm_loadl_epi64((const __m128i *)bytes), _mm_setzero_si128());
}

/* As read_f16() of kernel_plain.c: the product is exact, and what is infinite
 * or NaN gets the exponent of those. */
static inline vfloat load_f16(const uint8_t *bytes)
{
    __m128i half = load_halves(bytes);
    __m128i sign = _mm_slli_epi32(_mm_and_si128(half, _mm_set1_epi32(0x8000)), 16);
    __m128i rest = _mm_and_si128(half, _mm_set1_epi32(0x7fff));
    __m128i special = _mm_cmpgt_epi32(rest, _mm_set1_epi32(0x7bff));
    __m128 value = _mm_castsi128_ps(_mm_or_si128(sign, _mm_slli_epi32(rest, 13)));
    __m128i exponent = _mm_and_si128(special, _mm_set1_epi32(0x7f800000));
    return _mm_or_ps(_mm_mul_ps(value, _mm_set1_ps(0x1p112f)), _mm_castsi128_ps(exponent));
}

static inline vfloat load_bf16(const uint8_t *bytes)
{
    return _mm_castsi128_ps(_mm_slli_epi32(load_halves(bytes), 16));
}

static inline vfloat load_i8(const uint8_t *bytes)
{
    int32_t four;
    memcpy(&four, bytes, sizeof four);
    __m128i v = _mm_cvtsi32_si128(four);
    v = _mm_unpacklo_epi8(v, v);
    v = _mm_unpacklo_epi16(v, v);
    return _mm_cvtepi32_ps(_mm_srai_epi32(v, 24));
}

#include "aggregate/kernel_loops.h"

const struct kernel kernel_sse2 = KERNEL("sse2");
