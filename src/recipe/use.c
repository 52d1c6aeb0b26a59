/* What a recipe says, as options of fit and evaluate. */
#include "recipe/recipe.h"

#include <stdio.h>
#include <string.h>

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
    memcpy(o.groups, r->groups, sizeof o.groups);
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

cj_status cj_recipe_set_kernels(cj_recipe *r, const char *path)
{
    cj_kernels_free(r->measured);
    r->measured = NULL;
    return cj__recipe_set(r, 0, cj__recipe_keys[CJ__KEY_kernels].name, path);
}

cj_status cj_recipe_open_kernels(cj_recipe *r)
{
    const char *path = r->values[CJ__KEY_kernels];
    if (r->measured || !*path) return CJ_OK;
    cj_status status = cj_kernels_load(&r->measured, path);
    return status == CJ_OK ? status : cj__fail_within(status, "%s: training.kernels", r->path);
}

const cj_kernels *cj_recipe_kernels(const cj_recipe *recipe)
{
    return recipe->measured;
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
        .mean = r->mean,
        .deviation = r->deviation,
        .channels = r->channels,
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
        .kernels = r->measured,
        .memory = cj__recipe_bytes(r, CJ__KEY_memory),
        .whiten = *r->values[CJ__KEY_model_whiten] ? r->values[CJ__KEY_model_whiten] : NULL,
        .name = cj_recipe_name(r),
        .weights = cj_recipe_weights(r),
        .freeze = r->freeze,
        .freeze_count = r->freeze_count,
        .unfreeze = r->unfreeze,
        .unfreeze_count = r->unfreeze_count,
        .augment = r->augment_count ? r->augment : NULL,
        .classes = cj_recipe_classes(r),
        .freeze_later = r->freeze_later,
        .freeze_later_count = r->freeze_later_count,
        .lookahead = {.every = cj__recipe_count(r, CJ__KEY_lookahead_every),
                      .from_epoch = cj__recipe_count(r, CJ__KEY_lookahead_from),
                      .keep = cj__recipe_number(r, CJ__KEY_lookahead_keep),
                      .power = cj__recipe_number(r, CJ__KEY_lookahead_power)}};
}

cj_evaluate_options cj_recipe_evaluate_options(cj_recipe *r)
{
    return (cj_evaluate_options){.size = sizeof(cj_evaluate_options),
                                 .forward = cj_recipe_forward,
                                 .context = r,
                                 .scale = scale_of(r),
                                 .shift = shift_of(r),
                                 .mean = r->mean,
                                 .deviation = r->deviation,
                                 .channels = r->channels,
                                 .batch_size = cj__recipe_count(r, CJ__KEY_batch_size),
                                 .loss = cj_recipe_loss(r),
                                 .precision = (cj_precision)cj__recipe_choice(r, CJ__KEY_precision),
                                 .kernels = r->measured,
                                 .classes = cj_recipe_classes(r),
                                 .views = (cj_views)cj__recipe_choice(r, CJ__KEY_views)};
}
