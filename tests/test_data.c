/* The data room: IDX files good, cut short and hostile; loaders whose batches depend on (seed, epoch) alone;
 * recipes and their mistakes; every allocation failing in turn.
 *
 * labels: threads */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const unsigned char images[] = {0, 0, 8, 3, 0, 0,  0,  3,  0,  0,  0,
                                       1, 0, 0, 0, 2, 10, 11, 20, 21, 30, 31};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9};

/* Writes both files and reads them, `cut` bytes of the images only. */
static cj_status read_cut(const char *folder, size_t cut, cj_dataset **d)
{
    cj_test_write_file(cj_test_path(folder, "x"), images, cut);
    cj_test_write_file(cj_test_path(folder, "y"), labels, sizeof labels);
    return cj_dataset_read_idx(d, cj_test_path(folder, "x"), cj_test_path(folder, "y"));
}

static void test_idx(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    cj_dataset *d;
    expect_ok(read_cut(folder, sizeof images, &d));
    assert_int_equal(cj_dataset_count(d), 3);
    assert_memory_equal(cj_dataset_x(d).data, images + 16, 6);
    assert_int_equal(((int32_t *)cj_dataset_y(d).data)[2], 9);
    cj_dataset_free(d);
    for (size_t cut = 0; cut < sizeof images; cut++) {
        expect_status(read_cut(folder, cut, &d), CJ_FORMAT_ERROR);
        assert_null(d);
    }
    expect_message("found only 5 elements, expected 6, as its dimensions say");
    cj_test_remove_folder(folder);
}

/* A header that promises 2^62 bytes must cost neither memory nor time. */
static void test_hostile_idx(void **state)
{
    (void)state;
    static const unsigned char huge[] = {0, 0, 8, 2, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff};
    static const unsigned char large[] = {0, 0, 8, 1, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3};
    char *folder = cj_test_new_folder();
    cj_dataset *d;
    cj_test_write_file(cj_test_path(folder, "y"), labels, sizeof labels);
    cj_test_write_file(cj_test_path(folder, "x"), huge, sizeof huge);
    expect_status(cj_dataset_read_idx(&d, cj_test_path(folder, "x"), cj_test_path(folder, "y")),
                  CJ_FORMAT_ERROR);
    cj_test_write_file(cj_test_path(folder, "x"), large, sizeof large);
    cj_memory_reset_peak();
    uint64_t before = cj_memory().peak_bytes;
    expect_status(cj_dataset_read_idx(&d, cj_test_path(folder, "x"), cj_test_path(folder, "y")),
                  CJ_FORMAT_ERROR);
    assert_true(cj_memory().peak_bytes - before < 4u << 20);
    expect_status(cj_dataset_open(&d, "no-such-set", false), CJ_INVALID_ARGUMENT);
    cj_test_remove_folder(folder);
}

/* A gzip file without its checksum, then with a wrong one: the elements are all there, yet not to be
 * trusted. The blocks are stored, so that only the checksum can tell. */
static void test_damaged_gzip(void **state)
{
    (void)state;
    static const unsigned char packed[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 22, 0, 0xe9, 0xff};
    static const unsigned char trailer[] = {0x65, 0xc4, 0x5c, 0x9b, 22, 0, 0, 0};
    unsigned char file[sizeof packed + sizeof images + sizeof trailer];
    memcpy(file, packed, sizeof packed);
    memcpy(file + sizeof packed, images, sizeof images);
    memcpy(file + sizeof packed + sizeof images, trailer, sizeof trailer);
    char *folder = cj_test_new_folder();
    const char *x = cj_test_path(folder, "x"), *y = cj_test_path(folder, "y");
    cj_dataset *d;
    cj_test_write_file(y, labels, sizeof labels);
    cj_test_write_file(x, file, sizeof file);
    cj_status status = cj_dataset_read_idx(&d, x, y);
    cj_dataset_free(d);
    if (status == CJ_UNSUPPORTED) {
        cj_test_remove_folder(folder);
        skip_because("this build has no zlib");
    }
    expect_ok(status);
    for (size_t missing = 1; missing <= sizeof trailer; missing++) {
        cj_test_write_file(x, file, sizeof file - missing);
        expect_status(cj_dataset_read_idx(&d, x, y), CJ_FORMAT_ERROR);
        expect_message("found the end of the file, expected a whole gzip file");
    }
    file[sizeof packed + sizeof images - 1] ^= 1;
    cj_test_write_file(x, file, sizeof file);
    expect_status(cj_dataset_read_idx(&d, x, y), CJ_FORMAT_ERROR);
    expect_message("found damaged compressed data, expected a whole gzip file");
    cj_test_remove_folder(folder);
}

static cj_dataset *counting_rows(int64_t rows)
{
    float x[100];
    int32_t y[100];
    cj_dataset *d;
    for (int i = 0; i < 100; i++) x[i] = (float)i, y[i] = i;
    cj_tensor tx = {x, CJ_F32, cj_shape(rows, 1)}, ty = {y, CJ_I32, cj_shape(rows)};
    expect_ok(cj_dataset_from_tensors(&d, &tx, &ty));
    return d;
}

static void test_loader(void **state)
{
    (void)state;
    cj_dataset *d = counting_rows(23);
    cj_loader *a, *b;
    cj_batch batch;
    expect_ok(cj_loader_new(&a, d, .first = 2, .count = 20, .batch_size = 8, .shuffle = true, .seed = 5,
                            .scale = 2));
    int32_t epochs[2][20];
    for (int e = 0; e < 2; e++) {
        int seen = 0;
        bool there[100] = {false};
        while (cj_loader_next(a, &batch)) {
            for (int64_t i = 0; i < batch.count; i++) {
                int32_t row = ((int32_t *)batch.y.data)[i];
                assert_true(row >= 2 && row < 22 && !there[row]);
                assert_true(((float *)batch.x.data)[i] == 2.0f * (float)row);
                there[row] = true;
                epochs[e][seen++] = row;
            }
            for (int64_t i = batch.count; i < 8; i++) {
                assert_int_equal(((int32_t *)batch.y.data)[i], -1);
                assert_true(((float *)batch.x.data)[i] == ((float *)batch.x.data)[i - batch.count]);
            }
        }
        assert_int_equal(seen, 20);
    }
    assert_memory_not_equal(epochs[0], epochs[1], sizeof epochs[0]);
    /* A loader put at (epoch 1, step 2) gives what the other saw there. */
    expect_ok(cj_loader_new(&b, d, .first = 2, .count = 20, .batch_size = 8, .shuffle = true, .seed = 5,
                            .scale = 2));
    cj_loader_seek(b, 1, 2);
    assert_true(cj_loader_next(b, &batch));
    assert_int_equal(batch.count, 4);
    assert_memory_equal(batch.y.data, epochs[1] + 16, 4 * sizeof(int32_t));
    assert_false(cj_loader_next(b, &batch));
    cj_loader_free(a);
    expect_status(cj_loader_new(&a, d, .first = 20, .count = 20, .batch_size = 8), CJ_INVALID_ARGUMENT);
    expect_status(cj_loader_new(&a, d, .batch_size = INT64_MAX / 2 + 1), CJ_INVALID_ARGUMENT);
    expect_message("is larger than a tensor can be");
    cj_loader_free(b);
    cj_dataset_free(d);
}

/* The same batches whether they are prepared ahead or when asked for, and after any number of seeks; what the
 * caller has does not change while others are prepared. */
static void test_prefetch(void **state)
{
    (void)state;
    cj_dataset *d = counting_rows(61);
    for (int64_t ahead = 1; ahead < 20; ahead += 6) {
        cj_loader *now, *early;
        expect_ok(cj_loader_new(&now, d, .batch_size = 7, .shuffle = true, .seed = 9, .prefetch = -1));
        expect_ok(cj_loader_new(&early, d, .batch_size = 7, .shuffle = true, .seed = 9, .prefetch = ahead));
        for (int i = 0; i < 400; i++) {
            cj_batch a, b;
            uint64_t dice = cj__bits(1, (uint64_t)ahead, (uint64_t)i);
            if (dice % 13 == 0) {
                int64_t epoch = (int64_t)(dice >> 8 & 3), step = (int64_t)(dice >> 16 & 15);
                cj_loader_seek(now, epoch, step);
                cj_loader_seek(early, epoch, step);
            }
            bool more = cj_loader_next(now, &a);
            assert_int_equal(cj_loader_next(early, &b), more);
            if (!more) continue;
            if (dice % 7 == 0) usleep(200);
            assert_int_equal(a.count, b.count);
            assert_memory_equal(a.x.data, b.x.data, cj_tensor_bytes(&a.x));
            assert_memory_equal(a.y.data, b.y.data, cj_tensor_bytes(&a.y));
        }
        cj_loader_free(now);
        cj_loader_free(early);
    }
    cj_dataset_free(d);
}

/* Images in one place and labels in another are no dataset; a later place that has both is. */
static void test_places(void **state)
{
    (void)state;
    char *first = cj_test_new_folder(), *second = cj_test_new_folder();
    const char *folders[] = {cj_test_path(first, "mnist"), cj_test_path(second, "cajal"),
                             cj_test_path(second, "cajal/mnist")};
    cj_dataset *d;
    for (int i = 0; i < 3; i++) assert_int_equal(mkdir(folders[i], 0700), 0);
    char *data = getenv("CAJAL_DATA") ? strdup(getenv("CAJAL_DATA")) : NULL;
    char *cache = getenv("XDG_CACHE_HOME") ? strdup(getenv("XDG_CACHE_HOME")) : NULL;
    setenv("CAJAL_DATA", first, 1);
    setenv("XDG_CACHE_HOME", second, 1);
    cj_test_write_file(cj_test_path(first, "mnist/train-images-idx3-ubyte"), labels, sizeof labels);
    cj_test_write_file(cj_test_path(second, "cajal/mnist/train-images-idx3-ubyte"), images, sizeof images);
    cj_test_write_file(cj_test_path(second, "cajal/mnist/train-labels-idx1-ubyte"), labels, sizeof labels);
    expect_ok(cj_dataset_open(&d, "mnist", false));
    assert_memory_equal(cj_dataset_x(d).data, images + 16, 6);
    cj_dataset_free(d);
    expect_ok(cj_dataset_open_sample(&d, "mnist", 2));
    assert_int_equal(cj_dataset_count(d), 2);
    assert_memory_equal(cj_dataset_x(d).data, images + 16, 4);
    cj_dataset_free(d);
    expect_ok(cj_dataset_open_sample(&d, "mnist", 9));
    assert_int_equal(cj_dataset_count(d), 3);
    cj_dataset_free(d);
    expect_status(cj_dataset_open_sample(&d, "mnist", 0), CJ_INVALID_ARGUMENT);
    data ? setenv("CAJAL_DATA", data, 1) : unsetenv("CAJAL_DATA");
    cache ? setenv("XDG_CACHE_HOME", cache, 1) : unsetenv("XDG_CACHE_HOME");
    free(data);
    free(cache);
    cj_test_remove_folder(first);
    cj_test_remove_folder(second);
}

static void free_loader_of(cj_dataset *d, cj_loader *l)
{
    cj_loader_free(l);
    cj_dataset_free(d);
}

static char *scenario_folder;

static cj_status read_and_load(void *context)
{
    (void)context;
    cj_dataset *d = NULL;
    cj_loader *l = NULL;
    cj_batch batch;
    cj_status status =
        cj_dataset_read_idx(&d, cj_test_path(scenario_folder, "x"), cj_test_path(scenario_folder, "y"));
    if (status == CJ_OK) status = cj_loader_new(&l, d, .batch_size = 2, .shuffle = true);
    while (status == CJ_OK && cj_loader_next(l, &batch)) {
    }
    free_loader_of(d, l);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_dataset *d;
    scenario_folder = cj_test_new_folder();
    expect_ok(read_cut(scenario_folder, sizeof images, &d));
    cj_dataset_free(d);
    cj_test_every_allocation_fails(read_and_load, NULL);
    cj_test_remove_folder(scenario_folder);
}

static cj_status read_recipe(const char *folder, const char *text, const char *override)
{
    cj_recipe *recipe;
    cj_test_write_file(cj_test_path(folder, "r.yaml"), text, strlen(text));
    cj_status status = cj_recipe_read(&recipe, cj_test_path(folder, "r.yaml"), override ? 1 : 0, &override);
    cj_recipe_free(recipe);
    return status;
}

static void test_recipes(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    cj_status status = read_recipe(folder, "model: [{dense: 10}]\n", NULL);
    if (status == CJ_UNSUPPORTED) {
        cj_test_remove_folder(folder);
        skip_because("this build has no libyaml");
    }
    expect_ok(status);
    expect_ok(read_recipe(folder, "model: [{dense: 10}]\n", "training.epochs=3"));
    expect_status(read_recipe(folder, "training:\n  epoch: 3\n", NULL), CJ_INVALID_ARGUMENT);
    expect_message("r.yaml:2: there is no key 'training.epoch'; did you mean 'training.epochs'?");
    expect_status(read_recipe(folder, "model: [{dens: 10}]\n", NULL), CJ_INVALID_ARGUMENT);
    expect_message("there is no layer 'dens'; did you mean 'dense'?");
    expect_status(read_recipe(folder, "model: [{dense: 10}]\n", "optimizer.learning_rate=fast"),
                  CJ_INVALID_ARGUMENT);
    expect_message("optimizer.learning_rate is 'fast', but must be a number");
    expect_status(read_recipe(folder, "model: [relu]\n", NULL), CJ_INVALID_ARGUMENT);
    expect_message("`model` needs a dense layer");
    expect_status(read_recipe(folder, "model: [conv2d: {kernel: 3}, dense: 10]\n", NULL),
                  CJ_INVALID_ARGUMENT);
    expect_message("r.yaml:1: layer conv2d needs filters, a whole number from 1 on");
    expect_status(read_recipe(folder, "model: [dropout, dense: 10]\n", NULL), CJ_INVALID_ARGUMENT);
    expect_message("layer dropout needs rate, a rate from 0 up to 1");
    expect_status(read_recipe(folder, "model: [max_pool: {kernel: 0}, dense: 10]\n", NULL),
                  CJ_INVALID_ARGUMENT);
    expect_message("layer max_pool has kernel '0', but needs a whole number from 1 on");
    expect_status(read_recipe(folder, "model: [dense: 10]\n", "training.label_smoothing=1.5"),
                  CJ_INVALID_ARGUMENT);
    expect_message("training.label_smoothing is '1.5', but must be a share from 0 to 1");
    expect_ok(read_recipe(
        folder,
        "model: [separable_conv2d: {filters: 4, kernel: 3, padding: same, bias: false}, group_norm,\n"
        " group_norm: 2, instance_norm, local_response_norm, power_pool: {kernel: 2, power: 3},\n"
        " local_response_norm: {width: 3, alpha: 1e-3, beta: 0.5, k: 2}, spatial_dropout: 0.1,\n"
        " squeeze_excitation: {squeezed: 2, hard: true}, adaptive_average_pool: 7, pixel_shuffle: 2,\n"
        " resize: {factor: 2, interpolation: bilinear, align_corners: true}, dense: 10]\n",
        NULL));
    expect_status(read_recipe(folder, "model: [resize: {factor: 2, interpolation: cubic}]\n", NULL),
                  CJ_INVALID_ARGUMENT);
    expect_message("interpolation of layer resize is 'cubic', but must be one of nearest|bilinear");
    expect_status(read_recipe(folder, "model: [power_pool: {kernel: 2, power: 0}]\n", NULL),
                  CJ_INVALID_ARGUMENT);
    expect_message("power of layer power_pool is '0', but must be a number above 0");
    expect_status(read_recipe(folder, "model: {name: unet}\n", NULL), CJ_INVALID_ARGUMENT);
    expect_message("model.name is 'unet', which gives something for every pixel, and recipes train");
    expect_status(read_recipe(folder, "model: autoencoder\n", NULL), CJ_INVALID_ARGUMENT);
    expect_message("hint: train it from C (cj_network, docs/models.md)");
    expect_status(read_recipe(folder, "a: [1, {", NULL), CJ_FORMAT_ERROR);
    expect_status(read_recipe(folder, "", NULL), CJ_FORMAT_ERROR);
    expect_status(read_recipe(folder, "- 1\n", NULL), CJ_FORMAT_ERROR);
    cj_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idx),          cmocka_unit_test(test_hostile_idx),
        cmocka_unit_test(test_damaged_gzip), cmocka_unit_test(test_places),
        cmocka_unit_test(test_loader),       cmocka_unit_test(test_prefetch),
        cmocka_unit_test(test_allocations),  cmocka_unit_test(test_recipes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
