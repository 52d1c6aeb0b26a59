/* Networks whose first layer is set from the data: whitening makes what it gives uncorrelated, and a fit
 * leaves it so. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>

/* --- whitening ----------------------------------------------------------------------------------------- */

enum { ROWS = 40, SIDE = 8, CHANNELS = 3, PATCH = 12, FILTERS = 24 };

/* Neighbours are alike, so that there is something to undo. */
static cj_dataset *smooth_pictures(void)
{
    static float x[ROWS][SIDE][SIDE][CHANNELS];
    static int32_t y[ROWS];
    uint32_t state = 1;
    for (int i = 0; i < ROWS * SIDE * SIDE * CHANNELS; i++) {
        float before = i >= CHANNELS ? ((float *)x)[i - CHANNELS] : 0;
        state = state * 1664525 + 1013904223;
        ((float *)x)[i] = 0.7f * before + (float)(state >> 8) / 16777216.0f - 0.5f;
    }
    cj_dataset *data;
    cj_tensor xs = {x, CJ_F32, cj_shape(ROWS, SIDE, SIDE, CHANNELS)}, ys = {y, CJ_I32, cj_shape(ROWS)};
    expect_ok(cj_dataset_from_tensors(&data, &xs, &ys));
    return data;
}

static cj_model *drawn(const char *name)
{
    cj_model *model;
    cj_graph *graph;
    expect_ok(cj_model_new(&model, .seed = 3));
    expect_ok(cj_graph_new(&graph, model));
    cj_value x = cj_input(graph, "x", CJ_F32, cj_shape(1, 32, 32, 3));
    cj_network(cj_root(graph), name, &(cj_network_options){.size = sizeof(cj_network_options), .input = x});
    expect_ok(cj_graph_status(graph));
    cj_graph_free(graph);
    return model;
}

/* Σ over all patches of (filter a · patch)(filter b · patch), over their count. */
static double second_moment(const float *weight, const float *x, int a, int b)
{
    double sum = 0;
    int count = 0;
    for (int n = 0; n < ROWS; n++)
        for (int h = 0; h + 2 <= SIDE; h++)
            for (int w = 0; w + 2 <= SIDE; w++, count++) {
                double ya = 0, yb = 0;
                for (int i = 0; i < PATCH; i++) {
                    const float *row = x + ((n * SIDE + h + i / 6) * SIDE + w) * CHANNELS;
                    ya += (double)weight[i * FILTERS + a] * (double)row[i % 6];
                    yb += (double)weight[i * FILTERS + b] * (double)row[i % 6];
                }
                sum += ya * yb;
            }
    return sum / count;
}

static void whitened_outputs_are_uncorrelated_and_of_one_size(void **state)
{
    (void)state;
    cj_dataset *data = smooth_pictures();
    cj_model *model = drawn("airbench94");
    cj_whiten_options options = {
        .size = sizeof options, .name = "0.weight", .dataset = data, .epsilon = 1e-9};
    expect_ok(cj_whiten(model, &options));
    const float *weight = cj_model_find(model, "0.weight").data;
    for (int a = 0; a < PATCH; a++) {
        for (int b = 0; b < PATCH; b++) {
            double moment = second_moment(weight, cj_dataset_x(data).data, a, b);
            assert_true(fabs(moment - (a == b)) < 1e-4);
        }
        for (int i = 0; i < PATCH; i++)
            assert_true(weight[i * FILTERS + a] == -weight[i * FILTERS + PATCH + a]);
    }
    cj_model_free(model);
    cj_dataset_free(data);
}

static void whitening_refuses_what_it_cannot_do(void **state)
{
    (void)state;
    cj_dataset *data = smooth_pictures();
    cj_model *model = drawn("airbench94");
    cj_whiten_options options = {.size = sizeof options, .name = "0.wait", .dataset = data};
    expect_status(cj_whiten(model, &options), CJ_NOT_FOUND);
    expect_message("0.wait");
    options.name = "0.bias";
    expect_status(cj_whiten(model, &options), CJ_INVALID_ARGUMENT);
    expect_message("not the weight of a 2-D convolution");
    options.name = "2.conv1.weight"; /* [3,3,24,64] of pictures with 3 channels */
    expect_status(cj_whiten(model, &options), CJ_SHAPE_ERROR);
    expect_message("24");
    options.name = "3.conv1.weight";
    expect_status(cj_whiten(model, &options), CJ_UNSUPPORTED);
    expect_message("at most twice");
    cj_model_free(model);
    cj_dataset_free(data);
}

static void the_first_filters_pass_channels_on(void **state)
{
    (void)state;
    cj_model *model = drawn("airbench94");
    const float *weight = cj_model_find(model, "2.conv1.weight").data; /* [3,3,24,64] */
    double largest = 0;
    for (int tap = 0; tap < 9; tap++)
        for (int in = 0; in < 24; in++)
            for (int out = 0; out < 64; out++) {
                float element = weight[(tap * 24 + in) * 64 + out];
                if (out < 24) assert_true(element == (float)(tap == 4 && in == out));
                if (out >= 24 && fabs((double)element) > largest) largest = fabs((double)element);
            }
    assert_true(largest > 0.9 / sqrt(216) && largest <= 1 / sqrt(216));
    cj_model_free(model);
}

static cj_value forward(cj_scope s, cj_value x, void *context)
{
    (void)context;
    return cj_network(s, "airbench94", &(cj_network_options){.size = sizeof(cj_network_options), .input = x});
}

/* The filters stay as the data made them; their bias learns. */
static void a_fit_whitens_and_leaves_the_filters_alone(void **state)
{
    (void)state;
    static float x[8][32][32][3];
    static int32_t y[8];
    const double mean[3] = {0.1, 0, -0.2}, deviation[3] = {0.5, 1, 2};
    for (int i = 0; i < 8 * 32 * 32 * 3; i++) ((float *)x)[i] = sinf((float)(i * i % 997));
    for (int i = 0; i < 8; i++) y[i] = i % 10;
    cj_dataset *data;
    cj_tensor xs = {x, CJ_F32, cj_shape(8, 32, 32, 3)}, ys = {y, CJ_I32, cj_shape(8)};
    expect_ok(cj_dataset_from_tensors(&data, &xs, &ys));
    cj_model *model, *other = drawn("airbench94");
    expect_ok(cj_model_new(&model, .seed = 3));
    expect_ok(cj_fit(model, forward, NULL, data, .epochs = 1, .batch_size = 8, .whiten = "0.weight",
                     .mean = mean, .deviation = deviation, .channels = 3,
                     .optimizer = cj_sgd(.learning_rate = 0.1, .weight_decay = 0.1)));
    cj_whiten_options options = {.size = sizeof options,
                                 .name = "0.weight",
                                 .dataset = data,
                                 .mean = mean,
                                 .deviation = deviation,
                                 .channels = 3};
    expect_ok(cj_whiten(other, &options));
    assert_memory_equal(cj_model_find(model, "0.weight").data, cj_model_find(other, "0.weight").data,
                        PATCH * FILTERS * sizeof(float));
    assert_true(((float *)cj_model_find(model, "0.bias").data)[0] != 0);
    cj_model_free(model);
    cj_model_free(other);
    cj_dataset_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whitened_outputs_are_uncorrelated_and_of_one_size),
        cmocka_unit_test(whitening_refuses_what_it_cannot_do),
        cmocka_unit_test(the_first_filters_pass_channels_on),
        cmocka_unit_test(a_fit_whitens_and_leaves_the_filters_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
