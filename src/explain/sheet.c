/* Many small maps on one sheet: what the channels of a layer give, the filters of a convolution, and what the
 * heads of attention see. Pixels stay sharp: each is a square. */
#include "base/memory.h"
#include "cajal/explain.h"
#include "explain/writing.h"
#include "image/image.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { GAP = 2, GROUND = 255, LEAST_SIDE = 64, WHOLE_SIDE = 1600 };

typedef struct {
    const float *values; /* [height,width,count] */
    int64_t height, width, count;
    int64_t channels; /* of one picture of the sheet: it is made of so many maps */
    int64_t columns, lines, enlarged;
    int64_t left, top; /* room before each picture, for what its rows and columns are called */
    cj_image *to;
} sheet;

/* --- the sheet ----------------------------------------------------------------------------------------- */

static int64_t at_least_one(int64_t number)
{
    return number < 1 ? 1 : number;
}

/* Small maps are enlarged, many of them less. */
static void choose_size(sheet *s, int64_t columns)
{
    int64_t pictures = s->count / s->channels, shorter = s->height < s->width ? s->height : s->width;
    s->columns = columns < pictures ? columns : pictures;
    s->lines = (pictures + s->columns - 1) / s->columns;
    int64_t wanted = (LEAST_SIDE + shorter - 1) / shorter,
            most = s->columns > s->lines ? s->columns : s->lines;
    int64_t room = WHOLE_SIDE / most / (s->height > s->width ? s->height : s->width);
    s->enlarged = at_least_one(wanted < room ? wanted : room);
}

static cj_status begin(const sheet *s)
{
    static const char name[] = "a sheet of maps";
    int64_t height = GAP + s->lines * (s->top + s->height * s->enlarged + GAP);
    int64_t width = GAP + s->columns * (s->left + s->width * s->enlarged + GAP);
    CJ__TRY(cj__image_check_size(name, height, width));
    CJ__TRY(cj__image_make(s->to, height, width, s->channels, name));
    memset(s->to->pixels, GROUND, (size_t)(height * width * s->channels));
    return CJ_OK;
}

static float value_of(const sheet *s, int64_t map, int64_t pixel)
{
    return s->values[pixel * s->count + map];
}

static uint8_t to_byte(float share)
{
    return (uint8_t)(share > 0 ? fminf(255, share * 255 + 0.5F) : 0); /* NaN is black */
}

static void put_square(const sheet *s, int64_t top, int64_t left, int64_t channel, uint8_t byte)
{
    for (int64_t y = top; y < top + s->enlarged; y++)
        for (int64_t x = left; x < left + s->enlarged; x++)
            s->to->pixels[(y * s->to->width + x) * s->channels + channel] = byte;
}

static int64_t top_of(const sheet *s, int64_t picture)
{
    return GAP + picture / s->columns * (s->top + s->height * s->enlarged + GAP) + s->top;
}

static int64_t left_of(const sheet *s, int64_t picture)
{
    return GAP + picture % s->columns * (s->left + s->width * s->enlarged + GAP) + s->left;
}

static float as_it_is(float share)
{
    return share;
}

/* Values from `low` (black) to `high` (white), by that curve between. */
static void put_map(const sheet *s, int64_t map, float low, float high, float (*curve)(float))
{
    int64_t top = top_of(s, map / s->channels), left = left_of(s, map / s->channels);
    for (int64_t p = 0; p < s->height * s->width; p++) {
        float share = high > low ? (value_of(s, map, p) - low) / (high - low) : 0;
        put_square(s, top + p / s->width * s->enlarged, left + p % s->width * s->enlarged, map % s->channels,
                   to_byte(curve(share)));
    }
}

static cj_status sheet_of(sheet *s, cj_image *to, const cj_feature_maps *maps, int64_t channels)
{
    const cj_tensor *t = &maps->maps;
    *to = (cj_image){0};
    if (!t->data || t->dtype != CJ_F32 || t->shape.rank != 3 || cj_shape_count(t->shape) < 1 ||
        channels < 1 || t->shape.dims[2] % channels)
        return cj__fail(CJ_INVALID_ARGUMENT, "a sheet needs maps, f32 [h,w,C]");
    *s = (sheet){t->data, t->shape.dims[0], t->shape.dims[1], t->shape.dims[2], .channels = 1, .to = to};
    return CJ_OK;
}

static int64_t square(int64_t pictures)
{
    return (int64_t)ceil(sqrt((double)pictures));
}

/* --- its contents -------------------------------------------------------------------------------------- */

/* Each from its own smallest to its own largest value. */
static cj_status put_maps(const sheet *s)
{
    CJ__TRY(begin(s));
    for (int64_t m = 0; m < s->count; m++) {
        float low = value_of(s, m, 0), high = low;
        for (int64_t p = 1; p < s->height * s->width; p++) {
            low = fminf(low, value_of(s, m, p));
            high = fmaxf(high, value_of(s, m, p));
        }
        put_map(s, m, low, high, as_it_is);
    }
    return CJ_OK;
}

cj_status cj_feature_maps_picture(cj_image *to, const cj_feature_maps *maps)
{
    sheet s;
    CJ__TRY(sheet_of(&s, to, maps, 1));
    choose_size(&s, square(s.count));
    return put_maps(&s);
}

cj_status cj_filters_picture(cj_image *to, const cj_feature_maps *filters, int64_t channels)
{
    sheet s;
    float most = 0;
    CJ__TRY(sheet_of(&s, to, filters, channels));
    if (channels == 3) s.channels = 3;
    choose_size(&s, channels == 1 || channels == 3 ? square(s.count / channels) : channels);
    CJ__TRY(begin(&s));
    for (int64_t i = 0; i < s.height * s.width * s.count; i++) most = fmaxf(most, fabsf(s.values[i]));
    for (int64_t m = 0; m < s.count; m++) put_map(&s, m, -most, most, as_it_is);
    return CJ_OK;
}

/* --- attention between tokens -------------------------------------------------------------------------- */

enum { MOST_LETTERS = 16, MARGIN = 4, LARGEST_SIDE = 4000, LEAST_WRITTEN = 2 };

/* What the rows, or the columns, are called. */
typedef struct {
    cj__text *list; /* [count] */
    int64_t count, longest;
} names;

static cj_status make_names(names *n, const char *const *tokens, int64_t count)
{
    *n = (names){cj__allocate_zeroed((size_t)count * sizeof *n->list), count, LEAST_WRITTEN};
    if (!n->list) return cj__out_of_memory((size_t)count * sizeof *n->list, "a sheet of maps");
    for (int64_t i = 0; i < count; i++) {
        CJ__TRY(cj__writing_make(tokens[i], &n->list[i]));
        int64_t length = cj__writing_length(n->list[i].data);
        if (length > n->longest) n->longest = length < MOST_LETTERS ? length : MOST_LETTERS;
    }
    return CJ_OK;
}

static void free_names(names *n)
{
    for (int64_t i = 0; n->list && i < n->count; i++) cj__text_free(&n->list[i]);
    cj__free(n->list);
}

/* A square is as high as a line of letters whose dots have `scale` pixels a side. */
static bool fits(sheet *s, const names *rows, const names *columns, int64_t scale)
{
    int64_t most = scale > 2 ? WHOLE_SIDE : LARGEST_SIDE;
    s->columns = square(s->count);
    s->lines = (s->count + s->columns - 1) / s->columns;
    s->enlarged = scale * CJ__LINE;
    s->left = scale * (rows->longest * CJ__LETTER + MARGIN);
    s->top = scale * (columns->longest * CJ__LETTER + MARGIN);
    return s->columns * (s->left + s->width * s->enlarged) <= most &&
           s->lines * (s->top + s->height * s->enlarged) <= most;
}

/* Rows end where the map begins; columns are read from below. */
static void put_names(const sheet *s, int64_t map, const names *rows, const names *columns)
{
    int64_t scale = s->enlarged / CJ__LINE, top = top_of(s, map), left = left_of(s, map);
    for (int64_t i = 0; i < rows->count; i++) {
        int64_t length = cj__writing_length(rows->list[i].data);
        int64_t width = scale * CJ__LETTER * (length < MOST_LETTERS ? length : MOST_LETTERS);
        cj__pen pen = {s->to, left - width - scale * MARGIN / 2, top + i * s->enlarged, scale, false, 0};
        cj__write(&pen, rows->list[i].data, MOST_LETTERS);
    }
    for (int64_t i = 0; i < columns->count; i++) {
        cj__pen pen = {s->to, left + i * s->enlarged, top - scale * MARGIN / 2, scale, true, 0};
        cj__write(&pen, columns->list[i].data, MOST_LETTERS);
    }
}

/* Black is a weight of 0, white of 1, in every map; roots, so that among many tokens small ones are seen. */
static cj_status put_heads(const sheet *s)
{
    CJ__TRY(begin(s));
    for (int64_t m = 0; m < s->count; m++) put_map(s, m, 0, 1, sqrtf);
    return CJ_OK;
}

/* In the corner, from 1 on. */
static void put_number(const sheet *s, int64_t map)
{
    char number[24];
    int64_t scale = s->enlarged / CJ__LINE;
    cj__pen pen = {s->to, left_of(s, map) - s->left, top_of(s, map) - s->top, scale, false, 0};
    snprintf(number, sizeof number, "%lld", (long long)map + 1);
    if (s->count > 1) cj__write(&pen, number, MOST_LETTERS);
}

/* In hundredths, where a square has room for that, in what stands out from its grey. */
static void put_weights(const sheet *s, int64_t map)
{
    int64_t scale = s->enlarged / CJ__LINE - 1;
    for (int64_t p = 0; scale > 0 && p < s->height * s->width; p++) {
        char digits[24];
        int64_t y = top_of(s, map) + p / s->width * s->enlarged,
                x = left_of(s, map) + p % s->width * s->enlarged;
        int length = snprintf(digits, sizeof digits, "%.0f", 100 * (double)value_of(s, map, p));
        cj__pen pen = {.to = s->to, .scale = scale};
        pen.grey = s->to->pixels[y * s->to->width + x] < 128 ? 255 : 0;
        pen.left = x + (s->enlarged - scale * (length * CJ__LETTER - 1)) / 2;
        pen.top = y + (s->enlarged - scale * CJ__LINE) / 2;
        if (strcmp(digits, "0") != 0) cj__write(&pen, digits, MOST_LETTERS);
    }
}

static cj_status put_attention(sheet *s, const names *rows, const names *columns)
{
    int64_t scale = 3;
    while (scale > 0 && !fits(s, rows, columns, scale)) scale--;
    if (scale == 0) {
        s->left = s->top = 0;
        choose_size(s, square(s->count));
        return put_heads(s);
    }
    CJ__TRY(put_heads(s));
    for (int64_t m = 0; m < s->count; m++) {
        put_number(s, m);
        put_names(s, m, rows, columns);
        put_weights(s, m);
    }
    return CJ_OK;
}

cj_status cj_attention_picture(cj_image *to, const cj_feature_maps *maps, const char *const *queries,
                               const char *const *keys)
{
    sheet s;
    names rows = {0}, columns = {0};
    CJ__TRY(sheet_of(&s, to, maps, 1));
    cj_status status = make_names(&rows, queries, s.height);
    if (status == CJ_OK) status = make_names(&columns, keys, s.width);
    if (status == CJ_OK) status = put_attention(&s, &rows, &columns);
    free_names(&rows);
    free_names(&columns);
    return status;
}
