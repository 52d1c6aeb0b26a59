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

/* SLID_PIXELS neighbours seen through runs of taps: each vector of x is read once for all that see it. */
enum { SLID_PIXELS = 4, LONGEST_RUN = 7 };

CJ__INLINE void slid_block(const cj__depthwise_line *l, int64_t pixel, int64_t channel, cj__mask tail,
                           bool masked, int vectors, int run)
{
    cj__floats sum[SLID_PIXELS][2], factor[LONGEST_RUN][2];
    const float *x = l->x + pixel * l->x_pixel + channel, *weight = l->weight + channel;
    float *y = l->y + pixel * l->y_pixel + channel;
#pragma GCC unroll 4
    for (int p = 0; p < SLID_PIXELS; p++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[p][v] = cj__v_set(0.0f);
    for (int64_t t = 0; t < l->taps_count; t += run) {
        const float *from = x + l->taps[t].x, *w = weight + l->taps[t].weight;
        int64_t step = l->taps[t + 1].weight - l->taps[t].weight;
#pragma GCC unroll 7
        for (int q = 0; q < run; q++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) factor[q][v] = load(w + q * step + v * CJ__LANES, tail, masked);
#pragma GCC unroll 10
        for (int i = 0; i < SLID_PIXELS + run - 1; i++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                cj__floats value = load(from + i * l->x_pixel + v * CJ__LANES, tail, masked);
#pragma GCC unroll 4
                for (int p = 0; p < SLID_PIXELS; p++)
                    if (i - p >= 0 && i - p < run) sum[p][v] = cj__v_fma(value, factor[i - p][v], sum[p][v]);
            }
    }
#pragma GCC unroll 4
    for (int p = 0; p < SLID_PIXELS; p++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) store(y + p * l->y_pixel + v * CJ__LANES, sum[p][v], tail, masked);
}

/* Pixels that are left over are for line_of. */
CJ__INLINE int64_t slid_line(const cj__depthwise_line *l, int vectors, int run)
{
    int64_t pixel = 0;
    for (; pixel + SLID_PIXELS <= l->pixels; pixel += SLID_PIXELS) {
        int64_t c = 0;
        for (; vectors > 1 && c + vectors * CJ__LANES <= l->channels; c += vectors * CJ__LANES)
            slid_block(l, pixel, c, cj__m_first(0), false, vectors, run);
        for (; c + CJ__LANES <= l->channels; c += CJ__LANES)
            slid_block(l, pixel, c, cj__m_first(0), false, 1, run);
        if (c < l->channels) slid_block(l, pixel, c, cj__m_first(l->channels - c), true, 1, run);
    }
    return pixel;
}

static void line(const cj__depthwise_line *l)
{
    int64_t pixel = 0;
    if (l->run == 3) pixel = slid_line(l, 2, 3);
    if (l->run == 5) pixel = slid_line(l, 1, 5);
    if (l->run == 7) pixel = slid_line(l, 1, 7);
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

/* Pixel i of x meets pixel i + before - q of the cotangent at tap q. */
CJ__INLINE void row_block(const cj__depthwise_row *r, int64_t channel, cj__mask tail, bool masked,
                          int vectors, int run)
{
    cj__floats sum[LONGEST_RUN][2], seen[LONGEST_RUN][2]; /* seen[q]: the cotangent of tap q */
    const float *x = r->x + channel, *g = r->g + channel;
    int64_t step = r->channels, i = 0;
    int64_t first = run - 1 - r->before,
            last = r->g_pixels - r->before; /* all taps see pixels [first,last) */
    if (first < 0) first = 0;
    if (last > r->x_pixels) last = r->x_pixels;
#pragma GCC unroll 7
    for (int q = 0; q < run; q++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[q][v] = cj__v_set(0.0f);
    while (i < r->x_pixels) {
        if (i == first && first < last) {
#pragma GCC unroll 7
            for (int q = 1; q < run; q++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    seen[q - 1][v] = load(g + (i + r->before - q) * step + v * CJ__LANES, tail, masked);
            for (; i < last; i++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) {
                    cj__floats value = load(x + i * step + v * CJ__LANES, tail, masked);
#pragma GCC unroll 7
                    for (int q = run - 1; q > 0; q--) seen[q][v] = seen[q - 1][v];
                    seen[0][v] = load(g + (i + r->before) * step + v * CJ__LANES, tail, masked);
#pragma GCC unroll 7
                    for (int q = 0; q < run; q++) sum[q][v] = cj__v_fma(value, seen[q][v], sum[q][v]);
                }
            continue;
        }
#pragma GCC unroll 7
        for (int q = 0; q < run; q++) {
            int64_t p = i + r->before - q;
            if (p < 0 || p >= r->g_pixels) continue;
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                sum[q][v] = cj__v_fma(load(x + i * step + v * CJ__LANES, tail, masked),
                                      load(g + p * step + v * CJ__LANES, tail, masked), sum[q][v]);
        }
        i++;
    }
#pragma GCC unroll 7
    for (int q = 0; q < run; q++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            float *to = r->sums + q * step + channel + v * CJ__LANES;
            store(to, cj__v_add(sum[q][v], load(to, tail, masked)), tail, masked);
        }
}

CJ__INLINE void row_of(const cj__depthwise_row *r, int vectors, int run)
{
    int64_t c = 0;
    for (; vectors > 1 && c + vectors * CJ__LANES <= r->channels; c += vectors * CJ__LANES)
        row_block(r, c, cj__m_first(0), false, vectors, run);
    for (; c + CJ__LANES <= r->channels; c += CJ__LANES) row_block(r, c, cj__m_first(0), false, 1, run);
    if (c < r->channels) row_block(r, c, cj__m_first(r->channels - c), true, 1, run);
}

static void row_sums(const cj__depthwise_row *r, int64_t taps)
{
    if (taps == 3) row_of(r, 2, 3);
    if (taps == 5) row_of(r, 1, 5);
    if (taps == 7) row_of(r, 1, 7);
}

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

const cj__depthwise_kernels CJ__NAME(cj__depthwise) = {
    .name = TEXT(CJ__ISA), .line = line, .sums = sums, .row_sums = row_sums};
