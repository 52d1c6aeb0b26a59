/* Token for token what others make of the same awkward texts: GPT-2's own vocabulary by tiktoken, BPE learned
 * by Hugging Face's trainer, BERT's WordPiece with and without case, llama2.c's rule. The files are made by
 * tests/fixtures/make_tokenizers.py. */
#include "support.h"

#include "base/json.h"
#include "base/memory.h"
#include "cajal/cajal.h"

#include <string.h>

/* One line: {"text": …, "ids": […]}. */
static bool read_line(cj__json *json, cj__arena *arena, const char **text, cj_tokens *ids)
{
    ids->count = 0;
    *text = NULL;
    cj__json_enter(json, '{');
    for (int64_t i = 0; cj__json_more(json, i, '}'); i++) {
        const char *key = cj__json_key(json, arena);
        if (key && strcmp(key, "text") == 0) {
            *text = cj__json_string(json, arena);
            continue;
        }
        cj__json_enter(json, '[');
        for (int64_t k = 0; cj__json_more(json, k, ']'); k++)
            expect_ok(cj_tokens_add(ids, (int32_t)cj__json_unsigned(json)));
    }
    return *text && !json->expected;
}

static void expect_equal(const cj_tokenizer *t, const char *text, const cj_tokens *wanted)
{
    cj_tokens ids = {0};
    expect_ok(cj_tokenizer_encode(t, text, strlen(text), &ids));
    for (int64_t i = 0; i < ids.count && i < wanted->count; i++)
        if (ids.ids[i] != wanted->ids[i])
            fail_msg("'%s': token %lld is %d, expected %d", text, (long long)i, ids.ids[i], wanted->ids[i]);
    assert_int_equal(ids.count, wanted->count);
    cj_tokens_free(&ids);
}

static void expect_there_and_back(const cj_tokenizer *t, const char *text, const cj_tokens *ids)
{
    char *again;
    size_t size;
    expect_ok(cj_tokenizer_decode(t, ids->ids, ids->count, &again, &size));
    assert_string_equal(again, text);
    cj_text_free(again);
}

static void expect_alike(const cj_tokenizer *t, const char *fixture, bool exact)
{
    size_t size;
    char *file = cj_test_read_file(fixture, &size);
    int lines = 0;
    cj_tokens ids = {0};
    for (char *line = strtok(file, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        cj__arena arena = {0};
        cj__json json;
        const char *text;
        cj__json_begin(&json, line, strlen(line));
        assert_true(read_line(&json, &arena, &text, &ids));
        expect_equal(t, text, &ids);
        if (exact) expect_there_and_back(t, text, &ids);
        cj__arena_free(&arena);
    }
    assert_true(lines >= 20);
    cj_tokens_free(&ids);
    free(file);
}

/* The same after it was saved and read. */
static cj_tokenizer *save_and_load(cj_tokenizer *t)
{
    char *folder = cj_test_new_folder();
    cj_tokenizer *again;
    expect_ok(cj_tokenizer_save(t, cj_test_path(folder, "tokenizer.json")));
    cj_tokenizer_free(t);
    expect_ok(cj_tokenizer_open(&again, cj_test_path(folder, "tokenizer.json")));
    cj_test_remove_folder(folder);
    return again;
}

static void test_gpt2(void **state)
{
    (void)state;
    const char *path = cj_test_data("weights/encoder.json");
    cj_tokenizer *t;
    skip_without("PCRE2");
    if (!path) skip_because("CAJAL_DATA has no weights/encoder.json");
    expect_ok(cj_tokenizer_open(&t, path));
    assert_int_equal(cj_tokenizer_count(t), 50257);
    assert_int_equal(cj_tokenizer_special(t, CJ_TOKEN_END), 50256);
    expect_alike(t, CJ_TEST_FIXTURE("tokenizers/gpt2.jsonl"), true);
    t = save_and_load(t);
    expect_alike(t, CJ_TEST_FIXTURE("tokenizers/gpt2.jsonl"), true);
    cj_tokenizer_free(t);
}

static cj_tokenizer *train_on_corpus(cj_token_kind kind, int64_t vocabulary)
{
    size_t size;
    char *corpus = cj_test_read_file(CJ_TEST_FIXTURE("tokenizers/corpus.txt"), &size);
    cj_tokenizer *t;
    expect_ok(cj_tokenizer_train(&t, &(cj_tokenizer_training){.size = sizeof(cj_tokenizer_training),
                                                              .kind = kind,
                                                              .text = corpus,
                                                              .bytes = size,
                                                              .vocabulary = vocabulary}));
    free(corpus);
    return t;
}

/* Learned from the same corpus: the same merges in the same order. */
static void test_learned_bpe(void **state)
{
    (void)state;
    skip_without("PCRE2");
    cj_tokenizer *t = train_on_corpus(CJ_TOKENS_BPE, 420);
    expect_alike(t, CJ_TEST_FIXTURE("tokenizers/bpe.jsonl"), true);
    t = save_and_load(t);
    expect_alike(t, CJ_TEST_FIXTURE("tokenizers/bpe.jsonl"), true);
    cj_tokenizer_free(t);
}

static void test_wordpiece(void **state)
{
    (void)state;
    cj_tokenizer *t;
    cj_text_cleaning as_it_is = {0};
    skip_without("utf8proc");
    expect_ok(cj_tokenizer_open(&t, CJ_TEST_FIXTURE("tokenizers/wordpiece.txt")));
    assert_int_equal(cj_tokenizer_kind(t), CJ_TOKENS_WORDPIECE);
    expect_alike(t, CJ_TEST_FIXTURE("tokenizers/wordpiece.jsonl"), false);
    t = save_and_load(t);
    expect_alike(t, CJ_TEST_FIXTURE("tokenizers/wordpiece.jsonl"), false);
    cj_tokenizer_free(t);
    expect_ok(cj_tokenizer_read_wordpiece(&t, CJ_TEST_FIXTURE("tokenizers/wordpiece.txt"), &as_it_is));
    expect_alike(t, CJ_TEST_FIXTURE("tokenizers/wordpiece-cased.jsonl"), false);
    cj_tokenizer_free(t);
}

static void test_llama2c(void **state)
{
    (void)state;
    const char *path = cj_test_data("weights/tok512.bin");
    cj_tokenizer *t;
    if (!path) skip_because("CAJAL_DATA has no weights/tok512.bin");
    expect_ok(cj_tokenizer_open(&t, path));
    assert_int_equal(cj_tokenizer_count(t), 512);
    assert_int_equal(cj_tokenizer_special(t, CJ_TOKEN_UNKNOWN), 0);
    assert_int_equal(cj_tokenizer_special(t, CJ_TOKEN_BEGIN), 1);
    assert_int_equal(cj_tokenizer_special(t, CJ_TOKEN_END), 2);
    expect_alike(t, CJ_TEST_FIXTURE("tokenizers/llama2c.jsonl"), true);
    t = save_and_load(t);
    expect_alike(t, CJ_TEST_FIXTURE("tokenizers/llama2c.jsonl"), true);
    cj_tokenizer_free(t);
}

/* A vocabulary learned here has the words it was learned from, whole, and what it never met in pieces. */
static void test_learned_wordpiece(void **state)
{
    (void)state;
    skip_without("utf8proc");
    cj_tokenizer *t = train_on_corpus(CJ_TOKENS_WORDPIECE, 300);
    cj_tokens ids = {0};
    assert_true(cj_tokenizer_count(t) <= 300);
    assert_int_equal(cj_tokenizer_special(t, CJ_TOKEN_MASK), 4);
    assert_true(cj_tokenizer_find(t, "finished", 8) > 0);
    assert_true(cj_tokenizer_find(t, "##t", 3) > 0);
    const char *text = "cat finished, bird sattle \xd0\x96";
    expect_ok(cj_tokenizer_encode(t, text, strlen(text), &ids));
    assert_int_equal(ids.ids[ids.count - 1], cj_tokenizer_special(t, CJ_TOKEN_UNKNOWN));
    char *again;
    size_t size;
    expect_ok(cj_tokenizer_decode(t, ids.ids, ids.count, &again, &size));
    assert_string_equal(again, "cat finished, bird sattle [UNK]");
    cj_text_free(again);
    cj_tokens_free(&ids);
    cj_tokenizer_free(t);
}

/* --- allocations --------------------------------------------------------------------------------------- */

enum { ENCODER, MERGES, PATHS };
static char paths[PATHS][600];

/* GPT-2's letters for the bytes, in their order, and a merge of two. */
static void write_gpt2(const char *folder)
{
    static const char merges[] = "#version: 0.2\na b\n";
    char text[8192] = "{";
    size_t used = 1;
    for (unsigned code = 0x21, number = 0; code < 0x144; code++) {
        if ((code >= 0x7f && code <= 0xa0) || code == 0xad) continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "\"\\u%04x\": %u, ", code, number++);
    }
    used += (size_t)snprintf(text + used, sizeof text - used, "\"ab\": 256, \"<|endoftext|>\": 257}");
    snprintf(paths[ENCODER], sizeof paths[ENCODER], "%s", cj_test_path(folder, "encoder.json"));
    snprintf(paths[MERGES], sizeof paths[MERGES], "%s", cj_test_path(folder, "vocab.bpe"));
    cj_test_write_file(paths[ENCODER], text, used);
    cj_test_write_file(paths[MERGES], merges, sizeof merges - 1);
}

/* The tokenizer that was read, unless reading failed, on a text that each can cut. */
static cj_status cut(cj_tokenizer *t, cj_status status)
{
    cj_tokens ids = {0};
    if (status == CJ_OK) status = cj_tokenizer_encode(t, "abab", 4, &ids);
    cj_tokens_free(&ids);
    cj_tokenizer_free(t);
    return status;
}

static cj_status read_gpt2(void *context)
{
    cj_tokenizer *t;
    (void)context;
    cj_status status = cj_tokenizer_read_gpt2(&t, paths[ENCODER], paths[MERGES]);
    return cut(t, status);
}

static cj_status read_wordpiece(void *path)
{
    cj_tokenizer *t;
    cj_status status = cj_tokenizer_read_wordpiece(&t, path, NULL);
    return cut(t, status);
}

static cj_status read_llama2c(void *path)
{
    cj_tokenizer *t;
    cj_status status = cj_tokenizer_read_llama2c(&t, path);
    return cut(t, status);
}

#define SEED(name) ((char[]){CJ_TEST_SOURCE "/fuzz/corpus/tokenizer/" name})

static void test_allocations_of_llama2c(void **state)
{
    (void)state;
    cj_test_every_allocation_fails(read_llama2c, SEED("scored"));
}

static void test_allocations_of_wordpiece(void **state)
{
    (void)state;
    skip_without("utf8proc");
    cj_test_every_allocation_fails(read_wordpiece, SEED("vocabulary"));
}

static void test_allocations_of_gpt2(void **state)
{
    (void)state;
    skip_without("PCRE2");
    char *folder = cj_test_new_folder();
    write_gpt2(folder);
    cj_test_every_allocation_fails(read_gpt2, NULL);
    cj_test_remove_folder(folder);
}

static int count_allocations(void **state)
{
    (void)state;
    cj_test_allocator_install();
    return 0;
}

static int stop_counting(void **state)
{
    (void)state;
    cj_test_allocator_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpt2),
        cmocka_unit_test(test_learned_bpe),
        cmocka_unit_test(test_llama2c),
        cmocka_unit_test(test_wordpiece),
        cmocka_unit_test(test_learned_wordpiece),
    };
    const struct CMUnitTest allocations[] = {
        cmocka_unit_test(test_allocations_of_llama2c),
        cmocka_unit_test(test_allocations_of_wordpiece),
        cmocka_unit_test(test_allocations_of_gpt2),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + cmocka_run_group_tests(allocations, count_allocations, stop_counting);
}
