/* From the value a PyTorch file holds to tensors with names: dictionaries within dictionaries, flattened. */
#include "base/text.h"
#include "io/pytorch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DEEPEST = 32, LONGEST_PATH = 1024 };

/* Containers may be shared, so that few bytes of a pickle could stand for any number of names: what is
 * visited and named must stay in proportion to its size. */
typedef struct {
    cj_tensor_file *file;
    uint64_t visits, name_bytes, size;
    char path[LONGEST_PATH];
} walk;

static cj_status too_much(const walk *w)
{
    return cj__fail(CJ_FORMAT_ERROR,
                    "%" PRIu64 " bytes of pickle stand for more names than they could hold by themselves",
                    w->size);
}

static cj_status add_tensor(walk *w, const cj__torch_view *view)
{
    cj_tensor_file *file = w->file;
    const char *name = *w->path ? w->path : "tensor";
    w->name_bytes += strlen(name);
    if (w->name_bytes > 4 * w->size + LONGEST_PATH) return too_much(w);
    cj__tensor_entry e = {.name = cj__arena_string(&file->arena, name),
                          .type = view->storage->type,
                          .shape = view->shape,
                          .view = view};
    if (!e.name) return cj__out_of_memory(strlen(name), "the name of a tensor");
    CJ__TRY(cj__grow(&file->entries, &file->capacity, file->count, sizeof e));
    file->entries[file->count++] = e;
    return CJ_OK;
}

/* Appends ".KEY" to the path; false: the key has no place in a name. */
static bool extend(walk *w, size_t length, const cj__pickled *key, int64_t index)
{
    size_t room = sizeof w->path - length;
    const char *dot = length ? "." : "";
    int size;
    if (key && key->kind == CJ__PICKLED_TEXT && strlen(key->text.data) == key->text.size)
        size = snprintf(w->path + length, room, "%s%s", dot, key->text.data);
    else if (!key || key->kind == CJ__PICKLED_WHOLE)
        size = snprintf(w->path + length, room, "%s%" PRId64, dot, key ? key->whole : index);
    else
        return false;
    return size > 0 && (size_t)size < room;
}

static cj_status visit(walk *w, const cj__pickled *value, int depth)
{
    size_t length = strlen(w->path);
    int64_t index = 0;
    if (++w->visits > w->size) return too_much(w);
    if (value->kind == CJ__PICKLED_TENSOR) return add_tensor(w, value->view);
    if (value->kind < CJ__PICKLED_TUPLE || value->kind > CJ__PICKLED_DICT) return CJ_OK;
    if (depth == DEEPEST)
        return cj__fail(CJ_FORMAT_ERROR, "%.200s: dictionaries lie more than %d deep", w->path, DEEPEST);
    for (const cj__pickled_item *i = value->items.first; i; i = i->next) {
        cj_status status = CJ_OK;
        if (extend(w, length, i->key, index++))
            status = visit(w, i->value, depth + 1);
        else if (i->value->kind == CJ__PICKLED_TENSOR)
            status = cj__fail(CJ_UNSUPPORTED,
                              "below '%.200s': found a tensor under %s, expected a text of at "
                              "most %d bytes",
                              w->path, i->key ? cj__pickled_name(i->key->kind) : "an index", LONGEST_PATH);
        w->path[length] = 0;
        CJ__TRY(status);
    }
    return CJ_OK;
}

/* --- the state_dict of a checkpoint -------------------------------------------------------------------- */

static bool holds_tensors(const cj__pickled *value)
{
    if (value->kind != CJ__PICKLED_DICT) return false;
    for (const cj__pickled_item *i = value->items.first; i; i = i->next)
        if (i->value->kind == CJ__PICKLED_TENSOR) return true;
    return false;
}

/* Of a dictionary that holds the weights beside other things, the weights. */
static const cj__pickled *weights_within(const cj__pickled *root)
{
    static const char *const keys[] = {"state_dict", "model_state_dict", "model"};
    for (size_t k = 0; root->kind == CJ__PICKLED_DICT && k < sizeof keys / sizeof *keys; k++)
        for (const cj__pickled_item *i = root->items.first; i; i = i->next)
            if (i->key->kind == CJ__PICKLED_TEXT && strcmp(i->key->text.data, keys[k]) == 0 &&
                holds_tensors(i->value))
                return i->value;
    return root;
}

/* --- what else the dictionary says --------------------------------------------------------------------- */

static const char *plain_text(cj__arena *arena, const cj__pickled *value)
{
    cj__text t = {0};
    if (value->kind == CJ__PICKLED_TEXT) return value->text.data;
    if (value->kind == CJ__PICKLED_TRUTH) return value->whole ? "true" : "false";
    if (value->kind == CJ__PICKLED_WHOLE) return cj__arena_format(arena, "%" PRId64, value->whole);
    cj__text_number(&t, value->real);
    const char *text = t.failed ? NULL : cj__arena_string(arena, t.data);
    cj__text_free(&t);
    return text;
}

/* Plain values beside the weights, {"epoch": 12}, become metadata. */
static cj_status keep_metadata(cj_tensor_file *file, const cj__pickled *root)
{
    if (root->kind != CJ__PICKLED_DICT) return CJ_OK;
    for (const cj__pickled_item *i = root->items.first; i; i = i->next) {
        cj__pickled_kind kind = i->value->kind;
        if (i->key->kind != CJ__PICKLED_TEXT || kind < CJ__PICKLED_TRUTH || kind > CJ__PICKLED_TEXT) continue;
        const char *text = plain_text(&file->arena, i->value);
        if (!text) return cj__out_of_memory(0, "the metadata of a file");
        CJ__TRY(
            cj__grow(&file->metadata, &file->metadata_capacity, file->metadata_count, sizeof(cj_metadata)));
        file->metadata[file->metadata_count++] = (cj_metadata){i->key->text.data, text};
    }
    return CJ_OK;
}

cj_status cj__torch_name_tensors(cj_tensor_file *file, const cj__pickled *root, uint64_t pickle_size)
{
    walk w = {.file = file, .size = pickle_size};
    CJ__TRY(keep_metadata(file, root));
    return visit(&w, weights_within(root), 0);
}
