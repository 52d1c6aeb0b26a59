/* BLEU and chrF equal to sacreBLEU's to the last digit, on sentences that are awkward to cut (made by
 * tests/fixtures/make_scores.py); what has no sentences or no words; and the command that tells them. */
#include "support.h"

#include "base/json.h"
#include "base/memory.h"
#include "cajal/cajal.h"

#include <math.h>
#include <string.h>

enum { MOST = 32 };

typedef struct {
    cj__arena arena;
    const char *said[MOST], *references[2 * MOST]; /* the first of each, and the second behind it */
    const char *first[MOST];
    int64_t count;
    double figures[10][MOST];
} fixture;

static const char *const names[10] = {"bleu",       "bleu_lower", "bleu_tokenised", "bleu_two",  "chrf",
                                      "chrf_lower", "chrf_words", "chrf_two",       "chrf_each", "bleu_each"};
static fixture f;

static int read_fixture(void **state)
{
    size_t size;
    char *text = cj_test_read_file(CJ_TEST_FIXTURE("scores.json"), &size);
    cj__json json;
    (void)state;
    cj__json_begin(&json, text, size);
    cj__json_enter(&json, '{');
    for (int64_t i = 0; cj__json_more(&json, i, '}'); i++) {
        const char *key = cj__json_key(&json, &f.arena);
        cj__json_enter(&json, '[');
        for (int64_t k = 0; cj__json_more(&json, k, ']'); k++) {
            if (i == 0) f.said[f.count++] = cj__json_string(&json, &f.arena);
            if (i == 1) f.references[2 * k] = f.first[k] = cj__json_string(&json, &f.arena);
            if (i == 2) f.references[2 * k + 1] = cj__json_string(&json, &f.arena);
            if (i > 2) f.figures[i - 3][k] = cj__json_number(&json);
        }
        if (i > 2 && (!key || strcmp(key, names[i - 3]) != 0)) return -1;
    }
    cj_status status = cj__json_finish(&json);
    free(text);
    return status == CJ_OK ? 0 : -1;
}

static int free_fixture(void **state)
{
    (void)state;
    cj__arena_free(&f.arena);
    return 0;
}

/* The same double, but for the last bit or two that `exp` and `log` may differ in. */
static void expect_near(double found, double wanted)
{
    if (!(fabs(found - wanted) <= 1e-12 * fabs(wanted)))
        fail_msg("found %.17g, expected %.17g", found, wanted);
}

static void expect_bleu(const cj_score_options *o, const double *wanted)
{
    cj_bleu_score b;
    expect_ok(cj_bleu(o, &b));
    expect_near(b.score, wanted[0]);
    for (int n = 0; n < 4; n++) expect_near(b.precisions[n], wanted[1 + n]);
    expect_near(b.brevity, wanted[5]);
    assert_int_equal(b.length, (int64_t)wanted[6]);
    assert_int_equal(b.reference_length, (int64_t)wanted[7]);
}

static void expect_chrf(const cj_score_options *o, double wanted)
{
    double score;
    expect_ok(cj_chrf(o, &score));
    expect_near(score, wanted);
}

static cj_score_options options(void)
{
    return (cj_score_options){
        .size = sizeof(cj_score_options), .said = f.said, .references = f.first, .count = f.count};
}

static void test_bleu(void **state)
{
    (void)state;
    cj_score_options o = options();
    expect_bleu(&o, f.figures[0]);
    o.references = f.references;
    o.reference_count = 2;
    expect_bleu(&o, f.figures[3]);
}

static void test_bleu_in_lower_case(void **state)
{
    (void)state;
    cj_score_options o = options();
    skip_without("utf8proc");
    o.lower = true;
    expect_bleu(&o, f.figures[1]);
    o.words = CJ_SCORE_TOKENISED;
    expect_bleu(&o, f.figures[2]);
}

/* As Python's lower(), and so sacreBLEU's: by what stands around a sigma, and one letter that becomes two. */
static void test_lower_case_in_full(void **state)
{
    (void)state;
    static const char said[] = "ΟΔΟΣ, ΣΑΣ'Σ Σ ΑΣ. ΑΣΒ ΆΣ\u0301 İİa";
    static const char wanted[] = "οδος, σασ'ς σ ας. ασβ άς\u0301 i\u0307i\u0307a";
    char *clean;
    size_t size;
    skip_without("utf8proc");
    expect_ok(cj_text_clean(&(cj_text_cleaning){.lower = true, .in_full = true}, said, strlen(said), &clean,
                            &size));
    assert_string_equal(clean, wanted);
    cj_text_free(clean);
    cj_score_options o = options();
    o.said = (const char *[]){"İstanbul is a big old city"};
    o.references = (const char *[]){"istanbul is a big old city"};
    o.count = 1;
    o.lower = true;
    cj_bleu_score b;
    expect_ok(cj_bleu(&o, &b));
    assert_true(fabs(b.score - 75.98356856515926) < 1e-9);
}

static void test_chrf(void **state)
{
    (void)state;
    cj_score_options o = options();
    expect_chrf(&o, f.figures[4][0]);
    o.word_order = 2;
    expect_chrf(&o, f.figures[6][0]);
    o.word_order = 0;
    o.references = f.references;
    o.reference_count = 2;
    expect_chrf(&o, f.figures[7][0]);
    skip_without("utf8proc");
    o = options();
    o.lower = true;
    expect_chrf(&o, f.figures[5][0]);
}

static void test_each_by_itself(void **state)
{
    (void)state;
    for (int64_t i = 0; i < f.count; i++) {
        cj_bleu_score b;
        cj_score_options o = options();
        o.said += i;
        o.references += i;
        o.count = 1;
        expect_chrf(&o, f.figures[8][i]);
        expect_ok(cj_bleu(&o, &b));
        expect_near(b.score, f.figures[9][i]);
    }
}

static void test_nothing(void **state)
{
    (void)state;
    cj_bleu_score b;
    double score;
    cj_score_options o = options();
    o.count = 0;
    expect_ok(cj_bleu(&o, &b));
    assert_true(b.score == 0 && b.length == 0);
    expect_ok(cj_chrf(&o, &score));
    assert_true(score == 0);
    o.word_order = 5;
    expect_status(cj_chrf(&o, &score), CJ_INVALID_ARGUMENT);
    const char *bad = "a \xff b c d", *same = "a \xfe b c d";
    o = (cj_score_options){.size = sizeof o, .said = &bad, .references = &same, .count = 1};
    expect_ok(cj_bleu(&o, &b));
    expect_near(b.score, 100);
}

/* A word has no longest length. */
static void test_long_words(void **state)
{
    (void)state;
    enum { LONG = 100000 };
    static char text[LONG + 30];
    const char *said = text, *there = text;
    cj_bleu_score b;
    double score;
    memset(text, 'x', LONG);
    strcpy(text + LONG, " is one of six words");
    cj_score_options o = {.size = sizeof o, .said = &said, .references = &there, .count = 1, .word_order = 2};
    expect_ok(cj_bleu(&o, &b));
    expect_near(b.score, 100);
    assert_int_equal(b.length, 6);
    expect_ok(cj_chrf(&o, &score));
    expect_near(score, 100);
}

/* --- the command --------------------------------------------------------------------------------------- */

static void write_lines(const char *path, const char *const *lines, const char *end)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int64_t i = 0; i < f.count; i++) fprintf(file, "%s%s", lines[i], end);
    fclose(file);
}

static void test_command(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), wanted[200];
    const char *said = cj_test_path(folder, "said.txt"), *there = cj_test_path(folder, "references.txt");
    write_lines(said, f.said, "\r\n");
    write_lines(there, f.first, "\n");
    cj_test_result r = cj_test_cajal("score", there, said);
    assert_int_equal(r.exit_code, 0);
    snprintf(wanted, sizeof wanted, "BLEU %.4f = %.1f/%.1f/%.1f/%.1f", f.figures[0][0], f.figures[0][1],
             f.figures[0][2], f.figures[0][3], f.figures[0][4]);
    assert_non_null(strstr(r.output, wanted));
    snprintf(wanted, sizeof wanted, "chrF2 %.4f\n", f.figures[4][0]);
    assert_non_null(strstr(r.output, wanted));
    cj_test_result_free(&r);
    r = cj_test_cajal("score", there, "--json", said);
    assert_int_equal(r.exit_code, 0);
    snprintf(wanted, sizeof wanted, "\"chrf2\": %.17g", f.figures[4][0]);
    assert_non_null(strstr(r.output, "{\"sentences\": 16, \"bleu\": "));
    cj_test_result_free(&r);
    r = cj_test_run((const char *const[]){CJ_TEST_COMMAND, "score", there, NULL}, "only\none line\nor two\n");
    assert_int_equal(r.exit_code, 1);
    assert_non_null(strstr(r.errors, "standard input: found 3 lines, expected 16, as many as"));
    cj_test_result_free(&r);
    cj_test_remove_folder(folder);
}

/* --- allocations --------------------------------------------------------------------------------------- */

static cj_status score_all(void *context)
{
    cj_bleu_score b;
    double score;
    CJ__TRY(cj_bleu(context, &b));
    return cj_chrf(context, &score);
}

static void test_allocations(void **state)
{
    (void)state;
    cj_score_options o = options();
    o.said += 6;
    o.references = f.references + 12;
    o.reference_count = 2;
    o.count = 1;
    o.word_order = 1;
    cj_test_every_allocation_fails(score_all, &o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bleu),
        cmocka_unit_test(test_bleu_in_lower_case),
        cmocka_unit_test(test_lower_case_in_full),
        cmocka_unit_test(test_chrf),
        cmocka_unit_test(test_each_by_itself),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_command),
        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, read_fixture, free_fixture);
}
