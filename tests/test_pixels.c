/* Pictures changed by fixed amounts, against what torchvision makes of the same picture
 * (fixtures/augment.py), to one step of 255; and small cases by hand. */
#include "support.h"

#include "cajal/io.h"
#include "cajal/program.h"
#include "data/augment.h"

#include <math.h>

static cj_tensor_file *fixtures;
static cj__extent extent;
static uint8_t *made;
static const uint8_t *picture;

static const uint8_t *fixture(const char *name, cj__extent *e)
{
    cj_tensor tensor;
    int64_t index = cj_tensor_file_find(fixtures, name);
    if (index < 0) fail_msg("there is no fixture %s", name);
    expect_ok(cj_tensor_file_tensor(fixtures, index, &tensor));
    *e = (cj__extent){tensor.shape.dims[0], tensor.shape.dims[1], tensor.shape.dims[2]};
    return tensor.data;
}

static int set_up(void **state)
{
    (void)state;
    expect_ok(cj_tensor_file_open(&fixtures, CJ_TEST_FIXTURE("augment.npz")));
    picture = fixture("picture", &extent);
    made = malloc(cj__extent_bytes(extent));
    return made ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(made);
    cj_tensor_file_close(fixtures);
    return 0;
}

/* `most`: how far a byte may be off. What was made is forgotten, so that nothing passes by being left over.
 */
static void expect_like(const char *name, int most)
{
    cj__extent e;
    const uint8_t *wanted = fixture(name, &e);
    for (size_t i = 0; i < cj__extent_bytes(e); i++)
        if (abs(made[i] - wanted[i]) > most)
            fail_msg("%s: byte %zu (row %zu, pixel %zu) is %d, expected %d", name, i,
                     i / (size_t)(e.width * e.channels), i / (size_t)e.channels % (size_t)e.width, made[i],
                     wanted[i]);
    for (size_t i = 0; i < cj__extent_bytes(e); i++) made[i] = (uint8_t)(wanted[i] + 128);
}

static void test_moves(void **state)
{
    (void)state;
    cj__mirror(extent, picture, made);
    expect_like("mirror", 0);
    cj__upside_down(extent, picture, made);
    expect_like("upside_down", 0);
    cj__move(extent, picture, made, 3, -2, 77);
    expect_like("move_3_-2", 0);
    cj__move_reflected(extent, picture, made, -4, 5);
    expect_like("move_reflected_-4_5", 0);
    cj__blot(extent, picture, made, (cj__area){2, 5, 7, 9}, 9);
    expect_like("erase_2_5_7_9", 0);
}

/* Out of the picture altogether, with two channels and with one. */
static void test_moves_far(void **state)
{
    (void)state;
    const uint8_t in[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    uint8_t out[12];
    for (int64_t by = -7; by <= 7; by++) {
        cj__move((cj__extent){2, 3, 2}, in, out, 0, by, 50);
        for (int64_t i = 0; i < 12; i++) {
            int64_t x = i % 6 / 2 - by;
            assert_int_equal(out[i], x < 0 || x > 2 ? 50 : in[i / 6 * 6 + x * 2 + i % 2]);
        }
        cj__move((cj__extent){4, 3, 1}, in, out, by, 0, 60);
        for (int64_t i = 0; i < 12; i++) {
            int64_t y = i / 3 - by;
            assert_int_equal(out[i], y < 0 || y > 3 ? 60 : in[y * 3 + i % 3]);
        }
    }
    cj__mirror((cj__extent){2, 3, 2}, in, out);
    assert_memory_equal(out, ((uint8_t[]){5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8}), 12);
    cj__mirror((cj__extent){1, 4, 3}, in, out);
    assert_memory_equal(out, ((uint8_t[]){10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3}), 12);
}

/* --- warps --------------------------------------------------------------------------------------------- */

static double radians(double degrees)
{
    return degrees * acos(-1) / 180;
}

static void turn(double degrees, double scale, double right, double down, uint8_t fill, const char *name)
{
    double c = cos(radians(degrees)) / scale, s = sin(radians(degrees)) / scale;
    cj__warp(extent, picture, made, (double[]){c, s, -c * right - s * down, -s, c, s * right - c * down},
             fill);
    expect_like(name, 1);
}

static void test_warps(void **state)
{
    (void)state;
    turn(25, 1, 0, 0, 0, "rotation_25");
    turn(-110, 1, 0, 0, 130, "rotation_-110_fill");
    turn(0, 1.3, 0, 0, 0, "zoom_1.3");
    turn(0, 0.6, 0, 0, 200, "zoom_0.6_fill");
    turn(12, 0.8, 3, -2, 0, "affine");
    cj__warp(extent, picture, made, (double[]){1, tan(radians(20)), 0, 0, 1, 0}, 0);
    expect_like("shear_20", 1);
    cj__warp(extent, picture, made, (double[]){1, 0, 0, tan(radians(15)), 1, 0}, 0);
    expect_like("shear_vertical_15", 1);
    cj__stretch(extent, picture, made, (cj__area){3, 4, 9, 6});
    expect_like("stretch_3_4_9_6", 1);
    cj__stretch(extent, picture, made, (cj__area){0, 0, 1, 1});
    expect_like("stretch_0_0_1_1", 0);
}

/* The identity gives the very bytes; half a pixel aside each is the mean of two; and matrices far beyond
 * reason give fill, not reads out of bounds. */
static void test_warps_exactly(void **state)
{
    (void)state;
    const uint8_t in[] = {10, 20, 40, 80};
    uint8_t out[4];
    cj__warp(extent, picture, made, (double[]){1, 0, 0, 0, 1, 0}, 0);
    assert_memory_equal(made, picture, cj__extent_bytes(extent));
    cj__stretch(extent, picture, made, (cj__area){0, 0, extent.height, extent.width});
    assert_memory_equal(made, picture, cj__extent_bytes(extent));
    cj__warp((cj__extent){1, 4, 1}, in, out, (double[]){1, 0, 0.5, 0, 1, 0}, 100);
    assert_memory_equal(out, ((uint8_t[]){15, 30, 60, 90}), 4);
    cj__warp((cj__extent){2, 2, 1}, in, out, (double[]){1e300, -1e300, 1e300, -1e300, 1e300, 1e300}, 7);
    assert_memory_equal(out, ((uint8_t[]){7, 7, 7, 7}), 4);
    cj__warp((cj__extent){2, 2, 1}, in, out, (double[]){0, 0, 0, 0, 0, 0}, 7);
    assert_memory_equal(out, ((uint8_t[]){38, 38, 38, 38}), 4);
}

/* A picture with any number of channels is warped as each of them alone. */
static void test_channels(void **state)
{
    (void)state;
    const double m[6] = {0.9, 0.3, 0.4, -0.2, 1.1, -0.7};
    enum { SIDE = 9 };
    for (int64_t n = 1; n <= 5; n++) {
        uint8_t whole[SIDE * SIDE * 5], warped[SIDE * SIDE * 5], one[SIDE * SIDE], other[SIDE * SIDE];
        for (int64_t i = 0; i < SIDE * SIDE * n; i++) whole[i] = (uint8_t)(i * 37 % 251);
        for (int way = 0; way < 2; way++)
            for (int64_t c = 0; c < n; c++) {
                cj__extent all = {SIDE, SIDE, n}, single = {SIDE, SIDE, 1};
                cj__area area = {1, 2, 5, 6};
                for (int64_t i = 0; i < SIDE * SIDE; i++) one[i] = whole[i * n + c];
                way ? cj__warp(all, whole, warped, m, 9) : cj__stretch(all, whole, warped, area);
                way ? cj__warp(single, one, other, m, 9) : cj__stretch(single, one, other, area);
                for (int64_t i = 0; i < SIDE * SIDE; i++) assert_int_equal(warped[i * n + c], other[i]);
            }
    }
}

/* Wider than what is made at a time; five channels go pixel by pixel, fewer by functions of each instruction
 * set: all give the same bytes. */
static void check_strips(cj__area area, const uint8_t *five, uint8_t *stretched)
{
    enum { WIDTH = 600, HEIGHT = 3, BYTES = WIDTH * HEIGHT };
    static uint8_t some[BYTES * 4], other[BYTES * 4];
    cj__stretch((cj__extent){HEIGHT, WIDTH, 5}, five, stretched, area);
    for (int64_t n = 1; n <= 4; n++) {
        for (int64_t i = 0; i < BYTES * n; i++) some[i] = five[i / n * 5 + i % n];
        cj__stretch((cj__extent){HEIGHT, WIDTH, n}, some, other, area);
        for (int64_t i = 0; i < BYTES * n; i++) assert_int_equal(other[i], stretched[i / n * 5 + i % n]);
    }
}

static void test_strips(void **state)
{
    (void)state;
    static uint8_t five[600 * 3 * 5], stretched[600 * 3 * 5];
    static const cj__area areas[] = {
        {0, 0, 3, 600}, {0, 1, 2, 599}, {1, 300, 2, 300}, {2, 599, 1, 1}, {0, 77, 3, 257}};
    for (size_t i = 0; i < sizeof five; i++) five[i] = (uint8_t)(i * i % 251);
    for (int i = 0; cj_instruction_set_at(i); i++) {
        setenv("CAJAL_ISA", cj_instruction_set_at(i), 1);
        for (size_t a = 0; a < sizeof areas / sizeof *areas; a++) check_strips(areas[a], five, stretched);
    }
    unsetenv("CAJAL_ISA");
}

/* --- colours ------------------------------------------------------------------------------------------- */

static void factors(void (*change)(cj__extent, const uint8_t *, uint8_t *, double), const char *name)
{
    static const char *const values[] = {"0.0", "0.6", "1.7"};
    for (int i = 0; i < 3; i++) {
        char full[64];
        snprintf(full, sizeof full, "%s_%s", name, values[i]);
        change(extent, picture, made, strtod(values[i], NULL));
        expect_like(full, 1);
    }
}

static void test_colours(void **state)
{
    (void)state;
    factors(cj__brightness, "brightness");
    factors(cj__contrast, "contrast");
    factors(cj__saturation, "saturation");
    factors(cj__sharpness, "sharpness");
    static const char *const turns[] = {"-0.45", "-0.1", "0.0", "0.27", "0.5"};
    for (int i = 0; i < 5; i++) {
        char name[32];
        snprintf(name, sizeof name, "hue_%s", turns[i]);
        cj__hue(extent, picture, made, strtod(turns[i], NULL));
        expect_like(name, 1);
    }
    cj__greyscale(extent, picture, made);
    expect_like("greyscale", 0);
    cj__posterize(extent, picture, made, 3);
    expect_like("posterize_3", 0);
    cj__solarize(extent, picture, made, 120.5);
    expect_like("solarize_120.5", 0);
    cj__autocontrast(extent, picture, made);
    expect_like("autocontrast", 1);
    cj__equalize(extent, picture, made);
    expect_like("equalize", 0);
}

/* Every colour keeps its bytes when nothing is turned, and grey has no hue or saturation to change. */
static void test_colours_kept(void **state)
{
    (void)state;
    uint8_t in[3 * 512], out[3 * 512], grey[256], kept[256];
    cj__extent e = {1, 512, 3};
    for (int i = 0; i < 512; i++) {
        in[3 * i] = (uint8_t)(i % 8 * 36);
        in[3 * i + 1] = (uint8_t)(i / 8 % 8 * 36);
        in[3 * i + 2] = (uint8_t)(i / 64 * 36);
    }
    cj__hue(e, in, out, 0);
    for (int i = 0; i < 3 * 512; i++) assert_in_range(out[i] - in[i] + 1, 0, 2);
    cj__saturation(e, in, out, 1);
    assert_memory_equal(in, out, sizeof in);
    cj__brightness(e, in, out, 1);
    assert_memory_equal(in, out, sizeof in);
    for (int i = 0; i < 256; i++) grey[i] = (uint8_t)i;
    cj__hue((cj__extent){16, 16, 1}, grey, kept, 0.3);
    assert_memory_equal(grey, kept, 256);
    cj__saturation((cj__extent){16, 16, 1}, grey, kept, 0);
    assert_memory_equal(grey, kept, 256);
    cj__extent ge;
    const uint8_t *one = fixture("grey", &ge);
    cj__contrast(ge, one, made, 1.7);
    expect_like("grey_contrast_1.7", 1);
}

/* --- RandAugment --------------------------------------------------------------------------------------- */

static void test_randaugment(void **state)
{
    (void)state;
    int seen = 0;
    for (int which = 1; which < 14; which++)
        for (int opposite = 0; opposite < 2; opposite++) {
            char name[32];
            snprintf(name, sizeof name, "randaugment_%d_%d", which, opposite ? -1 : 1);
            if (cj_tensor_file_find(fixtures, name) < 0) continue;
            cj__randaugment_change(which, 13, opposite, extent, picture, made, 0);
            expect_like(name, 1);
            seen++;
        }
    assert_int_equal(seen, 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),      cmocka_unit_test(test_moves_far),
        cmocka_unit_test(test_warps),      cmocka_unit_test(test_warps_exactly),
        cmocka_unit_test(test_channels),   cmocka_unit_test(test_strips),
        cmocka_unit_test(test_colours),    cmocka_unit_test(test_colours_kept),
        cmocka_unit_test(test_randaugment)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
