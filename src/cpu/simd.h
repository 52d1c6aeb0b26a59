/* One vocabulary for 32-bit vectors, so that a kernel is written once and compiled for each instruction set
 * (cmake/kernels.cmake, -DCJ__ISA=...). Include it only from src/cpu/kernels.
 *
 *   cj__floats  CJ__LANES elements of float
 *   cj__mask    one truth value per lane
 *
 * v_ takes floats, m_ makes masks; v_select takes `a` where the mask is true; v_load_pairs widens two bf16
 * numbers a lane, which lie side by side. An element's result never depends on its lane. `fma` rounds once on
 * every instruction set but scalar, which multiplies, rounds, adds and rounds: C99 without a libm call, and
 * the same bits on every machine. max returns its second argument when either is NaN. */
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
#include <immintrin.h>

#define CJ__LANES 16
typedef __m512 cj__floats;
typedef __mmask16 cj__mask;

CJ__INLINE cj__mask cj__m_first(int64_t count)
{
    return (cj__mask)(count >= 16 ? 0xffff : (1u << count) - 1);
}

CJ__INLINE cj__floats cj__v_set(float x) { return _mm512_set1_ps(x); }
CJ__INLINE cj__floats cj__v_load(const float *p) { return _mm512_loadu_ps(p); }
CJ__INLINE void cj__v_store(float *p, cj__floats v) { _mm512_storeu_ps(p, v); }
CJ__INLINE void cj__v_load_pairs(const uint16_t *p, cj__floats *even, cj__floats *odd)
{
    __m512i pairs = _mm512_loadu_si512(p);
    *even = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
    *odd = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int32_t)0xffff0000)));
}
CJ__INLINE cj__floats cj__v_load_masked(const float *p, cj__mask m) { return _mm512_maskz_loadu_ps(m, p); }
CJ__INLINE void cj__v_store_masked(float *p, cj__floats v, cj__mask m) { _mm512_mask_storeu_ps(p, m, v); }
CJ__INLINE cj__floats cj__v_add(cj__floats a, cj__floats b) { return _mm512_add_ps(a, b); }
CJ__INLINE cj__floats cj__v_sub(cj__floats a, cj__floats b) { return _mm512_sub_ps(a, b); }
CJ__INLINE cj__floats cj__v_mul(cj__floats a, cj__floats b) { return _mm512_mul_ps(a, b); }
CJ__INLINE cj__floats cj__v_fma(cj__floats a, cj__floats b, cj__floats c) { return _mm512_fmadd_ps(a, b, c); }
CJ__INLINE cj__floats cj__v_max(cj__floats a, cj__floats b) { return _mm512_max_ps(a, b); }
CJ__INLINE cj__mask cj__m_greater(cj__floats a, cj__floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
CJ__INLINE cj__mask cj__m_equal(cj__floats a, cj__floats b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
CJ__INLINE cj__mask cj__m_nan(cj__floats a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
CJ__INLINE cj__mask cj__m_or(cj__mask a, cj__mask b) { return (cj__mask)(a | b); }
CJ__INLINE cj__floats cj__v_select(cj__mask m, cj__floats a, cj__floats b) { return _mm512_mask_blend_ps(m, b, a); }

/* ---------------------------------------------------------------------------------------------- AVX2 ---- */
#elif CJ__ISA_NUMBER == CJ__NUMBER_avx2
#include <immintrin.h>

#define CJ__LANES                      8
typedef __m256 cj__floats;
typedef __m256 cj__mask;

CJ__INLINE cj__mask cj__m_first(int64_t count)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count > 8 ? 8 : (int)count), lane));
}

CJ__INLINE cj__floats cj__v_set(float x) { return _mm256_set1_ps(x); }
CJ__INLINE cj__floats cj__v_load(const float *p) { return _mm256_loadu_ps(p); }
CJ__INLINE void cj__v_store(float *p, cj__floats v) { _mm256_storeu_ps(p, v); }
CJ__INLINE void cj__v_load_pairs(const uint16_t *p, cj__floats *even, cj__floats *odd)
{
    __m256i pairs = _mm256_loadu_si256((const __m256i *)(const void *)p);
    *even = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
    *odd = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32((int32_t)0xffff0000)));
}
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
CJ__INLINE cj__floats cj__v_fma(cj__floats a, cj__floats b, cj__floats c) { return _mm256_fmadd_ps(a, b, c); }
CJ__INLINE cj__floats cj__v_max(cj__floats a, cj__floats b) { return _mm256_max_ps(a, b); }
CJ__INLINE cj__mask cj__m_greater(cj__floats a, cj__floats b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
CJ__INLINE cj__mask cj__m_equal(cj__floats a, cj__floats b) { return _mm256_cmp_ps(a, b, _CMP_EQ_OQ); }
CJ__INLINE cj__mask cj__m_nan(cj__floats a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
CJ__INLINE cj__mask cj__m_or(cj__mask a, cj__mask b) { return _mm256_or_ps(a, b); }
CJ__INLINE cj__floats cj__v_select(cj__mask m, cj__floats a, cj__floats b) { return _mm256_blendv_ps(b, a, m); }

/* ---------------------------------------------------------------------------------------------- NEON ---- */
#elif CJ__ISA_NUMBER == CJ__NUMBER_neon
#include <arm_neon.h>

#define CJ__LANES                      4
typedef float32x4_t cj__floats;
typedef uint32x4_t cj__mask;

CJ__INLINE cj__mask cj__m_first(int64_t count)
{
    static const int32_t lane[4] = {0, 1, 2, 3};
    return vcgtq_s32(vdupq_n_s32(count > 4 ? 4 : (int32_t)count), vld1q_s32(lane));
}

CJ__INLINE cj__floats cj__v_set(float x) { return vdupq_n_f32(x); }
CJ__INLINE cj__floats cj__v_load(const float *p) { return vld1q_f32(p); }
CJ__INLINE void cj__v_store(float *p, cj__floats v) { vst1q_f32(p, v); }
CJ__INLINE void cj__v_load_pairs(const uint16_t *p, cj__floats *even, cj__floats *odd)
{
    uint32x4_t pairs = vreinterpretq_u32_u16(vld1q_u16(p));
    *even = vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16));
    *odd = vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xffff0000)));
}
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
CJ__INLINE cj__floats cj__v_fma(cj__floats a, cj__floats b, cj__floats c) { return vfmaq_f32(c, a, b); }
CJ__INLINE cj__floats cj__v_max(cj__floats a, cj__floats b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
CJ__INLINE cj__mask cj__m_greater(cj__floats a, cj__floats b) { return vcgtq_f32(a, b); }
CJ__INLINE cj__mask cj__m_equal(cj__floats a, cj__floats b) { return vceqq_f32(a, b); }
CJ__INLINE cj__mask cj__m_nan(cj__floats a) { return vmvnq_u32(vceqq_f32(a, a)); }
CJ__INLINE cj__mask cj__m_or(cj__mask a, cj__mask b) { return vorrq_u32(a, b); }
CJ__INLINE cj__floats cj__v_select(cj__mask m, cj__floats a, cj__floats b) { return vbslq_f32(m, a, b); }

/* -------------------------------------------------------------------------------------------- scalar ---- */
#else

#define CJ__LANES                      1
typedef float cj__floats;
typedef int cj__mask;

CJ__INLINE cj__mask cj__m_first(int64_t count) { return count > 0; }
CJ__INLINE cj__floats cj__v_set(float x) { return x; }
CJ__INLINE cj__floats cj__v_load(const float *p) { return *p; }
CJ__INLINE void cj__v_store(float *p, cj__floats v) { *p = v; }
CJ__INLINE void cj__v_load_pairs(const uint16_t *p, cj__floats *even, cj__floats *odd)
{
    uint32_t bits[2] = {(uint32_t)p[0] << 16, (uint32_t)p[1] << 16};
    memcpy(even, &bits[0], sizeof *even);
    memcpy(odd, &bits[1], sizeof *odd);
}
CJ__INLINE cj__floats cj__v_load_masked(const float *p, cj__mask m) { return m ? *p : 0.0f; }
CJ__INLINE void cj__v_store_masked(float *p, cj__floats v, cj__mask m) { if (m) *p = v; }
CJ__INLINE cj__floats cj__v_add(cj__floats a, cj__floats b) { return a + b; }
CJ__INLINE cj__floats cj__v_sub(cj__floats a, cj__floats b) { return a - b; }
CJ__INLINE cj__floats cj__v_mul(cj__floats a, cj__floats b) { return a * b; }
CJ__INLINE cj__floats cj__v_fma(cj__floats a, cj__floats b, cj__floats c) { return a * b + c; }
CJ__INLINE cj__floats cj__v_max(cj__floats a, cj__floats b) { return a > b ? a : b; }
CJ__INLINE cj__mask cj__m_greater(cj__floats a, cj__floats b) { return a > b; }
CJ__INLINE cj__mask cj__m_equal(cj__floats a, cj__floats b) { return a == b; }
CJ__INLINE cj__mask cj__m_nan(cj__floats a) { return a != a; }
CJ__INLINE cj__mask cj__m_or(cj__mask a, cj__mask b) { return a || b; }
CJ__INLINE cj__floats cj__v_select(cj__mask m, cj__floats a, cj__floats b) { return m ? a : b; }

#endif

/* Folds the halves of v onto each other down to four lanes. */
#if CJ__ISA_NUMBER >= CJ__NUMBER_avx512
CJ__INLINE __m128 cj__v_quarter(cj__floats v)
{
    __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1));
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), high);
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
#elif CJ__ISA_NUMBER == CJ__NUMBER_avx2
CJ__INLINE __m128 cj__v_quarter(cj__floats v)
{
    return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}
#endif

/* Over the lanes of one vector: halves are folded onto each other, so the order is fixed. */
CJ__INLINE float cj__v_sum(cj__floats v)
{
    float lanes[CJ__LANES];
    cj__v_store(lanes, v);
    for (int half = CJ__LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    return lanes[0];
}

/* The same of four vectors at once. */
CJ__INLINE void cj__v_sum4(cj__floats a, cj__floats b, cj__floats c, cj__floats d, float to[4])
{
#if CJ__ISA_NUMBER >= CJ__NUMBER_avx2
    __m128 p = cj__v_quarter(a), q = cj__v_quarter(b), r = cj__v_quarter(c), s = cj__v_quarter(d);
    p = _mm_add_ps(_mm_movelh_ps(p, q), _mm_movehl_ps(q, p));
    r = _mm_add_ps(_mm_movelh_ps(r, s), _mm_movehl_ps(s, r));
    _mm_storeu_ps(to, _mm_add_ps(_mm_shuffle_ps(p, r, _MM_SHUFFLE(2, 0, 2, 0)), _mm_shuffle_ps(p, r, _MM_SHUFFLE(3, 1, 3, 1))));
#else
    to[0] = cj__v_sum(a), to[1] = cj__v_sum(b), to[2] = cj__v_sum(c), to[3] = cj__v_sum(d);
#endif
}

/* clang-format on */
#endif
