/* Sentences that are masked for BERT: which tokens are hidden, how, and that it depends on (seed, epoch, row)
 * alone, whatever threads prepare the batches and wherever a loader begins; sentences that are asked about.
 *
 * labels: threads */
#include "support.h"

#include "base/memory.h"
#include "cajal/cajal.h"

#include <stdlib.h>
#include <string.h>

enum { PAD, UNK, CLS, SEP, MASK, PLAIN }; /* PLAIN: the first token of a text */

static const char *write_text(const char *name, const char *text)
{
    const char *path = cj_test_path(cj_test_folder, name);
    cj_test_write_file(path, text, strlen(text));
    return path;
}

/* [PAD] to [MASK], and the words w0 to w39; none without utf8proc. */
static cj_tokenizer *words(void)
{
    cj_tokenizer *t;
    char text[600] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (int i = 0; i < 40; i++) snprintf(text + strlen(text), sizeof text - strlen(text), "w%d\n", i);
    cj_text_cleaning none = {0};
    if (!cj_test_has_library("utf8proc")) return NULL;
    expect_ok(cj_tokenizer_read_wordpiece(&t, write_text("vocab.txt", text), &none));
    return t;
}

enum { ROWS = 60, MOST_WORDS = 30 };

/* Sentence r has 1 + r % MOST_WORDS words, some with a label behind it. */
static const char *write_rows(void)
{
    static char text[16000];
    size_t used = 0;
    for (int r = 0; r < ROWS; r++) {
        for (int i = 0; i <= r % MOST_WORDS; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "w%d ", (r * 7 + i * 3) % 40);
        used += (size_t)snprintf(text + used, sizeof text - used, r % 2 ? "\n" : "\tgood\n");
    }
    return write_text("rows.tsv", text);
}

static cj_dataset *masked(const cj_tokenizer *t, int64_t bucket)
{
    cj_dataset *d;
    cj_text_file_options o = {
        .size = sizeof o, .format = CJ_TEXT_MASKED, .path = write_rows(), .tokenizer = t, .bucket = bucket};
    expect_ok(cj_dataset_read_text(&d, &o));
    return d;
}

#define WITH_TOKENIZER(t)                                                                                    \
    cj_tokenizer *t = words();                                                                               \
    if (!t) skip_because("this build is without utf8proc")

/* --- the rule ------------------------------------------------------------------------------------------ */

typedef struct {
    int64_t plain, guessed, hidden, kept, replaced;
} census;

/* What was hidden stands in y, everything else is as it was. */
static void count_row(const int32_t *x, const int32_t *y, const int32_t *whole, int64_t width, census *c)
{
    for (int64_t i = 0; i < width; i++) {
        if (whole[i] < PLAIN) {
            assert_int_equal(x[i], whole[i]);
            assert_int_equal(y[i], -1);
            continue;
        }
        c->plain++;
        assert_true(y[i] == -1 || y[i] == whole[i]);
        if (y[i] == -1) assert_int_equal(x[i], whole[i]);
        if (y[i] == -1) continue;
        c->guessed++;
        c->hidden += x[i] == MASK;
        c->kept += x[i] == whole[i];
        c->replaced += x[i] != MASK && x[i] != whole[i];
        assert_true(x[i] == MASK || (x[i] >= PLAIN && x[i] < PLAIN + 40));
    }
}

static void fifteen_in_a_hundred(void **state)
{
    (void)state;
    WITH_TOKENIZER(t);
    cj_dataset *d = masked(t, 0);
    cj_loader *l;
    cj_batch batch;
    census c = {0};
    expect_ok(cj_loader_new(&l, d, .batch_size = ROWS, .seed = 3, .prefetch = -1));
    for (int epoch = 0; epoch < 40; epoch++)
        while (cj_loader_next(l, &batch))
            for (int64_t r = 0; r < ROWS; r++) {
                cj_tensor whole;
                int64_t width = batch.x.shape.dims[1];
                cj_dataset_row(d, r, &whole, NULL);
                count_row((const int32_t *)batch.x.data + r * width,
                          (const int32_t *)batch.y.data + r * width, whole.data, width, &c);
            }
    double guessed = (double)c.guessed;
    assert_true(c.plain == 40 * 930);
    assert_true(guessed / (double)c.plain > 0.14 && guessed / (double)c.plain < 0.16);
    assert_true((double)c.hidden / guessed > 0.78 && (double)c.hidden / guessed < 0.82);
    assert_true((double)c.kept / guessed > 0.08 && (double)c.kept / guessed < 0.12);
    assert_true((double)c.replaced / guessed > 0.08 && (double)c.replaced / guessed < 0.12);
    cj_loader_free(l);
    cj_dataset_free(d);
    cj_tokenizer_free(t);
}

/* --- the same bits ------------------------------------------------------------------------------------- */

typedef struct {
    int32_t x[ROWS * 40], y[ROWS * 40];
    int64_t used;
} epoch_tokens;

static void read_epoch(cj_loader *l, epoch_tokens *e)
{
    cj_batch batch;
    memset(e, 0, sizeof *e);
    while (cj_loader_next(l, &batch)) {
        int64_t count = batch.count * batch.x.shape.dims[1];
        assert_true(cj_shape_equal(batch.x.shape, batch.y.shape) && e->used + count <= ROWS * 40);
        memcpy(e->x + e->used, batch.x.data, (size_t)count * sizeof *e->x);
        memcpy(e->y + e->used, batch.y.data, (size_t)count * sizeof *e->y);
        e->used += count;
    }
    expect_ok(cj_loader_status(l));
}

static cj_loader *open_loader(const cj_dataset *d, uint64_t seed, int64_t threads)
{
    cj_loader *l;
    expect_ok(cj_loader_new(&l, d, .batch_size = 7, .shuffle = true, .seed = seed,
                            .prefetch = threads ? 3 : -1, .threads = threads));
    return l;
}

static void the_same_whoever_draws(void **state)
{
    (void)state;
    WITH_TOKENIZER(t);
    cj_dataset *d = masked(t, 4);
    static epoch_tokens first, second, other;
    cj_loader *l = open_loader(d, 5, 0);
    read_epoch(l, &first);
    read_epoch(l, &second);
    assert_true(memcmp(first.y, second.y, sizeof first.y) != 0);
    cj_loader_free(l);
    for (int64_t threads = 1; threads <= 3; threads++) {
        l = open_loader(d, 5, threads);
        read_epoch(l, &other);
        assert_memory_equal(&other, &first, sizeof other);
        read_epoch(l, &other);
        assert_memory_equal(&other, &second, sizeof other);
        cj_loader_seek(l, 0, 0);
        read_epoch(l, &other);
        assert_memory_equal(&other, &first, sizeof other);
        cj_loader_free(l);
    }
    l = open_loader(d, 6, 0);
    read_epoch(l, &other);
    assert_true(memcmp(first.y, other.y, sizeof first.y) != 0);
    cj_loader_free(l);
    cj_dataset_free(d);
    cj_tokenizer_free(t);
}

/* A batch's width, and what else is in it, change nothing of a row. */
static void the_same_at_any_width(void **state)
{
    (void)state;
    WITH_TOKENIZER(t);
    cj_dataset *narrow = masked(t, 2), *wide = masked(t, 0), *view;
    const int64_t rows[] = {4};
    cj_loader *a, *b;
    cj_batch one, all;
    expect_ok(cj_dataset_select(&view, narrow, rows, 1));
    expect_ok(cj_loader_new(&a, view, .batch_size = 1, .seed = 5, .prefetch = -1));
    expect_ok(cj_loader_new(&b, wide, .batch_size = 8, .seed = 5, .prefetch = -1));
    for (int epoch = 0; epoch < 5; epoch++) {
        cj_loader_seek(a, epoch, 0);
        cj_loader_seek(b, epoch, 0);
        assert_true(cj_loader_next(a, &one) && cj_loader_next(b, &all));
        assert_int_equal(one.x.shape.dims[1], 8); /* five words, two ends, rounded up */
        assert_int_equal(all.x.shape.dims[1], MOST_WORDS + 2);
        assert_memory_equal(one.x.data, (const int32_t *)all.x.data + 4 * (MOST_WORDS + 2),
                            8 * sizeof(int32_t));
        assert_memory_equal(one.y.data, (const int32_t *)all.y.data + 4 * (MOST_WORDS + 2),
                            8 * sizeof(int32_t));
    }
    cj_loader_free(a);
    cj_loader_free(b);
    cj_dataset_free(view);
    cj_dataset_free(narrow);
    cj_dataset_free(wide);
    cj_tokenizer_free(t);
}

/* --- files --------------------------------------------------------------------------------------------- */

static void several_files(void **state)
{
    (void)state;
    WITH_TOKENIZER(t);
    cj_dataset *d;
    char first[600], more[600], *text;
    size_t size;
    snprintf(first, sizeof first, "%s", write_text("1.txt", "w1 w2\tgood\n\n \nw3\n"));
    snprintf(more, sizeof more, "%s", write_text("2.txt", "w4\r\n\tw5\n"));
    const char *const list[] = {more};
    cj_text_file_options o = {.size = sizeof o,
                              .format = CJ_TEXT_MASKED,
                              .path = first,
                              .tokenizer = t,
                              .more = list,
                              .more_count = 1};
    expect_ok(cj_dataset_read_text(&d, &o));
    assert_int_equal(cj_dataset_count(d), 3); /* what stands before the tab is nothing */
    assert_int_equal(cj_dataset_classes(d), 45);
    static const int32_t rows[3][4] = {{CLS, 6, 7, SEP}, {CLS, 8, SEP, 0}, {CLS, 9, SEP, 0}};
    for (int r = 0; r < 3; r++) {
        cj_tensor x;
        cj_dataset_row(d, r, &x, NULL);
        assert_memory_equal(x.data, rows[r], sizeof rows[r]);
    }
    cj_dataset_free(d);
    expect_ok(cj_text_of_file(CJ_TEXT_MASKED, first, &text, &size));
    assert_string_equal(text, "w1 w2\n\n \nw3\n");
    cj_text_free(text);
    snprintf(more, sizeof more, "%s", write_text("3.txt", "w4\n\xff\n"));
    expect_status(cj_dataset_read_text(&d, &o), CJ_FORMAT_ERROR);
    expect_message("3.txt: line 2: found byte 0xff");
    o.format = CJ_TEXT_LINES;
    expect_status(cj_dataset_read_text(&d, &o), CJ_INVALID_ARGUMENT);
    expect_message("further files are for sentences that are to be masked");
    cj_tokenizer_free(t);
}

static void a_tokenizer_without_masks(void **state)
{
    (void)state;
    cj_tokenizer *t;
    cj_dataset *d;
    cj_tokenizer_training training = {
        .size = sizeof training, .kind = CJ_TOKENS_BYTE, .text = "", .specials = true};
    expect_ok(cj_tokenizer_train(&t, &training));
    cj_text_file_options o = {
        .size = sizeof o, .format = CJ_TEXT_MASKED, .path = write_text("1.txt", "a\n"), .tokenizer = t};
    expect_status(cj_dataset_read_text(&d, &o), CJ_INVALID_ARGUMENT);
    expect_message("no token for a mask: take wordpiece");
    cj_tokenizer_free(t);
}

/* --- sentences that are asked about -------------------------------------------------------------------- */

static void sentences_without_labels(void **state)
{
    (void)state;
    WITH_TOKENIZER(t);
    static const char *const said[] = {"w1 w2 w3", "", "w9 what"};
    cj_dataset *d;
    cj_sentences o = {.size = sizeof o, .sentences = said, .count = 3, .tokenizer = t, .longest = 4};
    expect_ok(cj_dataset_of_sentences(&d, &o));
    static const int32_t rows[3][4] = {{CLS, 6, 7, 8}, {CLS, SEP, 0, 0}, {CLS, 14, UNK, SEP}};
    cj_tensor x = cj_dataset_x(d);
    assert_true(cj_shape_equal(x.shape, cj_shape(3, 4)));
    assert_memory_equal(x.data, rows, sizeof rows);
    cj_dataset_free(d);
    o.sentences = (const char *const[]){"w1", "\xff"};
    o.count = 2;
    o.first = 40;
    expect_status(cj_dataset_of_sentences(&d, &o), CJ_FORMAT_ERROR);
    expect_message("line 41: found byte 0xff");
    o.count = 0;
    expect_status(cj_dataset_of_sentences(&d, &o), CJ_INVALID_ARGUMENT);
    assert_null(d);
    cj_tokenizer_free(t);
}

/* --- allocations --------------------------------------------------------------------------------------- */

static cj_status ask(void *context)
{
    cj_dataset *d = NULL;
    cj_status status = cj_dataset_of_sentences(&d, context);
    cj_dataset_free(d);
    return status;
}

static void allocations(void **state)
{
    (void)state;
    WITH_TOKENIZER(t);
    static const char *const said[] = {"w1 w2", "w3"};
    char path[600];
    snprintf(path, sizeof path, "%s", write_text("1.txt", "w1 w2\nw3\n"));
    const char *const list[] = {path};
    cj_text_file_options o = {.size = sizeof o,
                              .format = CJ_TEXT_MASKED,
                              .path = path,
                              .tokenizer = t,
                              .bucket = 2,
                              .more = list,
                              .more_count = 1};
    cj_sentences asked = {.size = sizeof asked, .sentences = said, .count = 2, .tokenizer = t};
    cj_test_every_allocation_fails(cj_test_read_and_load, &o);
    cj_test_every_allocation_fails(ask, &asked);
    cj_tokenizer_free(t);
}

static int set_up(void **state)
{
    cj_test_allocator_install();
    return cj_test_make_folder(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifteen_in_a_hundred),
        cmocka_unit_test(the_same_whoever_draws),
        cmocka_unit_test(the_same_at_any_width),
        cmocka_unit_test(several_files),
        cmocka_unit_test(a_tokenizer_without_masks),
        cmocka_unit_test(sentences_without_labels),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, set_up, cj_test_drop_folder);
}
