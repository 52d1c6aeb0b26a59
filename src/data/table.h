/* A table inside: columns of numbers, or of words by their place in a sorted list. */
#ifndef CJ__TABLE_H
#define CJ__TABLE_H

#include "base/memory.h"
#define CJ_NO_LOCATIONS
#include "cajal/data.h"

typedef struct {
    char *name;
    double *numbers; /* [rows] a number, or the place of a word; NaN: missing */
    char **words;    /* [word_count] ascending, no two alike; NULL: a column of numbers */
    int64_t word_count;
} cj__column;

struct cj_table {
    char *path;
    char *text;  /* the file as it is */
    char *cells; /* the same, its fields unquoted and ended by zeros: names and words point here */
    size_t size;
    int64_t rows, column_count;
    cj__column *columns;
    cj__column **by_name; /* sorted, for finding */
    struct {
        int64_t line;    /* in the file, from 1 */
        size_t from, to; /* its bytes in `text`, without the line's end */
    } * places;          /* [rows] */
    char *header;        /* its line as it stands in `text`; NULL: the file has none */
    size_t header_size;
    char delimiter;
};

#endif
