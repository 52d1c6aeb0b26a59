/* Each augmentation of one picture: what chance decides, and by how much; pixels.h does it. Distributions are
 * torchvision's where it has the same augmentation. */
#include "base/random.h"
#include "data/augment.h"

#include <math.h>
#include <string.h>

/* --- flips and crops ----------------------------------------------------------------------------------- */

enum { HORIZONTAL, VERTICAL, BOTH };
enum { ZEROS, REFLECT };

/* Each way by a coin of its own. Alternating, the coin is the sample's for all epochs, and turns with them.
 */
static bool flips(const cj__augmentation *a, cj__dice *dice, int way)
{
    if (a->flip.direction != BOTH && a->flip.direction != way) return false;
    if (!a->flip.alternating) return cj__dice_says(dice, a->flip.probability);
    uint64_t index = (uint64_t)(2 * a->entry + way);
    return ((double)cj__uniform(dice->fixed, dice->sample, index) < a->flip.probability) !=
           (dice->epoch % 2 != 0);
}

static bool flip(cj__extent e, const uint8_t *in, uint8_t *out, bool horizontal, bool vertical)
{
    if (horizontal && vertical) /* all pixels in the opposite order */
        cj__mirror((cj__extent){1, e.height * e.width, e.channels}, in, out);
    else if (horizontal)
        cj__mirror(e, in, out);
    else if (vertical)
        cj__upside_down(e, in, out);
    return horizontal || vertical;
}

bool cj__apply_flip(const cj__augmentation *a, cj__dice *dice, cj__extent e, const uint8_t *in, uint8_t *out)
{
    bool horizontal = flips(a, dice, HORIZONTAL), vertical = flips(a, dice, VERTICAL);
    return flip(e, in, out, horizontal, vertical);
}

bool cj__apply_pad_crop(const cj__augmentation *a, cj__dice *dice, cj__extent e, const uint8_t *in,
                        uint8_t *out)
{
    int64_t size = (int64_t)a->pad_crop.size;
    int64_t down = size - cj__dice_below(dice, 2 * size + 1),
            right = size - cj__dice_below(dice, 2 * size + 1);
    if (down == 0 && right == 0) return false;
    if (a->pad_crop.mode == REFLECT)
        cj__move_reflected(e, in, out, down, right);
    else
        cj__move(e, in, out, down, right, (uint8_t)a->pad_crop.fill);
    return true;
}

/* --- areas --------------------------------------------------------------------------------------------- */

typedef struct {
    double scale_min, scale_max, ratio_min, ratio_max; /* share of the area; height by width */
} area_range;

/* Of a share and a form drawn; false: it is larger than the picture. */
static bool draw_area(cj__dice *dice, cj__extent e, area_range r, cj__area *area)
{
    double size = (double)(e.height * e.width) * cj__dice_between(dice, r.scale_min, r.scale_max);
    double ratio = exp(cj__dice_between(dice, log(r.ratio_min), log(r.ratio_max)));
    area->height = (int64_t)llrint(sqrt(size * ratio));
    area->width = (int64_t)llrint(sqrt(size / ratio));
    return area->height <= e.height && area->width <= e.width;
}

static void place_area(cj__dice *dice, cj__extent e, cj__area *area)
{
    area->top = cj__dice_below(dice, e.height - area->height + 1);
    area->left = cj__dice_below(dice, e.width - area->width + 1);
}

/* The largest in the middle whose form is allowed. */
static cj__area middle_area(cj__extent e, area_range r)
{
    cj__area area = {.height = e.height, .width = e.width};
    double ratio = (double)e.height / (double)e.width;
    if (ratio > r.ratio_max) area.height = (int64_t)llrint((double)e.width * r.ratio_max);
    if (ratio < r.ratio_min) area.width = (int64_t)llrint((double)e.height / r.ratio_min);
    area.height = area.height < 1 ? 1 : area.height;
    area.width = area.width < 1 ? 1 : area.width;
    area.top = (e.height - area.height) / 2;
    area.left = (e.width - area.width) / 2;
    return area;
}

enum { TRIES = 10 };

bool cj__apply_resized_crop(const cj__augmentation *a, cj__dice *dice, cj__extent e, const uint8_t *in,
                            uint8_t *out)
{
    cj__area area;
    area_range r = {a->resized_crop.scale_min, a->resized_crop.scale_max, 1 / a->resized_crop.ratio_max,
                    1 / a->resized_crop.ratio_min};
    bool found = false;
    for (int i = 0; i < TRIES && !found; i++)
        found = draw_area(dice, e, r, &area) && area.height > 0 && area.width > 0;
    if (found)
        place_area(dice, e, &area);
    else
        area = middle_area(e, r);
    cj__stretch(e, in, out, area);
    return true;
}

bool cj__apply_cutout(const cj__augmentation *a, cj__dice *dice, cj__extent e, const uint8_t *in,
                      uint8_t *out)
{
    int64_t size = (int64_t)a->cutout.size;
    int64_t top = cj__dice_below(dice, e.height) - size / 2, left = cj__dice_below(dice, e.width) - size / 2;
    int64_t bottom = top + size < e.height ? top + size : e.height;
    int64_t right = left + size < e.width ? left + size : e.width;
    top = top < 0 ? 0 : top;
    left = left < 0 ? 0 : left;
    cj__blot(e, in, out, (cj__area){top, left, bottom - top, right - left}, (uint8_t)a->cutout.fill);
    return true;
}

static void put_noise(cj__dice *dice, cj__extent e, uint8_t *out, cj__area area)
{
    for (int64_t y = 0; y < area.height; y++) {
        uint8_t *row = out + ((area.top + y) * e.width + area.left) * e.channels;
        for (int64_t i = 0; i < area.width * e.channels; i += 4) {
            uint32_t bits = cj__dice_bits(dice);
            int64_t rest = area.width * e.channels - i;
            memcpy(row + i, &bits, (size_t)(rest < 4 ? rest : 4));
        }
    }
}

bool cj__apply_random_erasing(const cj__augmentation *a, cj__dice *dice, cj__extent e, const uint8_t *in,
                              uint8_t *out)
{
    cj__area area;
    area_range r = {a->random_erasing.scale_min, a->random_erasing.scale_max, a->random_erasing.ratio_min,
                    a->random_erasing.ratio_max};
    if (!cj__dice_says(dice, a->random_erasing.probability)) return false;
    for (int i = 0; i < TRIES; i++) {
        if (!draw_area(dice, e, r, &area) || area.height == e.height || area.width == e.width) continue;
        place_area(dice, e, &area);
        cj__blot(e, in, out, area, (uint8_t)a->random_erasing.fill);
        if (a->random_erasing.with != 0) put_noise(dice, e, out, area);
        return true;
    }
    return false;
}

/* --- warps --------------------------------------------------------------------------------------------- */

static double radians(double degrees)
{
    return degrees * (3.14159265358979323846 / 180);
}

void cj__turn_rotation(const cj__augmentation *a, cj__dice *dice, cj__extent e, double m[6])
{
    (void)e;
    double angle = radians(cj__dice_between(dice, -a->rotation.degrees, a->rotation.degrees));
    if (a->rotation.degrees > 0)
        cj__matrix_multiply(m, (const double[]){cos(angle), sin(angle), 0, -sin(angle), cos(angle), 0});
}

void cj__turn_shift(const cj__augmentation *a, cj__dice *dice, cj__extent e, double m[6])
{
    double amount = a->shift.amount;
    double right = rint((double)e.width * cj__dice_between(dice, -amount, amount));
    double down = rint((double)e.height * cj__dice_between(dice, -amount, amount));
    cj__matrix_multiply(m, (const double[]){1, 0, -right, 0, 1, -down});
}

void cj__turn_zoom(const cj__augmentation *a, cj__dice *dice, cj__extent e, double m[6])
{
    (void)e;
    double scale = 1 / cj__dice_between(dice, 1 - a->zoom.amount, 1 + a->zoom.amount);
    cj__matrix_multiply(m, (const double[]){scale, 0, 0, 0, scale, 0});
}

void cj__turn_shear(const cj__augmentation *a, cj__dice *dice, cj__extent e, double m[6])
{
    (void)e;
    double x = tan(radians(cj__dice_between(dice, -a->shear.degrees, a->shear.degrees)));
    double y = tan(radians(cj__dice_between(dice, -a->shear.vertical, a->shear.vertical)));
    if (a->shear.degrees > 0) cj__matrix_multiply(m, (const double[]){1, x, 0, 0, 1, 0});
    if (a->shear.vertical > 0) cj__matrix_multiply(m, (const double[]){1, 0, 0, y, 1, 0});
}

/* --- colours ------------------------------------------------------------------------------------------- */

typedef void change(cj__extent, const uint8_t *, uint8_t *, double);

/* In an order drawn once for all four parts, from the same numbers each time. */
bool cj__apply_colour_jitter(const cj__augmentation *a, cj__dice *dice, cj__extent e, const uint8_t *in,
                             uint8_t *out)
{
    static change *const changes[4] = {cj__brightness, cj__contrast, cj__saturation, cj__hue};
    int order[4] = {0, 1, 2, 3};
    double values[4];
    dice->low = (uint64_t)a->entry << 48;
    for (int i = 3; i > 0; i--) {
        int64_t j = cj__dice_below(dice, i + 1);
        int kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    for (int i = 0; i < 3; i++)
        values[i] = cj__dice_between(dice, fmax(0, 1 - a->values[i]), 1 + a->values[i]);
    values[3] = cj__dice_between(dice, -a->colour_jitter.hue, a->colour_jitter.hue);
    int which = order[a->part];
    if (a->values[which] == 0) return false;
    changes[which](e, in, out, values[which]);
    return true;
}

bool cj__apply_greyscale(const cj__augmentation *a, cj__dice *dice, cj__extent e, const uint8_t *in,
                         uint8_t *out)
{
    if (!cj__dice_says(dice, a->greyscale.probability)) return false;
    cj__greyscale(e, in, out);
    return true;
}

/* --- views --------------------------------------------------------------------------------------------- */

/* As it is, up and left, down and right; each also mirrored. */
int64_t cj__view_count(int of)
{
    return of == 0 ? 2 : 6;
}

/* Those that are not moved count for half of the mean. */
double cj__view_weight(int of, int64_t index)
{
    if (of == 0) return 0.5;
    return index < 2 ? 0.25 : 0.125;
}

bool cj__apply_views(const cj__augmentation *a, cj__dice *dice, cj__extent e, const uint8_t *in, uint8_t *out)
{
    int64_t index = dice->epoch % cj__view_count((int)a->views.of), by = index / 2 == 0   ? 0
                                                                         : index / 2 == 1 ? -1
                                                                                          : 1;
    int64_t down = e.height > 1 ? by : 0, right = e.width > 1 ? by : 0;
    if (a->part == 0) return flip(e, in, out, index % 2 == 1, false);
    if (down == 0 && right == 0) return false;
    cj__move_reflected(e, in, out, down, right);
    return true;
}
