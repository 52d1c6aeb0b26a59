/* Unpacking a member of a zip archive, from its first byte to its last, with its checksum. */
#include "base/memory.h"
#include "io/tensor_file.h"

#include <inttypes.h>
#include <string.h>

/* --- the checksum -------------------------------------------------------------------------------------- */

uint32_t cj__crc32(uint32_t crc, const void *data, size_t size)
{
    if (size == 0) return crc; /* `data` may be NULL, which zlib takes for a new beginning */
#ifdef CJ_HAVE_ZLIB
    return (uint32_t)crc32_z(crc, data, size);
#else
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                       0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    const unsigned char *bytes = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc = crc >> 4 ^ table[(crc ^ bytes[i]) & 15];
        crc = crc >> 4 ^ table[(crc ^ bytes[i] >> 4) & 15];
    }
    return ~crc;
#endif
}

/* --- deflated bytes ------------------------------------------------------------------------------------ */

#ifdef CJ_HAVE_ZLIB
enum { BUFFER = 64 * 1024 };

void *cj__zlib_allocate(void *context, unsigned count, unsigned size)
{
    (void)context;
    return cj__allocate((size_t)count * size);
}

void cj__zlib_free(void *context, void *block)
{
    (void)context;
    cj__free(block);
}

static cj_status begin_inflating(cj__member_reader *r)
{
    r->stream = (z_stream){.zalloc = cj__zlib_allocate, .zfree = cj__zlib_free};
    r->buffer = cj__allocate(BUFFER);
    if (!r->buffer || inflateInit2(&r->stream, -MAX_WBITS) != Z_OK)
        return cj__out_of_memory(BUFFER, r->file->path);
    return CJ_OK;
}

static cj_status feed(cj__member_reader *r)
{
    uint64_t left = r->member->packed - r->fed;
    size_t part = left < BUFFER ? (size_t)left : BUFFER;
    CJ__TRY(cj__tensor_file_bytes(r->file, r->member->begin + r->fed, r->buffer, part));
    r->fed += part;
    r->stream.next_in = r->buffer;
    r->stream.avail_in = (unsigned)part;
    return CJ_OK;
}

static cj_status damaged(const cj__member_reader *r, const char *found)
{
    return cj__fail(CJ_FORMAT_ERROR,
                    "byte %" PRIu64 " of %" PRIu64 " unpacked: found %s, expected more of them",
                    r->taken + r->stream.total_out, r->member->size, found);
}

static cj_status inflate_bytes(cj__member_reader *r, unsigned char *to, size_t size)
{
    while (size > 0) {
        unsigned part = size < 1u << 30 ? (unsigned)size : 1u << 30;
        if (r->stream.avail_in == 0) CJ__TRY(feed(r));
        r->stream.next_out = to;
        r->stream.avail_out = part;
        int code = inflate(&r->stream, Z_NO_FLUSH);
        size_t got = part - r->stream.avail_out;
        to += got, size -= got;
        if (code == Z_MEM_ERROR) return cj__out_of_memory(1 << 15, r->file->path);
        if (code == Z_STREAM_END && size > 0) return damaged(r, "the end of the compressed data");
        if (code == Z_BUF_ERROR && r->fed == r->member->packed) return damaged(r, "the end of the file");
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return damaged(r, "damaged compressed data");
    }
    return CJ_OK;
}

/* The compressed data say themselves where they end. */
static bool has_ended(cj__member_reader *r)
{
    unsigned char extra;
    int code = Z_OK;
    r->stream.next_out = &extra;
    r->stream.avail_out = 1;
    while (code == Z_OK && r->stream.avail_out == 1) {
        if (r->stream.avail_in == 0 && feed(r) != CJ_OK) return false;
        code = inflate(&r->stream, Z_NO_FLUSH);
    }
    return code == Z_STREAM_END && r->stream.avail_out == 1;
}
#else
static cj_status begin_inflating(cj__member_reader *r)
{
    (void)r;
    return cj__fail(CJ_UNSUPPORTED, "compressed, and this build has no zlib: save it by numpy.savez, or "
                                    "install zlib1g-dev and build again");
}

static cj_status inflate_bytes(cj__member_reader *r, unsigned char *to, size_t size)
{
    (void)to, (void)size;
    return begin_inflating(r);
}

static bool has_ended(cj__member_reader *r)
{
    (void)r;
    return true;
}
#endif

/* --- the calls ----------------------------------------------------------------------------------------- */

cj_status cj__member_begin(cj__member_reader *r, const cj_tensor_file *file, const cj__member *member)
{
    *r = (cj__member_reader){.file = file, .member = member};
    return member->deflated ? begin_inflating(r) : CJ_OK;
}

cj_status cj__member_read(cj__member_reader *r, void *to, size_t size)
{
    if (size > r->member->size - r->taken)
        return cj__fail(CJ_FORMAT_ERROR,
                        "byte %" PRIu64 ": found the end of the array, expected %zu bytes more", r->taken,
                        size);
    if (r->member->deflated)
        CJ__TRY(inflate_bytes(r, to, size));
    else
        CJ__TRY(cj__tensor_file_bytes(r->file, r->member->begin + r->taken, to, size));
    r->taken += size;
    if (r->member->checked) r->crc = cj__crc32(r->crc, to, size);
    return CJ_OK;
}

cj_status cj__member_check(cj__member_reader *r)
{
    if (r->member->deflated && !has_ended(r))
        return cj__fail(CJ_FORMAT_ERROR, "found more than the %" PRIu64 " bytes expected, unpacked",
                        r->member->size);
    if (!r->member->checked || r->crc == r->member->crc) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "damaged: found CRC-32 %08" PRIx32 ", expected %08" PRIx32 " as saved",
                    r->crc, r->member->crc);
}

void cj__member_end(cj__member_reader *r)
{
#ifdef CJ_HAVE_ZLIB
    if (r->stream.zalloc) inflateEnd(&r->stream);
    cj__free(r->buffer);
#endif
    *r = (cj__member_reader){0};
}
