/* Sentences as examples: lines, labels, translations and stories; padding that counts for nothing; batches of
 * about one length, the same rows in every epoch; files that are not what they should be; networks trained on
 * batches of several shapes, and recipes of such files.
 *
 * labels: threads */
#include "support.h"

#include "base/memory.h"
#include "cajal/cajal.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

static const char *write_text(const char *name, const char *text)
{
    const char *path = cj_test_path(cj_test_folder, name);
    cj_test_write_file(path, text, strlen(text));
    return path;
}

/* Of characters, with padding, unknown, begin and end before them: 'a' is 4. */
static cj_tokenizer *letters(void)
{
    cj_tokenizer *t;
    cj_tokenizer_training training = {.size = sizeof training,
                                      .kind = CJ_TOKENS_CHARACTER,
                                      .text = "abcdefgh",
                                      .bytes = 8,
                                      .specials = true};
    expect_ok(cj_tokenizer_train(&t, &training));
    return t;
}

static void expect_row(const cj_dataset *d, int64_t row, const int32_t *x, const int32_t *y)
{
    cj_tensor tx, ty;
    cj_dataset_row(d, row, &tx, &ty);
    assert_memory_equal(tx.data, x, cj_tensor_bytes(&tx));
    assert_memory_equal(ty.data, y, cj_tensor_bytes(&ty));
}

/* --- formats ------------------------------------------------------------------------------------------- */

/* Of "ab", "abc" and "a" a view has what its own rows have, not a share of the whole. */
static void expect_text_of_views(const cj_dataset *d)
{
    cj_dataset *some, *one;
    expect_ok(cj_dataset_select(&some, d, (int64_t[]){2, 1}, 2));
    assert_int_equal(cj_dataset_text(some).tokens, 6);
    assert_int_equal(cj_dataset_text(some).characters, 6);
    expect_ok(cj_dataset_range(&one, some, 1, 1));
    assert_int_equal(cj_dataset_text(one).tokens, 4);
    assert_int_equal(cj_dataset_text(one).bytes, 4);
    cj_dataset_free(one);
    cj_dataset_free(some);
}

static void test_lines(void **state)
{
    (void)state;
    cj_tokenizer *t = letters();
    cj_dataset *d;
    cj_text_file_options o = {.size = sizeof o,
                              .format = CJ_TEXT_LINES,
                              .path = write_text("l.txt", "\xef\xbb\xbf"
                                                          "ab\r\n\nabc\na"),
                              .tokenizer = t};
    expect_ok(cj_dataset_read_text(&d, &o));
    assert_int_equal(cj_dataset_count(d), 3);
    assert_int_equal(cj_dataset_classes(d), 12);
    expect_row(d, 0, (int32_t[]){2, 4, 5, 0}, (int32_t[]){4, 5, 3, -1});
    expect_row(d, 1, (int32_t[]){2, 4, 5, 6}, (int32_t[]){4, 5, 6, 3});
    expect_row(d, 2, (int32_t[]){2, 4, 0, 0}, (int32_t[]){4, 3, -1, -1});
    assert_int_equal(cj_dataset_text(d).tokens, 9);
    assert_int_equal(cj_dataset_text(d).bytes, 9);
    expect_text_of_views(d);
    cj_dataset_free(d);
    o.longest = 2;
    expect_ok(cj_dataset_read_text(&d, &o));
    expect_row(d, 1, (int32_t[]){2, 4}, (int32_t[]){4, 5});
    assert_int_equal(cj_dataset_cut(d), 2);
    cj_dataset_free(d);
    cj_tokenizer_free(t);
}

static void test_labelled(void **state)
{
    (void)state;
    cj_tokenizer *t = letters();
    cj_dataset *d;
    cj_text_file_options o = {.size = sizeof o,
                              .format = CJ_TEXT_LABELLED,
                              .path = write_text("s.tsv", "ab\tpos\nc\tneg\n\nha\tpos\n"),
                              .tokenizer = t};
    expect_ok(cj_dataset_read_text(&d, &o));
    assert_int_equal(cj_dataset_count(d), 3);
    assert_int_equal(cj_dataset_classes(d), 2);
    assert_string_equal(cj_dataset_class_name(d, 0), "neg");
    expect_row(d, 0, (int32_t[]){4, 5}, (int32_t[]){1});
    expect_row(d, 1, (int32_t[]){6, 0}, (int32_t[]){0});
    expect_row(d, 2, (int32_t[]){11, 4}, (int32_t[]){1});
    assert_int_equal(cj_dataset_text(d).tokens, 0);
    cj_dataset_free(d);
    o.classes = "pos,neutral,neg";
    expect_ok(cj_dataset_read_text(&d, &o));
    expect_row(d, 1, (int32_t[]){6, 0}, (int32_t[]){2});
    cj_dataset_free(d);
    o.classes = "pos";
    expect_status(cj_dataset_read_text(&d, &o), CJ_FORMAT_ERROR);
    expect_message("line 2: found label 'neg', expected one of the 1 known: 'pos'");
    cj_tokenizer_free(t);
}

/* Both files stay side by side where a line is empty. */
static void test_pairs(void **state)
{
    (void)state;
    cj_tokenizer *t = letters();
    cj_dataset *d;
    cj_text_file_options o = {.size = sizeof o,
                              .format = CJ_TEXT_PAIRS,
                              .path = write_text("a.txt", "ab\n\nc\n"),
                              .target_path = write_text("b.txt", "d\ne\n\n"),
                              .tokenizer = t};
    expect_ok(cj_dataset_read_text(&d, &o));
    assert_int_equal(cj_dataset_count(d), 3);
    expect_row(d, 0, (int32_t[]){4, 5, 3, 2, 7, 0}, (int32_t[]){7, 3, -1});
    expect_row(d, 1, (int32_t[]){3, 0, 0, 2, 8, 0}, (int32_t[]){8, 3, -1});
    expect_row(d, 2, (int32_t[]){6, 3, 0, 2, 0, 0}, (int32_t[]){3, -1, -1});
    cj_dataset_free(d);
    o.target_path = write_text("c.txt", "d\ne\n");
    expect_status(cj_dataset_read_text(&d, &o), CJ_FORMAT_ERROR);
    expect_message("c.txt: found 2 lines, expected as many as");
    o.target_path = write_text("c.txt", "d\ne\nf\ng");
    expect_status(cj_dataset_read_text(&d, &o), CJ_FORMAT_ERROR);
    expect_message("a.txt: found 3 lines");
    cj_tokenizer_free(t);
}

static void test_stories(void **state)
{
    (void)state;
    static const char text[] = "1 ab\n2 c\n3 d? \tyes\t1\n4 e\n5 f? \tno\t1 4\n1 g\n2 h?\tyes\n";
    cj_tokenizer *t = letters();
    cj_dataset *d;
    cj_text_file_options o = {.size = sizeof o,
                              .format = CJ_TEXT_STORIES,
                              .path = write_text("q.txt", text),
                              .tokenizer = t,
                              .memory = 2};
    expect_ok(cj_dataset_read_text(&d, &o));
    assert_int_equal(cj_dataset_count(d), 3);
    assert_string_equal(cj_dataset_class_name(d, 0), "no");
    expect_row(d, 0, (int32_t[]){4, 5, 0, 6, 0, 0, 7, 1, 1}, (int32_t[]){1});
    expect_row(d, 1, (int32_t[]){6, 0, 0, 8, 0, 0, 9, 1, 1}, (int32_t[]){0});
    expect_row(d, 2, (int32_t[]){0, 0, 0, 10, 0, 0, 11, 1, 0}, (int32_t[]){1});
    cj_dataset_free(d);
    cj_tokenizer_free(t);
}

static void test_text_for_a_tokenizer(void **state)
{
    (void)state;
    char *text;
    size_t size;
    expect_ok(cj_text_of_file(CJ_TEXT_LABELLED, write_text("s.tsv", "a b\tx\n\nc\td\ty\n"), &text, &size));
    assert_string_equal(text, "a b\n\nc\td\n");
    assert_int_equal(size, strlen(text));
    cj_text_free(text);
    expect_ok(cj_text_of_file(CJ_TEXT_STORIES, write_text("q.txt", "1 a b.\n2 c? \td\t1\n"), &text, &size));
    assert_string_equal(text, "a b.\nc? \n");
    cj_text_free(text);
    expect_ok(cj_text_of_file(CJ_TEXT_LINES, write_text("l.txt", ""), &text, &size));
    assert_string_equal(text, "");
    cj_text_free(text);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        cj_text_format format;
        const char *text, *sentence;
    } bad[] = {
        {CJ_TEXT_LINES, "", "found no examples"},
        {CJ_TEXT_LINES, "\n\n", "found no examples"},
        {CJ_TEXT_LINES, "a\n\xff\n", "line 2: found byte 0xff"},
        {CJ_TEXT_LABELLED, "a\t1\nb\n", "line 2: found 'b', expected a sentence, a tab and a label"},
        {CJ_TEXT_LABELLED, "\t1\n", "line 1"},
        {CJ_TEXT_LABELLED, "a\t\n", "expected a sentence, a tab and a label"},
        {CJ_TEXT_LABELLED, "a\tx,y\n", "expected a label in UTF-8 without commas"},
        {CJ_TEXT_LABELLED, "a\tgood\nb\tgut\xff\n", "line 2: found byte 0xff"},
        {CJ_TEXT_STORIES, "1 a\n2 b\t\xffgut\t1\n", "line 2: found byte 0xff"},
        {CJ_TEXT_STORIES, "a b\n", "line 1: found 'a b', expected a line of a story"},
        {CJ_TEXT_STORIES, "1\n", "expected a line of a story"},
        {CJ_TEXT_STORIES, "99999999999999999999999 a\n", "found no examples"},
        {CJ_TEXT_STORIES, "1 a\t\n", "expected an answer"},
        {CJ_TEXT_STORIES, "1 a\t\t1\n", "expected an answer"},
    };
    cj_tokenizer *t = letters(), *bare;
    cj_dataset *d;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cj_text_file_options o = {.size = sizeof o,
                                  .format = bad[i].format,
                                  .path = write_text("bad.txt", bad[i].text),
                                  .tokenizer = t};
        assert_int_not_equal(cj_dataset_read_text(&d, &o), CJ_OK);
        expect_message(bad[i].sentence);
        expect_message("bad.txt");
        assert_null(d);
    }
    cj_text_file_options o = {.size = sizeof o,
                              .format = CJ_TEXT_LINES,
                              .path = write_text("l.txt", "a\n"),
                              .tokenizer = t,
                              .memory = 5000};
    expect_status(cj_dataset_read_text(&d, &o), CJ_INVALID_ARGUMENT);
    cj_tokenizer_training training = {.size = sizeof training, .text = "a", .bytes = 1};
    expect_ok(cj_tokenizer_train(&bare, &training));
    o.memory = 0;
    o.tokenizer = bare;
    expect_status(cj_dataset_read_text(&d, &o), CJ_INVALID_ARGUMENT);
    expect_message("token 0 is no padding");
    cj_tokenizer_free(bare);
    cj_tokenizer_free(t);
}

/* --- batches by length --------------------------------------------------------------------------------- */

enum { ROWS = 100 };

/* Line i is one of 1 to 13 letters, then its number in letters: each row is like no other. */
static cj_dataset *many_lines(const cj_tokenizer *t, int64_t bucket)
{
    char text[ROWS * 20], *at = text;
    cj_dataset *d;
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < 1 + i * 7 % 13; k++) *at++ = 'a';
        *at++ = (char)('b' + i % 7);
        *at++ = (char)('b' + i / 7 % 7);
        *at++ = (char)('b' + i / 49);
        *at++ = '\n';
    }
    *at = 0;
    cj_text_file_options o = {.size = sizeof o,
                              .format = CJ_TEXT_LINES,
                              .path = write_text("many.txt", text),
                              .tokenizer = t,
                              .bucket = bucket};
    expect_ok(cj_dataset_read_text(&d, &o));
    return d;
}

/* The row's number, told by its three letters. */
static int row_number(const int32_t *y, int64_t width)
{
    int64_t end = 0;
    while (end < width && y[end] != 3) end++;
    return end < 3 ? -1 : (y[end - 3] - 5) + 7 * (y[end - 2] - 5) + 49 * (y[end - 1] - 5);
}

static void check_batch(const cj_batch *batch, int64_t bucket, int *seen)
{
    int64_t width = batch->x.shape.dims[1], longest = 0;
    const int32_t *x = batch->x.data, *y = batch->y.data;
    assert_int_equal(batch->y.shape.dims[1], width);
    assert_true(width % bucket == 0 || width == 17);
    for (int64_t r = 0; r < batch->x.shape.dims[0]; r++) {
        const int32_t *row = y + r * width;
        int64_t length = 0;
        for (int64_t k = 0; k < width; k++) length += row[k] >= 0;
        if (r >= batch->count) {
            assert_int_equal(length, 0);
            continue;
        }
        seen[row_number(row, width)]++;
        assert_int_equal(x[r * width], 2);
        for (int64_t k = 1; k < length; k++) assert_int_equal(x[r * width + k], row[k - 1]);
        for (int64_t k = length; k < width; k++) assert_int_equal(x[r * width + k], 0);
        if (length > longest) longest = length;
    }
    assert_true(longest > width - bucket);
}

static void test_batches_by_length(void **state)
{
    (void)state;
    cj_tokenizer *t = letters();
    cj_dataset *d = many_lines(t, 4);
    cj_loader *l, *threaded;
    cj_batch batch, other;
    int32_t first[2][8] = {{0}};
    expect_ok(cj_loader_new(&l, d, .batch_size = 8, .shuffle = true, .seed = 3, .prefetch = -1));
    expect_ok(cj_loader_new(&threaded, d, .batch_size = 8, .shuffle = true, .seed = 3, .prefetch = 3,
                            .threads = 3));
    for (int epoch = 0; epoch < 2; epoch++) {
        int seen[ROWS] = {0};
        int64_t steps = 0, cells = 0;
        for (; cj_loader_next(l, &batch); steps++) {
            assert_true(cj_loader_next(threaded, &other));
            assert_true(cj_shape_equal(batch.x.shape, other.x.shape));
            assert_memory_equal(batch.x.data, other.x.data, cj_tensor_bytes(&batch.x));
            assert_memory_equal(batch.y.data, other.y.data, cj_tensor_bytes(&batch.y));
            check_batch(&batch, 4, seen);
            cells += cj_shape_count(batch.x.shape);
            if (steps < 8)
                first[epoch][steps] =
                    ((const int32_t *)batch.y.data)[1] + 100 * (int32_t)batch.x.shape.dims[1];
        }
        assert_false(cj_loader_next(threaded, &other));
        assert_int_equal(steps, cj_loader_steps(l));
        assert_true(cells < ROWS * 17);
        for (int i = 0; i < ROWS; i++) assert_int_equal(seen[i], 1);
    }
    assert_memory_not_equal(first[0], first[1], sizeof first[0]); /* another order in another epoch */
    cj_loader_seek(l, 1, 5);
    cj_loader_seek(threaded, 1, 5);
    assert_true(cj_loader_next(l, &batch) && cj_loader_next(threaded, &other));
    assert_memory_equal(batch.y.data, other.y.data, cj_tensor_bytes(&batch.y));
    cj_loader_free(l);
    cj_loader_free(threaded);
    cj_dataset_free(d);
    cj_tokenizer_free(t);
}

/* In their order, where that is asked for; and of a view the rows that it has. */
static void test_full_width(void **state)
{
    (void)state;
    cj_tokenizer *t = letters();
    cj_dataset *d = many_lines(t, 4), *view;
    cj_loader *l;
    cj_batch batch;
    int64_t row = 10;
    int seen[ROWS] = {0};
    expect_ok(cj_dataset_range(&view, d, 10, 30));
    expect_ok(cj_loader_new(&l, view, .batch_size = 8, .full_width = true));
    while (cj_loader_next(l, &batch)) {
        assert_int_equal(batch.x.shape.dims[1], 17);
        for (int64_t r = 0; r < batch.count; r++)
            assert_int_equal(row_number((const int32_t *)batch.y.data + r * 17, 17), row++);
    }
    assert_int_equal(row, 40);
    cj_loader_free(l);
    expect_ok(cj_loader_new(&l, view, .batch_size = 8));
    while (cj_loader_next(l, &batch)) check_batch(&batch, 4, seen);
    for (int i = 0; i < ROWS; i++) assert_int_equal(seen[i], i >= 10 && i < 40);
    cj_loader_free(l);
    cj_dataset_free(view);
    cj_dataset_free(d);
    cj_tokenizer_free(t);
}

/* --- networks ------------------------------------------------------------------------------------------ */

static cj_value bigram(cj_scope s, cj_value x, void *context)
{
    (void)context;
    return cj_gather(cj_parameter(s, "table", cj_shape(12, 12), (cj_init){CJ_INIT_ZEROS, 0}), x, 0);
}

static void remember(int64_t rows, void *seen)
{
    *(int64_t *)seen = rows;
}

static cj_scores scores_of(cj_model *model, const cj_dataset *d)
{
    cj_scores scores;
    int64_t seen = 0;
    expect_ok(cj_evaluate(&scores, model, bigram, NULL, d, .batch_size = 8, .watch = remember,
                          .watch_context = &seen));
    assert_int_equal(seen, cj_dataset_count(d));
    return scores;
}

/* However the rows come in batches, every target counts once and padding never does. */
static void test_padding_counts_for_nothing(void **state)
{
    (void)state;
    cj_tokenizer *t = letters();
    cj_dataset *wide = many_lines(t, 0), *cut = many_lines(t, 1);
    cj_model *model;
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_fit_options fit = {.size = sizeof fit,
                          .model = model,
                          .forward = bigram,
                          .dataset = cut,
                          .validation_dataset = wide,
                          .batch_size = 8,
                          .epochs = 3,
                          .optimizer = {.kind = CJ_ADAM, .learning_rate = 0.05}};
    cj_progress last;
    expect_ok((cj_fit)(&fit, &last));
    cj_scores a = scores_of(model, wide), b = scores_of(model, cut);
    assert_int_equal(a.count, cj_dataset_text(wide).tokens);
    assert_int_equal(b.count, a.count);
    assert_int_equal(last.training.count, a.count);
    assert_true(fabs(a.loss - b.loss) < 1e-6);
    assert_true(fabs(a.loss - last.validation.loss) < 1e-6);
    assert_true(fabs(a.accuracy - b.accuracy) < 1e-9);
    assert_true(a.loss < 1.6); /* from log 12 = 2.48 */
    int64_t confusion[12 * 12];
    cj_evaluate_options e = {.size = sizeof e,
                             .model = model,
                             .forward = bigram,
                             .dataset = wide,
                             .batch_size = 8,
                             .classes = 12,
                             .confusion = confusion};
    expect_status((cj_evaluate)(&e, &a), CJ_UNSUPPORTED);
    expect_message("a confusion matrix is of one label a row");
    cj_model_free(model);
    cj_dataset_free(wide);
    cj_dataset_free(cut);
    cj_tokenizer_free(t);
}

/* --- recipes ------------------------------------------------------------------------------------------- */

static cj_recipe *read_recipe(const char *yaml)
{
    cj_recipe *r;
    expect_ok(cj_recipe_read(&r, write_text("r.yaml", yaml), 0, NULL));
    return r;
}

static void test_recipe_of_pairs(void **state)
{
    (void)state;
    skip_without("libyaml");
    skip_without("utf8proc");
    char yaml[2000];
    const char *source = write_text("p.de", "ein Hund\neine Katze\nein Haus\n"),
               *target = write_text("p.en", "a dog\na cat\na house\n");
    snprintf(
        yaml, sizeof yaml,
        "data: {format: pairs, text: %s, target_text: %s, test_text: %s, test_target: %s, tokenizer: word, "
        "lower: true, validation: 0.4}\nmodel: [{dense: 8}]\n",
        source, target, source, target);
    cj_recipe *r = read_recipe(yaml);
    cj_recipe_sets sets;
    assert_true(cj_recipe_predicts_tokens(r));
    expect_ok(cj_recipe_open_data(r, &sets));
    assert_int_equal(cj_recipe_vocabulary(r), 9); /* 4 and ein, eine, hund, katze, haus */
    assert_int_equal(cj_recipe_target_vocabulary(r), 8);
    assert_int_equal(cj_dataset_count(sets.training), 2);
    assert_int_equal(cj_dataset_count(sets.validation), 1);
    assert_int_equal(cj_dataset_count(sets.test), 3);
    assert_true(cj_shape_equal(cj_recipe_shape(r), cj_shape(2, 3)));
    assert_int_equal(cj_tokenizer_count(sets.target_tokenizer), 8);
    cj_recipe_close_data(&sets);
    cj_recipe_free(r);
    snprintf(yaml, sizeof yaml, "data: {format: pairs, text: %s}\nmodel: [{dense: 8}]\n", source);
    expect_status(cj_recipe_read(&r, write_text("r.yaml", yaml), 0, NULL), CJ_INVALID_ARGUMENT);
    expect_message("the file of translations");
}

static void test_recipe_of_labels(void **state)
{
    (void)state;
    skip_without("libyaml");
    skip_without("utf8proc");
    char yaml[2000];
    const char *rows = write_text("t.tsv", "good film\tpos\nbad film\tneg\nso so\tpos\nno\tneg\n"),
               *test = write_text("u.tsv", "bad bad\tneg\n");
    snprintf(yaml, sizeof yaml,
             "data: {format: labelled, text: %s, test_text: %s, tokenizer: word, validation: 0.25}\n"
             "model: [{dense: 2}]\n",
             rows, test);
    cj_recipe *r = read_recipe(yaml);
    cj_recipe_sets sets;
    assert_false(cj_recipe_predicts_tokens(r));
    expect_ok(cj_recipe_open_data(r, &sets));
    assert_string_equal(cj_recipe_class(r, 1), "pos");
    assert_int_equal(cj_dataset_count(sets.training), 3);
    assert_int_equal(cj_dataset_count(sets.test), 1);
    cj_tensor y;
    cj_dataset_row(sets.test, 0, NULL, &y);
    assert_int_equal(*(const int32_t *)y.data, 0);
    cj_recipe_close_data(&sets);
    cj_recipe_free(r);
}

/* A line that the network has no room for is told before there is any training, whichever part it is in. */
static void test_recipe_of_lines_too_long(void **state)
{
    (void)state;
    skip_without("libyaml");
    char yaml[2000];
    const char *lines = write_text("l.txt", "abc\nba\ncab\n"), *longer = write_text("m.txt", "ab\nabcabc\n");
    cj_recipe_sets sets;
    for (int cut = 0; cut < 2; cut++) {
        snprintf(yaml, sizeof yaml,
                 "data: {format: lines, text: %s, test_text: %s, tokenizer: character, validation: 0, "
                 "longest: %d}\n"
                 "model: {name: gpt, layers: 1, heads: 1, width: 4, block: 4}\n",
                 lines, longer, cut ? 4 : 0);
        cj_recipe *r = read_recipe(yaml);
        cj_status status = cj_recipe_open_data(r, &sets);
        assert_int_equal(status, cut ? CJ_OK : CJ_INVALID_ARGUMENT);
        if (!cut) expect_message("m.txt: the longest example has 7 tokens, but model.block is 4");
        if (cut) cj_recipe_close_data(&sets);
        cj_recipe_free(r);
    }
}

static cj_status open_text(const char *data)
{
    char yaml[600];
    cj_recipe_sets sets = {0};
    bool plain = !strstr(data, "format");
    snprintf(yaml, sizeof yaml, "data: {%s%s}\nmodel: [{dense: 600}]\n", data, plain ? ", window: 2" : "");
    cj_recipe *r = read_recipe(yaml);
    cj_status status = cj_recipe_open_data(r, &sets);
    if (status == CJ_OK) cj_recipe_close_data(&sets);
    cj_recipe_free(r);
    return status;
}

/* The right file and line, though a tokenizer may be made from several files together. */
static void test_files_that_are_no_text(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "text: fine.txt, more_text: [bad.txt], format: masked, tokenizer: wordpiece",
        "text: fine.txt, target_text: bad.txt, format: pairs, tokenizer: word, target_tokenizer: joint",
        "text: fine.txt, target_text: bad.txt, format: pairs, tokenizer: word",
        "text: fine.txt, target_text: bad.txt, format: pairs, tokenizer: bpe, target_tokenizer: joint",
        "text: fine.txt, validation_text: bad.txt, format: labelled, tokenizer: bpe",
        "text: bad.txt, format: labelled, tokenizer: bpe.json",
        "text: bad.txt, format: lines, tokenizer: bpe",
        "text: bad.txt, tokenizer: bpe, validation: 0",
        "text: bad.txt, tokenizer: word, validation: 0",
        "text: bad.txt, tokenizer: bpe, validation: 0.4", /* the line in the file, not in a part of it */
        "text: label.txt, format: labelled, tokenizer: bpe",
    };
    skip_without("libyaml");
    skip_without("utf8proc");
    skip_without("PCRE2");
    assert_int_equal(chdir(cj_test_folder), 0);
    write_text("fine.txt", "uno\tx\ndue\ty\ntre\tx\n");
    write_text("bad.txt", "one\tx\ntwo\ty\nth\xffree\tx\n");
    write_text("label.txt", "one\tx\ntwo\ty\nthree\tx\xff\n");
    cj_tokenizer *t;
    expect_ok(cj_tokenizer_train(
        &t, &(cj_tokenizer_training){
                .size = sizeof(cj_tokenizer_training), .kind = CJ_TOKENS_BPE, .text = "", .specials = true}));
    expect_ok(cj_tokenizer_save(t, "bpe.json"));
    cj_tokenizer_free(t);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char data[300];
        expect_status(open_text(bad[i]), CJ_FORMAT_ERROR);
        expect_message(strstr(bad[i], "label.txt") ? "label.txt: line 3" : "bad.txt: line 3");
        expect_message("found byte 0xff, which is no UTF-8 here");
        snprintf(data, sizeof data, "%s, invalid: replace", bad[i]);
        expect_ok(open_text(data));
    }
    expect_ok(open_text("text: bad.txt, tokenizer: byte, validation: 0"));
    expect_status(open_text("text: label.txt, format: labelled, tokenizer: byte"), CJ_FORMAT_ERROR);
    expect_message("label.txt: line 3: found 'three\tx\xff', expected a label in UTF-8");
}

static void test_public_sets(void **state)
{
    (void)state;
    skip_without("libyaml");
    skip_without("utf8proc");
    if (!cj_test_data("sst2/train.tsv") || !cj_test_data("multi30k/train.de.gz") ||
        !cj_test_data("babi/qa1_single-supporting-fact_train.txt"))
        skip_because("CAJAL_DATA has not sst2, multi30k and babi");
    static const struct {
        const char *yaml;
        int64_t training, test, classes;
    } sets[] = {
        {"data: {format: labelled, text: sst2/train.tsv, validation_text: sst2/dev.tsv, test_text: "
         "sst2/test.tsv, "
         "tokenizer: word}\nmodel: [{dense: 2}]\n",
         6920, 1821, 2},
        {"data: {format: pairs, text: multi30k/val.de, target_text: multi30k/val.en, tokenizer: word, lower: "
         "true, "
         "validation: 0.1, test_text: multi30k/test_2016_flickr.de, test_target: "
         "multi30k/test_2016_flickr.en}\n"
         "model: [{dense: 9000}]\n",
         913, 1000, -1},
        {"data: {format: stories, text: babi/qa1_single-supporting-fact_train.txt, tokenizer: word, lower: "
         "true, "
         "test_text: babi/qa1_single-supporting-fact_test.txt, memory: 10}\nmodel: [{dense: 6}]\n",
         9000, 1000, 6},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        cj_recipe *r = read_recipe(sets[i].yaml);
        cj_recipe_sets s;
        expect_ok(cj_recipe_open_data(r, &s));
        assert_int_equal(cj_dataset_count(s.training), sets[i].training);
        assert_int_equal(cj_dataset_count(s.test), sets[i].test);
        if (sets[i].classes > 0) assert_int_equal(cj_dataset_classes(s.whole), sets[i].classes);
        cj_recipe_close_data(&s);
        cj_recipe_free(r);
    }
}

/* --- allocations --------------------------------------------------------------------------------------- */

static void test_allocations(void **state)
{
    (void)state;
    char path[600], target[600];
    cj_tokenizer *t = letters();
    snprintf(path, sizeof path, "%s",
             write_text("1.txt", "1 ab\n2 c? \tx\t1\n1 d\n2 e? \ty\t1\n3 f? \tx\t2\n"));
    snprintf(target, sizeof target, "%s", write_text("2.txt", "a\nb\nc\nd\ne\n"));
    cj_text_file_options o = {.size = sizeof o,
                              .format = CJ_TEXT_STORIES,
                              .path = path,
                              .target_path = target,
                              .tokenizer = t,
                              .memory = 3,
                              .bucket = 2};
    cj_test_every_allocation_fails(cj_test_read_and_load, &o);
    o.format = CJ_TEXT_PAIRS;
    cj_test_every_allocation_fails(cj_test_read_and_load, &o);
    cj_tokenizer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_labelled),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_stories),
        cmocka_unit_test(test_text_for_a_tokenizer),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_batches_by_length),
        cmocka_unit_test(test_full_width),
        cmocka_unit_test(test_padding_counts_for_nothing),
        cmocka_unit_test(test_recipe_of_pairs),
        cmocka_unit_test(test_recipe_of_labels),
        cmocka_unit_test(test_recipe_of_lines_too_long),
        cmocka_unit_test(test_files_that_are_no_text),
        cmocka_unit_test(test_public_sets),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, cj_test_make_folder, cj_test_drop_folder);
}
