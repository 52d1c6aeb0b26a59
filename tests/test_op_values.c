/* Ops on values worked out by hand or by PyTorch: corner cases that random samples do not meet, and the same
 * bits for any number of threads.
 *
 * labels: threads */
#include "support.h"

#include "base/bf16.h"
#include "base/random.h"
#define CJ_NO_LOCATIONS
#include "cajal/model.h"
#include "cajal/ops.h"
#include "cajal/program.h"
#include "cajal/vision.h"

#include "cpu/isa.h"
#include "graph/graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = CJ_MAX_BINDINGS };

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

/* Windows of 2 by 2: of zeros, of one element that is not zero, of 3 and 4, and with a NaN. A window of zeros
 * has no gradient; the root's slope at 0 is infinite. */
static void test_power_pool_of_zeros(void **state)
{
    (void)state;
    float data[] = {0, 0, 0, -2, 3, 0, 1, NAN, 0, 0, 0, 0, 0, -4, 1, 1}, y[2][4], gradients[2][16];
    double wide[16], wide_y[4], wide_gradient[16];
    for (int i = 0; i < 16; i++) wide[i] = (double)data[i];
    drawing d = begin();
    cj_value x[3] = {given(&d, data, CJ_F32, cj_shape(1, 2, 8, 1)),
                     given(&d, data, CJ_F32, cj_shape(1, 2, 8, 1)),
                     given(&d, wide, CJ_F64, cj_shape(1, 2, 8, 1))};
    for (int i = 0; i < 3; i++) {
        cj_pool_options options = {.size = sizeof options, .input = x[i], .power = i == 1 ? 3 : 0};
        cj_value pooled = cj_power_pool(&options), g;
        cj_gradients(cj_sum(pooled, CJ_ALL_AXES, CJ_DROP_AXES), 1, &x[i], &g);
        wanted(&d, pooled, i < 2 ? (void *)y[i] : wide_y);
        wanted(&d, g, i < 2 ? (void *)gradients[i] : wide_gradient);
    }
    run(&d);
    EXPECT_EACH(y[0], 0, 2, 5, NAN);
    EXPECT_EACH(wide_y, 0, 2, 5, NAN);
    EXPECT_EACH(gradients[0], 0, 0, 0, -1, 0.6, 0, NAN, NAN, 0, 0, 0, 0, 0, -0.8, NAN, NAN);
    EXPECT_EACH(wide_gradient, 0, 0, 0, -1, 0.6, 0, NAN, NAN, 0, 0, 0, 0, 0, -0.8, NAN, NAN);
    /* x|x| / y² */
    double cubes = cbrt(27 + 64), square = cubes * cubes;
    EXPECT_EACH(y[1], 0, 2, cubes, NAN);
    EXPECT_EACH(gradients[1], 0, 0, 0, -1, 9 / square, 0, NAN, NAN, 0, 0, 0, 0, 0, -16 / square, NAN, NAN);
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

/* torch.logsumexp of infinities */
static void test_logsumexp(void **state)
{
    (void)state;
    float data[] = {-INFINITY, -INFINITY, 1, INFINITY, 1000, 1000, -INFINITY, 0}, y[4];
    drawing d = begin();
    cj_value x = given(&d, data, CJ_F32, cj_shape(4, 2));
    wanted(&d, cj_logsumexp(x, cj_axes(1), CJ_DROP_AXES), y);
    run(&d);
    EXPECT_EACH(y, -INFINITY, INFINITY, 1000.6931471805599, 0);
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

/* Every op that takes integers, over the whole range of i64, where a double would round. */
static void test_wide_integers(void **state)
{
    (void)state;
    enum { N = 301 };
    static int64_t a[N], b[N], y[12][N];
    for (int i = 0; i < N; i++) {
        a[i] = (int64_t)cj__mix(2, (uint64_t)i);
        b[i] = i % 3 ? (int64_t)cj__mix(3, (uint64_t)i) : a[i] + i % 2;
    }
    a[0] = INT64_MIN, b[0] = -1, a[1] = INT64_MAX, b[1] = INT64_MAX - 1;
    uint8_t less[N], less_equal[N], equal[N], differs[N];
    drawing d = begin();
    cj_value p = given(&d, a, CJ_I64, cj_shape(N)), q = given(&d, b, CJ_I64, cj_shape(N));
    wanted(&d, cj_add(p, q), y[0]);
    wanted(&d, cj_sub(p, q), y[1]);
    wanted(&d, cj_mul(p, q), y[2]);
    wanted(&d, cj_maximum(p, q), y[3]);
    wanted(&d, cj_minimum(p, q), y[4]);
    wanted(&d, cj_neg(p), y[5]);
    wanted(&d, cj_abs(p), y[6]);
    wanted(&d, cj_relu(p), y[7]);
    wanted(&d, cj_select(cj_less(p, q), p, q), y[8]);
    wanted(&d, cj_cumulative_sum(p, 0, CJ_INCLUSIVE), y[9]);
    wanted(&d, cj_sort(p, 0, CJ_DESCENDING).values, y[10]);
    wanted(&d, cj_less(p, q), less);
    wanted(&d, cj_less_equal(p, q), less_equal);
    wanted(&d, cj_equal(p, q), equal);
    wanted(&d, cj_not_equal(p, q), differs);
    run(&d);
    uint64_t sum = 0;
    for (int i = 0; i < N; i++) {
        uint64_t s = (uint64_t)a[i], t = (uint64_t)b[i];
        sum += s;
        assert_int_equal(y[0][i], s + t);
        assert_int_equal(y[1][i], s - t);
        assert_int_equal(y[2][i], s * t);
        assert_int_equal(y[3][i], a[i] > b[i] ? a[i] : b[i]);
        assert_int_equal(y[4][i], a[i] < b[i] ? a[i] : b[i]);
        assert_int_equal(y[5][i], 0 - s);
        assert_int_equal(y[6][i], a[i] < 0 ? 0 - s : s);
        assert_int_equal(y[7][i], a[i] < 0 ? 0 : a[i]);
        assert_int_equal(y[8][i], y[4][i]);
        assert_int_equal(y[9][i], sum);
        assert_true(i == 0 || y[10][i] <= y[10][i - 1]);
        assert_int_equal(less[i], a[i] < b[i]);
        assert_int_equal(less_equal[i], a[i] <= b[i]);
        assert_int_equal(equal[i], a[i] == b[i]);
        assert_int_equal(differs[i], a[i] != b[i]);
    }
}

static void test_integer_reductions_and_moves(void **state)
{
    (void)state;
    int64_t a[6] = {INT64_MAX, 1, -5, (1LL << 53) + 1, 2, 3}, sum[2], most[3], least, turned[6], picked[3],
            added[2], product, halves[3];
    int32_t at[3] = {5, 0, 9}, narrow[6], small = 0;
    uint8_t bytes[6];
    float as_float[6];
    drawing d = begin();
    cj_value x = given(&d, a, CJ_I64, cj_shape(2, 3)), k = given(&d, at, CJ_I32, cj_shape(3));
    cj_value flat = cj_reshape(x, cj_shape(6));
    wanted(&d, cj_sum(x, cj_axes(1), CJ_DROP_AXES), sum);
    wanted(&d, cj_max(x, cj_axes(0), CJ_DROP_AXES), most);
    wanted(&d, cj_min(x, CJ_ALL_AXES, CJ_DROP_AXES), &least);
    wanted(&d, cj_transpose(x, CJ_ALL_AXES), turned);
    wanted(&d, cj_gather(flat, k, 0), picked);
    wanted(&d,
           cj_scatter_add(
               flat,
               cj_constant_tensor(d.graph, &(cj_tensor){(int32_t[]){0, 0, 1, 1, 1, 1}, CJ_I32, cj_shape(6)}),
               0, 2),
           added);
    wanted(&d, cj_product(cj_slice(flat, 0, 2, 6, 1), CJ_ALL_AXES, CJ_DROP_AXES), &product);
    wanted(&d, cj_slice(flat, 0, 1, 6, 2), halves);
    wanted(&d, cj_cast(flat, CJ_I32), narrow);
    wanted(&d, cj_cast(flat, CJ_U8), bytes);
    wanted(&d, cj_cast(flat, CJ_F32), as_float);
    wanted(&d, cj_argmax(flat, 0), &small);
    run(&d);
    assert_int_equal(sum[0], INT64_MAX - 4);
    assert_int_equal(sum[1], (1LL << 53) + 6);
    assert_int_equal(most[0], INT64_MAX);
    assert_int_equal(most[1], 2);
    assert_int_equal(least, -5);
    assert_int_equal(turned[1], (1LL << 53) + 1);
    assert_int_equal(turned[0], INT64_MAX);
    assert_int_equal(picked[0], 3);
    assert_int_equal(picked[1], INT64_MAX);
    assert_int_equal(picked[2], 0);
    assert_int_equal(added[0], INT64_MIN);
    assert_int_equal(added[1], (1LL << 53) + 1);
    assert_int_equal(product, -30 * ((1LL << 53) + 1));
    assert_int_equal(halves[1], (1LL << 53) + 1);
    assert_int_equal(narrow[0], -1);
    assert_int_equal(narrow[3], 1);
    assert_int_equal(bytes[2], 251);
    assert_true(as_float[0] == 0x1p63f && as_float[3] == 0x1p53f);
    assert_int_equal(small, 0);
}

/* Floating point to integers: towards zero, into the range, NaN to 0. */
static void test_casts_from_floats(void **state)
{
    (void)state;
    double a[] = {1e30, -1e30, NAN, -2.7, 2.7, 0x1p62};
    int64_t wide[6];
    int32_t narrow[6];
    drawing d = begin();
    cj_value x = given(&d, a, CJ_F64, cj_shape(6));
    wanted(&d, cj_cast(x, CJ_I64), wide);
    wanted(&d, cj_cast(x, CJ_I32), narrow);
    run(&d);
    const int64_t should[] = {INT64_MAX, INT64_MIN, 0, -2, 2, 1LL << 62};
    for (int i = 0; i < 6; i++) assert_int_equal(wide[i], should[i]);
    EXPECT_EACH(narrow, INT32_MAX, INT32_MIN, 0, -2, 2, INT32_MAX);
}

static void test_integer_constants(void **state)
{
    (void)state;
    int32_t a[3] = {1, 2, 3}, y[3];
    drawing d = begin();
    cj_value x = given(&d, a, CJ_I32, cj_shape(3));
    /* Folding must not lose what wraps. */
    cj_value large = cj_constant(d.graph, CJ_I32, INT32_MAX);
    wanted(&d, cj_add(x, cj_mul(large, cj_constant(d.graph, CJ_I32, 2))), y);
    run(&d);
    EXPECT_EACH(y, -1, 0, 1);
    d = begin();
    x = given(&d, a, CJ_I32, cj_shape(3));
    assert_false(cj_value_ok(cj_mean(x, CJ_ALL_AXES, CJ_DROP_AXES)));
    assert_int_equal(cj_graph_status(d.graph), CJ_SHAPE_ERROR);
    assert_non_null(strstr(cj_error_message(), "i32 cannot hold 0.333333; hint: cj_cast to floating point"));
    cj_graph_free(d.graph);
}

/* Every bf16 there and back; halves between two neighbours go to the even one; NaN stays. */
static void test_bf16_casts(void **state)
{
    (void)state;
    static const char *const isas[] = {"scalar", "avx2", "avx512"};
    static uint16_t all[65536], back[65536], rounded[6];
    static float wide[65536];
    float between[] = {0x1.01p0f, 0x1.03p0f, 0x1.010002p0f, -0x1.03p0f, 3.4e38f, NAN};
    for (int i = 0; i < 65536; i++) all[i] = (uint16_t)i;
    for (int i = 0; i < 3; i++) {
        cj__isa isa = i == 0 ? CJ__ISA_SCALAR : i == 1 ? CJ__ISA_AVX2 : CJ__ISA_AVX512;
        if (!cj__isa_available(isa)) continue;
        setenv("CAJAL_ISA", isas[i], 1);
        drawing d = begin();
        cj_value x = given(&d, all, CJ_BF16, cj_shape(65536)), y = given(&d, between, CJ_F32, cj_shape(6));
        wanted(&d, cj_cast(x, CJ_F32), wide);
        wanted(&d, cj_cast(cj_scale(cj_cast(x, CJ_F32), 1), CJ_BF16), back);
        wanted(&d, cj_cast(y, CJ_BF16), rounded);
        run(&d);
        for (int k = 0; k < 65536; k++) {
            uint32_t bits;
            memcpy(&bits, &wide[k], 4);
            assert_int_equal(bits, (uint32_t)k << 16);
            bool nan = (k & 0x7fff) > 0x7f80;
            assert_int_equal(back[k], nan ? k | 0x40 : k);
        }
        static const uint16_t should[] = {0x3f80, 0x3f82, 0x3f81, 0xbf82, 0x7f80, 0x7fc0};
        for (int k = 0; k < 6; k++) assert_int_equal(rounded[k], should[k]);
    }
    unsetenv("CAJAL_ISA");
}

static uint16_t to_bf16(double x)
{
    return cj__bf16_from_double(x);
}

/* Ops on bf16 compute in f32 and round once: within one part in 256 of the same in double. */
static void test_bf16_ops(void **state)
{
    (void)state;
    enum { M = 7, K = 33, N = 5 };
    static uint16_t a[M * K], b[K * N], c[M * K], product[M * N], sum[M], soft[M * K], chained[M * K],
        grad[M * K], most[M], moved[M * K];
    static int32_t at[M];
    for (int i = 0; i < M * K; i++) {
        a[i] = to_bf16((double)cj__normal(1, 0, (uint64_t)i));
        c[i] = to_bf16((double)cj__normal(2, 0, (uint64_t)i));
    }
    for (int i = 0; i < K * N; i++) b[i] = to_bf16((double)cj__normal(3, 0, (uint64_t)i));
    drawing d = begin();
    cj_value x = given(&d, a, CJ_BF16, cj_shape(M, K)), w = given(&d, b, CJ_BF16, cj_shape(K, N)),
             y = given(&d, c, CJ_BF16, cj_shape(M, K)), g;
    cj_gradients(cj_sum(cj_mul(x, y), CJ_ALL_AXES, CJ_DROP_AXES), 1, &x, &g);
    wanted(&d, cj_matmul(x, w), product);
    wanted(&d, cj_sum(x, cj_axes(1), CJ_DROP_AXES), sum);
    wanted(&d, cj_softmax(x, 1), soft);
    wanted(&d, cj_relu(cj_add(cj_mul(x, y), x)), chained);
    wanted(&d, g, grad);
    wanted(&d, cj_max(x, cj_axes(1), CJ_DROP_AXES), most);
    wanted(&d, cj_argmax(x, 1), at);
    wanted(&d, cj_transpose(x, CJ_ALL_AXES), moved);
    run(&d);
#define NEAR(stored, value)                                                                                  \
    assert_true(fabs((double)cj__bf16_to_float(stored) - (value)) <= fabs(value) / 256 + 1e-6)
    for (int i = 0; i < M; i++) {
        double total = 0, top = -INFINITY, spread = 0;
        int place = 0;
        for (int k = 0; k < K; k++) {
            double e = (double)cj__bf16_to_float(a[i * K + k]), f = (double)cj__bf16_to_float(c[i * K + k]);
            total += e;
            if (e > top) top = e, place = k;
            /* each op rounds */
            float times = cj__bf16_to_float(to_bf16(e * f));
            double plus = (double)cj__bf16_to_float(to_bf16((double)(times + (float)e)));
            assert_int_equal(chained[i * K + k], to_bf16(plus > 0 ? plus : 0));
            assert_int_equal(grad[i * K + k], c[i * K + k]);
            assert_int_equal(moved[k * M + i], a[i * K + k]);
        }
        for (int k = 0; k < K; k++) spread += exp((double)cj__bf16_to_float(a[i * K + k]) - top);
        for (int k = 0; k < K; k++)
            NEAR(soft[i * K + k], exp((double)cj__bf16_to_float(a[i * K + k]) - top) / spread);
        NEAR(sum[i], total);
        NEAR(most[i], top);
        assert_int_equal(at[i], place);
        for (int j = 0; j < N; j++) {
            double dot = 0;
            for (int k = 0; k < K; k++)
                dot += (double)cj__bf16_to_float(a[i * K + k]) * (double)cj__bf16_to_float(b[k * N + j]);
            NEAR(product[i * N + j], dot);
        }
    }
}

/* A chain reads and writes bf16 itself, whole and broadcast: one step. */
static void test_bf16_chain(void **state)
{
    (void)state;
    enum { M = 9, N = 71 };
    static uint16_t a[M * N], b[N], y[M * N], one[1];
    cj_program *program;
    cj_graph *g;
    for (int i = 0; i < M * N; i++) a[i] = to_bf16((double)cj__normal(1, 0, (uint64_t)i));
    for (int i = 0; i < N; i++) b[i] = to_bf16((double)cj__normal(2, 0, (uint64_t)i));
    one[0] = to_bf16(0.75);
    expect_ok((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options)}));
    cj_value x = cj_input(g, "x", CJ_BF16, cj_shape(M, N)), bias = cj_input(g, "b", CJ_BF16, cj_shape(N)),
             scale = cj_input(g, "s", CJ_BF16, cj_shape(1));
    cj_output(g, "y", cj_add(cj_mul(x, scale), bias));
    expect_ok(cj_compile(&program, g));
    assert_int_equal(cj_program_describe(program).steps, 1);
    cj_run_options run = {
        .size = sizeof run,
        .program = program,
        .inputs = {{a, CJ_BF16, cj_shape(M, N)}, {b, CJ_BF16, cj_shape(N)}, {one, CJ_BF16, cj_shape(1)}},
        .outputs = {y}};
    expect_ok((cj_program_run)(&run));
    for (int i = 0; i < M * N; i++) {
        float scaled = cj__bf16_to_float(cj__bf16_from_float(cj__bf16_to_float(a[i]) * 0.75f));
        assert_int_equal(y[i], cj__bf16_from_float(scaled + cj__bf16_to_float(b[i % N])));
    }
    cj_program_free(program);
    cj_graph_free(g);
}

/* State held in bf16: read, changed by ops, assigned. */
static void test_bf16_state(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    expect_ok((cj_model_new)(&(cj_model_options){.size = sizeof(cj_model_options), .model = &model}));
    expect_ok((cj_graph_new)(&g, &(cj_graph_options){.size = sizeof(cj_graph_options), .model = model}));
    cj_value v = cj_state(cj_root(g), "v", CJ_STATISTIC, CJ_BF16, cj_shape(3), 1.5);
    cj_assign(v, cj_add(cj_scale(v, 2), cj_constant(g, CJ_BF16, 0.25)));
    expect_ok(cj_compile(&program, g));
    for (int i = 0; i < 2; i++)
        expect_ok((cj_program_run)(&(cj_run_options){.size = sizeof(cj_run_options), .program = program}));
    const uint16_t *data = cj_model_find(model, "v").data;
    for (int i = 0; i < 3; i++) assert_true(cj__bf16_to_float(data[i]) == 6.75f);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

/* The same for two operands, every special value with every other. */
static void test_special_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        cj_value (*draw)(cj_value, cj_value);
    } ops[] = {{"add", cj_add},          {"sub", cj_sub},     {"mul", cj_mul},         {"div", cj_div},
               {"pow", cj_pow},          {"max", cj_maximum}, {"min", cj_minimum},     {"equal", cj_equal},
               {"differ", cj_not_equal}, {"less", cj_less},   {"up to", cj_less_equal}};
    static const float special[] = {0, -0.0f, 1, -1, INFINITY, -INFINITY, NAN, 1e30f, -1e30f, 2.5f, -3};
    enum { N = sizeof special / sizeof *special };
    static float a[N * N], b[N * N];
    static double wide_a[N * N], wide_b[N * N];
    for (int i = 0; i < N * N; i++) {
        wide_a[i] = (double)(a[i] = special[i / N]);
        wide_b[i] = (double)(b[i] = special[i % N]);
    }
    for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
        float y[N * N];
        double exact[N * N];
        drawing d = begin();
        cj_value p = given(&d, a, CJ_F32, cj_shape(N * N)), q = given(&d, b, CJ_F32, cj_shape(N * N));
        cj_value r = given(&d, wide_a, CJ_F64, cj_shape(N * N)),
                 s = given(&d, wide_b, CJ_F64, cj_shape(N * N));
        wanted(&d, cj_cast(ops[k].draw(p, q), CJ_F32), y);
        wanted(&d, cj_cast(ops[k].draw(r, s), CJ_F64), exact);
        run(&d);
        for (int i = 0; i < N * N; i++) {
            float should = (float)exact[i];
            if (fabsf(should) < 1e-36f) should = 0; /* denormals are flushed */
            bool same =
                isnan(should) ? isnan(y[i]) : fabsf(y[i] - should) <= 1e-6f * fabsf(should) || y[i] == should;
            if (!same)
                fail_msg("%s(%g, %g) is %.9g, should be %.9g", ops[k].name, (double)a[i], (double)b[i],
                         (double)y[i], (double)should);
        }
    }
}

/* Work enough for every kernel to be shared out: the same bits for any number of threads. */
typedef struct {
    float sorted[64 * 1000], sums[64 * 1000], turned[300 * 400], reduced[20 * 40], rows[3000],
        gradient[3000 * 10], drawn[50000], normal[20000], added[50 * 200], gathered[900 * 200];
    int32_t places[64 * 1000], integers[100000];
    uint16_t narrow[100000];
} shared;

static void draw_shared(shared *out)
{
    static float x[120000];
    static int32_t k[100000];
    int64_t counter = 3;
    for (int i = 0; i < 120000; i++) x[i] = cj__normal(8, 0, (uint64_t)i);
    for (int i = 0; i < 100000; i++) k[i] = i * 37 % 50;
    drawing d = begin();
    cj_value v = given(&d, x, CJ_F32, cj_shape(120000)), i = given(&d, k, CJ_I32, cj_shape(100000)), g;
    cj_value step = given(&d, &counter, CJ_I64, cj_scalar_shape());
    cj_value matrix = cj_reshape(cj_slice(v, 0, 0, 64000, 1), cj_shape(64, 1000));
    cj_value logits = cj_reshape(cj_slice(v, 0, 0, 30000, 1), cj_shape(3000, 10));
    cj_value labels = cj_slice(i, 0, 0, 3000, 1),
             table = cj_reshape(cj_slice(v, 0, 0, 10000, 1), cj_shape(50, 200));
    cj_sorted s = cj_sort(matrix, 1, CJ_DESCENDING);
    wanted(&d, s.values, out->sorted);
    wanted(&d, s.indices, out->places);
    wanted(&d, cj_cumulative_sum(matrix, 0, CJ_REVERSE), out->sums);
    wanted(&d, cj_transpose(cj_reshape(v, cj_shape(300, 400)), CJ_ALL_AXES), out->turned);
    wanted(&d,
           cj_sum(cj_reshape(cj_slice(v, 0, 0, 40000, 1), cj_shape(20, 50, 40)), cj_axes(1), CJ_DROP_AXES),
           out->reduced);
    cj_value rows = cj_cross_entropy_rows(logits, labels);
    cj_gradients(rows, 1, &logits, &g);
    wanted(&d, rows, out->rows);
    wanted(&d, g, out->gradient);
    cj_value taken = cj_gather(table, cj_slice(i, 0, 0, 900, 1), 0);
    wanted(&d, taken, out->gathered);
    wanted(&d, cj_scatter_add(taken, cj_slice(i, 0, 0, 900, 1), 0, 50), out->added);
    wanted(&d, cj_add(i, cj_mul(i, i)), out->integers);
    wanted(&d, cj_cast(cj_slice(v, 0, 0, 100000, 1), CJ_BF16), out->narrow);
    wanted(&d, cj__draw1(CJ__OP_random_uniform, (&(cj__random_attributes){cj_shape(50000), 9}), step),
           out->drawn);
    wanted(&d, cj__draw1(CJ__OP_random_normal, (&(cj__random_attributes){cj_shape(20000), 9}), step),
           out->normal);
    run(&d);
}

static void test_threads(void **state)
{
    (void)state;
    static shared one, many;
    static const int counts[] = {2, 3, 7};
    expect_ok(cj_set_threads(1));
    draw_shared(&one);
    for (int i = 0; i < 3; i++) {
        memset(&many, 0, sizeof many);
        expect_ok(cj_set_threads(counts[i]));
        draw_shared(&many);
        assert_memory_equal(&many, &one, sizeof one);
    }
    expect_ok(cj_set_threads(1));
}

/* Parts that nothing reads have zeros for their gradient. */
static void test_split(void **state)
{
    (void)state;
    float data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, y[4], gradient[12];
    drawing d = begin();
    cj_value x = given(&d, data, CJ_F32, cj_shape(2, 6)), parts[4], g;
    cj_split(x, 3, -1, parts);
    cj_gradients(cj_square(parts[1]), 1, &x, &g);
    wanted(&d, parts[1], y);
    wanted(&d, g, gradient);
    run(&d);
    EXPECT_EACH(y, 3, 4, 9, 10);
    EXPECT_EACH(gradient, 0, 0, 6, 8, 0, 0, 0, 0, 18, 20, 0, 0);
    d = begin();
    cj_split(given(&d, data, CJ_F32, cj_shape(2, 6)), 4, 1, parts);
    assert_int_equal(cj_graph_status(d.graph), CJ_SHAPE_ERROR);
    assert_non_null(strstr(cj_error_message(), "axis 1 of size 6 does not split into 4 equal parts"));
    cj_graph_free(d.graph);
}

static cj_value elu(cj_value x)
{
    return cj_elu(x, 1);
}

/* Infinities, NaN, zeros and what overflows: as the definitions in double, on every instruction set. */
static void test_special_values(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        cj_value (*draw)(cj_value);
    } ops[] = {{"exp", cj_exp},
               {"log", cj_log},
               {"log1p", cj_log1p},
               {"expm1", cj_expm1},
               {"sqrt", cj_sqrt},
               {"rsqrt", cj_rsqrt},
               {"tanh", cj_tanh},
               {"sigmoid", cj_sigmoid},
               {"erf", cj_erf},
               {"relu", cj_relu},
               {"abs", cj_abs},
               {"neg", cj_neg},
               {"sign", cj_sign},
               {"floor", cj_floor},
               {"ceil", cj_ceil},
               {"round", cj_round},
               {"sin", cj_sin},
               {"cos", cj_cos},
               {"softplus", cj_softplus},
               {"silu", cj_silu},
               {"gelu", cj_gelu},
               {"gelu_tanh", cj_gelu_tanh},
               {"selu", cj_selu},
               {"elu", elu},
               {"hard_tanh", cj_hard_tanh},
               {"hard_sigmoid", cj_hard_sigmoid},
               {"reciprocal", cj_reciprocal}};
    float data[] = {0,       -0.0f, 1,  -1,  INFINITY, -INFINITY, NAN,  1e30f, -1e30f,
                    88,      -88,   89, -89, -105,     10.5f,     0.5f, 2.5f,  1e-30f,
                    -1e-30f, 1e7f,  15, -15, 3e38f,    -3e38f,    1.5f};
    enum { N = sizeof data / sizeof *data };
    static const char *const isas[] = {"scalar", "avx2", "avx512"};
    for (int i = 0; i < 3; i++) {
        if (!cj__isa_available(i == 0 ? CJ__ISA_SCALAR : i == 1 ? CJ__ISA_AVX2 : CJ__ISA_AVX512)) continue;
        setenv("CAJAL_ISA", isas[i], 1);
        for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
            float y[N];
            double exact[N], wide[N];
            for (int e = 0; e < N; e++) wide[e] = (double)data[e];
            drawing d = begin();
            wanted(&d, ops[k].draw(given(&d, data, CJ_F32, cj_shape(N))), y);
            wanted(&d, ops[k].draw(given(&d, wide, CJ_F64, cj_shape(N))), exact);
            run(&d);
            for (int e = 0; e < N; e++) {
                float should = (float)exact[e];
                bool same = isnan(should) ? isnan(y[e]) : y[e] == should;
                if (!same && !(fabsf(y[e] - should) <= 2e-6f * fabsf(should) + 1e-36f))
                    fail_msg("%s(%g) is %.9g on %s, should be %.9g", ops[k].name, (double)data[e],
                             (double)y[e], isas[i], (double)should);
            }
        }
    }
    unsetenv("CAJAL_ISA");
}

/* Draws have the bits of the functions that define them, on every instruction set, however many there are. */
static void test_draws(void **state)
{
    (void)state;
    enum { N = 8192 + 77 };
    static float uniform[N], normal[N];
    static const char *const isas[] = {"scalar", "avx2", "avx512"};
    for (int i = 0; i < 3; i++) {
        if (!cj__isa_available(i == 0 ? CJ__ISA_SCALAR : i == 1 ? CJ__ISA_AVX2 : CJ__ISA_AVX512)) continue;
        setenv("CAJAL_ISA", isas[i], 1);
        int64_t counter = (1LL << 40) + 5;
        cj__random_attributes a = {cj_shape(N), 0x123456789abcdef0u};
        drawing d = begin();
        cj_value step = given(&d, &counter, CJ_I64, cj_scalar_shape());
        wanted(&d, cj__draw1(CJ__OP_random_uniform, &a, step), uniform);
        wanted(&d, cj__draw1(CJ__OP_random_normal, &a, step), normal);
        run(&d);
        for (int k = 0; k < N; k++) {
            assert_true(uniform[k] == cj__uniform(a.key, (uint64_t)counter, (uint64_t)k));
            assert_true(normal[k] == cj__normal(a.key, (uint64_t)counter, (uint64_t)k));
        }
    }
    unsetenv("CAJAL_ISA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_product_of_zeros),
        cmocka_unit_test(test_power_pool_of_zeros),
        cmocka_unit_test(test_sorting),
        cmocka_unit_test(test_sorting_in_double),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_running_sums),
        cmocka_unit_test(test_wide_integers),
        cmocka_unit_test(test_integer_reductions_and_moves),
        cmocka_unit_test(test_casts_from_floats),
        cmocka_unit_test(test_integer_constants),
        cmocka_unit_test(test_bf16_casts),
        cmocka_unit_test(test_bf16_ops),
        cmocka_unit_test(test_bf16_chain),
        cmocka_unit_test(test_logsumexp),
        cmocka_unit_test(test_bf16_state),
        cmocka_unit_test(test_special_pairs),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_draws),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_special_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
