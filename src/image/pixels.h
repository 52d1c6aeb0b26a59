/* What can be done to one picture of bytes, [height,width,channels]: from `in` to `out`, which never overlap.
 * Nothing here draws random numbers or takes memory; augment.c decides what is done and by how much. */
#ifndef CJ__PIXELS_H
#define CJ__PIXELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t height, width, channels;
} cj__extent;
typedef struct {
    int64_t top, left, height, width;
} cj__area;

static inline size_t cj__extent_bytes(cj__extent e)
{
    return (size_t)(e.height * e.width * e.channels);
}

/* --- moves: move.c. Rows are copied ------------------------------------------------------------------- */

void cj__mirror(cj__extent e, const uint8_t *in, uint8_t *out);      /* left and right */
void cj__upside_down(cj__extent e, const uint8_t *in, uint8_t *out); /* top and bottom */
/* The pixel at (y,x) becomes the one at (y - down, x - right); outside is `fill`, or the picture mirrored at
 * the middle of its edge pixels, where the shift must be less than the side. */
void cj__move(cj__extent e, const uint8_t *in, uint8_t *out, int64_t down, int64_t right, uint8_t fill);
void cj__move_reflected(cj__extent e, const uint8_t *in, uint8_t *out, int64_t down, int64_t right);
/* Copies and fills the area, which lies within the picture. */
void cj__blot(cj__extent e, const uint8_t *in, uint8_t *out, cj__area area, uint8_t fill);

/* --- warps: warp.c. Bilinear, between the centres of pixels -------------------------------------------- */

/* From a place in the result to one in the source, both measured from the picture's middle:
 * x' = m[0]·x + m[1]·y + m[2], y' = m[3]·x + m[4]·y + m[5]. Outside the source is `fill`. */
void cj__warp(cj__extent e, const uint8_t *in, uint8_t *out, const double m[6], uint8_t fill);
/* The area, which lies within the picture, stretched to the whole of it. */
void cj__stretch(cj__extent e, const uint8_t *in, uint8_t *out, cj__area area);

/* --- colours: colour.c. 1 or 3 channels ---------------------------------------------------------------- */

void cj__brightness(cj__extent e, const uint8_t *in, uint8_t *out, double factor);
void cj__contrast(cj__extent e, const uint8_t *in, uint8_t *out, double factor);
void cj__saturation(cj__extent e, const uint8_t *in, uint8_t *out, double factor);
void cj__hue(cj__extent e, const uint8_t *in, uint8_t *out, double turn); /* 1 is the whole circle */
void cj__greyscale(cj__extent e, const uint8_t *in, uint8_t *out);
void cj__sharpness(cj__extent e, const uint8_t *in, uint8_t *out, double factor);
void cj__posterize(cj__extent e, const uint8_t *in, uint8_t *out, int bits);
void cj__solarize(cj__extent e, const uint8_t *in, uint8_t *out, double threshold);
void cj__autocontrast(cj__extent e, const uint8_t *in, uint8_t *out);
void cj__equalize(cj__extent e, const uint8_t *in, uint8_t *out);

#endif
