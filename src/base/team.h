/* A team of threads that share out the tasks of one piece of work after another. The caller leads: it
 * publishes a piece, takes tasks like everybody else, and waits for no thread but those that are within a
 * task. So a thread that the system keeps from running costs nothing but its help. */
#ifndef CJ__TEAM_H
#define CJ__TEAM_H

#include "base/status.h"

/* Runs work(context, task, thread) for each task from 0 to tasks - 1, each once, and returns when all are
 * done; `thread` is 0 for the caller and below cj__team_size() for all. If the team is busy with somebody
 * else's work, the caller does it alone. Which thread takes which task is left to chance. */
void cj__team_run(int64_t tasks, void (*work)(void *context, int64_t task, int thread), void *context);
/* Starts or stops threads so that there are `threads` (the caller included; below 1: as CAJAL_THREADS says,
 * else one a processor). */
CJ_MUST_CHECK cj_status cj__team_resize(int threads);
int cj__team_size(void);

#endif
