/* What a loader does to each picture between the dataset and the batch: a list of augmentations checked and
 * laid out as steps, which run from one half of a thread's scratch to the other. */
#include "data/augment.h"
#include "base/random.h"
#include "base/shape.h"

#include <math.h>
#include <string.h>

/* --- beginning ----------------------------------------------------------------------------------------- */

typedef bool apply_function(const cj__augmentation *, cj__dice *, cj__extent, const uint8_t *, uint8_t *);
typedef void turn_function(const cj__augmentation *, cj__dice *, cj__extent, double[6]);
typedef struct {
    apply_function *apply; /* NULL: it is a warp, or for batches */
    turn_function *turn;   /* NULL: it is no warp */
} functions;
static const functions table[CJ__AUGMENT_COUNT] = {
#define PICTURE(id, ...) {cj__apply_##id, NULL},
#define WARP(id, ...)    {NULL, cj__turn_##id},
#define BATCH(id, ...)   {NULL, NULL},
#include "data/augment.def"
#undef PICTURE
#undef WARP
#undef BATCH
};

static bool is_for_batches(const cj__augmentation *a)
{
    return !table[a->kind].apply && !table[a->kind].turn;
}

static bool changes_colours(const cj__augmentation *a)
{
    return a->kind == CJ__AUGMENT_colour_jitter || a->kind == CJ__AUGMENT_greyscale ||
           a->kind == CJ__AUGMENT_randaugment;
}

static const char *name_of(const cj__augmentation *a)
{
    return cj__augment_table[a->kind].name;
}

/* How many steps it takes. */
static int parts_of(const cj__augmentation *a)
{
    if (a->kind == CJ__AUGMENT_randaugment) return (int)a->randaugment.number;
    return a->kind == CJ__AUGMENT_colour_jitter ? 4 : a->kind == CJ__AUGMENT_views ? 2 : 1;
}

/* Whether such rows can be augmented so. */
static cj_status check_rows(const cj__augmentation *a, const cj_tensor *x, cj__extent e)
{
    char shape[CJ__SHAPE_TEXT];
    bool pictures = x->shape.rank == 3 || x->shape.rank == 4;
    if (a->kind == CJ__AUGMENT_mixup) return CJ_OK;
    if (!pictures || (x->dtype != CJ_U8 && !is_for_batches(a)))
        return cj__fail(CJ_UNSUPPORTED,
                        "%s works on pictures of bytes, u8 [N,H,W] or [N,H,W,C]; the rows are %s %s",
                        name_of(a), cj_dtype_name(x->dtype), cj__shape_text(x->shape, shape));
    if (changes_colours(a) && e.channels != 1 && e.channels != 3)
        return cj__fail(CJ_UNSUPPORTED, "%s works on pictures of 1 or 3 channels; these have %lld",
                        name_of(a), (long long)e.channels);
    if (a->kind == CJ__AUGMENT_pad_crop &&
        (a->pad_crop.size >= (double)e.height || a->pad_crop.size >= (double)e.width))
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "pad_crop: size is %g, but must be less than the sides of the pictures, %lld by %lld",
                        a->pad_crop.size, (long long)e.width, (long long)e.height);
    return CJ_OK;
}

static cj_status add_mixer(cj__augmenter *a, const cj__augmentation *one)
{
    a->mixers[a->mixer_count++] = *one;
    return CJ_OK;
}

static cj_status add(cj__augmenter *a, const cj__augmentation *one)
{
    if (is_for_batches(one)) return add_mixer(a, one);
    if (a->mixer_count)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s mixes whole batches, so it must stand after %s",
                        name_of(&a->mixers[0]), name_of(one));
    int parts = parts_of(one);
    if (a->step_count + parts > CJ__MOST_STEPS)
        return cj__fail(CJ_UNSUPPORTED, "a list of augmentations takes %d steps at most", CJ__MOST_STEPS);
    for (int part = 0; part < parts; part++) {
        a->steps[a->step_count] = *one;
        a->steps[a->step_count++].part = part;
    }
    return CJ_OK;
}

/* Labels that are mixed need to be below the classes. */
static cj_status find_classes(cj__augmenter *a, const cj_dataset *dataset, int64_t classes)
{
    int64_t labels = cj_dataset_classes(dataset);
    cj_tensor row;
    if (a->mixer_count == 0) return CJ_OK;
    cj_dataset_row(dataset, 0, NULL, &row);
    if (row.dtype != CJ_I32) return CJ_OK;
    if (classes == 0) classes = labels;
    if (row.shape.rank != 1)
        return cj__fail(CJ_UNSUPPORTED, "%s: labels are mixed where there is one a row",
                        name_of(&a->mixers[0]));
    if (labels > (classes == 1 ? 2 : classes))
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: the largest label is %lld, but there are %lld classes",
                        name_of(&a->mixers[0]), (long long)labels - 1, (long long)classes);
    a->classes = classes;
    return CJ_OK;
}

cj_status cj__augmenter_begin(cj__augmenter *a, const cj_augmentation *list, const cj_dataset *dataset,
                              int64_t classes, uint64_t seed)
{
    const cj_tensor x = cj_dataset_x(dataset);
    *a = (cj__augmenter){.key = cj__mix(seed, 0x6175676d656e74u)}; /* "augment": a stream of its own */
    if (!list || cj_dataset_count(dataset) == 0) return CJ_OK;
    a->extent = (cj__extent){1, 1, cj_shape_count(x.shape) / x.shape.dims[0]};
    if (x.shape.rank == 3 || x.shape.rank == 4)
        a->extent = (cj__extent){x.shape.dims[1], x.shape.dims[2], x.shape.rank == 4 ? x.shape.dims[3] : 1};
    for (int i = 0; list[i].type; i++) {
        cj__augmentation one;
        if (i == CJ__MOST_AUGMENTATIONS)
            return cj__fail(CJ_UNSUPPORTED, "a list has at most %d augmentations", CJ__MOST_AUGMENTATIONS);
        CJ__TRY(cj__augmentation_read(&one, list[i].type, list[i].parameters));
        one.entry = i;
        CJ__TRY(check_rows(&one, &x, a->extent));
        CJ__TRY(add(a, &one));
    }
    return find_classes(a, dataset, classes);
}

/* --- one picture --------------------------------------------------------------------------------------- */

static cj__dice dice_for(const cj__augmenter *a, uint64_t epoch_key, int64_t epoch, int64_t sample,
                         const cj__augmentation *step)
{
    return (cj__dice){.key = epoch_key,
                      .sample = (uint64_t)sample,
                      .low = (uint64_t)step->entry << 48 | (uint64_t)step->part << 40,
                      .fixed = a->key,
                      .epoch = epoch};
}

void cj__matrix_multiply(double m[6], const double by[6])
{
    double a[6];
    memcpy(a, m, sizeof a);
    for (int row = 0; row < 6; row += 3) {
        m[row] = a[row] * by[0] + a[row + 1] * by[3];
        m[row + 1] = a[row] * by[1] + a[row + 1] * by[4];
        m[row + 2] = a[row] * by[2] + a[row + 1] * by[5] + a[row + 2];
    }
}

/* Moved by whole pixels, and nothing else. */
static bool is_move(const double m[6])
{
    return m[0] == 1 && m[1] == 0 && m[3] == 0 && m[4] == 1 && m[2] == floor(m[2]) && m[5] == floor(m[5]);
}

static bool warp(cj__extent e, const uint8_t *in, uint8_t *out, const double m[6], uint8_t fill)
{
    if (!is_move(m)) return cj__warp(e, in, out, m, fill), true;
    if (m[2] == 0 && m[5] == 0) return false;
    return cj__move(e, in, out, (int64_t)-m[5], (int64_t)-m[2], fill), true;
}

/* The last parameter of each warp. */
static double fill_of(const cj__augmentation *a)
{
    int i = 0;
    while (cj__augment_table[a->kind].parameters[i + 1].name) i++;
    return a->values[i];
}

/* Warps that follow each other, as long as they are filled alike, are one. How many there were. */
static int run_warps(const cj__augmenter *a, int first, uint64_t epoch_key, int64_t epoch, int64_t sample,
                     double m[6])
{
    int i = first;
    const cj__augmentation *step = &a->steps[first];
    double fill = fill_of(step);
    for (; i < a->step_count && table[step->kind].turn && fill_of(step) == fill; step = &a->steps[++i]) {
        cj__dice dice = dice_for(a, epoch_key, epoch, sample, step);
        table[step->kind].turn(step, &dice, a->extent, m);
    }
    return i - first;
}

const uint8_t *cj__augment_picture(const cj__augmenter *a, int64_t epoch, int64_t sample, const uint8_t *in,
                                   uint8_t *scratch)
{
    uint64_t epoch_key = cj__mix(a->key, (uint64_t)epoch);
    uint8_t *halves[2] = {scratch, scratch + cj__extent_bytes(a->extent)};
    int next = 0;
    for (int i = 0, steps; i < a->step_count; i += steps) {
        const cj__augmentation *step = &a->steps[i];
        uint8_t *out = halves[next];
        bool changed;
        steps = 1;
        if (table[step->kind].turn) {
            double m[6] = {1, 0, 0, 0, 1, 0};
            steps = run_warps(a, i, epoch_key, epoch, sample, m);
            changed = warp(a->extent, in, out, m, (uint8_t)fill_of(step));
        } else {
            cj__dice dice = dice_for(a, epoch_key, epoch, sample, step);
            changed = table[step->kind].apply(step, &dice, a->extent, in, out);
        }
        if (!changed) continue;
        in = out;
        next = 1 - next;
    }
    return in;
}
