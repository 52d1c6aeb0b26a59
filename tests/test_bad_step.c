/* A step that is not finite changes nothing, and the error names the first value that went wrong: the input,
 * the variable, or the op with its place in the drawing. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>
#include <string.h>

typedef cj_value (*body)(cj_scope scope, cj_value x);

/* A linear layer, then `draw`, then the mean of squares minimised. */
static void expect_blame(body draw, const float x[4], const char *const sentences[])
{
    cj_model *model;
    cj_graph *g;
    cj_program *step;
    float before[4];
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value input = cj_input(g, "pixels", CJ_F32, cj_shape(2, 2));
    cj_value y = cj_dense(cj_at(cj_root(g), "hidden"), input, .units = 2, .weight_init = {CJ_INIT_ONES, 0});
    cj_scope scope = cj_at(cj_root(g), "block");
    cj_value loss = cj_mean(cj_square(draw(scope, y)), CJ_ALL_AXES, CJ_DROP_AXES);
    cj_minimize(loss, cj_adam(.learning_rate = 0.1));
    expect_ok(cj_compile(&step, g));
    cj_graph_free(g); /* the program is enough to find out */
    cj_tensor weight = cj_model_find(model, "hidden.weight");
    memcpy(before, weight.data, sizeof before);
    for (int twice = 0; twice < 2; twice++) {
        expect_status(cj_program_run(step, .inputs = {{(void *)x, CJ_F32, cj_shape(2, 2)}}), CJ_NOT_FINITE);
        for (int i = 0; sentences[i]; i++) expect_message(sentences[i]);
        assert_memory_equal(before, weight.data, sizeof before);
    }
    cj_program_free(step);
    cj_model_free(model);
}

static cj_value nothing(cj_scope scope, cj_value x)
{
    (void)scope;
    return x;
}

static cj_value logarithm(cj_scope scope, cj_value x)
{
    (void)scope;
    return cj_log(cj_relu(x));
}

static cj_value exponential(cj_scope scope, cj_value x)
{
    (void)scope;
    return cj_exp(x);
}

static cj_value division(cj_scope scope, cj_value x)
{
    (void)scope;
    return cj_div(x, cj_sub(x, x));
}

static cj_value bad_variable(cj_scope scope, cj_value x)
{
    return cj_mul(x,
                  cj_parameter(scope, "scale", cj_shape(2), (cj_init){CJ_INIT_CONSTANT, (double)INFINITY}));
}

static cj_value large(cj_scope scope, cj_value x)
{
    return cj_dense(cj_at(scope, "huge"), x, .units = 3, .weight_init = {CJ_INIT_CONSTANT, 1e38});
}

static void test_blame(void **state)
{
    (void)state;
    const float nan[4] = {1, 1, (float)NAN, 1}, negative[4] = {-1, -1, 2, 2}, ones[4] = {1, 1, 1, 1},
                hundreds[4] = {100, 100, 1, 1};
    expect_blame(nothing, nan,
                 (const char *[]){"input 'pixels' is not", "element 2 is nan", "bad values", NULL});
    expect_blame(
        logarithm, negative,
        (const char *[]){"went wrong is log", "test_bad_step.c:", "it made -inf", "logarithm of 0", NULL});
    expect_blame(exponential, hundreds,
                 (const char *[]){"went wrong is exp", "[2,2]", "numbers up to 200", "it overflowed", NULL});
    expect_blame(division, ones, (const char *[]){"went wrong is div", "it divided by 0", NULL});
    expect_blame(bad_variable, ones, (const char *[]){"variable 'block.scale'", "element 0 is inf", NULL});
    expect_blame(large, hundreds,
                 (const char *[]){"matmul at 'block.huge' [2,3]", "test_bad_step.c:", "too large", NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_blame)};
    return cmocka_run_group_tests_name("bad_step", tests, NULL, NULL);
}
