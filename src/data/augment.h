/* Augmentations inside: one table of them (augment.def), and the plan that a loader runs over each picture
 * and each batch. What is drawn depends on (seed, epoch, sample, place in the list) alone. */
#ifndef CJ__AUGMENT_H
#define CJ__AUGMENT_H

#include "base/status.h"
#include "base/text.h"
#include "image/pixels.h"
#define CJ_NO_LOCATIONS
#include "cajal/data.h"

/* --- the table ----------------------------------------------------------------------------------------- */

typedef enum {
#define PICTURE(id, ...) CJ__AUGMENT_##id,
#define WARP(id, ...)    CJ__AUGMENT_##id,
#define BATCH(id, ...)   CJ__AUGMENT_##id,
#include "data/augment.def"
#undef PICTURE
#undef WARP
#undef BATCH
    CJ__AUGMENT_COUNT
} cj__augment_kind;

enum { CJ__MOST_PARAMETERS = 8, CJ__MOST_AUGMENTATIONS = 32, CJ__MOST_STEPS = 64 };

/* One of a list, its parameters by name: a->pad_crop.size. A choice is the number of its word. */
typedef struct {
    cj__augment_kind kind;
    int entry; /* its place in the list */
    int part;  /* of one that takes several steps */
    union {
        double values[CJ__MOST_PARAMETERS];
#define NUMBER(name, ...) double name;
#define WHOLE(name, ...)  double name;
#define CHOICE(name, ...) double name;
#define TRUTH(name, ...)  double name;
#define PICTURE(id, about, fields)                                                                           \
    struct {                                                                                                 \
        fields                                                                                               \
    } id;
#define WARP(id, about, fields)                                                                              \
    struct {                                                                                                 \
        fields                                                                                               \
    } id;
#define BATCH(id, about, fields)                                                                             \
    struct {                                                                                                 \
        fields                                                                                               \
    } id;
#include "data/augment.def"
#undef NUMBER
#undef WHOLE
#undef CHOICE
#undef TRUTH
#undef PICTURE
#undef WARP
#undef BATCH
    };
} cj__augmentation;

typedef enum {
    CJ__PARAMETER_NUMBER,
    CJ__PARAMETER_WHOLE,
    CJ__PARAMETER_CHOICE,
    CJ__PARAMETER_TRUTH
} cj__parameter_kind;
typedef struct {
    const char *name; /* NULL: there are no more */
    cj__parameter_kind kind;
    double standard, least, most;
    const char *choices, *about;
} cj__parameter_facts;
typedef struct {
    const char *name, *about;
    cj__parameter_facts parameters[CJ__MOST_PARAMETERS + 1];
} cj__augment_facts;
extern const cj__augment_facts cj__augment_table[CJ__AUGMENT_COUNT];

/* "pad_crop", "size: 4, mode: reflect". An unknown name is told with the nearest one, a parameter out of its
 * bounds with the bounds. `parameters` may be NULL. */
CJ_MUST_CHECK cj_status cj__augmentation_read(cj__augmentation *made, const char *type,
                                              const char *parameters);

/* All of its parameters as such a text, defaults filled in. */
void cj__augmentation_text(const cj__augmentation *a, cj__text *text);

/* --- chance -------------------------------------------------------------------------------------------- */

/* A stream of random numbers for one augmentation of one sample. */
typedef struct {
    uint64_t key; /* of seed and epoch */
    uint64_t sample;
    uint64_t low;   /* entry and part, then a count */
    uint64_t fixed; /* key of the seed alone */
    int64_t epoch;
    uint32_t bits[4];
    int left;
} cj__dice;

uint32_t cj__dice_bits(cj__dice *dice);
double cj__dice_between(cj__dice *dice, double least, double most);
int64_t cj__dice_below(cj__dice *dice, int64_t count); /* 0 … count - 1 */
bool cj__dice_says(cj__dice *dice, double probability);
double cj__dice_beta(cj__dice *dice, double alpha); /* Beta(alpha, alpha) */

/* --- each augmentation --------------------------------------------------------------------------------- */

/* False: chance left the picture alone, and nothing was written to `out`. */
#define PICTURE(id, ...)                                                                                     \
    bool cj__apply_##id(const cj__augmentation *a, cj__dice *dice, cj__extent e, const uint8_t *in,          \
                        uint8_t *out);
/* Multiplies the matrix of cj__warp by its own. */
#define WARP(id, ...)                                                                                        \
    void cj__turn_##id(const cj__augmentation *a, cj__dice *dice, cj__extent e, double m[6]);
/* Mixes `other` into `x`, both f32 pictures, and returns x's share of the label. */
#define BATCH(id, ...)                                                                                       \
    double cj__mix_##id(const cj__augmentation *a, cj__dice *dice, cj__extent e, float *x,                   \
                        const float *other);
#include "data/augment.def"
#undef PICTURE
#undef WARP
#undef BATCH

/* The change number `which`, 0 … 13, of a strength of 0 … 30. */
void cj__randaugment_change(int which, double strength, bool opposite, cj__extent e, const uint8_t *in,
                            uint8_t *out, uint8_t fill);
/* m becomes m · by */
void cj__matrix_multiply(double m[6], const double by[6]);

/* --- the plan ------------------------------------------------------------------------------------------ */

typedef struct {
    cj__extent extent; /* of a picture */
    uint64_t key;      /* of the seed */
    cj__augmentation steps[CJ__MOST_STEPS], mixers[CJ__MOST_AUGMENTATIONS];
    int step_count, mixer_count;
    int64_t classes; /* of labels that are mixed; 0: targets are numbers already */
} cj__augmenter;

/* Checks the list (NULL, or ended by one without a type) against the rows it is for; `classes` 0: as many as
 * there are labels. */
CJ_MUST_CHECK cj_status cj__augmenter_begin(cj__augmenter *a, const cj_augmentation *list,
                                            const cj_dataset *dataset, int64_t classes, uint64_t seed);
/* Room that one thread needs for it. */
static inline size_t cj__augmenter_scratch(const cj__augmenter *a)
{
    return a->step_count ? 2 * cj__extent_bytes(a->extent) : 0;
}
/* The picture augmented: somewhere in the scratch, or `in` where nothing was done. */
const uint8_t *cj__augment_picture(const cj__augmenter *a, int64_t epoch, int64_t sample, const uint8_t *in,
                                   uint8_t *scratch);

/* The type and shape of targets after mixing: distributions over the classes, or one number. */
void cj__mixed_targets(const cj__augmenter *a, cj_tensor *y);
/* Writes row `to` of a batch's targets from the dataset's row. */
void cj__mixed_target_copy(const cj__augmenter *a, const cj_tensor *from, int64_t row, const cj_tensor *y,
                           int64_t to);
/* Mixes the first `count` rows in pairs: with each the one before it in an order that is a function of (seed,
 * epoch, step). `spare` has room for one row of x and one of y. */
void cj__mix_batch(const cj__augmenter *a, int64_t epoch, int64_t step, const int64_t *samples,
                   const cj_batch *batch, float *spare, int64_t *order);

/* For each epoch of a list with `views`: how many there are, and what one counts in the mean. */
int64_t cj__view_count(int of);
double cj__view_weight(int of, int64_t index);

#endif
