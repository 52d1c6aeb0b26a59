/* Attention's kernels where the samples of test_ops.c are too small: several blocks of keys and of queries,
 * strips that end within a tile, dropout, few queries; on every instruction set against double precision, for
 * any number of threads, with numbers that are none, and when memory runs out.
 *
 * labels: threads */
#include "support.h"

#include "cajal/cajal.h"
#include "cpu/isa.h"

#include <math.h>

typedef struct {
    int64_t n, t, s, h, g, d;
    bool causal, first, lengths, bias;
    double dropout;
} sizes;

static const sizes cases[] = {
    {1, 270, 530, 2, 1, 20, false, false, false, false, 0},
    {2, 75, 300, 2, 2, 16, true, true, true, false, 0},
    {1, 280, 280, 1, 1, 33, true, false, false, true, 0.25},
    {2, 4, 261, 2, 1, 24, true, true, false, false, 0},
    {1, 1, 300, 6, 1, 16, true, true, false, true, 0.5},
};

static const double keys_known = 250;

static void fill(void *data, bool wide, int64_t count, uint32_t *state)
{
    for (int64_t i = 0; i < count; i++) {
        *state = *state * 69069 + 1;
        float x = (float)(*state >> 16) / 32768 - 1;
        if (wide)
            ((double *)data)[i] = (double)x;
        else
            ((float *)data)[i] = x;
    }
}

/* The outputs of a run: y and the gradients of query, key and value, and how many numbers each has. */
typedef struct {
    void *data[4];
    int64_t count[4];
} results;

static void results_free(results *r)
{
    for (int i = 0; i < 4; i++) free(r->data[i]);
}

static cj_value given(cj_graph *g, cj_dtype dtype, cj_shape_t shape, uint32_t *state)
{
    void *data = malloc((size_t)cj_shape_count(shape) * 8 + 1);
    fill(data, dtype == CJ_F64, cj_shape_count(shape), state);
    cj_value value = cj_constant_tensor(g, &(cj_tensor){data, dtype, shape});
    free(data);
    return value;
}

static cj_value whole(cj_graph *g, int64_t n, const int32_t *numbers)
{
    return cj_constant_tensor(g, &(cj_tensor){(void *)(uintptr_t)numbers, CJ_I32, cj_shape(n)});
}

static cj_status draw(cj_graph *g, const sizes *z, cj_dtype dtype, cj_value x[3], cj_value *y)
{
    uint32_t state = 7;
    static const int32_t lengths[] = {290, 9};
    int32_t first[] = {(int32_t)keys_known, 0};
    first[0] = (int32_t)(z->s - z->t) < first[0] ? (int32_t)(z->s - z->t) : first[0];
    x[0] = given(g, dtype, cj_shape(z->n, z->t, z->h, z->d), &state);
    x[1] = given(g, dtype, cj_shape(z->n, z->s, z->g, z->d), &state);
    x[2] = given(g, dtype, cj_shape(z->n, z->s, z->g, z->d), &state);
    cj_value none = {0};
    *y = cj_attention(cj_root(g), x[0], .key = x[1], .value = x[2], .causal = z->causal,
                      .dropout = z->dropout, .scale = 0.8, .first = z->first ? whole(g, z->n, first) : none,
                      .lengths = z->lengths ? whole(g, z->n, lengths) : none,
                      .bias = z->bias ? given(g, dtype, cj_shape(1, z->h, 1, z->s), &state) : none);
    cj_value c = given(g, dtype, cj_value_shape(*y), &state), dx[3];
    cj_gradients(cj_sum(cj_mul(*y, c), CJ_ALL_AXES, CJ_DROP_AXES), 3, x, dx);
    cj_output(g, "y", *y);
    for (int i = 0; i < 3; i++) cj_output(g, "dx", dx[i]);
    return cj_graph_status(g);
}

static results run(const sizes *z, cj_dtype dtype)
{
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    cj_value x[3], y;
    results r;
    expect_ok(cj_model_new(&model, .seed = 5));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    expect_ok(draw(g, z, dtype, x, &y));
    for (int i = 0; i < 4; i++) {
        r.count[i] = cj_shape_count(cj_value_shape(i ? x[i - 1] : y));
        r.data[i] = malloc((size_t)r.count[i] * 8 + 1);
    }
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program, .outputs = {r.data[0], r.data[1], r.data[2], r.data[3]}));
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
    return r;
}

static void compare(const results *narrow, const results *wide, int index, const char *isa)
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
        results wide = run(&cases[i], CJ_F64);
        for (int isa = 0; isa < CJ__ISA_COUNT; isa++) {
            if (!cj__isa_available((cj__isa)isa)) continue;
            setenv("CAJAL_ISA", cj__isa_name((cj__isa)isa), 1);
            results narrow = run(&cases[i], CJ_F32);
            compare(&narrow, &wide, i, cj__isa_name((cj__isa)isa));
            results_free(&narrow);
        }
        unsetenv("CAJAL_ISA");
        results_free(&wide);
    }
}

static void test_threads(void **state)
{
    (void)state;
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        expect_ok(cj_set_threads(1));
        results one = run(&cases[i], CJ_F32);
        for (int threads = 2; threads <= 3; threads++) {
            expect_ok(cj_set_threads(threads));
            results more = run(&cases[i], CJ_F32);
            for (int k = 0; k < 4; k++)
                assert_memory_equal(one.data[k], more.data[k], (size_t)one.count[k] * sizeof(float));
            results_free(&more);
        }
        results_free(&one);
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
    const sizes *z = context;
    cj_model *model;
    cj_graph *g = NULL;
    cj_program *program = NULL;
    cj_value x[3], y;
    cj_status status = cj_model_new(&model, .seed = 5);
    if (status == CJ_OK) status = cj_graph_new(&g, model, .mode = CJ_TRAINING);
    if (status == CJ_OK) status = draw(g, z, CJ_F32, x, &y);
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
    static const sizes small = {1, 6, 6, 2, 1, 4, true, true, true, true, 0.5};
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
