/* Many small maps on one sheet: what the channels of a layer give, and the filters of a convolution. Pixels
 * stay sharp: each is a square. */
#include "base/memory.h"
#include "cajal/explain.h"
#include "image/image.h"

#include <math.h>
#include <string.h>

enum { GAP = 2, GROUND = 255, LEAST_SIDE = 64, WHOLE_SIDE = 1600 };

typedef struct {
    const float *values; /* [height,width,count] */
    int64_t height, width, count;
    int64_t channels; /* of one picture of the sheet: it is made of so many maps */
    int64_t columns, lines, enlarged;
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

static cj_status begin(sheet *s)
{
    static const char name[] = "a sheet of maps";
    int64_t height = GAP + s->lines * (s->height * s->enlarged + GAP);
    int64_t width = GAP + s->columns * (s->width * s->enlarged + GAP);
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

/* Values from `low` (black) to `high` (white). */
static void put_map(const sheet *s, int64_t map, float low, float high)
{
    int64_t picture = map / s->channels;
    int64_t top = GAP + picture / s->columns * (s->height * s->enlarged + GAP);
    int64_t left = GAP + picture % s->columns * (s->width * s->enlarged + GAP);
    for (int64_t p = 0; p < s->height * s->width; p++) {
        float share = high > low ? (value_of(s, map, p) - low) / (high - low) : 0;
        put_square(s, top + p / s->width * s->enlarged, left + p % s->width * s->enlarged, map % s->channels,
                   to_byte(share));
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

cj_status cj_feature_maps_picture(cj_image *to, const cj_feature_maps *maps)
{
    sheet s;
    CJ__TRY(sheet_of(&s, to, maps, 1));
    choose_size(&s, square(s.count));
    CJ__TRY(begin(&s));
    for (int64_t m = 0; m < s.count; m++) {
        float low = value_of(&s, m, 0), high = low;
        for (int64_t p = 1; p < s.height * s.width; p++) {
            low = fminf(low, value_of(&s, m, p));
            high = fmaxf(high, value_of(&s, m, p));
        }
        put_map(&s, m, low, high);
    }
    return CJ_OK;
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
    for (int64_t m = 0; m < s.count; m++) put_map(&s, m, -most, most);
    return CJ_OK;
}
