/* Files from outside are hostile: each seed of the fuzzers, read as its format, is taken or refused with a
 * sentence, and never for more memory than a file of its size can stand for. */
#include "support.h"

#include "base/memory.h"
#include "cajal/cajal.h"
#include "data/dataset.h"

#include <dirent.h>
#include <sys/stat.h>

/* --- the readers --------------------------------------------------------------------------------------- */

static cj_status read_idx(const char *path)
{
    cj_tensor tensor;
    cj_status status = cj__idx_read(&tensor, path, INT64_MAX);
    if (status == CJ_OK) cj__free(tensor.data);
    return status;
}

static cj_status read_csv(const char *path)
{
    cj_table *table;
    cj_status status =
        cj_table_read_csv(&table, &(cj_csv_options){.size = sizeof(cj_csv_options), .path = path});
    if (status == CJ_OK) cj_table_free(table);
    return status;
}

static cj_status read_preprocessing(const char *path)
{
    cj_preprocessing *made;
    cj_status status = cj_preprocessing_load(&made, path);
    if (status == CJ_OK) cj_preprocessing_free(made);
    return status;
}

static cj_status read_kernels(const char *path)
{
    cj_kernels *kernels;
    cj_status status = cj_kernels_load(&kernels, path);
    if (status == CJ_OK) cj_kernels_free(kernels);
    return status;
}

static cj_status read_tensors(const char *path)
{
    cj_tensor_file *file;
    cj_status status = cj_tensor_file_open(&file, path);
    if (status != CJ_OK) return status;
    for (int64_t i = 0; i < cj_tensor_file_count(file) && status == CJ_OK; i++) {
        cj_tensor tensor;
        status = cj_tensor_file_tensor(file, i, &tensor);
    }
    cj_tensor_file_close(file);
    return status;
}

static cj_status read_image(const char *path)
{
    cj_image image;
    cj_status status = cj_image_read(&image, path);
    if (status == CJ_OK) cj_image_free(&image);
    return status;
}

static cj_status read_recipe(const char *path)
{
    cj_recipe *recipe;
    cj_status status = cj_recipe_read(&recipe, path, 0, NULL);
    if (status == CJ_OK) cj_recipe_free(recipe);
    return status;
}

static cj_status read_tokenizer(const char *path)
{
    cj_tokenizer *t;
    cj_status status = cj_tokenizer_open(&t, path);
    if (status == CJ_OK) cj_tokenizer_free(t);
    return status;
}

/* In one format after the other, up to the first that the file is not. */
static cj_status read_sentences(const char *path)
{
    cj_tokenizer *t;
    cj_status status = CJ_OK;
    cj_tokenizer_training training = {
        .size = sizeof training, .kind = CJ_TOKENS_BYTE, .text = "", .specials = true};
    CJ__TRY(cj_tokenizer_train(&t, &training));
    for (int format = CJ_TEXT_LINES; format <= CJ_TEXT_STORIES && status == CJ_OK; format++) {
        cj_dataset *d;
        cj_text_file_options o = {.size = sizeof o,
                                  .format = (cj_text_format)format,
                                  .path = path,
                                  .target_path = path,
                                  .tokenizer = t,
                                  .memory = 3};
        status = cj_dataset_read_text(&d, &o);
        if (status == CJ_OK) cj_dataset_free(d);
    }
    cj_tokenizer_free(t);
    return status;
}

static const struct {
    const char *name;
    cj_status (*read)(const char *path);
} readers[] = {{"idx", read_idx},
               {"csv", read_csv},
               {"preprocessing", read_preprocessing},
               {"kernels", read_kernels},
               {"numpy", read_tensors},
               {"image", read_image},
               {"recipe", read_recipe},
               {"safetensors", read_tensors},
               {"llama2c", read_tensors},
               {"tokenizer", read_tokenizer},
               {"sentences", read_sentences}};
enum { READERS = sizeof readers / sizeof *readers };

/* --- every seed ---------------------------------------------------------------------------------------- */

/* What a byte can stand for: deflate makes 1032 of one, and in a picture each bit of them is a pixel, which
 * becomes four bytes and then one. */
static uint64_t most_memory(const char *path)
{
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    uint64_t per_byte = strstr(path, "/image/") ? 8 * 5 * 1032 : 4 * 1032;
    return (4 << 20) + per_byte * (uint64_t)facts.st_size;
}

static void read_seed(int reader, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, CJ_TEST_SOURCE "/fuzz/corpus/%s/%s", readers[reader].name, name);
    cj_memory_reset_peak();
    uint64_t before = cj_memory().live_bytes;
    cj_status status = readers[reader].read(path);
    cj_memory_counts after = cj_memory();
    assert_int_equal(after.live_bytes, before);
    if (after.peak_bytes - before > most_memory(path))
        fail_msg("%s: %llu bytes of memory", path, (unsigned long long)(after.peak_bytes - before));
    if (status == CJ_OK) return;
    if (status == CJ_OUT_OF_MEMORY || status == CJ_INTERNAL_ERROR || !strstr(cj_error_message(), path))
        fail_msg("%s: \"%s\" (%s)", path, cj_status_name(status), cj_error_message());
}

static void test_every_seed(void **state)
{
    (void)state;
    for (int r = 0; r < READERS; r++) {
        char folder[4096];
        int seeds = 0;
        snprintf(folder, sizeof folder, CJ_TEST_SOURCE "/fuzz/corpus/%s", readers[r].name);
        DIR *dir = opendir(folder);
        assert_non_null(dir);
        for (const struct dirent *e; (e = readdir(dir));)
            if (e->d_name[0] != '.') read_seed(r, e->d_name), seeds++;
        closedir(dir);
        assert_true(seeds >= 9);
    }
}

/* --- sentences ----------------------------------------------------------------------------------------- */

/* What was found and what was expected. */
static const struct {
    const char *seed, *found, *expected;
} sentences[] = {
    {"idx/four-gigabytes", "byte 8: found only 8 elements", "expected 4294967295, as its dimensions say"},
    {"idx/near-2-63", "byte 4: found [4294967295,2147483647]", "expected dimensions that fit in memory"},
    {"idx/rank-255", "byte 3: found 00 00 08 ff", "expected a rank from 1 to 8"},
    {"idx/gzip-bomb", "found only 1048576 elements", "expected 4294967295"},
    {"idx/gzip-wrong-checksum", "found damaged compressed data", "expected a whole gzip file"},
    {"csv/too-few", ":3: found 2 fields", "expected 3 as in the first line"},
    {"csv/open-quote", ":2: found a quote that is never closed", "expected its other quote"},
    {"csv/named-twice", ":1: columns 1 and 3", "both named 'a'"},
    {"csv/zero-byte", "byte 6: found a zero", "expected text"},
    {"tokenizer/far-number", "expected its merges", "as vocab.bpe or merges.txt"},
    {"tokenizer/scored-near-2-31", "byte 4", "found piece 0 of 2147483647 bytes"},
    {"tokenizer/vocabulary-twice", "line 3: 'a' is there already", "in line 2"},
    {"sentences/no-tab", "line 2: found 'b'", "expected a sentence, a tab and a label"},
    {"preprocessing/format-2", "found format 18446744073709551615", "expected 1"},
    {"preprocessing/no-columns", "found no \"columns\"", "expected one"},
    {"preprocessing/cut-short", "byte 98: found '1'", "expected a number"},
    {"numpy/near-2-63", "of the header: found '9'", "expected dimensions that fit in memory"},
    {"numpy/product-overflows", "found '('", "expected a shape that fits in memory"},
    {"numpy/cut-short", "found 19 bytes of elements", "expected 24 for F32 [2,3]"},
    {"numpy/huge-header", "found a header of 4294967295 bytes", "expected 1048576 at most"},
    {"numpy/bomb-that-lies.npz", "found 90 bytes said to be 4611686018427387904", "impossible"},
    {"numpy/stored-that-lies.npz", "x.npy: found 4611686018427387904 bytes", "expected them before byte"},
    {"numpy/many-members.npz", "found 1152921504606846976 members", "expected them before byte"},
    {"numpy/same-bytes-twice.npz", "overlap: found one at byte 35", "expected it at 175 or later"},
    {"numpy/wrong-checksum.npz", "tensor x: damaged: found CRC-32", "expected 00000001"},
    {"llama2c/cut-short", "found 152 bytes", "expected 156 of a checkpoint of llama2.c"},
    {"llama2c/largest", "found 28 bytes", "expected 126105221985206300"},
    {"image/largest.pgm", "a picture of 9223372036854775807 by 9223372036854775807", "up to 32768 a side"},
    {"image/a-side-of-2-15.png", "found a file of 66 bytes", "expected more for a picture of 32768 by 4096"},
    {"image/cut-short.pgm", "found 3 bytes of pixels", "expected 600"},
    {"image/minus.pgm", "found width none", "expected numbers"},
    {"recipe/twice", ":3: name is given a second time", "line 2 has it"},
    {"recipe/weights-nan", "training.class_weights is 'nan,-inf'", "must be a list of numbers from 0 on"},
    {"recipe/shape-hostile", "data.shape is '1e300,-5,nan,0.5'", "dimensions that fit in memory"},
    {"recipe/huge-count", "dense has units '9e15'", "needs a whole number from 1 on"},
    {"recipe/many-laughs", ":1: there is no key 'a.p'", "did you mean"},
    {"safetensors/near-2-63", "byte 28: found '['", "expected at most 8 dimensions that fit in memory"},
    {"safetensors/huge-header", "found a header of 18446744073709551615 bytes", "expected at most 2"},
    {"safetensors/overlap", "found it at data byte 3", "expected 4: tensors overlap"},
};

static void test_sentences(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        char path[4096];
        int r = 0;
        size_t length = strcspn(sentences[i].seed, "/");
        while (strlen(readers[r].name) != length || strncmp(readers[r].name, sentences[i].seed, length) != 0)
            r++;
        snprintf(path, sizeof path, CJ_TEST_SOURCE "/fuzz/corpus/%s", sentences[i].seed);
        cj_status status = readers[r].read(path);
        assert_int_not_equal(status, CJ_OK);
        expect_message(path);
        /* A library that this build lacks is what is told first. */
        if (status == CJ_UNSUPPORTED && strstr(cj_error_message(), "build")) continue;
        expect_message(sentences[i].found);
        expect_message(sentences[i].expected);
    }
}

/* A log is read from a run's folder. */
static void test_run_logs(void **state)
{
    (void)state;
    static const struct {
        const char *seed, *sentence;
    } logs[] = {{"huge-counts", "log.jsonl:1: byte 26: found '1', expected a whole number from 0 to"},
                {"broken-line", "log.jsonl:2: byte 25: found the end of the text, expected a whole number"},
                {"other-types", "log.jsonl:1: byte 9: found '1', expected a string"}};
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
        char *folder = cj_test_new_folder();
        char seed[4096];
        size_t size;
        cj_run_info info;
        snprintf(seed, sizeof seed, CJ_TEST_SOURCE "/fuzz/corpus/run_log/%s", logs[i].seed);
        char *text = cj_test_read_file(seed, &size);
        cj_test_write_file(cj_test_path(folder, "log.jsonl"), text, size);
        expect_status(cj_run_read(folder, &info), CJ_FORMAT_ERROR);
        expect_message(logs[i].sentence);
        free(text);
        cj_test_remove_folder(folder);
    }
}

/* A text of a megabyte of commas is a million columns: found out in no time. */
static void test_many_columns(void **state)
{
    (void)state;
    enum { COMMAS = 1 << 19 };
    char *folder = cj_test_new_folder(), *text = malloc(COMMAS + 1);
    const char *path = cj_test_path(folder, "wide.csv");
    memset(text, ',', COMMAS);
    text[COMMAS] = '\n';
    cj_test_write_file(path, text, COMMAS + 1);
    expect_ok(read_csv(path));
    free(text);
    cj_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_seed), cmocka_unit_test(test_sentences),
                                       cmocka_unit_test(test_run_logs), cmocka_unit_test(test_many_columns)};
    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
