/* Loaders: batches in an order that is a function of (seed, epoch). Threads of the loader's own prepare the
 * next ones while the caller works on this one, sharing out their examples; where there are none a batch is
 * prepared when asked for, by the team where examples are only copied. Either way the batches are the same.
 */
#define CJ_NO_LOCATIONS
#include "base/random.h"
#include "base/team.h"
#include "cajal/program.h"
#include "data/batch.h"
#include "data/bucket.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SLOTS = 17, AHEAD = 2, MOST_THREADS = 64, MOST_MESSAGE = 1024 };
/* Bytes to copy that are worth handing to another thread. */
enum { TASK_BYTES = 1 << 15 };

/* Where a batch stands in the sequence of all batches. */
typedef struct {
    int64_t epoch, step;
} position;

/* Of the first example of a batch that could not be made. */
typedef struct {
    cj_status status;
    int64_t index;
    char message[MOST_MESSAGE];
} failure;

/* One of the prepared batches. Threads claim its examples in ranges. */
typedef struct {
    cj_batch batch;
    position at;
    int64_t *places;          /* [batch_size] rows of the dataset */
    int64_t claimed, pending; /* examples that somebody has taken on; those of them not yet made */
    bool begun, ready, stale; /* stale: cut off by a seek while threads were at it */
    failure failure;
} slot;

/* One thread's. */
typedef struct {
    struct cj_loader *loader;
    pthread_t thread;
    void *scratch;
} worker;

struct cj_loader {
    cj_loader_options o;
    cj__batch_maker maker;
    position next;   /* the next to hand out; a step beyond the last ends the epoch */
    int64_t ordered; /* the epoch `order` holds; -1: none */
    int64_t *order;  /* rows, shuffled or not */
    bool by_length;  /* batches are those of `buckets` */
    cj__buckets buckets;
    slot slots[MOST_SLOTS];
    int slot_count;  /* with threads: one for the caller and those ahead; without: 1 */
    int lent;        /* the slot that the caller has */
    failure failure; /* what next has met */
    /* the threads, and what they share with the caller under the lock */
    worker workers[MOST_THREADS]; /* without threads: one, the caller's */
    int worker_count, running;
    bool stop;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a slot has become ready or free, or the sequence has been cut */
    position preparing;     /* the next to begin */
};

/* --- one batch ----------------------------------------------------------------------------------------- */

/* From the sorted order each time: an epoch does not depend on those before it. */
static void put_in_order(cj_loader *l, int64_t epoch)
{
    uint64_t key = cj__mix(l->o.seed, 0x73687566666c65u); /* "shuffle": a stream of its own */
    for (int64_t i = 0; i < l->o.count; i++) l->order[i] = cj__dataset_place(l->o.dataset, l->o.first + i);
    if (l->o.shuffle) cj__shuffle(l->order, l->o.count, key, (uint64_t)epoch);
    if (l->by_length)
        cj__buckets_arrange(&l->buckets, l->order, l->o.count, l->o.shuffle ? cj__mix(key, 1) : 0,
                            (uint64_t)epoch);
    l->ordered = epoch;
}

/* Rows of the epoch's order. */
static cj__span span_of(const cj_loader *l, int64_t step)
{
    int64_t start = step * l->o.batch_size, rest = l->o.count - start;
    if (l->by_length) return l->buckets.spans[l->buckets.turns[step]];
    return (cj__span){start, rest < l->o.batch_size ? rest : l->o.batch_size, 0};
}

/* Which rows the slot's batch is of. */
static void begin(cj_loader *l, slot *s, position at)
{
    if (l->ordered != at.epoch) put_in_order(l, at.epoch);
    s->at = at;
    cj__span span = span_of(l, at.step);
    s->batch.count = span.count;
    if (l->by_length) cj__batch_cut(&l->maker, &s->batch, span.width);
    s->claimed = s->pending = 0;
    s->begun = true;
    s->ready = s->stale = false;
    s->failure.status = CJ_OK;
    memcpy(s->places, l->order + span.start, (size_t)s->batch.count * sizeof *s->places);
}

/* Examples `from` up to `to`; the first failure ends it. */
static void make_examples(const cj_loader *l, const slot *s, int64_t from, int64_t to, void *scratch,
                          failure *failed)
{
    failed->status = CJ_OK;
    for (int64_t i = from; i < to && failed->status == CJ_OK; i++) {
        if (i + 1 < to) cj__batch_ask_for(&l->maker, s->places[i + 1]);
        failed->status = cj__batch_put(&l->maker, s->at.epoch, s->places[i], &s->batch, i, scratch);
        failed->index = i;
    }
    if (failed->status != CJ_OK) snprintf(failed->message, MOST_MESSAGE, "%s", cj_error_message());
}

static bool is_unfinished(const cj_loader *l, const slot *s)
{
    return cj__batch_is_mixed(&l->maker) || s->batch.count < l->o.batch_size;
}

/* What is done when every example is there. */
static void finish(const cj_loader *l, slot *s, void *scratch)
{
    if (cj__batch_is_mixed(&l->maker))
        cj__batch_mix(&l->maker, s->at.epoch, s->at.step, s->places, &s->batch, scratch);
    cj__batch_pad(&s->batch);
}

/* Whichever thread met it, the first example's failure is told. */
static void keep_first(failure *kept, const failure *failed)
{
    if (failed->status == CJ_OK || (kept->status != CJ_OK && kept->index <= failed->index)) return;
    *kept = *failed;
}

/* --- the threads --------------------------------------------------------------------------------------- */

static bool same(position a, position b)
{
    return a.epoch == b.epoch && a.step == b.step;
}

/* The batch after this one, of the next epoch after the last. */
static position after(const cj_loader *l, position at)
{
    return at.step + 1 < cj_loader_steps(l) ? (position){at.epoch, at.step + 1} : (position){at.epoch + 1, 0};
}

/* A slot with examples to make: one that is begun, else a free one, begun; NULL: there is none. */
static slot *slot_with_work(cj_loader *l)
{
    slot *free_one = NULL;
    for (int i = 0; i < l->slot_count; i++) {
        slot *s = &l->slots[i];
        if (s->begun && !s->stale && s->claimed < s->batch.count) return s;
        if (i != l->lent && !s->begun && !free_one) free_one = s;
    }
    if (!free_one) return NULL;
    begin(l, free_one, l->preparing);
    l->preparing = after(l, l->preparing);
    return free_one;
}

/* How many examples are claimed at a time: all of a batch where one thread does it, few where they take long.
 */
static int64_t claim_size(const cj_loader *l)
{
    int64_t share = l->o.batch_size / (4 * (int64_t)l->running);
    return l->running == 1 ? l->o.batch_size : share > 1 ? share : 1;
}

/* Whoever made the last example finishes the batch, out of the lock; until then the slot counts as being
 * made. */
static void finish_when_whole(cj_loader *l, slot *s, void *scratch)
{
    bool whole = s->pending == 0 && s->claimed == s->batch.count && !s->stale && s->failure.status == CJ_OK;
    if (!whole || !is_unfinished(l, s)) return;
    s->pending = 1;
    pthread_mutex_unlock(&l->lock);
    finish(l, s, scratch);
    pthread_mutex_lock(&l->lock);
    s->pending = 0;
}

static void end_claim(cj_loader *l, slot *s, int64_t made, const failure *failed, void *scratch)
{
    s->pending -= made;
    keep_first(&s->failure, failed);
    finish_when_whole(l, s, scratch);
    if (s->pending > 0 || (s->claimed < s->batch.count && !s->stale)) return;
    s->ready = !s->stale;
    s->begun = s->ready;
    pthread_cond_broadcast(&l->changed);
}

static void *prepare_ahead(void *context)
{
    worker *w = context;
    cj_loader *l = w->loader;
    failure failed;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        slot *s = slot_with_work(l);
        if (!s) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        int64_t from = s->claimed, to = from + claim_size(l);
        if (to > s->batch.count) to = s->batch.count;
        s->claimed = to;
        s->pending += to - from;
        pthread_mutex_unlock(&l->lock);
        make_examples(l, s, from, to, w->scratch, &failed);
        pthread_mutex_lock(&l->lock);
        end_claim(l, s, to - from, &failed, w->scratch);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Gives back the slot that the caller had, and waits for the next batch. */
static slot *take_prepared(cj_loader *l)
{
    slot *found = NULL;
    pthread_mutex_lock(&l->lock);
    if (l->lent >= 0) l->slots[l->lent].begun = l->slots[l->lent].ready = false;
    l->lent = -1;
    pthread_cond_broadcast(&l->changed);
    while (!found) {
        for (int i = 0; i < l->slot_count; i++)
            if (l->slots[i].ready && same(l->slots[i].at, l->next)) found = &l->slots[l->lent = i];
        if (!found) pthread_cond_wait(&l->changed, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    return found;
}

/* What was prepared is forgotten; the threads go on from `next`. */
static void cut(cj_loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->preparing = l->next.step < cj_loader_steps(l) ? l->next : (position){l->next.epoch + 1, 0};
    for (int i = 0; i < l->slot_count; i++) {
        slot *s = &l->slots[i];
        if (i == l->lent) continue;
        s->ready = false;
        s->stale = s->pending > 0;
        s->begun = s->stale;
    }
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* As many as the system gives: without any, batches are prepared when asked for. */
static void start_threads(cj_loader *l)
{
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    pthread_mutex_lock(&l->lock);
    while (l->running < l->worker_count &&
           pthread_create(&l->workers[l->running].thread, NULL, prepare_ahead, &l->workers[l->running]) == 0)
        l->running++;
    pthread_mutex_unlock(&l->lock);
    if (l->running > 0) return;
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
}

static void stop_threads(cj_loader *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->running; i++) pthread_join(l->workers[i].thread, NULL);
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

static int64_t between(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* More is done to an example than to copy it. */
static bool takes_work(const cj_loader *l)
{
    return l->o.dataset->maker.make != NULL || l->maker.augmenter.step_count > 0;
}

/* Examples that take work are prepared ahead by as many threads as compute; those that are only copied by
 * one, where the team leaves a processor for it. */
static void share_out(cj_loader *l)
{
    bool work = takes_work(l);
    int64_t ahead = l->o.prefetch, threads = l->o.threads;
    if (ahead == 0) ahead = work || cj_threads() < sysconf(_SC_NPROCESSORS_ONLN) ? AHEAD : 0;
    if (threads <= 0) threads = work ? cj_threads() : 1;
    if (l->o.count == 0) ahead = 0;
    l->slot_count = 1 + (int)between(ahead, 0, MOST_SLOTS - 1);
    l->worker_count = l->slot_count > 1 ? (int)between(threads, 1, MOST_THREADS) : 1;
}

static cj_status make_slot(cj_loader *l, slot *s)
{
    const cj_dataset *data = l->o.dataset;
    cj_tensor y = cj__batch_targets(&l->maker);
    CJ__TRY(make_room(&s->batch.x, &data->x, l->o.batch_size, data->x.dtype == CJ_I32 ? CJ_I32 : CJ_F32));
    CJ__TRY(make_room(&s->batch.y, &y, l->o.batch_size, y.dtype));
    s->places = cj__allocate((size_t)l->o.batch_size * sizeof *s->places);
    return s->places ? CJ_OK : cj__out_of_memory((size_t)l->o.batch_size * sizeof *s->places, "a batch");
}

static cj_status make_loader(cj_loader *l)
{
    size_t scratch = cj__batch_scratch(&l->maker);
    l->order = cj__allocate((size_t)l->o.count * sizeof *l->order);
    l->by_length = l->o.dataset->bucket > 0 && !l->o.full_width;
    if (l->by_length)
        CJ__TRY(cj__buckets_begin(&l->buckets, l->o.dataset, l->o.first, l->o.count, l->o.batch_size));
    if (!l->order) return cj__out_of_memory((size_t)l->o.count * sizeof *l->order, "a loader");
    for (int i = 0; i < l->slot_count; i++) CJ__TRY(make_slot(l, &l->slots[i]));
    for (int i = 0; i < l->worker_count && scratch > 0; i++) {
        l->workers[i].scratch = cj__allocate(scratch);
        if (!l->workers[i].scratch) return cj__out_of_memory(scratch, "a loader");
    }
    return CJ_OK;
}

/* Each row of a batch goes on where that of the batch before ended. */
static cj_status check_lanes(cj_loader_options *o)
{
    int64_t lanes = o->dataset->lanes;
    if (lanes == 0) return CJ_OK;
    if (o->batch_size != lanes)
        return cj__fail(CJ_INVALID_ARGUMENT, "batches of %lld do not fit a text in %lld lanes: expected %lld",
                        (long long)o->batch_size, (long long)lanes, (long long)lanes);
    o->shuffle = false;
    return CJ_OK;
}

cj_status cj_loader_new(cj_loader **loader, const cj_loader_options *options)
{
    *loader = NULL;
    cj_loader_options o = *options;
    int64_t rows = cj_dataset_count(o.dataset);
    if (o.count == 0) o.count = rows - o.first;
    if (o.batch_size < 1 || o.first < 0 || o.count < 0 || o.first > rows - o.count)
        return cj__fail(
            CJ_INVALID_ARGUMENT, "a loader of rows %lld to %lld in batches of %lld does not fit %lld rows",
            (long long)o.first, (long long)(o.first + o.count), (long long)o.batch_size, (long long)rows);
    CJ__TRY(check_lanes(&o));
    cj_loader *l = cj__allocate_zeroed(sizeof *l);
    if (!l) return cj__out_of_memory(sizeof *l, "a loader");
    l->o = o;
    l->ordered = l->lent = -1;
    cj_status status = cj__batch_maker_begin(&l->maker, &l->o);
    share_out(l);
    for (int i = 0; i < l->worker_count; i++) l->workers[i].loader = l;
    if (status == CJ_OK) status = make_loader(l);
    if (status == CJ_OK && l->slot_count > 1) start_threads(l);
    if (status != CJ_OK)
        cj_loader_free(l);
    else
        *loader = l;
    return status;
}

void cj_loader_free(cj_loader *loader)
{
    if (!loader) return;
    if (loader->running > 0) stop_threads(loader);
    for (int i = 0; i < loader->slot_count; i++) {
        cj__free(loader->slots[i].batch.x.data);
        cj__free(loader->slots[i].batch.y.data);
        cj__free(loader->slots[i].places);
    }
    for (int i = 0; i < loader->worker_count; i++) cj__free(loader->workers[i].scratch);
    cj__free(loader->order);
    cj__buckets_end(&loader->buckets);
    cj__free(loader);
}

int64_t cj_loader_steps(const cj_loader *loader)
{
    if (loader->by_length) return loader->buckets.steps;
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
    if (loader->running > 0) cut(loader);
}

cj_status cj_loader_status(const cj_loader *loader)
{
    const failure *f = &loader->failure;
    return f->status == CJ_OK ? CJ_OK : cj__fail(f->status, "%s", f->message);
}

/* A batch that the team copies, so many tasks. */
typedef struct {
    const cj_loader *loader;
    slot *slot;
    int64_t tasks;
} copying;

static void copy_examples(void *context, int64_t task, int thread)
{
    const copying *c = context;
    failure none;
    int64_t count = c->slot->batch.count;
    (void)thread;
    make_examples(c->loader, c->slot, count * task / c->tasks, count * (task + 1) / c->tasks, NULL, &none);
}

static slot *make_now(cj_loader *l)
{
    slot *s = &l->slots[0];
    begin(l, s, l->next);
    if (takes_work(l) || l->o.dataset->maker.draw) {
        make_examples(l, s, 0, s->batch.count, l->workers[0].scratch, &s->failure);
    } else {
        copying c = {l, s, 1 + (int64_t)(cj_tensor_bytes(&s->batch.x) / TASK_BYTES)};
        cj__team_run(c.tasks, copy_examples, &c);
    }
    if (s->failure.status == CJ_OK) finish(l, s, l->workers[0].scratch);
    return s;
}

bool cj_loader_next(cj_loader *loader, cj_batch *batch)
{
    loader->failure.status = CJ_OK;
    if (loader->next.step >= cj_loader_steps(loader)) {
        loader->next = (position){loader->next.epoch + 1, 0};
        return false;
    }
    slot *s = loader->running > 0 ? take_prepared(loader) : make_now(loader);
    *batch = s->batch;
    if (s->failure.status != CJ_OK) {
        loader->failure = s->failure;
        if (loader->running > 0) cut(loader);
        return false;
    }
    loader->next.step++;
    return true;
}
