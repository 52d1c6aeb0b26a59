/* cajal data preview: a sheet of the pictures that the network sees while training, augmented and mixed, as a
 * PNG, and a table of their labels in the same places. */
#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2, LEAST_SIDE = 64, STANDARD_ROWS = 64, LONGEST_SIDE = 1 << 15 };

typedef struct {
    cj_recipe *recipe;
    cj_recipe_sets sets;
    cj_fit_options fit;
    cj_loader *loader;
    int64_t rows, columns;           /* pictures in all; in a line of the sheet */
    int64_t height, width, channels; /* of a picture */
    int64_t enlarged;                /* each pixel becomes so many by so many */
    double unit;                     /* what byte 1 is: 1, or 1/255 of data that are numbers from 0 to 1 */
    cj_image sheet;
} preview;

/* --- the sheet ----------------------------------------------------------------------------------------- */

/* The value that the loader has scaled, brought back to a byte. */
static uint8_t to_byte(const preview *p, float value, int64_t channel)
{
    const cj_fit_options *f = &p->fit;
    double v = (double)value;
    int64_t c = f->channels > 1 ? channel : 0;
    if (f->channels) v = v * f->deviation[c] + f->mean[c];
    v = (v - f->shift) / (f->scale == 0 ? 1 : f->scale) / p->unit;
    return (uint8_t)(v > 0 ? fmin(255, v + 0.5) : 0); /* NaN is black */
}

static void put_pixel(const preview *p, int64_t top, int64_t left, const uint8_t *pixel)
{
    for (int64_t y = top; y < top + p->enlarged; y++)
        for (int64_t x = left; x < left + p->enlarged; x++)
            memcpy(p->sheet.pixels + (y * p->sheet.width + x) * p->channels, pixel, (size_t)p->channels);
}

/* x: [height,width,channels] */
static void put_picture(const preview *p, int64_t index, const float *x)
{
    int64_t top = GAP + index / p->columns * (p->height * p->enlarged + GAP);
    int64_t left = GAP + index % p->columns * (p->width * p->enlarged + GAP);
    for (int64_t i = 0; i < p->height * p->width; i++) {
        uint8_t pixel[3];
        for (int64_t c = 0; c < p->channels; c++) pixel[c] = to_byte(p, x[i * p->channels + c], c);
        put_pixel(p, top + i / p->width * p->enlarged, left + i % p->width * p->enlarged, pixel);
    }
}

static int begin_sheet(preview *p)
{
    int64_t lines, least = p->height < p->width ? p->height : p->width;
    p->columns = (int64_t)ceil(sqrt((double)p->rows));
    lines = (p->rows + p->columns - 1) / p->columns;
    p->enlarged = least < LEAST_SIDE ? LEAST_SIDE / least : 1;
    p->sheet = (cj_image){.height = GAP + lines * (p->height * p->enlarged + GAP),
                          .width = GAP + p->columns * (p->width * p->enlarged + GAP),
                          .channels = p->channels};
    if (p->sheet.height > LONGEST_SIDE || p->sheet.width > LONGEST_SIDE)
        return fprintf(stderr,
                       "cajal: a sheet of %lld pictures of %lld by %lld is too large; take fewer --rows\n",
                       (long long)p->rows, (long long)p->width, (long long)p->height),
               EXIT_FAILED;
    size_t bytes = (size_t)(p->sheet.height * p->sheet.width * p->channels);
    p->sheet.pixels = malloc(bytes);
    if (!p->sheet.pixels) return failed(CJ_OUT_OF_MEMORY);
    memset(p->sheet.pixels, 128, bytes);
    return EXIT_OK;
}

/* --- the labels ---------------------------------------------------------------------------------------- */

enum { LABEL = 64, NAME = 20 };

static const char *class_name(const cj_recipe *recipe, int64_t label, char text[NAME + 1])
{
    const char *name = cj_recipe_class(recipe, label);
    if (name)
        snprintf(text, NAME + 1, "%.*s", NAME, name);
    else
        snprintf(text, NAME + 1, "%lld", (long long)label);
    return text;
}

/* The shares of one or two classes: "7", or "0.80*7+0.20*1". */
static void put_shares(const cj_recipe *recipe, const float *shares, int64_t classes, char text[LABEL])
{
    char name[NAME + 1];
    size_t used = 0;
    for (int64_t c = 0; c < classes && used < LABEL / 2; c++) {
        if (shares[c] == 1)
            used += (size_t)snprintf(text + used, LABEL - used, "%s", class_name(recipe, c, name));
        else if (shares[c] > 0)
            used += (size_t)snprintf(text + used, LABEL - used, used ? "+%.2f*%s" : "%.2f*%s",
                                     (double)shares[c], class_name(recipe, c, name));
    }
}

static void put_label(const cj_recipe *recipe, const cj_batch *batch, int64_t row, char text[LABEL])
{
    const cj_tensor *y = &batch->y;
    int64_t width = cj_shape_count(y->shape) / y->shape.dims[0];
    char name[NAME + 1];
    *text = 0;
    if (y->dtype == CJ_I32)
        snprintf(text, LABEL, "%s", class_name(recipe, ((const int32_t *)y->data)[row * width], name));
    else if (width == 1)
        snprintf(text, LABEL, "%.3g", (double)((const float *)y->data)[row]);
    else
        put_shares(recipe, (const float *)y->data + row * width, width, text);
}

static bool mixes(const cj_batch *batch)
{
    return batch->y.dtype == CJ_F32 && batch->y.shape.rank == 2;
}

static cj_status fill(preview *p)
{
    cj_batch batch;
    char label[LABEL];
    int64_t size = p->height * p->width * p->channels;
    for (int64_t shown = 0; shown < p->rows;) {
        if (!cj_loader_next(p->loader, &batch)) return cj_loader_status(p->loader);
        for (int64_t i = 0; i < batch.count && shown < p->rows; i++, shown++) {
            bool last = (shown + 1) % p->columns == 0 || shown + 1 == p->rows;
            put_picture(p, shown, (const float *)batch.x.data + i * size);
            put_label(p->recipe, &batch, i, label);
            printf(mixes(&batch) ? "%-14s%s" : "%-6s%s", label, last ? "\n" : " ");
        }
    }
    return CJ_OK;
}

/* --- the command --------------------------------------------------------------------------------------- */

/* Whether the training rows are pictures, and of what size. */
static bool find_shape(preview *p)
{
    cj_tensor row;
    cj_dataset_row(p->sets.training, 0, &row, NULL);
    if (row.shape.rank < 3 || row.shape.rank > 4) return false;
    p->height = row.shape.dims[1];
    p->width = row.shape.dims[2];
    p->channels = row.shape.rank == 4 ? row.shape.dims[3] : 1;
    p->unit = row.dtype == CJ_U8 ? 1 : 1.0 / 255;
    return (p->channels == 1 || p->channels == 3) && p->height > 0 && p->width > 0;
}

static cj_status open_rows(preview *p, const options *o)
{
    cj_status status = cj_recipe_open_data(p->recipe, &p->sets);
    if (status != CJ_OK) return status;
    p->fit = cj_recipe_fit_options(p->recipe);
    p->fit.dataset = p->sets.training;
    p->fit.validation_dataset = p->sets.validation;
    status = cj_fit_loader(&p->fit, &p->loader);
    if (status != CJ_OK) return status;
    cj_loader_seek(p->loader, whole_option(o->epoch, 1) - 1, 0);
    p->rows = whole_option(o->rows, STANDARD_ROWS);
    if (p->rows > cj_loader_rows(p->loader)) p->rows = cj_loader_rows(p->loader);
    return CJ_OK;
}

static int show(preview *p, const char *path)
{
    if (!find_shape(p))
        return fprintf(stderr, "cajal: the recipe's data are no pictures of 1 or 3 channels\n"), EXIT_FAILED;
    int code = begin_sheet(p);
    if (code != EXIT_OK) return code;
    cj_status status = fill(p);
    if (status == CJ_OK) status = cj_image_write_png(path, &p->sheet);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

int preview_data(const options *o)
{
    preview p = {0};
    if (o->count < 3)
        return fprintf(stderr, "cajal: name a recipe and the picture to write: `cajal data preview "
                               "recipes/mnist-mlp.yaml sheet.png`\n"),
               EXIT_USAGE;
    int code = read_recipe(o, o->operands[1], 3, &p.recipe);
    if (code == EXIT_OK) {
        cj_status status = open_rows(&p, o);
        code = status == CJ_OK ? show(&p, o->operands[2]) : failed(status);
    }
    free(p.sheet.pixels);
    cj_loader_free(p.loader);
    cj_recipe_close_data(&p.sets);
    cj_recipe_free(p.recipe);
    return code;
}
