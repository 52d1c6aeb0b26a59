/* Ops on values worked out by hand or by PyTorch: corner cases that random samples do not meet. */
#include "support.h"

#define CJ_NO_LOCATIONS
#include "cajal/ops.h"
#include "cajal/program.h"

#include <math.h>
#include <string.h>

enum { MOST = 8 };

typedef struct {
    cj_graph *graph;
    cj_value x[MOST];
    cj_tensor inputs[MOST];
    void *outputs[MOST];
    int inputs_count, outputs_count;
} drawing;

static drawing begin(void)
{
    drawing d = {0};
    expect_ok((cj_graph_new)(&d.graph, &(cj_graph_options){.size = sizeof(cj_graph_options)}));
    return d;
}

static cj_value given(drawing *d, void *data, cj_dtype dtype, cj_shape_t shape)
{
    d->inputs[d->inputs_count++] = (cj_tensor){data, dtype, shape};
    return cj_input(d->graph, "x", dtype, shape);
}

static void wanted(drawing *d, cj_value y, void *data)
{
    cj_output(d->graph, "y", y);
    d->outputs[d->outputs_count++] = data;
}

static void run(drawing *d)
{
    cj_program *program;
    expect_ok(cj_compile(&program, d->graph));
    cj_run_options options = {.size = sizeof options, .program = program};
    memcpy(options.inputs, d->inputs, sizeof d->inputs);
    memcpy(options.outputs, d->outputs, sizeof d->outputs);
    expect_ok(cj_program_run(&options));
    cj_program_free(program);
    cj_graph_free(d->graph);
}

#define EXPECT_EACH(array, ...)                                                                              \
    do {                                                                                                     \
        const double should[] = {__VA_ARGS__};                                                               \
        for (size_t e = 0; e < sizeof should / sizeof *should; e++)                                          \
            if (!(fabs((double)(array)[e] - should[e]) <= 1e-6 * (1 + fabs(should[e]))) &&                   \
                (double)(array)[e] != should[e] && !(isnan((double)(array)[e]) && isnan(should[e])))         \
                fail_msg(#array "[%zu] is %.9g, should be %.9g", e, (double)(array)[e], should[e]);          \
    } while (0)

/* With one zero in a group, only that element has a gradient; with two, none: torch.prod. */
static void test_product_of_zeros(void **state)
{
    (void)state;
    double data[] = {2, 0, 3, 4, 0, 0, 5, 6, 7}, y[3], first[9], second[9],
           weights[9] = {1, 2, 3, 1, 1, 2, 1, 0, -1};
    drawing d = begin();
    cj_value x = given(&d, data, CJ_F64, cj_shape(3, 3)), w = given(&d, weights, CJ_F64, cj_shape(3, 3));
    cj_value product = cj_product(x, cj_axes(1), CJ_DROP_AXES), g, h;
    cj_gradients(product, 1, &x, &g);
    cj_gradients(cj_mul(g, w), 1, &x, &h);
    wanted(&d, product, y);
    wanted(&d, g, first);
    wanted(&d, h, second);
    run(&d);
    EXPECT_EACH(y, 0, 0, 210);
    EXPECT_EACH(first, 0, 6, 0, 0, 0, 0, 42, 35, 30);
    /* Σ over j≠i of w[j]·Π of the rest */
    EXPECT_EACH(second, 2 * 3 + 3 * 0, 1 * 3 + 3 * 2, 2 * 2 + 1 * 0, 0, 4 * 2, 4 * 1, -6, 7 - 5, 6);
}

/* torch.sort(stable=True): NaN is the largest, ties keep their order in both directions. */
static void test_sorting(void **state)
{
    (void)state;
    float data[] = {3, NAN, -0.0f, 1, 0, -INFINITY, NAN, 3, INFINITY, 1}, up[10], down[10], most[3];
    int32_t up_at[10], down_at[10], most_at[3];
    drawing d = begin();
    cj_value x = given(&d, data, CJ_F32, cj_shape(10));
    cj_sorted a = cj_sort(x, 0, CJ_ASCENDING), b = cj_sort(x, -1, CJ_DESCENDING),
              c = cj_top_k(x, 3, 0, CJ_ASCENDING);
    wanted(&d, a.values, up);
    wanted(&d, a.indices, up_at);
    wanted(&d, b.values, down);
    wanted(&d, b.indices, down_at);
    wanted(&d, c.values, most);
    wanted(&d, c.indices, most_at);
    run(&d);
    EXPECT_EACH(up, -INFINITY, 0, 0, 1, 1, 3, 3, INFINITY, NAN, NAN);
    EXPECT_EACH(up_at, 5, 2, 4, 3, 9, 0, 7, 8, 1, 6);
    EXPECT_EACH(down, NAN, NAN, INFINITY, 3, 3, 1, 1, 0, 0, -INFINITY);
    EXPECT_EACH(down_at, 1, 6, 8, 0, 7, 3, 9, 2, 4, 5);
    EXPECT_EACH(most, -INFINITY, 0, 0);
    EXPECT_EACH(most_at, 5, 2, 4);
    assert_true(signbit(up[1]) && !signbit(up[2]));
}

/* The definition in double precision decides alike. */
static void test_sorting_in_double(void **state)
{
    (void)state;
    double data[] = {3, NAN, -0.0, 1, 0, -INFINITY, NAN, 3}, up[8];
    int32_t up_at[8], most_at[3];
    drawing d = begin();
    cj_value x = given(&d, data, CJ_F64, cj_shape(8));
    cj_sorted a = cj_sort(x, 0, CJ_ASCENDING);
    wanted(&d, a.values, up);
    wanted(&d, a.indices, up_at);
    wanted(&d, cj_top_k(x, 3, 0, CJ_DESCENDING).indices, most_at);
    run(&d);
    EXPECT_EACH(up, -INFINITY, 0, 0, 1, 3, 3, NAN, NAN);
    EXPECT_EACH(up_at, 5, 2, 4, 3, 0, 7, 1, 6);
    EXPECT_EACH(most_at, 1, 6, 0);
}

static void test_extremes(void **state)
{
    (void)state;
    float data[] = {1, 5, 5, -2, -2, 0, NAN, 7, 7, NAN, -9, 0}, least[2], most[2];
    int32_t low[2], high[2];
    drawing d = begin();
    cj_value x = given(&d, data, CJ_F32, cj_shape(2, 6));
    wanted(&d, cj_argmin(x, 1), low);
    wanted(&d, cj_argmax(x, 1), high);
    wanted(&d, cj_min(x, cj_axes(1), CJ_DROP_AXES), least);
    wanted(&d, cj_max(x, cj_axes(1), CJ_DROP_AXES), most);
    run(&d);
    EXPECT_EACH(low, 3, 0);
    EXPECT_EACH(high, 1, 0);
    EXPECT_EACH(least, -2, NAN);
    EXPECT_EACH(most, 5, NAN);
}

static void test_running_sums(void **state)
{
    (void)state;
    float data[] = {1, 2, 3, 4}, y[4][4];
    drawing d = begin();
    cj_value x = given(&d, data, CJ_F32, cj_shape(4));
    wanted(&d, cj_cumulative_sum(x, 0, CJ_INCLUSIVE), y[0]);
    wanted(&d, cj_cumulative_sum(x, 0, CJ_EXCLUSIVE), y[1]);
    wanted(&d, cj_cumulative_sum(x, 0, CJ_REVERSE), y[2]);
    wanted(&d, cj_cumulative_sum(x, 0, CJ_EXCLUSIVE | CJ_REVERSE), y[3]);
    run(&d);
    EXPECT_EACH(y[0], 1, 3, 6, 10);
    EXPECT_EACH(y[1], 0, 1, 3, 6);
    EXPECT_EACH(y[2], 10, 9, 7, 4);
    EXPECT_EACH(y[3], 9, 7, 4, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_product_of_zeros),  cmocka_unit_test(test_sorting),
        cmocka_unit_test(test_sorting_in_double), cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_running_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
