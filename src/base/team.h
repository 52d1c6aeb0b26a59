/* A team of threads that walk one piece of work together. The caller is thread 0. */
#ifndef CJ__TEAM_H
#define CJ__TEAM_H

#include "base/status.h"

/* Runs work(context, thread, threads) on every thread at once and returns when all have. If the team is busy
 * with somebody else's work, the caller does it alone, as thread 0 of 1. */
void cj__team_run(void (*work)(void *context, int thread, int threads), void *context);
/* Waits until all threads of the running work have come here: a short spin, then sleep. Only within work. */
void cj__team_barrier(int threads);
/* Starts or stops threads so that there are `threads` (at least 1, the caller included). */
CJ_MUST_CHECK cj_status cj__team_resize(int threads);
int cj__team_size(void);

#endif
