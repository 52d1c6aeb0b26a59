/* Networks as lists of layers: every layer there is can be drawn, trained and differentiated; wrong ones are
 * refused with a sentence; a softmax or sigmoid at the end becomes part of the loss. */
#include "support.h"

#include "cajal/cajal.h"
#include "nn/layer_table.h"

#include <math.h>
#include <string.h>

static cj_graph *graph_with(cj_model *model, const cj_layer *layers, cj_value *y)
{
    cj_graph *g;
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(5, 2, 3));
    *y = cj_sequential(cj_root(g), x, (void *)layers);
    return g;
}

/* What does not fit the rule: the layer before, the value, and what is noted of a layer made of others. */
static const struct {
    const char *kind;
    cj_layer first;
    double value;
    const char *noted;
} of_their_own[] = {{"group_norm", CJ_LAYER("conv2d", 4), 2, NULL},
                    {"instance_norm", CJ_LAYER("conv2d", 4), 0, "group_norm"},
                    {"spatial_dropout", CJ_LAYER("relu"), 0.5, "1 (dropout)"},
                    {"squeeze_excitation", CJ_LAYER("conv2d", 4), 2, "1.fc2"},
                    {"separable_conv2d", CJ_LAYER("relu"), 3, "1.depthwise"},
                    {"adaptive_average_pool", CJ_LAYER("relu"), 3, NULL},
                    {"adaptive_max_pool", CJ_LAYER("relu"), 1, NULL},
                    {"resize", CJ_LAYER("relu"), 3, NULL},
                    {"pixel_shuffle", CJ_LAYER("conv2d", 4), 2, NULL}};

static void test_every_layer(void **state)
{
    (void)state;
    for (int k = 0; k < cj__layer_kind_count; k++) {
        const cj__layer_kind *kind = &cj__layer_kinds[k];
        double value = kind->value == CJ__UNITS ? 3 : kind->value == CJ__RATE ? 0.5 : 0;
        bool sees =
            kind->options & (CJ__WINDOW | CJ__LAYERS) || strcmp(kind->name, "global_average_pool") == 0;
        bool places = kind->options & CJ__CAUSAL || strstr(kind->name, "positions");
        sees = sees && !places;
        if (value > 0 && (places || (sees && strstr(kind->name, "pool")))) value = 2;
        cj_layer layers[] = {CJ_LAYER("dense", 4), CJ_LAYER(kind->name, value), CJ_LAYER("dense", 2),
                             CJ_LAYER(NULL)};
        if (sees) layers[0] = (cj_layer)CJ_LAYER("relu");
        layers[0].no_flatten = places;
        layers[1].vocabulary = 5;
        const char *noted = kind->name;
        for (size_t i = 0; i < sizeof of_their_own / sizeof *of_their_own; i++) {
            if (strcmp(of_their_own[i].kind, kind->name) != 0) continue;
            layers[0] = of_their_own[i].first;
            layers[1].value = of_their_own[i].value;
            if (of_their_own[i].noted) noted = of_their_own[i].noted;
        }
        static const float x[30] = {1, -2, 0.5F};
        cj_model *model;
        cj_value y;
        cj_program *step;
        float loss;
        char *summary;
        expect_ok(cj_model_new(&model, .seed = 1));
        cj_graph *g = graph_with(model, layers, &y);
        cj_value mean = cj_mean(cj_square(y), CJ_ALL_AXES, CJ_DROP_AXES);
        cj_minimize(mean, cj_sgd(.learning_rate = 0.1));
        cj_output(g, "loss", mean);
        expect_ok(cj_compile(&step, g));
        expect_ok(
            cj_program_run(step, .inputs = {{(void *)x, CJ_F32, cj_shape(5, 2, 3)}}, .outputs = {&loss}));
        assert_true(isfinite(loss));
        expect_ok(cj_graph_summary(g, &summary));
        if (!strstr(summary, noted)) fail_msg("%s: no %s in the summary:\n%s", kind->name, noted, summary);
        assert_non_null(cj_model_find(model, "2.weight").data);
        cj_text_free(summary);
        cj_program_free(step);
        cj_graph_free(g);
        cj_model_free(model);
    }
}

static void refuse(cj_layer wrong, const char *sentence)
{
    cj_layer layers[] = {wrong, CJ_LAYER(NULL)};
    cj_model *model;
    cj_value y;
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_graph *g = graph_with(model, layers, &y);
    assert_int_not_equal(cj_graph_status(g), CJ_OK);
    expect_message(sentence);
    cj_graph_free(g);
    cj_model_free(model);
}

static void test_refused(void **state)
{
    (void)state;
    refuse((cj_layer){.type = "dens", .value = 3}, "there is no layer 'dens'");
    refuse((cj_layer){.type = "dense", .value = 0}, "a whole number from 1 on");
    refuse((cj_layer){.type = "dense", .value = 2.5}, "dense at '0' has units 2.5");
    refuse((cj_layer){.type = "dropout", .value = 1}, "a rate from 0 up to 1");
    refuse((cj_layer){.type = "embedding", .value = 4}, "embedding at '0' needs its vocabulary");
    refuse((cj_layer){.type = "lstm", .value = 4, .bidirectional = true, .stateful = true},
           "carries its state");
    refuse((cj_layer){.type = "attention", .value = 2}, "a width that the heads divide");
    refuse((cj_layer){.type = "elu", .value = (double)INFINITY}, "a finite number");
    refuse((cj_layer){.type = "conv2d"}, "conv2d at '0' has filters 0, but needs a whole number from 1 on");
    refuse((cj_layer){.type = "group_norm"}, "group_norm at '0': 3 channels do not split into 32 groups");
    refuse((cj_layer){.type = "pixel_shuffle", .value = 2}, "pixel_shuffle needs [N,H,W,C·2²]");
}

/* What is missing is an error of the drawing, never a crash. */
static void test_nothing_given(void **state)
{
    (void)state;
    cj_program *program;
    char *text;
    for (int i = 0; i < 5; i++) {
        cj_graph *g;
        expect_ok(cj_graph_new(&g, NULL));
        cj_value x = cj_input(g, i == 0 ? NULL : "x", CJ_F32, cj_shape(2));
        if (i == 1) cj_output(g, NULL, x);
        if (i == 2) cj_constant_tensor(g, &(cj_tensor){NULL, CJ_F32, cj_shape(3)});
        if (i == 3) cj_sequential(cj_root(g), x, NULL);
        if (i == 4) cj_network(cj_root(g), NULL, CJ_OPTIONS(cj_network_options, .input = x));
        expect_status(cj_compile(&program, g), CJ_INVALID_ARGUMENT);
        expect_message("NULL");
        cj_graph_free(g);
    }
    expect_status(cj_compile(&program, NULL), CJ_INVALID_ARGUMENT);
    expect_message("cj_compile needs a graph, found NULL");
    expect_status(cj_graph_dump(NULL, CJ_DUMP_TEXT, &text), CJ_INVALID_ARGUMENT);
    expect_message("cj_graph_dump needs a graph, found NULL");
    expect_status(cj_graph_dump_after(NULL, "fuse", CJ_DUMP_TEXT, &text), CJ_INVALID_ARGUMENT);
    assert_null(text);
    expect_status(cj_program_run(NULL), CJ_INVALID_ARGUMENT);
}

/* What layers that see give is what the functions give that they stand for, with their options. */
static cj_value pooled(cj_scope s, cj_value x)
{
    (void)s;
    return cj_power_pool(x, .kernel = 2, .stride = 1, .power = 3);
}

static cj_value normed(cj_scope s, cj_value x)
{
    (void)s;
    return cj_local_response_norm(x, .width = 3, .alpha = 0.5, .beta = 0.6, .k = 2);
}

static cj_value squeezed(cj_scope s, cj_value x)
{
    return cj_squeeze_excitation(s, x, 2, true);
}

static cj_value separated(cj_scope s, cj_value x)
{
    return cj_separable_conv2d(s, x, .filters = 4, .kernel = 3, .stride = 2, .padding = CJ_SAME,
                               .no_bias = true);
}

static cj_value enlarged(cj_scope s, cj_value x)
{
    (void)s;
    return cj_resize(x, 10, 12, CJ_BILINEAR, true);
}

static cj_value repeated(cj_scope s, cj_value x)
{
    (void)s;
    return cj_resize(x, 15, 18, CJ_NEAREST, false);
}

static cj_value shuffled(cj_scope s, cj_value x)
{
    (void)s;
    return cj_pixel_shuffle(x, 2);
}

static cj_value averaged(cj_scope s, cj_value x)
{
    (void)s;
    return cj_adaptive_average_pool(x, cj_shape(3, 3));
}

static cj_value grouped(cj_scope s, cj_value x)
{
    return cj_group_norm(s, x, .groups = 8);
}

static void test_what_layers_stand_for(void **state)
{
    (void)state;
    static const struct {
        cj_layer layer;
        cj_value (*draw)(cj_scope s, cj_value x);
    } cases[] = {
        {CJ_LAYER("power_pool", 2, .stride = 1, .power = 3), pooled},
        {CJ_LAYER("local_response_norm", 3, .alpha = 0.5, .beta = 0.6, .k = 2), normed},
        {CJ_LAYER("squeeze_excitation", 2, .hard = true), squeezed},
        {CJ_LAYER("separable_conv2d", 4, .kernel = 3, .stride = 2, .same = true, .no_bias = true), separated},
        {CJ_LAYER("resize", 2, .bilinear = true, .align_corners = true), enlarged},
        {CJ_LAYER("resize", 3), repeated},
        {CJ_LAYER("pixel_shuffle", 2), shuffled},
        {CJ_LAYER("adaptive_average_pool", 3), averaged},
        {CJ_LAYER("instance_norm"), grouped},
    };
    static float x[2 * 5 * 6 * 8], y[2][2 * 15 * 18 * 8];
    for (int i = 0; i < 2 * 5 * 6 * 8; i++) x[i] = sinf((float)i);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cj_layer list[] = {cases[i].layer, CJ_LAYER(NULL)};
        cj_model *model;
        cj_graph *g;
        cj_program *program;
        expect_ok(cj_model_new(&model, .seed = 1));
        expect_ok(cj_graph_new(&g, model));
        cj_value in = cj_input(g, "x", CJ_F32, cj_shape(2, 5, 6, 8));
        cj_value of_list = cj_sequential(cj_root(g), in, list),
                 own = cases[i].draw(cj_at(cj_root(g), "0"), in);
        cj_output(g, "list", of_list);
        cj_output(g, "own", own);
        expect_ok(cj_compile(&program, g));
        expect_ok(
            cj_program_run(program, .inputs = {{x, CJ_F32, cj_shape(2, 5, 6, 8)}}, .outputs = {y[0], y[1]}));
        if (!cj_shape_equal(cj_value_shape(of_list), cj_value_shape(own)) ||
            memcmp(y[0], y[1], (size_t)cj_shape_count(cj_value_shape(own)) * sizeof(float)) != 0)
            fail_msg("%s gives something else in a list", list[0].type);
        cj_program_free(program);
        cj_graph_free(g);
        cj_model_free(model);
    }
}

/* What layers of sequences give: one state, or one a step; dense layers over all of it, or over each step. */
static void test_sequences(void **state)
{
    (void)state;
    static const struct {
        cj_layer first, second;
        cj_shape_t shape;
    } cases[] = {{{.type = "lstm", .value = 4}, {.type = "relu"}, {2, {5, 4}}},
                 {{.type = "gru", .value = 4, .bidirectional = true}, {.type = "relu"}, {2, {5, 8}}},
                 {{.type = "rnn", .value = 4, .layers = 2, .all = true}, {.type = "relu"}, {3, {5, 2, 4}}},
                 {{.type = "lstm", .value = 4, .all = true}, {.type = "dense", .value = 3}, {2, {5, 3}}},
                 {{.type = "lstm", .value = 4, .all = true},
                  {.type = "dense", .value = 3, .no_flatten = true},
                  {3, {5, 2, 3}}},
                 {{.type = "learned_positions", .value = 2},
                  {.type = "attention", .value = 3, .causal = true, .dropout = 0.1},
                  {3, {5, 2, 3}}},
                 {{.type = "transformer_encoder", .value = 1, .hidden = 5, .layers = 2, .norm_first = true},
                  {.type = "rms_norm"},
                  {3, {5, 2, 3}}},
                 {{.type = "dense", .value = 4, .no_flatten = true},
                  {.type = "sinusoidal_positions"},
                  {3, {5, 2, 4}}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cj_layer layers[] = {cases[i].first, cases[i].second, CJ_LAYER(NULL)};
        cj_model *model;
        cj_value y;
        expect_ok(cj_model_new(&model, .seed = 1));
        cj_graph *g = graph_with(model, layers, &y);
        expect_ok(cj_graph_status(g));
        assert_true(cj_shape_equal(cj_value_shape(y), cases[i].shape));
        cj_graph_free(g);
        cj_model_free(model);
    }
}

/* The loss of a list of layers on fixed rows, summed over rows; large logits, where probabilities vanish. */
static double loss_of(const cj_layer *layers, bool binary)
{
    static const float x[30] = {900, -800, 3, 40, 5, -60};
    static const int32_t labels[5] = {0, 0, 1, 1, 0};
    static const float targets[10] = {1, 0, 1, 1, 0, 0, 1, 0, 1, 1};
    cj_model *model;
    cj_value y;
    cj_program *program;
    float loss;
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_graph *g = graph_with(model, layers, &y);
    cj_value t = binary ? cj_input(g, "t", CJ_F32, cj_shape(5, 2)) : cj_input(g, "t", CJ_I32, cj_shape(5));
    cj_output(g, "loss", binary ? cj_binary_cross_entropy(y, t) : cj_cross_entropy(y, t));
    expect_ok(cj_compile(&program, g));
    cj_tensor wanted = {(void *)targets, CJ_F32, cj_shape(5, 2)};
    if (!binary) wanted = (cj_tensor){(void *)labels, CJ_I32, cj_shape(5)};
    expect_ok(cj_program_run(program, .inputs = {{(void *)x, CJ_F32, cj_shape(5, 2, 3)}, wanted},
                             .outputs = {&loss}));
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
    return (double)loss;
}

static void test_softmax_at_the_end(void **state)
{
    (void)state;
    cj_layer plain[] = {CJ_LAYER("dense", 2), CJ_LAYER(NULL)};
    cj_layer softmax[] = {CJ_LAYER("dense", 2), CJ_LAYER("softmax"), CJ_LAYER(NULL)};
    cj_layer sigmoid[] = {CJ_LAYER("dense", 2), CJ_LAYER("sigmoid"), CJ_LAYER(NULL)};
    double wanted = loss_of(plain, false);
    assert_true(isfinite(wanted) && wanted > 1); /* probabilities would be 0 here */
    assert_true(loss_of(softmax, false) == wanted);
    assert_true(loss_of(sigmoid, true) == loss_of(plain, true));
    assert_true(loss_of(sigmoid, false) != wanted); /* a sigmoid is no softmax: left alone */
}

static void test_summary_says_so(void **state)
{
    (void)state;
    cj_layer layers[] = {CJ_LAYER("dense", 2), CJ_LAYER("softmax"), CJ_LAYER(NULL)};
    cj_model *model;
    cj_value y;
    char *summary;
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_graph *g = graph_with(model, layers, &y);
    cj_cross_entropy(y, cj_input(g, "t", CJ_I32, cj_shape(5)));
    expect_ok(cj_graph_summary(g, &summary));
    assert_non_null(strstr(summary, "1 (softmax, in the loss)"));
    assert_non_null(strstr(summary, "[5,2]"));
    cj_text_free(summary);
    cj_graph_free(g);
    cj_model_free(model);
}

/* --- padding ------------------------------------------------------------------------------------------- */

enum { LONGEST = 6, MOST = LONGEST + 3 };

/* What the list makes of `rows` rows of `places` tokens, of which the first comes back. */
static void first_row(const cj_layer *layers, int rows, int places, const int32_t *tokens, float *answer)
{
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    float answers[2 * MOST * 8];
    expect_ok(cj_model_new(&model, .seed = 3));
    expect_ok(cj_graph_new(&g, model));
    cj_value y = cj_sequential(cj_root(g), cj_input(g, "x", CJ_I32, cj_shape(rows, places)), (void *)layers);
    cj_output(g, "y", y);
    expect_ok(cj_compile(&program, g));
    cj_tensor x = {(void *)tokens, CJ_I32, cj_shape(rows, places)};
    expect_ok(cj_program_run(program, .inputs = {x}, .outputs = {answers}));
    memcpy(answer, answers, 2 * sizeof *answer);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

/* A sentence has one answer, whether it stands alone or beside longer ones. */
static void test_padding_is_not_read(void **state)
{
    (void)state;
    static const int32_t alone[LONGEST] = {4, 2, 5}, both[2][LONGEST] = {{4, 2, 5}, {1, 2, 3, 4, 5, 6}};
    static const int32_t longer[2][MOST] = {{4, 2, 5}, {6, 5, 4, 3, 2, 1, 1, 2, 3}};
    const cj_layer embedding = {.type = "embedding", .value = 4, .vocabulary = 7, .padded = true};
    const cj_layer dense = {.type = "dense", .value = 2};
    const cj_layer lists[][5] = {
        {embedding, {.type = "lstm", .value = 3}, dense},
        {embedding, {.type = "gru", .value = 3, .bidirectional = true}, dense},
        {embedding, {.type = "rnn", .value = 3, .all = true}, {.type = "lstm", .value = 3}, dense},
        {embedding,
         {.type = "sinusoidal_positions"},
         {.type = "transformer_encoder", .value = 2},
         {.type = "global_average_pool"},
         dense},
        {embedding,
         {.type = "dense", .value = 4, .no_flatten = true},
         {.type = "attention", .value = 2},
         {.type = "lstm", .value = 3},
         dense},
        {{.type = "embedding", .value = 4, .vocabulary = 7, .padded = true},
         {.type = "conv1d", .value = 4, .kernel = 3, .same = true},
         {.type = "conv1d", .value = 4, .kernel = 2},
         {.type = "global_average_pool"},
         dense},
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        cj_layer list[6] = {{0}};
        float three[2], six[2], beside[2], nine[2];
        memcpy(list, lists[i], sizeof lists[i]);
        first_row(list, 1, 3, alone, three);
        first_row(list, 1, LONGEST, alone, six);
        first_row(list, 2, LONGEST, both[0], beside);
        first_row(list, 2, MOST, longer[0], nine);
        for (int c = 0; c < 2; c++) {
            assert_float_equal(three[c], six[c], 1e-6);
            assert_float_equal(three[c], beside[c], 1e-6);
            assert_float_equal(three[c], nine[c], 1e-6);
        }
    }
}

static void test_padding_refused(void **state)
{
    (void)state;
    static const cj_layer behind[] = {{.type = "dense", .value = 2},
                                      {.type = "flatten"},
                                      {.type = "batch_norm"},
                                      {.type = "max_pool", .value = 2},
                                      {.type = "conv1d", .value = 2, .stride = 2},
                                      {.type = "group_norm", .value = 2},
                                      {.type = "squeeze_excitation", .value = 2}};
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        cj_layer layers[] = {
            {.type = "embedding", .value = 4, .vocabulary = 7, .padded = true}, behind[i], CJ_LAYER(NULL)};
        cj_model *model;
        cj_graph *g;
        expect_ok(cj_model_new(&model, .seed = 1));
        expect_ok(cj_graph_new(&g, model));
        (void)cj_sequential(cj_root(g), cj_input(g, "x", CJ_I32, cj_shape(2, 5)), layers);
        assert_int_equal(cj_graph_status(g), CJ_UNSUPPORTED);
        expect_message("would take the padding of shorter sentences for data; hint: ");
        expect_message(behind[i].type);
        cj_graph_free(g);
        cj_model_free(model);
    }
}

/* The row of padding gives zeros and gets no gradient. */
static void test_embedding_padding(void **state)
{
    (void)state;
    static const int32_t tokens[4] = {2, 1, 2, 0};
    cj_model *model;
    cj_graph *g;
    cj_program *step;
    float rows[4][3], before[3][3], *table;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(g, "x", CJ_I32, cj_shape(4));
    cj_value y = cj_embedding(cj_root(g), x, .count = 3, .width = 3, .has_padding = true, .padding = 2);
    cj_output(g, "y", y);
    cj_minimize(cj_sum(cj_add_scalar(y, 1), CJ_ALL_AXES, CJ_DROP_AXES), cj_sgd(.learning_rate = 0.5));
    table = cj_model_find(model, "weight").data;
    memcpy(before, table, sizeof before);
    expect_ok(cj_compile(&step, g));
    expect_ok(cj_program_run(step, .inputs = {{(void *)tokens, CJ_I32, cj_shape(4)}}, .outputs = {rows}));
    for (int c = 0; c < 3; c++) {
        assert_float_equal(rows[0][c], 0, 0);
        assert_float_equal(rows[2][c], 0, 0);
        assert_float_equal(rows[1][c], before[1][c], 0);
        assert_float_equal(table[0 + c], before[0][c] - 0.5F, 1e-6);
        assert_float_equal(table[3 + c], before[1][c] - 0.5F, 1e-6);
        assert_float_equal(table[6 + c], before[2][c], 0);
    }
    cj_program_free(step);
    cj_graph_free(g);
    cj_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_layer),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nothing_given),      cmocka_unit_test(test_what_layers_stand_for),
        cmocka_unit_test(test_sequences),          cmocka_unit_test(test_padding_is_not_read),
        cmocka_unit_test(test_padding_refused),    cmocka_unit_test(test_embedding_padding),
        cmocka_unit_test(test_softmax_at_the_end), cmocka_unit_test(test_summary_says_so),
    };
    return cmocka_run_group_tests_name("sequential", tests, NULL, NULL);
}
