/* The summary of a drawing: its layers in order, what they give, how many parameters they have, and how many
 * multiplications with an addition their products take. */
#include "base/shape.h"
#include "base/text.h"
#include "model/model.h"
#include "ops/ops.h"

#include <stdio.h>
#include <string.h>

enum { LAYER = 256, PARAMETERS = 13, MULTIPLY_ADDS = 16, LEAST_NAME = 36, LEAST_SHAPE = 20 };

/* --- counting ------------------------------------------------------------------------------------------ */

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

static double multiply_adds_of(const cj_graph *g, const cj__node *node)
{
    if (node->inputs_count != 2) return 0;
    double operations =
        cj__product_operations(node->op, node->attributes, g->values[node->inputs[0]].shape,
                               g->values[node->inputs[1]].shape, g->values[node->first_output].shape);
    return operations / 2 * (double)(node->repeats ? node->repeats : 1);
}

static int64_t last_node(const cj_graph *g, int64_t layer)
{
    return g->values[g->layers[layer].output].node;
}

/* What was drawn at the layer's path since the layer before it. */
static double multiply_adds_at(const cj_graph *g, int64_t layer)
{
    double sum = 0;
    for (int64_t i = layer ? last_node(g, layer - 1) + 1 : 0; i <= last_node(g, layer); i++)
        if (strcmp(g->nodes[i].scope, g->layers[layer].path) == 0) sum += multiply_adds_of(g, &g->nodes[i]);
    return sum;
}

cj_graph_facts cj_graph_describe(const cj_graph *g)
{
    cj_graph_facts facts = {.parameters = all_parameters(g->model, false),
                            .frozen = all_parameters(g->model, true)};
    for (int64_t i = 0; i < g->layer_count; i++) facts.multiply_adds += multiply_adds_at(g, i);
    return facts;
}

/* --- the table ----------------------------------------------------------------------------------------- */

typedef struct {
    cj__text text;
    int name, shape; /* widths of the columns */
} table;

/* 25557032 → "25,557,032" */
static void in_thousands(double number, char text[40])
{
    char digits[40];
    int length = snprintf(digits, sizeof digits, "%.0f", number), used = 0;
    for (int i = 0; i < length && used < 38; i++) {
        if (i && (length - i) % 3 == 0) text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = 0;
}

static void rule(table *t)
{
    for (int i = 0; i < t->name + t->shape + PARAMETERS + MULTIPLY_ADDS + 3; i++)
        cj__text_put(&t->text, "\u2500");
    cj__text_put(&t->text, "\n");
}

/* Without multiplications that place is left empty. */
static void row(table *t, const char *name, const char *shape, int64_t parameters, double multiply_adds)
{
    char number[40];
    in_thousands((double)parameters, number);
    cj__text_print(&t->text, "%-*s %-*s %*s", t->name, name, t->shape, shape, PARAMETERS, number);
    in_thousands(multiply_adds, number);
    if (multiply_adds > 0) cj__text_print(&t->text, " %*s", MULTIPLY_ADDS, number);
    cj__text_put(&t->text, "\n");
}

/* A layer drawn twice (shared) is listed twice, its parameters once. */
static bool seen_before(const cj_graph *g, int64_t layer)
{
    for (int64_t i = 0; i < layer; i++)
        if (strcmp(g->layers[i].path, g->layers[layer].path) == 0) return true;
    return false;
}

/* "hidden1 (dense)", "[128,64]"; how wide they are. */
static int name_text(const cj_graph *g, int64_t i, char text[LAYER])
{
    const cj__layer_note *layer = &g->layers[i];
    return snprintf(text, LAYER, "%.200s%s(%.40s)", layer->path, *layer->path ? " " : "", layer->type);
}

static int shape_text(const cj_graph *g, int64_t i, char text[CJ__SHAPE_TEXT])
{
    return (int)strlen(cj__shape_text(g->values[cj__resolve(g, g->layers[i].output)].shape, text));
}

static table table_for(const cj_graph *g)
{
    table t = {.name = LEAST_NAME, .shape = LEAST_SHAPE};
    char name[LAYER], shape[CJ__SHAPE_TEXT];
    for (int64_t i = 0; i < g->layer_count; i++) {
        int name_width = name_text(g, i, name), shape_width = shape_text(g, i, shape);
        if (name_width > t.name) t.name = name_width;
        if (shape_width > t.shape) t.shape = shape_width;
    }
    return t;
}

static void put_layer(table *t, const cj_graph *g, int64_t i)
{
    char name[LAYER], shape[CJ__SHAPE_TEXT];
    name_text(g, i, name);
    shape_text(g, i, shape);
    row(t, name, shape, seen_before(g, i) ? 0 : parameters_at(g->model, g->layers[i].path),
        multiply_adds_at(g, i));
}

cj_status cj_graph_summary(const cj_graph *g, char **text)
{
    table t = table_for(g);
    cj_graph_facts facts = cj_graph_describe(g);
    cj__text_print(&t.text, "%-*s %-*s %*s %*s\n", t.name, "layer (type)", t.shape, "output shape",
                   PARAMETERS, "parameters", MULTIPLY_ADDS, "multiply-adds");
    rule(&t);
    for (int64_t i = 0; i < g->layer_count; i++) put_layer(&t, g, i);
    rule(&t);
    row(&t, "total", "", facts.parameters, facts.multiply_adds);
    if (facts.frozen) row(&t, "frozen of these", "", facts.frozen, 0);
    cj_status status = cj__text_check(&t.text, "a summary");
    if (status != CJ_OK) cj__text_free(&t.text);
    *text = t.text.data;
    return status;
}
