/* Pictures: written and read back, of every kind of PNG that the encoder makes; damaged and hostile ones
 * refused. */
#include "support.h"

#include "cajal/io.h"

#include <string.h>

static bool has_png(void)
{
#ifdef CJ_HAVE_SPNG
    return true;
#else
    return false;
#endif
}

static void fill(cj_image *image, int64_t height, int64_t width, int64_t channels, uint8_t *pixels)
{
    *image = (cj_image){height, width, channels, pixels};
    for (int64_t i = 0; i < height * width * channels; i++) pixels[i] = (uint8_t)(i * 37 + i / 7);
}

static void test_round_trip(void **state)
{
    (void)state;
    if (!has_png()) skip_because("built without libspng");
    static const int64_t sizes[][3] = {{1, 1, 1}, {1, 1, 3}, {28, 28, 1}, {17, 31, 3}};
    for (int i = 0; i < 4; i++) {
        uint8_t pixels[2000];
        cj_image made, found;
        fill(&made, sizes[i][0], sizes[i][1], sizes[i][2], pixels);
        const char *path = cj_test_path(cj_test_folder, "a.png");
        expect_ok(cj_image_write_png(path, &made));
        expect_ok(cj_image_read(&found, path));
        assert_int_equal(found.height, made.height);
        assert_int_equal(found.width, made.width);
        assert_int_equal(found.channels, made.channels);
        assert_memory_equal(found.pixels, pixels, (size_t)(made.height * made.width * made.channels));
        cj_image_free(&found);
    }
}

static void refuse(const void *data, size_t size, cj_status wanted, const char *sentence)
{
    cj_image image;
    expect_status(cj_image_read_memory(&image, data, size, "x.png"), wanted);
    expect_message("x.png");
    expect_message(sentence);
    assert_null(image.pixels);
}

static void test_damaged(void **state)
{
    (void)state;
    refuse("", 0, CJ_FORMAT_ERROR, "not a picture");
    refuse("GIF89a", 6, CJ_FORMAT_ERROR, "not a picture");
    refuse("P5 2 2 255\nabc", 14, CJ_FORMAT_ERROR, "found 3 bytes of pixels, expected 4");
    refuse("P5 2 -2 255\nabcd", 16, CJ_FORMAT_ERROR, "found width 2, height none");
    refuse("P5 2 2 65536\nabcdefgh", 21, CJ_FORMAT_ERROR, "the maximum from 1 to 65535");
    refuse("P5 2 2 256\nabcdefg", 18, CJ_FORMAT_ERROR, "found 7 bytes of pixels, expected 8");
    refuse("P6 99999 99999 255\n", 19, CJ_UNSUPPORTED, "a picture of 99999 by 99999");
    refuse("P5 99999999 123456789012 255\n", 29, CJ_UNSUPPORTED, "a picture of 99999999 by 123456789012;");
    refuse("P5 9223372036854775810 1 255\n", 29, CJ_UNSUPPORTED, "a picture of 9223372036854775807 by 1;");
    refuse("P5 1 99999999999999999999999 255\n", 33, CJ_UNSUPPORTED,
           "a picture of 1 by 9223372036854775807;");
    if (!has_png()) skip_because("built without libspng");
    uint8_t pixels[300];
    cj_image made;
    size_t size;
    fill(&made, 10, 10, 3, pixels);
    expect_ok(cj_image_write_png(cj_test_path(cj_test_folder, "b.png"), &made));
    char *data = cj_test_read_file(cj_test_path(cj_test_folder, "b.png"), &size);
    for (size_t cut = 8; cut < size; cut += 5) {
        cj_image image;
        if (cj_image_read_memory(&image, data, cut, "x.png") == CJ_OK) { /* all pixels were there */
            assert_true(cut + 16 > size);
            cj_image_free(&image);
        }
    }
    /* A header that promises 2^31-1 by 2^31-1 pixels. */
    const unsigned char bomb[] =
        "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\0\0\0\0\0\0\0\0";
    refuse(bomb, sizeof bomb, CJ_UNSUPPORTED, "2147483647 by 2147483647");
    free(data);
}

static void test_pnm(void **state)
{
    (void)state;
    cj_image image;
    const char text[] = "P6 # colours\n2 1\n100\n\0\62\144\144\0\62";
    expect_ok(cj_image_read_memory(&image, text, sizeof text - 1, "x.ppm"));
    const uint8_t wanted[] = {0, 127, 255, 255, 0, 127};
    assert_int_equal(image.width, 2);
    assert_memory_equal(image.pixels, wanted, 6);
    cj_image_free(&image);
    expect_ok(
        cj_image_read_memory(&image, "P5 3 1 1000\n\1\364\0\0\377\377", 18, "x.pgm")); /* 500, 0, too much */
    assert_memory_equal(image.pixels, ((uint8_t[]){127, 0, 255}), 3);
    cj_image_free(&image);
}

static cj_status scenario(void *context)
{
    cj_image *made = context, found, small;
    char path[4096];
    snprintf(path, sizeof path, "%s/c.png", cj_test_folder);
    cj_status status = cj_image_write_png(path, made);
    if (status != CJ_OK) return status;
    status = cj_image_read(&found, path);
    if (status != CJ_OK) return status;
    status = cj_image_fit(&small, &found,
                          &(cj_image_fit_options){
                              .size = sizeof(cj_image_fit_options), .height = 3, .width = 3, .channels = 1});
    cj_image_free(&found);
    if (status == CJ_OK) cj_image_free(&small);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    if (!has_png()) skip_because("built without libspng");
    uint8_t pixels[300];
    cj_image made;
    fill(&made, 10, 10, 3, pixels);
    expect_ok(scenario(&made));
    cj_test_allocator_install();
    cj_test_every_allocation_fails(scenario, &made);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_pnm),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests_name("image", tests, cj_test_make_folder, cj_test_drop_folder);
}
