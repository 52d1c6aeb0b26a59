/* Any bytes as the log of a run: what `cajal runs` tells of it, and the report with its curves. */
#include "support/input.h"

#include "cajal/report.h"
#include "cajal/train.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj_run_info info;
    const char *folder = fuzz_folder("log.jsonl");
    fuzz_path(data, size);
    cj_status status = cj_run_read(folder, &info);
    cj_status report = cj_run_report(folder, &(cj_run_report_options){.size = sizeof(cj_run_report_options)});
    if (status != report) abort();
    return 0;
}
