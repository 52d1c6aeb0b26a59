/* No surprises in memory: the first run of a program takes exactly the bytes that were planned, and later
 * runs ask neither the library's allocator nor the C library's for anything. Seen on training steps, and on
 * every op with its gradients on each instruction set. And large blocks ask for huge pages. */
#include "support.h"

#include "base/memory.h"
#include "cajal/cajal.h"
#include "cpu/isa.h"
#include "graph/graph.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

/* Sanitizers bring an allocator of their own. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(SANITIZED) || !defined(__GLIBC__)
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
    return *block ? 0 : ENOMEM;
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
    calls++;
    return __libc_memalign(alignment, size);
}

void *reallocarray(void *block, size_t count, size_t size)
{
    calls++;
    return size && count > SIZE_MAX / size ? NULL : __libc_realloc(block, count * size);
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

/* --- every op ------------------------------------------------------------------------------------------ */

enum { MOST_INPUTS = 10, MOST_OUTPUTS = 8 };

/* An op as its samples want it, with the gradients of the sum of its first output where it has any. */
typedef struct {
    cj_program *program;
    cj_run_options run;
} case_of_op;

static void draw_gradients(cj_graph *g, cj_value y, int count, const cj_value *inputs)
{
    cj_value x[MOST_INPUTS], gradients[MOST_INPUTS];
    int wanted = 0;
    for (int i = 0; i < count; i++)
        if (cj_value_dtype(inputs[i]) == CJ_F32) x[wanted++] = inputs[i];
    if (wanted == 0 || cj_value_dtype(y) != CJ_F32) return;
    cj_gradients(cj_sum(cj_square(y), CJ_ALL_AXES, CJ_DROP_AXES), wanted, x, gradients);
    for (int i = 0; i < wanted; i++) cj_output(g, "gradient", gradients[i]);
}

/* What goes in is zeros, or for floats ones: all ops take that. */
static void *filled(const cj_tensor *t)
{
    char *data = calloc(1, cj_tensor_bytes(t) + 1);
    assert_non_null(data);
    for (int64_t i = 0; t->dtype == CJ_F32 && i < cj_shape_count(t->shape); i++)
        ((float *)(void *)data)[i] = 0.75F;
    return data;
}

static void begin_case(case_of_op *c, int op, const cj__sample *sample)
{
    cj_graph *g;
    cj_value inputs[MOST_INPUTS];
    expect_ok((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options), .mode = CJ_TRAINING}));
    for (int i = 0; i < sample->inputs_count; i++)
        inputs[i] = (cj_input)(g, "x", sample->inputs[i].dtype, sample->inputs[i].shape);
    cj_value y = cj__draw(g, (cj__op)op, sample->attributes, sample->inputs_count, inputs);
    for (int i = 0; cj_value_ok(y) && i < cj__node_of(y)->outputs_count && i < MOST_OUTPUTS; i++)
        cj_output(g, "y", cj__output_of(y, i));
    if (cj_value_ok(y)) draw_gradients(g, y, sample->inputs_count, inputs);
    expect_ok(cj_compile(&c->program, g));
    cj_graph_free(g);
    c->run = (cj_run_options){.size = sizeof c->run, .program = c->program};
    for (int i = 0; i < sample->inputs_count; i++) {
        c->run.inputs[i] = (cj_tensor){.dtype = sample->inputs[i].dtype, .shape = sample->inputs[i].shape};
        c->run.inputs[i].data = filled(&c->run.inputs[i]);
    }
    cj_tensor first = cj_program_output(c->program, 0);
    c->run.outputs[0] = calloc(1, cj_tensor_bytes(&first) + 1);
}

static void end_case(case_of_op *c)
{
    for (int i = 0; i < MOST_INPUTS; i++) free(c->run.inputs[i].data);
    free(c->run.outputs[0]);
    cj_program_free(c->program);
}

static int64_t cases;

static void check_sample(void *context, const cj__sample *sample)
{
    const int *op = context;
    const char *name = cj__ops[*op].name;
    case_of_op c;
    begin_case(&c, *op, sample);
    size_t planned = cj_program_describe(c.program).run_bytes;
    cj_memory_reset_peak();
    cj_memory_counts before = cj_memory();
    expect_ok((cj_program_run)(&c.run));
    cj_memory_counts after = cj_memory();
    if (after.peak_bytes - before.live_bytes != planned)
        fail_msg("%s: the first run took %llu bytes, %zu were planned", name,
                 (unsigned long long)(after.peak_bytes - before.live_bytes), planned);
    long asked = calls;
    for (int i = 0; i < 3; i++) expect_ok((cj_program_run)(&c.run));
    if (calls != asked || cj_memory().allocations != after.allocations)
        fail_msg("%s: later runs asked the C library %ld times and the hook %lld times for memory", name,
                 calls - asked, (long long)(cj_memory().allocations - after.allocations));
    end_case(&c);
    cases++;
}

/* Where a sanitizer owns malloc, the hook alone is watched. */
static void test_every_op(void **state)
{
    (void)state;
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++) {
        if (!cj__isa_available((cj__isa)isa)) continue;
        setenv("CAJAL_ISA", cj__isa_name((cj__isa)isa), 1);
        for (int op = 0; op < CJ__OP_COUNT; op++)
            if (cj__ops[op].samples) cj__ops[op].samples(&(cj__samples){check_sample, &op});
    }
    unsetenv("CAJAL_ISA");
    print_message("%lld programs\n", (long long)cases);
    assert_true(cases > 400);
}

/* Whether the pages at `address` are to be huge ones: "hg" among the flags of its part of the address space.
 */
static bool asked_for_huge_pages(const void *address)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    char line[512];
    bool here = false, asked = false;
    while (file && fgets(line, sizeof line, file)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            here = start <= (uintptr_t)address && (uintptr_t)address < end;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            asked = strstr(line, " hg") != NULL;
    }
    if (file) fclose(file);
    return asked;
}

static void test_large_blocks_ask_for_huge_pages(void **state)
{
    (void)state;
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0)
        skip_because("this system has no transparent huge pages");
    char *large = cj__allocate(16 << 20), *small = cj__allocate(1 << 20);
    assert_true(asked_for_huge_pages(large + (8 << 20)));
    assert_false(asked_for_huge_pages(small));
    cj__free(large);
    cj__free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_planned_peak),
                                       cmocka_unit_test(test_no_allocation), cmocka_unit_test(test_every_op),
                                       cmocka_unit_test(test_large_blocks_ask_for_huge_pages)};
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
