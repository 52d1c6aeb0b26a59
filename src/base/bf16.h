/* bf16: the upper half of an f32, stored as 16 bits. Rounding is to nearest even; NaN stays NaN. */
#ifndef CJ__BF16_H
#define CJ__BF16_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float cj__bf16_to_float(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

/* In the lower half of 32 bits, and without a branch, so that loops over it become vectors. */
static inline uint32_t cj__bf16_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, 4);
    uint32_t rounded = bits + 0x7fffu + (bits >> 16 & 1u);
    return x != x ? bits >> 16 | 0x40u : rounded >> 16;
}

static inline uint16_t cj__bf16_from_float(float x)
{
    return (uint16_t)cj__bf16_bits(x);
}

/* By way of an f32 that is odd in its last bit where it is not exact, so that nothing is rounded twice
 * (Boldo and Melquiond, 2008, Emulation of FMA and Correctly Rounded Sums: Proved Algorithms Using Rounding
 * to Odd). */
static inline uint16_t cj__bf16_from_double(double x)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, 4);
    if ((double)f != x && isfinite(f)) {
        if (fabs((double)f) > fabs(x)) bits--; /* towards zero first */
        bits |= 1;
        memcpy(&f, &bits, 4);
    }
    return cj__bf16_from_float(f);
}

#endif
