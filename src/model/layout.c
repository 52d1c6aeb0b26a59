/* Two layouts of a convolution's weight: [kernel…,in,out] in memory, where products want it, and
 * [out,in,kernel…] in files, where others expect it. */
#include "model/model.h"

#include <string.h>

cj_shape_t cj__file_shape(const cj__variable *v)
{
    cj_shape_t shape = v->shape;
    if (!v->kernel) return shape;
    shape.dims[0] = v->shape.dims[shape.rank - 1];
    shape.dims[1] = v->shape.dims[shape.rank - 2];
    memcpy(shape.dims + 2, v->shape.dims, (size_t)(shape.rank - 2) * sizeof *shape.dims);
    return shape;
}

/* Moves every element of `from` to where the other layout has it. */
static void exchange(const cj__variable *v, const float *from, float *to, bool to_file)
{
    int64_t rank = v->shape.rank, in = v->shape.dims[rank - 2], out = v->shape.dims[rank - 1], taps = 1;
    for (int64_t d = 0; d < rank - 2; d++) taps *= v->shape.dims[d];
    for (int64_t t = 0; t < taps; t++)
        for (int64_t i = 0; i < in; i++)
            for (int64_t o = 0; o < out; o++) {
                int64_t here = (t * in + i) * out + o, there = (o * in + i) * taps + t;
                to[to_file ? there : here] = from[to_file ? here : there];
            }
}

void cj__write_file_layout(const cj__variable *v, void *to)
{
    if (v->kernel)
        exchange(v, v->data, to, true);
    else
        memcpy(to, v->data, (size_t)cj_shape_count(v->shape) * cj_dtype_size(v->dtype));
}

cj_status cj__from_file_layout(cj__variable *v)
{
    size_t bytes = (size_t)cj_shape_count(v->shape) * cj_dtype_size(v->dtype);
    if (!v->kernel) return CJ_OK;
    float *copy = cj__allocate(bytes + 1);
    if (!copy) return cj__out_of_memory(bytes, v->name);
    memcpy(copy, v->data, bytes);
    exchange(v, copy, v->data, false);
    cj__free(copy);
    return CJ_OK;
}
