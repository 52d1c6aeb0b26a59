/* Preprocessing inside: what was learnt of each column, to be applied, written and read. */
#ifndef CJ__PREPROCESSING_H
#define CJ__PREPROCESSING_H

#include "base/text.h"
#include "data/table.h"

typedef struct {
    const char *name;
    bool categorical;
    /* a number x becomes (x - shift) · scale; a missing one `fill` first */
    double shift, scale, fill;
    bool indicator; /* and one more number: whether it was missing */
    /* a category becomes 1 in its place; numbers are written as text */
    const char **values;
    int64_t value_count;
} cj__plan;

struct cj_preprocessing {
    cj__arena arena;
    const char *target;
    const char **classes; /* NULL: the target is a number */
    int64_t class_count;
    cj__plan *plans;
    int64_t plan_count;
};

enum { CJ__CATEGORY_TEXT = CJ__NUMBER_TEXT };
/* What stands in a cell as text, numbers in the fewest digits; NULL where it is missing. */
const char *cj__cell_text(const cj_table *table, int64_t row, int64_t column, char room[CJ__CATEGORY_TEXT]);

#endif
