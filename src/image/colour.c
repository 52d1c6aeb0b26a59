/* Colours of pictures changed, by torchvision's formulas for bytes: what is computed is held within 0 … 255
 * and cut off to a whole number. What depends on one byte alone goes through a table of 256. */
#include "image/pixels.h"

#include <math.h>
#include <string.h>

typedef struct {
    uint8_t to[256];
} table;

static inline uint8_t held(float value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void look_up(cj__extent e, const uint8_t *in, uint8_t *out, const table *t)
{
    size_t bytes = cj__extent_bytes(e);
    for (size_t i = 0; i < bytes; i++) out[i] = t->to[in[i]];
}

/* A table for each channel. */
static void look_up_each(cj__extent e, const uint8_t *in, uint8_t *out, const table *tables)
{
    int64_t pixels = e.height * e.width;
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t c = 0; c < e.channels; c++)
            out[i * e.channels + c] = tables[c].to[in[i * e.channels + c]];
}

/* --- brightness, contrast, saturation ------------------------------------------------------------------ */

static inline uint8_t grey_of(const uint8_t *p)
{
    return (uint8_t)(0.2989F * p[0] + 0.587F * p[1] + 0.114F * p[2]);
}

void cj__brightness(cj__extent e, const uint8_t *in, uint8_t *out, double factor)
{
    table t;
    for (int v = 0; v < 256; v++) t.to[v] = held((float)v * (float)factor);
    look_up(e, in, out, &t);
}

static double mean_grey(cj__extent e, const uint8_t *in)
{
    int64_t pixels = e.height * e.width, sum = 0;
    for (int64_t i = 0; i < pixels; i++) sum += e.channels == 3 ? grey_of(in + 3 * i) : in[i];
    return (double)sum / (double)pixels;
}

void cj__contrast(cj__extent e, const uint8_t *in, uint8_t *out, double factor)
{
    table t;
    float rest = (float)mean_grey(e, in) * (float)(1 - factor);
    for (int v = 0; v < 256; v++) t.to[v] = held((float)v * (float)factor + rest);
    look_up(e, in, out, &t);
}

void cj__saturation(cj__extent e, const uint8_t *in, uint8_t *out, double factor)
{
    int64_t pixels = e.height * e.width;
    float own = (float)factor, rest = (float)(1 - factor);
    if (e.channels != 3) {
        memcpy(out, in, cj__extent_bytes(e));
        return;
    }
    for (int64_t i = 0; i < pixels; i++, in += 3, out += 3) {
        float grey = (float)grey_of(in) * rest;
        for (int c = 0; c < 3; c++) out[c] = held((float)in[c] * own + grey);
    }
}

void cj__greyscale(cj__extent e, const uint8_t *in, uint8_t *out)
{
    int64_t pixels = e.height * e.width;
    if (e.channels != 3) {
        memcpy(out, in, cj__extent_bytes(e));
        return;
    }
    for (int64_t i = 0; i < pixels; i++) memset(out + 3 * i, grey_of(in + 3 * i), 3);
}

/* --- hue ----------------------------------------------------------------------------------------------- */

/* Place on the colour circle, in sixths from red on. */
static float hue_of(const uint8_t *p, int most, int least)
{
    float range = (float)(most - least);
    if (most == least) return 0;
    if (most == p[0]) return (float)(p[1] - p[2]) / range + (p[1] < p[2] ? 6.0F : 0.0F);
    if (most == p[1]) return (float)(p[2] - p[0]) / range + 2;
    return (float)(p[0] - p[1]) / range + 4;
}

static uint8_t to_byte(float value)
{
    return (uint8_t)(value * 255.999F);
}

/* The circle's sixths: which of the four levels each of red, green and blue has. */
static void put_hue(uint8_t *out, float sixths, float saturation, float most)
{
    enum { MOST, LEAST, FALLING, RISING };
    static const uint8_t levels[6][3] = {{MOST, RISING, LEAST}, {FALLING, MOST, LEAST},
                                         {LEAST, MOST, RISING}, {LEAST, FALLING, MOST},
                                         {RISING, LEAST, MOST}, {MOST, LEAST, FALLING}};
    int sixth = (int)sixths;
    float within = sixths - (float)sixth;
    uint8_t level[4] = {to_byte(most), to_byte(most * (1 - saturation)),
                        to_byte(most * (1 - saturation * within)),
                        to_byte(most * (1 - saturation * (1 - within)))};
    for (int c = 0; c < 3; c++) out[c] = level[levels[sixth % 6][c]];
}

void cj__hue(cj__extent e, const uint8_t *in, uint8_t *out, double turn)
{
    int64_t pixels = e.height * e.width;
    float by = 6 * (float)(turn - floor(turn));
    if (e.channels != 3) {
        memcpy(out, in, cj__extent_bytes(e));
        return;
    }
    for (int64_t i = 0; i < pixels; i++, in += 3, out += 3) {
        int most = in[0] > in[1] ? in[0] : in[1], least = in[0] < in[1] ? in[0] : in[1];
        most = in[2] > most ? in[2] : most;
        least = in[2] < least ? in[2] : least;
        float sixths = hue_of(in, most, least) + by;
        put_hue(out, sixths >= 6 ? sixths - 6 : sixths, most ? (float)(most - least) / (float)most : 0,
                (float)most / 255);
    }
}

/* --- the rest of RandAugment --------------------------------------------------------------------------- */

/* Away from or towards the mean of the nine pixels around, in which the middle one counts five times. The
 * picture's edge stays. */
void cj__sharpness(cj__extent e, const uint8_t *in, uint8_t *out, double factor)
{
    int64_t stride = e.width * e.channels, n = e.channels;
    float rest = (float)(1 - factor);
    memcpy(out, in, cj__extent_bytes(e));
    for (int64_t y = 1; y < e.height - 1; y++)
        for (int64_t i = y * stride + n; i < (y + 1) * stride - n; i++) {
            const uint8_t *a = in + i - stride, *b = in + i, *c = in + i + stride;
            int sum = a[-n] + a[0] + a[n] + b[-n] + 5 * b[0] + b[n] + c[-n] + c[0] + c[n];
            float blurred = (float)((2 * sum + 13) / 26);
            out[i] = held((float)b[0] + rest * (blurred - (float)b[0]));
        }
}

void cj__posterize(cj__extent e, const uint8_t *in, uint8_t *out, int bits)
{
    size_t bytes = cj__extent_bytes(e);
    uint8_t mask = (uint8_t)(0xff00 >> bits);
    for (size_t i = 0; i < bytes; i++) out[i] = in[i] & mask;
}

void cj__solarize(cj__extent e, const uint8_t *in, uint8_t *out, double threshold)
{
    table t;
    for (int v = 0; v < 256; v++) t.to[v] = (uint8_t)(v >= threshold ? 255 - v : v);
    look_up(e, in, out, &t);
}

void cj__autocontrast(cj__extent e, const uint8_t *in, uint8_t *out)
{
    table tables[3];
    int64_t pixels = e.height * e.width;
    for (int64_t c = 0; c < e.channels; c++) {
        int least = 255, most = 0;
        for (int64_t i = 0; i < pixels; i++) {
            int v = in[i * e.channels + c];
            least = v < least ? v : least;
            most = v > most ? v : most;
        }
        float one = (float)(most - least) * (1.0F / 255);
        for (int v = 0; v < 256; v++)
            tables[c].to[v] = most > least ? held((float)(v - least) / one) : (uint8_t)v;
    }
    look_up_each(e, in, out, tables);
}

/* Every value's share of the picture becomes its step of the scale; Pillow's rounding. */
static void equalizing(const int64_t counts[256], int64_t pixels, table *t)
{
    int last = 255;
    while (last > 0 && counts[last] == 0) last--;
    int64_t step = (pixels - counts[last]) / 255, below = 0;
    for (int v = 0; v < 256; v++) {
        int64_t level = step ? (below + step / 2) / step : v;
        t->to[v] = (uint8_t)(level > 255 ? 255 : level);
        below += counts[v];
    }
}

void cj__equalize(cj__extent e, const uint8_t *in, uint8_t *out)
{
    table tables[3];
    int64_t pixels = e.height * e.width;
    for (int64_t c = 0; c < e.channels; c++) {
        int64_t counts[256] = {0};
        for (int64_t i = 0; i < pixels; i++) counts[in[i * e.channels + c]]++;
        equalizing(counts, pixels, &tables[c]);
    }
    look_up_each(e, in, out, tables);
}
