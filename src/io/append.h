/* Files that only grow, a record at a time: the logs of a run. A record is there whole or not at all, so that
 * a full disk or a kill costs the last record and never an earlier one. */
#ifndef CJ__APPEND_H
#define CJ__APPEND_H

#include "base/status.h"

/* Zero-initialise it; closing it again then does nothing. */
typedef struct {
    char *path; /* NULL while closed */
    int file;
    uint64_t size; /* bytes of whole records */
} cj__append;

/* Opens the file at its end; makes it when it is missing. */
CJ_MUST_CHECK cj_status cj__append_open(cj__append *append, const char *path);
/* Up to `room` bytes from `offset` on; `*got` is less only at the end of the file. */
CJ_MUST_CHECK cj_status cj__append_read(const cj__append *append, uint64_t offset, void *data, size_t room,
                                        size_t *got);
/* Forgets everything from `size` on: what a kill has left of a record. */
CJ_MUST_CHECK cj_status cj__append_cut(cj__append *append, uint64_t size);
CJ_MUST_CHECK cj_status cj__append_record(cj__append *append, const void *data, size_t size);
void cj__append_close(cj__append *append);

#endif
