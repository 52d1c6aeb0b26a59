/* The summary of a drawing: its layers in order, what they give and how many parameters they have. */
#include "base/shape.h"
#include "base/text.h"
#include "model/model.h"

#include <stdio.h>
#include <string.h>

enum { NAME = 36, SHAPE = 20 };

/* Whether "hidden1.weight" lies directly at "hidden1"; everything does at "". */
static bool lies_at(const char *name, const char *path)
{
    size_t length = strlen(path);
    if (length == 0) return strchr(name, '.') == NULL;
    return strncmp(name, path, length) == 0 && name[length] == '.' && !strchr(name + length + 1, '.');
}

static int64_t parameters_at(const cj_model *model, const char *path)
{
    int64_t count = 0;
    for (int64_t i = 0; model && i < model->count; i++) {
        const cj__variable *v = model->variables[i];
        if (v->role == CJ_PARAMETER && lies_at(v->name, path)) count += cj_shape_count(v->shape);
    }
    return count;
}

static int64_t all_parameters(const cj_model *model, bool frozen_alone)
{
    int64_t count = 0;
    for (int64_t i = 0; model && i < model->count; i++) {
        const cj__variable *v = model->variables[i];
        if (v->role == CJ_PARAMETER && (!frozen_alone || cj__model_is_frozen(model, v->name)))
            count += cj_shape_count(v->shape);
    }
    return count;
}

static void rule(cj__text *t)
{
    for (int i = 0; i < NAME + SHAPE + 14; i++) cj__text_put(t, "\u2500");
    cj__text_put(t, "\n");
}

static void row(cj__text *t, const char *name, const char *shape, int64_t parameters)
{
    cj__text_print(t, "%-*s %-*s %12lld\n", NAME, name, SHAPE, shape, (long long)parameters);
}

/* A layer drawn twice (shared) is listed twice, its parameters once. */
static bool seen_before(const cj_graph *g, int64_t layer)
{
    for (int64_t i = 0; i < layer; i++)
        if (strcmp(g->layers[i].path, g->layers[layer].path) == 0) return true;
    return false;
}

static void put_layer(cj__text *t, const cj_graph *g, int64_t i)
{
    const cj__layer_note *layer = &g->layers[i];
    char name[256], shape[CJ__SHAPE_TEXT];
    snprintf(name, sizeof name, "%.200s%s(%.40s)", layer->path, *layer->path ? " " : "", layer->type);
    cj__shape_text(g->values[cj__resolve(g, layer->output)].shape, shape);
    row(t, name, shape, seen_before(g, i) ? 0 : parameters_at(g->model, layer->path));
}

cj_status cj_graph_summary(const cj_graph *g, char **text)
{
    cj__text t = {0};
    int64_t total = all_parameters(g->model, false), frozen = all_parameters(g->model, true);
    cj__text_print(&t, "%-*s %-*s %12s\n", NAME, "layer (type)", SHAPE, "output shape", "parameters");
    rule(&t);
    for (int64_t i = 0; i < g->layer_count; i++) put_layer(&t, g, i);
    rule(&t);
    cj__text_print(&t, "%-*s %-*s %12lld\n", NAME, "total", SHAPE, "", (long long)total);
    if (frozen)
        cj__text_print(&t, "%-*s %-*s %12lld\n", NAME, "frozen of these", SHAPE, "", (long long)frozen);
    cj_status status = cj__text_check(&t, "a summary");
    if (status != CJ_OK) cj__text_free(&t);
    *text = t.data;
    return status;
}
