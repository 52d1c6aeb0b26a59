/* What a recipe says, as data sets and as options of fit and evaluate. */
#include "recipe/recipe.h"

#include <stdio.h>
#include <string.h>

/* --- data ---------------------------------------------------------------------------------------------- */

static cj_split_options split_of(const cj_recipe *r, bool has_test)
{
    return (cj_split_options){.size = sizeof(cj_split_options),
                              .kind = (cj_split_kind)cj__recipe_choice(r, CJ__KEY_data_split),
                              .validation = cj__recipe_number(r, CJ__KEY_data_validation),
                              .test = has_test ? 0 : cj__recipe_number(r, CJ__KEY_data_test),
                              .seed = (uint64_t)cj__recipe_count(r, CJ__KEY_data_seed)};
}

/* Pictures and their labels in one archive. */
static bool is_archive(const cj_recipe *r)
{
    const char *file = r->values[CJ__KEY_data_file];
    size_t size = strlen(file);
    return size > 4 && strcmp(file + size - 4, ".npz") == 0;
}

bool cj_recipe_is_table(const cj_recipe *r)
{
    return *r->values[CJ__KEY_data_file] != 0 && !is_archive(r);
}

cj_status cj_recipe_read_table(const cj_recipe *r, const char *path, cj_table **table)
{
    cj_csv_options options = {
        .size = sizeof options, .path = path, .missing = r->values[CJ__KEY_data_missing]};
    return cj_table_read_csv(table, &options);
}

static cj_status fit_preprocessing(const cj_recipe *r, const cj_table *table, cj_preprocessing **made)
{
    cj_preprocessing_options options = {.size = sizeof options,
                                        .table = table,
                                        .split = split_of(r, false),
                                        .target = r->values[CJ__KEY_data_target],
                                        .target_is_number = cj__recipe_truth(r, CJ__KEY_data_number),
                                        .drop = r->values[CJ__KEY_data_drop],
                                        .categories = r->values[CJ__KEY_data_categories],
                                        .scaling = (cj_scaling)cj__recipe_choice(r, CJ__KEY_data_scaling),
                                        .missing_indicators = cj__recipe_truth(r, CJ__KEY_data_indicators)};
    return cj_preprocessing_fit(made, &options);
}

static cj_status open_table(const cj_recipe *r, cj_recipe_sets *sets)
{
    char path[4096];
    cj_table *table = NULL;
    cj_status status = cj_data_find(r->values[CJ__KEY_data_file], path, sizeof path);
    if (status == CJ_OK) status = cj_recipe_read_table(r, path, &table);
    if (status == CJ_OK) status = fit_preprocessing(r, table, &sets->preprocessing);
    if (status == CJ_OK) status = cj_preprocessing_apply(sets->preprocessing, table, true, &sets->whole);
    cj_table_free(table);
    return status;
}

/* A set by name has test rows of its own, unless the recipe keeps some back. */
static cj_status open_named(const cj_recipe *r, cj_recipe_sets *sets)
{
    const char *name = r->values[CJ__KEY_data_name];
    CJ__TRY(cj_dataset_open(&sets->whole, name, false));
    return cj__recipe_number(r, CJ__KEY_data_test) == 0 ? cj_dataset_open(&sets->test, name, true) : CJ_OK;
}

/* Its own validation and test rows, unless the recipe keeps some of the others back for the test. Numbers are
 * taken as they are where the recipe says nothing of their scale, which is meant for bytes. */
static cj_status open_archive(cj_recipe *r, cj_recipe_sets *sets)
{
    char path[4096];
    CJ__TRY(cj_data_find(r->values[CJ__KEY_data_file], path, sizeof path));
    CJ__TRY(cj_dataset_read_npz(path, &sets->whole, &sets->validation, &sets->test));
    if (cj__recipe_number(r, CJ__KEY_data_test) > 0) {
        cj_dataset_free(sets->test);
        sets->test = NULL;
    }
    if (cj_dataset_x(sets->whole).dtype == CJ_F32 &&
        r->values[CJ__KEY_data_scale] == cj__recipe_keys[CJ__KEY_data_scale].standard)
        r->values[CJ__KEY_data_scale] = "1";
    return CJ_OK;
}

static cj_status split(const cj_recipe *r, cj_recipe_sets *sets)
{
    cj_split_options options = split_of(r, sets->test != NULL);
    if (sets->validation) options.validation = 0;
    return cj_dataset_split(sets->whole, &options, &sets->training,
                            sets->validation ? NULL : &sets->validation, sets->test ? NULL : &sets->test);
}

/* "28,28": one example's shape, as the recipe remembers it. */
static cj_status remember_shape(cj_recipe *r, const cj_dataset *data)
{
    cj_tensor row;
    char text[160];
    size_t used = 0;
    cj_dataset_row(data, 0, &row, NULL);
    for (int64_t d = 1; d < row.shape.rank && used < 140; d++)
        used += (size_t)snprintf(text + used, sizeof text - used, d > 1 ? ",%lld" : "%lld",
                                 (long long)row.shape.dims[d]);
    r->values[CJ__KEY_data_shape] = used ? cj__arena_string(&r->arena, text) : "";
    return r->values[CJ__KEY_data_shape] ? CJ_OK : cj__out_of_memory(used, "a recipe");
}

cj_status cj_recipe_open_data(cj_recipe *r, cj_recipe_sets *sets)
{
    *sets = (cj_recipe_sets){0};
    cj_status status = cj_recipe_is_table(r) ? open_table(r, sets)
                       : is_archive(r)       ? open_archive(r, sets)
                                             : open_named(r, sets);
    if (status == CJ_OK) status = split(r, sets);
    if (status == CJ_OK) status = remember_shape(r, sets->training);
    if (status != CJ_OK) cj_recipe_close_data(sets);
    return status;
}

/* A file tells no width before it has been read. */
cj_status cj_recipe_open_sample(cj_recipe *r, cj_recipe_sets *sets)
{
    if (*r->values[CJ__KEY_data_file]) return cj_recipe_open_data(r, sets);
    *sets = (cj_recipe_sets){0};
    CJ__TRY(cj_dataset_open_sample(&sets->training, r->values[CJ__KEY_data_name], 1));
    cj_status status = cj_dataset_count(sets->training) > 0
                           ? remember_shape(r, sets->training)
                           : cj__fail(CJ_FORMAT_ERROR, "%s has no rows", r->values[CJ__KEY_data_name]);
    if (status != CJ_OK) cj_recipe_close_data(sets);
    return status;
}

void cj_recipe_close_data(cj_recipe_sets *sets)
{
    cj_dataset_free(sets->training);
    cj_dataset_free(sets->validation);
    cj_dataset_free(sets->test);
    cj_dataset_free(sets->whole);
    cj_preprocessing_free(sets->preprocessing);
    *sets = (cj_recipe_sets){0};
}

cj_shape_t cj_recipe_shape(const cj_recipe *recipe)
{
    double dims[CJ_MAX_RANK];
    int64_t rank = cj__recipe_list(recipe, CJ__KEY_data_shape, dims, CJ_MAX_RANK);
    cj_shape_t shape = {.rank = rank > 0 && rank <= CJ_MAX_RANK ? rank : 0};
    for (int64_t d = 0; d < shape.rank; d++) shape.dims[d] = (int64_t)dims[d];
    return shape;
}

cj_image_fit_options cj_recipe_picture(const cj_recipe *recipe)
{
    cj_shape_t shape = cj_recipe_shape(recipe);
    int64_t channels = shape.rank == 3 ? shape.dims[2] : shape.rank == 2 ? 1 : 0;
    return (cj_image_fit_options){.size = sizeof(cj_image_fit_options),
                                  .height = shape.dims[0],
                                  .width = shape.dims[1],
                                  .channels = channels == 1 || channels == 3 ? channels : 0,
                                  .crop = cj__recipe_number(recipe, CJ__KEY_data_crop)};
}

/* --- training ------------------------------------------------------------------------------------------ */

static cj_optimizer optimizer_of(const cj_recipe *r)
{
    cj_optimizer o = {.kind = (cj_optimizer_kind)cj__recipe_choice(r, CJ__KEY_optimizer),
                      .learning_rate = cj__recipe_number(r, CJ__KEY_learning_rate),
                      .momentum = cj__recipe_number(r, CJ__KEY_momentum),
                      .nesterov = cj__recipe_truth(r, CJ__KEY_nesterov),
                      .weight_decay = cj__recipe_number(r, CJ__KEY_weight_decay),
                      .beta1 = cj__recipe_number(r, CJ__KEY_beta1),
                      .beta2 = cj__recipe_number(r, CJ__KEY_beta2),
                      .epsilon = cj__recipe_number(r, CJ__KEY_epsilon),
                      .ema_decay = cj__recipe_number(r, CJ__KEY_ema_decay),
                      .clip_norm = cj__recipe_number(r, CJ__KEY_clip_norm)};
    for (int i = 0; i < CJ_MAX_PARAMETER_GROUPS && r->no_decay[i]; i++)
        o.groups[i] = (cj_parameter_group){.pattern = r->no_decay[i], .no_weight_decay = true};
    return o;
}

static cj_schedule schedule_of(const cj_recipe *r)
{
    return (cj_schedule){.kind = (cj_schedule_kind)cj__recipe_choice(r, CJ__KEY_schedule),
                         .every = cj__recipe_count(r, CJ__KEY_schedule_every),
                         .factor = cj__recipe_number(r, CJ__KEY_schedule_factor),
                         .minimum = cj__recipe_number(r, CJ__KEY_schedule_minimum),
                         .period = cj__recipe_count(r, CJ__KEY_schedule_period),
                         .rising = cj__recipe_number(r, CJ__KEY_schedule_rising),
                         .patience = cj__recipe_count(r, CJ__KEY_schedule_patience),
                         .cooldown = cj__recipe_count(r, CJ__KEY_schedule_cooldown),
                         .warm_up = cj__recipe_count(r, CJ__KEY_schedule_warm_up),
                         .warm_up_start = cj__recipe_number(r, CJ__KEY_schedule_warm_up_start)};
}

/* Tables are scaled column by column before. */
static double scale_of(const cj_recipe *r)
{
    return cj_recipe_is_table(r) ? 1 : cj__recipe_number(r, CJ__KEY_data_scale);
}

static double shift_of(const cj_recipe *r)
{
    return cj_recipe_is_table(r) ? 0 : cj__recipe_number(r, CJ__KEY_data_shift);
}

cj_threshold_rule cj_recipe_threshold_rule(const cj_recipe *recipe)
{
    return (cj_threshold_rule)cj__recipe_choice(recipe, CJ__KEY_threshold_by);
}

double cj_recipe_threshold(const cj_recipe *recipe)
{
    return cj__recipe_number(recipe, CJ__KEY_threshold);
}

cj_status cj_recipe_set_threshold(cj_recipe *r, double threshold)
{
    char text[40];
    snprintf(text, sizeof text, "%.9g", threshold);
    return cj__recipe_set(r, 0, cj__recipe_keys[CJ__KEY_threshold].name, text);
}

cj_fit_options cj_recipe_fit_options(cj_recipe *r)
{
    int64_t weights = cj__recipe_list(r, CJ__KEY_class_weights, NULL, 0);
    return (cj_fit_options){
        .size = sizeof(cj_fit_options),
        .forward = cj_recipe_forward,
        .context = r,
        .scale = scale_of(r),
        .shift = shift_of(r),
        .batch_size = cj__recipe_count(r, CJ__KEY_batch_size),
        .epochs = cj__recipe_count(r, CJ__KEY_epochs),
        .loss = cj_recipe_loss(r),
        .label_smoothing = cj__recipe_number(r, CJ__KEY_label_smoothing),
        .class_weights = weights > 0 ? r->class_weights : NULL,
        .class_count = weights,
        .accumulate = cj__recipe_count(r, CJ__KEY_accumulate),
        .optimizer = optimizer_of(r),
        .schedule = schedule_of(r),
        .early_stopping = {.monitor = (cj_monitor)cj__recipe_choice(r, CJ__KEY_early_monitor),
                           .patience = cj__recipe_count(r, CJ__KEY_early_patience),
                           .min_delta = cj__recipe_number(r, CJ__KEY_early_min_delta),
                           .restore_best = cj__recipe_truth(r, CJ__KEY_early_restore)},
        .checkpoints = {.every_epochs = cj__recipe_count(r, CJ__KEY_checkpoint_epochs),
                        .every_steps = cj__recipe_count(r, CJ__KEY_checkpoint_steps),
                        .keep = cj__recipe_count(r, CJ__KEY_checkpoint_keep),
                        .best = cj__recipe_truth(r, CJ__KEY_checkpoint_best)},
        .seed = cj_recipe_seed(r),
        .precision = (cj_precision)cj__recipe_choice(r, CJ__KEY_precision),
        .name = cj_recipe_name(r)};
}

cj_evaluate_options cj_recipe_evaluate_options(cj_recipe *r)
{
    return (cj_evaluate_options){.size = sizeof(cj_evaluate_options),
                                 .forward = cj_recipe_forward,
                                 .context = r,
                                 .scale = scale_of(r),
                                 .shift = shift_of(r),
                                 .batch_size = cj__recipe_count(r, CJ__KEY_batch_size),
                                 .loss = cj_recipe_loss(r),
                                 .precision = (cj_precision)cj__recipe_choice(r, CJ__KEY_precision),
                                 .classes = cj_recipe_classes(r)};
}
