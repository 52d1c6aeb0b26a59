/* Files: limits on reading, and the promise of the writer: whatever fails, at whichever moment, the earlier
 * file stands whole and nothing is left beside it. */
#include "support.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <dirent.h>

enum { BIG = 200 * 1000 }; /* several buffers */

/* --- faults: operation number `fault_at` from now on fails with `fault_error` -------------------------- */

static int operations, fault_at, fault_error;
static size_t largest_write;
static char faulted[32];

static int fault_on_count(const char *operation, size_t *size)
{
    if (size && *size > largest_write) *size = largest_write;
    if (++operations != fault_at) return 0;
    snprintf(faulted, sizeof faulted, "%s", operation);
    return fault_error;
}

static int die_on_count(const char *operation, size_t *size)
{
    (void)operation;
    if (size && *size > largest_write) *size = largest_write;
    if (++operations == fault_at) kill(getpid(), SIGKILL);
    return 0;
}

static void arm_fault(int (*hook)(const char *, size_t *), int at, int error)
{
    cj__file_fault = hook;
    operations = 0;
    fault_at = at;
    fault_error = error;
    largest_write = 30000;
}

static int files_in(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
    return count - 2;
}

static void expect_content(const char *path, const char *expected, size_t expected_size)
{
    size_t size;
    char *data = cj_test_read_file(path, &size);
    assert_int_equal(size, expected_size);
    assert_memory_equal(data, expected, size);
    free(data);
}

static char *big_content(char seed)
{
    char *data = malloc(BIG);
    assert_non_null(data);
    for (int i = 0; i < BIG; i++) data[i] = (char)(seed + i / 7);
    return data;
}

/* In pieces of all sizes: through the buffer and around it. */
static cj_status write_in_pieces(const char *path, const char *data)
{
    cj__file_writer writer;
    CJ__TRY(cj__file_begin(&writer, path));
    size_t at = 0;
    for (size_t piece = 1; at < BIG; piece = piece * 3 + 1) {
        size_t size = BIG - at < piece ? BIG - at : piece;
        cj__file_write(&writer, data + at, size);
        at += size;
    }
    return cj__file_commit(&writer);
}

/* --- tests --------------------------------------------------------------------------------------------- */

static void reads_whole_files(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), *data;
    size_t size;
    const char *path = cj_test_path(folder, "file");
    cj_test_write_file(path, "a\0bc", 4);
    expect_ok(cj__file_read(path, 4, &data, &size));
    assert_int_equal(size, 4);
    assert_memory_equal(data, "a\0bc", 5);
    cj__free(data);
    expect_status(cj__file_read(path, 3, &data, &size), CJ_FORMAT_ERROR);
    expect_message("more than the 3 bytes");
    assert_null(data);
    expect_status(cj__file_read(cj_test_path(folder, "none"), 3, &data, &size), CJ_NOT_FOUND);
    expect_message("none: cannot be opened: No such file");
    expect_status(cj__file_read(folder, 3, &data, &size), CJ_IO_ERROR);
    cj_test_write_file(path, "", 0);
    expect_ok(cj__file_read(path, 0, &data, &size));
    assert_string_equal(data, "");
    cj__free(data);
    cj_test_remove_folder(folder);
}

static void reads_pipes_up_to_the_limit(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), *data, *sent = big_content(3);
    size_t size;
    const char *path = cj_test_path(folder, "pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    for (size_t limit = BIG - 1; limit <= BIG; limit++) {
        pid_t child = fork();
        if (child == 0) {
            signal(SIGPIPE, SIG_IGN);
            FILE *out = fopen(path, "wb");
            fwrite(sent, 1, BIG, out);
            fclose(out);
            _exit(0);
        }
        expect_status(cj__file_read(path, limit, &data, &size), limit == BIG ? CJ_OK : CJ_FORMAT_ERROR);
        if (limit == BIG) assert_memory_equal(data, sent, BIG);
        cj__free(data);
        waitpid(child, NULL, 0);
    }
    free(sent);
    cj_test_remove_folder(folder);
}

static void replaces_and_keeps_permissions(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), *data = big_content(1);
    const char *path = cj_test_path(folder, "file"), *link = cj_test_path(folder, "link");
    struct stat facts;
    expect_ok(cj__file_replace(path, "first", 5));
    assert_int_equal(chmod(path, 0640), 0);
    expect_ok(write_in_pieces(path, data));
    expect_content(path, data, BIG);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0640);
    assert_int_equal(symlink("file", link), 0);
    expect_ok(cj__file_replace(link, "through", 7));
    expect_content(path, "through", 7);
    assert_int_equal(lstat(link, &facts), 0);
    assert_true(S_ISLNK(facts.st_mode));
    assert_int_equal(files_in(folder), 2);
    free(data);
    cj_test_remove_folder(folder);
}

static void every_fault_leaves_the_earlier_file(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), *data = big_content(5);
    const char *path = cj_test_path(folder, "file");
    arm_fault(fault_on_count, 0, 0);
    expect_ok(write_in_pieces(path, data));
    int total = operations;
    assert_true(total > 8); /* open, several writes cut short, sync, rename, sync folder */
    for (int at = 1; at <= total; at++) {
        cj__file_fault = NULL;
        expect_ok(cj__file_replace(path, "earlier", 7));
        arm_fault(fault_on_count, at, ENOSPC);
        expect_status(write_in_pieces(path, data), CJ_IO_ERROR);
        expect_message("No space left on device");
        expect_message(path);
        assert_int_equal(files_in(folder), 1);
        if (strcmp(faulted, "sync folder") == 0)
            expect_content(path, data, BIG);
        else
            expect_content(path, "earlier", 7);
    }
    assert_string_equal(faulted, "sync folder");
    arm_fault(fault_on_count, 3, EINTR); /* an interrupted write is only repeated */
    expect_ok(write_in_pieces(path, data));
    expect_content(path, data, BIG);
    cj__file_fault = NULL;
    free(data);
    cj_test_remove_folder(folder);
}

static void a_kill_at_every_moment_leaves_a_whole_file(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), *data = big_content(9);
    const char *path = cj_test_path(folder, "file");
    bool finished = false;
    for (int at = 1; !finished; at++) {
        expect_ok(cj__file_replace(path, "earlier", 7));
        pid_t child = fork();
        if (child == 0) {
            arm_fault(die_on_count, at, 0);
            _exit(write_in_pieces(path, data) == CJ_OK ? 0 : 1);
        }
        int how;
        waitpid(child, &how, 0);
        finished = WIFEXITED(how);
        if (finished) assert_int_equal(WEXITSTATUS(how), 0);
        size_t size;
        free(cj_test_read_file(path, &size));
        expect_content(path, size == 7 ? "earlier" : data, size == 7 ? 7 : BIG);
        cj__folder_sweep(folder);
        assert_int_equal(files_in(folder), 1);
    }
    free(data);
    cj_test_remove_folder(folder);
}

static void the_sweep_spares_the_living(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), name[64];
    snprintf(name, sizeof name, "a.tmp-%ld", (long)getpid());
    const char *spared[] = {name, "b.tmp-", "c.tmp-12x", "d.tmp", "e.tmp--5", "f"};
    for (size_t i = 0; i < 6; i++) cj_test_write_file(cj_test_path(folder, spared[i]), "x", 1);
    cj_test_write_file(cj_test_path(folder, "g.tmp-2147483000"), "x", 1);
    cj__folder_sweep(folder);
    assert_int_equal(files_in(folder), 6);
    cj__folder_sweep("/nowhere/at/all");
    cj_test_remove_folder(folder);
}

/* A real refusal of the system, not one that is injected: no file may grow past 100,000 bytes. */
static void a_full_disk_is_survived(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), *data = big_content(2);
    const char *path = cj_test_path(folder, "file");
    expect_ok(cj__file_replace(path, "earlier", 7));
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    cj_status status = write_in_pieces(path, data);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    expect_status(status, CJ_IO_ERROR);
    expect_message("File too large");
    expect_content(path, "earlier", 7);
    assert_int_equal(files_in(folder), 1);
    free(data);
    cj_test_remove_folder(folder);
}

static void refuses_what_it_cannot_replace(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    expect_status(cj__file_replace("/dev/null", "x", 1), CJ_INVALID_ARGUMENT);
    expect_message("not a regular file");
    expect_status(cj__file_replace(folder, "x", 1), CJ_INVALID_ARGUMENT);
    expect_status(cj__file_replace(cj_test_path(folder, "none/file"), "x", 1), CJ_NOT_FOUND);
    expect_message("cannot be written: No such file");
    cj_test_write_file(cj_test_path(folder, "plain"), "x", 1);
    expect_status(cj__file_replace(cj_test_path(folder, "plain/file"), "x", 1), CJ_IO_ERROR);
    expect_message("Not a directory");
    cj__file_writer unused = {0};
    cj__file_abort(&unused);
    cj_test_remove_folder(folder);
}

static void abort_leaves_nothing(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    cj__file_writer writer;
    expect_ok(cj__file_begin(&writer, cj_test_path(folder, "file")));
    cj__file_write(&writer, "x", 1);
    assert_int_equal(files_in(folder), 1);
    cj__file_abort(&writer);
    cj__file_abort(&writer);
    assert_int_equal(files_in(folder), 0);
    cj_test_remove_folder(folder);
}

static void makes_folders(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *deep = cj_test_path(folder, "a/b//c");
    expect_ok(cj__folder_make(deep));
    expect_ok(cj__folder_make(deep));
    expect_ok(cj__folder_make("/"));
    assert_int_equal(access(deep, W_OK), 0);
    cj_test_write_file(cj_test_path(folder, "plain"), "x", 1);
    expect_status(cj__folder_make(cj_test_path(folder, "plain/b")), CJ_IO_ERROR);
    expect_message("plain: the folder cannot be made: File exists");
    cj_test_remove_folder(folder);
}

static cj_status everything(void *context)
{
    char *folder = context, *data = NULL;
    size_t size;
    const char *path = cj_test_path(folder, "x/y");
    CJ__TRY(cj__folder_make(cj_test_path(folder, "x")));
    cj__file_writer writer;
    CJ__TRY(cj__file_begin(&writer, path));
    cj__file_write(&writer, "5", 1);
    CJ__TRY(cj__file_commit(&writer));
    CJ__TRY(cj__file_read(path, 1000, &data, &size));
    cj__free(data);
    return CJ_OK;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    cj_test_allocator_install();
    cj_test_every_allocation_fails(everything, folder);
    cj_test_allocator_remove();
    assert_int_equal(files_in(cj_test_path(folder, "x")), 1);
    cj_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_whole_files),
        cmocka_unit_test(reads_pipes_up_to_the_limit),
        cmocka_unit_test(replaces_and_keeps_permissions),
        cmocka_unit_test(every_fault_leaves_the_earlier_file),
        cmocka_unit_test(a_kill_at_every_moment_leaves_a_whole_file),
        cmocka_unit_test(the_sweep_spares_the_living),
        cmocka_unit_test(a_full_disk_is_survived),
        cmocka_unit_test(refuses_what_it_cannot_replace),
        cmocka_unit_test(abort_leaves_nothing),
        cmocka_unit_test(makes_folders),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
