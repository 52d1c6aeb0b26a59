/* The file format of weights and checkpoints inside: 8 bytes of length, a JSON header of that length, then
 * the elements, little-endian, tensor after tensor without gaps.
 * https://github.com/huggingface/safetensors#format */
#ifndef CJ__SAFETENSORS_H
#define CJ__SAFETENSORS_H

#include "base/status.h"

#define CJ__HEADER_LIMIT ((uint64_t)100 << 20) /* as in the reference implementation */

/* How an element type is written in files, and what reading makes of it. */
typedef struct {
    const char *name; /* "F32" */
    size_t size;      /* bytes of one element in the file */
    bool readable;
    cj_dtype dtype; /* in memory */
    /* Where `dtype` is wider: widens `count` elements; `from` may be the tail of `to`. */
    void (*widen)(void *to, const void *from, int64_t count);
} cj__stored_type;

const cj__stored_type *cj__stored_type_named(const char *name); /* NULL: not known */
const cj__stored_type *cj__stored_type_of(cj_dtype dtype);

/* Reverses the bytes of each element. */
void cj__swap_elements(void *data, int64_t count, size_t size);
/* Elements that lie `strides` elements apart along each dimension, one after another. */
void cj__gather_elements(char *to, const char *from, cj_shape_t shape, const int64_t *strides, size_t size);

#endif
