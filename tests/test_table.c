/* CSV and preprocessing: quoting, missing values and types; errors with their place; scaling fitted on
 * training rows alone; the same numbers after saving and loading; every allocation failing in turn. */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static cj_table *read_text(const char *text, cj_csv_options options)
{
    cj_table *t;
    const char *path = cj_test_path(cj_test_folder, "t.csv");
    cj_test_write_file(path, text, strlen(text));
    options.size = sizeof options;
    options.path = path;
    expect_ok(cj_table_read_csv(&t, &options));
    return t;
}

static void refuse_text(const char *text, const char *sentence)
{
    cj_table *t;
    const char *path = cj_test_path(cj_test_folder, "bad.csv");
    cj_test_write_file(path, text, strlen(text));
    expect_status(cj_table_read_csv(&t, &(cj_csv_options){.size = sizeof(cj_csv_options), .path = path}),
                  CJ_FORMAT_ERROR);
    assert_null(t);
    expect_message("bad.csv");
    expect_message(sentence);
}

static void test_fields(void **state)
{
    (void)state;
    cj_table *t = read_text("\xef\xbb\xbfname, size ,note\r\n"
                            "\"a, b\",1.5,\"he said \"\"no\"\"\"\r\n"
                            "c d ,-2e3,\"two\nlines\"\n"
                            "\n"
                            "\"NA\",NA,?\n"
                            "e,0.1,",
                            (cj_csv_options){0});
    assert_int_equal(cj_table_rows(t), 4);
    assert_int_equal(cj_table_columns(t), 3);
    assert_string_equal(cj_table_name(t, 1), "size");
    assert_string_equal(cj_table_word(t, 0, 0), "a, b");
    assert_string_equal(cj_table_word(t, 1, 0), "c d");
    assert_string_equal(cj_table_word(t, 2, 0), "NA"); /* in quotes it is a word */
    assert_string_equal(cj_table_word(t, 0, 2), "he said \"no\"");
    assert_string_equal(cj_table_word(t, 1, 2), "two\nlines");
    assert_null(cj_table_word(t, 2, 2));
    assert_null(cj_table_word(t, 3, 2));
    assert_true(cj_table_number(t, 0, 1) == 1.5);
    assert_true(cj_table_number(t, 1, 1) == -2000);
    assert_true(isnan(cj_table_number(t, 2, 1)));
    assert_true(cj_table_number(t, 3, 1) == 0.1);
    size_t size;
    const char *line = cj_table_line(t, 1, &size);
    assert_int_equal(size, strlen("c d ,-2e3,\"two\nlines\""));
    assert_memory_equal(line, "c d ,-2e3,\"two\nlines\"", size);
    assert_int_equal(cj_table_find(t, "note"), 2);
    assert_int_equal(cj_table_find(t, "Note"), -1);
    cj_table_free(t);
}

static void test_options(void **state)
{
    (void)state;
    cj_table *t = read_text("1;x\n-;y\n3;z",
                            (cj_csv_options){.delimiter = ';', .no_header = true, .missing = "-,none"});
    assert_int_equal(cj_table_rows(t), 3);
    assert_string_equal(cj_table_name(t, 1), "2");
    assert_true(isnan(cj_table_number(t, 1, 0)));
    assert_true(cj_table_number(t, 2, 0) == 3);
    assert_null(cj_table_line(t, -1, &(size_t){0}));
    cj_table_free(t);
}

/* Numbers are read as strtod reads them. */
static void test_numbers(void **state)
{
    (void)state;
    static char text[1 << 16];
    size_t used = 0;
    enum { COUNT = 1500 };
    static double wanted[COUNT];
    used += (size_t)sprintf(text, "x\n");
    for (int i = 0; i < COUNT; i++) {
        static const char *const forms[] = {"%.3f", "%.0f", "%.17g", "%.7f", "%e", "%.12f"};
        char number[64];
        double value = (double)cj__normal(3, 0, (uint64_t)i) * pow(10, (double)(i % 13 - 6));
        snprintf(number, sizeof number, forms[i % 6], value);
        wanted[i] = strtod(number, NULL);
        used += (size_t)sprintf(text + used, "%s\n", number);
    }
    cj_table *t = read_text(text, (cj_csv_options){0});
    for (int i = 0; i < COUNT; i++) assert_true(cj_table_number(t, i, 0) == wanted[i]);
    cj_table_free(t);
}

static void test_bad_files(void **state)
{
    (void)state;
    refuse_text("", "an empty file");
    refuse_text("a,b\n1,2\n1\n", ":3: found 1 fields, expected 2");
    refuse_text("a,b\n1,2,3\n", ":2: found 3 fields, expected 2");
    refuse_text("a,b\n\"1,2\n3,4\n", ":2: found a quote that is never closed");
    refuse_text("a,b\n\"1\"x,2\n", ":2: found text after a closing quote");
    refuse_text("a,a\n1,2\n", "are both named 'a'");
    cj_table *t;
    expect_status(
        cj_table_read_csv(&t, &(cj_csv_options){.size = sizeof(cj_csv_options), .path = "/nowhere/x.csv"}),
        CJ_NOT_FOUND);
    expect_message("/nowhere/x.csv");
    cj_test_write_file(cj_test_path(cj_test_folder, "zero.csv"), "a,b\n1,\0\n", 8);
    expect_status(cj_table_read_csv(&t, &(cj_csv_options){.size = sizeof(cj_csv_options),
                                                          .path = cj_test_path(cj_test_folder, "zero.csv")}),
                  CJ_FORMAT_ERROR);
    expect_message("byte 6: found a zero");
}

/* --- preprocessing ------------------------------------------------------------------------------------- */

static const char people[] = "id,age,town,sex,same,y\n"
                             "1,20,Rome,2,7,no\n"
                             "2,40,Oslo,1,7,yes\n"
                             "3,NA,Rome,2,7,no\n"
                             "4,60,Bern,1,7,yes\n"
                             "5,1000,Lima,9,8,yes\n"; /* validation: the last fifth */

static cj_preprocessing_options people_options(const cj_table *t)
{
    return (cj_preprocessing_options){.size = sizeof(cj_preprocessing_options),
                                      .table = t,
                                      .split = {.size = sizeof(cj_split_options), .validation = 0.2},
                                      .target = "y",
                                      .drop = "id",
                                      .categories = "sex",
                                      .missing_indicators = true};
}

static void check_people(const cj_preprocessing *p, const cj_table *t)
{
    cj_dataset *data;
    expect_ok(cj_preprocessing_apply(p, t, true, &data));
    /* age, was it missing, Bern, Oslo, Rome, sex 1, sex 2, same: of the first four rows alone */
    assert_int_equal(cj_preprocessing_width(p), 8);
    const float d = 16.3299316F;
    const float wanted[5][8] = {{-20 / d, 0, 0, 0, 1, 0, 1, 0},
                                {0, 0, 0, 1, 0, 1, 0, 0},
                                {0, 1, 0, 0, 1, 0, 1, 0},
                                {20 / d, 0, 1, 0, 0, 1, 0, 0},
                                {960 / d, 0, 0, 0, 0, 0, 0, 1}};
    const float *x = cj_dataset_x(data).data;
    for (int i = 0; i < 40; i++) assert_true(fabsf(x[i] - wanted[i / 8][i % 8]) < 1e-5F);
    const int32_t *y = cj_dataset_y(data).data;
    const int32_t labels[5] = {0, 1, 0, 1, 1};
    assert_memory_equal(y, labels, sizeof labels);
    assert_int_equal(cj_preprocessing_classes(p), 2);
    assert_string_equal(cj_preprocessing_class(p, 1), "yes");
    cj_dataset_free(data);
}

static void test_preprocessing(void **state)
{
    (void)state;
    cj_table *t = read_text(people, (cj_csv_options){0});
    cj_preprocessing *p, *again;
    cj_preprocessing_options o = people_options(t);
    const char *path = cj_test_path(cj_test_folder, "preprocessing.json");
    expect_ok(cj_preprocessing_fit(&p, &o));
    check_people(p, t);
    expect_ok(cj_preprocessing_save(p, path));
    expect_ok(cj_preprocessing_load(&again, path));
    check_people(again, t);
    cj_preprocessing_free(p);
    cj_preprocessing_free(again);
    cj_table_free(t);
}

static void test_new_rows(void **state)
{
    (void)state;
    cj_table *t = read_text(people, (cj_csv_options){0});
    cj_preprocessing *p;
    cj_dataset *data;
    cj_preprocessing_options o = people_options(t);
    expect_ok(cj_preprocessing_fit(&p, &o));
    cj_table_free(t);
    t = read_text("same,town,sex,age\n7,Rome,2,20\n", (cj_csv_options){0}); /* another order, no target */
    expect_ok(cj_preprocessing_apply(p, t, false, &data));
    assert_int_equal(cj_dataset_count(data), 1);
    assert_true(((const float *)cj_dataset_x(data).data)[4] == 1);
    cj_dataset_free(data);
    expect_status(cj_preprocessing_apply(p, t, true, &data), CJ_FORMAT_ERROR);
    expect_message("no column 'y'");
    cj_table_free(t);
    t = read_text("same,town,sex\n7,Rome,2\n", (cj_csv_options){0});
    expect_status(cj_preprocessing_apply(p, t, false, &data), CJ_FORMAT_ERROR);
    expect_message("no column 'age'");
    cj_table_free(t);
    t = read_text("same,town,sex,age\n7,Rome,2,20\n7,Rome,2,old\n", (cj_csv_options){0});
    expect_status(cj_preprocessing_apply(p, t, false, &data), CJ_FORMAT_ERROR);
    expect_message(":3: column 'age' has 'old', expected a number");
    cj_table_free(t);
    t = read_text("same,town,sex,age,y\n7,Rome,2,20,maybe\n", (cj_csv_options){0});
    expect_status(cj_preprocessing_apply(p, t, true, &data), CJ_FORMAT_ERROR);
    expect_message("has 'maybe', expected one of the classes");
    cj_table_free(t);
    cj_preprocessing_free(p);
}

static void test_bad_preprocessing(void **state)
{
    (void)state;
    cj_table *t = read_text(people, (cj_csv_options){0});
    cj_preprocessing *p;
    cj_preprocessing_options o = people_options(t);
    o.drop = "id,name";
    expect_status(cj_preprocessing_fit(&p, &o), CJ_INVALID_ARGUMENT);
    expect_message("no column 'name' to drop");
    o = people_options(t);
    o.target = "z";
    expect_status(cj_preprocessing_fit(&p, &o), CJ_INVALID_ARGUMENT);
    expect_message("no column 'z' to learn");
    o = people_options(t);
    o.target_is_number = true;
    expect_status(cj_preprocessing_fit(&p, &o), CJ_INVALID_ARGUMENT);
    expect_message("column 'y' holds words");
    cj_table_free(t);
    const char *path = cj_test_path(cj_test_folder, "bad.json");
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{\"format\": 2}",
                                      "{\"format\": 1, \"target\": \"y\"}",
                                      "{\"format\": 1, \"target\": \"y\", \"columns\": [{\"shift\": 1}]}",
                                      "{\"format\": 1, \"target\": \"y\", \"columns\": [{\"name\": 3}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cj_test_write_file(path, bad[i], strlen(bad[i]));
        assert_int_not_equal(cj_preprocessing_load(&p, path), CJ_OK);
        expect_message("bad.json");
    }
}

static cj_status scenario(void *context)
{
    (void)context;
    cj_table *t = NULL;
    cj_preprocessing *p = NULL, *again = NULL;
    cj_dataset *data = NULL;
    char path[4096], json[4096];
    snprintf(path, sizeof path, "%s/t.csv", cj_test_folder);
    snprintf(json, sizeof json, "%s/p.json", cj_test_folder);
    cj_status status = cj_table_read_csv(&t, &(cj_csv_options){.size = sizeof(cj_csv_options), .path = path});
    cj_preprocessing_options o = people_options(t);
    o.split.kind = CJ_SPLIT_STRATIFIED;
    if (status == CJ_OK) status = cj_preprocessing_fit(&p, &o);
    if (status == CJ_OK) status = cj_preprocessing_save(p, json);
    if (status == CJ_OK) status = cj_preprocessing_load(&again, json);
    if (status == CJ_OK) status = cj_preprocessing_apply(again, t, true, &data);
    cj_dataset_free(data);
    cj_preprocessing_free(p);
    cj_preprocessing_free(again);
    cj_table_free(t);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_table_free(read_text(people, (cj_csv_options){0}));
    cj_test_allocator_install();
    cj_test_every_allocation_fails(scenario, NULL);
    cj_test_allocator_remove();
}

static void test_credit(void **state)
{
    (void)state;
    const char *path = cj_test_data("credit/uci_default/UCI_Credit_Card.csv");
    if (!path) skip_because("CAJAL_DATA has no credit/uci_default/UCI_Credit_Card.csv");
    cj_table *t;
    cj_preprocessing *p;
    cj_dataset *data;
    expect_ok(cj_table_read_csv(&t, &(cj_csv_options){.size = sizeof(cj_csv_options), .path = path}));
    assert_int_equal(cj_table_rows(t), 30000);
    cj_preprocessing_options o = {.size = sizeof o,
                                  .table = t,
                                  .split = {.size = sizeof o.split, .kind = CJ_SPLIT_STRATIFIED, .test = 0.2},
                                  .target = "default.payment.next.month",
                                  .drop = "ID",
                                  .categories = "GENDER,EDUCATION,MARRIAGE"};
    expect_ok(cj_preprocessing_fit(&p, &o));
    expect_ok(cj_preprocessing_apply(p, t, true, &data));
    int64_t ones = 0;
    for (int64_t i = 0; i < 30000; i++) ones += ((const int32_t *)cj_dataset_y(data).data)[i];
    assert_int_equal(ones, 6636);
    cj_dataset_free(data);
    cj_preprocessing_free(p);
    cj_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_preprocessing),
        cmocka_unit_test(test_new_rows),
        cmocka_unit_test(test_bad_preprocessing),
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_credit),
    };
    return cmocka_run_group_tests_name("table", tests, cj_test_make_folder, cj_test_drop_folder);
}
