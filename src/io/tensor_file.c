/* Files of tensors, whichever the format: told apart by their first bytes, opened, looked up by name;
 * elements are read when they are asked for. */
#include "io/tensor_file.h"
#include "base/shape.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- bytes --------------------------------------------------------------------------------------------- */

cj_status cj__tensor_file_bytes(const cj_tensor_file *file, uint64_t offset, void *destination, size_t size)
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
        return cj__system_error(path, "cannot be opened", errno);
    if (!S_ISREG(facts.st_mode)) return cj__fail(CJ_IO_ERROR, "%s: not a regular file", path);
    file->size = (uint64_t)facts.st_size;
    return CJ_OK;
}

/* --- names --------------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(cj__tensor_entry *const *)a)->name, (*(cj__tensor_entry *const *)b)->name);
}

static cj_status sort_names(cj_tensor_file *file)
{
    size_t bytes = (size_t)file->count * sizeof *file->by_name;
    file->by_name = cj__allocate(bytes);
    if (!file->by_name) return cj__out_of_memory(bytes, file->path);
    for (int64_t i = 0; i < file->count; i++) file->by_name[i] = &file->entries[i];
    qsort(file->by_name, (size_t)file->count, sizeof *file->by_name, compare_names);
    for (int64_t i = 1; i < file->count; i++)
        if (compare_names(&file->by_name[i - 1], &file->by_name[i]) == 0)
            return cj__fail(CJ_FORMAT_ERROR, "%s: tensor %.200s: found twice, expected once", file->path,
                            file->by_name[i]->name);
    return CJ_OK;
}

cj_status cj__within_file(const cj_tensor_file *file, cj_status status)
{
    return status == CJ_OK || status == CJ_OUT_OF_MEMORY ? status : cj__fail_within(status, "%s", file->path);
}

/* --- opening ------------------------------------------------------------------------------------------- */

bool cj__is_torch_pickle(const char *name, size_t size)
{
    static const char wanted[] = "/data.pkl";
    size_t length = sizeof wanted - 1;
    if (size == length - 1) return memcmp(name, wanted + 1, size) == 0;
    return size >= length && memcmp(name + size - length, wanted, length) == 0;
}

static cj_status look_for_pickle(cj_tensor_file *file, const char *name, size_t size,
                                 const cj__member *member)
{
    (void)member;
    if (cj__is_torch_pickle(name, size)) *(bool *)file->visiting = true;
    return CJ_OK;
}

static cj_status load_zip(cj_tensor_file *file)
{
    bool pickled = false;
    file->visiting = &pickled;
    cj_status status = cj__zip_members(file, look_for_pickle);
    file->visiting = NULL;
    if (status == CJ_OUT_OF_MEMORY) return status;
    file->read = pickled ? cj__torch_read : cj__npy_read;
    return pickled ? cj__torch_zip_load(file) : cj__npz_load(file); /* either tells what is wrong */
}

/* A pickle of protocol 2 or later, and no length of a header that a safetensors file may have. */
static bool is_pickle(const unsigned char first[8])
{
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--) length = length << 8 | first[i];
    return first[0] == 0x80 && first[1] >= 2 && first[1] <= 5 && length > CJ__HEADER_LIMIT;
}

/* By its first bytes. Those of the others would be a safetensors header of more than is accepted. */
static cj_status load(cj_tensor_file *file)
{
    unsigned char first[8] = {0};
    CJ__TRY(cj__tensor_file_bytes(file, 0, first, file->size < 8 ? (size_t)file->size : 8));
    bool empty_zip = memcmp(first, "PK\5\6", 4) == 0 || memcmp(first, "PK\6\6", 4) == 0;
    bool zip = empty_zip || memcmp(first, "PK\3\4", 4) == 0;
    if (zip && (first[4] | first[5] | first[6] | first[7])) return load_zip(file);
    bool numpy = memcmp(first, "\x93NUMPY", 6) == 0, pickle = is_pickle(first);
    if (!numpy && !pickle && cj__is_llama2c(file)) {
        file->read = cj__llama2c_read;
        return cj__llama2c_load(file);
    }
    file->read = numpy ? cj__npy_read : pickle ? cj__torch_read : cj__safetensors_read;
    return numpy ? cj__npy_load(file) : pickle ? cj__torch_stream_load(file) : cj__safetensors_load(file);
}

static cj_status open_any(cj_tensor_file **result, const char *path, const void *data, size_t size)
{
    *result = NULL;
    CJ__TRY(cj__need(path, "cj_tensor_file_open", "a path"));
    cj_tensor_file *file = cj__allocate_zeroed(sizeof *file);
    if (!file) return cj__out_of_memory(sizeof *file, path);
    *file = (cj_tensor_file){.file = -1, .memory = data, .size = size};
    file->path = cj__arena_string(&file->arena, path);
    cj_status status = file->path ? CJ_OK : cj__out_of_memory(strlen(path) + 1, "the name of a file");
    if (status == CJ_OK && !data) status = open_file(file, path);
    if (status == CJ_OK) status = load(file);
    if (status == CJ_OK) status = sort_names(file);
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
    cj__free(file->storage_data);
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
    cj__tensor_entry key = {.name = name}, *wanted = &key;
    cj__tensor_entry **found =
        file->count ? bsearch(&wanted, file->by_name, (size_t)file->count, sizeof wanted, compare_names)
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
    const cj__tensor_entry *e = &file->entries[index];
    if (!e->type->readable)
        return cj__fail(CJ_UNSUPPORTED,
                        "%s: tensor %.200s: element type %s has no counterpart here; save it as F32",
                        file->path, e->name, e->type->name);
    *tensor = (cj_tensor){.dtype = e->type->dtype, .shape = e->shape};
    return CJ_OK;
}

static cj_status check_booleans(const cj_tensor_file *file, const cj__tensor_entry *e,
                                const unsigned char *values)
{
    for (int64_t i = 0; i < cj_shape_count(e->shape); i++)
        if (values[i] > 1)
            return cj__fail(CJ_FORMAT_ERROR,
                            "%s: tensor %.200s: element %" PRId64 ": found %d, expected 0 or 1", file->path,
                            e->name, i, values[i]);
    return CJ_OK;
}

/* What must be widened is first read to the end of its destination. */
cj_status cj_tensor_file_read(cj_tensor_file *file, int64_t index, void *destination)
{
    cj_tensor tensor;
    CJ__TRY(cj_tensor_file_describe(file, index, &tensor));
    const cj__tensor_entry *e = &file->entries[index];
    size_t stored = (size_t)cj_shape_count(e->shape) * e->type->size;
    char *raw = stored ? (char *)destination + (cj_tensor_bytes(&tensor) - stored) : destination;
    CJ__TRY(file->read(file, e, raw));
    if (e->type->widen) e->type->widen(destination, raw, cj_shape_count(e->shape));
    return tensor.dtype == CJ_BOOL ? check_booleans(file, e, destination) : CJ_OK;
}

cj_status cj_tensor_file_tensor(cj_tensor_file *file, int64_t index, cj_tensor *tensor)
{
    CJ__TRY(cj_tensor_file_describe(file, index, tensor));
    cj__tensor_entry *e = &file->entries[index];
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
