/* A dataset inside: two owned tensors. */
#ifndef CJ__DATASET_H
#define CJ__DATASET_H

#include "base/memory.h"
#include "base/shape.h"
#define CJ_NO_LOCATIONS
#include "cajal/data.h"

struct cj_dataset {
    cj_tensor x, y;
};

/* One IDX file into an owned tensor of u8; free its data with cj__free. */
CJ_MUST_CHECK cj_status cj__idx_read(cj_tensor *tensor, const char *path);

#endif
