/* State carried from batch to batch: a text in lanes read window by window gives what one long window gives;
 * each epoch and each evaluation begins anew; a fit interrupted in mid-epoch goes on with the same bits. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>
#include <string.h>

enum { VOCABULARY = 7, LANES = 4, LANE = 30, WIDTH = 6 };

static cj_dataset *text(int64_t window, int64_t lanes)
{
    static int32_t tokens[LANES * LANE + 1];
    cj_dataset *data;
    for (int i = 0; i <= LANES * LANE; i++) tokens[i] = (i * i + i / 3) % VOCABULARY;
    expect_ok(cj_dataset_of_text(&data, &(cj_text_windows){.size = sizeof(cj_text_windows),
                                                           .tokens = tokens,
                                                           .count = LANES * LANE + 1,
                                                           .vocabulary = VOCABULARY,
                                                           .window = window,
                                                           .lanes = lanes}));
    return data;
}

/* context: its cj_char_rnn_kind */
static cj_value network(cj_scope s, cj_value x, void *context)
{
    return cj_char_rnn(s, &(cj_char_rnn_options){.size = sizeof(cj_char_rnn_options),
                                                 .input = {.tokens = x},
                                                 .vocabulary = VOCABULARY,
                                                 .kind = *(const cj_char_rnn_kind *)context,
                                                 .layers = 2,
                                                 .width = WIDTH,
                                                 .stateful = true});
}

static cj_fit_options options_for(cj_model *model, const cj_dataset *data, cj_char_rnn_kind *kind)
{
    return (cj_fit_options){.size = sizeof(cj_fit_options),
                            .model = model,
                            .forward = network,
                            .context = kind,
                            .dataset = data,
                            .validation_dataset = data,
                            .batch_size = LANES,
                            .epochs = 2,
                            .optimizer = cj_adam(.learning_rate = 0.01),
                            .seed = 3};
}

static cj_model *new_model(void)
{
    cj_model *model;
    expect_ok(cj_model_new(&model, .seed = 4));
    return model;
}

/* --- evaluation ---------------------------------------------------------------------------------------- */

static double loss_in_windows(cj_model *model, cj_char_rnn_kind *kind, int64_t window)
{
    cj_dataset *data = text(window, LANES);
    cj_scores first, again;
    cj_evaluate_options o = {.size = sizeof o,
                             .model = model,
                             .forward = network,
                             .context = kind,
                             .dataset = data,
                             .batch_size = LANES};
    expect_ok((cj_evaluate)(&o, &first));
    expect_ok((cj_evaluate)(&o, &again));
    assert_true(first.loss == again.loss);
    cj_dataset_free(data);
    return first.loss;
}

static void test_windows_go_on(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        cj_char_rnn_kind kind = (cj_char_rnn_kind)k;
        cj_model *model = new_model();
        double whole = loss_in_windows(model, &kind, LANE), windows = loss_in_windows(model, &kind, 5);
        assert_true(fabs(whole - windows) < 1e-6 * whole);
        for (int64_t i = 0; i < cj_model_count(model); i++) /* evaluation leaves nothing in the model */
            assert_int_equal(cj_model_variable(model, i).role, CJ_PARAMETER);
        cj_model_free(model);
    }
}

/* --- training ------------------------------------------------------------------------------------------ */

static cj_verdict keep_losses(const cj_progress *p, void *context)
{
    if (p->epoch_done) ((double *)context)[p->epoch - 1] = p->training.loss;
    return CJ_GO_ON;
}

/* Without learning, two epochs are alike; and so is evaluation, if they began with zeros. */
static void test_epochs_begin_anew(void **state)
{
    (void)state;
    cj_char_rnn_kind kind = CJ_CHAR_LSTM;
    cj_model *model = new_model();
    cj_dataset *data = text(5, LANES);
    double losses[2];
    cj_fit_options o = options_for(model, data, &kind);
    o.optimizer = cj_sgd(.learning_rate = 1e-30);
    o.callbacks[0] = (cj_callback){keep_losses, losses};
    expect_ok((cj_fit)(&o, NULL));
    assert_true(losses[0] == losses[1]);
    assert_true(fabs(losses[0] - loss_in_windows(model, &kind, LANE)) < 1e-6 * losses[0]);
    assert_true(cj_shape_equal(cj_model_find(model, "lstm.cell").shape, cj_shape(LANES, 2, WIDTH)));
    cj_dataset_free(data);
    cj_model_free(model);
}

static cj_verdict stop_at(const cj_progress *p, void *context)
{
    return p->updates == *(const int64_t *)context && !p->epoch_done ? CJ_INTERRUPT : CJ_GO_ON;
}

static void train_in(const char *folder, int64_t stop, bool resume, cj_status wanted, char digest[65],
                     float state[LANES * 2 * WIDTH])
{
    cj_char_rnn_kind kind = CJ_CHAR_LSTM;
    cj_model *model = new_model();
    cj_dataset *data = text(5, LANES);
    cj_fit_options o = options_for(model, data, &kind);
    o.folder = folder;
    o.resume = resume;
    o.callbacks[0] = (cj_callback){stop_at, &stop};
    expect_status((cj_fit)(&o, NULL), wanted);
    cj_model_digest(model, digest);
    memcpy(state, cj_model_find(model, "lstm.cell").data, LANES * 2 * WIDTH * sizeof *state);
    cj_dataset_free(data);
    cj_model_free(model);
}

static void test_resume(void **state)
{
    (void)state;
    char whole[65], parts[65];
    float as_whole[LANES * 2 * WIDTH], in_parts[LANES * 2 * WIDTH];
    train_in(NULL, -1, false, CJ_OK, whole, as_whole);
    for (int64_t stop = 2; stop < 12; stop += 3) {
        char *folder = cj_test_new_folder();
        train_in(folder, stop, false, CJ_INTERRUPTED, parts, in_parts);
        train_in(folder, -1, true, CJ_OK, parts, in_parts);
        assert_string_equal(whole, parts);
        assert_memory_equal(as_whole, in_parts, sizeof as_whole);
        cj_test_remove_folder(folder);
    }
}

/* --- refusals, memory ---------------------------------------------------------------------------------- */

static void test_other_rows(void **state)
{
    (void)state;
    cj_char_rnn_kind kind = CJ_CHAR_GRU;
    cj_model *model = new_model();
    cj_dataset *data = text(5, 0);
    cj_fit_options o = options_for(model, data, &kind);
    expect_status((cj_fit)(&o, NULL), CJ_INVALID_ARGUMENT);
    expect_message("carries its state from batch to batch");
    cj_dataset_free(data);
    cj_model_free(model);
}

static cj_status evaluate(void *context)
{
    cj_char_rnn_kind kind = CJ_CHAR_GRU;
    cj_model *model = NULL;
    cj_scores scores;
    cj_status status = cj_model_new(&model, .seed = 1);
    cj_evaluate_options o = {.size = sizeof o,
                             .model = model,
                             .forward = network,
                             .context = &kind,
                             .dataset = context,
                             .batch_size = LANES};
    if (status == CJ_OK) status = (cj_evaluate)(&o, &scores);
    cj_model_free(model);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_dataset *data = text(15, LANES);
    cj_test_every_allocation_fails(evaluate, data);
    cj_dataset_free(data);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_go_on), cmocka_unit_test(test_epochs_begin_anew),
        cmocka_unit_test(test_resume), cmocka_unit_test(test_other_rows), cmocka_unit_test(test_allocations)};
    return cmocka_run_group_tests_name("stateful", tests, NULL, NULL);
}
