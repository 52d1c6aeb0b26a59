/* Recipes on pictures in files, through the command: trained, saved, evaluated and predicted with the
 * classes, the shape and the normalisation that the run remembers; damaged pictures; a set larger than the
 * memory the process may have. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;

static const char *at(const char *name)
{
    return cj_test_path(folder, name);
}

/* Noise around a shade: [side,side,3]. */
static void put_picture(const char *name, int side, int shade)
{
    uint8_t *data = malloc((size_t)(side * side * 3 + 32));
    int size = sprintf((char *)data, "P6 %d %d 255\n", side, side);
    for (int i = 0; i < side * side * 3; i++) data[size++] = (uint8_t)(shade + i * 37 % 23 - (i % 3) * 10);
    cj_test_write_file(at(name), data, (size_t)size);
    free(data);
}

static void put_text(const char *name, const char *text)
{
    cj_test_write_file(at(name), text, strlen(text));
}

static const char model[] = "model:\n  - dense: 8\n  - relu\n  - dense: 2\n";

/* 24 dark and 24 bright pictures for training, 8 and 8 for the test, of several sizes; a table of the former.
 */
static int make(void **state)
{
    static const char *const folders[] = {
        "set",          "set/train", "set/test", "set/train/bright", "set/train/dark", "set/test/bright",
        "set/test/dark"};
    static char table[10000];
    size_t used = (size_t)sprintf(table, "picture,how,much\n");
    (void)state;
    folder = cj_test_new_folder();
    for (int i = 0; i < 7; i++)
        if (mkdir(at(folders[i]), 0700) != 0) return 1;
    for (int i = 0; i < 64; i++) {
        char name[64];
        snprintf(name, sizeof name, "set/%s/%s/%02d.ppm", i < 48 ? "train" : "test",
                 i % 2 ? "dark" : "bright", i);
        put_picture(name, 12 + i % 5, i % 2 ? 60 : 190);
        if (i < 48)
            used +=
                (size_t)sprintf(table + used, "%s,%s,%d\n", name + 4, i % 2 ? "night" : "day", i % 2 ? 0 : 1);
    }
    put_text("list.csv", table);
    char recipe[4096];
    snprintf(recipe, sizeof recipe,
             "name: shades\ndata:\n  folder: %s/set\n  shape: [8, 8]\n  normalise: fit\n  crop: 0.9\n"
             "training: {epochs: 4, batch_size: 8}\noptimizer: {learning_rate: 0.01}\n%s",
             folder, model);
    put_text("folder.yaml", recipe);
    snprintf(recipe, sizeof recipe,
             "data:\n  file: %s/list.csv\n  folder: %s/set\n  pictures: picture\n  target: how\n  shape: [8, "
             "8, 1]\n"
             "  test: 0.25\ntraining: {epochs: 40, batch_size: 8}\noptimizer: {learning_rate: 0.01}\n%s",
             folder, folder, model);
    put_text("table.yaml", recipe);
    snprintf(recipe, sizeof recipe,
             "data:\n  file: %s/list.csv\n  folder: %s/set\n  pictures: picture\n  target: much\n"
             "  target_is_number: true\n  shape: [8, 8, 1]\n  test: 0.25\n"
             "training: {epochs: 2, batch_size: 8, loss: squared_error}\nmodel:\n  - dense: 1\n",
             folder, folder);
    put_text("number.yaml", recipe);
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    cj_test_remove_folder(folder);
    return 0;
}

/* `code` 1 stands for 2 as well: a mistake in a recipe. */
static void expect_run(cj_test_result r, int code, const char *output, const char *errors)
{
    if ((r.exit_code != 0) != (code != 0) || !strstr(r.output, output) || !strstr(r.errors, errors))
        fail_msg("exit code %d, wanted %d\nwanted: %s|%s\noutput: %s\nerrors: %s", r.exit_code, code, output,
                 errors, r.output, r.errors);
    cj_test_result_free(&r);
}

/* Without libyaml there are no recipes. */
static void need_recipes(void)
{
    cj_test_result r = cj_test_cajal("check", at("folder.yaml"));
    bool there = r.exit_code == 0;
    cj_test_result_free(&r);
    if (!there) skip_because("this build reads no recipes");
}

static void test_folder(void **state)
{
    (void)state;
    need_recipes();
    char run[4096], dark[4096], bright[4096], weights[2][4096];
    snprintf(run, sizeof run, "%s/run", folder);
    snprintf(dark, sizeof dark, "%s/set/test/dark/51.ppm", folder);
    snprintf(bright, sizeof bright, "%s/set/test/bright/52.ppm", folder);
    expect_run(cj_test_cajal("train", at("folder.yaml"), "--output", run, "--quiet"), 0, "accuracy", "");
    expect_run(cj_test_cajal("evaluate", run, "--json"), 0, "\"accuracy\": 1, \"count\": 16", "");
    expect_run(cj_test_cajal("predict", run, dark), 0, "51.ppm: dark ", "");
    expect_run(cj_test_cajal("predict", run, bright, "--json"), 0, "\"class\": \"bright\"", "");
    /* one and three threads give the same weights */
    for (int i = 0; i < 2; i++) {
        cj_test_result r =
            cj_test_cajal("train", at("folder.yaml"), "--no-save", "--quiet", "--threads", i ? "3" : "1");
        const char *digest = strstr(r.output, "weights sha256");
        assert_non_null(digest);
        snprintf(weights[i], sizeof weights[i], "%s", digest);
        cj_test_result_free(&r);
    }
    assert_string_equal(weights[0], weights[1]);
}

/* What the run's recipe says of pictures that come later. */
static void test_remembered(void **state)
{
    (void)state;
    need_recipes();
    cj_recipe *recipe;
    char path[4096];
    snprintf(path, sizeof path, "%s/run/recipe.yaml", folder);
    expect_ok(cj_recipe_read(&recipe, path, 0, NULL));
    assert_true(cj_shape_equal(cj_recipe_shape(recipe), cj_shape(8, 8, 3)));
    assert_string_equal(cj_recipe_class(recipe, 1), "dark");
    assert_null(cj_recipe_class(recipe, 2));
    cj_image_fit_options fit = cj_recipe_picture(recipe);
    assert_true(fit.height == 8 && fit.channels == 3 && fit.crop == 0.9);
    cj_evaluate_options options = cj_recipe_evaluate_options(recipe);
    assert_int_equal(options.channels, 3);
    /* half of 60, half of 190, and what the noise adds: 11, 1 and -9 on average */
    for (int c = 0; c < 3; c++) {
        assert_true(fabs(options.mean[c] * 255 - (125 + 11 - 10 * c)) < 3);
        assert_true(fabs(options.deviation[c] * 255 - 65) < 3);
    }
    cj_recipe_free(recipe);
}

static void test_table(void **state)
{
    (void)state;
    need_recipes();
    char run[4096], dark[4096];
    snprintf(run, sizeof run, "%s/table-run", folder);
    snprintf(dark, sizeof dark, "%s/set/test/dark/51.ppm", folder);
    expect_run(cj_test_cajal("train", at("table.yaml"), "--output", run, "--quiet"), 0, "accuracy", "");
    expect_run(cj_test_cajal("evaluate", run, "--json"), 0, "\"accuracy\": 1, \"count\": 12", "");
    expect_run(cj_test_cajal("predict", run, dark), 0, "51.ppm: night ", "");
    expect_run(cj_test_cajal("train", at("number.yaml"), "--no-save", "--quiet", "--json"), 0,
               "\"count\": 12", "");
}

static void test_jpeg(void **state)
{
    (void)state;
    need_recipes();
#ifdef CJ_HAVE_JPEG
    char run[4096];
    snprintf(run, sizeof run, "%s/run", folder);
    expect_run(cj_test_cajal("predict", run, CJ_TEST_FIXTURE("images/colour.jpg")), 0, "colour.jpg: ", "");
    expect_run(cj_test_cajal("predict", run, CJ_TEST_FIXTURE("images/grey.jpg")), 0, "grey.jpg: ", "");
#else
    skip_because("built without libjpeg-turbo");
#endif
}

static void test_mistakes(void **state)
{
    (void)state;
    need_recipes();
    const char *const recipe = at("folder.yaml");
    expect_run(cj_test_cajal("train", recipe, "--no-save", "data.folder=nowhere"), 1, "",
               "nowhere was not found");
    expect_run(cj_test_cajal("check", recipe, "data.mean=0.5,0.5"), 1, "",
               "data.deviation is '', but must be a list of");
    expect_run(cj_test_cajal("check", recipe, "data.mean=1", "data.deviation=0"), 1, "", "numbers above 0");
    expect_run(cj_test_cajal("train", recipe, "--no-save", "data.mean=1,2", "data.deviation=1,2"), 1, "",
               "normalisation is for 2 channels, but examples have 3");
    expect_run(cj_test_cajal("train", recipe, "--no-save", "data.shape=8,8,2"), 1, "",
               "data.shape is '8,8,2'");
    expect_run(cj_test_cajal("train", recipe, "--no-save", "data.crop=2"), 1, "", "a crop is 0, or a share");
    expect_run(cj_test_cajal("train", recipe, "--no-save", "data.shape="), 1, "",
               "expected 12 by 12, as the first one is");
    expect_run(cj_test_cajal("check", recipe, "data.file=list.csv"), 1, "", "data.pictures is ''");
}

static void test_damaged(void **state)
{
    (void)state;
    need_recipes();
    put_text("set/train/dark/99.ppm", "P6 8 8 255\nabc");
    expect_run(cj_test_cajal("train", at("folder.yaml"), "--no-save", "--quiet"), 1, "",
               "set/train/dark/99.ppm: found 3 bytes of pixels, expected 192");
    expect_run(cj_test_cajal("train", at("folder.yaml"), "--no-save", "--quiet", "data.skip_damaged=true"), 0,
               "accuracy", "cajal: 1 damaged pictures were left out, the first: ");
    assert_int_equal(unlink(at("set/train/dark/99.ppm")), 0);
}

/* Some 940 MB of pictures, one file under many names, in a process that may have 500 MB of addresses. */
static void test_larger_than_memory(void **state)
{
    (void)state;
    need_recipes();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip_because("sanitizers take terabytes of addresses");
#endif
    enum { PICTURES = 1200, SIDE = 512 };
    char command[8192];
    assert_int_equal(mkdir(at("large"), 0700), 0);
    for (int c = 0; c < 2; c++) {
        assert_int_equal(mkdir(at(c ? "large/b" : "large/a"), 0700), 0);
        put_picture(c ? "large/b/0.ppm" : "large/a/0.ppm", SIDE, c ? 60 : 190);
        for (int i = 1; i < PICTURES / 2; i++) {
            char name[64];
            snprintf(name, sizeof name, "large/%s/%d.ppm", c ? "b" : "a", i);
            assert_int_equal(link(at(c ? "large/b/0.ppm" : "large/a/0.ppm"), at(name)), 0);
        }
    }
    snprintf(command, sizeof command,
             "ulimit -v 500000 && exec '%s' train '%s/folder.yaml' --no-save --quiet --threads 2 "
             "'data.folder=%s/large' "
             "data.normalise=given data.test=0.1 training.epochs=1",
             CJ_TEST_COMMAND, folder, folder);
    expect_run(cj_test_run((const char *const[]){"sh", "-c", command, NULL}, NULL), 0, "accuracy 100.00", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_folder),
                                       cmocka_unit_test(test_remembered),
                                       cmocka_unit_test(test_table),
                                       cmocka_unit_test(test_jpeg),
                                       cmocka_unit_test(test_mistakes),
                                       cmocka_unit_test(test_damaged),
                                       cmocka_unit_test(test_larger_than_memory)};
    return cmocka_run_group_tests(tests, make, unmake);
}
