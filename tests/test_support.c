/* The test helpers themselves: a helper that never fails would make every test that leans on it worthless. */
#include "support.h"

#include "base/memory.h"

#include <unistd.h>

static cj_status careful(void *context)
{
    (void)context;
    cj__arena arena = {0};
    void *block = cj__allocate(100);
    cj_status status = block && cj__arena_allocate(&arena, 10) && cj__arena_allocate(&arena, 100000)
                           ? CJ_OK
                           : cj__out_of_memory(100, "a test");
    cj__arena_free(&arena);
    cj__free(block);
    return status;
}

static void every_allocation_is_failed_once(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_test_every_allocation_fails(careful, NULL);
    cj_test_fail_allocation(2);
    expect_status(careful(NULL), CJ_OUT_OF_MEMORY);
    assert_int_equal(cj_test_allocator_counts().failures, 1);
    assert_int_equal(cj_test_allocator_counts().live_blocks, 0);
    cj_test_fail_allocations_from(1);
    assert_null(cj__allocate(1));
    assert_null(cj__allocate(1));
    assert_int_equal(cj_test_allocator_counts().failures, 2);
    cj_test_allocator_remove();
}

static void leaks_are_seen(void **state)
{
    (void)state;
    cj_test_allocator_install();
    void *block = cj__allocate(8);
    assert_int_equal(cj_test_allocator_counts().live_blocks, 1);
    cj__free(block);
    assert_int_equal(cj_test_allocator_counts().live_blocks, 0);
    cj_test_allocator_remove();
}

static void messages_are_compared(void **state)
{
    (void)state;
    expect_status(cj__fail(CJ_FORMAT_ERROR, "%s: byte %d", "file", 7), CJ_FORMAT_ERROR);
    expect_message("byte 7");
}

static void folders_come_and_go(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "bytes");
    cj_test_write_file(path, "a\0b", 3);
    size_t size;
    char *back = cj_test_read_file(path, &size);
    assert_int_equal(size, 3);
    assert_memory_equal(back, "a\0b", 4);
    free(back);
    char kept[4096];
    snprintf(kept, sizeof kept, "%s", folder);
    cj_test_remove_folder(folder);
    assert_int_equal(access(kept, F_OK), -1);
}

static void programs_are_captured(void **state)
{
    (void)state;
    const char *const command[] = {"sh", "-c", "cat; echo wrong >&2; exit 3", NULL};
    cj_test_result result = cj_test_run(command, "hello");
    assert_string_equal(result.output, "hello");
    assert_string_equal(result.errors, "wrong\n");
    assert_int_equal(result.exit_code, 3);
    cj_test_result_free(&result);
    result = cj_test_run((const char *const[]){"sh", "-c", "kill -9 $$", NULL}, NULL);
    assert_int_equal(result.signal, 9);
    assert_int_equal(result.exit_code, -1);
    cj_test_result_free(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_is_failed_once), cmocka_unit_test(leaks_are_seen),
        cmocka_unit_test(messages_are_compared),           cmocka_unit_test(folders_come_and_go),
        cmocka_unit_test(programs_are_captured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
