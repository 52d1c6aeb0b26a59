/* Which rows a network gets wrong, and their pictures with a line on each, for a report. */
#include "base/memory.h"
#include "cajal/explain.h"
#include "image/image.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- finding ------------------------------------------------------------------------------------------- */

static cj_mistake answer_of(const float *row, int64_t width, double threshold)
{
    cj_mistake a = {.said = 0};
    if (width == 1) {
        a.said = (double)row[0] > threshold;
        a.probability = a.said ? (double)row[0] : 1 - (double)row[0];
        return a;
    }
    for (int64_t c = 1; c < width; c++)
        if (row[c] > row[a.said]) a.said = c;
    a.probability = (double)row[a.said];
    return a;
}

/* Into its place in the list, which is full at `room`. */
static void insert(cj_mistake *list, int64_t found, int64_t room, const cj_mistake *mistake)
{
    int64_t place = found < room ? found : room;
    while (place > 0 && list[place - 1].probability < mistake->probability) place--;
    if (place == room) return;
    int64_t last = found < room ? found : room - 1;
    memmove(list + place + 1, list + place, (size_t)(last - place) * sizeof *list);
    list[place] = *mistake;
}

int64_t cj_find_mistakes(int64_t count, int64_t width, const float *outputs, const int32_t *labels,
                         double threshold, int64_t room, cj_mistake *mistakes)
{
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        cj_mistake m = answer_of(outputs + i * width, width, threshold);
        if (labels[i] < 0 || labels[i] >= (width == 1 ? 2 : width) || m.said == labels[i]) continue;
        m.row = i;
        m.truth = labels[i];
        insert(mistakes, found++, room, &m);
    }
    return found;
}

/* --- pictures ------------------------------------------------------------------------------------------ */

enum { LONGEST_SIDE = 128, CAPTION = 200, LONGEST_NAME = 60 };

void cj_mistake_sheet_free(cj_mistake_sheet *sheet)
{
    for (int64_t i = 0; i < sheet->count; i++) {
        cj_image_free(&sheet->pictures[i].image);
        cj__free((void *)(uintptr_t)sheet->pictures[i].caption);
    }
    cj__free(sheet->pictures);
    *sheet = (cj_mistake_sheet){0};
}

/* x: [1,H,W] or [1,H,W,C] of bytes, or of numbers from 0 to 1 */
static bool is_picture(const cj_tensor *x)
{
    const int64_t *d = x->shape.dims;
    bool channels = x->shape.rank == 3 || (x->shape.rank == 4 && (d[3] == 1 || d[3] == 3));
    return channels && d[1] > 0 && d[2] > 0 && (x->dtype == CJ_U8 || x->dtype == CJ_F32);
}

static uint8_t to_byte(float value)
{
    return (uint8_t)(value > 0 ? fminf(255, value * 255 + 0.5F) : 0); /* NaN is black */
}

static cj_status fetch(const cj_dataset *dataset, int64_t row, const cj_tensor *x, cj_image *image)
{
    int64_t channels = x->shape.rank == 4 ? x->shape.dims[3] : 1, count = cj_shape_count(x->shape);
    CJ__TRY(cj__image_check_size("an example", x->shape.dims[1], x->shape.dims[2]));
    CJ__TRY(cj__image_make(image, x->shape.dims[1], x->shape.dims[2], channels, "a picture"));
    if (x->dtype == CJ_U8) return cj_dataset_fetch(dataset, row, image->pixels);
    float *values = cj__allocate((size_t)count * sizeof *values);
    if (!values) return cj__out_of_memory((size_t)count * sizeof *values, "a picture");
    cj_status status = cj_dataset_fetch(dataset, row, values);
    for (int64_t i = 0; status == CJ_OK && i < count; i++) image->pixels[i] = to_byte(values[i]);
    cj__free(values);
    return status;
}

/* A report holds many of them. */
static cj_status shrink(cj_image *image)
{
    int64_t longer = image->height > image->width ? image->height : image->width;
    int64_t height = image->height * LONGEST_SIDE / longer, width = image->width * LONGEST_SIDE / longer;
    cj_image small;
    if (longer <= LONGEST_SIDE) return CJ_OK;
    CJ__TRY(
        cj_image_resize(&small, image, height > 0 ? height : 1, width > 0 ? width : 1, CJ_RESAMPLE_BILINEAR));
    cj_image_free(image);
    *image = small;
    return CJ_OK;
}

static const char *name_of(int64_t class, const char *const *names, char number[24])
{
    if (names) return names[class];
    snprintf(number, 24, "%lld", (long long)class);
    return number;
}

static cj_status describe(const cj_mistake *m, const char *const *names, const char **caption)
{
    char text[CAPTION], truth[24], said[24];
    snprintf(text, sizeof text, "%.*s taken for %.*s, %.1f %%", LONGEST_NAME, name_of(m->truth, names, truth),
             LONGEST_NAME, name_of(m->said, names, said), 100 * m->probability);
    *caption = cj__copy_string(text);
    return *caption ? CJ_OK : cj__out_of_memory(sizeof text, "a caption");
}

static cj_status add(cj_mistake_sheet *sheet, const cj_dataset *dataset, const cj_mistake *m,
                     const char *const *names)
{
    cj_tensor x;
    cj_report_picture *picture = &sheet->pictures[sheet->count++];
    cj_dataset_row(dataset, m->row, &x, NULL);
    CJ__TRY(fetch(dataset, m->row, &x, &picture->image));
    CJ__TRY(shrink(&picture->image));
    return describe(m, names, &picture->caption);
}

cj_status cj_mistake_sheet_make(cj_mistake_sheet *sheet, const cj_dataset *dataset,
                                const cj_mistake *mistakes, int64_t count, const char *const *names)
{
    cj_tensor x;
    *sheet = (cj_mistake_sheet){0};
    if (count < 1) return CJ_OK;
    cj_dataset_row(dataset, mistakes[0].row, &x, NULL);
    if (!is_picture(&x)) return CJ_OK;
    sheet->pictures = cj__allocate_zeroed((size_t)count * sizeof *sheet->pictures);
    if (!sheet->pictures) return cj__out_of_memory((size_t)count * sizeof *sheet->pictures, "pictures");
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < count && status == CJ_OK; i++) status = add(sheet, dataset, &mistakes[i], names);
    if (status != CJ_OK) cj_mistake_sheet_free(sheet);
    return status;
}
