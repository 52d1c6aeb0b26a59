/* Generation: reading token by token gives what reading at once gives; what sampling draws from, worked out
 * by hand; beam search against all texts there are; a text longer than the block; prompts that are none.
 *
 * labels: threads */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 16, VOCABULARY = 11, WIDTH = 16 };

static cj_value gpt(cj_scope s, const cj_reading *reading, void *context)
{
    (void)context;
    return cj_gpt(s, &(cj_gpt_options){.size = sizeof(cj_gpt_options),
                                       .input = *reading,
                                       .vocabulary = VOCABULARY,
                                       .block = BLOCK,
                                       .layers = 2,
                                       .heads = 2,
                                       .width = WIDTH});
}

static cj_value llama(cj_scope s, const cj_reading *reading, void *context)
{
    (void)context;
    return cj_llama(s, &(cj_llama_options){.size = sizeof(cj_llama_options),
                                           .input = *reading,
                                           .vocabulary = VOCABULARY,
                                           .block = BLOCK,
                                           .layers = 2,
                                           .heads = 4,
                                           .kv_heads = 2,
                                           .width = WIDTH});
}

#define RECURRENT(name, which)                                                                               \
    static cj_value name(cj_scope s, const cj_reading *reading, void *context)                               \
    {                                                                                                        \
        (void)context;                                                                                       \
        return cj_char_rnn(s, &(cj_char_rnn_options){.size = sizeof(cj_char_rnn_options),                    \
                                                     .input = *reading,                                      \
                                                     .kind = which,                                          \
                                                     .vocabulary = VOCABULARY,                               \
                                                     .layers = 2,                                            \
                                                     .width = WIDTH,                                         \
                                                     .dropout = 0.5});                                       \
    }
RECURRENT(rnn, CJ_CHAR_RNN)
RECURRENT(lstm, CJ_CHAR_LSTM)
RECURRENT(gru, CJ_CHAR_GRU)

static cj_value bigram(cj_scope s, const cj_reading *reading, void *context)
{
    (void)context;
    return cj_bigram(s, &(cj_bigram_options){
                            .size = sizeof(cj_bigram_options), .input = *reading, .vocabulary = VOCABULARY});
}

enum { CONTEXT = 3 };

static cj_value mlp(cj_scope s, const cj_reading *reading, void *context)
{
    const int64_t *seen = context;
    return cj_mlp_language(s, &(cj_mlp_language_options){.size = sizeof(cj_mlp_language_options),
                                                         .input = *reading,
                                                         .vocabulary = VOCABULARY,
                                                         .context = seen ? *seen : CONTEXT,
                                                         .width = 4,
                                                         .hidden = WIDTH});
}

/* Remembers the sum of all tokens so far in a state, as a recurrent network would: the logits are a table's
 * row for the sum modulo the vocabulary. */
static cj_value running_sum(cj_scope s, const cj_reading *reading, void *context)
{
    (void)context;
    cj_shape_t shape = cj_value_shape(reading->tokens);
    cj_value kept = cj_state(s, "sum", CJ_CARRIED, CJ_I32, cj_shape(shape.dims[0]), 0);
    cj_value counts = cj_less_equal(cj_iota(s.graph, CJ_I32, shape.dims[1]), reading->last);
    cj_value tokens = cj_mul(reading->tokens, cj_cast(counts, CJ_I32));
    cj_value sum = cj_add(kept, cj_sum(tokens, cj_axes(1), CJ_DROP_AXES));
    cj_value size = cj_constant(s.graph, CJ_F32, VOCABULARY), real = cj_cast(sum, CJ_F32);
    cj_value rest = cj_sub(real, cj_mul(size, cj_floor(cj_div(real, size))));
    cj_assign(kept, sum);
    cj_value logits = cj_embedding(s, cj_cast(rest, CJ_I32), .count = VOCABULARY, .width = VOCABULARY);
    return cj_reshape(logits, cj_shape(shape.dims[0], 1, VOCABULARY));
}

/* Weights large enough for the logits to differ. */
static cj_model *new_model(cj_reader reader)
{
    cj_model *model, *session;
    cj_graph *graph;
    bool recurrent = reader == rnn || reader == lstm || reader == gru; /* they would become chaotic */
    float factor = reader == running_sum ? 1 : recurrent ? 2 : 8;
    expect_ok(cj_model_new(&model, .seed = 3));
    expect_ok(cj_model_new(&session));
    expect_ok(cj_graph_new(&graph, model, .session = session));
    cj_reading reading = {.tokens = cj_input(graph, "tokens", CJ_I32, cj_shape(1, 1)),
                          .position = cj_constant(graph, CJ_I32, 0),
                          .last = cj_constant(graph, CJ_I32, 0)};
    reader(cj_root(graph), &reading, NULL);
    expect_ok(cj_graph_status(graph));
    cj_graph_free(graph);
    cj_model_free(session);
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_tensor t = cj_model_variable(model, i).tensor;
        for (int64_t k = 0; k < cj_shape_count(t.shape) && t.shape.rank == 2; k++)
            ((float *)t.data)[k] *= factor;
    }
    return model;
}

/* Token i of a made-up text. */
static int32_t token(int64_t i)
{
    return (int32_t)((i * 7 + i * i % 5) % VOCABULARY);
}

static void fill(int32_t *tokens, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++) tokens[i] = token(first + i);
}

static void expect_close(const float *found, const float *wanted, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!(fabsf(found[i] - wanted[i]) <= 1e-5f * (1 + fabsf(wanted[i]))))
            fail_msg("logit %lld is %.8g, not %.8g", (long long)i, (double)found[i], (double)wanted[i]);
}

/* Logits after the last of whole texts, read at once and without a past. */
static void read_at_once(cj_model *model, cj_reader reader, const int32_t *tokens, int64_t count,
                         float *logits)
{
    cj_graph *graph;
    cj_program *program;
    static float all[BLOCK * VOCABULARY];
    expect_ok(cj_graph_new(&graph, model));
    cj_reading reading = {.tokens = cj_input(graph, "tokens", CJ_I32, cj_shape(1, count))};
    cj_output(graph, "logits", reader(cj_root(graph), &reading, NULL));
    expect_ok(cj_compile(&program, graph));
    expect_ok(
        cj_program_run(program, .inputs = {{(void *)tokens, CJ_I32, cj_shape(1, count)}}, .outputs = {all}));
    memcpy(logits, all + (count - 1) * VOCABULARY, VOCABULARY * sizeof *logits);
    cj_program_free(program);
    cj_graph_free(graph);
}

/* --- reading ------------------------------------------------------------------------------------------- */

static void check_reading(cj_reader reader, int64_t chunk, int64_t texts)
{
    cj_generator *g;
    cj_model *model = new_model(reader);
    int32_t tokens[BLOCK], next[4];
    float wanted[VOCABULARY];
    fill(tokens, 0, BLOCK);
    expect_ok(cj_generator_new(&g, model, .reader = reader, .block = BLOCK, .chunk = chunk, .texts = texts));
    assert_int_equal(cj_generator_vocabulary(g), VOCABULARY);
    assert_null(cj_generator_logits(g));
    for (int round = 0; round < 2; round++) { /* what was read before is forgotten */
        cj_generator_reset(g);
        expect_ok(cj_generator_read(g, tokens + round, 9));
        for (int i = 9; i + round < BLOCK; i++) {
            for (int64_t t = 0; t < texts; t++) next[t] = tokens[i + round];
            read_at_once(model, reader, tokens + round, i, wanted);
            for (int64_t t = 0; t < texts; t++)
                expect_close(cj_generator_logits(g) + t * VOCABULARY, wanted, VOCABULARY);
            expect_ok(cj_generator_step(g, next));
        }
    }
    cj_generator_free(g);
    cj_model_free(model);
}

static void one_by_one_is_as_all_at_once(void **state)
{
    (void)state;
    check_reading(gpt, 1, 1);
    check_reading(gpt, 4, 1);
    check_reading(gpt, 0, 3);
    check_reading(llama, 4, 1);
    check_reading(llama, 1, 2);
    check_reading(rnn, 4, 1);
    check_reading(lstm, 4, 2);
    check_reading(gru, 1, 1);
    check_reading(mlp, 1, 1);
    check_reading(mlp, 4, 2);
    check_reading(bigram, 4, 1);
}

/* A perceptron's logits change with each of the tokens it sees, and with no other; what stands before the
 * first token is one of its own, not token 0. */
static void a_perceptron_sees_its_context(void **state)
{
    (void)state;
    cj_model *model = new_model(mlp);
    int32_t tokens[BLOCK];
    float wanted[VOCABULARY], found[VOCABULARY];
    fill(tokens, 0, BLOCK);
    read_at_once(model, mlp, tokens, BLOCK, wanted);
    for (int i = 0; i < BLOCK; i++) {
        tokens[i] = (tokens[i] + 1) % VOCABULARY;
        read_at_once(model, mlp, tokens, BLOCK, found);
        assert_int_equal(memcmp(found, wanted, sizeof wanted) == 0, i < BLOCK - CONTEXT);
        tokens[i] = token(i);
    }
    read_at_once(model, mlp, (int32_t[]){0, 5}, 2, wanted);
    read_at_once(model, mlp, (int32_t[]){5}, 1, found);
    assert_memory_not_equal(found, wanted, sizeof wanted);
    cj_model_free(model);
}

/* Beside a table of logits: what a bigram gives is the row of its last token, whatever came before. */
static void a_bigram_is_a_table(void **state)
{
    (void)state;
    cj_model *model = new_model(bigram);
    cj_tensor table = cj_model_variable(model, 0).tensor;
    float found[VOCABULARY];
    assert_string_equal(cj_model_variable(model, 0).name, "logits.weight");
    for (int i = 0; i < VOCABULARY * VOCABULARY; i++) ((float *)table.data)[i] = (float)i;
    for (int32_t last = 0; last < VOCABULARY; last++) {
        read_at_once(model, bigram, (int32_t[]){3, 7, last}, 3, found);
        assert_memory_equal(found, (float *)table.data + last * VOCABULARY, sizeof found);
    }
    cj_model_free(model);
}

/* Two readers of one model have each their own past. */
static void readers_do_not_meet(void **state)
{
    (void)state;
    cj_generator *a, *b;
    cj_model *model = new_model(gpt);
    int32_t first[6], second[6];
    float wanted[VOCABULARY];
    fill(first, 0, 6);
    fill(second, 50, 6);
    expect_ok(cj_generator_new(&a, model, .reader = gpt, .block = BLOCK));
    expect_ok(cj_generator_new(&b, model, .reader = gpt, .block = BLOCK));
    for (int i = 0; i < 6; i++) {
        expect_ok(cj_generator_step(a, &first[i]));
        expect_ok(cj_generator_step(b, &second[i]));
    }
    read_at_once(model, gpt, first, 6, wanted);
    expect_close(cj_generator_logits(a), wanted, VOCABULARY);
    read_at_once(model, gpt, second, 6, wanted);
    expect_close(cj_generator_logits(b), wanted, VOCABULARY);
    cj_generator_free(a);
    cj_generator_free(b);
    for (int64_t i = 0; i < cj_model_count(model); i++)
        assert_int_equal(cj_model_variable(model, i).role, CJ_PARAMETER);
    cj_model_free(model);
}

/* When the block is full, the last half of it is read anew, then the next token. */
static void long_texts_slide(void **state)
{
    (void)state;
    cj_generator *g;
    cj_model *model = new_model(gpt);
    int32_t tokens[64];
    float wanted[VOCABULARY];
    fill(tokens, 0, 64);
    expect_ok(cj_generator_new(&g, model, .reader = gpt, .block = BLOCK, .chunk = 5));
    for (int i = 0; i < 64; i++) {
        int64_t first = i < BLOCK ? 0 : (i - BLOCK) / (BLOCK / 2) * (BLOCK / 2) + BLOCK / 2;
        expect_ok(cj_generator_step(g, &tokens[i]));
        read_at_once(model, gpt, tokens + first, i + 1 - first, wanted);
        expect_close(cj_generator_logits(g), wanted, VOCABULARY);
    }
    cj_generator_reset(g);
    expect_ok(cj_generator_read(g, tokens, 64)); /* a prompt longer than the block: its end */
    read_at_once(model, gpt, tokens + 64 - BLOCK, BLOCK, wanted);
    expect_close(cj_generator_logits(g), wanted, VOCABULARY);
    cj_generator_reset(g);
    expect_ok(cj_generator_read(g, tokens, 10)); /* and one that fills it on the way */
    expect_ok(cj_generator_read(g, tokens + 10, 10));
    read_at_once(model, gpt, tokens + 8, 12, wanted);
    expect_close(cj_generator_logits(g), wanted, VOCABULARY);
    cj_generator_free(g);
    cj_model_free(model);
}

/* A state that is no cache: it has no end, and knows nothing of padding. */
static void recurrent_state_is_carried(void **state)
{
    (void)state;
    cj_generator *g;
    cj_model *model = new_model(running_sum);
    const float *table = cj_model_find(model, "weight").data;
    int32_t tokens[70];
    int64_t sum = 0;
    fill(tokens, 0, 70);
    expect_ok(cj_generator_new(&g, model, .reader = running_sum, .texts = 2));
    expect_ok(cj_generator_read(g, tokens, 70));
    for (int i = 0; i < 70; i++) sum += tokens[i];
    expect_close(cj_generator_logits(g), table + sum % VOCABULARY * VOCABULARY, VOCABULARY);
    expect_ok(cj_generator_step(g, (int32_t[]){1, 2}));
    expect_close(cj_generator_logits(g), table + (sum + 1) % VOCABULARY * VOCABULARY, VOCABULARY);
    expect_ok(cj_generator_reorder(g, (int64_t[]){1, 0}));
    expect_close(cj_generator_logits(g), table + (sum + 2) % VOCABULARY * VOCABULARY, VOCABULARY);
    expect_ok(cj_generator_step(g, (int32_t[]){3, 3}));
    expect_close(cj_generator_logits(g), table + (sum + 5) % VOCABULARY * VOCABULARY, VOCABULARY);
    expect_close(cj_generator_logits(g) + VOCABULARY, table + (sum + 4) % VOCABULARY * VOCABULARY,
                 VOCABULARY);
    cj_generator_free(g);
    cj_model_free(model);
}

/* Keys and values are written where they lie: a step needs no memory of the cache's size. */
static void a_put_is_in_place(void **state)
{
    (void)state;
    enum { LONG = 4096, WIDE = 16 };
    cj_model *model;
    cj_graph *graph;
    cj_program *program;
    float part[2 * WIDE], sum;
    expect_ok(cj_model_new(&model));
    expect_ok(cj_graph_new(&graph, model));
    cj_value kept = cj_state(cj_root(graph), "kept", CJ_CARRIED, CJ_F32, cj_shape(LONG, WIDE), 0);
    cj_value x = cj_input(graph, "x", CJ_F32, cj_shape(2, WIDE)),
             at = cj_input(graph, "at", CJ_I32, cj_scalar_shape());
    cj_value grown = cj_put(kept, x, at, 0);
    cj_assign(kept, grown);
    cj_output(graph, "sum", cj_sum(grown, CJ_ALL_AXES, CJ_DROP_AXES)); /* who reads it sees the new value */
    expect_ok(cj_compile(&program, graph));
    assert_true(cj_program_describe(program).slab_bytes < LONG * WIDE * sizeof(float));
    for (int32_t i = 0; i < 3; i++) {
        int32_t place = i < 2 ? 3 * i : LONG - 1; /* the last goes half beyond the end */
        for (int k = 0; k < 2 * WIDE; k++) part[k] = (float)i + 1;
        expect_ok(cj_program_run(
            program, .inputs = {{part, CJ_F32, cj_shape(2, WIDE)}, {&place, CJ_I32, cj_scalar_shape()}},
            .outputs = {&sum}));
        assert_true(sum == (float)(WIDE * (i < 2 ? 2 + 4 * i : 6 + 3)));
    }
    const float *data = cj_model_find(model, "kept").data;
    assert_true(data[0] == 1 && data[2 * WIDE] == 0 && data[3 * WIDE] == 2 && data[LONG * WIDE - 1] == 3);
    cj_program_free(program);
    cj_graph_free(graph);
    cj_model_free(model);
}

/* What is put into itself may not be written over while it is still read. */
static void a_put_into_itself(void **state)
{
    (void)state;
    enum { LONG = 40 };
    cj_graph *graph;
    cj_program *program;
    float given[LONG], found[LONG];
    expect_ok(cj_graph_new(&graph, NULL));
    cj_value x = cj_cumulative_sum(cj_input(graph, "x", CJ_F32, cj_shape(LONG)), 0, CJ_INCLUSIVE);
    cj_output(graph, "y", cj_neg(cj_put(x, x, cj_input(graph, "at", CJ_I32, cj_scalar_shape()), 0)));
    expect_ok(cj_compile(&program, graph));
    for (int i = 0; i < LONG; i++) given[i] = 1;
    int32_t at = 1;
    expect_ok(cj_program_run(program,
                             .inputs = {{given, CJ_F32, cj_shape(LONG)}, {&at, CJ_I32, cj_scalar_shape()}},
                             .outputs = {found}));
    for (int i = 0; i < LONG; i++) assert_true(found[i] == (i == 0 ? -1 : -(float)i)); /* 1, then 1, 2, 3 … */
    cj_program_free(program);
    cj_graph_free(graph);
}

/* --- choosing ------------------------------------------------------------------------------------------ */

/* Logarithms of 0.1, 0.4, 0.2, 0.2, 0.05, 0.05 */
static const double shares[] = {0.1, 0.4, 0.2, 0.2, 0.05, 0.05};
enum { SHARES = 6 };

static void expect_shares(cj_sampling sampling, const double wanted[SHARES])
{
    float logits[SHARES], found[SHARES];
    for (int i = 0; i < SHARES; i++) logits[i] = (float)log(shares[i]) + 3;
    expect_ok(cj_token_probabilities(&sampling, logits, SHARES, NULL, 0, found));
    for (int i = 0; i < SHARES; i++)
        if (!(fabs((double)found[i] - wanted[i]) < 1e-6))
            fail_msg("probability %d is %g, not %g", i, (double)found[i], wanted[i]);
}

static void probabilities_by_hand(void **state)
{
    (void)state;
    double sharp = 0.01 + 0.16 + 2 * 0.04 + 2 * 0.0025;
    expect_shares((cj_sampling){0}, (double[]){0, 1, 0, 0, 0, 0});
    expect_shares((cj_sampling){.temperature = 1}, shares);
    expect_shares(
        (cj_sampling){.temperature = 0.5},
        (double[]){0.01 / sharp, 0.16 / sharp, 0.04 / sharp, 0.04 / sharp, 0.0025 / sharp, 0.0025 / sharp});
    expect_shares((cj_sampling){.temperature = 1, .top_k = 1}, (double[]){0, 1, 0, 0, 0, 0});
    expect_shares((cj_sampling){.temperature = 1, .top_k = 2}, (double[]){0, 2 / 3.0, 1 / 3.0, 0, 0, 0});
    expect_shares((cj_sampling){.temperature = 1, .top_k = 3}, (double[]){0, 0.5, 0.25, 0.25, 0, 0});
    expect_shares((cj_sampling){.temperature = 1, .top_k = 6}, shares);
    expect_shares((cj_sampling){.temperature = 1, .top_k = 60}, shares);
    expect_shares((cj_sampling){.temperature = 1, .top_p = 1}, shares);
    expect_shares((cj_sampling){.temperature = 1, .top_p = 0.39}, (double[]){0, 1, 0, 0, 0, 0});
    expect_shares((cj_sampling){.temperature = 9, .top_p = 0.001}, (double[]){0, 1, 0, 0, 0, 0});
    expect_shares((cj_sampling){.temperature = 1, .top_p = 0.41}, (double[]){0, 2 / 3.0, 1 / 3.0, 0, 0, 0});
    expect_shares((cj_sampling){.temperature = 1, .top_p = 0.75}, (double[]){0, 0.5, 0.25, 0.25, 0, 0});
    expect_shares((cj_sampling){.temperature = 1, .top_p = 0.96}, shares);
    /* Of what top-k left, 0.5 and 0.25 make up the share. */
    expect_shares((cj_sampling){.temperature = 1, .top_k = 3, .top_p = 0.7},
                  (double[]){0, 2 / 3.0, 1 / 3.0, 0, 0, 0});
}

static void repetition_is_penalised(void **state)
{
    (void)state;
    const float logits[] = {1, -1, 2, 0.5f};
    const int32_t before[] = {2, 1, 2, 2};
    float found[4];
    cj_sampling sampling = {.temperature = 1, .repetition_penalty = 4};
    expect_ok(cj_token_probabilities(&sampling, logits, 4, before, 4, found));
    double wanted[] = {exp(1), exp(-4), exp(0.5), exp(0.5)}, sum = 0;
    for (int i = 0; i < 4; i++) sum += wanted[i];
    for (int i = 0; i < 4; i++) assert_true(fabs((double)found[i] - wanted[i] / sum) < 1e-6);
    sampling.temperature = 0;
    expect_ok(cj_token_probabilities(&sampling, logits, 4, before, 4, found));
    assert_true(found[0] == 1 && found[2] == 0);
}

/* A penalty that no float holds makes a NaN of -∞, which must not lead the search out of the logits. */
static void the_least_penalty_of_nothing(void **state)
{
    (void)state;
    const float logits[] = {-HUGE_VALF, 1, 2};
    const int32_t before[] = {0};
    float found[3];
    cj_sampling sampling = {.repetition_penalty = 1e-300};
    expect_ok(cj_token_probabilities(&sampling, logits, 3, before, 1, found));
    assert_true(found[0] + found[1] + found[2] == 1);
}

/* Of many draws each token has its share, within four deviations; the same seed draws the same. */
static void draws_have_their_shares(void **state)
{
    (void)state;
    enum { DRAWS = 20000 };
    cj_sampling sampling = {.temperature = 1, .seed = 5}, other = {.temperature = 1, .seed = 6};
    float p[SHARES];
    int64_t counts[SHARES] = {0}, same = 0;
    for (int i = 0; i < SHARES; i++) p[i] = (float)shares[i];
    p[4] = 0;
    p[5] = 0.1f;
    for (uint64_t i = 0; i < DRAWS; i++) {
        int32_t drawn = cj_draw_token(&sampling, p, SHARES, i);
        assert_int_equal(drawn, cj_draw_token(&sampling, p, SHARES, i));
        same += drawn == cj_draw_token(&other, p, SHARES, i);
        counts[drawn]++;
    }
    for (int i = 0; i < SHARES; i++) {
        double mean = DRAWS * (double)p[i], deviation = sqrt(mean * (1 - (double)p[i]));
        if (fabs((double)counts[i] - mean) > 4 * deviation)
            fail_msg("token %d was drawn %lld times of %g", i, (long long)counts[i], mean);
    }
    assert_int_equal(counts[4], 0);
    assert_true(same < DRAWS / 2);
}

static void sampling_that_cannot_be(void **state)
{
    (void)state;
    const float logits[] = {0, 1, (float)NAN}, good[] = {0, 1, -INFINITY};
    float p[3];
    expect_status(cj_token_probabilities(&(cj_sampling){.temperature = -1}, good, 3, NULL, 0, p),
                  CJ_INVALID_ARGUMENT);
    expect_message("temperature is -1");
    expect_status(cj_token_probabilities(&(cj_sampling){.temperature = (double)NAN}, good, 3, NULL, 0, p),
                  CJ_INVALID_ARGUMENT);
    expect_status(cj_token_probabilities(&(cj_sampling){.top_p = 1.5}, good, 3, NULL, 0, p),
                  CJ_INVALID_ARGUMENT);
    expect_message("top_p is 1.5");
    expect_status(cj_token_probabilities(&(cj_sampling){.top_k = -1}, good, 3, NULL, 0, p),
                  CJ_INVALID_ARGUMENT);
    expect_status(
        cj_token_probabilities(&(cj_sampling){.repetition_penalty = 2}, good, 3, (int32_t[]){3}, 1, p),
        CJ_INVALID_ARGUMENT);
    expect_status(cj_token_probabilities(&(cj_sampling){0}, logits, 3, NULL, 0, p), CJ_NOT_FINITE);
    expect_message("logit of token 2");
    expect_status(cj_token_probabilities(&(cj_sampling){0}, good, 0, NULL, 0, p), CJ_INVALID_ARGUMENT);
    expect_message("there are 0 logits");
    expect_ok(cj_token_probabilities(&(cj_sampling){.temperature = 1}, good, 3, NULL, 0, p));
    assert_true(p[2] == 0);
}

/* --- texts --------------------------------------------------------------------------------------------- */

typedef struct {
    int32_t tokens[64];
    int64_t count, most;
} heard;

static bool hear(int32_t heard_token, void *context)
{
    heard *h = context;
    h->tokens[h->count++] = heard_token;
    return h->count < h->most;
}

/* The likeliest token each time, as reading at once has it; each is told when it is chosen. */
static void greedy_is_the_argmax(void **state)
{
    (void)state;
    enum { PROMPT = 5, MADE = BLOCK - PROMPT };
    cj_generator *g;
    cj_model *model = new_model(gpt);
    int32_t text[BLOCK], made[MADE];
    heard h = {.most = 100};
    int64_t count;
    fill(text, 0, PROMPT);
    expect_ok(cj_generator_new(&g, model, .reader = gpt, .block = BLOCK));
    expect_ok(cj_generate(&count, g, .prompt = text, .prompt_count = PROMPT, .tokens = MADE, .made = made,
                          .each = hear, .context = &h));
    assert_int_equal(count, MADE);
    assert_int_equal(h.count, MADE);
    assert_memory_equal(h.tokens, made, sizeof made);
    for (int i = 0; i < MADE; i++) {
        float logits[VOCABULARY];
        int32_t best = 0;
        read_at_once(model, gpt, text, PROMPT + i, logits);
        for (int32_t v = 1; v < VOCABULARY; v++)
            if (logits[v] > logits[best]) best = v;
        assert_int_equal(made[i], best);
        text[PROMPT + i] = best;
    }
    h = (heard){.most = 3}; /* the listener has heard enough */
    expect_ok(cj_generate(&count, g, .prompt = text, .prompt_count = PROMPT, .tokens = MADE, .each = hear,
                          .context = &h));
    assert_int_equal(count, 3);
    expect_ok(cj_generate(&count, g, .prompt = text, .prompt_count = PROMPT, .tokens = MADE, .has_stop = true,
                          .stop = made[2], .made = made));
    assert_true(count <= 2);
    cj_generator_free(g);
    cj_model_free(model);
}

static void seeds_decide(void **state)
{
    (void)state;
    cj_generator *g;
    cj_model *model = new_model(llama);
    int32_t prompt = 1, texts[3][30];
    const uint64_t seeds[] = {7, 7, 8};
    expect_ok(cj_generator_new(&g, model, .reader = llama, .block = BLOCK));
    for (int i = 0; i < 3; i++)
        expect_ok(cj_generate(NULL, g, .prompt = &prompt, .prompt_count = 1, .tokens = 30, .made = texts[i],
                              .sampling = {.temperature = 2, .seed = seeds[i]}));
    assert_memory_equal(texts[0], texts[1], sizeof texts[0]);
    assert_true(memcmp(texts[0], texts[2], sizeof texts[0]) != 0);
    cj_generator_free(g);
    cj_model_free(model);
}

/* --- beams --------------------------------------------------------------------------------------------- */

enum { LENGTH = 3, STOP = 4 };

typedef struct {
    cj_model *model;
    bool has_stop;
    double penalty, best;
    int32_t text[1 + LENGTH], made[LENGTH];
    int64_t count;
} exhaustive;

/* Scores every text there is: those that stop, and those of LENGTH tokens. */
static void try_all(exhaustive *e, int64_t count, double likelihood)
{
    float logits[VOCABULARY];
    double most = -HUGE_VAL, sum = 0;
    read_at_once(e->model, gpt, e->text, 1 + count, logits);
    for (int v = 0; v < VOCABULARY; v++) most = fmax(most, (double)logits[v]);
    for (int v = 0; v < VOCABULARY; v++) sum += exp((double)logits[v] - most);
    for (int32_t v = 0; v < VOCABULARY; v++) {
        double now = likelihood + (double)logits[v] - most - log(sum);
        bool stops = e->has_stop && v == STOP;
        double score = now / pow((5 + (double)count + 1) / 6, e->penalty);
        e->text[1 + count] = v;
        if (!stops && count + 1 < LENGTH) {
            try_all(e, count + 1, now);
        } else if (score > e->best) {
            e->best = score;
            e->count = count + !stops;
            memcpy(e->made, e->text + 1, (size_t)e->count * sizeof *e->made);
        }
    }
}

static void check_beams(cj_model *model, int64_t beams, bool has_stop, double penalty, int32_t prompt)
{
    cj_generator *g;
    int32_t made[LENGTH];
    int64_t count;
    double score;
    exhaustive e = {
        .model = model, .has_stop = has_stop, .penalty = penalty, .best = -HUGE_VAL, .text = {prompt}};
    try_all(&e, 0, 0);
    expect_ok(cj_generator_new(&g, model, .reader = gpt, .block = BLOCK, .texts = beams));
    expect_ok(cj_beam_search(&count, g, .prompt = &prompt, .prompt_count = 1, .tokens = LENGTH,
                             .has_stop = has_stop, .stop = STOP, .length_penalty = penalty, .made = made,
                             .score = &score));
    if (fabs(score - e.best) > 1e-4) fail_msg("beams found %.6f, the best is %.6f", score, e.best);
    assert_int_equal(count, e.count);
    assert_memory_equal(made, e.made, (size_t)count * sizeof *made);
    cj_generator_free(g);
}

/* With as many beams as there are texts of one token less, nothing is passed over. */
static void beams_find_the_best(void **state)
{
    (void)state;
    cj_model *model = new_model(gpt);
    for (int32_t prompt = 0; prompt < 4; prompt++) {
        check_beams(model, VOCABULARY * VOCABULARY, false, 0, prompt);
        check_beams(model, VOCABULARY * VOCABULARY, true, 0, prompt);
        check_beams(model, VOCABULARY * VOCABULARY, true, 3, prompt);
    }
    cj_model_free(model);
}

/* A single beam is greedy. */
static void one_beam_is_greedy(void **state)
{
    (void)state;
    cj_generator *g;
    cj_model *model = new_model(gpt);
    int32_t prompt = 2, greedy[20], beam[20];
    int64_t a, b;
    expect_ok(cj_generator_new(&g, model, .reader = gpt, .block = BLOCK));
    expect_ok(cj_generate(&a, g, .prompt = &prompt, .prompt_count = 1, .tokens = 20, .made = greedy));
    expect_ok(cj_beam_search(&b, g, .prompt = &prompt, .prompt_count = 1, .tokens = 20, .made = beam));
    assert_int_equal(a, b);
    assert_memory_equal(greedy, beam, sizeof greedy);
    cj_generator_free(g);
    cj_model_free(model);
}

/* --- what cannot be ------------------------------------------------------------------------------------ */

static cj_value no_logits(cj_scope s, const cj_reading *reading, void *context)
{
    (void)s, (void)context;
    return cj_cast(reading->tokens, CJ_F32);
}

static cj_value carries_one(cj_scope s, const cj_reading *reading, void *context)
{
    cj_value sum = cj_state(s, "sum", CJ_CARRIED, CJ_I32, cj_scalar_shape(), 0);
    cj_assign(sum, cj_add(sum, reading->last));
    return gpt(s, reading, context);
}

static bool not_at_all(int64_t count, void *context)
{
    (void)count;
    (void)context;
    return false;
}

static void prompts_that_are_none(void **state)
{
    (void)state;
    cj_generator *g;
    cj_model *model = new_model(gpt);
    int32_t tokens[] = {1, VOCABULARY}, made;
    int64_t count;
    expect_ok(cj_generator_new(&g, model, .reader = gpt, .block = BLOCK, .texts = 2));
    expect_status(cj_beam_search(&count, g, .prompt = tokens, .prompt_count = 0, .tokens = 1, .made = &made),
                  CJ_INVALID_ARGUMENT);
    expect_message("the prompt is empty");
    expect_status(cj_generator_read(g, tokens, 2), CJ_INVALID_ARGUMENT);
    expect_message("token 11 is none of the 11");
    expect_status(cj_generator_step(g, tokens), CJ_INVALID_ARGUMENT);
    expect_status(cj_generator_reorder(g, (int64_t[]){0, 2}), CJ_INVALID_ARGUMENT);
    expect_status(cj_generate(&count, g, .prompt = tokens, .prompt_count = 1, .tokens = 1),
                  CJ_INVALID_ARGUMENT);
    expect_message("reads 2 texts");
    expect_ok(cj_beam_search(&count, g, .prompt = tokens, .prompt_count = 1, .tokens = 0, .made = &made));
    assert_int_equal(count, 0);
    expect_status(cj_beam_search(&count, g, .prompt = tokens, .prompt_count = 1, .tokens = 1, .made = &made,
                                 .each = not_at_all),
                  CJ_INTERRUPTED);
    cj_generator_free(g);
    expect_status(cj_generator_new(&g, model, .reader = no_logits), CJ_SHAPE_ERROR);
    expect_message("a reader gives logits");
    expect_status(cj_generator_new(&g, model, .reader = carries_one, .block = BLOCK), CJ_SHAPE_ERROR);
    expect_message("carries as 'sum' is [], but its first axis must be the 1 texts");
    assert_null(g);
    expect_status(cj_generator_new(&g, model, .reader = gpt, .block = -1), CJ_INVALID_ARGUMENT);
    expect_status(cj_generator_new(&g, model, .reader = mlp, .context = &(int64_t){0}), CJ_INVALID_ARGUMENT);
    expect_message("mlp with a context of 0 tokens");
    cj_model_free(model);
}

/* A network may have more logits than there are tokens: those behind are never drawn, by beams neither, and
 * the others are what they were. */
static void a_smaller_vocabulary(void **state)
{
    (void)state;
    enum { FEWER = 3, MADE = 40 };
    cj_generator *all, *few, *beams;
    cj_model *model = new_model(gpt);
    int32_t prompt[] = {1, 2}, made[MADE];
    int64_t count;
    expect_ok(cj_generator_new(&all, model, .reader = gpt, .block = BLOCK));
    expect_ok(cj_generator_new(&few, model, .reader = gpt, .block = BLOCK, .vocabulary = FEWER));
    expect_ok(
        cj_generator_new(&beams, model, .reader = gpt, .block = BLOCK, .vocabulary = FEWER, .texts = 3));
    assert_int_equal(cj_generator_vocabulary(few), FEWER);
    expect_ok(cj_generator_read(all, prompt, 2));
    expect_ok(cj_generator_read(few, prompt, 2));
    assert_memory_equal(cj_generator_logits(few), cj_generator_logits(all), FEWER * sizeof(float));
    expect_ok(cj_generate(&count, few, .prompt = prompt, .prompt_count = 2, .tokens = MADE, .made = made,
                          .sampling = {.temperature = 5, .seed = 1}));
    for (int64_t i = 0; i < count; i++) assert_in_range(made[i], 0, FEWER - 1);
    expect_ok(cj_beam_search(&count, beams, .prompt = prompt, .prompt_count = 2, .tokens = 8, .made = made));
    for (int64_t i = 0; i < count; i++) assert_in_range(made[i], 0, FEWER - 1);
    cj_generator_free(all);
    cj_generator_free(few);
    cj_generator_free(beams);
    expect_status(cj_generator_new(&few, model, .reader = gpt, .block = BLOCK, .vocabulary = 99),
                  CJ_INVALID_ARGUMENT);
    expect_message("the network has 11 logits, fewer than the vocabulary of 99");
    cj_model_free(model);
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    cj_generator *g;
    cj_model *model = new_model(gpt);
    int32_t tokens[] = {1, 2}, made;
    int64_t count;
    expect_ok(cj_generator_new(&g, model, .reader = gpt, .block = BLOCK));
    expect_status(cj_generate(&count, NULL, .prompt = tokens, .prompt_count = 2), CJ_INVALID_ARGUMENT);
    expect_message("cj_generate needs a generator, found NULL");
    expect_status(cj_generate(&count, g, .prompt_count = 2), CJ_INVALID_ARGUMENT);
    expect_message("reading needs tokens, found NULL");
    expect_status(cj_beam_search(&count, g, .prompt = tokens, .prompt_count = 2), CJ_INVALID_ARGUMENT);
    expect_message("cj_beam_search needs room .made for a text, found NULL");
    expect_status(cj_beam_search(&count, NULL, .prompt = tokens, .made = &made), CJ_INVALID_ARGUMENT);
    expect_status(cj_beam_search(NULL, g, .prompt = tokens, .made = &made), CJ_INVALID_ARGUMENT);
    expect_status(cj_generator_read(g, NULL, 3), CJ_INVALID_ARGUMENT);
    expect_status(cj_generator_read(NULL, tokens, 2), CJ_INVALID_ARGUMENT);
    expect_status(cj_generator_read(g, tokens, -3), CJ_INVALID_ARGUMENT);
    expect_message("-3 tokens are to be read");
    expect_ok(cj_generator_read(g, NULL, 0));
    expect_status(cj_generator_step(g, NULL), CJ_INVALID_ARGUMENT);
    expect_status(cj_generator_reorder(g, NULL), CJ_INVALID_ARGUMENT);
    expect_status(cj_token_probabilities(&(cj_sampling){0}, NULL, 3, NULL, 0, &(float){0}),
                  CJ_INVALID_ARGUMENT);
    expect_message("needs logits, found NULL");
    cj_generator_free(g);
    cj_model_free(model);
}

static void expect_told(const char *from, const char *wanted)
{
    cj_test_result told = cj_test_cajal("generate", from, "--temperature", "0", "--tokens", "256", "--quiet");
    if (strstr(told.errors, "this build reads no recipes"))
        wanted = "";
    else if (told.exit_code != 0)
        fail_msg("%s", told.errors);
    assert_string_equal(told.output, wanted);
    cj_test_result_free(&told);
}

/* What llama2.c prints; from a recipe, and from its file alone. */
static void stories_are_told_as_by_llama2c(void **state)
{
    (void)state;
    char file[4096];
    const char *wanted = cj_test_data("weights/stories260K-greedy-256.txt");
    if (!wanted || !cj_test_data("weights/tok512.bin"))
        skip_because("CAJAL_DATA has no weights/stories260K.bin with tok512.bin and its greedy text");
    char *text = cj_test_read_file(wanted, NULL);
    snprintf(file, sizeof file, "%s", cj_test_data("weights/stories260K.bin"));
    expect_told(file, text);
    expect_told("weights/stories260K.bin", text); /* below $CAJAL_DATA */
    expect_told(CJ_TEST_SOURCE "/recipes/stories260k.yaml", text);
    free(text);
}

static cj_status make_texts(void *context)
{
    cj_generator *g = NULL;
    int32_t prompt[] = {1, 2, 3}, made[20];
    int64_t count;
    cj_status status = cj_generator_new(&g, context, .reader = gpt, .block = BLOCK, .texts = 1);
    if (status == CJ_OK)
        status = cj_generate(&count, g, .prompt = prompt, .prompt_count = 3, .tokens = 20, .made = made,
                             .sampling = {.temperature = 1, .top_p = 0.9});
    cj_generator_free(g);
    if (status == CJ_OK)
        status = cj_generator_new(&g, context, .reader = gpt, .block = BLOCK, .texts = 3);
    else
        return status;
    if (status == CJ_OK)
        status = cj_beam_search(&count, g, .prompt = prompt, .prompt_count = 3, .tokens = 4, .made = made);
    cj_generator_free(g);
    return status;
}

static void every_allocation_fails(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_model *model = new_model(gpt);
    cj_test_every_allocation_fails(make_texts, model);
    cj_model_free(model);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_by_one_is_as_all_at_once),
        cmocka_unit_test(a_perceptron_sees_its_context),
        cmocka_unit_test(a_bigram_is_a_table),
        cmocka_unit_test(readers_do_not_meet),
        cmocka_unit_test(long_texts_slide),
        cmocka_unit_test(recurrent_state_is_carried),
        cmocka_unit_test(a_put_is_in_place),
        cmocka_unit_test(a_put_into_itself),
        cmocka_unit_test(probabilities_by_hand),
        cmocka_unit_test(repetition_is_penalised),
        cmocka_unit_test(the_least_penalty_of_nothing),
        cmocka_unit_test(draws_have_their_shares),
        cmocka_unit_test(sampling_that_cannot_be),
        cmocka_unit_test(greedy_is_the_argmax),
        cmocka_unit_test(seeds_decide),
        cmocka_unit_test(beams_find_the_best),
        cmocka_unit_test(one_beam_is_greedy),
        cmocka_unit_test(prompts_that_are_none),
        cmocka_unit_test(a_smaller_vocabulary),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(stories_are_told_as_by_llama2c),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
