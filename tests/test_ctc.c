/* The loss of connectionist temporal classification and additive attention against PyTorch's, from
 * tests/fixtures/recurrent.py; the loss against all ways to spread the labels, added up one by one; refusals.
 */
#include "stored.h"

#include "cajal/cajal.h"

#include <math.h>

/* --- PyTorch's ----------------------------------------------------------------------------------------- */

static cj_tensor_file *values;
static cj_model *model;

static void expect_near(const char *name, const char *what, const float *found)
{
    cj_test_expect_near(values, name, what, found, 2e-5);
}

static cj_value input(cj_graph *g, cj_tensor tensor)
{
    return cj_input(g, "input", tensor.dtype, tensor.shape);
}

static void check_ctc(const char *name, int64_t blank)
{
    cj_graph *g;
    cj_program *program;
    static const char *const names[] = {"logits", "labels", "lengths", "label_lengths"};
    cj_run_options run = {.size = sizeof run};
    cj_value in[4], gradient;
    float loss, gradients[256];
    expect_ok(cj_graph_new(&g, NULL));
    for (int i = 0; i < 4; i++) in[i] = input(g, run.inputs[i] = cj_test_stored(values, name, names[i]));
    cj_value y = cj_ctc(in[0], in[1], .lengths = in[2], .label_lengths = in[3], .blank = blank,
                        .zero_infinity = strstr(name, "infinity") != NULL);
    cj_gradients(y, 1, in, &gradient);
    cj_output(g, "loss", y);
    cj_output(g, "gradient", gradient);
    expect_ok(cj_compile(&program, g));
    run.program = program;
    run.outputs[0] = &loss;
    run.outputs[1] = gradients;
    expect_ok((cj_program_run)(&run));
    expect_near(name, "loss", &loss);
    expect_near(name, "gradient", gradients);
    cj_program_free(program);
    cj_graph_free(g);
    for (int i = 0; i < 4; i++) free(run.inputs[i].data);
}

static void test_ctc(void **state)
{
    (void)state;
    if (!values) skip_because("this build reads no safetensors");
    check_ctc("ctc", 0);
    check_ctc("ctc_whole", 3);
    check_ctc("ctc_infinity", 0);
}

static void check_attention(const char *name, bool lengths)
{
    cj_graph *g;
    cj_program *program;
    cj_run_options run = {.size = sizeof run};
    static const char *const names[] = {"context", "weights", "dq", "dk"};
    float results[4][64];
    cj_value in[4] = {0}, gradients[2];
    expect_ok(cj_graph_new(&g, model));
    in[0] = input(g, run.inputs[0] = cj_test_stored(values, name, "query"));
    in[1] = input(g, run.inputs[1] = cj_test_stored(values, name, "keys"));
    in[2] = input(g, run.inputs[2] = cj_test_stored(values, name, "c"));
    if (lengths) in[3] = input(g, run.inputs[3] = cj_test_stored(values, name, "lengths"));
    cj_additive_attention_result r =
        cj_additive_attention(cj_at(cj_root(g), "%s", name), in[0], in[1], .units = 5, .lengths = in[3]);
    cj_gradients(cj_mul(r.context, in[2]), 2, in, gradients);
    cj_value outputs[] = {r.context, r.weights, gradients[0], gradients[1]};
    for (int i = 0; i < 4; i++) {
        cj_output(g, names[i], outputs[i]);
        run.outputs[i] = results[i];
    }
    expect_ok(cj_compile(&program, g));
    run.program = program;
    expect_ok((cj_program_run)(&run));
    for (int i = 0; i < 4; i++) expect_near(name, names[i], results[i]);
    cj_program_free(program);
    cj_graph_free(g);
    for (int i = 0; i < 4; i++) free(run.inputs[i].data);
}

static void test_attention(void **state)
{
    (void)state;
    if (!values) skip_because("this build reads no safetensors");
    check_attention("additive", false);
    check_attention("additive_lengths", true);
}

/* --- one way after another ----------------------------------------------------------------------------- */

enum { T = 5, C = 3, S = 2 };

/* The chance of all words of T classes that become `labels` when repetitions and blanks (0) are left out. */
static double by_hand(const float *logits, const int32_t *labels, int count)
{
    double sum = 0;
    for (int word = 0; word < 243; word++) {
        int found[T], length = 0, before = 0;
        double chance = 1;
        for (int t = 0, rest = word; t < T; t++, rest /= C) {
            int class = rest % C;
            double all = 0;
            for (int c = 0; c < C; c++) all += exp((double)logits[t * C + c]);
            chance *= exp((double)logits[t * C + class]) / all;
            if (class != 0 && class != before) found[length++] = class;
            before = class;
        }
        bool same = length == count;
        for (int i = 0; same && i < count; i++) same = found[i] == labels[i];
        if (same) sum += chance;
    }
    return -log(sum) / (count ? count : 1);
}

/* NaN where drawing was refused. */
static double loss_of(const float *logits, const int32_t *labels, int32_t count)
{
    cj_graph *g;
    cj_program *program;
    float loss;
    expect_ok(cj_graph_new(&g, NULL));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(1, T, C)), y = cj_input(g, "y", CJ_I32, cj_shape(1, S));
    cj_value n = cj_input(g, "n", CJ_I32, cj_shape(1));
    cj_output(g, "loss", cj_ctc(x, y, .label_lengths = n));
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program,
                             .inputs = {{(void *)logits, CJ_F32, cj_shape(1, T, C)},
                                        {(void *)labels, CJ_I32, cj_shape(1, S)},
                                        {&count, CJ_I32, cj_shape(1)}},
                             .outputs = {&loss}));
    cj_program_free(program);
    cj_graph_free(g);
    return (double)loss;
}

static void test_by_hand(void **state)
{
    (void)state;
    static const int32_t labels[][S] = {{1, 2}, {1, 1}, {2, 1}, {2, -1}, {-5, 7}};
    static const int counts[] = {2, 2, 2, 1, 0};
    float logits[T * C];
    for (int i = 0; i < T * C; i++) logits[i] = (float)sin(3.0 * i * i);
    for (int i = 0; i < 5; i++) {
        double wanted = by_hand(logits, labels[i], counts[i]), found = loss_of(logits, labels[i], counts[i]);
        if (!(fabs(found - wanted) < 1e-5)) fail_msg("case %d: %g, should be %g", i, found, wanted);
    }
    assert_true(isnan(loss_of(logits, (int32_t[]){1, 3}, 2))); /* no class */
    assert_true(isnan(loss_of(logits, (int32_t[]){0, 1}, 2))); /* the blank */
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        cj_shape_t logits, labels;
        int64_t blank;
        const char *sentence;
    } cases[] = {{{3, {2, 5, 4}}, {2, {2, 3}}, 4, "the blank is 4, which is none of 4 classes"},
                 {{2, {2, 5}}, {2, {2, 3}}, 0, "needs logits [N,T,C]"},
                 {{3, {2, 5, 4}}, {2, {3, 3}}, 0, "needs labels [2,S]"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cj_graph *g;
        cj_program *program;
        expect_ok(cj_graph_new(&g, NULL));
        cj_value x = cj_input(g, "x", CJ_F32, cases[i].logits), y = cj_input(g, "y", CJ_I32, cases[i].labels);
        assert_false(cj_value_ok(cj_ctc(x, y, .blank = cases[i].blank)));
        assert_int_equal(cj_compile(&program, g), CJ_SHAPE_ERROR);
        expect_message(cases[i].sentence);
        cj_graph_free(g);
    }
}

/* --- allocations --------------------------------------------------------------------------------------- */

/* Drawn, with the gradient by the first input, compiled and run. */
static cj_status run_once(cj_graph *g, cj_value y, cj_value x, cj_run_options *run)
{
    cj_value gradient;
    float results[2][64];
    cj_program *program = NULL;
    cj_gradients(y, 1, &x, &gradient);
    cj_output(g, "y", y);
    cj_output(g, "gradient", gradient);
    cj_status status = cj_compile(&program, g);
    run->program = program;
    for (int i = 0; i < 2; i++) run->outputs[i] = results[i];
    if (status == CJ_OK) status = (cj_program_run)(run);
    cj_program_free(program);
    return status;
}

static cj_status spread_labels(void *context)
{
    static float logits[1 * 4 * 3];
    static int32_t labels[1 * 2] = {1, 2};
    cj_graph *g;
    cj_run_options run = {.size = sizeof run,
                          .inputs = {{logits, CJ_F32, cj_shape(1, 4, 3)}, {labels, CJ_I32, cj_shape(1, 2)}}};
    (void)context;
    cj_status status = cj_graph_new(&g, NULL);
    if (status != CJ_OK) return status;
    cj_value x = input(g, run.inputs[0]), y = input(g, run.inputs[1]);
    status = run_once(g, cj_ctc(x, y), x, &run);
    cj_graph_free(g);
    return status;
}

static cj_status attend(void *context)
{
    static float query[2 * 3], keys[2 * 4 * 3];
    cj_model *weights = NULL;
    cj_graph *g = NULL;
    cj_run_options run = {.size = sizeof run,
                          .inputs = {{query, CJ_F32, cj_shape(2, 3)}, {keys, CJ_F32, cj_shape(2, 4, 3)}}};
    (void)context;
    cj_status status = cj_model_new(&weights, .seed = 1);
    if (status == CJ_OK) status = cj_graph_new(&g, weights);
    if (status == CJ_OK) {
        cj_value q = input(g, run.inputs[0]), k = input(g, run.inputs[1]);
        status = run_once(g, cj_additive_attention(cj_root(g), q, k, .units = 2).context, q, &run);
    }
    cj_graph_free(g);
    cj_model_free(weights);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_test_every_allocation_fails(spread_labels, NULL);
    cj_test_every_allocation_fails(attend, NULL);
    cj_test_allocator_remove();
}

static int begin(void **state)
{
    (void)state;
    if (cj_tensor_file_open(&values, CJ_TEST_FIXTURE("recurrent.safetensors")) != CJ_OK) return 0;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_model_load(model, CJ_TEST_FIXTURE("recurrent-weights.safetensors")));
    return 0;
}

static int end(void **state)
{
    (void)state;
    cj_tensor_file_close(values);
    cj_model_free(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ctc), cmocka_unit_test(test_attention),
                                       cmocka_unit_test(test_by_hand), cmocka_unit_test(test_refusals)};
    const struct CMUnitTest alone[] = {cmocka_unit_test(test_allocations)};
    int failed = cmocka_run_group_tests_name("ctc", tests, begin, end);
    return failed + cmocka_run_group_tests_name("allocations", alone, NULL, NULL);
}
