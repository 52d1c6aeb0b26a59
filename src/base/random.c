/* Philox and the distributions over it; initial values, dropout, shuffling and augmentation all draw here. */
#include "base/random.h"

#include <math.h>

void cj__philox(uint64_t key, uint64_t counter_high, uint64_t counter_low, uint32_t bits[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t c0 = (uint32_t)counter_low, c1 = (uint32_t)(counter_low >> 32);
    uint32_t c2 = (uint32_t)counter_high, c3 = (uint32_t)(counter_high >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    bits[0] = c0;
    bits[1] = c1;
    bits[2] = c2;
    bits[3] = c3;
}

uint64_t cj__mix(uint64_t a, uint64_t b)
{
    uint32_t bits[4];
    cj__philox(a, 0x63616a616cu, b, bits);
    return (uint64_t)bits[1] << 32 | bits[0];
}

uint32_t cj__bits(uint64_t key, uint64_t step, uint64_t index)
{
    uint32_t bits[4];
    cj__philox(key, step, index / 4, bits);
    return bits[index % 4];
}

float cj__uniform(uint64_t key, uint64_t step, uint64_t index)
{
    return (float)(cj__bits(key, step, index) >> 8) * 0x1p-24f;
}

float cj__normal(uint64_t key, uint64_t step, uint64_t index)
{
    uint32_t bits[4];
    cj__philox(key, step, index / 2, bits);
    uint32_t first = bits[index % 2 * 2], second = bits[index % 2 * 2 + 1];
    double radius = sqrt(-2 * log(((double)first + 1) * 0x1p-32));
    return (float)(radius * cos(6.283185307179586 * (double)second * 0x1p-32));
}
