/* Attention layers with what PyTorch's does not have, against plain loops in double: projections apart, keys
 * of fewer heads, rotated halves and pairs, a mask and a bias. A decoder's stack against its layers one by
 * one. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>

enum { N = 2, T = 5, W = 12, H = 4, G = 2 };
enum { ROTARY_W = 16 };

/* --- by hand ------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t width, heads, kv_heads;
    cj_rotation rotation;
    bool causal;
    const uint8_t *mask; /* [N,T] or NULL */
    const float *bias;   /* [H,T,T] or NULL */
} setting;

static const float *weight_of(cj_model *model, const char *name)
{
    cj_tensor found = cj_model_find(model, name);
    assert_non_null(found.data);
    return found.data;
}

/* y [units] = weight x + bias */
static void dense(cj_model *model, const char *name, const double *x, int64_t width, int64_t units, double *y)
{
    char path[64];
    snprintf(path, sizeof path, "%s.weight", name);
    const float *weight = weight_of(model, path);
    snprintf(path, sizeof path, "%s.bias", name);
    const float *bias = weight_of(model, path);
    for (int64_t u = 0; u < units; u++) {
        y[u] = (double)bias[u];
        for (int64_t i = 0; i < width; i++) y[u] += (double)weight[u * width + i] * x[i];
    }
}

/* Pair j of a head turns by place · 10000^(-2j/D). */
static void turn(double *head, int64_t d, int64_t place, cj_rotation rotation)
{
    for (int64_t j = 0; j < d / 2 && rotation != CJ_NO_ROTATION; j++) {
        int64_t a = rotation == CJ_ROTATE_PAIRS ? 2 * j : j;
        int64_t b = rotation == CJ_ROTATE_PAIRS ? a + 1 : j + d / 2;
        double angle = (double)place * pow(10000, -2.0 * (double)j / (double)d), x = head[a], y = head[b];
        head[a] = x * cos(angle) - y * sin(angle);
        head[b] = x * sin(angle) + y * cos(angle);
    }
}

static bool sees(const setting *z, int64_t n, int64_t t, int64_t s)
{
    return (!z->causal || s <= t) && (!z->mask || z->mask[n * T + s]);
}

/* One head's answer at place t of row n. q: [D], k and v: [T][kv_heads·D] of the row */
static void attend(const setting *z, int64_t n, int64_t t, int64_t h, const double *q, const double *k,
                   const double *v, double *y)
{
    int64_t d = z->width / z->heads, g = h / (z->heads / z->kv_heads), row = z->kv_heads * d;
    double p[T], sum = 0, largest = -INFINITY;
    for (int64_t s = 0; s < T; s++) {
        p[s] = z->bias ? (double)z->bias[(h * T + t) * T + s] : 0;
        for (int64_t i = 0; i < d; i++) p[s] += q[i] * k[s * row + g * d + i] / sqrt((double)d);
        if (sees(z, n, t, s)) largest = fmax(largest, p[s]);
    }
    for (int64_t s = 0; s < T; s++) sum += p[s] = sees(z, n, t, s) ? exp(p[s] - largest) : 0;
    for (int64_t i = 0; i < d; i++) {
        y[i] = 0;
        for (int64_t s = 0; s < T; s++) y[i] += p[s] / sum * v[s * row + g * d + i];
    }
}

static void by_hand(cj_model *model, const setting *z, const float *x, double *y)
{
    int64_t w = z->width, d = w / z->heads, row = z->kv_heads * d;
    for (int64_t n = 0; n < N; n++) {
        double q[T * ROTARY_W], k[T * ROTARY_W], v[T * ROTARY_W], place[ROTARY_W], all[ROTARY_W];
        for (int64_t t = 0; t < T; t++) {
            for (int64_t i = 0; i < w; i++) place[i] = (double)x[(n * T + t) * w + i];
            dense(model, "q_proj", place, w, w, q + t * w);
            dense(model, "k_proj", place, w, row, k + t * row);
            dense(model, "v_proj", place, w, row, v + t * row);
            for (int64_t h = 0; h < z->heads; h++) turn(q + t * w + h * d, d, t, z->rotation);
            for (int64_t g = 0; g < z->kv_heads; g++) turn(k + t * row + g * d, d, t, z->rotation);
        }
        for (int64_t t = 0; t < T; t++) {
            for (int64_t h = 0; h < z->heads; h++) attend(z, n, t, h, q + t * w + h * d, k, v, all + h * d);
            dense(model, "out_proj", all, w, w, y + (n * T + t) * w);
        }
    }
}

/* --- by the layer -------------------------------------------------------------------------------------- */

static cj_value given(cj_graph *g, const void *data, cj_dtype dtype, cj_shape_t shape)
{
    return cj_constant_tensor(g, &(cj_tensor){(void *)data, dtype, shape});
}

static void check(const setting *z)
{
    float x[N * T * ROTARY_W], found[N * T * ROTARY_W];
    double wanted[N * T * ROTARY_W];
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    int64_t count = N * T * z->width;
    for (int64_t i = 0; i < count; i++) x[i] = (float)sin(1.7 * (double)i + 0.3);
    expect_ok(cj_model_new(&model, .seed = 11));
    expect_ok(cj_graph_new(&g, model));
    cj_multi_head_attention_options o = {.size = sizeof o,
                                         .input = cj_input(g, "x", CJ_F32, cj_shape(N, T, z->width)),
                                         .heads = z->heads,
                                         .kv_heads = z->kv_heads,
                                         .separate = true,
                                         .causal = z->causal,
                                         .rotation = z->rotation};
    if (z->mask) o.mask = given(g, z->mask, CJ_BOOL, cj_shape(N, T));
    if (z->bias) o.bias = given(g, z->bias, CJ_F32, cj_shape(1, z->heads, T, T));
    cj_output(g, "y", (cj_multi_head_attention)(cj_root(g), &o));
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program, .inputs = {{x, CJ_F32, cj_shape(N, T, z->width)}}, .outputs = {found}));
    by_hand(model, z, x, wanted);
    for (int64_t i = 0; i < count; i++)
        if (!(fabs((double)found[i] - wanted[i]) < 1e-5))
            fail_msg("element %lld is %.9g, should be %.9g", (long long)i, (double)found[i], wanted[i]);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

static void test_heads(void **state)
{
    (void)state;
    static const uint8_t mask[N * T] = {1, 1, 0, 1, 1, 1, 0, 1, 1, 0};
    float bias[H * T * T];
    for (int i = 0; i < H * T * T; i++) bias[i] = (float)cos(0.9 * i);
    check(&(setting){W, H, H, .causal = true});
    check(&(setting){.width = W, .heads = H, .kv_heads = G});
    check(&(setting){W, H, 1, .causal = true, .bias = bias});
    check(&(setting){W, H, H, .mask = mask});
    check(&(setting){W, H, G, .mask = mask, .bias = bias, .causal = true});
    check(&(setting){ROTARY_W, H, G, CJ_ROTATE_HALVES, .causal = true});
    check(&(setting){ROTARY_W, H, H, CJ_ROTATE_PAIRS, .causal = true, .mask = mask});
}

/* A mask of keys beside a bias of places takes no more than they do: [N,H,T,T] is never made. */
static void test_mask_beside_bias(void **state)
{
    (void)state;
    enum { ROWS = 4, HEADS = 4, PLACES = 64 };
    cj_graph *g;
    cj_program *program;
    expect_ok(cj_graph_new(&g, NULL));
    cj_value q = cj_input(g, "q", CJ_F32, cj_shape(ROWS, PLACES, HEADS, 4));
    cj_value mask = cj_input(g, "mask", CJ_BOOL, cj_shape(ROWS, PLACES));
    cj_value alibi = cj_alibi(g, HEADS, PLACES),
             bias = cj_input(g, "bias", CJ_F32, cj_shape(1, 1, PLACES, PLACES));
    cj_output(g, "a", cj_attention(cj_root(g), q, .key = q, .value = q, .mask = mask, .bias = alibi));
    cj_output(g, "b", cj_attention(cj_root(g), q, .key = q, .value = q, .mask = mask, .bias = bias));
    expect_ok(cj_compile(&program, g));
    assert_true(cj_program_describe(program).slab_bytes < (size_t)ROWS * HEADS * PLACES * PLACES);
    cj_program_free(program);
    cj_graph_free(g);
}

/* The queries go on from place `first`; keys of a context stand where they stand. By the parts: the same
 * parameters, turned one by one. */
static void test_rotated_context(void **state)
{
    (void)state;
    float x[N * T * ROTARY_W], context[N * T * ROTARY_W], found[N * T * ROTARY_W], wanted[N * T * ROTARY_W];
    int32_t first = 4;
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    cj_shape_t shape = cj_shape(N, T, ROTARY_W), heads = cj_shape(N, T, H, ROTARY_W / H);
    for (int i = 0; i < N * T * ROTARY_W; i++) x[i] = (float)sin(2.1 * i), context[i] = (float)cos(0.7 * i);
    expect_ok(cj_model_new(&model, .seed = 11));
    expect_ok(cj_graph_new(&g, model));
    cj_scope s = cj_root(g);
    cj_value in = cj_input(g, "x", CJ_F32, shape), c = cj_input(g, "context", CJ_F32, shape);
    cj_value place = cj_input(g, "first", CJ_I32, cj_scalar_shape());
    cj_output(g, "found",
              cj_multi_head_attention(s, in, .context = c, .heads = H, .separate = true, .first = place,
                                      .rotation = CJ_ROTATE_HALVES));
    cj_value q = cj_reshape(cj_dense(cj_at(s, "q_proj"), in, .units = ROTARY_W), heads);
    cj_value k = cj_reshape(cj_dense(cj_at(s, "k_proj"), c, .units = ROTARY_W), heads);
    cj_value v = cj_reshape(cj_dense(cj_at(s, "v_proj"), c, .units = ROTARY_W), heads);
    cj_value y = cj_attention(s, cj_rotary(q, .first = place), .key = cj_rotary(k), .value = v);
    cj_output(g, "wanted", cj_dense(cj_at(s, "out_proj"), cj_reshape(y, shape), .units = ROTARY_W));
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(
        program,
        .inputs = {{x, CJ_F32, shape}, {context, CJ_F32, shape}, {&first, CJ_I32, cj_scalar_shape()}},
        .outputs = {found, wanted}));
    assert_memory_equal(found, wanted, sizeof found);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

/* bf16 holds no place beyond 256 exactly, and tells no angle of one: that they are bf16 is seen in the last
 * digits of what is turned alone. */
static void test_places_of_bf16(void **state)
{
    (void)state;
    float x[ROTARY_W], turned[2][ROTARY_W], added[2][ROTARY_W];
    int32_t first = 297;
    cj_graph *g;
    cj_program *program;
    for (int i = 0; i < ROTARY_W; i++) x[i] = 1;
    expect_ok(cj_graph_new(&g, NULL));
    cj_value in = cj_input(g, "x", CJ_F32, cj_shape(1, 1, 1, ROTARY_W)), narrow = cj_cast(in, CJ_BF16);
    cj_value place = cj_input(g, "first", CJ_I32, cj_scalar_shape());
    cj_shape_t row = cj_shape(1, 1, ROTARY_W);
    cj_output(g, "turned", cj_rotary(in, .first = place));
    cj_output(g, "turned in bf16", cj_cast(cj_rotary(narrow, .first = place), CJ_F32));
    cj_output(g, "added", cj_sinusoidal_positions(cj_reshape(in, row), .first = place));
    cj_output(g, "added in bf16",
              cj_cast(cj_sinusoidal_positions(cj_reshape(narrow, row), .first = place), CJ_F32));
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(
        program, .inputs = {{x, CJ_F32, cj_shape(1, 1, 1, ROTARY_W)}, {&first, CJ_I32, cj_scalar_shape()}},
        .outputs = {turned[0], turned[1], added[0], added[1]}));
    for (int i = 0; i < ROTARY_W; i++) {
        assert_true(fabsf(turned[0][i] - turned[1][i]) < 0.02F);
        assert_true(fabsf(added[0][i] - added[1][i]) < 0.02F);
    }
    cj_program_free(program);
    cj_graph_free(g);
}

/* --- a decoder's stack --------------------------------------------------------------------------------- */

/* The two outputs are the stack's and that of its layers, of the same parameters. */
static void check_stack(bool norm_first)
{
    float x[N * T * W], memory[N * T * W], stack[N * T * W], layers[N * T * W];
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    for (int i = 0; i < N * T * W; i++) x[i] = (float)sin(2.1 * i), memory[i] = (float)cos(0.7 * i);
    expect_ok(cj_model_new(&model, .seed = 11));
    expect_ok(cj_graph_new(&g, model));
    cj_shape_t shape = cj_shape(N, T, W);
    cj_transformer_options o = {.size = sizeof o,
                                .input = cj_input(g, "x", CJ_F32, shape),
                                .memory = cj_input(g, "memory", CJ_F32, shape),
                                .heads = 2,
                                .hidden = 20,
                                .layers = 3,
                                .norm_first = norm_first};
    cj_output(g, "stack", (cj_transformer_decoder)(cj_root(g), &o));
    for (int i = 0; i < 3; i++)
        o.input = (cj_transformer_decoder_layer)(cj_at(cj_root(g), "layers.%d", i), &o);
    if (norm_first) o.input = cj_layer_norm(cj_at(cj_root(g), "norm"), o.input);
    cj_output(g, "layers", o.input);
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program, .inputs = {{x, CJ_F32, shape}, {memory, CJ_F32, shape}},
                             .outputs = {stack, layers}));
    assert_memory_equal(stack, layers, sizeof stack);
    assert_true(fabsf(stack[3]) > 1e-3F);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

static void test_decoder(void **state)
{
    (void)state;
    check_stack(false);
    check_stack(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_heads), cmocka_unit_test(test_mask_beside_bias),
                                       cmocka_unit_test(test_rotated_context),
                                       cmocka_unit_test(test_places_of_bf16), cmocka_unit_test(test_decoder)};
    return cmocka_run_group_tests_name("attention layers", tests, NULL, NULL);
}
