/* JPEG by libjpeg-turbo. Its errors jump back here and become sentences; of its warnings those that mean
 * damaged data are errors too. It takes its own memory, within limits that are checked before. */
#include "base/memory.h"
#include "image/image.h"

#ifdef CJ_HAVE_JPEG
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* No coding holds more than some 500 pixels in a byte; a picture of several scans is gone through once for
 * each.
 */
enum { MOST_PIXELS_A_BYTE = 2048 };
#define MOST_SCANNED ((int64_t)1 << 31)

typedef struct {
    struct jpeg_error_mgr errors; /* first: the library hands back its address */
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct jpeg;
    jmp_buf out;
    cj_status status;
    const void *data;
    size_t size;
    const char *name;
    const cj_image_fit_options *fit;
    cj_image *image;
    uint8_t *row; /* of four channels, where there are */
    int64_t *height, *width;
} reading;

/* --- errors -------------------------------------------------------------------------------------------- */

static void leave(j_common_ptr jpeg)
{
    reading *r = (reading *)jpeg->err;
    char text[JMSG_LENGTH_MAX];
    int code = r->errors.msg_code;
    r->errors.format_message(jpeg, text);
    if (code == JERR_OUT_OF_MEMORY)
        r->status = cj__fail(CJ_OUT_OF_MEMORY, "out of memory: %s", r->name);
    else if (code == JERR_NO_BACKING_STORE)
        r->status = cj__fail(CJ_UNSUPPORTED, "%s: decoding it takes more than 2^30 bytes", r->name);
    else
        r->status = cj__fail(CJ_FORMAT_ERROR, "%s: not a whole JPEG picture: %s", r->name, text);
    longjmp(r->out, 1);
}

static bool harmless(int warning)
{
    return warning == JWRN_EXTRANEOUS_DATA || warning == JWRN_JFIF_MAJOR || warning == JWRN_ADOBE_XFORM ||
           warning == JWRN_TOO_MUCH_DATA;
}

/* Level -1 is a warning, others are traces. */
static void heed(j_common_ptr jpeg, int level)
{
    if (level == -1 && !harmless(jpeg->err->msg_code)) leave(jpeg);
}

static void say_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

/* Thousands of scans over a large picture would take hours. */
static void watch(j_common_ptr jpeg)
{
    reading *r = (reading *)jpeg->err;
    int64_t pixels = (int64_t)r->jpeg.image_width * r->jpeg.image_height;
    if (r->jpeg.input_scan_number * pixels <= MOST_SCANNED) return;
    r->status =
        cj__fail(CJ_UNSUPPORTED, "%s: a JPEG picture of over %d scans, which make more than 2^31 pixels",
                 r->name, r->jpeg.input_scan_number - 1);
    longjmp(r->out, 1);
}

static void begin(reading *r)
{
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = leave;
    r->errors.emit_message = heed;
    r->errors.output_message = say_nothing;
    r->progress.progress_monitor = watch;
}

/* --- reading ------------------------------------------------------------------------------------------- */

static cj_status check_header(reading *r)
{
    int64_t height = r->jpeg.image_height, width = r->jpeg.image_width;
    int parts = r->jpeg.num_components;
    CJ__TRY(cj__image_check_size(r->name, height, width));
    if ((uint64_t)(height * width) > (uint64_t)MOST_PIXELS_A_BYTE * r->size)
        return cj__fail(CJ_FORMAT_ERROR,
                        "%s: found %zu bytes, which cannot hold a JPEG picture of %lld by %lld", r->name,
                        r->size, (long long)width, (long long)height);
    if (parts != 1 && parts != 3 && parts != 4)
        return cj__fail(CJ_UNSUPPORTED,
                        "%s: a JPEG picture of %d components; 1 (grey), 3 (colour) and 4 (CMYK) are read",
                        r->name, parts);
    *r->height = height;
    *r->width = width;
    return CJ_OK;
}

/* Decoding at a half costs a quarter, as the library has fast code for powers of two. */
static void choose_scale(reading *r)
{
    if (!r->fit) return;
    cj__placement wanted = cj__image_place(r->fit, *r->height, *r->width);
    unsigned scale = 8;
    while (scale > 1 && (*r->height + scale - 1) / scale < wanted.height) scale /= 2;
    while (scale > 1 && (*r->width + scale - 1) / scale < wanted.width) scale /= 2;
    r->jpeg.scale_num = 1;
    r->jpeg.scale_denom = scale;
}

/* Adobe stores how much light is left of each ink; black dims the rest. */
static void from_inks(const uint8_t *inks, uint8_t *colours, int64_t count)
{
    for (int64_t i = 0; i < count; i++, inks += 4)
        for (int c = 0; c < 3; c++) {
            int black = inks[3], covered = (255 - inks[c]) * black + 128;
            int value = black - ((covered + (covered >> 8)) >> 8);
            *colours++ = (uint8_t)(value < 0 ? 0 : value);
        }
}

static void read_rows(reading *r)
{
    int64_t stride = r->image->width * r->image->channels;
    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        uint8_t *out = r->image->pixels + r->jpeg.output_scanline * stride;
        JSAMPROW row = r->row ? r->row : out;
        jpeg_read_scanlines(&r->jpeg, &row, 1);
        if (r->row) from_inks(r->row, out, r->image->width);
    }
}

static cj_status make_room(reading *r)
{
    int64_t height = r->jpeg.output_height, width = r->jpeg.output_width;
    bool inks = r->jpeg.out_color_space == JCS_CMYK;
    CJ__TRY(cj__image_make(r->image, height, width, r->jpeg.num_components == 1 ? 1 : 3, r->name));
    if (inks) r->row = cj__allocate((size_t)width * 4);
    return !inks || r->row ? CJ_OK : cj__out_of_memory((size_t)width * 4, r->name);
}

/* The library comes back through `out` when something is wrong. */
static cj_status decode(reading *r)
{
    if (setjmp(r->out)) return r->status;
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.mem->max_memory_to_use = 1 << 30;
    r->jpeg.progress = &r->progress;
    jpeg_mem_src(&r->jpeg, (const unsigned char *)r->data, (unsigned long)r->size);
    jpeg_read_header(&r->jpeg, TRUE);
    CJ__TRY(check_header(r));
    choose_scale(r);
    r->jpeg.out_color_space = r->jpeg.num_components == 1   ? JCS_GRAYSCALE
                              : r->jpeg.num_components == 3 ? JCS_RGB
                                                            : JCS_CMYK;
    jpeg_start_decompress(&r->jpeg);
    CJ__TRY(make_room(r));
    read_rows(r);
    return CJ_OK;
}

cj_status cj__jpeg_read(cj_image *image, const void *data, size_t size, const char *name,
                        const cj_image_fit_options *fit, int64_t *height, int64_t *width)
{
    reading r = {.data = data, .size = size, .name = name, .fit = fit, .image = image};
    r.height = height;
    r.width = width;
    begin(&r);
    cj_status status = decode(&r);
    jpeg_destroy_decompress(&r.jpeg);
    cj__free(r.row);
    if (status != CJ_OK) cj_image_free(image);
    return status;
}
#else
cj_status cj__jpeg_read(cj_image *image, const void *data, size_t size, const char *name,
                        const cj_image_fit_options *fit, int64_t *height, int64_t *width)
{
    (void)image, (void)data, (void)size, (void)fit, (void)height, (void)width;
    return cj__fail(CJ_UNSUPPORTED,
                    "%s: this build reads no JPEG: install libjpeg62-turbo-dev and build again", name);
}
#endif
