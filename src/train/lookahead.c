/* Lookahead, between two runs of a fit's step. The copies are variables, "lookahead." and the weight's name;
 * which step is the first depends on the options alone, so that a resumed fit knows it. */
#include "train/lookahead.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

#define SCOPE "lookahead."

static cj_status check(const cj_lookahead *o)
{
    if (o->every < 0 || o->from_epoch < 0)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "lookahead: every is %lld and from_epoch %lld, but both must be 0 or more",
                        (long long)o->every, (long long)o->from_epoch);
    if (!(o->keep >= 0 && o->keep < 1))
        return cj__fail(CJ_INVALID_ARGUMENT, "lookahead: keep is %g, but must be a share below 1", o->keep);
    if (!(o->power >= 0 && o->power <= 100))
        return cj__fail(CJ_INVALID_ARGUMENT, "lookahead: power is %g, but must be from 0 to 100", o->power);
    return CJ_OK;
}

/* --- the copies ---------------------------------------------------------------------------------------- */

static size_t bytes_of(const cj__variable *v)
{
    return (size_t)cj_shape_count(v->shape) * sizeof(float);
}

static bool is_followed(const cj__variable *v)
{
    return cj__is_weight(v) && v->dtype == CJ_F32;
}

/* The weight that the variable is a copy of; NULL: it is none. */
static cj__variable *weight_of(const cj_model *model, const cj__variable *copy)
{
    size_t scope = strlen(SCOPE);
    if (copy->role != CJ_OPTIMIZER_STATE || strncmp(copy->name, SCOPE, scope) != 0) return NULL;
    return cj__model_find(model, copy->name + scope);
}

static cj_status make_copy(cj_model *model, const cj__variable *weight)
{
    cj__variable *copy;
    cj__arena arena = {0};
    char *name = cj__arena_format(&arena, SCOPE "%s", weight->name);
    cj_status status = name ? CJ_OK : cj__out_of_memory(strlen(weight->name), "lookahead");
    if (status == CJ_OK && !cj__model_find(model, name)) {
        status = cj__model_add(model, name, CJ_OPTIMIZER_STATE, CJ_F32, weight->shape, &copy);
        if (status == CJ_OK) memcpy(copy->data, weight->data, bytes_of(weight));
    }
    cj__arena_free(&arena);
    return status;
}

cj_status cj__lookahead_begin(cj__lookahead *l, const cj_fit_options *options, int64_t steps)
{
    int64_t before, weights = options->model->count;
    *l = (cj__lookahead){.o = options->lookahead, .model = options->model, .total = steps * options->epochs};
    CJ__TRY(check(&l->o));
    if (l->o.every == 0) return CJ_OK;
    if (l->o.from_epoch == 0) l->o.from_epoch = 1;
    if (l->o.keep == 0) l->o.keep = 0.5;
    if (l->o.from_epoch > options->epochs) l->o.from_epoch = options->epochs + 1;
    before = (l->o.from_epoch - 1) * steps;
    l->first = before - before % l->o.every + l->o.every;
    for (int64_t i = 0; i < weights; i++)
        if (is_followed(l->model->variables[i])) CJ__TRY(make_copy(l->model, l->model->variables[i]));
    return CJ_OK;
}

/* --- a step -------------------------------------------------------------------------------------------- */

/* The copy comes `share` of the way to the weight, which then goes back to it. */
static void meet(cj__variable *copy, cj__variable *weight, float share)
{
    float *slow = copy->data;
    const float *fast = weight->data;
    for (int64_t i = 0; share == 1 && i < cj_shape_count(copy->shape); i++) slow[i] = fast[i];
    for (int64_t i = 0; share < 1 && i < cj_shape_count(copy->shape); i++)
        slow[i] += (fast[i] - slow[i]) * share;
    memcpy(weight->data, copy->data, bytes_of(copy));
    copy->version++;
    weight->version++;
}

static void all_meet(cj__lookahead *l, double share)
{
    for (int64_t i = 0; i < l->model->count; i++) {
        cj__variable *copy = l->model->variables[i], *weight = weight_of(l->model, copy);
        if (weight) meet(copy, weight, (float)share);
    }
}

void cj__lookahead_step(cj__lookahead *l, int64_t step, bool epoch_ends)
{
    if (l->o.every == 0 || step < l->first) return;
    double over = (double)step / (double)l->total;
    if (step == l->first)
        all_meet(l, 1);
    else if (step % l->o.every == 0)
        all_meet(l, 1 - l->o.keep * pow(over, l->o.power));
    if (epoch_ends) all_meet(l, 0);
}
