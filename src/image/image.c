/* Pictures as bytes: told apart by their first bytes and given to the reader of their format. What a picture
 * says of its size is checked before memory is taken for it. */
#include "image/image.h"
#include "base/file.h"
#include "base/memory.h"

#include <string.h>

enum { LONGEST_SIDE = 1 << 15 };

void cj_image_free(cj_image *image)
{
    cj__free(image->pixels);
    *image = (cj_image){0};
}

cj_status cj__image_make(cj_image *image, int64_t height, int64_t width, int64_t channels, const char *name)
{
    size_t bytes = (size_t)(height * width * channels);
    *image = (cj_image){.height = height, .width = width, .channels = channels};
    image->pixels = cj__allocate(bytes + 1);
    return image->pixels ? CJ_OK : cj__out_of_memory(bytes, name);
}

cj_status cj__image_check_size(const char *name, int64_t height, int64_t width)
{
    if (height >= 1 && width >= 1 && height <= LONGEST_SIDE && width <= LONGEST_SIDE &&
        height * width <= (int64_t)1 << 27)
        return CJ_OK;
    return cj__fail(CJ_UNSUPPORTED, "%s: a picture of %lld by %lld; up to %d a side and 2^27 in all are read",
                    name, (long long)width, (long long)height, LONGEST_SIDE);
}

/* --- reading ------------------------------------------------------------------------------------------- */

/* `height` and `width` are those in the file; a fit lets a JPEG come out smaller. */
static cj_status read_any(cj_image *image, const void *data, size_t size, const char *name,
                          const cj_image_fit_options *fit, int64_t *height, int64_t *width)
{
    const unsigned char *bytes = data;
    cj_status status;
    *image = (cj_image){0};
    if (size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
        return cj__jpeg_read(image, data, size, name, fit, height, width);
    if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        status = cj__png_read(image, data, size, name);
    else if (size >= 2 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6'))
        status = cj__pnm_read(image, bytes, size, name);
    else
        return cj__fail(CJ_FORMAT_ERROR, "%s: not a picture: JPEG, PNG, PGM (P5) and PPM (P6) are read",
                        name);
    *height = image->height;
    *width = image->width;
    return status;
}

cj_status cj_image_read_memory(cj_image *image, const void *data, size_t size, const char *name)
{
    int64_t height, width;
    return read_any(image, data, size, name, NULL, &height, &width);
}

cj_status cj_image_read(cj_image *image, const char *path)
{
    char *data;
    size_t size;
    *image = (cj_image){0};
    CJ__TRY(cj__file_read(path, CJ__LARGEST_PICTURE_FILE, &data, &size));
    cj_status status = cj_image_read_memory(image, data, size, path);
    cj__free(data);
    return status;
}

/* --- fitting ------------------------------------------------------------------------------------------- */

/* `from` may be smaller than the picture it was decoded from, which was `height` by `width`. */
static cj_status fit_to(uint8_t *pixels, const cj_image *from, int64_t height, int64_t width,
                        const cj_image_fit_options *fit)
{
    cj_image recoloured = {0};
    const cj_image *source = from;
    cj__placement place = cj__image_place(fit, height, width);
    if (from->channels != fit->channels) {
        CJ__TRY(cj_image_recolour(&recoloured, from, fit->channels));
        source = &recoloured;
    }
    cj__pixels all = {source->pixels, source->height, source->width, source->channels,
                      source->width * source->channels};
    cj_status status = cj__resize_window(&all, place.height, place.width, place.top, place.left, fit->height,
                                         fit->width, pixels);
    cj_image_free(&recoloured);
    return status;
}

static cj_status make_fit(cj_image *to, const cj_image_fit_options *fit)
{
    *to = (cj_image){0};
    CJ__TRY(cj__image_check_fit(fit));
    return cj__image_make(to, fit->height, fit->width, fit->channels, "a picture");
}

cj_status cj_image_fit(cj_image *to, const cj_image *from, const cj_image_fit_options *fit)
{
    CJ__TRY(make_fit(to, fit));
    cj_status status = fit_to(to->pixels, from, from->height, from->width, fit);
    if (status != CJ_OK) cj_image_free(to);
    return status;
}

cj_status cj__image_read_to(uint8_t *pixels, const void *data, size_t size, const char *name,
                            const cj_image_fit_options *fit)
{
    cj_image image;
    int64_t height, width;
    CJ__TRY(read_any(&image, data, size, name, fit, &height, &width));
    cj_status status = fit_to(pixels, &image, height, width, fit);
    cj_image_free(&image);
    return status;
}

cj_status cj__image_channels(const void *data, size_t size, const char *name, int64_t *channels)
{
    cj_image image;
    int64_t height, width;
    cj_image_fit_options small = {sizeof small, 1, 1, 3, 0};
    cj_status status = read_any(&image, data, size, name, &small, &height, &width);
    *channels = image.channels;
    cj_image_free(&image);
    return status;
}

cj_status cj_image_read_fit_memory(cj_image *image, const void *data, size_t size, const char *name,
                                   const cj_image_fit_options *fit)
{
    CJ__TRY(make_fit(image, fit));
    cj_status status = cj__image_read_to(image->pixels, data, size, name, fit);
    if (status != CJ_OK) cj_image_free(image);
    return status;
}

cj_status cj_image_read_fit(cj_image *image, const char *path, const cj_image_fit_options *fit)
{
    char *data;
    size_t size;
    *image = (cj_image){0};
    CJ__TRY(cj__file_read(path, CJ__LARGEST_PICTURE_FILE, &data, &size));
    cj_status status = cj_image_read_fit_memory(image, data, size, path, fit);
    cj__free(data);
    return status;
}
