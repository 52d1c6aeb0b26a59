/* Any bytes as a PyTorch file, archive or stream: opened, every tensor read, every name found again. */
#include "cajal/io.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj_tensor_file *file;
    if (cj_tensor_file_open_memory(&file, data, size, "fuzz") != CJ_OK) return 0;
    for (int64_t i = 0; i < cj_tensor_file_count(file); i++) {
        cj_tensor tensor;
        cj_status status = cj_tensor_file_tensor(file, i, &tensor);
        if (status == CJ_OK && cj_shape_count(tensor.shape) > 0 && !tensor.data) abort();
        if (cj_tensor_file_find(file, cj_tensor_file_name(file, i)) != i) abort();
    }
    cj_tensor_file_metadata(file, "format");
    cj_tensor_file_close(file);
    return 0;
}
