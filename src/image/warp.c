/* Pictures turned, slanted and stretched: each pixel of the result is a bilinear mean of four of the source,
 * found and weighed in fixed point. */
#include "image/pixels.h"
#include "cpu/picture.h"

#include <math.h>

/* Places have 32 bits after the point, weights 11: four products of weights and a byte fit 32 bits. */
enum { PLACE_BITS = 32, WEIGHT_BITS = CJ__STRETCH_BITS, ONE = CJ__STRETCH_ONE };

typedef struct {
    int64_t x, y;    /* of the source's pixels */
    uint32_t wx, wy; /* how far to the next ones, of ONE */
} place;

static inline place place_at(int64_t x, int64_t y)
{
    enum { DROPPED = PLACE_BITS - WEIGHT_BITS };
    return (place){x >> PLACE_BITS, y >> PLACE_BITS, (uint32_t)(x >> DROPPED) & (ONE - 1),
                   (uint32_t)(y >> DROPPED) & (ONE - 1)};
}

static inline uint8_t blend(place p, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    uint32_t top = a * (ONE - p.wx) + b * p.wx, bottom = c * (ONE - p.wx) + d * p.wx;
    uint32_t sum = top * (ONE - p.wy) + bottom * p.wy;
    return (uint8_t)((sum + (1u << (2 * WEIGHT_BITS - 1))) >> (2 * WEIGHT_BITS));
}

/* --- by a matrix --------------------------------------------------------------------------------------- */

/* Far beyond any picture, and far from overflow. */
static int64_t fixed(double value, double most)
{
    return llrint(fmax(-most, fmin(most, value)) * 0x1p32);
}

typedef struct {
    cj__extent e;
    const uint8_t *in;
    uint8_t fill;
} source;

static inline uint32_t byte_at(const source *s, int64_t y, int64_t x, int64_t c)
{
    bool within = x >= 0 && y >= 0 && x < s->e.width && y < s->e.height;
    return within ? s->in[(y * s->e.width + x) * s->e.channels + c] : s->fill;
}

/* Where some of the four pixels are missing. */
static void sample_edge(const source *s, place p, uint8_t *out)
{
    for (int64_t c = 0; c < s->e.channels; c++)
        out[c] = blend(p, byte_at(s, p.y, p.x, c), byte_at(s, p.y, p.x + 1, c), byte_at(s, p.y + 1, p.x, c),
                       byte_at(s, p.y + 1, p.x + 1, c));
}

static inline void warp_row(const source *s, uint8_t *out, int64_t x, int64_t y, int64_t step_x,
                            int64_t step_y, int64_t channels)
{
    int64_t stride = s->e.width * channels;
    for (int64_t i = 0; i < s->e.width; i++, x += step_x, y += step_y, out += channels) {
        place p = place_at(x, y);
        if ((uint64_t)p.x >= (uint64_t)(s->e.width - 1) || (uint64_t)p.y >= (uint64_t)(s->e.height - 1)) {
            sample_edge(s, p, out);
            continue;
        }
        const uint8_t *at = s->in + p.y * stride + p.x * channels;
        for (int64_t c = 0; c < channels; c++)
            out[c] = blend(p, at[c], at[channels + c], at[stride + c], at[stride + channels + c]);
    }
}

void cj__warp(cj__extent e, const uint8_t *in, uint8_t *out, const double m[6], uint8_t fill)
{
    source s = {e, in, fill};
    double middle_x = 0.5 * (double)e.width, middle_y = 0.5 * (double)e.height, left = 0.5 - middle_x;
    int64_t step_x = fixed(m[0], 4096), step_y = fixed(m[3], 4096);
    for (int64_t row = 0; row < e.height; row++, out += e.width * e.channels) {
        double down = (double)row + 0.5 - middle_y;
        int64_t x = fixed(m[0] * left + m[1] * down + m[2] + middle_x - 0.5, 0x1p28);
        int64_t y = fixed(m[3] * left + m[4] * down + m[5] + middle_y - 0.5, 0x1p28);
        if (e.channels == 1)
            warp_row(&s, out, x, y, step_x, step_y, 1);
        else if (e.channels == 3)
            warp_row(&s, out, x, y, step_x, step_y, 3);
        else
            warp_row(&s, out, x, y, step_x, step_y, e.channels);
    }
}

/* --- by stretching ------------------------------------------------------------------------------------- */

/* Places along a side, no further out than the centres of the outermost pixels. */
typedef struct {
    int64_t at, step, last;
} ladder;

static ladder ladder_of(int64_t from, int64_t to)
{
    int64_t step = (from << PLACE_BITS) / to;
    return (ladder){(step - ((int64_t)1 << PLACE_BITS)) / 2, step, (from - 1) << PLACE_BITS};
}

static inline int64_t climb(ladder *l)
{
    int64_t at = l->at < 0 ? 0 : l->at > l->last ? l->last : l->at;
    l->at += l->step;
    return at;
}

/* Columns of the result that are made together: where each comes from, and the rows there, blended. */
enum { STRIP = 256, MOST_CHANNELS = 4 };
typedef struct {
    int64_t left, count;     /* columns of the area that are read; the last may be there twice */
    int32_t at[STRIP];       /* from `left` on */
    uint32_t weights[STRIP]; /* of the next column */
    uint32_t blended[(STRIP + 2) * MOST_CHANNELS + 1];
} strip;

static void begin_strip(strip *s, ladder *across, int64_t columns)
{
    for (int64_t i = 0; i < columns; i++) {
        place p = place_at(climb(across), 0);
        if (i == 0) s->left = p.x;
        s->at[i] = (int32_t)(p.x - s->left);
        s->weights[i] = p.wx;
    }
    s->count = s->at[columns - 1] + 2;
}

/* One row of them, from the place y of the area; beyond its edges are its outermost pixels. */
static void stretch_strip(const cj__picture_table *f, strip *s, cj__extent e, const uint8_t *in,
                          cj__area area, int64_t y, int64_t columns, uint8_t *out)
{
    int64_t channels = e.channels, stride = e.width * channels;
    int64_t have = s->left + s->count <= area.width ? s->count : area.width - s->left;
    place p = place_at(0, y);
    const uint8_t *row = in + (area.top + p.y) * stride + (area.left + s->left) * channels;
    f->blend_rows(have * channels, p.wy, row, p.y + 1 < area.height ? row + stride : row, s->blended);
    for (int64_t c = 0; c < channels && have < s->count; c++)
        s->blended[have * channels + c] = s->blended[(have - 1) * channels + c];
    f->blend_pixels(columns, s->at, s->weights, s->blended, channels, out);
}

static void stretch_few(cj__extent e, const uint8_t *in, uint8_t *out, cj__area area)
{
    const cj__picture_table *f = cj__picture_functions();
    ladder across = ladder_of(area.width, e.width);
    strip s = {0};
    for (int64_t from = 0; from < e.width; from += STRIP) {
        int64_t columns = e.width - from < STRIP ? e.width - from : STRIP;
        ladder down = ladder_of(area.height, e.height);
        begin_strip(&s, &across, columns);
        for (int64_t i = 0; i < e.height; i++)
            stretch_strip(f, &s, e, in, area, climb(&down), columns, out + (i * e.width + from) * e.channels);
    }
}

/* Any number of channels, pixel by pixel. */
static void stretch_many(cj__extent e, const uint8_t *in, uint8_t *out, cj__area area)
{
    ladder down = ladder_of(area.height, e.height);
    int64_t channels = e.channels, stride = e.width * channels;
    for (int64_t i = 0; i < e.height; i++) {
        int64_t y = climb(&down), below = (y >> PLACE_BITS) + 1 < area.height ? stride : 0;
        const uint8_t *row = in + (area.top + (y >> PLACE_BITS)) * stride + area.left * channels;
        ladder across = ladder_of(area.width, e.width);
        for (int64_t j = 0; j < e.width; j++, out += channels) {
            place p = place_at(climb(&across), y);
            int64_t next = p.x + 1 < area.width ? channels : 0;
            const uint8_t *at = row + p.x * channels;
            for (int64_t c = 0; c < channels; c++)
                out[c] = blend(p, at[c], at[next + c], at[below + c], at[below + next + c]);
        }
    }
}

void cj__stretch(cj__extent e, const uint8_t *in, uint8_t *out, cj__area area)
{
    if (e.channels <= MOST_CHANNELS)
        stretch_few(e, in, out, area);
    else
        stretch_many(e, in, out, area);
}
