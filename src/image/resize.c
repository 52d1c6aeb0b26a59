/* Pictures in another size. Resizing is a weighted mean along rows, rounded to bytes, then along columns: the
 * triangle of weights is as wide as what a pixel covers, or reaches to its neighbours where it grows. */
#include "base/memory.h"
#include "cpu/picture.h"
#include "image/image.h"

#include <math.h>
#include <string.h>

/* --- weights ------------------------------------------------------------------------------------------- */

/* Which of `from` samples make up each of `count` new ones, and by how much. */
typedef struct {
    int64_t count, most; /* weights an entry, at most */
    int64_t *first;      /* [count] */
    int64_t *taps;       /* [count] how many from `first` on */
    float *weights;      /* [count,most] */
} mix;

static void free_mix(mix *m)
{
    cj__free(m->first);
    cj__free(m->weights);
}

static void weigh(mix *m, int64_t i, int64_t from, double centre, double width)
{
    int64_t first = (int64_t)fmax(0, centre - width + 0.5),
            last = (int64_t)fmin((double)from, centre + width + 0.5);
    float *weights = m->weights + i * m->most;
    double sum = 0;
    for (int64_t j = first; j < last; j++) sum += fmax(0, 1 - fabs((double)j + 0.5 - centre) / width);
    for (int64_t j = first; j < last; j++)
        weights[j - first] = (float)(fmax(0, 1 - fabs((double)j + 0.5 - centre) / width) / sum);
    m->first[i] = first;
    m->taps[i] = last - first;
}

/* To be freed whether it fails or not. The new samples `start` to `start + count - 1` of `to` in all. */
static cj_status make_mix(mix *m, int64_t from, int64_t to, int64_t start, int64_t count)
{
    double scale = (double)from / (double)to, width = scale > 1 ? scale : 1;
    *m = (mix){.count = count, .most = 2 * (int64_t)ceil(width) + 1};
    m->first = cj__allocate(2 * (size_t)count * sizeof *m->first);
    m->weights = cj__allocate((size_t)(count * m->most) * sizeof *m->weights);
    if (!m->first || !m->weights)
        return cj__out_of_memory((size_t)(count * m->most) * sizeof *m->weights, "resizing a picture");
    m->taps = m->first + count;
    for (int64_t i = 0; i < count; i++) weigh(m, i, from, ((double)(start + i) + 0.5) * scale, width);
    return CJ_OK;
}

/* --- along rows, along columns ------------------------------------------------------------------------- */

/* Row `i` of the result: `rows` [,stride] begin with that of the first row anything is made of. */
static void mix_column(const cj__picture_table *f, const mix *m, int64_t i, const uint8_t *rows,
                       int64_t stride, float *sums, uint8_t *out)
{
    const float *weights = m->weights + i * m->most;
    const uint8_t *row = rows + (m->first[i] - m->first[0]) * stride;
    for (int64_t j = 0; j < stride; j++) sums[j] = 0.5F;
    for (int64_t k = 0; k < m->taps[i]; k++, row += stride) f->add_bytes(stride, weights[k], row, sums);
    f->to_bytes(stride, sums, out);
}

/* Only the rows that the window is made of are mixed. */
static cj_status mix_window(const cj__pixels *from, const mix *across, const mix *down, uint8_t *to)
{
    int64_t first = down->first[0], last = down->first[down->count - 1] + down->taps[down->count - 1];
    int64_t stride = across->count * from->channels;
    const cj__picture_table *f = cj__picture_functions();
    uint8_t *rows = cj__allocate((size_t)((last - first) * stride));
    float *sums = cj__allocate((size_t)stride * sizeof *sums);
    cj_status status =
        rows && sums ? CJ_OK : cj__out_of_memory((size_t)((last - first) * stride), "resizing a picture");
    for (int64_t y = first; y < last && status == CJ_OK; y++)
        f->mix_pixels(across->count, across->most, across->first, across->taps, across->weights,
                      from->pixels + y * from->stride, from->width, from->channels,
                      rows + (y - first) * stride);
    for (int64_t i = 0; i < down->count && status == CJ_OK; i++)
        mix_column(f, down, i, rows, stride, sums, to + i * stride);
    cj__free(rows);
    cj__free(sums);
    return status;
}

static void copy_window(const cj__pixels *from, int64_t top, int64_t left, int64_t height, int64_t width,
                        uint8_t *to)
{
    size_t bytes = (size_t)(width * from->channels);
    for (int64_t y = 0; y < height; y++)
        memcpy(to + (size_t)y * bytes, from->pixels + (top + y) * from->stride + left * from->channels,
               bytes);
}

cj_status cj__resize_window(const cj__pixels *from, int64_t height, int64_t width, int64_t top, int64_t left,
                            int64_t window_height, int64_t window_width, uint8_t *to)
{
    mix across = {0}, down = {0};
    if (height == from->height && width == from->width) {
        copy_window(from, top, left, window_height, window_width, to);
        return CJ_OK;
    }
    cj_status status = make_mix(&across, from->width, width, left, window_width);
    if (status == CJ_OK) status = make_mix(&down, from->height, height, top, window_height);
    if (status == CJ_OK) status = mix_window(from, &across, &down, to);
    free_mix(&across);
    free_mix(&down);
    return status;
}

/* --- the public calls ---------------------------------------------------------------------------------- */

static cj__pixels all_of(const cj_image *image)
{
    return (cj__pixels){image->pixels, image->height, image->width, image->channels,
                        image->width * image->channels};
}

static cj_status make(cj_image *to, int64_t height, int64_t width, int64_t channels)
{
    *to = (cj_image){0};
    if ((channels != 1 && channels != 3) || height < 1 || width < 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "a picture of %lld by %lld with %lld channels cannot be made",
                        (long long)width, (long long)height, (long long)channels);
    CJ__TRY(cj__image_check_size("a picture", height, width));
    return cj__image_make(to, height, width, channels, "a picture");
}

static void resize_nearest(cj_image *to, const cj_image *from)
{
    double tall = (double)from->height / (double)to->height, wide = (double)from->width / (double)to->width;
    size_t channels = (size_t)from->channels;
    uint8_t *out = to->pixels;
    for (int64_t y = 0; y < to->height; y++) {
        const uint8_t *row =
            from->pixels + (int64_t)(((double)y + 0.5) * tall) * from->width * from->channels;
        for (int64_t x = 0; x < to->width; x++, out += channels)
            memcpy(out, row + (size_t)(((double)x + 0.5) * wide) * channels, channels);
    }
}

cj_status cj_image_resize(cj_image *to, const cj_image *from, int64_t height, int64_t width,
                          cj_resampling resampling)
{
    CJ__TRY(make(to, height, width, from->channels));
    if (resampling == CJ_RESAMPLE_NEAREST) {
        resize_nearest(to, from);
        return CJ_OK;
    }
    cj__pixels all = all_of(from);
    cj_status status = cj__resize_window(&all, height, width, 0, 0, height, width, to->pixels);
    if (status != CJ_OK) cj_image_free(to);
    return status;
}

cj_status cj_image_resize_shorter(cj_image *to, const cj_image *from, int64_t side, cj_resampling resampling)
{
    bool tall = from->height > from->width;
    int64_t shorter = tall ? from->width : from->height, longer = tall ? from->height : from->width;
    *to = (cj_image){0};
    if (side < 1 || side > INT32_MAX)
        return cj__fail(CJ_INVALID_ARGUMENT, "a side of %lld pixels cannot be made", (long long)side);
    longer = longer * side / shorter;
    return cj_image_resize(to, from, tall ? longer : side, tall ? side : longer, resampling);
}

cj_status cj_image_crop(cj_image *to, const cj_image *from, int64_t top, int64_t left, int64_t height,
                        int64_t width)
{
    *to = (cj_image){0};
    if (height < 1 || width < 1 || top < 0 || left < 0 || top > from->height - height ||
        left > from->width - width)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "%lld by %lld from (%lld,%lld) on do not lie in a picture of %lld by %lld",
                        (long long)width, (long long)height, (long long)left, (long long)top,
                        (long long)from->width, (long long)from->height);
    CJ__TRY(make(to, height, width, from->channels));
    cj__pixels all = all_of(from);
    copy_window(&all, top, left, height, width, to->pixels);
    return CJ_OK;
}

/* Half of it, a half pixel to the even side. */
static int64_t half(int64_t rest)
{
    return rest / 2 + (rest % 2 ? rest / 2 % 2 : 0);
}

cj_status cj_image_centre_crop(cj_image *to, const cj_image *from, int64_t height, int64_t width)
{
    return cj_image_crop(to, from, half(from->height - height), half(from->width - width), height, width);
}

cj_status cj_image_recolour(cj_image *to, const cj_image *from, int64_t channels)
{
    CJ__TRY(make(to, from->height, from->width, channels));
    int64_t count = from->height * from->width;
    const uint8_t *in = from->pixels;
    if (from->channels == channels)
        memcpy(to->pixels, in, (size_t)(count * channels));
    else if (channels == 3)
        for (int64_t i = 0; i < count; i++) memset(to->pixels + 3 * i, in[i], 3);
    else /* 0.299, 0.587 and 0.114 in 16 bits */
        for (int64_t i = 0; i < count; i++, in += 3)
            to->pixels[i] = (uint8_t)((19595 * in[0] + 38470 * in[1] + 7471 * in[2] + 0x8000) >> 16);
    return CJ_OK;
}

/* --- fits ---------------------------------------------------------------------------------------------- */

cj_status cj__image_check_fit(const cj_image_fit_options *fit)
{
    if ((fit->channels != 1 && fit->channels != 3) || fit->height < 1 || fit->width < 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "a picture of %lld by %lld with %lld channels cannot be made",
                        (long long)fit->width, (long long)fit->height, (long long)fit->channels);
    if (fit->crop != 0 && !(fit->crop >= 0.01 && fit->crop <= 1))
        return cj__fail(CJ_INVALID_ARGUMENT, "a crop is 0, or a share from 0.01 to 1, not %g", fit->crop);
    return cj__image_check_size("a picture", fit->height, fit->width);
}

static int64_t at_least(int64_t value, int64_t least)
{
    return value > least ? value : least;
}

cj__placement cj__image_place(const cj_image_fit_options *fit, int64_t height, int64_t width)
{
    if (fit->crop == 0) return (cj__placement){.height = fit->height, .width = fit->width};
    int64_t tall = llround((double)fit->height / fit->crop), wide = llround((double)fit->width / fit->crop);
    cj__placement p = {.height = tall, .width = wide};
    if (tall * width >= wide * height) /* the height is what it just covers */
        p.width = at_least(tall * width / height, wide);
    else
        p.height = at_least(wide * height / width, tall);
    p.top = half(p.height - fit->height);
    p.left = half(p.width - fit->width);
    return p;
}
