/* Philox 4x32-10 (Salmon et al., 2011), many blocks of four side by side: by hand where there is AVX2, else
 * as loops over lanes that the compiler turns into vectors. Integers only until the end, so the bits are the
 * same everywhere. */
#include "cpu/random.h"
#include "cpu/simd.h"

#if CJ__ISA_NUMBER >= CJ__NUMBER_avx2
#include <immintrin.h>

enum { LANES = 8, VECTORS = LANES / 4 };

/* Four counters a lane, 32 bits in the lower half of 64; what a round leaves in the upper half is never read,
 * since the multiplication takes lower halves. */
typedef struct {
    __m256i c[4][VECTORS];
} counters;

static inline counters counters_at(uint64_t step, uint64_t block)
{
    counters x;
    for (int v = 0; v < VECTORS; v++) {
        x.c[0][v] =
            _mm256_add_epi64(_mm256_set1_epi64x((int64_t)block + 4 * v), _mm256_set_epi64x(3, 2, 1, 0));
        x.c[1][v] = _mm256_srli_epi64(x.c[0][v], 32);
        x.c[2][v] = _mm256_set1_epi64x((int64_t)step);
        x.c[3][v] = _mm256_srli_epi64(x.c[2][v], 32);
    }
    return x;
}

static inline void philox(uint64_t key, counters *x)
{
    const __m256i first = _mm256_set1_epi64x(0xD2511F53), second = _mm256_set1_epi64x(0xCD9E8D57);
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (int v = 0; v < VECTORS; v++) {
            __m256i p = _mm256_mul_epu32(first, x->c[0][v]), q = _mm256_mul_epu32(second, x->c[2][v]);
            __m256i even = _mm256_xor_si256(x->c[1][v], _mm256_set1_epi64x(k0));
            __m256i odd = _mm256_xor_si256(x->c[3][v], _mm256_set1_epi64x(k1));
            x->c[0][v] = _mm256_xor_si256(_mm256_srli_epi64(q, 32), even);
            x->c[1][v] = q;
            x->c[2][v] = _mm256_xor_si256(_mm256_srli_epi64(p, 32), odd);
            x->c[3][v] = p;
        }
}

static inline void store_uniform(__m256i bits, float *out)
{
    __m256 whole = _mm256_cvtepi32_ps(_mm256_srli_epi32(bits, 8));
    _mm256_storeu_ps(out, _mm256_mul_ps(whole, _mm256_set1_ps(0x1p-24f)));
}

static inline __m256i beside(__m256i low, __m256i high)
{
    return _mm256_blend_epi32(low, _mm256_slli_epi64(high, 32), 0xaa);
}

/* 4 * LANES numbers from those of `block` on. */
static inline void draw(uint64_t key, uint64_t step, uint64_t block, float *out)
{
    counters x = counters_at(step, block);
    philox(key, &x);
    for (int v = 0; v < VECTORS; v++, out += 16) {
        __m256i a = beside(x.c[0][v], x.c[1][v]), b = beside(x.c[2][v], x.c[3][v]);
        __m256i even = _mm256_unpacklo_epi64(a, b), odd = _mm256_unpackhi_epi64(a, b); /* blocks */
        store_uniform(_mm256_permute2x128_si256(even, odd, 0x20), out);
        store_uniform(_mm256_permute2x128_si256(even, odd, 0x31), out + 8);
    }
}
#else
enum { LANES = 64 }; /* too many to be unrolled lane by lane, which no vector comes of */

static inline uint32_t high_half(uint32_t a, uint32_t b)
{
    return (uint32_t)((uint64_t)a * b >> 32);
}

/* c: four counters a lane in, random bits out. */
static void philox(uint64_t key, uint32_t c[4][LANES])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t *restrict c0 = c[0], *restrict c1 = c[1], *restrict c2 = c[2], *restrict c3 = c[3];
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < LANES; i++) {
            uint32_t high0 = high_half(0xD2511F53u, c0[i]), low0 = 0xD2511F53u * c0[i];
            uint32_t high1 = high_half(0xCD9E8D57u, c2[i]), low1 = 0xCD9E8D57u * c2[i];
            c0[i] = high1 ^ c1[i] ^ k0;
            c1[i] = low1;
            c2[i] = high0 ^ c3[i] ^ k1;
            c3[i] = low0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* 4 * LANES numbers from those of `block` on. */
static void draw(uint64_t key, uint64_t step, uint64_t block, float *out)
{
    uint32_t c[4][LANES];
    for (int i = 0; i < LANES; i++) {
        c[0][i] = (uint32_t)(block + (uint64_t)i);
        c[1][i] = (uint32_t)((block + (uint64_t)i) >> 32);
        c[2][i] = (uint32_t)step;
        c[3][i] = (uint32_t)(step >> 32);
    }
    philox(key, c);
    for (int i = 0; i < LANES; i++)
        for (int k = 0; k < 4; k++) out[4 * i + k] = (float)(int32_t)(c[k][i] >> 8) * 0x1p-24f;
}
#endif

static void uniform(uint64_t key, uint64_t step, uint64_t first, int64_t n, float *out)
{
    enum { DRAWN = 4 * LANES };
    float drawn[DRAWN];
    int64_t done = 0;
    for (; done + DRAWN <= n; done += DRAWN) draw(key, step, (first + (uint64_t)done) / 4, out + done);
    if (done == n) return;
    draw(key, step, (first + (uint64_t)done) / 4, drawn);
    memcpy(out + done, drawn, (size_t)(n - done) * sizeof *out);
}

const cj__random_table CJ__NAME(cj__random) = {uniform};
