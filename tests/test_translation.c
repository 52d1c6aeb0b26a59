/* Translators by the numbers of PyTorch (tests/fixtures/translation.py): logits, loss and a step of gradient
 * descent. Writing token by token gives what reading the whole gives; padding changes nothing; a source is
 * read once, and again after a reset; what does not fit is told.
 *
 * labels: threads */
#include "stored.h"

#include "cajal/cajal.h"

#include <math.h>
#include <string.h>

#define FIXTURE(name) CJ_TEST_FIXTURE("translation/" name)

enum { SOURCES = 11, TARGETS = 9, WIDTH = 8, BLOCK = 12, ROWS = 3, PLACES = 7 };

typedef struct {
    const char *name;
    cj_value (*draw)(cj_scope, const cj_translator_options *);
    int64_t source_vocabulary, vocabulary, hidden;
    int64_t block, layers; /* heads are as many */
} network;
static const network networks[] = {{"transformer", cj_transformer_translator, 0, SOURCES, 12, BLOCK, 2},
                                   {"gru", cj_gru_translator, SOURCES, TARGETS, 6, BLOCK, 1}};

static cj_value read_network(cj_scope s, const cj_reading *reading, void *context)
{
    const network *n = context;
    return n->draw(s, &(cj_translator_options){.size = sizeof(cj_translator_options),
                                               .input = *reading,
                                               .vocabulary = n->vocabulary,
                                               .source_vocabulary = n->source_vocabulary,
                                               .block = n->block,
                                               .layers = n->layers,
                                               .heads = n->layers,
                                               .width = WIDTH,
                                               .hidden = n->hidden});
}

/* x: [N,2,T] */
static cj_value draw_pairs(cj_scope s, cj_value x, const network *n)
{
    cj_shape_t shape = cj_value_shape(x);
    cj_value parts[2];
    for (int i = 0; i < 2; i++)
        parts[i] = cj_reshape(cj_slice(x, 1, i, i + 1, 1), cj_shape(shape.dims[0], shape.dims[2]));
    return read_network(s, &(cj_reading){.source = parts[0], .tokens = parts[1]}, (void *)n);
}

/* --- PyTorch's ----------------------------------------------------------------------------------------- */

static cj_tensor_file *values;

static cj_tensor value_of(const char *name, const char *what)
{
    char whole[160];
    snprintf(whole, sizeof whole, "%s%s%s", name, *what ? "." : "", what);
    return cj_test_tensor(values, whole);
}

static void expect_near(const char *name, const char *what, const float *found, double tolerance)
{
    cj_test_expect_near(values, name, what, found, tolerance);
}

/* With the weights of the fixture. */
static cj_model *load(const network *n)
{
    cj_model *model;
    char path[400];
    snprintf(path, sizeof path, "%s/%s.safetensors", CJ_TEST_FIXTURE("translation"), n->name);
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_model_load(model, path));
    return model;
}

static void check_step(const network *n)
{
    cj_model *model = load(n);
    cj_graph *graph;
    cj_program *program;
    static float logits[ROWS * PLACES * SOURCES];
    float loss;
    expect_ok(cj_graph_new(&graph, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(graph, "x", CJ_I32, cj_shape(ROWS, 2, PLACES));
    cj_value y = cj_input(graph, "y", CJ_I32, cj_shape(ROWS, PLACES));
    cj_value z = draw_pairs(cj_root(graph), x, n), l = cj_cross_entropy(z, y);
    cj_minimize(l, (cj_optimizer){.kind = CJ_SGD, .learning_rate = 1});
    cj_output(graph, "logits", z);
    cj_output(graph, "loss", l);
    expect_ok(cj_compile(&program, graph));
    expect_ok(cj_program_run(program, .inputs = {value_of("x", ""), value_of("y", "")},
                             .outputs = {logits, &loss}));
    expect_near(n->name, "logits", logits, 1e-5);
    expect_near(n->name, "loss", &loss, 1e-5);
    int64_t parameters = 0;
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        char name[140];
        cj_variable_info v = cj_model_variable(model, i);
        if (v.role != CJ_PARAMETER) continue;
        snprintf(name, sizeof name, "after.%s", v.name);
        expect_near(n->name, name, v.tensor.data, 2e-5);
        parameters++;
    }
    assert_int_equal(parameters, n->draw == cj_gru_translator ? 22 : 65);
    cj_program_free(program);
    cj_graph_free(graph);
    cj_model_free(model);
}

static void pytorch_agrees(void **state)
{
    (void)state;
    if (!values) skip_because("this build reads no safetensors");
    for (int i = 0; i < 2; i++) check_step(&networks[i]);
}

/* --- token by token ------------------------------------------------------------------------------------ */

static const int32_t *x_of(int row, int part)
{
    return (const int32_t *)value_of("x", "").data + (row * 2 + part) * PLACES;
}

static int64_t count_of(const int32_t *tokens)
{
    int64_t count = 0;
    while (count < PLACES && tokens[count]) count++;
    return count;
}

/* Text t of the generator writes the row's translation; what PyTorch has for each place is what comes next.
 */
static void check_row(cj_generator *g, const network *n, int row, int64_t texts, bool at_once)
{
    const int32_t *target = x_of(row, 1);
    const float *wanted = (const float *)value_of(n->name, "logits").data + row * PLACES * n->vocabulary;
    int64_t count = count_of(target);
    for (int64_t i = 0; i < count; i++) {
        int32_t same[4] = {target[i], target[i], target[i], target[i]};
        if (!at_once)
            expect_ok(cj_generator_step(g, same));
        else if (i + 1 < count)
            continue;
        else
            expect_ok(cj_generator_read(g, target, count));
        const float *found = cj_generator_logits(g);
        for (int64_t k = 0; k < texts * n->vocabulary; k++) {
            double w = (double)wanted[i * n->vocabulary + k % n->vocabulary];
            if (!(fabs((double)found[k] - w) <= 2e-5 * (1 + fabs(w))))
                fail_msg("%s, row %d, token %lld: %g, should be %g", n->name, row, (long long)i,
                         (double)found[k], w);
        }
    }
}

static void check_generator(const network *n, int64_t texts)
{
    cj_model *model = load(n);
    cj_generator *g;
    expect_ok(cj_generator_new(&g, model, .reader = read_network, .context = (void *)n, .block = BLOCK,
                               .texts = texts, .source = BLOCK));
    for (int row = ROWS - 1; row >= 0; row--) {
        const int32_t *source = x_of(row, 0);
        expect_ok(cj_generator_source(g, source, count_of(source)));
        check_row(g, n, row, texts, false);
        cj_generator_reset(g); /* the source stays */
        check_row(g, n, row, texts, row % 2 == 0);
    }
    cj_generator_free(g);
    cj_model_free(model);
}

static void token_by_token_as_at_once(void **state)
{
    (void)state;
    if (!values) skip_because("this build reads no safetensors");
    for (int i = 0; i < 2; i++)
        for (int64_t texts = 1; texts <= 3; texts += 2) check_generator(&networks[i], texts);
}

/* --- what does not fit --------------------------------------------------------------------------------- */

static void refusals(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *graph;
    cj_generator *g;
    static const int32_t none[] = {4, 0, 3};
    expect_ok(cj_model_new(&model, .seed = 1));
    for (int i = 0; i < 2; i++) {
        network n = networks[i];
        expect_ok(
            cj_generator_new(&g, model, .reader = read_network, .context = &n, .block = BLOCK, .source = 2));
        expect_status(cj_generator_source(g, none, 3), CJ_INVALID_ARGUMENT);
        expect_message("a source of 3 tokens, expected from 1 to 2");
        expect_status(cj_generator_source(g, none, 0), CJ_INVALID_ARGUMENT);
        expect_status(cj_generator_source(g, none, 2), CJ_INVALID_ARGUMENT);
        expect_message("a source has token 0 at 1");
        expect_status(cj_generator_step(g, none), CJ_INVALID_ARGUMENT);
        expect_message("there is nothing to translate");
        expect_ok(cj_generator_source(g, none, 1));
        for (int k = 0; k < BLOCK; k++) expect_ok(cj_generator_step(g, none));
        expect_status(cj_generator_step(g, none), CJ_INVALID_ARGUMENT);
        expect_message("as long as the block, 12 tokens");
        cj_generator_free(g);
        cj_model_free(model);
        expect_ok(cj_model_new(&model, .seed = 1));
        expect_ok(cj_graph_new(&graph, model));
        cj_value tokens = cj_input(graph, "tokens", CJ_I32, cj_shape(2, 3));
        assert_false(cj_value_ok(read_network(cj_root(graph), &(cj_reading){.tokens = tokens}, &n)));
        expect_status(cj_graph_status(graph), CJ_SHAPE_ERROR);
        expect_message("reads tokens, i32 [N,T], with a source, i32 [N,S]");
        cj_graph_free(graph);
    }
    network deep = networks[1];
    deep.layers = 2;
    expect_ok(cj_graph_new(&graph, model));
    cj_value tokens = cj_input(graph, "tokens", CJ_I32, cj_shape(2, 3));
    read_network(cj_root(graph), &(cj_reading){.tokens = tokens, .source = tokens}, &deep);
    expect_status(cj_graph_status(graph), CJ_INVALID_ARGUMENT);
    expect_message("gru-attention has one layer each way and no heads, not 2 and 2");
    cj_graph_free(graph);
    cj_model_free(model);
}

typedef struct {
    cj_model *model;
    const network *n;
} failing;

static cj_status write_two(void *context)
{
    const failing *f = context;
    cj_generator *g = NULL;
    int64_t count = 0;
    static const int32_t source[] = {4, 5, 3}, begin = 2;
    int32_t made[2];
    cj_status status = cj_generator_new(&g, f->model, .reader = read_network, .context = (void *)f->n,
                                        .block = BLOCK, .texts = 2, .source = BLOCK);
    if (status == CJ_OK) status = cj_generator_source(g, source, 3);
    if (status == CJ_OK)
        status = cj_beam_search(&count, g, .prompt = &begin, .prompt_count = 1, .tokens = 2, .made = made);
    if (status == CJ_OK) assert_int_equal(count, 2);
    cj_generator_free(g);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    if (!values) skip_because("this build reads no safetensors");
    for (int i = 0; i < 2; i++) {
        failing f = {load(&networks[i]), &networks[i]};
        expect_ok(write_two(&f)); /* the model knows its parameters from then on */
        cj_test_every_allocation_fails(write_two, &f);
        cj_model_free(f.model);
    }
}

static int begin(void **state)
{
    (void)state;
    cj_test_allocator_install();
    if (cj_tensor_file_open(&values, FIXTURE("values.safetensors")) != CJ_OK) values = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    cj_tensor_file_close(values);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pytorch_agrees), cmocka_unit_test(token_by_token_as_at_once),
        cmocka_unit_test(refusals), cmocka_unit_test(every_allocation_may_fail)};
    return cmocka_run_group_tests_name("translation", tests, begin, end);
}
