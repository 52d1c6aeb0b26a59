/* Attention, positions and Transformer layers against PyTorch's, from tests/fixtures/attention.py: outputs
 * and gradients by every operand and parameter, with PyTorch's names of weights; and what is refused. */
#include "stored.h"

#include "cajal/cajal.h"

#include <math.h>
#include <string.h>

static cj_tensor_file *values;
static cj_model *model;

enum { MOST = 4, MOST_COMPARED = 48 };

/* A case: its floating-point operands by name, and how it is drawn from them and from the whole numbers it
 * may have. */
typedef struct {
    const char *name, *operands[MOST];
    cj_value (*draw)(cj_scope s, const cj_value *x, cj_value first, cj_value lengths);
} layer;

#define DRAW(name)                                                                                           \
    static cj_value draw_##name(cj_scope s, const cj_value *x, cj_value first, cj_value lengths)
#define UNUSED (void)s, (void)first, (void)lengths

DRAW(causal)
{
    UNUSED;
    return cj_attention(s, x[0], .key = x[1], .value = x[2], .causal = true);
}

DRAW(groups)
{
    UNUSED;
    return cj_attention(s, x[0], .key = x[1], .value = x[2]);
}

DRAW(lengths)
{
    UNUSED;
    return cj_attention(s, x[0], .key = x[1], .value = x[2], .lengths = lengths);
}

DRAW(bias)
{
    UNUSED;
    return cj_attention(s, x[0], .key = x[1], .value = x[2], .bias = x[3]);
}

DRAW(cache)
{
    UNUSED;
    return cj_attention(s, x[0], .key = x[1], .value = x[2], .causal = true, .first = first);
}

DRAW(masked_bias)
{
    UNUSED;
    uint8_t seen[] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0};
    cj_value mask = cj_constant_tensor(s.graph, &(cj_tensor){seen, CJ_BOOL, cj_shape(2, 5)});
    return cj_attention(s, x[0], .key = x[1], .value = x[2], .bias = x[3], .mask = mask);
}

DRAW(self)
{
    UNUSED;
    return cj_multi_head_attention(s, x[0], .heads = 3, .lengths = lengths);
}

DRAW(cross)
{
    UNUSED;
    return cj_multi_head_attention(s, x[0], .context = x[1], .heads = 2);
}

DRAW(encoder_post)
{
    UNUSED;
    return cj_transformer_encoder_layer(s, x[0], .heads = 2, .hidden = 20, .lengths = lengths);
}

DRAW(encoder_pre)
{
    UNUSED;
    return cj_transformer_encoder_layer(s, x[0], .heads = 2, .hidden = 20, .norm_first = true, .causal = true,
                                        .activation = CJ_FEED_GELU);
}

DRAW(decoder_post)
{
    UNUSED;
    return cj_transformer_decoder_layer(s, x[0], .memory = x[1], .heads = 2, .hidden = 20,
                                        .memory_lengths = lengths);
}

DRAW(decoder_pre)
{
    UNUSED;
    return cj_transformer_decoder_layer(s, x[0], .memory = x[1], .heads = 2, .hidden = 20,
                                        .memory_lengths = lengths, .norm_first = true);
}

DRAW(stack)
{
    UNUSED;
    return cj_transformer_encoder(s, x[0], .layers = 2, .heads = 2, .hidden = 20, .norm_first = true);
}

DRAW(rms_norm)
{
    UNUSED;
    return cj_rms_norm(s, x[0]);
}

DRAW(swiglu)
{
    UNUSED;
    return cj_swiglu(s, x[0], 10);
}

DRAW(rotary_halves)
{
    UNUSED;
    return cj_rotary(x[0]);
}

DRAW(rotary_pairs)
{
    UNUSED;
    return cj_rotary(x[0], .first = first, .interleaved = true);
}

DRAW(rotary_part)
{
    UNUSED;
    return cj_rotary(x[0], .width = 4);
}

DRAW(sinusoidal)
{
    UNUSED;
    return cj_sinusoidal_positions(x[0], .first = first);
}

DRAW(alibi)
{
    UNUSED;
    return cj_attention(s, x[0], .key = x[1], .value = x[2], .causal = true, .bias = cj_alibi(s.graph, 3, 6));
}

DRAW(unlike)
{
    UNUSED;
    return cj_multi_head_attention(s, x[0], .context = x[1], .values = x[2], .heads = 2);
}

DRAW(bare)
{
    UNUSED;
    return cj_transformer_encoder_layer(s, x[0], .heads = 2, .hidden = 20, .no_bias = true);
}

/* Every third place of the memory is hidden, another one for each place that looks. */
DRAW(both_ways)
{
    UNUSED;
    uint8_t seen[3 * 4];
    for (int i = 0; i < 3 * 4; i++) seen[i] = (i / 4 + i % 4) % 3 != 0;
    cj_value mask = cj_constant_tensor(s.graph, &(cj_tensor){seen, CJ_BOOL, cj_shape(1, 1, 3, 4)});
    return cj_transformer_decoder_layer(s, x[0], .memory = x[1], .heads = 2, .hidden = 20, .not_causal = true,
                                        .memory_mask = mask);
}

/* nn.Transformer */
DRAW(whole)
{
    UNUSED;
    cj_value memory = cj_transformer_encoder(cj_at(s, "encoder"), x[1], .layers = 1, .heads = 2, .hidden = 20,
                                             .last_norm = CJ_LAST_NORM);
    return cj_transformer_decoder(cj_at(s, "decoder"), x[0], .memory = memory, .layers = 1, .heads = 2,
                                  .hidden = 20, .last_norm = CJ_LAST_NORM);
}

DRAW(plain)
{
    UNUSED;
    return cj_transformer_encoder(s, x[0], .layers = 2, .heads = 2, .hidden = 20, .norm_first = true,
                                  .last_norm = CJ_NO_LAST_NORM);
}

#define CASE(name, ...)                                                                                      \
    {                                                                                                        \
#name, {__VA_ARGS__ }, draw_##name                                                                   \
    }
static const layer layers[] = {CASE(causal, "q", "k", "v"),
                               CASE(groups, "q", "k", "v"),
                               CASE(lengths, "q", "k", "v"),
                               CASE(bias, "q", "k", "v", "bias"),
                               CASE(cache, "q", "k", "v"),
                               CASE(masked_bias, "q", "k", "v", "bias"),
                               CASE(self, "x"),
                               CASE(cross, "x", "context"),
                               CASE(encoder_post, "x"),
                               CASE(encoder_pre, "x"),
                               CASE(decoder_post, "x", "memory"),
                               CASE(decoder_pre, "x", "memory"),
                               CASE(stack, "x"),
                               CASE(rms_norm, "x"),
                               CASE(swiglu, "x"),
                               CASE(rotary_halves, "x"),
                               CASE(rotary_pairs, "x"),
                               CASE(rotary_part, "x"),
                               CASE(sinusoidal, "x"),
                               CASE(alibi, "q", "k", "v"),
                               CASE(unlike, "x", "context", "v"),
                               CASE(bare, "x"),
                               CASE(both_ways, "x", "memory"),
                               CASE(whole, "x", "memory"),
                               CASE(plain, "x")};

/* --- comparing ----------------------------------------------------------------------------------------- */

static bool has(const char *name, const char *what)
{
    char path[96];
    snprintf(path, sizeof path, "%s.%s", name, what);
    return cj_tensor_file_find(values, path) >= 0;
}

static void expect_near(const char *name, const char *what, const float *found)
{
    cj_test_expect_near(values, name, what, found, 3e-5);
}

static cj_value whole_numbers(cj_graph *g, const char *name, const char *what)
{
    if (!has(name, what)) return (cj_value){0};
    cj_tensor tensor = cj_test_stored(values, name, what);
    cj_value value = cj_constant_tensor(g, &tensor);
    free(tensor.data);
    return value;
}

/* What is compared: y and gradients, by their names in the fixture, all in one flat result. */
typedef struct {
    const char *name;
    cj_value flat[MOST_COMPARED], by[MOST_COMPARED];
    char what[MOST_COMPARED][64];
    int count;
} comparison;

static void compare(comparison *c, const char *what, cj_value by)
{
    snprintf(c->what[c->count], sizeof c->what[0], "%s", what);
    c->by[c->count++] = by;
}

/* Gradients by the parameters are "d." and their names. */
static void compare_parameters(comparison *c, cj_graph *g)
{
    size_t length = strlen(c->name);
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_variable_info variable = cj_model_variable(model, i);
        char what[64];
        if (strncmp(variable.name, c->name, length) != 0 || variable.name[length] != '.') continue;
        snprintf(what, sizeof what, "d%s", variable.name + length);
        compare(c, what, cj_parameter(cj_root(g), variable.name, variable.tensor.shape, (cj_init){0}));
    }
}

static cj_value flat(cj_value x)
{
    return cj_reshape(x, cj_shape(cj_shape_count(cj_value_shape(x))));
}

static void expect_results(const comparison *c, cj_run_options *run, int64_t total)
{
    float *found = malloc((size_t)total * sizeof *found), *next = found;
    run->outputs[0] = found;
    expect_ok((cj_program_run)(run));
    for (int i = 0; i < c->count; i++) {
        expect_near(c->name, c->what[i], next);
        next += cj_shape_count(cj_value_shape(c->by[i]));
    }
    free(found);
}

/* Draws sum(y · c), runs it once, and compares. */
static void check_layer(const layer *l)
{
    cj_graph *g;
    comparison c = {.name = l->name};
    cj_value x[MOST], gradients[MOST_COMPARED];
    cj_run_options run = {.size = sizeof run};
    int count = 0;
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    for (; count < MOST && l->operands[count]; count++) {
        run.inputs[count] = cj_test_stored(values, l->name, l->operands[count]);
        x[count] = cj_input(g, l->operands[count], CJ_F32, run.inputs[count].shape);
    }
    cj_tensor weights = run.inputs[count] = cj_test_stored(values, l->name, "c");
    cj_value y = l->draw(cj_at(cj_root(g), "%s", l->name), x, whole_numbers(g, l->name, "first"),
                         whole_numbers(g, l->name, "lengths"));
    if (!cj_shape_equal(cj_value_shape(y), weights.shape))
        fail_msg("%s: another shape: %s", l->name, cj_error_message());
    compare(&c, "y", y);
    for (int i = 0; i < count; i++) {
        char what[64];
        snprintf(what, sizeof what, "d%s", l->operands[i]);
        compare(&c, what, x[i]);
    }
    compare_parameters(&c, g);
    cj_value sum = cj_sum(cj_mul(y, cj_input(g, "c", CJ_F32, weights.shape)), CJ_ALL_AXES, CJ_DROP_AXES);
    cj_gradients(sum, c.count - 1, c.by + 1, gradients + 1);
    gradients[0] = y;
    for (int i = 0; i < c.count; i++) c.flat[i] = flat(gradients[i]);
    cj_value all = cj_concatenate(c.count, c.flat, 0);
    cj_output(g, "all", all);
    expect_ok(cj_compile(&run.program, g));
    expect_results(&c, &run, cj_shape_count(cj_value_shape(all)));
    cj_program_free(run.program);
    cj_graph_free(g);
    for (int i = 0; i <= count; i++) free(run.inputs[i].data);
}

static void test_layers(void **state)
{
    (void)state;
    if (!values) skip_because("this build reads no safetensors: %s", cj_error_message());
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) check_layer(&layers[i]);
}

/* Two programs, one of whole texts and one that goes on from a place, agree on what learned positions add. */
static void test_learned_positions(void **state)
{
    (void)state;
    cj_model *own;
    cj_graph *g;
    cj_program *program;
    float zeros[6] = {0}, all[6], one[2];
    int32_t place = 2;
    expect_ok(cj_model_new(&own, .seed = 3));
    expect_ok(cj_graph_new(&g, own, .mode = CJ_INFERENCE));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(1, 3, 2)),
             late = cj_input(g, "late", CJ_F32, cj_shape(1, 1, 2));
    cj_value first = cj_input(g, "first", CJ_I32, cj_scalar_shape());
    cj_output(g, "all", cj_learned_positions(cj_at(cj_root(g), "wpe"), x, .count = 5));
    cj_output(g, "one", cj_learned_positions(cj_at(cj_root(g), "wpe"), late, .count = 5, .first = first));
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program,
                             .inputs = {{zeros, CJ_F32, cj_shape(1, 3, 2)},
                                        {zeros, CJ_F32, cj_shape(1, 1, 2)},
                                        {&place, CJ_I32, cj_scalar_shape()}},
                             .outputs = {all, one}));
    assert_true(all[4] != 0);
    assert_memory_equal(all + 4, one, sizeof one);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(own);
}

/* --- what is refused ----------------------------------------------------------------------------------- */

static cj_graph *drawing;

static void expect_refused(const char *sentence)
{
    cj_program *program;
    expect_status(cj_compile(&program, drawing), CJ_SHAPE_ERROR);
    expect_message(sentence);
    cj_graph_free(drawing);
}

static cj_value new_input(const char *name, cj_dtype dtype, cj_shape_t shape)
{
    return cj_input(drawing, name, dtype, shape);
}

static cj_scope new_drawing(void)
{
    expect_ok(cj_graph_new(&drawing, model, .mode = CJ_TRAINING));
    return cj_root(drawing);
}

static void test_refusals(void **state)
{
    (void)state;
    cj_scope s = new_drawing();
    cj_value q = new_input("q", CJ_F32, cj_shape(2, 3, 4, 5)),
             k = new_input("k", CJ_F32, cj_shape(2, 3, 3, 5));
    cj_attention(s, q, .key = k, .value = k);
    expect_refused("4 heads of queries do not share 3 heads of keys evenly");
    s = new_drawing();
    q = new_input("q", CJ_F32, cj_shape(2, 3, 4, 5));
    cj_attention(s, q, .key = q, .value = q, .bias = new_input("b", CJ_F32, cj_shape(3, 3)));
    expect_refused("each 1 or that of [2,4,3,3]");
    s = new_drawing();
    q = new_input("q", CJ_F32, cj_shape(2, 3, 4, 5));
    cj_attention(s, q, .key = q, .value = q, .lengths = new_input("l", CJ_I32, cj_shape(3)));
    expect_refused("the lengths need shape [2]");
    s = new_drawing();
    q = new_input("q", CJ_F32, cj_shape(2, 3, 4, 5));
    cj_attention(s, q, .key = q, .value = q, .dropout = 1);
    expect_refused("has a dropout of 1, but a rate is from 0 up to 1");
    s = new_drawing();
    cj_multi_head_attention(s, new_input("x", CJ_F32, cj_shape(2, 3, 10)), .heads = 4);
    expect_refused("a width that the heads divide");
    s = new_drawing();
    cj_rotary(new_input("x", CJ_F32, cj_shape(2, 3, 2, 5)));
    expect_refused("an even number of a head's numbers to turn, not 5 of 5");
    s = new_drawing();
    cj_learned_positions(s, new_input("x", CJ_F32, cj_shape(2, 3, 4)), .count = 2);
    expect_refused("3 places are more than the 2 known");
}

static int begin(void **state)
{
    (void)state;
    expect_ok(cj_model_new(&model, .seed = 1));
    if (cj_tensor_file_open(&values, CJ_TEST_FIXTURE("attention.safetensors")) != CJ_OK) return 0;
    expect_ok(cj_model_load(model, CJ_TEST_FIXTURE("attention-weights.safetensors")));
    return 0;
}

static int end(void **state)
{
    (void)state;
    cj_tensor_file_close(values);
    cj_model_free(model);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_layers),
                                       cmocka_unit_test(test_learned_positions),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests_name("attention", tests, begin, end);
}
