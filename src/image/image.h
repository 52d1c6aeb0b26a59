/* Pictures inside: one reader for each format, and what they share. */
#ifndef CJ__IMAGE_H
#define CJ__IMAGE_H

#include "base/status.h"
#include "cajal/image.h"

enum { CJ__LARGEST_PICTURE_FILE = 1 << 28 };

/* CJ_UNSUPPORTED for a picture that is too large, before memory is taken for it. */
CJ_MUST_CHECK cj_status cj__image_check_size(const char *name, int64_t height, int64_t width);
/* Room for a picture of checked size. */
CJ_MUST_CHECK cj_status cj__image_make(cj_image *image, int64_t height, int64_t width, int64_t channels,
                                       const char *name);

CJ_MUST_CHECK cj_status cj__png_read(cj_image *image, const void *data, size_t size, const char *name);
/* The file's bytes, for cj__free; NULL where it fails. */
CJ_MUST_CHECK cj_status cj__png_encode(const cj_image *image, const char *name, void **data, size_t *size);
CJ_MUST_CHECK cj_status cj__pnm_read(cj_image *image, const unsigned char *data, size_t size,
                                     const char *name);
/* Scaled down by 2, 4 or 8 where `fit` (NULL: none) allows it; height and width are the file's. */
CJ_MUST_CHECK cj_status cj__jpeg_read(cj_image *image, const void *data, size_t size, const char *name,
                                      const cj_image_fit_options *fit, int64_t *height, int64_t *width);

/* Where a fitted picture lies: the window's size is the fit's, within the whole picture resized to
 * [height,width]. */
typedef struct {
    int64_t height, width, top, left;
} cj__placement;
CJ_MUST_CHECK cj_status cj__image_check_fit(const cj_image_fit_options *fit);
/* Of a picture of that size, for a checked fit. */
cj__placement cj__image_place(const cj_image_fit_options *fit, int64_t height, int64_t width);

/* A file's bytes, fitted, to `pixels`, which has room for them. */
CJ_MUST_CHECK cj_status cj__image_read_to(uint8_t *pixels, const void *data, size_t size, const char *name,
                                          const cj_image_fit_options *fit);

/* Whether a file's picture is grey (1) or in colour (3), as quickly as can be told. */
CJ_MUST_CHECK cj_status cj__image_channels(const void *data, size_t size, const char *name,
                                           int64_t *channels);

/* A part of a picture's pixels: rows lie `stride` bytes apart. */
typedef struct {
    const uint8_t *pixels;
    int64_t height, width, channels, stride;
} cj__pixels;
/* The window [top … top + window_height) by [left … left + window_width) of `from` resized to [height,width]
 * by CJ_RESAMPLE_BILINEAR, to `to`: what resizing all of it and cutting would give, without the rest. */
CJ_MUST_CHECK cj_status cj__resize_window(const cj__pixels *from, int64_t height, int64_t width, int64_t top,
                                          int64_t left, int64_t window_height, int64_t window_width,
                                          uint8_t *to);

#endif
