/* Rows of attention's scores: exponentials of one row and what its gradient makes of them. One source for
 * every instruction set, plain C that the compiler turns into vectors. */
#include "cpu/attention_kernels.h"
#include "cpu/kernels/functions.h"
#include "cpu/simd.h"

/* A NaN is not found here: it makes its own exponential, and so the sum, NaN. */
static inline float largest(int64_t n, const float *x, float top)
{
    float lane[CJ__LANES];
    int64_t i = 0;
    if (n >= CJ__LANES) {
        cj__floats most = cj__v_set(top);
        for (; i + CJ__LANES <= n; i += CJ__LANES) most = cj__v_max(cj__v_load(x + i), most);
        cj__v_store(lane, most);
        for (int k = 0; k < CJ__LANES; k++) top = lane[k] > top ? lane[k] : top;
    }
    for (; i < n; i++) top = x[i] > top ? x[i] : top;
    return top;
}

static inline void scale_scores(int64_t n, float scale, const float *bias, float *scores)
{
    if (bias)
        for (int64_t i = 0; i < n; i++) scores[i] = scores[i] * scale + bias[i];
    else
        for (int64_t i = 0; i < n; i++) scores[i] *= scale;
}

static inline float sum(int64_t n, const float *x)
{
    enum { LANES = 16 };
    float lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] += x[i + k];
    for (int k = 0; i < n; k++, i++) lane[k] += x[i];
    for (int width = LANES / 2; width; width /= 2)
        for (int k = 0; k < width; k++) lane[k] += lane[k + width];
    return lane[0];
}

/* Where all scores are -∞ nothing is seen: 0 is subtracted, since -∞ less itself is no number. */
static float exponentials(int64_t n, float scale, const float *bias, float *scores, float *top)
{
    scale_scores(n, scale, bias, scores);
    *top = largest(n, scores, *top);
    float from = *top == -INFINITY ? 0 : *top;
    for (int64_t i = 0; i < n; i++) scores[i] = exp_below(scores[i] - from);
    return sum(n, scores);
}

static void probabilities(int64_t n, float scale, const float *bias, float lse, float *scores)
{
    scale_scores(n, scale, bias, scores);
    for (int64_t i = 0; i < n; i++) scores[i] = exp_below(scores[i] - lse);
}

static void drop(int64_t n, float rate, const float *draws, float *x)
{
    float factor = 1 / (1 - rate);
    for (int64_t i = 0; i < n; i++) x[i] = draws[i] < rate ? 0.0f : x[i] * factor;
}

static void score_gradients(int64_t n, const float *p, float delta, float scale, float *dp)
{
    for (int64_t i = 0; i < n; i++) dp[i] = p[i] * (dp[i] - delta) * scale;
}

static void scaled(int64_t n, const float *x, float factor, float *to)
{
    for (int64_t i = 0; i < n; i++) to[i] = x[i] * factor;
}

static float exponential(float x)
{
    return exp_below(x);
}

static float logarithm(float x)
{
    return log_of(x);
}

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const cj__attention_kernels CJ__NAME(cj__attention) = {
    TEXT(CJ__ISA), exponentials, probabilities, drop, score_gradients, scaled, exponential, logarithm};
