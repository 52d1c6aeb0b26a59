/* mixup, CutMix and views: distributions of labels that say what is in the picture; training on them, stopped
 * anywhere and resumed; probabilities averaged over views.
 *
 * labels: threads */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"

#include <math.h>
#include <unistd.h>

enum { ROWS = 60, SIDE = 6, SIZE = SIDE * SIDE, CLASSES = 6, BATCH = 16 };

#define LIST(...) ((const cj_augmentation[]){__VA_ARGS__, {0}})

/* Row i is a picture of one value, 40 · label, so that what is in it can be told from any pixel. */
static cj_dataset *plain_pictures(cj_dtype target)
{
    static uint8_t x[ROWS * SIZE];
    static int32_t labels[ROWS];
    static float numbers[ROWS];
    cj_dataset *d = NULL;
    for (int i = 0; i < ROWS; i++) {
        labels[i] = i * 7 % CLASSES;
        numbers[i] = (float)labels[i];
        memset(x + i * SIZE, 40 * labels[i], SIZE);
    }
    cj_tensor tx = {x, CJ_U8, cj_shape(ROWS, SIDE, SIDE)};
    cj_tensor ty = {target == CJ_I32 ? (void *)labels : (void *)numbers, target, cj_shape(ROWS)};
    expect_ok(cj_dataset_from_tensors(&d, &tx, &ty));
    return d;
}

/* Σ y over the classes, and Σ y·class */
static void sums_of(const float *y, double *all, double *weighed)
{
    *all = *weighed = 0;
    for (int c = 0; c < CLASSES; c++) *all += (double)y[c], *weighed += c * (double)y[c];
}

static void expect_padding(const cj_batch *batch)
{
    const float *x = batch->x.data;
    for (int64_t i = batch->count; i < BATCH; i++)
        assert_memory_equal(x + i * SIZE, x + i % batch->count * SIZE, SIZE * sizeof *x);
    for (int64_t i = batch->count * CLASSES; i < BATCH * CLASSES; i++)
        assert_true(((float *)batch->y.data)[i] == 0);
}

static void test_mixup(void **state)
{
    (void)state;
    cj_dataset *d = plain_pictures(CJ_I32);
    cj_loader *l;
    cj_batch batch;
    int mixed = 0;
    double masses[CLASSES] = {0};
    expect_ok(cj_loader_new(&l, d, .batch_size = BATCH, .shuffle = true, .seed = 3, .scale = 0.5,
                            .augment = LIST({"mixup", "1"})));
    for (int epoch = 0; epoch < 10; epoch++)
        while (cj_loader_next(l, &batch)) {
            assert_int_equal(batch.y.dtype, CJ_F32);
            assert_true(cj_shape_equal(batch.y.shape, cj_shape(BATCH, CLASSES)));
            for (int64_t i = 0; i < batch.count; i++) {
                const float *y = (float *)batch.y.data + i * CLASSES, *x = (float *)batch.x.data + i * SIZE;
                double all, weighed;
                sums_of(y, &all, &weighed);
                assert_true(fabs(all - 1) < 1e-6);
                for (int k = 0; k < SIZE; k++) assert_true(fabs((double)x[k] - 20 * weighed) < 1e-4);
                int classes = 0;
                for (int c = 0; c < CLASSES; c++) classes += y[c] > 0, masses[c] += (double)y[c];
                assert_in_range(classes, 1, 2);
                mixed += classes == 2;
            }
            expect_padding(&batch);
        }
    assert_true(mixed > 400); /* of 600; the others met their own class */
    for (int c = 0; c < CLASSES; c++) assert_true(fabs(masses[c] - 100) < 15);
    cj_loader_free(l);
    cj_dataset_free(d);
}

/* The share of the label is that of the pixels, to the last one. */
static void test_cutmix(void **state)
{
    (void)state;
    cj_dataset *d = plain_pictures(CJ_I32);
    cj_loader *l;
    cj_batch batch;
    int mixed = 0;
    expect_ok(cj_loader_new(&l, d, .batch_size = BATCH, .shuffle = true, .seed = 3,
                            .augment = LIST({"cutmix", NULL})));
    for (int epoch = 0; epoch < 10; epoch++)
        while (cj_loader_next(l, &batch)) {
            for (int64_t i = 0; i < batch.count; i++) {
                const float *y = (float *)batch.y.data + i * CLASSES, *x = (float *)batch.x.data + i * SIZE;
                int counts[CLASSES] = {0};
                for (int k = 0; k < SIZE; k++) counts[(int)x[k] / 40]++;
                for (int c = 0; c < CLASSES; c++) {
                    assert_true(fabs((double)y[c] - counts[c] / (double)SIZE) < 1e-6);
                    mixed += counts[c] > 0 && counts[c] < SIZE;
                }
            }
            expect_padding(&batch);
        }
    assert_true(mixed > 300);
    cj_loader_free(l);
    cj_dataset_free(d);
}

static void test_probability(void **state)
{
    (void)state;
    cj_dataset *d = plain_pictures(CJ_I32);
    for (int k = 0; k < 2; k++) {
        cj_loader *l;
        cj_batch batch;
        int whole = 0, cut = 0;
        expect_ok(cj_loader_new(&l, d, .batch_size = BATCH, .seed = 3,
                                .augment = k ? LIST({"mixup", "alpha: 5"}, {"cutmix", NULL})
                                             : LIST({"mixup", "alpha: 5, probability: 0.3"})));
        for (int epoch = 0; epoch < 10; epoch++)
            while (cj_loader_next(l, &batch))
                for (int64_t i = 0; i < batch.count; i++) {
                    const float *y = (float *)batch.y.data + i * CLASSES,
                                *x = (float *)batch.x.data + i * SIZE;
                    double most = 0;
                    for (int c = 0; c < CLASSES; c++) most = fmax(most, (double)y[c]);
                    whole += most == 1;
                    bool even = true;
                    for (int j = 1; j < SIZE; j++) even &= x[j] == x[0];
                    cut += !even;
                }
        if (k == 0)
            assert_true(cut == 0 && whole > 380 && whole < 560); /* 70 % and those of their own class */
        if (k == 1) assert_true(cut > 120 && cut < 300);         /* a half, less those without a rectangle */
        cj_loader_free(l);
    }
    cj_dataset_free(d);
}

/* Numbers are mixed as they are; 0 and 1 become a probability. */
static void test_other_targets(void **state)
{
    (void)state;
    cj_dataset *numbers = plain_pictures(CJ_F32), *two, *labels = plain_pictures(CJ_I32);
    cj_loader *l;
    cj_batch batch;
    expect_ok(cj_loader_new(&l, numbers, .batch_size = BATCH, .augment = LIST({"mixup", "1"})));
    assert_true(cj_loader_next(l, &batch));
    assert_true(cj_shape_equal(batch.y.shape, cj_shape(BATCH)));
    for (int i = 0; i < BATCH; i++)
        assert_true(fabsf(((float *)batch.x.data)[i * SIZE] - 40 * ((float *)batch.y.data)[i]) < 1e-3F);
    cj_loader_free(l);
    const int64_t rows[] = {0, 6, 1 * 6 + 1, 12, 13, 18, 19, 24}; /* labels 0, 0, 1, 0, 1, … */
    expect_ok(cj_dataset_select(&two, labels, rows, 8));
    assert_int_equal(cj_dataset_classes(two), 2);
    expect_ok(cj_loader_new(&l, two, .batch_size = 8, .augment = LIST({"mixup", "1"}), .classes = 1));
    assert_true(cj_loader_next(l, &batch));
    assert_true(batch.y.dtype == CJ_F32 && cj_shape_equal(batch.y.shape, cj_shape(8)));
    for (int i = 0; i < 8; i++)
        assert_true(fabsf(((float *)batch.x.data)[i * SIZE] - 40 * ((float *)batch.y.data)[i]) < 1e-3F);
    cj_loader_free(l);
    cj_dataset_free(two);
    cj_dataset_free(labels);
    cj_dataset_free(numbers);
}

/* --- training ------------------------------------------------------------------------------------------ */

static cj_value network(cj_scope s, cj_value x, void *context)
{
    (void)context;
    x = cj_relu(cj_dense(cj_at(s, "hidden"), cj_flatten(x), .units = 16));
    return cj_dense(cj_at(s, "out"), x, .units = CLASSES);
}

/* A bar in the row of the label, in noise. */
static cj_dataset *bars(void)
{
    static uint8_t x[ROWS * SIZE];
    static int32_t y[ROWS];
    cj_dataset *d = NULL;
    for (int i = 0; i < ROWS; i++) {
        y[i] = i % CLASSES;
        for (int k = 0; k < SIZE; k++)
            x[i * SIZE + k] =
                (uint8_t)((cj__bits(8, (uint64_t)i, (uint64_t)k) >> 25) + (k / SIDE == y[i] ? 120 : 0));
    }
    cj_tensor tx = {x, CJ_U8, cj_shape(ROWS, SIDE, SIDE)}, ty = {y, CJ_I32, cj_shape(ROWS)};
    expect_ok(cj_dataset_from_tensors(&d, &tx, &ty));
    return d;
}

static const cj_augmentation training_list[] = {{"flip", "horizontal"}, {"shift", "0.2"}, {"cutout", "2"},
                                                {"mixup", NULL},        {"cutmix", NULL}, {0}};

static cj_fit_options options_for(cj_model *model, const cj_dataset *d)
{
    return (cj_fit_options){.size = sizeof(cj_fit_options),
                            .model = model,
                            .forward = network,
                            .dataset = d,
                            .validation = 0.2,
                            .scale = 1.0 / 255,
                            .batch_size = BATCH,
                            .epochs = 4,
                            .optimizer = cj_adam(.learning_rate = 0.01),
                            .checkpoints = {.every_steps = 1},
                            .augment = training_list,
                            .seed = 9};
}

static cj_verdict stop_at(const cj_progress *p, void *context)
{
    return p->updates == *(const int64_t *)context && !p->epoch_done ? CJ_INTERRUPT : CJ_GO_ON;
}

static void train_in(const char *folder, int64_t stop, bool resume, cj_status wanted, char digest[65])
{
    cj_model *model;
    cj_dataset *d = bars();
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_fit_options o = options_for(model, d);
    o.folder = folder;
    o.resume = resume;
    o.callbacks[0] = (cj_callback){stop_at, &stop};
    expect_status((cj_fit)(&o, NULL), wanted);
    cj_model_digest(model, digest);
    cj_model_free(model);
    cj_dataset_free(d);
}

static void test_resumed_anywhere(void **state)
{
    (void)state;
    char whole[65], parts[65];
    train_in(NULL, -1, false, CJ_OK, whole);
    for (int64_t stop = 1; stop < 12; stop += 2) {
        char *folder = cj_test_new_folder();
        expect_ok(cj_set_threads((int)(1 + stop % 4)));
        train_in(folder, stop, false, CJ_INTERRUPTED, parts);
        train_in(folder, -1, true, CJ_OK, parts);
        assert_string_equal(whole, parts);
        cj_test_remove_folder(folder);
    }
    expect_ok(cj_set_threads(2));
}

/* On mixed labels the network learns to tell unmixed ones; smoothing and weights of classes go along. */
static void test_it_learns(void **state)
{
    (void)state;
    static const double weights[CLASSES] = {1, 2, 1, 1, 1, 1};
    for (int k = 0; k < 3; k++) {
        cj_model *model;
        cj_progress last;
        cj_dataset *d = bars();
        expect_ok(cj_model_new(&model, .seed = 4));
        cj_fit_options o = options_for(model, d);
        o.augment = LIST({"flip", "horizontal"}, {"mixup", NULL});
        o.epochs = 60;
        o.checkpoints.every_steps = 0;
        o.label_smoothing = k == 1 ? 0.1 : 0;
        o.accumulate = k == 2 ? 2 : 1;
        if (k == 1) o.class_weights = weights, o.class_count = CLASSES;
        expect_ok((cj_fit)(&o, &last));
        assert_true(last.training.loss < 1.2 && last.training.accuracy > 0.75); /* from 1.79 and 0.17 */
        assert_true(last.validation.accuracy > 0.9);
        cj_graph *graph;
        expect_ok(cj_draw_step(&o, &graph));
        cj_graph_free(graph);
        o.label_smoothing = 1.5;
        expect_status((cj_fit)(&o, &last), CJ_INVALID_ARGUMENT);
        expect_message("label smoothing is 1.5");
        cj_model_free(model);
        cj_dataset_free(d);
    }
}

/* The loss against distributions is the mean over the rows that count of -Σ t log p. */
static cj_value ready_made(cj_scope s, cj_value x, void *context)
{
    (void)s, (void)context;
    return x;
}

/* Has a parameter to train, and leaves x as it is. */
static cj_value scaled_by_one(cj_scope s, cj_value x, void *context)
{
    (void)context;
    return cj_add(x, cj_scale(cj_dense(cj_at(s, "unused"), x, .units = 1), 0));
}

static void test_loss_of_distributions(void **state)
{
    (void)state;
    float x[3 * 2] = {1, 3, 0, 0, -2, 5}, y[3 * 2] = {0.25F, 0.75F, 1, 0, 0.5F, 0.5F};
    double wanted = 0;
    cj_dataset *d;
    cj_scores scores;
    cj_model *model;
    int64_t confusion[4];
    for (int i = 0; i < 3; i++)
        for (int c = 0; c < 2; c++)
            wanted -= (double)y[2 * i + c] *
                      ((double)x[2 * i + c] - log(exp((double)x[2 * i]) + exp((double)x[2 * i + 1])));
    cj_tensor tx = {x, CJ_F32, cj_shape(3, 2)}, ty = {y, CJ_F32, cj_shape(3, 2)};
    expect_ok(cj_dataset_from_tensors(&d, &tx, &ty));
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_evaluate(&scores, model, ready_made, NULL, d, .batch_size = 2, .classes = 2,
                          .confusion = confusion));
    assert_true(fabs(scores.loss - wanted / 3) < 1e-6);
    assert_true(fabs(scores.accuracy - 2.0 / 3) < 1e-6); /* of equals the first is the likeliest */
    assert_int_equal(confusion[0] + confusion[3], 2);
    assert_int_equal(scores.count, 3);
    cj_model_free(model);
    cj_dataset_free(d);
}

/* --- views --------------------------------------------------------------------------------------------- */

static cj_dataset *mirrored(const cj_dataset *d)
{
    static uint8_t x[ROWS * SIZE];
    cj_dataset *made = NULL;
    cj_tensor tx = cj_dataset_x(d), ty = cj_dataset_y(d);
    for (int i = 0; i < ROWS * SIZE; i++)
        x[i] = ((const uint8_t *)tx.data)[i / SIDE * SIDE + SIDE - 1 - i % SIDE];
    tx.data = x;
    expect_ok(cj_dataset_from_tensors(&made, &tx, &ty));
    return made;
}

static cj_evaluate_options evaluation_of(cj_model *model, const cj_dataset *d, float *outputs)
{
    return (cj_evaluate_options){.size = sizeof(cj_evaluate_options),
                                 .model = model,
                                 .forward = network,
                                 .dataset = d,
                                 .scale = 1.0 / 255,
                                 .batch_size = 16,
                                 .classes = CLASSES,
                                 .outputs = outputs,
                                 .width = CLASSES};
}

static void test_views(void **state)
{
    (void)state;
    float plain[ROWS * CLASSES], turned[ROWS * CLASSES], both[ROWS * CLASSES], six[ROWS * CLASSES];
    int64_t confusion[CLASSES * CLASSES], right = 0, counted = 0;
    cj_dataset *d = bars(), *other = mirrored(d);
    cj_model *model;
    cj_scores scores, more;
    double loss = 0;
    expect_ok(cj_model_new(&model, .seed = 12));
    cj_evaluate_options o = evaluation_of(model, d, plain), m = evaluation_of(model, other, turned);
    expect_ok((cj_evaluate)(&o, &scores));
    expect_ok((cj_evaluate)(&m, &scores));
    o.outputs = both;
    o.views = CJ_VIEW_FLIP;
    o.confusion = confusion;
    expect_ok((cj_evaluate)(&o, &scores));
    for (int i = 0; i < ROWS; i++) {
        int best = 0, label = ((const int32_t *)cj_dataset_y(d).data)[i];
        for (int c = 0; c < CLASSES; c++) {
            int k = i * CLASSES + c;
            assert_true(fabsf(both[k] - 0.5F * (plain[k] + turned[k])) < 1e-6F);
            if (both[k] > both[i * CLASSES + best]) best = c;
        }
        right += best == label;
        loss -= log((double)both[i * CLASSES + label]) / ROWS;
    }
    for (int c = 0; c < CLASSES; c++) counted += confusion[c * CLASSES + c];
    assert_int_equal(counted, right);
    assert_true(fabs(scores.accuracy - (double)right / ROWS) < 1e-9 && fabs(scores.loss - loss) < 1e-6);
    o.outputs = six;
    o.views = CJ_VIEW_FLIP_SHIFT;
    expect_ok((cj_evaluate)(&o, &more));
    assert_memory_not_equal(six, both, sizeof both);
    for (int i = 0; i < ROWS; i++) {
        double sum = 0;
        for (int c = 0; c < CLASSES; c++) sum += (double)six[i * CLASSES + c];
        assert_true(fabs(sum - 1) < 1e-5);
    }
    cj_model *models[] = {model};
    expect_ok(cj_predict_ensemble(&o, models, 1));
    o.loss = CJ_SQUARED_ERROR;
    expect_status((cj_evaluate)(&o, &more), CJ_UNSUPPORTED);
    expect_message("averaged for classifications");
    cj_model_free(model);
    cj_dataset_free(other);
    cj_dataset_free(d);
}

static cj_status evaluate_views(void *context)
{
    const cj_dataset *d = context;
    float outputs[ROWS * CLASSES];
    cj_model *model = NULL;
    cj_scores scores;
    cj_status status = cj_model_new(&model, .seed = 12);
    cj_evaluate_options o = evaluation_of(model, d, outputs);
    o.views = CJ_VIEW_FLIP_SHIFT;
    if (status == CJ_OK) status = (cj_evaluate)(&o, &scores);
    cj_model_free(model);
    return status;
}

static cj_status fit_mixed(void *context)
{
    const cj_dataset *d = context;
    cj_model *model = NULL;
    cj_status status = cj_model_new(&model, .seed = 4);
    cj_fit_options o = options_for(model, d);
    o.epochs = 1;
    if (status == CJ_OK) status = (cj_fit)(&o, NULL);
    cj_model_free(model);
    return status;
}

/* The first run starts the team, whose memory stays. */
static void test_allocations(void **state)
{
    (void)state;
    cj_dataset *d = bars();
    expect_ok(cj_set_threads(1));
    expect_ok(evaluate_views(d));
    cj_test_every_allocation_fails(evaluate_views, d);
    cj_test_every_allocation_fails(fit_mixed, d);
    cj_dataset_free(d);
}

/* --- recipes ------------------------------------------------------------------------------------------- */

static cj_status read_recipe_with(const char *folder, const char *text, const char *override, char **resolved)
{
    cj_recipe *recipe;
    cj_test_write_file(cj_test_path(folder, "r.yaml"), text, strlen(text));
    cj_status status = cj_recipe_read(&recipe, cj_test_path(folder, "r.yaml"), override ? 1 : 0, &override);
    if (status == CJ_OK && resolved) status = cj_recipe_text(recipe, resolved);
    cj_recipe_free(recipe);
    return status;
}

static cj_status read_recipe(const char *folder, const char *text, char **resolved)
{
    return read_recipe_with(folder, text, NULL, resolved);
}

#define MODEL "model: [{dense: 10}]\n"

static void test_recipes(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), *once, *twice;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"augment:\n  - flip\n  - pad_corp: 4\n" MODEL,
         "r.yaml:3: there is no augmentation 'pad_corp'; did you mean 'pad_crop'?"},
        {"augment:\n  - cutout: {size: 0}\n" MODEL,
         "r.yaml:2: cutout: size is '0', but must be a whole number from 1"},
        {"augment:\n  - cutout: {size: [1]}\n" MODEL, "r.yaml:2: parameters are plain values by name"},
        {"augment:\n  - cutout: [1]\n" MODEL, "r.yaml:2: an augmentation's value is one value"},
        {"augment:\n  - {cutout: 1, flip: both}\n" MODEL,
         "r.yaml:2: an augmentation is a name, or one name with"},
        {"augment: flip\n" MODEL, "r.yaml:1: `augment` is a list of augmentations"},
        {"augment: {flip: both}\n" MODEL, "r.yaml:1: `augment` is a list of augmentations"},
        {"augment:\n  - cutout: {'size: 4, fill': 4}\n" MODEL,
         "r.yaml:2: parameters are plain values by name"},
    };
    cj_status status = read_recipe(folder, "augment: []\n" MODEL, &once);
    if (status == CJ_UNSUPPORTED) {
        cj_test_remove_folder(folder);
        skip_because("this build has no libyaml");
    }
    expect_ok(status);
    assert_null(strstr(once, "augment"));
    cj_text_free(once);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_not_equal(read_recipe(folder, cases[i].text, NULL), CJ_OK);
        expect_message(cases[i].message);
    }
    expect_ok(read_recipe(
        folder,
        "augment:\n  - flip: {direction: both, alternating: true}\n  - greyscale\n  - mixup: 0.4\n"
        "  - randaugment: {number: 3}\n" MODEL,
        &once));
    assert_non_null(strstr(once,
                           "augment:\n  - flip: {direction: both, probability: 0.5, alternating: true}\n"
                           "  - greyscale: {probability: 0.1}\n  - mixup: {alpha: 0.4, probability: 1}\n"));
    expect_ok(read_recipe(folder, once, &twice));
    assert_string_equal(once, twice);
    cj_text_free(once);
    cj_text_free(twice);
    cj_test_remove_folder(folder);
}

static void test_overrides(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder(), *text;
    static const char recipe[] = "augment: [flip, {cutout: 3}]\n" MODEL;
    cj_status status = read_recipe_with(folder, recipe, "augment=none", &text);
    if (status == CJ_UNSUPPORTED) {
        cj_test_remove_folder(folder);
        skip_because("this build has no libyaml");
    }
    expect_ok(status);
    assert_null(strstr(text, "augment"));
    cj_text_free(text);
    expect_ok(read_recipe_with(folder, recipe,
                               "augment=pad_crop: size: 2, mode: reflect; greyscale;mixup:0.3", &text));
    assert_non_null(
        strstr(text, "augment:\n  - pad_crop: {size: 2, mode: reflect, fill: 0}\n"
                     "  - greyscale: {probability: 0.1}\n  - mixup: {alpha: 0.3, probability: 1}\nmodel"));
    cj_text_free(text);
    expect_status(read_recipe_with(folder, recipe, "augment=flip; cutot: 3", &text), CJ_INVALID_ARGUMENT);
    expect_message("override: there is no augmentation 'cutot'; did you mean 'cutout'?");
    expect_status(read_recipe_with(folder, recipe, "augment=", &text), CJ_INVALID_ARGUMENT);
    cj_test_remove_folder(folder);
}

static cj_status read_augmented(void *context)
{
    return read_recipe_with(context, "augment: [flip, {cutout: {size: 3}}]\n" MODEL,
                            "augment=flip; cutout: 3", NULL);
}

static void test_recipe_allocations(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    cj_status status = read_augmented(folder);
    if (status == CJ_OK) cj_test_every_allocation_fails(read_augmented, folder);
    cj_test_remove_folder(folder);
    if (status == CJ_UNSUPPORTED) skip_because("this build has no libyaml");
}

/* The loss of mixed 0 and 1 weighs both by how much there is of them; of whole ones as ever. */
static void test_binary_weights(void **state)
{
    (void)state;
    float x[4] = {0.5F, -1, 2, 0}, soft[4] = {0, 1, 0.25F, 0.5F};
    static const double weights[2] = {1, 3};
    double sum = 0, total = 0;
    for (int i = 0; i < 4; i++) {
        double z = (double)x[i], t = (double)soft[i], w = 1 + 2 * t;
        sum += w * (fmax(z, 0) - z * t + log1p(exp(-fabs(z))));
        total += w;
    }
    cj_dataset *d;
    cj_model *model;
    cj_progress last;
    cj_tensor tx = {x, CJ_F32, cj_shape(4, 1)}, ty = {soft, CJ_F32, cj_shape(4)};
    expect_ok(cj_dataset_from_tensors(&d, &tx, &ty));
    expect_ok(cj_model_new(&model, .seed = 1));
    cj_fit_options o = {.size = sizeof o,
                        .model = model,
                        .forward = scaled_by_one,
                        .dataset = d,
                        .batch_size = 4,
                        .epochs = 1,
                        .loss = CJ_BINARY_CROSS_ENTROPY,
                        .class_weights = weights,
                        .class_count = 2,
                        .optimizer = cj_sgd(.learning_rate = 0.1)};
    expect_ok((cj_fit)(&o, &last));
    assert_true(fabs(last.training.loss - sum / total) < 1e-6);
    cj_model_free(model);
    cj_dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mixup),
                                       cmocka_unit_test(test_cutmix),
                                       cmocka_unit_test(test_probability),
                                       cmocka_unit_test(test_other_targets),
                                       cmocka_unit_test(test_resumed_anywhere),
                                       cmocka_unit_test(test_it_learns),
                                       cmocka_unit_test(test_loss_of_distributions),
                                       cmocka_unit_test(test_views),
                                       cmocka_unit_test(test_recipes),
                                       cmocka_unit_test(test_overrides),
                                       cmocka_unit_test(test_recipe_allocations),
                                       cmocka_unit_test(test_binary_weights),
                                       cmocka_unit_test(test_allocations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
