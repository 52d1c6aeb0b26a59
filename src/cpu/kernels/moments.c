/* Mean and squares around it, of a row, and of each channel over a part of the rows: plain C over blocks of
 * channels whose running sums stay in registers, which the compiler turns into vectors. */
#include "cpu/moments.h"
#include "cpu/simd.h"

enum { BLOCK = 64 }; /* channels at a time */

CJ__INLINE void block(int64_t rows, int64_t channels, int width, const float *x, float *mean, float *squares)
{
    float sum[BLOCK], centre[BLOCK];
    for (int c = 0; c < width; c++) sum[c] = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int c = 0; c < width; c++) sum[c] += x[r * channels + c];
    for (int c = 0; c < width; c++) mean[c] = centre[c] = sum[c] / (float)rows, sum[c] = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int c = 0; c < width; c++) {
            float away = x[r * channels + c] - centre[c];
            sum[c] += away * away;
        }
    for (int c = 0; c < width; c++) squares[c] = sum[c];
}

static void part(int64_t rows, int64_t channels, const float *x, float *mean, float *squares)
{
    int64_t first = 0;
    for (; first + BLOCK <= channels; first += BLOCK)
        block(rows, channels, BLOCK, x + first, mean + first, squares + first);
    if (first < channels)
        block(rows, channels, (int)(channels - first), x + first, mean + first, squares + first);
}

enum { LANES = 16 };

static inline float folded(float lane[LANES])
{
    for (int width = LANES / 2; width; width /= 2)
        for (int k = 0; k < width; k++) lane[k] += lane[k + width];
    return lane[0];
}

static void row(int64_t n, const float *x, float *mean, float *variance)
{
    float lane[LANES] = {0}, squares[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) lane[k] += x[i + k];
    for (int k = 0; i < n; i++, k++) lane[k] += x[i];
    float centre = folded(lane) / (float)n;
    for (i = 0; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) squares[k] += (x[i + k] - centre) * (x[i + k] - centre);
    for (int k = 0; i < n; i++, k++) squares[k] += (x[i] - centre) * (x[i] - centre);
    *mean = centre;
    *variance = folded(squares) / (float)n;
}

const cj__moments_table CJ__NAME(cj__moments) = {part, row};
