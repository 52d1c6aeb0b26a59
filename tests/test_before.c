/* Stages before a kernel, on a kernel of this test's own and on the matrix product: what they make is there
 * when it is needed and takes memory no longer than that; what is made of variables that nothing assigns is
 * made once, and again when they change. */
#include "support.h"

#include "cajal/cajal.h"
#include "compile/passes.h"
#include "compile/program.h"
#include "base/memory.h"
#include "cpu/backend.h"
#include "cpu/isa.h"

#include <stdlib.h>

enum { SIZE = 24, LAYERS = 12, WORKSPACE = SIZE * SIZE * (int)sizeof(float) };

/* --- y = x·w by way of 2·w ----------------------------------------------------------------------------- */

static _Atomic int stages_run;

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    launch->workspace_bytes = WORKSPACE;
    launch->data = "given to the stage before";
    return CJ_OK;
}

static cj_status prepare_twice(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    assert_string_equal(launch->data, "given to the stage before");
    assert_int_equal(launch->inputs_count, 1);
    assert_int_equal(launch->types[0].shape.dims[0], SIZE);
    assert_int_equal(launch->types[1].shape.dims[0], WORKSPACE);
    launch->tasks = SIZE;
    return CJ_OK;
}

static void run_twice(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const float *w = operands[0];
    float *twice = operands[1];
    (void)launch, (void)scratch;
    for (int64_t i = task * SIZE; i < (task + 1) * SIZE; i++) twice[i] = 2 * w[i];
    if (task == 0) stages_run++;
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const float *x = operands[0], *twice = operands[3];
    float *y = operands[2];
    (void)launch, (void)task, (void)scratch;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            float sum = 0;
            for (int k = 0; k < SIZE; k++) sum += x[i * SIZE + k] * twice[k * SIZE + j];
            y[i * SIZE + j] = sum / 2;
        }
}

static const cj__kernel twice_kernel = {
    .name = "twice", .op = CJ__OP_matmul, .prepare = prepare_twice, .run = run_twice};
static const cj__kernel by_twice_kernel = {.name = "by twice",
                                           .op = CJ__OP_matmul,
                                           .prepare = prepare,
                                           .run = run,
                                           .before = &twice_kernel,
                                           .before_reads = 1u << 1};
static const cj__kernel *const kernels[] = {&by_twice_kernel, &cj__chain_kernel, &cj__reduce_kernel,
                                            &cj__reference_kernel, NULL};
static const cj__backend backend = {.name = "with a stage before", .kernels = kernels};

/* --- a network of it ----------------------------------------------------------------------------------- */

static cj_value layer(cj_scope s, cj_value x, int i)
{
    cj_value w = cj_parameter(cj_at(s, "%d", i), "weight", cj_shape(SIZE, SIZE), (cj_init){0});
    return cj_relu(cj_matmul(x, w));
}

/* Layers one after the other; each weight then grows by 1 where it is learned. */
static cj_status make(cj_program **program, cj_model *model, bool learned)
{
    cj_graph *g, *simple = NULL, *fused = NULL;
    *program = NULL;
    CJ__TRY(cj_graph_new(&g, model));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(SIZE, SIZE));
    for (int i = 0; i < LAYERS; i++) x = layer(cj_root(g), x, i);
    for (int i = 0; learned && i < LAYERS; i++) {
        cj_value w = cj_parameter(cj_at(cj_root(g), "%d", i), "weight", cj_shape(SIZE, SIZE), (cj_init){0});
        cj_assign(w, cj_add_scalar(w, 1));
    }
    cj_output(g, "y", x);
    cj_status status = cj_graph_status(g);
    if (status == CJ_OK) status = cj__lower_and_simplify(g, &simple);
    if (status == CJ_OK) status = cj__fuse(simple, 0, &fused);
    if (status == CJ_OK) status = cj__plan(fused, &backend, false, program);
    cj_graph_free(fused);
    cj_graph_free(simple);
    cj_graph_free(g);
    return status;
}

static float x[SIZE * SIZE], y[SIZE * SIZE];

static cj_status run_once(cj_program *program)
{
    for (int i = 0; i < SIZE * SIZE; i++) x[i] = (float)(i % 7) - 2;
    return cj_program_run(program, .inputs = {{x, CJ_F32, cj_shape(SIZE, SIZE)}}, .outputs = {y});
}

/* The same network by definition, from the model's weights as they are. */
static void expect_result(const cj_model *model)
{
    double now[SIZE * SIZE], next[SIZE * SIZE];
    for (int i = 0; i < SIZE * SIZE; i++) now[i] = x[i];
    for (int n = 0; n < LAYERS; n++) {
        const float *w = cj_model_variable(model, n).tensor.data;
        for (int i = 0; i < SIZE; i++)
            for (int j = 0; j < SIZE; j++) {
                double sum = 0;
                for (int k = 0; k < SIZE; k++) sum += now[i * SIZE + k] * (double)w[k * SIZE + j];
                next[i * SIZE + j] = sum > 0 ? sum : 0;
            }
        memcpy(now, next, sizeof now);
    }
    for (int i = 0; i < SIZE * SIZE; i++)
        assert_true(now[i] - (double)y[i] < 1e-5 * (now[i] + 1) &&
                    (double)y[i] - now[i] < 1e-5 * (now[i] + 1));
}

/* --- the tests ----------------------------------------------------------------------------------------- */

static void test_made_once(void **state)
{
    (void)state;
    cj_model *model;
    cj_program *program;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(make(&program, model, false));
    assert_int_equal(program->kept_bytes, LAYERS * WORKSPACE);
    assert_int_equal(cj_program_describe(program).steps, 2 * LAYERS);
    stages_run = 0;
    for (int i = 0; i < 3; i++) expect_ok(run_once(program));
    assert_int_equal(stages_run, LAYERS);
    expect_result(model); /* lends every weight: each may have been written */
    expect_ok(run_once(program));
    assert_int_equal(stages_run, 2 * LAYERS);
    ((float *)cj_model_find(model, "3.weight").data)[5] += 0.5f;
    expect_ok(run_once(program));
    assert_int_equal(stages_run, 2 * LAYERS + 1);
    expect_result(model);
    cj_program_free(program);
    cj_model_free(model);
}

/* In a program that assigns the weights everything is made in every run, from the weights before, and lies in
 * the slab for a short while. */
static void test_learned(void **state)
{
    (void)state;
    cj_model *model;
    cj_program *program;
    char *text;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(make(&program, model, true));
    assert_int_equal(program->kept_bytes, 0);
    /* two workspaces, and x, y and the sum of a layer; the new weights are written in place */
    assert_true(program->slab_bytes <= (2 + 3) * WORKSPACE);
    stages_run = 0;
    for (int i = 0; i < 3; i++) {
        expect_ok(run_once(program));
        assert_int_equal(stages_run, (i + 1) * LAYERS);
    }
    expect_ok(cj_program_text(program, &text));
    assert_non_null(strstr(text, "by way of u8[2304] @"));
    cj_text_free(text);
    cj_program_free(program);
    cj_model_free(model);
}

/* Both kinds take what they say they take, in the first run alone. */
static void test_planned_memory(void **state)
{
    (void)state;
    for (int learned = 0; learned < 2; learned++) {
        cj_model *model;
        cj_program *program;
        expect_ok(cj_model_new(&model, .seed = 1));
        expect_ok(make(&program, model, learned));
        int64_t before = cj__thread_bytes();
        expect_ok(run_once(program));
        assert_int_equal(cj__thread_bytes() - before, cj_program_describe(program).run_bytes);
        cj_test_allocator_install();
        cj_test_fail_allocations_from(1);
        for (int i = 0; i < LAYERS; i++) (void)cj_model_variable(model, i);
        expect_ok(run_once(program));
        assert_int_equal(cj_test_allocator_counts().allocations, 0);
        cj_test_allocator_remove();
        cj_program_free(program);
        cj_model_free(model);
    }
}

static cj_status scenario(void *context)
{
    cj_model *model;
    cj_program *program = NULL;
    CJ__TRY(cj_model_new(&model, .seed = 1));
    cj_status status = make(&program, model, context != NULL);
    if (status == CJ_OK) status = run_once(program);
    cj_program_free(program);
    cj_model_free(model);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_test_every_allocation_fails(scenario, NULL);
    cj_test_every_allocation_fails(scenario, "learned");
    cj_test_allocator_remove();
}

/* --- weights of products, packed once ------------------------------------------------------------------- */

enum { ROWS = 41, IN = 700, OUT = 70 }; /* several blocks of k, a panel that is not full */

/* relu(x·wᵀ), the weight a variable or an input */
static cj_program *make_product(cj_model *model, bool lasting)
{
    cj_graph *g;
    cj_program *program;
    expect_ok(cj_graph_new(&g, model));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(ROWS, IN)), y;
    if (lasting)
        y = cj_dense(cj_at(cj_root(g), "a"), x, .units = OUT, .no_bias = true);
    else
        y = cj_matmul_transposed(x, cj_input(g, "w", CJ_F32, cj_shape(OUT, IN)), false, true);
    cj_output(g, "y", cj_relu(y));
    expect_ok(cj_compile(&program, g));
    cj_graph_free(g);
    return program;
}

static void expect_same_product(cj_model *model, cj_program *lasting, cj_program *given)
{
    static float x[ROWS * IN], y[2][ROWS * OUT];
    for (int i = 0; i < ROWS * IN; i++) x[i] = (float)(i % 29) - 14;
    expect_ok(cj_program_run(lasting, .inputs = {{x, CJ_F32, cj_shape(ROWS, IN)}}, .outputs = {y[0]}));
    expect_ok(cj_program_run(given,
                             .inputs = {{x, CJ_F32, cj_shape(ROWS, IN)}, cj_model_find(model, "a.weight")},
                             .outputs = {y[1]}));
    assert_memory_equal(y[0], y[1], sizeof y[0]);
}

static void test_packed_weights(void **state)
{
    (void)state;
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++) {
        if (!cj__isa_available((cj__isa)isa)) continue;
        setenv("CAJAL_ISA", cj__isa_name((cj__isa)isa), 1);
        cj_model *model;
        expect_ok(cj_model_new(&model, .seed = 4));
        cj_program *lasting = make_product(model, true), *given = make_product(model, false);
        assert_int_equal(lasting->kept_count, 1);
        assert_int_equal(given->kept_count, 0);
        expect_same_product(model, lasting, given);
        ((float *)cj_model_find(model, "a.weight").data)[77] += 1;
        expect_same_product(model, lasting, given);
        cj_program_free(lasting);
        cj_program_free(given);
        cj_model_free(model);
    }
    unsetenv("CAJAL_ISA");
}

/* --- what is made of weights alone ---------------------------------------------------------------------- */

enum { TABLE = 40, WIDE = 5, UNITS = 4, TAKEN = 6 };

/* y: x times relu(w)², which is multiplied first; z: an LSTM over rows of a table, whose product is taken. */
static cj_program *make_of_weights(cj_model *model)
{
    cj_graph *g;
    cj_program *program;
    expect_ok(cj_graph_new(&g, model, .mode = CJ_INFERENCE));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(3, SIZE)),
             i = cj_input(g, "i", CJ_I32, cj_shape(1, TAKEN));
    cj_value w = cj_parameter(cj_root(g), "w", cj_shape(SIZE, SIZE), (cj_init){CJ_INIT_UNIFORM, 1});
    cj_value above = cj_relu(w),
             rows = cj_embedding(cj_at(cj_root(g), "table"), i, .count = TABLE, .width = WIDE);
    cj_output(g, "y", cj_matmul(x, cj_matmul(above, above)));
    cj_output(g, "z", cj_lstm(cj_at(cj_root(g), "lstm"), rows, .units = UNITS).output);
    expect_ok(cj_compile(&program, g));
    cj_graph_free(g);
    return program;
}

typedef struct {
    float y[3 * SIZE], z[TAKEN * UNITS];
} made_of_weights;

static made_of_weights run_of_weights(cj_program *program)
{
    static const int32_t i[TAKEN] = {3, 39, 0, 3, 17, 5};
    made_of_weights found;
    float x[3 * SIZE];
    for (int k = 0; k < 3 * SIZE; k++) x[k] = (float)(k % 7) - 3;
    expect_ok(cj_program_run(
        program, .inputs = {{x, CJ_F32, cj_shape(3, SIZE)}, {(void *)i, CJ_I32, cj_shape(1, TAKEN)}},
        .outputs = {found.y, found.z}));
    return found;
}

/* Steps that read weights alone are made once, those that read these after them, and again when a weight has
 * changed. */
static void test_made_of_weights(void **state)
{
    (void)state;
    cj_model *model;
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_program *program = make_of_weights(model);
    assert_int_equal(program->kept_groups, 2);
    assert_true(program->kept_count >= 3);
    int64_t gathers = 0;
    for (int64_t s = program->kept_count; s < program->step_count; s++) {
        assert_true(program->steps[s].launch.op != CJ__OP_relu);
        gathers += program->steps[s].launch.op == CJ__OP_gather;
    }
    assert_int_equal(gathers, 1);
    made_of_weights before = run_of_weights(program);
    static const char *const names[] = {"w", "table.weight", "lstm.weight_ih_l0"};
    for (int k = 0; k < 3; k++) {
        ((float *)cj_model_find(model, names[k]).data)[16] += 1;
        cj_program *fresh = make_of_weights(model);
        made_of_weights after = run_of_weights(program), wanted = run_of_weights(fresh);
        assert_memory_equal(&after, &wanted, sizeof after);
        assert_memory_not_equal(&after, &before, sizeof after);
        before = after;
        cj_program_free(fresh);
    }
    cj_program_free(program);
    cj_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_once),      cmocka_unit_test(test_learned),
        cmocka_unit_test(test_packed_weights), cmocka_unit_test(test_made_of_weights),
        cmocka_unit_test(test_planned_memory), cmocka_unit_test(test_failing_allocations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
