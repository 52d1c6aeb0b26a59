/* Any text as the state within a checkpoint of one small weight: restored, or refused with the model and the
 * state of a run that begins anew. */
#include "support/input.h"

#include "base/json.h"
#include "cajal/model.h"
#include "model/model.h"
#include "train/state.h"

#include <string.h>

/* A safetensors file: its header says where the eight bytes of "weight" are. */
static void make_file(cj__text *file, const char *state)
{
    static const uint8_t elements[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    cj__text header = {0};
    cj__text_put(&header, "{\"__metadata__\":{\"cajal.state\":");
    cj__json_put_string(&header, state);
    cj__text_put(&header, "},\"weight\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}");
    uint64_t length = header.size;
    cj__text_add(file, (const char *)&length, sizeof length);
    cj__text_add(file, header.data, header.size);
    cj__text_add(file, (const char *)elements, sizeof elements);
    cj__text_free(&header);
}

/* The model has what it needs already. */
static cj_status prepare(void *context)
{
    (void)context;
    return CJ_OK;
}

static void restore(cj_model *model)
{
    cj__fit_state state = {0};
    cj__best_weights best = {0};
    cj__variable *weight;
    char note[256];
    if (cj__model_add(model, "weight", CJ_PARAMETER, CJ_F32, cj_shape(2), &weight) != CJ_OK) return;
    cj__checkpointing c = {.folder = fuzz_folder("checkpoints/step-000000001.safetensors"),
                           .options = &(cj_checkpoints){0},
                           .model = model,
                           .state = &state,
                           .best = &best,
                           .order = {1, 100, 10},
                           .prepare = prepare};
    if (cj__checkpoint_restore(&c, note) == CJ_OK) {
        if (state.epoch < 0 || state.step < 0 || state.step > 10 || state.best_epoch > state.epoch) abort();
        for (int64_t i = 0; i < state.epoch; i++)
            if (state.history[i].training.count < 0 || state.history[i].validation.count < 0) abort();
    }
    cj__free(state.history);
    cj__free(best.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj_model *model;
    cj__text file = {0};
    char *state = malloc(size + 1);
    if (!state) abort();
    memcpy(state, data, size);
    state[size] = 0;
    make_file(&file, state);
    fuzz_folder("checkpoints/step-000000001.safetensors");
    fuzz_path(file.data, file.size);
    if ((cj_model_new)(&(cj_model_options){.size = sizeof(cj_model_options), .model = &model, .seed = 1}) !=
        CJ_OK)
        abort();
    restore(model);
    cj_model_free(model);
    cj__text_free(&file);
    free(state);
    return 0;
}
