/* cajal data preview: the sheet shows the training pictures themselves, augmented as an epoch augments them,
 * and the table their labels. */
#include "support.h"

#include "cajal/cajal.h"

enum { ROWS = 40, SIDE = 16, SIZE = SIDE * SIDE * 3, ENLARGED = 4, GAP = 2 };

static char *folder;
static uint8_t pixels[ROWS * SIZE];

static int set_up(void **state)
{
    (void)state;
    static int32_t labels[ROWS];
    folder = cj_test_new_folder();
    for (int i = 0; i < ROWS * SIZE; i++) pixels[i] = (uint8_t)(i * 7 / 3 + i / SIZE * 11);
    for (int i = 0; i < ROWS; i++) labels[i] = i % 10;
    const cj_named_tensor arrays[] = {{"x", {pixels, CJ_U8, cj_shape(ROWS, SIDE, SIDE, 3)}},
                                      {"y", {labels, CJ_I32, cj_shape(ROWS)}}};
    expect_ok(cj_save_npz(cj_test_path(folder, "p.npz"), .tensors = arrays, .count = 2));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cj_test_remove_folder(folder);
    return 0;
}

/* The command's output, or NULL with the test to be skipped. */
static cj_test_result preview(const char *augment, const char *sheet, const char *rows, const char *epoch)
{
    char text[1000];
    snprintf(text, sizeof text,
             "data: {file: '%s', validation: 0}\n%smodel: [{dense: 10}]\ntraining: {batch_size: 8}\n",
             cj_test_path(folder, "p.npz"), augment);
    cj_test_write_file(cj_test_path(folder, "r.yaml"), text, strlen(text));
    return cj_test_cajal("data", "preview", cj_test_path(folder, "r.yaml"), cj_test_path(folder, sheet),
                         "--rows", rows, "--epoch", epoch);
}

static void skip_without_libraries(cj_test_result *r)
{
    bool missing = strstr(r->errors, "install libyaml-dev") || strstr(r->errors, "install libspng-dev");
    if (!missing) return;
    cj_test_result_free(r);
    skip_because("this build has no libyaml or no libspng");
}

/* Which training picture is in that place of the sheet; -1: none. */
static int picture_at(const cj_image *sheet, int columns, int index)
{
    int top = GAP + index / columns * (SIDE * ENLARGED + GAP),
        left = GAP + index % columns * (SIDE * ENLARGED + GAP);
    for (int row = 0; row < ROWS; row++) {
        bool same = true;
        for (int i = 0; i < SIDE * ENLARGED * SIDE * ENLARGED && same; i++) {
            int y = i / (SIDE * ENLARGED), x = i % (SIDE * ENLARGED);
            same = memcmp(sheet->pixels + ((top + y) * sheet->width + left + x) * 3,
                          pixels + row * SIZE + (y / ENLARGED * SIDE + x / ENLARGED) * 3, 3) == 0;
        }
        if (same) return row;
    }
    return -1;
}

static void test_plain(void **state)
{
    (void)state;
    cj_image sheet;
    cj_test_result r = preview("", "a.png", "12", "1");
    skip_without_libraries(&r);
    assert_int_equal(r.exit_code, 0);
    expect_ok(cj_image_read(&sheet, cj_test_path(folder, "a.png")));
    assert_int_equal(sheet.width, GAP + 4 * (SIDE * ENLARGED + GAP));
    assert_int_equal(sheet.height, GAP + 3 * (SIDE * ENLARGED + GAP));
    const char *at = r.output;
    for (int i = 0; i < 12; i++) {
        char *end;
        int row = picture_at(&sheet, 4, i);
        assert_true(row >= 0);
        assert_int_equal(strtol(at, &end, 10), row % 10);
        at = end;
    }
    assert_string_equal(at + strspn(at, " "), "\n");
    cj_image_free(&sheet);
    cj_test_result_free(&r);
}

static void test_augmented(void **state)
{
    (void)state;
    static const char *const list = "augment:\n  - rotation: 30\n  - mixup: 1\n";
    static const char *const names[] = {"a.png", "b.png", "c.png"};
    char *files[3];
    size_t sizes[3];
    for (int i = 0; i < 3; i++) {
        cj_test_result r = preview(list, names[i], "9", i == 2 ? "2" : "1");
        if (i == 0) skip_without_libraries(&r);
        assert_int_equal(r.exit_code, 0);
        assert_non_null(strstr(r.output, "*"));
        files[i] = cj_test_read_file(cj_test_path(folder, names[i]), &sizes[i]);
        cj_test_result_free(&r);
    }
    assert_true(sizes[0] == sizes[1] && memcmp(files[0], files[1], sizes[0]) == 0);
    assert_true(sizes[0] != sizes[2] || memcmp(files[0], files[2], sizes[0]) != 0);
    for (int i = 0; i < 3; i++) free(files[i]);
}

static void expect_failure(cj_test_result r, int code, const char *message)
{
    assert_int_equal(r.exit_code, code);
    if (!strstr(r.errors, message)) fail_msg("'%s' was expected in: %s", message, r.errors);
    cj_test_result_free(&r);
}

static void test_mistakes(void **state)
{
    (void)state;
    cj_test_result r = preview("", "a.png", "4", "1");
    skip_without_libraries(&r);
    cj_test_result_free(&r);
    expect_failure(preview("augment: [{flip: up}]\n", "a.png", "4", "1"), 2, "flip: direction is 'up'");
    expect_failure(preview("augment: [{pad_crop: 16}]\n", "a.png", "4", "1"), 2, "pad_crop: size is 16");
    expect_failure(preview("", "a.png", "0", "1"), 2, "--rows is '0'");
    expect_failure(preview("", "no/folder/a.png", "4", "1"), 1, "no/folder");
    expect_failure(cj_test_cajal("data", "preview", cj_test_path(folder, "r.yaml")), 2,
                   "name a recipe and the picture");
    const float table[] = {1, 2, 3, 4};
    const int32_t labels[] = {0, 1};
    const cj_named_tensor arrays[] = {{"x", {(void *)(uintptr_t)table, CJ_F32, cj_shape(2, 2)}},
                                      {"y", {(void *)(uintptr_t)labels, CJ_I32, cj_shape(2)}}};
    expect_ok(cj_save_npz(cj_test_path(folder, "t.npz"), .tensors = arrays, .count = 2));
    char file[500];
    snprintf(file, sizeof file, "data.file=%s", cj_test_path(folder, "t.npz"));
    expect_failure(
        cj_test_cajal("data", "preview", cj_test_path(folder, "r.yaml"), cj_test_path(folder, "a.png"), file),
        1, "the recipe's data are no pictures");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_augmented),
                                       cmocka_unit_test(test_mistakes)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
