/* Data sets in .npz files: examples and their labels, training, validation and test part in one archive,
 * under the names that MedMNIST and Keras use. They become datasets as any other. */
#include "data/dataset.h"
#define CJ_NO_LOCATIONS
#include "cajal/io.h"

#include <stdio.h>
#include <string.h>

/* The names of a part's arrays, the usual first. */
static const char *const names[3][4][2] = {
    {{"train_images", "train_labels"}, {"x_train", "y_train"}, {"images", "labels"}, {"x", "y"}},
    {{"val_images", "val_labels"},
     {"x_val", "y_val"},
     {"valid_images", "valid_labels"},
     {"x_valid", "y_valid"}},
    {{"test_images", "test_labels"}, {"x_test", "y_test"}},
};

/* --- element types ------------------------------------------------------------------------------------- */

static double element(const cj_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case CJ_F64:
        return ((const double *)t->data)[i];
    case CJ_I32:
        return ((const int32_t *)t->data)[i];
    case CJ_I64:
        return (double)((const int64_t *)t->data)[i];
    case CJ_F32:
        return (double)((const float *)t->data)[i];
    default:
        return ((const uint8_t *)t->data)[i];
    }
}

static cj_status to_floats(cj_tensor *t, const char *name)
{
    int64_t count = cj_shape_count(t->shape);
    float *floats = cj__allocate((size_t)count * sizeof *floats + 1);
    if (!floats) return cj__out_of_memory((size_t)count * sizeof *floats, name);
    for (int64_t i = 0; i < count; i++) floats[i] = (float)element(t, i);
    cj__free(t->data);
    t->data = floats;
    t->dtype = CJ_F32;
    return CJ_OK;
}

/* One class an example, counted from 0. */
static cj_status to_labels(cj_tensor *t, const char *name)
{
    char shape[CJ__SHAPE_TEXT];
    int64_t count = cj_shape_count(t->shape);
    if (count != t->shape.dims[0])
        return cj__fail(CJ_FORMAT_ERROR, "%s: found labels of shape %s, expected one a row", name,
                        cj__shape_text(t->shape, shape));
    int32_t *labels = cj__allocate((size_t)count * sizeof *labels + 1);
    if (!labels) return cj__out_of_memory((size_t)count * sizeof *labels, name);
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < count && status == CJ_OK; i++) {
        double label = element(t, i);
        if (label < 0 || label > INT32_MAX - 1)
            status =
                cj__fail(CJ_FORMAT_ERROR, "%s: row %lld: found the label %.17g, expected a class from 0 on",
                         name, (long long)i, label);
        else
            labels[i] = (int32_t)label;
    }
    cj__free(t->data);
    *t = (cj_tensor){labels, CJ_I32, {.rank = 1, .dims = {count}}};
    return status;
}

/* --- parts --------------------------------------------------------------------------------------------- */

/* A copy of its own, with rows. */
static cj_status read_array(cj_tensor_file *file, int64_t index, cj_tensor *t)
{
    const char *name = cj_tensor_file_name(file, index);
    CJ__TRY(cj_tensor_file_describe(file, index, t));
    if (t->shape.rank < 1) return cj__fail(CJ_FORMAT_ERROR, "%s: found a scalar, expected rows", name);
    t->data = cj__allocate(cj_tensor_bytes(t) + 1);
    if (!t->data) return cj__out_of_memory(cj_tensor_bytes(t), name);
    return cj_tensor_file_read(file, index, t->data);
}

static cj_status read_pair(cj_tensor_file *file, const char *const pair[2], int64_t x_index, int64_t y_index,
                           cj_tensor *x, cj_tensor *y)
{
    CJ__TRY(read_array(file, x_index, x));
    CJ__TRY(read_array(file, y_index, y));
    if (x->shape.dims[0] != y->shape.dims[0])
        return cj__fail(CJ_FORMAT_ERROR, "found %lld rows of %s and %lld of %s, expected as many",
                        (long long)x->shape.dims[0], pair[0], (long long)y->shape.dims[0], pair[1]);
    if (x->dtype == CJ_BOOL) x->dtype = CJ_U8;
    if (x->dtype != CJ_U8 && x->dtype != CJ_F32) CJ__TRY(to_floats(x, pair[0]));
    if (y->dtype == CJ_F64) return to_floats(y, pair[1]);
    return y->dtype == CJ_F32 ? CJ_OK : to_labels(y, pair[1]);
}

/* NULL where the file has no such arrays. */
static cj_status read_part(cj_tensor_file *file, const char *const choices[4][2], cj_dataset **part)
{
    *part = NULL;
    for (int i = 0; i < 4 && choices[i][0]; i++) {
        int64_t x_index = cj_tensor_file_find(file, choices[i][0]);
        int64_t y_index = cj_tensor_file_find(file, choices[i][1]);
        if (x_index < 0 && y_index < 0) continue;
        if (x_index < 0 || y_index < 0)
            return cj__fail(CJ_FORMAT_ERROR, "found %s without %s", choices[i][x_index < 0],
                            choices[i][x_index >= 0]);
        cj_tensor x = {0}, y = {0};
        cj_status status = read_pair(file, choices[i], x_index, y_index, &x, &y);
        if (status == CJ_OK) return cj__dataset_adopt(part, x, y);
        cj__free(x.data);
        cj__free(y.data);
        return status;
    }
    return CJ_OK;
}

static cj_status check_parts(cj_dataset *const parts[3])
{
    static const char *const called[3] = {"training", "validation", "test"};
    char shapes[2][CJ__SHAPE_TEXT];
    if (!parts[0])
        return cj__fail(CJ_FORMAT_ERROR,
                        "found no examples, expected arrays named train_images and train_labels, "
                        "x_train and y_train, images and labels, or x and y");
    for (int i = 1; i < 3; i++) {
        if (!parts[i]) continue;
        cj_tensor first = parts[0]->x, x = parts[i]->x;
        first.shape.dims[0] = x.shape.dims[0];
        if (cj_shape_equal(first.shape, x.shape) && first.dtype == x.dtype &&
            parts[0]->y.dtype == parts[i]->y.dtype)
            continue;
        return cj__fail(
            CJ_FORMAT_ERROR,
            "found %s examples of %s %s with labels of %s, expected %s %s with %s, as for training",
            called[i], cj_dtype_name(x.dtype), cj__shape_text(x.shape, shapes[0]),
            cj_dtype_name(parts[i]->y.dtype), cj_dtype_name(first.dtype),
            cj__shape_text(first.shape, shapes[1]), cj_dtype_name(parts[0]->y.dtype));
    }
    return CJ_OK;
}

cj_status cj_dataset_read_npz(const char *path, cj_dataset **training, cj_dataset **validation,
                              cj_dataset **test)
{
    cj_tensor_file *file;
    cj_dataset *parts[3] = {NULL};
    *training = *validation = *test = NULL;
    CJ__TRY(cj_tensor_file_open(&file, path));
    cj_status status = CJ_OK;
    for (int i = 0; i < 3 && status == CJ_OK; i++) status = read_part(file, names[i], &parts[i]);
    if (status == CJ_OK) status = check_parts(parts);
    if (status == CJ_FORMAT_ERROR && !strstr(cj_error_message(), path)) cj__fail_within(status, "%s", path);
    cj_tensor_file_close(file);
    *training = parts[0], *validation = parts[1], *test = parts[2];
    if (status == CJ_OK) return CJ_OK;
    for (int i = 0; i < 3; i++) cj_dataset_free(parts[i]);
    *training = *validation = *test = NULL;
    return status;
}
