/* Explanations inside: a network drawn in inference mode for a batch of variants of one example, with what is
 * to be learned of it. The methods in attribute.c run it; layers.c finds the layers that it may look into. */
#ifndef CJ__PROBE_H
#define CJ__PROBE_H

#include "base/memory.h"
#include "base/shape.h"
#include "cajal/explain.h"

/* What a run gives besides the scores. */
typedef enum {
    CJ__PROBE_SCORES,   /* nothing */
    CJ__PROBE_GRADIENT, /* d score / d x, like x */
    CJ__PROBE_CAM,      /* the map of Grad-CAM, [H,W] */
    CJ__PROBE_LAYER,    /* what a layer gives, [h,w,C] */
} cj__probe_kind;

typedef struct {
    const cj_explain_options *o;
    cj__probe_kind kind;
    cj_program *program;
    int64_t rows;  /* of a batch: a function of x's size alone, so that bits depend on nothing else */
    int64_t size;  /* numbers of an example */
    int64_t width; /* outputs of a row */
    char layer[CJ_LAYER_NAME];
    cj_shape_t result_shape; /* of one row */
    int64_t result_size;
    float *x;      /* [rows,…], to be filled before a run */
    float *which;  /* [rows,width]: what the score is made of */
    float *scores; /* [rows] */
    float *result; /* [rows,result_size]; NULL: the kind has none */
} cj__probe;

/* cj__probe_free is due whether it fails or not. */
CJ_MUST_CHECK cj_status cj__probe_new(cj__probe *probe, const cj_explain_options *options,
                                      cj__probe_kind kind);
CJ_MUST_CHECK cj_status cj__probe_run(cj__probe *probe);
void cj__probe_free(cj__probe *probe);

/* How x lies as a picture: height and width are 0 where it is none. */
typedef struct {
    int64_t height, width, channels;
} cj__picture_shape;
cj__picture_shape cj__picture_of(cj_shape_t x);

/* The layer of that name, or NULL: the first or the last convolution. Its output is [N,h,w,C]. */
CJ_MUST_CHECK cj_status cj__find_layer(cj_graph *graph, const char *name, bool first, cj_drawn_layer *layer);

#endif
