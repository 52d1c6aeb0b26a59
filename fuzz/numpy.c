/* Any bytes as a .npy or .npz file: its tensors, and a data set made of them. */
#include "support/input.h"

#include "cajal/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj_dataset *parts[3];
    fuzz_tensors(data, size);
    if (cj_dataset_read_npz(fuzz_path(data, size), &parts[0], &parts[1], &parts[2]) != CJ_OK) return 0;
    for (int i = 0; i < 3; i++) {
        cj_tensor x, y;
        if (cj_dataset_count(parts[i]) > 0) cj_dataset_row(parts[i], cj_dataset_count(parts[i]) - 1, &x, &y);
        if (parts[i] && cj_dataset_classes(parts[i]) < 0) abort();
        cj_dataset_free(parts[i]);
    }
    return 0;
}
