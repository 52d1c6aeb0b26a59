/* Which weights training leaves alone: patterns that a model keeps, asked while drawing. */
#include "base/text.h"
#include "model/model.h"

#include <stdio.h>
#include <string.h>

void cj__model_thaw(cj_model *model)
{
    for (int64_t i = 0; i < model->freeze_count; i++) cj__free(model->freeze[i]);
    cj__free(model->freeze);
    model->freeze = NULL;
    model->freeze_count = 0;
}

cj_status cj_model_freeze(cj_model *model, const char *const *patterns, int64_t count)
{
    size_t bytes = (size_t)count * sizeof(char *);
    CJ__TRY(cj__need(model, "cj_model_freeze", "a model"));
    if (count > 0) CJ__TRY(cj__need(patterns, "cj_model_freeze", "patterns"));
    char **copies = cj__allocate_zeroed(bytes + 1);
    bool complete = copies != NULL;
    for (int64_t i = 0; i < count && complete; i++)
        complete = (copies[i] = cj__copy_string(patterns[i])) != NULL;
    if (!complete) {
        for (int64_t i = 0; i < count && copies; i++) cj__free(copies[i]);
        cj__free(copies);
        return cj__out_of_memory(bytes, "the patterns of frozen weights");
    }
    cj__model_thaw(model);
    model->freeze = copies;
    model->freeze_count = count;
    return CJ_OK;
}

bool cj__model_is_frozen(const cj_model *model, const char *name)
{
    bool frozen = false;
    for (int64_t i = 0; i < model->freeze_count; i++) {
        const char *pattern = model->freeze[i];
        bool back = *pattern == '!';
        if (cj__text_matches(pattern + back, name)) frozen = !back;
    }
    return frozen;
}

bool cj_is_frozen(cj_scope scope, const char *name)
{
    char path[CJ__LONGEST_NAME + 1];
    if (!scope.graph->model || scope.graph->model->freeze_count == 0) return false;
    snprintf(path, sizeof path, "%s%s%s", scope.path, *scope.path ? "." : "", name);
    return cj__model_is_frozen(scope.graph->model, path);
}
