/* Which weights a fit leaves alone in which epoch: the patterns of its options as those of the model. */
#include "train/freezing.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/model.h"

#include <stdio.h>

static cj_status list_patterns(const cj_fit_options *o, int64_t epoch, cj__arena *arena, const char **list,
                               int64_t *count)
{
    for (int64_t i = 0; i < o->freeze_count; i++) list[(*count)++] = o->freeze[i];
    for (int64_t i = 0; i < o->unfreeze_count; i++) {
        if (o->unfreeze[i].epoch > epoch) continue;
        const char *back = cj__arena_format(arena, "!%s", o->unfreeze[i].parameters);
        if (!back) return cj__out_of_memory(0, "the patterns of frozen weights");
        list[(*count)++] = back;
    }
    return CJ_OK;
}

cj_status cj__freeze_for_epoch(const cj_fit_options *o, int64_t epoch)
{
    cj__arena arena = {0};
    int64_t count = 0;
    size_t most = (size_t)(o->freeze_count + o->unfreeze_count);
    if (most == 0) return CJ_OK;
    const char **list = cj__arena_allocate(&arena, most * sizeof *list);
    cj_status status = list ? list_patterns(o, epoch, &arena, list, &count)
                            : cj__out_of_memory(most * sizeof *list, "the patterns of frozen weights");
    if (status == CJ_OK) status = cj_model_freeze(o->model, list, count);
    cj__arena_free(&arena);
    return status;
}

bool cj__unfreezes(const cj_fit_options *o, int64_t first, int64_t last)
{
    for (int64_t i = 0; i < o->unfreeze_count; i++)
        if (o->unfreeze[i].epoch >= first && o->unfreeze[i].epoch <= last) return true;
    return false;
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

/* Whether a weight fits, and where wanted is frozen in the beginning. */
static bool fits_weight(const cj_fit_options *o, const char *pattern, bool frozen)
{
    for (int64_t i = 0; i < o->model->count; i++) {
        const cj__variable *v = o->model->variables[i];
        if ((v->role == CJ_PARAMETER || v->role == CJ_STATISTIC) && cj__text_matches(pattern, v->name) &&
            (!frozen || is_frozen_at_first(o, v->name)))
            return true;
    }
    return false;
}

cj_status cj__check_freezing(const cj_fit_options *o)
{
    for (int64_t i = 0; i < o->freeze_count; i++)
        if (!fits_weight(o, o->freeze[i] + (*o->freeze[i] == '!'), false))
            return cj__fail(CJ_INVALID_ARGUMENT, "freeze: no weight fits the pattern '%.200s'", o->freeze[i]);
    for (int64_t i = 0; i < o->unfreeze_count; i++) {
        if (o->unfreeze[i].epoch < 1)
            return cj__fail(CJ_INVALID_ARGUMENT, "unfreeze: epochs are counted from 1, not from %lld",
                            (long long)o->unfreeze[i].epoch);
        if (!fits_weight(o, o->unfreeze[i].parameters, true))
            return cj__fail(CJ_INVALID_ARGUMENT,
                            "unfreeze: no weight that is frozen fits the pattern '%.200s'",
                            o->unfreeze[i].parameters);
    }
    return CJ_OK;
}
