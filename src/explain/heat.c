/* A map drawn as heat over the picture that it explains, beside the picture itself. What is strong glows,
 * what is weak leaves the picture, in grey, as it is. */
#include "base/memory.h"
#include "cajal/explain.h"
#include "image/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_SIDE = 256, GAP = 8 };

typedef struct {
    const cj_image *picture;
    float *map, *scratch; /* [height,width] */
    float none, full;     /* values that get no colour, and all of it */
    bool is_signed;
    int64_t enlarged;      /* each pixel becomes so many by so many */
    cj_image colour, grey; /* the picture, enlarged */
} heat;

/* --- strength ------------------------------------------------------------------------------------------ */

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static float magnitude(float value, bool is_signed)
{
    if (is_signed) value = fabsf(value);
    return value > 0 ? value : 0; /* NaN is none */
}

/* What gets the full colour: the strongest hundredth of the pixels does. What gets none: of a map without a
 * sign, what half of the pixels stay below, so that what is everywhere is seen nowhere. */
static void set_scale(heat *h)
{
    int64_t count = h->picture->height * h->picture->width;
    float *sorted = h->scratch;
    for (int64_t i = 0; i < count; i++) sorted[i] = magnitude(h->map[i], h->is_signed);
    qsort(sorted, (size_t)count, sizeof *sorted, descending);
    h->none = h->is_signed ? 0 : sorted[count / 2];
    h->full = sorted[(count - 1) / 100] > h->none ? sorted[(count - 1) / 100] : sorted[0];
}

/* --- smoothing ----------------------------------------------------------------------------------------- */

/* Gradients differ from pixel to pixel as much as they do at random: what an eye looks for is where many are
 * strong. */
static double deviation_for(cj_explain_method method, const cj_image *picture)
{
    int64_t shorter = picture->height < picture->width ? picture->height : picture->width;
    bool of_gradients = method == CJ_SALIENCY || method == CJ_SMOOTHGRAD || method == CJ_INTEGRATED_GRADIENTS;
    return of_gradients ? (double)shorter / 24 : 0;
}

/* One line of `length` numbers that lie `stride` apart: the mean by a normal curve over those that there are.
 */
static void smooth_line(const float *from, float *to, int64_t length, int64_t stride, double deviation)
{
    int64_t reach = (int64_t)(3 * deviation);
    for (int64_t i = 0; i < length; i++) {
        double sum = 0, weights = 0;
        for (int64_t k = i > reach ? i - reach : 0; k < length && k <= i + reach; k++) {
            double distance = (double)(k - i) / deviation, weight = exp(-0.5 * distance * distance);
            sum += weight * (double)from[k * stride];
            weights += weight;
        }
        to[i * stride] = (float)(sum / weights);
    }
}

/* map, scratch: [height,width] */
static void smooth(float *map, float *scratch, int64_t height, int64_t width, double deviation)
{
    for (int64_t y = 0; y < height; y++)
        smooth_line(map + y * width, scratch + y * width, width, 1, deviation);
    for (int64_t x = 0; x < width; x++) smooth_line(scratch + x, map + x, height, width, deviation);
}

/* --- colour -------------------------------------------------------------------------------------------- */

enum { STOPS = 4 };
static const float warm[STOPS][3] = {{70, 10, 110}, {200, 35, 95}, {252, 135, 35}, {255, 245, 110}};
static const float cold[STOPS][3] = {{15, 30, 110}, {20, 95, 190}, {40, 175, 235}, {190, 250, 255}};

/* Between the stops in straight lines; strength: 0 to 1 */
static void colour_of(const float stops[STOPS][3], float strength, float colour[3])
{
    float place = strength * (STOPS - 1);
    int below = place < STOPS - 2 ? (int)place : STOPS - 2;
    for (int c = 0; c < 3; c++)
        colour[c] = stops[below][c] + (place - (float)below) * (stops[below + 1][c] - stops[below][c]);
}

/* `grey`: of the picture, 0 to 255; value: -1 to 1 */
static void glow(float grey, float value, uint8_t pixel[3])
{
    float colour[3], strength = fminf(fabsf(value), 1), opacity = 0.9F * powf(strength, 0.7F);
    colour_of(value < 0 ? cold : warm, strength, colour);
    float ground = 0.7F * grey;
    for (int c = 0; c < 3; c++) pixel[c] = (uint8_t)(ground + opacity * (colour[c] - ground) + 0.5F);
}

/* --- the picture --------------------------------------------------------------------------------------- */

/* The map at a place of the enlarged picture, between the middles of the pixels around it. */
static float value_at(const heat *h, int64_t y, int64_t x)
{
    int64_t height = h->picture->height, width = h->picture->width;
    float fy = ((float)y + 0.5F) / (float)h->enlarged - 0.5F,
          fx = ((float)x + 0.5F) / (float)h->enlarged - 0.5F;
    fy = fminf(fmaxf(fy, 0), (float)(height - 1));
    fx = fminf(fmaxf(fx, 0), (float)(width - 1));
    int64_t top = (int64_t)fy, left = (int64_t)fx;
    int64_t below = top + 1 < height ? top + 1 : top, right = left + 1 < width ? left + 1 : left;
    const float *upper = h->map + top * width, *lower = h->map + below * width;
    float down = fy - (float)top, across = fx - (float)left;
    float above = upper[left] + across * (upper[right] - upper[left]);
    float under = lower[left] + across * (lower[right] - lower[left]);
    return above + down * (under - above);
}

static float relative(const heat *h, float value)
{
    float strength = magnitude(value, h->is_signed);
    if (strength <= h->none) return 0;
    return copysignf(fminf((strength - h->none) / (h->full - h->none), 1), value);
}

/* The picture to the left, the heat to the right. */
static void put_pixels(const heat *h, cj_image *to)
{
    const cj_image *colour = &h->colour;
    for (int64_t y = 0; y < colour->height; y++)
        for (int64_t x = 0; x < colour->width; x++) {
            int64_t i = y * colour->width + x;
            uint8_t *pixel = to->pixels + (y * to->width + x) * 3;
            memcpy(pixel, colour->pixels + 3 * i, 3);
            glow(h->grey.pixels[i], relative(h, value_at(h, y, x)), pixel + 3 * (colour->width + GAP));
        }
}

static cj_status enlarge(heat *h)
{
    cj_image coloured = {0}, grey = {0};
    int64_t height = h->picture->height * h->enlarged, width = h->picture->width * h->enlarged;
    cj_status status = cj_image_recolour(&coloured, h->picture, 3);
    if (status == CJ_OK) status = cj_image_recolour(&grey, h->picture, 1);
    if (status == CJ_OK) status = cj_image_resize(&h->colour, &coloured, height, width, CJ_RESAMPLE_BILINEAR);
    if (status == CJ_OK) status = cj_image_resize(&h->grey, &grey, height, width, CJ_RESAMPLE_BILINEAR);
    cj_image_free(&coloured);
    cj_image_free(&grey);
    return status;
}

static cj_status draw(heat *h, cj_image *to)
{
    static const char name[] = "a picture of a map";
    set_scale(h);
    CJ__TRY(enlarge(h));
    CJ__TRY(cj__image_check_size(name, h->colour.height, 2 * h->colour.width + GAP));
    CJ__TRY(cj__image_make(to, h->colour.height, 2 * h->colour.width + GAP, 3, name));
    memset(to->pixels, 255, (size_t)(to->height * to->width * 3));
    put_pixels(h, to);
    return CJ_OK;
}

static cj_status copy_map(heat *h, const float *map, double deviation)
{
    int64_t height = h->picture->height, width = h->picture->width;
    size_t bytes = (size_t)(height * width) * sizeof *map;
    h->map = cj__allocate(bytes);
    h->scratch = cj__allocate(bytes);
    if (!h->map || !h->scratch) return cj__out_of_memory(2 * bytes, "a picture of a map");
    memcpy(h->map, map, bytes);
    if (deviation > 0) smooth(h->map, h->scratch, height, width, deviation);
    return CJ_OK;
}

static cj_status check(const cj_image *picture, const float *map)
{
    if (picture->pixels && map && (picture->channels == 1 || picture->channels == 3))
        return cj__image_check_size("a picture", picture->height, picture->width);
    return cj__fail(CJ_INVALID_ARGUMENT,
                    "heat is drawn over a picture of 1 or 3 channels, by a map of its size");
}

cj_status cj_heat_picture(cj_image *to, const cj_image *picture, const float *map, cj_explain_method method)
{
    *to = (cj_image){0};
    CJ__TRY(check(picture, map));
    int64_t shorter = picture->height < picture->width ? picture->height : picture->width;
    heat h = {.picture = picture,
              .is_signed = cj_explain_method_is_signed(method),
              .enlarged = (LEAST_SIDE + shorter - 1) / shorter};
    cj_status status = copy_map(&h, map, deviation_for(method, picture));
    if (status == CJ_OK) status = draw(&h, to);
    cj_image_free(&h.colour);
    cj_image_free(&h.grey);
    cj__free(h.map);
    cj__free(h.scratch);
    return status;
}
