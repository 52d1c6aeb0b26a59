/* Mean and squares around it of each channel over a part of the rows: plain C over blocks of channels whose
 * running sums stay in registers, which the compiler turns into vectors. */
#include "cpu/moments.h"
#include "cpu/simd.h"

enum { BLOCK = 32 }; /* channels at a time */

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

const cj__moments_table CJ__NAME(cj__moments) = {part};
