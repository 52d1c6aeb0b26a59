/* What PyTorch's pickles hold besides plain values: storages, and tensors as views of them. This is the whole
 * list of classes and functions that a file may name; each is interpreted here and none is called. */
#include "base/shape.h"
#include "io/pickle.h"

#include <inttypes.h>
#include <string.h>

/* A view with more elements than its storage (by strides of 0) grows when it is read: up to so many. */
enum { LARGEST_REPETITION = 1 << 20 };

typedef enum { A_DICT, A_SIZE, A_TENSOR, A_TENSOR_V2, A_PARAMETER, A_STORAGE } meaning;

static const struct {
    const char *module, *name;
    meaning meaning;
    const char *type; /* of a storage: its elements */
} globals[] = {
    {"collections", "OrderedDict", A_DICT, NULL},
    {"torch", "Size", A_SIZE, NULL},
    {"torch._utils", "_rebuild_tensor", A_TENSOR, NULL},
    {"torch._utils", "_rebuild_tensor_v2", A_TENSOR_V2, NULL},
    {"torch._utils", "_rebuild_parameter", A_PARAMETER, NULL},
#define STORAGE(name, type)                                                                                  \
    {"torch", name, A_STORAGE, type},                                                                        \
    {                                                                                                        \
        "torch.cuda", name, A_STORAGE, type                                                                  \
    }
    STORAGE("FloatStorage", "F32"),
    STORAGE("DoubleStorage", "F64"),
    STORAGE("HalfStorage", "F16"),
    STORAGE("BFloat16Storage", "BF16"),
    STORAGE("LongStorage", "I64"),
    STORAGE("IntStorage", "I32"),
    STORAGE("ShortStorage", "I16"),
    STORAGE("CharStorage", "I8"),
    STORAGE("ByteStorage", "U8"),
    STORAGE("BoolStorage", "BOOL"),
#undef STORAGE
};

int cj__torch_global(const char *module, const char *name)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (strcmp(globals[i].module, module) == 0 && strcmp(globals[i].name, name) == 0) return (int)i;
    return -1;
}

/* --- arguments ----------------------------------------------------------------------------------------- */

static cj_status expected(const cj__pickled *found, const char *what)
{
    return cj__fail(CJ_FORMAT_ERROR, "found %s, expected %s",
                    found ? cj__pickled_name(found->kind) : "nothing more", what);
}

/* The item at `index`, NULL: there is none. */
static const cj__pickled *item(const cj__pickled *tuple, int index)
{
    const cj__pickled_item *at = tuple->items.first;
    while (at && index-- > 0) at = at->next;
    return at ? at->value : NULL;
}

static bool is_text(const cj__pickled *value, const char *text)
{
    return value && value->kind == CJ__PICKLED_TEXT && strcmp(value->text.data, text) == 0;
}

/* A whole number that memory could have so many of. */
static cj_status count_of(const cj__pickled *value, const char *what, int64_t *count)
{
    if (!value || value->kind != CJ__PICKLED_WHOLE) return expected(value, what);
    if (value->whole < 0 || value->whole > CJ__MAX_ELEMENTS)
        return cj__fail(CJ_FORMAT_ERROR,
                        "found %" PRId64 " as %s, expected one from 0 on that fits in memory", value->whole,
                        what);
    *count = value->whole;
    return CJ_OK;
}

/* --- storages ------------------------------------------------------------------------------------------ */

/* ("storage", type, key, device, count) and, in old files, None or a view of another storage. */
cj_status cj__torch_persistent(cj__torch_objects *objects, const cj__pickled *id, const cj__pickled **value)
{
    if (id->kind != CJ__PICKLED_TUPLE || !is_text(item(id, 0), "storage"))
        return expected(id, "the persistent id of a storage");
    const cj__pickled *type = item(id, 1), *key = item(id, 2), *view = item(id, 5);
    int64_t count = 0;
    if (!type || type->kind != CJ__PICKLED_GLOBAL || globals[type->whole].meaning != A_STORAGE)
        return expected(type, "the type of a storage");
    if (!key || key->kind != CJ__PICKLED_TEXT || strlen(key->text.data) != key->text.size)
        return expected(key, "the key of a storage");
    CJ__TRY(count_of(item(id, 4), "the size of a storage", &count));
    if (view && view->kind != CJ__PICKLED_NONE)
        return cj__fail(CJ_UNSUPPORTED,
                        "storage %.40s is a view of another, which PyTorch has not written "
                        "since 0.4: load the file there and save it again",
                        key->text.data);
    cj__torch_storage *storage = cj__arena_allocate(objects->arena, sizeof *storage);
    cj__pickled *made = cj__pickled_new(objects->arena, CJ__PICKLED_STORAGE);
    if (!storage || !made) return cj__out_of_memory(sizeof *storage, "a pickle");
    *storage = (cj__torch_storage){.key = key->text.data,
                                   .type = cj__stored_type_named(globals[type->whole].type),
                                   .count = count,
                                   .next = objects->storages};
    objects->storages = made->storage = storage;
    *value = made;
    return CJ_OK;
}

/* --- tensors ------------------------------------------------------------------------------------------- */

static cj_status read_shape(const cj__pickled *size, cj_shape_t *shape)
{
    if (!size || size->kind != CJ__PICKLED_TUPLE) return expected(size, "the shape of a tensor");
    if (size->items.count > CJ_MAX_RANK)
        return cj__fail(CJ_UNSUPPORTED, "found a tensor of %" PRId64 " dimensions, expected %d at most",
                        size->items.count, CJ_MAX_RANK);
    *shape = (cj_shape_t){.rank = size->items.count};
    int64_t d = 0;
    for (const cj__pickled_item *i = size->items.first; i; i = i->next)
        CJ__TRY(count_of(i->value, "a dimension", &shape->dims[d++]));
    return cj__shape_valid(*shape) ? CJ_OK : cj__fail(CJ_FORMAT_ERROR, "found a shape that fits no memory");
}

static cj_status read_strides(const cj__pickled *strides, cj__torch_view *view)
{
    if (!strides || strides->kind != CJ__PICKLED_TUPLE || strides->items.count != view->shape.rank)
        return expected(strides, "a stride for each dimension");
    int64_t d = 0;
    for (const cj__pickled_item *i = strides->items.first; i; i = i->next)
        CJ__TRY(count_of(i->value, "a stride", &view->strides[d++]));
    return CJ_OK;
}

/* All of its elements must lie in the storage: dimensions and strides are at most 2^46 each. */
static cj_status check_view(const cj__torch_view *view)
{
    int64_t last = view->offset, room = view->storage->count;
    char shape[CJ__SHAPE_TEXT];
    for (int64_t d = 0; d < view->shape.rank; d++) {
        int64_t steps = view->shape.dims[d] - 1;
        if (steps > 0 && view->strides[d] > (CJ__MAX_ELEMENTS - last) / steps)
            last = CJ__MAX_ELEMENTS;
        else
            last += steps > 0 ? steps * view->strides[d] : 0;
    }
    int64_t count = cj_shape_count(view->shape);
    if (count > 0 ? last >= room : view->offset > room)
        return cj__fail(CJ_FORMAT_ERROR,
                        "found a tensor %s that reaches to element %" PRId64 " of storage %.40s, expected it "
                        "within %" PRId64 " elements",
                        cj__shape_text(view->shape, shape), last, view->storage->key, room);
    if (count > room && count > LARGEST_REPETITION)
        return cj__fail(CJ_UNSUPPORTED,
                        "found a tensor %s that repeats the %" PRId64 " elements of storage %.40s; save it "
                        "after .contiguous()",
                        cj__shape_text(view->shape, shape), room, view->storage->key);
    return CJ_OK;
}

/* (storage, offset, shape, strides) and, in the second version, requires_grad, backward_hooks, metadata. */
static cj_status rebuild_tensor(cj__torch_objects *objects, const cj__pickled *a, const cj__pickled **value)
{
    const cj__pickled *storage = item(a, 0), *metadata = item(a, 6);
    if (!storage || storage->kind != CJ__PICKLED_STORAGE) return expected(storage, "a storage");
    if (metadata && metadata->kind == CJ__PICKLED_DICT && metadata->items.count > 0)
        return cj__fail(CJ_UNSUPPORTED,
                        "a tensor that is a conjugate or negative view; save it after .resolve_conj() and "
                        ".resolve_neg()");
    cj__pickled *made = cj__pickled_new(objects->arena, CJ__PICKLED_TENSOR);
    cj__torch_view *view = cj__arena_allocate(objects->arena, sizeof *view);
    if (!made || !view) return cj__out_of_memory(sizeof *view, "a pickle");
    view->storage = storage->storage;
    CJ__TRY(count_of(item(a, 1), "the offset of a tensor", &view->offset));
    CJ__TRY(read_shape(item(a, 2), &view->shape));
    CJ__TRY(read_strides(item(a, 3), view));
    CJ__TRY(check_view(view));
    made->view = view;
    *value = made;
    return CJ_OK;
}

/* (tensor, requires_grad, backward_hooks) */
static cj_status rebuild_parameter(const cj__pickled *arguments, const cj__pickled **value)
{
    *value = item(arguments, 0);
    return *value && (*value)->kind == CJ__PICKLED_TENSOR ? CJ_OK : expected(*value, "a tensor");
}

/* Empty, as it is pickled: what it holds is set afterwards. */
static cj_status ordered_dict(cj__torch_objects *objects, const cj__pickled *arguments,
                              const cj__pickled **value)
{
    if (arguments->items.count > 0) return expected(item(arguments, 0), "an OrderedDict that is empty");
    *value = cj__pickled_new(objects->arena, CJ__PICKLED_DICT);
    return *value ? CJ_OK : cj__out_of_memory(sizeof **value, "a pickle");
}

/* (tuple) */
static cj_status torch_size(const cj__pickled *arguments, const cj__pickled **value)
{
    *value = item(arguments, 0);
    return *value && (*value)->kind == CJ__PICKLED_TUPLE ? CJ_OK : expected(*value, "a tuple");
}

cj_status cj__torch_reduce(cj__torch_objects *objects, int64_t global, const cj__pickled *arguments,
                           const cj__pickled **value)
{
    switch (globals[global].meaning) {
    case A_DICT:
        return ordered_dict(objects, arguments, value);
    case A_SIZE:
        return torch_size(arguments, value);
    case A_TENSOR:
    case A_TENSOR_V2:
        return rebuild_tensor(objects, arguments, value);
    case A_PARAMETER:
        return rebuild_parameter(arguments, value);
    case A_STORAGE:
        break;
    }
    return cj__fail(CJ_UNSUPPORTED, "refused to call %s.%s, which no file of tensors does",
                    globals[global].module, globals[global].name);
}
