/* Frozen weights: no gradient is drawn of them nor of what lies before them alone, layers can ask, groups may
 * name them; gradual unfreezing begins moments and averages anew, and resumes to the same bits; a fit begins
 * with another network's weights. */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"
#include "graph/graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- the model's patterns ------------------------------------------------------------------------------ */

static void test_patterns(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *graph;
    static const char *const all_but_head[] = {"*", "!head.*", "head.norm.*"}, *const weights[] = {
                                                                                   "*.weight"};
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&graph, model, .mode = CJ_TRAINING));
    cj_scope root = cj_root(graph), head = cj_at(root, "head"), norm = cj_at(head, "norm");
    assert_false(cj_is_frozen(root, "weight"));
    expect_ok(cj_model_freeze(model, all_but_head, 3));
    assert_true(cj_is_frozen(root, "weight"));
    assert_false(cj_is_frozen(head, "weight"));
    assert_true(cj_is_frozen(norm, "running_mean"));
    expect_ok(cj_model_freeze(model, weights, 1));
    assert_true(cj_is_frozen(norm, "weight"));
    assert_false(cj_is_frozen(norm, "running_mean"));
    expect_ok(cj_model_freeze(model, NULL, 0));
    assert_false(cj_is_frozen(norm, "weight"));
    cj_graph_free(graph);
    cj_model_free(model);
}

/* --- a graph ------------------------------------------------------------------------------------------- */

enum { ROWS = 120, COLUMNS = 12, CLASSES = 3, BATCH = 32, EPOCHS = 6 };

static cj_value network(cj_scope s, cj_value x, void *context)
{
    (void)context;
    x = cj_relu(cj_dense(cj_at(s, "body.0"), x, .units = 16));
    x = cj_relu(cj_dense(cj_at(s, "body.1"), x, .units = 16));
    x = (cj_dropout)(cj_at(s, "dropout"), x, 0.1);
    return cj_dense(cj_at(s, "head"), x, .units = CLASSES);
}

/* Operations in products of a step in which the patterns are frozen. */
static double operations_with(const char *const *frozen, int64_t count, cj_status wanted)
{
    cj_model *model;
    cj_graph *graph;
    cj_program *program;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_model_freeze(model, frozen, count));
    expect_ok(cj_graph_new(&graph, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(graph, "x", CJ_F32, cj_shape(BATCH, COLUMNS)),
             y = cj_input(graph, "y", CJ_I32, cj_shape(BATCH));
    cj_minimize(cj_cross_entropy(network(cj_root(graph), x, NULL), y), cj_adam(.learning_rate = 0.01));
    expect_status(cj_compile(&program, graph), wanted);
    double operations = wanted == CJ_OK ? cj_program_describe(program).operations : 0;
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_variable_info v = cj_model_variable(model, i);
        if (strncmp(v.name, "optimizer.first_moment.body.0", 29) == 0) assert_int_equal(count, 0);
    }
    cj_program_free(program);
    cj_graph_free(graph);
    cj_model_free(model);
    return operations;
}

static void test_no_gradient_is_drawn(void **state)
{
    (void)state;
    static const char *const body[] = {"body.*"}, *const first[] = {"body.0.*"}, *const all[] = {"*"};
    const double a = 2.0 * BATCH * COLUMNS * 16, b = 2.0 * BATCH * 16 * 16, c = 2.0 * BATCH * 16 * CLASSES;
    assert_true(operations_with(NULL, 0, CJ_OK) == 2 * a + 3 * b + 3 * c);
    assert_true(operations_with(first, 1, CJ_OK) == a + 2 * b + 3 * c); /* weights of b, both sides of c */
    assert_true(operations_with(body, 1, CJ_OK) == a + b + 2 * c);      /* weights of c alone */
    operations_with(all, 1, CJ_INVALID_ARGUMENT);
    expect_message("every parameter that the loss depends on is frozen");
}

static double value_of(const cj_model *model, const char *name)
{
    cj_tensor t = cj_model_find(model, name);
    if (!t.data) fail_msg("there is no %s", name);
    return (double)*(const float *)t.data;
}

/* --- batch normalisation ------------------------------------------------------------------------------- */

static cj_value normalised(cj_scope s, cj_value x)
{
    return cj_batch_norm(cj_at(s, "body.bn"), x);
}

/* One training step on [4,2]; gives what the layer made of the first element. */
static float step_with_norm(cj_model *model, const char *const *frozen, int64_t count)
{
    cj_graph *graph;
    cj_program *program;
    float x[] = {1, 10, 2, 20, 3, 30, 6, 60}, y[8];
    expect_ok(cj_model_freeze(model, frozen, count));
    expect_ok(cj_graph_new(&graph, model, .mode = CJ_TRAINING));
    cj_value out = normalised(cj_root(graph), cj_input(graph, "x", CJ_F32, cj_shape(4, 2)));
    cj_value loss = cj_dense(cj_at(cj_root(graph), "head"), out, .units = 1);
    cj_minimize(cj_mean(cj_square(loss), CJ_ALL_AXES, CJ_DROP_AXES), cj_sgd(.learning_rate = 0.1));
    cj_output(graph, "y", out);
    expect_ok(cj_compile(&program, graph));
    expect_ok(cj_program_run(program, .inputs = {{x, CJ_F32, cj_shape(4, 2)}}, .outputs = {y}));
    cj_program_free(program);
    cj_graph_free(graph);
    return y[0];
}

/* Frozen, it reads its statistics and follows nothing, though the graph is one of training. */
static void test_batch_norm(void **state)
{
    (void)state;
    static const char *const body[] = {"body.*"}, *const weights[] = {"*.bn.weight"};
    cj_model *model;
    expect_ok(cj_model_new(&model, .seed = 1));
    float frozen = step_with_norm(model, body, 1);
    assert_true(fabsf(frozen - 1) < 1e-4F); /* mean 0 and variance 1, as they began */
    assert_true(value_of(model, "body.bn.running_mean") == 0);
    assert_true(value_of(model, "body.bn.running_var") == 1);
    assert_true(value_of(model, "body.bn.weight") == 1 && value_of(model, "body.bn.bias") == 0);
    float trained = step_with_norm(model, weights, 1); /* the weight alone: its statistics are followed */
    assert_true(trained < -1);
    assert_true(fabs(value_of(model, "body.bn.running_mean") - 0.3) < 1e-6);
    assert_true(value_of(model, "body.bn.weight") == 1 && value_of(model, "body.bn.bias") != 0);
    cj_model_free(model);
}

/* --- an optimizer that goes on ------------------------------------------------------------------------- */

/* The loss is x·(a + b), so that each gradient is x. */
static void step(cj_model *model, cj_optimizer optimizer, const char *const *frozen, int64_t count, int times)
{
    cj_graph *graph;
    cj_program *program;
    float gradient = 3;
    expect_ok(cj_model_freeze(model, frozen, count));
    expect_ok(cj_graph_new(&graph, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(graph, "x", CJ_F32, cj_shape(1));
    cj_init ones = {CJ_INIT_ONES, 0};
    cj_value sum = cj_add(cj_parameter(cj_root(graph), "a", cj_shape(1), ones),
                          cj_parameter(cj_root(graph), "b", cj_shape(1), ones));
    cj_minimize(cj_sum(cj_mul(x, sum), CJ_ALL_AXES, CJ_DROP_AXES), optimizer);
    expect_ok(cj_compile(&program, graph));
    for (int i = 0; i < times; i++)
        expect_ok(cj_program_run(program, .inputs = {{&gradient, CJ_F32, cj_shape(1)}}));
    cj_program_free(program);
    cj_graph_free(graph);
}

static void expect_near(double value, double wanted)
{
    if (!(fabs(value - wanted) < 1e-6)) fail_msg("%.9g, should be %.9g", value, wanted);
}

/* By Adam a parameter with a constant gradient moves by the learning rate each step, from its own first step
 * on: that of b must not be corrected as if it had been the fifth, which would move it 3.2 times as far. */
static void test_moments_begin_late(void **state)
{
    (void)state;
    static const char *const b[] = {"b"};
    const cj_optimizer optimizers[] = {cj_adam(.learning_rate = 0.01), cj_adamw(.learning_rate = 0.01)};
    for (int i = 0; i < 2; i++) {
        cj_model *model;
        expect_ok(cj_model_new(&model, .seed = 1));
        step(model, optimizers[i], b, 1, 40);
        expect_near(value_of(model, "a"), 1 - 0.4);
        assert_true(value_of(model, "b") == 1);
        assert_null(cj_model_find(model, "optimizer.first_moment.b").data);
        step(model, optimizers[i], NULL, 0, 2);
        expect_near(value_of(model, "a"), 1 - 0.42);
        expect_near(value_of(model, "b"), 1 - 0.02);
        step(model, optimizers[i], NULL, 0, 3); /* drawn once more: nothing begins again */
        expect_near(value_of(model, "b"), 1 - 0.05);
        assert_null(cj_model_find(model, "optimizer.begun.a").data);
        cj_model_free(model);
    }
}

static void test_averages_begin_late(void **state)
{
    (void)state;
    static const char *const b[] = {"b"};
    cj_model *model;
    cj_optimizer sgd = cj_sgd(.learning_rate = 0.1, .ema_decay = 0.5);
    expect_ok(cj_model_new(&model, .seed = 1));
    step(model, sgd, b, 1, 3);
    assert_null(cj_model_find(model, "ema.b").data);
    step(model, sgd, NULL, 0, 1);
    expect_near(value_of(model, "b"), 1 - 0.3);
    expect_near(value_of(model, "ema.b"), 1 - 0.15);
    cj_model_free(model);
}

/* A group may name what is frozen for now; a pattern that fits nothing at all stays an error. */
static void test_groups_of_frozen_parameters(void **state)
{
    (void)state;
    static const char *const b[] = {"b"};
    cj_model *model;
    cj_optimizer sgd = cj_sgd(.learning_rate = 0.1, .groups = {{"b", .learning_rate_factor = 2}});
    expect_ok(cj_model_new(&model, .seed = 1));
    step(model, sgd, b, 1, 1);
    step(model, sgd, NULL, 0, 1);
    expect_near(value_of(model, "b"), 1 - 0.2 * 3);
    cj_model_free(model);
}

/* --- a fit --------------------------------------------------------------------------------------------- */

static cj_dataset *make_data(void)
{
    static float x[ROWS * COLUMNS];
    static int32_t labels[ROWS];
    for (int i = 0; i < ROWS; i++) {
        labels[i] = (int32_t)(cj__bits(5, 0, (uint64_t)i) % CLASSES);
        for (int c = 0; c < COLUMNS; c++)
            x[i * COLUMNS + c] =
                cj__normal(6, (uint64_t)i, (uint64_t)c) + (c % CLASSES == labels[i] ? 1.5F : 0);
    }
    cj_dataset *data;
    expect_ok(cj_dataset_from_tensors(&data, &(cj_tensor){x, CJ_F32, cj_shape(ROWS, COLUMNS)},
                                      &(cj_tensor){labels, CJ_I32, cj_shape(ROWS)}));
    return data;
}

static const char *const body[] = {"body.*"};
static const cj_unfreezing gradually[] = {{3, "body.1.*"}, {5, "body.0.weight"}}, again[] = {{5, "body.1.*"}};
static const cj_freezing less_and_less[] = {{4, "body.1.*"}, {2, "body.0.*"}};

typedef struct {
    int64_t stop;     /* after so many updates; -1: never */
    bool between;     /* stop in the call after an epoch */
    bool with_extras; /* averages, and updates after several batches */
    bool later;       /* all is trained at first, then less and less, then one part again */
    char notes[512];
    double body0[EPOCHS + 1], body1[EPOCHS + 1]; /* a weight of each after every epoch */
} course;

static cj_verdict watch(const cj_progress *p, void *context)
{
    course *c = context;
    if (p->note) strncat(c->notes, p->note, sizeof c->notes - strlen(c->notes) - 1);
    if (p->epoch_done) {
        c->body0[p->epoch] = value_of(p->model, "body.0.weight");
        c->body1[p->epoch] = value_of(p->model, "body.1.weight");
    }
    return p->updates == c->stop && p->epoch_done == c->between ? CJ_INTERRUPT : CJ_GO_ON;
}

static cj_fit_options fit_options(cj_model *model, const cj_dataset *data, course *c)
{
    cj_fit_options o = {.size = sizeof o,
                        .model = model,
                        .forward = network,
                        .dataset = data,
                        .validation = 0.2,
                        .batch_size = BATCH,
                        .epochs = EPOCHS,
                        .optimizer = cj_adam(.learning_rate = 0.01),
                        .early_stopping = {.restore_best = true},
                        .checkpoints = {.every_steps = 1},
                        .freeze = body,
                        .freeze_count = 1,
                        .unfreeze = gradually,
                        .unfreeze_count = 2,
                        .seed = 9,
                        .callbacks = {{watch, c}}};
    if (c->with_extras) {
        o.optimizer.ema_decay = 0.9;
        o.accumulate = 2;
    }
    if (c->later) {
        o.freeze_count = 0;
        o.freeze_later = less_and_less;
        o.freeze_later_count = 2;
        o.unfreeze = again;
        o.unfreeze_count = 1;
    }
    return o;
}

static void train(const char *folder, bool resume, cj_status wanted, course *c, char digest[65])
{
    cj_model *model;
    cj_dataset *data = make_data();
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_fit_options o = fit_options(model, data, c);
    o.folder = folder;
    o.resume = resume;
    expect_status((cj_fit)(&o, NULL), wanted);
    cj_model_digest(model, digest);
    cj_model_free(model);
    cj_dataset_free(data);
}

static void test_gradual_unfreezing(void **state)
{
    (void)state;
    course c = {.stop = -1};
    char digest[65];
    train(NULL, false, CJ_OK, &c, digest);
    assert_true(c.body1[1] == c.body1[2] && c.body0[1] == c.body0[2]);
    assert_true(c.body1[2] != c.body1[3] && c.body0[2] == c.body0[4]);
    assert_true(c.body0[4] != c.body0[5]);
    assert_non_null(strstr(c.notes, "epoch 3: more of the network is trained"));
    assert_non_null(strstr(c.notes, "epoch 5: more of the network is trained"));
}

/* The first layer in one epoch, the second in three and again from the fifth on. */
static void test_freezing_later(void **state)
{
    (void)state;
    course c = {.stop = -1, .later = true};
    char digest[65];
    train(NULL, false, CJ_OK, &c, digest);
    assert_true(c.body0[1] == c.body0[2] && c.body0[2] == c.body0[EPOCHS]);
    assert_true(c.body1[1] != c.body1[2] && c.body1[2] != c.body1[3]);
    assert_true(c.body1[3] == c.body1[4] && c.body1[4] != c.body1[5]);
    assert_non_null(strstr(c.notes, "epoch 2: less of the network is trained"));
    assert_non_null(strstr(c.notes, "epoch 4: less of the network is trained"));
    assert_non_null(strstr(c.notes, "epoch 5: more of the network is trained"));
}

/* Stopped within and between epochs, before and after each change: 3 updates an epoch. */
static void test_resume_with_changes(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        bool extras = kind > 0, later = kind == 2;
        course whole = {.stop = -1, .with_extras = extras, .later = later};
        char expected[65], found[65];
        train(NULL, false, CJ_OK, &whole, expected);
        for (int64_t stop = 1 + later; stop < 18; stop += later ? 4 : 1)
            for (int between = 0; between < 1 + (stop % 3 == 0); between++) {
                course part = {.stop = stop, .between = between, .with_extras = extras, .later = later},
                       rest = {.stop = -1, .with_extras = extras, .later = later};
                char *folder = cj_test_new_folder();
                train(folder, false, CJ_INTERRUPTED, &part, found);
                train(folder, true, CJ_OK, &rest, found);
                assert_string_equal(found, expected);
                train(folder, true, CJ_OK, &rest, found); /* nothing left to do */
                assert_string_equal(found, expected);
                cj_test_remove_folder(folder);
            }
    }
}

static void expect_fit_refused(const char *const *freeze, const cj_unfreezing *unfreeze, const char *message)
{
    cj_model *model;
    course c = {.stop = -1};
    cj_dataset *data = make_data();
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_fit_options o = fit_options(model, data, &c);
    o.freeze = freeze;
    o.unfreeze = unfreeze;
    o.unfreeze_count = unfreeze ? 1 : 0;
    expect_status((cj_fit)(&o, NULL), CJ_INVALID_ARGUMENT);
    expect_message(message);
    cj_model_free(model);
    cj_dataset_free(data);
}

static void expect_later_refused(cj_freezing later, const char *message)
{
    cj_model *model;
    course c = {.stop = -1};
    cj_dataset *data = make_data();
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_fit_options o = fit_options(model, data, &c);
    o.freeze_count = o.unfreeze_count = 0;
    o.freeze_later = &later;
    o.freeze_later_count = 1;
    expect_status((cj_fit)(&o, NULL), CJ_INVALID_ARGUMENT);
    expect_message(message);
    cj_model_free(model);
    cj_dataset_free(data);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"backbone.*"}, *const all[] = {"*"};
    static const cj_unfreezing zero[] = {{0, "body.*"}}, head[] = {{2, "head.*"}},
                               nothing[] = {{2, "tail.*"}};
    expect_fit_refused(wrong, NULL, "freeze: no weight fits the pattern 'backbone.*'");
    expect_fit_refused(all, NULL, "every parameter that the loss depends on is frozen");
    expect_fit_refused(body, zero, "unfreeze: epochs are counted from 1, not from 0");
    expect_fit_refused(body, head, "unfreeze: no weight that is frozen fits the pattern 'head.*'");
    expect_fit_refused(body, nothing, "unfreeze: no weight that is frozen fits the pattern 'tail.*'");
    expect_later_refused((cj_freezing){0, "body.*"}, "freeze: epochs are counted from 1, not from 0");
    expect_later_refused((cj_freezing){2, "tail.*"}, "freeze: no weight fits the pattern 'tail.*'");
    expect_later_refused((cj_freezing){2, "*"}, "every parameter that the loss depends on is frozen");
}

/* --- beginning with weights ---------------------------------------------------------------------------- */

static int64_t loaded;

static cj_verdict note_weights(const cj_progress *p, void *context)
{
    (void)context;
    if (p->weights) loaded = p->weights->counts[CJ_WEIGHT_LOADED];
    return CJ_GO_ON;
}

static cj_verdict stop_at_5(const cj_progress *p, void *context)
{
    (void)context;
    return p->updates == 5 ? CJ_INTERRUPT : CJ_GO_ON;
}

/* The frozen part ends as the file has it. Resuming does not need the file any more. */
static void test_fit_with_weights(void **state)
{
    (void)state;
    static const char *const skip[] = {"head.*"};
    char *folder = cj_test_new_folder(), digests[2][65];
    const char *path = cj_test_path(folder, "w.safetensors");
    cj_model *source, *model;
    cj_dataset *data = make_data();
    expect_ok(cj_model_new(&source, .seed = 77));
    expect_ok(cj_draw_network(source, network, NULL, cj_shape(1, COLUMNS)));
    expect_ok(cj_model_save(source, path, NULL));
    for (int i = 0; i < 3; i++) { /* whole, then in two parts */
        course c = {.stop = -1};
        cj_weights weights = {.size = sizeof weights, .from = path, .skip = skip, .skip_count = 1};
        expect_ok(cj_model_new(&model, .seed = 4));
        cj_fit_options o = fit_options(model, data, &c);
        o.unfreeze_count = 0;
        o.weights = &weights;
        o.folder = i ? cj_test_path(folder, "run") : NULL;
        o.resume = true; /* nothing is there to go on from at first */
        o.callbacks[1].call = note_weights;
        if (i == 1) o.callbacks[2].call = stop_at_5;
        if (i == 2) remove(path);
        loaded = 0;
        expect_status((cj_fit)(&o, NULL), i == 1 ? CJ_INTERRUPTED : CJ_OK);
        assert_int_equal(loaded, i == 2 ? 0 : 4);
        cj_tensor a = cj_model_find(source, "body.1.weight"), b = cj_model_find(model, "body.1.weight");
        assert_memory_equal(a.data, b.data, cj_tensor_bytes(&a));
        cj_model_digest(model, digests[i > 0]);
        cj_model_free(model);
    }
    assert_string_equal(digests[0], digests[1]);
    cj_model_free(source);
    cj_dataset_free(data);
    cj_test_remove_folder(folder);
}

/* --- memory -------------------------------------------------------------------------------------------- */

static cj_status fit_a_little(void *data)
{
    static const cj_unfreezing soon[] = {{2, "body.1.*"}};
    static const cj_freezing later[] = {{2, "body.0.bias"}};
    cj_model *model;
    course c = {.stop = -1};
    cj_status status = cj_model_new(&model, .seed = 4);
    if (status != CJ_OK) return status;
    cj_fit_options o = fit_options(model, data, &c);
    o.unfreeze = soon;
    o.unfreeze_count = 1;
    o.freeze_later = later;
    o.freeze_later_count = 1;
    o.epochs = 2;
    o.optimizer.ema_decay = 0.9;
    o.accumulate = 2;
    o.callbacks[0].call = NULL;
    status = (cj_fit)(&o, NULL);
    cj_model_free(model);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    cj_dataset *data;
    expect_ok(cj_set_threads(1));
    cj_test_allocator_install();
    data = make_data();
    cj_test_every_allocation_fails(fit_a_little, data);
    cj_dataset_free(data);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_no_gradient_is_drawn),
        cmocka_unit_test(test_batch_norm),
        cmocka_unit_test(test_moments_begin_late),
        cmocka_unit_test(test_averages_begin_late),
        cmocka_unit_test(test_groups_of_frozen_parameters),
        cmocka_unit_test(test_gradual_unfreezing),
        cmocka_unit_test(test_freezing_later),
        cmocka_unit_test(test_resume_with_changes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_fit_with_weights),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
