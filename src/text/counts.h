/* How often each of many byte strings was met: words before a vocabulary is made of them. */
#ifndef CJ__COUNTS_H
#define CJ__COUNTS_H

#include "text/pieces.h"

/* Zero-initialise it. */
typedef struct {
    cj__pieces pieces;
    int64_t *times; /* [pieces.count] */
    int64_t room;
} cj__counts;

CJ_MUST_CHECK cj_status cj__counts_add(cj__counts *counts, const char *bytes, size_t size, int64_t times);
/* Those that were met at least so often, the commonest first, of equally common ones in ascending order of
 * their bytes; `*order` is to be freed. */
CJ_MUST_CHECK cj_status cj__counts_order(const cj__counts *counts, int64_t least, int64_t **order,
                                         int64_t *count);
void cj__counts_free(cj__counts *counts);

#endif
