/* A picture read as those of the training were, and what the networks of a run say of rows. */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- pictures ------------------------------------------------------------------------------------------ */

/* As those of the training were read. */
static cj_status read_fitted(cj_image *image, const char *path, const cj_image_fit_options *fit)
{
    if (strcmp(path, "-") != 0) return cj_image_read_fit(image, path, fit);
    size_t size = 0, room = 1 << 16;
    char *data = malloc(room);
    while (data && !feof(stdin) && !ferror(stdin) && size < (size_t)1 << 28) {
        size += fread(data + size, 1, room - size, stdin);
        if (size < room) continue;
        char *bigger = realloc(data, room *= 2);
        if (!bigger) free(data);
        data = bigger;
    }
    if (!data) return CJ_OUT_OF_MEMORY;
    cj_status status = cj_image_read_fit_memory(image, data, size, "standard input", fit);
    free(data);
    return status;
}

int read_picture(const options *o, const run *r, const char *path, cj_image *image)
{
    cj_image_fit_options fit = cj_recipe_picture(r->recipe);
    *image = (cj_image){0};
    if (fit.channels == 0)
        return fprintf(stderr, "cajal: the run was trained on no pictures; %s\n",
                       cj_recipe_is_language(r->recipe) ? "`cajal generate` goes on with its text"
                                                        : "`cajal predict` takes a table: rows.csv"),
               EXIT_USAGE;
    cj_status status = read_fitted(image, path, &fit);
    if (status != CJ_OK) return failed(status);
    int64_t count = image->height * image->width * image->channels;
    for (int64_t i = 0; o->invert && i < count; i++) image->pixels[i] = (uint8_t)(255 - image->pixels[i]);
    return EXIT_OK;
}

cj_status to_dataset(const run *r, const cj_image *image, cj_dataset **data)
{
    int32_t label = 0;
    cj_shape_t shape = cj_recipe_shape(r->recipe);
    cj_tensor x = {image->pixels, CJ_U8, {.rank = shape.rank + 1, .dims = {1}}};
    for (int64_t i = 0; i < shape.rank; i++) x.shape.dims[i + 1] = shape.dims[i];
    return cj_dataset_from_tensors(data, &x, &(cj_tensor){&label, CJ_I32, cj_shape(1)});
}

/* --- answers ------------------------------------------------------------------------------------------- */

float *predict_rows(run *r, const cj_dataset *data)
{
    cj_evaluate_options options = cj_recipe_evaluate_options(r->recipe);
    int64_t rows = cj_dataset_count(data);
    options.dataset = data;
    options.batch_size = rows < options.batch_size ? rows : options.batch_size;
    options.width = cj_recipe_classes(r->recipe);
    options.outputs = calloc((size_t)(rows * options.width) + 1, sizeof *options.outputs);
    if (!options.outputs) return NULL;
    if (cj_predict_ensemble(&options, r->models, r->count) == CJ_OK) return options.outputs;
    free(options.outputs);
    return NULL;
}

bool classifies(const run *r)
{
    cj_loss_kind loss = cj_recipe_loss(r->recipe);
    return loss == CJ_CROSS_ENTROPY || loss == CJ_BINARY_CROSS_ENTROPY;
}

int64_t classes_in_question(const run *r)
{
    int64_t width = cj_recipe_classes(r->recipe);
    return width == 1 ? 2 : width;
}

double probability(const run *r, const float *row, int64_t c)
{
    return cj_recipe_classes(r->recipe) > 1 ? (double)row[c] : c ? (double)row[0] : 1 - (double)row[0];
}

int64_t next_likely(const float *x, int64_t count, const int64_t *told, int64_t told_count)
{
    int64_t best = -1;
    for (int64_t i = 0; i < count; i++) {
        bool already = false;
        for (int64_t k = 0; k < told_count; k++) already |= told[k] == i;
        if (!already && (best < 0 || x[i] > x[best])) best = i;
    }
    return best;
}

int64_t said_class(const run *r, const float *row)
{
    int64_t width = cj_recipe_classes(r->recipe);
    if (width == 1) return (double)row[0] > cj_recipe_threshold(r->recipe);
    return next_likely(row, width, NULL, 0);
}

const char *class_name(const run *r, int64_t c, char number[24])
{
    if (r->preprocessing && c < cj_preprocessing_classes(r->preprocessing))
        return cj_preprocessing_class(r->preprocessing, c);
    if (cj_recipe_class(r->recipe, c)) return cj_recipe_class(r->recipe, c);
    snprintf(number, 24, "%lld", (long long)c);
    return number;
}
