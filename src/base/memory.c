/* The allocator hook, its counters, and arenas. Every byte the library owns passes through here, so peak
 * memory can be promised and each allocation can be made to fail in tests. */
#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20 };

/* The address sanitizer is told that what is left over behind a block belongs to nobody. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(SANITIZED)
#include <sanitizer/asan_interface.h>
#define FORBID(from, size) __asan_poison_memory_region(from, size)
#define ALLOW(from, size)  __asan_unpoison_memory_region(from, size)
#else
#define FORBID(from, size) ((void)(from), (void)(size))
#define ALLOW(from, size)  ((void)(from), (void)(size))
#endif

/* Stands in the 64 bytes before each block. */
typedef struct {
    void *raw;       /* what the hook returned */
    size_t raw_size; /* what the hook was asked for */
    size_t size;     /* what the caller asked for */
} header;

/* Where the system gives pages of 2 MB only to who asks, large blocks ask: with those of 4 KB, operands of
 * some megabytes have more pages than the processor keeps addresses of, and products wait for page tables. */
static void ask_for_huge_pages(void *block, size_t size)
{
#ifdef MADV_HUGEPAGE
    uintptr_t start = (uintptr_t)block;
    uintptr_t first = (start + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE,
              end = (start + size) / HUGE_PAGE * HUGE_PAGE;
    if (first < end) madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
    (void)block, (void)size;
#endif
}

static void *default_reallocate(void *context, void *pointer, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size == 0) {
        free(pointer);
        return NULL;
    }
    void *block = realloc(pointer, new_size);
    if (block) ask_for_huge_pages(block, new_size);
    return block;
}

static cj_allocator hook = {default_reallocate, NULL};
static _Atomic uint64_t allocations, live_bytes, peak_bytes;
static _Thread_local int64_t thread_bytes;

void cj_set_allocator(const cj_allocator *allocator)
{
    hook = allocator ? *allocator : (cj_allocator){default_reallocate, NULL};
}

cj_memory_counts cj_memory(void)
{
    return (cj_memory_counts){allocations, live_bytes, peak_bytes};
}

void cj_memory_reset_peak(void)
{
    atomic_store(&peak_bytes, atomic_load(&live_bytes));
}

int64_t cj__thread_bytes(void)
{
    return thread_bytes;
}

static void count_bytes(size_t more, size_t less)
{
    thread_bytes += (int64_t)more - (int64_t)less;
    uint64_t now = atomic_fetch_add(&live_bytes, more - less) + more - less;
    uint64_t peak = atomic_load(&peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&peak_bytes, &peak, now)) {
    }
}

static header *header_of(void *block)
{
    return (header *)((char *)block - ALIGNMENT);
}

void *cj__allocate(size_t size)
{
    if (size == 0) size = 1;
    if (size > SIZE_MAX / 2) return NULL;
    size_t raw_size = size + 2 * ALIGNMENT;
    char *raw = hook.reallocate(hook.context, NULL, 0, raw_size);
    if (!raw) return NULL;
    uintptr_t start = ((uintptr_t)raw + 2 * ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    void *block = (void *)start;
    *header_of(block) = (header){raw, raw_size, size};
    FORBID((char *)block + size, (size_t)(raw + raw_size - ((char *)block + size)));
    atomic_fetch_add(&allocations, 1);
    count_bytes(size, 0);
    return block;
}

void *cj__allocate_zeroed(size_t size)
{
    void *block = cj__allocate(size);
    if (block) memset(block, 0, size);
    return block;
}

void *cj__resize(void *block, size_t size)
{
    if (!block) return cj__allocate(size);
    header *old = header_of(block);
    if (size <= old->size && size >= old->size / 2) return block;
    void *fresh = cj__allocate(size);
    if (!fresh) return NULL;
    memcpy(fresh, block, size < old->size ? size : old->size);
    cj__free(block);
    return fresh;
}

void cj__free(void *block)
{
    if (!block) return;
    header old = *header_of(block);
    count_bytes(0, old.size);
    ALLOW(old.raw, old.raw_size);
    hook.reallocate(hook.context, old.raw, old.raw_size, 0);
}

char *cj__copy_string(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = cj__allocate(size);
    if (copy) memcpy(copy, text, size);
    return copy;
}

cj_status cj__grow(void *array_address, int64_t *capacity, int64_t count, size_t element_size)
{
    if (count < *capacity) return CJ_OK;
    int64_t wanted = *capacity < 8 ? 8 : *capacity * 2;
    void *array;
    memcpy(&array, array_address, sizeof array);
    array = cj__resize(array, (size_t)wanted * element_size);
    if (!array) return cj__out_of_memory((size_t)wanted * element_size, "a growing array");
    memcpy(array_address, &array, sizeof array);
    *capacity = wanted;
    return CJ_OK;
}

struct cj__arena_block {
    struct cj__arena_block *next;
    size_t padding; /* keeps what follows aligned to 16 bytes */
};

enum { ARENA_BLOCK = 16 * 1024 };

void *cj__arena_allocate(cj__arena *arena, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (!arena->blocks || arena->used + size > arena->size) {
        size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK;
        struct cj__arena_block *block = cj__allocate_zeroed(sizeof *block + room);
        if (!block) return NULL;
        block->next = arena->blocks;
        arena->blocks = block;
        arena->used = 0;
        arena->size = room;
    }
    void *result = (char *)(arena->blocks + 1) + arena->used;
    arena->used += size;
    return result;
}

void *cj__arena_copy(cj__arena *arena, const void *data, size_t size)
{
    void *copy = cj__arena_allocate(arena, size);
    if (copy && size) memcpy(copy, data, size);
    return copy;
}

char *cj__arena_string(cj__arena *arena, const char *text)
{
    return cj__arena_copy(arena, text, strlen(text) + 1);
}

char *cj__arena_format(cj__arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : cj__arena_allocate(arena, (size_t)length + 1);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void cj__arena_free(cj__arena *arena)
{
    while (arena->blocks) {
        struct cj__arena_block *next = arena->blocks->next;
        cj__free(arena->blocks);
        arena->blocks = next;
    }
    *arena = (cj__arena){0};
}
