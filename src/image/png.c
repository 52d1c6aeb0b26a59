/* PNG by libspng, whose memory comes through ours: brought to 8 bits, and to grey or colour without
 * transparency.
 */
#include "base/file.h"
#include "base/memory.h"
#include "image/image.h"

#ifdef CJ_HAVE_SPNG
#include <spng.h>

/* libspng and zlib report some failed allocations as damaged data: noted here, they can be told apart. */
static _Thread_local bool short_of_memory;

static void *noted(void *block)
{
    if (!block) short_of_memory = true;
    return block;
}

static void *plain(size_t size)
{
    return noted(cj__allocate(size));
}

static void *resized(void *block, size_t size)
{
    return noted(cj__resize(block, size));
}

static void *zeroed(size_t count, size_t size)
{
    return noted(size && count > SIZE_MAX / size ? NULL : cj__allocate_zeroed(count * size));
}

static spng_ctx *new_context(int flags)
{
    struct spng_alloc allocator = {plain, resized, zeroed, cj__free};
    short_of_memory = false;
    return spng_ctx_new2(&allocator, flags);
}

static cj_status png_error(int code, const char *name)
{
    if (short_of_memory) return cj__fail(CJ_OUT_OF_MEMORY, "out of memory: %s", name);
    return cj__fail(CJ_FORMAT_ERROR, "%s: found a damaged PNG picture (%s), expected a whole one", name,
                    spng_strerror(code));
}

static bool has_colour(const struct spng_ihdr *header)
{
    return header->color_type != SPNG_COLOR_TYPE_GRAYSCALE &&
           header->color_type != SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
}

/* What shines through becomes white, as on paper. */
static uint8_t over_white(uint8_t value, uint8_t alpha)
{
    return (uint8_t)((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

static void keep_channels(cj_image *image, const uint8_t *rgba)
{
    int64_t count = image->height * image->width;
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < image->channels; c++)
            image->pixels[i * image->channels + c] = over_white(rgba[4 * i + c], rgba[4 * i + 3]);
}

/* Deflate makes at most 1032 bytes of one, so that a short file cannot claim a large picture. */
static cj_status check_rows(const struct spng_ihdr *header, size_t file, const char *name)
{
    static const int channels[] = {1, 0, 3, 1, 2, 0, 4};
    size_t bits = (size_t)header->width * header->bit_depth * (size_t)channels[header->color_type];
    size_t rows = header->height * (bits / 8 + 1);
    if (rows / 1032 <= file) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "%s: found a file of %zu bytes, expected more for a picture of %u by %u",
                    name, file, header->width, header->height);
}

static cj_status decode(spng_ctx *png, size_t file, const char *name, cj_image *image)
{
    struct spng_ihdr header;
    size_t size;
    int code = spng_get_ihdr(png, &header);
    if (code) return png_error(code, name);
    CJ__TRY(cj__image_check_size(name, header.height, header.width));
    CJ__TRY(check_rows(&header, file, name));
    if ((code = spng_decoded_image_size(png, SPNG_FMT_RGBA8, &size))) return png_error(code, name);
    uint8_t *rgba = cj__allocate(size);
    if (!rgba) return cj__out_of_memory(size, name);
    code = spng_decode_image(png, rgba, size, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS);
    cj_status status =
        code ? png_error(code, name)
             : cj__image_make(image, header.height, header.width, has_colour(&header) ? 3 : 1, name);
    if (status == CJ_OK) keep_channels(image, rgba);
    cj__free(rgba);
    return status;
}

cj_status cj__png_read(cj_image *image, const void *data, size_t size, const char *name)
{
    spng_ctx *png = new_context(0);
    if (!png) return cj__out_of_memory(1024, name);
    /* Text and colour profiles are of no use here: little is kept of them. */
    spng_set_chunk_limits(png, 1 << 20, 1 << 22);
    int code = spng_set_png_buffer(png, data, size);
    cj_status status = code ? png_error(code, name) : decode(png, size, name, image);
    spng_ctx_free(png);
    return status;
}

static cj_status encode(spng_ctx *png, const cj_image *image, const char *name, void **data, size_t *size)
{
    struct spng_ihdr header = {.width = (uint32_t)image->width,
                               .height = (uint32_t)image->height,
                               .bit_depth = 8,
                               .color_type = image->channels == 3 ? SPNG_COLOR_TYPE_TRUECOLOR
                                                                  : SPNG_COLOR_TYPE_GRAYSCALE};
    spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    int code = spng_set_ihdr(png, &header);
    if (!code)
        code = spng_encode_image(png, image->pixels, (size_t)(image->height * image->width * image->channels),
                                 SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    *data = code ? NULL : spng_get_png_buffer(png, size, &code);
    return *data ? CJ_OK : png_error(code, name);
}

cj_status cj__png_encode(const cj_image *image, const char *name, void **data, size_t *size)
{
    *data = NULL;
    if (image->channels != 1 && image->channels != 3)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: a PNG picture has 1 or 3 channels here, not %lld", name,
                        (long long)image->channels);
    CJ__TRY(cj__image_check_size(name, image->height, image->width));
    spng_ctx *png = new_context(SPNG_CTX_ENCODER);
    if (!png) return cj__out_of_memory(1024, name);
    cj_status status = encode(png, image, name, data, size);
    spng_ctx_free(png);
    return status;
}
#else
cj_status cj__png_read(cj_image *image, const void *data, size_t size, const char *name)
{
    (void)image, (void)data, (void)size;
    return cj__fail(CJ_UNSUPPORTED, "%s: this build reads no PNG: install libspng-dev and build again", name);
}

cj_status cj__png_encode(const cj_image *image, const char *name, void **data, size_t *size)
{
    (void)image;
    *data = NULL, *size = 0;
    return cj__fail(CJ_UNSUPPORTED, "%s: this build writes no PNG: install libspng-dev and build again",
                    name);
}
#endif

cj_status cj_image_write_png(const char *path, const cj_image *image)
{
    void *data;
    size_t size;
    CJ__TRY(cj__png_encode(image, path, &data, &size));
    cj_status status = cj__file_replace(path, data, size);
    cj__free(data);
    return status;
}
