/* What each instruction set gives to convolutions that keep channels apart (src/cpu/kernels/depthwise.c), and
 * src/cpu/convolution_depthwise.c puts together. */
#ifndef CJ__DEPTHWISE_KERNELS_H
#define CJ__DEPTHWISE_KERNELS_H

#include <stdint.h>

/* A tap: where it reads for the first pixel, and its weights; both in floats from where those begin. */
typedef struct {
    int64_t x, weight;
} cj__depthwise_tap;

/* y[i·y_pixel + c] = Σ x[tap.x + i·x_pixel + c] · weight[tap.weight + c] over taps, for `pixels` of
 * `channels` */
typedef struct {
    const float *x, *weight;
    float *y;
    int64_t x_pixel, y_pixel, pixels, channels;
    const cj__depthwise_tap *taps;
    int64_t taps_count;
} cj__depthwise_line;

typedef struct cj__depthwise_kernels {
    const char *name;
    void (*line)(const cj__depthwise_line *line);
    /* sums[c] += Σ x[i·x_pixel + c] · g[i·g_pixel + c] over `pixels` */
    void (*sums)(const float *x, int64_t x_pixel, const float *g, int64_t g_pixel, int64_t pixels,
                 int64_t channels, float *sums);
} cj__depthwise_kernels;

extern const cj__depthwise_kernels cj__depthwise_scalar, cj__depthwise_neon, cj__depthwise_avx2,
    cj__depthwise_avx512;

#endif
