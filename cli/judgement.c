/* How a run does on rows that it has not seen: its predictions are compared with what stands there, scored,
 * and written into the report of its folder. */
#include "judgement.h"
#include "translation.h"

#include <stdlib.h>

/* --- the confusion matrix ------------------------------------------------------------------------------ */

/* Of the confusion matrix: 0 where the loss is an error, 2 for a single logit. */
static int64_t classes_of(const cj_recipe *recipe)
{
    cj_loss_kind loss = cj_recipe_loss(recipe);
    if (cj_recipe_predicts_tokens(recipe)) return 0;
    if (loss == CJ_BINARY_CROSS_ENTROPY) return 2;
    return loss == CJ_CROSS_ENTROPY ? cj_recipe_classes(recipe) : 0;
}

cj_status begin_report(report *r, const cj_recipe *recipe, const char *part)
{
    *r = (report){
        .part = part, .recipe = recipe, .loss = cj_recipe_loss(recipe), .classes = classes_of(recipe)};
    if (r->classes) r->confusion = calloc((size_t)(r->classes * r->classes), sizeof *r->confusion);
    return r->classes && !r->confusion ? CJ_OUT_OF_MEMORY : CJ_OK;
}

/* --- scores -------------------------------------------------------------------------------------------- */

/* What the predictions are compared with, row by row. */
typedef struct {
    int64_t rows, width;
    float *outputs;  /* [rows,width] */
    int32_t *labels; /* [rows] */
    float *targets;  /* [rows] */
} comparison;

static void end_comparison(comparison *c)
{
    free(c->outputs);
    free(c->labels);
    free(c->targets);
}

/* One target a row; for several numbers a row only the loss is told. */
static cj_status begin_comparison(comparison *c, const cj_dataset *data, int64_t width)
{
    size_t rows = (size_t)cj_dataset_count(data);
    *c = (comparison){.rows = (int64_t)rows, .width = width};
    c->outputs = calloc(rows * (size_t)width + 1, sizeof *c->outputs);
    c->labels = calloc(rows + 1, sizeof *c->labels);
    c->targets = calloc(rows + 1, sizeof *c->targets);
    if (!c->outputs || !c->labels || !c->targets) return CJ_OUT_OF_MEMORY;
    for (int64_t i = 0; i < c->rows; i++) {
        cj_tensor y;
        cj_dataset_row(data, i, NULL, &y);
        bool label = y.dtype == CJ_I32;
        c->targets[i] = label ? (float)*(const int32_t *)y.data : *(const float *)y.data;
        c->labels[i] = label ? *(const int32_t *)y.data : c->targets[i] > 0.5F;
    }
    return CJ_OK;
}

static void judge_binary(const comparison *c, double threshold, report *r)
{
    r->auc = cj_auc(c->rows, c->outputs, c->labels);
    r->at = cj_at_threshold(c->rows, c->outputs, c->labels, threshold);
    r->scores.accuracy = r->at.accuracy;
    for (int i = 0; i < 4; i++) r->confusion[i] = 0;
    for (int64_t i = 0; i < c->rows; i++)
        r->confusion[2 * (c->labels[i] > 0) + ((double)c->outputs[i] > threshold)]++;
}

/* The surest of what is taken for something else. */
static void list_mistakes(const run *run, const comparison *c, report *r)
{
    int64_t found = cj_find_mistakes(c->rows, c->width, c->outputs, c->labels,
                                     cj_recipe_threshold(run->recipe), MOST_MISTAKES, r->mistakes);
    r->mistake_count = found < MOST_MISTAKES ? found : MOST_MISTAKES;
}

static void judge(const run *run, const comparison *c, report *r)
{
    if (r->classes) list_mistakes(run, c, r);
    if (r->loss == CJ_BINARY_CROSS_ENTROPY) {
        judge_binary(c, cj_recipe_threshold(run->recipe), r);
    } else if (r->loss == CJ_CROSS_ENTROPY) {
        r->top5 = cj_top_k_accuracy(c->rows, c->width, c->outputs, c->labels, 5);
    } else if (c->width == 1) {
        r->r_squared = cj_r_squared(c->rows, c->outputs, c->targets);
        r->distance = cj_mean_distance(c->rows, c->outputs, c->targets);
    }
}

/* Of one network from its own loss; of an ensemble from the mean of what they predict. */
static cj_status predict_and_score(run *r, cj_evaluate_options *options, comparison *c, report *result)
{
    options->outputs = c->outputs;
    options->width = c->width;
    if (r->count == 1) return (cj_evaluate)(options, &result->scores);
    options->confusion = NULL;
    cj_status status = cj_predict_ensemble(options, r->models, r->count);
    if (status == CJ_OK && result->classes)
        result->scores = cj_score(result->loss, c->rows, c->width, c->outputs, c->labels, result->classes,
                                  result->confusion);
    return status;
}

static void tell_rows(int64_t rows, void *data)
{
    tell_waiting(rows, cj_dataset_count(data));
}

static cj_status score_rows(run *r, const cj_dataset *rows, report *result)
{
    comparison c;
    cj_evaluate_options options = cj_recipe_evaluate_options(r->recipe);
    options.watch = tell_rows;
    options.watch_context = (cj_dataset *)(size_t)rows;
    options.model = r->models[0];
    options.dataset = rows;
    result->text = cj_dataset_text(rows);
    if (cj_recipe_predicts_tokens(r->recipe)) return (cj_evaluate)(&options, &result->scores);
    options.classes = result->classes;
    options.confusion = result->confusion;
    cj_status status = begin_comparison(&c, rows, cj_recipe_classes(r->recipe));
    if (status == CJ_OK) status = predict_and_score(r, &options, &c, result);
    if (status == CJ_OK) judge(r, &c, result);
    end_comparison(&c);
    return status;
}

cj_status evaluate_run(const options *o, const char *doing, run *r, const cj_dataset *rows, report *result)
{
    begin_waiting(o, doing);
    cj_status status = score_rows(r, rows, result);
    begin_waiting(o, "translating");
    if (status == CJ_OK && r->count == 1) status = score_translations(r, result);
    end_waiting();
    return status;
}

/* --- the threshold ------------------------------------------------------------------------------------- */

cj_status choose_threshold(run *r, const cj_dataset *validation)
{
    comparison c;
    cj_threshold_rule rule = cj_recipe_threshold_rule(r->recipe);
    if (rule == CJ_THRESHOLD_HALF || !validation || cj_recipe_loss(r->recipe) != CJ_BINARY_CROSS_ENTROPY)
        return CJ_OK;
    cj_evaluate_options options = cj_recipe_evaluate_options(r->recipe);
    options.dataset = validation;
    cj_status status = begin_comparison(&c, validation, 1);
    options.outputs = c.outputs;
    options.width = 1;
    if (status == CJ_OK) status = cj_predict_ensemble(&options, r->models, r->count);
    if (status == CJ_OK) {
        cj_threshold best = cj_best_threshold(c.rows, c.outputs, c.labels, rule == CJ_THRESHOLD_BY_F1);
        status = cj_recipe_set_threshold(r->recipe, best.threshold);
    }
    end_comparison(&c);
    return status;
}

/* --- the report ---------------------------------------------------------------------------------------- */

enum { MOST_NAMES = 1024 };

cj_status report_run(const run *r, const char *folder, const cj_dataset *rows, const report *result,
                     const char *weights)
{
    cj_mistake_sheet sheet;
    const char *names[MOST_NAMES];
    bool named = result->classes > 0 && result->classes <= MOST_NAMES;
    for (int64_t c = 0; c < result->classes && named; c++)
        named = (names[c] = cj_recipe_class(r->recipe, c)) != NULL;
    cj_status status =
        cj_mistake_sheet_make(&sheet, rows, result->mistakes, result->mistake_count, named ? names : NULL);
    if (status == CJ_OK) status = cj_run_log_test(folder, &result->scores);
    cj_run_report_options report = {.size = sizeof report,
                                    .test = &result->scores,
                                    .classes = result->classes,
                                    .confusion = result->confusion,
                                    .class_names = named ? names : NULL,
                                    .weights = weights,
                                    .mistakes = sheet.pictures,
                                    .mistake_count = sheet.count};
    if (status == CJ_OK) status = cj_run_report(folder, &report);
    cj_mistake_sheet_free(&sheet);
    return status;
}
