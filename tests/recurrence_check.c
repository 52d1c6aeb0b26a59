/* The recurrence under test: drawn with a loss over all of its results, compiled, run. */
#include "support.h"

#include "cajal/cajal.h"
#include "recurrence_check.h"

#include <math.h>

enum { OPERANDS = 5 };

static cj_shape_t shape_of(const cj_test_recurrence *z, int operand)
{
    int64_t gates = cj__cell_gates(z->cell);
    if (operand == CJ__R_GATES) return cj_shape(z->rows, z->steps, gates * z->units);
    if (operand == CJ__R_WEIGHT) return cj_shape(gates * z->units, z->units);
    if (operand == CJ__R_LENGTHS) return cj_shape(z->rows);
    return operand == CJ__R_EXTRA && z->cell == CJ__GRU ? cj_shape(z->units) : cj_shape(z->rows, z->units);
}

static double element(const cj_test_recurrence *z, int operand, int64_t k)
{
    double x = sin(1.7 * (double)k + operand) + cos(0.3 * (double)k * (double)k);
    if (operand == CJ__R_LENGTHS) return z->varied ? (double)(k * 7 % (z->steps + 1)) : (double)z->steps;
    if (operand == z->odd_operand && z->odd != 0 && k == cj_shape_count(shape_of(z, operand)) / 2 + 1)
        return (double)z->odd;
    if (operand == CJ__R_FIRST) return ldexp(x, z->power);
    return operand == CJ__R_WEIGHT ? x / sqrt((double)z->units) : x;
}

static bool has_extra(const cj_test_recurrence *z)
{
    return cj__cell_gates(z->cell) > 1;
}

static cj_program *program_of(const cj_test_recurrence *z, const cj_test_way *way)
{
    cj_graph *g;
    cj_program *program;
    const cj_dtype dtype = way->dtype;
    cj_value in[OPERANDS] = {0}, x[4], gradients[4], loss = {0};
    int count = 0;
    expect_ok(cj_graph_new(&g, NULL, .precision = way->precision));
    for (int i = 0; i < (has_extra(z) ? 5 : 4); i++) {
        in[i] = cj_input(g, "operand", i == CJ__R_LENGTHS ? CJ_I32 : dtype, shape_of(z, i));
        if (i != CJ__R_LENGTHS) x[count++] = in[i];
    }
    cj__recurrence_operands o = {z->cell,         z->reverse,
                                 in[CJ__R_GATES], in[CJ__R_WEIGHT],
                                 in[CJ__R_FIRST], z->varied ? in[CJ__R_LENGTHS] : (cj_value){0},
                                 in[CJ__R_EXTRA]};
    cj__recurrence_results r = cj__recurrence(&o);
    cj_value parts[] = {r.states, r.last, r.cell};
    for (int i = 0; i < 3; i++) {
        if (!parts[i].graph) continue;
        cj_shape_t flat = cj_shape(cj_shape_count(cj_value_shape(parts[i])));
        cj_value weights = cj_sin(cj_scale(cj_cast(cj_iota(g, CJ_I32, flat.dims[0]), dtype), 1 + i));
        weights = cj_scale(weights, ldexp(1, z->power));
        cj_value term = cj_sum(cj_mul(cj_reshape(parts[i], flat), weights), CJ_ALL_AXES, CJ_DROP_AXES);
        loss = loss.graph ? cj_add(loss, term) : term;
    }
    cj_gradients(loss, count, x, gradients);
    for (int i = 0; i < 3; i++) cj_output(g, "part", parts[i].graph ? parts[i] : r.last);
    for (int i = 0; i < count; i++) cj_output(g, "gradient", gradients[i]);
    expect_ok(cj_test_compile_with(&program, g, way->split));
    cj_graph_free(g);
    return program;
}

static void put(cj_dtype dtype, void *to, int64_t k, double x)
{
    if (dtype == CJ_F64)
        ((double *)to)[k] = x;
    else if (dtype == CJ_F32)
        ((float *)to)[k] = (float)x;
    else
        ((int32_t *)to)[k] = (int32_t)x;
}

static void describe(cj_test_answer *a, const cj_program *program)
{
    snprintf(a->forwards, sizeof a->forwards, "%s", cj_test_described(program, CJ__OP_recurrence_saving));
    snprintf(a->back, sizeof a->back, "%s", cj_test_described(program, CJ__OP_recurrence_gradient));
}

cj_test_answer cj_test_recurrence_answer(const cj_test_recurrence *z, const cj_test_way *way)
{
    cj_program *program = program_of(z, way);
    int operands = has_extra(z) ? 5 : 4;
    size_t bytes = cj_dtype_size(way->dtype);
    cj_run_options run = {.size = sizeof run, .program = program};
    cj_test_answer a = {.results = operands + 2};
    for (int i = 0; i < operands; i++) {
        cj_dtype own = i == CJ__R_LENGTHS ? CJ_I32 : way->dtype;
        int64_t n = cj_shape_count(shape_of(z, i));
        run.inputs[i] = (cj_tensor){malloc((size_t)n * 8 + 1), own, shape_of(z, i)};
        for (int64_t k = 0; k < n; k++) put(own, run.inputs[i].data, k, (double)(float)element(z, i, k));
    }
    for (int i = 0; i < a.results; i++)
        a.count += a.counts[i] = cj_shape_count(cj_program_output(program, i).shape);
    char *next = a.values = malloc((size_t)a.count * bytes + 1);
    for (int i = 0; i < a.results; next += (size_t)a.counts[i++] * bytes) run.outputs[i] = next;
    expect_ok((cj_program_run)(&run));
    for (int i = 0; i < operands; i++) free(run.inputs[i].data);
    describe(&a, program);
    cj_program_free(program);
    return a;
}
