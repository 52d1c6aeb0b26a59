/* The memory network: beside its formulas written out sentence by sentence; places without a sentence get no
 * attention; the width of a batch changes nothing; a small world of people and rooms is learned; what is no
 * story. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>

enum { N = 3, S = 4, T = 5, V = 9, D = 6, HOPS = 2, CLASSES = 3 };

/* [N,S+1,T], 0 behind the ends: the first text's story has four sentences, the second's two, the third's
 * none. */
static const int32_t stories[N][S + 1][T] = {
    {{1, 2, 3}, {4, 5, 6, 7, 8}, {3, 3}, {8}, {2, 1, 5}},
    {{0}, {0}, {5, 4}, {6, 1, 2, 3}, {7, 7, 1, 2}},
    {{0}, {0}, {0}, {0}, {3, 8}},
};

static cj_value network(cj_scope s, cj_value x)
{
    return cj_memory_network(s, &(cj_memory_network_options){.size = sizeof(cj_memory_network_options),
                                                             .input = x,
                                                             .vocabulary = V,
                                                             .hops = HOPS,
                                                             .width = D,
                                                             .classes = CLASSES});
}

/* logits: [N,CLASSES], attention: [HOPS][N,S], of stories of that width. */
static void run(cj_model *model, const int32_t *x, int64_t width, float *logits, float (*attention)[N * S])
{
    cj_graph *graph;
    cj_program *program;
    cj_drawn_layer layer;
    int hops = 0;
    expect_ok(cj_graph_new(&graph, model));
    cj_value input = cj_input(graph, "x", CJ_I32, cj_shape(N, S + 1, width));
    cj_output(graph, "logits", network(cj_root(graph), input));
    for (int64_t i = 0; cj_graph_layer_at(graph, i, &layer); i++)
        if (strcmp(layer.type, "attention") == 0) cj_output(graph, layer.path, layer.output), hops++;
    assert_int_equal(hops, HOPS);
    expect_ok(cj_compile(&program, graph));
    expect_ok(cj_program_run(program, .inputs = {{(void *)x, CJ_I32, cj_shape(N, S + 1, width)}},
                             .outputs = {logits, attention[0], attention[1]}));
    cj_program_free(program);
    cj_graph_free(graph);
}

/* Weights large enough for the attention to be sharp. */
static cj_model *new_model(void)
{
    cj_model *model;
    cj_graph *graph;
    expect_ok(cj_model_new(&model, .seed = 4));
    expect_ok(cj_graph_new(&graph, model));
    (void)network(cj_root(graph), cj_input(graph, "x", CJ_I32, cj_shape(N, S + 1, T)));
    expect_ok(cj_graph_status(graph));
    cj_graph_free(graph);
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_tensor t = cj_model_variable(model, i).tensor;
        for (int64_t k = 0; k < cj_shape_count(t.shape); k++) ((float *)t.data)[k] *= 6;
    }
    return model;
}

/* --- written out --------------------------------------------------------------------------------------- */

static const float *weight(cj_model *model, const char *name, int number)
{
    char path[64];
    snprintf(path, sizeof path, number < 0 ? "%s.weight" : "%s.%d.weight", name, number);
    for (int64_t i = 0; i < cj_model_count(model); i++)
        if (strcmp(cj_model_variable(model, i).name, path) == 0)
            return cj_model_variable(model, i).tensor.data;
    fail_msg("there is no %s", path);
    return NULL;
}

/* The paper's l(k,j) = (1 - j/J) - (k/d)(1 - 2j/J), j and k from 1 on. */
static void encode(const float *table, const int32_t *words, double *vector)
{
    int count = 0;
    while (count < T && words[count]) count++;
    for (int k = 0; k < D; k++) vector[k] = 0;
    for (int j = 0; j < count; j++)
        for (int k = 0; k < D; k++) {
            double far = (j + 1) / (double)count, column = (k + 1) / (double)D;
            vector[k] += (1 - far - column * (1 - 2 * far)) * (double)table[(words[j] - 1) * D + k];
        }
}

static double dot(const double *a, const double *b)
{
    double sum = 0;
    for (int k = 0; k < D; k++) sum += a[k] * b[k];
    return sum;
}

static void attend(cj_model *model, int hop, const int32_t (*story)[T], double *question, double *weights)
{
    double total = 0, key[D], value[D], sum[D] = {0};
    for (int s = 0; s < S; s++) {
        encode(weight(model, "embedding", hop), story[s], key);
        for (int k = 0; k < D; k++) key[k] += (double)weight(model, "time", hop)[s * D + k];
        weights[s] = story[s][0] ? exp(dot(question, key)) : 0;
        total += weights[s];
    }
    for (int s = 0; s < S; s++) {
        encode(weight(model, "embedding", hop + 1), story[s], value);
        weights[s] = total > 0 ? weights[s] / total : 1.0 / S;
        for (int k = 0; k < D; k++)
            sum[k] += weights[s] * (value[k] + (double)weight(model, "time", hop + 1)[s * D + k]);
    }
    for (int k = 0; k < D; k++) question[k] += sum[k];
}

static void close_to(float found, double wanted, const char *what)
{
    if (!(fabs((double)found - wanted) <= 2e-5 * (1 + fabs(wanted))))
        fail_msg("%s is %.8g, not %.8g", what, (double)found, wanted);
}

static void it_is_as_written_out(void **state)
{
    (void)state;
    cj_model *model = new_model();
    float logits[N * CLASSES], attention[HOPS][N * S];
    run(model, stories[0][0], T, logits, attention);
    for (int n = 0; n < N; n++) {
        double question[D], weights[S];
        encode(weight(model, "embedding", 0), stories[n][S], question);
        for (int hop = 0; hop < HOPS; hop++) {
            attend(model, hop, stories[n], question, weights);
            for (int s = 0; s < S; s++) close_to(attention[hop][n * S + s], weights[s], "attention");
        }
        for (int c = 0; c < CLASSES; c++) {
            double logit = 0;
            for (int k = 0; k < D; k++) logit += question[k] * (double)weight(model, "answer", -1)[c * D + k];
            close_to(logits[n * CLASSES + c], logit, "a logit");
        }
    }
    cj_model_free(model);
}

static void attention_is_shared_out(void **state)
{
    (void)state;
    cj_model *model = new_model();
    float logits[N * CLASSES], attention[HOPS][N * S];
    run(model, stories[0][0], T, logits, attention);
    for (int hop = 0; hop < HOPS; hop++)
        for (int n = 0; n < N; n++) {
            float sum = 0;
            for (int s = 0; s < S; s++) sum += attention[hop][n * S + s];
            close_to(sum, 1, "a row of attention");
            for (int s = 0; s < S && n == 1; s++) assert_int_equal(attention[hop][n * S + s] > 0, s >= 2);
        }
    cj_model_free(model);
}

static void padding_changes_nothing(void **state)
{
    (void)state;
    enum { WIDE = T + 4 };
    cj_model *model = new_model();
    int32_t wide[N][S + 1][WIDE] = {0};
    float logits[N * CLASSES], attention[HOPS][N * S], other[N * CLASSES], other_attention[HOPS][N * S];
    for (int n = 0; n < N; n++)
        for (int s = 0; s <= S; s++) memcpy(wide[n][s], stories[n][s], sizeof stories[n][s]);
    run(model, stories[0][0], T, logits, attention);
    run(model, wide[0][0], WIDE, other, other_attention);
    for (int i = 0; i < N * CLASSES; i++) close_to(other[i], (double)logits[i], "a logit");
    cj_model_free(model);
}

/* --- what is no story ---------------------------------------------------------------------------------- */

/* A layer before the answer is drawn where it is asked for, and gives as many logits. */
static void a_layer_may_stand_before_the_answer(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *graph;
    expect_ok(cj_model_new(&model));
    expect_ok(cj_graph_new(&graph, model));
    cj_memory_network_options o = {.size = sizeof o,
                                   .input = cj_input(graph, "x", CJ_I32, cj_shape(N, S + 1, T)),
                                   .vocabulary = V,
                                   .hops = 1,
                                   .width = D,
                                   .hidden = 7,
                                   .classes = CLASSES};
    cj_value y = cj_memory_network(cj_root(graph), &o);
    expect_ok(cj_graph_status(graph));
    assert_true(cj_shape_equal(cj_value_shape(y), cj_shape(N, CLASSES)));
    assert_non_null(weight(model, "hidden", -1));
    cj_graph_free(graph);
    cj_model_free(model);
}

static void what_is_no_story(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *graph;
    expect_ok(cj_model_new(&model));
    expect_ok(cj_graph_new(&graph, model));
    (void)network(cj_root(graph), cj_input(graph, "x", CJ_I32, cj_shape(N, T)));
    expect_status(cj_graph_status(graph), CJ_SHAPE_ERROR);
    expect_message("and then a question, not i32 [3,5]; hint: `data: {format: stories}`");
    cj_graph_free(graph);
    expect_ok(cj_graph_new(&graph, model));
    cj_memory_network_options none = {.size = sizeof none,
                                      .input = cj_input(graph, "x", CJ_I32, cj_shape(N, S + 1, T)),
                                      .vocabulary = V,
                                      .width = D,
                                      .classes = CLASSES};
    (void)cj_memory_network(cj_root(graph), &none);
    expect_status(cj_graph_status(graph), CJ_INVALID_ARGUMENT);
    expect_message("of width 6, 0 hops");
    cj_graph_free(graph);
    cj_model_free(model);
}

static cj_status draw_and_run(void *context)
{
    cj_model *model = NULL;
    cj_graph *graph = NULL;
    cj_program *program = NULL;
    float logits[N * CLASSES];
    (void)context;
    cj_status status = cj_model_new(&model, .seed = 1);
    if (status == CJ_OK) status = cj_graph_new(&graph, model);
    if (status == CJ_OK)
        cj_output(graph, "logits",
                  network(cj_root(graph), cj_input(graph, "x", CJ_I32, cj_shape(N, S + 1, T))));
    if (status == CJ_OK) status = cj_compile(&program, graph);
    if (status == CJ_OK)
        status = cj_program_run(program, .inputs = {{(void *)stories, CJ_I32, cj_shape(N, S + 1, T)}},
                                .outputs = {logits});
    cj_program_free(program);
    cj_graph_free(graph);
    cj_model_free(model);
    return status;
}

static void every_allocation_fails(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_test_every_allocation_fails(draw_and_run, NULL);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_as_written_out),    cmocka_unit_test(attention_is_shared_out),
        cmocka_unit_test(padding_changes_nothing), cmocka_unit_test(a_layer_may_stand_before_the_answer),
        cmocka_unit_test(what_is_no_story),        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
