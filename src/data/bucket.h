/* Batches by length: rows of about one length go together, so that little of a batch is padding. Which
 * batches there are depends on the rows alone; which rows are in them, and in what order they come, on the
 * epoch. */
#ifndef CJ__BUCKET_H
#define CJ__BUCKET_H

#include "data/dataset.h"

typedef struct {
    int64_t start, count; /* rows of the epoch's order */
    int64_t width;        /* what the last axis of x is cut to */
} cj__span;

typedef struct {
    const cj_dataset *data;
    int64_t batch_size, steps; /* batches an epoch */
    cj__span *spans;           /* [steps] from the shortest on */
    int64_t *turns;            /* [steps] which of them comes when */
    int64_t *sorted;           /* [rows] room */
    int64_t *counts;           /* [classes of width + 1] room */
    int64_t classes;
} cj__buckets;

/* Of rows `first` to `first + count - 1` of a dataset whose rows have lengths. */
CJ_MUST_CHECK cj_status cj__buckets_begin(cj__buckets *buckets, const cj_dataset *data, int64_t first,
                                          int64_t count, int64_t batch_size);
void cj__buckets_end(cj__buckets *buckets);
/* Sorts the epoch's rows by width, those of one width staying in order, and shuffles the batches where the
 * key is not 0. */
void cj__buckets_arrange(cj__buckets *buckets, int64_t *rows, int64_t count, uint64_t key, uint64_t epoch);

#endif
