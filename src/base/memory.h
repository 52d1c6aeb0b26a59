/* The one way to get memory, and arenas over it. Blocks are aligned to 64 bytes (a cache line, and the
 * widest vector). */
#ifndef CJ__MEMORY_H
#define CJ__MEMORY_H

#include "base/status.h"

/* NULL when out of memory (and when size is 0 for resize). The block is not cleared. */
void *cj__allocate(size_t size);
void *cj__allocate_zeroed(size_t size);
void *cj__resize(void *block, size_t size);
void cj__free(void *block);
char *cj__copy_string(const char *text);
/* So many bytes up to the end of a line, where what is laid out behind them may begin. */
static inline size_t cj__whole_lines(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}
/* Bytes this thread has taken less those it has given back: what lies between two calls, others' work aside.
 */
int64_t cj__thread_bytes(void);

/* Room for one more element in a growing array: doubles `*capacity` when `count` has reached it. */
cj_status cj__grow(void *array_address, int64_t *capacity, int64_t count, size_t element_size);

/* An arena hands out cleared memory that is freed as a whole. Zero-initialise it. */
typedef struct {
    struct cj__arena_block *blocks;
    size_t used, size; /* of the first block */
} cj__arena;

void *cj__arena_allocate(cj__arena *arena, size_t size); /* zeroed, 16-byte aligned; NULL: out of memory */
void *cj__arena_copy(cj__arena *arena, const void *data, size_t size);
char *cj__arena_string(cj__arena *arena, const char *text);
char *cj__arena_format(cj__arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cj__arena_free(cj__arena *arena);

#endif
