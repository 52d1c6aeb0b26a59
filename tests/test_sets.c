/* The table of public data sets is well formed, a set is found where all of it lies, and checksums are those
 * of sha256sum. */
#include "support.h"

#include "cajal/data.h"
#include "cajal/sets.h"
#include "data/places.h"

#include <sys/stat.h>
#include <unistd.h>

/* --- the table ----------------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    const cj_data_set *set;
    (void)state;
    for (int64_t i = 0; (set = cj_data_set_at(i)); i++) {
        assert_ptr_equal(cj_data_set_find(set->name), set); /* which is the first of that name */
        assert_true(*set->name && *set->what && *set->terms);
        assert_int_equal(strspn(set->name, "abcdefghijklmnopqrstuvwxyz0123456789-K"), strlen(set->name));
        assert_non_null(cj_data_set_source(set, 0));
        assert_non_null(cj_data_set_file(set, 0));
    }
    assert_null(cj_data_set_at(-1));
    assert_null(cj_data_set_find("mnits"));
    const char *const wanted[] = {"mnist",          "fashion-mnist",  "cifar-10", "tinyshakespeare",
                                  "names",          "sst2",           "multi30k", "ml-100k",
                                  "credit-default", "bccd",           "flickr8k", "fsdd",
                                  "babi",           "pneumoniamnist", "orl",      "stories260K"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) assert_non_null(cj_data_set_find(wanted[i]));
}

static void expect_path(const char *path)
{
    assert_true(*path && *path != '/' && path[strlen(path) - 1] != '/');
    assert_null(strstr(path, ".."));
    assert_null(strchr(path, ' '));
}

static void expect_checksum(const char *sha256)
{
    if (!*sha256) return;
    assert_int_equal(strlen(sha256), 64);
    assert_int_equal(strspn(sha256, "0123456789abcdef"), 64);
}

/* https://host.name/path, of printable characters; a file has a name, which a mirror needs. */
static void expect_address(const char *address, int length)
{
    assert_true(length > 8 && length < 1000);
    assert_memory_equal(address, "https://", 8);
    const char *host = address + 8, *slash = strchr(host, '/'), *end = address + length;
    assert_true(slash && slash < end && memchr(host, '.', (size_t)(slash - host)));
    assert_int_equal(strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789.-"), slash - host);
    for (const char *at = slash; at < end; at++)
        assert_true(*at > ' ' && *at < 127 && !strchr("\"<>\\^`{|}", *at));
    const char *query = memchr(slash, '?', (size_t)(end - slash));
    assert_true((query ? query : end)[-1] != '/');
}

static void expect_addresses(const char *addresses)
{
    int count = 0;
    while (*addresses) {
        int length = (int)strcspn(addresses, " ");
        expect_address(addresses, length);
        addresses += length;
        if (*addresses == ' ') assert_true(*++addresses);
        count++;
    }
    assert_true(count > 0);
}

static void test_sources(void **state)
{
    const cj_data_set *set;
    const cj_data_source *source;
    (void)state;
    for (int64_t i = 0; (set = cj_data_set_at(i)); i++)
        for (int64_t j = 0; (source = cj_data_set_source(set, j)); j++) {
            expect_path(source->path);
            expect_checksum(source->sha256);
            expect_addresses(source->addresses);
            assert_true(source->bytes >= 0);
            if (source->inside && *source->inside) expect_path(source->inside);
            assert_ptr_equal(cj_data_set_of(source->path), set);
        }
}

static void test_files(void **state)
{
    const cj_data_set *set;
    const cj_data_file *file;
    (void)state;
    for (int64_t i = 0; (set = cj_data_set_at(i)); i++)
        for (int64_t j = 0; (file = cj_data_set_file(set, j)); j++) {
            expect_path(file->path);
            expect_checksum(file->sha256);
            assert_ptr_equal(cj_data_set_of(file->path), set);
        }
    assert_string_equal(cj_data_set_of("mnist/train-images-idx3-ubyte.gz")->name, "mnist");
    assert_string_equal(cj_data_set_of("fsdd/recordings/0_george_0.wav")->name, "fsdd");
    assert_null(cj_data_set_of("mnist"));
    assert_null(cj_data_set_of("fsddx"));
}

/* --- places -------------------------------------------------------------------------------------------- */

typedef struct {
    char *folder, *data, *cache, *home;
} setting;

static char *copy_of(const char *text)
{
    return text ? strdup(text) : NULL;
}

static int set_up(void **state)
{
    setting *s = calloc(1, sizeof *s);
    s->folder = cj_test_new_folder();
    s->data = copy_of(getenv("CAJAL_DATA"));
    s->cache = copy_of(getenv("XDG_CACHE_HOME"));
    s->home = copy_of(getenv("HOME"));
    setenv("CAJAL_DATA", cj_test_path(s->folder, "data"), 1);
    setenv("XDG_CACHE_HOME", s->folder, 1);
    for (int i = 0; i < 4; i++) {
        const char *const folders[] = {"data", "cajal", "data/text", "cajal/text"};
        if (mkdir(cj_test_path(s->folder, folders[i]), 0700) != 0) return -1;
    }
    *state = s;
    return 0;
}

static void put_back(const char *variable, char *value)
{
    value ? setenv(variable, value, 1) : unsetenv(variable);
    free(value);
}

static int tear_down(void **state)
{
    setting *s = *state;
    put_back("CAJAL_DATA", s->data);
    put_back("XDG_CACHE_HOME", s->cache);
    put_back("HOME", s->home);
    cj_test_remove_folder(s->folder);
    free(s);
    return 0;
}

static void test_order(void **state)
{
    setting *s = *state;
    char folder[512], path[512];
    const cj_data_set *names = cj_data_set_find("names");
    expect_status(cj_data_set_locate(names, folder, sizeof folder), CJ_NOT_FOUND);
    expect_message("($CAJAL_DATA)");
    expect_message("/cajal or /usr/share/datasets; `cajal data get names` fetches it");
    cj_test_write_file(cj_test_path(s->folder, "cajal/text/names.txt"), "emma\n", 5);
    expect_ok(cj_data_set_locate(names, folder, sizeof folder));
    assert_string_equal(folder, cj_test_path(s->folder, "cajal"));
    cj_test_write_file(cj_test_path(s->folder, "data/text/names.txt.gz"), "emma\n", 5);
    expect_ok(cj_data_set_locate(names, folder, sizeof folder));
    assert_string_equal(folder, cj_test_path(s->folder, "data"));
    expect_ok(cj_data_file_locate(folder, cj_data_set_file(names, 0), path, sizeof path));
    assert_string_equal(path, cj_test_path(s->folder, "data/text/names.txt.gz"));
    expect_ok(cj_data_find("text/names.txt", path, sizeof path));
    assert_string_equal(path, cj_test_path(s->folder, "data/text/names.txt.gz"));
    expect_status(cj_data_set_locate(names, folder, 3), CJ_INVALID_ARGUMENT);
}

/* Half of a set is none; the other half elsewhere does not help. */
static void test_all_of_it(void **state)
{
    setting *s = *state;
    char folder[512];
    assert_int_equal(mkdir(cj_test_path(s->folder, "data/sst2"), 0700), 0);
    assert_int_equal(mkdir(cj_test_path(s->folder, "cajal/sst2"), 0700), 0);
    cj_test_write_file(cj_test_path(s->folder, "data/sst2/train.tsv"), "x", 1);
    cj_test_write_file(cj_test_path(s->folder, "data/sst2/dev.tsv"), "x", 1);
    cj_test_write_file(cj_test_path(s->folder, "cajal/sst2/test.tsv"), "x", 1);
    expect_status(cj_data_set_locate(cj_data_set_find("sst2"), folder, sizeof folder), CJ_NOT_FOUND);
    cj_test_write_file(cj_test_path(s->folder, "data/sst2/test.tsv"), "x", 1);
    expect_ok(cj_data_set_locate(cj_data_set_find("sst2"), folder, sizeof folder));
}

static void test_no_places(void **state)
{
    char folder[CJ__PATH];
    (void)state;
    setenv("HOME", "/home/somebody", 1);
    unsetenv("XDG_CACHE_HOME");
    expect_ok(cj_data_cache(folder, sizeof folder));
    assert_string_equal(folder, "/home/somebody/.cache/cajal");
    setenv("HOME", "", 1);
    unsetenv("CAJAL_DATA");
    expect_status(cj_data_cache(folder, sizeof folder), CJ_NOT_FOUND);
    expect_status(cj_data_set_locate(cj_data_set_find("fashion-mnist"), folder, 0),
                  access("/usr/share/datasets/fashion-mnist", R_OK) ? CJ_NOT_FOUND : CJ_INVALID_ARGUMENT);
    expect_status(cj_data_find("nothing.csv", folder, sizeof folder), CJ_NOT_FOUND);
    expect_message("$CAJAL_DATA (not set), ~/.cache/cajal (HOME is not set) or /usr/share/datasets");
    char long_name[2000];
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    setenv("CAJAL_DATA", long_name, 1);
    assert_false(cj__place(0, folder));
    expect_status(cj_data_find(long_name, folder, sizeof folder), CJ_NOT_FOUND);
}

/* --- checksums ----------------------------------------------------------------------------------------- */

static const char of_abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void make_tree(const setting *s)
{
    const char *const folders[] = {"tree", "tree/a", "tree/empty"};
    for (int i = 0; i < 3; i++) assert_int_equal(mkdir(cj_test_path(s->folder, folders[i]), 0700), 0);
    cj_test_write_file(cj_test_path(s->folder, "tree/a/b"), "abc", 3);
    cj_test_write_file(cj_test_path(s->folder, "tree/a.c"), "", 0); /* '.' stands before '/' */
    cj_test_write_file(cj_test_path(s->folder, "tree/z"), "abc", 3);
    assert_int_equal(symlink(".", cj_test_path(s->folder, "tree/round")), 0);
}

/* By coreutils, as the header has it. */
static void test_folder(void **state)
{
    setting *s = *state;
    char digest[65], command[1024];
    make_tree(s);
    snprintf(command, sizeof command,
             "cd %s/tree && find . -type f | sed 's,^..,,' | LC_ALL=C sort | xargs sha256sum | sha256sum",
             s->folder);
    cj_test_result r = cj_test_run((const char *const[]){"sh", "-c", command, NULL}, NULL);
    expect_ok(cj_data_digest(cj_test_path(s->folder, "tree"), digest));
    assert_memory_equal(r.output, digest, 64);
    cj_test_result_free(&r);
    cj_test_write_file(cj_test_path(s->folder, "tree/z"), "abd", 3);
    char other[65];
    expect_ok(cj_data_digest(cj_test_path(s->folder, "tree"), other));
    assert_string_not_equal(digest, other);
    expect_ok(cj_data_digest(cj_test_path(s->folder, "tree/empty"), other));
    assert_string_equal(other, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_file(void **state)
{
    setting *s = *state;
    char digest[65];
    const cj_data_file right = {"x", of_abc}, wrong = {"x", "00"}, unknown = {"x", ""};
    const char *path = cj_test_path(s->folder, "abc");
    cj_test_write_file(path, "abc", 3);
    expect_ok(cj_file_sha256(path, digest));
    assert_string_equal(digest, of_abc);
    expect_ok(cj_data_check(path, &right, digest));
    expect_ok(cj_data_check(path, &unknown, digest));
    assert_string_equal(digest, of_abc);
    expect_status(cj_data_check(path, &wrong, digest), CJ_FORMAT_ERROR);
    expect_message("found contents with SHA-256 ba7816bf");
    expect_status(cj_data_digest(cj_test_path(s->folder, "none"), digest), CJ_NOT_FOUND);
    expect_status(cj_file_sha256(cj_test_path(s->folder, "none"), digest), CJ_NOT_FOUND);
    expect_status(cj_file_sha256(s->folder, digest), CJ_IO_ERROR);
}

/* Compressed: the contents have the checksum, and a file cut short has none. */
static void test_compressed(void **state)
{
    setting *s = *state;
    char digest[65];
    const unsigned char abc[] = {0x1f, 0x8b, 8, 0,    0,    0,    0,    0, 0, 3, 0x4b, 0x4c,
                                 0x4a, 0x06, 0, 0xc2, 0x41, 0x24, 0x35, 3, 0, 0, 0};
    const char *path = cj_test_path(s->folder, "abc.gz");
    cj_test_write_file(path, abc, sizeof abc);
    cj_status status = cj_data_digest(path, digest);
#ifdef CJ_HAVE_ZLIB
    expect_ok(status);
    assert_string_equal(digest, of_abc);
    cj_test_write_file(path, abc, sizeof abc - 6);
    expect_status(cj_data_digest(path, digest), CJ_FORMAT_ERROR);
#else
    expect_status(status, CJ_UNSUPPORTED);
#endif
}

static cj_status digest_tree(void *folder)
{
    char digest[65];
    return cj_data_digest(folder, digest);
}

static cj_status digest_file(void *path)
{
    char digest[65];
    return cj_data_digest(path, digest);
}

/* The sentence is made of memory too. */
static cj_status look_for_nothing(void *unused)
{
    char path[512];
    (void)unused;
    cj_status status = cj_data_find("text/names.txt", path, sizeof path);
    return status == CJ_NOT_FOUND ? CJ_OK : status;
}

static void test_memory(void **state)
{
    setting *s = *state;
    char tree[512], file[512];
    make_tree(s);
    snprintf(tree, sizeof tree, "%s/tree", s->folder);
    snprintf(file, sizeof file, "%s/tree/z", s->folder);
    cj_test_allocator_install();
    cj_test_every_allocation_fails(digest_tree, tree);
    cj_test_every_allocation_fails(digest_file, file);
    cj_test_every_allocation_fails(look_for_nothing, NULL);
    cj_test_allocator_remove();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_files),
        TEST(test_order),
        TEST(test_all_of_it),
        TEST(test_no_places),
        TEST(test_folder),
        TEST(test_file),
        TEST(test_compressed),
        TEST(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
