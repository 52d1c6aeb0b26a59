/* Pictures in other sizes: equal to Pillow's and torchvision's within 1 of 255; windows equal to cuts; what
 * cannot be made refused. tests/fixtures/make_images.py makes what is compared with. */
#include "support.h"

#include "base/random.h"
#include "cajal/image.h"
#include "cajal/program.h"
#include "image/image.h"

#include <string.h>

static cj_image fixture(const char *name)
{
    char path[4096];
    cj_image image;
    snprintf(path, sizeof path, CJ_TEST_FIXTURE("images/%s"), name);
    expect_ok(cj_image_read(&image, path));
    return image;
}

/* Frees both. */
static void expect_near(cj_image found, cj_image wanted, int most)
{
    assert_int_equal(found.height, wanted.height);
    assert_int_equal(found.width, wanted.width);
    assert_int_equal(found.channels, wanted.channels);
    for (int64_t i = 0; i < wanted.height * wanted.width * wanted.channels; i++)
        if (abs(found.pixels[i] - wanted.pixels[i]) > most)
            fail_msg("byte %lld is %d, wanted %d", (long long)i, found.pixels[i], wanted.pixels[i]);
    cj_image_free(&found);
    cj_image_free(&wanted);
}

static void check_resize(const char *source, const char *name, cj_resampling resampling)
{
    cj_image from = fixture(source), wanted = fixture(name), to;
    expect_ok(cj_image_resize(&to, &from, wanted.height, wanted.width, resampling));
    expect_near(to, wanted, resampling == CJ_RESAMPLE_NEAREST ? 0 : 1);
    cj_image_free(&from);
}

static void test_as_pillow(void **state)
{
    (void)state;
    static const char *const names[] = {"13x9", "71x80", "1x1", "5x90", "29x18", "58x37"};
    for (int i = 0; i < 6; i++) {
        char name[64];
        snprintf(name, sizeof name, "bilinear-%s.ppm", names[i]);
        check_resize("source.ppm", name, CJ_RESAMPLE_BILINEAR);
    }
    check_resize("grey-source.pgm", "grey-17x11.pgm", CJ_RESAMPLE_BILINEAR);
    check_resize("source.ppm", "nearest-13x9.ppm", CJ_RESAMPLE_NEAREST);
    check_resize("source.ppm", "nearest-40x50.ppm", CJ_RESAMPLE_NEAREST);
}

static cj_image_fit_options fit_of(int64_t height, int64_t width, int64_t channels, double crop)
{
    return (cj_image_fit_options){sizeof(cj_image_fit_options), height, width, channels, crop};
}

/* As one fit, and step by step. */
static void test_as_torchvision(void **state)
{
    (void)state;
    static const struct {
        const char *source, *wanted;
        int64_t shorter, height, width;
    } cases[] = {{"source.ppm", "evaluated-14x14.ppm", 16, 14, 14},
                 {"tall.ppm", "evaluated-18x15.ppm", 21, 18, 15}};
    for (int i = 0; i < 2; i++) {
        cj_image from = fixture(cases[i].source), resized, to;
        cj_image_fit_options fit =
            fit_of(cases[i].height, cases[i].width, 3, (double)cases[i].width / (double)cases[i].shorter);
        expect_ok(cj_image_resize_shorter(&resized, &from, cases[i].shorter, CJ_RESAMPLE_BILINEAR));
        expect_ok(cj_image_centre_crop(&to, &resized, cases[i].height, cases[i].width));
        expect_near(to, fixture(cases[i].wanted), 1);
        expect_ok(cj_image_fit(&to, &from, &fit));
        expect_near(to, fixture(cases[i].wanted), 1);
        cj_image_free(&resized);
        cj_image_free(&from);
    }
}

static void test_colours(void **state)
{
    (void)state;
    cj_image colour = fixture("source.ppm"), grey;
    expect_ok(cj_image_recolour(&grey, &colour, 1));
    expect_near(grey, fixture("grey-source.pgm"), 0);
    cj_image from = fixture("grey-source.pgm"), to;
    cj_image_fit_options fit = fit_of(29, 37, 3, 0);
    expect_ok(cj_image_fit(&to, &from, &fit));
    for (int64_t i = 0; i < 29 * 37 * 3; i++) assert_int_equal(to.pixels[i], from.pixels[i / 3]);
    cj_image_free(&to);
    cj_image_free(&from);
    cj_image_free(&colour);
}

/* Each instruction set gives the same bytes. */
static void test_instruction_sets(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{1, 1}, {7, 300}, {40, 3}, {29, 37}};
    for (int grey = 0; grey < 2; grey++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            cj_image from = fixture(grey ? "grey-source.pgm" : "source.ppm"), wanted, to;
            setenv("CAJAL_ISA", "scalar", 1);
            expect_ok(cj_image_resize(&wanted, &from, sizes[s][0], sizes[s][1], CJ_RESAMPLE_BILINEAR));
            for (int i = 0; cj_instruction_set_at(i); i++) {
                setenv("CAJAL_ISA", cj_instruction_set_at(i), 1);
                expect_ok(cj_image_resize(&to, &from, sizes[s][0], sizes[s][1], CJ_RESAMPLE_BILINEAR));
                assert_memory_equal(to.pixels, wanted.pixels, (size_t)(to.height * to.width * to.channels));
                cj_image_free(&to);
            }
            unsetenv("CAJAL_ISA");
            cj_image_free(&wanted);
            cj_image_free(&from);
        }
}

/* A window of a resized part is a cut of that part resized, bit for bit. */
static void test_windows(void **state)
{
    (void)state;
    cj_image from = fixture("source.ppm");
    for (uint64_t i = 0; i < 60; i++) {
        int64_t top = (int64_t)(cj__bits(1, i, 0) % 9), left = (int64_t)(cj__bits(1, i, 1) % 9);
        int64_t height = 1 + (int64_t)(cj__bits(1, i, 2) % 60), width = 1 + (int64_t)(cj__bits(1, i, 3) % 60);
        int64_t y = (int64_t)(cj__bits(1, i, 4) % (uint64_t)height),
                x = (int64_t)(cj__bits(1, i, 5) % (uint64_t)width);
        cj_image part, whole, wanted, found;
        expect_ok(cj_image_crop(&part, &from, top, left, 20, 28));
        expect_ok(cj_image_resize(&whole, &part, height, width, CJ_RESAMPLE_BILINEAR));
        expect_ok(cj_image_crop(&wanted, &whole, y, x, height - y, width - x));
        expect_ok(cj_image_crop(&found, &whole, y, x, height - y, width - x));
        memset(found.pixels, 7, (size_t)(found.height * found.width * 3));
        cj__pixels pixels = {from.pixels + (top * from.width + left) * 3, 20, 28, 3, from.width * 3};
        expect_ok(cj__resize_window(&pixels, height, width, y, x, height - y, width - x, found.pixels));
        expect_near(found, wanted, 0);
        cj_image_free(&part);
        cj_image_free(&whole);
    }
    cj_image_free(&from);
}

/* Every size of a white picture is white, and black stays black: weights sum to one. */
static void test_flat(void **state)
{
    (void)state;
    static uint8_t pixels[2][40 * 50];
    memset(pixels[1], 255, sizeof pixels[1]);
    for (int shade = 0; shade < 2; shade++)
        for (int64_t side = 1; side < 120; side += 7) {
            cj_image from = {40, 50, 1, pixels[shade]}, to;
            expect_ok(cj_image_resize(&to, &from, side, 121 - side, CJ_RESAMPLE_BILINEAR));
            for (int64_t i = 0; i < side * (121 - side); i++) assert_int_equal(to.pixels[i], 255 * shade);
            cj_image_free(&to);
        }
}

static void test_refused(void **state)
{
    (void)state;
    static uint8_t pixels[12];
    cj_image from = {2, 2, 3, pixels}, to;
    expect_status(cj_image_resize(&to, &from, 0, 5, CJ_RESAMPLE_BILINEAR), CJ_INVALID_ARGUMENT);
    expect_status(cj_image_resize(&to, &from, 5, INT64_MAX, CJ_RESAMPLE_BILINEAR), CJ_UNSUPPORTED);
    expect_status(cj_image_resize(&to, &from, 30000, 30000, CJ_RESAMPLE_NEAREST), CJ_UNSUPPORTED);
    expect_status(cj_image_resize_shorter(&to, &from, INT64_MAX, CJ_RESAMPLE_BILINEAR), CJ_INVALID_ARGUMENT);
    expect_status(cj_image_recolour(&to, &from, 4), CJ_INVALID_ARGUMENT);
    expect_status(cj_image_crop(&to, &from, 0, 0, 3, 1), CJ_INVALID_ARGUMENT);
    expect_status(cj_image_crop(&to, &from, 0, INT64_MAX, 1, 1), CJ_INVALID_ARGUMENT);
    expect_status(cj_image_crop(&to, &from, 0, 0, INT64_MIN, 1), CJ_INVALID_ARGUMENT);
    expect_status(cj_image_centre_crop(&to, &from, 3, 2), CJ_INVALID_ARGUMENT);
    static const double crops[] = {-1, 1.01, 0.001};
    for (int i = 0; i < 3; i++) {
        cj_image_fit_options fit = fit_of(4, 4, 3, crops[i]);
        expect_status(cj_image_fit(&to, &from, &fit), CJ_INVALID_ARGUMENT);
        expect_message("a crop is 0, or a share from 0.01 to 1");
    }
    assert_null(to.pixels);
}

static cj_status scenario(void *context)
{
    cj_image to;
    cj_image_fit_options fit = fit_of(9, 5, 1, 0.8);
    cj_status status = cj_image_fit(&to, context, &fit);
    if (status == CJ_OK) cj_image_free(&to);
    if (status == CJ_OK) status = cj_image_resize_shorter(&to, context, 5, CJ_RESAMPLE_NEAREST);
    if (status == CJ_OK) cj_image_free(&to);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    static uint8_t pixels[30 * 20 * 3];
    cj_image from = {30, 20, 3, pixels};
    cj_test_allocator_install();
    cj_test_every_allocation_fails(scenario, &from);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_pillow), cmocka_unit_test(test_as_torchvision),
        cmocka_unit_test(test_colours),   cmocka_unit_test(test_instruction_sets),
        cmocka_unit_test(test_windows),   cmocka_unit_test(test_flat),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_allocations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
