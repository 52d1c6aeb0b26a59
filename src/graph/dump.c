/* A drawing as text, as a Mermaid flowchart, or for Graphviz. */
#include "graph/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char *text;
    size_t used, room;
    bool failed;
} writer;

__attribute__((format(printf, 2, 3))) static void put(writer *w, const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t length = strlen(line);
    if (w->used + length + 1 > w->room) {
        size_t room = (w->used + length + 1) * 2;
        char *bigger = cj__resize(w->text, room);
        if (!bigger) {
            w->failed = true;
            return;
        }
        w->text = bigger;
        w->room = room;
    }
    memcpy(w->text + w->used, line, length + 1);
    w->used += length;
}

/* "hidden1.weight", "x", "0.5", or the op's name. */
static void label_of(const cj_graph *graph, const cj__node *node, char label[256])
{
    const char *name = node->outputs_count ? graph->values[node->first_output].name : NULL;
    if (node->op == CJ__OP_constant)
        snprintf(label, 256, "%g", ((const cj__constant_attributes *)node->attributes)->value);
    else if (node->op == CJ__OP_assign)
        snprintf(label, 256, "assign %.200s",
                 ((const cj__variable_attributes *)node->attributes)->variable->name);
    else if (name)
        snprintf(label, 256, cj__info(node)->flags & CJ__SOURCE ? "%.200s" : "%.200s = %s", name,
                 cj__info(node)->name);
    else
        snprintf(label, 256, "%s", cj__info(node)->name);
}

static void put_text(writer *w, const cj_graph *graph, int64_t index)
{
    const cj__node *node = &graph->nodes[index];
    char label[256], shape[CJ__SHAPE_TEXT];
    label_of(graph, node, label);
    for (int i = 0; i < node->outputs_count; i++) {
        const cj__value *value = &graph->values[node->first_output + i];
        put(w, "%s%%%d", i ? ", " : "", node->first_output + i);
        put(w, " %s%s", cj_dtype_name(value->dtype), cj__shape_text(value->shape, shape));
    }
    put(w, "%s%s", node->outputs_count ? " = " : "", label);
    for (int i = 0; i < node->inputs_count; i++) put(w, " %%%d", cj__resolve(graph, node->inputs[i]));
    if (*node->scope) put(w, "  # %s", node->scope);
    put(w, "\n");
}

/* A node and the edges into it; quotes cannot occur in labels but for names the caller chose. */
static void put_picture(writer *w, const cj_graph *graph, int64_t index, bool mermaid)
{
    const cj__node *node = &graph->nodes[index];
    char label[256], shape[CJ__SHAPE_TEXT] = "";
    label_of(graph, node, label);
    for (char *c = label; *c; c++)
        if (*c == '"') *c = '\'';
    if (node->outputs_count) cj__shape_text(graph->values[node->first_output].shape, shape);
    bool source = cj__info(node)->flags & CJ__SOURCE;
    if (mermaid)
        put(w, "    n%lld%s\"%s %s\"%s\n", (long long)index, source ? "([" : "[", label, shape,
            source ? "])" : "]");
    else
        put(w, "    n%lld [label=\"%s\\n%s\", shape=%s];\n", (long long)index, label, shape,
            source ? "ellipse" : "box");
    for (int i = 0; i < node->inputs_count; i++)
        put(w, mermaid ? "    n%d --> n%lld\n" : "    n%d -> n%lld;\n",
            graph->values[cj__resolve(graph, node->inputs[i])].node, (long long)index);
}

cj_status cj_graph_dump(const cj_graph *graph, cj_dump_format format, char **text)
{
    writer w = {0};
    *text = NULL;
    if (format == CJ_DUMP_MERMAID) put(&w, "flowchart TD\n");
    if (format == CJ_DUMP_DOT) put(&w, "digraph cajal {\n");
    for (int64_t i = 0; i < graph->node_count; i++) {
        if (format == CJ_DUMP_TEXT)
            put_text(&w, graph, i);
        else
            put_picture(&w, graph, i, format == CJ_DUMP_MERMAID);
    }
    for (int64_t i = 0; format == CJ_DUMP_TEXT && i < graph->output_count; i++)
        put(&w, "output %s %%%d\n", graph->outputs[i].name, cj__resolve(graph, graph->outputs[i].value));
    put(&w, "%s", format == CJ_DUMP_DOT ? "}\n" : "");
    if (!w.failed) {
        *text = w.text;
        return CJ_OK;
    }
    cj__free(w.text);
    return cj__out_of_memory(w.room, "a graph's text");
}
