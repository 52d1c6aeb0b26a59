/* What the units of a recurrent network hold while it reads a text, token by token: Karpathy, 2015, who found
 * cells that know of quotes and of how long a line is. */
#define CJ_NO_LOCATIONS
#include "base/memory.h"
#include "base/shape.h"
#include "cajal/explain.h"
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const cj_cell_options *o;
    cj_model *session;
    cj_program *program; /* reads one token */
    cj_tensor state;     /* [1,layers,units] what it has left in the session */
    bool squash;         /* an LSTM's cells have no limit */
    float *logits;
} task;

/* --- reading ------------------------------------------------------------------------------------------- */

static cj_status check(const cj_cell_options *o)
{
    if (o->model && o->reader && o->tokens && o->count > 0) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT,
                    "the cells of a network need a model, a reader and tokens, but found %lld",
                    (long long)o->count);
}

static cj_status compile(task *t)
{
    cj_graph *graph;
    cj_graph_options options = {.size = sizeof options,
                                .model = t->o->model,
                                .session = t->session,
                                .mode = CJ_INFERENCE,
                                .precision = t->o->precision};
    CJ__TRY((cj_graph_new)(&graph, &options));
    cj_reading reading = {.tokens = cj_input(graph, "tokens", CJ_I32, cj_shape(1, 1)),
                          .position = cj_input(graph, "position", CJ_I32, cj_scalar_shape()),
                          .last = cj_input(graph, "last", CJ_I32, cj_scalar_shape())};
    cj_output(graph, "logits", t->o->reader(cj_root(graph), &reading, t->o->context));
    cj_status status = cj_compile(&t->program, graph);
    cj_graph_free(graph);
    return status;
}

static bool ends_in(const char *name, const char *end)
{
    size_t size = strlen(name), tail = strlen(end);
    return size >= tail && strcmp(name + size - tail, end) == 0 &&
           (size == tail || name[size - tail - 1] == '.');
}

/* Cells where there are any, else the hidden state. */
static cj_status find_state(task *t)
{
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < cj_model_count(t->session); i++) {
            cj_variable_info v = cj_model_variable(t->session, i);
            if (!ends_in(v.name, pass ? "hidden" : "cell") || v.tensor.dtype != CJ_F32 ||
                v.tensor.shape.rank != 3)
                continue;
            t->state = v.tensor;
            t->squash = pass == 0;
            return CJ_OK;
        }
    return cj__fail(CJ_UNSUPPORTED,
                    "the network carries no state from token to token: only rnn, lstm and gru have cells");
}

static cj_status read_one(task *t, int64_t index)
{
    int32_t token = t->o->tokens[index], position = (int32_t)index, last = 0;
    cj_run_options run = {.size = sizeof run,
                          .program = t->program,
                          .inputs = {{&token, CJ_I32, cj_shape(1, 1)},
                                     {&position, CJ_I32, cj_scalar_shape()},
                                     {&last, CJ_I32, cj_scalar_shape()}},
                          .outputs = {t->logits}};
    return (cj_program_run)(&run);
}

static cj_status read_all(task *t, cj_cell_values *cells)
{
    int64_t size = cj_shape_count(t->state.shape);
    for (int64_t i = 0; i < t->o->count; i++) {
        float *to = (float *)cells->values.data + i * size;
        CJ__TRY(read_one(t, i));
        memcpy(to, t->state.data, (size_t)size * sizeof *to);
        for (int64_t c = 0; c < size && t->squash; c++) to[c] = (float)tanh((double)to[c]);
    }
    return CJ_OK;
}

static cj_status make_room(task *t, cj_cell_values *cells)
{
    cj_tensor logits = cj_program_output(t->program, 0);
    cells->values =
        (cj_tensor){NULL, CJ_F32, cj_shape(t->o->count, t->state.shape.dims[1], t->state.shape.dims[2])};
    if (!cj__shape_valid(cells->values.shape))
        return cj__fail(CJ_INVALID_ARGUMENT, "%lld tokens are too many to keep all cells of",
                        (long long)t->o->count);
    size_t bytes = cj_tensor_bytes(&cells->values);
    cells->values.data = cj__allocate(bytes + 1);
    t->logits = cj__allocate(cj_tensor_bytes(&logits) + 1);
    return cells->values.data && t->logits ? CJ_OK : cj__out_of_memory(bytes, "cells");
}

cj_status cj_cell_values_make(cj_cell_values *cells, const cj_cell_options *options)
{
    task t = {.o = options};
    *cells = (cj_cell_values){0};
    CJ__TRY(check(options));
    cj_status status =
        cj_model_new(&(cj_model_options){.size = sizeof(cj_model_options), .model = &t.session});
    if (status == CJ_OK) status = compile(&t);
    if (status == CJ_OK) status = find_state(&t);
    if (status == CJ_OK) status = make_room(&t, cells);
    if (status == CJ_OK) status = read_all(&t, cells);
    if (status != CJ_OK) cj_cell_values_free(cells);
    cj_program_free(t.program);
    cj_model_free(t.session);
    cj__free(t.logits);
    return status;
}

void cj_cell_values_free(cj_cell_values *cells)
{
    cj__free(cells->values.data);
    *cells = (cj_cell_values){0};
}

/* --- choosing ------------------------------------------------------------------------------------------ */

/* The covariance of a unit with itself a step later: its variance times that correlation. */
static double interest(const cj_cell_values *cells, int64_t cell)
{
    const float *x = cells->values.data;
    int64_t count = cells->values.shape.dims[0],
            size = cells->values.shape.dims[1] * cells->values.shape.dims[2];
    double mean = 0, sum = 0;
    for (int64_t i = 0; i < count; i++) mean += (double)x[i * size + cell] / (double)count;
    for (int64_t i = 0; i + 1 < count; i++)
        sum += ((double)x[i * size + cell] - mean) * ((double)x[(i + 1) * size + cell] - mean);
    return sum / (double)count;
}

typedef struct {
    double interest;
    int64_t cell;
} candidate;

/* The more interesting first, then the earlier. */
static int compare(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->interest != y->interest) return x->interest < y->interest ? 1 : -1;
    return (x->cell > y->cell) - (x->cell < y->cell);
}

cj_status cj_cells_choose(const cj_cell_values *cells, int64_t room, int64_t *chosen, int64_t *count)
{
    int64_t size = cells->values.shape.dims[1] * cells->values.shape.dims[2];
    candidate *all = cj__allocate((size_t)size * sizeof *all + 1);
    if (!all) return cj__out_of_memory((size_t)size * sizeof *all, "a choice of cells");
    for (int64_t c = 0; c < size; c++) all[c] = (candidate){interest(cells, c), c};
    qsort(all, (size_t)size, sizeof *all, compare);
    *count = room < size ? room : size;
    for (int64_t i = 0; i < *count; i++) chosen[i] = all[i].cell;
    cj__free(all);
    return CJ_OK;
}
