/* Every network against PyTorch's, from tests/fixtures/networks.py: names and shapes of its weights, how many
 * parameters, and what it gives with weights that both sides compute from their names.
 * labels: slow */
#include "support.h"

#include "base/sha256.h"
#include "cajal/cajal.h"
#include "model/model.h"

#include <math.h>

enum { SHOWN = 20, PICTURES = 2, CLASSES = 10, MOST_ROWS = 100, MOST_LINE = 2000 };

typedef struct {
    char name[64], digest[65];
    int64_t variables, parameters;
    int64_t height, width; /* 0: it is not run */
    double gain;
    int64_t count; /* of results, of which some are shown */
    double shown[SHOWN];
} row;

static row rows[MOST_ROWS];
static int row_count;

/* --- the fixture --------------------------------------------------------------------------------------- */

static void read_results(row *r, const char *text)
{
    int used;
    for (int i = 0; i < SHOWN; i++, text += used)
        if (sscanf(text, " %lf%n", &r->shown[i], &used) != 1)
            fail_msg("the fixture has too few results for %s", r->name);
}

static void read_row(const char *line)
{
    row *r = &rows[row_count++];
    long long variables, parameters, height, width, count;
    int used = 0;
    if (sscanf(line, "%63s %lld %lld %64s %n", r->name, &variables, &parameters, r->digest, &used) != 4)
        fail_msg("the fixture has no row in '%s'", line);
    r->variables = variables, r->parameters = parameters;
    line += used;
    if (sscanf(line, "%lld %lld %lf %lld%n", &height, &width, &r->gain, &count, &used) != 4) return;
    r->height = height, r->width = width, r->count = count;
    read_results(r, line + used);
}

static int read_fixture(void **state)
{
    char line[MOST_LINE];
    FILE *file = fopen(CJ_TEST_FIXTURE("networks.txt"), "r");
    (void)state;
    if (!file) return -1;
    while (row_count < MOST_ROWS && fgets(line, sizeof line, file)) read_row(line);
    fclose(file);
    return row_count < 30 ? -1 : 0;
}

static cj_network_facts facts_of(const char *name)
{
    cj_network_facts facts;
    for (int64_t i = 0; cj_network_at(i, &facts); i++)
        if (strcmp(facts.name, name) == 0) return facts;
    fail_msg("there is no network %s", name);
    return facts;
}

static const row *row_of(const char *name)
{
    for (int i = 0; i < row_count; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

/* --- a network, drawn ---------------------------------------------------------------------------------- */

typedef struct {
    cj_model *model;
    cj_graph *graph;
    cj_value y;
} drawn;

static cj_status draw(drawn *d, const char *name, cj_shape_t shape, int64_t classes, cj_mode mode)
{
    *d = (drawn){0};
    cj_status status = cj_model_new(&d->model, .no_values = true);
    if (status == CJ_OK) status = cj_graph_new(&d->graph, d->model, .mode = mode);
    if (status != CJ_OK) return status;
    cj_network_options options = {
        .size = sizeof options, .input = cj_input(d->graph, "x", CJ_F32, shape), .classes = classes};
    d->y = cj_network(cj_root(d->graph), name, &options);
    return cj_graph_status(d->graph);
}

static void discard(drawn *d)
{
    cj_graph_free(d->graph);
    cj_model_free(d->model);
}

static drawn draw_whole(const char *name)
{
    drawn d;
    cj_network_facts f = facts_of(name);
    expect_ok(draw(&d, name, cj_shape(1, f.height, f.width, f.channels), 0, CJ_INFERENCE));
    return d;
}

/* --- names, shapes and counts -------------------------------------------------------------------------- */

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "layer1.0.conv1.weight 64x64x3x3\n", as in files */
static char *line_of(const cj__variable *v)
{
    cj_shape_t shape = cj__file_shape(v);
    char *line = malloc(CJ__LONGEST_NAME + 200);
    int used = sprintf(line, "%s ", v->name);
    for (int64_t d = 0; d < shape.rank; d++)
        used += sprintf(line + used, d ? "x%lld" : "%lld", (long long)shape.dims[d]);
    strcpy(line + used, "\n");
    return line;
}

/* The digest of the sorted lines; their count and the number of parameters. */
static void digest_of(const cj_model *model, row *found)
{
    char **lines = malloc((size_t)model->count * sizeof *lines);
    unsigned char digest[32];
    cj__sha256 hash;
    *found = (row){.variables = model->count};
    for (int64_t i = 0; i < model->count; i++) {
        const cj__variable *v = model->variables[i];
        if (v->role == CJ_PARAMETER) found->parameters += cj_shape_count(v->shape);
        lines[i] = line_of(v);
    }
    qsort(lines, (size_t)model->count, sizeof *lines, compare_lines);
    cj__sha256_begin(&hash);
    for (int64_t i = 0; i < model->count; i++) {
        cj__sha256_update(&hash, lines[i], strlen(lines[i]));
        free(lines[i]);
    }
    cj__sha256_end(&hash, digest);
    cj__sha256_hex(digest, found->digest);
    free(lines);
}

static void weights_have_the_names_and_shapes_of_pytorchs(void **state)
{
    (void)state;
    for (int i = 0; i < row_count; i++) {
        const row *r = &rows[i];
        row found;
        drawn d = draw_whole(r->name);
        digest_of(d.model, &found);
        if (found.variables != r->variables || found.parameters != r->parameters)
            fail_msg("%s has %lld variables and %lld parameters; PyTorch's has %lld and %lld", r->name,
                     (long long)found.variables, (long long)found.parameters, (long long)r->variables,
                     (long long)r->parameters);
        if (strcmp(found.digest, r->digest) != 0)
            fail_msg("%s: a weight has another name or shape than PyTorch's", r->name);
        discard(&d);
    }
}

static void every_network_is_compared(void **state)
{
    (void)state;
    cj_network_facts facts;
    for (int64_t i = 0; cj_network_at(i, &facts); i++)
        if (!row_of(facts.name)) fail_msg("%s is not in the fixture", facts.name);
}

/* --- what a drawing costs ------------------------------------------------------------------------------ */

static void costs_are_those_of_the_layers(void **state)
{
    (void)state;
    drawn d = draw_whole("resnet50");
    cj_graph_facts facts = cj_graph_describe(d.graph);
    assert_int_equal(facts.parameters, 25557032);
    assert_int_equal(facts.frozen, 0);
    assert_true(facts.multiply_adds == 4089184256.0);
    discard(&d);
    const char *frozen[] = {"*", "!fc.*"};
    expect_ok(cj_model_new(&d.model, .no_values = true));
    expect_ok(cj_model_freeze(d.model, frozen, 2));
    expect_ok(cj_graph_new(&d.graph, d.model));
    cj_value x = cj_input(d.graph, "x", CJ_F32, cj_shape(3, 227, 227, 3));
    cj_network(cj_root(d.graph), "squeezenet1_0", &(cj_network_options){.input = x, .classes = 10});
    facts = cj_graph_describe(d.graph);
    assert_int_equal(facts.frozen, facts.parameters); /* it has no "fc" */
    discard(&d);
}

static void turn(cj_scan_step *step)
{
    step->carries[0] = cj_matmul(step->carries[0], *(cj_value *)step->context);
}

/* A loop counts as often as it is run, and products outside of layers do not. */
static void loops_count_each_of_their_steps(void **state)
{
    (void)state;
    cj_graph *g;
    expect_ok(cj_graph_new(&g, NULL));
    cj_value h = cj_input(g, "h", CJ_F32, cj_shape(2, 3)), w = cj_input(g, "w", CJ_F32, cj_shape(3, 3));
    cj_scan_result result = cj_scan(turn, .carries = {h}, .length = 5, .context = &w);
    cj_note_layer(cj_root(g), "loop", result.carries[0]);
    cj_matmul(result.carries[0], w);
    expect_ok(cj_graph_status(g));
    assert_true(cj_graph_describe(g).multiply_adds == 5 * 2 * 3 * 3);
    cj_graph_free(g);
}

/* --- results ------------------------------------------------------------------------------------------- */

/* Number i of a name, between 0 and 1: networks.py says how. */
static double number(uint64_t key, uint64_t i)
{
    uint64_t h = key + i * 0x9E3779B97F4A7C15;
    h = (h ^ h >> 32) * 0xD6E8FEB86659FD93;
    return (double)((h ^ h >> 32) >> 40) / 16777216;
}

static bool ends_in(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

static void fill(cj__variable *v, double gain)
{
    uint64_t key = cj__hash_text(v->name);
    cj_shape_t shape = cj__file_shape(v);
    int64_t count = cj_shape_count(shape);
    bool around_zero = ends_in(v->name, "bias") || ends_in(v->name, "running_mean");
    double limit = shape.rank > 1 ? sqrt(3 * gain / (double)(count / shape.dims[0])) : 0;
    for (int64_t i = 0; i < count; i++) {
        double u = number(key, (uint64_t)i);
        u = shape.rank > 1 ? (2 * u - 1) * limit : around_zero ? 0.2 * (u - 0.5) : u + 0.5;
        ((float *)v->data)[i] = (float)u;
    }
    if (v->kernel) {
        v->version++;
        expect_ok(cj__from_file_layout(v));
    }
}

static cj_tensor pictures(cj_shape_t shape)
{
    cj_tensor x = {NULL, CJ_F32, shape};
    uint64_t key = cj__hash_text("x");
    x.data = malloc(cj_tensor_bytes(&x));
    for (int64_t i = 0; i < cj_shape_count(shape); i++)
        ((float *)x.data)[i] = (float)(2 * number(key, (uint64_t)i) - 1);
    return x;
}

static void expect_results(const row *r, const float *y)
{
    for (int64_t i = 0; i < SHOWN; i++) {
        double found = (double)y[i * r->count / SHOWN];
        if (!(fabs(found - r->shown[i]) <= 1e-4 * (1 + fabs(r->shown[i]))))
            fail_msg("%s: result %lld is %g, but PyTorch has %g", r->name, (long long)(i * r->count / SHOWN),
                     found, r->shown[i]);
    }
}

static void run_network(const row *r)
{
    drawn d;
    cj_program *program;
    cj_shape_t shape = cj_shape(PICTURES, r->height, r->width, facts_of(r->name).channels);
    expect_ok(draw(&d, r->name, shape, CLASSES, CJ_INFERENCE));
    for (int64_t i = 0; i < d.model->count; i++) fill(d.model->variables[i], r->gain);
    cj_output(d.graph, "y", d.y);
    expect_ok(cj_compile(&program, d.graph));
    cj_tensor x = pictures(shape);
    assert_int_equal(cj_shape_count(cj_value_shape(d.y)), r->count);
    float *y = malloc((size_t)r->count * sizeof *y);
    expect_ok(cj_program_run(program, .inputs = {x}, .outputs = {y}));
    expect_results(r, y);
    free(y);
    free(x.data);
    cj_program_free(program);
    discard(&d);
}

static void networks_give_what_pytorchs_do(void **state)
{
    (void)state;
    for (int i = 0; i < row_count; i++)
        if (rows[i].height) run_network(&rows[i]);
}

/* --- drawing ------------------------------------------------------------------------------------------- */

/* Each has a gradient by each of its parameters. */
static void networks_can_be_trained(void **state)
{
    (void)state;
    cj_network_facts f;
    for (int64_t i = 0; cj_network_at(i, &f); i++) {
        drawn d;
        expect_ok(draw(&d, f.name, cj_shape(2, f.height, f.width, f.channels), 0, CJ_TRAINING));
        cj_minimize(cj_mean(cj_square(d.y), CJ_ALL_AXES, CJ_DROP_AXES), cj_sgd(.learning_rate = 1));
        if (cj_graph_status(d.graph) != CJ_OK) fail_msg("%s: %s", f.name, cj_error_message());
        discard(&d);
    }
}

/* Its drawing has thousands of nodes, of which each needs most of those before it: a search through all of
 * them for each would take minutes. */
static void a_network_of_many_paths_compiles(void **state)
{
    (void)state;
    drawn d;
    cj_program *program;
    expect_ok(draw(&d, "densenet121", cj_shape(2, 32, 32, 3), 10, CJ_TRAINING));
    cj_minimize(cj_mean(cj_square(d.y), CJ_ALL_AXES, CJ_DROP_AXES), cj_sgd(.learning_rate = 1));
    expect_ok(cj_compile(&program, d.graph));
    cj_program_free(program);
    discard(&d);
}

/* Three steps on four pictures: what a network that begins badly, or whose gradients are wrong, does not do.
 */
static void expect_to_learn(const char *name, int64_t side)
{
    cj_model *model;
    cj_graph *graph;
    cj_program *program;
    cj_shape_t shape = cj_shape(4, side, side, facts_of(name).channels);
    cj_tensor x = pictures(shape), y = {(int32_t[]){0, 1, 2, 3}, CJ_I32, cj_shape(4)};
    float loss[3];
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&graph, model, .mode = CJ_TRAINING));
    cj_value in = cj_input(graph, "x", CJ_F32, shape), labels = cj_input(graph, "y", CJ_I32, y.shape);
    cj_network_options options = {.size = sizeof options, .input = in, .classes = 4};
    cj_value drawn_loss = cj_cross_entropy(cj_network(cj_root(graph), name, &options), labels);
    cj_minimize(drawn_loss, cj_adam(.learning_rate = 1e-3));
    cj_output(graph, "loss", drawn_loss);
    expect_ok(cj_compile(&program, graph));
    for (int i = 0; i < 3; i++) expect_ok(cj_program_run(program, .inputs = {x, y}, .outputs = {&loss[i]}));
    if (!(loss[0] < 4 && loss[2] < loss[0]))
        fail_msg("%s: the loss goes from %g to %g", name, (double)loss[0], (double)loss[2]);
    free(x.data);
    cj_program_free(program);
    cj_graph_free(graph);
    cj_model_free(model);
}

static void small_networks_learn(void **state)
{
    (void)state;
    expect_to_learn("lenet5", 28);
    expect_to_learn("res2net_cifar", 16);
    expect_to_learn("mobilenet_cifar", 16);
    expect_to_learn("preact_resnet20_cifar", 16);
    expect_to_learn("wrn16_4", 8);
    expect_to_learn("mobilenet_v3_small", 32);
    expect_to_learn("squeezenet1_1", 32);
}

static void pictures_that_do_not_fit_are_told(void **state)
{
    (void)state;
    drawn d;
    expect_status(draw(&d, "autoencoder", cj_shape(1, 30, 32, 3), 0, CJ_INFERENCE), CJ_SHAPE_ERROR);
    expect_message("multiples of 4");
    discard(&d);
    expect_status(draw(&d, "inception_v3", cj_shape(1, 32, 32, 3), 0, CJ_INFERENCE), CJ_SHAPE_ERROR);
    expect_message("a window of 3 does not fit in 1");
    discard(&d);
    expect_status(draw(&d, "resnet_50", cj_shape(1, 32, 32, 3), 0, CJ_INFERENCE), CJ_INVALID_ARGUMENT);
    expect_message("did you mean 'resnet50'?");
    discard(&d);
}

/* Grey pictures on three channels give what the same in colour gives. */
static void grey_pictures_are_shown_on_more_channels(void **state)
{
    (void)state;
    enum { SIDE = 8 };
    cj_model *model;
    cj_graph *graph;
    cj_program *program;
    float grey[SIDE * SIDE], colour[SIDE * SIDE * 3], found[10], wanted[10];
    for (int i = 0; i < SIDE * SIDE * 3; i++) grey[i / 3] = colour[i] = (float)(i / 3 * 37 % 64) / 32 - 1;
    expect_ok(cj_model_new(&model, .seed = 3));
    expect_ok(cj_graph_new(&graph, model));
    cj_value x = cj_input(graph, "grey", CJ_F32, cj_shape(1, SIDE, SIDE)),
             y = cj_input(graph, "colour", CJ_F32, cj_shape(1, SIDE, SIDE, 3));
    cj_network_options options = {.size = sizeof options, .input = x, .channels = 3};
    cj_output(graph, "found", cj_network(cj_root(graph), "resnet20_cifar", &options));
    options.input = y;
    cj_output(graph, "wanted", cj_network(cj_root(graph), "resnet20_cifar", &options));
    expect_ok(cj_compile(&program, graph));
    expect_ok(cj_program_run(
        program,
        .inputs = {{grey, CJ_F32, cj_shape(1, SIDE, SIDE)}, {colour, CJ_F32, cj_shape(1, SIDE, SIDE, 3)}},
        .outputs = {found, wanted}));
    assert_memory_equal(found, wanted, sizeof found);
    assert_true(found[0] != found[1]);
    cj_program_free(program);
    options.channels = 4;
    cj_network(cj_root(graph), "resnet20_cifar", &options);
    expect_status(cj_graph_status(graph), CJ_SHAPE_ERROR);
    expect_message("pictures have 3 channels, and only grey ones can be shown on 4");
    cj_graph_free(graph);
    cj_model_free(model);
}

static cj_status draw_small(void *context)
{
    drawn d;
    cj_status status = draw(&d, context, cj_shape(1, 16, 16, 3), 4, CJ_TRAINING);
    discard(&d);
    return status;
}

static void drawing_survives_failed_allocations(void **state)
{
    (void)state;
    cj_test_every_allocation_fails(draw_small, "autoencoder");
    cj_test_every_allocation_fails(draw_small, "res2net_cifar");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_have_the_names_and_shapes_of_pytorchs),
        cmocka_unit_test(every_network_is_compared),
        cmocka_unit_test(costs_are_those_of_the_layers),
        cmocka_unit_test(loops_count_each_of_their_steps),
        cmocka_unit_test(networks_give_what_pytorchs_do),
        cmocka_unit_test(networks_can_be_trained),
        cmocka_unit_test(a_network_of_many_paths_compiles),
        cmocka_unit_test(small_networks_learn),
        cmocka_unit_test(pictures_that_do_not_fit_are_told),
        cmocka_unit_test(grey_pictures_are_shown_on_more_channels),
        cmocka_unit_test(drawing_survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, read_fixture, NULL);
}
