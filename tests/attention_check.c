/* The attention under test: drawn with the gradients of its operands, compiled, run. */
#include "support.h"

#include "cajal/cajal.h"
#include "attention_check.h"

#include <math.h>

static const int64_t keys_known = 250;

static void fill(void *data, bool wide, int64_t count, int power, uint32_t *state)
{
    for (int64_t i = 0; i < count; i++) {
        *state = *state * 69069 + 1;
        float x = ldexpf((float)(*state >> 16) / 32768 - 1, power);
        if (wide)
            ((double *)data)[i] = (double)x;
        else
            ((float *)data)[i] = x;
    }
}

void cj_test_gradients_free(cj_test_gradients *r)
{
    for (int i = 0; i < 4; i++) free(r->data[i]);
}

static cj_value given(cj_graph *g, cj_dtype dtype, cj_shape_t shape, uint32_t *state)
{
    void *data = malloc((size_t)cj_shape_count(shape) * 8 + 1);
    fill(data, dtype == CJ_F64, cj_shape_count(shape), 0, state);
    cj_value value = cj_constant_tensor(g, &(cj_tensor){data, dtype, shape});
    free(data);
    return value;
}

static cj_value operand(cj_graph *g, const cj_test_attention *z, cj_dtype dtype, int index, uint32_t *state)
{
    cj_shape_t shape = index % 3 ? cj_shape(z->n, z->s, z->g, z->d) : cj_shape(z->n, z->t, z->h, z->d);
    int64_t count = cj_shape_count(shape), middle = count / 2 + 1;
    void *data = malloc((size_t)count * 8 + 1);
    fill(data, dtype == CJ_F64, count, z->power[index], state);
    if (z->odd != 0 && index == z->odd_operand && dtype == CJ_F64) ((double *)data)[middle] = (double)z->odd;
    if (z->odd != 0 && index == z->odd_operand && dtype == CJ_F32) ((float *)data)[middle] = z->odd;
    cj_value value = cj_constant_tensor(g, &(cj_tensor){data, dtype, shape});
    free(data);
    return value;
}

static cj_value whole(cj_graph *g, int64_t n, const int32_t *numbers)
{
    return cj_constant_tensor(g, &(cj_tensor){(void *)(uintptr_t)numbers, CJ_I32, cj_shape(n)});
}

cj_status cj_test_attention_draw(cj_graph *g, const cj_test_attention *z, cj_dtype dtype, cj_value x[3],
                                 cj_value *y)
{
    uint32_t state = 7;
    static const int32_t lengths[] = {290, 9};
    int32_t first[] = {(int32_t)keys_known, 0};
    first[0] = (int32_t)(z->s - z->t) < first[0] ? (int32_t)(z->s - z->t) : first[0];
    for (int i = 0; i < 3; i++) x[i] = operand(g, z, dtype, i, &state);
    cj_value none = {0};
    *y = cj_attention(cj_root(g), x[0], .key = x[1], .value = x[2], .causal = z->causal,
                      .dropout = z->dropout, .scale = 0.8, .first = z->first ? whole(g, z->n, first) : none,
                      .lengths = z->lengths ? whole(g, z->n, lengths) : none,
                      .bias = z->bias ? given(g, dtype, cj_shape(1, z->h, 1, z->s), &state) : none);
    cj_value c = operand(g, z, dtype, 3, &state), dx[3];
    cj_gradients(cj_sum(cj_mul(*y, c), CJ_ALL_AXES, CJ_DROP_AXES), 3, x, dx);
    cj_output(g, "y", *y);
    for (int i = 0; i < 3; i++) cj_output(g, "dx", dx[i]);
    return cj_graph_status(g);
}

cj_test_gradients cj_test_attention_run(const cj_test_attention *z, const cj_test_way *way)
{
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    cj_value x[3], y;
    cj_test_gradients r;
    expect_ok(cj_model_new(&model, .seed = 5));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING, .precision = way->precision));
    expect_ok(cj_test_attention_draw(g, z, way->dtype, x, &y));
    for (int i = 0; i < 4; i++) {
        r.count[i] = cj_shape_count(cj_value_shape(i ? x[i - 1] : y));
        r.data[i] = malloc((size_t)r.count[i] * 8 + 1);
    }
    expect_ok(cj_test_compile_with(&program, g, way->split));
    expect_ok(cj_program_run(program, .outputs = {r.data[0], r.data[1], r.data[2], r.data[3]}));
    snprintf(r.forwards, sizeof r.forwards, "%s", cj_test_described(program, CJ__OP_attention));
    snprintf(r.back, sizeof r.back, "%s", cj_test_described(program, CJ__OP_attention_gradient));
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
    return r;
}
