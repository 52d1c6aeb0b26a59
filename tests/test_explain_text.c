/* Explanations of texts: gradient × input of a linear network by hand, of others by finite differences; maps
 * of attention by what the op gives, and a translator's by its steps; cells by the states that whole texts
 * leave; pages that load nothing and show what is in them.
 *
 * labels: threads */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>

enum {
    T = 11,
    V = 9,
    W = 6
}; /* more places than words: recurrent networks then like to look past an embedding */
static int32_t tokens[T] = {3, 1, 8, 8, 0, 5, 2, 7, 4, 6, 1};

static void close_to(double found, double wanted, double tolerance, const char *what)
{
    if (!(fabs(found - wanted) <= tolerance * (1 + fabs(wanted))))
        fail_msg("%s is %.9g, not %.9g", what, found, wanted);
}

static const float *variable(cj_model *model, const char *name)
{
    for (int64_t i = 0; i < cj_model_count(model); i++)
        if (strcmp(cj_model_variable(model, i).name, name) == 0)
            return cj_model_variable(model, i).tensor.data;
    fail_msg("there is no %s", name);
    return NULL;
}

static cj_text_explain_options options_of(cj_model *model, cj_forward forward, void *context)
{
    return (cj_text_explain_options){.size = sizeof(cj_text_explain_options),
                                     .model = model,
                                     .forward = forward,
                                     .context = context,
                                     .x = {tokens, CJ_I32, cj_shape(T)}};
}

static cj_model *new_model(cj_forward forward, void *context)
{
    cj_model *model;
    expect_ok(cj_model_new(&model, .seed = 6));
    expect_ok(cj_draw_network_of(model, forward, context, CJ_I32, cj_shape(1, T)));
    return model;
}

/* --- gradient × input ---------------------------------------------------------------------------------- */

static cj_layer linear[] = {CJ_LAYER("embedding", W, .vocabulary = V), CJ_LAYER("dense", 4), CJ_LAYER(NULL)};

/* Each token adds its own product with the weight; together they are the output less the bias. */
static void a_linear_network_is_shared_out(void **state)
{
    (void)state;
    cj_model *model = new_model(cj_sequential, linear);
    float *bias = (float *)(size_t)variable(model, "1.bias"), maps[2][T], all[4];
    const float *table = variable(model, "0.weight"), *weight = variable(model, "1.weight"); /* [4,T·W] */
    int64_t outputs[] = {3, 1}, count;
    double scores[2];
    for (int i = 0; i < 4; i++) bias[i] = (float)(i - 1.5);
    cj_text_explain_options o = options_of(model, cj_sequential, linear);
    expect_ok(cj_explain_tokens(&o, 2, outputs, maps[0], scores));
    expect_ok(cj_text_outputs(&o, all, 4, &count));
    assert_int_equal(count, 4);
    for (int i = 0; i < 2; i++) {
        double sum = 0;
        for (int t = 0; t < T; t++) {
            double wanted = 0;
            for (int d = 0; d < W; d++)
                wanted += (double)table[tokens[t] * W + d] * (double)weight[outputs[i] * T * W + t * W + d];
            close_to((double)maps[i][t], wanted, 1e-5, "what a token adds");
            sum += (double)maps[i][t];
        }
        close_to(sum, scores[i] - (double)bias[outputs[i]], 1e-5, "the sum of a map");
        close_to(scores[i], (double)all[outputs[i]], 1e-6, "a score");
    }
    cj_model_free(model);
}

/* context: NULL, or [T] what each token's embedding is multiplied by */
static cj_value recurrent(cj_scope s, cj_value x, void *context)
{
    cj_value e = cj_embedding(cj_at(s, "embedding"), x, .count = V, .width = W);
    if (context) e = cj_mul(e, cj_constant_tensor(s.graph, &(cj_tensor){context, CJ_F32, cj_shape(1, T, 1)}));
    cj_value y = cj_lstm(cj_at(s, "lstm"), e, .units = 5, .layers = 2).output;
    return cj_dense(cj_at(s, "output"), y, .units = V);
}

static double score_with(cj_model *model, float *scales, int64_t output)
{
    static float all[T * V];
    int64_t count;
    cj_text_explain_options o = options_of(model, recurrent, scales);
    expect_ok(cj_text_outputs(&o, all, T * V, &count));
    assert_int_equal(count, T * V);
    return (double)all[output];
}

/* The network may take its tokens' products from a table of them; what a token adds is known all the same. */
static void a_recurrent_network_by_differences(void **state)
{
    (void)state;
    cj_model *model = new_model(recurrent, NULL);
    int64_t output = 4 * V + 3;
    float map[T], scales[T];
    cj_text_explain_options o = options_of(model, recurrent, NULL);
    expect_ok(cj_explain_tokens(&o, 1, &output, map, NULL));
    for (int t = 0; t < T; t++) {
        double step = 0.01, more, less;
        for (int i = 0; i < T; i++) scales[i] = i == t ? 1 + (float)step : 1;
        more = score_with(model, scales, output);
        scales[t] = 1 - (float)step;
        less = score_with(model, scales, output);
        close_to((double)map[t], (more - less) / (2 * step), 2e-4, "what a token adds");
        assert_int_equal(map[t] != 0, t <= 4); /* what comes later has no part in it */
    }
    cj_model_free(model);
}

/* Networks known by name, whose embeddings cannot be multiplied by anything; but where each token is there
 * once, that is to multiply its row of the table. */
static int32_t different[5] = {3, 1, 8, 5, 2};

static cj_bert_options bert_of(cj_value x)
{
    return (cj_bert_options){.size = sizeof(cj_bert_options),
                             .input = x,
                             .vocabulary = V,
                             .block = T,
                             .layers = 2,
                             .heads = 2,
                             .width = W,
                             .classes = 3};
}

static cj_value bert_classes(cj_scope s, cj_value x, void *context)
{
    (void)context;
    cj_bert_options o = bert_of(x);
    return cj_bert_classes(s, &o);
}

static cj_value bert_masked(cj_scope s, cj_value x, void *context)
{
    (void)context;
    cj_bert_options o = bert_of(x);
    return cj_bert_masked(s, &o);
}

static cj_value perceptron(cj_scope s, cj_value x, void *context)
{
    return cj_mlp_language(s, &(cj_mlp_language_options){.size = sizeof(cj_mlp_language_options),
                                                         .input.tokens = x,
                                                         .vocabulary = V,
                                                         .context = *(const int64_t *)context,
                                                         .width = W,
                                                         .hidden = 7});
}

/* The output where the token's row is multiplied. */
static double output_with(const cj_text_explain_options *o, float *row, float by, int64_t output)
{
    float all[T * V], kept[W];
    int64_t count;
    memcpy(kept, row, sizeof kept);
    for (int i = 0; i < W; i++) row[i] *= by;
    expect_ok(cj_text_outputs(o, all, T * V, &count));
    memcpy(row, kept, sizeof kept);
    assert_true(output < count);
    return (double)all[output];
}

/* So that nothing is too small to be seen. */
static void scatter(cj_model *model)
{
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_tensor t = cj_model_variable(model, i).tensor;
        for (int64_t k = 0; t.dtype == CJ_F32 && k < cj_shape_count(t.shape); k++)
            ((float *)t.data)[k] += (float)sin((double)(k * k + 5 * k + i));
    }
}

/* `first`: the row of token 0 */
static void expect_differences(cj_forward forward, void *context, const char *table, int first,
                               int64_t output, int past)
{
    cj_model *model = new_model(forward, context);
    float map[5], *rows = (float *)(size_t)variable(model, table), step = 0.01F;
    cj_text_explain_options o = options_of(model, forward, context);
    o.x = (cj_tensor){different, CJ_I32, cj_shape(5)};
    scatter(model);
    expect_ok(cj_explain_tokens(&o, 1, &output, map, NULL));
    for (int t = 0; t < 5; t++) {
        float *row = rows + (different[t] + first) * W;
        double difference = output_with(&o, row, 1 + step, output) - output_with(&o, row, 1 - step, output);
        close_to((double)map[t], difference / (2 * (double)step), 1e-3, "what a token adds");
        assert_int_equal(map[t] != 0, t >= past); /* the others are not looked at */
    }
    cj_model_free(model);
}

static void networks_known_by_name(void **state)
{
    (void)state;
    const char *words = "bert.embeddings.word_embeddings.weight";
    int64_t windows[] = {1, 3, 8};
    expect_differences(bert_classes, NULL, words, 0, 2, 0);
    expect_differences(bert_masked, NULL, words, 0, 3 * V + 7,
                       0); /* 7 is not in the text: its row is its logit's */
    for (int i = 0; i < 3; i++)
        expect_differences(perceptron, &windows[i], "embedding.weight", 1, 4 * V + 6,
                           windows[i] < 5 ? 5 - (int)windows[i] : 0);
}

/* --- attention ----------------------------------------------------------------------------------------- */

enum { HEADS = 4, GROUPS = 2, D = 3 };

/* Narrow heads over more keys; outputs: what attention gives and, behind it, its values. */
static cj_value attentive(cj_scope s, cj_value x, void *context)
{
    (void)context;
    cj_value e = cj_embedding(cj_at(s, "embedding"), x, .count = V, .width = W);
    cj_value q = cj_dense(cj_at(s, "q"), e, .units = HEADS * D),
             k = cj_dense(cj_at(s, "k"), e, .units = GROUPS * D);
    cj_value v = cj_dense(cj_at(s, "v"), e, .units = GROUPS * D);
    cj_value y =
        cj_attention(cj_at(s, "heads"), cj_reshape(q, cj_shape(1, T, HEADS, D)),
                     .key = cj_reshape(k, cj_shape(1, T, GROUPS, D)),
                     .value = cj_reshape(v, cj_shape(1, T, GROUPS, D)), .causal = true, .dropout = 0.5);
    return cj_concatenate(
        2,
        (cj_value[]){cj_reshape(y, cj_shape(1, T * HEADS * D)), cj_reshape(v, cj_shape(1, T * GROUPS * D))},
        1);
}

static void attention_weighs_the_values(void **state)
{
    (void)state;
    static float all[T * HEADS * D + T * GROUPS * D];
    cj_model *model = new_model(attentive, NULL);
    cj_attention_maps maps;
    cj_text_explain_options o = options_of(model, attentive, NULL);
    int64_t count;
    o.loss = CJ_SQUARED_ERROR;
    expect_ok(cj_text_outputs(&o, all, (int64_t)(sizeof all / sizeof *all), &count));
    expect_ok(cj_attention_maps_make(&maps, &o));
    assert_int_equal(maps.count, 1);
    assert_string_equal(maps.maps[0].layer, "heads");
    assert_true(cj_shape_equal(maps.maps[0].maps.shape, cj_shape(T, T, HEADS)));
    const float *w = maps.maps[0].maps.data, *values = all + T * HEADS * D;
    for (int t = 0; t < T; t++)
        for (int h = 0; h < HEADS; h++) {
            double sum = 0, given[D] = {0};
            for (int s = 0; s < T; s++) {
                double weight = (double)w[(t * T + s) * HEADS + h];
                assert_int_equal(weight > 0, s <= t);
                sum += weight;
                for (int d = 0; d < D; d++)
                    given[d] += weight * (double)values[(s * GROUPS + h / (HEADS / GROUPS)) * D + d];
            }
            close_to(sum, 1, 1e-5, "a row of attention");
            for (int d = 0; d < D; d++)
                close_to((double)all[(t * HEADS + h) * D + d], given[d], 1e-5, "what attention gives");
        }
    cj_attention_maps_free(&maps);
    cj_model_free(model);
}

/* --- translators --------------------------------------------------------------------------------------- */

enum { S = 5, WRITTEN = 4 };

/* context: how it is drawn */
typedef cj_value (*translator)(cj_scope, const cj_translator_options *);

static cj_value translation(cj_scope s, cj_value x, void *context)
{
    const translator *network = context;
    int several = *network == cj_gru_translator ? 1 : 2;
    cj_tensor source = {different, CJ_I32, cj_shape(1, S)};
    cj_translator_options o = {.size = sizeof o,
                               .input = {.tokens = x, .source = cj_constant_tensor(s.graph, &source)},
                               .vocabulary = V,
                               .layers = several,
                               .heads = several,
                               .width = W};
    return (*network)(s, &o);
}

static cj_text_explain_options of_translation(cj_model *model, translator *draw)
{
    cj_text_explain_options o = options_of(model, translation, draw);
    o.x = (cj_tensor){tokens, CJ_I32, cj_shape(WRITTEN)};
    o.loss = CJ_CROSS_ENTROPY;
    o.across = true;
    return o;
}

/* Rows of the translation's tokens over the source's, which sum to 1. */
static void expect_across(const cj_feature_maps *map, const char *layer, int64_t heads)
{
    const float *w = map->maps.data;
    assert_string_equal(map->layer, layer);
    assert_true(cj_shape_equal(map->maps.shape, cj_shape(WRITTEN, S, heads)));
    for (int64_t t = 0; t < WRITTEN; t++)
        for (int64_t h = 0; h < heads; h++) {
            double sum = 0;
            for (int64_t s = 0; s < S; s++) sum += (double)w[(t * S + s) * heads + h];
            close_to(sum, 1, 1e-5, "a row of attention");
        }
}

static void a_transformer_looks_across(void **state)
{
    (void)state;
    translator draw = cj_transformer_translator;
    cj_model *model = new_model(translation, &draw);
    cj_attention_maps maps;
    cj_text_explain_options o = of_translation(model, &draw);
    expect_ok(cj_attention_maps_make(&maps, &o));
    assert_int_equal(maps.count, 2);
    expect_across(&maps.maps[0], "decoder.layers.0.multihead_attn", 2);
    expect_across(&maps.maps[1], "decoder.layers.1.multihead_attn", 2);
    cj_attention_maps_free(&maps);
    o.across = false; /* the encoder's own, and of either kind of the decoder's */
    expect_ok(cj_attention_maps_make(&maps, &o));
    assert_int_equal(maps.count, 6);
    cj_attention_maps_free(&maps);
    cj_model_free(model);
}

/* The same weights, step by step and without a loop. */
static void look_back(cj_model *model, float weights[WRITTEN][S])
{
    cj_graph *graph;
    cj_program *program;
    expect_ok(cj_graph_new(&graph, model));
    cj_scope s = cj_root(graph);
    cj_value source = cj_input(graph, "source", CJ_I32, cj_shape(1, S));
    cj_value target = cj_input(graph, "target", CJ_I32, cj_shape(1, WRITTEN));
    cj_recurrent read =
        cj_gru(cj_at(s, "encoder.gru"), cj_embedding(cj_at(s, "embedding"), source, .count = V, .width = W),
               .units = W, .bidirectional = true);
    cj_value written = cj_embedding(cj_at(s, "embedding"), target, .count = V, .width = W);
    cj_value hidden = cj_tanh(cj_dense(cj_at(s, "decoder.begin"), read.last, .units = W));
    for (int64_t t = 0; t < WRITTEN; t++) {
        cj_additive_attention_result look =
            cj_additive_attention(cj_at(s, "decoder.attention"), hidden, read.output, .units = W);
        cj_value token = cj_reshape(cj_slice(written, 1, t, t + 1, 1), cj_shape(1, W));
        cj_output(graph, "weights", look.weights);
        hidden = cj_gru_cell(cj_at(s, "decoder.gru"), cj_concatenate(2, (cj_value[]){token, look.context}, 1),
                             .units = W, .hidden = hidden)
                     .output;
    }
    expect_ok(cj_compile(&program, graph));
    expect_ok(cj_program_run(
        program, .inputs = {{different, CJ_I32, cj_shape(1, S)}, {tokens, CJ_I32, cj_shape(1, WRITTEN)}},
        .outputs = {weights[0], weights[1], weights[2], weights[3]}));
    cj_program_free(program);
    cj_graph_free(graph);
}

static void a_recurrent_translator_looks_back(void **state)
{
    (void)state;
    translator draw = cj_gru_translator;
    cj_model *model = new_model(translation, &draw);
    cj_attention_maps maps;
    cj_text_explain_options o = of_translation(model, &draw);
    float wanted[WRITTEN][S];
    scatter(model);
    look_back(model, wanted);
    expect_ok(cj_attention_maps_make(&maps, &o));
    assert_int_equal(maps.count, 1);
    expect_across(&maps.maps[0], "decoder.attention", 1);
    for (int i = 0; i < WRITTEN * S; i++)
        close_to((double)((const float *)maps.maps[0].maps.data)[i], (double)wanted[i / S][i % S], 1e-5,
                 "what is looked at");
    assert_true(fabs((double)wanted[0][0] - (double)wanted[3][0]) > 0.01); /* it looks elsewhere later */
    cj_attention_maps_free(&maps);
    cj_model_free(model);
}

/* --- cells --------------------------------------------------------------------------------------------- */

enum { UNITS = 5, LAYERS = 2 };

static cj_value reader(cj_scope s, const cj_reading *reading, void *context)
{
    const cj_char_rnn_kind *kind = context;
    return cj_char_rnn(s, &(cj_char_rnn_options){.size = sizeof(cj_char_rnn_options),
                                                 .input = *reading,
                                                 .vocabulary = V,
                                                 .kind = *kind,
                                                 .layers = LAYERS,
                                                 .width = UNITS});
}

static cj_value whole(cj_scope s, cj_value x, void *context)
{
    return reader(s, &(cj_reading){.tokens = x}, context);
}

/* The state that the first `count` tokens leave, of both layers: the same network drawn over them at once. */
static void read_at_once(cj_model *model, cj_char_rnn_kind kind, int64_t count, float *state)
{
    cj_graph *graph;
    cj_program *program;
    expect_ok(cj_graph_new(&graph, model));
    cj_value x = cj_input(graph, "x", CJ_I32, cj_shape(1, count));
    cj_value e = cj_embedding(cj_at(cj_root(graph), "embedding"), x, .count = V, .width = UNITS);
    cj_recurrent r = kind == CJ_CHAR_LSTM
                         ? cj_lstm(cj_at(cj_root(graph), "lstm"), e, .units = UNITS, .layers = LAYERS)
                         : cj_gru(cj_at(cj_root(graph), "gru"), e, .units = UNITS, .layers = LAYERS);
    cj_output(graph, "state", kind == CJ_CHAR_LSTM ? r.cell : r.hidden); /* [LAYERS,1,UNITS] */
    expect_ok(cj_compile(&program, graph));
    expect_ok(cj_program_run(program, .inputs = {{tokens, CJ_I32, cj_shape(1, count)}}, .outputs = {state}));
    cj_program_free(program);
    cj_graph_free(graph);
}

static void check_cells(cj_char_rnn_kind kind)
{
    cj_model *model = new_model(whole, &kind);
    cj_cell_values cells;
    float wanted[LAYERS * UNITS];
    expect_ok(cj_cell_values_make(&cells, &(cj_cell_options){.size = sizeof(cj_cell_options),
                                                             .model = model,
                                                             .reader = reader,
                                                             .context = &kind,
                                                             .tokens = tokens,
                                                             .count = T}));
    assert_true(cj_shape_equal(cells.values.shape, cj_shape(T, LAYERS, UNITS)));
    for (int t = 0; t < T; t++) {
        read_at_once(model, kind, t + 1, wanted);
        for (int c = 0; c < LAYERS * UNITS; c++) {
            double state = kind == CJ_CHAR_LSTM ? tanh((double)wanted[c]) : (double)wanted[c];
            close_to((double)((float *)cells.values.data)[t * LAYERS * UNITS + c], state, 1e-5, "a cell");
        }
    }
    cj_cell_values_free(&cells);
    cj_model_free(model);
}

static void cells_hold_what_texts_leave(void **state)
{
    (void)state;
    check_cells(CJ_CHAR_LSTM);
    check_cells(CJ_CHAR_GRU);
}

/* One never changes, one changes at every step, one once, one once and by less. */
static void cells_that_keep_something(void **state)
{
    (void)state;
    float values[8][4];
    int64_t chosen[9], count;
    for (int i = 0; i < 8; i++)
        values[i][0] = 1, values[i][1] = i % 2 ? 1 : -1, values[i][2] = i < 4 ? 0.5F : -0.5F,
        values[i][3] = i < 4 ? -1 : 1;
    cj_cell_values cells = {{values, CJ_F32, cj_shape(8, 2, 2)}};
    expect_ok(cj_cells_choose(&cells, 9, chosen, &count));
    assert_int_equal(count, 4);
    assert_memory_equal(chosen, ((int64_t[]){3, 2, 0, 1}), 4 * sizeof *chosen);
    expect_ok(cj_cells_choose(&cells, 2, chosen, &count));
    assert_int_equal(count, 2);
}

/* --- pages --------------------------------------------------------------------------------------------- */

static void pages_show_what_is_in_them(void **state)
{
    (void)state;
    static const char *const pieces[] = {"<b>", " & ", "\n", ""};
    static const float values[] = {0, 0, 0, 0.25F, 0.5F, -1, 0, 0, 0.2F, -0.1F, 0, 0};
    cj_coloured_text texts[] = {{"a \"caption\"", pieces, 4, values, 3}, {NULL, pieces, 3, values + 4, 1}};
    cj_text_page page = {.size = sizeof page, .title = "title", .about = "about", .texts = texts, .count = 2};
    char *html;
    expect_ok(cj_text_page_make(&html, &page));
    assert_non_null(
        strstr(html, "<span title=\"0.2\" style") ? html : strstr(html, "title=\"0.2\">&lt;b&gt;</span>"));
    assert_non_null(strstr(html, "&amp;"));
    assert_non_null(strstr(html, "<h2>a &quot;caption&quot;</h2>"));
    assert_non_null(strstr(
        html, "data-v=\"50 -100\" data-w=\"1\"")); /* what stands before the third token, by its own row */
    assert_non_null(strstr(html, "data-v=\"0 0 0 100\"")); /* and behind the second */
    assert_non_null(strstr(html, "rgba(213,94,0,0.80)"));
    assert_non_null(strstr(html, "rgba(0,104,168,0.40)"));
    assert_non_null(strstr(html, "default-src 'none'"));
    assert_null(strstr(html, "http:"));
    assert_null(strstr(html, "https:"));
    assert_null(strstr(html, "src="));
    assert_null(strstr(html, "<b>"));
    cj_text_free(html);
    /* a last row that says nothing, as of the token that ends a masked sentence, is not what is seen at first
     */
    static const float framed[] = {0, 0.5F, 0, 0, 0, 0};
    texts[1] = (cj_coloured_text){NULL, pieces, 3, framed, 2};
    expect_ok(cj_text_page_make(&html, &page));
    assert_non_null(
        strstr(html, "<span class=\"x\" style=\"background:rgba(213,94,0,0.80)\" data-v=\"0 100\""));
    cj_text_free(html);
    texts[1] = (cj_coloured_text){NULL, pieces, 3, values + 4, 1};
    page.absolute = true;
    expect_ok(cj_text_page_make(&html, &page));
    assert_non_null(strstr(html, "rgba(213,94,0,0.16)"));
    cj_text_free(html);
    texts[1].rows = 4;
    expect_status(cj_text_page_make(&html, &page), CJ_INVALID_ARGUMENT);
    expect_message("text 1 of a page has 3 tokens and 4 rows");
    assert_null(html);
}

/* --- what cannot be explained -------------------------------------------------------------------------- */

static cj_value bags(cj_scope s, cj_value x, void *context)
{
    (void)context;
    return cj_dense(s, cj_sum(cj_one_hot(x, V, CJ_F32), cj_axes(1), CJ_DROP_AXES), .units = 2);
}

static void what_cannot_be_explained(void **state)
{
    (void)state;
    cj_model *model = new_model(bags, NULL), *other = new_model(cj_sequential, linear);
    cj_text_explain_options o = options_of(model, bags, NULL);
    cj_attention_maps maps;
    cj_cell_values cells;
    cj_char_rnn_kind kind = CJ_CHAR_RNN;
    int64_t output = 4;
    float map[T];
    expect_status(cj_explain_tokens(&o, 1, &output, map, NULL), CJ_UNSUPPORTED);
    expect_message("no embedding with a row of numbers for each token");
    expect_status(cj_attention_maps_make(&maps, &o), CJ_UNSUPPORTED);
    expect_message("no attention");
    assert_null(maps.maps);
    o = options_of(other, cj_sequential, linear);
    expect_status(cj_explain_tokens(&o, 1, &output, map, NULL), CJ_INVALID_ARGUMENT);
    expect_message("output 4 is to be explained, but the network has 4: 0 to 3");
    o.x.data = NULL;
    expect_status(cj_explain_tokens(&o, 1, &output, map, NULL), CJ_INVALID_ARGUMENT);
    cj_cell_options c = {
        .size = sizeof c, .model = other, .reader = reader, .context = &kind, .tokens = tokens};
    expect_status(cj_cell_values_make(&cells, &c), CJ_INVALID_ARGUMENT);
    expect_message("but found 0");
    cj_model_free(model);
    cj_model_free(other);
}

static cj_status explain_all(void *context)
{
    cj_model *model = context;
    cj_attention_maps maps = {0};
    cj_text_explain_options o = options_of(model, attentive, NULL);
    static const char *const pieces[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"};
    int64_t output = 1;
    float map[T];
    char *html = NULL;
    o.loss = CJ_SQUARED_ERROR;
    cj_status status = cj_explain_tokens(&o, 1, &output, map, NULL);
    if (status == CJ_OK) status = cj_attention_maps_make(&maps, &o);
    cj_text_page page = {
        .size = sizeof page, .texts = &(cj_coloured_text){"caption", pieces, T, map, 1}, .count = 1};
    if (status == CJ_OK) status = cj_text_page_make(&html, &page);
    cj_attention_maps_free(&maps);
    cj_text_free(html);
    return status;
}

static cj_status look_back_only(void *context)
{
    translator draw = cj_gru_translator;
    cj_attention_maps maps;
    cj_text_explain_options o = of_translation(context, &draw);
    cj_status status = cj_attention_maps_make(&maps, &o);
    cj_attention_maps_free(&maps);
    return status;
}

static cj_status look_at_cells(void *context)
{
    cj_char_rnn_kind kind = CJ_CHAR_GRU;
    cj_cell_values cells;
    int64_t chosen[4], count;
    cj_cell_options o = {
        .size = sizeof o, .model = context, .reader = reader, .context = &kind, .tokens = tokens, .count = T};
    cj_status status = cj_cell_values_make(&cells, &o);
    if (status == CJ_OK) status = cj_cells_choose(&cells, 4, chosen, &count);
    cj_cell_values_free(&cells);
    return status;
}

static void every_allocation_fails(void **state)
{
    (void)state;
    cj_char_rnn_kind kind = CJ_CHAR_GRU;
    cj_test_allocator_install();
    cj_model *model = new_model(attentive, NULL), *gru = new_model(whole, &kind);
    cj_test_every_allocation_fails(explain_all, model);
    cj_test_every_allocation_fails(look_at_cells, gru);
    cj_model_free(model);
    cj_model_free(gru);
    translator draw = cj_gru_translator;
    model = new_model(translation, &draw);
    cj_test_every_allocation_fails(look_back_only, model);
    cj_model_free(model);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_linear_network_is_shared_out),
        cmocka_unit_test(a_recurrent_network_by_differences),
        cmocka_unit_test(networks_known_by_name),
        cmocka_unit_test(attention_weighs_the_values),
        cmocka_unit_test(a_transformer_looks_across),
        cmocka_unit_test(a_recurrent_translator_looks_back),
        cmocka_unit_test(cells_hold_what_texts_leave),
        cmocka_unit_test(cells_that_keep_something),
        cmocka_unit_test(pages_show_what_is_in_them),
        cmocka_unit_test(what_cannot_be_explained),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
