/* JSON and growing texts: what is well formed reads back, what is not gets its byte and a sentence, numbers
 * survive every locale. */
#include "support.h"

#include "base/json.h"

#include <locale.h>
#include <math.h>

static cj_status skip_all(const char *text, size_t size)
{
    char *exact = malloc(size ? size : 1); /* so that reading past the end is noticed */
    assert_non_null(exact);
    memcpy(exact, text, size);
    cj__json json;
    cj__json_begin(&json, exact, size);
    cj__json_skip(&json);
    cj_status status = cj__json_finish(&json);
    free(exact);
    return status;
}

static void accepts_what_is_well_formed(void **state)
{
    (void)state;
    static const char *const good[] = {
        "0",
        "-0",
        "1.5e-300",
        " [ ] ",
        "{}",
        "[[[]],{\"a\":{\"b\":[1,2,null,true,false]}}]",
        "\"\"",
        "\"\\u00e9\\ud83d\\ude00\\n\"",
        "\"\xc3\xa9\xf0\x9f\x98\x80\"",
        "1E+2",
        "[1 , 2]",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) expect_ok(skip_all(good[i], strlen(good[i])));
}

static void refuses_what_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "byte 0: found the end of the text, expected a value"},
        {"[1,]", "byte 3: found ']', expected a value"},
        {"[1 2]", "byte 3: found '2', expected ',' or ']'"},
        {"[1", "byte 2: found the end of the text, expected ',' or ']'"},
        {"{\"a\" 1}", "byte 5: found '1', expected ':'"},
        {"{a:1}", "expected a string"},
        {"01", "byte 0: found '0', expected a number"},
        {"1.", "expected a number"},
        {"-", "expected a number"},
        {"1e", "expected a number"},
        {"+1", "expected a value"},
        {"NaN", "byte 0: found 'N', expected a value"},
        {"tru", "expected a value"},
        {"1 x", "byte 2: found 'x', expected the end"},
        {"\"abc", "expected the closing quote"},
        {"\"\\x\"", "expected an escape"},
        {"\"\\", "expected an escape"},
        {"\"\\u12g4\"", "expected four hexadecimal digits"},
        {"\"\\u0000\"", "without zero characters"},
        {"\"\\ud800\"", "expected a low surrogate"},
        {"\"\\ud800\\u0041\"", "expected a low surrogate"},
        {"\"\\udc00\"", "expected a high surrogate"},
        {"\"\n\"", "byte 1: found byte 0x0a, expected a character of UTF-8"},
        {"\"\xc3\"", "byte 1: found byte 0xc3"},
        {"\"\xc0\x80\"", "byte 1: found byte 0xc0"},
        {"\"\xed\xa0\x80\"", "byte 1: found byte 0xed"},
        {"\"\xf4\x90\x80\x80\"", "byte 1: found byte 0xf4"},
        {"\"\xe0\x80\x80\"", "byte 1: found byte 0xe0"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_status(skip_all(bad[i].text, strlen(bad[i].text)), CJ_FORMAT_ERROR);
        expect_message(bad[i].message);
    }
    expect_status(skip_all("\0", 1), CJ_FORMAT_ERROR);
    expect_message("byte 0: found byte 0x00, expected a value");
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char deep[200001];
    memset(deep, '[', 100000);
    memset(deep + 100000, ']', 100000);
    expect_status(skip_all(deep, 200000), CJ_FORMAT_ERROR);
    expect_message("byte 64: found '[', expected values nested at most 64 deep");
    expect_ok(skip_all(deep + 100000 - 64, 128));
}

static void reads_values(void **state)
{
    (void)state;
    static const char text[] = "{\"n\\u00e4me\\t\\ud83d\\ude00\": [0, 18446744073709551615], \"x\": -2.5e3, "
                               "\"yes\": true, \"skipped\": [{\"a\": \"\\u0041\"}, null]}";
    cj__json json;
    cj__arena arena = {0};
    cj__json_begin(&json, text, sizeof text - 1);
    assert_true(cj__json_enter(&json, '{'));
    assert_true(cj__json_more(&json, 0, '}'));
    assert_string_equal(cj__json_key(&json, &arena), "n\xc3\xa4me\t\xf0\x9f\x98\x80");
    assert_true(cj__json_enter(&json, '['));
    const uint64_t expected[] = {0, UINT64_MAX};
    int64_t count = 0;
    for (; cj__json_more(&json, count, ']'); count++)
        assert_true(cj__json_unsigned(&json) == expected[count]);
    assert_int_equal(count, 2);
    assert_true(cj__json_more(&json, 1, '}'));
    assert_string_equal(cj__json_key(&json, &arena), "x");
    assert_int_equal(cj__json_peek(&json), '-');
    assert_true(cj__json_number(&json) == -2500);
    assert_true(cj__json_more(&json, 2, '}'));
    assert_string_equal(cj__json_key(&json, &arena), "yes");
    assert_true(cj__json_boolean(&json));
    assert_true(cj__json_more(&json, 3, '}'));
    assert_string_equal(cj__json_key(&json, &arena), "skipped");
    cj__json_skip(&json);
    assert_false(cj__json_more(&json, 4, '}'));
    expect_ok(cj__json_finish(&json));
    cj__arena_free(&arena);
}

static void whole_numbers_are_whole(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "18446744073709551616", "99999999999999999999999", "-1", "1.0", "1e3", "00", "\"1\"", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cj__json json;
        cj__json_begin(&json, bad[i], strlen(bad[i]));
        assert_int_equal(cj__json_unsigned(&json), 0);
        expect_status(cj__json_finish(&json), CJ_FORMAT_ERROR);
        expect_message("expected a whole number");
    }
}

static void the_first_mistake_sticks(void **state)
{
    (void)state;
    cj__json json;
    cj__arena arena = {0};
    cj__json_begin(&json, "[1, 2]", 6);
    assert_null(cj__json_key(&json, &arena));
    assert_false(cj__json_enter(&json, '['));
    assert_false(cj__json_more(&json, 0, ']'));
    assert_false(cj__json_boolean(&json));
    assert_true(cj__json_number(&json) == 0);
    assert_int_equal(cj__json_peek(&json), 0);
    expect_status(cj__json_finish(&json), CJ_FORMAT_ERROR);
    expect_message("byte 0: found '[', expected a string");
    cj__arena_free(&arena);
}

static void writes_strings_and_numbers(void **state)
{
    (void)state;
    cj__text text = {0};
    cj__json_put_string(&text, "a\"\\/\n\x01 \xc3\xa9 \xff\xc3");
    assert_string_equal(text.data, "\"a\\\"\\\\/\\n\\u0001 \xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd\"");
    expect_ok(skip_all(text.data, text.size));
    cj__text_free(&text);
    static const double values[] = {
        0, 1, -1.5, 0.1, 1.0 / 3, 1e300, 5e-324, 123456789012345678.0, 2.2250738585072014e-308};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        cj__json json;
        cj__json_put_number(&text, values[i]);
        cj__json_begin(&json, text.data, text.size);
        assert_true(cj__json_number(&json) == values[i]);
        expect_ok(cj__json_finish(&json));
        cj__text_free(&text);
    }
    cj__json_put_number(&text, 0.1);
    cj__json_put_number(&text, NAN);
    cj__json_put_number(&text, -INFINITY);
    assert_string_equal(text.data, "0.1nullnull");
    cj__text_free(&text);
}

/* A locale with a comma for the point, made here since none may be installed. */
static bool set_comma_locale(char *folder)
{
    const char *source = cj_test_path(folder, "comma"), *made = cj_test_path(folder, "xx_XX");
    static const char numeric[] =
        "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\ngrouping 3;3\nEND LC_NUMERIC\n";
    cj_test_write_file(source, numeric, sizeof numeric - 1);
    cj_test_result result =
        cj_test_run((const char *const[]){"localedef", "-c", "-i", source, made, NULL}, NULL);
    cj_test_result_free(&result);
    setenv("LOCPATH", folder, 1);
    return setlocale(LC_NUMERIC, "xx_XX") != NULL;
}

static void locales_do_not_matter(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), digits[8];
    if (!set_comma_locale(folder)) skip_because("localedef made no locale with a decimal comma");
    snprintf(digits, sizeof digits, "%g", 0.5);
    assert_string_equal(digits, "0,5");
    cj__text text = {0};
    cj__text_number(&text, 0.5);
    cj__text_print(&text, " %.2f", 1.25);
    assert_string_equal(text.data, "0.5 1.25");
    assert_true(cj__parse_number("0.5", NULL) == 0.5);
    cj__text_free(&text);
    setlocale(LC_NUMERIC, "C");
    cj_test_remove_folder(folder);
}

static cj_status write_and_read(void *context)
{
    (void)context;
    cj__text text = {0};
    cj__arena arena = {0};
    cj__json json;
    cj__text_put(&text, "[");
    for (int i = 0; i < 3; i++) {
        cj__text_print(&text, "\"%0200d\",", i);
        cj__json_put_string(&text, "end");
        cj__text_put(&text, ",");
    }
    cj__text_put(&text, "0]");
    cj_status status = cj__text_check(&text, "a test");
    if (status == CJ_OK) {
        cj__json_begin(&json, text.data, text.size);
        cj__json_enter(&json, '[');
        for (int64_t i = 0; cj__json_more(&json, i, ']'); i++) {
            if (cj__json_peek(&json) == '"')
                cj__json_string(&json, &arena);
            else
                cj__json_skip(&json);
        }
        status = cj__json_finish(&json);
    }
    cj__arena_free(&arena);
    cj__text_free(&text);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_test_every_allocation_fails(write_and_read, NULL);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_well_formed), cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(nesting_is_bounded),          cmocka_unit_test(reads_values),
        cmocka_unit_test(whole_numbers_are_whole),     cmocka_unit_test(the_first_mistake_sticks),
        cmocka_unit_test(writes_strings_and_numbers),  cmocka_unit_test(locales_do_not_matter),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
