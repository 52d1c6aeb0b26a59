/* What a layer was not given, or was given as no size at all, is an error of the drawing that says so and
 * where: no program comes of it that runs and learns nothing. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>

typedef struct {
    cj_value (*draw)(cj_scope s);
    const char *sentence;
} slip;

static const cj_value none;

static cj_value given(cj_scope s, cj_dtype dtype, cj_shape_t shape)
{
    return cj_input(s.graph, "x", dtype, shape);
}

#define X              given(s, CJ_F32, cj_shape(2, 3, 4))
#define HEADS          given(s, CJ_F32, cj_shape(2, 3, 2, 4))
#define WORDS          given(s, CJ_I32, cj_shape(2, 3))
#define ROWS           given(s, CJ_F32, cj_shape(2, 4))
#define NET(type, ...) CJ_OPTIONS(type, .input = __VA_ARGS__)
#define SLIPS(name, ...)                                                                                     \
    static const slip name[] = {__VA_ARGS__};                                                                \
    enum { name##_count = sizeof name / sizeof *name };

/* One function a line: the table is made of them. */
#define DRAW(name, expression)                                                                               \
    static cj_value name(cj_scope s)                                                                         \
    {                                                                                                        \
        return expression;                                                                                   \
    }

/* --- no value ------------------------------------------------------------------------------------------ */

DRAW(dense, cj_dense(s, none, .units = 3))
DRAW(layer_norm, cj_layer_norm(s, none))
DRAW(embedding, cj_embedding(s, none, .count = 3, .width = 3))
DRAW(conv2d, cj_conv2d(s, none, .filters = 3))
DRAW(conv_transpose, cj_conv_transpose(s, none, .filters = 3))
DRAW(separable, cj_separable_conv2d(s, none, .filters = 3))
DRAW(batch_norm, cj_batch_norm(s, none))
DRAW(group_norm, cj_group_norm(s, none, .groups = 2))
DRAW(squeeze, cj_squeeze_excitation(s, none, 2, false))
DRAW(spatial_dropout, cj_spatial_dropout(s, none, 0.5))
DRAW(stochastic_depth, cj_stochastic_depth(s, none, 0.5))
DRAW(rms_norm, cj_rms_norm(s, none))
DRAW(swiglu, cj_swiglu(s, none, 8))
DRAW(query, cj_attention(s, none, .key = HEADS, .value = HEADS))
DRAW(key, cj_attention(s, HEADS, .value = HEADS))
DRAW(value, cj_attention(s, HEADS, .key = HEADS))
DRAW(heads, cj_multi_head_attention(s, none, .heads = 2))
DRAW(encoder, cj_transformer_encoder(s, none, .heads = 2, .layers = 1))
DRAW(decoder, cj_transformer_decoder(s, X, .heads = 2, .layers = 1))
DRAW(positions, cj_learned_positions(s, none, .count = 3))
DRAW(additive_query, cj_additive_attention(s, none, X, .units = 3).context)
DRAW(additive_keys, cj_additive_attention(s, ROWS, none, .units = 3).context)
DRAW(keys, cj_additive_keys(s, none, 3))
DRAW(lstm, cj_lstm(s, none, .units = 3).output)
DRAW(gru_cell, cj_gru_cell(s, none, .units = 3).last)
DRAW(sequential, cj_sequential(s, none, (cj_layer[]){CJ_LAYER("relu"), CJ_LAYER(NULL)}))
DRAW(logits, cj_cross_entropy(none, given(s, CJ_I32, cj_shape(2))))
DRAW(labels, cj_cross_entropy(ROWS, none))
DRAW(ctc_logits, cj_ctc(none, WORDS))
DRAW(ctc_labels, cj_ctc(X, none))
DRAW(error, cj_mean_squared_error(none, ROWS))
DRAW(product, cj_matmul(none, ROWS))
DRAW(text_cnn, cj_text_cnn(s, NET(cj_text_cnn_options, none, .vocabulary = 9, .classes = 2)))
DRAW(network, cj_network(s, "lenet5", NET(cj_network_options, none, .classes = 2)))

SLIPS(missing, {dense, "dense at 's' was given no input"},
      {layer_norm, "layer_norm at 's' was given no input"},
      {embedding, "embedding at 's' was given no input"}, {conv2d, "conv2d at 's' was given no input"},
      {conv_transpose, "conv_transpose at 's' was given no input"},
      {separable, "conv2d at 's.depthwise' was given no input"},
      {batch_norm, "batch_norm at 's' was given no input"},
      {group_norm, "group_norm at 's' was given no input"},
      {squeeze, "squeeze_excitation at 's' was given no input"},
      {spatial_dropout, "spatial_dropout at 's' was given no input"},
      {stochastic_depth, "stochastic_depth at 's' was given no input"},
      {rms_norm, "rms_norm at 's' was given no input"}, {swiglu, "was given no input"},
      {query, "attention at 's' was given no query"}, {key, "attention at 's' was given no key"},
      {value, "attention at 's' was given no value"}, {heads, "attention at 's' was given no input"},
      {encoder, "transformer_encoder at 's' was given no input"},
      {decoder, "transformer_decoder_layer at 's.layers.0' was given no memory"},
      {positions, "learned_positions at 's' was given no input"},
      {additive_query, "additive_attention at 's' was given no query"},
      {additive_keys, "additive_attention at 's' was given no keys"},
      {keys, "additive_attention at 's' was given no keys"}, {lstm, "lstm at 's' was given no input"},
      {gru_cell, "gru_cell at 's' was given no input"}, {sequential, "sequential at 's' was given no input"},
      {logits, "cross_entropy was given no logits"}, {labels, "cross_entropy was given no labels"},
      {ctc_logits, "ctc was given no logits"}, {ctc_labels, "ctc was given no labels"},
      {error, "input 0 is missing"}, {product, "input 0 is missing"},
      {text_cnn, "textcnn was given no input"}, {network, "network at 's' was given no input"})

/* --- no size, or none that there is -------------------------------------------------------------------- */

DRAW(no_units, cj_dense(s, X))
DRAW(no_layers, cj_transformer_encoder(s, X, .heads = 2))
DRAW(no_width, cj_embedding(s, WORDS, .count = 3))
DRAW(no_count, cj_embedding(s, WORDS, .width = 3))
DRAW(no_hidden, cj_swiglu(s, X, 0))
DRAW(no_key_units, cj_additive_keys(s, X, 0))
DRAW(no_attention_units, cj_additive_attention(s, ROWS, X).context)
DRAW(float_lengths,
     cj_additive_attention(s, ROWS, X, .units = 3, .lengths = given(s, CJ_F32, cj_shape(2))).context)
DRAW(no_such_padding, cj_embedding(s, WORDS, .count = 4, .width = 3, .has_padding = true, .padding = 9))
DRAW(negative_epsilon, cj_layer_norm(s, X, .epsilon = -1))
DRAW(negative_rms, cj_rms_norm(s, X, .epsilon = -1))
DRAW(negative_batch, cj_batch_norm(s, X, .epsilon = -1))
DRAW(no_number, cj_group_norm(s, X, .groups = 2, .epsilon = (double)NAN))
DRAW(no_name, cj_parameter(s, NULL, cj_shape(2), (cj_init){0}))
DRAW(no_classes, cj_bert_classes(s, NET(cj_bert_options, WORDS, .vocabulary = 9, .block = 4, .layers = 1,
                                        .heads = 1, .width = 2)))
DRAW(no_such_pool, cj_bilstm(s, NET(cj_bilstm_options, WORDS, .vocabulary = 9, .classes = 2, .pool = 9)))
DRAW(no_sentence, cj_memory_network(s, NET(cj_memory_network_options, given(s, CJ_I32, cj_shape(2, 0, 3)),
                                           .vocabulary = 9, .classes = 2, .width = 3, .hops = 1)))
DRAW(no_keys, cj_alibi(s.graph, 4, -1))
DRAW(narrow_mask,
     cj_attention(s, HEADS, .key = HEADS, .value = HEADS, .mask = given(s, CJ_BOOL, cj_shape(2, 9))))
DRAW(number_mask,
     cj_attention(s, HEADS, .key = HEADS, .value = HEADS, .mask = given(s, CJ_I32, cj_shape(2, 3))))
DRAW(few_firsts, cj_rotary(HEADS, .first = given(s, CJ_I32, cj_shape(3))))
DRAW(float_first, cj_learned_positions(s, X, .count = 9, .first = given(s, CJ_F32, cj_shape(2))))
DRAW(swapped_keys,
     cj_additive_attention(s, ROWS, X, .units = 3, .projected = given(s, CJ_F32, cj_shape(2, 4, 4))).context)
DRAW(whole_rotary, cj_rotary(given(s, CJ_I32, cj_shape(2, 3, 1, 4))))
DRAW(whole_sines, cj_sinusoidal_positions(given(s, CJ_I32, cj_shape(2, 3, 4))))
DRAW(no_theta, cj_rotary(HEADS, .theta = -5))
DRAW(no_scale, cj_attention(s, HEADS, .key = HEADS, .value = HEADS, .scale = (double)NAN))
DRAW(all_dropped, cj_attention(s, HEADS, .key = HEADS, .value = HEADS, .dropout = 1))
DRAW(byte_rows, cj_embedding(s, given(s, CJ_U8, cj_shape(2, 3)), .count = 4, .width = 3, .has_padding = true))

SLIPS(wrong, {no_units, "dense at 's' has 0 units, expected 1 or more"},
      {no_layers, "transformer_encoder at 's' has 0 layers"},
      {swapped_keys, "projected is [2,4,4], expected [2,"},
      {whole_rotary, "rotary positions need floating point, not i32"},
      {whole_sines, "sinusoidal positions need floating point, not i32"}, {no_theta, "theta is -5"},
      {no_scale, "the scale is nan"}, {all_dropped, "attention at 's' has a dropout of 1"},
      {byte_rows, "the rows are u8, expected i32 or i64"}, {no_width, "embedding at 's' has 0 columns"},
      {no_count, "embedding at 's' has 0 rows"}, {no_hidden, "dense at 's.gate_proj' has 0 units"},
      {no_key_units, "dense at 's.key' has 0 units"},
      {no_attention_units, "additive_attention at 's' has 0 units"},
      {float_lengths, "additive_attention at 's': lengths must be 2 integers"},
      {no_such_padding, "embedding at 's': padding is 9, which is none of 4 rows"},
      {negative_epsilon, "layer_norm at 's': epsilon is -1"},
      {negative_rms, "rms_norm at 's': epsilon is -1"}, {negative_batch, "batch_norm at 's': epsilon is -1"},
      {no_number, "group_norm at 's': epsilon is nan"}, {no_name, "a variable at 's' has no name"},
      {no_classes, "dense at 's.classifier' has 0 units"},
      {no_such_pool, "bilstm has no pooling of number 9"}, {no_sentence, "not i32 [2,0,3]"},
      {no_keys, "alibi of 4 heads and -1 keys"},
      {narrow_mask, "attention at 's': the mask is bool [2,9], expected bool [N,S]"},
      {number_mask, "the mask is i32 [2,3]"}, {few_firsts, "first is i32 [3], expected i32 [] or [2]"},
      {float_first, "first is f32 [2], expected i32 [] or [2]"})

/* --- checks -------------------------------------------------------------------------------------------- */

static void check(const slip *slips, int count)
{
    for (int i = 0; i < count; i++) {
        cj_model *model;
        cj_graph *g;
        cj_program *program;
        expect_ok(cj_model_new(&model, .seed = 1));
        expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
        assert_false(cj_value_ok(slips[i].draw(cj_at(cj_root(g), "s"))));
        if (cj_compile(&program, g) == CJ_OK) fail_msg("no error, but expected '%s'", slips[i].sentence);
        expect_message(slips[i].sentence);
        cj_graph_free(g);
        cj_model_free(model);
    }
}

static void test_missing(void **state)
{
    (void)state;
    check(missing, missing_count);
}

static void test_wrong(void **state)
{
    (void)state;
    check(wrong, wrong_count);
}

static void test_of_another_graph(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *one, *other;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&one, model));
    expect_ok(cj_graph_new(&other, model));
    cj_value x = cj_input(one, "x", CJ_F32, cj_shape(2, 3));
    assert_false(cj_value_ok(cj_dense(cj_at(cj_root(other), "s"), x, .units = 3)));
    expect_status(cj_graph_status(other), CJ_INVALID_ARGUMENT);
    expect_message("dense at 's' was given input of another graph");
    expect_ok(cj_graph_status(one));
    cj_graph_free(other);
    for (int i = 0; i < 4; i++) {
        static const char *const said[] = {"output 'y' is of another graph", "layer l is of another graph",
                                           "assign: input 0 belongs to another graph",
                                           "lstm at 's' was given lengths of another graph"};
        expect_ok(cj_graph_new(&other, model));
        if (i == 0) cj_output(other, "y", x);
        if (i == 1) cj_note_layer(cj_root(other), "l", x);
        if (i == 2) cj_assign(cj_state(cj_root(other), "state", CJ_STATISTIC, CJ_F32, cj_shape(2, 3), 0), x);
        if (i == 3)
            cj_lstm(cj_at(cj_root(other), "s"), cj_input(other, "z", CJ_F32, cj_shape(2, 3, 4)), .units = 2,
                    .lengths = cj_cast(cj_slice(x, 1, 0, 1, 1), CJ_I32));
        expect_status(cj_graph_status(other), CJ_INVALID_ARGUMENT);
        expect_message(said[i]);
        cj_graph_free(other);
    }
    cj_graph_free(one);
    cj_model_free(model);
}

/* A poisoned loss, in a graph that has no error yet. */
static void test_loss_without_a_value(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *g;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&g, model));
    cj_minimize((cj_value){g, -1}, cj_sgd(.learning_rate = 0.1));
    expect_status(cj_graph_status(g), CJ_INVALID_ARGUMENT);
    expect_message("minimize: the loss has no value");
    cj_graph_free(g);
    expect_ok(cj_graph_new(&g, model));
    cj_assign(none, cj_input(g, "x", CJ_F32, cj_shape(2)));
    expect_status(cj_graph_status(g), CJ_INVALID_ARGUMENT);
    expect_message("assign: the left side is no variable");
    cj_graph_free(g);
    expect_ok(cj_graph_new(&g, model));
    cj_assign(cj_state(cj_root(g), "state", CJ_STATISTIC, CJ_F32, cj_shape(2), 0), none);
    expect_status(cj_graph_status(g), CJ_INVALID_ARGUMENT);
    expect_message("assign: input 0 is missing");
    cj_graph_free(g);
    cj_model_free(model);
}

/* The graph is known from x alone. */
static void test_gradients_of_no_value(void **state)
{
    (void)state;
    cj_graph *g;
    cj_value gradient;
    expect_ok(cj_graph_new(&g, NULL));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(2));
    cj_gradients(none, 1, &x, &gradient);
    assert_false(cj_value_ok(gradient));
    expect_status(cj_graph_status(g), CJ_INVALID_ARGUMENT);
    expect_message("gradients: y and every x must be good values of one graph");
    cj_graph_free(g);
}

static cj_value returns_nothing(cj_scope s, cj_value x, void *context)
{
    (void)context;
    cj_dense(s, x, .units = 2);
    return none;
}

static void test_network_without_outputs(void **state)
{
    (void)state;
    float x[4] = {1, 2, 3, 4};
    int32_t y[2] = {0, 1};
    cj_model *model;
    cj_dataset *data;
    cj_scores scores;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_dataset_from_tensors(&data, &(cj_tensor){x, CJ_F32, cj_shape(2, 2)},
                                      &(cj_tensor){y, CJ_I32, cj_shape(2)}));
    expect_status(cj_fit(model, returns_nothing, NULL, data, .epochs = 1, .batch_size = 2,
                         .optimizer = cj_sgd(.learning_rate = 0.1)),
                  CJ_INVALID_ARGUMENT);
    expect_message("the loss was given no outputs of the network");
    expect_status(cj_evaluate(&scores, model, returns_nothing, NULL, data, .batch_size = 2),
                  CJ_INVALID_ARGUMENT);
    expect_message("the loss was given no outputs of the network");
    cj_dataset_free(data);
    cj_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_missing),
                                       cmocka_unit_test(test_wrong),
                                       cmocka_unit_test(test_of_another_graph),
                                       cmocka_unit_test(test_loss_without_a_value),
                                       cmocka_unit_test(test_gradients_of_no_value),
                                       cmocka_unit_test(test_network_without_outputs)};
    return cmocka_run_group_tests_name("forgotten", tests, NULL, NULL);
}
