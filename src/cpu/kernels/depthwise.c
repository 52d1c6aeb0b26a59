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

/* One vector of channels of `pixels` neighbours: each weight is loaded once for all of them. */
CJ__INLINE void line_block(const cj__depthwise_line *l, int64_t pixel, int64_t channel, cj__mask tail,
                           bool masked, int pixels)
{
    cj__floats sum[8];
    const float *x = l->x + pixel * l->x_pixel + channel, *weight = l->weight + channel;
    float *y = l->y + pixel * l->y_pixel + channel;
#pragma GCC unroll 8
    for (int i = 0; i < pixels; i++) sum[i] = cj__v_set(0.0f);
    for (int64_t t = 0; t < l->taps_count; t++) {
        const float *from = x + l->taps[t].x;
        cj__floats w = load(weight + l->taps[t].weight, tail, masked);
#pragma GCC unroll 8
        for (int i = 0; i < pixels; i++)
            sum[i] = cj__v_fma(load(from + i * l->x_pixel, tail, masked), w, sum[i]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < pixels; i++) store(y + i * l->y_pixel, sum[i], tail, masked);
}

CJ__INLINE void line_of(const cj__depthwise_line *l, int64_t pixel, int pixels)
{
    int64_t c = 0;
    for (; c + CJ__LANES <= l->channels; c += CJ__LANES)
        line_block(l, pixel, c, cj__m_first(0), false, pixels);
    if (c < l->channels) line_block(l, pixel, c, cj__m_first(l->channels - c), true, pixels);
}

static void line(const cj__depthwise_line *l)
{
    int64_t pixel = 0;
    for (; pixel + 8 <= l->pixels; pixel += 8) line_of(l, pixel, 8);
    for (; pixel + 4 <= l->pixels; pixel += 4) line_of(l, pixel, 4);
    for (; pixel < l->pixels; pixel++) line_of(l, pixel, 1);
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
