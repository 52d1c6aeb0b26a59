/* One vocabulary for 32-bit vectors, so that a kernel is written once and compiled for each instruction set
 * (cmake/kernels.cmake, -DCJ__ISA=...). Include it only from src/cpu/kernels.
 *
 *   cj__floats, cj__integers  CJ__LANES elements of float or int32_t
 *   cj__mask                  one truth value per lane
 *
 * v_ takes floats, i_ integers, m_ masks. An element's result never depends on its lane. `fma` rounds once on
 * every instruction set but scalar, which multiplies, rounds, adds and rounds: C99 without a libm call, and
 * the same bits on every machine. min and max return their second argument when either is NaN. */
#ifndef CJ__SIMD_H
#define CJ__SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CJ__PASTE_(a, b) a##b
#define CJ__PASTE(a, b)  CJ__PASTE_(a, b)

/* CJ__ISA is a bare word; these give it a number that #if can compare. */
#define CJ__NUMBER_scalar     0
#define CJ__NUMBER_neon       1
#define CJ__NUMBER_avx2       2
#define CJ__NUMBER_avx512     3
#define CJ__NUMBER_avx512bf16 4
#define CJ__NUMBER_amx        5
#define CJ__ISA_NUMBER        CJ__PASTE(CJ__NUMBER_, CJ__ISA)

/* CJ__NAME(cj__f) is cj__f_avx2 in the copy for avx2. Tests that emulate one give another suffix. */
#ifndef CJ__SUFFIX
#define CJ__SUFFIX CJ__PASTE(_, CJ__ISA)
#endif
#define CJ__NAME(symbol) CJ__PASTE(symbol, CJ__SUFFIX)

#define CJ__INLINE static inline __attribute__((always_inline, unused))

/* One operation a line, so that the instruction sets can be compared. */
/* clang-format off */

/* ------------------------------------------------------------------------------------------- AVX-512 ---- */
#if CJ__ISA_NUMBER >= CJ__NUMBER_avx512
#ifdef CJ__EMULATED_INTRINSICS
#include CJ__EMULATED_INTRINSICS
#else
#include <immintrin.h>
#endif

#define CJ__LANES 16
typedef __m512 cj__floats;
typedef __m512i cj__integers;
typedef __mmask16 cj__mask;

CJ__INLINE cj__mask cj__m_first(int64_t count)
{
    return (cj__mask)(count >= 16 ? 0xffff : (1u << count) - 1);
}

CJ__INLINE cj__floats cj__v_set(float x) { return _mm512_set1_ps(x); }
CJ__INLINE cj__floats cj__v_load(const float *p) { return _mm512_loadu_ps(p); }
CJ__INLINE void cj__v_store(float *p, cj__floats v) { _mm512_storeu_ps(p, v); }
CJ__INLINE cj__floats cj__v_load_masked(const float *p, cj__mask m) { return _mm512_maskz_loadu_ps(m, p); }
CJ__INLINE void cj__v_store_masked(float *p, cj__floats v, cj__mask m) { _mm512_mask_storeu_ps(p, m, v); }
CJ__INLINE cj__floats cj__v_add(cj__floats a, cj__floats b) { return _mm512_add_ps(a, b); }
CJ__INLINE cj__floats cj__v_sub(cj__floats a, cj__floats b) { return _mm512_sub_ps(a, b); }
CJ__INLINE cj__floats cj__v_mul(cj__floats a, cj__floats b) { return _mm512_mul_ps(a, b); }
CJ__INLINE cj__floats cj__v_div(cj__floats a, cj__floats b) { return _mm512_div_ps(a, b); }
CJ__INLINE cj__floats cj__v_fma(cj__floats a, cj__floats b, cj__floats c) { return _mm512_fmadd_ps(a, b, c); }
CJ__INLINE cj__floats cj__v_fnma(cj__floats a, cj__floats b, cj__floats c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
CJ__INLINE cj__floats cj__v_min(cj__floats a, cj__floats b) { return _mm512_min_ps(a, b); }
CJ__INLINE cj__floats cj__v_max(cj__floats a, cj__floats b) { return _mm512_max_ps(a, b); }
CJ__INLINE cj__floats cj__v_sqrt(cj__floats a) { return _mm512_sqrt_ps(a); }
CJ__INLINE cj__floats cj__v_round(cj__floats a) { return _mm512_roundscale_ps(a, 0x8); }
CJ__INLINE cj__floats cj__v_floor(cj__floats a) { return _mm512_roundscale_ps(a, 0x9); }
CJ__INLINE cj__mask cj__v_lt(cj__floats a, cj__floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
CJ__INLINE cj__mask cj__v_le(cj__floats a, cj__floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
CJ__INLINE cj__mask cj__v_eq(cj__floats a, cj__floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
CJ__INLINE cj__mask cj__v_unordered(cj__floats a, cj__floats b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q);
}
CJ__INLINE cj__floats cj__v_select(cj__mask m, cj__floats yes, cj__floats no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}

CJ__INLINE cj__integers cj__i_set(int32_t x) { return _mm512_set1_epi32(x); }
CJ__INLINE cj__integers cj__i_load(const int32_t *p) { return _mm512_loadu_si512(p); }
CJ__INLINE void cj__i_store(int32_t *p, cj__integers v) { _mm512_storeu_si512(p, v); }
CJ__INLINE cj__integers cj__i_add(cj__integers a, cj__integers b) { return _mm512_add_epi32(a, b); }
CJ__INLINE cj__integers cj__i_sub(cj__integers a, cj__integers b) { return _mm512_sub_epi32(a, b); }
CJ__INLINE cj__integers cj__i_mul(cj__integers a, cj__integers b) { return _mm512_mullo_epi32(a, b); }
CJ__INLINE cj__integers cj__i_and(cj__integers a, cj__integers b) { return _mm512_and_si512(a, b); }
CJ__INLINE cj__integers cj__i_or(cj__integers a, cj__integers b) { return _mm512_or_si512(a, b); }
CJ__INLINE cj__integers cj__i_xor(cj__integers a, cj__integers b) { return _mm512_xor_si512(a, b); }
#define cj__i_shift_left(a, n)         _mm512_slli_epi32(a, n)
#define cj__i_shift_right(a, n)        _mm512_srli_epi32(a, n)
#define cj__i_shift_right_signed(a, n) _mm512_srai_epi32(a, n)
CJ__INLINE cj__mask cj__i_eq(cj__integers a, cj__integers b) { return _mm512_cmpeq_epi32_mask(a, b); }
CJ__INLINE cj__mask cj__i_gt(cj__integers a, cj__integers b) { return _mm512_cmpgt_epi32_mask(a, b); }
CJ__INLINE cj__integers cj__i_select(cj__mask m, cj__integers yes, cj__integers no)
{
    return _mm512_mask_blend_epi32(m, no, yes);
}
CJ__INLINE cj__integers cj__i_load_u8(const uint8_t *p)
{
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
CJ__INLINE cj__integers cj__i_load_u16(const uint16_t *p)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
CJ__INLINE void cj__i_store_u8(uint8_t *p, cj__integers v)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(v));
}
CJ__INLINE void cj__i_store_u16(uint16_t *p, cj__integers v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(v));
}

CJ__INLINE cj__integers cj__v_to_i(cj__floats v) { return _mm512_cvtps_epi32(v); }
CJ__INLINE cj__integers cj__v_truncate_to_i(cj__floats v) { return _mm512_cvttps_epi32(v); }
CJ__INLINE cj__floats cj__i_to_v(cj__integers v) { return _mm512_cvtepi32_ps(v); }
CJ__INLINE cj__integers cj__v_bits(cj__floats v) { return _mm512_castps_si512(v); }
CJ__INLINE cj__floats cj__i_bits(cj__integers v) { return _mm512_castsi512_ps(v); }
CJ__INLINE cj__mask cj__m_and(cj__mask a, cj__mask b) { return (cj__mask)(a & b); }
CJ__INLINE cj__mask cj__m_or(cj__mask a, cj__mask b) { return (cj__mask)(a | b); }
CJ__INLINE cj__mask cj__m_not(cj__mask a) { return (cj__mask)~a; }
CJ__INLINE int cj__m_any(cj__mask a) { return a != 0; }

/* ---------------------------------------------------------------------------------------------- AVX2 ---- */
#elif CJ__ISA_NUMBER == CJ__NUMBER_avx2
#include <immintrin.h>

#define CJ__LANES                      8
typedef __m256 cj__floats;
typedef __m256i cj__integers;
typedef __m256 cj__mask;

CJ__INLINE cj__mask cj__m_first(int64_t count)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count > 8 ? 8 : (int)count), lane));
}

CJ__INLINE cj__floats cj__v_set(float x) { return _mm256_set1_ps(x); }
CJ__INLINE cj__floats cj__v_load(const float *p) { return _mm256_loadu_ps(p); }
CJ__INLINE void cj__v_store(float *p, cj__floats v) { _mm256_storeu_ps(p, v); }
CJ__INLINE cj__floats cj__v_load_masked(const float *p, cj__mask m)
{
    return _mm256_maskload_ps(p, _mm256_castps_si256(m));
}
CJ__INLINE void cj__v_store_masked(float *p, cj__floats v, cj__mask m)
{
    _mm256_maskstore_ps(p, _mm256_castps_si256(m), v);
}
CJ__INLINE cj__floats cj__v_add(cj__floats a, cj__floats b) { return _mm256_add_ps(a, b); }
CJ__INLINE cj__floats cj__v_sub(cj__floats a, cj__floats b) { return _mm256_sub_ps(a, b); }
CJ__INLINE cj__floats cj__v_mul(cj__floats a, cj__floats b) { return _mm256_mul_ps(a, b); }
CJ__INLINE cj__floats cj__v_div(cj__floats a, cj__floats b) { return _mm256_div_ps(a, b); }
CJ__INLINE cj__floats cj__v_fma(cj__floats a, cj__floats b, cj__floats c) { return _mm256_fmadd_ps(a, b, c); }
CJ__INLINE cj__floats cj__v_fnma(cj__floats a, cj__floats b, cj__floats c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
CJ__INLINE cj__floats cj__v_min(cj__floats a, cj__floats b) { return _mm256_min_ps(a, b); }
CJ__INLINE cj__floats cj__v_max(cj__floats a, cj__floats b) { return _mm256_max_ps(a, b); }
CJ__INLINE cj__floats cj__v_sqrt(cj__floats a) { return _mm256_sqrt_ps(a); }
CJ__INLINE cj__floats cj__v_round(cj__floats a) { return _mm256_round_ps(a, 0x8); }
CJ__INLINE cj__floats cj__v_floor(cj__floats a) { return _mm256_round_ps(a, 0x9); }
CJ__INLINE cj__mask cj__v_lt(cj__floats a, cj__floats b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
CJ__INLINE cj__mask cj__v_le(cj__floats a, cj__floats b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
CJ__INLINE cj__mask cj__v_eq(cj__floats a, cj__floats b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
CJ__INLINE cj__mask cj__v_unordered(cj__floats a, cj__floats b) { return _mm256_cmp_ps(a, b, _CMP_UNORD_Q); }
CJ__INLINE cj__floats cj__v_select(cj__mask m, cj__floats yes, cj__floats no)
{
    return _mm256_blendv_ps(no, yes, m);
}

CJ__INLINE cj__integers cj__i_set(int32_t x) { return _mm256_set1_epi32(x); }
CJ__INLINE cj__integers cj__i_load(const int32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
CJ__INLINE void cj__i_store(int32_t *p, cj__integers v) { _mm256_storeu_si256((__m256i *)(void *)p, v); }
CJ__INLINE cj__integers cj__i_add(cj__integers a, cj__integers b) { return _mm256_add_epi32(a, b); }
CJ__INLINE cj__integers cj__i_sub(cj__integers a, cj__integers b) { return _mm256_sub_epi32(a, b); }
CJ__INLINE cj__integers cj__i_mul(cj__integers a, cj__integers b) { return _mm256_mullo_epi32(a, b); }
CJ__INLINE cj__integers cj__i_and(cj__integers a, cj__integers b) { return _mm256_and_si256(a, b); }
CJ__INLINE cj__integers cj__i_or(cj__integers a, cj__integers b) { return _mm256_or_si256(a, b); }
CJ__INLINE cj__integers cj__i_xor(cj__integers a, cj__integers b) { return _mm256_xor_si256(a, b); }
#define cj__i_shift_left(a, n)         _mm256_slli_epi32(a, n)
#define cj__i_shift_right(a, n)        _mm256_srli_epi32(a, n)
#define cj__i_shift_right_signed(a, n) _mm256_srai_epi32(a, n)
CJ__INLINE cj__mask cj__i_eq(cj__integers a, cj__integers b)
{
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b));
}
CJ__INLINE cj__mask cj__i_gt(cj__integers a, cj__integers b)
{
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b));
}
CJ__INLINE cj__integers cj__i_select(cj__mask m, cj__integers yes, cj__integers no)
{
    return _mm256_blendv_epi8(no, yes, _mm256_castps_si256(m));
}
CJ__INLINE cj__integers cj__i_load_u8(const uint8_t *p)
{
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}
CJ__INLINE cj__integers cj__i_load_u16(const uint16_t *p)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
}
/* The low 16 bits of each lane, in order (the pack works within halves of 128 bits). */
CJ__INLINE __m128i cj__i_low_halves(cj__integers v)
{
    v = _mm256_and_si256(v, _mm256_set1_epi32(0xffff));
    v = _mm256_permute4x64_epi64(_mm256_packus_epi32(v, v), 0xd8);
    return _mm256_castsi256_si128(v);
}
CJ__INLINE void cj__i_store_u8(uint8_t *p, cj__integers v)
{
    __m128i halves = cj__i_low_halves(_mm256_and_si256(v, _mm256_set1_epi32(0xff)));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(halves, halves));
}
CJ__INLINE void cj__i_store_u16(uint16_t *p, cj__integers v)
{
    _mm_storeu_si128((__m128i *)(void *)p, cj__i_low_halves(v));
}

CJ__INLINE cj__integers cj__v_to_i(cj__floats v) { return _mm256_cvtps_epi32(v); }
CJ__INLINE cj__integers cj__v_truncate_to_i(cj__floats v) { return _mm256_cvttps_epi32(v); }
CJ__INLINE cj__floats cj__i_to_v(cj__integers v) { return _mm256_cvtepi32_ps(v); }
CJ__INLINE cj__integers cj__v_bits(cj__floats v) { return _mm256_castps_si256(v); }
CJ__INLINE cj__floats cj__i_bits(cj__integers v) { return _mm256_castsi256_ps(v); }
CJ__INLINE cj__mask cj__m_and(cj__mask a, cj__mask b) { return _mm256_and_ps(a, b); }
CJ__INLINE cj__mask cj__m_or(cj__mask a, cj__mask b) { return _mm256_or_ps(a, b); }
CJ__INLINE cj__mask cj__m_not(cj__mask a)
{
    return _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1)));
}
CJ__INLINE int cj__m_any(cj__mask a) { return _mm256_movemask_ps(a) != 0; }

/* ---------------------------------------------------------------------------------------------- NEON ---- */
#elif CJ__ISA_NUMBER == CJ__NUMBER_neon
#include <arm_neon.h>

#define CJ__LANES                      4
typedef float32x4_t cj__floats;
typedef int32x4_t cj__integers;
typedef uint32x4_t cj__mask;

CJ__INLINE cj__mask cj__m_first(int64_t count)
{
    static const int32_t lane[4] = {0, 1, 2, 3};
    return vcgtq_s32(vdupq_n_s32(count > 4 ? 4 : (int32_t)count), vld1q_s32(lane));
}

CJ__INLINE cj__floats cj__v_set(float x) { return vdupq_n_f32(x); }
CJ__INLINE cj__floats cj__v_load(const float *p) { return vld1q_f32(p); }
CJ__INLINE void cj__v_store(float *p, cj__floats v) { vst1q_f32(p, v); }
/* No masked access here: lane by lane, touching only what the mask names. */
CJ__INLINE cj__floats cj__v_load_masked(const float *p, cj__mask m)
{
    float lanes[4] = {0};
    uint32_t wanted[4];
    vst1q_u32(wanted, m);
    for (int i = 0; i < 4; i++)
        if (wanted[i]) lanes[i] = p[i];
    return vld1q_f32(lanes);
}
CJ__INLINE void cj__v_store_masked(float *p, cj__floats v, cj__mask m)
{
    float lanes[4];
    uint32_t wanted[4];
    vst1q_f32(lanes, v);
    vst1q_u32(wanted, m);
    for (int i = 0; i < 4; i++)
        if (wanted[i]) p[i] = lanes[i];
}
CJ__INLINE cj__floats cj__v_add(cj__floats a, cj__floats b) { return vaddq_f32(a, b); }
CJ__INLINE cj__floats cj__v_sub(cj__floats a, cj__floats b) { return vsubq_f32(a, b); }
CJ__INLINE cj__floats cj__v_mul(cj__floats a, cj__floats b) { return vmulq_f32(a, b); }
CJ__INLINE cj__floats cj__v_div(cj__floats a, cj__floats b) { return vdivq_f32(a, b); }
CJ__INLINE cj__floats cj__v_fma(cj__floats a, cj__floats b, cj__floats c) { return vfmaq_f32(c, a, b); }
CJ__INLINE cj__floats cj__v_fnma(cj__floats a, cj__floats b, cj__floats c) { return vfmsq_f32(c, a, b); }
CJ__INLINE cj__floats cj__v_min(cj__floats a, cj__floats b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
CJ__INLINE cj__floats cj__v_max(cj__floats a, cj__floats b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
CJ__INLINE cj__floats cj__v_sqrt(cj__floats a) { return vsqrtq_f32(a); }
CJ__INLINE cj__floats cj__v_round(cj__floats a) { return vrndnq_f32(a); }
CJ__INLINE cj__floats cj__v_floor(cj__floats a) { return vrndmq_f32(a); }
CJ__INLINE cj__mask cj__v_lt(cj__floats a, cj__floats b) { return vcltq_f32(a, b); }
CJ__INLINE cj__mask cj__v_le(cj__floats a, cj__floats b) { return vcleq_f32(a, b); }
CJ__INLINE cj__mask cj__v_eq(cj__floats a, cj__floats b) { return vceqq_f32(a, b); }
CJ__INLINE cj__mask cj__v_unordered(cj__floats a, cj__floats b)
{
    return vmvnq_u32(vandq_u32(vceqq_f32(a, a), vceqq_f32(b, b)));
}
CJ__INLINE cj__floats cj__v_select(cj__mask m, cj__floats yes, cj__floats no)
{
    return vbslq_f32(m, yes, no);
}

CJ__INLINE cj__integers cj__i_set(int32_t x) { return vdupq_n_s32(x); }
CJ__INLINE cj__integers cj__i_load(const int32_t *p) { return vld1q_s32(p); }
CJ__INLINE void cj__i_store(int32_t *p, cj__integers v) { vst1q_s32(p, v); }
CJ__INLINE cj__integers cj__i_add(cj__integers a, cj__integers b) { return vaddq_s32(a, b); }
CJ__INLINE cj__integers cj__i_sub(cj__integers a, cj__integers b) { return vsubq_s32(a, b); }
CJ__INLINE cj__integers cj__i_mul(cj__integers a, cj__integers b) { return vmulq_s32(a, b); }
CJ__INLINE cj__integers cj__i_and(cj__integers a, cj__integers b) { return vandq_s32(a, b); }
CJ__INLINE cj__integers cj__i_or(cj__integers a, cj__integers b) { return vorrq_s32(a, b); }
CJ__INLINE cj__integers cj__i_xor(cj__integers a, cj__integers b) { return veorq_s32(a, b); }
#define cj__i_shift_left(a, n)         vshlq_n_s32(a, n)
#define cj__i_shift_right(a, n)        vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), n))
#define cj__i_shift_right_signed(a, n) vshrq_n_s32(a, n)
CJ__INLINE cj__mask cj__i_eq(cj__integers a, cj__integers b) { return vceqq_s32(a, b); }
CJ__INLINE cj__mask cj__i_gt(cj__integers a, cj__integers b) { return vcgtq_s32(a, b); }
CJ__INLINE cj__integers cj__i_select(cj__mask m, cj__integers yes, cj__integers no)
{
    return vbslq_s32(m, yes, no);
}
CJ__INLINE cj__integers cj__i_load_u16(const uint16_t *p)
{
    return vreinterpretq_s32_u32(vmovl_u16(vld1_u16(p)));
}
CJ__INLINE cj__integers cj__i_load_u8(const uint8_t *p)
{
    uint16_t wide[4] = {p[0], p[1], p[2], p[3]};
    return cj__i_load_u16(wide);
}
CJ__INLINE void cj__i_store_u16(uint16_t *p, cj__integers v)
{
    vst1_u16(p, vmovn_u32(vreinterpretq_u32_s32(v)));
}
CJ__INLINE void cj__i_store_u8(uint8_t *p, cj__integers v)
{
    uint16_t wide[4];
    cj__i_store_u16(wide, v);
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)wide[i];
}

/* Out of range gives INT32_MIN on x86 and saturates here: convert only what fits. */
CJ__INLINE cj__integers cj__v_to_i(cj__floats v) { return vcvtnq_s32_f32(v); }
CJ__INLINE cj__integers cj__v_truncate_to_i(cj__floats v) { return vcvtq_s32_f32(v); }
CJ__INLINE cj__floats cj__i_to_v(cj__integers v) { return vcvtq_f32_s32(v); }
CJ__INLINE cj__integers cj__v_bits(cj__floats v) { return vreinterpretq_s32_f32(v); }
CJ__INLINE cj__floats cj__i_bits(cj__integers v) { return vreinterpretq_f32_s32(v); }
CJ__INLINE cj__mask cj__m_and(cj__mask a, cj__mask b) { return vandq_u32(a, b); }
CJ__INLINE cj__mask cj__m_or(cj__mask a, cj__mask b) { return vorrq_u32(a, b); }
CJ__INLINE cj__mask cj__m_not(cj__mask a) { return vmvnq_u32(a); }
CJ__INLINE int cj__m_any(cj__mask a) { return vmaxvq_u32(a) != 0; }

/* -------------------------------------------------------------------------------------------- scalar ---- */
#else
#include <math.h>

#define CJ__LANES                      1
typedef float cj__floats;
typedef int32_t cj__integers;
typedef int cj__mask;

CJ__INLINE cj__mask cj__m_first(int64_t count) { return count > 0; }
CJ__INLINE cj__floats cj__v_set(float x) { return x; }
CJ__INLINE cj__floats cj__v_load(const float *p) { return *p; }
CJ__INLINE void cj__v_store(float *p, cj__floats v) { *p = v; }
CJ__INLINE cj__floats cj__v_load_masked(const float *p, cj__mask m) { return m ? *p : 0.0f; }
CJ__INLINE void cj__v_store_masked(float *p, cj__floats v, cj__mask m) { if (m) *p = v; }
CJ__INLINE cj__floats cj__v_add(cj__floats a, cj__floats b) { return a + b; }
CJ__INLINE cj__floats cj__v_sub(cj__floats a, cj__floats b) { return a - b; }
CJ__INLINE cj__floats cj__v_mul(cj__floats a, cj__floats b) { return a * b; }
CJ__INLINE cj__floats cj__v_div(cj__floats a, cj__floats b) { return a / b; }
CJ__INLINE cj__floats cj__v_fma(cj__floats a, cj__floats b, cj__floats c) { return a * b + c; }
CJ__INLINE cj__floats cj__v_fnma(cj__floats a, cj__floats b, cj__floats c) { return c - a * b; }
CJ__INLINE cj__floats cj__v_min(cj__floats a, cj__floats b) { return a < b ? a : b; }
CJ__INLINE cj__floats cj__v_max(cj__floats a, cj__floats b) { return a > b ? a : b; }
CJ__INLINE cj__floats cj__v_sqrt(cj__floats a) { return sqrtf(a); }
/* Adding 3·2^22 leaves no room for a fraction; past 2^22 (and for NaN) there is none, or it is half. */
CJ__INLINE cj__floats cj__v_round(cj__floats a)
{
    float size = a < 0 ? -a : a;
    float rounded = (size + 8388608.0f) - 8388608.0f;
    return size < 8388608.0f ? copysignf(rounded, a) : a;
}
CJ__INLINE cj__floats cj__v_floor(cj__floats a)
{
    float rounded = cj__v_round(a);
    return rounded > a ? rounded - 1.0f : rounded;
}
CJ__INLINE cj__mask cj__v_lt(cj__floats a, cj__floats b) { return a < b; }
CJ__INLINE cj__mask cj__v_le(cj__floats a, cj__floats b) { return a <= b; }
CJ__INLINE cj__mask cj__v_eq(cj__floats a, cj__floats b) { return a == b; }
CJ__INLINE cj__mask cj__v_unordered(cj__floats a, cj__floats b) { return (a != a) | (b != b); }
CJ__INLINE cj__floats cj__v_select(cj__mask m, cj__floats yes, cj__floats no) { return m ? yes : no; }
CJ__INLINE cj__integers cj__i_set(int32_t x) { return x; }
CJ__INLINE cj__integers cj__i_load(const int32_t *p) { return *p; }
CJ__INLINE void cj__i_store(int32_t *p, cj__integers v) { *p = v; }
/* Unsigned inside: the vectors wrap around, and so must we. */
CJ__INLINE cj__integers cj__i_add(cj__integers a, cj__integers b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}
CJ__INLINE cj__integers cj__i_sub(cj__integers a, cj__integers b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b);
}
CJ__INLINE cj__integers cj__i_mul(cj__integers a, cj__integers b)
{
    return (int32_t)((uint32_t)a * (uint32_t)b);
}
CJ__INLINE cj__integers cj__i_and(cj__integers a, cj__integers b) { return a & b; }
CJ__INLINE cj__integers cj__i_or(cj__integers a, cj__integers b) { return a | b; }
CJ__INLINE cj__integers cj__i_xor(cj__integers a, cj__integers b) { return a ^ b; }
#define cj__i_shift_left(a, n)         ((int32_t)((uint32_t)(a) << (n)))
#define cj__i_shift_right(a, n)        ((int32_t)((uint32_t)(a) >> (n)))
#define cj__i_shift_right_signed(a, n) ((int32_t)(a) >> (n))
CJ__INLINE cj__mask cj__i_eq(cj__integers a, cj__integers b) { return a == b; }
CJ__INLINE cj__mask cj__i_gt(cj__integers a, cj__integers b) { return a > b; }
CJ__INLINE cj__integers cj__i_select(cj__mask m, cj__integers yes, cj__integers no) { return m ? yes : no; }
CJ__INLINE cj__integers cj__i_load_u8(const uint8_t *p) { return *p; }
CJ__INLINE cj__integers cj__i_load_u16(const uint16_t *p) { return *p; }
CJ__INLINE void cj__i_store_u8(uint8_t *p, cj__integers v) { *p = (uint8_t)v; }
CJ__INLINE void cj__i_store_u16(uint16_t *p, cj__integers v) { *p = (uint16_t)v; }

/* What does not fit becomes INT32_MIN, as on x86. */
CJ__INLINE cj__integers cj__v_truncate_to_i(cj__floats v)
{
    return v >= -2147483648.0f && v < 2147483648.0f ? (int32_t)v : INT32_MIN;
}
CJ__INLINE cj__integers cj__v_to_i(cj__floats v) { return cj__v_truncate_to_i(cj__v_round(v)); }
CJ__INLINE cj__floats cj__i_to_v(cj__integers v) { return (float)v; }
CJ__INLINE cj__integers cj__v_bits(cj__floats v)
{
    int32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}
CJ__INLINE cj__floats cj__i_bits(cj__integers v)
{
    float value;
    memcpy(&value, &v, sizeof value);
    return value;
}

CJ__INLINE cj__mask cj__m_and(cj__mask a, cj__mask b) { return a & b; }
CJ__INLINE cj__mask cj__m_or(cj__mask a, cj__mask b) { return a | b; }
CJ__INLINE cj__mask cj__m_not(cj__mask a) { return !a; }
CJ__INLINE int cj__m_any(cj__mask a) { return a; }
#endif

/* ------------------------------------------------------------------------------ for all of them alike ----
 */

CJ__INLINE cj__floats cj__v_abs(cj__floats v)
{
    return cj__i_bits(cj__i_and(cj__v_bits(v), cj__i_set(0x7fffffff)));
}
CJ__INLINE cj__floats cj__v_negate(cj__floats v)
{
    return cj__i_bits(cj__i_xor(cj__v_bits(v), cj__i_set(INT32_MIN)));
}

/* The first `count` lanes; the others read as zero and are not touched. */
CJ__INLINE cj__floats cj__v_load_partial(const float *p, int64_t count)
{
    return count >= CJ__LANES ? cj__v_load(p) : cj__v_load_masked(p, cj__m_first(count));
}
CJ__INLINE void cj__v_store_partial(float *p, cj__floats v, int64_t count)
{
    if (count >= CJ__LANES)
        cj__v_store(p, v);
    else
        cj__v_store_masked(p, v, cj__m_first(count));
}

/* bf16 is the upper half of a float. Storing rounds to nearest, ties to even, and keeps NaN a NaN. */
CJ__INLINE cj__floats cj__v_load_bf16(const uint16_t *p)
{
    return cj__i_bits(cj__i_shift_left(cj__i_load_u16(p), 16));
}
CJ__INLINE void cj__v_store_bf16(uint16_t *p, cj__floats v)
{
    cj__integers bits = cj__v_bits(v);
    cj__integers odd = cj__i_and(cj__i_shift_right(bits, 16), cj__i_set(1));
    cj__integers rounded = cj__i_add(cj__i_add(bits, odd), cj__i_set(0x7fff));
    cj__integers quiet = cj__i_or(bits, cj__i_set(0x00400000));
    rounded = cj__i_select(cj__v_unordered(v, v), quiet, rounded);
    cj__i_store_u16(p, cj__i_shift_right(rounded, 16));
}

/* Over the lanes of one vector: halves are folded onto each other, so the order is fixed. */
CJ__INLINE float cj__v_sum(cj__floats v)
{
    float lanes[CJ__LANES];
    cj__v_store(lanes, v);
    for (int half = CJ__LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
}
CJ__INLINE float cj__v_maximum(cj__floats v)
{
    float lanes[CJ__LANES];
    cj__v_store(lanes, v);
    for (int half = CJ__LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
    return lanes[0];
}

/* clang-format on */
#endif
