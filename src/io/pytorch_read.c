/* Reading PyTorch's files: the two containers, where each storage lies in them, and a tensor's elements. */
#include "base/shape.h"
#include "io/pytorch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- zip archives: ARCHIVE/data.pkl, ARCHIVE/data/KEY, ARCHIVE/byteorder -------------------------------- */

typedef struct {
    const char *name;
    cj__member member;
} record;

typedef struct {
    record *list; /* sorted by name */
    int64_t count, room;
} records;

/* PyTorch writes a checksum of 0 where it was told to make none. */
static cj_status add_record(cj_tensor_file *file, const char *name, size_t size, const cj__member *member)
{
    records *r = file->visiting;
    CJ__TRY(cj__grow(&r->list, &r->room, r->count, sizeof *r->list));
    char *copy = cj__arena_format(&file->arena, "%.*s", (int)size, name);
    if (!copy) return cj__out_of_memory(size, file->path);
    r->list[r->count] = (record){copy, *member};
    r->list[r->count++].member.checked = member->crc != 0;
    return CJ_OK;
}

static int compare_records(const void *a, const void *b)
{
    return strcmp(((const record *)a)->name, ((const record *)b)->name);
}

static const record *find_record(const records *r, const char *name)
{
    record key = {.name = name};
    return r->count ? bsearch(&key, r->list, (size_t)r->count, sizeof key, compare_records) : NULL;
}

/* The folder in the archive, "" or "archive/", by the pickle's place. */
static cj_status find_folder(cj_tensor_file *file, const records *r, const char **folder)
{
    *folder = NULL;
    for (int64_t i = 0; i < r->count; i++) {
        const char *name = r->list[i].name;
        if (!cj__is_torch_pickle(name, strlen(name))) continue;
        if (*folder) return cj__fail(CJ_FORMAT_ERROR, "found two data.pkl, expected one");
        *folder = cj__arena_format(&file->arena, "%.*s", (int)(strlen(name) - strlen("data.pkl")), name);
        if (!*folder) return cj__out_of_memory(strlen(name), file->path);
    }
    return *folder ? CJ_OK : cj__fail(CJ_FORMAT_ERROR, "found no data.pkl, expected one");
}

static cj_status record_at(cj_tensor_file *file, const records *r, const char *folder, const char *name,
                           const record **found)
{
    char *path = cj__arena_format(&file->arena, "%s%s", folder, name);
    if (!path) return cj__out_of_memory(strlen(folder) + strlen(name), file->path);
    *found = find_record(r, path);
    return CJ_OK;
}

/* Files from before the record was introduced are little-endian. */
static cj_status read_byte_order(cj_tensor_file *file, const records *r, const char *folder)
{
    const record *found = NULL;
    cj__member_reader reader;
    char word[8] = {0};
    CJ__TRY(record_at(file, r, folder, "byteorder", &found));
    if (!found) return CJ_OK;
    cj_status status = cj__member_begin(&reader, file, &found->member);
    size_t size = found->member.size < 7 ? (size_t)found->member.size : 7;
    if (status == CJ_OK) status = cj__member_read(&reader, word, size);
    cj__member_end(&reader);
    CJ__TRY(status);
    file->swapped = strcmp(word, "big") == 0;
    return file->swapped || strcmp(word, "little") == 0
               ? CJ_OK
               : cj__fail(CJ_FORMAT_ERROR, "byteorder: found '%s', expected little or big", word);
}

/* Reads the pickle to its end, so that its checksum is known to be right. */
static cj_status read_pickle(cj_tensor_file *file, const cj__member *member, cj__torch_objects *objects,
                             const cj__pickled **root)
{
    cj__member_reader reader;
    cj__pickle_bytes bytes = {.source = &reader};
    char rest[512];
    cj_status status = cj__member_begin(&reader, file, member);
    if (status == CJ_OK) status = cj__pickle_read(&bytes, objects, root);
    while (status == CJ_OK && reader.taken < member->size) {
        uint64_t left = member->size - reader.taken;
        status = cj__member_read(&reader, rest, left < sizeof rest ? (size_t)left : sizeof rest);
    }
    if (status == CJ_OK) status = cj__member_check(&reader);
    cj__member_end(&reader);
    if (status == CJ_OK || status == CJ_OUT_OF_MEMORY) return status;
    return cj__fail_within(status, "data.pkl");
}

static cj_status place_record(cj_tensor_file *file, const records *r, const char *folder,
                              cj__torch_storage *storage)
{
    const record *found = NULL;
    uint64_t wanted = (uint64_t)storage->count * storage->type->size;
    char *name = cj__arena_format(&file->arena, "data/%s", storage->key);
    if (!name) return cj__out_of_memory(strlen(storage->key), file->path);
    CJ__TRY(record_at(file, r, folder, name, &found));
    if (!found || found->member.size != wanted)
        return cj__fail(
            CJ_FORMAT_ERROR,
            "storage %.40s: found %" PRIu64 " bytes, expected %" PRIu64 " for %" PRId64 " elements of %s",
            storage->key, found ? found->member.size : 0, wanted, storage->count, storage->type->name);
    storage->member = found->member;
    storage->placed = true;
    return CJ_OK;
}

static cj_status load_records(cj_tensor_file *file, records *r)
{
    const char *folder;
    const record *pickle = NULL;
    const cj__pickled *root = NULL;
    cj__torch_objects objects = {.arena = &file->arena};
    CJ__TRY(cj__zip_members(file, add_record));
    if (r->count > 1) qsort(r->list, (size_t)r->count, sizeof *r->list, compare_records);
    for (int64_t i = 1; i < r->count; i++)
        if (compare_records(&r->list[i - 1], &r->list[i]) == 0)
            return cj__fail(CJ_FORMAT_ERROR, "%.200s: found twice, expected once", r->list[i].name);
    CJ__TRY(find_folder(file, r, &folder));
    CJ__TRY(read_byte_order(file, r, folder));
    CJ__TRY(record_at(file, r, folder, "data.pkl", &pickle));
    CJ__TRY(read_pickle(file, &pickle->member, &objects, &root));
    for (cj__torch_storage *s = objects.storages; s; s = s->next) CJ__TRY(place_record(file, r, folder, s));
    return cj__torch_name_tensors(file, root, pickle->member.size);
}

cj_status cj__torch_zip_load(cj_tensor_file *file)
{
    records r = {0};
    file->visiting = &r;
    cj_status status = load_records(file, &r);
    file->visiting = NULL;
    cj__free(r.list);
    return cj__within_file(file, status);
}

/* --- streams: magic number, version, facts of the machine, the object, keys, storages ------------------- */

static cj_status check_magic(const cj__pickled *found)
{
    static const char wanted[] = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    if (found->kind == CJ__PICKLED_TEXT && found->text.size == 10 &&
        memcmp(found->text.data, wanted, 10) == 0)
        return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR,
                    "a pickle of Python's, but none of PyTorch's: found %s, expected its "
                    "magic number; save it by torch.save",
                    cj__pickled_name(found->kind));
}

static cj_status check_version(const cj__pickled *found)
{
    if (found->kind == CJ__PICKLED_WHOLE && found->whole == 1001) return CJ_OK;
    return cj__fail(CJ_UNSUPPORTED, "found %s as version of PyTorch's format, expected 1001",
                    found->kind == CJ__PICKLED_WHOLE ? "another number" : cj__pickled_name(found->kind));
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp((*(cj__torch_storage *const *)a)->key, (*(cj__torch_storage *const *)b)->key);
}

/* All storages by key; `*list` is to be freed. */
static cj_status sort_storages(const cj__torch_objects *objects, cj__torch_storage ***list, int64_t *count)
{
    int64_t room = 0;
    *list = NULL;
    *count = 0;
    for (cj__torch_storage *s = objects->storages; s; s = s->next) {
        CJ__TRY(cj__grow(list, &room, *count, sizeof **list));
        (*list)[(*count)++] = s;
    }
    if (*count > 1) qsort(*list, (size_t)*count, sizeof **list, compare_keys);
    return CJ_OK;
}

/* The first of those with this key. */
static int64_t first_with(cj__torch_storage *const *list, int64_t count, const char *key)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (strcmp(list[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The storage at byte `*at`: how many elements it has, and they. */
static cj_status place_storage(const cj_tensor_file *file, const char *key, cj__torch_storage *const *list,
                               int64_t count, uint64_t *at)
{
    unsigned char bytes[8];
    uint64_t elements = 0, from = *at + 8;
    if (file->size - *at < 8) return cj__fail(CJ_FORMAT_ERROR, "storage %.40s: the file was cut short", key);
    CJ__TRY(cj__tensor_file_bytes(file, *at, bytes, 8));
    for (int i = 7; i >= 0; i--) elements = elements << 8 | bytes[i];
    int64_t first = first_with(list, count, key), i = first;
    for (; i < count && strcmp(list[i]->key, key) == 0; i++) {
        cj__torch_storage *s = list[i];
        uint64_t size = (uint64_t)s->count * s->type->size;
        if (s->placed || (uint64_t)s->count != elements || s->type != list[first]->type)
            return cj__fail(CJ_FORMAT_ERROR,
                            "storage %.40s at byte %" PRIu64 ": found %" PRIu64 " elements, expected %" PRId64
                            " of %s, once",
                            key, *at, elements, s->count, s->type->name);
        if (size > file->size - from)
            return cj__fail(CJ_FORMAT_ERROR,
                            "storage %.40s at byte %" PRIu64 ": found %" PRIu64 " bytes, expected %" PRIu64
                            ": the file was cut short",
                            key, *at, file->size - from, size);
        s->member = (cj__member){.begin = from, .packed = size, .size = size};
        s->placed = true;
    }
    if (i == first) return cj__fail(CJ_FORMAT_ERROR, "storage %.40s is of no tensor", key);
    *at = from + list[first]->member.size;
    return CJ_OK;
}

static cj_status place_storages(const cj_tensor_file *file, const cj__pickled *keys, uint64_t at,
                                cj__torch_storage *const *list, int64_t count)
{
    if (keys->kind != CJ__PICKLED_LIST)
        return cj__fail(CJ_FORMAT_ERROR, "found %s, expected the list of storages",
                        cj__pickled_name(keys->kind));
    for (const cj__pickled_item *i = keys->items.first; i; i = i->next) {
        if (i->value->kind != CJ__PICKLED_TEXT)
            return cj__fail(CJ_FORMAT_ERROR, "found %s, expected the key of a storage",
                            cj__pickled_name(i->value->kind));
        CJ__TRY(place_storage(file, i->value->text.data, list, count, &at));
    }
    for (int64_t i = 0; i < count; i++)
        if (!list[i]->placed)
            return cj__fail(CJ_FORMAT_ERROR, "storage %.40s: not found in the list of storages",
                            list[i]->key);
    return CJ_OK;
}

/* Elements are little-endian on every machine that writes them. */
static cj_status load_stream(cj_tensor_file *file, cj__member_reader *reader)
{
    cj__torch_objects objects = {.arena = &file->arena};
    cj__pickle_bytes bytes = {.source = reader};
    const cj__pickled *magic, *version, *facts, *root, *keys;
    cj__torch_storage **list = NULL;
    int64_t count = 0;
    CJ__TRY(cj__pickle_read(&bytes, &objects, &magic));
    CJ__TRY(check_magic(magic));
    CJ__TRY(cj__pickle_read(&bytes, &objects, &version));
    CJ__TRY(check_version(version));
    CJ__TRY(cj__pickle_read(&bytes, &objects, &facts));
    uint64_t begin = bytes.taken;
    CJ__TRY(cj__pickle_read(&bytes, &objects, &root));
    uint64_t size = bytes.taken - begin;
    CJ__TRY(cj__pickle_read(&bytes, &objects, &keys));
    cj_status status = sort_storages(&objects, &list, &count);
    if (status == CJ_OK) status = place_storages(file, keys, bytes.taken, list, count);
    cj__free(list);
    return status == CJ_OK ? cj__torch_name_tensors(file, root, size) : status;
}

cj_status cj__torch_stream_load(cj_tensor_file *file)
{
    cj__member whole = {.packed = file->size, .size = file->size};
    cj__member_reader reader;
    cj_status status = cj__member_begin(&reader, file, &whole);
    if (status == CJ_OK) status = load_stream(file, &reader);
    cj__member_end(&reader);
    return cj__within_file(file, status);
}

/* --- elements ------------------------------------------------------------------------------------------ */

static bool is_whole_storage(const cj__torch_view *view)
{
    int64_t step = 1;
    if (view->offset != 0 || cj_shape_count(view->shape) != view->storage->count) return false;
    for (int64_t d = view->shape.rank - 1; d >= 0; d--) {
        if (view->shape.dims[d] != 1 && view->strides[d] != step) return false;
        step *= view->shape.dims[d];
    }
    return true;
}

static cj_status read_storage(const cj_tensor_file *file, const cj__torch_storage *storage, void *to)
{
    cj__member_reader reader;
    cj_status status = cj__member_begin(&reader, file, &storage->member);
    if (status == CJ_OK) status = cj__member_read(&reader, to, (size_t)storage->member.size);
    if (status == CJ_OK) status = cj__member_check(&reader);
    cj__member_end(&reader);
    return status;
}

/* Views of one storage usually follow one another: the last one stays in memory. */
static cj_status load_storage(cj_tensor_file *file, const cj__torch_storage *storage)
{
    if (file->storage && file->storage->member.begin == storage->member.begin &&
        file->storage->member.size == storage->member.size)
        return CJ_OK;
    cj__free(file->storage_data);
    file->storage = NULL;
    file->storage_data = cj__allocate((size_t)storage->member.size + 1);
    if (!file->storage_data) return cj__out_of_memory((size_t)storage->member.size, file->path);
    CJ__TRY(read_storage(file, storage, file->storage_data));
    file->storage = storage;
    return CJ_OK;
}

static cj_status read_view(cj_tensor_file *file, const cj__tensor_entry *e, void *raw)
{
    const cj__torch_view *view = e->view;
    if (is_whole_storage(view)) return read_storage(file, view->storage, raw);
    CJ__TRY(load_storage(file, view->storage));
    const char *from = (const char *)file->storage_data + (size_t)view->offset * e->type->size;
    cj__gather_elements(raw, from, view->shape, view->strides, e->type->size);
    return CJ_OK;
}

cj_status cj__torch_read(cj_tensor_file *file, const cj__tensor_entry *e, void *raw)
{
    int64_t count = cj_shape_count(e->shape);
    if (count == 0) return CJ_OK;
    cj_status status = read_view(file, e, raw);
    if (status == CJ_OK && file->swapped) cj__swap_elements(raw, count, e->type->size);
    if (status == CJ_OK || status == CJ_OUT_OF_MEMORY) return status;
    return cj__fail_within(status, "%s: tensor %.200s", file->path, e->name);
}
