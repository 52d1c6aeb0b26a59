/* Attention's kernels where the samples of test_ops.c are too small: several blocks of keys and of queries,
 * strips that end within a tile, dropout, few queries; on every instruction set against double precision, for
 * any number of threads, with numbers that are none, and when memory runs out.
 *
 * labels: threads */
#include "support.h"

#include "cajal/cajal.h"
#include "attention_check.h"
#include "cpu/isa.h"

#include <math.h>

static const cj_test_attention cases[] = {
    {.n = 1, .t = 270, .s = 530, .h = 2, .g = 1, .d = 20},
    {.n = 2, .t = 75, .s = 300, .h = 2, .g = 2, .d = 16, .causal = true, .first = true, .lengths = true},
    {.n = 1, .t = 280, .s = 280, .h = 1, .g = 1, .d = 33, .causal = true, .bias = true, .dropout = 0.25},
    {.n = 2, .t = 4, .s = 261, .h = 2, .g = 1, .d = 24, .causal = true, .first = true},
    {.n = 1,
     .t = 1,
     .s = 300,
     .h = 6,
     .g = 1,
     .d = 16,
     .causal = true,
     .first = true,
     .bias = true,
     .dropout = 0.5},
};

static const cj_test_way f64 = {.dtype = CJ_F64}, f32 = {.dtype = CJ_F32};

static void compare(const cj_test_gradients *narrow, const cj_test_gradients *wide, int index,
                    const char *isa)
{
    static const char *const names[] = {"y", "dq", "dk", "dv"};
    for (int k = 0; k < 4; k++) {
        const float *found = narrow->data[k];
        const double *wanted = wide->data[k];
        double difference = 0, norm = 0;
        for (int64_t i = 0; i < wide->count[k]; i++) {
            difference += ((double)found[i] - wanted[i]) * ((double)found[i] - wanted[i]);
            norm += wanted[i] * wanted[i];
            if (!(fabs((double)found[i] - wanted[i]) <= 1e-4 * (1 + fabs(wanted[i]))))
                fail_msg("case %d, %s, %s: element %lld is %g, should be %g", index, isa, names[k],
                         (long long)i, (double)found[i], wanted[i]);
        }
        if (!(sqrt(difference) <= 1e-6 * sqrt(norm)))
            fail_msg("case %d, %s: the error of %s is %g", index, isa, names[k], sqrt(difference / norm));
    }
}

static void test_against_double(void **state)
{
    (void)state;
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        cj_test_gradients wide = cj_test_attention_run(&cases[i], &f64);
        for (int isa = 0; isa < CJ__ISA_COUNT; isa++) {
            if (!cj__isa_available((cj__isa)isa)) continue;
            setenv("CAJAL_ISA", cj__isa_name((cj__isa)isa), 1);
            cj_test_gradients narrow = cj_test_attention_run(&cases[i], &f32);
            compare(&narrow, &wide, i, cj__isa_name((cj__isa)isa));
            cj_test_gradients_free(&narrow);
        }
        unsetenv("CAJAL_ISA");
        cj_test_gradients_free(&wide);
    }
}

static void test_threads(void **state)
{
    (void)state;
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        expect_ok(cj_set_threads(1));
        cj_test_gradients one = cj_test_attention_run(&cases[i], &f32);
        for (int threads = 2; threads <= 3; threads++) {
            expect_ok(cj_set_threads(threads));
            cj_test_gradients more = cj_test_attention_run(&cases[i], &f32);
            for (int k = 0; k < 4; k++)
                assert_memory_equal(one.data[k], more.data[k], (size_t)one.count[k] * sizeof(float));
            cj_test_gradients_free(&more);
        }
        cj_test_gradients_free(&one);
    }
    expect_ok(cj_set_threads(1));
}

/* --- numbers that are none, and rows that see nothing -------------------------------------------------- */

/* Queries [1,t,1,8] of ones against ten keys, of which key 3 has `odd` in it. */
static void run_odd(int64_t t, float odd, float bias, float *y, float *dv)
{
    cj_graph *g;
    cj_program *program;
    float ones[8 * 6], keys[80];
    for (int i = 0; i < 48; i++) ones[i] = 1;
    for (int i = 0; i < 80; i++) keys[i] = 0.1f * (float)(i % 7);
    keys[3 * 8 + 2] = odd;
    cj_value dx;
    expect_ok(cj_graph_new(&g, NULL));
    cj_value q = cj_constant_tensor(g, &(cj_tensor){ones, CJ_F32, cj_shape(1, t, 1, 8)});
    cj_value k = cj_constant_tensor(g, &(cj_tensor){keys, CJ_F32, cj_shape(1, 10, 1, 8)});
    cj_value v = cj_input(g, "v", CJ_F32, cj_shape(1, 10, 1, 8));
    cj_value b = cj_broadcast(cj_constant(g, CJ_F32, (double)bias), cj_shape(1, 1, 1, 10));
    cj_value out = cj_attention(cj_root(g), q, .key = k, .value = v, .bias = b);
    cj_gradients(cj_sum(out, CJ_ALL_AXES, CJ_DROP_AXES), 1, &v, &dx);
    cj_output(g, "y", out);
    cj_output(g, "dv", dx);
    expect_ok(cj_compile(&program, g));
    for (int i = 0; i < 80; i++) keys[i] = 1;
    expect_ok(cj_program_run(program, .inputs = {{keys, CJ_F32, cj_shape(1, 10, 1, 8)}}, .outputs = {y, dv}));
    cj_program_free(program);
    cj_graph_free(g);
}

static void test_odd_numbers(void **state)
{
    (void)state;
    float y[48], dv[80];
    for (int64_t t = 1; t <= 6; t += 5) {
        run_odd(t, 1, 0, y, dv);
        assert_true(fabsf(y[0] - 1) < 1e-5f);
        run_odd(t, NAN, 0, y, dv);
        assert_true(y[0] != y[0] && dv[0] != dv[0]);
        run_odd(t, 80, 0, y, dv); /* alone in the softmax */
        assert_true(y[0] == 1 && fabsf(dv[3 * 8] - (float)t) < 1e-5f && dv[0] < 1e-5f);
        run_odd(t, 1, -INFINITY, y, dv);
        for (int i = 0; i < 8 * t; i++) assert_true(y[i] == 0);
        for (int i = 0; i < 80; i++) assert_true(dv[i] == 0);
    }
}

/* As many of the probabilities are dropped as should be, and the others are raised. */
static void test_dropout(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    float first[300], second[300], mean = 0;
    expect_ok(cj_model_new(&model, .seed = 5));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value zeros = cj_broadcast(cj_constant(g, CJ_F32, 0), cj_shape(1, 300, 1, 1));
    cj_value ones = cj_broadcast(cj_constant(g, CJ_F32, 1), cj_shape(1, 300, 1, 1));
    cj_output(g, "y", cj_attention(cj_root(g), zeros, .key = zeros, .value = ones, .dropout = 0.3));
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program, .outputs = {first}));
    expect_ok(cj_program_run(program, .outputs = {second}));
    assert_memory_not_equal(first, second, sizeof first);
    for (int i = 0; i < 300; i++) mean += first[i] / 300;
    assert_true(fabsf(mean - 1) < 0.01f);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

/* --- memory -------------------------------------------------------------------------------------------- */

static cj_status scenario(void *context)
{
    const cj_test_attention *z = context;
    cj_model *model;
    cj_graph *g = NULL;
    cj_program *program = NULL;
    cj_value x[3], y;
    cj_status status = cj_model_new(&model, .seed = 5);
    if (status == CJ_OK) status = cj_graph_new(&g, model, .mode = CJ_TRAINING);
    if (status == CJ_OK) status = cj_test_attention_draw(g, z, CJ_F32, x, &y);
    if (status == CJ_OK) status = cj_compile(&program, g);
    if (status == CJ_OK) status = cj_program_run(program, .outputs = {NULL});
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
    return status;
}

static cj_status layers_scenario(void *context)
{
    (void)context;
    cj_model *model;
    cj_graph *g = NULL;
    cj_program *program = NULL;
    cj_status status = cj_model_new(&model, .seed = 5);
    if (status == CJ_OK) status = cj_graph_new(&g, model, .mode = CJ_TRAINING);
    if (status == CJ_OK) {
        cj_value x = cj_input(g, "x", CJ_F32, cj_shape(1, 3, 4));
        x = cj_learned_positions(cj_at(cj_root(g), "wpe"), cj_sinusoidal_positions(x), .count = 3);
        x = cj_transformer_decoder_layer(cj_at(cj_root(g), "layer"), x, .memory = x, .heads = 2, .hidden = 5,
                                         .dropout = 0.1);
        x = cj_multi_head_attention(cj_at(cj_root(g), "heads"), x, .heads = 2, .kv_heads = 1,
                                    .rotation = CJ_ROTATE_PAIRS, .causal = true, .bias = cj_alibi(g, 2, 3));
        x = cj_swiglu(cj_at(cj_root(g), "mlp"), cj_rms_norm(cj_at(cj_root(g), "norm"), x), 6);
        cj_output(g, "x", x);
        status = cj_compile(&program, g);
    }
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
    return status;
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    static const cj_test_attention small = {.n = 1,
                                            .t = 6,
                                            .s = 6,
                                            .h = 2,
                                            .g = 1,
                                            .d = 4,
                                            .causal = true,
                                            .first = true,
                                            .lengths = true,
                                            .bias = true,
                                            .dropout = 0.5};
    expect_ok(cj_set_threads(1));
    cj_test_every_allocation_fails(scenario, (void *)(uintptr_t)&small);
    cj_test_every_allocation_fails(layers_scenario, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_against_double),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_odd_numbers),
        cmocka_unit_test(test_dropout),
    };
    return cmocka_run_group_tests_name("attention_kernels", tests, NULL, NULL);
}
