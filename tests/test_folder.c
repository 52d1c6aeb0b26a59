/* Datasets of pictures in files: folders of classes in both layouts, tables of paths, what is refused and
 * why, damaged pictures left out, means and deviations; a folder far larger than the memory that streaming it
 * takes. */
#include "support.h"

#include "base/memory.h"
#include "cajal/cajal.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;

/* A picture of one colour, in grey where green and blue are negative. */
static void put_picture(const char *name, int height, int width, int red, int green, int blue)
{
    static uint8_t data[1 << 20];
    int size = sprintf((char *)data, "P%d %d %d 255\n", green < 0 ? 5 : 6, width, height);
    for (int i = 0; i < height * width; i++) {
        data[size++] = (uint8_t)red;
        if (green >= 0) data[size++] = (uint8_t)green, data[size++] = (uint8_t)blue;
    }
    cj_test_write_file(cj_test_path(folder, name), data, (size_t)size);
}

static void make_folders(const char *const *names)
{
    for (int i = 0; names[i]; i++) assert_int_equal(mkdir(cj_test_path(folder, names[i]), 0700), 0);
}

/* flat/: three classes of which one has folders of its own, things to be passed over. */
static void make_flat(void)
{
    static const char *const folders[] = {"flat",        "flat/dog",   "flat/cat",     "flat/ant",
                                          "flat/ant/10", "flat/ant/9", "flat/.hidden", NULL};
    make_folders(folders);
    put_picture("flat/dog/b.ppm", 4, 6, 10, 20, 30);
    put_picture("flat/dog/a.PPM", 4, 6, 11, 21, 31);
    put_picture("flat/cat/z.pgm", 4, 6, 40, -1, -1);
    put_picture("flat/ant/9/1.ppm", 8, 6, 50, 60, 70);
    put_picture("flat/ant/10/1.ppm", 4, 6, 51, 61, 71);
    put_picture("flat/ant/last.ppm", 4, 6, 52, 62, 72);
    cj_test_write_file(cj_test_path(folder, "flat/README"), "x", 1);
    cj_test_write_file(cj_test_path(folder, "flat/cat/Thumbs.db"), "x", 1);
    cj_test_write_file(cj_test_path(folder, "flat/cat/._z.pgm"), "x", 1);
}

typedef struct {
    cj_dataset *parts[3];
} sets;

static cj_status read_sets(const char *name, cj_picture_options pictures, sets *s)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    cj_folder_options options = {.size = sizeof options, .path = path, .pictures = pictures};
    return cj_dataset_read_folder(&options, &s->parts[0], &s->parts[1], &s->parts[2]);
}

static void free_sets(sets *s)
{
    for (int i = 0; i < 3; i++) cj_dataset_free(s->parts[i]);
}

static cj_picture_options pictures_of(int64_t height, int64_t width, int64_t channels)
{
    return (cj_picture_options){.fit = {sizeof(cj_image_fit_options), height, width, channels, 0}};
}

static void test_flat(void **state)
{
    (void)state;
    static const int reds[] = {52, 51, 50, 40, 11, 10}, labels[] = {0, 0, 0, 1, 2, 2};
    sets s;
    uint8_t row[2 * 3 * 3];
    expect_ok(read_sets("flat", pictures_of(2, 3, 0), &s));
    cj_dataset *d = s.parts[0];
    assert_true(!s.parts[1] && !s.parts[2]);
    assert_true(cj_shape_equal(cj_dataset_x(d).shape, cj_shape(6, 2, 3, 3)) && !cj_dataset_x(d).data);
    assert_int_equal(cj_dataset_classes(d), 3);
    assert_string_equal(cj_dataset_class_name(d, 0), "ant");
    assert_string_equal(cj_dataset_class_name(d, 2), "dog");
    assert_null(cj_dataset_class_name(d, 3));
    for (int i = 0; i < 6; i++) {
        expect_ok(cj_dataset_fetch(d, i, row));
        assert_int_equal(row[0], reds[i]);
        assert_int_equal(row[17], reds[i] == 40 ? 40 : reds[i] + 20);
        assert_int_equal(((const int32_t *)cj_dataset_y(d).data)[i], labels[i]);
    }
    free_sets(&s);
    /* the classes wanted, in that order; grey */
    cj_picture_options chosen = pictures_of(2, 3, 1);
    chosen.classes = "dog,ant,cat";
    expect_ok(read_sets("flat", chosen, &s));
    assert_string_equal(cj_dataset_class_name(s.parts[0], 0), "dog");
    assert_int_equal(((const int32_t *)cj_dataset_y(s.parts[0]).data)[0], 1);
    free_sets(&s);
    chosen.classes = "dog,cat";
    expect_status(read_sets("flat", chosen, &s), CJ_FORMAT_ERROR);
    expect_message("flat/ant: the training has no such class");
    chosen.classes = "dog,cat,ant,bee";
    expect_status(read_sets("flat", chosen, &s), CJ_FORMAT_ERROR);
    expect_message("flat/bee: found no pictures");
}

/* Without a shape the first picture gives it, and another size is an error that names the file. */
static void test_own_size(void **state)
{
    (void)state;
    sets s;
    uint8_t row[4 * 6 * 3];
    expect_ok(read_sets("flat", (cj_picture_options){0}, &s));
    assert_true(cj_shape_equal(cj_dataset_x(s.parts[0]).shape, cj_shape(6, 4, 6, 3)));
    expect_ok(cj_dataset_fetch(s.parts[0], 3, row)); /* grey in three channels */
    assert_int_equal(row[71], 40);
    expect_status(cj_dataset_fetch(s.parts[0], 2, row), CJ_SHAPE_ERROR);
    expect_message("flat/ant/9/1.ppm: found a picture of 6 by 8, expected 6 by 4, as the first one is");
    free_sets(&s);
}

static void test_parts(void **state)
{
    (void)state;
    static const char *const folders[] = {"net",     "net/train",  "net/train/n1", "net/train/n2",
                                          "net/val", "net/val/n2", "net/test",     NULL};
    sets s;
    make_folders(folders);
    put_picture("net/train/n1/a.ppm", 4, 4, 1, 1, 1);
    put_picture("net/train/n2/a.ppm", 4, 4, 2, 2, 2);
    put_picture("net/val/n2/a.ppm", 9, 9, 3, 3, 3);
    put_picture("net/test/unknown.ppm", 4, 4, 4, 4, 4);
    expect_ok(read_sets("net", pictures_of(4, 4, 3), &s));
    assert_int_equal(cj_dataset_count(s.parts[0]), 2);
    assert_int_equal(cj_dataset_count(s.parts[1]), 1);
    assert_int_equal(((const int32_t *)cj_dataset_y(s.parts[1]).data)[0], 1);
    assert_null(s.parts[2]);
    free_sets(&s);
    assert_int_equal(mkdir(cj_test_path(folder, "net/test/n9"), 0700), 0);
    put_picture("net/test/n9/a.ppm", 4, 4, 5, 5, 5);
    expect_status(read_sets("net", pictures_of(4, 4, 3), &s), CJ_FORMAT_ERROR);
    expect_message("net/test/n9: the training has no such class");
    for (int i = 0; i < 3; i++) assert_null(s.parts[i]);
    assert_int_equal(mkdir(cj_test_path(folder, "net/train/n3"), 0700), 0);
    expect_status(read_sets("net", pictures_of(4, 4, 3), &s), CJ_FORMAT_ERROR);
    expect_message("net/train/n3: found no pictures, expected some of each class");
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const folders[] = {"bad",       "bad/empty",     "bad/kind",  "bad/kind/a",
                                          "bad/comma", "bad/comma/a,b", "bad/bytes", "bad/bytes/\xff",
                                          "bad/loop",  "bad/loop/a",    NULL};
    sets s;
    make_folders(folders);
    expect_status(read_sets("bad/nowhere", pictures_of(4, 4, 3), &s), CJ_NOT_FOUND);
    expect_message("bad/nowhere: cannot be listed");
    expect_status(read_sets("bad/empty", pictures_of(4, 4, 3), &s), CJ_FORMAT_ERROR);
    expect_message("bad/empty: found no folders, expected one for each class");
    cj_test_write_file(cj_test_path(folder, "bad/kind/a/x.webp"), "x", 1);
    expect_status(read_sets("bad/kind", pictures_of(4, 4, 3), &s), CJ_UNSUPPORTED);
    expect_message("bad/kind/a/x.webp: pictures of this kind are not read");
    expect_status(read_sets("bad/comma", pictures_of(4, 4, 3), &s), CJ_UNSUPPORTED);
    expect_message("a,b: expected the name of a class in UTF-8 without a comma");
    expect_status(read_sets("bad/bytes", pictures_of(4, 4, 3), &s), CJ_UNSUPPORTED);
    expect_message("expected the name of a class in UTF-8");
    assert_int_equal(symlink("..", cj_test_path(folder, "bad/loop/a/again")), 0);
    expect_status(read_sets("bad/loop", pictures_of(4, 4, 3), &s), CJ_UNSUPPORTED);
    expect_message("do links go in a circle?");
    expect_status(read_sets("flat", pictures_of(4, -4, 3), &s), CJ_INVALID_ARGUMENT);
    expect_status(read_sets("flat", pictures_of(4, 4, 2), &s), CJ_INVALID_ARGUMENT);
    expect_status(read_sets("flat", pictures_of(30000, 30000, 3), &s), CJ_UNSUPPORTED);
}

/* --- damaged pictures ---------------------------------------------------------------------------------- */

static void make_damaged(void)
{
    static const char *const folders[] = {"torn", "torn/a", "torn/b", NULL};
    make_folders(folders);
    for (int i = 0; i < 20; i++) {
        char name[64];
        snprintf(name, sizeof name, "torn/%s/%02d.ppm", i < 10 ? "a" : "b", i);
        put_picture(name, 4, 4, i, i, i);
    }
    cj_test_write_file(cj_test_path(folder, "torn/a/07.ppm"), "P6 4 4 255\nshort", 16);
    cj_test_write_file(cj_test_path(folder, "torn/b/12.ppm"), "nothing", 7);
}

static void test_damaged(void **state)
{
    (void)state;
    sets s;
    cj_loader *l;
    cj_batch batch;
    const char *first;
    make_damaged();
    expect_ok(read_sets("torn", pictures_of(4, 4, 3), &s));
    expect_ok(cj_loader_new(&l, s.parts[0], .batch_size = 5));
    assert_true(cj_loader_next(l, &batch));
    assert_false(cj_loader_next(l, &batch));
    expect_status(cj_loader_status(l), CJ_FORMAT_ERROR);
    expect_message("torn/a/07.ppm: found 5 bytes of pixels, expected 48");
    cj_loader_free(l);
    free_sets(&s);
    cj_picture_options skipping = pictures_of(4, 4, 3);
    skipping.skip_damaged = true;
    expect_ok(read_sets("torn", skipping, &s));
    assert_int_equal(cj_dataset_count(s.parts[0]), 18);
    assert_int_equal(cj_dataset_skipped(s.parts[0], &first), 2);
    assert_non_null(strstr(first, "torn/a/07.ppm: found 5 bytes"));
    uint8_t row[48];
    expect_ok(cj_dataset_fetch(s.parts[0], 10, row));
    assert_int_equal(row[0], 11);
    expect_ok(cj_loader_new(&l, s.parts[0], .batch_size = 5));
    for (int i = 0; i < 4; i++) assert_true(cj_loader_next(l, &batch));
    cj_loader_free(l);
    free_sets(&s);
}

/* --- tables -------------------------------------------------------------------------------------------- */

static cj_status read_table(const char *text, const char *target, bool number, cj_picture_options pictures,
                            cj_dataset **d)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/list.csv", folder);
    cj_test_write_file(path, text, strlen(text));
    cj_picture_table_options options = {.size = sizeof options,
                                        .path = path,
                                        .column = "file",
                                        .target = target,
                                        .target_is_number = number,
                                        .pictures = pictures};
    return cj_dataset_read_picture_table(d, &options);
}

static void test_tables(void **state)
{
    (void)state;
    static const char text[] = "file,kind,age,group\nflat/dog/a.PPM,dog,2.5,10\nflat/cat/z.pgm,cat,1,9\n"
                               "flat/dog/b.ppm,dog,3,10\n";
    cj_dataset *d;
    uint8_t row[12];
    expect_ok(read_table(text, "kind", false, pictures_of(2, 2, 3), &d));
    assert_int_equal(cj_dataset_classes(d), 2);
    assert_memory_equal(cj_dataset_y(d).data, ((int32_t[]){1, 0, 1}), 12);
    assert_string_equal(cj_dataset_class_name(d, 1), "dog");
    expect_ok(cj_dataset_fetch(d, 2, row));
    assert_int_equal(row[0], 10);
    cj_dataset_free(d);
    expect_ok(read_table(text, "age", true, pictures_of(2, 2, 3), &d));
    assert_true(cj_dataset_y(d).dtype == CJ_F32 && cj_dataset_classes(d) == 0);
    assert_memory_equal(cj_dataset_y(d).data, ((float[]){2.5F, 1, 3}), 12);
    cj_dataset_free(d);
    expect_ok(read_table(text, "group", false, pictures_of(2, 2, 3), &d)); /* numbers in their order */
    assert_memory_equal(cj_dataset_y(d).data, ((int32_t[]){1, 0, 1}), 12);
    assert_string_equal(cj_dataset_class_name(d, 0), "9");
    cj_dataset_free(d);
    cj_picture_options chosen = pictures_of(2, 2, 3);
    chosen.classes = "dog,cat";
    expect_ok(read_table(text, "kind", false, chosen, &d));
    assert_memory_equal(cj_dataset_y(d).data, ((int32_t[]){0, 1, 0}), 12);
    cj_dataset_free(d);
    chosen.classes = "dog";
    expect_status(read_table(text, "kind", false, chosen, &d), CJ_FORMAT_ERROR);
    expect_message("list.csv:3: column 'kind' has 'cat', expected one of the classes given");
    expect_status(read_table(text, "sort", false, chosen, &d), CJ_INVALID_ARGUMENT);
    expect_message("there is no column 'sort'");
    expect_status(read_table("file,kind\na.ppm,\n", "kind", false, pictures_of(2, 2, 3), &d),
                  CJ_FORMAT_ERROR);
    expect_message("list.csv:2: column 'kind' has no value, expected a class");
    expect_status(read_table("file,kind\na.ppm,b\xff\n", "kind", false, pictures_of(2, 2, 3), &d),
                  CJ_FORMAT_ERROR);
    expect_message("list.csv:2: column 'kind' has 'b\xff', expected the name of a class in UTF-8");
    expect_status(read_table("file,kind\n,dog\n", "kind", false, pictures_of(2, 2, 3), &d), CJ_FORMAT_ERROR);
    expect_message("list.csv:2: column 'file' has no value, expected the path of a picture");
    expect_status(read_table("file,kind\na.ppm,dog\n", "kind", true, pictures_of(2, 2, 3), &d),
                  CJ_FORMAT_ERROR);
    expect_message("has 'dog', expected a number");
    expect_ok(read_table("file,kind\nno.ppm,1\n", "kind", true, pictures_of(2, 2, 3), &d));
    expect_status(cj_dataset_fetch(d, 0, row), CJ_NOT_FOUND);
    expect_message("no.ppm");
    cj_dataset_free(d);
}

/* A picture left out leaves out its number. */
static void test_skipped_numbers(void **state)
{
    (void)state;
    cj_dataset *d;
    cj_picture_options skipping = pictures_of(2, 2, 1);
    skipping.skip_damaged = true;
    expect_ok(
        read_table("file,age\nflat/dog/a.PPM,1\nno.ppm,2\nflat/cat/z.pgm,3\n", "age", true, skipping, &d));
    assert_int_equal(cj_dataset_count(d), 2);
    assert_memory_equal(cj_dataset_y(d).data, ((float[]){1, 3}), 8);
    cj_dataset_free(d);
    expect_status(read_table("file,age\nno.ppm,2\n", "age", true, skipping, &d), CJ_FORMAT_ERROR);
    expect_message("none of 1 pictures can be read");
}

/* --- moments ------------------------------------------------------------------------------------------- */

static void test_moments(void **state)
{
    (void)state;
    sets s;
    double mean[3], deviation[3];
    expect_ok(read_sets("flat", pictures_of(4, 6, 3), &s));
    expect_ok(cj_dataset_moments(s.parts[0], 3, mean, deviation));
    static const double reds[] = {52, 51, 50, 40, 11, 10}; /* of one colour each */
    double sum = 0, squares = 0;
    for (int i = 0; i < 6; i++) sum += reds[i] / 6, squares += reds[i] * reds[i] / 6;
    assert_true(fabs(mean[0] - sum) < 1e-9 && fabs(deviation[0] - sqrt(squares - sum * sum)) < 1e-9);
    assert_true(mean[1] > mean[0] && mean[2] > mean[1]);
    expect_status(cj_dataset_moments(s.parts[0], 2, mean, deviation), CJ_SHAPE_ERROR);
    free_sets(&s);
    expect_ok(read_sets("torn", pictures_of(4, 4, 3), &s));
    expect_status(cj_dataset_moments(s.parts[0], 3, mean, deviation), CJ_FORMAT_ERROR);
    expect_message("torn/");
    free_sets(&s);
    float numbers[] = {1, 2, 3, 6};
    int32_t labels[] = {0, 1};
    cj_dataset *d;
    expect_ok(cj_dataset_from_tensors(&d, &(cj_tensor){numbers, CJ_F32, cj_shape(2, 2)},
                                      &(cj_tensor){labels, CJ_I32, cj_shape(2)}));
    expect_ok(cj_dataset_moments(d, 1, mean, deviation));
    assert_true(mean[0] == 3 && fabs(deviation[0] - sqrt(3.5)) < 1e-12);
    cj_dataset_free(d);
}

/* --- larger than memory -------------------------------------------------------------------------------- */

/* 3000 pictures of 768 KB, 2.2 GiB in all, though on the disk one file under many names: an epoch of it takes
 * a few pictures' memory and that of their names. */
static void test_streaming(void **state)
{
    (void)state;
    enum { PICTURES = 3000, SIDE = 512 };
    static const char *const folders[] = {"large", "large/a", "large/b", NULL};
    sets s;
    cj_loader *l;
    cj_batch batch;
    int64_t seen = 0;
    make_folders(folders);
    put_picture("large/a/0000.ppm", SIDE, SIDE, 9, 8, 7);
    for (int i = 1; i < PICTURES; i++) {
        char name[64];
        snprintf(name, sizeof name, "large/%s/%04d.ppm", i % 2 ? "b" : "a", i);
        assert_int_equal(link(cj_test_path(folder, "large/a/0000.ppm"), cj_test_path(folder, name)), 0);
    }
    uint64_t before = cj_memory().live_bytes;
    cj_memory_reset_peak();
    expect_ok(read_sets("large", pictures_of(8, 8, 3), &s));
    assert_true(cj_memory().peak_bytes - before < PICTURES * 200);
    expect_ok(cj_loader_new(&l, s.parts[0], .batch_size = 50, .threads = 2));
    while (seen < 600 && cj_loader_next(l, &batch)) seen += batch.count;
    expect_ok(cj_loader_status(l));
    assert_int_equal(seen, 600);
    assert_true(((float *)batch.x.data)[2] == 7);
    assert_true(cj_memory().peak_bytes - before < 16u << 20); /* 600 of them are 460 MB */
    cj_loader_free(l);
    free_sets(&s);
}

/* --- real data, failing allocations -------------------------------------------------------------------- */

static void test_faces(void **state)
{
    (void)state;
    const char *path = cj_test_data("orl");
    if (!path) skip_because("CAJAL_DATA has no orl");
    cj_folder_options options = {.size = sizeof options, .path = path};
    sets s;
    expect_ok(cj_dataset_read_folder(&options, &s.parts[0], &s.parts[1], &s.parts[2]));
    assert_true(cj_shape_equal(cj_dataset_x(s.parts[0]).shape, cj_shape(400, 28, 23, 1)));
    assert_string_equal(cj_dataset_class_name(s.parts[0], 1), "s10");
    uint8_t *row = malloc(28 * 23);
    for (int i = 0; i < 400; i += 37) expect_ok(cj_dataset_fetch(s.parts[0], i, row));
    free(row);
    free_sets(&s);
}

static cj_status scenario(void *context)
{
    sets s = {{NULL}};
    cj_loader *l = NULL;
    cj_batch batch;
    cj_status status = read_sets("flat", *(cj_picture_options *)context, &s);
    if (status == CJ_OK) status = cj_loader_new(&l, s.parts[0], .batch_size = 6, .prefetch = -1);
    if (status == CJ_OK && !cj_loader_next(l, &batch)) status = cj_loader_status(l);
    cj_loader_free(l);
    free_sets(&s);
    return status;
}

static cj_status table_scenario(void *number)
{
    static const char text[] = "file,age\nflat/dog/a.PPM,1\nflat/cat/z.pgm,3\n";
    cj_dataset *d;
    double mean[3], deviation[3];
    cj_status status = read_table(text, "age", number != NULL, pictures_of(3, 3, 3), &d);
    if (status == CJ_OK) status = cj_dataset_moments(d, 3, mean, deviation);
    cj_dataset_free(d);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_picture_options options = pictures_of(3, 2, 0);
    cj_test_allocator_install();
    cj_test_every_allocation_fails(scenario, &options);
    options.classes = "ant,cat,dog";
    options.skip_damaged = true;
    cj_test_every_allocation_fails(scenario, &options);
    cj_test_every_allocation_fails(table_scenario, NULL);
    cj_test_every_allocation_fails(table_scenario, "number");
    cj_test_allocator_remove();
}

static int make(void **state)
{
    (void)state;
    folder = cj_test_new_folder();
    make_flat();
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    cj_test_remove_folder(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_flat),
                                       cmocka_unit_test(test_own_size),
                                       cmocka_unit_test(test_parts),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_damaged),
                                       cmocka_unit_test(test_tables),
                                       cmocka_unit_test(test_skipped_numbers),
                                       cmocka_unit_test(test_moments),
                                       cmocka_unit_test(test_streaming),
                                       cmocka_unit_test(test_faces),
                                       cmocka_unit_test(test_allocations)};
    return cmocka_run_group_tests(tests, make, unmake);
}
