/* Element types, shapes and tensors: sizes and names. */
#include "base/shape.h"
#include "base/bf16.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[CJ_DTYPE_COUNT] = {
    [CJ_F32] = {"f32", 4}, [CJ_BF16] = {"bf16", 2}, [CJ_F64] = {"f64", 8},   [CJ_I32] = {"i32", 4},
    [CJ_I64] = {"i64", 8}, [CJ_U8] = {"u8", 1},     [CJ_BOOL] = {"bool", 1},
};

const char *cj_dtype_name(cj_dtype dtype)
{
    return (unsigned)dtype < CJ_DTYPE_COUNT ? dtypes[dtype].name : "unknown";
}

size_t cj_dtype_size(cj_dtype dtype)
{
    return (unsigned)dtype < CJ_DTYPE_COUNT ? dtypes[dtype].size : 0;
}

bool cj__dtype_is_float(cj_dtype dtype)
{
    return dtype == CJ_F32 || dtype == CJ_BF16 || dtype == CJ_F64;
}

bool cj__dtype_holds(cj_dtype dtype, double value)
{
    double low = dtype == CJ_I32 ? INT32_MIN : dtype == CJ_I64 ? -0x1p63 : 0;
    double high = dtype == CJ_I32 ? INT32_MAX : dtype == CJ_I64 ? 0x1p63 - 1024 : dtype == CJ_U8 ? 255 : 1;
    if (cj__dtype_is_float(dtype)) return true;
    return value >= low && value <= high && value == (double)(int64_t)value;
}

void cj__fill(cj_dtype dtype, int64_t count, double value, void *data)
{
    for (int64_t i = 0; i < count; i++) switch (dtype) {
        case CJ_F32:
            ((float *)data)[i] = (float)value;
            break;
        case CJ_BF16:
            ((uint16_t *)data)[i] = cj__bf16_from_double(value);
            break;
        case CJ_F64:
            ((double *)data)[i] = value;
            break;
        case CJ_I32:
            ((int32_t *)data)[i] = (int32_t)value;
            break;
        case CJ_I64:
            ((int64_t *)data)[i] = (int64_t)value;
            break;
        case CJ_U8:
            ((uint8_t *)data)[i] = (uint8_t)value;
            break;
        case CJ_BOOL:
            ((uint8_t *)data)[i] = value != 0;
            break;
        }
}

cj_shape_t cj_scalar_shape(void)
{
    return (cj_shape_t){0};
}

int64_t cj_shape_count(cj_shape_t shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape.rank; i++) count *= shape.dims[i];
    return count;
}

bool cj__shape_valid(cj_shape_t shape)
{
    if (shape.rank < 0 || shape.rank > CJ_MAX_RANK) return false;
    int64_t count = 1;
    bool empty = false;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dims[i] < 0) return false;
        if (shape.dims[i] == 0)
            empty = true;
        else if (count > CJ__MAX_ELEMENTS / shape.dims[i])
            return false;
        else
            count *= shape.dims[i];
    }
    return empty || count <= CJ__MAX_ELEMENTS;
}

bool cj_shape_equal(cj_shape_t a, cj_shape_t b)
{
    if (a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dims[i] != b.dims[i]) return false;
    return true;
}

void cj__broadcast_strides(cj_shape_t from, cj_shape_t to, int64_t stride[CJ_MAX_RANK])
{
    int64_t lead = to.rank - from.rank, size = 1;
    for (int64_t d = 0; d < CJ_MAX_RANK; d++) stride[d] = 0;
    for (int64_t d = from.rank - 1; d >= 0; d--) {
        stride[lead + d] = from.dims[d] == 1 ? 0 : size;
        size *= from.dims[d];
    }
}

const char *cj__shape_text(cj_shape_t shape, char text[CJ__SHAPE_TEXT])
{
    size_t used = (size_t)snprintf(text, CJ__SHAPE_TEXT, "[");
    for (int i = 0; i < shape.rank && used < CJ__SHAPE_TEXT; i++)
        used += (size_t)snprintf(text + used, CJ__SHAPE_TEXT - used, i ? ",%lld" : "%lld",
                                 (long long)shape.dims[i]);
    if (used < CJ__SHAPE_TEXT) snprintf(text + used, CJ__SHAPE_TEXT - used, "]");
    return text;
}

size_t cj_tensor_bytes(const cj_tensor *tensor)
{
    return (size_t)cj_shape_count(tensor->shape) * cj_dtype_size(tensor->dtype);
}
