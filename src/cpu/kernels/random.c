/* Philox 4x32-10 (Salmon et al., 2011), many blocks of four side by side: every step is a loop over lanes
 * that the compiler turns into vectors. Integers only until the end, so the bits are the same everywhere. */
#include "cpu/random.h"
#include "cpu/simd.h"

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

static void uniform(uint64_t key, uint64_t step, uint64_t first, int64_t n, float *out)
{
    for (int64_t done = 0; done < n; done += 4 * LANES) {
        uint32_t c[4][LANES];
        uint64_t block = (first + (uint64_t)done) / 4;
        float drawn[4 * LANES];
        for (int i = 0; i < LANES; i++) {
            c[0][i] = (uint32_t)(block + (uint64_t)i);
            c[1][i] = (uint32_t)((block + (uint64_t)i) >> 32);
            c[2][i] = (uint32_t)step;
            c[3][i] = (uint32_t)(step >> 32);
        }
        philox(key, c);
        for (int i = 0; i < LANES; i++)
            for (int k = 0; k < 4; k++) drawn[4 * i + k] = (float)(int32_t)(c[k][i] >> 8) * 0x1p-24f;
        int64_t left = n - done < 4 * LANES ? n - done : 4 * LANES;
        memcpy(out + done, drawn, (size_t)left * sizeof *out);
    }
}

const cj__random_table CJ__NAME(cj__random) = {uniform};
