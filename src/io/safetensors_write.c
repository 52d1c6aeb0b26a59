/* Writing safetensors. The header lists tensors in the order given; their elements lie by size of element,
 * largest first, so that each tensor is aligned although the format allows no gaps. Bytes depend on the input
 * alone. */
#define CJ_NO_LOCATIONS
#include "cajal/io.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/shape.h"
#include "io/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static cj_status check_unique(const cj_save_tensors_options *o, const char **names)
{
    for (int64_t i = 0; i < o->count; i++) names[i] = o->tensors[i].name;
    qsort(names, (size_t)o->count, sizeof *names, compare_names);
    for (int64_t i = 1; i < o->count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return cj__fail(CJ_INVALID_ARGUMENT, "%s: two tensors are named %s", o->path, names[i]);
    return CJ_OK;
}

static cj_status check_tensor(const cj_save_tensors_options *o, const cj_named_tensor *named)
{
    const cj_tensor *t = &named->tensor;
    if (!named->name || strcmp(named->name, "__metadata__") == 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: a tensor cannot be named %s", o->path,
                        named->name ? named->name : "NULL");
    if (!cj__stored_type_of(t->dtype) || !cj__shape_valid(t->shape) ||
        (!t->data && cj_shape_count(t->shape) > 0))
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: tensor %.200s has no valid type, shape and data", o->path,
                        named->name);
    return CJ_OK;
}

static cj_status check(const cj_save_tensors_options *o)
{
    if (!o->path || o->count < 0 || o->metadata_count < 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "cj_save_tensors: a path and counts from 0 up are needed");
    for (int64_t i = 0; i < o->count; i++) CJ__TRY(check_tensor(o, &o->tensors[i]));
    for (int64_t i = 0; i < o->metadata_count; i++)
        if (!o->no_checksum && strcmp(o->metadata[i].key, "sha256") == 0)
            return cj__fail(CJ_INVALID_ARGUMENT,
                            "%s: the metadata \"sha256\" is written by cj_save_tensors itself", o->path);
    const char **names = cj__allocate((size_t)o->count * sizeof *names);
    if (!names) return cj__out_of_memory((size_t)o->count * sizeof *names, o->path);
    cj_status status = check_unique(o, names);
    cj__free(names);
    return status;
}

/* Calls `visit` for each tensor in the order of their elements. */
static void in_file_order(const cj_save_tensors_options *o,
                          void (*visit)(void *context, const cj_tensor *tensor), void *context)
{
    for (size_t size = 8; size > 0; size /= 2)
        for (int64_t i = 0; i < o->count; i++)
            if (cj_dtype_size(o->tensors[i].tensor.dtype) == size) visit(context, &o->tensors[i].tensor);
}

static void hash_tensor(void *hash, const cj_tensor *tensor)
{
    cj__sha256_update(hash, tensor->data, cj_tensor_bytes(tensor));
}

static void write_tensor(void *writer, const cj_tensor *tensor)
{
    cj__file_write(writer, tensor->data, cj_tensor_bytes(tensor));
}

static void put_pair(cj__text *header, const char *before, const char *key, const char *value)
{
    cj__text_put(header, before);
    cj__json_put_string(header, key);
    cj__text_put(header, ":");
    cj__json_put_string(header, value);
}

static void put_metadata(cj__text *header, const cj_save_tensors_options *o)
{
    if (o->metadata_count == 0 && o->no_checksum) return;
    cj__text_put(header, "\"__metadata__\":{");
    for (int64_t i = 0; i < o->metadata_count; i++)
        put_pair(header, i ? "," : "", o->metadata[i].key, o->metadata[i].value);
    if (!o->no_checksum) {
        unsigned char digest[32];
        char text[65];
        cj__sha256 hash;
        cj__sha256_begin(&hash);
        in_file_order(o, hash_tensor, &hash);
        cj__sha256_end(&hash, digest);
        cj__sha256_hex(digest, text);
        put_pair(header, o->metadata_count ? "," : "", "sha256", text);
    }
    cj__text_put(header, o->count ? "}," : "}");
}

static void put_entry(cj__text *header, const cj_named_tensor *named, uint64_t begin)
{
    const cj_tensor *t = &named->tensor;
    char shape[CJ__SHAPE_TEXT];
    cj__json_put_string(header, named->name);
    cj__text_print(header, ":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}",
                   cj__stored_type_of(t->dtype)->name, cj__shape_text(t->shape, shape), begin,
                   begin + cj_tensor_bytes(t));
}

/* Where each size of element begins: places[log2 of the size]. */
static void place(const cj_save_tensors_options *o, uint64_t places[4])
{
    uint64_t at = 0;
    for (int power = 3; power >= 0; power--) {
        places[power] = at;
        for (int64_t i = 0; i < o->count; i++)
            if (cj_dtype_size(o->tensors[i].tensor.dtype) == (size_t)1 << power)
                at += cj_tensor_bytes(&o->tensors[i].tensor);
    }
}

static int power_of(cj_dtype dtype)
{
    size_t size = cj_dtype_size(dtype);
    return size == 8 ? 3 : size == 4 ? 2 : size == 2 ? 1 : 0;
}

/* The header with its length before it and spaces after it, so that the elements begin at a multiple of 8. */
static void put_header(cj__text *header, const cj_save_tensors_options *o)
{
    uint64_t places[4];
    place(o, places);
    cj__text_add(header, "\0\0\0\0\0\0\0\0", 8);
    cj__text_put(header, "{");
    put_metadata(header, o);
    for (int64_t i = 0; i < o->count; i++) {
        uint64_t *at = &places[power_of(o->tensors[i].tensor.dtype)];
        if (i > 0) cj__text_put(header, ",");
        put_entry(header, &o->tensors[i], *at);
        *at += cj_tensor_bytes(&o->tensors[i].tensor);
    }
    cj__text_put(header, "}");
    while (header->size % 8 && !header->failed) cj__text_put(header, " ");
    for (int i = 0; i < 8 && !header->failed; i++) header->data[i] = (char)((header->size - 8) >> 8 * i);
}

static cj_status write_file(const cj_save_tensors_options *o, const cj__text *header)
{
    cj__file_writer writer;
    if (header->size - 8 > CJ__HEADER_LIMIT)
        return cj__fail(CJ_UNSUPPORTED, "%s: the names and metadata take more than 100 MB", o->path);
    CJ__TRY(cj__file_begin(&writer, o->path));
    cj__file_write(&writer, header->data, header->size);
    in_file_order(o, write_tensor, &writer);
    return cj__file_commit(&writer);
}

cj_status cj_save_tensors(const cj_save_tensors_options *options)
{
    CJ__TRY(check(options));
    cj__text header = {0};
    put_header(&header, options);
    cj_status status = cj__text_check(&header, options->path);
    if (status == CJ_OK) status = write_file(options, &header);
    cj__text_free(&header);
    return status;
}
