/* What each instruction set gives to convolutions that keep channels apart (src/cpu/kernels/depthwise.c), and
 * src/cpu/convolution_depthwise.c puts together. */
#ifndef CJ__DEPTHWISE_KERNELS_H
#define CJ__DEPTHWISE_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

/* Rows of taps that have kernels of their own, in which a pixel is read once for all taps. */
static inline bool cj__depthwise_runs(int64_t taps)
{
    return taps == 3 || taps == 5 || taps == 7;
}

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
    int64_t run; /* so many taps each follow each other x_pixel apart, at even steps of the weight; or 1 */
} cj__depthwise_line;

/* A row of x, and of the cotangent that saw it through a row of taps, from pixel to pixel:
 * sums[q·channels + c] += Σ x[(p + q - before)·channels + c] · g[p·channels + c] over the p that are there */
typedef struct {
    const float *x, *g;
    int64_t x_pixels, g_pixels, before, channels;
    float *sums;
} cj__depthwise_row;

typedef struct cj__depthwise_kernels {
    const char *name;
    void (*line)(const cj__depthwise_line *line);
    /* sums[c] += Σ x[i·x_pixel + c] · g[i·g_pixel + c] over `pixels` */
    void (*sums)(const float *x, int64_t x_pixel, const float *g, int64_t g_pixel, int64_t pixels,
                 int64_t channels, float *sums);
    /* The same for a whole row of taps, where cj__depthwise_runs. */
    void (*row_sums)(const cj__depthwise_row *row, int64_t taps);
} cj__depthwise_kernels;

extern const cj__depthwise_kernels cj__depthwise_scalar, cj__depthwise_neon, cj__depthwise_avx2,
    cj__depthwise_avx512;

#endif
