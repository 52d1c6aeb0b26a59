/* Awkward windows, and the slow convolution that kernels are compared with. */
#include "support.h"
#include "convolution_check.h"

#include "base/random.h"
#define CJ_NO_LOCATIONS
#include "cajal/cajal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const cj_test_window cj_test_windows[] = {
    {CJ_SQUARE(3, 1, 1, 1, 1), 1, 1, 1, {1, 1}},
    {CJ_SQUARE(3, 1, 1, 1, 1), 0, 3, 4, {5, 5}},
    {CJ_WINDOW_1D(3, 1, 1, 2, 2, 1), 3, 4, 5, {0}}, /* nothing but padding */
    {CJ_SQUARE(3, 2, 1, 2, 1), 2, 40, 48, {0, 4}},
    {CJ_SQUARE(3, 2, 1, 2, 20), 2, 20, 40, {4, 0}},
    {CJ_SQUARE(1, 1, 1, 0, 1), 3, 17, 33, {5, 7}},
    {CJ_SQUARE(1, 2, 1, 0, 1), 2, 18, 34, {7, 9}},
    {CJ_SQUARE(1, 3, 1, 0, 1), 2, 5, 7, {7, 8}},
    {CJ_SQUARE(3, 1, 1, 1, 1), 2, 31, 37, {13, 11}},
    {CJ_SQUARE(3, 1, 1, 0, 1), 2, 19, 65, {17, 19}},
    {CJ_SQUARE(3, 2, 1, 1, 1), 3, 23, 17, {11, 13}},
    {CJ_SQUARE(3, 3, 1, 1, 1), 2, 7, 9, {14, 17}},
    {CJ_SQUARE(3, 3, 2, 2, 1), 2, 7, 9, {14, 17}}, /* taps of some phases only */
    {CJ_SQUARE(4, 2, 3, 4, 1), 2, 6, 5, {13, 12}},
    {CJ_SQUARE(2, 4, 1, 0, 1), 2, 6, 5, {14, 13}}, /* a stride beyond the window: some of x is not seen */
    {CJ_SQUARE(5, 1, 2, 4, 1), 1, 33, 16, {9, 10}},
    {CJ_SQUARE(7, 2, 1, 3, 1), 2, 3, 20, {29, 31}},
    {CJ_SQUARE(5, 1, 1, 2, 1), 2, 1, 6, {28, 28}},
    {CJ_SQUARE(3, 1, 1, 1, 1), 7, 40, 48, {2, 2}}, /* strips over images */
    {CJ_SQUARE(3, 1, 1, 1, 1), 70, 8, 20, {3, 1}},
    {CJ_SQUARE(3, 2, 1, 1, 1), 9, 64, 33, {4, 4}},
    {CJ_SQUARE(3, 1, 1, 1, 1), 6, 128, 48, {4, 4}},  /* pictures of a power of two */
    {CJ_SQUARE(3, 1, 1, 1, 1), 2, 512, 16, {9, 20}}, /* and pixels */
    {CJ_SQUARE(3, 2, 1, 1, 1), 2, 256, 16, {5, 33}},
    {CJ_SQUARE(3, 1, 1, 1, 4), 2, 8, 12, {5, 6}},
    {CJ_SQUARE(3, 2, 1, 1, 2), 5, 64, 70, {6, 9}},
    {CJ_SQUARE(3, 1, 1, 1, 2), 9, 66, 34, {3, 3}},
    {CJ_SQUARE(3, 1, 1, 1, 19), 2, 19, 19, {6, 7}},
    {CJ_SQUARE(3, 1, 1, 1, 40), 1, 40, 40, {17, 18}},
    {CJ_SQUARE(3, 2, 1, 1, 33), 2, 33, 66, {9, 8}},
    {CJ_SQUARE(5, 1, 1, 2, 35), 1, 35, 35, {9, 12}},
    {CJ_SQUARE(7, 1, 1, 3, 50), 1, 50, 50, {8, 11}},
    {CJ_SQUARE(7, 1, 1, 3, 18), 2, 18, 18, {2, 2}},                      /* no pixel sees all taps */
    {CJ_SQUARE(3, 2, 2, 2, 20), 1, 20, 40, {13, 15}},                    /* taps as far apart as results */
    {CJ_WINDOW_2D(3, 3, 1, 1, 1, 1, 5, 6, 0, 7, 17), 1, 17, 17, {6, 5}}, /* padding wider than the window */
    {CJ_SQUARE(5, 1, 2, 4, 7), 1, 7, 21, {9, 8}},
    {CJ_WINDOW_2D(5, 3, 2, 1, 1, 1, 2, 1, 2, 1, 8), 1, 8, 16, {8, 7}},
    {CJ_WINDOW_2D(3, 2, 2, 3, 1, 1, 0, 1, 2, 0, 1), 2, 4, 3, {8, 9}},
    {CJ_WINDOW_2D(3, 3, 1, 1, 1, 1, 5, 0, 0, 7, 1), 2, 9, 18, {6, 5}}, /* results that see padding alone */
    {CJ_WINDOW_2D(1, 9, 1, 1, 1, 1, 0, 4, 0, 4, 1), 2, 20, 24, {3, 40}},
    {CJ_WINDOW_2D(9, 1, 1, 1, 1, 1, 4, 0, 4, 0, 1), 2, 20, 24, {40, 3}},
    {CJ_WINDOW_2D(2, 2, 1, 1, 1, 900, 0, 450, 0, 450, 1), 2, 5, 6, {4, 3}}, /* a window far wider than x */
    {CJ_WINDOW_1D(4, 2, 2, 3, 1, 1), 2, 6, 10, {17}},
    {CJ_WINDOW_1D(3, 1, 1, 2, 0, 1), 2, 8, 24, {700}}, /* rows in parts; causal */
    {CJ_WINDOW_1D(16, 8, 1, 4, 4, 1), 1, 1, 32, {3001}},
    {{.rank = 3,
      .kernel = {2, 3, 3},
      .stride = {1, 2, 1},
      .dilation = {1, 1, 1},
      .before = {1, 1, 1},
      .after = {0, 1, 1},
      .groups = 1},
     2,
     3,
     17,
     {4, 6, 5}},
    {{.rank = 3,
      .kernel = {3, 3, 3},
      .stride = {2, 1, 2},
      .dilation = {2, 1, 1},
      .before = {2, 1, 1},
      .after = {2, 1, 1},
      .groups = 2},
     5,
     34,
     6,
     {5, 4, 3}},
    {{.rank = 3,
      .kernel = {3, 1, 3},
      .stride = {2, 1, 1},
      .dilation = {1, 1, 2},
      .before = {1, 0, 2},
      .after = {1, 0, 2},
      .groups = 11},
     2,
     11,
     22,
     {5, 4, 6}},
};

const int cj_test_windows_count = sizeof cj_test_windows / sizeof *cj_test_windows;

const cj__op cj_test_convolutions[3] = {CJ__OP_convolution, CJ__OP_convolution_input_gradient,
                                        CJ__OP_convolution_weight_gradient};

static void shapes_of(const cj_test_window *c, cj_shape_t *x, cj_shape_t *weight, cj_shape_t *y)
{
    const cj__window_attributes *a = &c->window;
    *x = *y = *weight = (cj_shape_t){.rank = a->rank + 2};
    x->dims[0] = y->dims[0] = c->batch;
    for (int d = 0; d < a->rank; d++) {
        int64_t room = c->size[d] + a->before[d] + a->after[d] - a->dilation[d] * (a->kernel[d] - 1) - 1;
        x->dims[1 + d] = c->size[d];
        y->dims[1 + d] = room / a->stride[d] + 1;
        weight->dims[d] = a->kernel[d];
    }
    x->dims[a->rank + 1] = c->in;
    y->dims[a->rank + 1] = c->out;
    weight->dims[a->rank] = c->in / a->groups;
    weight->dims[a->rank + 1] = c->out;
}

cj_test_trial cj_test_trial_new(const cj_test_window *c, cj__op op)
{
    cj_test_trial t = {.of = c, .op = op, .attributes = c->window};
    cj_shape_t x, weight, y;
    shapes_of(c, &x, &weight, &y);
    bool to_input = op == CJ__OP_convolution_input_gradient,
         to_weight = op == CJ__OP_convolution_weight_gradient;
    if (to_input) memcpy(t.attributes.size, c->size, sizeof c->size);
    t.shape[0] = to_input ? y : x;
    t.shape[1] = to_weight ? y : weight;
    t.shape[2] = to_input ? x : to_weight ? weight : y;
    t.count = cj_shape_count(t.shape[2]);
    for (int i = 0; i < 2; i++) {
        int64_t n = cj_shape_count(t.shape[i]);
        t.operand[i] = malloc((size_t)n * sizeof(float) + 1);
        for (int64_t k = 0; k < n; k++) t.operand[i][k] = cj__normal(5, (uint64_t)i, (uint64_t)k);
    }
    return t;
}

void cj_test_trial_free(cj_test_trial *t)
{
    free(t->operand[0]);
    free(t->operand[1]);
}

double *cj_test_trial_define(const cj_test_trial *t)
{
    double *in[2], *out = malloc((size_t)t->count * sizeof(double) + 1);
    cj__type types[3];
    for (int i = 0; i < 3; i++) types[i] = (cj__type){CJ_F64, t->shape[i]};
    for (int i = 0; i < 2; i++) {
        int64_t n = cj_shape_count(t->shape[i]);
        in[i] = malloc((size_t)n * sizeof(double) + 1);
        for (int64_t k = 0; k < n; k++) in[i][k] = t->operand[i][k];
    }
    cj__reference r = {&t->attributes, 2, 1, types, types + 2, (const double *const *)in, &out};
    cj__ops[t->op].reference(&r);
    free(in[0]);
    free(in[1]);
    return out;
}

double cj_test_trial_error(const cj_test_trial *t, const float *found, const double *wanted)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < t->count; i++) {
        double d = found[i] - wanted[i];
        difference += d * d;
        norm += wanted[i] * wanted[i];
    }
    return difference == 0 ? 0 : sqrt(difference / norm);
}

const char *cj_test_trial_text(const cj_test_trial *t)
{
    static char text[160];
    const cj__window_attributes *w = &t->attributes;
    snprintf(text, sizeof text,
             "%s, batch %lld, %lld to %lld channels, %lldx%lldx%lld, kernel %lldx%lld stride %lld",
             cj__ops[t->op].name, (long long)t->of->batch, (long long)t->of->in, (long long)t->of->out,
             (long long)t->of->size[0], (long long)t->of->size[1], (long long)t->of->size[2],
             (long long)w->kernel[0], (long long)w->kernel[1], (long long)w->stride[0]);
    return text;
}

/* --- strange numbers ----------------------------------------------------------------------------------- */

/* The channel of the result that element `index` of the second operand, weight or cotangent, has a part in.
 */
static int64_t channel_of_second(const cj_test_trial *t, int64_t index)
{
    int64_t out = t->of->out, groups = t->attributes.groups, in = t->of->in / groups;
    if (t->op != CJ__OP_convolution_input_gradient) return index % out;
    return index % out / (out / groups) * in + index / out % in;
}

void cj_test_trial_special(const cj_test_trial *t, const float *found, const double *wanted, int operand,
                           int64_t place)
{
    int64_t channels = t->shape[2].dims[t->shape[2].rank - 1];
    for (int64_t i = 0; i < t->count; i++) {
        if (isfinite(wanted[i]) && fabs(wanted[i]) > 0.9 * FLT_MAX) continue; /* f32's own affair */
        bool same = isnan(wanted[i])   ? isnan(found[i])
                    : isinf(wanted[i]) ? found[i] == wanted[i]
                                       : isfinite(found[i]);
        bool padding = operand == 1 && isnan(found[i]) && i % channels == channel_of_second(t, place);
        if (!same && !padding)
            fail_msg("%s, %g in operand %d: element %lld is %g, not %g", cj_test_trial_text(t),
                     (double)t->operand[operand][place], operand, (long long)i, (double)found[i], wanted[i]);
    }
}

/* --- programs ------------------------------------------------------------------------------------------ */

cj_status cj_test_trial_compile(cj_program **program, const cj_test_trial *t, const cj_graph_options *options,
                                const cj__backend *backend)
{
    cj_graph *g = NULL;
    cj_value inputs[2];
    *program = NULL;
    CJ__TRY((cj_graph_new)(&g, options));
    for (int i = 0; i < 2; i++) inputs[i] = (cj_input)(g, "x", CJ_F32, t->shape[i]);
    cj_output(g, "y", cj__draw(g, t->op, &t->attributes, 2, inputs));
    cj_status status = cj_graph_status(g);
    if (status == CJ_OK) status = cj__compile(g, backend, program);
    cj_graph_free(g);
    return status;
}

cj_status cj_test_trial_run(cj_program *program, const cj_test_trial *t, float *result)
{
    cj_run_options o = {.size = sizeof o, .program = program, .outputs = {result}};
    for (int i = 0; i < 2; i++) o.inputs[i] = (cj_tensor){t->operand[i], CJ_F32, t->shape[i]};
    return (cj_program_run)(&o);
}

/* What the chain makes of the op, or of its result by itself where that is not NULL. */
static float *run_chain(const cj_test_trial *t, const cj_graph_options *options, const cj__backend *backend,
                        const char *kernel, const float *alone)
{
    cj_shape_t channels = cj_shape(t->shape[2].dims[t->shape[2].rank - 1]);
    cj_graph *g;
    cj_program *program;
    cj_value inputs[2];
    int count = alone ? 1 : 2;
    expect_ok((cj_graph_new)(&g, options));
    for (int i = 0; i < count; i++) inputs[i] = (cj_input)(g, "x", CJ_F32, t->shape[alone ? 2 : i]);
    cj_value scale = (cj_input)(g, "scale", CJ_F32, channels);
    cj_value other = (cj_input)(g, "other", CJ_F32, t->shape[2]);
    cj_value made = alone ? inputs[0] : cj__draw(g, t->op, &t->attributes, 2, inputs);
    cj_output(g, "y", cj_add(cj_relu(cj_add(cj_mul(made, scale), scale)), other));
    expect_ok(cj__compile(g, backend, &program));
    const char *name = program->steps[program->step_count - 1].kernel->name;
    if (!alone && !strstr(name, kernel)) fail_msg("%s: by '%s'", cj_test_trial_text(t), name);
    float *result = malloc((size_t)t->count * sizeof(float)),
          *others = malloc((size_t)t->count * sizeof(float));
    float scales[256];
    for (int i = 0; i < 256; i++) scales[i] = (float)(i % 7) - 3;
    for (int64_t i = 0; i < t->count; i++) others[i] = (float)(i % 11);
    cj_run_options run = {.size = sizeof run, .program = program, .outputs = {result}};
    for (int i = 0; i < count; i++)
        run.inputs[i] =
            (cj_tensor){alone ? (void *)(uintptr_t)alone : t->operand[i], CJ_F32, t->shape[alone ? 2 : i]};
    run.inputs[count] = (cj_tensor){scales, CJ_F32, channels};
    run.inputs[count + 1] = (cj_tensor){others, CJ_F32, t->shape[2]};
    expect_ok((cj_program_run)(&run));
    free(others);
    cj_program_free(program);
    cj_graph_free(g);
    return result;
}

void cj_test_trial_chain(const cj_test_trial *t, const cj_graph_options *options, const cj__backend *backend,
                         const char *kernel, const float *alone)
{
    float *fused = run_chain(t, options, backend, kernel, NULL);
    float *after = run_chain(t, options, backend, kernel, alone);
    if (memcmp(fused, after, (size_t)t->count * sizeof(float)) != 0)
        fail_msg("%s: other bits with a chain", cj_test_trial_text(t));
    free(fused);
    free(after);
}
