/* Layers by their names in a drawing, and what they give: feature maps of an example, filters of a
 * convolution. */
#include "base/text.h"
#include "explain/probe.h"

#include <stdio.h>
#include <string.h>

/* --- finding ------------------------------------------------------------------------------------------- */

static bool gives_maps(const cj_drawn_layer *layer)
{
    return cj_value_shape(layer->output).rank == 4;
}

static bool is_convolution(const cj_drawn_layer *layer)
{
    return strncmp(layer->type, "conv", 4) == 0 && gives_maps(layer);
}

static bool standard_layer(cj_graph *graph, bool first, cj_drawn_layer *found)
{
    cj_drawn_layer layer;
    bool any = false;
    for (int64_t i = 0; cj_graph_layer_at(graph, i, &layer) && !(any && first); i++)
        if (is_convolution(&layer)) *found = layer, any = true;
    return any;
}

/* The name that is most like a wrong one, of those that would do where there are any. */
static const char *nearest(cj_graph *graph, const char *wrong)
{
    cj_drawn_layer layer;
    const char *best = NULL;
    int least = 0;
    for (int64_t i = 0; cj_graph_layer_at(graph, i, &layer); i++) {
        int distance = cj__text_distance(wrong, layer.path) + (gives_maps(&layer) ? 0 : 1000);
        if (!best || distance < least) best = layer.path, least = distance;
    }
    return best;
}

/* A layer that is drawn several times is its last drawing. */
static cj_status named_layer(cj_graph *graph, const char *name, cj_drawn_layer *found)
{
    char text[CJ__SHAPE_TEXT];
    cj_drawn_layer layer;
    bool any = false;
    for (int64_t i = 0; cj_graph_layer_at(graph, i, &layer); i++)
        if (strcmp(layer.path, name) == 0) *found = layer, any = true;
    if (!any) {
        const char *near = nearest(graph, name);
        return near ? cj__fail(CJ_INVALID_ARGUMENT, "there is no layer '%.80s'; did you mean '%s'?", name,
                               near)
                    : cj__fail(CJ_INVALID_ARGUMENT,
                               "there is no layer '%.80s', nor any other that has a name", name);
    }
    if (gives_maps(found)) return CJ_OK;
    cj_drawn_layer other;
    return cj__fail(CJ_INVALID_ARGUMENT,
                    "layer '%s' (%s) gives %s, expected maps [N,h,w,C] as of a convolution%s%s", name,
                    found->type, cj__shape_text(cj_value_shape(found->output), text),
                    standard_layer(graph, false, &other) ? ": " : "",
                    standard_layer(graph, false, &other) ? other.path : "");
}

cj_status cj__find_layer(cj_graph *graph, const char *name, bool first, cj_drawn_layer *layer)
{
    if (name) return named_layer(graph, name, layer);
    if (standard_layer(graph, first, layer)) return CJ_OK;
    return cj__fail(CJ_UNSUPPORTED,
                    "the network has no convolution over two axes whose maps could be looked at");
}

/* --- what a layer gives -------------------------------------------------------------------------------- */

void cj_feature_maps_free(cj_feature_maps *maps)
{
    cj__free(maps->maps.data);
    *maps = (cj_feature_maps){0};
}

cj_status cj_feature_maps_make(cj_feature_maps *maps, const cj_explain_options *options)
{
    cj__probe probe;
    *maps = (cj_feature_maps){0};
    cj_status status = cj__probe_new(&probe, options, CJ__PROBE_LAYER);
    if (status == CJ_OK) {
        memcpy(probe.x, options->x.data, (size_t)probe.size * sizeof *probe.x);
        status = cj__probe_run(&probe);
    }
    if (status == CJ_OK) {
        memcpy(maps->layer, probe.layer, sizeof maps->layer);
        maps->maps = (cj_tensor){probe.result, CJ_F32, probe.result_shape};
        probe.result = NULL;
    }
    cj__probe_free(&probe);
    return status;
}

/* --- filters ------------------------------------------------------------------------------------------- */

/* weight: [kH,kW,in,out] → [kH,kW,out·in] */
static cj_status copy_filters(const cj_tensor *weight, cj_feature_maps *filters)
{
    const int64_t *d = weight->shape.dims;
    int64_t in = d[2], out = d[3], taps = d[0] * d[1];
    const float *from = weight->data;
    float *to = cj__allocate(cj_tensor_bytes(weight) + 1);
    if (!to) return cj__out_of_memory(cj_tensor_bytes(weight), "filters");
    for (int64_t t = 0; t < taps; t++)
        for (int64_t i = 0; i < in; i++)
            for (int64_t o = 0; o < out; o++) to[(t * out + o) * in + i] = from[(t * in + i) * out + o];
    filters->maps = (cj_tensor){to, CJ_F32, {.rank = 3, .dims = {d[0], d[1], out * in}}};
    return CJ_OK;
}

cj_status cj_filters_make(cj_feature_maps *filters, int64_t *channels, const cj_explain_options *options)
{
    cj__probe probe;
    char name[CJ_LAYER_NAME + 8];
    *filters = (cj_feature_maps){0};
    cj_status status = cj__probe_new(&probe, options, CJ__PROBE_LAYER);
    memcpy(filters->layer, probe.layer, sizeof filters->layer);
    cj__probe_free(&probe);
    CJ__TRY(status);
    snprintf(name, sizeof name, "%s%sweight", filters->layer, *filters->layer ? "." : "");
    cj_tensor weight = cj_model_find(options->model, name);
    if (!weight.data || weight.shape.rank != 4)
        return cj__fail(CJ_INVALID_ARGUMENT, "layer '%s' has no filters: it is no convolution over two axes",
                        filters->layer);
    *channels = weight.shape.dims[2];
    return copy_filters(&weight, filters);
}
