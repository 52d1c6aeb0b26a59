/* A network drawn to be looked into: the score of one output for each row of a batch, and with it the score's
 * gradient by the input, the map of Grad-CAM, or what a layer gives. */
#define CJ_NO_LOCATIONS
#include "explain/probe.h"
#include "cajal/vision.h"
#include "graph/graph.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ROWS = 32, NUMBERS_A_BATCH = 1 << 17 };

cj__picture_shape cj__picture_of(cj_shape_t x)
{
    if (x.rank != 2 && x.rank != 3) return (cj__picture_shape){0, 0, 1};
    return (cj__picture_shape){x.dims[0], x.dims[1], x.rank == 3 ? x.dims[2] : 1};
}

static bool is_single_logit(const cj__probe *p)
{
    return p->o->loss == CJ_BINARY_CROSS_ENTROPY && p->width == 1;
}

/* --- drawing ------------------------------------------------------------------------------------------- */

typedef struct {
    cj_graph *graph;
    cj_value x, scores; /* [rows,…], [rows] */
} drawing;

static cj_shape_t batch_shape(int64_t rows, cj_shape_t of)
{
    cj_shape_t shape = {.rank = of.rank + 1, .dims = {rows}};
    for (int64_t i = 0; i < of.rank; i++) shape.dims[i + 1] = of.dims[i];
    return shape;
}

static void draw_scores(cj__probe *p, drawing *d)
{
    const cj_explain_options *o = p->o;
    bool classifies = o->loss == CJ_CROSS_ENTROPY || o->loss == CJ_BINARY_CROSS_ENTROPY;
    d->x = cj_input(d->graph, "x", CJ_F32, batch_shape(p->rows, o->x.shape));
    cj_value y = o->forward(cj_root(d->graph), d->x, o->context);
    if (classifies) y = cj_logits(y);
    if (!cj_value_ok(y)) return;
    cj_shape_t shape = cj_value_shape(y);
    if (shape.rank < 1 || shape.dims[0] != p->rows || cj_shape_count(shape) == 0) {
        char text[CJ__SHAPE_TEXT];
        cj__graph_error(d->graph, CJ_SHAPE_ERROR,
                        "explaining: the network gives %s for %lld examples, expected outputs for each",
                        cj__shape_text(shape, text), (long long)p->rows);
        return;
    }
    p->width = cj_shape_count(shape) / p->rows;
    cj_value which = cj_input(d->graph, "which", CJ_F32, cj_shape(p->rows, p->width));
    y = cj_reshape(y, cj_shape(p->rows, p->width));
    d->scores = cj_sum(cj_mul(y, which), cj_axes(1), CJ_DROP_AXES);
    cj_output(d->graph, "scores", d->scores);
}

/* maps: [N,h,w,C] → [N,H·W] */
static cj_value draw_cam(const cj__probe *p, const drawing *d, cj_value maps)
{
    cj_value gradient;
    cj__picture_shape picture = cj__picture_of(p->o->x.shape);
    cj_gradients(d->scores, 1, &maps, &gradient);
    cj_value weights = cj_mean(gradient, cj_axes(1, 2), CJ_KEEP_AXES);
    cj_value map = cj_relu(cj_sum(cj_mul(weights, maps), cj_axes(3), CJ_KEEP_AXES));
    map = cj_resize(map, picture.height, picture.width, CJ_BILINEAR, false);
    return cj_reshape(map, cj_shape(p->rows, picture.height * picture.width));
}

static cj_status draw_result(cj__probe *p, const drawing *d)
{
    cj_drawn_layer layer;
    cj_value result;
    CJ__TRY(cj_graph_status(d->graph));
    if (p->kind == CJ__PROBE_SCORES) return CJ_OK;
    if (p->kind == CJ__PROBE_GRADIENT) {
        cj_gradients(d->scores, 1, &d->x, &result);
    } else {
        CJ__TRY(cj__find_layer(d->graph, p->o->layer, p->kind == CJ__PROBE_LAYER, &layer));
        snprintf(p->layer, sizeof p->layer, "%s", layer.path);
        result = p->kind == CJ__PROBE_CAM ? draw_cam(p, d, layer.output) : layer.output;
    }
    cj_output(d->graph, "result", result);
    return CJ_OK;
}

/* --- checking ------------------------------------------------------------------------------------------ */

static cj_status check_x(const cj_explain_options *o)
{
    char text[CJ__SHAPE_TEXT];
    if (!o->model || !o->forward || !o->x.data)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "an explanation needs a model, its `forward`, and an example `x`");
    if (o->x.dtype != CJ_F32)
        return cj__fail(CJ_INVALID_ARGUMENT, "the example x is %s, but must be f32, as the network gets it",
                        cj_dtype_name(o->x.dtype));
    if (!cj__shape_valid(o->x.shape) || o->x.shape.rank < 1 || o->x.shape.rank >= CJ_MAX_RANK ||
        cj_shape_count(o->x.shape) < 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "x has the shape %s, expected that of one example: [H,W,C]",
                        cj__shape_text(o->x.shape, text));
    return CJ_OK;
}

static cj_status check_output(const cj__probe *p)
{
    int64_t outputs = is_single_logit(p) ? 2 : p->width;
    if (p->o->output >= 0 && p->o->output < outputs) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT,
                    "output %lld is to be explained, but the network has %lld: 0 to %lld",
                    (long long)p->o->output, (long long)outputs, (long long)outputs - 1);
}

/* --- making and running -------------------------------------------------------------------------------- */

static cj_status compile(cj__probe *p)
{
    drawing d = {.graph = NULL};
    cj_graph_options options = {
        .size = sizeof options, .model = p->o->model, .mode = CJ_INFERENCE, .precision = p->o->precision};
    CJ__TRY((cj_graph_new)(&d.graph, &options));
    draw_scores(p, &d);
    cj_status status = draw_result(p, &d);
    if (status == CJ_OK && p->kind != CJ__PROBE_LAYER) status = check_output(p);
    if (status == CJ_OK) status = cj_compile(&p->program, d.graph);
    cj_graph_free(d.graph);
    return status;
}

static void choose_output(cj__probe *p)
{
    for (int64_t i = 0; i < p->rows; i++) {
        if (is_single_logit(p))
            p->which[i] = p->o->output ? 1 : -1;
        else if (p->o->output >= 0 && p->o->output < p->width)
            p->which[i * p->width + p->o->output] = 1;
    }
}

static cj_status make_buffers(cj__probe *p)
{
    if (p->kind != CJ__PROBE_SCORES) {
        cj_shape_t shape = cj_program_output(p->program, 1).shape;
        p->result_shape.rank = shape.rank - 1;
        memcpy(p->result_shape.dims, shape.dims + 1, (size_t)(shape.rank - 1) * sizeof *shape.dims);
        p->result_size = cj_shape_count(p->result_shape);
        p->result = cj__allocate_zeroed((size_t)(p->rows * p->result_size) * sizeof(float) + 1);
    }
    p->x = cj__allocate_zeroed((size_t)(p->rows * p->size) * sizeof(float) + 1);
    p->which = cj__allocate_zeroed((size_t)(p->rows * p->width) * sizeof(float) + 1);
    p->scores = cj__allocate_zeroed((size_t)p->rows * sizeof(float) + 1);
    if (!p->x || !p->which || !p->scores || (p->kind != CJ__PROBE_SCORES && !p->result))
        return cj__out_of_memory((size_t)(p->rows * (p->size + p->result_size)) * sizeof(float),
                                 "an explanation");
    choose_output(p);
    return CJ_OK;
}

cj_status cj__probe_new(cj__probe *p, const cj_explain_options *options, cj__probe_kind kind)
{
    *p = (cj__probe){.o = options, .kind = kind};
    CJ__TRY(check_x(options));
    p->size = cj_shape_count(options->x.shape);
    p->rows = NUMBERS_A_BATCH / p->size;
    if (p->rows < 1 || kind == CJ__PROBE_CAM || kind == CJ__PROBE_LAYER) p->rows = 1;
    if (p->rows > MOST_ROWS) p->rows = MOST_ROWS;
    CJ__TRY(compile(p));
    return make_buffers(p);
}

void cj__probe_free(cj__probe *p)
{
    cj_program_free(p->program);
    cj__free(p->x);
    cj__free(p->which);
    cj__free(p->scores);
    cj__free(p->result);
}

cj_status cj__probe_run(cj__probe *p)
{
    cj_tensor x = {p->x, CJ_F32, batch_shape(p->rows, p->o->x.shape)};
    cj_run_options run = {.size = sizeof run,
                          .program = p->program,
                          .inputs = {x, {p->which, CJ_F32, cj_shape(p->rows, p->width)}},
                          .outputs = {p->scores, p->result}};
    return (cj_program_run)(&run);
}
