/* Runs the tests of one program in turn; a failed or skipped one jumps back here. Stands in for cmocka in
 * cross builds. */
#include "cmocka.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

enum { FAILED = 1, SKIPPED };
static jmp_buf after_test;

void print_message(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

void print_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
}

void _fail(const char *file, int line)
{
    fprintf(stderr, "%s:%d: failed here\n", file, line);
    longjmp(after_test, FAILED);
}

void _skip(const char *file, int line)
{
    (void)file, (void)line;
    longjmp(after_test, SKIPPED);
}

void _assert_that(int truth, const char *claim, const char *file, int line)
{
    if (truth) return;
    fprintf(stderr, "not so: %s\n", claim);
    _fail(file, line);
}

void _assert_equal(int64_t a, int64_t b, const char *claim, const char *file, int line)
{
    if (a == b) return;
    fprintf(stderr, "not so: %s (%lld, %lld)\n", claim, (long long)a, (long long)b);
    _fail(file, line);
}

int _cmocka_run(const char *name, const struct CMUnitTest *tests, size_t count, CMFixtureFunction setup,
                CMFixtureFunction teardown)
{
    static const char *const words[] = {"passed", "FAILED", "skipped"};
    void *state = NULL;
    volatile int failures = 0;
    if (setup && setup(&state) != 0) return 1;
    for (volatile size_t i = 0; i < count; i++) {
        int end = setjmp(after_test);
        if (end == 0) tests[i].test_func(&state);
        printf("%s: %s %s\n", name, tests[i].name, words[end]);
        fflush(stdout);
        failures += end == FAILED;
    }
    if (teardown && teardown(&state) != 0) failures++;
    return failures;
}
