/* The thread team: each task once, whatever the number of threads and of tasks, also when threads come late,
 * when others want the team, and when the numbers of pieces begin again.
 *
 * labels: threads */
#include "support.h"

#include "base/team.c" /* its numbers are set by hand here */

#include <string.h>

enum { MOST_TASKS = 300 };

typedef struct {
    _Atomic int done[MOST_TASKS];
    _Atomic int strangers; /* tasks done by threads that there should not be */
    int threads, work;
} tally;

static void count_task(void *context, int64_t task, int thread)
{
    tally *t = context;
    if (thread < 0 || thread >= t->threads) atomic_fetch_add(&t->strangers, 1);
    for (volatile int i = 0; i < t->work; i++) continue;
    atomic_fetch_add(&t->done[task], 1);
}

/* Runs `tasks` tasks and demands that each has been done once. */
static void run_once(tally *t, int64_t tasks)
{
    for (int64_t i = 0; i < tasks; i++) atomic_store(&t->done[i], 0);
    cj__team_run(tasks, count_task, t);
    for (int64_t i = 0; i < tasks; i++)
        if (atomic_load(&t->done[i]) != 1)
            fail_msg("task %d of %d was done %d times", (int)i, (int)tasks, atomic_load(&t->done[i]));
    assert_int_equal(atomic_load(&t->strangers), 0);
}

static void test_each_task_once(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 9, 4, 1, 2};
    for (size_t k = 0; k < sizeof threads / sizeof *threads; k++) {
        expect_ok(cj__team_resize(threads[k]));
        assert_int_equal(cj__team_size(), threads[k]);
        tally t = {.threads = threads[k]};
        for (int64_t tasks = 0; tasks < MOST_TASKS; tasks += 1 + tasks / 7) {
            t.work = tasks % 3 == 0 ? 2000 : 0;
            run_once(&t, tasks);
        }
    }
    expect_ok(cj__team_resize(2));
}

/* Pieces so small that most threads come when they are over, and find another with other ranges. */
static void test_late_threads(void **state)
{
    (void)state;
    expect_ok(cj__team_resize(5));
    tally t = {.threads = 5};
    for (int i = 0; i < 20000; i++) run_once(&t, 2 + i % 11);
    expect_ok(cj__team_resize(2));
}

static _Atomic int64_t sum;

static void add_task(void *context, int64_t task, int thread)
{
    (void)context;
    (void)thread;
    atomic_fetch_add(&sum, task);
}

/* More tasks than a range can count one by one. */
static void test_many_tasks(void **state)
{
    (void)state;
    expect_ok(cj__team_resize(3));
    static const int64_t counts[] = {65536 * 3 - 1, 65536 * 3 + 1, 1000003};
    for (int i = 0; i < 3; i++) {
        atomic_store(&sum, 0);
        cj__team_run(counts[i], add_task, NULL);
        assert_int_equal(atomic_load(&sum), counts[i] * (counts[i] - 1) / 2);
    }
    expect_ok(cj__team_resize(2));
}

/* Sleeping threads are woken, and a caller that sleeps too. */
static void test_sleep(void **state)
{
    (void)state;
    expect_ok(cj__team_resize(3));
    tally t = {.threads = 3, .work = 1000000};
    for (int i = 0; i < 5; i++) {
        usleep(3000);
        run_once(&t, 4);
    }
    expect_ok(cj__team_resize(2));
}

static void test_numbers_begin_again(void **state)
{
    (void)state;
    expect_ok(cj__team_resize(4));
    tally t = {.threads = 4};
    run_once(&t, 40);
    atomic_store(&team.ranges[3].claimed, (uint64_t)2 << 32 | 7); /* as piece 2 left it, 2^31 pieces ago */
    atomic_store(&team.number, UINT32_MAX - 20);
    for (int i = 0; i < 40; i++) run_once(&t, 3 + i % 20);
    assert_true(atomic_load(&team.number) < 100);
    expect_ok(cj__team_resize(2));
}

static void *rival(void *argument)
{
    tally *t = argument;
    for (int i = 0; i < 3000; i++) run_once(t, 1 + i % 40);
    return NULL;
}

static void test_two_callers(void **state)
{
    (void)state;
    expect_ok(cj__team_resize(3));
    static tally tallies[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        memset(&tallies[i], 0, sizeof tallies[i]);
        tallies[i].threads = 3;
        assert_int_equal(pthread_create(&threads[i], NULL, rival, &tallies[i]), 0);
    }
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    expect_ok(cj__team_resize(2));
}

static void nested(void *context, int64_t task, int thread)
{
    (void)thread;
    tally *t = (tally *)context + task;
    run_once(t, 9);
}

/* A task that wants the team itself works alone. */
static void test_nested(void **state)
{
    (void)state;
    static tally tallies[4];
    expect_ok(cj__team_resize(2));
    for (int i = 0; i < 4; i++) tallies[i].threads = 1;
    cj__team_run(4, nested, tallies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_task_once),
        cmocka_unit_test(test_late_threads),
        cmocka_unit_test(test_many_tasks),
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_numbers_begin_again),
        cmocka_unit_test(test_two_callers),
        cmocka_unit_test(test_nested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
