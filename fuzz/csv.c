/* Any bytes as a CSV file: with a header and without, its lines and cells looked at, and its last column
 * learnt from the others, as a class and as a number. */
#include "support/input.h"

#include "cajal/data.h"

#include <string.h>

static void look(const cj_table *table)
{
    for (int64_t row = -1; row < cj_table_rows(table); row++) {
        size_t size;
        const char *line = cj_table_line(table, row, &size);
        if (line && memchr(line, 0, size)) abort();
    }
    for (int64_t c = 0; c < cj_table_columns(table); c++) {
        if (cj_table_find(table, cj_table_name(table, c)) != c) abort();
        for (int64_t row = 0; row < cj_table_rows(table); row++)
            if (cj_table_word(table, row, c) && cj_table_number(table, row, c) == 0) abort();
    }
}

static void prepare(const cj_table *table, bool target_is_number, int scaling)
{
    cj_preprocessing *made;
    cj_dataset *data;
    cj_preprocessing_options options = {.size = sizeof options,
                                        .table = table,
                                        .split = {.size = sizeof options.split, .validation = 0.2},
                                        .target = cj_table_name(table, cj_table_columns(table) - 1),
                                        .target_is_number = target_is_number,
                                        .categories = cj_table_name(table, 0),
                                        .scaling = (cj_scaling)scaling,
                                        .missing_indicators = true};
    if (cj_preprocessing_fit(&made, &options) != CJ_OK) return;
    if (cj_preprocessing_apply(made, table, true, &data) == CJ_OK) {
        if (cj_dataset_count(data) != cj_table_rows(table)) abort();
        cj_dataset_free(data);
    }
    cj_preprocessing_free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj_csv_options options = {.size = sizeof options, .path = fuzz_path(data, size)};
    for (int i = 0; i < 3; i++) {
        cj_table *table;
        options.no_header = i == 1;
        options.delimiter = i == 2 ? ';' : 0;
        if (cj_table_read_csv(&table, &options) != CJ_OK) continue;
        look(table);
        prepare(table, i == 1, i);
        cj_table_free(table);
    }
    return 0;
}
