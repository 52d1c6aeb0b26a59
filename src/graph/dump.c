/* A drawing as text, as a Mermaid flowchart, or for Graphviz. */
#include "base/text.h"
#include "graph/graph.h"

#include <stdio.h>

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

static void put_body(cj__text *w, const cj__scan_attributes *scan, int indent);

static void put_text(cj__text *w, const cj_graph *graph, int64_t index, int indent)
{
    const cj__node *node = &graph->nodes[index];
    char label[256], shape[CJ__SHAPE_TEXT];
    label_of(graph, node, label);
    cj__text_print(w, "%*s", indent, "");
    for (int i = 0; i < node->outputs_count; i++) {
        const cj__value *value = &graph->values[node->first_output + i];
        cj__text_print(w, "%s%%%d", i ? ", " : "", node->first_output + i);
        cj__text_print(w, " %s%s", cj_dtype_name(value->dtype), cj__shape_text(value->shape, shape));
    }
    cj__text_print(w, "%s%s", node->outputs_count ? " = " : "", label);
    for (int i = 0; i < node->inputs_count; i++)
        cj__text_print(w, " %%%d", cj__resolve(graph, node->inputs[i]));
    if (*node->scope) cj__text_print(w, "  # %s", node->scope);
    cj__text_print(w, "\n");
    if (node->op == CJ__OP_scan || node->op == CJ__OP_scan_saving) put_body(w, node->attributes, indent + 4);
}

/* A scan's body, indented below it; its values are numbered by themselves. */
static void put_body(cj__text *w, const cj__scan_attributes *scan, int indent)
{
    const cj_graph *body = scan->body;
    cj__text_print(w, "%*sbody, %lld times%s: %lld carries, %lld sequences, %lld captures\n", indent, "",
                   (long long)scan->length, scan->reverse ? " from the end" : "", (long long)scan->carries,
                   (long long)scan->sequences, (long long)scan->captures);
    for (int64_t i = 0; i < body->node_count; i++) put_text(w, body, i, indent);
    for (int64_t i = 0; i < body->output_count; i++)
        cj__text_print(w, "%*s%s %%%d\n", indent, "", i < scan->carries ? "carry" : "output",
                       cj__resolve(body, body->outputs[i].value));
}

/* A node and the edges into it; quotes cannot occur in labels but for names the caller chose. */
static void put_picture(cj__text *w, const cj_graph *graph, int64_t index, bool mermaid)
{
    const cj__node *node = &graph->nodes[index];
    char label[256], shape[CJ__SHAPE_TEXT] = "";
    label_of(graph, node, label);
    for (char *c = label; *c; c++)
        if (*c == '"') *c = '\'';
    if (node->outputs_count) cj__shape_text(graph->values[node->first_output].shape, shape);
    bool source = cj__info(node)->flags & CJ__SOURCE;
    if (mermaid)
        cj__text_print(w, "    n%lld%s\"%s %s\"%s\n", (long long)index, source ? "([" : "[", label, shape,
                       source ? "])" : "]");
    else
        cj__text_print(w, "    n%lld [label=\"%s\\n%s\", shape=%s];\n", (long long)index, label, shape,
                       source ? "ellipse" : "box");
    for (int i = 0; i < node->inputs_count; i++)
        cj__text_print(w, mermaid ? "    n%d --> n%lld\n" : "    n%d -> n%lld;\n",
                       graph->values[cj__resolve(graph, node->inputs[i])].node, (long long)index);
}

cj_status cj_graph_dump(const cj_graph *graph, cj_dump_format format, char **text)
{
    cj__text w = {0};
    *text = NULL;
    CJ__TRY(cj__need(graph, "cj_graph_dump", "a graph"));
    if (format == CJ_DUMP_MERMAID) cj__text_print(&w, "flowchart TD\n");
    if (format == CJ_DUMP_DOT) cj__text_print(&w, "digraph cajal {\n");
    for (int64_t i = 0; i < graph->node_count; i++) {
        if (format == CJ_DUMP_TEXT)
            put_text(&w, graph, i, 0);
        else
            put_picture(&w, graph, i, format == CJ_DUMP_MERMAID);
    }
    for (int64_t i = 0; format == CJ_DUMP_TEXT && i < graph->output_count; i++)
        cj__text_print(&w, "output %s %%%d\n", graph->outputs[i].name,
                       cj__resolve(graph, graph->outputs[i].value));
    cj__text_print(&w, "%s", format == CJ_DUMP_DOT ? "}\n" : "");
    cj_status status = cj__text_check(&w, "a graph's text");
    if (status != CJ_OK) cj__text_free(&w);
    *text = w.data;
    return status;
}
