/* Values stored as bf16 because nothing but products of bf16 reads them: which are and which are not, that no
 * bit changes with that or with the number of threads, and every allocation failing in turn. Large products
 * are made in parts for chains that store nothing as f32, and two more values are rounded there.
 *
 * labels: threads */
#include "support.h"

#include "cajal/cajal.h"
#include "cpu/backend.h"
#include "split_backend.h"
#include "split_portable.h"

#include <math.h>
#include <stdlib.h>

/* --- a network ----------------------------------------------------------------------------------------- */

enum {
    ROWS = 96,
    MANY = 2312,
    TEXTS = 8,
    STRIP = 32 /* at most */,
    WIDTH = 64,
    HIDDEN = 128,
    OUT = 48,
    RESULTS = 5
};

typedef struct {
    cj_precision precision;
    const cj__split_kernels *split;
    bool wide;    /* by the same kernels, which say of nothing that they read or write it as bf16 */
    bool asked;   /* the caller reads what products do */
    bool many;    /* rows, so that products are made in parts */
    bool relu;    /* for GELU: its slope is a byte, so that products alone read what is f32 */
    bool huge;    /* an infinity among the inputs, and a number that bf16 rounds to one */
    bool bias;    /* of the first product, with its gradient */
    bool attends; /* in place of GELU, with twice as many queries as keys and values; many rows, and a bias */
} way;

static int64_t rows_of(const way *by)
{
    return by->many ? MANY : ROWS;
}

static cj_value weight(cj_graph *g, const char *name, cj_shape_t shape)
{
    return cj_parameter(cj_at(cj_root(g), "%s", name), "weight", shape, (cj_init){CJ_INIT_HE_NORMAL, 0});
}

/* x [2312,64] → queries of four heads in eight texts, keys and values of two: more keys than make one block.
 * A product's result with a bias is read by attention alone, its gradient by products and summed. */
static cj_value attend(cj_graph *g, cj_value x, cj_value by_query, cj_value bias)
{
    cj_value of[3] = {cj_add(cj_matmul(x, by_query), bias)};
    static const char *const names[] = {"", "key", "value"};
    for (int i = 1; i < 3; i++)
        of[i] = cj_add(cj_matmul(x, weight(g, names[i], cj_shape(WIDTH, HIDDEN / 2))),
                       weight(g, i == 1 ? "key bias" : "value bias", cj_shape(HIDDEN / 2)));
    for (int i = 0; i < 3; i++)
        of[i] = cj_reshape(of[i], cj_shape(TEXTS, MANY / TEXTS, i == 0 ? 4 : 2, HIDDEN / 4));
    return cj_attention(cj_root(g), of[0], .key = of[1], .value = of[2], .causal = true);
}

/* x [96,64], normalised → GELU of [96,128], seen as [8,12,128] → [96,48]; the loss, and its gradients by x
 * and both weights. Products alone read four values: the normalised x and what GELU gave, which are operands
 * of the next product and of the gradient by its weight, and the gradients by what both products gave. */
static void draw(cj_graph *g, const way *by)
{
    int64_t rows = rows_of(by);
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(rows, WIDTH)), of[4] = {x}, gradients[4];
    cj_value normal = cj_layer_norm(cj_at(cj_root(g), "norm"), x);
    of[1] = weight(g, "up", cj_shape(WIDTH, HIDDEN));
    of[2] = weight(g, "down", cj_shape(HIDDEN, OUT));
    of[3] = weight(g, "bias", cj_shape(HIDDEN));
    cj_value up = cj_matmul(by->huge ? x : normal, of[1]);
    if (by->bias) up = cj_add(up, of[3]);
    cj_value seen = by->attends ? attend(g, by->huge ? x : normal, of[1], of[3])
                    : by->relu  ? cj_relu(up)
                                : cj_gelu(up);
    if (!by->many) seen = cj_reshape(seen, cj_shape(8, rows / 8, HIDDEN));
    cj_value y = cj_matmul(cj_reshape(seen, cj_shape(rows, HIDDEN)), of[2]);
    cj_value loss = cj_mean(cj_square(y), CJ_ALL_AXES, CJ_DROP_AXES);
    cj_gradients(loss, by->bias ? 4 : 3, of, gradients);
    cj_output(g, "loss", loss);
    for (int i = 0; i < (by->bias ? 4 : 3); i++) cj_output(g, "gradient", gradients[i]);
    if (by->asked) cj_output(g, "normal", normal);
    if (by->asked) cj_output(g, "seen", seen);
}

/* As cj_test_compile_with, but with nothing narrowed. */
static cj_status compile_wide(cj_program **program, const cj_graph *graph, const cj__split_kernels *split)
{
    enum { MOST = 128 };
    static cj__kernel kernels[MOST];
    static const cj__kernel *list[MOST + 1];
    cj__backend backend = cj__cpu_backend;
    for (int i = 0; backend.kernels[i]; i++) {
        assert_true(i < MOST);
        kernels[i] = *backend.kernels[i];
        kernels[i].reads_bf16 = NULL;
        kernels[i].writes_bf16 = NULL;
        list[i] = &kernels[i];
    }
    backend.kernels = list;
    backend.own = split;
    *program = NULL;
    CJ__TRY(cj_graph_status(graph));
    return cj__compile(graph, &backend, program);
}

static const int64_t counts[RESULTS] = {1, ROWS *WIDTH, WIDTH *HIDDEN, HIDDEN *OUT, HIDDEN};

typedef struct {
    float *data[RESULTS];
    int64_t rows;
    int narrow; /* buffers of bf16 */
    int wide;   /* buffers of f32 as large as the hidden layer */
    size_t slab;
} results;

static size_t bytes_of(const results *r, int i)
{
    return (size_t)(i == 1 ? r->rows * WIDTH : counts[i]) * sizeof(float);
}

static void results_new(results *r, const way *by)
{
    *r = (results){.rows = rows_of(by)};
    for (int i = 0; i < RESULTS; i++) r->data[i] = calloc(1, bytes_of(r, i));
}

static void results_free(results *r)
{
    for (int i = 0; i < RESULTS; i++) free(r->data[i]);
}

static int count_buffers(const cj_program *program, cj_dtype dtype, int64_t least)
{
    int count = 0;
    for (int64_t i = 0; i < program->buffer_count; i++) {
        cj__type type = program->buffers[i].type;
        if (type.dtype == dtype && cj_shape_count(type.shape) >= least) count++;
    }
    return count;
}

static int count_narrow(const cj_program *program)
{
    return count_buffers(program, CJ_BF16, 0);
}

static cj_status run(const way *by, cj_model *model, results *r)
{
    cj_graph *g;
    cj_program *program = NULL;
    static float x[MANY * WIDTH];
    for (int i = 0; i < MANY * WIDTH; i++) x[i] = (float)(i * 37 % 101) / 50 - 1;
    if (by->huge) x[70 * WIDTH + 5] = INFINITY, x[200 * WIDTH] = 3.4e38f;
    CJ__TRY(cj_graph_new(&g, model, .mode = CJ_TRAINING, .precision = by->precision));
    draw(g, by);
    cj_status status = (by->wide ? compile_wide : cj_test_compile_with)(&program, g, by->split);
    if (status == CJ_OK)
        status = cj_program_run(
            program, .inputs = {{x, CJ_F32, cj_shape(r->rows, WIDTH)}},
            .outputs = {r->data[0], r->data[1], r->data[2], r->data[3], by->bias ? r->data[4] : NULL});
    r->narrow = program ? count_narrow(program) : 0;
    r->wide = program ? count_buffers(program, CJ_F32, r->rows * HIDDEN) : 0;
    r->slab = program ? program->slab_bytes : 0;
    cj_program_free(program);
    cj_graph_free(g);
    return status;
}

static results results_of(way by)
{
    cj_model *model;
    results r;
    results_new(&r, &by);
    expect_ok(cj_model_new(&model, .seed = 3));
    expect_ok(run(&by, model, &r));
    cj_model_free(model);
    return r;
}

static void expect_same(const results *a, const results *b)
{
    for (int i = 0; i < RESULTS; i++) assert_memory_equal(a->data[i], b->data[i], bytes_of(a, i));
}

/* Norm of the difference over norm. */
static double apart(const results *a, const results *b, int i)
{
    double difference = 0, norm = 0;
    for (size_t k = 0; k < bytes_of(a, i) / sizeof(float); k++) {
        double d = (double)a->data[i][k] - (double)b->data[i][k];
        difference += d * d;
        norm += (double)b->data[i][k] * (double)b->data[i][k];
    }
    return sqrt(difference / norm);
}

/* The same program with what may be narrow so, and with nothing narrowed. */
typedef struct {
    results narrow, wide;
} both_ways;

static both_ways both_ways_of(way by)
{
    both_ways r;
    by.wide = false;
    r.narrow = results_of(by);
    by.wide = true;
    r.wide = results_of(by);
    return r;
}

static void both_ways_free(both_ways *r)
{
    results_free(&r->narrow);
    results_free(&r->wide);
}

/* --- the tests ----------------------------------------------------------------------------------------- */

static const cj__split_kernels *const both[] = {&cj__split_portable_vectors, &cj__split_portable};

static void test_same_bits_in_less_memory(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        both_ways r = both_ways_of((way){CJ_MEDIUM, both[i], .relu = false});
        assert_int_equal(r.narrow.narrow, 4);
        assert_int_equal(r.wide.narrow, 0);
        assert_true(r.narrow.slab < r.wide.slab);
        expect_same(&r.narrow, &r.wide);
        both_ways_free(&r);
    }
}

/* Of the four values the caller asks for two. */
static void test_not_where_others_read(void **state)
{
    (void)state;
    results narrow = results_of((way){CJ_MEDIUM, &cj__split_portable_vectors, .asked = false});
    results asked = results_of((way){CJ_MEDIUM, &cj__split_portable_vectors, .asked = true});
    assert_int_equal(asked.narrow, 2);
    expect_same(&narrow, &asked);
    results_free(&narrow);
    results_free(&asked);
}

static void test_not_at_other_precisions(void **state)
{
    (void)state;
    static const cj_precision precisions[] = {CJ_HIGHEST, CJ_HIGH};
    for (int i = 0; i < 2; i++) {
        results r = results_of((way){precisions[i], &cj__split_portable, .asked = false});
        assert_int_equal(r.narrow, 0);
        results_free(&r);
    }
}

/* Without kernels for products of bf16 `medium` is f32, all of it. */
static void test_not_without_products_of_bf16(void **state)
{
    (void)state;
    setenv("CAJAL_ISA", "scalar", 1);
    results r = results_of((way){CJ_MEDIUM, NULL, .asked = false});
    unsetenv("CAJAL_ISA");
    assert_int_equal(r.narrow, 0);
    results_free(&r);
}

/* --- products in parts --------------------------------------------------------------------------------- */

/* With a ReLU nothing is rounded that products would not round: the same bits, though no value of the hidden
 * layer's size is f32 any more. */
static void test_parts_have_the_same_bits(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        both_ways r = both_ways_of((way){CJ_MEDIUM, both[i], .many = true, .relu = true});
        assert_int_equal(r.narrow.wide, 0);
        assert_true(r.wide.wide >= 2);
        expect_same(&r.narrow, &r.wide);
        both_ways_free(&r);
    }
}

/* Rows that bf16 does not hold are made again in f32, of operands that are narrow or are not: what is no
 * number is so in both, and so is what is infinite; the rest is near. */
static void test_parts_made_again(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        both_ways r = both_ways_of((way){CJ_MEDIUM, both[i], .many = true, .relu = true, .huge = true});
        int64_t strange = 0;
        for (int64_t k = 0; k < MANY * WIDTH; k++) {
            float x = r.narrow.data[1][k], y = r.wide.data[1][k];
            assert_int_equal(fpclassify(x), fpclassify(y));
            assert_true(!isfinite(x) || fabsf(x - y) <= 1e-2f * fabsf(y) + 1e-6f);
            strange += !isfinite(x);
        }
        assert_true(strange > 0 && strange < MANY * WIDTH / 10);
        both_ways_free(&r);
    }
}

/* What GELU was given is rounded for the way back alone: the loss has the same bits, and gradients are as
 * near as rounding leaves them, but not the same. */
static void test_rounded_for_the_way_back(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        both_ways r = both_ways_of((way){CJ_MEDIUM, both[i], .many = true});
        assert_int_equal(r.narrow.narrow, 5);
        assert_int_equal(r.narrow.wide, 0);
        assert_memory_equal(r.narrow.data[0], r.wide.data[0], sizeof(float));
        assert_memory_equal(r.narrow.data[3], r.wide.data[3], bytes_of(&r.wide, 3));
        for (int k = 1; k < 3; k++) {
            double error = apart(&r.narrow, &r.wide, k);
            assert_true(error > 0 && error < 3e-3);
        }
        both_ways_free(&r);
    }
}

/* A gradient that products read is also summed for a bias: the sum alone is of rounded numbers. */
static void test_rounded_for_a_bias(void **state)
{
    (void)state;
    both_ways r =
        both_ways_of((way){CJ_MEDIUM, &cj__split_portable_vectors, .many = true, .relu = true, .bias = true});
    assert_int_equal(r.narrow.wide, 0);
    for (int i = 0; i < 4; i++) assert_memory_equal(r.narrow.data[i], r.wide.data[i], bytes_of(&r.wide, i));
    double error = apart(&r.narrow, &r.wide, 4);
    assert_true(error > 0 && error < 3e-3);
    both_ways_free(&r);
}

/* What attention reads is rounded by its products anyway, and so are its gradients by those that read them:
 * the sum for a bias alone differs. */
static void test_attention(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        both_ways r = both_ways_of((way){CJ_MEDIUM, both[i], .many = true, .bias = true, .attends = true});
        assert_int_equal(r.narrow.narrow, 8);
        assert_true(r.narrow.slab < r.wide.slab);
        for (int k = 0; k < 4; k++)
            assert_memory_equal(r.narrow.data[k], r.wide.data[k], bytes_of(&r.wide, k));
        double error = apart(&r.narrow, &r.wide, 4);
        assert_true(error > 0 && error < 3e-3);
        both_ways_free(&r);
    }
}

/* An infinity in the first text: what it reaches is no number either way. Of other texts only those rows
 * differ, and by little, that share a strip of a product with the first. */
static void test_attention_made_again(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        both_ways r = both_ways_of(
            (way){CJ_MEDIUM, both[i], .many = true, .bias = true, .attends = true, .huge = true});
        int64_t strange = 0;
        for (int64_t k = 0; k < MANY * WIDTH; k++) {
            assert_int_equal(isfinite(r.narrow.data[1][k]), isfinite(r.wide.data[1][k]));
            strange += !isfinite(r.narrow.data[1][k]);
        }
        int64_t first = (MANY / TEXTS + STRIP) / STRIP * STRIP * WIDTH;
        assert_true(strange > 0 && strange <= MANY / TEXTS * WIDTH);
        assert_memory_equal(r.narrow.data[1] + first, r.wide.data[1] + first,
                            (size_t)(MANY * WIDTH - first) * sizeof(float));
        both_ways_free(&r);
    }
}

static void expect_same_for_threads(way by)
{
    static const int threads[] = {2, 3, 7};
    expect_ok(cj_set_threads(1));
    results one = results_of(by);
    for (int i = 0; i < 3; i++) {
        expect_ok(cj_set_threads(threads[i]));
        results more = results_of(by);
        expect_same(&one, &more);
        results_free(&more);
    }
    expect_ok(cj_set_threads(0));
    results_free(&one);
}

static void test_threads(void **state)
{
    (void)state;
    expect_same_for_threads((way){CJ_MEDIUM, &cj__split_portable_vectors, .asked = false});
    expect_same_for_threads((way){CJ_MEDIUM, &cj__split_portable_vectors, .many = true});
    expect_same_for_threads(
        (way){CJ_MEDIUM, &cj__split_portable, .many = true, .bias = true, .attends = true});
}

/* --- convolutions of one pixel, which are products ------------------------------------------------------ */

enum { SIDE = 8, CHANNELS = 32, IMAGES = 4, PIXELS = IMAGES * SIDE * SIDE };

/* x → tanh(x + 1) → 1×1 convolution → loss; gradients by x and by the weight. */
static cj_status convolve(cj_model *model, bool asked, int *narrow, float *by_x, float *by_weight)
{
    cj_graph *g;
    cj_program *program = NULL;
    static float image[PIXELS * CHANNELS];
    for (int i = 0; i < PIXELS * CHANNELS; i++) image[i] = (float)(i * 29 % 97) / 40 - 1.2f;
    CJ__TRY(cj_graph_new(&g, model, .mode = CJ_TRAINING, .precision = CJ_MEDIUM));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(IMAGES, SIDE, SIDE, CHANNELS)), of[2] = {x}, gradients[2];
    of[1] = weight(g, "conv", cj_shape(1, 1, CHANNELS, 2 * CHANNELS));
    cj_value seen = cj_tanh(cj_add_scalar(x, 1));
    cj_value y = cj_convolution(seen, of[1], &(cj_window){0});
    cj_gradients(cj_mean(cj_square(y), CJ_ALL_AXES, CJ_DROP_AXES), 2, of, gradients);
    for (int i = 0; i < 2; i++) cj_output(g, "gradient", gradients[i]);
    if (asked) cj_output(g, "seen", seen);
    cj_status status = cj_test_compile_with(&program, g, &cj__split_portable_vectors);
    if (status == CJ_OK)
        status = cj_program_run(program, .inputs = {{image, CJ_F32, cj_shape(IMAGES, SIDE, SIDE, CHANNELS)}},
                                .outputs = {by_x, by_weight});
    if (program) *narrow = count_narrow(program);
    cj_program_free(program);
    cj_graph_free(g);
    return status;
}

static void test_pointwise_convolutions(void **state)
{
    (void)state;
    static float by_x[2][PIXELS * CHANNELS], by_weight[2][2 * CHANNELS * CHANNELS];
    int narrow[2];
    for (int i = 0; i < 2; i++) {
        cj_model *model;
        expect_ok(cj_model_new(&model, .seed = 3));
        expect_ok(convolve(model, i, &narrow[i], by_x[i], by_weight[i]));
        cj_model_free(model);
    }
    assert_true(narrow[0] > narrow[1]);
    assert_memory_equal(by_x[0], by_x[1], sizeof by_x[0]);
    assert_memory_equal(by_weight[0], by_weight[1], sizeof by_weight[0]);
}

/* --- failing allocations ------------------------------------------------------------------------------- */

static cj_status scenario(void *context)
{
    cj_model *model;
    CJ__TRY(cj_model_new(&model, .seed = 3));
    cj_status status =
        run(&(way){CJ_MEDIUM, &cj__split_portable_vectors, .many = true, .attends = true}, model, context);
    cj_model_free(model);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    results r;
    results_new(&r, &(way){.many = true});
    cj_test_every_allocation_fails(scenario, &r);
    results_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits_in_less_memory),
        cmocka_unit_test(test_not_where_others_read),
        cmocka_unit_test(test_not_at_other_precisions),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_not_without_products_of_bf16),
        cmocka_unit_test(test_parts_have_the_same_bits),
        cmocka_unit_test(test_parts_made_again),
        cmocka_unit_test(test_rounded_for_the_way_back),
        cmocka_unit_test(test_rounded_for_a_bias),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_made_again),
        cmocka_unit_test(test_pointwise_convolutions),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests_name("narrow", tests, NULL, NULL);
}
