/* Whole training steps: the same bits for any number of threads and after carrying on from saved state, no
 * allocation in a run, a bad step that changes nothing, optimizers against their formulas, every allocation
 * failing in turn.
 *
 * labels: threads */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 96, COLUMNS = 50, CLASSES = 7 };

/* Of the first hidden layer: more, where every step shall be cut into many tasks. */
static int64_t units = 70;

static cj_value network(cj_scope s, cj_value x)
{
    x = cj_relu(cj_dense(cj_at(s, "hidden1"), x, .units = units));
    x = (cj_dropout)(cj_at(s, "dropout"), x, 0.2);
    x = (cj_gelu)(cj_dense(cj_at(s, "hidden2"), x, .units = 33));
    return cj_dense(cj_at(s, "logits"), x, .units = CLASSES);
}

typedef struct {
    cj_model *model;
    cj_program *step;
    float x[ROWS * COLUMNS];
    int32_t y[ROWS];
} training;

static cj_status begin(training *t, cj_optimizer optimizer)
{
    cj_graph *g = NULL;
    memset(t, 0, sizeof *t);
    cj_status status = cj_model_new(&t->model, .seed = 3);
    if (status == CJ_OK) status = cj_graph_new(&g, t->model, .mode = CJ_TRAINING);
    if (status == CJ_OK) {
        cj_value x = cj_input(g, "x", CJ_F32, cj_shape(ROWS, COLUMNS)),
                 y = cj_input(g, "y", CJ_I32, cj_shape(ROWS));
        cj_value loss = cj_cross_entropy(network(cj_root(g), x), y);
        cj_minimize(loss, optimizer);
        cj_output(g, "loss", loss);
        status = cj_compile(&t->step, g);
    }
    cj_graph_free(g);
    for (int i = 0; i < ROWS * COLUMNS; i++) t->x[i] = cj__normal(1, 0, (uint64_t)i);
    for (int i = 0; i < ROWS; i++) t->y[i] = (int32_t)(cj__bits(2, 0, (uint64_t)i) % CLASSES);
    return status;
}

static cj_status run_step(training *t, float *loss)
{
    return cj_program_run(t->step,
                          .inputs = {{t->x, CJ_F32, cj_shape(ROWS, COLUMNS)}, {t->y, CJ_I32, cj_shape(ROWS)}},
                          .outputs = {loss});
}

static void end(training *t)
{
    cj_program_free(t->step);
    cj_model_free(t->model);
}

/* All variables, one after another. */
static char *state_of(const cj_model *model, size_t *size)
{
    *size = 0;
    char *all = NULL;
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_tensor v = cj_model_variable(model, i).tensor;
        all = realloc(all, *size + cj_tensor_bytes(&v));
        memcpy(all + *size, v.data, cj_tensor_bytes(&v));
        *size += cj_tensor_bytes(&v);
    }
    return all;
}

static void put_state(cj_model *model, const char *all)
{
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_tensor v = cj_model_variable(model, i).tensor;
        memcpy(v.data, all, cj_tensor_bytes(&v));
        all += cj_tensor_bytes(&v);
    }
}

static void same_bits_for_any_threads(void)
{
    char *first = NULL;
    size_t size;
    const int threads[] = {1, 2, 3, 7};
    for (size_t k = 0; k < sizeof threads / sizeof *threads; k++) {
        training t;
        float loss;
        expect_ok(cj_set_threads(threads[k]));
        assert_int_equal(cj_threads(), threads[k]);
        expect_ok(begin(&t, cj_adam(.learning_rate = 1e-2)));
        for (int i = 0; i < 20; i++) expect_ok(run_step(&t, &loss));
        char *now = state_of(t.model, &size);
        if (first) assert_memory_equal(first, now, size);
        if (first)
            free(now);
        else
            first = now;
        end(&t);
    }
    free(first);
    expect_ok(cj_set_threads(2));
}

static void test_threads(void **state)
{
    (void)state;
    same_bits_for_any_threads();
    units = 1500;
    same_bits_for_any_threads();
    units = 70;
}

static void test_resume(void **state)
{
    (void)state;
    training whole, half, rest;
    float loss;
    size_t size;
    expect_ok(begin(&whole, cj_adamw(.learning_rate = 1e-2, .weight_decay = 0.1)));
    for (int i = 0; i < 12; i++) expect_ok(run_step(&whole, &loss));
    expect_ok(begin(&half, cj_adamw(.learning_rate = 1e-2, .weight_decay = 0.1)));
    for (int i = 0; i < 5; i++) expect_ok(run_step(&half, &loss));
    char *saved = state_of(half.model, &size);
    end(&half);
    expect_ok(begin(&rest, cj_adamw(.learning_rate = 1e-2, .weight_decay = 0.1)));
    put_state(rest.model, saved);
    for (int i = 5; i < 12; i++) expect_ok(run_step(&rest, &loss));
    char *a = state_of(whole.model, &size), *b = state_of(rest.model, &size);
    assert_memory_equal(a, b, size);
    free(saved), free(a), free(b);
    end(&whole);
    end(&rest);
}

static void test_no_allocation(void **state)
{
    (void)state;
    training t;
    float loss;
    expect_ok(begin(&t, cj_sgd(.learning_rate = 0.1, .momentum = 0.9)));
    expect_ok(run_step(&t, &loss));
    uint64_t before = cj_memory().allocations;
    for (int i = 0; i < 10; i++) expect_ok(run_step(&t, &loss));
    assert_int_equal(cj_memory().allocations, before);
    end(&t);
}

static void test_bad_step(void **state)
{
    (void)state;
    training t;
    float loss;
    size_t size;
    expect_ok(begin(&t, cj_adam(.learning_rate = 1e-2)));
    expect_ok(run_step(&t, &loss));
    char *before = state_of(t.model, &size);
    t.x[17] = NAN;
    expect_status(run_step(&t, &loss), CJ_NOT_FINITE);
    expect_message("nothing was changed");
    char *after = state_of(t.model, &size);
    assert_memory_equal(before, after, size);
    t.x[17] = 0;
    expect_ok(run_step(&t, &loss));
    free(before), free(after);
    end(&t);
}

static void test_learns(void **state)
{
    (void)state;
    const cj_optimizer optimizers[] = {cj_sgd(.learning_rate = 0.2, .momentum = 0.9, .nesterov = true),
                                       cj_rmsprop(.learning_rate = 2e-3),
                                       cj_adagrad(.learning_rate = 5e-2),
                                       cj_adam(.learning_rate = 1e-2),
                                       cj_adamw(.learning_rate = 1e-2, .clip_norm = 1),
                                       cj_lion(.learning_rate = 2e-3)};
    for (size_t k = 0; k < sizeof optimizers / sizeof *optimizers; k++) {
        training t;
        float first = 0, loss = 0;
        expect_ok(begin(&t, optimizers[k]));
        expect_ok(run_step(&t, &first));
        for (int i = 0; i < 150; i++) expect_ok(run_step(&t, &loss));
        if (!(loss < 0.3f * first))
            fail_msg("optimizer %zu: loss %g after %g", k, (double)loss, (double)first);
        end(&t);
    }
}

static cj_status scenario(void *context)
{
    (void)context;
    static training t;
    float loss;
    cj_status status = begin(&t, cj_adam(.learning_rate = 1e-2));
    for (int i = 0; i < 2 && status == CJ_OK; i++) status = run_step(&t, &loss);
    end(&t);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_test_every_allocation_fails(scenario, NULL);
}

/* --- optimizers: one parameter, 100 steps of a known gradient, against the papers' formulas in double --- */

typedef struct {
    double p, m, v;
} scalar_state;

static void adam_step(scalar_state *s, double g, int t, double rate, double decay)
{
    s->p -= rate * decay * s->p;
    s->m = 0.9 * s->m + 0.1 * g;
    s->v = 0.999 * s->v + 0.001 * g * g;
    s->p -= rate * (s->m / (1 - pow(0.9, t))) / (sqrt(s->v) / sqrt(1 - pow(0.999, t)) + 1e-8);
}

/* loss = Σ w·(sin-like data): the gradient of w is the input, so every optimizer sees the same numbers. */
static double follow(cj_optimizer optimizer, int steps)
{
    cj_model *model;
    cj_graph *g;
    cj_program *step;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(1));
    cj_value w = cj_parameter(cj_root(g), "w", cj_shape(1), (cj_init){CJ_INIT_ONES, 0});
    cj_minimize(cj_sum(cj_mul(x, w), CJ_ALL_AXES, CJ_DROP_AXES), optimizer);
    expect_ok(cj_compile(&step, g));
    for (int t = 1; t <= steps; t++) {
        float gradient = (float)(sin(t) + 0.3);
        expect_ok(cj_program_run(step, .inputs = {{&gradient, CJ_F32, cj_shape(1)}}));
    }
    double result = (double)*(float *)cj_model_find(model, "w").data;
    cj_program_free(step);
    cj_graph_free(g);
    cj_model_free(model);
    return result;
}

static void close_to(double found, double wanted)
{
    if (!(fabs(found - wanted) < 1e-6 * (1 + fabs(wanted)))) fail_msg("%.9g, should be %.9g", found, wanted);
}

static void test_formulas(void **state)
{
    (void)state;
    scalar_state adam = {1, 0, 0}, adamw = {1, 0, 0}, momentum = {1, 0, 0}, nesterov = {1, 0, 0},
                 rms = {1, 0, 0}, adagrad = {1, 0, 0}, lion = {1, 0, 0};
    for (int t = 1; t <= 100; t++) {
        double g = (double)(float)(sin(t) + 0.3);
        adam_step(&adam, g, t, 1e-3, 0);
        adam_step(&adamw, g, t, 1e-3, 0.1);
        momentum.m = 0.9 * momentum.m + g, momentum.p -= 1e-3 * momentum.m;
        nesterov.m = 0.9 * nesterov.m + g, nesterov.p -= 1e-3 * (g + 0.9 * nesterov.m);
        rms.v = 0.99 * rms.v + 0.01 * g * g, rms.p -= 1e-3 * g / (sqrt(rms.v) + 1e-8);
        adagrad.v += g * g, adagrad.p -= 1e-3 * g / (sqrt(adagrad.v) + 1e-10);
        double c = 0.9 * lion.m + 0.1 * g;
        lion.p -= 1e-3 * ((c > 0) - (c < 0)), lion.m = 0.99 * lion.m + 0.01 * g;
    }
    close_to(follow(cj_adam(.learning_rate = 1e-3), 100), adam.p);
    close_to(follow(cj_adamw(.learning_rate = 1e-3, .weight_decay = 0.1), 100), adamw.p);
    close_to(follow(cj_sgd(.learning_rate = 1e-3, .momentum = 0.9), 100), momentum.p);
    close_to(follow(cj_sgd(.learning_rate = 1e-3, .momentum = 0.9, .nesterov = true), 100), nesterov.p);
    close_to(follow(cj_rmsprop(.learning_rate = 1e-3), 100), rms.p);
    close_to(follow(cj_adagrad(.learning_rate = 1e-3), 100), adagrad.p);
    close_to(follow(cj_lion(.learning_rate = 1e-3), 100), lion.p);
}

/* w is asked for twice: one value, so that its gradient has both parts. d(x·w + 3w)/dw = x + 3 */
static void test_shared_parameter(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    cj_value gradient;
    float x = 2, found;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value vx = cj_input(g, "x", CJ_F32, cj_shape(1));
    cj_value w = cj_parameter(cj_root(g), "w", cj_shape(1), (cj_init){CJ_INIT_ONES, 0});
    cj_value again = cj_parameter(cj_root(g), "w", cj_shape(1), (cj_init){CJ_INIT_ONES, 0});
    cj_gradients(cj_add(cj_mul(vx, w), cj_scale(again, 3)), 1, &w, &gradient);
    cj_output(g, "gradient", gradient);
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program, .inputs = {{&x, CJ_F32, cj_shape(1)}}, .outputs = {&found}));
    assert_true(found == 5);
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

static void test_random(void **state)
{
    (void)state;
    uint32_t bits[4];
    cj__philox(0, 0, 0, bits); /* the known answer of Random123 for all zeros */
    assert_int_equal(bits[0], 0x6627e8d5);
    assert_int_equal(bits[1], 0xe169c58d);
    assert_int_equal(bits[2], 0xbc57ac4c);
    assert_int_equal(bits[3], 0x9b00dbd8);
}

/* Values of a variable large enough to be shared out: [ROWS_DRAWN,COLUMNS_DRAWN]. */
enum { ROWS_DRAWN = 260, COLUMNS_DRAWN = 201, DRAWN = ROWS_DRAWN * COLUMNS_DRAWN };

static void draw_values(cj_init init, int threads, float *values)
{
    cj_model *model;
    cj_graph *g;
    expect_ok(cj_set_threads(threads));
    expect_ok(cj_model_new(&model, .seed = 9));
    expect_ok(cj_graph_new(&g, model));
    cj_parameter(cj_root(g), "w", cj_shape(ROWS_DRAWN, COLUMNS_DRAWN), init);
    memcpy(values, cj_model_find(model, "w").data, DRAWN * sizeof *values);
    cj_graph_free(g);
    cj_model_free(model);
}

/* The same bits for any number of threads, of the distribution that was asked for. */
static void test_initial_values(void **state)
{
    (void)state;
    static float one[DRAWN], more[DRAWN];
    /* the deviation of a normal cut off at 2: 0.8796 */
    const struct {
        int kind;
        double deviation, most;
    } kinds[] = {{CJ_INIT_UNIFORM, 0.5 / sqrt(3), 0.5},
                 {CJ_INIT_NORMAL, 0.5, 3},
                 {CJ_INIT_TRUNCATED, 0.5 * 0.8796, 1}};
    for (int k = 0; k < 3; k++) {
        cj_init init = {kinds[k].kind, 0.5};
        double sum = 0, squares = 0;
        draw_values(init, 1, one);
        for (int threads = 2; threads <= 7; threads += 5) {
            draw_values(init, threads, more);
            assert_memory_equal(one, more, sizeof one);
        }
        for (int i = 0; i < DRAWN; i++) {
            assert_true(fabs((double)one[i]) <= kinds[k].most);
            sum += one[i];
            squares += (double)one[i] * one[i];
        }
        assert_true(fabs(sum / DRAWN) < 0.01);
        assert_true(fabs(sqrt(squares / DRAWN) - kinds[k].deviation) < 0.005);
    }
    expect_ok(cj_set_threads(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),       cmocka_unit_test(test_resume),
        cmocka_unit_test(test_no_allocation), cmocka_unit_test(test_bad_step),
        cmocka_unit_test(test_learns),        cmocka_unit_test(test_formulas),
        cmocka_unit_test(test_random),        cmocka_unit_test(test_shared_parameter),
        cmocka_unit_test(test_allocations),   cmocka_unit_test(test_initial_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
