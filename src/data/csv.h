/* CSV text into fields: csv.c reads them, table.c makes columns of them. */
#ifndef CJ__CSV_H
#define CJ__CSV_H

#include "data/table.h"

typedef struct {
    char *text; /* in the table's cells, ended by a zero */
    bool quoted;
} cj__field;

typedef struct {
    cj__field *list; /* row by row, the header first where there is one */
    int64_t count, room, place_room;
} cj__fields;

/* Reads options->path into text, cells, places, rows and column_count of the table. */
CJ_MUST_CHECK cj_status cj__csv_read(cj_table *table, const cj_csv_options *options, cj__fields *fields);

#endif
