/* Fit as a whole: interrupted and resumed anywhere it ends with the same bits; checkpoints survive full
 * disks; every allocation failing in turn; early stopping, losses, callbacks and predictions.
 *
 * labels: threads */
#include "support.h"

#include "base/file.h"
#include "base/random.h"
#include "cajal/cajal.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 150, COLUMNS = 12, CLASSES = 3, BATCH = 32, EPOCHS = 4 };

static cj_value network(cj_scope s, cj_value x, void *context)
{
    int64_t units = context ? *(const int64_t *)context : CLASSES;
    x = cj_relu(cj_dense(cj_at(s, "hidden"), x, .units = 10));
    x = (cj_dropout)(cj_at(s, "dropout"), x, 0.1);
    return cj_dense(cj_at(s, "out"), x, .units = units);
}

/* Noise around a centre for each class. */
static cj_dataset *make_data(cj_dtype target)
{
    static float x[ROWS * COLUMNS], numbers[ROWS];
    static int32_t labels[ROWS];
    for (int i = 0; i < ROWS; i++) {
        labels[i] = (int32_t)(cj__bits(5, 0, (uint64_t)i) % CLASSES);
        numbers[i] = (float)labels[i];
        for (int c = 0; c < COLUMNS; c++)
            x[i * COLUMNS + c] =
                cj__normal(6, (uint64_t)i, (uint64_t)c) + (c % CLASSES == labels[i] ? 1.5F : 0);
    }
    cj_dataset *data = NULL;
    cj_tensor y = {target == CJ_I32 ? (void *)labels : (void *)numbers, target, cj_shape(ROWS)};
    expect_ok(cj_dataset_from_tensors(&data, &(cj_tensor){x, CJ_F32, cj_shape(ROWS, COLUMNS)}, &y));
    return data;
}

static cj_fit_options options_for(cj_model *model, const cj_dataset *data)
{
    return (cj_fit_options){.size = sizeof(cj_fit_options),
                            .model = model,
                            .forward = network,
                            .dataset = data,
                            .validation = 0.2,
                            .batch_size = BATCH,
                            .epochs = EPOCHS,
                            .optimizer = cj_adam(.learning_rate = 0.01),
                            .schedule = {.kind = CJ_SCHEDULE_PLATEAU, .patience = -1, .factor = 0.5},
                            .early_stopping = {.restore_best = true},
                            .checkpoints = {.every_steps = 2, .best = true},
                            .seed = 9};
}

/* Averages of weights, and updates after several batches, are state like any other; so is where a schedule
 * is, whose rate goes into decay and into groups. */
static bool with_averages, with_schedule;

/* --- interrupted and resumed --------------------------------------------------------------------------- */

static cj_verdict stop_at(const cj_progress *p, void *context)
{
    const int64_t *at = context;
    return p->updates == *at && !p->epoch_done ? CJ_INTERRUPT : CJ_GO_ON;
}

static void train_in(const char *folder, int64_t stop, bool resume, cj_status wanted, char digest[65],
                     cj_progress *last)
{
    cj_model *model;
    cj_dataset *data = make_data(CJ_I32);
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_fit_options o = options_for(model, data);
    o.folder = folder;
    o.resume = resume;
    o.callbacks[3] = (cj_callback){stop_at, &stop};
    if (with_averages) {
        o.optimizer.ema_decay = 0.9;
        o.accumulate = 3;
    }
    if (with_schedule) {
        o.optimizer = cj_adamw(.learning_rate = 0.01, .weight_decay = 0.5,
                               .groups = {{"*.bias", .learning_rate_factor = 10}});
        o.schedule = (cj_schedule){.kind = CJ_SCHEDULE_COSINE, .warm_up = 3, .warm_up_start = 0.1};
    }
    expect_status((cj_fit)(&o, last), wanted);
    cj_model_digest(model, digest);
    cj_model_free(model);
    cj_dataset_free(data);
}

static void resume_anywhere(void)
{
    char whole[65], parts[65];
    cj_progress one, other;
    train_in(NULL, -1, false, CJ_OK, whole, &one);
    for (int64_t first = 1; first < 16; first += 2) {
        char *folder = cj_test_new_folder();
        train_in(folder, first, false, CJ_INTERRUPTED, parts, NULL);
        expect_message("can be resumed");
        train_in(folder, first + 1, true, CJ_INTERRUPTED, parts, NULL);
        train_in(folder, -1, true, CJ_OK, parts, &other);
        assert_string_equal(whole, parts);
        assert_true(one.training.loss == other.training.loss);
        assert_true(one.validation.accuracy == other.validation.accuracy);
        train_in(folder, -1, true, CJ_OK, parts, &other); /* nothing left to do */
        assert_string_equal(whole, parts);
        cj_test_remove_folder(folder);
    }
}

static void test_resume_anywhere(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        with_averages = i == 1;
        with_schedule = i == 2;
        resume_anywhere();
    }
    with_averages = with_schedule = false;
}

static void test_same_bits_for_any_threads(void **state)
{
    (void)state;
    char first[65], now[65];
    const int threads[] = {1, 2, 3, 7};
    for (int i = 0; i < 4; i++) {
        expect_ok(cj_set_threads(threads[i]));
        train_in(NULL, -1, false, CJ_OK, i ? now : first, NULL);
        if (i) assert_string_equal(first, now);
    }
    expect_ok(cj_set_threads(2));
}

static void test_another_run_is_refused(void **state)
{
    (void)state;
    char digest[65];
    char *folder = cj_test_new_folder();
    cj_model *model;
    cj_dataset *data = make_data(CJ_I32);
    int64_t units = 5;
    train_in(folder, 3, false, CJ_INTERRUPTED, digest, NULL);
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_fit_options o = options_for(model, data);
    o.folder = folder;
    o.resume = true;
    o.batch_size = 10;
    expect_status((cj_fit)(&o, NULL), CJ_INVALID_ARGUMENT);
    expect_message("batches of 32");
    cj_model_free(model);
    expect_ok(cj_model_new(&model, .seed = 4));
    o = options_for(model, data);
    o.folder = folder;
    o.resume = true;
    o.context = &units;
    expect_status((cj_fit)(&o, NULL), CJ_INVALID_ARGUMENT);
    expect_message("'out.weight' has another shape");
    cj_model_free(model);
    cj_dataset_free(data);
    cj_test_remove_folder(folder);
}

/* --- full disks ---------------------------------------------------------------------------------------- */

static int64_t fault_at, operations;

static int fail_once(const char *operation, size_t *size)
{
    (void)operation;
    (void)size;
    return ++operations == fault_at ? ENOSPC : 0;
}

static cj_status fit_in(const char *folder, bool resume, char digest[65])
{
    cj_model *model;
    cj_dataset *data = make_data(CJ_I32);
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_fit_options o = options_for(model, data);
    o.folder = folder;
    o.resume = resume;
    cj_status status = (cj_fit)(&o, NULL);
    cj_model_digest(model, digest);
    cj_model_free(model);
    cj_dataset_free(data);
    return status;
}

/* Each operation on the disk in turn fails; what was saved before it is enough to go on. */
static void test_full_disk(void **state)
{
    (void)state;
    char whole[65], parts[65];
    char *folder = cj_test_new_folder();
    cj__file_fault = fail_once;
    fault_at = operations = 0;
    expect_ok(fit_in(folder, false, whole));
    int64_t all = operations;
    cj_test_remove_folder(folder);
    assert_true(all > 40);
    for (int64_t i = 1; i <= all; i += 3) {
        folder = cj_test_new_folder();
        fault_at = i;
        operations = 0;
        cj_status status = fit_in(folder, false, parts);
        assert_int_not_equal(status, CJ_OK);
        expect_message("No space left");
        fault_at = 0;
        expect_ok(fit_in(folder, true, parts));
        assert_string_equal(whole, parts);
        cj_test_remove_folder(folder);
    }
    cj__file_fault = NULL;
}

static void test_checkpoints_kept(void **state)
{
    (void)state;
    char digest[65];
    int steps = 0, best = 0;
    char *folder = cj_test_new_folder();
    expect_ok(fit_in(folder, false, digest));
    DIR *dir = opendir(cj_test_path(folder, "checkpoints"));
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir));) {
        steps += strncmp(e->d_name, "step-", 5) == 0;
        best += strcmp(e->d_name, "best.safetensors") == 0;
    }
    closedir(dir);
    assert_int_equal(steps, 2);
    assert_int_equal(best, 1);
    cj_run_info info;
    expect_ok(cj_run_read(folder, &info));
    assert_true(info.finished);
    assert_int_equal(info.epoch, EPOCHS);
    assert_int_equal(info.validation.count, 30);
    cj_model *model;
    expect_ok(cj_model_new(&model, .seed = 77));
    char path[4096], loaded[65];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    expect_ok(cj_model_load(model, path));
    cj_model_digest(model, loaded);
    assert_string_equal(digest, loaded);
    cj_model_free(model);
    cj_test_remove_folder(folder);
}

/* --- memory -------------------------------------------------------------------------------------------- */

typedef struct {
    cj_dataset *data;
    char *folder; /* of a run to be resumed; NULL: a new one each time */
} scenario;

static cj_verdict end_at_three(const cj_progress *p, void *context)
{
    (void)context;
    return p->updates == 3 ? CJ_STOP : CJ_GO_ON;
}

/* Two steps and a checkpoint in a new folder; or, from that checkpoint, a third step and the weights saved.
 */
static cj_status few_steps(void *context)
{
    scenario *s = context;
    cj_model *model = NULL;
    char *fresh = s->folder ? NULL : cj_test_new_folder();
    int64_t two = 2;
    cj_status status = cj_model_new(&model, .seed = 4);
    cj_fit_options o = options_for(model, s->data);
    o.folder = fresh ? fresh : s->folder;
    o.resume = !fresh;
    o.epochs = 1;
    o.checkpoints = (cj_checkpoints){0};
    o.callbacks[0] = fresh ? (cj_callback){stop_at, &two} : (cj_callback){end_at_three, NULL};
    if (status == CJ_OK) status = (cj_fit)(&o, NULL);
    cj_model_free(model);
    if (fresh) cj_test_remove_folder(fresh);
    return status == CJ_INTERRUPTED ? CJ_OK : status;
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    char digest[65];
    cj_test_allocator_install();
    scenario s = {.data = make_data(CJ_I32)};
    cj_test_every_allocation_fails(few_steps, &s);
    s.folder = cj_test_new_folder();
    train_in(s.folder, 2, false, CJ_INTERRUPTED, digest, NULL);
    cj_test_every_allocation_fails(few_steps, &s);
    cj_dataset_free(s.data);
    cj_test_remove_folder(s.folder);
    cj_test_allocator_remove();
}

/* --- early stopping, losses, predictions --------------------------------------------------------------- */

static void test_early_stopping(void **state)
{
    (void)state;
    cj_model *model;
    cj_dataset *data = make_data(CJ_I32);
    cj_progress last;
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_fit_options o = options_for(model, data);
    o.epochs = 500;
    o.schedule = (cj_schedule){0};
    o.early_stopping = (cj_early_stopping){.patience = 3};
    expect_ok((cj_fit)(&o, &last));
    assert_true(last.epoch < 500);
    cj_evaluate_options e = {
        .size = sizeof e, .model = model, .forward = network, .dataset = data, .first = 120, .batch_size = 7};
    cj_scores scores;
    expect_ok((cj_evaluate)(&e, &scores));
    assert_true(scores.loss < last.validation.loss); /* the best weights are back, not the last */
    cj_model_free(model);
    cj_dataset_free(data);
}

static cj_verdict stop_after_two(const cj_progress *p, void *context)
{
    int *calls = context;
    ++*calls;
    return p->updates == 2 ? CJ_STOP : CJ_GO_ON;
}

static void test_callback_stops(void **state)
{
    (void)state;
    cj_model *model;
    int calls = 0;
    cj_dataset *data = make_data(CJ_I32);
    cj_progress last;
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_fit_options o = options_for(model, data);
    o.callbacks[0] = (cj_callback){stop_after_two, &calls};
    expect_ok((cj_fit)(&o, &last));
    assert_int_equal(last.updates, 2);
    assert_int_equal(calls, 3); /* before the first step, and after both */
    cj_model_free(model);
    cj_dataset_free(data);
}

/* Each loss falls, over an uneven last batch too; evaluation over odd batches gives the same figures. */
static void test_losses(void **state)
{
    (void)state;
    const cj_loss_kind kinds[] = {CJ_BINARY_CROSS_ENTROPY, CJ_SQUARED_ERROR, CJ_ABSOLUTE_ERROR,
                                  CJ_HUBER_ERROR};
    int64_t one = 1;
    for (int k = 0; k < 4; k++) {
        cj_model *model;
        cj_progress last;
        cj_scores a, b;
        cj_dataset *data = make_data(CJ_F32);
        expect_ok(cj_model_new(&model, .seed = 4));
        cj_fit_options o = options_for(model, data);
        o.context = &one;
        o.loss = kinds[k];
        o.epochs = 1;
        o.early_stopping.restore_best = false;
        expect_ok((cj_fit)(&o, &last));
        double first = last.training.loss;
        o.epochs = 30;
        expect_ok((cj_fit)(&o, &last));
        assert_true(last.training.loss < first);
        assert_true(isnan(last.training.accuracy) == (k > 0));
        cj_evaluate_options e = {.size = sizeof e,
                                 .model = model,
                                 .forward = network,
                                 .context = &one,
                                 .dataset = data,
                                 .loss = kinds[k],
                                 .batch_size = 11};
        expect_ok((cj_evaluate)(&e, &a));
        e.batch_size = ROWS;
        expect_ok((cj_evaluate)(&e, &b));
        assert_true(fabs(a.loss - b.loss) < 1e-5 * fabs(b.loss));
        assert_int_equal(a.count, ROWS);
        cj_model_free(model);
        cj_dataset_free(data);
    }
}

/* Averages are what is validated and left behind; updates after several batches train as well. */
static void test_averages_and_parts(void **state)
{
    (void)state;
    cj_model *model;
    cj_dataset *data = make_data(CJ_I32);
    cj_progress last;
    cj_scores scores;
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_fit_options o = options_for(model, data);
    o.optimizer.ema_decay = 0.95;
    o.accumulate = 2;
    o.early_stopping.restore_best = false;
    o.epochs = 20;
    expect_ok((cj_fit)(&o, &last));
    cj_evaluate_options e = {.size = sizeof e,
                             .model = model,
                             .forward = network,
                             .dataset = data,
                             .first = 120,
                             .batch_size = BATCH};
    expect_ok((cj_evaluate)(&e, &scores));
    assert_true(scores.loss == last.validation.loss);
    assert_true(scores.accuracy > 0.5);
    cj_model_free(model);
    cj_dataset_free(data);
}

static void test_predict(void **state)
{
    (void)state;
    cj_model *model;
    cj_dataset *data = make_data(CJ_I32);
    static float outputs[ROWS * CLASSES];
    static int32_t labels[ROWS];
    int64_t confusion[CLASSES * CLASSES], again[CLASSES * CLASSES];
    cj_scores scores;
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_fit_options o = options_for(model, data);
    expect_ok((cj_fit)(&o, NULL));
    cj_evaluate_options e = {.size = sizeof e,
                             .model = model,
                             .forward = network,
                             .dataset = data,
                             .batch_size = 32,
                             .classes = CLASSES,
                             .confusion = confusion,
                             .outputs = outputs,
                             .width = CLASSES};
    expect_ok((cj_evaluate)(&e, &scores));
    for (int i = 0; i < ROWS; i++) {
        cj_tensor y;
        float sum = 0;
        cj_dataset_row(data, i, NULL, &y);
        labels[i] = *(const int32_t *)y.data;
        for (int c = 0; c < CLASSES; c++) sum += outputs[i * CLASSES + c];
        assert_true(fabsf(sum - 1) < 1e-5F);
    }
    cj_scores same = cj_score(CJ_CROSS_ENTROPY, ROWS, CLASSES, outputs, labels, CLASSES, again);
    assert_true(fabs(same.accuracy - scores.accuracy) < 1e-12);
    assert_true(fabs(same.loss - scores.loss) < 1e-5);
    assert_memory_equal(confusion, again, sizeof again);
    e.width = 2;
    expect_status((cj_evaluate)(&e, &scores), CJ_INVALID_ARGUMENT);
    expect_message("gives 3 numbers a row");
    cj_model_free(model);
    cj_dataset_free(data);
}

static void test_class_weights(void **state)
{
    (void)state;
    double recall[2];
    const double weights[] = {1, 1, 50};
    for (int k = 0; k < 2; k++) {
        cj_model *model;
        cj_dataset *data = make_data(CJ_I32);
        int64_t confusion[CLASSES * CLASSES];
        cj_scores scores;
        expect_ok(cj_model_new(&model, .seed = 4));
        cj_fit_options o = options_for(model, data);
        o.class_weights = k ? weights : NULL;
        o.class_count = CLASSES;
        expect_ok((cj_fit)(&o, NULL));
        cj_evaluate_options e = {.size = sizeof e,
                                 .model = model,
                                 .forward = network,
                                 .dataset = data,
                                 .batch_size = 32,
                                 .classes = CLASSES,
                                 .confusion = confusion};
        expect_ok((cj_evaluate)(&e, &scores));
        recall[k] = (double)confusion[8] / (double)(confusion[6] + confusion[7] + confusion[8]);
        cj_model_free(model);
        cj_dataset_free(data);
    }
    assert_true(recall[1] > recall[0]);
}

static void test_loaded_weights_are_complete(void **state)
{
    (void)state;
    char path[4096], digest[65];
    char *folder = cj_test_new_folder();
    cj_model *model;
    cj_dataset *data = make_data(CJ_I32);
    int64_t units = 5;
    cj_scores scores;
    expect_ok(fit_in(folder, false, digest));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    expect_ok(cj_model_new(&model, .seed = 4));
    expect_ok(cj_model_load(model, path));
    cj_evaluate_options e = {
        .size = sizeof e, .model = model, .forward = network, .dataset = data, .batch_size = 8};
    expect_ok((cj_evaluate)(&e, &scores));
    e.context = &units;
    expect_status((cj_evaluate)(&e, &scores), CJ_SHAPE_ERROR);
    expect_message("out.weight");
    cj_model_free(model);
    cj_dataset_free(data);
    cj_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume_anywhere),
        cmocka_unit_test(test_same_bits_for_any_threads),
        cmocka_unit_test(test_another_run_is_refused),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_checkpoints_kept),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_callback_stops),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_predict),
        cmocka_unit_test(test_averages_and_parts),
        cmocka_unit_test(test_class_weights),
        cmocka_unit_test(test_loaded_weights_are_complete),
    };
    return cmocka_run_group_tests_name("fit", tests, NULL, NULL);
}
