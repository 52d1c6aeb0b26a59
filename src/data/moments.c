/* Mean and deviation of a dataset's examples, channel by channel. Those of bytes are sums of whole numbers,
 * the same in whichever order threads add them up. */
#include "base/team.h"
#include "data/batch.h"

#include <math.h>
#include <stdatomic.h>

typedef struct {
    const cj_dataset *data;
    int64_t size, channels;   /* of an example */
    uint8_t *rows;            /* [threads,size] */
    uint64_t *sums, *squares; /* [threads,channels] */
    atomic_llong failed;      /* a row that could not be read; -1: none */
    atomic_int status;        /* why not */
} counting;

static void add_row(void *context, int64_t task, int thread)
{
    counting *c = context;
    uint8_t *row = c->rows + thread * c->size;
    uint64_t *sums = c->sums + thread * c->channels, *squares = c->squares + thread * c->channels;
    if (atomic_load(&c->failed) >= 0) return;
    cj_status status = cj_dataset_fetch(c->data, task, row);
    if (status != CJ_OK) {
        atomic_store(&c->status, (int)status);
        atomic_store(&c->failed, task);
        return;
    }
    for (int64_t i = 0; i < c->size; i += c->channels)
        for (int64_t k = 0; k < c->channels; k++) {
            sums[k] += row[i + k];
            squares[k] += (uint64_t)row[i + k] * row[i + k];
        }
}

static void finish(const counting *c, int64_t threads, double *mean, double *deviation)
{
    double count = (double)c->data->count * (double)(c->size / c->channels);
    for (int64_t k = 0; k < c->channels; k++) {
        uint64_t sum = 0, squares = 0;
        for (int64_t t = 0; t < threads; t++) {
            sum += c->sums[t * c->channels + k];
            squares += c->squares[t * c->channels + k];
        }
        mean[k] = (double)sum / count;
        deviation[k] = sqrt(fmax(0, (double)squares / count - mean[k] * mean[k]));
    }
}

/* The failure was another thread's, maybe: its sentence is had by trying again. */
static cj_status tell_failure(const counting *c)
{
    int64_t failed = atomic_load(&c->failed);
    cj_status status = (cj_status)atomic_load(&c->status);
    if (failed < 0) return CJ_OK;
    if (status == CJ_OUT_OF_MEMORY) return cj__out_of_memory((size_t)c->size, "a picture");
    CJ__TRY(cj_dataset_fetch(c->data, failed, c->rows));
    return cj__fail(status, "row %lld could not be read", (long long)failed);
}

static cj_status of_bytes(counting *c, double *mean, double *deviation)
{
    int64_t threads = cj__team_size();
    atomic_store(&c->failed, -1);
    c->rows = cj__allocate((size_t)(threads * c->size));
    c->sums = cj__allocate_zeroed((size_t)(threads * c->channels) * sizeof *c->sums);
    c->squares = cj__allocate_zeroed((size_t)(threads * c->channels) * sizeof *c->squares);
    cj_status status =
        c->rows && c->sums && c->squares ? CJ_OK : cj__out_of_memory((size_t)(threads * c->size), "moments");
    if (status == CJ_OK) {
        cj__team_run(c->data->count, add_row, c);
        status = tell_failure(c);
    }
    if (status == CJ_OK) finish(c, threads, mean, deviation);
    cj__free(c->rows);
    cj__free(c->sums);
    cj__free(c->squares);
    return status;
}

/* Numbers in memory, gone through twice: the deviation is from the mean itself. */
static void of_numbers(const counting *c, double *mean, double *deviation)
{
    double count = (double)c->data->count * (double)(c->size / c->channels);
    for (int64_t k = 0; k < c->channels; k++) mean[k] = deviation[k] = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t r = 0; r < c->data->count; r++) {
            const float *row = (const float *)c->data->x.data + cj__dataset_place(c->data, r) * c->size;
            for (int64_t i = 0; i < c->size; i++) {
                int64_t k = i % c->channels;
                double away = (double)row[i] - mean[k];
                if (pass == 0)
                    mean[k] += (double)row[i] / count;
                else
                    deviation[k] += away * away / count;
            }
        }
    for (int64_t k = 0; k < c->channels; k++) deviation[k] = sqrt(deviation[k]);
}

cj_status cj_dataset_moments(const cj_dataset *dataset, int64_t channels, double *mean, double *deviation)
{
    cj_shape_t shape = dataset->x.shape;
    int64_t last = shape.rank == 4 ? shape.dims[3] : 1;
    if (dataset->x.dtype == CJ_I32)
        return cj__fail(CJ_UNSUPPORTED, "tokens are numbers of pieces, not amounts: they have no mean");
    if (dataset->count < 1) return cj__fail(CJ_INVALID_ARGUMENT, "there are no rows to take the mean of");
    if (channels < 1 || channels > CJ__MOST_CHANNELS || (channels != 1 && channels != last))
        return cj__fail(CJ_SHAPE_ERROR, "the mean of %lld channels was asked for, but examples have %lld",
                        (long long)channels, (long long)last);
    counting c = {.data = dataset, .size = cj_shape_count(shape) / shape.dims[0], .channels = channels};
    if (dataset->x.dtype == CJ_U8) return of_bytes(&c, mean, deviation);
    of_numbers(&c, mean, deviation);
    return CJ_OK;
}
