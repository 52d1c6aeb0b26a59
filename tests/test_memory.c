/* No surprises in memory: the first run of a program takes exactly the bytes that were planned, and later
 * runs ask neither the library's allocator nor the C library's for anything. */
#include "support.h"

#include "cajal/cajal.h"

#include <stdatomic.h>

/* Sanitizers bring an allocator of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
enum { INTERPOSED = 0 };
static _Atomic long calls;
#else
enum { INTERPOSED = 1 };
static _Atomic long calls;
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

void *malloc(size_t size)
{
    calls++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    calls++;
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    calls++;
    return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    calls++;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    calls++;
    *block = __libc_memalign(alignment, size);
    return *block ? 0 : 12;
}

void free(void *block)
{
    if (block) calls++;
    __libc_free(block);
}
#endif

enum { ROWS = 64, COLUMNS = 200 };

typedef struct {
    cj_model *model;
    cj_program *program;
} training;

/* Products with chains, reductions, dropout, Adam: a step of what there is. */
static void begin(training *t, cj_mode mode)
{
    cj_graph *g;
    expect_ok(cj_model_new(&t->model, .seed = 2));
    expect_ok(cj_graph_new(&g, t->model, .mode = mode));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(ROWS, COLUMNS)),
             y = cj_input(g, "y", CJ_I32, cj_shape(ROWS));
    x = cj_relu(cj_dense(cj_at(cj_root(g), "a"), x, .units = 130));
    x = (cj_dropout)(cj_at(cj_root(g), "d"), x, 0.3);
    x = cj_layer_norm(cj_at(cj_root(g), "n"), x);
    cj_value loss = cj_cross_entropy(cj_dense(cj_at(cj_root(g), "b"), x, .units = 10), y);
    if (mode == CJ_TRAINING)
        cj_minimize(loss, cj_adam(.learning_rate = 1e-3, .clip_norm = 1, .ema_decay = 0.9));
    cj_output(g, "loss", loss);
    expect_ok(cj_compile(&t->program, g));
    cj_graph_free(g);
}

static void run(const training *t)
{
    static float x[ROWS * COLUMNS] = {1, 2, 3};
    static int32_t y[ROWS] = {1, 2, 3};
    float loss;
    expect_ok(cj_program_run(t->program,
                             .inputs = {{x, CJ_F32, cj_shape(ROWS, COLUMNS)}, {y, CJ_I32, cj_shape(ROWS)}},
                             .outputs = {&loss}));
}

static void end(training *t)
{
    cj_program_free(t->program);
    cj_model_free(t->model);
}

static void test_planned_peak(void **state)
{
    (void)state;
    const int threads[] = {1, 2, 5};
    for (int i = 0; i < 6; i++) {
        training t;
        expect_ok(cj_set_threads(threads[i % 3]));
        begin(&t, i < 3 ? CJ_TRAINING : CJ_INFERENCE);
        size_t planned = cj_program_describe(t.program).run_bytes;
        cj_memory_reset_peak();
        cj_memory_counts before = cj_memory();
        run(&t);
        cj_memory_counts after = cj_memory();
        assert_int_equal(after.peak_bytes - before.live_bytes, planned);
        run(&t);
        assert_int_equal(cj_memory().peak_bytes, after.peak_bytes);
        assert_int_equal(cj_memory().live_bytes, after.live_bytes);
        end(&t);
    }
    expect_ok(cj_set_threads(2));
}

static void test_no_allocation(void **state)
{
    (void)state;
    if (!INTERPOSED) skip_because("the sanitizer has an allocator of its own");
    training t;
    begin(&t, CJ_TRAINING);
    long before = calls;
    run(&t);
    assert_true(calls > before); /* the counter counts */
    before = calls;
    uint64_t hook = cj_memory().allocations;
    for (int i = 0; i < 50; i++) run(&t);
    assert_int_equal(calls, before);
    assert_int_equal(cj_memory().allocations, hook);
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_planned_peak),
                                       cmocka_unit_test(test_no_allocation)};
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
