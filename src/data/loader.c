/* Loaders: batches in an order that is a function of (seed, epoch). A thread of the loader's own prepares the
 * next ones while the caller works on this one; where there is none they are prepared when asked for. Either
 * way the batches are the same. */
#define CJ_NO_LOCATIONS
#include "base/random.h"
#include "cajal/program.h"
#include "cpu/vector.h"
#include "data/dataset.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SLOTS = 17, AHEAD = 2 };

/* Where a batch stands in the sequence of all batches. */
typedef struct {
    int64_t epoch, step;
} position;

/* One of the prepared batches. */
typedef struct {
    cj_batch batch;
    position at;
    bool ready;
} slot;

struct cj_loader {
    cj_loader_options o;
    const cj__vector_table *vectors;
    position next;   /* the next to hand out; a step beyond the last ends the epoch */
    int64_t ordered; /* the epoch `order` holds; -1: none */
    int64_t *order;  /* rows, shuffled or not */
    slot slots[MOST_SLOTS];
    int slot_count; /* with a thread: one for the caller and those ahead; without: 1 */
    int lent;       /* the slot that the caller has */
    /* the thread, and what it shares with the caller under the lock */
    bool threaded, stop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a slot has become ready or free, or the sequence has been cut */
    position preparing;     /* the next to prepare */
    int64_t cuts;           /* by seeks: what was prepared before one is not wanted */
};

/* --- one batch ----------------------------------------------------------------------------------------- */

/* From the sorted order each time: an epoch does not depend on those before it. */
static void put_in_order(cj_loader *l, int64_t epoch)
{
    uint64_t key = cj__mix(l->o.seed, 0x73687566666c65u); /* "shuffle": a stream of its own */
    for (int64_t i = 0; i < l->o.count; i++) l->order[i] = cj__dataset_place(l->o.dataset, l->o.first + i);
    if (l->o.shuffle) cj__shuffle(l->order, l->o.count, key, (uint64_t)epoch);
    l->ordered = epoch;
}

static void copy_x(const cj_loader *l, const cj_batch *batch, int64_t to, int64_t row)
{
    const cj_tensor *x = &l->o.dataset->x;
    int64_t size = cj_shape_count(x->shape) / x->shape.dims[0];
    float *out = (float *)batch->x.data + to * size, scale = (float)l->o.scale, shift = (float)l->o.shift;
    if (x->dtype == CJ_U8) {
        l->vectors->scale_bytes(size, (const uint8_t *)x->data + row * size, scale, shift, out);
    } else {
        const float *in = (const float *)x->data + row * size;
        for (int64_t i = 0; i < size; i++) out[i] = in[i] * scale + shift;
    }
}

static void copy_y(const cj_loader *l, const cj_batch *batch, int64_t to, int64_t row)
{
    const cj_tensor *y = &l->o.dataset->y;
    size_t bytes = cj_tensor_bytes(y) / (size_t)y->shape.dims[0];
    memcpy((char *)batch->y.data + (size_t)to * bytes, (const char *)y->data + (size_t)row * bytes, bytes);
}

/* Zeros in x, -1 in labels: losses and metrics count neither. */
static void pad(const cj_batch *batch, int64_t from, int64_t rows)
{
    size_t x = cj_tensor_bytes(&batch->x) / (size_t)rows, y = cj_tensor_bytes(&batch->y) / (size_t)rows;
    size_t rest = (size_t)(rows - from);
    memset((char *)batch->x.data + (size_t)from * x, 0, rest * x);
    memset((char *)batch->y.data + (size_t)from * y, batch->y.dtype == CJ_I32 ? 0xff : 0, rest * y);
}

/* The rows lie anywhere in memory: the next is asked for while this one is copied. */
static void ask_for(const cj_loader *l, int64_t row)
{
    const cj_tensor *x = &l->o.dataset->x;
    size_t bytes = cj_tensor_bytes(x) / (size_t)x->shape.dims[0];
    const char *from = (const char *)x->data + (size_t)row * bytes;
    for (size_t i = 0; i < bytes && i < 4096; i += 64) __builtin_prefetch(from + i);
}

static void prepare(cj_loader *l, position at, cj_batch *batch)
{
    if (l->ordered != at.epoch) put_in_order(l, at.epoch);
    int64_t start = at.step * l->o.batch_size, rest = l->o.count - start;
    const int64_t *rows = l->order + start;
    batch->count = rest < l->o.batch_size ? rest : l->o.batch_size;
    for (int64_t i = 0; i < batch->count; i++) {
        if (i + 1 < batch->count) ask_for(l, rows[i + 1]);
        copy_x(l, batch, i, rows[i]);
        copy_y(l, batch, i, rows[i]);
    }
    pad(batch, batch->count, l->o.batch_size);
}

/* --- the thread ---------------------------------------------------------------------------------------- */

static bool same(position a, position b)
{
    return a.epoch == b.epoch && a.step == b.step;
}

/* The batch after this one, of the next epoch after the last. */
static position after(const cj_loader *l, position at)
{
    return at.step + 1 < cj_loader_steps(l) ? (position){at.epoch, at.step + 1} : (position){at.epoch + 1, 0};
}

/* A slot that is neither the caller's nor ready; NULL: there is none. */
static slot *free_slot(cj_loader *l)
{
    for (int i = 0; i < l->slot_count; i++)
        if (i != l->lent && !l->slots[i].ready) return &l->slots[i];
    return NULL;
}

static void *prepare_ahead(void *loader)
{
    cj_loader *l = loader;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        slot *s = free_slot(l);
        if (!s) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        int64_t cuts = l->cuts;
        s->at = l->preparing;
        pthread_mutex_unlock(&l->lock);
        prepare(l, s->at, &s->batch);
        pthread_mutex_lock(&l->lock);
        if (cuts != l->cuts) continue;
        s->ready = true;
        l->preparing = after(l, s->at);
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Gives back the slot that the caller had, and waits for the next batch. */
static cj_batch *take_prepared(cj_loader *l)
{
    slot *found = NULL;
    pthread_mutex_lock(&l->lock);
    l->lent = -1;
    pthread_cond_broadcast(&l->changed);
    while (!found) {
        for (int i = 0; i < l->slot_count; i++)
            if (l->slots[i].ready && same(l->slots[i].at, l->next)) found = &l->slots[l->lent = i];
        if (!found) pthread_cond_wait(&l->changed, &l->lock);
    }
    found->ready = false;
    pthread_mutex_unlock(&l->lock);
    return &found->batch;
}

/* What was prepared is forgotten; the thread goes on from `next`. */
static void cut(cj_loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->cuts++;
    l->preparing = l->next.step < cj_loader_steps(l) ? l->next : (position){l->next.epoch + 1, 0};
    for (int i = 0; i < l->slot_count; i++) l->slots[i].ready = false;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* Without a thread, as where the system refuses one, batches are prepared when asked for. */
static void start_thread(cj_loader *l)
{
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    l->threaded = pthread_create(&l->thread, NULL, prepare_ahead, l) == 0;
    if (l->threaded) return;
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
}

static void stop_thread(cj_loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
}

/* --- the loader ---------------------------------------------------------------------------------------- */

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

/* How many batches to prepare ahead: none where the team keeps every processor busy. */
static int slots_of(const cj_loader_options *o)
{
    int64_t ahead = o->prefetch;
    if (ahead == 0) ahead = cj_threads() < sysconf(_SC_NPROCESSORS_ONLN) ? AHEAD : 0;
    if (ahead < 0 || o->count == 0) ahead = 0;
    return 1 + (int)(ahead < MOST_SLOTS ? ahead : MOST_SLOTS - 1);
}

static cj_status make_loader(cj_loader *l)
{
    const cj_dataset *data = l->o.dataset;
    CJ__TRY(cj__vector_choose(&l->vectors));
    l->order = cj__allocate((size_t)l->o.count * sizeof *l->order);
    if (!l->order) return cj__out_of_memory((size_t)l->o.count * sizeof *l->order, "a loader");
    for (int i = 0; i < l->slot_count; i++) {
        CJ__TRY(make_room(&l->slots[i].batch.x, &data->x, l->o.batch_size, CJ_F32));
        CJ__TRY(make_room(&l->slots[i].batch.y, &data->y, l->o.batch_size, data->y.dtype));
    }
    return CJ_OK;
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
    *l = (cj_loader){.o = o, .ordered = -1, .lent = -1, .slot_count = slots_of(&o)};
    cj_status status = make_loader(l);
    if (status == CJ_OK && l->slot_count > 1) start_thread(l);
    if (status != CJ_OK)
        cj_loader_free(l);
    else
        *loader = l;
    return status;
}

void cj_loader_free(cj_loader *loader)
{
    if (!loader) return;
    if (loader->threaded) stop_thread(loader);
    for (int i = 0; i < loader->slot_count; i++) {
        cj__free(loader->slots[i].batch.x.data);
        cj__free(loader->slots[i].batch.y.data);
    }
    cj__free(loader->order);
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
    position to = {epoch, step};
    if (same(to, loader->next)) return;
    loader->next = to;
    if (loader->threaded) cut(loader);
}

bool cj_loader_next(cj_loader *loader, cj_batch *batch)
{
    if (loader->next.step >= cj_loader_steps(loader)) {
        loader->next = (position){loader->next.epoch + 1, 0};
        return false;
    }
    if (loader->threaded)
        *batch = *take_prepared(loader);
    else {
        prepare(loader, loader->next, &loader->slots[0].batch);
        *batch = loader->slots[0].batch;
    }
    loader->next.step++;
    return true;
}
