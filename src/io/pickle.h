/* Python's pickles, as far as PyTorch's files need them: a stack machine that builds plain values and tensors
 * and knows no other class or function. Nothing in a pickle is ever called.
 * https://github.com/python/cpython/blob/main/Lib/pickletools.py describes every opcode. */
#ifndef CJ__PICKLE_H
#define CJ__PICKLE_H

#include "base/memory.h"
#include "io/safetensors.h"
#include "io/zip.h"

typedef enum {
    CJ__PICKLED_NONE,
    CJ__PICKLED_TRUTH,
    CJ__PICKLED_WHOLE,
    CJ__PICKLED_REAL,
    CJ__PICKLED_TEXT,  /* also bytes, and whole numbers of more than 64 bits */
    CJ__PICKLED_TUPLE, /* `items`, whose keys are NULL */
    CJ__PICKLED_LIST,
    CJ__PICKLED_DICT,
    CJ__PICKLED_GLOBAL, /* one of those that pytorch_values.c knows */
    CJ__PICKLED_STORAGE,
    CJ__PICKLED_TENSOR,
} cj__pickled_kind;

typedef struct cj__pickled cj__pickled;

/* Elements in a row, to which any number of tensors refer. */
typedef struct cj__torch_storage {
    const char *key;
    const cj__stored_type *type;
    int64_t count;
    struct cj__torch_storage *next; /* in no order that matters */
    cj__member member;              /* its bytes, once `placed` */
    bool placed;
} cj__torch_storage;

typedef struct cj__pickled_item {
    const cj__pickled *key, *value;
    struct cj__pickled_item *next;
} cj__pickled_item;

typedef struct cj__torch_view {
    const cj__torch_storage *storage;
    int64_t offset; /* elements */
    cj_shape_t shape;
    int64_t strides[CJ_MAX_RANK];
} cj__torch_view;

/* Values live in the machine's arena, and are shared where the pickle shares them. */
struct cj__pickled {
    cj__pickled_kind kind;
    union {
        int64_t whole; /* of a truth 0 or 1, of a global its number */
        double real;
        struct {
            const char *data; /* zero-terminated */
            size_t size;
        } text;
        struct {
            cj__pickled_item *first, *last;
            int64_t count;
        } items;
        cj__torch_storage *storage;
        cj__torch_view *view;
    };
};

/* What reading pickles has made. */
typedef struct {
    cj__arena *arena;
    cj__torch_storage *storages; /* all of them; a key may stand there more than once */
} cj__torch_objects;

/* Bytes of a pickle, from the first to the last that is asked for. */
typedef struct {
    cj__member_reader *source;
    unsigned char buffer[4096];
    size_t at, filled;
    uint64_t taken; /* bytes handed out so far */
} cj__pickle_bytes;

/* One pickle from the bytes, which then stand behind its STOP; NULL in `*value` never comes with CJ_OK. A
 * refusal names the byte, the opcode and, of a global, its name. */
CJ_MUST_CHECK cj_status cj__pickle_read(cj__pickle_bytes *bytes, cj__torch_objects *objects,
                                        const cj__pickled **value);

/* A cleared value; NULL: out of memory. */
cj__pickled *cj__pickled_new(cj__arena *arena, cj__pickled_kind kind);
/* "a dictionary" */
const char *cj__pickled_name(cj__pickled_kind kind);

/* --- what pytorch_values.c makes of the rest ------------------------------------------------------------ */

/* The number of the global, -1: it is refused. */
int cj__torch_global(const char *module, const char *name);
/* What calling the global with the arguments gives. */
CJ_MUST_CHECK cj_status cj__torch_reduce(cj__torch_objects *objects, int64_t global,
                                         const cj__pickled *arguments, const cj__pickled **value);
/* What the persistent id stands for: a storage. */
CJ_MUST_CHECK cj_status cj__torch_persistent(cj__torch_objects *objects, const cj__pickled *id,
                                             const cj__pickled **value);

#endif
