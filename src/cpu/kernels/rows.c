/* Rows of logits: loss and gradient of cross-entropy. One source for every instruction set, plain C that the
 * compiler turns into vectors: several rows lie end to end, so that even short ones fill a vector where it
 * costs, in the exponentials. */
#include "cpu/rows.h"
#include "cpu/kernels/functions.h"
#include "cpu/simd.h"

enum { LANES = 16, LONG_ROW = 4 * LANES }; /* from there on, as many running results as lanes */

/* A NaN need not be found here: it makes its own exponential, and so the sum, NaN. */
static inline float largest(int64_t n, const float *x)
{
    enum { LANES_AT_ONCE = 4 * CJ__LANES };
    float top = x[0], lane[CJ__LANES];
    int64_t k = 1;
    if (n >= LANES_AT_ONCE) {
        cj__floats most[4];
        for (int i = 0; i < 4; i++) most[i] = cj__v_load(x + i * CJ__LANES);
        for (k = LANES_AT_ONCE; k + LANES_AT_ONCE <= n; k += LANES_AT_ONCE)
            for (int i = 0; i < 4; i++) most[i] = cj__v_max(cj__v_load(x + k + i * CJ__LANES), most[i]);
        cj__v_store(lane, cj__v_max(cj__v_max(most[0], most[1]), cj__v_max(most[2], most[3])));
        for (int i = 0; i < CJ__LANES; i++) top = lane[i] > top ? lane[i] : top;
    }
    for (; k < n; k++) top = x[k] > top ? x[k] : top;
    return top;
}

/* Running sums folded in one order: a function of the row's length alone. */
static inline float sum(int64_t n, const float *x)
{
    float lane[LANES] = {0};
    int64_t k = 0;
    int lanes = n >= LONG_ROW ? LANES : 4;
    if (n >= LONG_ROW) {
        for (; k + LANES <= n; k += LANES)
            for (int i = 0; i < LANES; i++) lane[i] += x[k + i];
    } else {
        for (; k + 4 <= n; k += 4)
            for (int i = 0; i < 4; i++) lane[i] += x[k + i];
    }
    for (int i = 0; k < n; k++, i++) lane[i] += x[k];
    for (int width = lanes / 2; width; width /= 2)
        for (int i = 0; i < width; i++) lane[i] += lane[i + width];
    return lane[0];
}

/* e: exp(x - top of the row); sums: of each row of e */
static void exponentials(int64_t rows, int64_t columns, const float *x, float *e, float *tops, float *sums)
{
    for (int64_t r = 0; r < rows; r++) tops[r] = largest(columns, x + r * columns);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < columns; k++) e[r * columns + k] = x[r * columns + k] - tops[r];
    for (int64_t i = 0; i < rows * columns; i++) e[i] = exp_below(e[i]);
    for (int64_t r = 0; r < rows; r++) sums[r] = sum(columns, e + r * columns);
}

/* The mean of x - top over each row: what smoothing takes from the loss. */
static inline float mean_below(int64_t columns, const float *x, float top, float *work)
{
    for (int64_t k = 0; k < columns; k++) work[k] = x[k] - top;
    return sum(columns, work) / (float)columns;
}

static void cross_entropy(int64_t rows, int64_t columns, const float *x, const int32_t *labels,
                          float smoothing, float *losses, float *work)
{
    float *tops = work + rows * columns, *sums = tops + rows, rest = 1 - smoothing;
    exponentials(rows, columns, x, work, tops, sums);
    for (int64_t r = 0; r < rows; r++) losses[r] = log_of(sums[r]);
    for (int64_t r = 0; r < rows && smoothing != 0; r++)
        losses[r] -= smoothing * mean_below(columns, x + r * columns, tops[r], work);
    for (int64_t r = 0; r < rows; r++) {
        if (labels[r] < 0)
            losses[r] = 0;
        else if (labels[r] == columns)
            losses[r] = NAN;
        else
            losses[r] -= rest * (x[r * columns + labels[r]] - tops[r]);
    }
}

static void soft_cross_entropy(int64_t rows, int64_t columns, const float *x, const float *targets,
                               float *losses, float *work)
{
    float *tops = work + rows * columns, *sums = tops + rows;
    exponentials(rows, columns, x, work, tops, sums);
    for (int64_t r = 0; r < rows; r++) sums[r] = log_of(sums[r]);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t k = r * columns; k < (r + 1) * columns; k++)
            work[k] = targets[k] * (sums[r] - (x[k] - tops[r]));
    for (int64_t r = 0; r < rows; r++) losses[r] = sum(columns, work + r * columns);
}

static void cross_entropy_gradient(int64_t rows, int64_t columns, const float *x, const int32_t *labels,
                                   float smoothing, const float *scale, float *gradient, float *work)
{
    float *tops = work + rows * columns, *sums = tops + rows, rest = 1 - smoothing;
    exponentials(rows, columns, x, gradient, tops, sums);
    for (int64_t r = 0; r < rows; r++) {
        float *row = gradient + r * columns, factor = scale[r] / sums[r];
        float share = scale[r] * (smoothing / (float)columns);
        if (labels[r] < 0) {
            memset(row, 0, (size_t)columns * sizeof *row);
            continue;
        }
        if (labels[r] == columns) factor = NAN;
        for (int64_t k = 0; k < columns; k++) row[k] = row[k] * factor - share;
        if (labels[r] < columns) row[labels[r]] -= scale[r] * rest;
    }
}

static void soft_cross_entropy_gradient(int64_t rows, int64_t columns, const float *x, const float *targets,
                                        const float *scale, float *gradient, float *work)
{
    float *tops = work + rows * columns, *sums = tops + rows;
    exponentials(rows, columns, x, gradient, tops, sums);
    for (int64_t r = 0; r < rows; r++) {
        const float *target = targets + r * columns;
        float *row = gradient + r * columns, factor = scale[r] * (sum(columns, target) / sums[r]);
        for (int64_t k = 0; k < columns; k++) row[k] = row[k] * factor - target[k] * scale[r];
    }
}

const cj__rows_table CJ__NAME(cj__rows) = {cross_entropy, soft_cross_entropy, cross_entropy_gradient,
                                           soft_cross_entropy_gradient};
