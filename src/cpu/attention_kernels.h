/* What each instruction set gives to attention beside its matrix product (src/cpu/kernels/attention.c), and
 * src/cpu/attention.c puts together: passes over one row of scores. */
#ifndef CJ__ATTENTION_KERNELS_H
#define CJ__ATTENTION_KERNELS_H

#include <stdint.h>

typedef struct cj__attention_kernels {
    const char *name;
    /* scores: [n] of a row, to be multiplied by `scale` and added to `bias` ([n] or NULL). They become
     * e^(score - top), where *top rises to the largest of them; the sum is returned. */
    float (*exponentials)(int64_t n, float scale, const float *bias, float *scores, float *top);
    /* The same scores become e^(score - lse). */
    void (*probabilities)(int64_t n, float scale, const float *bias, float lse, float *scores);
    /* x[i] = draws[i] < rate ? 0 : x[i] / (1 - rate) */
    void (*drop)(int64_t n, float rate, const float *draws, float *x);
    /* dp[i] = p[i] · (dp[i] - delta) · scale */
    void (*score_gradients)(int64_t n, const float *p, float delta, float scale, float *dp);
    /* to[i] = x[i] · factor */
    void (*scaled)(int64_t n, const float *x, float factor, float *to);
    float (*exponential)(float x); /* of x <= 0 */
    float (*logarithm)(float x);
} cj__attention_kernels;

extern const cj__attention_kernels cj__attention_scalar, cj__attention_neon, cj__attention_avx2,
    cj__attention_avx512;

#endif
