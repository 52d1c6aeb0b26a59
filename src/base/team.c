/* The thread team: workers sleep on a futex between pieces of work, and spin a little before they do. */
#include "base/team.h"
#include "base/memory.h"

#include <linux/futex.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 256, SPINS = 4000 };

static struct {
    pthread_t threads[MOST];
    int size; /* the caller included; 0: not decided yet */
    atomic_flag busy;
    _Atomic uint32_t round;         /* raised for each piece of work */
    _Atomic uint32_t arrived, gate; /* the barrier: who has come, and its generation */
    _Atomic int stop;               /* threads from this number on leave */
    void (*work)(void *, int, int);
    void *context;
} team = {.busy = ATOMIC_FLAG_INIT, .stop = INT_MAX};

static void pause_a_little(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Returns once *word is no longer `old`. */
static void wait_while(_Atomic uint32_t *word, uint32_t old)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old) return;
        pause_a_little();
    }
    while (atomic_load(word) == old) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
}

static void raise_word(_Atomic uint32_t *word)
{
    atomic_fetch_add(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void cj__team_barrier(int threads)
{
    if (threads == 1) return;
    uint32_t gate = atomic_load(&team.gate);
    if (atomic_fetch_add(&team.arrived, 1) + 1 == (uint32_t)threads) {
        atomic_store(&team.arrived, 0);
        raise_word(&team.gate);
    } else {
        wait_while(&team.gate, gate);
    }
}

typedef struct {
    int thread;
    uint32_t round; /* the last one before it was started */
} start;

static void *worker(void *argument)
{
    start s = *(start *)argument;
    free(argument);
    for (;;) {
        wait_while(&team.round, s.round);
        s.round++;
        if (s.thread >= atomic_load(&team.stop)) return NULL;
        team.work(team.context, s.thread, team.size);
        cj__team_barrier(team.size);
    }
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
    team.size = size;
    /* An empty piece of work lets every thread look at `stop`; those that stay meet at the barrier. */
    raise_word(&team.round);
    for (int i = size; i < old; i++) pthread_join(team.threads[i], NULL);
    cj__team_barrier(size);
    atomic_store(&team.stop, INT_MAX);
}

static void nothing(void *context, int thread, int threads)
{
    (void)context, (void)thread, (void)threads;
}

static cj_status grow_to(int size)
{
    while (team.size < size) {
        start *s = malloc(sizeof *s); /* freed by the thread, perhaps after the allocator hook has changed */
        if (!s) return cj__out_of_memory(sizeof *s, "a thread");
        *s = (start){team.size, atomic_load(&team.round)};
        if (pthread_create(&team.threads[team.size], NULL, worker, s) != 0) {
            free(s);
            return cj__fail(CJ_OUT_OF_MEMORY, "the system refused thread %d of %d", team.size + 1, size);
        }
        team.size++;
    }
    return CJ_OK;
}

cj_status cj__team_resize(int threads)
{
    int size = threads < 1 ? wanted_size() : threads > MOST ? MOST : threads;
    if (atomic_flag_test_and_set(&team.busy)) return cj__fail(CJ_INVALID_ARGUMENT, "the threads are at work");
    if (team.size == 0) team.size = 1;
    team.work = nothing;
    stop_from(size);
    cj_status status = grow_to(size);
    atomic_flag_clear(&team.busy);
    return status;
}

int cj__team_size(void)
{
    return team.size ? team.size : wanted_size();
}

void cj__team_run(void (*work)(void *, int, int), void *context)
{
    if (atomic_flag_test_and_set(&team.busy)) {
        work(context, 0, 1);
        return;
    }
    if (team.size == 0) {
        team.size = 1;
        if (grow_to(wanted_size()) != CJ_OK && team.size < 1) team.size = 1;
    }
    team.work = work;
    team.context = context;
    if (team.size > 1) raise_word(&team.round);
    work(context, 0, team.size);
    cj__team_barrier(team.size);
    atomic_flag_clear(&team.busy);
}
