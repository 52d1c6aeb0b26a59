/* Which weights a fit leaves alone in which epoch: the patterns of its options as those of the model. */
#include "train/freezing.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/model.h"

#include <stdio.h>

/* A change of one epoch: its pattern, with `!` where it is one that thaws. */
typedef struct {
    int64_t epoch;
    const char *pattern;
} change;

/* After those of its epoch that are there already. */
static void insert(change *list, int64_t *count, change one)
{
    int64_t i = (*count)++;
    for (; i > 0 && list[i - 1].epoch > one.epoch; i--) list[i] = list[i - 1];
    list[i] = one;
}

/* In the order of the epochs, so that the last change decides; what holds from the beginning has epoch 0. */
static cj_status list_changes(const cj_fit_options *o, cj__arena *arena, change *list, int64_t *count)
{
    for (int64_t i = 0; i < o->freeze_count; i++) insert(list, count, (change){0, o->freeze[i]});
    for (int64_t i = 0; i < o->unfreeze_count; i++) {
        const char *back = cj__arena_format(arena, "!%s", o->unfreeze[i].parameters);
        if (!back) return cj__out_of_memory(0, "the patterns of frozen weights");
        insert(list, count, (change){o->unfreeze[i].epoch, back});
    }
    for (int64_t i = 0; i < o->freeze_later_count; i++)
        insert(list, count, (change){o->freeze_later[i].epoch, o->freeze_later[i].parameters});
    return CJ_OK;
}

static cj_status freeze(const cj_fit_options *o, int64_t epoch, cj__arena *arena, int64_t most)
{
    int64_t count = 0, now = 0;
    change *list = cj__arena_allocate(arena, (size_t)most * sizeof *list);
    const char **patterns = cj__arena_allocate(arena, (size_t)most * sizeof *patterns);
    if (!list || !patterns)
        return cj__out_of_memory((size_t)most * sizeof *list, "the patterns of frozen weights");
    CJ__TRY(list_changes(o, arena, list, &count));
    for (; now < count && list[now].epoch <= epoch; now++) patterns[now] = list[now].pattern;
    return cj_model_freeze(o->model, patterns, now);
}

cj_status cj__freeze_for_epoch(const cj_fit_options *o, int64_t epoch)
{
    cj__arena arena = {0};
    int64_t most = o->freeze_count + o->unfreeze_count + o->freeze_later_count;
    if (most == 0) return CJ_OK;
    cj_status status = freeze(o, epoch, &arena, most);
    cj__arena_free(&arena);
    return status;
}

static bool any_between(const cj_freezing *list, int64_t count, int64_t first, int64_t last)
{
    for (int64_t i = 0; i < count; i++)
        if (list[i].epoch >= first && list[i].epoch <= last) return true;
    return false;
}

bool cj__unfreezes(const cj_fit_options *o, int64_t first, int64_t last)
{
    return any_between(o->unfreeze, o->unfreeze_count, first, last);
}

bool cj__freezes(const cj_fit_options *o, int64_t first, int64_t last)
{
    return any_between(o->freeze_later, o->freeze_later_count, first, last);
}

static bool is_frozen_at_first(const cj_fit_options *o, const char *name)
{
    bool frozen = false;
    for (int64_t i = 0; i < o->freeze_count; i++) {
        bool back = *o->freeze[i] == '!';
        if (cj__text_matches(o->freeze[i] + back, name)) frozen = !back;
    }
    return frozen;
}

static bool is_frozen_before(const cj_fit_options *o, const char *name, int64_t epoch)
{
    for (int64_t i = 0; i < o->freeze_later_count; i++)
        if (o->freeze_later[i].epoch < epoch && cj__text_matches(o->freeze_later[i].parameters, name))
            return true;
    return is_frozen_at_first(o, name);
}

/* Whether a weight fits; one that was frozen before the epoch, if that is not 0. */
static bool fits_weight(const cj_fit_options *o, const char *pattern, int64_t epoch)
{
    for (int64_t i = 0; i < o->model->count; i++) {
        const cj__variable *v = o->model->variables[i];
        if (cj__is_weight(v) && cj__text_matches(pattern, v->name) &&
            (epoch == 0 || is_frozen_before(o, v->name, epoch)))
            return true;
    }
    return false;
}

static cj_status check_epochs(const char *what, const cj_freezing *list, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (list[i].epoch < 1)
            return cj__fail(CJ_INVALID_ARGUMENT, "%s: epochs are counted from 1, not from %lld", what,
                            (long long)list[i].epoch);
    return CJ_OK;
}

cj_status cj__check_freezing(const cj_fit_options *o)
{
    static const char none[] = "freeze: no weight fits the pattern '%.200s'";
    CJ__TRY(check_epochs("unfreeze", o->unfreeze, o->unfreeze_count));
    CJ__TRY(check_epochs("freeze", o->freeze_later, o->freeze_later_count));
    for (int64_t i = 0; i < o->freeze_count; i++)
        if (!fits_weight(o, o->freeze[i] + (*o->freeze[i] == '!'), 0))
            return cj__fail(CJ_INVALID_ARGUMENT, none, o->freeze[i]);
    for (int64_t i = 0; i < o->freeze_later_count; i++)
        if (!fits_weight(o, o->freeze_later[i].parameters, 0))
            return cj__fail(CJ_INVALID_ARGUMENT, none, o->freeze_later[i].parameters);
    for (int64_t i = 0; i < o->unfreeze_count; i++)
        if (!fits_weight(o, o->unfreeze[i].parameters, o->unfreeze[i].epoch))
            return cj__fail(CJ_INVALID_ARGUMENT,
                            "unfreeze: no weight that is frozen fits the pattern '%.200s'",
                            o->unfreeze[i].parameters);
    return CJ_OK;
}
