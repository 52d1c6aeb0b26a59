/* RandAugment (Cubuk et al., 2020): each of its steps is one of fourteen changes, drawn evenly, of one
 * strength in 31. The changes and their strengths are torchvision's; warps are bilinear. */
#include "data/augment.h"

#include <math.h>
#include <string.h>

enum { STEPS = 30 }; /* from no strength to the whole of it */

typedef enum {
    IDENTITY,
    SHEAR_X,
    SHEAR_Y,
    MOVE_X,
    MOVE_Y,
    ROTATE,
    BRIGHTNESS,
    COLOUR,
    CONTRAST,
    SHARPNESS,
    POSTERIZE,
    SOLARIZE,
    AUTOCONTRAST,
    EQUALIZE,
    CHANGES,
} change;

/* Slants are about the upper left corner, at -width/2 and -height/2 from the middle. */
static void slant(cj__extent e, const uint8_t *in, uint8_t *out, double x, double y, uint8_t fill)
{
    double m[6] = {1, x, 0.5 * x * (double)e.height, y, 1, 0.5 * y * (double)e.width};
    cj__warp(e, in, out, m, fill);
}

static void turn(cj__extent e, const uint8_t *in, uint8_t *out, double degrees, uint8_t fill)
{
    double angle = degrees * (3.14159265358979323846 / 180);
    cj__warp(e, in, out, (const double[]){cos(angle), sin(angle), 0, -sin(angle), cos(angle), 0}, fill);
}

void cj__randaugment_change(int which, double strength, bool opposite, cj__extent e, const uint8_t *in,
                            uint8_t *out, uint8_t fill)
{
    double share = strength / STEPS, sign = opposite ? -1 : 1, factor = 1 + sign * 0.9 * share;
    switch ((change)which) {
    case SHEAR_X:
        slant(e, in, out, sign * 0.3 * share, 0, fill);
        break;
    case SHEAR_Y:
        slant(e, in, out, 0, sign * 0.3 * share, fill);
        break;
    case MOVE_X:
        cj__move(e, in, out, 0, (int64_t)(sign * share * 150 / 331 * (double)e.width), fill);
        break;
    case MOVE_Y:
        cj__move(e, in, out, (int64_t)(sign * share * 150 / 331 * (double)e.height), 0, fill);
        break;
    case ROTATE:
        turn(e, in, out, -sign * 30 * share, fill);
        break;
    case BRIGHTNESS:
        cj__brightness(e, in, out, factor);
        break;
    case COLOUR:
        cj__saturation(e, in, out, factor);
        break;
    case CONTRAST:
        cj__contrast(e, in, out, factor);
        break;
    case SHARPNESS:
        cj__sharpness(e, in, out, factor);
        break;
    case POSTERIZE:
        cj__posterize(e, in, out, (int)rint(8 - 4 * share));
        break;
    case SOLARIZE:
        cj__solarize(e, in, out, 255 * (1 - share));
        break;
    case AUTOCONTRAST:
        cj__autocontrast(e, in, out);
        break;
    case EQUALIZE:
        cj__equalize(e, in, out);
        break;
    default:
        memcpy(out, in, cj__extent_bytes(e));
    }
}

bool cj__apply_randaugment(const cj__augmentation *a, cj__dice *dice, cj__extent e, const uint8_t *in,
                           uint8_t *out)
{
    int which = (int)cj__dice_below(dice, CHANGES);
    bool opposite = cj__dice_says(dice, 0.5);
    if (which == IDENTITY) return false;
    cj__randaugment_change(which, a->randaugment.magnitude, opposite, e, in, out,
                           (uint8_t)a->randaugment.fill);
    return true;
}
