/* Optimizers around the formulas: groups by name, which parameters, several on one model, what is refused.
 * The formulas themselves stand in test_training.c. */
#include "support.h"

#include "base/text.h"
#include "cajal/cajal.h"
#include "graph/graph.h"

#include <math.h>

/* A model of two scalars a.weight and a.bias, and one c.weight, all ones. The loss is
 * x·(a.weight + a.bias + c.weight), so every gradient is x. */
typedef struct {
    cj_model *model;
    cj_graph *graph;
    cj_program *step;
    cj_value loss;
} small;

static cj_value scalar(small *s, const char *scope, const char *name)
{
    return cj_parameter(cj_at(cj_root(s->graph), "%s", scope), name, cj_shape(1), (cj_init){CJ_INIT_ONES, 0});
}

static void begin(small *s)
{
    *s = (small){0};
    expect_ok(cj_model_new(&s->model, .seed = 1));
    expect_ok(cj_graph_new(&s->graph, s->model, .mode = CJ_TRAINING));
    cj_value x = cj_input(s->graph, "x", CJ_F32, cj_shape(1));
    cj_value sum = cj_add(cj_add(scalar(s, "a", "weight"), scalar(s, "a", "bias")), scalar(s, "c", "weight"));
    s->loss = cj_sum(cj_mul(x, sum), CJ_ALL_AXES, CJ_DROP_AXES);
}

static void run(small *s, float gradient)
{
    if (!s->step) expect_ok(cj_compile(&s->step, s->graph));
    expect_ok(cj_program_run(s->step, .inputs = {{&gradient, CJ_F32, cj_shape(1)}}));
}

static void end(small *s)
{
    cj_program_free(s->step);
    cj_graph_free(s->graph);
    cj_model_free(s->model);
}

static void check_value(const small *s, const char *name, double wanted)
{
    cj_tensor found = cj_model_find(s->model, name);
    assert_non_null(found.data);
    double value = (double)*(const float *)found.data;
    if (!(fabs(value - wanted) < 1e-7)) fail_msg("%s is %.9g, should be %.9g", name, value, wanted);
}

static void test_patterns(void **state)
{
    (void)state;
    assert_true(cj__text_matches("*", ""));
    assert_true(cj__text_matches("*", "a.b"));
    assert_true(cj__text_matches("a.b", "a.b"));
    assert_true(cj__text_matches("*.bias", "x.y.bias"));
    assert_true(cj__text_matches("a*b*c", "a.b.b.bc"));
    assert_true(cj__text_matches("a**", "a"));
    assert_true(cj__text_matches("*ab", "aab"));
    assert_false(cj__text_matches("*.bias", "x.bias2"));
    assert_false(cj__text_matches("a*b*c", "a.b.b.d"));
    assert_false(cj__text_matches("", "a"));
    assert_false(cj__text_matches("a", ""));
    assert_false(cj__text_matches("a", "ab"));
}

/* SGD with weight decay: p - rate·(x + decay·p); of each setting the first group that fits and has it counts.
 */
static void test_groups(void **state)
{
    (void)state;
    small s;
    begin(&s);
    cj_minimize(s.loss, cj_sgd(.learning_rate = 0.1, .weight_decay = 0.5,
                               .groups = {{"*.bias", .no_weight_decay = true},
                                          {"a.*", .learning_rate_factor = 0.5, .weight_decay = 0.25},
                                          {"*", .learning_rate_factor = 2}}));
    run(&s, 3);
    check_value(&s, "a.bias", 1 - 0.05 * 3);
    check_value(&s, "a.weight", 1 - 0.05 * (3 + 0.25));
    check_value(&s, "c.weight", 1 - 0.2 * (3 + 0.5));
    end(&s);
    /* Decoupled: the decay goes by the group's rate too. */
    begin(&s);
    cj_minimize(s.loss, cj_lion(.learning_rate = 0.1, .weight_decay = 0.5,
                                .groups = {{"a.weight", .learning_rate_factor = 0.5, .weight_decay = 0.25},
                                           {"a.bias", .no_weight_decay = true}}));
    run(&s, 3);
    check_value(&s, "a.weight", 1 - 0.05 * 0.25 - 0.05);
    check_value(&s, "a.bias", 1 - 0.1);
    check_value(&s, "c.weight", 1 - 0.1 * 0.5 - 0.1);
    end(&s);
}

/* A group with a formula of its own, at the rate and decay that the optimizer and its groups say. */
static void test_formulas_of_groups(void **state)
{
    (void)state;
    small s;
    begin(&s);
    cj_minimize(s.loss,
                cj_sgd(.learning_rate = 0.1, .weight_decay = 0.5,
                       .groups = {{"a.bias", .no_weight_decay = true, .by = &cj_sgd(.momentum = 0.5)},
                                  {"a.*", .learning_rate_factor = 0.5, .by = &cj_lion(.learning_rate = 7)}}));
    run(&s, 3);
    run(&s, 3);
    check_value(&s, "a.bias", 1 - 0.05 * 3 - 0.05 * (3 + 0.5 * 3));
    double weight = 1 - 0.05 * 0.5 - 0.05;
    check_value(&s, "a.weight", weight - 0.05 * 0.5 * weight - 0.05);
    double plain = 1 - 0.1 * (3 + 0.5);
    check_value(&s, "c.weight", plain - 0.1 * (3 + 0.5 * plain));
    end(&s);
    begin(&s);
    cj_minimize(s.loss, cj_sgd(.learning_rate = 0.1, .groups = {{"a.*", .by = &cj_sgd(.momentum = 2)}}));
    expect_status(cj_graph_status(s.graph), CJ_INVALID_ARGUMENT);
    expect_message("momentum is 2");
    end(&s);
}

/* --- Muon and kernels of convolutions --------------------------------------------------------------------
 */

enum { ROWS = 5, COLUMNS = 12, STEPS = 4, TURNS = 3 };

/* In double precision, as the method's page writes it: x / |x|, then `TURNS` times x ← a·x + (b·xxᵀ +
 * c·(xxᵀ)²)·x. x: [ROWS,COLUMNS] */
static void orthogonal(double x[ROWS][COLUMNS])
{
    double norm = 0;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        norm += x[i / COLUMNS][i % COLUMNS] * x[i / COLUMNS][i % COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++) x[i / COLUMNS][i % COLUMNS] /= sqrt(norm) + 1e-7;
    for (int turn = 0; turn < TURNS; turn++) {
        double square[ROWS][ROWS] = {0}, fourth[ROWS][ROWS] = {0}, old[ROWS][COLUMNS];
        memcpy(old, x, sizeof old);
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < ROWS; j++)
                for (int k = 0; k < COLUMNS; k++) square[i][j] += x[i][k] * x[j][k];
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < ROWS; j++)
                for (int k = 0; k < ROWS; k++) fourth[i][j] += square[i][k] * square[k][j];
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < COLUMNS; j++) {
                x[i][j] = 3.4445 * old[i][j];
                for (int k = 0; k < ROWS; k++)
                    x[i][j] += (-4.7750 * square[i][k] + 2.0315 * fourth[i][k]) * old[k][j];
            }
    }
}

/* A kernel [2,2,3,5] whose gradient is a number of its own for each element, against the method in double
 * precision on the matrix [5,12] that it is, lying on its side. */
static void test_kernels_by_muon(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *g;
    cj_program *step;
    float gradient[COLUMNS][ROWS];
    double weight[ROWS][COLUMNS], velocity[ROWS][COLUMNS] = {0};
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(2, 2, 3, ROWS));
    cj_value kernel =
        cj_kernel_parameter(cj_root(g), "kernel", cj_shape(2, 2, 3, ROWS), (cj_init){CJ_INIT_UNIFORM, 1});
    cj_optimizer muon = cj_muon(.momentum = 0.6, .iterations = TURNS, .keep_norm = true);
    cj_minimize(cj_sum(cj_mul(kernel, x), CJ_ALL_AXES, CJ_DROP_AXES),
                cj_sgd(.learning_rate = 0.1, .groups = {{"kernel", .by = &muon}}));
    expect_ok(cj_compile(&step, g));
    const float *found = cj_model_find(model, "kernel").data;
    for (int i = 0; i < ROWS * COLUMNS; i++) weight[i % ROWS][i / ROWS] = (double)found[i];
    for (int n = 0; n < STEPS; n++) {
        double ahead[ROWS][COLUMNS], norm = 0;
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            int row = i % ROWS, column = i / ROWS;
            double value = (double)(gradient[column][row] = sinf((float)(7 * i + 3 * n)));
            velocity[row][column] = 0.6 * velocity[row][column] + 0.4 * value;
            ahead[row][column] = 0.6 * velocity[row][column] + 0.4 * value;
            norm += weight[row][column] * weight[row][column];
        }
        orthogonal(ahead);
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            double *w = &weight[i % ROWS][i / ROWS];
            *w = *w * sqrt(ROWS / norm) - 0.1 * ahead[i % ROWS][i / ROWS];
        }
        expect_ok(cj_program_run(step, .inputs = {{gradient, CJ_F32, cj_shape(2, 2, 3, ROWS)}}));
        for (int i = 0; i < ROWS * COLUMNS; i++)
            if (!(fabs((double)found[i] - weight[i % ROWS][i / ROWS]) < 2e-6))
                fail_msg("step %d, element %d: %g, should be %g", n, i, (double)found[i],
                         weight[i % ROWS][i / ROWS]);
    }
    cj_program_free(step);
    cj_graph_free(g);
    cj_model_free(model);
}

/* The rate that a schedule writes reaches every group. */
static void test_rate_variable(void **state)
{
    (void)state;
    small s;
    begin(&s);
    cj_minimize(s.loss, cj_sgd(.learning_rate = 0.1, .groups = {{"a.bias", .learning_rate_factor = 10}}));
    *(float *)cj_model_find(s.model, "optimizer.learning_rate").data = 0.01f;
    run(&s, 1);
    check_value(&s, "a.bias", 1 - 0.1);
    check_value(&s, "c.weight", 1 - 0.01);
    end(&s);
}

/* A matrix and two vectors, one of them of another group, so that every optimizer has all that it makes of
 * the rate: by the group's factor, by the decay, by the shape of a matrix. */
static cj_program *make_rate_step(cj_model *model, cj_optimizer o)
{
    cj_graph *g;
    cj_program *step;
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(3, 4));
    cj_value hidden = cj_tanh(cj_dense(cj_at(cj_root(g), "in"), x, .units = 6));
    cj_value y = cj_dense(cj_at(cj_root(g), "out"), hidden, .units = 2);
    cj_minimize(cj_mean(cj_square(y), CJ_ALL_AXES, CJ_DROP_AXES), o);
    expect_ok(cj_compile(&step, g));
    cj_graph_free(g);
    return step;
}

/* Steps at one rate after the other, each written through memory that was asked for once, before the first;
 * with one program, or with a new one for each step, which can have kept nothing. */
static void follow_rates(cj_optimizer o, bool anew, char digest[65])
{
    static const float rates[] = {0.001F, 0.1F, 0.05F, 0};
    static const float x[12] = {1, -2, 0.5F, 3, -1, 0.25F, 2, -0.75F, 1.5F, -0.5F, 1, 0.125F};
    cj_model *model;
    expect_ok(cj_model_new(&model, .seed = 3));
    cj_program *step = make_rate_step(model, o);
    float *rate = cj_model_find(model, "optimizer.learning_rate").data;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        if (i && anew) {
            cj_program_free(step);
            step = make_rate_step(model, o);
        }
        *rate = rates[i];
        expect_ok(cj_program_run(step, .inputs = {{(void *)x, CJ_F32, cj_shape(3, 4)}}));
    }
    cj_model_digest(model, digest);
    cj_program_free(step);
    cj_model_free(model);
}

/* Whatever an optimizer makes of the rate alone, a step makes it of the rate as it is then. */
static void test_rates_of_a_schedule(void **state)
{
    (void)state;
    cj_optimizer every[] = {cj_sgd(.momentum = 0.9, .nesterov = true),
                            cj_rmsprop(),
                            cj_adagrad(),
                            cj_adam(),
                            cj_adamw(),
                            cj_lion(),
                            cj_muon(.keep_norm = true),
                            cj_muon()};
    assert_true(sizeof every / sizeof *every > CJ_OPTIMIZER_COUNT);
    for (size_t i = 0; i < sizeof every / sizeof *every; i++) {
        char one[65], other[65];
        every[i].learning_rate = 0.01;
        every[i].weight_decay = every[i].keep_norm ? 0 : 0.1;
        every[i].groups[0] = (cj_parameter_group){"out.*", .learning_rate_factor = 10};
        follow_rates(every[i], false, one);
        follow_rates(every[i], true, other);
        if (strcmp(one, other) != 0) fail_msg("optimizer %d keeps what it made of an earlier rate", (int)i);
    }
}

/* Two optimizers on one graph, as a GAN has them: each with its parameters, rate and step counter. */
static void test_several(void **state)
{
    (void)state;
    small s;
    begin(&s);
    cj_minimize(s.loss, cj_sgd(.learning_rate = 0.1, .parameters = "a.*", .name = "first"));
    cj_minimize(cj_scale(s.loss, -1), cj_adam(.learning_rate = 0.01, .parameters = "c.*", .name = "second"));
    run(&s, 3);
    run(&s, 3);
    check_value(&s, "a.weight", 1 - 2 * 0.1 * 3);
    check_value(&s, "a.bias", 1 - 2 * 0.1 * 3);
    check_value(&s, "c.weight", 1 + 2 * 0.01);
    check_value(&s, "optimizer.first.learning_rate", 0.1);
    check_value(&s, "optimizer.second.learning_rate", 0.01);
    assert_true(*(double *)cj_model_find(s.model, "optimizer.second.step").data == 2);
    assert_non_null(cj_model_find(s.model, "optimizer.second.first_moment.c.weight").data);
    assert_null(cj_model_find(s.model, "optimizer.first.velocity.c.weight").data);
    /* Both stand behind one guard: a loss of the first that is not finite stops the second too. */
    float bad = INFINITY;
    expect_status(cj_program_run(s.step, .inputs = {{&bad, CJ_F32, cj_shape(1)}}), CJ_NOT_FINITE);
    check_value(&s, "c.weight", 1 + 2 * 0.01);
    end(&s);
}

/* A parameter that the loss does not reach stays as it is, weight decay or not, as in PyTorch. */
static void test_unreached(void **state)
{
    (void)state;
    small s;
    begin(&s);
    cj_value apart = scalar(&s, "apart", "weight"), stopped = scalar(&s, "stopped", "weight");
    cj_output(s.graph, "apart", apart);
    cj_minimize(cj_add(s.loss, cj_sum(cj_stop_gradient(stopped), CJ_ALL_AXES, CJ_DROP_AXES)),
                cj_sgd(.learning_rate = 0.1, .weight_decay = 0.5));
    run(&s, 3);
    check_value(&s, "apart.weight", 1);
    check_value(&s, "stopped.weight", 1);
    check_value(&s, "c.weight", 1 - 0.1 * 3.5);
    end(&s);
}

static void expect_refused(small *s, const char *why)
{
    expect_status(cj_graph_status(s->graph), CJ_INVALID_ARGUMENT);
    expect_message(why);
    end(s);
}

static void test_refused(void **state)
{
    (void)state;
    small s;
    const struct {
        cj_optimizer optimizer;
        const char *why;
    } wrong[] = {
        {{.learning_rate = -1}, "learning_rate is -1"},
        {{.learning_rate = NAN}, "learning_rate is"},
        {{.momentum = 1}, "momentum is 1"},
        {{.beta1 = 1.5}, "beta1 is 1.5"},
        {{.beta2 = -0.5}, "beta2 is -0.5"},
        {{.epsilon = -1}, "epsilon is -1"},
        {{.alpha = 2}, "alpha is 2"},
        {{.weight_decay = -1}, "weight_decay is -1"},
        {{.clip_norm = -1}, "clip_norm is -1"},
        {{.kind = (cj_optimizer_kind)99}, "no kind 99"},
        {{.nesterov = true}, "nesterov needs a momentum"},
        {{.groups = {{"*.bias", .learning_rate_factor = -1}}}, "learning_rate_factor is -1"},
        {{.groups = {{.pattern = "*.bias"}, {.pattern = "*.gamma"}}},
         "no parameter fits the pattern '*.gamma'"},
        {{.parameters = "generator.*"}, "no parameter fits the pattern 'generator.*'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        begin(&s);
        cj_minimize(s.loss, wrong[i].optimizer);
        expect_refused(&s, wrong[i].why);
    }
    begin(&s);
    cj_minimize(s.loss, cj_sgd(.learning_rate = 0.1, .parameters = "a.*"));
    cj_minimize(s.loss, cj_sgd(.learning_rate = 0.1, .parameters = "c.*"));
    expect_refused(&s, "share the state 'optimizer'");
    begin(&s);
    cj_minimize(s.loss, cj_sgd(.learning_rate = 0.1, .name = "first"));
    cj_minimize(s.loss, cj_sgd(.learning_rate = 0.1, .name = "second", .parameters = "c.*"));
    expect_refused(&s, "'c.weight' already has an update");
    begin(&s);
    cj_value x = cj_input(s.graph, "y", CJ_F32, cj_shape(1));
    cj_minimize(cj_sum(x, CJ_ALL_AXES, CJ_DROP_AXES), cj_sgd(.learning_rate = 0.1));
    expect_refused(&s, "depends on no parameter");
}

static cj_status scenario(void *context)
{
    (void)context;
    cj_model *model = NULL;
    cj_graph *g = NULL;
    cj_program *program = NULL;
    cj_status status = cj_model_new(&model, .seed = 1);
    if (status == CJ_OK) status = cj_graph_new(&g, model, .mode = CJ_TRAINING);
    if (status == CJ_OK) {
        cj_value x = cj_input(g, "x", CJ_F32, cj_shape(4, 3));
        cj_value y = cj_dense(cj_at(cj_root(g), "a"), x, .units = 2);
        cj_minimize(cj_mean(cj_square(y), CJ_ALL_AXES, CJ_DROP_AXES),
                    cj_adamw(.learning_rate = 0.1, .weight_decay = 0.1, .name = "first", .clip_norm = 1,
                             .groups = {{"*.bias", .no_weight_decay = true}}));
        status = cj_compile(&program, g);
    }
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_test_every_allocation_fails(scenario, NULL);
}

/* --- against PyTorch ----------------------------------------------------------------------------------- */

static uint32_t generator;

static float next_number(void)
{
    generator = generator * 69069 + 1;
    return (float)(generator >> 16) / 65536 - 0.5F;
}

typedef struct {
    const char *name; /* of a line of fixtures/optimizers.txt */
    cj_optimizer optimizer;
} fixture_case;

enum { WEIGHTS = 12, BIASES = 3, ALL = WEIGHTS + BIASES };

/* loss = sum(0.15 p² + d p): [4,3] and [3] parameters, d an input */
static cj_value quadratic(cj_value p, cj_value d)
{
    cj_value sum = cj_add(cj_scale(cj_square(p), 0.15), cj_mul(d, p));
    return cj_sum(sum, CJ_ALL_AXES, CJ_DROP_AXES);
}

static void follow_case(const fixture_case *c, const double wanted[ALL])
{
    cj_model *model;
    cj_graph *g;
    cj_program *step;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value weight = cj_parameter(cj_root(g), "weight", cj_shape(4, 3), (cj_init){CJ_INIT_ZEROS, 0}),
             bias = cj_parameter(cj_root(g), "bias", cj_shape(3), (cj_init){CJ_INIT_ZEROS, 0});
    cj_value d1 = cj_input(g, "d1", CJ_F32, cj_shape(4, 3)), d2 = cj_input(g, "d2", CJ_F32, cj_shape(3));
    cj_minimize(cj_add(quadratic(weight, d1), quadratic(bias, d2)), c->optimizer);
    expect_ok(cj_compile(&step, g));
    float *values[2] = {cj_model_find(model, "weight").data, cj_model_find(model, "bias").data};
    generator = 1;
    for (int i = 0; i < ALL; i++) values[i >= WEIGHTS][i >= WEIGHTS ? i - WEIGHTS : i] = next_number();
    for (int t = 0; t < 100; t++) {
        float d[ALL];
        for (int i = 0; i < ALL; i++) d[i] = next_number();
        expect_ok(cj_program_run(
            step, .inputs = {{d, CJ_F32, cj_shape(4, 3)}, {d + WEIGHTS, CJ_F32, cj_shape(3)}}));
    }
    double most = 0, away = 0;
    for (int i = 0; i < ALL; i++) {
        double found = (double)values[i >= WEIGHTS][i >= WEIGHTS ? i - WEIGHTS : i];
        most = fmax(most, fabs(wanted[i]));
        away = fmax(away, fabs(found - wanted[i]));
    }
    if (!(away < 1e-6 * fmax(most, 1))) fail_msg("%s: %g away from the fixture", c->name, away);
    cj_program_free(step);
    cj_graph_free(g);
    cj_model_free(model);
}

static void test_fixtures(void **state)
{
    (void)state;
    const fixture_case cases[] = {
        {"sgd", cj_sgd(.learning_rate = 0.05)},
        {"sgd_momentum_decay", cj_sgd(.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 0.02)},
        {"sgd_nesterov", cj_sgd(.learning_rate = 0.05, .momentum = 0.9, .nesterov = true)},
        {"rmsprop", cj_rmsprop(.learning_rate = 0.01)},
        {"rmsprop_momentum", cj_rmsprop(.learning_rate = 0.01, .alpha = 0.95, .momentum = 0.5)},
        {"adagrad", cj_adagrad(.learning_rate = 0.1)},
        {"adam", cj_adam(.learning_rate = 0.02)},
        {"adam_decay", cj_adam(.learning_rate = 0.02, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.1)},
        {"adamw", cj_adamw(.learning_rate = 0.02, .weight_decay = 0.1)},
        {"adam_clipped", cj_adam(.learning_rate = 0.02, .clip_norm = 0.5)},
        {"lion", cj_lion(.learning_rate = 0.01, .weight_decay = 0.1)},
        {"muon", cj_muon(.learning_rate = 0.02, .weight_decay = 0.1)},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    int seen = 0;
    char *text = cj_test_read_file(CJ_TEST_FIXTURE("optimizers.txt"), NULL), *at = text, name[64];
    for (int used; sscanf(at, "%63s%n", name, &used) == 1;) {
        double wanted[ALL];
        at += used;
        for (int i = 0; i < ALL; i++) wanted[i] = strtod(at, &at);
        for (int c = 0; c < CASES; c++) {
            if (strcmp(cases[c].name, name) != 0) continue;
            follow_case(&cases[c], wanted);
            seen++;
        }
    }
    free(text);
    assert_int_equal(seen, CASES);
}

/* --- averages and parts -------------------------------------------------------------------------------- */

static void test_averages(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *g;
    cj_program *step;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value w = cj_parameter(cj_at(cj_root(g), "a"), "w", cj_shape(1), (cj_init){CJ_INIT_ONES, 0});
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(1));
    cj_minimize(cj_sum(cj_mul(w, x), CJ_ALL_AXES, CJ_DROP_AXES),
                cj_sgd(.learning_rate = 0.1, .ema_decay = 0.9));
    expect_ok(cj_compile(&step, g));
    double value = 1, average = 0;
    for (int t = 0; t < 20; t++) {
        float d = (float)(t % 5) - 1.5F;
        expect_ok(cj_program_run(step, .inputs = {{&d, CJ_F32, cj_shape(1)}}));
        value -= 0.1 * (double)d;
        average = t ? 0.9 * average + 0.1 * value : value;
    }
    float *now = cj_model_find(model, "a.w").data, before = *now;
    assert_true(fabs((double)*now - value) < 1e-6);
    cj_model_swap_averages(model);
    assert_true(fabs((double)*(float *)cj_model_find(model, "a.w").data - average) < 1e-6);
    cj_model_swap_averages(model);
    assert_true(*(float *)cj_model_find(model, "a.w").data == before);
    cj_program_free(step);
    cj_graph_free(g);
    cj_model_free(model);
}

enum { EXAMPLES = 12, INPUTS = 5 };

static cj_value network(cj_scope s, cj_value x)
{
    return cj_dense(cj_at(s, "out"), cj_tanh(cj_dense(cj_at(s, "in"), x, .units = 4)), .units = 3);
}

/* Weighted rows, so that dividing by the number of parts instead would show. */
static cj_value weighted_sum(cj_graph *g, int rows, cj_value *weight)
{
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(rows, INPUTS)),
             w = cj_input(g, "w", CJ_F32, cj_shape(rows));
    cj_value each = cj_mean(cj_square(network(cj_root(g), x)), (cj_axes_t){1, {1}}, CJ_DROP_AXES);
    *weight = cj_sum(w, CJ_ALL_AXES, CJ_DROP_AXES);
    return cj_sum(cj_mul(each, w), CJ_ALL_AXES, CJ_DROP_AXES);
}

static void run_rows(cj_program *p, float *x, float *w, int first, int rows)
{
    expect_ok(cj_program_run(p, .inputs = {{x + first * INPUTS, CJ_F32, cj_shape(rows, INPUTS)},
                                           {w + first, CJ_F32, cj_shape(rows)}}));
}

static void test_parts(void **state)
{
    (void)state;
    const int sizes[] = {12, 4, 3, 1};
    static float x[EXAMPLES * INPUTS], w[EXAMPLES], first[4 * INPUTS];
    generator = 9;
    for (int i = 0; i < EXAMPLES * INPUTS; i++) x[i] = next_number();
    for (int i = 0; i < EXAMPLES; i++) w[i] = next_number() + 1;
    for (int k = 0; k < 4; k++) {
        cj_model *model;
        cj_graph *g, *h;
        cj_program *add, *update;
        cj_value weight;
        cj_optimizer adam = cj_adam(.learning_rate = 0.05, .clip_norm = 0.1);
        expect_ok(cj_model_new(&model, .seed = 1));
        expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
        cj_value sum = weighted_sum(g, sizes[k], &weight);
        cj_accumulate(sum, weight, adam);
        expect_ok(cj_compile(&add, g));
        expect_ok(cj_graph_new(&h, model, .mode = CJ_TRAINING));
        cj_update(h, adam);
        expect_ok(cj_compile(&update, h));
        for (int t = 0; t < 6; t++) {
            for (int row = 0; row < EXAMPLES; row += sizes[k]) run_rows(add, x, w, row, sizes[k]);
            expect_ok((cj_program_run)(&(cj_run_options){.size = sizeof(cj_run_options), .program = update}));
        }
        const float *found = cj_model_find(model, "in.weight").data;
        for (int i = 0; i < 4 * INPUTS; i++) {
            if (k == 0) first[i] = found[i];
            if (fabsf(found[i] - first[i]) > 1e-6F) fail_msg("parts of %d rows lead elsewhere", sizes[k]);
        }
        cj_program_free(add);
        cj_program_free(update);
        cj_graph_free(g);
        cj_graph_free(h);
        cj_model_free(model);
    }
}

/* Gradients whose norm is beyond f32 cannot be scaled down by it: the step is refused, as one of infinite
 * gradients is. */
static void test_norm_beyond(void **state)
{
    (void)state;
    small s;
    float gradient = 1e30F;
    begin(&s);
    cj_minimize(s.loss, cj_sgd(.learning_rate = 0.1, .clip_norm = 1));
    run(&s, 3);
    check_value(&s, "a.weight", 1 - 0.1 / sqrt(3));
    expect_status(cj_program_run(s.step, .inputs = {{&gradient, CJ_F32, cj_shape(1)}}), CJ_NOT_FINITE);
    check_value(&s, "a.weight", 1 - 0.1 / sqrt(3));
    end(&s);
}

/* --- rows of a table ----------------------------------------------------------------------------------- */

enum { TABLE = 50, READ = 12, WIDE = 70 };
static const int32_t read_rows[READ] = {4, 49, 4, 7, -1, 0, 4, 50, 7, 31, 32, 33};

static cj_value loss_of_rows(cj_graph *g)
{
    cj_value x = cj_input(g, "x", CJ_I32, cj_shape(3, READ / 3));
    cj_value y = cj_embedding(cj_root(g), x, .count = TABLE, .width = WIDE);
    return cj_sum(cj_square(cj_add_scalar(y, 0.25)), CJ_ALL_AXES, CJ_DROP_AXES);
}

static void learn_table(cj_optimizer o, bool in_parts, float *table, char **text)
{
    cj_model *model;
    cj_graph *g, *h = NULL;
    cj_program *step, *update = NULL;
    expect_ok(cj_model_new(&model, .seed = 5));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value loss = loss_of_rows(g);
    if (in_parts)
        cj_accumulate(loss, cj_constant(g, CJ_F32, 1), o);
    else
        cj_minimize(loss, o);
    expect_ok(cj_compile(&step, g));
    if (in_parts) {
        expect_ok(cj_graph_new(&h, model, .mode = CJ_TRAINING));
        cj_update(h, o);
        expect_ok(cj_compile(&update, h));
    }
    for (int i = 0; i < STEPS; i++) {
        expect_ok(cj_program_run(step, .inputs = {{(void *)read_rows, CJ_I32, cj_shape(3, READ / 3)}}));
        if (update)
            expect_ok((cj_program_run)(&(cj_run_options){.size = sizeof(cj_run_options), .program = update}));
    }
    memcpy(table, cj_model_find(model, "weight").data, TABLE * WIDE * sizeof *table);
    if (text) expect_ok(cj_program_text(step, text));
    cj_program_free(step);
    cj_program_free(update);
    cj_graph_free(g);
    cj_graph_free(h);
    cj_model_free(model);
}

/* The rows that were read are updated in place, with the bits that an update of the whole table gives; where
 * the optimizer moves other rows too, it is the whole. */
static void test_rows(void **state)
{
    (void)state;
    static float all[TABLE * WIDE], rows[TABLE * WIDE];
    const cj_optimizer alone[] = {cj_sgd(.learning_rate = 0.1), cj_adagrad(.learning_rate = 0.1)};
    const cj_optimizer whole[] = {
        cj_sgd(.learning_rate = 0.1, .momentum = 0.5), cj_adam(.learning_rate = 0.1),
        cj_sgd(.learning_rate = 0.1, .weight_decay = 0.1), cj_sgd(.learning_rate = 0.1, .clip_norm = 1),
        cj_sgd(.learning_rate = 0.1, .ema_decay = 0.9)};
    char *text;
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        learn_table(alone[i], true, all, NULL);
        learn_table(alone[i], false, rows, &text);
        assert_memory_equal(all, rows, sizeof all);
        assert_non_null(strstr(text, "put rows"));
        assert_non_null(strstr(text, "in place"));
        assert_null(strstr(text, "scatter-add"));
        cj_text_free(text);
    }
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        learn_table(whole[i], false, rows, &text);
        assert_null(strstr(text, "put rows"));
        assert_non_null(strstr(text, "scatter-add"));
        cj_text_free(text);
    }
}

static void test_update_of_nothing(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *g;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_update(g, cj_adam(.learning_rate = 0.1));
    expect_status(cj_graph_status(g), CJ_INVALID_ARGUMENT);
    expect_message("nothing was accumulated");
    cj_graph_free(g);
    cj_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),          cmocka_unit_test(test_groups),
        cmocka_unit_test(test_several),           cmocka_unit_test(test_rate_variable),
        cmocka_unit_test(test_unreached),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_allocations),       cmocka_unit_test(test_fixtures),
        cmocka_unit_test(test_averages),          cmocka_unit_test(test_parts),
        cmocka_unit_test(test_update_of_nothing), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_norm_beyond),       cmocka_unit_test(test_formulas_of_groups),
        cmocka_unit_test(test_kernels_by_muon),   cmocka_unit_test(test_rates_of_a_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
