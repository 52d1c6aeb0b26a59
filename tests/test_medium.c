/* Training at `medium` against training in f32: small character models, an LSTM and a GPT, on a page of
 * Carroll's Alice, over a few seeds, with the products of bf16 emulated in plain C. The losses on held-out
 * text are printed, and their means must not differ by more than seeds do.
 *
 * labels: slow */
#include "support.h"

#include "cajal/cajal.h"
#include "split_backend.h"
#include "split_portable.h"

#include <math.h>

/* A sanitizer makes the emulation ten times as slow: there the kernels run, but nothing is learned. */
#ifdef __SANITIZE_ADDRESS__
enum { LEARNS = 0 };
#else
enum { LEARNS = 1 };
#endif

enum { VOCABULARY = 96, SEEDS = 3, MOST_TOKENS = 512 };

/* --- the text ------------------------------------------------------------------------------------------ */

static unsigned char text[1 << 13];
static int64_t length;

static int read_text(void **state)
{
    (void)state;
    FILE *file = fopen(CJ_TEST_SOURCE "/tests/fixtures/alice.txt", "rb");
    assert_non_null(file);
    length = (int64_t)fread(text, 1, sizeof text, file);
    fclose(file);
    assert_true(length > 3000);
    return 0;
}

/* Printable ASCII; anything else is a blank line's end. */
static int32_t token(int64_t at)
{
    return text[at] >= 32 && text[at] < 127 ? text[at] - 32 : 95;
}

/* `rows` windows and what follows each character; the last quarter of the text is held out. */
static void fill(int32_t *x, int32_t *y, int64_t rows, int64_t steps, uint64_t *random)
{
    int64_t held = length * 3 / 4;
    for (int64_t r = 0; r < rows; r++) {
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        int64_t from = (int64_t)((*random >> 33) % (uint64_t)(held - steps - 1));
        for (int64_t t = 0; t < steps; t++)
            x[r * steps + t] = token(from + t), y[r * steps + t] = token(from + t + 1);
    }
}

static void fill_held_out(int32_t *x, int32_t *y, int64_t rows, int64_t steps)
{
    int64_t held = length * 3 / 4, apart = (length - held - steps - 1) / rows;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t t = 0; t < steps; t++)
            x[r * steps + t] = token(held + r * apart + t),
                          y[r * steps + t] = token(held + r * apart + t + 1);
}

/* --- the models ---------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    int64_t rows, steps; /* of a batch */
    int updates;
    double rate;
    cj__op ops[2]; /* that must be made by parts of bf16 */
} network;

static const network lstm = {"lstm", 16,   16,
                             50,     0.01, {CJ__OP_recurrence_saving, CJ__OP_recurrence_gradient}};
static const network gpt = {"gpt", 8, 32, 125, 0.003, {CJ__OP_attention, CJ__OP_attention_gradient}};

static cj_value logits_of(const network *n, cj_scope s, cj_value x)
{
    if (n == &lstm) {
        cj_char_rnn_options o = {.size = sizeof o,
                                 .input = {.tokens = x},
                                 .vocabulary = VOCABULARY,
                                 .kind = CJ_CHAR_LSTM,
                                 .layers = 1,
                                 .width = 48};
        return cj_char_rnn(s, &o);
    }
    cj_gpt_options o = {.size = sizeof o,
                        .input = {.tokens = x},
                        .vocabulary = VOCABULARY,
                        .block = n->steps,
                        .layers = 1,
                        .heads = 1,
                        .width = 32};
    return cj_gpt(s, &o);
}

static cj_program *program_of(const network *n, cj_model *model, const cj_test_way *way, bool training)
{
    cj_graph *g;
    cj_program *program;
    expect_ok(
        cj_graph_new(&g, model, .mode = training ? CJ_TRAINING : CJ_INFERENCE, .precision = way->precision));
    cj_value x = cj_input(g, "x", CJ_I32, cj_shape(n->rows, n->steps));
    cj_value y = cj_input(g, "y", CJ_I32, cj_shape(n->rows, n->steps));
    cj_value loss = cj_cross_entropy(logits_of(n, cj_root(g), x), y);
    if (training) cj_minimize(loss, cj_adam(.learning_rate = n->rate));
    cj_output(g, "loss", loss);
    expect_ok(cj_test_compile_with(&program, g, way->split));
    cj_graph_free(g);
    return program;
}

static float run(const network *n, cj_program *program, int32_t *x, int32_t *y)
{
    float loss;
    cj_shape_t shape = cj_shape(n->rows, n->steps);
    expect_ok(
        cj_program_run(program, .inputs = {{x, CJ_I32, shape}, {y, CJ_I32, shape}}, .outputs = {&loss}));
    return loss;
}

/* What the ops and the plain products of a step are made by. */
static void expect_parts(const network *n, const cj_program *step, const cj_test_way *way)
{
    const cj__op ops[] = {n->ops[0], n->ops[1], CJ__OP_matmul};
    for (int i = 0; i < 3; i++) {
        const char *parts = strstr(cj_test_described(step, ops[i]), cj__split_portable.name[0]);
        if (way->split)
            assert_non_null(parts);
        else
            assert_null(parts);
    }
}

/* The loss on held-out text after training. */
static double trained(const network *n, uint64_t seed, const cj_test_way *way)
{
    cj_model *model;
    static int32_t x[MOST_TOKENS], y[MOST_TOKENS];
    uint64_t random = seed;
    expect_ok(cj_model_new(&model, .seed = seed));
    cj_program *step = program_of(n, model, way, true), *held_out = program_of(n, model, way, false);
    expect_parts(n, step, way);
    for (int i = 0; i < (LEARNS ? n->updates : 2); i++) {
        fill(x, y, n->rows, n->steps, &random);
        run(n, step, x, y);
    }
    fill_held_out(x, y, n->rows, n->steps);
    double loss = (double)run(n, held_out, x, y);
    cj_program_free(step);
    cj_program_free(held_out);
    cj_model_free(model);
    return loss;
}

/* --- the comparison ------------------------------------------------------------------------------------ */

typedef struct {
    double mean, deviation;
} spread;

static spread spread_of(const double losses[SEEDS])
{
    spread s = {0, 0};
    for (int i = 0; i < SEEDS; i++) s.mean += losses[i] / SEEDS;
    for (int i = 0; i < SEEDS; i++) s.deviation += (losses[i] - s.mean) * (losses[i] - s.mean) / (SEEDS - 1);
    s.deviation = sqrt(s.deviation);
    return s;
}

static void compare(const network *n)
{
    const cj_test_way ways[] = {{.dtype = CJ_F32}, {CJ_F32, CJ_MEDIUM, &cj__split_portable}};
    double losses[2][SEEDS];
    for (int i = 0; i < 2 * SEEDS; i++)
        losses[i % 2][i / 2] = trained(n, (uint64_t)(i / 2 + 1), &ways[i % 2]);
    spread f32 = spread_of(losses[0]), medium = spread_of(losses[1]);
    print_message("%s, %d seeds: f32 %.4f ± %.4f, medium %.4f ± %.4f nats\n", n->name, SEEDS, f32.mean,
                  f32.deviation, medium.mean, medium.deviation);
    if (!LEARNS) return;
    assert_true(f32.mean < 3); /* it has learned: log 96 is 4.56 */
    assert_true(fabs(medium.mean - f32.mean) < f32.deviation);
    for (int i = 0; i < SEEDS; i++) assert_true(losses[0][i] != losses[1][i]);
}

static void test_lstm(void **state)
{
    (void)state;
    compare(&lstm);
}

static void test_gpt(void **state)
{
    (void)state;
    compare(&gpt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lstm), cmocka_unit_test(test_gpt)};
    return cmocka_run_group_tests_name("medium", tests, read_text, NULL);
}
