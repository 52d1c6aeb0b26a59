/* Windows of a text: drawn anew each epoch, one behind the other, and in lanes; every token a target once;
 * padding that counts for nothing; a network trained on them, and the same from a recipe.
 *
 * labels: threads */
#include "support.h"

#include "base/memory.h"
#include "cajal/cajal.h"

#include <math.h>
#include <string.h>

enum { TOKENS = 23, WINDOW = 5 };

static cj_status make(cj_dataset **d, int64_t count, int64_t drawn, int64_t lanes)
{
    int32_t tokens[100];
    for (int i = 0; i < count; i++) tokens[i] = i;
    return cj_dataset_of_text(d, &(cj_text_windows){.size = sizeof(cj_text_windows),
                                                    .tokens = tokens,
                                                    .count = count,
                                                    .vocabulary = 100,
                                                    .window = WINDOW,
                                                    .drawn = drawn,
                                                    .lanes = lanes});
}

/* Of token numbers that count up each target is its input and one; how often each was a target. */
static void count_targets(const cj_batch *batch, int *times)
{
    const int32_t *x = batch->x.data, *y = batch->y.data;
    assert_int_equal(batch->x.dtype, CJ_I32);
    assert_int_equal(batch->y.dtype, CJ_I32);
    for (int64_t i = 0; i < cj_shape_count(batch->y.shape); i++) {
        if (y[i] < 0) {
            assert_int_equal(y[i], -1);
            if (i < batch->count * WINDOW) assert_int_equal(x[i], 0);
            continue;
        }
        assert_int_equal(y[i], x[i] + 1);
        times[y[i]]++;
    }
}

/* --- one behind the other ------------------------------------------------------------------------------ */

static void expect_each_once(int64_t count, int64_t lanes, int64_t batch_size)
{
    int times[100] = {0};
    cj_dataset *d;
    cj_loader *l;
    cj_batch batch;
    expect_ok(make(&d, count, 0, lanes));
    expect_ok(cj_loader_new(&l, d, .batch_size = batch_size, .prefetch = -1));
    while (cj_loader_next(l, &batch)) count_targets(&batch, times);
    expect_ok(cj_loader_status(l));
    for (int64_t i = 0; i < 100; i++) assert_int_equal(times[i], i > 0 && i < count);
    cj_loader_free(l);
    cj_dataset_free(d);
}

static void test_every_token_once(void **state)
{
    (void)state;
    for (int64_t count = 2; count < 40; count++) {
        expect_each_once(count, 0, 3);
        expect_each_once(count, 1, 1);
        expect_each_once(count, 2, 2);
        expect_each_once(count, 7, 7);
    }
}

/* Row r of each batch goes on where row r of the one before ended. */
static void test_lanes(void **state)
{
    (void)state;
    cj_dataset *d;
    cj_loader *l;
    cj_batch batch;
    int32_t last[4] = {-1, -1, -1, -1};
    expect_ok(make(&d, 81, 0, 4));
    expect_ok(cj_loader_new(&l, d, .batch_size = 4, .shuffle = true, .seed = 3)); /* order is kept */
    assert_int_equal(cj_loader_steps(l), 4);
    while (cj_loader_next(l, &batch))
        for (int r = 0; r < 4; r++) {
            const int32_t *x = (const int32_t *)batch.x.data + r * WINDOW;
            assert_int_equal(x[0], last[r] < 0 ? 20 * r : last[r] + 1);
            last[r] = x[WINDOW - 1];
        }
    for (int r = 0; r < 4; r++) assert_int_equal(last[r], 20 * r + 19);
    cj_loader_free(l);
    expect_status(cj_loader_new(&l, d, .batch_size = 5), CJ_INVALID_ARGUMENT);
    expect_message("batches of 5 do not fit a text in 4 lanes");
    cj_dataset_free(d);
}

/* --- drawn --------------------------------------------------------------------------------------------- */

/* A function of (seed, epoch, row): the same after a seek, and on several threads; every beginning is met,
 * and none beyond the last. */
static void test_drawn(void **state)
{
    (void)state;
    int begun[TOKENS] = {0}, times[100] = {0};
    cj_dataset *d;
    cj_loader *l, *other;
    cj_batch batch, again;
    int64_t moved = 0;
    expect_ok(make(&d, TOKENS, 64, 0));
    expect_ok(cj_loader_new(&l, d, .batch_size = 16, .shuffle = true, .seed = 5, .prefetch = -1));
    expect_ok(
        cj_loader_new(&other, d, .batch_size = 16, .shuffle = true, .seed = 5, .prefetch = 3, .threads = 3));
    for (int epoch = 0; epoch < 8; epoch++) {
        while (cj_loader_next(l, &batch)) {
            assert_true(cj_loader_next(other, &again));
            assert_memory_equal(batch.x.data, again.x.data, cj_tensor_bytes(&batch.x));
            assert_memory_equal(batch.y.data, again.y.data, cj_tensor_bytes(&batch.y));
            count_targets(&batch, times);
            for (int r = 0; r < 16; r++) begun[((const int32_t *)batch.x.data)[r * WINDOW]]++;
        }
        assert_false(cj_loader_next(other, &again));
    }
    for (int i = 0; i < TOKENS; i++) assert_int_equal(begun[i] > 0, i < TOKENS - WINDOW);
    cj_loader_seek(l, 2, 1);
    cj_loader_seek(other, 3, 1);
    assert_true(cj_loader_next(l, &batch) && cj_loader_next(other, &again));
    for (int r = 0; r < 16; r++)
        moved += ((const int32_t *)batch.x.data)[r * WINDOW] != ((const int32_t *)again.x.data)[r * WINDOW];
    assert_true(moved > 8);
    cj_loader_seek(other, 2, 1);
    assert_true(cj_loader_next(other, &again));
    assert_memory_equal(batch.x.data, again.x.data, cj_tensor_bytes(&batch.x));
    cj_loader_free(l);
    cj_loader_free(other);
    cj_dataset_free(d);
}

static void test_looking_in(void **state)
{
    (void)state;
    cj_dataset *d, *view, *copy;
    int32_t row[WINDOW];
    cj_tensor x, y;
    expect_ok(make(&d, TOKENS, 0, 0));
    assert_int_equal(cj_dataset_count(d), 5);
    assert_int_equal(cj_dataset_classes(d), 100);
    assert_null(cj_dataset_class_name(d, 3));
    expect_ok(cj_dataset_fetch(d, 4, row));
    assert_int_equal(row[0], 20);
    assert_int_equal(row[2], 0);
    cj_dataset_row(d, 1, &x, &y);
    assert_null(x.data);
    assert_null(y.data);
    expect_ok(cj_dataset_range(&view, d, 1, 2));
    expect_ok(cj_dataset_copy(&copy, view));
    x = cj_dataset_x(copy);
    y = cj_dataset_y(copy);
    for (int i = 0; i < 2 * WINDOW; i++) assert_int_equal(((const int32_t *)x.data)[i], WINDOW + i);
    for (int i = 0; i < 2 * WINDOW; i++) assert_int_equal(((const int32_t *)y.data)[i], WINDOW + i + 1);
    cj_dataset_free(copy);
    cj_dataset_free(view);
    double mean, deviation;
    expect_status(cj_dataset_moments(d, 1, &mean, &deviation), CJ_UNSUPPORTED);
    cj_dataset_free(d);
}

static void test_refused(void **state)
{
    (void)state;
    cj_dataset *d;
    int32_t tokens[] = {0, 1, 2};
    cj_text_windows o = {.size = sizeof o, .tokens = tokens, .count = 3, .vocabulary = 3, .window = 2};
    cj_text_windows bad[] = {o, o, o, o, o, o, o};
    bad[0].window = 0;
    bad[1].count = 1;
    bad[2].drawn = 4, bad[2].window = 3;
    bad[3].vocabulary = 2;
    bad[4].drawn = 4, bad[4].lanes = 2;
    bad[5].window = INT64_MAX;
    bad[6].drawn = INT64_MAX / 2;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_status(cj_dataset_of_text(&d, &bad[i]), CJ_INVALID_ARGUMENT);
        assert_null(d);
    }
    expect_status(cj_dataset_of_text(&d, &bad[3]), CJ_INVALID_ARGUMENT);
    expect_message("token 3 of the text is 2, but there are 2");
}

/* --- a network on it ----------------------------------------------------------------------------------- */

/* Logits of the next token by the last alone: a table, [V,V]. */
static cj_value bigram(cj_scope s, cj_value x, void *context)
{
    int64_t size = *(const int64_t *)context;
    cj_value table = cj_parameter(s, "table", cj_shape(size, size), (cj_init){CJ_INIT_ZEROS, 0});
    return cj_gather(table, x, 0);
}

static void test_scores_count_tokens(void **state)
{
    (void)state;
    int64_t size = 100;
    cj_dataset *d;
    cj_model *model;
    cj_scores scores;
    expect_ok(make(&d, TOKENS, 0, 0));
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_evaluate(&scores, model, bigram, &size, d, .batch_size = 4));
    assert_int_equal(scores.count, TOKENS - 1);
    assert_true(fabs(scores.loss - log(100)) < 1e-5);
    assert_true(scores.accuracy == 0);
    assert_true(fabs(cj_perplexity(scores.loss) - 100) < 1e-3);
    assert_true(fabs(cj_bits_per_unit(log(2), 30, 60) - 0.5) < 1e-12);
    assert_true(isnan(cj_bits_per_unit(1, 1, 0)));
    cj_model_free(model);
    cj_dataset_free(d);
}

/* On "abcabc…" with a lone "acb" the bigram learns the shares that it counts. */
static void test_learns(void **state)
{
    (void)state;
    int64_t size = 3;
    int32_t tokens[301];
    cj_dataset *training, *validation;
    cj_model *model;
    cj_progress last;
    for (int i = 0; i < 301; i++) tokens[i] = i % 4 == 3 ? 0 : i % 4; /* 0 1 2 0 | 0 1 2 0 … */
    cj_text_windows o = {
        .size = sizeof o, .tokens = tokens, .count = 301, .vocabulary = 3, .window = 8, .drawn = 64};
    expect_ok(cj_dataset_of_text(&training, &o));
    o.drawn = 0;
    expect_ok(cj_dataset_of_text(&validation, &o));
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_fit_options fit = {.size = sizeof fit,
                          .model = model,
                          .forward = bigram,
                          .context = &size,
                          .dataset = training,
                          .validation_dataset = validation,
                          .batch_size = 16,
                          .epochs = 60,
                          .optimizer = {.kind = CJ_ADAM, .learning_rate = 0.1}};
    expect_ok((cj_fit)(&fit, &last));
    assert_int_equal(last.validation.count, 300);
    assert_int_equal(last.training.count, 64 * 8);
    /* 1 and 2 are certain; behind 0 comes 0 or 1, each half the time. */
    assert_true(fabs(last.validation.loss - log(2) / 2) < 0.01);
    assert_true(fabs(last.validation.accuracy - 0.75) < 0.01);
    cj_model_free(model);
    cj_dataset_free(training);
    cj_dataset_free(validation);
}

/* --- from a recipe ------------------------------------------------------------------------------------- */

static const char recipe_text[] = "data:\n"
                                  "  text: %s\n"
                                  "  tokenizer: character\n"
                                  "  window: 4\n"
                                  "model:\n"
                                  "  - dense: 5\n";

static cj_recipe *write_recipe(const char *folder, const char *text, const char *override)
{
    char yaml[600];
    cj_recipe *recipe;
    cj_test_write_file(cj_test_path(folder, "text.txt"), text, strlen(text));
    snprintf(yaml, sizeof yaml, recipe_text, cj_test_path(folder, "text.txt"));
    cj_test_write_file(cj_test_path(folder, "r.yaml"), yaml, strlen(yaml));
    expect_ok(cj_recipe_read(&recipe, cj_test_path(folder, "r.yaml"), override != NULL, &override));
    return recipe;
}

static void test_recipe(void **state)
{
    (void)state;
    skip_without("libyaml");
    char *folder = cj_test_new_folder();
    cj_recipe *r = write_recipe(folder, "abcdeabcdeabcdeabcdeabcdeabcdeabcdeabcde", "data.test=0.2");
    cj_recipe_sets sets;
    assert_true(cj_recipe_is_text(r));
    assert_int_equal(cj_recipe_vocabulary(r), 0);
    expect_ok(cj_recipe_open_data(r, &sets));
    assert_int_equal(cj_recipe_vocabulary(r), 5);
    assert_int_equal(cj_tokenizer_count(sets.tokenizer), 5);
    assert_int_equal(cj_dataset_text(sets.training).tokens, 28); /* of 40, the first 70 % */
    assert_int_equal(cj_dataset_text(sets.validation).tokens, 4);
    assert_int_equal(cj_dataset_text(sets.test).bytes, 8);
    assert_int_equal(cj_dataset_count(sets.training), 7);
    assert_true(cj_shape_equal(cj_recipe_shape(r), cj_shape(4)));
    int32_t row[4];
    expect_ok(cj_dataset_fetch(sets.validation, 0, row)); /* from character 28 on: "deab" */
    assert_int_equal(row[0], 3);
    assert_int_equal(row[2], 0);
    cj_recipe_close_data(&sets);
    cj_recipe_free(r);
    cj_test_remove_folder(folder);
}

/* Validation and test from files of their own leave all of the text to the training; a character there that
 * the text does not have is named with its line. */
static void test_recipe_with_files(void **state)
{
    (void)state;
    skip_without("libyaml");
    char *folder = cj_test_new_folder(), validation[600], test[600];
    cj_recipe *r = write_recipe(folder, "abcdeabcdeabcdeabcde", NULL);
    cj_recipe_sets sets;
    snprintf(validation, sizeof validation, "data.validation_text=%s", cj_test_path(folder, "v.txt"));
    snprintf(test, sizeof test, "data.test_text=%s", cj_test_path(folder, "t.txt"));
    cj_test_write_file(cj_test_path(folder, "v.txt"), "edcba", 5);
    cj_test_write_file(cj_test_path(folder, "t.txt"), "aabaxb", 6);
    cj_recipe_free(r);
    expect_ok(cj_recipe_read(&r, cj_test_path(folder, "r.yaml"), 1, (const char *[]){validation}));
    expect_ok(cj_recipe_open_data(r, &sets));
    assert_int_equal(cj_dataset_text(sets.training).tokens, 20);
    assert_int_equal(cj_dataset_text(sets.validation).tokens, 5);
    assert_null(sets.test);
    cj_recipe_close_data(&sets);
    cj_recipe_free(r);
    expect_ok(cj_recipe_read(&r, cj_test_path(folder, "r.yaml"), 2, (const char *[]){validation, test}));
    expect_status(cj_recipe_open_data(r, &sets), CJ_NOT_FOUND);
    expect_message("t.txt: line 1: 'x'");
    cj_test_write_file(cj_test_path(folder, "t.txt"), "aab", 3);
    expect_ok(cj_recipe_open_data(r, &sets));
    assert_int_equal(cj_dataset_text(sets.test).bytes, 3);
    cj_recipe_close_data(&sets);
    cj_test_write_file(cj_test_path(folder, "t.txt"), "", 0);
    expect_status(cj_recipe_open_data(r, &sets), CJ_FORMAT_ERROR);
    expect_message("t.txt: the file is empty, expected a text");
    cj_recipe_free(r);
    cj_test_remove_folder(folder);
}

/* How the recipe has text brought to one form, and what it does with bytes that are none. */
static void test_recipe_cleaning(void **state)
{
    (void)state;
    static const struct {
        const char *override, *text, *piece; /* a piece that the vocabulary has */
        int64_t count;
    } forms[] = {
        {"data.invalid=replace",
         "a\xff"
         "b",
         "\xef\xbf\xbd", 3},
        {"data.form=as_is", "abe\xcc\x81", "\xcc\x81", 4},
        {"data.form=nfc", "abe\xcc\x81", "\xc3\xa9", 3},
        {"data.form=nfd", "ab\xc3\xa9", "\xcc\x81", 4},
        {"data.form=nfkc", "ab\xef\xac\x81", "f", 4},
        {"data.form=nfkd", "b\xe2\x91\xa0\xc3\xa9", "1", 4},
        {"data.lower=true", "aB", "b", 2},
    };
    skip_without("libyaml");
    char *folder = cj_test_new_folder(), text[200];
    for (size_t i = 0; i < sizeof forms / sizeof *forms && (i < 2 || cj_test_has_library("utf8proc")); i++) {
        text[0] = 0;
        for (int k = 0; k < 20; k++) strcat(text, forms[i].text);
        cj_recipe *r = write_recipe(folder, text, forms[i].override);
        cj_recipe_sets sets;
        expect_ok(cj_recipe_open_data(r, &sets));
        assert_int_equal(cj_tokenizer_count(sets.tokenizer), forms[i].count);
        assert_true(cj_tokenizer_find(sets.tokenizer, forms[i].piece, strlen(forms[i].piece)) >= 0);
        cj_recipe_close_data(&sets);
        cj_recipe_free(r);
    }
    cj_test_remove_folder(folder);
}

/* The same where the tokenizer is a file: what it does with text by itself is added to. */
static void test_recipe_cleaning_by_a_file(void **state)
{
    (void)state;
    static const char *const overrides[] = {"data.lower=true", "data.form=nfc"};
    skip_without("libyaml");
    skip_without("utf8proc");
    char *folder = cj_test_new_folder(), change[600];
    cj_tokenizer *t;
    cj_tokenizer_training training = {
        .size = sizeof training, .kind = CJ_TOKENS_CHARACTER, .text = "ab\xc3\xa9\n", .bytes = 5};
    expect_ok(cj_tokenizer_train(&t, &training));
    expect_ok(cj_tokenizer_save(t, cj_test_path(folder, "tokenizer.json")));
    cj_tokenizer_free(t);
    snprintf(change, sizeof change, "data.tokenizer=%s", cj_test_path(folder, "tokenizer.json"));
    for (size_t i = 0; i < 2; i++) {
        cj_recipe *r = write_recipe(folder, i ? "abe\xcc\x81\nabba\nabba\n" : "aBBa\nABba\nabba\n", change);
        cj_recipe_sets sets;
        assert_int_equal(cj_recipe_open_data(r, &sets), CJ_NOT_FOUND);
        cj_recipe_free(r);
        expect_ok(
            cj_recipe_read(&r, cj_test_path(folder, "r.yaml"), 2, (const char *[]){change, overrides[i]}));
        expect_ok(cj_recipe_open_data(r, &sets));
        assert_int_equal(cj_tokenizer_count(sets.tokenizer), 4);
        cj_recipe_close_data(&sets);
        cj_recipe_free(r);
    }
    cj_test_remove_folder(folder);
}

static void test_recipe_in_lanes(void **state)
{
    (void)state;
    skip_without("libyaml");
    char *folder = cj_test_new_folder();
    cj_recipe *r = write_recipe(folder, "abcdeabcdeabcdeabcdeabcdeabcdeabcdeabcde", "data.order=lanes");
    cj_recipe_sets sets;
    cj_loader *l;
    cj_fit_options fit = cj_recipe_fit_options(r);
    expect_ok(cj_recipe_open_data(r, &sets));
    assert_int_equal(cj_dataset_count(sets.training), 128);
    fit.dataset = sets.training;
    fit.validation_dataset = sets.validation;
    expect_ok(cj_fit_loader(&fit, &l));
    assert_int_equal(cj_loader_steps(l), 1);
    cj_loader_free(l);
    cj_recipe_close_data(&sets);
    cj_recipe_free(r);
    cj_test_remove_folder(folder);
}

static void test_recipe_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *override, *sentence;
    } bad[] = {
        {"", NULL, "the file is empty, expected a text"},
        {"abcdef", NULL, "the network ends in 5 logits, but the text has 6 different tokens"},
        {"ab", NULL, "has no window of 4"},
        {"ab\xff", NULL, "text.txt: line 1: found byte 0xff"},
        {"abc", "data.tokenizer=none.json", "none.json"},
        {"abc", "data.text=none.txt", "none.txt"},
    };
    skip_without("libyaml");
    char *folder = cj_test_new_folder();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cj_recipe *r = write_recipe(folder, bad[i].text, bad[i].override);
        cj_recipe_sets sets;
        assert_int_not_equal(cj_recipe_open_data(r, &sets), CJ_OK);
        expect_message(bad[i].sentence);
        assert_null(sets.training);
        cj_recipe_free(r);
    }
    static const char *const refused[] = {"data.window=0",
                                          "training.loss=squared_error",
                                          "data.folder=x",
                                          "data.form=nfx",
                                          "data.invalid=ignore",
                                          "data.tokenizer=charcter",
                                          "data.target_tokenizer=jont"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        cj_recipe *r;
        expect_status(cj_recipe_read(&r, cj_test_path(folder, "r.yaml"), 1, &refused[i]),
                      CJ_INVALID_ARGUMENT);
    }
    expect_message("'jont', but must be character, byte, word, bpe, wordpiece, or the file");
    cj_test_remove_folder(folder);
}

static void test_shakespeare(void **state)
{
    (void)state;
    const char *path = cj_test_data("text/tinyshakespeare.txt");
    if (!path) skip_because("CAJAL_DATA has no text/tinyshakespeare.txt");
    skip_without("libyaml");
    char *folder = cj_test_new_folder();
    const char *overrides[] = {"data.text=text/tinyshakespeare.txt", "data.window=64"};
    cj_recipe *r = write_recipe(folder, "abc", NULL);
    cj_recipe_sets sets;
    cj_recipe_free(r);
    char *yaml = "data: {text: text/tinyshakespeare.txt}\nmodel: [{dense: 65}]\n";
    cj_test_write_file(cj_test_path(folder, "s.yaml"), yaml, strlen(yaml));
    expect_ok(cj_recipe_read(&r, cj_test_path(folder, "s.yaml"), 2, overrides));
    expect_ok(cj_recipe_open_data(r, &sets));
    assert_int_equal(cj_recipe_vocabulary(r), 65);
    assert_int_equal(cj_dataset_text(sets.training).tokens, 1003854); /* nanoGPT's counts */
    assert_int_equal(cj_dataset_text(sets.validation).tokens, 111540);
    assert_null(sets.test);
    cj_recipe_close_data(&sets);
    cj_recipe_free(r);
    cj_test_remove_folder(folder);
}

/* --- allocations --------------------------------------------------------------------------------------- */

static cj_status make_and_load(void *context)
{
    cj_dataset *d = NULL;
    cj_loader *l = NULL;
    cj_batch batch;
    (void)context;
    cj_status status = make(&d, TOKENS, 8, 0);
    if (status == CJ_OK) status = cj_loader_new(&l, d, .batch_size = 4, .prefetch = -1);
    if (status == CJ_OK && !cj_loader_next(l, &batch)) status = cj_loader_status(l);
    cj_loader_free(l);
    cj_dataset *copy = NULL;
    if (status == CJ_OK) status = cj_dataset_copy(&copy, d);
    cj_dataset_free(copy);
    cj_dataset_free(d);
    return status;
}

static cj_status open_recipe(void *context)
{
    cj_recipe *r;
    cj_recipe_sets sets = {0};
    cj_status status = cj_recipe_read(&r, context, 0, NULL);
    if (status == CJ_OK) status = cj_recipe_open_data(r, &sets);
    cj_recipe_close_data(&sets);
    cj_recipe_free(r);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    char path[600];
    cj_test_every_allocation_fails(make_and_load, NULL);
    skip_without("libyaml");
    char *folder = cj_test_new_folder();
    cj_recipe_free(write_recipe(folder, "abcdeabcdeabcdeabcdeabcdeabcdeabcdeabcdeabcdeabcdeabcde", NULL));
    snprintf(path, sizeof path, "%s", cj_test_path(folder, "r.yaml"));
    cj_test_every_allocation_fails(open_recipe, path);
    cj_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_token_once),
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_drawn),
        cmocka_unit_test(test_looking_in),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_scores_count_tokens),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_recipe),
        cmocka_unit_test(test_recipe_with_files),
        cmocka_unit_test(test_recipe_cleaning),
        cmocka_unit_test(test_recipe_cleaning_by_a_file),
        cmocka_unit_test(test_recipe_in_lanes),
        cmocka_unit_test(test_recipe_errors),
        cmocka_unit_test(test_shakespeare),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
