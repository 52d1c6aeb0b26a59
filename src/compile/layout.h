/* Where the intermediate values of a scheduled program lie in its slab. */
#ifndef CJ__LAYOUT_H
#define CJ__LAYOUT_H

#include "compile/program.h"

/* last_use: by buffer, the last group that reads it. Sets the offsets of all buffers in the slab, and its
 * size. */
CJ_MUST_CHECK cj_status cj__lay_out(cj_program *program, const int32_t *last_use);
/* Bytes that a buffer takes, a multiple of what every buffer is aligned to. */
size_t cj__buffer_bytes(const cj__buffer *buffer);

#endif
