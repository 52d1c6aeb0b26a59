/* What each instruction set gives to pictures of bytes: resizing and stretching. All give the same bytes. */
#ifndef CJ__PICTURE_H
#define CJ__PICTURE_H

#include <stdint.h>

/* Weights of a stretch, of CJ__STRETCH_ONE; a product of two of them and a byte fits 32 bits. */
enum { CJ__STRETCH_BITS = 11, CJ__STRETCH_ONE = 1 << CJ__STRETCH_BITS };

typedef struct {
    /* out[i] is the sum of weights[i·most + k] · in[first[i] + k] over taps[i] pixels of `channels` bytes, 1
     * or 3, to nearest. `in` has `width` pixels. */
    void (*mix_pixels)(int64_t count, int64_t most, const int64_t *first, const int64_t *taps,
                       const float *weights, const uint8_t *in, int64_t width, int64_t channels,
                       uint8_t *out);
    /* sums[i] += weight · in[i] */
    void (*add_bytes)(int64_t n, float weight, const uint8_t *in, float *sums);
    /* out[i] = the byte below sums[i] */
    void (*to_bytes)(int64_t n, const float *sums, uint8_t *out);
    /* out[i] = a[i] · (ONE - weight) + b[i] · weight */
    void (*blend_rows)(int64_t n, uint32_t weight, const uint8_t *a, const uint8_t *b, uint32_t *out);
    /* The same of pixels at[i] and at[i] + 1 of what blend_rows made, to bytes. `from` is readable for one
     * more number than its pixels have. */
    void (*blend_pixels)(int64_t count, const int32_t *at, const uint32_t *weights, const uint32_t *from,
                         int64_t channels, uint8_t *out);
} cj__picture_table;

extern const cj__picture_table cj__picture_scalar, cj__picture_neon, cj__picture_avx2, cj__picture_avx512;
/* Of the instruction set in use; where CAJAL_ISA names none that is here, which compiling tells, scalar. */
const cj__picture_table *cj__picture_functions(void);

#endif
