/* Any bytes as a checkpoint of llama2.c: opened, every tensor described and read, every name found again. */
#include "support/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_tensors(data, size);
    return 0;
}
