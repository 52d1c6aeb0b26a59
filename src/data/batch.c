/* One example on its way into a batch: its bytes from memory or from a maker of rows, then floats, normalised
 * channel by channel. */
#include "data/batch.h"

#include <string.h>

static size_t row_bytes(const cj_tensor *rows)
{
    return rows->shape.dims[0] > 0 ? cj_tensor_bytes(rows) / (size_t)rows->shape.dims[0] : 0;
}

/* --- beginning ----------------------------------------------------------------------------------------- */

static cj_status check_channels(const cj__batch_maker *m, const cj_loader_options *o)
{
    cj_shape_t shape = m->data->x.shape;
    int64_t last = shape.rank > 1 ? shape.dims[shape.rank - 1] : 1;
    if (!o->mean || !o->deviation || o->channels > CJ__MOST_CHANNELS)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "normalisation takes a mean and a deviation for each of up to %d "
                        "channels",
                        CJ__MOST_CHANNELS);
    if (o->channels != 1 && o->channels != last)
        return cj__fail(CJ_SHAPE_ERROR, "normalisation is for %lld channels, but examples have %lld",
                        (long long)o->channels, (long long)last);
    for (int64_t c = 0; c < o->channels; c++)
        if (!(o->deviation[c] > 0) || o->mean[c] - o->mean[c] != 0)
            return cj__fail(CJ_INVALID_ARGUMENT,
                            "channel %lld has mean %g and deviation %g; a deviation is above 0", (long long)c,
                            o->mean[c], o->deviation[c]);
    return CJ_OK;
}

cj_status cj__batch_maker_begin(cj__batch_maker *m, const cj_loader_options *o)
{
    const cj_tensor *x = &o->dataset->x;
    *m = (cj__batch_maker){.data = o->dataset,
                           .seed = o->seed,
                           .batch_size = o->batch_size,
                           .channels = o->channels ? o->channels : 1};
    if (o->channels) CJ__TRY(check_channels(m, o));
    m->x_bytes = row_bytes(x);
    m->y_bytes = row_bytes(&o->dataset->y);
    m->size = x->shape.dims[0] > 0 ? cj_shape_count(x->shape) / x->shape.dims[0] : 0;
    m->period = CJ__SCALED_AT_ONCE / m->channels * m->channels;
    for (int64_t i = 0; i < m->period; i++) {
        double deviation = o->channels ? o->deviation[i % m->channels] : 1;
        double mean = o->channels ? o->mean[i % m->channels] : 0;
        m->scale[i] = (float)((o->scale == 0 ? 1 : o->scale) / deviation);
        m->shift[i] = (float)((o->shift - mean) / deviation);
    }
    CJ__TRY(cj__augmenter_begin(&m->augmenter, o->augment, o->dataset, o->classes, o->seed));
    return cj__vector_choose(&m->vectors);
}

/* --- one example --------------------------------------------------------------------------------------- */

/* A thread's scratch: a row as it was made, then room for its augmentation, or, once all rows are there, what
 * mixing a batch takes. */
static size_t row_room(const cj__batch_maker *m)
{
    return m->data->maker.make ? cj__whole_lines(m->x_bytes) : 0;
}

size_t cj__batch_scratch(const cj__batch_maker *m)
{
    cj_tensor y = cj__batch_targets(m);
    size_t rows = row_room(m) + cj__augmenter_scratch(&m->augmenter);
    size_t mixing = (size_t)m->batch_size * sizeof(int64_t) + (size_t)m->size * sizeof(float) + row_bytes(&y);
    return cj__batch_is_mixed(m) && mixing > rows ? mixing : rows;
}

cj_tensor cj__batch_targets(const cj__batch_maker *m)
{
    cj_tensor y = m->data->y;
    cj__mixed_targets(&m->augmenter, &y);
    return y;
}

void cj__batch_mix(const cj__batch_maker *m, int64_t epoch, int64_t step, const int64_t *places,
                   const cj_batch *batch, void *scratch)
{
    int64_t *order = scratch;
    cj__mix_batch(&m->augmenter, epoch, step, places, batch, (float *)(order + m->batch_size), order);
}

/* The row as the dataset has it, in memory or made in `scratch`. */
static cj_status take(const cj__batch_maker *m, int64_t place, void *scratch, const void **row)
{
    *row = scratch;
    if (m->data->maker.make) return m->data->maker.make(m->data->maker.context, place, scratch);
    *row = (const char *)m->data->x.data + (size_t)place * m->x_bytes;
    return CJ_OK;
}

/* Row `from` becomes row `index`, of which the last axis may be narrower. Whole numbers stand for themselves:
 * they are tokens, not amounts. */
static void copy_integers(const void *from, const cj_tensor *all, const cj_tensor *batch, int64_t index)
{
    int64_t wide = all->shape.dims[all->shape.rank - 1], width = batch->shape.dims[batch->shape.rank - 1];
    int64_t count = cj_shape_count(batch->shape) / batch->shape.dims[0];
    int32_t *to = (int32_t *)batch->data + index * count;
    for (int64_t at = 0, row = 0; at < count; at += width, row++)
        memcpy(to + at, (const int32_t *)from + row * wide, (size_t)width * sizeof *to);
}

static void to_floats(const cj__batch_maker *m, const void *row, float *out)
{
    bool bytes = m->data->x.dtype == CJ_U8;
    for (int64_t i = 0; i < m->size; i += m->period) {
        int64_t count = m->size - i < m->period ? m->size - i : m->period;
        if (bytes)
            m->vectors->scale_bytes(count, (const uint8_t *)row + i, m->scale, m->shift, out + i);
        else
            for (int64_t j = 0; j < count; j++)
                out[i + j] = ((const float *)row)[i + j] * m->scale[j] + m->shift[j];
    }
}

static void copy_y(const cj__batch_maker *m, int64_t place, const cj_batch *batch, int64_t index)
{
    const cj_tensor *y = &m->data->y;
    if (m->augmenter.classes) {
        cj__mixed_target_copy(&m->augmenter, y, place, &batch->y, index);
        return;
    }
    if (y->dtype == CJ_I32 && y->shape.rank > 1) {
        copy_integers((const char *)y->data + (size_t)place * m->y_bytes, y, &batch->y, index);
        return;
    }
    memcpy((char *)batch->y.data + (size_t)index * m->y_bytes,
           (const char *)y->data + (size_t)place * m->y_bytes, m->y_bytes);
}

/* Example and target at once, made where they belong. */
static cj_status draw(const cj__batch_maker *m, int64_t epoch, int64_t place, const cj_batch *batch,
                      int64_t index)
{
    cj__row_wanted row = {m->seed, epoch, place, batch->x.shape.dims[batch->x.shape.rank - 1]};
    return m->data->maker.draw(m->data->maker.context, &row,
                               (char *)batch->x.data + (size_t)index * row_bytes(&batch->x),
                               (char *)batch->y.data + (size_t)index * row_bytes(&batch->y));
}

cj_status cj__batch_put(const cj__batch_maker *m, int64_t epoch, int64_t place, const cj_batch *batch,
                        int64_t index, void *scratch)
{
    const void *row;
    if (m->data->maker.draw) return draw(m, epoch, place, batch, index);
    CJ__TRY(take(m, place, scratch, &row));
    if (m->augmenter.step_count)
        row = cj__augment_picture(&m->augmenter, epoch, place, row, (uint8_t *)scratch + row_room(m));
    if (m->data->x.dtype == CJ_I32)
        copy_integers(row, &m->data->x, &batch->x, index);
    else
        to_floats(m, row, (float *)batch->x.data + index * m->size);
    copy_y(m, place, batch, index);
    return CJ_OK;
}

/* Targets are as long as x where there is one for each token. */
void cj__batch_cut(const cj__batch_maker *m, cj_batch *batch, int64_t width)
{
    cj_shape_t x = m->data->x.shape, y = m->data->y.shape;
    batch->x.shape.dims[x.rank - 1] = width;
    if (y.rank > 1 && y.dims[y.rank - 1] == x.dims[x.rank - 1]) batch->y.shape.dims[y.rank - 1] = width;
}

void cj__batch_pad(const cj_batch *batch)
{
    size_t x = row_bytes(&batch->x), y = row_bytes(&batch->y);
    char *to = batch->x.data;
    int64_t from = batch->count, rows = batch->x.shape.dims[0];
    for (int64_t i = from; i < rows; i++) memcpy(to + (size_t)i * x, to + (size_t)(i - from) * x, x);
    memset((char *)batch->y.data + (size_t)from * y, batch->y.dtype == CJ_I32 ? 0xff : 0,
           (size_t)(rows - from) * y);
}

/* Rows in memory lie anywhere there: the next is asked for while this one is copied. */
void cj__batch_ask_for(const cj__batch_maker *m, int64_t place)
{
    if (!m->data->x.data) return;
    const char *from = (const char *)m->data->x.data + (size_t)place * m->x_bytes;
    for (size_t i = 0; i < m->x_bytes && i < 4096; i += 64) __builtin_prefetch(from + i);
}
