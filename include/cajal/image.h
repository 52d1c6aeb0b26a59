/* Pictures: read from JPEG, PNG, PGM and PPM, brought to another size, written as PNG. */
#ifndef CAJAL_IMAGE_H
#define CAJAL_IMAGE_H

#include "cajal/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int64_t height, width, channels; /* 1: grey, 3: red, green, blue */
    uint8_t *pixels;                 /* [height,width,channels] */
} cj_image;
CJ_API void cj_image_free(cj_image *image);

/* The format is told by the first bytes, not by the name.
 *   JPEG (with libjpeg-turbo), grey or colour; CMYK is turned into colour, its values taken as Adobe writes
 *     them, and how the camera was held (EXIF) is not looked at: both as in Pillow. Data that ends early or
 * is damaged is an error. PNG (with libspng) of any kind, brought to 8 bits; what is transparent becomes
 * white. PGM (P5) and PPM (P6) with samples of up to 16 bits, brought to 8. A picture has up to 32768 pixels
 * a side and 2^27 in all, its file up to 2^28 bytes. An error names the file and what is wrong with it. */
CJ_API CJ_MUST_CHECK cj_status cj_image_read(cj_image *image, const char *path);
CJ_API CJ_MUST_CHECK cj_status cj_image_read_memory(cj_image *image, const void *data, size_t size,
                                                    const char *name);
CJ_API CJ_MUST_CHECK cj_status cj_image_write_png(const char *path, const cj_image *image);

/* --- other sizes ---------------------------------------------------------------------------------------
 * Each makes a picture of its own of another, which stays as it is; the two are not the same object. */

typedef enum {
    CJ_RESAMPLE_BILINEAR, /* made smaller: a weighted mean of all that a pixel covers, so that nothing
                             flickers */
    CJ_RESAMPLE_NEAREST,  /* the pixel in the middle of what is covered */
} cj_resampling;
/* Both equal Pillow's Image.resize to within 1 of 255. */
CJ_API CJ_MUST_CHECK cj_status cj_image_resize(cj_image *to, const cj_image *from, int64_t height,
                                               int64_t width, cj_resampling resampling);
CJ_API CJ_MUST_CHECK cj_status cj_image_crop(cj_image *to, const cj_image *from, int64_t top, int64_t left,
                                             int64_t height, int64_t width);
/* The shorter side becomes `side`, the other in proportion, rounded down. */
CJ_API CJ_MUST_CHECK cj_status cj_image_resize_shorter(cj_image *to, const cj_image *from, int64_t side,
                                                       cj_resampling resampling);
/* The middle of it, which must be as large. */
CJ_API CJ_MUST_CHECK cj_status cj_image_centre_crop(cj_image *to, const cj_image *from, int64_t height,
                                                    int64_t width);
/* 1 channel, by ITU-R BT.601, or 3. */
CJ_API CJ_MUST_CHECK cj_status cj_image_recolour(cj_image *to, const cj_image *from, int64_t channels);

typedef struct {
    size_t size;
    int64_t height, width, channels;
    /* 0: the whole picture, stretched. Else this share of it, 1 at most: it is resized until it covers height
     * and width divided by the share, and the middle is cut out. 0.875 with 224 by 224 is how ImageNet is
     * evaluated: the shorter side becomes 256. */
    double crop;
} cj_image_fit_options;
/* What a network is given: recoloured, resized by CJ_RESAMPLE_BILINEAR, cut to size. */
CJ_API CJ_MUST_CHECK cj_status cj_image_fit(cj_image *to, const cj_image *from,
                                            const cj_image_fit_options *options);
/* The same of a file, in less time and memory than reading the whole: a JPEG is decoded at a half, a quarter
 * or an eighth of its size where that is not below what it is resized to. */
CJ_API CJ_MUST_CHECK cj_status cj_image_read_fit(cj_image *image, const char *path,
                                                 const cj_image_fit_options *options);
CJ_API CJ_MUST_CHECK cj_status cj_image_read_fit_memory(cj_image *image, const void *data, size_t size,
                                                        const char *name,
                                                        const cj_image_fit_options *options);

#ifdef __cplusplus
}
#endif
#endif
