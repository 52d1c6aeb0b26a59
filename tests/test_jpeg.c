/* JPEG: every kind decoded as Pillow does, at a part of its size where that is enough; cut short, damaged and
 * hostile files refused by a sentence. tests/fixtures/make_images.py makes the files. */
#include "support.h"

#include "base/random.h"
#include "cajal/image.h"

#include <string.h>

static const char *fixture(const char *name)
{
    static char paths[4][4096];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, 4096, CJ_TEST_FIXTURE("images/%s"), name);
    return path;
}

/* The library rounds as Pillow's does; a bit is left for other versions of it. */
static void expect_near(const cj_image *found, const char *name, int most)
{
    cj_image wanted;
    expect_ok(cj_image_read(&wanted, fixture(name)));
    assert_int_equal(found->height, wanted.height);
    assert_int_equal(found->width, wanted.width);
    assert_int_equal(found->channels, wanted.channels);
    for (int64_t i = 0; i < wanted.height * wanted.width * wanted.channels; i++)
        if (abs(found->pixels[i] - wanted.pixels[i]) > most)
            fail_msg("%s: byte %lld is %d, wanted %d", name, (long long)i, found->pixels[i],
                     wanted.pixels[i]);
    cj_image_free(&wanted);
}

static void test_as_pillow(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"colour.jpg", "colour.ppm"}, {"full.jpg", "full.ppm"}, {"progressive.jpg", "progressive.ppm"},
        {"grey.jpg", "grey.pgm"},     {"cmyk.jpg", "cmyk.ppm"}, {"turned.jpg", "turned.ppm"}};
    for (int i = 0; i < 6; i++) {
        cj_image image;
        expect_ok(cj_image_read(&image, fixture(names[i][0])));
        expect_near(&image, names[i][1], 1);
        cj_image_free(&image);
    }
}

static cj_image_fit_options fit_of(int64_t height, int64_t width, int64_t channels, double crop)
{
    return (cj_image_fit_options){sizeof(cj_image_fit_options), height, width, channels, crop};
}

/* Bytes that this thread's decoding asked the library's own allocator for. */
static uint64_t peak_of_fit(const char *name, const cj_image_fit_options *fit, cj_image *image)
{
    uint64_t before = cj_memory().live_bytes;
    cj_memory_reset_peak();
    expect_ok(cj_image_read_fit(image, fixture(name), fit));
    return cj_memory().peak_bytes - before;
}

static void test_reduced(void **state)
{
    (void)state;
    cj_image image;
    cj_image_fit_options fit = fit_of(35, 47, 3, 0), large = fit_of(151, 203, 3, 0),
                         cut = fit_of(16, 16, 1, 0.8);
    uint64_t small_peak = peak_of_fit("large.jpg", &fit, &image);
    expect_near(&image, "reduced.ppm", 2);
    cj_image_free(&image);
    uint64_t large_peak = peak_of_fit("large.jpg", &large, &image);
    cj_image_free(&image);
    assert_true(large_peak > 2 * 151 * 203 * 3 && small_peak < 151 * 203); /* a sixteenth of the pixels */
    /* The shorter side becomes 20, for which an eighth of 151 is too little: decoded at a quarter. The mean
     * of what the whole gives differs little. */
    cj_image whole, wanted;
    expect_ok(cj_image_read_fit(&image, fixture("large.jpg"), &cut));
    expect_ok(cj_image_read(&whole, fixture("large.jpg")));
    expect_ok(cj_image_fit(&wanted, &whole, &cut));
    int64_t sum = 0;
    for (int i = 0; i < 256; i++) sum += abs(image.pixels[i] - wanted.pixels[i]);
    assert_true(sum < 256 * 6);
    cj_image_free(&image);
    cj_image_free(&whole);
    cj_image_free(&wanted);
}

/* Without the library a clear refusal; with it no test here may be left out. */
static char *read_fixture(const char *name, size_t *size)
{
    return cj_test_read_file(fixture(name), size);
}

static void refuse(const void *data, size_t size, cj_status wanted, const char *sentence)
{
    cj_image image;
    expect_status(cj_image_read_memory(&image, data, size, "x.jpg"), wanted);
    expect_message("x.jpg");
    expect_message(sentence);
    assert_null(image.pixels);
}

static void test_cut_short(void **state)
{
    (void)state;
    static const char *const names[] = {"colour.jpg", "progressive.jpg", "cmyk.jpg", "grey.jpg"};
    for (int i = 0; i < 4; i++) {
        size_t size;
        char *data = read_fixture(names[i], &size);
        for (size_t cut = 3; cut + 8 < size; cut += 7)
            refuse(data, cut, CJ_FORMAT_ERROR, "not a whole JPEG picture");
        refuse(data, size / 2, CJ_FORMAT_ERROR, "Premature end");
        free(data);
    }
}

/* The place of the frame's header: height and width stand 5 bytes on. */
static char *frame_of(char *data, size_t size)
{
    for (size_t i = 2; i + 9 < size; i += 2 + (size_t)((uint8_t)data[i + 2] << 8 | (uint8_t)data[i + 3]))
        if ((uint8_t)data[i + 1] >= 0xc0 && (uint8_t)data[i + 1] <= 0xc2) return data + i;
    fail_msg("no frame");
    return NULL;
}

static void test_hostile(void **state)
{
    (void)state;
    size_t size;
    char *data = read_fixture("progressive.jpg", &size), *frame = frame_of(data, size);
    uint64_t before = cj_memory().live_bytes;
    cj_memory_reset_peak();
    memcpy(frame + 5, "\xff\xdc\xff\xdc", 4); /* 65500 by 65500 */
    refuse(data, size, CJ_UNSUPPORTED,
           "a picture of 65500 by 65500; up to 32768 a side and 2^27 in all are read");
    memcpy(frame + 5, "\x27\x10\x27\x10", 4); /* 10000 by 10000: within the limits, but not in so few bytes */
    refuse(data, size, CJ_FORMAT_ERROR, "bytes, which cannot hold a JPEG picture of 10000 by 10000");
    memcpy(frame + 5, "\0\0\0\x25", 4);
    refuse(data, size, CJ_FORMAT_ERROR, "not a whole JPEG picture");
    assert_true(cj_memory().peak_bytes - before < 4096);
    free(data);
    refuse("\xff\xd8\xff", 3, CJ_FORMAT_ERROR, "not a whole JPEG picture");
}

/* A grey progressive picture of 512 by 512, every coefficient zero: one scan of DC, and then `scans` of AC in
 * which one symbol stands for all 4096 blocks. */
static size_t many_scans(uint8_t *out, int scans)
{
    static const uint8_t head[] = "\xff\xc2\0\x0b\x08\x02\0\x02\0\x01\x01\x11\0"
                                  "\xff\xc4\0\x14\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                  "\xff\xc4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xc0"
                                  "\xff\xda\0\x08\x01\x01\0\0\0\0";
    static const uint8_t scan[] = "\xff\xda\0\x08\x01\x01\0\x01\x3f\0\0\x07";
    uint8_t *at = out;
    memcpy(at, "\xff\xd8\xff\xdb\0\x43\0", 7);
    memset(at + 7, 1, 64);
    memcpy(at += 71, head, sizeof head - 1);
    memset(at += sizeof head - 1, 0, 512);
    at += 512;
    for (int i = 0; i < scans; i++, at += sizeof scan - 1) memcpy(at, scan, sizeof scan - 1);
    memcpy(at, "\xff\xd9", 2);
    return (size_t)(at + 2 - out);
}

/* The library goes through the whole picture for each scan: little data, hours of work. */
static void test_many_scans(void **state)
{
    (void)state;
    uint8_t *data = malloc(200000);
    cj_image image;
    expect_ok(cj_image_read_memory(&image, data, many_scans(data, 8000), "x.jpg"));
    assert_int_equal(image.width, 512);
    assert_int_equal(image.pixels[1000], 128);
    cj_image_free(&image);
    refuse(data, many_scans(data, 8300), CJ_UNSUPPORTED,
           "a JPEG picture of over 8192 scans, which make more than 2^31 pixels");
    free(data);
}

/* Single bytes changed: a picture or a sentence, never more. What is read stays within its size. */
static void test_damaged(void **state)
{
    (void)state;
    size_t size;
    int read = 0, refused = 0;
    char *data = read_fixture("colour.jpg", &size);
    for (uint64_t i = 0; i < 3000; i++) {
        cj_image image;
        size_t at = cj__bits(3, i, 0) % size;
        char old = data[at];
        data[at] = (char)cj__bits(3, i, 1);
        cj_status status = cj_image_read_memory(&image, data, size, "x.jpg");
        assert_true(status == CJ_OK || status == CJ_FORMAT_ERROR || status == CJ_UNSUPPORTED);
        status == CJ_OK ? read++ : refused++;
        cj_image_free(&image);
        data[at] = old;
    }
    assert_true(read > 100 && refused > 100);
    free(data);
}

static cj_status scenario(void *context)
{
    cj_image image;
    cj_image_fit_options fit = fit_of(9, 7, 1, 0);
    cj_status status = cj_image_read_fit(&image, fixture(context), &fit);
    cj_image_free(&image);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_test_every_allocation_fails(scenario, "colour.jpg");
    cj_test_every_allocation_fails(scenario, "cmyk.jpg");
    cj_test_allocator_remove();
}

static void test_left_out(void **state)
{
    (void)state;
    cj_image image;
    expect_status(cj_image_read(&image, fixture("colour.jpg")), CJ_UNSUPPORTED);
    expect_message("install libjpeg62-turbo-dev");
    skip_because("built without libjpeg-turbo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_pillow),  cmocka_unit_test(test_reduced),
                                       cmocka_unit_test(test_cut_short),  cmocka_unit_test(test_hostile),
                                       cmocka_unit_test(test_many_scans), cmocka_unit_test(test_damaged),
                                       cmocka_unit_test(test_allocations)};
    const struct CMUnitTest without[] = {cmocka_unit_test(test_left_out)};
#ifdef CJ_HAVE_JPEG
    (void)without;
    return cmocka_run_group_tests(tests, NULL, NULL);
#else
    (void)tests;
    return cmocka_run_group_tests(without, NULL, NULL);
#endif
}
