/* Writing NumPy's arrays: .npy of version 1 in C order, little-endian, and .npz, a zip archive of them with
 * 64-bit sizes throughout and one fixed date, so that equal tensors give equal bytes. */
#define CJ_NO_LOCATIONS
#include "base/file.h"
#include "base/memory.h"
#include "base/shape.h"
#include "base/text.h"
#include "cajal/io.h"
#include "io/zip.h"

#include <string.h>

/* --- one array ----------------------------------------------------------------------------------------- */

static cj_status check_tensor(const char *path, const char *name, const cj_tensor *t)
{
    if (!cj_dtype_size(t->dtype) || !cj__shape_valid(t->shape) || (!t->data && cj_shape_count(t->shape) > 0))
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: tensor %.200s has no valid type, shape and data", path,
                        name);
    if (t->dtype == CJ_BF16)
        return cj__fail(CJ_UNSUPPORTED, "%s: tensor %.200s: NumPy has no bf16; cast it to f32", path, name);
    return CJ_OK;
}

/* The header of the array, its length a multiple of 64 as NumPy makes it. */
static void put_header(cj__text *header, const cj_tensor *t)
{
    static const char *const types[CJ_DTYPE_COUNT] = {[CJ_F32] = "<f4", [CJ_F64] = "<f8", [CJ_I32] = "<i4",
                                                      [CJ_I64] = "<i8", [CJ_U8] = "|u1",  [CJ_BOOL] = "|b1"};
    cj__text_add(header, "\x93NUMPY\1\0\0\0", 10);
    cj__text_print(header, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[t->dtype]);
    for (int64_t d = 0; d < t->shape.rank; d++)
        cj__text_print(header, d ? " %lld," : "%lld,", (long long)t->shape.dims[d]);
    cj__text_put(header, "), }");
    while (header->size % 64 != 63 && !header->failed) cj__text_put(header, " ");
    cj__text_put(header, "\n");
    for (int i = 0; i < 2 && !header->failed; i++) header->data[8 + i] = (char)((header->size - 10) >> 8 * i);
}

cj_status cj_save_npy(const char *path, const cj_tensor *tensor)
{
    cj__text header = {0};
    cj__file_writer writer = {0};
    CJ__TRY(check_tensor(path, "arr_0", tensor));
    put_header(&header, tensor);
    cj_status status = cj__text_check(&header, path);
    if (status == CJ_OK) status = cj__file_begin(&writer, path);
    if (status == CJ_OK) {
        cj__file_write(&writer, header.data, header.size);
        cj__file_write(&writer, tensor->data, cj_tensor_bytes(tensor));
        status = cj__file_commit(&writer);
    }
    cj__text_free(&header);
    return status;
}

/* --- the archive: members, their directory, its end ----------------------------------------------------- */

static void put(cj__text *text, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) cj__text_add(text, &(char){(char)(value >> 8 * i & 0xff)}, 1);
}

typedef struct {
    const cj_save_npz_options *o;
    cj__file_writer writer;
    cj__text directory;
} archive;

/* A member as its header and the directory tell it. */
typedef struct {
    const char *name;
    uint64_t size, packed, place;
    uint32_t crc;
    bool deflated;
} facts;

enum { VERSION_64 = 45, UTF8_NAME = 1 << 11, DATE_1980 = 1 << 5 | 1 };

/* What both share: from the version to the length of the name. */
static void put_facts(cj__text *text, const facts *f)
{
    put(text, VERSION_64, 2);
    put(text, UTF8_NAME, 2);
    put(text, f->deflated ? 8 : 0, 2);
    put(text, 0, 2);
    put(text, DATE_1980, 2);
    put(text, f->crc, 4);
    put(text, UINT32_MAX, 4); /* the sizes stand in the extra field */
    put(text, UINT32_MAX, 4);
    put(text, strlen(f->name) + 4, 2);
}

static void put_local(cj__text *text, const facts *f)
{
    cj__text_add(text, "PK\3\4", 4);
    put_facts(text, f);
    put(text, 20, 2);
    cj__text_print(text, "%s.npy", f->name);
    put(text, 1, 2);
    put(text, 16, 2);
    put(text, f->size, 8);
    put(text, f->packed, 8);
}

static void put_directory_entry(cj__text *text, const facts *f)
{
    cj__text_add(text, "PK\1\2", 4);
    put(text, 3 << 8 | VERSION_64, 2); /* made on Unix */
    put_facts(text, f);
    put(text, 28, 2);
    put(text, 0, 2 + 2 + 2);               /* no comment, the first disk, binary */
    put(text, (uint64_t)0100644 << 16, 4); /* permissions */
    put(text, UINT32_MAX, 4);
    cj__text_print(text, "%s.npy", f->name);
    put(text, 1, 2);
    put(text, 24, 2);
    put(text, f->size, 8);
    put(text, f->packed, 8);
    put(text, f->place, 8);
}

static void put_end(cj__text *text, uint64_t place, uint64_t size, uint64_t count)
{
    cj__text_add(text, "PK\6\6", 4);
    put(text, 44, 8); /* bytes that follow */
    put(text, 3 << 8 | VERSION_64, 2);
    put(text, VERSION_64, 2);
    put(text, 0, 8);
    put(text, count, 8);
    put(text, count, 8);
    put(text, size, 8);
    put(text, place, 8);
    cj__text_add(text, "PK\6\7", 4);
    put(text, 0, 4);
    put(text, place + size, 8);
    put(text, 1, 4);
    cj__text_add(text, "PK\5\6", 4);
    put(text, 0, 4);
    put(text, UINT16_MAX, 2);
    put(text, UINT16_MAX, 2);
    put(text, UINT32_MAX, 4);
    put(text, UINT32_MAX, 4);
    put(text, 0, 2);
}

/* --- members ------------------------------------------------------------------------------------------- */

#ifdef CJ_HAVE_ZLIB
/* `last`: nothing follows these bytes. */
static void deflate_part(z_stream *z, cj__text *packed, const void *data, size_t size, bool last)
{
    char out[16 * 1024];
    const unsigned char *at = data;
    do {
        unsigned part = size < 1u << 30 ? (unsigned)size : 1u << 30;
        z->next_in = (unsigned char *)(uintptr_t)at;
        z->avail_in = part;
        at += part, size -= part;
        do {
            z->next_out = (unsigned char *)out;
            z->avail_out = sizeof out;
            deflate(z, last && size == 0 ? Z_FINISH : Z_NO_FLUSH); /* cannot fail on a sound stream */
            cj__text_add(packed, out, sizeof out - z->avail_out);
        } while (z->avail_out == 0);
    } while (size > 0);
}

static cj_status pack(cj__text *packed, const cj__text *header, const cj_tensor *t, const char *path)
{
    z_stream z = {.zalloc = cj__zlib_allocate, .zfree = cj__zlib_free};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return cj__out_of_memory(1 << 18, path);
    deflate_part(&z, packed, header->data, header->size, false);
    deflate_part(&z, packed, t->data, cj_tensor_bytes(t), true);
    deflateEnd(&z);
    return cj__text_check(packed, path);
}
#else
static cj_status pack(cj__text *packed, const cj__text *header, const cj_tensor *t, const char *path)
{
    (void)packed, (void)header, (void)t;
    return cj__fail(CJ_UNSUPPORTED,
                    "%s: this build has no zlib: save it uncompressed, or install zlib1g-dev "
                    "and build again",
                    path);
}
#endif

static void write_member(archive *a, facts f, const cj__text *header, const cj__text *packed,
                         const cj_tensor *t)
{
    cj__text local = {0};
    f.place = a->writer.written;
    put_local(&local, &f);
    put_directory_entry(&a->directory, &f);
    a->directory.failed |= local.failed;
    if (!local.failed) cj__file_write(&a->writer, local.data, local.size);
    if (f.deflated) {
        cj__file_write(&a->writer, packed->data, packed->size);
    } else {
        cj__file_write(&a->writer, header->data, header->size);
        cj__file_write(&a->writer, t->data, cj_tensor_bytes(t));
    }
    cj__text_free(&local);
}

static cj_status add(archive *a, const cj_named_tensor *named)
{
    const cj_tensor *t = &named->tensor;
    cj__text header = {0}, packed = {0};
    put_header(&header, t);
    cj_status status = cj__text_check(&header, a->o->path);
    if (status == CJ_OK && a->o->compress) status = pack(&packed, &header, t, a->o->path);
    if (status == CJ_OK) {
        facts f = {.name = named->name, .size = header.size + cj_tensor_bytes(t), .deflated = a->o->compress};
        f.packed = f.deflated ? packed.size : f.size;
        f.crc = cj__crc32(cj__crc32(0, header.data, header.size), t->data, cj_tensor_bytes(t));
        write_member(a, f, &header, &packed, t);
    }
    cj__text_free(&header);
    cj__text_free(&packed);
    return status;
}

static cj_status check(const cj_save_npz_options *o)
{
    if (!o->path || o->count < 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "cj_save_npz: a path and a count from 0 up are needed");
    for (int64_t i = 0; i < o->count; i++) {
        const char *name = o->tensors[i].name;
        if (!name || !*name || strlen(name) > 60000)
            return cj__fail(CJ_INVALID_ARGUMENT, "%s: array %lld has no name of 1 to 60000 bytes", o->path,
                            (long long)i);
        CJ__TRY(check_tensor(o->path, name, &o->tensors[i].tensor));
        for (int64_t j = 0; j < i; j++)
            if (strcmp(name, o->tensors[j].name) == 0)
                return cj__fail(CJ_INVALID_ARGUMENT, "%s: two arrays are named %.200s", o->path, name);
    }
    return CJ_OK;
}

cj_status cj_save_npz(const cj_save_npz_options *options)
{
    archive a = {.o = options};
    CJ__TRY(check(options));
    CJ__TRY(cj__file_begin(&a.writer, options->path));
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < options->count && status == CJ_OK; i++) status = add(&a, &options->tensors[i]);
    put_end(&a.directory, a.writer.written, a.directory.size, (uint64_t)options->count);
    if (status == CJ_OK) status = cj__text_check(&a.directory, options->path);
    if (status == CJ_OK) {
        cj__file_write(&a.writer, a.directory.data, a.directory.size);
        status = cj__file_commit(&a.writer);
    }
    cj__file_abort(&a.writer);
    cj__text_free(&a.directory);
    return status;
}
