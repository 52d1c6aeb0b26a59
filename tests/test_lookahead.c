/* Lookahead: the weights of a fit whose gradient is constant go the way that a few lines of arithmetic say;
 * statistics too; a resumed fit ends with the same bits; what is refused; failing allocations. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>

enum { ROWS = 14, BATCH = 2, STEPS = ROWS / BATCH, EPOCHS = 4, TOTAL = STEPS * EPOCHS };
static const double RATE = 0.125;

/* The absolute error against -100: as long as w·1 + b is above, the gradient of both is 1. */
static cj_value line(cj_scope s, cj_value x, void *context)
{
    (void)context;
    return cj_dense(cj_at(s, "line"), x, .units = 1);
}

static cj_value with_statistics(cj_scope s, cj_value x, void *context)
{
    x = cj_dense(cj_at(s, "first"), x, .units = 3);
    return line(s, cj_batch_norm(cj_at(s, "norm"), x), context);
}

static cj_dataset *make_data(void)
{
    static float x[ROWS], y[ROWS];
    cj_dataset *data;
    for (int i = 0; i < ROWS; i++) x[i] = 1, y[i] = -100;
    expect_ok(cj_dataset_from_tensors(&data, &(cj_tensor){x, CJ_F32, cj_shape(ROWS, 1)},
                                      &(cj_tensor){y, CJ_F32, cj_shape(ROWS)}));
    return data;
}

static cj_fit_options options_for(cj_model *model, const cj_dataset *data, cj_lookahead lookahead)
{
    return (cj_fit_options){.size = sizeof(cj_fit_options),
                            .model = model,
                            .forward = line,
                            .dataset = data,
                            .batch_size = BATCH,
                            .epochs = EPOCHS,
                            .loss = CJ_ABSOLUTE_ERROR,
                            .optimizer = cj_sgd(.learning_rate = RATE),
                            .checkpoints = {.every_steps = 1},
                            .lookahead = lookahead};
}

/* --- the way of a weight ------------------------------------------------------------------------------- */

static cj_verdict note_bias(const cj_progress *p, void *context)
{
    double *way = context;
    way[p->updates] = (double)*(const float *)cj_model_find(p->model, "line.bias").data;
    return CJ_GO_ON;
}

static void expect_way(cj_lookahead o, double keep, int64_t from)
{
    cj_model *model;
    cj_dataset *data = make_data();
    double way[TOTAL + 1], fast = 0, slow = NAN;
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_fit_options options = options_for(model, data, o);
    options.callbacks[0] = (cj_callback){note_bias, way};
    expect_ok((cj_fit)(&options, NULL));
    for (int64_t t = 1; t <= TOTAL; t++) {
        fast -= RATE;
        if ((t - 1) / STEPS + 1 >= from && t % o.every == 0) {
            double rho = keep * pow((double)t / TOTAL, o.power);
            slow = isnan(slow) ? fast : slow * rho + fast * (1 - rho);
            fast = slow;
        }
        if (t % STEPS == 0 && !isnan(slow)) fast = slow;
        if (!(fabs(way[t] - fast) < 1e-5)) fail_msg("step %d: %.7g, should be %.7g", (int)t, way[t], fast);
    }
    cj_model_free(model);
    cj_dataset_free(data);
}

static void test_way(void **state)
{
    (void)state;
    expect_way((cj_lookahead){.every = 3, .from_epoch = 2, .keep = 0.7, .power = 2}, 0.7, 2);
    expect_way((cj_lookahead){.every = 5}, 0.5, 1);
    expect_way((cj_lookahead){.every = STEPS, .from_epoch = 2, .keep = 0.9}, 0.9, 2);
    expect_way((cj_lookahead){.every = 4, .from_epoch = EPOCHS + 1}, 0.5, EPOCHS + 1); /* never */
}

/* Running statistics meet their copies as well: at an epoch's end they are the same. */
static void test_statistics(void **state)
{
    (void)state;
    cj_model *model;
    cj_dataset *data = make_data();
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_fit_options options = options_for(model, data, (cj_lookahead){.every = 2});
    options.forward = with_statistics;
    expect_ok((cj_fit)(&options, NULL));
    static const char *const names[] = {"first.weight", "norm.weight", "norm.running_mean",
                                        "norm.running_var"};
    for (int i = 0; i < 4; i++) {
        char copy[64];
        snprintf(copy, sizeof copy, "lookahead.%s", names[i]);
        cj_tensor a = cj_model_find(model, names[i]), b = cj_model_find(model, copy);
        assert_non_null(b.data);
        assert_memory_equal(a.data, b.data, cj_tensor_bytes(&a));
    }
    assert_true(((const float *)cj_model_find(model, "norm.running_mean").data)[0] != 0);
    cj_model_free(model);
    cj_dataset_free(data);
}

/* --- resuming ------------------------------------------------------------------------------------------ */

static cj_verdict stop_at(const cj_progress *p, void *context)
{
    return p->updates == *(const int64_t *)context && !p->epoch_done ? CJ_INTERRUPT : CJ_GO_ON;
}

static void train(const char *run, int64_t stop, cj_status wanted, char digest[65])
{
    cj_model *model;
    cj_dataset *data = make_data();
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_fit_options options =
        options_for(model, data, (cj_lookahead){.every = 3, .from_epoch = 2, .power = 1});
    options.forward = with_statistics;
    options.optimizer = cj_sgd(.learning_rate = 0.01, .momentum = 0.9, .nesterov = true);
    options.folder = run;
    options.resume = run != NULL;
    options.callbacks[0] = (cj_callback){stop_at, &stop};
    expect_status((cj_fit)(&options, NULL), wanted);
    cj_model_digest(model, digest);
    cj_model_free(model);
    cj_dataset_free(data);
}

/* Before the copies are made, as they are made, between two meetings, at one, and at an epoch's end. */
static void test_resume(void **state)
{
    (void)state;
    static const int64_t stops[] = {2, 8, 9, 10, 12, 14, 20, 21, 27};
    char whole[65], parts[65];
    train(NULL, -1, CJ_OK, whole);
    for (int i = 0; i < 9; i++) {
        char *run = cj_test_new_folder();
        train(run, stops[i], CJ_INTERRUPTED, parts);
        train(run, -1, CJ_OK, parts);
        assert_string_equal(whole, parts);
        cj_test_remove_folder(run);
    }
}

/* --- refused ------------------------------------------------------------------------------------------- */

static void expect_refused(cj_lookahead o, const char *message)
{
    cj_model *model;
    cj_dataset *data = make_data();
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_fit_options options = options_for(model, data, o);
    expect_status((cj_fit)(&options, NULL), CJ_INVALID_ARGUMENT);
    expect_message(message);
    cj_model_free(model);
    cj_dataset_free(data);
}

static void test_refused(void **state)
{
    (void)state;
    expect_refused((cj_lookahead){.every = -1}, "every is -1 and from_epoch 0");
    expect_refused((cj_lookahead){.every = 2, .keep = 1}, "keep is 1, but must be a share below 1");
    expect_refused((cj_lookahead){.every = 2, .keep = NAN}, "keep is nan");
    expect_refused((cj_lookahead){.every = 2, .power = -1}, "power is -1");
}

static cj_status fit_a_little(void *data)
{
    cj_model *model;
    cj_status status = cj_model_new(&model, .seed = 4);
    if (status != CJ_OK) return status;
    cj_fit_options options = options_for(model, data, (cj_lookahead){.every = 2});
    options.epochs = 1;
    status = (cj_fit)(&options, NULL);
    cj_model_free(model);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    expect_ok(cj_set_threads(1));
    cj_test_allocator_install();
    cj_dataset *data = make_data();
    cj_test_every_allocation_fails(fit_a_little, data);
    cj_dataset_free(data);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_way),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
