/* Layers of networks that see against PyTorch's, from tests/fixtures/vision.py: outputs, gradients by the
 * pictures, running statistics; weights travel through a file in PyTorch's layout and back to the same bytes.
 */
#include "stored.h"

#include "cajal/cajal.h"
#include "graph/graph.h"

#include <math.h>

static cj_tensor_file *values;
static cj_model *model;

/* --- the layers, under the names of the fixture's cases ------------------------------------------------ */

/* As cj_relu, but what flows back into its zeros is multiplied by 0, which does not hide a NaN. */
static cj_value positive(cj_value x)
{
    return cj_mul(x, cj_cast(cj_greater(x, cj_constant(x.graph, CJ_F32, 0)), CJ_F32));
}

#define LAYER(name)                                                                                          \
    static cj_value draw_##name(cj_scope s, cj_value x)                                                      \
    {                                                                                                        \
        (void)s;
#define END }
LAYER(conv) return cj_conv2d(s, x, .filters = 6, .kernel = 3, .stride = 2, .pad = 1);
END LAYER(conv_groups) return cj_conv2d(s, x, .filters = 8, .kernels = {3, 1}, .pads = {1},
                                        .dilations = {2, 1}, .groups = 2, .no_bias = true);
END LAYER(depthwise) return cj_conv2d(s, x, .filters = 5, .kernel = 3, .padding = CJ_SAME, .groups = 5);
END LAYER(transpose) return cj_conv_transpose(s, x, .filters = 6, .kernel = 3, .stride = 2, .pad = 1,
                                              .output_pad = 1);
END LAYER(transpose_groups) return cj_conv_transpose(s, x, .filters = 6, .kernel = 2, .stride = 2,
                                                     .groups = 2);
END LAYER(batch_norm) return cj_batch_norm(s, x);
END LAYER(batch_norm_inference) return cj_batch_norm(s, x);
END LAYER(group_norm) return cj_group_norm(s, x, .groups = 2);
END LAYER(instance_norm) return cj_group_norm(s, x, .groups = 3);
END LAYER(response_norm) return cj_local_response_norm(x, .width = 4, .alpha = 0.5, .beta = 0.6, .k = 2);
END LAYER(max_pool) return cj_max_pool(x, .kernel = 3, .stride = 2, .pad = 1);
END LAYER(max_pool_ceil) return cj_max_pool(x, .ceil = true);
END LAYER(average_pool) return cj_average_pool(x, .kernel = 3, .stride = 2, .pad = 1);
END LAYER(average_pool_ceil) return cj_average_pool(x, .kernel = 3, .stride = 2, .pad = 1, .ceil = true);
END LAYER(average_pool_inside) return cj_average_pool(x, .kernel = 3, .stride = 2, .pad = 1,
                                                      .exclude_padding = true);
END LAYER(power_pool) return cj_power_pool(cj_add_scalar(cj_abs(x), 0.1), .power = 3);
END LAYER(power_pool_zeros) return cj_power_pool(positive(x));
END LAYER(power_pool_cubes) return cj_power_pool(positive(x), .power = 3);
END LAYER(adaptive_average) return cj_adaptive_average_pool(x, cj_shape(3, 2));
END LAYER(adaptive_max) return cj_adaptive_max_pool(x, cj_shape(2, 3));
END LAYER(bilinear) return cj_resize(x, 7, 3, CJ_BILINEAR, false);
END LAYER(bilinear_corners) return cj_resize(x, 7, 9, CJ_BILINEAR, true);
END LAYER(nearest) return cj_resize(x, 7, 3, CJ_NEAREST, false);
END LAYER(conv3d) return cj_conv3d(s, x, .filters = 4, .kernels = {2, 3, 3}, .strides = {1, 2, 1},
                                   .pads = {1, 0, 1}, .dilations = {2, 1, 1});
END LAYER(separable) return cj_separable_conv2d(s, x, .filters = 6, .kernel = 3, .stride = 2, .pad = 1);
END LAYER(spatially) return cj_spatially_separable_conv2d(s, x, .filters = 5, .kernel = 3, .stride = 2,
                                                          .pad = 1);
END LAYER(batch_norm_plain) return cj_batch_norm(s, x, .no_affine = true);
END LAYER(group_norm_plain) return cj_group_norm(s, x, .groups = 2, .no_affine = true);
END LAYER(shuffle) return cj_pixel_shuffle(x, 2);
END LAYER(unshuffle) return cj_pixel_unshuffle(x, 2);
END

    static const struct {
    const char *name;
    cj_value (*draw)(cj_scope s, cj_value x);
} layers[] = {
#define ROW(name)                                                                                            \
    {                                                                                                        \
#name, draw_##name                                                                                   \
    }
    ROW(conv),
    ROW(conv_groups),
    ROW(depthwise),
    ROW(transpose),
    ROW(transpose_groups),
    ROW(batch_norm),
    ROW(batch_norm_inference),
    ROW(group_norm),
    ROW(instance_norm),
    ROW(response_norm),
    ROW(max_pool),
    ROW(max_pool_ceil),
    ROW(average_pool),
    ROW(average_pool_ceil),
    ROW(average_pool_inside),
    ROW(power_pool),
    ROW(power_pool_zeros),
    ROW(power_pool_cubes),
    ROW(adaptive_average),
    ROW(adaptive_max),
    ROW(bilinear),
    ROW(bilinear_corners),
    ROW(nearest),
    ROW(conv3d),
    ROW(separable),
    ROW(spatially),
    ROW(batch_norm_plain),
    ROW(group_norm_plain),
    ROW(shuffle),
    ROW(unshuffle)};

/* --- comparing ----------------------------------------------------------------------------------------- */

static void expect_near(const char *layer, const char *what, const float *found, double tolerance)
{
    cj_test_expect_near(values, layer, what, found, tolerance);
}

/* Draws sum(y · c), runs it once, and compares. */
static void check_layer(const char *name, cj_value (*draw)(cj_scope, cj_value))
{
    cj_graph *g;
    cj_program *program;
    cj_tensor x = cj_test_stored(values, name, "x"), c = cj_test_stored(values, name, "c");
    bool inference = strstr(name, "inference") != NULL;
    expect_ok(cj_graph_new(&g, model, .mode = inference ? CJ_INFERENCE : CJ_TRAINING));
    cj_value in = cj_input(g, "x", CJ_F32, x.shape), weights = cj_input(g, "c", CJ_F32, c.shape), dx;
    cj_value y = draw(cj_at(cj_root(g), "%s", name), in);
    if (!cj_shape_equal(cj_value_shape(y), c.shape))
        fail_msg("%s: another shape: %s", name, cj_error_message());
    cj_gradients(cj_sum(cj_mul(y, weights), CJ_ALL_AXES, CJ_DROP_AXES), 1, &in, &dx);
    cj_output(g, "y", y);
    cj_output(g, "dx", dx);
    expect_ok(cj_compile(&program, g));
    float *results[] = {malloc(cj_tensor_bytes(&c)), malloc(cj_tensor_bytes(&x))};
    expect_ok(cj_program_run(program, .inputs = {x, c}, .outputs = {results[0], results[1]}));
    expect_near(name, "y", results[0], 2e-5);
    expect_near(name, "dx", results[1], 5e-5);
    cj_program_free(program);
    cj_graph_free(g);
    for (int i = 0; i < 2; i++) free(results[i]);
    free(x.data);
    free(c.data);
}

static void test_layers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) check_layer(layers[i].name, layers[i].draw);
    expect_near("batch_norm", "running_mean", cj_model_find(model, "batch_norm.running_mean").data, 1e-5);
    expect_near("batch_norm", "running_var", cj_model_find(model, "batch_norm.running_var").data, 1e-5);
    expect_near("batch_norm_plain", "running_var", cj_model_find(model, "batch_norm_plain.running_var").data,
                1e-5);
    assert_null(cj_model_find(model, "batch_norm_plain.weight").data);
    assert_null(cj_model_find(model, "group_norm_plain.bias").data);
    expect_near("batch_norm_inference", "running_var",
                cj_model_find(model, "batch_norm_inference.running_var").data, 0);
}

/* Saved again, the weights of convolutions are as they were read. */
static void test_layout_of_files(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *names[] = {"conv.weight",      "conv_groups.weight", "depthwise.weight",
                           "transpose.weight", "conv3d.weight",      "separable.depthwise.weight"};
    cj_tensor_file *before, *after;
    float a[512], b[512];
    expect_ok(cj_model_save(model, cj_test_path(folder, "again.safetensors"), NULL));
    expect_ok(cj_tensor_file_open(&before, CJ_TEST_SOURCE "/tests/fixtures/vision-weights.safetensors"));
    expect_ok(cj_tensor_file_open(&after, cj_test_path(folder, "again.safetensors")));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cj_tensor was, is;
        int64_t at = cj_tensor_file_find(before, names[i]), there = cj_tensor_file_find(after, names[i]);
        assert_true(at >= 0 && there >= 0);
        expect_ok(cj_tensor_file_describe(before, at, &was));
        expect_ok(cj_tensor_file_describe(after, there, &is));
        assert_true(cj_shape_equal(was.shape, is.shape) && cj_tensor_bytes(&was) <= sizeof a);
        expect_ok(cj_tensor_file_read(before, at, a));
        expect_ok(cj_tensor_file_read(after, there, b));
        assert_memory_equal(a, b, cj_tensor_bytes(&was));
    }
    cj_tensor_file_close(before);
    cj_tensor_file_close(after);
    cj_test_remove_folder(folder);
}

/* --- windows that see nothing --------------------------------------------------------------------------- */

/* Pools [1,size,size,2] in each way; what is wrong with it, or NULL. */
static void check_windows(int64_t size, cj_pool_options options, const char *wrong)
{
    cj_value (*const pools[])(const cj_pool_options *) = {(cj_max_pool), (cj_average_pool), (cj_power_pool)};
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        cj_graph *g;
        expect_ok(cj_graph_new(&g, model));
        options.size = sizeof options;
        options.input = cj_input(g, "x", CJ_F32, cj_shape(1, size, size, 2));
        assert_int_equal(cj_value_ok(pools[i](&options)), wrong == NULL);
        if (wrong) expect_message(wrong);
        cj_graph_free(g);
    }
}

/* There is neither a largest nor a mean of no elements: padding may reach as far as each window sees one. */
static void test_windows_that_see_nothing(void **state)
{
    (void)state;
    check_windows(
        8, (cj_pool_options){.kernel = 2, .pad = 2},
        "window 0 along spatial axis 0 sees padding alone: it begins at -2, has 2 elements 1 apart, "
        "and there are 8; hint: take less padding");
    check_windows(8, (cj_pool_options){.kernel = 2, .pad = 2, .exclude_padding = true}, "it begins at -2");
    check_windows(8, (cj_pool_options){.kernel = 3, .stride = 1, .pads = {0, 7}},
                  "window 0 along spatial axis 1");
    /* What dilation steps over: elements -1 and 2 of two. */
    check_windows(2, (cj_pool_options){.kernel = 2, .pad = 1, .dilation = 3}, "2 elements 3 apart");
    check_windows(2, (cj_pool_options){.kernel = 2, .stride = 1, .dilation = 3, .padding = CJ_SAME},
                  "2 elements 3 apart");
    check_windows(8, (cj_pool_options){.kernel = 3, .stride = 1, .pad = 2}, NULL);
    check_windows(1, (cj_pool_options){.kernel = 3, .pad = 1}, NULL);
    check_windows(7, (cj_pool_options){.kernel = 4, .stride = 3, .pad = 2, .ceil = true}, NULL);
    check_windows(3, (cj_pool_options){.kernel = 5, .stride = 4, .padding = CJ_SAME}, NULL);
}

/* --- wrong options -------------------------------------------------------------------------------------- */

/* What a layer with these options says, drawn at "l" on pictures of three channels. */
static void check_refused(cj_value (*draw)(cj_scope, const cj_conv_options *), cj_conv_options options,
                          const char *sentence)
{
    cj_graph *g;
    cj_model *empty;
    expect_ok(cj_model_new(&empty, .seed = 1));
    expect_ok(cj_graph_new(&g, empty));
    options.size = sizeof options;
    options.input = cj_input(g, "x", CJ_F32, cj_shape(1, 8, 8, 3));
    assert_false(cj_value_ok(draw(cj_at(cj_root(g), "l"), &options)));
    expect_message(sentence);
    cj_graph_free(g);
    cj_model_free(empty);
}

static void test_wrong_options(void **state)
{
    (void)state;
    check_refused((cj_conv2d), (cj_conv_options){.filters = 4, .kernel = -1},
                  "conv2d at 'l' has a kernel of -1 along spatial axis 0, but needs 1 or more");
    check_refused((cj_conv2d), (cj_conv_options){.filters = 4, .kernels = {3, -2}},
                  "a kernel of -2 along spatial axis 1");
    check_refused((cj_conv_transpose), (cj_conv_options){.filters = 4, .kernel = -3},
                  "conv_transpose at 'l' has a kernel of -3");
    check_refused((cj_conv2d), (cj_conv_options){.filters = 4, .kernel = (int64_t)1 << 40},
                  "parameter 'l.weight' cannot have the shape [1099511627776,1099511627776,3,4]");
    check_refused((cj_conv2d), (cj_conv_options){.filters = 4, .stride = -1}, "stride -1");
}

static int begin(void **state)
{
    (void)state;
    if (cj_tensor_file_open(&values, CJ_TEST_SOURCE "/tests/fixtures/vision.safetensors") != CJ_OK) return 0;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_model_load(model, CJ_TEST_SOURCE "/tests/fixtures/vision-weights.safetensors"));
    return 0;
}

static int end(void **state)
{
    (void)state;
    cj_tensor_file_close(values);
    cj_model_free(model);
    return 0;
}

static void check_layers(void **state)
{
    if (!values) skip_because("this build reads no safetensors: %s", cj_error_message());
    test_layers(state);
}

static void check_layout(void **state)
{
    if (!values) skip_because("this build reads no safetensors: %s", cj_error_message());
    test_layout_of_files(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(check_layers), cmocka_unit_test(check_layout),
                                       cmocka_unit_test(test_windows_that_see_nothing),
                                       cmocka_unit_test(test_wrong_options)};
    return cmocka_run_group_tests_name("vision", tests, begin, end);
}
