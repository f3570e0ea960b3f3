/* Every 64-bit ARM processor. */
#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define LANES 4
typedef float32x4_t vfloat;
typedef float64x2_t vdouble;

#define float_all    vdupq_n_f32
#define float_load   vld1q_f32
#define float_store  vst1q_f32
#define float_add    vaddq_f32
#define float_mul    vmulq_f32
#define double_all   vdupq_n_f64
#define double_load  vld1q_f64
#define double_store vst1q_f64
#define double_add   vaddq_f64
#define double_sub   vsubq_f64
#define double_mul   vmulq_f64
#define double_div   vdivq_f64

static inline vdouble lower(vfloat v)
{
    return vcvt_f64_f32(vget_low_f32(v));
}

static inline vdouble upper(vfloat v)
{
    return vcvt_high_f64_f32(v);
}

static inline vfloat narrow(vdouble low, vdouble high)
{
    return vcvt_high_f32_f64(vcvt_f32_f64(low), high);
}

static inline vfloat load_f32(const uint8_t *bytes)
{
    return vreinterpretq_f32_u8(vld1q_u8(bytes));
}

static inline vfloat load_f16(const uint8_t *bytes)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(bytes)));
}

static inline vfloat load_bf16(const uint8_t *bytes)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(bytes)), 16));
}

static inline vfloat load_i8(const uint8_t *bytes)
{
    uint32_t four;
    memcpy(&four, bytes, sizeof four);
    int16x8_t v = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(v)));
}

#include "aggregate/kernel_loops.h"

const struct kernel kernel_neon = KERNEL("neon");
