/* Pictures turned, slanted and stretched: each pixel of the result is a bilinear mean of four of the source,
 * found and weighed in fixed point. */
#include "image/pixels.h"

#include <math.h>

/* Places have 32 bits after the point, weights 11: four products of weights and a byte fit 32 bits. */
enum { PLACE_BITS = 32, WEIGHT_BITS = 11, ONE = 1 << WEIGHT_BITS };

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

static inline void stretch_row(cj__extent e, const uint8_t *in, uint8_t *out, cj__area area, int64_t y,
                               int64_t channels)
{
    int64_t stride = e.width * channels;
    int64_t below = (y >> PLACE_BITS) + 1 < area.height ? stride : 0;
    const uint8_t *row = in + (area.top + (y >> PLACE_BITS)) * stride + area.left * channels;
    ladder x = ladder_of(area.width, e.width);
    for (int64_t i = 0; i < e.width; i++, out += channels) {
        place p = place_at(climb(&x), y);
        int64_t next = p.x + 1 < area.width ? channels : 0;
        const uint8_t *at = row + p.x * channels;
        for (int64_t c = 0; c < channels; c++)
            out[c] = blend(p, at[c], at[next + c], at[below + c], at[below + next + c]);
    }
}

void cj__stretch(cj__extent e, const uint8_t *in, uint8_t *out, cj__area area)
{
    ladder down = ladder_of(area.height, e.height);
    for (int64_t i = 0; i < e.height; i++, out += e.width * e.channels) {
        int64_t y = climb(&down);
        if (e.channels == 1)
            stretch_row(e, in, out, area, y, 1);
        else if (e.channels == 3)
            stretch_row(e, in, out, area, y, 3);
        else
            stretch_row(e, in, out, area, y, e.channels);
    }
}
