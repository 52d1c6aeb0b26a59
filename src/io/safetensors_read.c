/* Reading safetensors: the header is believed only after every name, type, shape and offset in it has been
 * checked against the others and against the size of the file. */
#include "base/json.h"
#include "base/sha256.h"
#include "base/shape.h"
#include "io/safetensors.h"
#include "io/tensor_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

static void read_type(cj__json *json, cj__tensor_entry *e, cj__arena *arena)
{
    cj__json_peek(json);
    const char *start = json->at, *name = cj__json_string(json, arena);
    e->type = name ? cj__stored_type_named(name) : NULL;
    if (name && !e->type) cj__json_refuse(json, start, "an element type: F32, BF16, F16, F64, I64, …");
}

static void read_shape(cj__json *json, cj__tensor_entry *e)
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

static void read_offsets(cj__json *json, cj__tensor_entry *e)
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
static void read_entry(cj__json *json, cj__tensor_entry *e, cj__arena *arena)
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
            cj__tensor_entry e = {.name = name};
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
    CJ__TRY(cj__tensor_file_bytes(file, 0, length_bytes, 8));
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
    cj_status status = cj__tensor_file_bytes(file, 8, text, (size_t)length);
    if (status == CJ_OK) {
        status = read_header(file, text, (size_t)length);
        if (status != CJ_OK) cj__fail_within(status, "%s: header", file->path);
    }
    cj__free(text);
    return status;
}

/* --- checks that need all of the header ---------------------------------------------------------------- */

static int compare_places(const void *a, const void *b)
{
    const cj__tensor_entry *x = *(cj__tensor_entry *const *)a, *y = *(cj__tensor_entry *const *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static cj_status check_size(const cj_tensor_file *file, const cj__tensor_entry *e)
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

static cj_status check_place(const cj_tensor_file *file, const cj__tensor_entry *e, uint64_t at)
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

/* Tensors follow one another to the end of the file: no overlap, no gap, nothing beyond. `places` has room
 * for all of them. */
static cj_status check_in_order(const cj_tensor_file *file, const cj__tensor_entry **places)
{
    uint64_t at = 0, total = file->size - file->data_start;
    for (int64_t i = 0; i < file->count; i++) places[i] = &file->entries[i];
    qsort(places, (size_t)file->count, sizeof *places, compare_places);
    for (int64_t i = 0; i < file->count; i++) {
        CJ__TRY(check_size(file, places[i]));
        CJ__TRY(check_place(file, places[i], at));
        at = places[i]->end;
    }
    if (at == total) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "%s: found %" PRIu64 " bytes of elements, expected %" PRIu64, file->path,
                    total, at);
}

static cj_status check_places(const cj_tensor_file *file)
{
    size_t bytes = (size_t)file->count * sizeof(cj__tensor_entry *);
    const cj__tensor_entry **places = cj__allocate(bytes);
    if (!places) return cj__out_of_memory(bytes, file->path);
    cj_status status = check_in_order(file, places);
    cj__free(places);
    return status;
}

static cj_status hash_elements(const cj_tensor_file *file, char *buffer, size_t room, char text[65])
{
    unsigned char digest[32];
    cj__sha256 hash;
    cj__sha256_begin(&hash);
    for (uint64_t at = file->data_start; at < file->size; at += room) {
        size_t part = file->size - at < room ? (size_t)(file->size - at) : room;
        CJ__TRY(cj__tensor_file_bytes(file, at, buffer, part));
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

cj_status cj__safetensors_load(cj_tensor_file *file)
{
    CJ__TRY(load_header(file));
    CJ__TRY(check_places(file));
    return check_checksum(file);
}

cj_status cj__safetensors_read(cj_tensor_file *file, const cj__tensor_entry *e, void *raw)
{
    return cj__tensor_file_bytes(file, file->data_start + e->begin, raw, (size_t)(e->end - e->begin));
}
