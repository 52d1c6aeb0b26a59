/* Convolutions that keep channels apart, for one instruction set: channels are the lanes. */
#include "cpu/depthwise_kernels.h"
#include "cpu/simd.h"

#include <stdbool.h>

CJ__INLINE cj__floats load(const float *p, cj__mask tail, bool masked)
{
    return masked ? cj__v_load_masked(p, tail) : cj__v_load(p);
}

CJ__INLINE void store(float *p, cj__floats v, cj__mask tail, bool masked)
{
    if (masked)
        cj__v_store_masked(p, v, tail);
    else
        cj__v_store(p, v);
}

/* `vectors` of channels of `pixels` neighbours. Few pixels of many channels: what is read and written then
 * runs on through memory, as prefetchers want it. */
CJ__INLINE void line_block(const cj__depthwise_line *l, int64_t pixel, int64_t channel, cj__mask tail,
                           bool masked, int pixels, int vectors)
{
    cj__floats sum[2][4];
    const float *x = l->x + pixel * l->x_pixel + channel, *weight = l->weight + channel;
    float *y = l->y + pixel * l->y_pixel + channel;
#pragma GCC unroll 2
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[i][v] = cj__v_set(0.0f);
    for (int64_t t = 0; t < l->taps_count; t++) {
        const float *from = x + l->taps[t].x, *w = weight + l->taps[t].weight;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            cj__floats factor = load(w + v * CJ__LANES, tail, masked);
#pragma GCC unroll 2
            for (int i = 0; i < pixels; i++)
                sum[i][v] =
                    cj__v_fma(load(from + i * l->x_pixel + v * CJ__LANES, tail, masked), factor, sum[i][v]);
        }
    }
#pragma GCC unroll 2
    for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) store(y + i * l->y_pixel + v * CJ__LANES, sum[i][v], tail, masked);
}

CJ__INLINE void line_of(const cj__depthwise_line *l, int64_t pixel, int pixels)
{
    int64_t c = 0;
    for (; c + 4 * CJ__LANES <= l->channels; c += 4 * CJ__LANES)
        line_block(l, pixel, c, cj__m_first(0), false, pixels, 4);
    for (; c + CJ__LANES <= l->channels; c += CJ__LANES)
        line_block(l, pixel, c, cj__m_first(0), false, pixels, 1);
    if (c < l->channels) line_block(l, pixel, c, cj__m_first(l->channels - c), true, pixels, 1);
}

static void line(const cj__depthwise_line *l)
{
    int64_t pixel = 0;
    for (; pixel + 2 <= l->pixels; pixel += 2) line_of(l, pixel, 2);
    if (pixel < l->pixels) line_of(l, pixel, 1);
}

/* `count` vectors of channels at a time, so that sums do not wait for each other. */
CJ__INLINE void sums_block(const float *x, int64_t x_pixel, const float *g, int64_t g_pixel, int64_t pixels,
                           float *sums, cj__mask tail, bool masked, int count)
{
    cj__floats sum[4];
#pragma GCC unroll 4
    for (int v = 0; v < count; v++) sum[v] = cj__v_set(0.0f);
    for (int64_t i = 0; i < pixels; i++, x += x_pixel, g += g_pixel)
#pragma GCC unroll 4
        for (int v = 0; v < count; v++)
            sum[v] = cj__v_fma(load(x + v * CJ__LANES, tail, masked), load(g + v * CJ__LANES, tail, masked),
                               sum[v]);
#pragma GCC unroll 4
    for (int v = 0; v < count; v++) {
        float *to = sums + v * CJ__LANES;
        store(to, cj__v_add(sum[v], load(to, tail, masked)), tail, masked);
    }
}

static void sums(const float *x, int64_t x_pixel, const float *g, int64_t g_pixel, int64_t pixels,
                 int64_t channels, float *to)
{
    int64_t c = 0;
    for (; c + 4 * CJ__LANES <= channels; c += 4 * CJ__LANES)
        sums_block(x + c, x_pixel, g + c, g_pixel, pixels, to + c, cj__m_first(0), false, 4);
    for (; c + CJ__LANES <= channels; c += CJ__LANES)
        sums_block(x + c, x_pixel, g + c, g_pixel, pixels, to + c, cj__m_first(0), false, 1);
    if (c < channels)
        sums_block(x + c, x_pixel, g + c, g_pixel, pixels, to + c, cj__m_first(channels - c), true, 1);
}

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const cj__depthwise_kernels CJ__NAME(cj__depthwise) = {.name = TEXT(CJ__ISA), .line = line, .sums = sums};
