/* The helpers of support.h: outside the library and above it, so they may print, assert and fork. */
#include "support.h"

#include "cajal/cajal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

void cj_test_expect_status(cj_status status, cj_status wanted, const char *call, const char *file, int line)
{
    if (status == wanted) return;
    print_error("%s\n  gave \"%s\", expected \"%s\"\n  %s\n", call, cj_status_name(status),
                cj_status_name(wanted), status == CJ_OK ? "" : cj_error_message());
    _fail(file, line);
}

void cj_test_expect_message(const char *text, const char *file, int line)
{
    if (strstr(cj_error_message(), text)) return;
    print_error("the error message is\n  %s\nand lacks\n  %s\n", cj_error_message(), text);
    _fail(file, line);
}

bool cj_test_has_library(const char *name)
{
    cj_library library;
    for (int64_t i = 0; cj_library_at(i, &library); i++)
        if (strcmp(library.name, name) == 0 && !library.version) return false;
    return true;
}

/* ---- the failing allocator ---- */

static _Atomic uint64_t requests, live_blocks, failures, fail_at;
static atomic_bool fail_onwards;
static bool installed;

static bool must_fail(void)
{
    uint64_t number = atomic_fetch_add(&requests, 1) + 1;
    uint64_t target = atomic_load(&fail_at);
    return target && (number == target || (number > target && atomic_load(&fail_onwards)));
}

static void *counting_reallocate(void *context, void *pointer, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size == 0) {
        if (pointer) atomic_fetch_sub(&live_blocks, 1);
        free(pointer);
        return NULL;
    }
    if (must_fail()) {
        atomic_fetch_add(&failures, 1);
        return NULL;
    }
    void *block = realloc(pointer, new_size);
    if (block && !pointer) atomic_fetch_add(&live_blocks, 1);
    return block;
}

static void arm(uint64_t n, bool onwards)
{
    atomic_store(&requests, 0);
    atomic_store(&failures, 0);
    atomic_store(&fail_at, n);
    atomic_store(&fail_onwards, onwards);
}

void cj_test_allocator_install(void)
{
    arm(0, false);
    atomic_store(&live_blocks, 0);
    installed = true;
    cj_set_allocator(&(cj_allocator){counting_reallocate, NULL});
}

void cj_test_allocator_remove(void)
{
    arm(0, false);
    installed = false;
    cj_set_allocator(NULL);
}

void cj_test_fail_allocation(uint64_t n)
{
    arm(n, false);
}

void cj_test_fail_allocations_from(uint64_t n)
{
    arm(n, true);
}

cj_test_allocations cj_test_allocator_counts(void)
{
    return (cj_test_allocations){requests, live_blocks, failures};
}

/* A path of failure is one thread's: the thread sanitizer, many times slower, sees some of them. */
#ifdef __SANITIZE_THREAD__
enum { EVERY = 8 };
#else
enum { EVERY = 1 };
#endif

static void fail_one_by_one(cj_status (*scenario)(void *context), void *context)
{
    cj_test_fail_allocation(0);
    uint64_t before = cj_test_allocator_counts().live_blocks;
    expect_ok(scenario(context));
    assert_int_equal(cj_test_allocator_counts().live_blocks, before);
    uint64_t total = cj_test_allocator_counts().allocations;
    assert_true(total > 0);
    for (uint64_t n = 1; n <= total; n += EVERY) {
        cj_test_fail_allocation(n);
        cj_status status = scenario(context);
        cj_test_allocations counts = cj_test_allocator_counts();
        cj_test_fail_allocation(0);
        if (status != CJ_OUT_OF_MEMORY || counts.live_blocks != before)
            fail_msg("allocation %llu of %llu failing: status \"%s\" (%s), %lld blocks leaked",
                     (unsigned long long)n, (unsigned long long)total, cj_status_name(status),
                     cj_error_message(), (long long)(counts.live_blocks - before));
    }
}

void cj_test_every_allocation_fails(cj_status (*scenario)(void *context), void *context)
{
    bool counted = installed;
    if (!counted) cj_test_allocator_install();
    fail_one_by_one(scenario, context);
    if (!counted) cj_test_allocator_remove();
}

cj_status cj_test_read_and_load(void *options)
{
    cj_dataset *d = NULL;
    cj_loader *l = NULL;
    cj_batch batch;
    cj_status status = cj_dataset_read_text(&d, options);
    if (status == CJ_OK) status = cj_loader_new(&l, d, .batch_size = 2, .prefetch = -1);
    if (status == CJ_OK && !cj_loader_next(l, &batch)) status = cj_loader_status(l);
    cj_loader_free(l);
    cj_dataset_free(d);
    return status;
}

/* ---- networks and batches ---- */

void cj_test_expect_drawing_error(cj_value (*draw)(cj_scope s, cj_value x), cj_dtype dtype, cj_shape_t shape,
                                  const char *message)
{
    cj_model *model;
    cj_graph *graph;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&graph, model));
    draw(cj_root(graph), cj_input(graph, "x", dtype, shape));
    assert_true(cj_graph_status(graph) != CJ_OK);
    expect_message(message);
    cj_graph_free(graph);
    cj_model_free(model);
}

void cj_test_expect_same_batch(const cj_batch *a, const cj_batch *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->x.data, b->x.data, cj_tensor_bytes(&a->x));
    assert_memory_equal(a->y.data, b->y.data, cj_tensor_bytes(&a->y));
}

/* ---- files ---- */

char *cj_test_new_folder(void)
{
    const char *parent = getenv("TMPDIR");
    char *folder = NULL;
    if (asprintf(&folder, "%s/cajal-test-XXXXXX", parent && *parent ? parent : "/tmp") < 0) abort();
    if (!mkdtemp(folder)) fail_msg("mkdtemp %s: %s", folder, strerror(errno));
    return folder;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)status;
    (void)type;
    (void)position;
    return remove(path);
}

void cj_test_remove_folder(char *folder)
{
    if (folder) nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

char *cj_test_folder;

int cj_test_make_folder(void **state)
{
    (void)state;
    cj_test_folder = cj_test_new_folder();
    return 0;
}

int cj_test_drop_folder(void **state)
{
    (void)state;
    cj_test_remove_folder(cj_test_folder);
    return 0;
}

const char *cj_test_path(const char *folder, const char *name)
{
    static char paths[8][4096];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void cj_test_write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file) fail_msg("%s: %s", path, strerror(errno));
    size_t written = fwrite(data, 1, size, file);
    if (fclose(file) != 0 || written != size) fail_msg("%s: %s", path, strerror(errno));
}

/* Reads to the end, growing; the result ends with a zero that `size` does not count. */
static char *read_all(FILE *file, size_t *size)
{
    size_t used = 0, room = 4096;
    char *text = malloc(room);
    for (;;) {
        if (!text) abort();
        used += fread(text + used, 1, room - used - 1, file);
        if (used + 1 < room) break;
        text = realloc(text, room *= 2);
    }
    text[used] = 0;
    if (size) *size = used;
    return text;
}

char *cj_test_read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s: %s", path, strerror(errno));
    char *text = read_all(file, size);
    fclose(file);
    return text;
}

const char *cj_test_data(const char *name)
{
    const char *root = getenv("CAJAL_DATA");
    if (!root || !*root) return NULL;
    const char *path = cj_test_path(root, name);
    return access(path, R_OK) == 0 ? path : NULL;
}

/* ---- programs ---- */

/* An unnamed file: unlike a pipe it takes any amount of output without a reader. */
static FILE *scratch(const char *contents)
{
    FILE *file = tmpfile();
    if (!file) fail_msg("tmpfile: %s", strerror(errno));
    if (contents) fputs(contents, file);
    rewind(file);
    return file;
}

static pid_t start(const char *const arguments[], FILE *input, FILE *output, FILE *errors)
{
    fflush(NULL);
    pid_t child = fork();
    if (child != 0) return child;
    dup2(fileno(input), STDIN_FILENO);
    dup2(fileno(output), STDOUT_FILENO);
    dup2(fileno(errors), STDERR_FILENO);
    execvp(arguments[0], (char *const *)(uintptr_t)arguments);
    fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

cj_test_result cj_test_run(const char *const arguments[], const char *input)
{
    FILE *in = input ? scratch(input) : fopen("/dev/null", "r"), *out = scratch(NULL), *err = scratch(NULL);
    int ending = 0;
    pid_t child = start(arguments, in, out, err);
    if (child < 0 || waitpid(child, &ending, 0) < 0) fail_msg("%s: %s", arguments[0], strerror(errno));
    rewind(out);
    rewind(err);
    cj_test_result result = {
        .output = read_all(out, NULL),
        .errors = read_all(err, NULL),
        .exit_code = WIFEXITED(ending) ? WEXITSTATUS(ending) : -1,
        .signal = WIFSIGNALED(ending) ? WTERMSIG(ending) : 0,
    };
    fclose(in);
    fclose(out);
    fclose(err);
    return result;
}

void cj_test_result_free(cj_test_result *result)
{
    free(result->output);
    free(result->errors);
    *result = (cj_test_result){0};
}
