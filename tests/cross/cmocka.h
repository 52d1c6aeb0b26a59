/* The part of cmocka that this repository's tests use, for cross builds, where the target's cmocka is rarely
 * at hand (tests/shell/neon.sh). The same names and meanings; the report is one line a test. */
#ifndef CJ_TESTS_CROSS_CMOCKA_H
#define CJ_TESTS_CROSS_CMOCKA_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef int (*CMFixtureFunction)(void **state);
struct CMUnitTest {
    const char *name;
    void (*test_func)(void **state);
};
#define cmocka_unit_test(function)                                                                           \
    {                                                                                                        \
#function, function                                                                                  \
    }
#define cmocka_run_group_tests(tests, setup, teardown)                                                       \
    cmocka_run_group_tests_name(#tests, tests, setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown)                                            \
    _cmocka_run(name, tests, sizeof(tests) / sizeof *(tests), setup, teardown)
int _cmocka_run(const char *name, const struct CMUnitTest *tests, size_t count, CMFixtureFunction setup,
                CMFixtureFunction teardown);

_Noreturn void _fail(const char *file, int line);
_Noreturn void _skip(const char *file, int line);
void print_message(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define fail()        _fail(__FILE__, __LINE__)
#define skip()        _skip(__FILE__, __LINE__)
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), fail())

void _assert_that(int truth, const char *claim, const char *file, int line);
void _assert_equal(int64_t a, int64_t b, const char *claim, const char *file, int line);
#define assert_true(a)             _assert_that(!!(a), #a, __FILE__, __LINE__)
#define assert_false(a)            _assert_that(!(a), "not " #a, __FILE__, __LINE__)
#define assert_null(a)             _assert_that((a) == NULL, #a " is NULL", __FILE__, __LINE__)
#define assert_non_null(a)         _assert_that((a) != NULL, #a " is not NULL", __FILE__, __LINE__)
#define assert_ptr_equal(a, b)     _assert_that((a) == (b), #a " == " #b, __FILE__, __LINE__)
#define assert_ptr_not_equal(a, b) _assert_that((a) != (b), #a " != " #b, __FILE__, __LINE__)
#define assert_int_equal(a, b)     _assert_equal((int64_t)(a), (int64_t)(b), #a " == " #b, __FILE__, __LINE__)
#define assert_int_not_equal(a, b) _assert_that((a) != (b), #a " != " #b, __FILE__, __LINE__)
#define assert_in_range(a, low, high)                                                                        \
    _assert_that((a) >= (low) && (a) <= (high), #a " in [" #low ", " #high "]", __FILE__, __LINE__)
#define assert_string_equal(a, b)    _assert_that(strcmp(a, b) == 0, #a " equals " #b, __FILE__, __LINE__)
#define assert_memory_equal(a, b, n) _assert_that(memcmp(a, b, n) == 0, #a " equals " #b, __FILE__, __LINE__)

#endif
