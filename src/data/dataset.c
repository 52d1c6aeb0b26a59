/* Datasets: rows with targets in memory, copied there or read from IDX files. */
#include "data/dataset.h"
#include "data/places.h"

#include <string.h>

void cj_dataset_free(cj_dataset *dataset)
{
    if (!dataset) return;
    if (!dataset->view) {
        cj__free(dataset->x.data);
        cj__free(dataset->y.data);
        if (dataset->maker.free) dataset->maker.free(dataset->maker.context);
    }
    cj__free(dataset->rows);
    cj__free(dataset);
}

int64_t cj_dataset_count(const cj_dataset *dataset)
{
    return dataset ? dataset->count : 0;
}

/* `count` rows of a tensor from `first` on. */
static cj_tensor some_rows(cj_tensor tensor, int64_t first, int64_t count)
{
    int64_t rows = tensor.shape.dims[0];
    if (rows > 0 && tensor.data)
        tensor.data = (char *)tensor.data + cj_tensor_bytes(&tensor) / (size_t)rows * (size_t)first;
    tensor.shape.dims[0] = count;
    return tensor;
}

static cj_tensor all_rows(const cj_dataset *dataset, cj_tensor tensor)
{
    tensor = some_rows(tensor, dataset->first, dataset->count);
    if (dataset->rows) tensor.data = NULL;
    return tensor;
}

cj_tensor cj_dataset_x(const cj_dataset *dataset)
{
    return all_rows(dataset, dataset->x);
}

cj_tensor cj_dataset_y(const cj_dataset *dataset)
{
    return all_rows(dataset, dataset->y);
}

void cj_dataset_row(const cj_dataset *dataset, int64_t index, cj_tensor *x, cj_tensor *y)
{
    int64_t place = cj__dataset_place(dataset, index);
    if (x) *x = some_rows(dataset->x, place, 1);
    if (y) *y = some_rows(dataset->y, place, 1);
}

int64_t cj_dataset_classes(const cj_dataset *dataset)
{
    int64_t largest = -1;
    if (dataset->class_count > 0) return dataset->class_count;
    if (dataset->y.dtype != CJ_I32 || !dataset->y.data || cj_shape_count(dataset->y.shape) == 0) return 0;
    int64_t width = cj_shape_count(dataset->y.shape) / dataset->y.shape.dims[0];
    for (int64_t i = 0; i < dataset->count; i++) {
        const int32_t *labels = (const int32_t *)dataset->y.data + cj__dataset_place(dataset, i) * width;
        for (int64_t j = 0; j < width; j++)
            if (labels[j] > largest) largest = labels[j];
    }
    return largest + 1;
}

const char *cj_dataset_class_name(const cj_dataset *dataset, int64_t label)
{
    bool named = dataset->class_names && label >= 0 && label < dataset->class_count;
    return named ? dataset->class_names[label] : NULL;
}

int64_t cj_dataset_skipped(const cj_dataset *dataset, const char **first)
{
    if (first) *first = dataset->first_skipped ? dataset->first_skipped : "";
    return dataset->skipped;
}

int64_t cj_dataset_cut(const cj_dataset *dataset)
{
    return dataset->cut;
}

static int64_t last_axis(const cj_tensor *rows)
{
    return rows->shape.dims[rows->shape.rank - 1];
}

cj_status cj_dataset_fetch(const cj_dataset *dataset, int64_t index, void *x)
{
    cj_tensor row;
    if (index < 0 || index >= dataset->count)
        return cj__fail(CJ_INVALID_ARGUMENT, "row %lld was asked for; there are rows 0 to %lld",
                        (long long)index, (long long)dataset->count - 1);
    int64_t place = cj__dataset_place(dataset, index);
    if (dataset->maker.make) return dataset->maker.make(dataset->maker.context, place, x);
    if (dataset->maker.draw)
        return dataset->maker.draw(dataset->maker.context,
                                   &(cj__row_wanted){.place = place, .width = last_axis(&dataset->x)}, x,
                                   NULL);
    cj_dataset_row(dataset, index, &row, NULL);
    memcpy(x, row.data, cj_tensor_bytes(&row));
    return CJ_OK;
}

cj_status cj__dataset_adopt_maker(cj_dataset **dataset, cj__row_maker maker, cj_tensor x, cj_tensor y)
{
    *dataset = cj__allocate_zeroed(sizeof **dataset);
    if (*dataset) {
        **dataset = (cj_dataset){.x = x, .y = y, .maker = maker, .count = x.shape.dims[0]};
        return CJ_OK;
    }
    cj__free(x.data);
    cj__free(y.data);
    if (maker.free) maker.free(maker.context);
    return cj__out_of_memory(sizeof **dataset, "a dataset");
}

cj_status cj__dataset_adopt(cj_dataset **dataset, cj_tensor x, cj_tensor y)
{
    return cj__dataset_adopt_maker(dataset, (cj__row_maker){0}, x, y);
}

/* Labels are bytes in the file and i32 for the losses. */
static cj_status widen_labels(cj_tensor *labels, const char *path, int64_t rows)
{
    char shape[CJ__SHAPE_TEXT];
    if (labels->shape.rank != 1 || labels->shape.dims[0] != rows)
        return cj__fail(CJ_FORMAT_ERROR, "%s: found labels of shape %s, expected [%lld], one an image", path,
                        cj__shape_text(labels->shape, shape), (long long)rows);
    int32_t *wide = cj__allocate((size_t)rows * sizeof *wide);
    if (!wide) return cj__out_of_memory((size_t)rows * sizeof *wide, path);
    for (int64_t i = 0; i < rows; i++) wide[i] = ((const uint8_t *)labels->data)[i];
    cj__free(labels->data);
    labels->data = wide;
    labels->dtype = CJ_I32;
    return CJ_OK;
}

/* Ends a reader: both tensors become the dataset's, or are freed. */
static cj_status finish(cj_dataset **dataset, cj_status status, cj_tensor x, cj_tensor y)
{
    if (status == CJ_OK) return cj__dataset_adopt(dataset, x, y);
    cj__free(x.data);
    cj__free(y.data);
    return status;
}

cj_status cj__dataset_read_idx(cj_dataset **dataset, const char *images_path, const char *labels_path,
                               int64_t most)
{
    cj_tensor x = {0}, y = {0};
    *dataset = NULL;
    cj_status status = cj__idx_read(&x, images_path, most);
    if (status == CJ_OK) status = cj__idx_read(&y, labels_path, most);
    if (status == CJ_OK) status = widen_labels(&y, labels_path, x.shape.dims[0]);
    return finish(dataset, status, x, y);
}

cj_status cj_dataset_read_idx(cj_dataset **dataset, const char *images_path, const char *labels_path)
{
    return cj__dataset_read_idx(dataset, images_path, labels_path, INT64_MAX);
}

/* Room for the dataset's rows of a tensor, brought together. */
static cj_status make_room(cj_tensor *to, const cj_dataset *dataset, const cj_tensor *from)
{
    *to = some_rows(*from, 0, dataset->count);
    to->data = cj__allocate(cj_tensor_bytes(to));
    return to->data ? CJ_OK : cj__out_of_memory(cj_tensor_bytes(to), "a dataset");
}

static cj_status copy_x(cj_tensor *to, const cj_dataset *dataset)
{
    cj_tensor row = some_rows(dataset->x, 0, 1);
    size_t bytes = cj_tensor_bytes(&row);
    CJ__TRY(make_room(to, dataset, &dataset->x));
    for (int64_t i = 0; i < dataset->count; i++)
        CJ__TRY(cj_dataset_fetch(dataset, i, (char *)to->data + (size_t)i * bytes));
    return CJ_OK;
}

/* Of windows of a text, as they are in a first epoch. */
static cj_status draw_y(cj_tensor *to, const cj_dataset *dataset)
{
    cj_tensor row = some_rows(dataset->x, 0, 1);
    size_t bytes = cj_tensor_bytes(to) / (size_t)(dataset->count ? dataset->count : 1);
    void *x = cj__allocate(cj_tensor_bytes(&row));
    cj_status status = x ? CJ_OK : cj__out_of_memory(cj_tensor_bytes(&row), "a dataset");
    for (int64_t i = 0; i < dataset->count && status == CJ_OK; i++) {
        cj__row_wanted wanted = {.place = cj__dataset_place(dataset, i), .width = last_axis(&dataset->x)};
        status =
            dataset->maker.draw(dataset->maker.context, &wanted, x, (char *)to->data + (size_t)i * bytes);
    }
    cj__free(x);
    return status;
}

static cj_status copy_y(cj_tensor *to, const cj_dataset *dataset)
{
    cj_tensor row = some_rows(dataset->y, 0, 1);
    size_t bytes = cj_tensor_bytes(&row);
    CJ__TRY(make_room(to, dataset, &dataset->y));
    if (!dataset->y.data) return draw_y(to, dataset);
    for (int64_t i = 0; i < dataset->count; i++) {
        cj_dataset_row(dataset, i, NULL, &row);
        memcpy((char *)to->data + (size_t)i * bytes, row.data, bytes);
    }
    return CJ_OK;
}

cj_status cj_dataset_copy(cj_dataset **copy, const cj_dataset *dataset)
{
    cj_tensor x = {0}, y = {0};
    *copy = NULL;
    cj_status status = copy_x(&x, dataset);
    if (status == CJ_OK) status = copy_y(&y, dataset);
    return finish(copy, status, x, y);
}

cj_status cj_dataset_from_tensors(cj_dataset **dataset, const cj_tensor *x, const cj_tensor *y)
{
    *dataset = NULL;
    if (x->shape.rank < 1 || y->shape.rank < 1 || x->shape.dims[0] != y->shape.dims[0])
        return cj__fail(CJ_SHAPE_ERROR, "a dataset needs as many rows of y as of x");
    if ((x->dtype != CJ_U8 && x->dtype != CJ_F32 && x->dtype != CJ_I32) ||
        (y->dtype != CJ_I32 && y->dtype != CJ_F32))
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "a dataset takes x of u8, f32 or i32 and y of i32 or f32, not %s and %s",
                        cj_dtype_name(x->dtype), cj_dtype_name(y->dtype));
    return cj_dataset_copy(dataset, &(cj_dataset){.x = *x, .y = *y, .count = x->shape.dims[0]});
}
