/* What every test needs: cmocka's headers in the order it wants them, a failing allocator, temporary
 * folders, running a program, and skipping with a reason that `scripts/test` repeats. Include it first. */
#ifndef CJ_TESTS_SUPPORT_H
#define CJ_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cajal/data.h"
#include "cajal/graph.h"

/* Fails the test with the library's own sentence. */
#define expect_ok(call)             cj_test_expect_status((call), CJ_OK, #call, __FILE__, __LINE__)
#define expect_status(call, wanted) cj_test_expect_status((call), (wanted), #call, __FILE__, __LINE__)
/* The sentence of the last failure must contain `text`. */
#define expect_message(text) cj_test_expect_message((text), __FILE__, __LINE__)
void cj_test_expect_status(cj_status status, cj_status wanted, const char *call, const char *file, int line);
void cj_test_expect_message(const char *text, const char *file, int line);

/* Ends the test as skipped; `scripts/test` prints the reason. */
#define skip_because(...)                                                                                    \
    do {                                                                                                     \
        printf("SKIP: " __VA_ARGS__);                                                                        \
        printf("\n");                                                                                        \
        skip();                                                                                              \
    } while (0)
/* The same, where this build is without that library. */
#define skip_without(library)                                                                                \
    do {                                                                                                     \
        if (!cj_test_has_library(library)) skip_because("this build is without %s", library);                \
    } while (0)
bool cj_test_has_library(const char *name);

/* An allocator that counts and can fail. Blocks that were there before it was installed count when they are
 * given back; `cj_test_allocator_remove` puts the C library's back. Safe across threads. */
typedef struct {
    uint64_t allocations; /* requests since the last arming, the failed one included */
    uint64_t live_blocks; /* given and not yet taken back */
    uint64_t failures;    /* requests refused since the last arming */
} cj_test_allocations;

void cj_test_allocator_install(void);
void cj_test_allocator_remove(void);
/* The request number `n` from now on fails (1 is the next), and only that one; 0: none fails. */
void cj_test_fail_allocation(uint64_t n);
/* As above, and every later request fails as well. */
void cj_test_fail_allocations_from(uint64_t n);
cj_test_allocations cj_test_allocator_counts(void);

/* Runs `scenario(context)` once unharmed, then once for each of its allocations (every eighth under the
 * thread sanitizer) with that one failing. The first run must return CJ_OK, every other CJ_OUT_OF_MEMORY, and
 * each must leave as many live blocks as it found. The scenario frees what it makes, on every path, and
 * returns the first status that is not CJ_OK. The allocator is installed for as long if it was not. */
void cj_test_every_allocation_fails(cj_status (*scenario)(void *context), void *context);

/* A scenario for it: the file of text that cj_text_file_options describe, and the first batch of it. */
cj_status cj_test_read_and_load(void *options);

/* A network that an input of that type and shape does not fit: the graph must say so. */
void cj_test_expect_drawing_error(cj_value (*draw)(cj_scope s, cj_value x), cj_dtype dtype, cj_shape_t shape,
                                  const char *message);
/* As many rows of the same bits. */
void cj_test_expect_same_batch(const cj_batch *a, const cj_batch *b);

/* A new empty folder, to be removed by `cj_test_remove_folder`; the path is freed by the latter. */
char *cj_test_new_folder(void);
void cj_test_remove_folder(char *folder);
/* A folder for a group of tests: the first and last of cmocka_run_group_tests. */
extern char *cj_test_folder;
int cj_test_make_folder(void **state);
int cj_test_drop_folder(void **state);
/* "folder/name" in a ring of eight static buffers: good for the next few calls. */
const char *cj_test_path(const char *folder, const char *name);
void cj_test_write_file(const char *path, const void *data, size_t size);
/* The file's bytes and a terminating zero, freed by the caller; `size` may be NULL. */
char *cj_test_read_file(const char *path, size_t *size);

/* The repository and the build folder this test belongs to. */
#define CJ_TEST_FIXTURE(name) CJ_TEST_SOURCE "/tests/fixtures/" name
/* $CAJAL_DATA/name when it exists, else NULL: `if (!path) skip_because("CAJAL_DATA has no %s", name)`. */
const char *cj_test_data(const char *name);

/* What a program printed and how it ended. */
typedef struct {
    char *output;  /* standard output, zero-terminated */
    char *errors;  /* standard error, zero-terminated */
    int exit_code; /* -1 when a signal ended it */
    int signal;    /* 0 when it exited */
} cj_test_result;

/* Runs arguments[0] (searched in PATH) with arguments up to a NULL, and standard input from `input` or from
 * /dev/null when that is NULL. Fails the test only when the program cannot be started. */
cj_test_result cj_test_run(const char *const arguments[], const char *input);
/* The command of this build: cj_test_cajal("train", "x.yaml") runs build/PRESET/cajal train x.yaml. */
#define cj_test_cajal(...) cj_test_run((const char *const[]){CJ_TEST_COMMAND, __VA_ARGS__, NULL}, NULL)
void cj_test_result_free(cj_test_result *result);

#endif
