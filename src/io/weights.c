/* A model's weights to a file and back, under PyTorch's names, and their fingerprint. */
#include "base/sha256.h"
#include "model/model.h"
#include "cajal/io.h"

#include <stdio.h>
#include <string.h>

/* Weights of convolutions are copied into the layout of files; out of memory is -1. */
static int64_t list_weights(const cj_model *model, cj__arena *arena, cj_named_tensor *list)
{
    int64_t count = 0;
    for (int64_t i = 0; i < model->count; i++) {
        const cj__variable *v = model->variables[i];
        if (!cj__is_weight(v)) continue;
        cj_tensor tensor = {v->data, v->dtype, cj__file_shape(v)};
        if (v->kernel) {
            tensor.data = cj__arena_allocate(arena, cj_tensor_bytes(&tensor) + 1);
            if (!tensor.data) return -1;
            cj__write_file_layout(v, tensor.data);
        }
        list[count++] = (cj_named_tensor){v->name, tensor};
    }
    return count;
}

cj_status cj_model_save(const cj_model *model, const char *path, const char *recipe)
{
    cj__arena arena = {0};
    cj_named_tensor *list = cj__arena_allocate(&arena, (size_t)model->count * sizeof *list + 1);
    int64_t count = list ? list_weights(model, &arena, list) : -1;
    if (count < 0) {
        cj__arena_free(&arena);
        return cj__out_of_memory((size_t)model->count * sizeof *list, "saving a model");
    }
    /* "format": "pt" is what readers of safetensors look for to know the layout of the weights. */
    const cj_metadata metadata[] = {{"format", "pt"}, {"cajal.recipe", recipe}};
    cj_save_tensors_options options = {.size = sizeof options,
                                       .path = path,
                                       .tensors = list,
                                       .count = count,
                                       .metadata = metadata,
                                       .metadata_count = recipe ? 2 : 1};
    cj_status status = (cj_save_tensors)(&options);
    cj__arena_free(&arena);
    return status;
}

static cj_status load_one(cj_model *model, cj_tensor_file *file, const char *path, int64_t index)
{
    cj_tensor found;
    const char *name = cj_tensor_file_name(file, index);
    CJ__TRY(cj_tensor_file_describe(file, index, &found));
    cj__variable *v = cj__model_find(model, name);
    if (!v) CJ__TRY(cj__model_add(model, name, CJ_PARAMETER, found.dtype, found.shape, &v));
    if (v->dtype != found.dtype || !cj_shape_equal(cj__file_shape(v), found.shape))
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: '%s' has another shape or type than the model's", path,
                        name);
    v->version++;
    CJ__TRY(cj_tensor_file_read(file, index, v->data));
    return cj__from_file_layout(v);
}

cj_status cj_model_load(cj_model *model, const char *path)
{
    cj_tensor_file *file;
    CJ__TRY(cj__need(model, "cj_model_load", "a model"));
    CJ__TRY(cj_tensor_file_open(&file, path));
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < cj_tensor_file_count(file) && status == CJ_OK; i++)
        status = load_one(model, file, path, i);
    cj_tensor_file_close(file);
    if (status == CJ_OK) model->complete = true;
    return status;
}

void cj_model_digest(const cj_model *model, char text[65])
{
    cj__sha256 hash;
    unsigned char digest[32];
    cj__sha256_begin(&hash);
    for (int64_t i = 0; i < model->count; i++) {
        const cj__variable *v = model->variables[i];
        if (cj__is_weight(v))
            cj__sha256_update(&hash, v->data, (size_t)cj_shape_count(v->shape) * cj_dtype_size(v->dtype));
    }
    cj__sha256_end(&hash, digest);
    cj__sha256_hex(digest, text);
}
