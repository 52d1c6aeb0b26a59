/* Downloads, from a server on this machine that serves well and badly: whole, gone on with, tried again,
 * refused, and never half done under their final names. */
#include "support.h"
#include "http_server.h"

#include "cajal/sets.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 300000 };

static const char helper[] = CJ_TEST_BUILD "/cajal-fetch";

typedef struct {
    char *folder;
    char body[SIZE], digest[65];
    char to[512], part[520];
    http_server *server;
    char *data, *cache; /* of the environment, put back at the end */
} setting;

static char *copy_of(const char *text)
{
    return text ? strdup(text) : NULL;
}

static int set_up(void **state)
{
    setting *s = calloc(1, sizeof *s);
    s->folder = cj_test_new_folder();
    uint32_t random = 1;
    for (int i = 0; i < SIZE; i++) s->body[i] = (char)((random = random * 1664525u + 1013904223u) >> 24);
    cj_test_write_file(cj_test_path(s->folder, "original"), s->body, SIZE);
    if (cj_file_sha256(cj_test_path(s->folder, "original"), s->digest) != CJ_OK) return -1;
    snprintf(s->to, sizeof s->to, "%s/below/file.bin", s->folder);
    snprintf(s->part, sizeof s->part, "%s.part", s->to);
    s->server = http_start(s->body, SIZE);
    s->data = copy_of(getenv("CAJAL_DATA"));
    s->cache = copy_of(getenv("XDG_CACHE_HOME"));
    unsetenv("CAJAL_DATA");
    setenv("XDG_CACHE_HOME", s->folder, 1);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    setting *s = *state;
    s->data ? setenv("CAJAL_DATA", s->data, 1) : unsetenv("CAJAL_DATA");
    s->cache ? setenv("XDG_CACHE_HOME", s->cache, 1) : unsetenv("XDG_CACHE_HOME");
    free(s->data);
    free(s->cache);
    http_stop(s->server);
    cj_test_remove_folder(s->folder);
    free(s);
    return 0;
}

static void need_helper(void)
{
    if (access(helper, X_OK) != 0) skip_because("this build has no cajal-fetch: libcurl was not found");
}

static bool there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Runs a program; its exit code and a part of what it said must be these. */
static void expect_run(const char *const arguments[], int code, const char *said)
{
    cj_test_result r = cj_test_run(arguments, NULL);
    if (r.exit_code != code || (!strstr(r.output, said) && !strstr(r.errors, said)))
        fail_msg("%s %s …: exit %d, wanted %d and '%s' in:\n%s%s", arguments[0], arguments[1], r.exit_code,
                 code, said, r.output, r.errors);
    cj_test_result_free(&r);
}

#define expect(code, said, ...) expect_run((const char *const[]){__VA_ARGS__, NULL}, code, said)
#define fetch(s, code, said)                                                                                 \
    expect(code, said, helper, "--sha256", (s)->digest, "--to", (s)->to,                                     \
           http_address((s)->server, "file.bin"))

static void expect_whole(const setting *s)
{
    size_t size;
    char *bytes = cj_test_read_file(s->to, &size);
    assert_int_equal(size, SIZE);
    assert_memory_equal(bytes, s->body, SIZE);
    free(bytes);
    assert_false(there(s->part));
}

static void make_part(const setting *s, const char *bytes, size_t size)
{
    assert_int_equal(mkdir(cj_test_path(s->folder, "below"), 0700), 0);
    cj_test_write_file(s->part, bytes, size);
}

/* --- one file ------------------------------------------------------------------------------------------ */

static void test_whole(void **state)
{
    setting *s = *state;
    need_helper();
    fetch(s, 0, s->digest);
    expect_whole(s);
    assert_int_equal(http_requests(s->server), 1);
    fetch(s, 0, "is here already");
    assert_int_equal(http_requests(s->server), 1);
}

static void test_cut_connection(void **state)
{
    setting *s = *state;
    need_helper();
    http_set(s->server, SERVE_CUT, 1);
    fetch(s, 0, "trying again");
    expect_whole(s);
    assert_int_equal(http_requests(s->server), 2);
    assert_int_equal(http_range(s->server, 0), -1);
    assert_int_equal(http_range(s->server, 1), 100000);
}

static void test_goes_on_with_a_part(void **state)
{
    setting *s = *state;
    need_helper();
    make_part(s, s->body, 1234);
    fetch(s, 0, s->digest);
    expect_whole(s);
    assert_int_equal(http_range(s->server, 0), 1234);
}

static void test_part_is_all(void **state)
{
    setting *s = *state;
    need_helper();
    make_part(s, s->body, SIZE);
    fetch(s, 0, s->digest);
    expect_whole(s);
}

/* More than the server has: it cannot be a part of that. */
static void test_part_is_too_long(void **state)
{
    setting *s = *state;
    need_helper();
    char *long_part = calloc(1, SIZE + 10);
    make_part(s, long_part, SIZE + 10);
    free(long_part);
    fetch(s, 0, "which are dropped");
    expect_whole(s);
}

static void test_server_without_ranges(void **state)
{
    setting *s = *state;
    need_helper();
    make_part(s, "something else", 14);
    http_set(s->server, SERVE_ALL, 0);
    fetch(s, 0, s->digest);
    expect_whole(s);
}

static void test_other_range_than_asked(void **state)
{
    setting *s = *state;
    need_helper();
    make_part(s, s->body, 1234);
    http_set(s->server, SERVE_ASTRAY, 0);
    fetch(s, 1, "another part than was asked for");
    assert_false(there(s->to));
}

static void test_busy_server(void **state)
{
    setting *s = *state;
    need_helper();
    http_set(s->server, SERVE_BUSY, 2);
    fetch(s, 0, "HTTP code 503; trying again");
    expect_whole(s);
    assert_int_equal(http_requests(s->server), 3);
}

static void test_patience_ends(void **state)
{
    setting *s = *state;
    need_helper();
    http_set(s->server, SERVE_BUSY, 1000);
    fetch(s, 1, "the server answers with HTTP code 503");
    assert_int_equal(http_requests(s->server), 5);
    assert_false(there(s->to));
    assert_false(there(s->part));
}

static void test_missing(void **state)
{
    setting *s = *state;
    char said[512];
    need_helper();
    http_set(s->server, SERVE_MISSING, 0);
    snprintf(said, sizeof said, "%s: the server answers with HTTP code 404",
             http_address(s->server, "file.bin"));
    fetch(s, 1, said);
    assert_int_equal(http_requests(s->server), 1);
    assert_false(there(s->to));
    assert_false(there(s->part));
}

static void test_mirror(void **state)
{
    setting *s = *state;
    char missing[512];
    need_helper();
    snprintf(missing, sizeof missing, "file://%s/no-such-file", s->folder);
    expect(0, s->digest, helper, "--to", s->to, missing, http_address(s->server, "file.bin"));
    expect_whole(s);
}

static void test_wrong_checksum(void **state)
{
    setting *s = *state;
    char other[65], said[256];
    need_helper();
    memset(other, 'a', 64);
    other[64] = 0;
    snprintf(said, sizeof said, "found a file with SHA-256 %s, expected %s", s->digest, other);
    expect(1, said, helper, "--sha256", other, "--to", s->to, http_address(s->server, "file.bin"));
    assert_false(there(s->to));
    assert_false(there(s->part));
}

static pid_t start(const setting *s)
{
    pid_t process = fork();
    if (process == 0) {
        execl(helper, helper, "--quiet", "--to", s->to, http_address(s->server, "file.bin"), (char *)NULL);
        _exit(99);
    }
    assert_true(process > 0);
    return process;
}

static void wait_for_part(const setting *s, off_t size)
{
    struct stat facts;
    for (int i = 0; i < 2000; i++) {
        if (stat(s->part, &facts) == 0 && facts.st_size >= size) return;
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
    fail_msg("%s: no %lld bytes came", s->part, (long long)size);
}

static void test_interrupted(void **state)
{
    setting *s = *state;
    int ended;
    need_helper();
    http_set(s->server, SERVE_SLOWLY, 1);
    pid_t process = start(s);
    wait_for_part(s, 1000);
    /* a second one keeps off */
    expect(1, "another `cajal data get` is at work", helper, "--to", s->to,
           http_address(s->server, "file.bin"));
    kill(process, SIGINT);
    assert_int_equal(waitpid(process, &ended, 0), process);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 130);
    assert_false(there(s->to));
    wait_for_part(s, 100000);
    fetch(s, 0, s->digest);
    expect_whole(s);
    assert_int_equal(http_range(s->server, 1), 100000);
}

static void test_killed(void **state)
{
    setting *s = *state;
    need_helper();
    http_set(s->server, SERVE_SLOWLY, 1);
    pid_t process = start(s);
    wait_for_part(s, 1000);
    kill(process, SIGKILL);
    waitpid(process, NULL, 0);
    assert_false(there(s->to));
    fetch(s, 0, s->digest);
    expect_whole(s);
}

static void test_unwritable(void **state)
{
    setting *s = *state;
    need_helper();
    expect(1, "/dev/null: the folder cannot be made: Not a directory", helper, "--to", "/dev/null/x/file.bin",
           http_address(s->server, "file.bin"));
    setenv("XDG_CACHE_HOME", "/dev/null", 1);
    expect(1, "/dev/null: the folder cannot be made: Not a directory", CJ_TEST_COMMAND, "data", "get",
           "names");
    assert_int_equal(http_requests(s->server), 0);
}

static void test_full_disk(void **state)
{
    setting *s = *state;
    need_helper();
    assert_int_equal(mkdir(cj_test_path(s->folder, "below"), 0700), 0);
    assert_int_equal(symlink("/dev/full", s->part), 0);
    fetch(s, 1, "No space left on device");
    assert_false(there(s->to));
}

static void test_addresses(void **state)
{
    setting *s = *state;
    need_helper();
    const char *const refused[] = {"http://example.org/x",
                                   "ftp://example.org/x",
                                   "x",
                                   "http://127.0.0.1@example.org/x",
                                   "http://127.0.0.1.example.org/x",
                                   "http://127.0.0.1:80@example.org/x",
                                   ""};
    for (int i = 0; i < 7; i++)
        expect(2, "an address begins with https:// or file://", helper, "--to", s->to, refused[i]);
    expect(2, "--from is 'http://example.org'", CJ_TEST_COMMAND, "data", "get", "names", "--from",
           "http://example.org");
    expect(2, "no value follows '--to'", helper, "--to");
    expect(2, "there is no option '--too'", helper, "--too", "x");
    expect(2, "there is no data set 'mnits'", helper, "mnits");
}

/* --- sets ---------------------------------------------------------------------------------------------- */

/* An archive of what lies in `folder`/`from`, whatever its name says. */
static void pack(const setting *s, const char *archive, const char *from, const char *what)
{
    char to[512];
    snprintf(to, sizeof to, "%s/%s", s->folder, archive);
    expect(0, "", "tar", "-C", cj_test_path(s->folder, from), "-cPzf", to, what);
}

static void make_folders(const setting *s, const char *const names[])
{
    for (int i = 0; names[i]; i++) assert_int_equal(mkdir(cj_test_path(s->folder, names[i]), 0700), 0);
}

static const char *from_here(const setting *s)
{
    static char address[512];
    snprintf(address, sizeof address, "file://%s", s->folder);
    return address;
}

static bool can_unpack(const setting *s)
{
    cj_test_result r = cj_test_cajal("data", "get", "orl", "--from", from_here(s));
    bool can = !strstr(r.errors, "cannot unpack");
    cj_test_result_free(&r);
    return can;
}

static void test_archive(void **state)
{
    setting *s = *state;
    need_helper();
    if (!can_unpack(s)) skip_because("this build cannot unpack archives: libarchive was not found");
    make_folders(s, (const char *const[]){"orl", "orl/s1", "orl/s40", NULL});
    cj_test_write_file(cj_test_path(s->folder, "orl/s1/1.pgm"), "one", 3);
    cj_test_write_file(cj_test_path(s->folder, "orl/s40/10.pgm"), "ten", 3);
    pack(s, "att_faces.zip", "orl", ".");
    expect(0, "no published checksum is recorded", CJ_TEST_COMMAND, "data", "get", "orl", "--from",
           from_here(s));
    size_t size;
    char *bytes = cj_test_read_file(cj_test_path(s->folder, "cajal/orl/s40/10.pgm"), &size);
    assert_memory_equal(bytes, "ten", 4);
    free(bytes);
    assert_false(there(cj_test_path(s->folder, "cajal/orl.part")));
    assert_false(there(cj_test_path(s->folder, "cajal/orl.unpacking")));
    expect(0, "orl is here already", CJ_TEST_COMMAND, "data", "get", "orl");
    expect(0, "no published checksum is recorded", CJ_TEST_COMMAND, "data", "verify", "orl");
    expect(0, "2 without a published checksum", CJ_TEST_COMMAND, "data", "verify");
    cj_test_result r = cj_test_cajal("data", "list", "--json");
    char said[512];
    snprintf(said, sizeof said, "\"folder\": \"%s/cajal\"", s->folder);
    assert_non_null(strstr(r.output, said));
    cj_test_result_free(&r);
}

/* Contents whose checksum is known must have it. */
static void test_archive_of_other_contents(void **state)
{
    setting *s = *state;
    need_helper();
    if (!can_unpack(s)) skip_because("this build cannot unpack archives: libarchive was not found");
    const char root[] = "free-spoken-digit-dataset-1.0.10";
    make_folders(s, (const char *const[]){root, "free-spoken-digit-dataset-1.0.10/recordings", NULL});
    cj_test_write_file(cj_test_path(s->folder, "free-spoken-digit-dataset-1.0.10/recordings/0_x_0.wav"), "x",
                       1);
    pack(s, "v1.0.10.zip", ".", root);
    expect(1, "found contents with SHA-256", CJ_TEST_COMMAND, "data", "get", "fsdd", "--from", from_here(s));
    assert_false(there(cj_test_path(s->folder, "cajal/fsdd")));
    assert_false(there(cj_test_path(s->folder, "cajal/fsdd.part")));
    assert_false(there(cj_test_path(s->folder, "cajal/fsdd.unpacking")));
}

static void test_hostile_archive(void **state)
{
    setting *s = *state;
    need_helper();
    if (!can_unpack(s)) skip_because("this build cannot unpack archives: libarchive was not found");
    make_folders(s, (const char *const[]){"in", NULL});
    cj_test_write_file(cj_test_path(s->folder, "evil"), "x", 1);
    pack(s, "att_faces.zip", "in", "../evil");
    expect(1, "which leads out of its folder", CJ_TEST_COMMAND, "data", "get", "orl", "--from", from_here(s));
    assert_false(there(cj_test_path(s->folder, "cajal/evil")));
    cj_test_write_file(cj_test_path(s->folder, "att_faces.zip"), s->body, SIZE);
    expect(1, "cannot be unpacked", CJ_TEST_COMMAND, "data", "get", "orl", "--from", from_here(s));
    pack(s, "v1.0.10.zip", ".", "evil");
    expect(1, "it holds nothing below", CJ_TEST_COMMAND, "data", "get", "fsdd", "--from", from_here(s));
    assert_false(there(cj_test_path(s->folder, "cajal/orl")));
    assert_false(there(cj_test_path(s->folder, "cajal/orl.part")));
}

/* The server has 300,000 bytes under every name. */
static void test_truncated(void **state)
{
    setting *s = *state;
    need_helper();
    expect(1, "found a file of 300000 bytes, expected 1115394", CJ_TEST_COMMAND, "data", "get",
           "tinyshakespeare", "--from", http_address(s->server, ""));
    assert_false(there(cj_test_path(s->folder, "cajal/text/tinyshakespeare.txt")));
    expect(1, "found a file of more than the 228145 bytes expected", CJ_TEST_COMMAND, "data", "get", "names",
           "--quiet", "--from", http_address(s->server, ""));
    assert_false(there(cj_test_path(s->folder, "cajal/text/names.txt.part")));
}

static void test_real_sets(void **state)
{
    setting *s = *state;
    char from[600], said[600];
    need_helper();
    if (!s->data) skip_because("CAJAL_DATA is not set");
    snprintf(from, sizeof from, "%s/text/names.txt", s->data);
    if (!there(from)) skip_because("CAJAL_DATA has no text/names.txt");
    snprintf(from, sizeof from, "file://%s/text", s->data);
    snprintf(said, sizeof said, "names is in %s/cajal", s->folder);
    expect(0, said, CJ_TEST_COMMAND, "data", "get", "names", "--from", from);
    expect(0, "1 of 1 right", CJ_TEST_COMMAND, "data", "verify", "names");
    cj_test_write_file(cj_test_path(s->folder, "cajal/text/names.txt"), "emma\n", 5);
    expect(1, "damaged", CJ_TEST_COMMAND, "data", "verify", "names");
    snprintf(from, sizeof from, "file://%s/multi30k", s->data);
    if (!there(from + 7)) return;
    expect(0, "multi30k is in", CJ_TEST_COMMAND, "data", "get", "multi30k", "--from", from);
    expect(0, "22 of 22 right", CJ_TEST_COMMAND, "data", "verify", "multi30k");
}

/* --- the command --------------------------------------------------------------------------------------- */

static void test_without_helper(void **state)
{
    setting *s = *state;
    char alone[512];
    snprintf(alone, sizeof alone, "%s/cajal-alone", s->folder);
    expect(0, "", "cp", CJ_TEST_COMMAND, alone);
    expect(1, "libcurl4-openssl-dev", alone, "data", "get", "names");
    expect(0, "not here", alone, "data", "list");
}

static void test_command_line(void **state)
{
    (void)state;
    expect(2, "list, get, verify or preview, not ''", CJ_TEST_COMMAND, "data");
    expect(2, "list, get, verify or preview, not 'fetch'", CJ_TEST_COMMAND, "data", "fetch");
    expect(2, "name a data set", CJ_TEST_COMMAND, "data", "get");
    expect(2, "there is no data set 'mnits'", CJ_TEST_COMMAND, "data", "get", "mnits");
    expect(2, "there is no data set 'mnits'", CJ_TEST_COMMAND, "data", "verify", "mnits");
    expect(2, "takes no name", CJ_TEST_COMMAND, "data", "list", "mnist");
    expect(1, "`cajal data get names` fetches it", CJ_TEST_COMMAND, "data", "verify", "names");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_whole),
        TEST(test_cut_connection),
        TEST(test_goes_on_with_a_part),
        TEST(test_part_is_all),
        TEST(test_part_is_too_long),
        TEST(test_server_without_ranges),
        TEST(test_other_range_than_asked),
        TEST(test_busy_server),
        TEST(test_patience_ends),
        TEST(test_missing),
        TEST(test_mirror),
        TEST(test_wrong_checksum),
        TEST(test_interrupted),
        TEST(test_killed),
        TEST(test_unwritable),
        TEST(test_full_disk),
        TEST(test_addresses),
        TEST(test_archive),
        TEST(test_archive_of_other_contents),
        TEST(test_hostile_archive),
        TEST(test_truncated),
        TEST(test_real_sets),
        TEST(test_without_helper),
        TEST(test_command_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
