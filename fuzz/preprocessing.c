/* Any bytes as the preprocessing beside a run's weights, applied to a small table. */
#include "support/input.h"

#include "cajal/data.h"

static cj_table *make_table(void)
{
    static const char text[] = "age,kind,class\n1,red,a\n2.5,blue,b\n,green,a\n-3e300,,b\n";
    cj_table *table;
    cj_csv_options options = {.size = sizeof options, .path = fuzz_path(text, sizeof text - 1)};
    if (cj_table_read_csv(&table, &options) != CJ_OK) abort();
    return table;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj_preprocessing *made;
    if (cj_preprocessing_load(&made, fuzz_path(data, size)) != CJ_OK) return 0;
    cj_table *table = make_table();
    for (int with_target = 0; with_target < 2; with_target++) {
        cj_dataset *set;
        if (cj_preprocessing_apply(made, table, with_target, &set) == CJ_OK) cj_dataset_free(set);
    }
    for (int64_t i = 0; i < cj_preprocessing_classes(made); i++)
        if (!cj_preprocessing_class(made, i)) abort();
    cj_table_free(table);
    cj_preprocessing_free(made);
    return 0;
}
