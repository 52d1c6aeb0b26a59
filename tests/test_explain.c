/* Explanations: Grad-CAM, gradients and feature maps against PyTorch's (tests/fixtures/grad_cam.py),
 * integrated gradients by their sum, occlusion by hand, all of them on a network that has learned to tell two
 * shapes: they point at the shape, and change when its weights are forgotten (Adebayo et al., 2018). */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>

/* --- networks ------------------------------------------------------------------------------------------ */

static cj_layer of_fixture[] = {CJ_LAYER("conv2d", 6, .kernel = 3, .pad = 1),
                                CJ_LAYER("batch_norm"),
                                CJ_LAYER("relu"),
                                CJ_LAYER("conv2d", 5, .kernel = 3, .stride = 2, .pad = 1),
                                CJ_LAYER("relu"),
                                CJ_LAYER("flatten"),
                                CJ_LAYER("dense", 4),
                                CJ_LAYER(NULL)};
static cj_layer of_shapes[] = {CJ_LAYER("conv2d", 8, .kernel = 3, .pad = 1),
                               CJ_LAYER("relu"),
                               CJ_LAYER("max_pool", 2),
                               CJ_LAYER("conv2d", 12, .kernel = 3, .pad = 1),
                               CJ_LAYER("relu"),
                               CJ_LAYER("global_average_pool"),
                               CJ_LAYER("dense", 2),
                               CJ_LAYER(NULL)};
static cj_layer two_outputs[] = {CJ_LAYER("dense", 2), CJ_LAYER(NULL)};
static cj_layer one_logit[] = {CJ_LAYER("conv2d", 3, .kernel = 3), CJ_LAYER("relu"), CJ_LAYER("dense", 1),
                               CJ_LAYER(NULL)};

/* The layers' model for examples of that shape, with its initial values. */
static cj_model *new_model(cj_layer *layers, cj_shape_t example, uint64_t seed)
{
    cj_model *model;
    cj_shape_t batch = {.rank = example.rank + 1, .dims = {1}};
    for (int64_t i = 0; i < example.rank; i++) batch.dims[i + 1] = example.dims[i];
    expect_ok(cj_model_new(&model, .seed = seed));
    expect_ok(cj_draw_network(model, cj_sequential, layers, batch));
    return model;
}

static cj_explain_options options_of(cj_model *model, cj_layer *layers, float *x, cj_shape_t shape)
{
    return (cj_explain_options){.size = sizeof(cj_explain_options),
                                .model = model,
                                .forward = cj_sequential,
                                .context = layers,
                                .x = {x, CJ_F32, shape}};
}

/* --- against PyTorch ----------------------------------------------------------------------------------- */

static cj_tensor_file *fixture;

static const float *stored(const char *format, int a, int b)
{
    char name[64];
    cj_tensor tensor;
    snprintf(name, sizeof name, format, a, b);
    int64_t index = cj_tensor_file_find(fixture, name);
    if (index < 0) fail_msg("the fixture has no %s", name);
    expect_ok(cj_tensor_file_tensor(fixture, index, &tensor));
    return tensor.data;
}

/* To `tolerance` of the largest value. */
static void expect_equal(const char *what, const float *found, const float *wanted, int count,
                         double tolerance)
{
    double largest = 0;
    for (int i = 0; i < count; i++) largest = fmax(largest, fabs((double)wanted[i]));
    assert_true(largest > 0);
    for (int i = 0; i < count; i++)
        if (!(fabs((double)found[i] - (double)wanted[i]) <= tolerance * largest))
            fail_msg("%s[%d] is %g, but PyTorch has %g", what, i, (double)found[i], (double)wanted[i]);
}

static cj_explain_options open_fixture(void)
{
    cj_shape_t shape = cj_shape(9, 7, 3);
    cj_weights weights = {.size = sizeof weights, .from = CJ_TEST_FIXTURE("grad-cam.safetensors")};
    cj_model *model = new_model(of_fixture, shape, 1);
    expect_ok(cj_load_weights(model, &weights, NULL));
    expect_ok(cj_tensor_file_open(&fixture, CJ_TEST_FIXTURE("grad-cam.safetensors")));
    return options_of(model, of_fixture, (float *)(uintptr_t)stored("x", 0, 0), shape);
}

static void close_fixture(const cj_explain_options *o)
{
    cj_tensor_file_close(fixture);
    cj_model_free(o->model);
}

static void test_pytorch(void **state)
{
    (void)state;
    float map[9 * 7];
    cj_explanation facts;
    cj_explain_options o = open_fixture();
    for (int output = 0; output < 4; output++) {
        o.output = output;
        o.method = CJ_SALIENCY;
        expect_ok(cj_explain(&o, map, &facts));
        expect_equal("saliency", map, stored("saliency.%d", output, 0), 63, 1e-5);
        assert_true(fabs(facts.score - (double)*stored("score.%d", output, 0)) < 1e-5);
        for (int layer = 0; layer <= 3; layer += 3) {
            o.method = CJ_GRAD_CAM;
            o.layer = layer ? "3" : "0";
            expect_ok(cj_explain(&o, map, &facts));
            expect_equal("Grad-CAM", map, stored("cam.%d.%d", layer, output), 63, 2e-5);
            assert_string_equal(facts.layer, o.layer);
        }
        o.layer = NULL;
        expect_ok(cj_explain(&o, map, &facts));
        assert_string_equal(facts.layer, "3");
        expect_equal("Grad-CAM", map, stored("cam.%d.%d", 3, output), 63, 2e-5);
    }
    close_fixture(&o);
}

static void test_layers(void **state)
{
    (void)state;
    cj_feature_maps maps;
    int64_t channels;
    cj_explain_options o = open_fixture();
    expect_ok(cj_feature_maps_make(&maps, &o));
    assert_string_equal(maps.layer, "0");
    assert_true(cj_shape_equal(maps.maps.shape, cj_shape(9, 7, 6)));
    expect_equal("maps", maps.maps.data, stored("maps", 0, 0), 9 * 7 * 6, 1e-5);
    cj_feature_maps_free(&maps);
    o.layer = "3";
    expect_ok(cj_filters_make(&maps, &channels, &o));
    assert_int_equal(channels, 6);
    assert_true(cj_shape_equal(maps.maps.shape, cj_shape(3, 3, 30)));
    const float *filters = maps.maps.data, *weight = stored("3.weight", 0, 0); /* [5,6,3,3] */
    for (int f = 0; f < 30; f++)
        for (int t = 0; t < 9; t++) assert_true(filters[t * 30 + f] == weight[f * 9 + t]);
    cj_feature_maps_free(&maps);
    close_fixture(&o);
}

/* --- by hand ------------------------------------------------------------------------------------------- */

/* Output 0 of [3,width] is Σ weight · x, the weights being 1, 2, 3, …; output 1 is 0. */
static cj_model *counting_model(int width)
{
    cj_model *model = new_model(two_outputs, cj_shape(3, width), 1);
    cj_tensor weight = cj_model_find(model, "0.weight"), bias = cj_model_find(model, "0.bias");
    memset(weight.data, 0, cj_tensor_bytes(&weight));
    memset(bias.data, 0, cj_tensor_bytes(&bias));
    for (int i = 0; i < 3 * width; i++) ((float *)weight.data)[i] = (float)(i + 1);
    return model;
}

static void expect_map(const cj_explain_options *o, const float *wanted, int count)
{
    float map[64];
    expect_ok(cj_explain(o, map, NULL));
    for (int i = 0; i < count; i++)
        if (fabsf(map[i] - wanted[i]) > 1e-4F)
            fail_msg("%s: pixel %d is %g, expected %g", cj_explain_method_name(o->method), i, (double)map[i],
                     (double)wanted[i]);
}

static void test_occlusion(void **state)
{
    (void)state;
    /* windows of 2 by 2 take away 12, 16, 24 and 28; the middle pixel lies in all four */
    static const float square[] = {12, 14, 16, 18, 20, 22, 24, 26, 28};
    /* of 3 by 5, weights 1 … 15, with a stride of 2: windows begin at columns 0, 2 and 3, at lines 0 and 1.
     * From the upper ones 1+2+6+7 = 16, 3+4+8+9 = 24, 4+5+9+10 = 28; a line lower each is 20 more */
    static const float wide[] = {16, 16, 24, 26, 28, 26, 26, 34, 36, 38, 36, 36, 44, 46, 48};
    float ones[15], twos[15];
    for (int i = 0; i < 15; i++) ones[i] = 1, twos[i] = 2;
    cj_model *model = counting_model(3);
    cj_explain_options o = options_of(model, two_outputs, ones, cj_shape(3, 3));
    o.method = CJ_OCCLUSION;
    o.window = 2;
    o.stride = 1;
    expect_map(&o, square, 9);
    o.x.data = twos;
    o.baseline = ones;
    expect_map(&o, square, 9);
    cj_model_free(model);
    o = options_of(model = counting_model(5), two_outputs, ones, cj_shape(3, 5));
    o.method = CJ_OCCLUSION;
    o.window = o.stride = 2;
    expect_map(&o, wide, 15);
    cj_model_free(model);
}

/* Of a linear network every method can be told by its weights. */
static void test_linear(void **state)
{
    (void)state;
    static const float weights[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const float products[] = {1, -2, 3, -4, 5, -6, 7, -8, 9};
    float x[] = {1, -1, 1, -1, 1, -1, 1, -1, 1};
    cj_model *model = counting_model(3);
    cj_explain_options o = options_of(model, two_outputs, x, cj_shape(3, 3));
    expect_map(&o, weights, 9);
    o.method = CJ_SMOOTHGRAD;
    expect_map(&o, weights, 9);
    o.method = CJ_INTEGRATED_GRADIENTS;
    expect_map(&o, products, 9);
    o.x.shape = cj_shape(9); /* no picture: a row of numbers */
    expect_map(&o, products, 9);
    cj_model_free(model);
}

/* What speaks for 1 speaks against 0. */
static void test_single_logit(void **state)
{
    (void)state;
    float x[6 * 5], maps[2][6 * 5];
    cj_explanation facts[2];
    for (int i = 0; i < 30; i++) x[i] = sinf((float)i);
    cj_model *model = new_model(one_logit, cj_shape(6, 5), 3);
    cj_explain_options o = options_of(model, one_logit, x, cj_shape(6, 5));
    o.loss = CJ_BINARY_CROSS_ENTROPY;
    o.method = CJ_INTEGRATED_GRADIENTS;
    for (int i = 0; i < 2; i++) {
        o.output = i;
        expect_ok(cj_explain(&o, maps[i], &facts[i]));
    }
    assert_true(facts[1].score == -facts[0].score && facts[1].score != 0);
    for (int i = 0; i < 30; i++) assert_true(maps[1][i] == -maps[0][i]);
    cj_model_free(model);
}

/* --- bends on the way of integrated gradients ---------------------------------------------------------- */

enum { BENDS = 4096 };
static cj_layer bending[] = {CJ_LAYER("dense", BENDS), CJ_LAYER("relu"), CJ_LAYER("dense", 1),
                             CJ_LAYER(NULL)};

/* Σ weights[i] · relu(slopes[i] · x - places[i]) of one number x, the others having no weight. */
static cj_model *bending_model(int count, const float *slopes, const float *places, const float *weights)
{
    cj_model *model = new_model(bending, cj_shape(1), 1);
    const char *names[] = {"0.weight", "0.bias", "2.weight", "2.bias"};
    float *data[4];
    for (int i = 0; i < 4; i++) {
        cj_tensor tensor = cj_model_find(model, names[i]);
        data[i] = tensor.data;
        memset(data[i], 0, cj_tensor_bytes(&tensor));
    }
    for (int i = 0; i < count; i++)
        data[0][i] = slopes[i], data[1][i] = -slopes[i] * places[i], data[2][i] = weights[i];
    return model;
}

/* How far the sum is off, as a share of the difference. */
static double fault(cj_model *model, int64_t steps, cj_explanation *facts)
{
    float one = 1, map;
    cj_explain_options o = options_of(model, bending, &one, cj_shape(1));
    o.loss = CJ_SQUARED_ERROR;
    o.method = CJ_INTEGRATED_GRADIENTS;
    o.steps = steps;
    expect_ok(cj_explain(&o, &map, facts));
    return fabs(facts->sum - (facts->score - facts->baseline_score)) /
           fabs(facts->score - facts->baseline_score);
}

/* All of the score is gained behind one bend near the end: 2592 equal steps have one point behind it. */
static void test_bend(void **state)
{
    (void)state;
    const float slope = 1024, place = 1 - 1.0F / 2048, weight = 3;
    cj_explanation facts;
    cj_model *model = bending_model(1, &slope, &place, &weight);
    assert_true(fault(model, 2592, &facts) > 0.1);
    assert_true(fault(model, 0, &facts) <= 1e-3);
    assert_true(fabs(facts.sum - 1.5) < 2e-3);
    if (facts.steps > 400) fail_msg("%lld inputs were looked at for one bend", (long long)facts.steps);
    cj_model_free(model);
}

/* A saw of more teeth than there are pieces: the promise is not kept, in bounded time, and the facts tell. */
static void test_too_many_bends(void **state)
{
    (void)state;
    static float slopes[BENDS], places[BENDS], weights[BENDS];
    for (int i = 0; i < BENDS; i++) {
        slopes[i] = 1;
        places[i] = ((float)i + 0.8F * (float)(i * 37 % 101) / 101) / BENDS;
        weights[i] = i == 0 ? 1 : i % 2 ? -2 : 2;
    }
    cj_explanation facts;
    cj_model *model = bending_model(BENDS, slopes, places, weights);
    assert_true(fault(model, 0, &facts) > 1e-3);
    assert_int_equal(facts.steps, 2 + (2 * 1024 - 1) + 2 + 1024);
    cj_model_free(model);
}

/* --- a network that has learned something -------------------------------------------------------------- */

enum { SIDE = 16, PIXELS = SIDE * SIDE, ROWS = 512, SHAPE = 5 };

static uint8_t pictures[ROWS * PIXELS];
static int32_t labels[ROWS];
static int places[ROWS]; /* of the shape's upper left corner */
static cj_model *learned;

static uint32_t dice(void)
{
    static uint32_t seed = 1;
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

/* Noise, and somewhere in it a plus (1) or a cross (0). */
static void make_picture(int row)
{
    uint8_t *picture = pictures + row * PIXELS;
    int top = (int)(dice() % (SIDE - SHAPE + 1)), left = (int)(dice() % (SIDE - SHAPE + 1));
    labels[row] = (int32_t)(dice() % 2);
    places[row] = top * SIDE + left;
    for (int i = 0; i < PIXELS; i++) picture[i] = (uint8_t)(dice() % 90);
    for (int i = 0; i < SHAPE; i++) {
        picture[places[row] + i * SIDE + (labels[row] ? SHAPE / 2 : i)] = 250;
        picture[places[row] + (labels[row] ? SHAPE / 2 : i) * SIDE + (labels[row] ? i : SHAPE - 1 - i)] = 250;
    }
}

static int learn(void **state)
{
    (void)state;
    cj_dataset *data;
    cj_scores scores;
    const cj_tensor x = {pictures, CJ_U8, cj_shape(ROWS, SIDE, SIDE)}, y = {labels, CJ_I32, cj_shape(ROWS)};
    for (int i = 0; i < ROWS; i++) make_picture(i);
    learned = new_model(of_shapes, cj_shape(SIDE, SIDE), 5);
    expect_ok(cj_dataset_from_tensors(&data, &x, &y));
    expect_ok(cj_fit(learned, cj_sequential, of_shapes, data, .epochs = 24, .batch_size = 32,
                     .scale = 1.0 / 255, .optimizer = cj_adam(.learning_rate = 1e-2)));
    expect_ok(
        cj_evaluate(&scores, learned, cj_sequential, of_shapes, data, .batch_size = 32, .scale = 1.0 / 255));
    if (!(scores.accuracy > 0.97)) fail_msg("only %g were learned", scores.accuracy);
    cj_dataset_free(data);
    return 0;
}

static int forget(void **state)
{
    (void)state;
    cj_model_free(learned);
    return 0;
}

static cj_explain_options of_row(cj_model *model, int row, float x[PIXELS])
{
    for (int i = 0; i < PIXELS; i++) x[i] = (float)pictures[row * PIXELS + i] / 255;
    cj_explain_options o = options_of(model, of_shapes, x, cj_shape(SIDE, SIDE));
    o.output = labels[row];
    return o;
}

/* The map of integrated gradients sums to what the score has gained. */
static void test_sums(void **state)
{
    (void)state;
    float x[PIXELS], map[PIXELS], grey[PIXELS];
    cj_explanation facts;
    for (int i = 0; i < PIXELS; i++) grey[i] = 0.2F;
    for (int row = 0; row < 8; row++) {
        double sum = 0;
        cj_explain_options o = of_row(learned, row, x);
        o.method = CJ_INTEGRATED_GRADIENTS;
        o.baseline = row % 2 ? grey : NULL;
        o.steps = row < 6 ? 0 : 2000;
        expect_ok(cj_explain(&o, map, &facts));
        for (int i = 0; i < PIXELS; i++) sum += (double)map[i];
        double difference = facts.score - facts.baseline_score;
        assert_true(fabs(difference) > 0.1);
        if (!(fabs(sum - difference) <= 1e-3 * fabs(difference)))
            fail_msg("row %d: the map sums to %g, the scores differ by %g", row, sum, difference);
        assert_true(fabs(facts.sum - sum) < 1e-9);
    }
}

/* The share of what speaks for the class that lies within the shape and a pixel around it. */
static double share_within(const float map[PIXELS], int row)
{
    double within = 0, all = 0;
    int top = places[row] / SIDE, left = places[row] % SIDE;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double value = fmax(0, (double)map[y * SIDE + x]);
            bool inside = y >= top - 1 && y <= top + SHAPE && x >= left - 1 && x <= left + SHAPE;
            all += value;
            within += inside ? value : 0;
        }
    return all > 0 ? within / all : 0;
}

/* On average over pictures. The shape and a pixel around it are at most 0.19 of the picture: that much would
 * be chance.
 */
static void test_pointing(void **state)
{
    (void)state;
    static const double least[CJ_EXPLAIN_METHODS] = {0.27, 0.27, 0.5, 0.45, 0.5};
    float x[PIXELS], map[PIXELS];
    for (int m = 0; m < CJ_EXPLAIN_METHODS; m++) {
        double share = 0;
        for (int row = 0; row < 16; row++) {
            cj_explain_options o = of_row(learned, row, x);
            o.method = (cj_explain_method)m;
            expect_ok(cj_explain(&o, map, NULL));
            share += share_within(map, row) / 16;
        }
        if (!(share > least[m]))
            fail_msg("%s has %g of its heat on the shape", cj_explain_method_name((cj_explain_method)m),
                     share);
    }
}

/* --- randomised weights -------------------------------------------------------------------------------- */

static const float *ranked;

static int by_value(const void *a, const void *b)
{
    float x = ranked[*(const int *)a], y = ranked[*(const int *)b];
    return (x > y) - (x < y);
}

/* Equal values share their mean rank. */
static void rank(const float map[PIXELS], double ranks[PIXELS])
{
    int order[PIXELS];
    float magnitudes[PIXELS];
    for (int i = 0; i < PIXELS; i++) order[i] = i, magnitudes[i] = fabsf(map[i]);
    ranked = magnitudes;
    qsort(order, PIXELS, sizeof *order, by_value);
    for (int first = 0, last; first < PIXELS; first = last) {
        for (last = first + 1; last < PIXELS && magnitudes[order[last]] == magnitudes[order[first]];) last++;
        for (int i = first; i < last; i++) ranks[order[i]] = (first + last - 1) / 2.0;
    }
}

/* Spearman's, of the magnitudes. */
static double rank_correlation(const float a[PIXELS], const float b[PIXELS])
{
    double x[PIXELS], y[PIXELS], mean = (PIXELS - 1) / 2.0, xy = 0, xx = 0, yy = 0;
    rank(a, x);
    rank(b, y);
    for (int i = 0; i < PIXELS; i++) {
        xy += (x[i] - mean) * (y[i] - mean);
        xx += (x[i] - mean) * (x[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

/* Weights of the layers from `layer` on are those of another beginning, the others what was learned. */
static cj_model *forgotten_from(int layer)
{
    cj_model *model = new_model(of_shapes, cj_shape(SIDE, SIDE), 77);
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_variable_info v = cj_model_variable(model, i);
        if (v.role != CJ_PARAMETER || atoi(v.name) >= layer) continue;
        cj_tensor from = cj_model_find(learned, v.name), to = cj_model_find(model, v.name);
        memcpy(to.data, from.data, cj_tensor_bytes(&to));
    }
    return model;
}

static double likeness(cj_model *model, cj_explain_method method)
{
    float x[PIXELS], before[PIXELS], after[PIXELS];
    double sum = 0;
    for (int row = 0; row < 8; row++) {
        cj_explain_options o = of_row(learned, row, x);
        o.method = method;
        expect_ok(cj_explain(&o, before, NULL));
        o.model = model;
        expect_ok(cj_explain(&o, after, NULL));
        sum += rank_correlation(before, after) / 8;
    }
    return sum;
}

static void test_randomised(void **state)
{
    (void)state;
    cj_model *same = forgotten_from(7), *none = forgotten_from(0);
    for (int m = 0; m < CJ_EXPLAIN_METHODS; m++) {
        cj_explain_method method = (cj_explain_method)m;
        double before = likeness(same, method), after = likeness(none, method);
        if (!(before > 0.999 && after < 0.55))
            fail_msg("%s: rank correlation %g with what was learned, %g with random weights",
                     cj_explain_method_name(method), before, after);
    }
    cj_model_free(same);
    cj_model_free(none);
}

/* --- bits ---------------------------------------------------------------------------------------------- */

static void test_threads(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 7};
    float x[PIXELS], maps[4][PIXELS];
    for (int m = 0; m < CJ_EXPLAIN_METHODS; m++) {
        cj_explain_options o = of_row(learned, 3, x);
        o.method = (cj_explain_method)m;
        for (int i = 0; i < 4; i++) {
            expect_ok(cj_set_threads(threads[i]));
            expect_ok(cj_explain(&o, maps[i], NULL));
            assert_memory_equal(maps[i], maps[0], sizeof maps[0]);
        }
    }
    expect_ok(cj_set_threads(0));
    cj_explain_options o = of_row(learned, 3, x);
    o.method = CJ_SMOOTHGRAD;
    expect_ok(cj_explain(&o, maps[0], NULL));
    o.seed = 1;
    expect_ok(cj_explain(&o, maps[1], NULL));
    assert_memory_not_equal(maps[1], maps[0], sizeof maps[0]);
}

/* --- mistakes of the caller ---------------------------------------------------------------------------- */

static void expect_refusal(const cj_explain_options *o, cj_status status, const char *message)
{
    float map[PIXELS];
    expect_status(cj_explain(o, map, NULL), status);
    expect_message(message);
}

static void test_refusals(void **state)
{
    (void)state;
    float x[PIXELS];
    cj_feature_maps maps;
    int64_t channels;
    cj_explain_options good = of_row(learned, 0, x), o = good;
    o.output = 2;
    expect_refusal(&o, CJ_INVALID_ARGUMENT, "output 2 is to be explained, but the network has 2: 0 to 1");
    o.output = -1;
    expect_refusal(&o, CJ_INVALID_ARGUMENT, "output -1");
    o = good, o.method = CJ_GRAD_CAM, o.layer = "33";
    expect_refusal(&o, CJ_INVALID_ARGUMENT, "there is no layer '33'; did you mean '3'?");
    o.layer = "6";
    expect_refusal(&o, CJ_INVALID_ARGUMENT,
                   "layer '6' (dense) gives [1,2], expected maps [N,h,w,C] as of a convolution: 3");
    o.layer = "1";
    expect_status(cj_filters_make(&maps, &channels, &o), CJ_INVALID_ARGUMENT);
    expect_message("layer '1' has no filters");
    o = good, o.samples = -3;
    expect_refusal(&o, CJ_INVALID_ARGUMENT, "samples is -3, but must be from 1 to 1000000");
    o = good, o.noise = (double)NAN;
    expect_refusal(&o, CJ_INVALID_ARGUMENT, "noise is");
    o = good, o.method = CJ_OCCLUSION, o.window = SIDE + 1;
    expect_refusal(&o, CJ_INVALID_ARGUMENT, "window is 17, but must be from 1 to 16");
    o.window = 0, o.x.shape = cj_shape(PIXELS);
    expect_refusal(&o, CJ_INVALID_ARGUMENT, "occlusion explains pictures, [H,W] or [H,W,C], but x is [256]");
    o = good, o.x.dtype = CJ_U8;
    expect_refusal(&o, CJ_INVALID_ARGUMENT, "the example x is u8, but must be f32");
    o = good, o.x.shape = cj_shape((int64_t)1 << 40, (int64_t)1 << 40);
    expect_refusal(&o, CJ_INVALID_ARGUMENT, "expected that of one example");
    o = good, o.method = (cj_explain_method)9;
    expect_refusal(&o, CJ_INVALID_ARGUMENT, "there is no method of explaining 9");
    x[7] = NAN, o = good;
    expect_refusal(&o, CJ_NOT_FINITE, "saliency finds numbers that are not finite");
    cj_model *model = counting_model(3);
    o = options_of(model, two_outputs, x, cj_shape(3, 3)), o.method = CJ_GRAD_CAM;
    expect_refusal(&o, CJ_UNSUPPORTED, "the network has no convolution over two axes");
    cj_model_free(model);
}

/* Saliency, integrated gradients and Grad-CAM cover every kind of program; a small network keeps it quick. */
static cj_status scenario(void *context)
{
    float map[6 * 5];
    int64_t channels;
    cj_feature_maps maps = {0}, filters = {0};
    cj_explain_options o = *(cj_explain_options *)context;
    cj_status status = CJ_OK;
    for (int m = CJ_INTEGRATED_GRADIENTS; m < CJ_EXPLAIN_METHODS && status == CJ_OK; m++) {
        o.method = (cj_explain_method)m;
        status = cj_explain(&o, map, NULL);
    }
    if (status == CJ_OK) status = cj_feature_maps_make(&maps, &o);
    if (status == CJ_OK) status = cj_filters_make(&filters, &channels, &o);
    cj_feature_maps_free(&maps);
    cj_feature_maps_free(&filters);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    float x[6 * 5];
    for (int i = 0; i < 30; i++) x[i] = sinf((float)i);
    cj_test_allocator_install();
    expect_ok(cj_set_threads(1));
    cj_model *model = new_model(one_logit, cj_shape(6, 5), 3);
    cj_explain_options o = options_of(model, one_logit, x, cj_shape(6, 5));
    cj_test_every_allocation_fails(scenario, &o);
    cj_model_free(model);
    expect_ok(cj_set_threads(0));
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations), cmocka_unit_test(test_pytorch),
        cmocka_unit_test(test_layers),      cmocka_unit_test(test_occlusion),
        cmocka_unit_test(test_linear),      cmocka_unit_test(test_single_logit),
        cmocka_unit_test(test_bend),        cmocka_unit_test(test_too_many_bends),
    };
    const struct CMUnitTest on_learned[] = {
        cmocka_unit_test(test_sums),    cmocka_unit_test(test_pointing), cmocka_unit_test(test_randomised),
        cmocka_unit_test(test_threads), cmocka_unit_test(test_refusals),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    return failures + cmocka_run_group_tests(on_learned, learn, forget);
}
