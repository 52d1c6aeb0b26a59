/* The rows of each part of a split, for whatever has rows: datasets and tables. */
#ifndef CJ__DATA_SPLIT_H
#define CJ__DATA_SPLIT_H

#include "base/status.h"
#define CJ_NO_LOCATIONS
#include "cajal/data.h"

enum { CJ__PARTS = 3 }; /* training, validation, test */

typedef struct {
    int64_t first, count;
    int64_t *rows; /* [count], ascending; NULL: count rows from first on */
} cj__part;

/* `labels` [rows] are wanted for stratified splits alone. cj__split_free is due whether it fails or not. */
CJ_MUST_CHECK cj_status cj__split(cj__part parts[CJ__PARTS], const cj_split_options *options, int64_t rows,
                                  const double *labels);
void cj__split_free(cj__part parts[CJ__PARTS]);

#endif
