/* Tokenizers: characters and bytes, there and back; what is no text or not in the vocabulary; the file that a
 * run's folder keeps. */
#include "support.h"

#include "base/memory.h"
#include "cajal/cajal.h"

#include <string.h>

static cj_status train(cj_tokenizer **t, cj_token_kind kind, const char *text, int64_t vocabulary)
{
    return cj_tokenizer_train(t, &(cj_tokenizer_training){.size = sizeof(cj_tokenizer_training),
                                                          .kind = kind,
                                                          .text = text,
                                                          .bytes = strlen(text),
                                                          .vocabulary = vocabulary});
}

static void expect_ids(const cj_tokenizer *t, const char *text, const int32_t *ids, int64_t count)
{
    cj_tokens tokens = {0};
    expect_ok(cj_tokenizer_encode(t, text, strlen(text), &tokens));
    assert_int_equal(tokens.count, count);
    for (int64_t i = 0; i < count; i++) assert_int_equal(tokens.ids[i], ids[i]);
    cj_tokens_free(&tokens);
}

/* Whole, and token by token. */
static void expect_text(const cj_tokenizer *t, const int32_t *ids, int64_t count, const char *text)
{
    char *whole;
    size_t size, at = 0, part;
    expect_ok(cj_tokenizer_decode(t, ids, count, &whole, &size));
    assert_int_equal(size, strlen(text));
    assert_memory_equal(whole, text, size + 1);
    for (int64_t i = 0; i < count; i++) {
        const char *bytes = cj_tokenizer_text(t, i ? ids[i - 1] : -1, ids[i], &part);
        assert_non_null(bytes);
        assert_memory_equal(bytes, text + at, part);
        at += part;
    }
    assert_int_equal(at, size);
    cj_text_free(whole);
}

static void expect_there_and_back(const cj_tokenizer *t, const char *text)
{
    cj_tokens tokens = {0};
    expect_ok(cj_tokenizer_encode(t, text, strlen(text), &tokens));
    expect_text(t, tokens.ids, tokens.count, text);
    cj_tokens_free(&tokens);
}

static const char mixed[] = "Zeit: \xc3\xa9t\xc3\xa9, \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x99\x82\n";

/* --- characters ---------------------------------------------------------------------------------------- */

/* nanoGPT's numbers: the set of characters, sorted. */
static void test_characters(void **state)
{
    (void)state;
    cj_tokenizer *t;
    size_t size;
    expect_ok(train(&t, CJ_TOKENS_CHARACTER, "hello there", 0));
    assert_int_equal(cj_tokenizer_count(t), 7); /* " ehlort" */
    expect_ids(t, "hero", (int32_t[]){2, 1, 5, 4}, 4);
    expect_text(t, (int32_t[]){2, 1, 5, 4}, 4, "hero");
    assert_string_equal(cj_tokenizer_piece(t, 0, &size), " ");
    assert_int_equal(cj_tokenizer_find(t, "t", 1), 6);
    assert_int_equal(cj_tokenizer_find(t, "x", 1), -1);
    assert_null(cj_tokenizer_piece(t, 7, &size));
    assert_int_equal(cj_tokenizer_special(t, CJ_TOKEN_UNKNOWN), -1);
    expect_ids(t, "", NULL, 0);
    cj_tokenizer_free(t);
}

static void test_characters_of_many_bytes(void **state)
{
    (void)state;
    cj_tokenizer *t;
    size_t size;
    expect_ok(train(&t, CJ_TOKENS_CHARACTER, mixed, 0));
    expect_there_and_back(t, mixed);
    assert_int_equal(cj_tokenizer_count(t), 12);
    assert_string_equal(cj_tokenizer_piece(t, 11, &size), "\xf0\x9f\x99\x82");
    assert_int_equal(size, 4);
    assert_int_equal(cj_count_characters(mixed, strlen(mixed)), 16);
    cj_tokenizer_free(t);
}

/* Without room for all the rarest are unknown; ties go to the smaller. */
static void test_unknown_characters(void **state)
{
    (void)state;
    cj_tokenizer *t;
    expect_ok(train(&t, CJ_TOKENS_CHARACTER, "abababcdce", 4));
    assert_int_equal(cj_tokenizer_count(t), 4);
    assert_int_equal(cj_tokenizer_special(t, CJ_TOKEN_UNKNOWN), 0);
    expect_ids(t, "abcd", (int32_t[]){1, 2, 3, 0}, 4);
    expect_text(t, (int32_t[]){1, 0, 3}, 3, "a<unk>c");
    cj_tokenizer_free(t);

    expect_ok(train(&t, CJ_TOKENS_CHARACTER, "ab", 0));
    cj_tokens tokens = {0};
    expect_status(cj_tokenizer_encode(t, "ab\na\xc3\xa9", 6, &tokens), CJ_NOT_FOUND);
    expect_message("line 1: '\n' (U+000A) is none of the 2 tokens");
    tokens.count = 0;
    expect_status(cj_tokenizer_encode(t, "a\xc3\xa9", 3, &tokens), CJ_NOT_FOUND);
    expect_message("'\xc3\xa9' (U+00E9)");
    cj_tokens_free(&tokens);
    cj_tokenizer_free(t);
}

static void test_specials(void **state)
{
    (void)state;
    cj_tokenizer *t;
    cj_tokenizer_training training = {
        .size = sizeof training, .kind = CJ_TOKENS_CHARACTER, .text = "ba", .bytes = 2, .specials = true};
    expect_ok(cj_tokenizer_train(&t, &training));
    assert_int_equal(cj_tokenizer_count(t), 6);
    for (int i = 0; i < CJ_TOKEN_MASK; i++) assert_int_equal(cj_tokenizer_special(t, (cj_special_token)i), i);
    assert_int_equal(cj_tokenizer_special(t, CJ_TOKEN_MASK), -1);
    expect_ids(t, "abz", (int32_t[]){4, 5, 1}, 3);
    expect_text(t, (int32_t[]){2, 5, 4, 3, 0, 0}, 6, "ba");
    cj_tokenizer_free(t);
}

/* --- bytes --------------------------------------------------------------------------------------------- */

static void test_bytes(void **state)
{
    (void)state;
    cj_tokenizer *t;
    cj_tokens tokens = {0};
    char *text;
    size_t size;
    expect_ok(train(&t, CJ_TOKENS_BYTE, "", 0));
    assert_int_equal(cj_tokenizer_count(t), 256);
    expect_ids(t, "A\xc3\xa9", (int32_t[]){65, 0xc3, 0xa9}, 3);
    expect_there_and_back(t, mixed);
    expect_ok(cj_tokenizer_encode(t, "\0\xff\xfe", 3, &tokens));
    expect_ok(cj_tokenizer_decode(t, tokens.ids, tokens.count, &text, &size));
    assert_int_equal(size, 3);
    assert_memory_equal(text, "\0\xff\xfe", 4);
    cj_text_free(text);
    expect_status(cj_tokenizer_decode(t, (int32_t[]){1, 256}, 2, &text, &size), CJ_INVALID_ARGUMENT);
    expect_message("token 2 of 2 is 256, but the vocabulary has 256");
    expect_status(cj_tokenizer_decode(t, (int32_t[]){-1}, 1, &text, &size), CJ_INVALID_ARGUMENT);
    cj_tokens_free(&tokens);
    cj_tokenizer_free(t);
    expect_status(train(&t, CJ_TOKENS_BYTE, "", 255), CJ_INVALID_ARGUMENT);
    assert_null(t);
}

/* --- words --------------------------------------------------------------------------------------------- */

static void expect_words(const cj_tokenizer *t, const char *text, const char *const *words)
{
    cj_tokens tokens = {0};
    expect_ok(cj_tokenizer_encode(t, text, strlen(text), &tokens));
    for (int64_t i = 0; i < tokens.count; i++) {
        assert_non_null(words[i]);
        assert_string_equal(cj_tokenizer_piece(t, tokens.ids[i], NULL), words[i]);
    }
    assert_null(words[tokens.count]);
    cj_tokens_free(&tokens);
}

static void test_words(void **state)
{
    (void)state;
    static const char text[] =
        "don't stop: well-known 3.5, 10,000! 's (\xc3\xa9t\xc3\xa9)\xc2\xa0 a.b -x x- end.";
    skip_without("utf8proc");
    cj_tokenizer *t;
    expect_ok(train(&t, CJ_TOKENS_WORD, text, 0));
    expect_words(
        t, text,
        (const char *const[]){
            "don't", "stop", ":", "well-known", "3.5", ",", "10,000", "!", "'s",  "(", "\xc3\xa9t\xc3\xa9",
            ")",     "a",    ".", "b",          "-",   "x", "x",      "-", "end", ".", NULL});
    expect_words(t, "stop  other stop", (const char *const[]){"stop", "<unk>", "stop", NULL});
    expect_words(t, " \n\t ", (const char *const[]){NULL});
    cj_tokenizer_free(t);
}

/* A text without a blank, or a picture written out in letters, is a word, too. */
static void test_long_words(void **state)
{
    (void)state;
    enum { LONG = 100000 };
    static char text[LONG + 3];
    skip_without("utf8proc");
    cj_tokenizer *t;
    size_t size;
    memset(text, 'a', LONG);
    strcpy(text + LONG, " b");
    expect_ok(train(&t, CJ_TOKENS_WORD, text, 0));
    assert_int_equal(cj_tokenizer_count(t), 3);
    expect_ids(t, text, (int32_t[]){1, 2}, 2);
    assert_non_null(cj_tokenizer_piece(t, 1, &size));
    assert_int_equal(size, LONG);
    cj_tokenizer_free(t);
}

/* Behind unknown come words from the commonest on, of equally common ones those first in order. */
static void test_words_in_order(void **state)
{
    (void)state;
    skip_without("utf8proc");
    cj_tokenizer *t;
    cj_tokenizer_training training = {.size = sizeof training,
                                      .kind = CJ_TOKENS_WORD,
                                      .text = "b c a b B c b d <unk>",
                                      .cleaning.lower = true,
                                      .least = 2};
    training.bytes = strlen(training.text);
    expect_ok(cj_tokenizer_train(&t, &training));
    assert_int_equal(cj_tokenizer_count(t), 3);
    expect_ids(t, "B c a <unk>", (int32_t[]){1, 2, 0, 0, 0, 0}, 6);
    expect_text(t, (int32_t[]){1, 0, 2}, 3, "b <unk> c");
    cj_tokenizer_free(t);
    training.least = 0;
    training.vocabulary = 6;
    training.specials = true;
    training.text = "x y y z";
    training.bytes = 7;
    expect_ok(cj_tokenizer_train(&t, &training));
    expect_ids(t, "x y z", (int32_t[]){5, 4, 1}, 3);
    expect_text(t, (int32_t[]){2, 5, 4, 3, 0}, 5, "x y");
    cj_tokenizer_free(t);
}

static void expect_clean(cj_text_cleaning cleaning, const char *text, const char *wanted)
{
    char *clean;
    size_t size;
    expect_ok(cj_text_clean(&cleaning, text, strlen(text), &clean, &size));
    assert_string_equal(clean, wanted);
    assert_int_equal(size, strlen(wanted));
    cj_text_free(clean);
}

/* As Python's unicodedata has them. */
static void test_cleaning(void **state)
{
    (void)state;
    char *clean;
    size_t size;
    expect_clean((cj_text_cleaning){0}, mixed, mixed);
    expect_ok(cj_text_clean(&(cj_text_cleaning){.lower = true}, NULL, 0, &clean, &size));
    assert_string_equal(clean, "");
    cj_text_free(clean);
    expect_clean((cj_text_cleaning){.lower = true}, "AbC z", "abc z");
    expect_clean((cj_text_cleaning){.replace_invalid = true}, "a\xff", "a\xef\xbf\xbd");
    skip_without("utf8proc");
    static const char text[] = "\xc3\x89"
                               "e\xcc\x81 \xef\xac\x81 \xe2\x91\xa0"; /* Ée◌́ ﬁ ① */
    expect_clean((cj_text_cleaning){.form = CJ_FORM_NFC}, text, "\xc3\x89\xc3\xa9 \xef\xac\x81 \xe2\x91\xa0");
    expect_clean((cj_text_cleaning){.form = CJ_FORM_NFD}, text,
                 "E\xcc\x81"
                 "e\xcc\x81 \xef\xac\x81 \xe2\x91\xa0");
    expect_clean((cj_text_cleaning){.form = CJ_FORM_NFKC}, text, "\xc3\x89\xc3\xa9 fi 1");
    expect_clean((cj_text_cleaning){.form = CJ_FORM_NFKD}, text,
                 "E\xcc\x81"
                 "e\xcc\x81 fi 1");
    expect_clean((cj_text_cleaning){.lower = true, .strip_accents = true}, text,
                 "ee \xef\xac\x81 \xe2\x91\xa0");
    expect_clean((cj_text_cleaning){.lower = true, .form = CJ_FORM_NFC}, text,
                 "\xc3\xa9\xc3\xa9 \xef\xac\x81 \xe2\x91\xa0");
    expect_clean((cj_text_cleaning){.lower = true}, text,
                 "\xc3\xa9"
                 "e\xcc\x81 \xef\xac\x81 \xe2\x91\xa0");
}

/* --- what is no text ----------------------------------------------------------------------------------- */

static void test_invalid_text(void **state)
{
    (void)state;
    static const char *const bad[] = {"ab\nc\xff",    "\xc3",     "\xe6\x97",
                                      "\xed\xa0\x80", "\xc0\xaf", "\xf5\x80\x80\x80"};
    cj_tokenizer *t;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_status(train(&t, CJ_TOKENS_CHARACTER, bad[i], 0), CJ_FORMAT_ERROR);
        expect_message("which is no UTF-8 here");
        assert_null(t);
    }
    expect_status(train(&t, CJ_TOKENS_CHARACTER, bad[0], 0), CJ_FORMAT_ERROR);
    expect_message("line 2: found byte 0xff");
    cj_tokenizer_training training = {
        .size = sizeof training, .kind = CJ_TOKENS_CHARACTER, .text = "a\0b", .bytes = 3};
    expect_status(cj_tokenizer_train(&t, &training), CJ_FORMAT_ERROR);
    expect_message("found a zero byte");
    training.cleaning.replace_invalid = true;
    training.text = "a\xff\xff\xe6\x97z";
    training.bytes = 6;
    expect_ok(cj_tokenizer_train(&t, &training));
    assert_int_equal(cj_tokenizer_count(t), 3);
    expect_ids(t, "a\xf0z", (int32_t[]){0, 2, 1}, 3);
    expect_text(t, (int32_t[]){0, 2, 1}, 3, "a\xef\xbf\xbdz");
    cj_tokenizer_free(t);
}

/* Special tokens alone are no vocabulary; bytes are there in any case. */
static void test_nothing_to_learn(void **state)
{
    (void)state;
    cj_tokenizer *t;
    const cj_token_kind kinds[] = {CJ_TOKENS_CHARACTER, CJ_TOKENS_WORD, CJ_TOKENS_WORDPIECE};
    expect_ok(train(&t, CJ_TOKENS_BYTE, "", 0));
    cj_tokenizer_free(t);
    expect_status(train(&t, CJ_TOKENS_CHARACTER, "", 0), CJ_FORMAT_ERROR);
    expect_message("found nothing for a character tokenizer to learn in 0 bytes of text");
    skip_without("utf8proc");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        cj_tokenizer_training training = {.size = sizeof training, .kind = kinds[i], .specials = true};
        training.text = " \n";
        training.bytes = kinds[i] == CJ_TOKENS_CHARACTER ? 0 : 2;
        expect_status(cj_tokenizer_train(&t, &training), CJ_FORMAT_ERROR);
        training.text = "a b";
        training.bytes = 3;
        training.least = 2;
        expect_status(cj_tokenizer_train(&t, &training), CJ_FORMAT_ERROR);
        expect_message("expected something that is met often enough");
        assert_null(t);
    }
    expect_status(train(&t, CJ_TOKENS_WORD, "a b", 1), CJ_FORMAT_ERROR);
}

/* What takes any bytes does so until it is told not to; a file keeps that. */
static void test_text_alone(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    cj_tokenizer *t, *again;
    cj_tokens tokens = {0};
    cj_tokenizer_training training = {
        .size = sizeof training, .kind = CJ_TOKENS_BYTE, .text = "", .cleaning.text_only = true};
    expect_ok(cj_tokenizer_train(&t, &training));
    expect_ok(cj_tokenizer_save(t, cj_test_path(folder, "t.json")));
    expect_ok(cj_tokenizer_load(&again, cj_test_path(folder, "t.json")));
    expect_status(cj_tokenizer_encode(t, "a\n\xff", 3, &tokens), CJ_FORMAT_ERROR);
    expect_message("line 2: found byte 0xff");
    expect_status(cj_tokenizer_encode(again, "a\n\xff", 3, &tokens), CJ_FORMAT_ERROR);
    expect_status(cj_tokenizer_encode_at(t, "a\n\xff", 3, 40, &tokens), CJ_FORMAT_ERROR);
    expect_message("line 41: found byte 0xff");
    expect_status(cj_tokenizer_encode_at(t, "a\n\xff", 3, 0, &tokens), CJ_FORMAT_ERROR);
    assert_int_equal(strncmp(cj_error_message(), "found byte 0xff", 15), 0);
    cj_tokenizer_free(again);
    cj_tokenizer_free(t);
    training.cleaning.replace_invalid = true;
    expect_ok(cj_tokenizer_train(&t, &training));
    expect_ids(t, "\xff", (int32_t[]){0xef, 0xbf, 0xbd}, 3);
    cj_tokenizer_free(t);
    cj_test_remove_folder(folder);
}

/* --- the file ------------------------------------------------------------------------------------------ */

static void expect_saved(cj_tokenizer *t, const char *text)
{
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "tokenizer.json");
    cj_tokenizer *again;
    cj_tokens a = {0}, b = {0};
    expect_ok(cj_tokenizer_save(t, path));
    expect_ok(cj_tokenizer_load(&again, path));
    assert_int_equal(cj_tokenizer_kind(again), cj_tokenizer_kind(t));
    assert_int_equal(cj_tokenizer_count(again), cj_tokenizer_count(t));
    for (int i = 0; i < CJ_SPECIAL_TOKENS; i++)
        assert_int_equal(cj_tokenizer_special(again, (cj_special_token)i),
                         cj_tokenizer_special(t, (cj_special_token)i));
    expect_ok(cj_tokenizer_encode(t, text, strlen(text), &a));
    expect_ok(cj_tokenizer_encode(again, text, strlen(text), &b));
    assert_int_equal(a.count, b.count);
    assert_memory_equal(a.ids, b.ids, (size_t)a.count * sizeof *a.ids);
    cj_tokens_free(&a);
    cj_tokens_free(&b);
    cj_tokenizer_free(again);
    cj_tokenizer_free(t);
    cj_test_remove_folder(folder);
}

static void test_files(void **state)
{
    (void)state;
    cj_tokenizer *t;
    expect_ok(train(&t, CJ_TOKENS_CHARACTER, mixed, 0));
    expect_saved(t, mixed);
    expect_ok(train(&t, CJ_TOKENS_CHARACTER, mixed, 5));
    expect_saved(t, mixed);
    expect_ok(train(&t, CJ_TOKENS_BYTE, "", 0));
    expect_saved(t, mixed);
    cj_tokenizer_training training = {.size = sizeof training,
                                      .kind = CJ_TOKENS_BYTE,
                                      .text = "",
                                      .cleaning.replace_invalid = true,
                                      .specials = true};
    expect_ok(cj_tokenizer_train(&t, &training));
    assert_int_equal(cj_tokenizer_count(t), 260);
    expect_ids(t, "A", (int32_t[]){69}, 1);
    expect_saved(t, mixed);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"", "expected '{'"},
        {"{}", "found format 0, expected 1"},
        {"{\"format\": 1}", "found no \"kind\""},
        {"{\"format\": 1, \"kind\": \"letter\"}", "expected the name of a kind of tokenizer"},
        {"{\"format\": 1, \"kind\": \"character\"}", "found no pieces"},
        {"{\"format\": 1, \"kind\": \"character\", \"pieces\": [\"a\", \"b\", \"a\"]}",
         "expected a piece that is not there yet"},
        {"{\"format\": 1, \"kind\": \"character\", \"pieces\": [\"a\"], \"specials\": {\"unknown\": 1}}",
         "found token 1 for unknown, expected one of the 1 there are"},
        {"{\"format\": 1, \"kind\": \"character\", \"pieces\": [\"a\"], \"specials\": {\"other\": 0}}",
         "expected padding, unknown, begin, end or mask"},
        {"{\"format\": 1, \"pieces\": [\"a\"]}", "expected the kind before the pieces"},
        {"{\"format\": 1, \"kind\": \"wordpiece\", \"pieces\": [\"a\"]}", "found no token for unknown"},
        {"{\"format\": 1, \"kind\": \"scored\", \"pieces\": [\"a\", \"b\"], \"scores\": [1]}",
         "found 1 scores, expected 2"},
        {"{\"format\": 1, \"kind\": \"scored\", \"pieces\": [\"a b\"]}",
         "expected a piece in GPT-2's letters"},
        {"{\"format\": 1, \"kind\": \"character\", \"pieces\": [\"a\"], \"merges\": [0, 1]}",
         "found token 1 among the merges"},
        {"{\"format\": 1, \"kind\": \"word\", \"form\": \"NFX\"}", "expected a normal form"},
        {"{\"format\": 1, \"kind\": \"byte\", \"pieces\": [\"a\"]}", "expected none of a byte tokenizer"},
        {"{\"format\": 1, \"kind\": \"character\", \"specials\": {\"unknown\": 9223372036854775807}}",
         "expected padding, unknown"},
    };
    char *folder = cj_test_new_folder();
    cj_tokenizer *t;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *path = cj_test_path(folder, "bad.json");
        cj_test_write_file(path, bad[i].text, strlen(bad[i].text));
        assert_int_not_equal(cj_tokenizer_load(&t, path), CJ_OK);
        expect_message(bad[i].sentence);
        expect_message("bad.json: ");
        assert_null(t);
    }
    expect_status(cj_tokenizer_load(&t, cj_test_path(folder, "none")), CJ_NOT_FOUND);
    cj_test_remove_folder(folder);
}

/* A list of tokens has no number beyond its own size: else a line could ask for all the memory there is. */
static void test_far_number(void **state)
{
    (void)state;
    static const char encoder[] = "{\"a\": 16777214}", merges[] = "#version: 0.2\n";
    char *folder = cj_test_new_folder();
    cj_tokenizer *t;
    cj_test_write_file(cj_test_path(folder, "encoder.json"), encoder, sizeof encoder - 1);
    cj_test_write_file(cj_test_path(folder, "vocab.bpe"), merges, sizeof merges - 1);
    expect_status(cj_tokenizer_open(&t, cj_test_path(folder, "encoder.json")), CJ_FORMAT_ERROR);
    expect_message("expected a piece in GPT-2's letters, and its number");
    cj_test_remove_folder(folder);
}

static char *scenario_folder;

static cj_status everything(void *context)
{
    const cj_token_kind *kind = context;
    cj_tokenizer *t = NULL, *again = NULL;
    cj_tokens tokens = {0};
    char *text = NULL;
    size_t size;
    cj_tokenizer_training training = {.size = sizeof training,
                                      .kind = *kind,
                                      .text = "some t\xffxt \xc3\x89 some",
                                      .bytes = 17,
                                      .vocabulary = *kind == CJ_TOKENS_BPE ? 264 : 0,
                                      .cleaning = {.replace_invalid = true, .lower = *kind == CJ_TOKENS_WORD},
                                      .specials = true};
    cj_status status = cj_tokenizer_train(&t, &training);
    if (status == CJ_OK) status = cj_tokenizer_encode(t, "some \xff text", 11, &tokens);
    if (status == CJ_OK) status = cj_tokenizer_decode(t, tokens.ids, tokens.count, &text, &size);
    if (status == CJ_OK) status = cj_tokenizer_save(t, cj_test_path(scenario_folder, "t.json"));
    if (status == CJ_OK) status = cj_tokenizer_load(&again, cj_test_path(scenario_folder, "t.json"));
    cj_text_free(text);
    cj_tokens_free(&tokens);
    cj_tokenizer_free(t);
    cj_tokenizer_free(again);
    return status;
}

/* Whether this build has what the kind needs. */
static bool is_built_in(cj_token_kind kind)
{
    bool words = kind == CJ_TOKENS_WORD || kind == CJ_TOKENS_WORDPIECE;
    const char *name = words ? "utf8proc" : kind == CJ_TOKENS_BPE ? "PCRE2" : "";
    cj_library library;
    for (int64_t i = 0; cj_library_at(i, &library); i++)
        if (strcmp(library.name, name) == 0) return library.version != NULL;
    return true;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_token_kind kinds[] = {CJ_TOKENS_CHARACTER, CJ_TOKENS_BYTE, CJ_TOKENS_WORD, CJ_TOKENS_BPE,
                             CJ_TOKENS_WORDPIECE};
    scenario_folder = cj_test_new_folder();
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (is_built_in(kinds[i])) cj_test_every_allocation_fails(everything, &kinds[i]);
    cj_test_remove_folder(scenario_folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),   cmocka_unit_test(test_characters_of_many_bytes),
        cmocka_unit_test(test_specials),     cmocka_unit_test(test_unknown_characters),
        cmocka_unit_test(test_words),        cmocka_unit_test(test_words_in_order),
        cmocka_unit_test(test_cleaning),     cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_invalid_text), cmocka_unit_test(test_nothing_to_learn),
        cmocka_unit_test(test_text_alone),   cmocka_unit_test(test_files),
        cmocka_unit_test(test_bad_files),    cmocka_unit_test(test_far_number),
        cmocka_unit_test(test_long_words),   cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
