/* Any bytes as an IDX file, plain or compressed: whole, and its first three rows. */
#include "support/input.h"

#include "base/memory.h"
#include "data/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int64_t most[] = {INT64_MAX, 3};
    const char *path = fuzz_path(data, size);
    for (int i = 0; i < 2; i++) {
        cj_tensor tensor;
        if (cj__idx_read(&tensor, path, most[i]) != CJ_OK) continue;
        if (!tensor.data || tensor.shape.dims[0] > most[i]) abort();
        cj__free(tensor.data);
    }
    return 0;
}
