/* Rows sorted into batches by the width that they need. The loader asks for it where a dataset's rows have
 * lengths. */
#include "data/bucket.h"

#include <string.h>

/* Rows of up to 1, 2, … times the dataset's bucket. */
static int64_t class_of(const cj_dataset *d, int64_t place)
{
    int64_t length = d->lengths[place] > 0 ? d->lengths[place] : 1;
    return (length - 1) / d->bucket;
}

static int64_t longest(const cj_dataset *d)
{
    return d->x.shape.dims[d->x.shape.rank - 1];
}

static cj_status make_room(cj__buckets *b, int64_t count)
{
    b->classes = (longest(b->data) + b->data->bucket - 1) / b->data->bucket;
    b->counts = cj__allocate_zeroed((size_t)(b->classes + 1) * sizeof *b->counts);
    b->sorted = cj__allocate((size_t)count * sizeof *b->sorted + 1);
    return b->counts && b->sorted ? CJ_OK : cj__out_of_memory((size_t)count * sizeof *b->sorted, "a loader");
}

static cj_status make_spans(cj__buckets *b)
{
    for (int64_t c = 0; c < b->classes; c++) b->steps += (b->counts[c] + b->batch_size - 1) / b->batch_size;
    b->spans = cj__allocate((size_t)b->steps * sizeof *b->spans + 1);
    b->turns = cj__allocate((size_t)b->steps * sizeof *b->turns + 1);
    if (!b->spans || !b->turns) return cj__out_of_memory((size_t)b->steps * sizeof *b->spans, "a loader");
    int64_t step = 0, start = 0;
    for (int64_t c = 0; c < b->classes; c++) {
        int64_t width = (c + 1) * b->data->bucket, most = longest(b->data);
        for (int64_t rest = b->counts[c]; rest > 0; rest -= b->batch_size) {
            int64_t count = rest < b->batch_size ? rest : b->batch_size;
            b->spans[step++] = (cj__span){start, count, width < most ? width : most};
            start += count;
        }
    }
    return CJ_OK;
}

cj_status cj__buckets_begin(cj__buckets *b, const cj_dataset *data, int64_t first, int64_t count,
                            int64_t batch_size)
{
    *b = (cj__buckets){.data = data, .batch_size = batch_size};
    CJ__TRY(make_room(b, count));
    for (int64_t i = 0; i < count; i++) b->counts[class_of(data, cj__dataset_place(data, first + i))]++;
    return make_spans(b);
}

void cj__buckets_end(cj__buckets *b)
{
    cj__free(b->spans);
    cj__free(b->turns);
    cj__free(b->sorted);
    cj__free(b->counts);
}

void cj__buckets_arrange(cj__buckets *b, int64_t *rows, int64_t count, uint64_t key, uint64_t epoch)
{
    memset(b->counts, 0, (size_t)(b->classes + 1) * sizeof *b->counts);
    for (int64_t i = 0; i < count; i++) b->counts[class_of(b->data, rows[i]) + 1]++;
    for (int64_t c = 0; c < b->classes; c++) b->counts[c + 1] += b->counts[c];
    for (int64_t i = 0; i < count; i++) b->sorted[b->counts[class_of(b->data, rows[i])]++] = rows[i];
    memcpy(rows, b->sorted, (size_t)count * sizeof *rows);
    for (int64_t i = 0; i < b->steps; i++) b->turns[i] = i;
    if (key) cj__shuffle(b->turns, b->steps, key, epoch);
}
