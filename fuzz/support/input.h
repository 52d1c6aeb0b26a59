/* What fuzz targets share: readers that want a path get one to memory, and files of tensors are read the same
 * way whatever their format. */
#ifndef CJ_FUZZ_INPUT_H
#define CJ_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A path under which the bytes can be opened and read, until the next call. */
const char *fuzz_path(const void *data, size_t size);
/* A folder that holds, as `name`, what `fuzz_path` was last given: the same folder each time. Other files in
 * it stay until the program ends. */
const char *fuzz_folder(const char *name);
/* Opened, every tensor described and read, every name found again. */
void fuzz_tensors(const uint8_t *data, size_t size);

#endif
