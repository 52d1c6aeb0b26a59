/* What each instruction set gives to moments by channel. */
#ifndef CJ__MOMENTS_H
#define CJ__MOMENTS_H

#include <stdint.h>

typedef struct {
    /* x: [rows,channels] → mean[c], and squares[c] = Σ (x - mean)²; rows > 0 */
    void (*part)(int64_t rows, int64_t channels, const float *x, float *mean, float *squares);
    /* x: [n] → mean and variance; n > 0 */
    void (*row)(int64_t n, const float *x, float *mean, float *variance);
} cj__moments_table;

extern const cj__moments_table cj__moments_scalar, cj__moments_neon, cj__moments_avx2, cj__moments_avx512;

#endif
