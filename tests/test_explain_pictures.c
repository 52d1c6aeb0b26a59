/* What is seen of explanations: heat over a picture, sheets of maps and filters, attention beside its tokens,
 * the list of mistakes and its pictures in a report; and all of it by the command `cajal explain`, on a run
 * that it trains first. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>
#include <sys/stat.h>

static const char *at(const char *name)
{
    return cj_test_path(cj_test_folder, name);
}

/* --- heat ---------------------------------------------------------------------------------------------- */

enum { HEIGHT = 12, WIDTH = 20, ENLARGED = 22, GAP = 8 }; /* 256 pixels for the shorter side need 22 times */

static const uint8_t *pixel_at(const cj_image *image, int y, int x)
{
    return image->pixels + (y * image->width + x) * 3;
}

/* The middle of a pixel of the picture, in the right half. */
static const uint8_t *heat_at(const cj_image *image, int y, int x)
{
    int middle = ENLARGED / 2;
    return pixel_at(image, y * ENLARGED + middle, WIDTH * ENLARGED + GAP + x * ENLARGED + middle);
}

static bool is_grey(const uint8_t *p)
{
    return p[0] == p[1] && p[1] == p[2];
}

static void test_heat(void **state)
{
    (void)state;
    static uint8_t pixels[HEIGHT * WIDTH * 3];
    static float map[HEIGHT * WIDTH];
    cj_image picture = {HEIGHT, WIDTH, 3, pixels}, image;
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        pixels[3 * i] = 200, pixels[3 * i + 1] = 60, pixels[3 * i + 2] = 20;
    for (int y = 2; y < 5; y++)
        for (int x = 3; x < 6; x++) map[y * WIDTH + x] = 2, map[(y + 5) * WIDTH + x + 10] = -2;
    expect_ok(cj_heat_picture(&image, &picture, map, CJ_OCCLUSION));
    assert_true(image.height == HEIGHT * ENLARGED && image.width == 2 * WIDTH * ENLARGED + GAP);
    assert_memory_equal(pixel_at(&image, 100, 100), pixels, 3); /* the picture itself */
    const uint8_t *warm = heat_at(&image, 3, 4), *cold = heat_at(&image, 8, 14);
    assert_true(warm[0] > 200 && warm[2] < warm[0] - 80);
    assert_true(cold[2] > 200 && cold[0] < cold[2] - 40);
    assert_true(is_grey(heat_at(&image, 10, 1)));
    cj_image_free(&image);
    /* where below zero means nothing it is not seen */
    expect_ok(cj_heat_picture(&image, &picture, map, CJ_GRAD_CAM));
    assert_true(!is_grey(heat_at(&image, 3, 4)) && is_grey(heat_at(&image, 8, 14)));
    cj_image_free(&image);
    /* a map of nothing is a grey picture; a grey picture can be explained too */
    memset(map, 0, sizeof map);
    picture.channels = 1;
    expect_ok(cj_heat_picture(&image, &picture, map, CJ_SALIENCY));
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) assert_true(is_grey(heat_at(&image, y, x)));
    cj_image_free(&image);
    picture.channels = 2;
    expect_status(cj_heat_picture(&image, &picture, map, CJ_SALIENCY), CJ_INVALID_ARGUMENT);
    assert_null(image.pixels);
}

/* One strong pixel of a map of gradients is seen around it as well, and as strong as it is. */
static void test_smoothing(void **state)
{
    (void)state;
    enum { SIDE = 64, TIMES = 4 };
    static uint8_t pixels[SIDE * SIDE];
    static float map[SIDE * SIDE];
    cj_image picture = {SIDE, SIDE, 1, pixels}, image;
    map[32 * SIDE + 32] = 1;
    for (int smooth = 0; smooth < 2; smooth++) {
        expect_ok(cj_heat_picture(&image, &picture, map, smooth ? CJ_SALIENCY : CJ_GRAD_CAM));
        int left = SIDE * TIMES + GAP;
        const uint8_t *near = pixel_at(&image, 32 * TIMES + 2, left + 35 * TIMES + 2);
        assert_true(is_grey(near) == !smooth);
        assert_true(is_grey(pixel_at(&image, 10, left + 10)));
        cj_image_free(&image);
    }
}

static void test_sheets(void **state)
{
    (void)state;
    float values[3 * 3 * 6];
    cj_feature_maps maps = {"", {values, CJ_F32, cj_shape(3, 3, 6)}};
    cj_image image;
    for (int p = 0; p < 9; p++)
        for (int m = 0; m < 6; m++) values[p * 6 + m] = (float)(m == 5 ? 7 : p); /* the last is all alike */
    expect_ok(cj_feature_maps_picture(&image, &maps));
    int side = 3 * 22; /* 64 pixels need 22 times */
    assert_true(image.channels == 1 && image.width == 2 + 3 * (side + 2) &&
                image.height == 2 + 2 * (side + 2));
    assert_int_equal(image.pixels[2 * image.width + 2], 0);
    assert_int_equal(image.pixels[(2 + side - 1) * image.width + 2 + side - 1], 255);
    assert_int_equal(image.pixels[(2 + side / 2) * image.width + 2 + side / 2], 128);
    assert_int_equal(image.pixels[image.width], 255); /* between them it is white */
    cj_image_free(&image);
    /* the same numbers as two filters of three channels: zero is grey, 8 of 8 white */
    values[0] = 8, values[1] = 0, values[2] = -8;
    expect_ok(cj_filters_picture(&image, &maps, 3));
    assert_true(image.channels == 3 && image.width == 2 + 2 * (side + 2));
    const uint8_t corner[3] = {255, 128, 0};
    assert_memory_equal(pixel_at(&image, 2, 2), corner, 3);
    cj_image_free(&image);
    expect_ok(cj_filters_picture(&image, &maps, 2)); /* three filters of two channels, a filter a line */
    assert_true(image.channels == 1 && image.width == 2 + 2 * (side + 2) &&
                image.height == 2 + 3 * (side + 2));
    cj_image_free(&image);
    expect_status(cj_filters_picture(&image, &maps, 4), CJ_INVALID_ARGUMENT);
}

/* --- attention with its tokens ------------------------------------------------------------------------- */

enum {
    DOT = 3,
    SQUARE = 12 * DOT,
    NAMES = DOT * (2 * 6 + 4),
    EDGE = 2
}; /* names of one letter have room for two */

/* The dots of the first letter beside row i, or over column i, as lines of text; 12 by 5. */
static void read_letter(const cj_image *image, bool column, int i, char lines[12][6])
{
    int end = EDGE + NAMES - DOT * 2; /* where names end that are read from the left */
    for (int y = 0; y < 12; y++) {
        for (int x = 0; x < 5; x++) {
            int along = end - DOT * 6 + DOT * x, across = EDGE + NAMES + i * SQUARE + DOT * y;
            int up = end - DOT * (x + 1);
            const uint8_t *dot = column ? image->pixels + up * image->width + across
                                        : image->pixels + across * image->width + along;
            lines[y][x] = *dot == 0 ? '#' : '.';
        }
        lines[y][5] = 0;
    }
}

static void expect_letter(const cj_image *image, bool column, int i, const char *const wanted[12])
{
    char lines[12][6];
    read_letter(image, column, i, lines);
    for (int y = 0; y < 12; y++) assert_string_equal(lines[y], wanted[y]);
}

static bool has_letters_of_unicode(void)
{
    cj_library library;
    for (int64_t i = 0; cj_library_at(i, &library); i++)
        if (strcmp(library.name, "utf8proc") == 0) return library.version != NULL;
    return false;
}

static void test_attention(void **state)
{
    (void)state;
    static const char *const f[] = {".....", ".....", ".....", "#####", "#....", "#....",
                                    "####.", "#....", "#....", "#....", ".....", "....."};
    static const char *const g[] = {".....", ".....", ".....", ".....", ".....", ".####",
                                    "#...#", "#...#", "#...#", ".####", "....#", ".###."};
    static const char *const u[] = {".....", ".#.#.", ".....", "#...#", "#...#", "#...#",
                                    "#...#", "#...#", "#...#", ".###.", ".....", "....."};
    static const char *const box[] = {".....", ".....", ".....", "#####", "#...#", "#...#",
                                      "#...#", "#...#", "#...#", "#####", ".....", "....."};
    float weights[2 * 3] = {0, 0.5F, 1, 0.25F, 0, 0.75F};
    cj_feature_maps maps = {"", {weights, CJ_F32, cj_shape(2, 3, 1)}};
    const char *queries[] = {" F", "\xc3\x9c"}, *keys[] = {"g", "F", "\xe6\xbc\xa2"};
    cj_image image;
    expect_ok(cj_attention_picture(&image, &maps, queries, keys));
    assert_true(image.channels == 1 && image.width == 2 * EDGE + NAMES + 3 * SQUARE &&
                image.height == 2 * EDGE + NAMES + 2 * SQUARE);
    for (int i = 0; i < 6; i++) { /* from black to white, at the corner of each square */
        int y = EDGE + NAMES + i / 3 * SQUARE, x = EDGE + NAMES + i % 3 * SQUARE;
        assert_int_equal(image.pixels[y * image.width + x], (int)(255 * sqrtf(weights[i]) + 0.5F));
    }
    expect_letter(&image, false, 0, f);
    expect_letter(&image, true, 0, g);
    expect_letter(&image, true, 1, f);
    expect_letter(&image, true, 2, box); /* another alphabet */
    expect_letter(&image, false, 1, has_letters_of_unicode() ? u : box);
    cj_image_free(&image);
}

/* One scale for all: a head that looks evenly is grey; each has its number. */
static void test_attention_of_heads(void **state)
{
    (void)state;
    float weights[2 * 2 * 2] = {0.25F, 1, 0.25F, 0, 0.25F, 0, 0.25F, 1}; /* of two heads */
    cj_feature_maps maps = {"", {weights, CJ_F32, cj_shape(2, 2, 2)}};
    const char *names[] = {"g", "F"};
    cj_image image;
    int64_t dark = 0;
    expect_ok(cj_attention_picture(&image, &maps, names, names));
    for (int i = 0; i < 4; i++) {
        int y = EDGE + NAMES + i / 2 * SQUARE, x = EDGE + NAMES + i % 2 * SQUARE;
        assert_int_equal(image.pixels[y * image.width + x], 128);
    }
    for (int y = 0; y < NAMES; y++) /* in the corner there are no names */
        for (int x = 0; x < NAMES; x++) dark += image.pixels[y * image.width + x] == 0;
    assert_true(dark > 0);
    cj_image_free(&image);
}

/* Too many tokens have no names beside them. */
static void test_attention_of_many(void **state)
{
    (void)state;
    enum { MANY = 400 };
    static float weights[MANY * MANY], roots[MANY * MANY];
    static const char *names[MANY];
    cj_feature_maps maps = {"", {weights, CJ_F32, cj_shape(MANY, MANY, 1)}},
                    shown = {"", {roots, CJ_F32, cj_shape(MANY, MANY, 1)}};
    cj_image image, plain;
    for (int i = 0; i < MANY * MANY; i++) weights[i] = (float)(i % 7) / 6, roots[i] = sqrtf(weights[i]);
    for (int i = 0; i < MANY; i++) names[i] = "token";
    expect_ok(cj_attention_picture(&image, &maps, names, names));
    expect_ok(cj_feature_maps_picture(&plain, &shown));
    assert_true(image.height == plain.height && image.width == plain.width);
    assert_memory_equal(image.pixels, plain.pixels, (size_t)(plain.height * plain.width));
    cj_image_free(&image);
    cj_image_free(&plain);
    maps.maps.shape.rank = 2;
    expect_status(cj_attention_picture(&image, &maps, names, names), CJ_INVALID_ARGUMENT);
}

/* --- mistakes ------------------------------------------------------------------------------------------ */

static void test_mistakes(void **state)
{
    (void)state;
    static const float outputs[] = {0.9F, 0.1F, 0,    0.2F, 0.7F, 0.1F, 0.1F, 0.3F,
                                    0.6F, 0.8F, 0.2F, 0,    0,    0.7F, 0.3F};
    static const int32_t labels[] = {0, 0, 1, 2, 2};
    cj_mistake m[5];
    /* rows 1 (0.7), 2 (0.6), 3 (0.8) and 4 (0.7, after its equal) */
    assert_int_equal(cj_find_mistakes(5, 3, outputs, labels, 0, 5, m), 4);
    static const int64_t rows[] = {3, 1, 4, 2}, said[] = {0, 1, 1, 2};
    for (int i = 0; i < 4; i++) assert_true(m[i].row == rows[i] && m[i].said == said[i]);
    assert_true(m[0].truth == 2 && fabs(m[0].probability - 0.8) < 1e-6);
    for (int room = 0; room < 4; room++) { /* a list that is full keeps the surest */
        m[room].row = 99;
        assert_int_equal(cj_find_mistakes(5, 3, outputs, labels, 0, room, m), 4);
        for (int i = 0; i < room; i++) assert_int_equal(m[i].row, rows[i]);
        assert_int_equal(m[room].row, 99);
    }
    static const float one[] = {0.4F, 0.9F, 0.2F};
    static const int32_t truth[] = {0, 0, 1};
    assert_int_equal(cj_find_mistakes(3, 1, one, truth, 0.3, 5, m), 3);
    assert_true(m[0].row == 1 && m[0].said == 1 && m[1].row == 2 && m[1].said == 0 && m[2].row == 0);
    assert_true(fabs(m[1].probability - 0.8) < 1e-6);
    static const int32_t outside[] = {-1, 7, 1};
    assert_int_equal(cj_find_mistakes(3, 1, one, outside, 0.5, 5, m), 1);
}

static void test_mistake_pictures(void **state)
{
    (void)state;
    static uint8_t bytes[2 * 200 * 100 * 3];
    static float numbers[2 * 3 * 4];
    int32_t labels[] = {1, 0};
    static const char *const names[] = {"night", "day"};
    const cj_mistake mistakes[] = {{.row = 1, .truth = 0, .said = 1, .probability = 0.876},
                                   {.row = 0, .truth = 1}};
    const cj_tensor y = {labels, CJ_I32, cj_shape(2)};
    const cj_tensor kinds[] = {{bytes, CJ_U8, cj_shape(2, 200, 100, 3)},
                               {numbers, CJ_F32, cj_shape(2, 3, 4)},
                               {numbers, CJ_F32, cj_shape(2, 12)}};
    static const int64_t heights[] = {128, 3, 0}, widths[] = {64, 4, 0};
    for (int i = 0; i < 12; i++) numbers[12 + i] = (float)i / 10;
    for (int k = 0; k < 3; k++) {
        cj_dataset *data;
        cj_mistake_sheet sheet;
        expect_ok(cj_dataset_from_tensors(&data, &kinds[k], &y));
        expect_ok(cj_mistake_sheet_make(&sheet, data, mistakes, 2, k ? NULL : names));
        assert_int_equal(sheet.count, heights[k] ? 2 : 0);
        if (sheet.count) {
            assert_true(sheet.pictures[0].image.height == heights[k] &&
                        sheet.pictures[0].image.width == widths[k]);
            assert_string_equal(sheet.pictures[0].caption,
                                k ? "0 taken for 1, 87.6 %" : "night taken for day, 87.6 %");
        }
        if (k == 1) assert_int_equal(sheet.pictures[0].image.pixels[5], 128); /* 0.5 */
        if (k == 1) assert_int_equal(sheet.pictures[0].image.pixels[11], 255);
        cj_mistake_sheet_free(&sheet);
        cj_dataset_free(data);
    }
}

/* The page holds each picture as a PNG file in base64, which reads back to the same pixels. */
static void test_page(void **state)
{
    (void)state;
    static uint8_t pixels[5 * 4 * 3];
    for (int i = 0; i < 60; i++) pixels[i] = (uint8_t)(i * 41);
    const cj_report_picture pictures[] = {{{5, 4, 3, pixels}, "<cat> taken for dog, 98.0 %"}};
    cj_report report = {
        .size = sizeof report, .pictures_title = "Mistakes", .pictures = pictures, .picture_count = 1};
    expect_ok(cj_report_write_html(at("page.html"), &report));
    char *page = cj_test_read_file(at("page.html"), NULL);
    assert_non_null(strstr(page, "<h2>Mistakes</h2>"));
    assert_non_null(strstr(page, "img-src data:"));
#ifdef CJ_HAVE_SPNG
    assert_non_null(strstr(page, "<figcaption>&lt;cat&gt; taken for dog, 98.0 %</figcaption>"));
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *from = strstr(page, "data:image/png;base64,");
    assert_non_null(from);
    uint8_t png[4096];
    size_t size = 0;
    uint32_t bits = 0;
    int have = 0;
    for (from += strlen("data:image/png;base64,"); *from != '"' && size < sizeof png; from++) {
        const char *digit = strchr(digits, *from);
        if (*from == '=' || !digit) continue;
        bits = bits << 6 | (uint32_t)(digit - digits);
        have += 6;
        if (have >= 8) png[size++] = (uint8_t)(bits >> (have -= 8));
    }
    cj_image image;
    expect_ok(cj_image_read_memory(&image, png, size, "the page's picture"));
    assert_true(image.height == 5 && image.width == 4 && image.channels == 3);
    assert_memory_equal(image.pixels, pixels, sizeof pixels);
    cj_image_free(&image);
#else
    assert_non_null(strstr(page, "this build writes no PNG (libspng-dev)"));
#endif
    free(page);
    cj_report_picture bad = {{5, 4, 3, NULL}, "nothing"};
    report.pictures = &bad;
    expect_status(cj_report_write_html(at("page.html"), &report), CJ_INVALID_ARGUMENT);
    expect_message("a report's picture has no pixels");
}

/* --- failing allocations ------------------------------------------------------------------------------- */

static cj_status scenario(void *context)
{
    static uint8_t pixels[6 * 5 * 3];
    static float map[6 * 5 * 3];
    const cj_mistake mistakes[] = {{.row = 1, .said = 1}};
    static const char *const tokens[] = {"a", "\xc3\xa4", " b", "\n", "", "\xff"};
    cj_image picture = {6, 5, 3, pixels}, heat = {0}, sheet = {0}, attention = {0};
    cj_feature_maps maps = {"", {map, CJ_F32, cj_shape(6, 5, 3)}};
    cj_mistake_sheet mistake_sheet = {0};
    cj_status status = cj_heat_picture(&heat, &picture, map, CJ_SALIENCY);
    if (status == CJ_OK) status = cj_filters_picture(&sheet, &maps, 3);
    if (status == CJ_OK) status = cj_attention_picture(&attention, &maps, tokens, tokens);
    if (status == CJ_OK) status = cj_mistake_sheet_make(&mistake_sheet, context, mistakes, 1, NULL);
    cj_report report = {
        .size = sizeof report, .pictures = mistake_sheet.pictures, .picture_count = mistake_sheet.count};
    if (status == CJ_OK) status = cj_report_write_html(at("failing.html"), &report);
    cj_mistake_sheet_free(&mistake_sheet);
    cj_image_free(&heat);
    cj_image_free(&sheet);
    cj_image_free(&attention);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    static uint8_t bytes[2 * 150 * 3];
    static int32_t labels[2];
    cj_dataset *data;
    const cj_tensor x = {bytes, CJ_U8, cj_shape(2, 150, 3)}, y = {labels, CJ_I32, cj_shape(2)};
    cj_test_allocator_install();
    expect_ok(cj_dataset_from_tensors(&data, &x, &y));
    cj_test_every_allocation_fails(scenario, data);
    cj_dataset_free(data);
    cj_test_allocator_remove();
}

/* --- the command --------------------------------------------------------------------------------------- */

/* Noise around a shade, brighter in one half: the left (class a) or the right (class b). */
static void put_picture(const char *name, int number, bool right)
{
    uint8_t data[12 * 12 * 3 + 32];
    int size = sprintf((char *)data, "P6 12 12 255\n");
    for (int i = 0; i < 12 * 12 * 3; i++)
        data[size++] = (uint8_t)((i / 3 % 12 >= 6) == right ? 150 + i * number % 80 : i * number % 60);
    cj_test_write_file(at(name), data, (size_t)size);
}

static const char recipe[] = "name: halves\ndata: {folder: '%s/set', shape: [12, 12], validation: 0.25}\n"
                             "model:\n  - conv2d: {filters: 4, kernel: 3}\n  - relu\n  - dense: 2\n"
                             "training: {epochs: 6, batch_size: 4}\noptimizer: {learning_rate: 0.01}\n";

/* The test has one picture of class b in the folder of class a. */
static void make_run(void)
{
    static const char *const folders[] = {"set",         "set/train",  "set/test",  "set/train/a",
                                          "set/train/b", "set/test/a", "set/test/b"};
    char name[64], text[4096];
    for (int i = 0; i < 7; i++) mkdir(at(folders[i]), 0700);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "set/%s/%s/%02d.ppm", i < 32 ? "train" : "test", i % 2 ? "b" : "a", i);
        put_picture(name, i + 7, i % 2);
    }
    put_picture("set/test/a/wrong.ppm", 5, true);
    snprintf(text, sizeof text, recipe, cj_test_folder);
    cj_test_write_file(at("halves.yaml"), text, strlen(text));
}

static void expect_run(cj_test_result r, int code, const char *output, const char *errors)
{
    if (r.exit_code != code || !strstr(r.output, output) || !strstr(r.errors, errors))
        fail_msg("exit code %d, wanted %d\nwanted: %s|%s\noutput: %s\nerrors: %s", r.exit_code, code, output,
                 errors, r.output, r.errors);
    cj_test_result_free(&r);
}

static bool is_missing(const char *what)
{
    cj_test_result r = cj_test_cajal("explain", at("halves.yaml"), at("set/test/a/wrong.ppm"));
    bool missing = strstr(r.errors, what) != NULL;
    cj_test_result_free(&r);
    return missing;
}

/* Trains the run that the following tests look into. */
static void test_report(void **state)
{
    (void)state;
    make_run();
    if (is_missing("install libyaml-dev")) skip_because("this build reads no recipes");
    expect_run(cj_test_cajal("train", at("halves.yaml"), "--output", at("run"), "--quiet"), 0, "accuracy",
               "");
    char *page = cj_test_read_file(at("run/report.html"), NULL);
    assert_non_null(strstr(page, "<h2>Mistakes</h2>"));
#ifdef CJ_HAVE_SPNG
    assert_non_null(strstr(page, "<figcaption>a taken for b, "));
#endif
    assert_non_null(strstr(page, "<th scope=\"row\">b</th>")); /* classes by their names */
    free(page);
}

#ifdef CJ_HAVE_SPNG
static void expect_picture(const char *name, int height, int width)
{
    cj_image image;
    expect_ok(cj_image_read(&image, at(name)));
    if (image.height != height || image.width != width)
        fail_msg("%s is %lld by %lld", name, (long long)image.width, (long long)image.height);
    cj_image_free(&image);
}

/* The first number behind `name`. */
static double number_behind(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    assert_non_null(at);
    return strtod(at + strlen(name), NULL);
}

/* What is told of the sum is so: of one step, which the network's bends make too few, and of as many as it
 * takes. */
static void expect_fault(const char *picture, const char *out, const char *steps)
{
    cj_test_result numbers = cj_test_cajal("explain", at("run"), picture, "--method", "integrated", "--out",
                                           out, "--json", steps ? "--steps" : NULL, steps);
    cj_test_result words = cj_test_cajal("explain", at("run"), picture, "--method", "integrated", "--out",
                                         out, steps ? "--steps" : NULL, steps);
    double sum = number_behind(numbers.output, "\"sum\": "),
           difference = number_behind(numbers.output, "\"difference\": ");
    assert_int_equal(fabs(sum - difference) > 1e-3 * fabs(difference), steps != NULL);
    assert_int_equal(strstr(words.output, "more than a thousandth of the difference") != NULL, steps != NULL);
    cj_test_result_free(&numbers);
    cj_test_result_free(&words);
}
#endif

static void test_command(void **state)
{
    (void)state;
#ifndef CJ_HAVE_SPNG
    skip_because("this build writes no PNG");
#else
    if (!is_missing("names no weights")) skip_because("this build reads no recipes");
    char picture[4096], files[8192], out[2][4096];
    snprintf(picture, sizeof picture, "%s", at("set/test/b/33.ppm"));
    snprintf(out[0], sizeof out[0], "%s/one/deep", cj_test_folder);
    snprintf(out[1], sizeof out[1], "%s/three", cj_test_folder);
    snprintf(files, sizeof files, "  grad-cam   %s/33-grad-cam.png  (0)", out[0]);
    expect_run(cj_test_cajal("explain", at("run"), picture, "--out", out[0], "--threads", "1"), 0, files, "");
    cj_test_result r =
        cj_test_cajal("explain", at("run"), picture, picture, "--out", out[1], "--threads", "3");
    assert_int_equal(r.exit_code, 0);
    assert_non_null(strstr(r.output, "33.ppm: b "));
    assert_non_null(strstr(r.output, "33-2-saliency.png"));
    cj_test_result_free(&r);
    for (int m = 0; m < CJ_EXPLAIN_METHODS; m++) {
        char name[2][64];
        size_t sizes[2];
        snprintf(name[0], sizeof name[0], "one/deep/33-%s.png", cj_explain_method_name((cj_explain_method)m));
        snprintf(name[1], sizeof name[1], "three/33-%s.png", cj_explain_method_name((cj_explain_method)m));
        expect_picture(name[0], 264, 2 * 264 + GAP);
        char *one = cj_test_read_file(at(name[0]), &sizes[0]),
             *three = cj_test_read_file(at(name[1]), &sizes[1]);
        assert_true(sizes[0] == sizes[1] && memcmp(one, three, sizes[0]) == 0);
        free(one), free(three);
    }
    expect_run(cj_test_cajal("explain", at("run"), picture, "--method", "grad-cam", "--class", "a", "--json",
                             "--out", out[0]),
               0, "\"class\": \"b\", \"probability\": ", "");
    expect_run(cj_test_cajal("explain", at("run"), picture, "--method", "grad-cam", "--class", "0", "--json",
                             "--out", out[0]),
               0, "\"explained\": \"a\", \"explained_probability\": ", "");
    expect_run(cj_test_cajal("explain", at("run"), picture, "--method", "integrated", "--steps", "7", "--out",
                             out[0]),
               0, "(sums to ", "");
    expect_fault(picture, out[0], "1");
    expect_fault(picture, out[0], NULL);
    expect_run(
        cj_test_cajal("explain", at("run"), picture, "--method", "features", "--layer", "1", "--out", out[0]),
        0, "33-features.png  (1)", "");
    expect_picture("one/deep/33-features.png", 2 + 2 * (70 + 2), 2 + 2 * (70 + 2)); /* 10 by 10, 7 times */
    expect_run(cj_test_cajal("explain", at("run"), "--method", "filters", "--out", out[0]), 0,
               "filters.png  (0)", "");
    expect_picture("one/deep/filters.png", 2 + 2 * (66 + 2), 2 + 2 * (66 + 2));
#endif
}

static void test_sentences(void **state)
{
    (void)state;
    if (!is_missing("names no weights")) skip_because("this build reads no recipes");
    char run[4096], picture[4096];
    snprintf(run, sizeof run, "%s", at("run"));
    snprintf(picture, sizeof picture, "%s", at("set/test/b/33.ppm"));
    expect_run(cj_test_cajal("explain", run), 2, "",
               "name a run's folder, or a recipe with weights, and pictures");
    expect_run(cj_test_cajal("explain", run, picture, "--class", "2", "--out", run), 2, "",
               "--class is '2', but must be one of the 2 classes, by number, 0 to 1, or by name, a to b");
    expect_run(cj_test_cajal("explain", run, picture, "--class", "1x", "--out", run), 2, "",
               "--class is '1x'");
    expect_run(cj_test_cajal("explain", run, picture, "--method", "magic"), 2, "", "--method is 'magic'");
    expect_run(cj_test_cajal("explain", run, picture, "--method", "grad-cam", "--layer", "00", "--out", run),
               2, "", "there is no layer '00'; did you mean '0'?");
    expect_run(
        cj_test_cajal("explain", run, picture, "--method", "occlusion", "--window", "13", "--out", run), 2,
        "", "window is 13, but must be from 1 to 12");
    expect_run(cj_test_cajal("explain", run, picture, "--method", "filters"), 2, "",
               "filters are the network's, not a picture's");
    expect_run(cj_test_cajal("explain", run, at("halves.yaml"), "--out", run), 1, "", "not a picture");
    expect_run(cj_test_cajal("explain", run, at("none.png"), "--out", run), 1, "", "none.png");
    static const char table[] = "x,y\n1,0\n2,1\n3,0\n4,1\n5,0\n6,1\n7,0\n8,1\n";
    static const char towns[] =
        "data: {file: '%s', target: y, validation: 0.25, test: 0.25}\nmodel: [dense: 2]\n"
        "training: {epochs: 1, batch_size: 4}\n";
    char text[8192], values[4096];
    snprintf(values, sizeof values, "%s", at("t.csv"));
    snprintf(text, sizeof text, towns, values);
    cj_test_write_file(values, table, strlen(table));
    cj_test_write_file(at("t.yaml"), text, strlen(text));
    expect_run(cj_test_cajal("train", at("t.yaml"), "--output", at("towns"), "--quiet"), 0, "", "");
    expect_run(cj_test_cajal("explain", at("towns"), values, "--out", run), 2, "", "trained on no pictures");
    expect_run(cj_test_cajal("explain", at("towns"), "--method", "filters", "--out", run), 1, "",
               "the network has no convolution over two axes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_heat),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_of_heads),
        cmocka_unit_test(test_attention_of_many),
        cmocka_unit_test(test_smoothing),
        cmocka_unit_test(test_sheets),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_mistake_pictures),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests(tests, cj_test_make_folder, cj_test_drop_folder);
}
