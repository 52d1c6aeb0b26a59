/* Augmentations: lists read and refused; what chance may and may not do to a picture; the same bits for any
 * number of threads, batch size and order of batches; every allocation failing in turn.
 *
 * labels: threads */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"
#include "data/augment.h"

#include <math.h>
#include <unistd.h>

enum { ROWS = 50, HEIGHT = 12, WIDTH = 14, CHANNELS = 3, SIZE = HEIGHT * WIDTH * CHANNELS };

static const cj__extent extent = {HEIGHT, WIDTH, CHANNELS};

/* Noise, so that no two pictures or parts of them are alike. */
static cj_status new_pictures(cj_dataset **d, int64_t channels)
{
    static uint8_t x[ROWS * SIZE];
    static int32_t y[ROWS];
    for (int i = 0; i < ROWS * SIZE; i++) x[i] = (uint8_t)(cj__bits(3, 0, (uint64_t)i) >> 24);
    for (int i = 0; i < ROWS; i++) y[i] = i % 5;
    cj_tensor tx = {x, CJ_U8, cj_shape(ROWS, HEIGHT, WIDTH, channels)}, ty = {y, CJ_I32, cj_shape(ROWS)};
    return cj_dataset_from_tensors(d, &tx, &ty);
}

/* --- reading ------------------------------------------------------------------------------------------- */

static void test_reading(void **state)
{
    (void)state;
    cj__augmentation a;
    for (int kind = 0; kind < CJ__AUGMENT_COUNT; kind++) {
        expect_ok(cj__augmentation_read(&a, cj__augment_table[kind].name, NULL));
        assert_int_equal(a.kind, kind);
        cj__text text = {0};
        cj__augmentation b;
        cj__augmentation_text(&a, &text);
        expect_ok(cj__text_check(&text, "parameters"));
        expect_ok(cj__augmentation_read(&b, cj__augment_table[kind].name, text.data));
        assert_memory_equal(&a, &b, sizeof a);
        cj__text_free(&text);
    }
    expect_ok(cj__augmentation_read(&a, "pad_crop", " 6 ,mode:reflect,  fill : 9"));
    assert_true(a.pad_crop.size == 6 && a.pad_crop.mode == 1 && a.pad_crop.fill == 9);
    expect_ok(cj__augmentation_read(&a, "flip", "vertical, alternating: true"));
    assert_true(a.flip.direction == 1 && a.flip.alternating == 1 && a.flip.probability == 0.5);
    expect_ok(cj__augmentation_read(&a, "mixup", ""));
    assert_true(a.mixup.alpha == 0.2 && a.mixup.probability == 1);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *type, *parameters, *message;
    } cases[] = {
        {"flop", NULL, "there is no augmentation 'flop'; did you mean 'flip'?"},
        {"color_jitter", NULL, "did you mean 'colour_jitter'?"},
        {"", NULL, "there is no augmentation ''"},
        {"flip", "diagonal", "flip: direction is 'diagonal', but must be one of horizontal|vertical|both"},
        {"flip", "alternating: yes", "flip: alternating is 'yes', but must be one of false|true"},
        {"pad_crop", "0", "pad_crop: size is '0', but must be a whole number from 1 to 1024"},
        {"pad_crop", "2.5", "pad_crop: size is '2.5', but must be a whole number"},
        {"pad_crop", "size: 4, sise: 5", "pad_crop: there is no parameter 'sise'; did you mean 'size'?"},
        {"pad_crop", "4, reflect", "pad_crop: 'reflect' names no parameter"},
        {"pad_crop", "4,", "names no parameter"},
        {"pad_crop", "size:", "size is '', but must be"},
        {"mixup", "nan", "mixup: alpha is 'nan', but must be a number from 0.001 to 100"},
        {"mixup", "1e999", "mixup: alpha is"},
        {"mixup", "-1", "mixup: alpha is '-1'"},
        {"cutout", "9223372036854775808", "cutout: size is"},
        {"resized_crop", "scale_min: 0.9, scale_max: 0.5",
         "scale_min is 0.9, but must be no more than scale_max"},
        {"random_erasing", "ratio_min: 5",
         "ratio_min is 5, but must be no more than ratio_max, which is 3.3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cj__augmentation a;
        expect_status(cj__augmentation_read(&a, cases[i].type, cases[i].parameters), CJ_INVALID_ARGUMENT);
        expect_message(cases[i].message);
    }
    char longest[1000];
    cj__augmentation a;
    memset(longest, '1', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    expect_status(cj__augmentation_read(&a, "cutout", longest), CJ_INVALID_ARGUMENT);
    expect_message("longer than 511 characters");
}

/* Lists of parameters from scraps: refused or read, and never more than that. */
static void test_scraps(void **state)
{
    (void)state;
    static const char *const scraps[] = {
        "size", "direction", "both",        ":",     ",",  " ",  "1",    "0.5",     "-",    "e9",
        "nan",  "true",      "probability", "alpha", "::", ",,", "mode", "reflect", "\xff", "0x10"};
    int read = 0;
    for (uint64_t i = 0; i < 20000; i++) {
        char text[200] = "";
        cj__augmentation a;
        for (uint64_t k = 0; k < 1 + cj__bits(4, i, 0) % 8; k++)
            strcat(text, scraps[cj__bits(4, i, k + 1) % (sizeof scraps / sizeof *scraps)]);
        const cj__augment_facts *facts = &cj__augment_table[i % CJ__AUGMENT_COUNT];
        if (cj__augmentation_read(&a, facts->name, text) != CJ_OK) continue;
        for (int k = 0; facts->parameters[k].name && !facts->parameters[k].choices; k++)
            assert_true(a.values[k] >= facts->parameters[k].least &&
                        a.values[k] <= facts->parameters[k].most);
        read++;
    }
    assert_true(read > 100);
}

static cj_status load(const cj_dataset *d, const cj_augmentation *list, int64_t classes)
{
    cj_loader *l;
    cj_status status = cj_loader_new(&l, d, .batch_size = 8, .augment = list, .classes = classes);
    cj_loader_free(l);
    return status;
}

#define LIST(...) ((const cj_augmentation[]){__VA_ARGS__, {0}})

static void test_rows_that_do_not_fit(void **state)
{
    (void)state;
    cj_dataset *pictures, *two, *numbers;
    float x[12] = {0};
    expect_ok(new_pictures(&pictures, CHANNELS));
    expect_ok(new_pictures(&two, 2));
    cj_tensor tx = {x, CJ_F32, cj_shape(4, 3)}, ty = {x, CJ_F32, cj_shape(4)};
    expect_ok(cj_dataset_from_tensors(&numbers, &tx, &ty));
    expect_status(load(numbers, LIST({"flip", NULL}), 0), CJ_UNSUPPORTED);
    expect_message("flip works on pictures of bytes, u8 [N,H,W] or [N,H,W,C]; the rows are f32 [4,3]");
    expect_status(load(numbers, LIST({"cutmix", NULL}), 0), CJ_UNSUPPORTED);
    expect_ok(load(numbers, LIST({"mixup", NULL}), 0));
    expect_status(load(two, LIST({"greyscale", NULL}), 0), CJ_UNSUPPORTED);
    expect_message("greyscale works on pictures of 1 or 3 channels; these have 2");
    expect_ok(load(two, LIST({"rotation", NULL}, {"flip", NULL}), 0));
    expect_status(load(pictures, LIST({"pad_crop", "12"}), 0), CJ_INVALID_ARGUMENT);
    expect_message("size is 12, but must be less than the sides of the pictures, 14 by 12");
    expect_status(load(pictures, LIST({"mixup", NULL}, {"flip", NULL}), 0), CJ_INVALID_ARGUMENT);
    expect_message("mixup mixes whole batches, so it must stand after flip");
    expect_status(load(pictures, LIST({"mixup", NULL}), 4), CJ_INVALID_ARGUMENT);
    expect_message("mixup: the largest label is 4, but there are 4 classes");
    expect_status(load(pictures, LIST({"mixup", NULL}), 1), CJ_INVALID_ARGUMENT);
    cj_augmentation many[40] = {{0}};
    for (int i = 0; i < 39; i++) many[i].type = "flip";
    expect_status(load(pictures, many, 0), CJ_UNSUPPORTED);
    expect_message("at most 32 augmentations");
    for (int i = 0; i < 32; i++) many[i] = (cj_augmentation){"randaugment", "number: 8"};
    many[32].type = NULL;
    expect_status(load(pictures, many, 0), CJ_UNSUPPORTED);
    expect_message("64 steps at most");
    cj_dataset_free(numbers);
    cj_dataset_free(two);
    cj_dataset_free(pictures);
}

/* --- one picture --------------------------------------------------------------------------------------- */

static cj_dataset *pictures;
static cj__augmenter plan;
static uint8_t scratch[2 * SIZE];

static void plan_for(const cj_augmentation *list)
{
    expect_ok(cj__augmenter_begin(&plan, list, pictures, 0, 17));
    assert_true(cj__augmenter_scratch(&plan) <= sizeof scratch);
}

static const uint8_t *original(int64_t sample)
{
    return (const uint8_t *)cj_dataset_x(pictures).data + sample * SIZE;
}

static const uint8_t *augmented(int64_t epoch, int64_t sample)
{
    memset(scratch, 0xa5, sizeof scratch);
    return cj__augment_picture(&plan, epoch, sample, original(sample), scratch);
}

static bool is(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, SIZE) == 0;
}

static void test_flip(void **state)
{
    (void)state;
    uint8_t mirrored[SIZE], down[SIZE], turned[SIZE];
    int counts[4] = {0}, horizontal = 0;
    for (int64_t epoch = 0; epoch < 20; epoch++)
        for (int64_t i = 0; i < ROWS; i++) {
            cj__mirror(extent, original(i), mirrored);
            cj__upside_down(extent, original(i), down);
            cj__upside_down(extent, mirrored, turned);
            plan_for(LIST({"flip", "horizontal"}));
            const uint8_t *one = augmented(epoch, i);
            assert_true(is(one, original(i)) || is(one, mirrored));
            horizontal += is(one, mirrored);
            plan_for(LIST({"flip", "both"}));
            const uint8_t *both = augmented(epoch, i);
            int which = is(both, original(i)) ? 0 : is(both, mirrored) ? 1 : is(both, down) ? 2 : 3;
            assert_true(which < 3 || is(both, turned));
            counts[which]++;
            plan_for(LIST({"flip", "vertical, probability: 1"}));
            assert_true(is(augmented(epoch, i), down));
            plan_for(LIST({"flip", "vertical, probability: 0"}));
            assert_ptr_equal(augmented(epoch, i), original(i));
        }
    assert_in_range(horizontal, 420, 580);
    for (int i = 0; i < 4; i++) assert_in_range(counts[i], 190, 310);
}

/* Chance in the first epoch; then the opposite of the epoch before. */
static void test_alternating_flip(void **state)
{
    (void)state;
    uint8_t mirrored[SIZE];
    int first = 0;
    plan_for(LIST({"flip", "horizontal, alternating: true"}));
    for (int64_t i = 0; i < ROWS; i++) {
        cj__mirror(extent, original(i), mirrored);
        bool flipped = is(augmented(0, i), mirrored);
        first += flipped;
        for (int64_t epoch = 1; epoch < 6; epoch++)
            assert_int_equal(is(augmented(epoch, i), mirrored), flipped != (epoch % 2 == 1));
    }
    assert_in_range(first, 12, 38);
}

/* All (2·size + 1)² places, and nothing else. */
static void crops_all_places(const char *parameters, bool reflected)
{
    int seen[5][5] = {{0}};
    uint8_t moved[SIZE];
    plan_for(LIST({"pad_crop", parameters}));
    for (int64_t epoch = 0; epoch < 20; epoch++)
        for (int64_t i = 0; i < ROWS; i++) {
            const uint8_t *got = augmented(epoch, i);
            int found = 0;
            for (int64_t y = -2; y <= 2; y++)
                for (int64_t x = -2; x <= 2; x++) {
                    reflected ? cj__move_reflected(extent, original(i), moved, y, x)
                              : cj__move(extent, original(i), moved, y, x, 31);
                    if (is(got, moved)) seen[y + 2][x + 2]++, found++;
                }
            assert_int_equal(found, 1);
        }
    for (int i = 0; i < 25; i++) assert_in_range(seen[i / 5][i % 5], 15, 75);
}

static void test_pad_crop(void **state)
{
    (void)state;
    crops_all_places("2, fill: 31", false);
    crops_all_places("2, mode: reflect", true);
}

/* In a picture of its own places the corners of the result tell which part it is of. */
static void test_resized_crop(void **state)
{
    (void)state;
    uint8_t places[SIZE], out[SIZE];
    double least = 1, most = 0;
    int tall = 0, whole = 0;
    for (int i = 0; i < HEIGHT * WIDTH; i++) {
        places[3 * i] = (uint8_t)(i % WIDTH * 16);
        places[3 * i + 1] = (uint8_t)(i / WIDTH * 16);
        places[3 * i + 2] = 9;
    }
    plan_for(LIST({"resized_crop", "scale_min: 0.2, scale_max: 0.5, ratio_min: 0.5, ratio_max: 2"}));
    for (uint64_t i = 0; i < 300; i++) {
        cj__dice dice = {.key = 5, .sample = i};
        assert_true(cj__apply_resized_crop(&plan.steps[0], &dice, extent, places, out));
        const uint8_t *last = out + SIZE - 3;
        int width = (last[0] - out[0]) / 16 + 1, height = (last[1] - out[1]) / 16 + 1;
        double share = (double)(width * height) / (HEIGHT * WIDTH), ratio = (double)width / height;
        least = fmin(least, share);
        most = fmax(most, share);
        tall += height > width;
        assert_true(out[0] % 16 == 0 && out[1] % 16 == 0 && last[2] == 9);
        assert_true(ratio > 0.4 && ratio < 2.5);
    }
    assert_true(least > 0.15 && least < 0.25 && most > 0.45 && most < 0.56);
    assert_in_range(tall, 90, 210);
    /* No part of a form like that: the largest in the middle. */
    plan_for(LIST({"resized_crop", "scale_min: 1, ratio_min: 4, ratio_max: 4"}));
    for (uint64_t i = 0; i < 20; i++) {
        cj__dice dice = {.key = 6, .sample = i};
        cj__apply_resized_crop(&plan.steps[0], &dice, extent, places, out);
        whole +=
            out[0] == 0 && out[SIZE - 3] == (WIDTH - 1) * 16 && out[1] == 4 * 16 && out[SIZE - 2] == 7 * 16;
    }
    assert_int_equal(whole, 20);
}

/* Which pixels have changed: their rectangle, and whether it is full of `fill`. */
static cj__area changed_area(const uint8_t *got, const uint8_t *from, int fill, bool *full)
{
    int64_t top = HEIGHT, left = WIDTH, bottom = -1, right = -1;
    *full = true;
    for (int64_t i = 0; i < HEIGHT * WIDTH; i++) {
        if (memcmp(got + 3 * i, from + 3 * i, 3) == 0) continue;
        int64_t y = i / WIDTH, x = i % WIDTH;
        top = y < top ? y : top;
        left = x < left ? x : left;
        bottom = y > bottom ? y : bottom;
        right = x > right ? x : right;
    }
    for (int64_t y = top; y <= bottom; y++)
        for (int64_t x = left; x <= right; x++)
            for (int c = 0; c < 3; c++) *full &= got[(y * WIDTH + x) * 3 + c] == fill;
    return (cj__area){top, left, bottom - top + 1, right - left + 1};
}

static void test_blots(void **state)
{
    (void)state;
    bool full;
    int whole = 0, erased = 0, sizes = 0;
    for (int64_t epoch = 0; epoch < 10; epoch++)
        for (int64_t i = 0; i < ROWS; i++) {
            plan_for(LIST({"cutout", "5, fill: 70"}));
            cj__area a = changed_area(augmented(epoch, i), original(i), 70, &full);
            assert_true(full && a.height >= 2 && a.height <= 5 && a.width >= 2 && a.width <= 5);
            whole += a.height == 5 && a.width == 5;
            plan_for(LIST({"random_erasing", "probability: 0.25, scale_min: 0.1, scale_max: 0.2, fill: 9"}));
            const uint8_t *got = augmented(epoch, i);
            if (is(got, original(i))) continue;
            a = changed_area(got, original(i), 9, &full);
            double share = (double)(a.height * a.width) / (HEIGHT * WIDTH);
            assert_true(full && share > 0.06 && share < 0.27);
            erased++;
            sizes += (int)(a.height * a.width);
            plan_for(LIST({"random_erasing", "probability: 1, with: noise"}));
            changed_area(augmented(epoch, i), original(i), 0, &full);
            assert_false(full);
        }
    assert_in_range(whole, 200, 400); /* 8 · 10 of 12 · 14 middles */
    assert_in_range(erased, 90, 160);
    assert_in_range(sizes / erased, 20, 31);
}

/* By whole pixels, as far as the share allows and no further; of nothing, nothing is done. */
static void test_shift(void **state)
{
    (void)state;
    uint8_t moved[SIZE];
    int64_t most_x = 0, most_y = 0;
    plan_for(LIST({"shift", "0.25, fill: 3"}));
    for (int64_t i = 0; i < 4 * ROWS; i++) {
        const uint8_t *got = augmented(i / ROWS, i % ROWS);
        int found = 0;
        for (int64_t y = -3; y <= 3; y++)
            for (int64_t x = -4; x <= 4; x++) {
                cj__move(extent, original(i % ROWS), moved, y, x, 3);
                if (!is(got, moved)) continue;
                found++;
                most_x = llabs(x) > most_x ? llabs(x) : most_x;
                most_y = llabs(y) > most_y ? llabs(y) : most_y;
            }
        assert_int_equal(found, 1);
    }
    assert_int_equal(most_y, 3);
    assert_true(most_x >= 3);
    plan_for(LIST({"rotation", "0"}, {"shift", "0"}, {"zoom", "0"}, {"shear", "0"}));
    assert_ptr_equal(augmented(3, 3), original(3));
}

/* Neighbours in the list are one warp; of other fills, two. A picture of one value stays one in its middle.
 */
static void test_warps_together(void **state)
{
    (void)state;
    double m[6] = {1, 0, 0, 0, 1, 0};
    uint8_t wanted[SIZE];
    plan_for(LIST({"rotation", "40"}, {"zoom", "0.3"}, {"shear", "10, vertical: 5"}, {"shift", "0.1"}));
    uint64_t key = cj__mix(plan.key, 6);
    for (int i = 0; i < 4; i++) {
        cj__dice dice = {.key = key, .sample = 7, .low = (uint64_t)i << 48, .fixed = plan.key, .epoch = 6};
        void (*const turns[])(const cj__augmentation *, cj__dice *, cj__extent,
                              double[6]) = {cj__turn_rotation, cj__turn_zoom, cj__turn_shear, cj__turn_shift};
        turns[i](&plan.steps[i], &dice, extent, m);
    }
    cj__warp(extent, original(7), wanted, m, 0);
    assert_memory_equal(augmented(6, 7), wanted, SIZE);
    assert_false(is(wanted, original(7)));
    plan_for(LIST({"shift", "0.3, fill: 50"}, {"shift", "0.3, fill: 60"}));
    bool fifty = false, sixty = false;
    for (int64_t i = 0; i < ROWS; i++) {
        const uint8_t *got = augmented(0, i);
        for (int y = 0; y < HEIGHT; y += HEIGHT - 1)
            for (int x = 0; x < WIDTH; x++) {
                const uint8_t *p = got + (y * WIDTH + x) * 3;
                fifty |= p[0] == 50 && p[1] == 50 && p[2] == 50;
                sixty |= p[0] == 60 && p[1] == 60 && p[2] == 60;
            }
    }
    assert_true(fifty && sixty);
}

/* First a turn, then a move: the matrix must be of that order. */
static void test_matrices(void **state)
{
    (void)state;
    double m[6] = {0, 1, 0, -1, 0, 0}; /* a quarter, clockwise */
    cj__matrix_multiply(m, (const double[]){1, 0, -3, 0, 1, -5});
    /* the pixel at (3,5) from the middle came to the middle of the turned picture, which was its middle */
    assert_true(m[0] * 3 + m[1] * 5 + m[2] == 0 && m[3] * 3 + m[4] * 5 + m[5] == 0);
    assert_true(m[0] == 0 && m[1] == 1 && m[3] == -1 && m[4] == 0);
}

static void test_colour_jitter(void **state)
{
    (void)state;
    uint8_t wanted[SIZE], between[SIZE];
    int brighter_first = 0, tried = 0;
    plan_for(LIST({"colour_jitter", "brightness: 0.5, hue: 0.2"}));
    for (int64_t i = 0; i < ROWS; i++) {
        const uint8_t *got = augmented(2, i);
        cj__dice dice = {.key = cj__mix(plan.key, 2), .sample = (uint64_t)i};
        for (int k = 0; k < 3; k++) cj__dice_bits(&dice); /* the order */
        double factor = cj__dice_between(&dice, 0.5, 1.5);
        for (int k = 0; k < 2; k++) cj__dice_bits(&dice); /* contrast, saturation */
        double turn = cj__dice_between(&dice, -0.2, 0.2);
        cj__brightness(extent, original(i), between, factor);
        cj__hue(extent, between, wanted, turn);
        bool first = is(got, wanted);
        cj__hue(extent, original(i), between, turn);
        cj__brightness(extent, between, wanted, factor);
        assert_true(first || is(got, wanted));
        brighter_first += first;
        tried++;
    }
    assert_in_range(brighter_first, 10, tried - 10);
    plan_for(LIST({"colour_jitter", NULL}));
    assert_ptr_equal(augmented(0, 0), original(0));
}

/* Nothing but the fourteen; with two steps it is two of them. */
static void test_randaugment(void **state)
{
    (void)state;
    int seen[14] = {0}, twice = 0;
    uint8_t one[SIZE];
    for (int64_t i = 0; i < 8 * ROWS; i++) {
        int found = 0;
        plan_for(LIST({"randaugment", "15, number: 1, fill: 8"}));
        const uint8_t *got = augmented(i / ROWS, i % ROWS);
        for (int which = 0; which < 14; which++)
            for (int opposite = 0; opposite < 2; opposite++) {
                cj__randaugment_change(which, 15, opposite, extent, original(i % ROWS), one, 8);
                if (!is(got, one)) continue;
                seen[which]++;
                found++;
            }
        assert_true(found > 0);
        plan_for(LIST({"randaugment", "15, number: 2, fill: 8"}));
        twice += !is(augmented(i / ROWS, i % ROWS), one);
    }
    for (int which = 0; which < 14; which++) assert_true(seen[which] > 5);
    assert_true(twice > 300);
}

static void test_views(void **state)
{
    (void)state;
    uint8_t moved[SIZE], mirrored[SIZE];
    plan_for(LIST({"views", "flip_shift"}));
    double weights = 0;
    for (int64_t view = 0; view < 6; view++) {
        int64_t by = view / 2 == 0 ? 0 : view / 2 == 1 ? -1 : 1;
        view % 2 ? cj__mirror(extent, original(4), mirrored) : (void)memcpy(mirrored, original(4), SIZE);
        cj__move_reflected(extent, mirrored, moved, by, by);
        assert_memory_equal(augmented(view, 4), moved, SIZE);
        assert_memory_equal(augmented(view + 6, 4), moved, SIZE);
        weights += cj__view_weight(1, view);
    }
    assert_true(weights == 1 && cj__view_count(1) == 6 && cj__view_count(0) == 2);
}

/* --- chance -------------------------------------------------------------------------------------------- */

static void test_beta(void **state)
{
    (void)state;
    static const double alphas[] = {0.001, 0.2, 0.9, 1, 1.5, 8};
    enum { DRAWS = 20000 };
    for (int k = 0; k < 6; k++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < DRAWS; i++) {
            cj__dice dice = {.key = 5, .sample = (uint64_t)i, .low = (uint64_t)k << 40};
            double x = cj__dice_beta(&dice, alphas[k]);
            assert_true(x >= 0 && x <= 1);
            sum += x;
            squares += (x - 0.5) * (x - 0.5);
        }
        double variance = 0.25 / (2 * alphas[k] + 1);
        assert_true(fabs(sum / DRAWS - 0.5) < 0.015);
        assert_true(fabs(squares / DRAWS / variance - 1) < 0.05);
    }
}

/* --- loaders ------------------------------------------------------------------------------------------- */

static const cj_augmentation everything[] = {
    {"flip", "horizontal"},
    {"pad_crop", "3, mode: reflect"},
    {"resized_crop", "scale_min: 0.3"},
    {"rotation", "20"},
    {"shift", "0.1"},
    {"zoom", NULL},
    {"shear", NULL},
    {"colour_jitter", "brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1"},
    {"greyscale", "0.3"},
    {"randaugment", NULL},
    {"cutout", "4"},
    {"random_erasing", "with: noise"},
    {"mixup", NULL},
    {"cutmix", "probability: 0.7"},
    {0}};

/* Alone or on any number of threads, and after seeks into the middle of epochs. */
static void test_any_number_of_threads(void **state)
{
    (void)state;
    for (int64_t threads = 1; threads <= 7; threads += 3) {
        cj_loader *now, *early;
        cj_batch a, b;
        expect_ok(cj_loader_new(&now, pictures, .batch_size = 7, .shuffle = true, .seed = 9, .prefetch = -1,
                                .augment = everything));
        expect_ok(cj_loader_new(&early, pictures, .batch_size = 7, .shuffle = true, .seed = 9, .prefetch = 3,
                                .threads = threads, .augment = everything));
        for (int i = 0; i < 150; i++) {
            uint64_t dice = cj__bits(1, (uint64_t)threads, (uint64_t)i);
            if (dice % 9 == 0) {
                int64_t epoch = (int64_t)(dice >> 8 & 3), step = (int64_t)(dice >> 16 & 7);
                cj_loader_seek(now, epoch, step);
                cj_loader_seek(early, epoch, step);
            }
            bool more = cj_loader_next(now, &a);
            assert_int_equal(cj_loader_next(early, &b), more);
            if (more) cj_test_expect_same_batch(&a, &b);
        }
        cj_loader_free(now);
        cj_loader_free(early);
    }
}

/* A picture's augmentation is a matter of seed, epoch and row: not of the batch it is in, nor of a view. */
static void test_by_sample(void **state)
{
    (void)state;
    cj_dataset *view;
    cj_loader *shuffled, *plain, *other;
    cj_batch a, b, c;
    cj_augmentation list[13];
    memcpy(list, everything, sizeof list);
    list[12].type = NULL; /* nothing mixed */
    const int64_t rows[] = {44, 3, 20};
    expect_ok(cj_dataset_select(&view, pictures, rows, 3));
    expect_ok(
        cj_loader_new(&shuffled, pictures, .batch_size = ROWS, .shuffle = true, .seed = 2, .augment = list));
    expect_ok(cj_loader_new(&plain, view, .batch_size = 2, .seed = 2, .augment = list));
    expect_ok(cj_loader_new(&other, view, .batch_size = 2, .seed = 3, .augment = list));
    for (int epoch = 0; epoch < 2; epoch++) {
        assert_true(cj_loader_next(shuffled, &a));
        for (int i = 0; i < 3; i++) {
            const float *own;
            if (i % 2 == 0) assert_true(cj_loader_next(plain, &b) && cj_loader_next(other, &c));
            own = (const float *)b.x.data + i % 2 * SIZE;
            int found = 0;
            for (int r = 0; r < ROWS; r++)
                found += memcmp((float *)a.x.data + r * SIZE, own, SIZE * sizeof *own) == 0;
            assert_int_equal(found, 1);
            assert_memory_not_equal(own, (float *)c.x.data + i % 2 * SIZE, SIZE * sizeof *own);
        }
        assert_false(cj_loader_next(shuffled, &a));
        assert_false(cj_loader_next(plain, &b));
        assert_false(cj_loader_next(other, &c));
    }
    cj_loader_free(shuffled);
    cj_loader_free(plain);
    cj_loader_free(other);
    cj_dataset_free(view);
}

static cj_status load_everything(void *context)
{
    cj_dataset *d = NULL;
    cj_loader *l = NULL;
    cj_batch batch;
    cj_status status = new_pictures(&d, CHANNELS);
    if (status == CJ_OK)
        status = cj_loader_new(&l, d, .batch_size = 9, .seed = 1, .prefetch = context ? 2 : -1,
                               .augment = everything);
    while (status == CJ_OK && cj_loader_next(l, &batch)) {
    }
    cj_loader_free(l);
    cj_dataset_free(d);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    int threaded = 1;
    cj_test_every_allocation_fails(load_everything, NULL);
    cj_test_every_allocation_fails(load_everything, &threaded);
}

/* docs/recipes.md names every augmentation and each of its parameters. */
static void test_documented(void **state)
{
    (void)state;
    char *text = cj_test_read_file(CJ_TEST_SOURCE "/docs/recipes.md", NULL);
    for (int kind = 0; kind < CJ__AUGMENT_COUNT; kind++) {
        char wanted[64];
        const cj__augment_facts *facts = &cj__augment_table[kind];
        snprintf(wanted, sizeof wanted, "| `%s` |", facts->name);
        char *row = strstr(text, wanted);
        if (!row) fail_msg("docs/recipes.md has no row for %s", facts->name);
        char *end = strchr(row, '\n');
        for (int i = 0; facts->parameters[i].name; i++) {
            snprintf(wanted, sizeof wanted, "`%s`", facts->parameters[i].name);
            char *found = strstr(row, wanted);
            if (!found || found > end) fail_msg("the row for %s says nothing of %s", facts->name, wanted);
        }
    }
    free(text);
}

static int set_up(void **state)
{
    (void)state;
    expect_ok(new_pictures(&pictures, CHANNELS));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cj_dataset_free(pictures);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reading),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_scraps),
                                       cmocka_unit_test(test_rows_that_do_not_fit),
                                       cmocka_unit_test(test_flip),
                                       cmocka_unit_test(test_alternating_flip),
                                       cmocka_unit_test(test_pad_crop),
                                       cmocka_unit_test(test_resized_crop),
                                       cmocka_unit_test(test_blots),
                                       cmocka_unit_test(test_shift),
                                       cmocka_unit_test(test_warps_together),
                                       cmocka_unit_test(test_matrices),
                                       cmocka_unit_test(test_colour_jitter),
                                       cmocka_unit_test(test_randaugment),
                                       cmocka_unit_test(test_views),
                                       cmocka_unit_test(test_beta),
                                       cmocka_unit_test(test_any_number_of_threads),
                                       cmocka_unit_test(test_by_sample),
                                       cmocka_unit_test(test_documented)};
    const struct CMUnitTest failing[] = {cmocka_unit_test(test_allocations)};
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    return failed + cmocka_run_group_tests(failing, NULL, NULL);
}
