/* The layers that lists may name, one table for C and for recipes: their options, and how each is drawn.
 * sequential.c goes through a list; recipe/layers.c reads one. */
#define CJ_NO_LOCATIONS
#include "cajal/attention.h"
#include "cajal/sequence.h"
#include "cajal/vision.h"
#include "graph/graph.h"
#include "nn/layer_table.h"
#include "nn/padding.h"

#include <string.h>

cj_value cj__no_padding(cj_scope scope, const char *name, const char *hint)
{
    return cj__graph_error(scope.graph, CJ_UNSUPPORTED,
                           "%s at '%s' would take the padding of shorter sentences for data; hint: %s", name,
                           scope.path, hint);
}

static cj_value draw_dense(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths)
{
    if (lengths->graph && !layer->no_flatten)
        return cj__no_padding(
            scope, "dense",
            "first make one vector of each, by lstm or global_average_pool, or say flatten: false");
    cj_dense_options options = {.size = sizeof options,
                                .input = layer->no_flatten ? x : cj_flatten(x),
                                .units = (int64_t)layer->value,
                                .no_bias = layer->no_bias};
    return cj_dense(scope, &options);
}

static cj_value draw_dropout(cj_scope scope, cj_value x, const cj_layer *layer)
{
    return cj_dropout(scope, x, layer->value);
}

static cj_value draw_layer_norm(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)layer;
    cj_layer_norm_options options = {.size = sizeof options, .input = x};
    return cj_layer_norm(scope, &options);
}

static cj_value draw_batch_norm(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)layer;
    cj_batch_norm_options options = {.size = sizeof options, .input = x};
    return cj_batch_norm(scope, &options);
}

static cj_value normalise_groups(cj_scope scope, cj_value x, int64_t groups)
{
    cj_group_norm_options options = {.size = sizeof options, .input = x, .groups = groups};
    return cj_group_norm(scope, &options);
}

static cj_value draw_group_norm(cj_scope scope, cj_value x, const cj_layer *layer)
{
    return normalise_groups(scope, x, (int64_t)layer->value);
}

static cj_value draw_instance_norm(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)layer;
    cj_shape_t shape = cj_value_shape(x);
    return normalise_groups(scope, x, shape.rank ? shape.dims[shape.rank - 1] : 1);
}

static cj_value draw_local_response_norm(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)scope;
    cj_local_response_norm_options options = {.size = sizeof options,
                                              .input = x,
                                              .width = (int64_t)layer->value,
                                              .alpha = layer->alpha,
                                              .beta = layer->beta,
                                              .k = layer->k};
    return cj_local_response_norm(&options);
}

static cj_value draw_spatial_dropout(cj_scope scope, cj_value x, const cj_layer *layer)
{
    return cj_spatial_dropout(scope, x, layer->value);
}

static cj_value draw_squeeze_excitation(cj_scope scope, cj_value x, const cj_layer *layer)
{
    return cj_squeeze_excitation(scope, x, (int64_t)layer->value, layer->hard);
}

/* One slope for all, as PyTorch's PReLU has it: parameter "weight" [1]. */
static cj_value draw_prelu(cj_scope scope, cj_value x, const cj_layer *layer)
{
    cj_value weight = cj_parameter(scope, "weight", cj_shape(1), (cj_init){CJ_INIT_CONSTANT, layer->value});
    return cj_prelu(x, weight, -1);
}

static cj_value draw_softmax(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)scope, (void)layer;
    return cj_softmax(x, -1);
}

/* A grey picture [N,H,W] has one channel. */
static cj_value with_channels(cj_value x)
{
    cj_shape_t shape = cj_value_shape(x);
    return shape.rank == 3 ? cj_reshape(x, cj_shape(shape.dims[0], shape.dims[1], shape.dims[2], 1)) : x;
}

static int64_t or_one(int64_t size)
{
    return size ? size : 1;
}

static cj_conv_options convolution_of(cj_value x, const cj_layer *layer)
{
    return (cj_conv_options){.size = sizeof(cj_conv_options),
                             .input = x,
                             .filters = (int64_t)layer->value,
                             .kernel = layer->kernel,
                             .stride = layer->stride,
                             .dilation = layer->dilation,
                             .groups = layer->groups,
                             .pad = layer->pad,
                             .padding = layer->same ? CJ_SAME : CJ_VALID,
                             .no_bias = layer->no_bias};
}

/* The places that windows of a whole step reach, of a row of that length. */
static cj_value lengths_after(const cj_conv_options *o, cj_value lengths)
{
    double reach = (double)((or_one(o->kernel) - 1) * or_one(o->dilation) - 2 * o->pad);
    cj_value none = cj_constant(lengths.graph, CJ_I32, 0);
    return o->padding == CJ_SAME ? lengths : cj_maximum(cj_add_scalar(lengths, -reach), none);
}

static cj_value draw_conv1d(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths)
{
    cj_conv_options options = convolution_of(x, layer);
    if (!lengths->graph) return cj_conv1d(scope, &options);
    if (or_one(layer->stride) > 1)
        return cj__no_padding(scope, "conv1d", "stride 1, then global_average_pool or lstm");
    options.input = cj__without_padding(x, *lengths);
    *lengths = lengths_after(&options, *lengths);
    return cj_conv1d(scope, &options);
}

static cj_value convolve(cj_scope scope, cj_value x, const cj_layer *layer,
                         cj_value (*draw)(cj_scope, const cj_conv_options *))
{
    cj_conv_options options = convolution_of(with_channels(x), layer);
    return draw(scope, &options);
}

static cj_value draw_conv2d(cj_scope scope, cj_value x, const cj_layer *layer)
{
    return convolve(scope, x, layer, cj_conv2d);
}

static cj_value draw_conv_transpose(cj_scope scope, cj_value x, const cj_layer *layer)
{
    return convolve(scope, x, layer, cj_conv_transpose);
}

static cj_value draw_separable_conv2d(cj_scope scope, cj_value x, const cj_layer *layer)
{
    return convolve(scope, x, layer, cj_separable_conv2d);
}

static cj_value pool(cj_value x, const cj_layer *layer, cj_value (*draw)(const cj_pool_options *))
{
    cj_pool_options options = {.size = sizeof options,
                               .input = with_channels(x),
                               .kernel = (int64_t)layer->value,
                               .stride = layer->stride,
                               .dilation = layer->dilation,
                               .pad = layer->pad,
                               .padding = layer->same ? CJ_SAME : CJ_VALID,
                               .power = layer->power};
    return draw(&options);
}

static cj_value draw_max_pool(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)scope;
    return pool(x, layer, cj_max_pool);
}

static cj_value draw_average_pool(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)scope;
    return pool(x, layer, cj_average_pool);
}

static cj_value draw_power_pool(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)scope;
    return pool(x, layer, cj_power_pool);
}

/* The same size along each spatial axis. */
static cj_value adapt(cj_value x, const cj_layer *layer, cj_value (*draw)(cj_value, cj_shape_t))
{
    x = with_channels(x);
    cj_shape_t result = {.rank = cj_value_shape(x).rank - 2};
    for (int64_t d = 0; d < result.rank; d++) result.dims[d] = (int64_t)layer->value;
    return draw(x, result);
}

static cj_value draw_adaptive_average_pool(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)scope;
    return adapt(x, layer, cj_adaptive_average_pool);
}

static cj_value draw_adaptive_max_pool(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)scope;
    return adapt(x, layer, cj_adaptive_max_pool);
}

static cj_value draw_global_average_pool(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths)
{
    (void)scope, (void)layer;
    cj_value whole = *lengths;
    *lengths = cj__none();
    return whole.graph ? cj__mean_within(cj__without_padding(x, whole), whole) : cj_global_average_pool(x);
}

static cj_value draw_resize(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)scope;
    x = with_channels(x);
    cj_shape_t shape = cj_value_shape(x);
    int64_t factor = (int64_t)layer->value, height = shape.rank == 4 ? shape.dims[1] : 0;
    return cj_resize(x, height * factor, shape.dims[2] * factor, layer->bilinear ? CJ_BILINEAR : CJ_NEAREST,
                     layer->align_corners);
}

static cj_value draw_pixel_shuffle(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)scope;
    return cj_pixel_shuffle(with_channels(x), (int64_t)layer->value);
}

/* Whole numbers that came as floating point are still such. */
static cj_value draw_embedding(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths)
{
    if (layer->vocabulary < 1)
        return cj__graph_error(
            scope.graph, CJ_INVALID_ARGUMENT,
            "embedding at '%s' needs its vocabulary: embedding: {width: 64, vocabulary: 5000}", scope.path);
    if (cj_value_ok(x) && cj_value_dtype(x) == CJ_F32) x = cj_cast(x, CJ_I32);
    cj_embedding_options options = {.size = sizeof options,
                                    .input = x,
                                    .count = layer->vocabulary,
                                    .width = (int64_t)layer->value,
                                    .has_padding = layer->padded,
                                    .padding = CJ__PADDING_TOKEN};
    if (layer->padded && cj_value_ok(x) && cj_value_shape(x).rank == 2) *lengths = cj__sentence_lengths(x);
    return cj_embedding(scope, &options);
}

static cj_value draw_recurrent(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths,
                               cj_recurrent (*draw)(cj_scope, const cj_recurrent_options *))
{
    cj_recurrent_options options = {.size = sizeof options,
                                    .input = x,
                                    .units = (int64_t)layer->value,
                                    .layers = layer->layers,
                                    .bidirectional = layer->bidirectional,
                                    .no_bias = layer->no_bias,
                                    .dropout = layer->dropout,
                                    .stateful = layer->stateful,
                                    .lengths = *lengths};
    cj_recurrent r = draw(scope, &options);
    if (!layer->all) *lengths = cj__none();
    return layer->all ? r.output : r.last;
}

static cj_value draw_rnn(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths)
{
    return draw_recurrent(scope, x, layer, lengths, cj_rnn);
}

static cj_value draw_lstm(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths)
{
    return draw_recurrent(scope, x, layer, lengths, cj_lstm);
}

static cj_value draw_gru(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths)
{
    return draw_recurrent(scope, x, layer, lengths, cj_gru);
}

static cj_value draw_attention(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths)
{
    cj_multi_head_attention_options options = {.size = sizeof options,
                                               .input = x,
                                               .heads = (int64_t)layer->value,
                                               .causal = layer->causal,
                                               .lengths = *lengths,
                                               .dropout = layer->dropout,
                                               .no_bias = layer->no_bias};
    return cj_multi_head_attention(scope, &options);
}

static cj_value draw_transformer_encoder(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths)
{
    cj_transformer_options options = {.size = sizeof options,
                                      .input = x,
                                      .heads = (int64_t)layer->value,
                                      .hidden = layer->hidden,
                                      .layers = layer->layers ? layer->layers : 1,
                                      .causal = layer->causal,
                                      .lengths = *lengths,
                                      .norm_first = layer->norm_first,
                                      .dropout = layer->dropout};
    return cj_transformer_encoder(scope, &options);
}

static cj_value draw_learned_positions(cj_scope scope, cj_value x, const cj_layer *layer)
{
    cj_positions_options options = {.size = sizeof options, .input = x, .count = (int64_t)layer->value};
    return cj_learned_positions(scope, &options);
}

static cj_value draw_sinusoidal_positions(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)scope, (void)layer;
    cj_positions_options options = {.size = sizeof options, .input = x};
    return cj_sinusoidal_positions(&options);
}

static cj_value draw_rms_norm(cj_scope scope, cj_value x, const cj_layer *layer)
{
    (void)layer;
    cj_rms_norm_options options = {.size = sizeof options, .input = x};
    return cj_rms_norm(scope, &options);
}

/* Functions of x alone, and of x and a slope. */
#define PLAIN(name)                                                                                          \
    static cj_value draw_##name(cj_scope scope, cj_value x, const cj_layer *layer)                           \
    {                                                                                                        \
        (void)scope, (void)layer;                                                                            \
        return cj_##name(x);                                                                                 \
    }
#define SLOPED(name)                                                                                         \
    static cj_value draw_##name(cj_scope scope, cj_value x, const cj_layer *layer)                           \
    {                                                                                                        \
        (void)scope;                                                                                         \
        return cj_##name(x, layer->value);                                                                   \
    }
PLAIN(flatten)
PLAIN(relu)
PLAIN(gelu)
PLAIN(gelu_tanh)
PLAIN(silu)
PLAIN(selu)
PLAIN(softplus)
PLAIN(tanh)
PLAIN(sigmoid)
PLAIN(hard_tanh)
PLAIN(hard_sigmoid)
PLAIN(hard_swish)
SLOPED(leaky_relu)
SLOPED(elu)

enum {
    CONVOLUTION = CJ__WINDOW | CJ__GROUPS | CJ__BIAS,
    POOLING = CJ__WINDOW & ~CJ__KERNEL,
    RESPONSES = CJ__ALPHA | CJ__BETA | CJ__K,
    RESIZING = CJ__INTERPOLATION | CJ__ALIGN_CORNERS,
    TRANSFORMER = CJ__HIDDEN | CJ__LAYERS | CJ__DROPOUT | CJ__CAUSAL | CJ__NORM_FIRST,
    RECURRENT = CJ__LAYERS | CJ__DROPOUT | CJ__BIDIRECTIONAL | CJ__STATEFUL | CJ__RETURN | CJ__BIAS
};

#define EACH_PLACE(name, value, standard, value_name, options)                                               \
    {                                                                                                        \
#name, value, standard, draw_##name, NULL, value_name, options                                       \
    }
#define WITHIN(name, value, standard, value_name, options)                                                   \
    {                                                                                                        \
#name, value, standard, NULL, draw_##name, value_name, options                                       \
    }
const cj__layer_kind cj__layer_kinds[] = {
    WITHIN(dense, CJ__UNITS, 0, "units", CJ__BIAS | CJ__FLATTEN),
    WITHIN(embedding, CJ__UNITS, 0, "width", CJ__VOCABULARY),
    WITHIN(rnn, CJ__UNITS, 0, "units", RECURRENT),
    WITHIN(lstm, CJ__UNITS, 0, "units", RECURRENT),
    WITHIN(gru, CJ__UNITS, 0, "units", RECURRENT),
    WITHIN(attention, CJ__UNITS, 0, "heads", CJ__CAUSAL | CJ__DROPOUT | CJ__BIAS),
    WITHIN(transformer_encoder, CJ__UNITS, 0, "heads", TRANSFORMER),
    EACH_PLACE(learned_positions, CJ__UNITS, 0, "count", 0),
    EACH_PLACE(sinusoidal_positions, CJ__NO_VALUE, 0, NULL, 0),
    WITHIN(conv1d, CJ__UNITS, 0, "filters", CONVOLUTION),
    EACH_PLACE(conv2d, CJ__UNITS, 0, "filters", CONVOLUTION | CJ__COUNTS_PADDING),
    EACH_PLACE(conv_transpose, CJ__UNITS, 0, "filters", CONVOLUTION | CJ__COUNTS_PADDING),
    EACH_PLACE(separable_conv2d, CJ__UNITS, 0, "filters", CJ__WINDOW | CJ__BIAS | CJ__COUNTS_PADDING),
    EACH_PLACE(max_pool, CJ__UNITS, 0, "kernel", POOLING | CJ__COUNTS_PADDING),
    EACH_PLACE(average_pool, CJ__UNITS, 0, "kernel", POOLING | CJ__COUNTS_PADDING),
    EACH_PLACE(power_pool, CJ__UNITS, 0, "kernel", POOLING | CJ__POWER | CJ__COUNTS_PADDING),
    EACH_PLACE(adaptive_average_pool, CJ__UNITS, 0, "result", CJ__COUNTS_PADDING),
    EACH_PLACE(adaptive_max_pool, CJ__UNITS, 0, "result", CJ__COUNTS_PADDING),
    WITHIN(global_average_pool, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(squeeze_excitation, CJ__UNITS, 0, "squeezed", CJ__HARD | CJ__COUNTS_PADDING),
    EACH_PLACE(resize, CJ__UNITS, 0, "factor", RESIZING | CJ__COUNTS_PADDING),
    EACH_PLACE(pixel_shuffle, CJ__UNITS, 0, "factor", CJ__COUNTS_PADDING),
    EACH_PLACE(batch_norm, CJ__NO_VALUE, 0, NULL, CJ__COUNTS_PADDING),
    EACH_PLACE(group_norm, CJ__UNITS, 32, "groups", CJ__COUNTS_PADDING),
    EACH_PLACE(instance_norm, CJ__NO_VALUE, 0, NULL, CJ__COUNTS_PADDING),
    EACH_PLACE(local_response_norm, CJ__UNITS, 5, "width", RESPONSES),
    EACH_PLACE(dropout, CJ__RATE, 0, "rate", 0),
    EACH_PLACE(spatial_dropout, CJ__RATE, 0, "rate", 0),
    EACH_PLACE(flatten, CJ__NO_VALUE, 0, NULL, CJ__COUNTS_PADDING),
    EACH_PLACE(layer_norm, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(rms_norm, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(relu, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(leaky_relu, CJ__SLOPE, 0.01, "slope", 0),
    EACH_PLACE(prelu, CJ__SLOPE, 0.25, "slope", 0),
    EACH_PLACE(elu, CJ__SLOPE, 1, "slope", 0),
    EACH_PLACE(selu, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(gelu, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(gelu_tanh, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(silu, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(softplus, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(tanh, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(sigmoid, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(hard_tanh, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(hard_sigmoid, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(hard_swish, CJ__NO_VALUE, 0, NULL, 0),
    EACH_PLACE(softmax, CJ__NO_VALUE, 0, NULL, 0),
};
const int cj__layer_kind_count = sizeof cj__layer_kinds / sizeof *cj__layer_kinds;

const cj__layer_option cj__layer_options[] = {
    {"kernel", CJ__KERNEL, CJ__WHOLE_OPTION, offsetof(cj_layer, kernel), NULL},
    {"stride", CJ__STRIDE, CJ__WHOLE_OPTION, offsetof(cj_layer, stride), NULL},
    {"dilation", CJ__DILATION, CJ__WHOLE_OPTION, offsetof(cj_layer, dilation), NULL},
    {"groups", CJ__GROUPS, CJ__WHOLE_OPTION, offsetof(cj_layer, groups), NULL},
    {"padding", CJ__PADDING, CJ__PADDING_OPTION, 0, NULL},
    {"bias", CJ__BIAS, CJ__WORD_OPTION, offsetof(cj_layer, no_bias), "true|false"},
    {"flatten", CJ__FLATTEN, CJ__WORD_OPTION, offsetof(cj_layer, no_flatten), "true|false"},
    {"vocabulary", CJ__VOCABULARY, CJ__WHOLE_OPTION, offsetof(cj_layer, vocabulary), NULL},
    {"layers", CJ__LAYERS, CJ__WHOLE_OPTION, offsetof(cj_layer, layers), NULL},
    {"dropout", CJ__DROPOUT, CJ__RATE_OPTION, offsetof(cj_layer, dropout), NULL},
    {"bidirectional", CJ__BIDIRECTIONAL, CJ__WORD_OPTION, offsetof(cj_layer, bidirectional), "false|true"},
    {"stateful", CJ__STATEFUL, CJ__WORD_OPTION, offsetof(cj_layer, stateful), "false|true"},
    {"hidden", CJ__HIDDEN, CJ__WHOLE_OPTION, offsetof(cj_layer, hidden), NULL},
    {"causal", CJ__CAUSAL, CJ__WORD_OPTION, offsetof(cj_layer, causal), "false|true"},
    {"norm_first", CJ__NORM_FIRST, CJ__WORD_OPTION, offsetof(cj_layer, norm_first), "false|true"},
    {"return", CJ__RETURN, CJ__WORD_OPTION, offsetof(cj_layer, all), "last|all"},
    {"power", CJ__POWER, CJ__NUMBER_OPTION, offsetof(cj_layer, power), NULL},
    {"alpha", CJ__ALPHA, CJ__NUMBER_OPTION, offsetof(cj_layer, alpha), NULL},
    {"beta", CJ__BETA, CJ__NUMBER_OPTION, offsetof(cj_layer, beta), NULL},
    {"k", CJ__K, CJ__NUMBER_OPTION, offsetof(cj_layer, k), NULL},
    {"hard", CJ__HARD, CJ__WORD_OPTION, offsetof(cj_layer, hard), "false|true"},
    {"interpolation", CJ__INTERPOLATION, CJ__WORD_OPTION, offsetof(cj_layer, bilinear), "nearest|bilinear"},
    {"align_corners", CJ__ALIGN_CORNERS, CJ__WORD_OPTION, offsetof(cj_layer, align_corners), "false|true"},
};
const int cj__layer_option_count = sizeof cj__layer_options / sizeof *cj__layer_options;

const cj__layer_kind *cj__layer_kind_named(const char *name)
{
    for (int i = 0; i < cj__layer_kind_count; i++)
        if (strcmp(cj__layer_kinds[i].name, name) == 0) return &cj__layer_kinds[i];
    return NULL;
}

const char *cj__layer_value_fault(const cj__layer_kind *kind, double value)
{
    if (kind->value == CJ__UNITS && !(value >= 1 && value < 1e9 && value == (double)(int64_t)value))
        return "a whole number from 1 on";
    if (kind->value == CJ__RATE && !(value >= 0 && value < 1)) return "a rate from 0 up to 1";
    return kind->value == CJ__SLOPE && !(value - value == 0) ? "a finite number" : NULL;
}
