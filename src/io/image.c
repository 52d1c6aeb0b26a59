/* Pictures as bytes: PNG by libspng, PGM and PPM here. What a picture says of its size is checked before
 * memory is taken for it. */
#include "base/file.h"
#include "base/memory.h"
#include "cajal/io.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#ifdef CJ_HAVE_SPNG
#include <spng.h>
#endif

enum { LARGEST_FILE = 1 << 28, LONGEST_SIDE = 1 << 15 };

void cj_image_free(cj_image *image)
{
    cj__free(image->pixels);
    *image = (cj_image){0};
}

static cj_status make(cj_image *image, int64_t height, int64_t width, int64_t channels, const char *name)
{
    size_t bytes = (size_t)(height * width * channels);
    *image = (cj_image){.height = height, .width = width, .channels = channels};
    image->pixels = cj__allocate(bytes + 1);
    return image->pixels ? CJ_OK : cj__out_of_memory(bytes, name);
}

static cj_status check_size(const char *name, int64_t height, int64_t width)
{
    if (height >= 1 && width >= 1 && height <= LONGEST_SIDE && width <= LONGEST_SIDE &&
        height * width <= (int64_t)1 << 27)
        return CJ_OK;
    return cj__fail(CJ_UNSUPPORTED, "%s: a picture of %lld by %lld; up to %d a side and 2^27 in all are read",
                    name, (long long)width, (long long)height, LONGEST_SIDE);
}

/* --- PNG ----------------------------------------------------------------------------------------------- */

#ifdef CJ_HAVE_SPNG
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
    CJ__TRY(check_size(name, header.height, header.width));
    CJ__TRY(check_rows(&header, file, name));
    if ((code = spng_decoded_image_size(png, SPNG_FMT_RGBA8, &size))) return png_error(code, name);
    uint8_t *rgba = cj__allocate(size);
    if (!rgba) return cj__out_of_memory(size, name);
    code = spng_decode_image(png, rgba, size, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS);
    cj_status status = code ? png_error(code, name)
                            : make(image, header.height, header.width, has_colour(&header) ? 3 : 1, name);
    if (status == CJ_OK) keep_channels(image, rgba);
    cj__free(rgba);
    return status;
}

static cj_status read_png(cj_image *image, const void *data, size_t size, const char *name)
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

static cj_status encode(spng_ctx *png, const cj_image *image, const char *path)
{
    struct spng_ihdr header = {.width = (uint32_t)image->width,
                               .height = (uint32_t)image->height,
                               .bit_depth = 8,
                               .color_type = image->channels == 3 ? SPNG_COLOR_TYPE_TRUECOLOR
                                                                  : SPNG_COLOR_TYPE_GRAYSCALE};
    size_t size = 0;
    spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    int code = spng_set_ihdr(png, &header);
    if (!code)
        code = spng_encode_image(png, image->pixels, (size_t)(image->height * image->width * image->channels),
                                 SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    void *data = code ? NULL : spng_get_png_buffer(png, &size, &code);
    if (!data) return png_error(code, path);
    cj_status status = cj__file_replace(path, data, size);
    cj__free(data);
    return status;
}

cj_status cj_image_write_png(const char *path, const cj_image *image)
{
    if (image->channels != 1 && image->channels != 3)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: a PNG picture has 1 or 3 channels here, not %lld", path,
                        (long long)image->channels);
    CJ__TRY(check_size(path, image->height, image->width));
    spng_ctx *png = new_context(SPNG_CTX_ENCODER);
    if (!png) return cj__out_of_memory(1024, path);
    cj_status status = encode(png, image, path);
    spng_ctx_free(png);
    return status;
}
#else
static cj_status read_png(cj_image *image, const void *data, size_t size, const char *name)
{
    (void)image, (void)data, (void)size;
    return cj__fail(CJ_UNSUPPORTED, "%s: this build reads no PNG: install libspng-dev and build again", name);
}

cj_status cj_image_write_png(const char *path, const cj_image *image)
{
    (void)image;
    return cj__fail(CJ_UNSUPPORTED, "%s: this build writes no PNG: install libspng-dev and build again",
                    path);
}
#endif

/* --- PGM and PPM: "P5 width height maximum" and the bytes ----------------------------------------------- */

typedef struct {
    const unsigned char *at, *end;
} scanner;

/* The next number of the header; -1: there is none. `#` begins a comment. */
static int64_t next_number(scanner *s)
{
    int64_t number = 0;
    while (s->at < s->end && (isspace(*s->at) || *s->at == '#')) {
        if (*s->at == '#')
            while (s->at < s->end && *s->at != '\n') s->at++;
        else
            s->at++;
    }
    if (s->at == s->end || !isdigit(*s->at)) return -1;
    for (; s->at < s->end && isdigit(*s->at); s->at++)
        if (number < 1000000) number = 10 * number + (*s->at - '0'); /* more is too large in any case */
    return number;
}

static cj_status bad_header(const char *name, int64_t width, int64_t height, int64_t most)
{
    const int64_t numbers[] = {width, height, most};
    char found[3][24];
    for (int i = 0; i < 3; i++)
        snprintf(found[i], sizeof found[i], numbers[i] < 0 ? "none" : "%lld", (long long)numbers[i]);
    return cj__fail(
        CJ_FORMAT_ERROR,
        "%s: found width %s, height %s and maximum %s, expected numbers with white space between, "
        "the maximum from 1 to 255",
        name, found[0], found[1], found[2]);
}

static cj_status read_pnm(cj_image *image, const unsigned char *data, size_t size, const char *name)
{
    scanner s = {data + 2, data + size};
    int64_t channels = data[1] == '6' ? 3 : 1;
    int64_t width = next_number(&s), height = next_number(&s), most = next_number(&s);
    if (width < 0 || height < 0 || most < 1 || most > 255 || s.at == s.end || !isspace(*s.at))
        return bad_header(name, width, height, most);
    CJ__TRY(check_size(name, height, width));
    s.at++;
    int64_t wanted = height * width * channels;
    if (s.end - s.at < wanted)
        return cj__fail(CJ_FORMAT_ERROR, "%s: found %lld bytes of pixels, expected %lld", name,
                        (long long)(s.end - s.at), (long long)wanted);
    CJ__TRY(make(image, height, width, channels, name));
    for (int64_t i = 0; i < wanted; i++)
        image->pixels[i] = (uint8_t)((s.at[i] < most ? s.at[i] : most) * 255 / most);
    return CJ_OK;
}

/* --- reading ------------------------------------------------------------------------------------------- */

cj_status cj_image_read_memory(cj_image *image, const void *data, size_t size, const char *name)
{
    const unsigned char *bytes = data;
    *image = (cj_image){0};
    if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0) return read_png(image, data, size, name);
    if (size >= 2 && bytes[0] == 'P' && (bytes[1] == '5' || bytes[1] == '6'))
        return read_pnm(image, bytes, size, name);
    return cj__fail(CJ_FORMAT_ERROR, "%s: not a picture: PNG, PGM (P5) and PPM (P6) are read", name);
}

cj_status cj_image_read(cj_image *image, const char *path)
{
    char *data;
    size_t size;
    *image = (cj_image){0};
    CJ__TRY(cj__file_read(path, LARGEST_FILE, &data, &size));
    cj_status status = cj_image_read_memory(image, data, size, path);
    cj__free(data);
    return status;
}

/* --- changing ------------------------------------------------------------------------------------------ */

/* Brightness as the eye weighs colours: ITU-R BT.601. */
static double grey(const uint8_t *pixel)
{
    return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
}

static double channel_of(const cj_image *from, int64_t y, int64_t x, int64_t c, int64_t channels)
{
    const uint8_t *pixel = from->pixels + (y * from->width + x) * from->channels;
    if (channels == from->channels) return pixel[c];
    return from->channels == 3 ? grey(pixel) : pixel[0];
}

/* How much of cell `i` of the source lies within [from, to). */
static double overlap(int64_t i, double from, double to)
{
    double low = (double)i > from ? (double)i : from, high = (double)i + 1 < to ? (double)i + 1 : to;
    return high > low ? high - low : 0;
}

/* The mean of what the target's pixel covers: right for shrinking, and plain repetition for growing. */
static uint8_t covered(const cj_image *from, const cj_image *to, int64_t y, int64_t x, int64_t c)
{
    double tall = (double)from->height / (double)to->height, wide = (double)from->width / (double)to->width;
    double top = (double)y * tall, left = (double)x * wide, sum = 0, weights = 0;
    for (int64_t i = (int64_t)top; i < from->height && (double)i < top + tall; i++)
        for (int64_t j = (int64_t)left; j < from->width && (double)j < left + wide; j++) {
            double weight = overlap(i, top, top + tall) * overlap(j, left, left + wide);
            sum += weight * channel_of(from, i, j, c, to->channels);
            weights += weight;
        }
    return (uint8_t)(weights > 0 ? sum / weights + 0.5 : 0);
}

cj_status cj_image_convert(cj_image *to, const cj_image *from, int64_t height, int64_t width,
                           int64_t channels)
{
    if ((channels != 1 && channels != 3) || height < 1 || width < 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "a picture of %lld by %lld with %lld channels cannot be made",
                        (long long)width, (long long)height, (long long)channels);
    CJ__TRY(check_size("a picture", height, width));
    CJ__TRY(make(to, height, width, channels, "a picture"));
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            for (int64_t c = 0; c < channels; c++)
                to->pixels[(y * width + x) * channels + c] = covered(from, to, y, x, c);
    return CJ_OK;
}
