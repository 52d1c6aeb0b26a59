/* Looking inside: which parts of a picture an answer hangs on, what the layers make of it, which rows a
 * network gets wrong; as numbers, and drawn as pictures. */
#ifndef CAJAL_EXPLAIN_H
#define CAJAL_EXPLAIN_H

#include "cajal/generate.h"
#include "cajal/image.h"
#include "cajal/report.h"
#include "cajal/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- maps of an answer --------------------------------------------------------------------------------- */

/* What is explained is a score: the logit of a class, before softmax or sigmoid; where the loss is an error,
 * an output as it is. */
typedef enum {
    /* The largest |d score / d x| over a pixel's channels. Simonyan et al., 2013. */
    CJ_SALIENCY,
    /* The same of the mean gradient over samples of x with noise. Smilkov et al., 2017. */
    CJ_SMOOTHGRAD,
    /* (x - baseline) · the mean gradient on the straight way from the baseline to x, summed over a pixel's
     * channels: the map sums to score(x) - score(baseline). Sundararajan et al., 2017. */
    CJ_INTEGRATED_GRADIENTS,
    /* A layer's maps, each weighed by its mean gradient, summed; what speaks against the class is cut off;
     * enlarged to the picture's size. Selvaraju et al., 2016. */
    CJ_GRAD_CAM,
    /* By how much the score falls when a window of x becomes baseline: a pixel has the mean over the windows
     * that cover it. Zeiler and Fergus, 2013. */
    CJ_OCCLUSION,
} cj_explain_method;
enum { CJ_EXPLAIN_METHODS = 5, CJ_LAYER_NAME = 200 };
CJ_API const char *cj_explain_method_name(cj_explain_method method); /* "grad-cam" */
/* Whether values below zero mean something: that a pixel speaks against the class. */
CJ_API bool cj_explain_method_is_signed(cj_explain_method method);

typedef struct {
    size_t size;
    cj_model *model;
    cj_forward forward;
    void *context;
    /* One example as the network gets it, scaled and normalised, without the batch: f32 [H,W] or [H,W,C]; of
     * any other shape for the methods that need no picture, saliency, SmoothGrad and integrated gradients. */
    cj_tensor x;
    cj_loss_kind loss;
    cj_precision precision;
    cj_explain_method method;
    /* Which output, from 0; of a single logit 0 or 1. */
    int64_t output;
    /* Of Grad-CAM: a layer by its scope, "layer3.2.conv2", with an output [N,h,w,C]; NULL: the last
     * convolution. */
    const char *layer;
    const float *baseline; /* like x; NULL: zeros, which are the data's mean where x is normalised */
    int64_t samples;       /* of SmoothGrad; 0: 64 */
    double noise;          /* its deviation, as a share of x's largest less its smallest value; 0: 0.15 */
    uint64_t seed;
    /* Of integrated gradients, so many equal ones; 0: 32, halved where gradients and scores disagree until
     * the sum is right to 1e-3, or there are 1024: the explanation tells which. */
    int64_t steps;
    int64_t window; /* side of what is occluded; 0: a fifth of the shorter side */
    int64_t stride; /* from one window to the next; 0: a third of the window */
} cj_explain_options;

typedef struct {
    double score,
        baseline_score;        /* of x, and of the baseline (by integrated gradients and occlusion alone) */
    double sum;                /* of the map; integrated gradients: near score - baseline_score */
    int64_t steps;             /* inputs that the network was shown */
    char layer[CJ_LAYER_NAME]; /* whose maps Grad-CAM took; "": none */
} cj_explanation;
/* `map`: room for [H,W], or for as many numbers as x has where it is not [H,W,C]. `explanation` may be NULL.
 * Same options, same bits, for any number of threads. A layer or output that is not there is
 * CJ_INVALID_ARGUMENT with a sentence that says which there are. */
CJ_API CJ_MUST_CHECK cj_status cj_explain(const cj_explain_options *options, float *map,
                                          cj_explanation *explanation);

/* --- layers -------------------------------------------------------------------------------------------- */

typedef struct {
    char layer[CJ_LAYER_NAME]; /* whose they are */
    cj_tensor maps;            /* f32 [h,w,C] */
} cj_feature_maps;
/* What the layer gives for x, of a layer with an output [N,h,w,C]; `layer` NULL: the first convolution. Uses
 * model, forward, context, x, precision and layer of the options. */
CJ_API CJ_MUST_CHECK cj_status cj_feature_maps_make(cj_feature_maps *maps, const cj_explain_options *options);
/* The filters of a convolution with a window of two axes, [kH,kW,in·out]: those of filter o for channel i are
 * map o·in + i; `channels` gets in. Where in is 3, a filter can be seen as a small picture. */
CJ_API CJ_MUST_CHECK cj_status cj_filters_make(cj_feature_maps *filters, int64_t *channels,
                                               const cj_explain_options *options);
CJ_API void cj_feature_maps_free(cj_feature_maps *maps);

/* --- pictures ------------------------------------------------------------------------------------------ */

/* The picture, and beside it the map as heat over it, both enlarged to at least 256 pixels a side. Above zero
 * is warm; below zero, where that means something, cold; the strongest hundredth of the pixels has the full
 * colour, and of a map without a sign the weaker half has none. What is made of gradients pixel by pixel is
 * smoothed first, by a deviation of 1/24 of the shorter side. `map`: [height,width] of the picture. The image
 * is the caller's, as of all here. */
CJ_API CJ_MUST_CHECK cj_status cj_heat_picture(cj_image *to, const cj_image *picture, const float *map,
                                               cj_explain_method method);
/* Maps side by side in a square, each from its own smallest (black) to its own largest value (white). */
CJ_API CJ_MUST_CHECK cj_status cj_feature_maps_picture(cj_image *to, const cj_feature_maps *maps);
/* Maps of attention [T,S,heads] side by side, their weights from 0 (black) to 1 (white) by their roots, with
 * the tokens that look (of rows) and those that are looked at (of columns) beside each, the number of the
 * head, from 1 on, in the corner, and the weights in hundredths; where a text is too long for that the maps
 * alone. Letters are those of the Latin alphabets, any other is a box. */
CJ_API CJ_MUST_CHECK cj_status cj_attention_picture(cj_image *to, const cj_feature_maps *maps,
                                                    const char *const *queries, const char *const *keys);
/* Filters in a square, on one scale, grey being zero: in colour where they have 3 channels; else a filter a
 * line, if they have more than one. */
CJ_API CJ_MUST_CHECK cj_status cj_filters_picture(cj_image *to, const cj_feature_maps *filters,
                                                  int64_t channels);

/* --- text ---------------------------------------------------------------------------------------------- */

/* A network that reads tokens, and one example for it. */
typedef struct {
    size_t size;
    cj_model *model;
    cj_forward forward;
    void *context;
    cj_tensor x; /* i32, without the batch: [T] of a text */
    cj_loss_kind loss;
    cj_precision precision;
    /* Of maps of attention only those from x to what is none of it: of a translator that `forward` draws with
     * a source of its own, x being the translation so far. */
    bool across;
} cj_text_explain_options;
/* Gradient × input: for each of the `count` outputs how much each token of x adds to it, Σ over the token's
 * embedding of its numbers times the output's gradient by them. Of a network that is linear in its embeddings
 * these sum to the output less what it gives for embeddings of zeros. Outputs are logits, counted through all
 * that the network gives for x: of a language model position · vocabulary + token. maps: [count,…] as x,
 * scores: [count], either may be NULL. CJ_UNSUPPORTED where the network has no layer of type "embedding" that
 * has a row of numbers for each token. Simonyan et al., 2013; Shrikumar et al., 2016. */
CJ_API CJ_MUST_CHECK cj_status cj_explain_tokens(const cj_text_explain_options *options, int64_t count,
                                                 const int64_t *outputs, float *maps, double *scores);
/* All that the network gives for x, as logits where the loss is of classes: up to `room` numbers; returns in
 * `count` how many there are. */
CJ_API CJ_MUST_CHECK cj_status cj_text_outputs(const cj_text_explain_options *options, float *outputs,
                                               int64_t room, int64_t *count);

/* What each query of each attention sees: maps [T,S,heads] whose rows (of keys) sum to 1, one for each of the
 * first 16 attentions, in the order of drawing; `layer` is where it stands. They are what the op itself
 * weighs values by: it is run once more over the columns of the identity in their place. Of cj_gru_translator
 * they are what it looks back by before each token. CJ_UNSUPPORTED where the network has no attention. */
typedef struct {
    cj_feature_maps *maps;
    int64_t count;
} cj_attention_maps;
CJ_API CJ_MUST_CHECK cj_status cj_attention_maps_make(cj_attention_maps *attention,
                                                      const cj_text_explain_options *options);
CJ_API void cj_attention_maps_free(cj_attention_maps *attention);

/* What the units of a recurrent network hold after each token, between -1 and 1: tanh of an LSTM's cells,
 * else the hidden state (of a network of ReLU without a limit). f32 [count,layers,units]. */
typedef struct {
    cj_tensor values;
} cj_cell_values;
typedef struct {
    size_t size;
    cj_model *model;
    cj_reader reader; /* as of a generator: cj_char_rnn, say */
    void *context;
    const int32_t *tokens; /* [count] */
    int64_t count;
    cj_precision precision;
} cj_cell_options;
/* CJ_UNSUPPORTED where the reader carries no such state. */
CJ_API CJ_MUST_CHECK cj_status cj_cell_values_make(cj_cell_values *cells, const cj_cell_options *options);
CJ_API void cj_cell_values_free(cj_cell_values *cells);
/* Units worth looking at: those that vary most and yet keep what they hold, by variance times the correlation
 * of each step with the next. Numbers layer · units + unit, the best first, up to `room` of them; `count`
 * gets how many. */
CJ_API CJ_MUST_CHECK cj_status cj_cells_choose(const cj_cell_values *cells, int64_t room, int64_t *chosen,
                                               int64_t *count);

/* A text whose tokens are coloured. */
typedef struct {
    const char *caption;       /* above it */
    const char *const *pieces; /* [count] the text of each token */
    int64_t count;
    /* [rows,count]: row r explains token count - rows + r where there are several; a reader of the page sees
     * that row by pointing at the token, and the last row at first. Warm is for, cold against. */
    const float *values;
    int64_t rows;
} cj_coloured_text;
/* HTML that loads nothing from elsewhere; free with cj_text_free. `about` says what the colours mean. Each
 * row has the full colour at its own largest value; `absolute`: at 1. */
typedef struct {
    size_t size;
    const char *title, *about;
    const cj_coloured_text *texts;
    int64_t count;
    bool absolute;
} cj_text_page;
CJ_API CJ_MUST_CHECK cj_status cj_text_page_make(char **html, const cj_text_page *page);

/* --- mistakes ------------------------------------------------------------------------------------------ */

typedef struct {
    int64_t row, truth, said;
    double probability; /* of what was said */
} cj_mistake;
/* The rows that are taken for another class than their label, those first of whose answer the network is
 * surest, equals in their order: up to `room` of them. Outputs are probabilities [count,width]; of width 1, 1
 * is said above the threshold. Returns how many mistakes there are in all. */
CJ_API int64_t cj_find_mistakes(int64_t count, int64_t width, const float *outputs, const int32_t *labels,
                                double threshold, int64_t room, cj_mistake *mistakes);

/* Pictures of mistakes with what they are and what they were taken for, for a report. */
typedef struct {
    cj_report_picture *pictures;
    int64_t count;
} cj_mistake_sheet;
/* `names`: [classes]; NULL: numbers. Rows that are no pictures of 1 or 3 channels give a sheet of none. */
CJ_API CJ_MUST_CHECK cj_status cj_mistake_sheet_make(cj_mistake_sheet *sheet, const cj_dataset *dataset,
                                                     const cj_mistake *mistakes, int64_t count,
                                                     const char *const *names);
CJ_API void cj_mistake_sheet_free(cj_mistake_sheet *sheet);

#ifdef __cplusplus
}
#endif
#endif
