/* What each instruction set gives to Winograd's convolution (src/cpu/kernels/winograd.c): its transforms,
 * over vectors of channels. F(4×4,3×3) with the points 0, ±1/√2, ±√2 and ∞, which cost as much as 0, ±1, ±2
 * and ∞ and lose half as much accuracy. Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
 * 2015. */
#ifndef CJ__WINOGRAD_KERNELS_H
#define CJ__WINOGRAD_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CJ__WINOGRAD_RESULT = 4,                                        /* a tile's side in the result */
    CJ__WINOGRAD_SOURCE = 6,                                        /* and in what is read */
    CJ__WINOGRAD_PLANES = CJ__WINOGRAD_SOURCE * CJ__WINOGRAD_SOURCE /* elements of a transformed tile */
};

/* Thirds of the planes: the six of row CJ__WINOGRAD_ROW(third, 0), then the six of CJ__WINOGRAD_ROW(third,
 * 1), which are rows 0 and 5, 1 and 2, 3 and 4. Or all 36, row by row. */
enum { CJ__WINOGRAD_THIRDS = 3, CJ__WINOGRAD_ALL = CJ__WINOGRAD_THIRDS };
#define CJ__WINOGRAD_ROW(third, i) ((third) == 0 ? 5 * (i) : 2 * (third)-1 + (i))

/* Transformed tiles lie in 36 planes, or those of a third, `plane` floats apart, an element's channels beside
 * each other. Whole vectors of up to 16 floats are stored there and read, so rows of channels are rounded up
 * to 16. Pixels are read and written to the last channel and no further; a missing one is a row of zeros, or
 * a row nobody reads. */
typedef struct {
    /* d: [6][6] pixels → Bᵀ d B */
    void (*source)(const float *const pixels[36], int third, int64_t channels, float *to, int64_t plane);
    /* g: nine taps, `tap` floats apart, `count` of each, whole vectors → G g Gᵀ; flipped: from the last tap
     */
    void (*weight)(const float *taps, int64_t tap, int64_t count, bool flipped, float *to, int64_t plane);
    /* m: [6][6] → [4][4] pixels Aᵀ m A */
    void (*result)(const float *m, int64_t plane, int64_t channels, float *const pixels[16]);
    /* y: [4][4] pixels → A y Aᵀ */
    void (*result_gradient)(const float *const pixels[16], int third, int64_t channels, float *to,
                            int64_t plane);
    /* s: the sum of `parts` of [6][6] planes, each `part` floats after the other → [3][3] taps Gᵀ s G */
    void (*weight_gradient)(const float *s, int64_t plane, int64_t parts, int64_t part, int64_t count,
                            float *taps, int64_t tap);
} cj__winograd_kernels;

extern const cj__winograd_kernels cj__winograd_scalar, cj__winograd_neon, cj__winograd_avx2,
    cj__winograd_avx512;

#endif
