/* Measured kernels: every kernel that could make a step makes the same of it; a choice is used, gives the
 * same bits for any number of threads, lasts on disk, and is a part of a run.
 *
 * labels: threads */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"
#include "compile/choices.h"
#include "compile/program.h"

#include <math.h>

/* --- two drawings with steps that several kernels can make ---------------------------------------------- */

enum { BATCH = 2, SIDE = 9, CHANNELS = 16, INPUT = BATCH * SIDE * SIDE * CHANNELS };

/* x: [2,9,9,16] → [2,9,9,16] by a window of every kind that has a kernel of its own */
static cj_value windows(cj_scope s, cj_value x)
{
    x = cj_relu(cj_conv2d(cj_at(s, "dense"), x, .filters = CHANNELS, .kernel = 3, .padding = CJ_SAME));
    x = cj_relu(cj_conv2d(cj_at(s, "pixel"), x, .filters = CHANNELS, .kernel = 1));
    x = cj_conv2d(cj_at(s, "single"), x, .filters = CHANNELS, .kernel = 3, .padding = CJ_SAME,
                  .groups = CHANNELS);
    return cj_conv2d(cj_at(s, "groups"), x, .filters = CHANNELS, .kernel = 3, .padding = CJ_SAME,
                     .groups = 4);
}

static void draw_step(cj_graph *g)
{
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(BATCH, SIDE, SIDE, CHANNELS));
    cj_value y = windows(cj_root(g), x);
    cj_value loss = cj_mean(cj_mul(y, y), cj_axes(0, 1, 2, 3), CJ_DROP_AXES);
    cj_output(g, "loss", loss);
    cj_output(g, "y", y);
    cj_output(g, "sums", cj_sum(y, cj_axes(3), CJ_DROP_AXES));
    cj_minimize(loss, cj_sgd(.learning_rate = 0.1));
}

/* Attention of three queries, of one, and windows whose weights last. */
static void draw_inference(cj_graph *g)
{
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(BATCH, SIDE, SIDE, CHANNELS));
    cj_value y = windows(cj_root(g), x);
    cj_value keys = cj_reshape(y, cj_shape(BATCH, SIDE * SIDE, 2, CHANNELS / 2));
    cj_output(g, "y", y);
    cj_output(
        g, "three",
        cj_attention(cj_at(cj_root(g), "three"), cj_slice(keys, 1, 0, 3, 1), .key = keys, .value = keys));
    cj_output(g, "one",
              cj_attention(cj_at(cj_root(g), "one"), cj_slice(keys, 1, 5, 6, 1), .key = keys, .value = keys));
}

enum { OUTPUTS = 3 };
typedef struct {
    float *data[OUTPUTS];
    int64_t count[OUTPUTS];
} results;

static void results_free(results *r)
{
    for (int i = 0; i < OUTPUTS; i++) free(r->data[i]);
}

typedef void (*drawing)(cj_graph *g);

static cj_status compile(drawing draw, cj_model *model, const cj_kernels *kernels, cj_graph **graph,
                         cj_program **program)
{
    cj_mode mode = draw == draw_step ? CJ_TRAINING : CJ_INFERENCE;
    *program = NULL;
    CJ__TRY(cj_graph_new(graph, model, .mode = mode, .kernels = kernels));
    draw(*graph);
    return cj_compile(program, *graph);
}

/* Two runs of a program, from initial values: the second has an updated weight in it. */
static void run_with(drawing draw, const cj_kernels *kernels, results *r, char **text)
{
    static float x[INPUT];
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    for (int i = 0; i < INPUT; i++) x[i] = cj__normal(3, 0, (uint64_t)i);
    expect_ok(cj_model_new(&model, .seed = 4));
    expect_ok(compile(draw, model, kernels, &g, &program));
    for (int i = 0; i < OUTPUTS; i++) {
        r->count[i] = cj_shape_count(cj_program_output(program, i).shape);
        r->data[i] = malloc((size_t)r->count[i] * sizeof(float));
    }
    for (int i = 0; i < 2; i++)
        expect_ok(cj_program_run(program, .inputs = {{x, CJ_F32, cj_shape(BATCH, SIDE, SIDE, CHANNELS)}},
                                 .outputs = {r->data[0], r->data[1], r->data[2]}));
    if (text) expect_ok(cj_program_text(program, text));
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

static cj_status measure(drawing draw, cj_kernels **kernels)
{
    cj_model *model = NULL;
    cj_graph *g = NULL;
    cj_program *program = NULL;
    *kernels = NULL;
    cj_status status = cj_model_new(&model, .seed = 4);
    if (status == CJ_OK) status = compile(draw, model, NULL, &g, &program);
    if (status == CJ_OK) status = cj_kernels_new(kernels);
    if (status == CJ_OK) status = cj_kernels_measure(*kernels, g, .seconds = 1e-6);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
    return status;
}

/* --- every alternative ---------------------------------------------------------------------------------- */

static void expect_near(const results *a, const results *b, const char *step, const char *kernel)
{
    for (int i = 0; i < OUTPUTS; i++)
        for (int64_t k = 0; k < a->count[i]; k++)
            if (!(fabsf(a->data[i][k] - b->data[i][k]) <= 2e-5f * (1 + fabsf(b->data[i][k]))))
                fail_msg("%s by %s: output %d[%lld] is %g, not %g", step, kernel, i, (long long)k,
                         (double)a->data[i][k], (double)b->data[i][k]);
}

static void check_alternatives(drawing draw, int fewest)
{
    cj_kernels *kernels;
    results usual, other;
    expect_ok(measure(draw, &kernels));
    run_with(draw, NULL, &usual, NULL);
    int tried = 0;
    for (int64_t i = 0; i < kernels->count; i++)
        for (int n = 0; n < kernels->choices[i].timed_count; n++, tried++) {
            cj__choice *c = &kernels->choices[i];
            char *text, wanted[200];
            assert_true(c->timed[n].seconds > 0 && c->timed[n].seconds < 1);
            assert_string_not_equal(c->timed[n].kernel, "reference");
            c->kernel = c->timed[n].kernel;
            run_with(draw, kernels, &other, &text);
            snprintf(wanted, sizeof wanted, " %s ", c->kernel);
            assert_non_null(strstr(text, wanted));
            assert_non_null(strstr(text, "[measured]"));
            expect_near(&other, &usual, c->step, c->kernel);
            results_free(&other);
            cj_text_free(text);
        }
    if (tried < fewest) fail_msg("%d alternatives, expected %d at least", tried, fewest);
    results_free(&usual);
    cj_kernels_free(kernels);
}

static void test_alternatives(void **state)
{
    (void)state;
    check_alternatives(draw_step, 14);
    check_alternatives(draw_inference, 8);
}

/* --- the same bits -------------------------------------------------------------------------------------- */

static void choose(cj_kernels *kernels, int which)
{
    for (int64_t i = 0; i < kernels->count; i++) {
        cj__choice *c = &kernels->choices[i];
        c->kernel = c->timed[which % c->timed_count].kernel;
    }
}

static void expect_equal(const results *a, const results *b)
{
    for (int i = 0; i < OUTPUTS; i++)
        assert_memory_equal(a->data[i], b->data[i], (size_t)a->count[i] * sizeof(float));
}

static void test_threads(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 7};
    cj_kernels *kernels;
    results first, other;
    expect_ok(measure(draw_step, &kernels));
    for (int which = 0; which < 2; which++) {
        choose(kernels, which);
        for (int i = 0; i < 4; i++) {
            expect_ok(cj_set_threads(threads[i]));
            run_with(draw_step, kernels, i ? &other : &first, NULL);
            if (i) expect_equal(&other, &first), results_free(&other);
        }
        results_free(&first);
    }
    expect_ok(cj_set_threads(2));
    cj_kernels_free(kernels);
}

/* Where nothing was measured, or what was chosen cannot be had, or the instruction set is another, the rules
 * decide. */
static void test_rules_otherwise(void **state)
{
    (void)state;
    cj_kernels *kernels;
    results usual, other;
    char *text;
    run_with(draw_step, NULL, &usual, NULL);
    expect_ok(measure(draw_step, &kernels));
    for (int64_t i = 0; i < kernels->count; i++)
        kernels->choices[i].kernel = i % 2 ? "matmul f32" : "no such";
    run_with(draw_step, kernels, &other, &text);
    assert_null(strstr(text, "[measured]"));
    expect_equal(&other, &usual);
    results_free(&other), cj_text_free(text);
    choose(kernels, 1);
    kernels->isa = "abacus";
    run_with(draw_step, kernels, &other, &text);
    assert_null(strstr(text, "[measured]"));
    expect_equal(&other, &usual);
    results_free(&other), cj_text_free(text);
    run_with(draw_inference, kernels, &other, NULL);
    results_free(&other), results_free(&usual);
    cj_kernels_free(kernels);
}

/* --- on disk -------------------------------------------------------------------------------------------- */

static void test_file(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), *one, *other;
    const char *path = cj_test_path(folder, "kernels.json");
    cj_kernels *kernels, *loaded;
    expect_ok(measure(draw_step, &kernels));
    choose(kernels, 1);
    expect_ok(cj_kernels_save(kernels, path));
    expect_ok(cj_kernels_load(&loaded, path));
    expect_ok(cj_kernels_text(kernels, &one));
    expect_ok(cj_kernels_text(loaded, &other));
    assert_string_equal(one, other);
    assert_true(cj__choices_digest(kernels) == cj__choices_digest(loaded));
    assert_int_equal(cj_kernels_describe(loaded).steps, kernels->count);
    assert_int_equal(cj_kernels_describe(loaded).threads, cj_threads());
    choose(loaded, 0);
    assert_true(cj__choices_digest(kernels) != cj__choices_digest(loaded));
    cj_text_free(one), cj_text_free(other);
    cj_kernels_free(kernels), cj_kernels_free(loaded);
    cj_test_remove_folder(folder);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "kernels.json: byte 0: found the end of the text, expected '{'"},
        {"{\"format\": 2, \"instruction_set\": \"avx2\", \"threads\": 1, \"steps\": []}",
         "found format 2, expected 1"},
        {"{\"format\": 1, \"threads\": 1, \"steps\": []}", "found no \"instruction_set\""},
        {"{\"format\": 1, \"instruction_set\": \"avx2\", \"threads\": 1}", "found no \"steps\""},
        {"{\"format\": 1, \"instruction_set\": \"avx2\", \"threads\": 0, \"steps\": []}",
         "found 0 \"threads\""},
        {"{\"format\": 1, \"instruction_set\": \"avx2\", \"threads\": 1, \"steps\": [{\"step\": \"a\"}]}",
         "expected a step with its \"step\" and \"kernel\""}};
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "kernels.json");
    cj_kernels *kernels;
    expect_status(cj_kernels_load(&kernels, path), CJ_NOT_FOUND);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cj_test_write_file(path, bad[i][0], strlen(bad[i][0]));
        assert_int_not_equal(cj_kernels_load(&kernels, path), CJ_OK);
        assert_null(kernels);
        expect_message(bad[i][1]);
    }
    cj_test_remove_folder(folder);
}

static cj_status scenario(void *context)
{
    const char *path = context;
    cj_kernels *kernels = NULL, *loaded = NULL;
    cj_model *model = NULL;
    cj_graph *g = NULL;
    cj_program *program = NULL;
    char *text = NULL;
    cj_status status = measure(draw_inference, &kernels);
    if (status == CJ_OK) status = cj_kernels_text(kernels, &text);
    if (status == CJ_OK) status = cj_kernels_save(kernels, path);
    if (status == CJ_OK) status = cj_kernels_load(&loaded, path);
    if (status == CJ_OK) status = cj_model_new(&model, .seed = 4);
    if (status == CJ_OK) status = compile(draw_inference, model, loaded, &g, &program);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
    cj_text_free(text);
    cj_kernels_free(kernels);
    cj_kernels_free(loaded);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    expect_ok(cj_set_threads(1));
    cj_test_allocator_install();
    cj_test_every_allocation_fails(scenario, (void *)cj_test_path(folder, "kernels.json"));
    cj_test_allocator_remove();
    expect_ok(cj_set_threads(2));
    cj_test_remove_folder(folder);
}

/* --- a part of a run ------------------------------------------------------------------------------------ */

static cj_value network(cj_scope s, cj_value x, void *context)
{
    (void)context;
    x = cj_relu(cj_conv2d(cj_at(s, "0"), x, .filters = CHANNELS, .kernel = 3));
    return cj_dense(cj_at(s, "1"), cj_flatten(x), .units = 2);
}

static cj_verdict stop_or_note(const cj_progress *p, void *context)
{
    int64_t *told = context;
    if (p->note && strstr(p->note, "the measured kernels are not those")) ++*told;
    return p->updates == 3 && !p->epoch_done && *told < 0 ? CJ_INTERRUPT : CJ_GO_ON;
}

/* 20 pictures of two classes */
static cj_dataset *make_data(void)
{
    enum { ROWS = 20 };
    static float x[ROWS * SIDE * SIDE * CHANNELS];
    static int32_t y[ROWS];
    cj_dataset *data;
    for (int i = 0; i < ROWS * SIDE * SIDE * CHANNELS; i++) x[i] = cj__normal(8, 0, (uint64_t)i);
    for (int i = 0; i < ROWS; i++) y[i] = i % 2;
    expect_ok(cj_dataset_from_tensors(&data, &(cj_tensor){x, CJ_F32, cj_shape(ROWS, SIDE, SIDE, CHANNELS)},
                                      &(cj_tensor){y, CJ_I32, cj_shape(ROWS)}));
    return data;
}

static cj_fit_options options_for(cj_model *model, const cj_dataset *data)
{
    return (cj_fit_options){.size = sizeof(cj_fit_options),
                            .model = model,
                            .forward = network,
                            .dataset = data,
                            .batch_size = 4,
                            .epochs = 2,
                            .optimizer = cj_adam(.learning_rate = 0.01),
                            .checkpoints = {.every_steps = 1},
                            .resume = true};
}

/* told: -1 to be stopped after three steps; counts the notes about other kernels. */
static void fit(const char *folder, const cj_kernels *kernels, int64_t *told, char digest[65])
{
    cj_model *model;
    cj_dataset *data = make_data();
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_fit_options o = options_for(model, data);
    o.folder = folder;
    o.kernels = kernels;
    o.callbacks[0] = (cj_callback){stop_or_note, told};
    bool stops = *told < 0;
    expect_status((cj_fit)(&o, NULL), stops ? CJ_INTERRUPTED : CJ_OK);
    cj_model_digest(model, digest);
    cj_model_free(model);
    cj_dataset_free(data);
}

static void measure_fit(cj_kernels **kernels)
{
    cj_model *model;
    cj_graph *g;
    cj_dataset *data = make_data();
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_fit_options o = options_for(model, data);
    expect_ok(cj_draw_step(&o, &g));
    expect_ok(cj_kernels_new(kernels));
    expect_ok(cj_kernels_measure(*kernels, g, .seconds = 1e-6));
    cj_graph_free(g);
    cj_model_free(model);
    cj_dataset_free(data);
}

/* A choice gives the same bits whether the fit was interrupted or not; going on with another is told. */
static void test_fit(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), usual[65], whole[65], parts[65];
    int64_t told = 0;
    cj_kernels *kernels;
    measure_fit(&kernels);
    for (int64_t i = 0; i < kernels->count; i++) {
        cj__choice *c = &kernels->choices[i]; /* the last, which the rules like least */
        c->kernel = c->timed[c->timed_count - 1].kernel;
    }
    fit(NULL, NULL, &told, usual);
    fit(NULL, kernels, &told, whole);
    assert_string_not_equal(usual, whole);
    fit(folder, kernels, &(int64_t){-1}, parts);
    fit(folder, kernels, &told, parts);
    assert_string_equal(parts, whole);
    assert_int_equal(told, 0);
    cj_test_remove_folder(folder);
    folder = cj_test_new_folder();
    fit(folder, kernels, &(int64_t){-1}, parts);
    fit(folder, NULL, &told, parts);
    assert_int_equal(told, 1);
    cj_test_remove_folder(folder);
    cj_kernels_free(kernels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alternatives),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_rules_otherwise),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
