/* The thread team. Each thread has a range of tasks of its own, takes them one by one, and then helps with
 * the ranges of the others. Between pieces of work threads spin a little and then sleep on a futex.
 *
 * A thread may come late: it has read what the piece of work is, and meanwhile that piece is finished and
 * another has begun. So pieces are numbered, the number is odd while one is being replaced by the next, and a
 * task is claimed by exchanging a word that holds the number of the piece as well. */
#include "base/team.h"

#include <linux/futex.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 256, SPINS = 4000, LINE = 64 };

typedef void (*team_work)(void *context, int64_t task, int thread);

/* The piece of work at hand, as one thread knows it. */
typedef struct {
    uint32_t number;
    int threads;
    int64_t tasks, chunk; /* chunk: tasks claimed at a time */
    team_work work;
    void *context;
} piece;

/* How far a thread's range has been claimed: the piece's number in the upper half, below it how many chunks
 * its owner has taken from the front (16 bits) and how many others have from the back (16 bits). So from one
 * run of a program to the next a thread mostly does the same, and finds its results in its cache. */
typedef struct {
    _Alignas(LINE) _Atomic uint64_t claimed;
} range;

static struct {
    pthread_t threads[MOST];
    int size; /* the caller included; 0: not decided yet */
    atomic_flag busy;
    _Atomic int stop;                       /* threads from this number on leave */
    _Alignas(LINE) _Atomic uint32_t number; /* of the piece at hand; odd: none is */
    _Atomic int sharing;                    /* threads with a range in it */
    _Atomic int64_t tasks;
    _Atomic(team_work) work;
    _Atomic(void *) context;
    _Atomic uint32_t asleep;              /* threads that wait for the next piece, or will in a moment */
    _Alignas(LINE) _Atomic uint32_t done; /* tasks done by others than the caller */
    _Atomic uint32_t caller_asleep;
    range ranges[MOST];
} team = {.busy = ATOMIC_FLAG_INIT, .stop = INT_MAX, .number = 1};

static void pause_a_little(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Returns once *word is no longer `old`. Who wakes looks at `asleep` after changing the word, and who falls
 * asleep looks at the word after raising `asleep`: one of them sees the other. */
static void wait_while(_Atomic uint32_t *word, uint32_t old, _Atomic uint32_t *asleep)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old) return;
        pause_a_little();
    }
    atomic_fetch_add(asleep, 1);
    while (atomic_load(word) == old) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    atomic_fetch_sub(asleep, 1);
}

static void wake(_Atomic uint32_t *word, _Atomic uint32_t *asleep)
{
    if (atomic_load(asleep)) syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* --- tasks --------------------------------------------------------------------------------------------- */

/* So large that the chunks of a range can be counted in 15 bits. */
static int64_t chunk_of(int64_t tasks, int threads)
{
    return 1 + tasks / ((int64_t)threads << 15);
}

static int64_t chunks_of(int64_t tasks, int64_t chunk)
{
    return (tasks + chunk - 1) / chunk;
}

/* The next chunk of thread `owner`'s range, from its front for itself and from the back for others; -1 when
 * all are claimed or the piece is no longer at hand. */
static int64_t claim(const piece *p, int owner, bool own)
{
    int64_t chunks = chunks_of(p->tasks, p->chunk);
    int64_t first = chunks * owner / p->threads, count = chunks * (owner + 1) / p->threads - first;
    _Atomic uint64_t *word = &team.ranges[owner].claimed;
    uint64_t seen = atomic_load_explicit(word, memory_order_acquire);
    while (count > 0) {
        bool fresh = seen >> 32 != p->number; /* nobody has claimed of this piece's range: if it is at hand */
        if (fresh && atomic_load(&team.number) != p->number) return -1;
        int64_t front = fresh ? 0 : (int64_t)(seen >> 16 & 0xffff),
                back = fresh ? 0 : (int64_t)(seen & 0xffff);
        if (front + back >= count) return -1;
        uint64_t next = (uint64_t)p->number << 32 | (uint64_t)(front + own) << 16 | (uint64_t)(back + !own);
        if (atomic_compare_exchange_weak(word, &seen, next)) return first + (own ? front : count - 1 - back);
    }
    return -1;
}

/* Works through one range; returns how many of its tasks this thread did. */
static uint32_t work_through(const piece *p, int owner, int thread)
{
    uint32_t done = 0;
    for (int64_t chunk; (chunk = claim(p, owner, owner == thread)) >= 0;) {
        int64_t end = (chunk + 1) * p->chunk;
        for (int64_t task = chunk * p->chunk; task < end && task < p->tasks; task++, done++)
            p->work(p->context, task, thread);
    }
    return done;
}

static void tell_done(uint32_t done)
{
    if (!done) return;
    atomic_fetch_add(&team.done, done);
    wake(&team.done, &team.caller_asleep);
}

/* Its own range, then what is left of the others'. */
static void help(const piece *p, int thread)
{
    for (int i = 0; i < p->threads; i++) tell_done(work_through(p, (thread + i) % p->threads, thread));
}

/* What piece `number` is; false if it is over. */
static bool look_at(uint32_t number, piece *p)
{
    p->number = number;
    p->threads = atomic_load_explicit(&team.sharing, memory_order_acquire);
    p->tasks = atomic_load_explicit(&team.tasks, memory_order_acquire);
    p->chunk = chunk_of(p->tasks, p->threads);
    p->work = atomic_load_explicit(&team.work, memory_order_acquire);
    p->context = atomic_load_explicit(&team.context, memory_order_acquire);
    return atomic_load(&team.number) == number;
}

/* Numbers come again after 2^31 pieces: no range may still hold one. */
static void forget_ranges(void)
{
    for (int i = 0; i < MOST; i++) atomic_store(&team.ranges[i].claimed, 0);
}

/* Numbers of pieces are even; 0 is what ranges begin with, and no piece's. */
static void publish(piece *p)
{
    p->number = atomic_load_explicit(&team.number, memory_order_relaxed) + 1;
    if (p->number == 0) {
        forget_ranges();
        p->number = 2;
    }
    atomic_store_explicit(&team.sharing, p->threads, memory_order_release);
    atomic_store_explicit(&team.tasks, p->tasks, memory_order_release);
    atomic_store_explicit(&team.work, p->work, memory_order_release);
    atomic_store_explicit(&team.context, p->context, memory_order_release);
    atomic_store_explicit(&team.done, 0, memory_order_release);
    atomic_store(&team.number, p->number);
    wake(&team.number, &team.asleep);
}

static void wait_for_done(uint32_t wanted)
{
    uint32_t done;
    while ((done = atomic_load(&team.done)) != wanted) wait_while(&team.done, done, &team.caller_asleep);
}

static void lead(piece *p)
{
    uint32_t done = 0;
    publish(p);
    for (int i = 0; i < p->threads; i++) done += work_through(p, i, 0);
    wait_for_done((uint32_t)p->tasks - done);
    atomic_store(&team.number, p->number + 1);
}

/* --- threads ------------------------------------------------------------------------------------------- */

static void *worker(void *argument)
{
    int thread = (int)(intptr_t)argument;
    uint32_t number = 1;
    piece p;
    while (thread < atomic_load(&team.stop)) {
        if (number % 2 == 0 && look_at(number, &p) && thread < p.threads) help(&p, thread);
        wait_while(&team.number, number, &team.asleep);
        number = atomic_load(&team.number);
    }
    return NULL;
}

static int wanted_size(void)
{
    const char *text = getenv("CAJAL_THREADS");
    long number = text ? strtol(text, NULL, 10) : 0;
    if (number < 1) number = sysconf(_SC_NPROCESSORS_ONLN);
    return number < 1 ? 1 : number > MOST ? MOST : (int)number;
}

static void stop_from(int size)
{
    int old = team.size;
    if (old <= size) return;
    atomic_store(&team.stop, size);
    forget_ranges();
    atomic_fetch_add(&team.number, 2); /* no piece, but a reason to look at `stop` */
    wake(&team.number, &team.asleep);
    for (int i = size; i < old; i++) pthread_join(team.threads[i], NULL);
    atomic_store(&team.stop, INT_MAX);
    team.size = size;
}

static cj_status grow_to(int size)
{
    while (team.size < size) {
        if (pthread_create(&team.threads[team.size], NULL, worker, (void *)(intptr_t)team.size) != 0)
            return cj__fail(CJ_OUT_OF_MEMORY, "the system refused thread %d of %d", team.size + 1, size);
        team.size++;
    }
    return CJ_OK;
}

cj_status cj__team_resize(int threads)
{
    int size = threads < 1 ? wanted_size() : threads > MOST ? MOST : threads;
    if (atomic_flag_test_and_set(&team.busy)) return cj__fail(CJ_INVALID_ARGUMENT, "the threads are at work");
    if (team.size == 0) team.size = 1;
    stop_from(size);
    cj_status status = grow_to(size);
    atomic_flag_clear(&team.busy);
    return status;
}

int cj__team_size(void)
{
    return team.size ? team.size : wanted_size();
}

/* The first piece of work decides on the number of threads if nobody has. */
static void have_threads(void)
{
    if (team.size > 0) return;
    team.size = 1;
    if (grow_to(wanted_size()) != CJ_OK && team.size < 1) team.size = 1;
}

void cj__team_run(int64_t tasks, team_work work, void *context)
{
    if (tasks <= 1 || atomic_flag_test_and_set(&team.busy)) {
        for (int64_t i = 0; i < tasks; i++) work(context, i, 0);
        return;
    }
    have_threads();
    piece p = {0, team.size, tasks, chunk_of(tasks, team.size), work, context};
    if (p.threads > 1 && tasks <= UINT32_MAX)
        lead(&p);
    else
        for (int64_t i = 0; i < tasks; i++) work(context, i, 0);
    atomic_flag_clear(&team.busy);
}
