/* Reading safetensors: the header is believed only after every name, type, shape and offset in it has been
 * checked against the others and against the size of the file; elements are read when they are asked for. */
#include "cajal/io.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/shape.h"
#include "io/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    const char *name;
    const cj__stored_type *type;
    cj_shape_t shape;
    uint64_t begin, end; /* bytes, counted from the first element of the file */
    void *data;          /* read at the first cj_tensor_file_tensor */
} entry;

struct cj_tensor_file {
    cj__arena arena; /* names and metadata */
    const char *path;
    int file;                    /* -1: in memory */
    const unsigned char *memory; /* the whole file */
    uint64_t size, data_start;
    entry *entries;
    int64_t count, capacity;
    entry **by_name; /* sorted, for finding */
    cj_metadata *metadata;
    int64_t metadata_count, metadata_capacity;
};

/* --- bytes --------------------------------------------------------------------------------------------- */

static cj_status read_at(const cj_tensor_file *file, uint64_t offset, void *destination, size_t size)
{
    if (file->memory && size > 0) memcpy(destination, file->memory + offset, size);
    for (size_t done = 0; !file->memory && done < size;) {
        size_t part = size - done < INT_MAX ? size - done : INT_MAX;
        ssize_t got = pread(file->file, (char *)destination + done, part, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cj__fail(CJ_IO_ERROR, "%s: cannot be read: %s", file->path, strerror(errno));
        if (got == 0)
            return cj__fail(CJ_FORMAT_ERROR, "%s: byte %" PRIu64 ": the file has become shorter", file->path,
                            offset + done);
        done += (size_t)got;
    }
    return CJ_OK;
}

static cj_status open_file(cj_tensor_file *file, const char *path)
{
    struct stat facts;
    file->file = open(path, O_RDONLY | O_CLOEXEC);
    if (file->file < 0 || fstat(file->file, &facts) != 0)
        return cj__fail(errno == ENOENT ? CJ_NOT_FOUND : CJ_IO_ERROR, "%s: cannot be opened: %s", path,
                        strerror(errno));
    if (!S_ISREG(facts.st_mode)) return cj__fail(CJ_IO_ERROR, "%s: not a regular file", path);
    file->size = (uint64_t)facts.st_size;
    return CJ_OK;
}

/* --- the header ---------------------------------------------------------------------------------------- */

static cj_status read_metadata(cj_tensor_file *file, cj__json *json)
{
    cj__json_enter(json, '{');
    for (int64_t i = 0; cj__json_more(json, i, '}'); i++) {
        char *key = cj__json_key(json, &file->arena), *value = cj__json_string(json, &file->arena);
        if (!value) break;
        CJ__TRY(
            cj__grow(&file->metadata, &file->metadata_capacity, file->metadata_count, sizeof(cj_metadata)));
        file->metadata[file->metadata_count++] = (cj_metadata){key, value};
    }
    return CJ_OK;
}

static void read_type(cj__json *json, entry *e, cj__arena *arena)
{
    cj__json_peek(json);
    const char *start = json->at, *name = cj__json_string(json, arena);
    e->type = name ? cj__stored_type_named(name) : NULL;
    if (name && !e->type) cj__json_refuse(json, start, "an element type: F32, BF16, F16, F64, I64, …");
}

static void read_shape(cj__json *json, entry *e)
{
    cj__json_peek(json);
    const char *start = json->at;
    e->shape = (cj_shape_t){0};
    cj__json_enter(json, '[');
    for (int64_t i = 0; cj__json_more(json, i, ']'); i++) {
        uint64_t length = cj__json_unsigned(json);
        if (i == CJ_MAX_RANK || length > (uint64_t)CJ__MAX_ELEMENTS)
            cj__json_refuse(json, start, "at most 8 dimensions that fit in memory");
        else
            e->shape.dims[i] = (int64_t)length, e->shape.rank = (int)i + 1;
    }
    if (!cj__shape_valid(e->shape)) cj__json_refuse(json, start, "a shape that fits in memory");
}

static void read_offsets(cj__json *json, entry *e)
{
    uint64_t offsets[2] = {0};
    cj__json_enter(json, '[');
    for (int64_t i = 0; cj__json_more(json, i, ']'); i++) {
        if (i == 2) cj__json_refuse(json, json->at, "']' after two offsets");
        uint64_t offset = cj__json_unsigned(json);
        if (i < 2) offsets[i] = offset;
    }
    e->begin = offsets[0];
    e->end = offsets[1];
}

/* {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, each once and nothing else. */
static void read_entry(cj__json *json, entry *e, cj__arena *arena)
{
    static const char *const fields[] = {"dtype", "shape", "data_offsets"};
    unsigned seen = 0;
    cj__json_enter(json, '{');
    for (int64_t i = 0; cj__json_more(json, i, '}'); i++) {
        cj__json_peek(json);
        const char *start = json->at, *field = cj__json_key(json, arena);
        unsigned which = 0;
        while (field && which < 3 && strcmp(field, fields[which]) != 0) which++;
        if (!field || which == 3 || seen & 1u << which)
            cj__json_refuse(json, start, "dtype, shape and data_offsets, each once");
        else if (which == 0)
            read_type(json, e, arena);
        else if (which == 1)
            read_shape(json, e);
        else
            read_offsets(json, e);
        seen |= 1u << which;
    }
    if (seen != 7) cj__json_refuse(json, json->at, "dtype, shape and data_offsets before the '}'");
}

static cj_status read_header(cj_tensor_file *file, const char *text, size_t size)
{
    cj__json json;
    bool has_metadata = false;
    cj__json_begin(&json, text, size);
    cj__json_enter(&json, '{');
    for (int64_t i = 0; cj__json_more(&json, i, '}'); i++) {
        cj__json_peek(&json);
        const char *start = json.at, *name = cj__json_key(&json, &file->arena);
        if (name && strcmp(name, "__metadata__") == 0) {
            if (has_metadata) cj__json_refuse(&json, start, "__metadata__ only once");
            has_metadata = true;
            CJ__TRY(read_metadata(file, &json));
        } else {
            entry e = {.name = name};
            read_entry(&json, &e, &file->arena);
            CJ__TRY(cj__grow(&file->entries, &file->capacity, file->count, sizeof e));
            file->entries[file->count++] = e;
        }
    }
    return cj__json_finish(&json);
}

static cj_status load_header(cj_tensor_file *file)
{
    unsigned char length_bytes[8];
    uint64_t length = 0;
    if (file->size < 8)
        return cj__fail(CJ_FORMAT_ERROR,
                        "%s: found %" PRIu64 " bytes, expected a safetensors file of 10 or more", file->path,
                        file->size);
    CJ__TRY(read_at(file, 0, length_bytes, 8));
    for (int i = 7; i >= 0; i--) length = length << 8 | length_bytes[i];
    if (length > CJ__HEADER_LIMIT || length > file->size - 8)
        return cj__fail(CJ_FORMAT_ERROR,
                        "%s: byte 0: found a header of %" PRIu64 " bytes, expected at most %" PRIu64 ": "
                        "not a safetensors file, or one that was cut short",
                        file->path, length,
                        file->size - 8 < CJ__HEADER_LIMIT ? file->size - 8 : CJ__HEADER_LIMIT);
    file->data_start = 8 + length;
    char *text = cj__allocate((size_t)length + 1);
    if (!text) return cj__out_of_memory((size_t)length + 1, file->path);
    cj_status status = read_at(file, 8, text, (size_t)length);
    if (status == CJ_OK) {
        status = read_header(file, text, (size_t)length);
        if (status != CJ_OK) cj__fail_within(status, "%s: header", file->path);
    }
    cj__free(text);
    return status;
}

/* --- checks that need all of the header ---------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(entry *const *)a)->name, (*(entry *const *)b)->name);
}

static int compare_places(const void *a, const void *b)
{
    const entry *x = *(entry *const *)a, *y = *(entry *const *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static cj_status check_size(const cj_tensor_file *file, const entry *e)
{
    char shape[CJ__SHAPE_TEXT];
    uint64_t wanted = (uint64_t)cj_shape_count(e->shape) * e->type->size;
    if (e->begin <= e->end && e->end - e->begin == wanted) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR,
                    "%s: tensor %.200s: found data_offsets [%" PRIu64 ",%" PRIu64 "], expected %" PRIu64
                    " bytes for %s %s",
                    file->path, e->name, e->begin, e->end, wanted, e->type->name,
                    cj__shape_text(e->shape, shape));
}

static cj_status check_place(const cj_tensor_file *file, const entry *e, uint64_t at)
{
    uint64_t total = file->size - file->data_start;
    if (e->begin != at)
        return cj__fail(CJ_FORMAT_ERROR,
                        "%s: tensor %.200s: found it at data byte %" PRIu64 ", expected %" PRIu64
                        ": tensors %s",
                        file->path, e->name, e->begin, at, e->begin < at ? "overlap" : "leave a gap");
    if (e->end > total)
        return cj__fail(CJ_FORMAT_ERROR,
                        "%s: tensor %.200s: found the end of the file at data byte %" PRIu64
                        ", expected %" PRIu64 " or more: the file was cut short",
                        file->path, e->name, total, e->end);
    return CJ_OK;
}

/* Tensors follow one another to the end of the file: no overlap, no gap, nothing beyond. */
static cj_status check_places(const cj_tensor_file *file)
{
    uint64_t at = 0, total = file->size - file->data_start;
    for (int64_t i = 0; i < file->count; i++) {
        const entry *e = file->by_name[i];
        CJ__TRY(check_size(file, e));
        CJ__TRY(check_place(file, e, at));
        at = e->end;
    }
    if (at == total) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "%s: found %" PRIu64 " bytes of elements, expected %" PRIu64, file->path,
                    total, at);
}

/* Leaves `by_name` in order. */
static cj_status check_entries(cj_tensor_file *file)
{
    size_t bytes = (size_t)file->count * sizeof *file->by_name;
    file->by_name = cj__allocate(bytes);
    if (!file->by_name) return cj__out_of_memory(bytes, file->path);
    for (int64_t i = 0; i < file->count; i++) file->by_name[i] = &file->entries[i];
    qsort(file->by_name, (size_t)file->count, sizeof *file->by_name, compare_places);
    CJ__TRY(check_places(file));
    qsort(file->by_name, (size_t)file->count, sizeof *file->by_name, compare_names);
    for (int64_t i = 1; i < file->count; i++)
        if (compare_names(&file->by_name[i - 1], &file->by_name[i]) == 0)
            return cj__fail(CJ_FORMAT_ERROR, "%s: tensor %.200s: found twice, expected once", file->path,
                            file->by_name[i]->name);
    return CJ_OK;
}

static cj_status hash_elements(const cj_tensor_file *file, char *buffer, size_t room, char text[65])
{
    unsigned char digest[32];
    cj__sha256 hash;
    cj__sha256_begin(&hash);
    for (uint64_t at = file->data_start; at < file->size; at += room) {
        size_t part = file->size - at < room ? (size_t)(file->size - at) : room;
        CJ__TRY(read_at(file, at, buffer, part));
        cj__sha256_update(&hash, buffer, part);
    }
    cj__sha256_end(&hash, digest);
    cj__sha256_hex(digest, text);
    return CJ_OK;
}

static cj_status check_checksum(const cj_tensor_file *file)
{
    enum { ROOM = 64 * 1024 };
    const char *expected = cj_tensor_file_metadata(file, "sha256");
    char found[65];
    if (!expected) return CJ_OK;
    char *buffer = cj__allocate(ROOM);
    if (!buffer) return cj__out_of_memory(ROOM, file->path);
    cj_status status = hash_elements(file, buffer, ROOM, found);
    cj__free(buffer);
    if (status != CJ_OK || strcmp(found, expected) == 0) return status;
    return cj__fail(CJ_FORMAT_ERROR,
                    "%s: the elements are damaged: found SHA-256 %s, expected %.64s as saved", file->path,
                    found, expected);
}

/* --- the calls ----------------------------------------------------------------------------------------- */

static cj_status open_any(cj_tensor_file **result, const char *path, const void *data, size_t size)
{
    *result = NULL;
    cj_tensor_file *file = cj__allocate_zeroed(sizeof *file);
    if (!file) return cj__out_of_memory(sizeof *file, path);
    *file = (cj_tensor_file){.file = -1, .memory = data, .size = size};
    file->path = cj__arena_string(&file->arena, path);
    cj_status status = file->path ? CJ_OK : cj__out_of_memory(strlen(path) + 1, "the name of a file");
    if (status == CJ_OK && !data) status = open_file(file, path);
    if (status == CJ_OK) status = load_header(file);
    if (status == CJ_OK) status = check_entries(file);
    if (status == CJ_OK) status = check_checksum(file);
    if (status == CJ_OK)
        *result = file;
    else
        cj_tensor_file_close(file);
    return status;
}

cj_status cj_tensor_file_open(cj_tensor_file **file, const char *path)
{
    return open_any(file, path, NULL, 0);
}

cj_status cj_tensor_file_open_memory(cj_tensor_file **file, const void *data, size_t size, const char *name)
{
    return open_any(file, name, data ? data : "", size);
}

void cj_tensor_file_close(cj_tensor_file *file)
{
    if (!file) return;
    if (file->file >= 0) close(file->file);
    for (int64_t i = 0; i < file->count; i++) cj__free(file->entries[i].data);
    cj__free(file->entries);
    cj__free(file->by_name);
    cj__free(file->metadata);
    cj__arena_free(&file->arena);
    cj__free(file);
}

int64_t cj_tensor_file_count(const cj_tensor_file *file)
{
    return file->count;
}

static bool has(const cj_tensor_file *file, int64_t index)
{
    return index >= 0 && index < file->count;
}

const char *cj_tensor_file_name(const cj_tensor_file *file, int64_t index)
{
    return has(file, index) ? file->entries[index].name : NULL;
}

int64_t cj_tensor_file_find(const cj_tensor_file *file, const char *name)
{
    entry key = {.name = name}, *wanted = &key;
    entry **found = file->count
                        ? bsearch(&wanted, file->by_name, (size_t)file->count, sizeof wanted, compare_names)
                        : NULL;
    return found ? *found - file->entries : -1;
}

const char *cj_tensor_file_metadata(const cj_tensor_file *file, const char *key)
{
    for (int64_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
    return NULL;
}

cj_status cj_tensor_file_describe(const cj_tensor_file *file, int64_t index, cj_tensor *tensor)
{
    *tensor = (cj_tensor){0};
    if (!has(file, index))
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: tensor %" PRId64 " of %" PRId64, file->path, index,
                        file->count);
    const entry *e = &file->entries[index];
    if (!e->type->readable)
        return cj__fail(CJ_UNSUPPORTED,
                        "%s: tensor %.200s: element type %s has no counterpart here; save it as F32",
                        file->path, e->name, e->type->name);
    *tensor = (cj_tensor){.dtype = e->type->dtype, .shape = e->shape};
    return CJ_OK;
}

static cj_status check_booleans(const cj_tensor_file *file, const entry *e, const unsigned char *values)
{
    for (uint64_t i = 0; i < e->end - e->begin; i++)
        if (values[i] > 1)
            return cj__fail(CJ_FORMAT_ERROR,
                            "%s: tensor %.200s: element %" PRIu64 ": found %d, expected 0 or 1", file->path,
                            e->name, i, values[i]);
    return CJ_OK;
}

/* What must be widened is first read to the end of its destination. */
cj_status cj_tensor_file_read(cj_tensor_file *file, int64_t index, void *destination)
{
    cj_tensor tensor;
    CJ__TRY(cj_tensor_file_describe(file, index, &tensor));
    const entry *e = &file->entries[index];
    size_t stored = (size_t)(e->end - e->begin);
    char *raw = stored ? (char *)destination + (cj_tensor_bytes(&tensor) - stored) : destination;
    CJ__TRY(read_at(file, file->data_start + e->begin, raw, stored));
    if (e->type->widen) e->type->widen(destination, raw, cj_shape_count(e->shape));
    return tensor.dtype == CJ_BOOL ? check_booleans(file, e, destination) : CJ_OK;
}

cj_status cj_tensor_file_tensor(cj_tensor_file *file, int64_t index, cj_tensor *tensor)
{
    CJ__TRY(cj_tensor_file_describe(file, index, tensor));
    entry *e = &file->entries[index];
    if (!e->data) {
        size_t bytes = cj_tensor_bytes(tensor);
        void *data = cj__allocate(bytes);
        if (!data) return cj__out_of_memory(bytes, e->name);
        cj_status status = cj_tensor_file_read(file, index, data);
        if (status != CJ_OK) {
            cj__free(data);
            return status;
        }
        e->data = data;
    }
    tensor->data = e->data;
    return CJ_OK;
}
