/* Flips, crops and blots of pictures: whole rows are copied wherever they stay together. */
#include "image/pixels.h"

#include <string.h>

/* --- flips --------------------------------------------------------------------------------------------- */

/* With the channels known, a pixel is one move. */
static inline void mirror_row(const uint8_t *in, uint8_t *out, int64_t width, int64_t channels)
{
    const uint8_t *from = in + (width - 1) * channels;
    for (int64_t x = 0; x < width; x++, from -= channels, out += channels)
        memcpy(out, from, (size_t)channels);
}

void cj__mirror(cj__extent e, const uint8_t *in, uint8_t *out)
{
    int64_t stride = e.width * e.channels;
    for (int64_t y = 0; y < e.height; y++, in += stride, out += stride) {
        if (e.channels == 1)
            mirror_row(in, out, e.width, 1);
        else if (e.channels == 3)
            mirror_row(in, out, e.width, 3);
        else
            mirror_row(in, out, e.width, e.channels);
    }
}

void cj__upside_down(cj__extent e, const uint8_t *in, uint8_t *out)
{
    size_t stride = (size_t)(e.width * e.channels);
    for (int64_t y = 0; y < e.height; y++)
        memcpy(out + (size_t)y * stride, in + (size_t)(e.height - 1 - y) * stride, stride);
}

/* --- moves --------------------------------------------------------------------------------------------- */

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

void cj__move(cj__extent e, const uint8_t *in, uint8_t *out, int64_t down, int64_t right, uint8_t fill)
{
    int64_t stride = e.width * e.channels;
    int64_t first = clamp(right, 0, e.width), last = clamp(e.width + right, 0, e.width); /* of what is kept */
    for (int64_t y = 0; y < e.height; y++, out += stride) {
        int64_t from = y - down;
        if (from < 0 || from >= e.height || last <= first) {
            memset(out, fill, (size_t)stride);
            continue;
        }
        memset(out, fill, (size_t)(first * e.channels));
        memcpy(out + first * e.channels, in + from * stride + (first - right) * e.channels,
               (size_t)((last - first) * e.channels));
        memset(out + last * e.channels, fill, (size_t)((e.width - last) * e.channels));
    }
}

static int64_t reflected(int64_t i, int64_t side)
{
    return i < 0 ? -i : i >= side ? 2 * (side - 1) - i : i;
}

/* Pixels `from` up to `to` of a row, one by one. */
static void reflect_pixels(cj__extent e, const uint8_t *in, uint8_t *out, int64_t right, int64_t from,
                           int64_t to)
{
    for (int64_t x = from; x < to; x++)
        memcpy(out + x * e.channels, in + reflected(x - right, e.width) * e.channels, (size_t)e.channels);
}

void cj__move_reflected(cj__extent e, const uint8_t *in, uint8_t *out, int64_t down, int64_t right)
{
    int64_t stride = e.width * e.channels;
    int64_t first = clamp(right, 0, e.width), last = clamp(e.width + right, 0, e.width);
    for (int64_t y = 0; y < e.height; y++, out += stride) {
        const uint8_t *row = in + reflected(y - down, e.height) * stride;
        reflect_pixels(e, row, out, right, 0, first);
        memcpy(out + first * e.channels, row + (first - right) * e.channels,
               (size_t)((last - first) * e.channels));
        reflect_pixels(e, row, out, right, last, e.width);
    }
}

void cj__blot(cj__extent e, const uint8_t *in, uint8_t *out, cj__area area, uint8_t fill)
{
    memcpy(out, in, cj__extent_bytes(e));
    for (int64_t y = 0; y < area.height; y++)
        memset(out + ((area.top + y) * e.width + area.left) * e.channels, fill,
               (size_t)(area.width * e.channels));
}
