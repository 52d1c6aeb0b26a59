/* What a run's folder records while training goes on: log.jsonl for everything, an event file for
 * TensorBoard. */
#ifndef CJ__RUN_LOG_H
#define CJ__RUN_LOG_H

#include "io/events.h"
#include "io/jsonl.h"
#include "train/state.h"

/* Zero-initialise it. */
typedef struct {
    bool open;
    cj__jsonl log;
    cj__events events;
} cj__run_log;

/* Opens both, with what was written after the state's checkpoint cut off. */
CJ_MUST_CHECK cj_status cj__run_log_open(cj__run_log *log, const char *folder, const cj__fit_state *state);
CJ_MUST_CHECK cj_status cj__run_log_begin(cj__run_log *log, const char *name, const cj_progress *progress);
CJ_MUST_CHECK cj_status cj__run_log_epoch(cj__run_log *log, const cj_progress *progress);
CJ_MUST_CHECK cj_status cj__run_log_note(cj__run_log *log, const cj_progress *progress);
CJ_MUST_CHECK cj_status cj__run_log_end(cj__run_log *log, const cj_progress *progress);
/* Into the state: how long the files are now. */
void cj__run_log_mark(const cj__run_log *log, cj__fit_state *state);
void cj__run_log_close(cj__run_log *log);

#endif
