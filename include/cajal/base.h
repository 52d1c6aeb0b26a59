/* Status codes, element types, shapes, tensors and memory: the words every other header uses.
 * Nothing in the library prints, exits or aborts: every call that can fail returns a `cj_status`, and
 * `cj_error_message` holds a sentence about the last failure on this thread. */
#ifndef CAJAL_BASE_H
#define CAJAL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(CJ_BUILDING_LIBRARY)
#define CJ_API __attribute__((visibility("default")))
#else
#define CJ_API
#endif
#define CJ_MUST_CHECK __attribute__((warn_unused_result))

#define CJ_VERSION_MAJOR 0
#define CJ_VERSION_MINOR 1
#define CJ_VERSION_PATCH 0
#define CJ_VERSION       "0.1.0"

/* The compound literal behind keyword-like options, in C and in C++20. */
#ifdef __cplusplus
#define CJ_OPTIONS(type, ...) (&(const type &)type{.size = sizeof(type), __VA_ARGS__})
#else
#define CJ_OPTIONS(type, ...) (&(type){.size = sizeof(type), __VA_ARGS__})
#endif

/* code, name, sentence */
#define CJ_STATUS_LIST(X)                                                                                    \
    X(CJ_OK, "ok", "no error")                                                                               \
    X(CJ_OUT_OF_MEMORY, "out of memory", "an allocation failed")                                             \
    X(CJ_INVALID_ARGUMENT, "invalid argument", "an argument is outside what the call accepts")               \
    X(CJ_SHAPE_ERROR, "shape error", "shapes or element types do not fit together")                          \
    X(CJ_NOT_FOUND, "not found", "a name, file or entry does not exist")                                     \
    X(CJ_IO_ERROR, "input/output error", "the operating system refused to read or write")                    \
    X(CJ_FORMAT_ERROR, "format error", "a file's contents are not what its format promises")                 \
    X(CJ_UNSUPPORTED, "unsupported", "a feature is not available in this build or for this case")            \
    X(CJ_NOT_FINITE, "not finite", "a value that must be finite is infinite or not a number")                \
    X(CJ_INTERRUPTED, "interrupted", "a signal or callback asked to stop")                                   \
    X(CJ_INTERNAL_ERROR, "internal error", "a check inside the library failed; please report it")

typedef enum {
#define CJ_STATUS_ENUM(code, name, sentence) code,
    CJ_STATUS_LIST(CJ_STATUS_ENUM)
#undef CJ_STATUS_ENUM
} cj_status;

CJ_API const char *cj_status_name(cj_status status);     /* "out of memory" */
CJ_API const char *cj_status_sentence(cj_status status); /* what the code means in general */
/* What went wrong in the last failed call on this thread, with names and numbers. Never NULL. */
CJ_API const char *cj_error_message(void);

/* Element types. `bytes` is the size of one element in memory; CJ_BOOL holds 0 or 1. */
typedef enum {
    CJ_F32,
    CJ_BF16,
    CJ_F64,
    CJ_I32,
    CJ_I64,
    CJ_U8,
    CJ_BOOL,
} cj_dtype;
#define CJ_DTYPE_COUNT 7

CJ_API const char *cj_dtype_name(cj_dtype dtype); /* "f32" */
CJ_API size_t cj_dtype_size(cj_dtype dtype);      /* bytes */

/* A shape is a rank and its dimensions, slowest first, as NumPy orders them. Rank 0 is a scalar. */
#define CJ_MAX_RANK 8
typedef struct {
    int64_t rank;
    int64_t dims[CJ_MAX_RANK]; /* those from `rank` on are zero */
} cj_shape_t;

#ifndef __cplusplus
/* cj_shape(128, 784) → rank 2. For a scalar use `cj_scalar_shape`. */
#define cj_shape(...)                                                                                        \
    ((cj_shape_t){.rank = (int64_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                     \
                  .dims = {__VA_ARGS__}})
#endif
CJ_API cj_shape_t cj_scalar_shape(void);
CJ_API int64_t cj_shape_count(cj_shape_t shape); /* product of the dimensions; 1 for a scalar */
CJ_API bool cj_shape_equal(cj_shape_t a, cj_shape_t b);

/* A borrowed, contiguous array: `data` belongs to the caller. */
typedef struct {
    void *data;
    cj_dtype dtype;
    cj_shape_t shape;
} cj_tensor;

CJ_API size_t cj_tensor_bytes(const cj_tensor *tensor);

/* All memory of the library comes through one hook. `reallocate` behaves like realloc: `pointer` may be
 * NULL, `new_size` 0 frees and returns NULL; `old_size` is what was asked for before. Blocks must be
 * aligned to 16 bytes. Set it once, before any other call; NULL restores the C library's. */
typedef struct {
    void *(*reallocate)(void *context, void *pointer, size_t old_size, size_t new_size);
    void *context;
} cj_allocator;
CJ_API void cj_set_allocator(const cj_allocator *allocator);

typedef struct {
    uint64_t allocations; /* calls that asked for memory since the start */
    uint64_t live_bytes;  /* asked for and not yet freed */
    uint64_t peak_bytes;  /* the largest live_bytes since the start or the last reset */
} cj_memory_counts;
CJ_API cj_memory_counts cj_memory(void);
CJ_API void cj_memory_reset_peak(void);

CJ_API const char *cj_version(void);  /* "0.1.0" */
CJ_API const char *cj_compiler(void); /* that the library was built with: "gcc 12.2.0" */

/* The optional libraries that Cajal knows, from index 0 on; false beyond the last. Without one, what needs it
 * returns CJ_UNSUPPORTED and names the package. */
typedef struct {
    const char *name;    /* "zlib" */
    const char *version; /* of the one in use; NULL: it was left out when this library was built */
    const char *use;     /* what it is for */
} cj_library;
CJ_API bool cj_library_at(int64_t index, cj_library *library);

#ifdef __cplusplus
}
#endif
#endif
