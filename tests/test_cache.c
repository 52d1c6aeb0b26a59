/* A cache of programs: the bits are those of compiling by hand, what was met is found again without an
 * allocation, what was used longest ago goes when room lacks, and what could not be drawn is not kept. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 12, CLASSES = 3, MOST_ROWS = 64 };

static float pixels[MOST_ROWS * WIDTH];
static int32_t labels[MOST_ROWS];

static void make_data(void)
{
    for (int i = 0; i < MOST_ROWS * WIDTH; i++) pixels[i] = (float)(i * 7919 % 101) / 50 - 1;
    for (int i = 0; i < MOST_ROWS; i++) labels[i] = i * 31 % CLASSES;
}

static cj_tensor x_of(int64_t rows)
{
    return (cj_tensor){pixels, CJ_F32, cj_shape(rows, WIDTH)};
}

static cj_tensor y_of(int64_t rows)
{
    return (cj_tensor){labels, CJ_I32, cj_shape(rows)};
}

/* Dropout and Adam: state of the model that every program shares. */
static void step(cj_graph *g, const cj_tensor *inputs, void *context)
{
    (void)context;
    assert_null(inputs[0].data);
    cj_value x = cj_input(g, "x", CJ_F32, inputs[0].shape), y = cj_input(g, "y", CJ_I32, inputs[1].shape);
    x = cj_relu(cj_dense(cj_at(cj_root(g), "a"), x, .units = 20));
    x = (cj_dropout)(cj_at(cj_root(g), "d"), x, 0.2);
    cj_value loss = cj_cross_entropy(cj_dense(cj_at(cj_root(g), "b"), x, .units = CLASSES), y);
    cj_minimize(loss, cj_adam(.learning_rate = 0.01));
    cj_output(g, "loss", loss);
}

static cj_status compile_step(cj_program **program, cj_model *model, int64_t rows)
{
    cj_graph *g;
    *program = NULL;
    cj_status status = cj_graph_new(&g, model, .mode = CJ_TRAINING);
    if (status != CJ_OK) return status;
    cj_tensor inputs[2] = {{NULL, CJ_F32, cj_shape(rows, WIDTH)}, {NULL, CJ_I32, cj_shape(rows)}};
    step(g, inputs, NULL);
    status = cj_compile(program, g);
    cj_graph_free(g);
    return status;
}

enum { BATCHES = 6 };
static const int64_t rows_of[BATCHES] = {32, 32, 20, 32, 32, 20}; /* two epochs, the last batch uneven */

static void test_same_bits(void **state)
{
    (void)state;
    cj_model *models[2];
    cj_program_cache *cache;
    cj_program *full, *rest;
    char digests[2][65];
    for (int i = 0; i < 2; i++) expect_ok(cj_model_new(&models[i], .seed = 3));
    expect_ok(cj_program_cache_new(&cache, step, .model = models[0], .mode = CJ_TRAINING));
    expect_ok(compile_step(&full, models[1], 32));
    expect_ok(compile_step(&rest, models[1], 20));
    for (int b = 0; b < BATCHES; b++) {
        float cached = 0, by_hand = 1;
        int64_t n = rows_of[b];
        expect_ok(cj_program_cache_run(cache, .inputs = {x_of(n), y_of(n)}, .outputs = {&cached}));
        expect_ok(cj_program_run(n == 32 ? full : rest, .inputs = {x_of(n), y_of(n)}, .outputs = {&by_hand}));
        assert_memory_equal(&cached, &by_hand, sizeof cached);
    }
    for (int i = 0; i < 2; i++) cj_model_digest(models[i], digests[i]);
    assert_string_equal(digests[0], digests[1]);
    cj_program_cache_facts facts = cj_program_cache_describe(cache);
    assert_true(facts.programs == 2 && facts.misses == 2 && facts.hits == 4 && facts.dropped == 0);
    cj_program_cache_free(cache);
    cj_program_free(full);
    cj_program_free(rest);
    for (int i = 0; i < 2; i++) cj_model_free(models[i]);
}

/* y = scale · x, with room in between that grows with x. */
static void scaled(cj_graph *g, const cj_tensor *inputs, void *context)
{
    cj_value x = cj_input(g, "x", inputs[0].dtype, inputs[0].shape);
    cj_value sorted = cj_sort(x, 0, CJ_DESCENDING).values;
    cj_output(g, "y", cj_scale(sorted, *(const double *)context));
}

static void run_scaled(cj_program_cache *cache, int64_t count)
{
    float x[300], y[300];
    for (int64_t i = 0; i < count; i++) x[i] = (float)i;
    expect_ok(cj_program_cache_run(cache, .inputs = {{x, CJ_F32, cj_shape(count)}}, .outputs = {y}));
    for (int64_t i = 0; i < count; i++) assert_true(y[i] == 2 * (float)(count - 1 - i));
}

static double two = 2;

/* After the first run there is nothing left to allocate, and every byte is in the count. */
static void test_memory(void **state)
{
    (void)state;
    cj_program_cache *cache;
    uint64_t before = cj_memory().live_bytes;
    expect_ok(cj_program_cache_new(&cache, scaled, .context = &two));
    run_scaled(cache, 300);
    run_scaled(cache, 7);
    run_scaled(cache, 250);
    assert_int_equal(cj_memory().live_bytes - before, cj_program_cache_describe(cache).bytes);
    uint64_t allocations = cj_memory().allocations;
    for (int i = 0; i < 5; i++) {
        run_scaled(cache, 250);
        run_scaled(cache, 300);
        run_scaled(cache, 7);
    }
    assert_int_equal(cj_memory().allocations, allocations);
    cj_program_cache_free(cache);
    assert_int_equal(cj_memory().live_bytes, before);
}

/* Another rank, other dimensions, another element type: another program. */
static void test_keys(void **state)
{
    (void)state;
    static const char zeros[256];
    void *data = (void *)(uintptr_t)zeros;
    const cj_tensor inputs[] = {{data, CJ_F32, cj_shape(8)},    {data, CJ_F64, cj_shape(8)},
                                {data, CJ_F32, cj_shape(4, 2)}, {data, CJ_F32, cj_shape(2, 4)},
                                {data, CJ_F32, cj_shape(8, 1)}, {NULL, CJ_F32, cj_shape(0)}};
    enum { KINDS = sizeof inputs / sizeof *inputs };
    cj_program_cache *cache;
    cj_program *programs[KINDS], *again;
    expect_ok(cj_program_cache_new(&cache, scaled, .context = &two));
    for (int i = 0; i < KINDS; i++) {
        expect_ok(cj_program_cache_find(cache, &inputs[i], 1, &programs[i]));
        cj_tensor output = cj_program_output(programs[i], 0);
        assert_true(output.dtype == inputs[i].dtype && cj_shape_equal(output.shape, inputs[i].shape));
        assert_null(output.data);
    }
    assert_int_equal(cj_program_cache_describe(cache).misses, KINDS);
    for (int i = 0; i < KINDS; i++) {
        expect_ok(cj_program_cache_run(cache, .inputs = {inputs[i]}));
        expect_ok(cj_program_cache_find(cache, &inputs[i], 1, &again));
        assert_ptr_equal(again, programs[i]);
    }
    assert_int_equal(cj_program_cache_describe(cache).hits, 2 * KINDS);
    expect_status(cj_program_cache_find(cache, inputs, CJ_MAX_BINDINGS + 1, &again), CJ_UNSUPPORTED);
    cj_program_cache_free(cache);
}

/* A view's output has the view's shape, not that of the memory it lies in. */
static void test_views(void **state)
{
    (void)state;
    cj_graph *graph;
    cj_program *program;
    expect_ok(cj_graph_new(&graph, NULL));
    cj_value x = cj_input(graph, "x", CJ_F32, cj_shape(2, 3));
    cj_output(graph, "y", cj_reshape(cj_exp(x), cj_shape(3, 1, 2)));
    cj_output(graph, "x", cj_reshape(x, cj_shape(6)));
    expect_ok(cj_compile(&program, graph));
    assert_true(cj_shape_equal(cj_program_output(program, 0).shape, cj_shape(3, 1, 2)));
    assert_true(cj_shape_equal(cj_program_output(program, 1).shape, cj_shape(6)));
    cj_program_free(program);
    cj_graph_free(graph);
}

static bool hits(cj_program_cache *cache, int64_t count)
{
    int64_t before = cj_program_cache_describe(cache).hits;
    run_scaled(cache, count);
    return cj_program_cache_describe(cache).hits > before;
}

static void test_dropping(void **state)
{
    (void)state;
    cj_program_cache *cache;
    expect_ok(cj_program_cache_new(&cache, scaled, .context = &two));
    run_scaled(cache, 100);
    run_scaled(cache, 101);
    size_t room = cj_program_cache_describe(cache).bytes + 1024;
    cj_program_cache_free(cache);

    expect_ok(cj_program_cache_new(&cache, scaled, .context = &two, .limit_bytes = room));
    assert_false(hits(cache, 100));
    assert_false(hits(cache, 101));
    assert_true(hits(cache, 100)); /* so 101 is the one used longest ago */
    assert_false(hits(cache, 102));
    assert_true(cj_program_cache_describe(cache).dropped == 1);
    assert_true(hits(cache, 100));
    assert_false(hits(cache, 101));
    assert_false(hits(cache, 102));
    cj_program_cache_facts facts = cj_program_cache_describe(cache);
    assert_true(facts.programs == 2 && facts.dropped == 3 && facts.misses == 5);
    assert_true(facts.bytes <= room);
    cj_program_cache_free(cache);

    /* The one at hand stays, however small the limit. */
    uint64_t live = cj_memory().live_bytes;
    expect_ok(cj_program_cache_new(&cache, scaled, .context = &two, .limit_bytes = 1));
    for (int64_t n = 300; n > 290; n--) {
        assert_false(hits(cache, n));
        assert_true(hits(cache, n));
        assert_int_equal(cj_program_cache_describe(cache).programs, 1);
        assert_int_equal(cj_memory().live_bytes - live, cj_program_cache_describe(cache).bytes);
    }
    cj_program_cache_free(cache);
}

/* --- what is refused ----------------------------------------------------------------------------------- */

/* 0: as it should be. */
static void mistaken(cj_graph *g, const cj_tensor *inputs, void *context)
{
    int mistake = *(const int *)context;
    cj_shape_t shape = mistake == 1 ? cj_shape(9) : inputs[0].shape;
    cj_value x = mistake == 2 ? cj_constant(g, CJ_F32, 1) : cj_input(g, "x", inputs[0].dtype, shape);
    if (mistake == 3) x = cj_matmul(x, cj_input(g, "z", CJ_F32, cj_shape(2, 2)));
    if (mistake == 4) x = cj_add(x, cj_input(g, "z", CJ_F32, cj_shape(3)));
    cj_output(g, "y", x);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        cj_status status;
        const char *sentence;
    } wanted[] = {
        {CJ_OK, ""},
        {CJ_SHAPE_ERROR, "input 0 of the program is f32 [3], but was drawn as f32 [9]"},
        {CJ_INVALID_ARGUMENT, "the cache's drawing has 0 inputs, but 1 were given"},
        {CJ_SHAPE_ERROR, "test_cache.c:"},
        {CJ_INVALID_ARGUMENT, "the cache's drawing has 2 inputs, but 1 were given"},
    };
    float x[3] = {1, 2, 3}, y[3] = {0};
    int mistake;
    cj_program_cache *cache;
    expect_ok(cj_program_cache_new(&cache, mistaken, .context = &mistake));
    for (mistake = 4; mistake >= 0; mistake--) {
        cj_status status = cj_program_cache_run(cache, .inputs = {{x, CJ_F32, cj_shape(3)}}, .outputs = {y});
        expect_status(status, wanted[mistake].status);
        if (status != CJ_OK) expect_message(wanted[mistake].sentence);
        assert_int_equal(cj_program_cache_describe(cache).programs, mistake == 0);
    }
    assert_memory_equal(x, y, sizeof x);
    assert_int_equal(cj_program_cache_describe(cache).misses, 1);
    cj_program_cache_free(cache);
    expect_status(cj_program_cache_new(&cache, NULL), CJ_INVALID_ARGUMENT);
    expect_message("needs a function that draws");
    cj_program_cache_free(cache);
}

/* A bad step through the cache is as bad as any: nothing changes, and the sentence says why. */
static void test_bad_step(void **state)
{
    (void)state;
    cj_model *model;
    cj_program_cache *cache;
    float kept = pixels[5];
    char digests[2][65];
    expect_ok(cj_model_new(&model, .seed = 3));
    expect_ok(cj_program_cache_new(&cache, step, .model = model, .mode = CJ_TRAINING));
    expect_ok(cj_program_cache_run(cache, .inputs = {x_of(4), y_of(4)}));
    cj_model_digest(model, digests[0]);
    pixels[5] = (float)NAN;
    expect_status(cj_program_cache_run(cache, .inputs = {x_of(4), y_of(4)}), CJ_NOT_FINITE);
    expect_message("input 'x' is not: its element 5 is nan");
    cj_model_digest(model, digests[1]);
    assert_string_equal(digests[0], digests[1]);
    pixels[5] = kept;
    expect_ok(cj_program_cache_run(cache, .inputs = {x_of(4), y_of(4)}));
    cj_program_cache_free(cache);
    cj_model_free(model);
}

static cj_status scenario(void *context)
{
    (void)context;
    cj_model *model;
    cj_program_cache *cache = NULL;
    float loss;
    cj_status status = cj_model_new(&model, .seed = 3);
    if (status == CJ_OK)
        status = cj_program_cache_new(&cache, step, .model = model, .mode = CJ_TRAINING, .limit_bytes = 1);
    for (int b = 0; status == CJ_OK && b < 4; b++)
        status =
            cj_program_cache_run(cache, .inputs = {x_of(4 + b % 3), y_of(4 + b % 3)}, .outputs = {&loss});
    cj_program_cache_free(cache);
    cj_model_free(model);
    return status;
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    expect_ok(cj_set_threads(1));
    cj_test_every_allocation_fails(scenario, NULL);
}

/* One that failed for want of memory works when asked again. */
static void test_failure_is_not_kept(void **state)
{
    (void)state;
    cj_program_cache *cache;
    cj_test_allocator_install();
    for (uint64_t n = 1, failures = 1; failures; n++) {
        float x[5] = {1, 2, 3, 4, 5}, y[5];
        expect_ok(cj_program_cache_new(&cache, scaled, .context = &two));
        run_scaled(cache, 3);
        cj_test_fail_allocation(n);
        cj_status status = cj_program_cache_run(cache, .inputs = {{x, CJ_F32, cj_shape(5)}}, .outputs = {y});
        failures = cj_test_allocator_counts().failures;
        expect_status(status, failures ? CJ_OUT_OF_MEMORY : CJ_OK);
        cj_test_fail_allocation(0);
        run_scaled(cache, 3);
        run_scaled(cache, 5);
        cj_program_cache_free(cache);
    }
    cj_test_allocator_remove();
}

int main(void)
{
    make_data();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_failure_is_not_kept),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_dropping),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_bad_step),
    };
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
