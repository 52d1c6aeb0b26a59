/* Blocks of networks that see: dropout of whole channels and of whole paths, by what it leaves of ones; and
 * every allocation of layers that make tables for themselves, failing. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>

/* --- dropout of parts of an example -------------------------------------------------------------------- */

enum { ROWS = 64, PLACES = 3 * 5, CHANNELS = 48 };

typedef cj_value (*block)(cj_scope scope, cj_value x, double rate);

/* What the block makes of ones [ROWS,3,5,CHANNELS], and the gradient of its sum by them. */
static void run_block(block draw, cj_mode mode, double rate, float *y, float *gradient)
{
    static float ones[ROWS * PLACES * CHANNELS];
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    for (int i = 0; i < ROWS * PLACES * CHANNELS; i++) ones[i] = 1;
    expect_ok(cj_model_new(&model, .seed = 7));
    expect_ok(cj_graph_new(&g, model, .mode = mode));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(ROWS, 3, 5, CHANNELS)), dx;
    cj_value dropped = draw(cj_at(cj_root(g), "block"), x, rate);
    cj_gradients(cj_sum(dropped, CJ_ALL_AXES, CJ_DROP_AXES), 1, &x, &dx);
    cj_output(g, "y", dropped);
    cj_output(g, "dx", dx);
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program, .inputs = {{ones, CJ_F32, cj_shape(ROWS, 3, 5, CHANNELS)}},
                             .outputs = {y, gradient}));
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

/* Each part, `channels` next to each other at every place of an example, is kept whole and scaled or dropped
 * whole. How many are kept is within four deviations of what the rate says. */
static void check_parts(block draw, int channels)
{
    static float y[ROWS * PLACES * CHANNELS], gradient[ROWS * PLACES * CHANNELS];
    const double rate = 0.25;
    int parts = ROWS * CHANNELS / channels, kept = 0;
    run_block(draw, CJ_TRAINING, rate, y, gradient);
    for (int part = 0; part < parts; part++) {
        int row = part / (CHANNELS / channels), first = part % (CHANNELS / channels) * channels;
        const float *begin = y + row * PLACES * CHANNELS + first;
        float whole = *begin;
        assert_true(whole == 0 || fabsf(whole - 1 / 0.75F) < 1e-6F);
        for (int place = 0; place < PLACES; place++)
            for (int c = 0; c < channels; c++) assert_true(begin[place * CHANNELS + c] == whole);
        kept += whole > 0;
    }
    if (fabs(kept - parts * (1 - rate)) > 4 * sqrt(parts * rate * (1 - rate)))
        fail_msg("%d of %d parts were kept at a rate of %g", kept, parts, rate);
    for (int i = 0; i < ROWS * PLACES * CHANNELS; i++) assert_true(gradient[i] == y[i]);
}

static void check_identity(block draw, cj_mode mode, double rate)
{
    static float y[ROWS * PLACES * CHANNELS], gradient[ROWS * PLACES * CHANNELS];
    run_block(draw, mode, rate, y, gradient);
    for (int i = 0; i < ROWS * PLACES * CHANNELS; i++) assert_true(y[i] == 1 && gradient[i] == 1);
}

static void test_spatial_dropout(void **state)
{
    (void)state;
    check_parts((cj_spatial_dropout), 1);
    check_identity((cj_spatial_dropout), CJ_INFERENCE, 0.25);
    check_identity((cj_spatial_dropout), CJ_TRAINING, 0);
}

static void test_stochastic_depth(void **state)
{
    (void)state;
    check_parts((cj_stochastic_depth), CHANNELS);
    check_identity((cj_stochastic_depth), CJ_INFERENCE, 0.25);
    check_identity((cj_stochastic_depth), CJ_TRAINING, 0);
}

/* --- squeeze and excitation ---------------------------------------------------------------------------- */

/* A row of places is a picture one place high. */
static void test_squeeze_excitation(void **state)
{
    (void)state;
    float x[2 * 5 * 4], y[2][2 * 5 * 4];
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    for (int i = 0; i < 40; i++) x[i] = sinf((float)i);
    expect_ok(cj_model_new(&model, .seed = 7));
    expect_ok(cj_graph_new(&g, model));
    cj_value in = cj_input(g, "x", CJ_F32, cj_shape(2, 5, 4)), picture = cj_reshape(in, cj_shape(2, 1, 5, 4));
    cj_output(g, "row", cj_squeeze_excitation(cj_at(cj_root(g), "block"), in, 3, false));
    cj_output(g, "picture", cj_squeeze_excitation(cj_at(cj_root(g), "block"), picture, 3, false));
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program, .inputs = {{x, CJ_F32, cj_shape(2, 5, 4)}}, .outputs = {y[0], y[1]}));
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

/* --- failing allocations ------------------------------------------------------------------------------- */

static cj_value draw_all(cj_scope s, cj_value x)
{
    x = cj_group_norm(cj_at(s, "norm"), x, .groups = 2);
    x = cj_local_response_norm(x, .width = 3);
    x = cj_resize(x, 7, 9, CJ_BILINEAR, false);
    x = cj_resize(x, 5, 9, CJ_NEAREST, false);
    x = cj_average_pool(x, .kernel = 2, .ceil = true);
    x = cj_adaptive_average_pool(x, cj_shape(2, 3));
    return cj_adaptive_max_pool(x, cj_shape(1, 2));
}

static cj_status scenario(void *context)
{
    cj_model *model;
    cj_graph *g = NULL;
    cj_program *program = NULL;
    (void)context;
    cj_status status = cj_model_new(&model, .seed = 7);
    if (status == CJ_OK) status = cj_graph_new(&g, model, .mode = CJ_TRAINING);
    if (status == CJ_OK) {
        cj_value x = cj_input(g, "x", CJ_F32, cj_shape(2, 4, 6, 4)), dx;
        cj_value y = draw_all(cj_root(g), x);
        cj_gradients(cj_sum(y, CJ_ALL_AXES, CJ_DROP_AXES), 1, &x, &dx);
        cj_output(g, "dx", dx);
        status = cj_compile(&program, g);
    }
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_test_allocator_install();
    expect_ok(cj_set_threads(1));
    cj_test_every_allocation_fails(scenario, NULL);
    expect_ok(cj_set_threads(0));
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations), cmocka_unit_test(test_spatial_dropout),
        cmocka_unit_test(test_stochastic_depth), cmocka_unit_test(test_squeeze_excitation)};
    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
