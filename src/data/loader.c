/* Loaders: batches in an order that is a function of (seed, epoch), prepared when asked for. */
#include "base/random.h"
#include "data/dataset.h"

#include <string.h>

struct cj_loader {
    cj_loader_options o;
    int64_t epoch, step; /* of the next batch */
    int64_t ordered;     /* the epoch `order` holds; -1: none */
    int64_t *order;      /* rows, shuffled or not */
    cj_batch batch;
};

/* The type and shape of a batch of such rows. */
static cj_status make_room(cj_tensor *room, const cj_tensor *rows, int64_t batch_size, cj_dtype dtype)
{
    *room = (cj_tensor){.dtype = dtype, .shape = rows->shape};
    room->shape.dims[0] = batch_size;
    if (!cj__shape_valid(room->shape))
        return cj__fail(CJ_INVALID_ARGUMENT, "a batch of %lld rows is larger than a tensor can be",
                        (long long)batch_size);
    room->data = cj__allocate_zeroed(cj_tensor_bytes(room));
    return room->data ? CJ_OK : cj__out_of_memory(cj_tensor_bytes(room), "a batch");
}

cj_status cj_loader_new(cj_loader **loader, const cj_loader_options *options)
{
    *loader = NULL;
    cj_loader_options o = *options;
    int64_t rows = cj_dataset_count(o.dataset);
    if (o.count == 0) o.count = rows - o.first;
    if (o.scale == 0) o.scale = 1;
    if (o.batch_size < 1 || o.first < 0 || o.count < 0 || o.first > rows - o.count)
        return cj__fail(
            CJ_INVALID_ARGUMENT, "a loader of rows %lld to %lld in batches of %lld does not fit %lld rows",
            (long long)o.first, (long long)(o.first + o.count), (long long)o.batch_size, (long long)rows);
    cj_loader *l = cj__allocate_zeroed(sizeof *l);
    if (!l) return cj__out_of_memory(sizeof *l, "a loader");
    l->o = o;
    l->ordered = -1;
    l->order = cj__allocate((size_t)o.count * sizeof *l->order);
    cj_status status = l->order ? CJ_OK : cj__out_of_memory((size_t)o.count * sizeof *l->order, "a loader");
    if (status == CJ_OK) status = make_room(&l->batch.x, &o.dataset->x, o.batch_size, CJ_F32);
    if (status == CJ_OK) status = make_room(&l->batch.y, &o.dataset->y, o.batch_size, o.dataset->y.dtype);
    if (status != CJ_OK)
        cj_loader_free(l);
    else
        *loader = l;
    return status;
}

void cj_loader_free(cj_loader *loader)
{
    if (!loader) return;
    cj__free(loader->order);
    cj__free(loader->batch.x.data);
    cj__free(loader->batch.y.data);
    cj__free(loader);
}

int64_t cj_loader_steps(const cj_loader *loader)
{
    return (loader->o.count + loader->o.batch_size - 1) / loader->o.batch_size;
}

int64_t cj_loader_rows(const cj_loader *loader)
{
    return loader->o.count;
}

void cj_loader_seek(cj_loader *loader, int64_t epoch, int64_t step)
{
    loader->epoch = epoch;
    loader->step = step;
}

/* From the sorted order each time: an epoch does not depend on those before it. */
static void put_in_order(cj_loader *l)
{
    uint64_t key = cj__mix(l->o.seed, 0x73687566666c65u); /* "shuffle": a stream of its own */
    for (int64_t i = 0; i < l->o.count; i++) l->order[i] = cj__dataset_place(l->o.dataset, l->o.first + i);
    if (l->o.shuffle) cj__shuffle(l->order, l->o.count, key, (uint64_t)l->epoch);
    l->ordered = l->epoch;
}

static void copy_x(const cj_loader *l, int64_t to, int64_t row)
{
    const cj_tensor *x = &l->o.dataset->x;
    int64_t size = cj_shape_count(x->shape) / x->shape.dims[0];
    float *out = (float *)l->batch.x.data + to * size, scale = (float)l->o.scale, shift = (float)l->o.shift;
    if (x->dtype == CJ_U8) {
        const uint8_t *in = (const uint8_t *)x->data + row * size;
        for (int64_t i = 0; i < size; i++) out[i] = (float)in[i] * scale + shift;
    } else {
        const float *in = (const float *)x->data + row * size;
        for (int64_t i = 0; i < size; i++) out[i] = in[i] * scale + shift;
    }
}

static void copy_y(const cj_loader *l, int64_t to, int64_t row)
{
    const cj_tensor *y = &l->o.dataset->y;
    size_t bytes = cj_tensor_bytes(y) / (size_t)y->shape.dims[0];
    memcpy((char *)l->batch.y.data + (size_t)to * bytes, (const char *)y->data + (size_t)row * bytes, bytes);
}

/* Zeros in x, -1 in labels: losses and metrics count neither. */
static void pad(cj_loader *l, int64_t from)
{
    size_t x = cj_tensor_bytes(&l->batch.x) / (size_t)l->o.batch_size,
           y = cj_tensor_bytes(&l->batch.y) / (size_t)l->o.batch_size;
    size_t rest = (size_t)(l->o.batch_size - from);
    memset((char *)l->batch.x.data + (size_t)from * x, 0, rest * x);
    memset((char *)l->batch.y.data + (size_t)from * y, l->batch.y.dtype == CJ_I32 ? 0xff : 0, rest * y);
}

bool cj_loader_next(cj_loader *loader, cj_batch *batch)
{
    int64_t start = loader->step * loader->o.batch_size;
    if (start >= loader->o.count) {
        loader->epoch++;
        loader->step = 0;
        return false;
    }
    if (loader->ordered != loader->epoch) put_in_order(loader);
    int64_t rest = loader->o.count - start;
    loader->batch.count = rest < loader->o.batch_size ? rest : loader->o.batch_size;
    for (int64_t i = 0; i < loader->batch.count; i++) {
        copy_x(loader, i, loader->order[start + i]);
        copy_y(loader, i, loader->order[start + i]);
    }
    pad(loader, loader->batch.count);
    loader->step++;
    *batch = loader->batch;
    return true;
}
