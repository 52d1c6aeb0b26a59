/* mixup and CutMix: pairs of a batch mixed in place, once its pictures are numbers, and their labels become
 * distributions over the classes. */
#include "base/random.h"
#include "data/augment.h"
#include "data/dataset.h"

#include <math.h>
#include <string.h>

/* --- targets ------------------------------------------------------------------------------------------- */

/* i32 [N] becomes f32 [N,classes], or f32 [N] for one class: the probability of 1. */
void cj__mixed_targets(const cj__augmenter *a, cj_tensor *y)
{
    if (a->classes == 0) return;
    y->dtype = CJ_F32;
    if (a->classes > 1) y->shape.dims[y->shape.rank++] = a->classes;
}

void cj__mixed_target_copy(const cj__augmenter *a, const cj_tensor *from, int64_t row, const cj_tensor *y,
                           int64_t to)
{
    int32_t label = ((const int32_t *)from->data)[row];
    float *out = (float *)y->data + to * a->classes;
    memset(out, 0, (size_t)a->classes * sizeof *out);
    if (a->classes == 1)
        out[0] = (float)label;
    else if (label >= 0)
        out[label] = 1;
}

/* --- two pictures -------------------------------------------------------------------------------------- */

static void mean_of(float *x, const float *other, int64_t count, double share)
{
    float own = (float)share, rest = (float)(1 - share);
    for (int64_t i = 0; i < count; i++) x[i] = x[i] * own + other[i] * rest;
}

double cj__mix_mixup(const cj__augmentation *a, cj__dice *dice, cj__extent e, float *x, const float *other)
{
    double share = cj__dice_beta(dice, a->mixup.alpha);
    mean_of(x, other, e.height * e.width * e.channels, share);
    return share;
}

static int64_t within(int64_t value, int64_t most)
{
    return value < 0 ? 0 : value > most ? most : value;
}

/* The rectangle's middle is anywhere, so it may be cut off at the edge: the label goes by what is left. */
double cj__mix_cutmix(const cj__augmentation *a, cj__dice *dice, cj__extent e, float *x, const float *other)
{
    double half = 0.5 * sqrt(1 - cj__dice_beta(dice, a->cutmix.alpha));
    int64_t middle_x = cj__dice_below(dice, e.width), middle_y = cj__dice_below(dice, e.height);
    int64_t half_x = (int64_t)(half * (double)e.width), half_y = (int64_t)(half * (double)e.height);
    int64_t left = within(middle_x - half_x, e.width), right = within(middle_x + half_x, e.width);
    int64_t top = within(middle_y - half_y, e.height), bottom = within(middle_y + half_y, e.height);
    for (int64_t y = top; y < bottom; y++) {
        int64_t at = (y * e.width + left) * e.channels;
        memcpy(x + at, other + at, (size_t)((right - left) * e.channels) * sizeof *x);
    }
    return 1 - (double)((right - left) * (bottom - top)) / (double)(e.width * e.height);
}

/* --- a batch ------------------------------------------------------------------------------------------- */

typedef double mix_function(const cj__augmentation *, cj__dice *, cj__extent, float *, const float *);

static mix_function *const functions[CJ__AUGMENT_COUNT] = {
#define PICTURE(id, ...)
#define WARP(id, ...)
#define BATCH(id, ...) [CJ__AUGMENT_##id] = cj__mix_##id,
#include "data/augment.def"
};

/* One of the mixers, evenly, and whether it is used at all. */
static void mix_pair(const cj__augmenter *a, cj__dice *dice, float *x, const float *other, float *y,
                     const float *other_y, int64_t targets)
{
    const cj__augmentation *one = &a->mixers[cj__dice_below(dice, a->mixer_count)];
    double probability = one->kind == CJ__AUGMENT_mixup ? one->mixup.probability : one->cutmix.probability;
    if (!cj__dice_says(dice, probability)) return;
    mean_of(y, other_y, targets, functions[one->kind](one, dice, a->extent, x, other));
}

/* The pairs form one ring, gone through backwards: so each is mixed with one that is still as it was, except
 * the first, whose partner has been kept in `spare`. */
void cj__mix_batch(const cj__augmenter *a, int64_t epoch, int64_t step, const int64_t *samples,
                   const cj_batch *batch, float *spare, int64_t *order)
{
    int64_t rows = batch->x.shape.dims[0], count = batch->count;
    int64_t size = cj_shape_count(batch->x.shape) / rows, targets = cj_shape_count(batch->y.shape) / rows;
    float *x = batch->x.data, *y = batch->y.data;
    uint64_t epoch_key = cj__mix(a->key, (uint64_t)epoch);
    for (int64_t i = 0; i < count; i++) order[i] = i;
    cj__shuffle(order, count, cj__mix(epoch_key, 0x6d6978u), (uint64_t)step); /* "mix" */
    if (count < 2) return;
    memcpy(spare, x + order[count - 1] * size, (size_t)size * sizeof *x);
    memcpy(spare + size, y + order[count - 1] * targets, (size_t)targets * sizeof *y);
    for (int64_t i = count - 1; i >= 0; i--) {
        int64_t own = order[i], other = i ? order[i - 1] : -1;
        cj__dice dice = {.key = epoch_key,
                         .sample = (uint64_t)samples[own],
                         .low = (uint64_t)CJ__MOST_AUGMENTATIONS << 48};
        mix_pair(a, &dice, x + own * size, i ? x + other * size : spare, y + own * targets,
                 i ? y + other * targets : spare + size, targets);
    }
}
