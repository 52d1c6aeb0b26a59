/* The logs of a run: what JSON Lines and TensorBoard's event files look like byte for byte, and that neither
 * a full disk, a kill in the middle of a record nor a failed allocation costs an earlier record. */
#include "support.h"

#include "base/json.h"
#include "io/events.h"
#include "io/jsonl.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void expect_content(const char *path, const char *expected, size_t expected_size)
{
    size_t size;
    char *data = cj_test_read_file(path, &size);
    assert_int_equal(size, expected_size);
    assert_memory_equal(data, expected, size);
    free(data);
}

static void expect_text(const char *path, const char *expected)
{
    expect_content(path, expected, strlen(expected));
}

/* Files may not grow past `bytes`: what a full disk is to a writer, the last write cut short included. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static cj_status one_line(const char *path, int64_t step)
{
    cj__jsonl log = {0};
    CJ__TRY(cj__jsonl_open(&log, path));
    cj__jsonl_integer(&log, "step", step);
    cj__jsonl_number(&log, "loss", 0.1);
    cj_status status = cj__jsonl_end_line(&log);
    cj__jsonl_close(&log);
    return status;
}

/* --- JSON Lines ---------------------------------------------------------------------------------------- */

static void writes_fields_in_order(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "log.jsonl");
    cj__jsonl log = {0};
    expect_ok(cj__jsonl_open(&log, path));
    cj__jsonl_string(&log, "a\"\\\n\x01", "\xc3\xa4\xff");
    cj__jsonl_number(&log, "third", 1.0 / 3);
    cj__jsonl_number(&log, "tenth", 0.1);
    cj__jsonl_integer(&log, "least", INT64_MIN);
    expect_ok(cj__jsonl_end_line(&log));
    cj__jsonl_number(&log, "nan", NAN);
    cj__jsonl_number(&log, "infinite", -INFINITY);
    expect_ok(cj__jsonl_end_line(&log));
    expect_ok(cj__jsonl_end_line(&log));
    cj__jsonl_integer(&log, "never ended", 1);
    cj__jsonl_close(&log);
    cj__jsonl_close(&log);
    expect_text(path, "{\"a\\\"\\\\\\n\\u0001\":\"\xc3\xa4\xef\xbf\xbd\",\"third\":0.3333333333333333,"
                      "\"tenth\":0.1,\"least\":-9223372036854775808}\n"
                      "{\"nan\":null,\"infinite\":null}\n{}\n");
    cj_test_remove_folder(folder);
}

static void lines_are_strict_json(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "log.jsonl");
    char every[256];
    for (int i = 0; i < 255; i++) every[i] = (char)(i + 1);
    every[255] = 0;
    cj__jsonl log = {0};
    expect_ok(cj__jsonl_open(&log, path));
    cj__jsonl_string(&log, every, every);
    cj__jsonl_number(&log, "smallest", 5e-324);
    expect_ok(cj__jsonl_end_line(&log));
    cj__jsonl_close(&log);
    size_t size;
    char *line = cj_test_read_file(path, &size);
    cj__json json;
    cj__json_begin(&json, line, size);
    cj__json_skip(&json);
    expect_ok(cj__json_finish(&json));
    assert_ptr_equal(strchr(line, '\n'), line + size - 1);
    free(line);
    cj_test_remove_folder(folder);
}

/* The broken line may be longer than one block of the search for its beginning. */
static void cuts_off_a_broken_line(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "log.jsonl");
    const size_t lengths[] = {0, 1, 4087, 4088, 4089, 9000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char text[10000] = "{\"a\":1}\n";
        memset(text + 8, 'x', lengths[i]);
        cj_test_write_file(path, text, 8 + lengths[i]);
        expect_ok(one_line(path, 2));
        expect_text(path, "{\"a\":1}\n{\"step\":2,\"loss\":0.1}\n");
        cj_test_write_file(path, text + 8, lengths[i]);
        expect_ok(one_line(path, 3));
        expect_text(path, "{\"step\":3,\"loss\":0.1}\n");
    }
    cj_test_remove_folder(folder);
}

static void full_disk_keeps_the_lines(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "log.jsonl"), *line = "{\"step\":1,\"loss\":0.1}\n";
    cj__jsonl log = {0};
    expect_ok(one_line(path, 1));
    expect_ok(cj__jsonl_open(&log, path));
    for (rlim_t room = 0; room < 12; room++) {
        limit_files(strlen(line) + room);
        cj__jsonl_integer(&log, "large", 1000);
        cj_status status = cj__jsonl_end_line(&log);
        limit_files(RLIM_INFINITY);
        expect_status(status, CJ_IO_ERROR);
        expect_message("log.jsonl: cannot be written: File too large");
        expect_text(path, line);
    }
    cj__jsonl_integer(&log, "b", 2);
    expect_ok(cj__jsonl_end_line(&log));
    cj__jsonl_close(&log);
    expect_text(path, "{\"step\":1,\"loss\":0.1}\n{\"b\":2}\n");
    cj_test_remove_folder(folder);
}

static void refuses_what_cannot_be_a_log(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *pipe = cj_test_path(folder, "pipe");
    expect_status(one_line(cj_test_path(folder, "none/log.jsonl"), 1), CJ_NOT_FOUND);
    expect_message("none/log.jsonl: cannot be opened for writing: No such file");
    expect_status(one_line(folder, 1), CJ_IO_ERROR);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    expect_status(one_line(pipe, 1), CJ_INVALID_ARGUMENT);
    expect_message("not a regular file");
    expect_status(one_line("/dev/full", 1), CJ_INVALID_ARGUMENT);
    cj_test_remove_folder(folder);
}

/* --- event files --------------------------------------------------------------------------------------- */

static void checksums_are_known(void **state)
{
    (void)state;
    const unsigned char zeros[32] = {0};
    assert_int_equal(cj__crc32c("", 0), 0);
    assert_int_equal(cj__crc32c("123456789", 9), 0xe3069283u);
    assert_int_equal(cj__crc32c(zeros, sizeof zeros), 0x8a9136aau); /* RFC 3720, B.4 */
}

/* The protocol buffers of a file with the scalar "loss" = 1.5 at step 300, both at time 2; the frames' heads
 * and checksums stand around them. */
static const char version_event[] = "\x09\0\0\0\0\0\0\0\x40\x1a\x0d"
                                    "brain.Event:2";
static const char scalar_event[] = "\x09\0\0\0\0\0\0\0\x40\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04"
                                   "loss\x15\0\0\xc0\x3f";
enum { VERSION_SIZE = sizeof version_event - 1, SCALAR_SIZE = sizeof scalar_event - 1, FRAME = 16 };
enum { VERSION_END = VERSION_SIZE + FRAME, SCALAR_END = VERSION_END + SCALAR_SIZE + FRAME };

static cj_status one_scalar(const char *path)
{
    cj__events events = {0};
    CJ__TRY(cj__events_open(&events, path, 2));
    cj_status status = cj__events_scalar(&events, "loss", 300, 1.5f, 2);
    cj__events_close(&events);
    return status;
}

static void expect_frame(const char *frame, const char *message, size_t size)
{
    uint64_t length;
    uint32_t stored, crc = cj__crc32c(message, size);
    memcpy(&length, frame, sizeof length);
    assert_int_equal(length, size);
    assert_memory_equal(frame + 12, message, size);
    memcpy(&stored, frame + 12 + size, sizeof stored);
    assert_int_equal(stored, (crc >> 15 | crc << 17) + 0xa282ead8u);
}

static void writes_events(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "events.out.tfevents.1");
    size_t size;
    expect_ok(one_scalar(path));
    char *data = cj_test_read_file(path, &size);
    assert_int_equal(size, SCALAR_END);
    expect_frame(data, version_event, VERSION_SIZE);
    expect_frame(data + VERSION_END, scalar_event, SCALAR_SIZE);
    free(data);
    cj_test_remove_folder(folder);
}

/* Cut at every byte after the first record, the file goes on as if the broken record had never been. */
static void goes_on_after_a_kill(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "events");
    expect_ok(one_scalar(path));
    char *whole = cj_test_read_file(path, NULL);
    for (size_t size = VERSION_END; size < SCALAR_END; size++) {
        cj_test_write_file(path, whole, size);
        expect_ok(one_scalar(path));
        expect_content(path, whole, SCALAR_END);
    }
    expect_ok(one_scalar(path));
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_size, SCALAR_END + SCALAR_SIZE + FRAME);
    free(whole);
    cj_test_remove_folder(folder);
}

static void leaves_other_files_alone(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "notes.txt"), *notes = "Dear diary, today the loss fell.\n";
    cj_test_write_file(path, notes, strlen(notes));
    expect_status(one_scalar(path), CJ_FORMAT_ERROR);
    expect_message("notes.txt: byte 0: found no TFRecord");
    expect_text(path, notes);
    cj_test_remove_folder(folder);
}

static void full_disk_keeps_the_events(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "events");
    expect_ok(one_scalar(path));
    char *whole = cj_test_read_file(path, NULL);
    limit_files(SCALAR_END + 5);
    cj_status status = one_scalar(path);
    limit_files(RLIM_INFINITY);
    expect_status(status, CJ_IO_ERROR);
    expect_content(path, whole, SCALAR_END);
    free(whole);
    cj_test_remove_folder(folder);
}

/* --- memory -------------------------------------------------------------------------------------------- */

static cj_status write_both(void *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/log", (char *)folder);
    CJ__TRY(one_line(path, 1));
    snprintf(path, sizeof path, "%s/events", (char *)folder);
    unlink(path); /* each time it begins anew */
    return one_scalar(path);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    cj_test_every_allocation_fails(write_both, folder);
    char *log = cj_test_read_file(cj_test_path(folder, "log"), NULL);
    for (char *at = log; *at; at = strchr(at, '\n') + 1)
        assert_memory_equal(at, "{\"step\":1,\"loss\":0.1}\n", 22);
    free(log);
    cj_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_fields_in_order),
        cmocka_unit_test(lines_are_strict_json),
        cmocka_unit_test(cuts_off_a_broken_line),
        cmocka_unit_test(full_disk_keeps_the_lines),
        cmocka_unit_test(refuses_what_cannot_be_a_log),
        cmocka_unit_test(checksums_are_known),
        cmocka_unit_test(writes_events),
        cmocka_unit_test(goes_on_after_a_kill),
        cmocka_unit_test(leaves_other_files_alone),
        cmocka_unit_test(full_disk_keeps_the_events),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
