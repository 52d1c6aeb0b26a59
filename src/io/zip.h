/* Zip archives, as far as .npz and PyTorch's files want them: members stored or deflated, with the 64-bit
 * extensions. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT */
#ifndef CJ__ZIP_H
#define CJ__ZIP_H

#include "base/status.h"

#ifdef CJ_HAVE_ZLIB
#include <zlib.h>

/* zlib's memory, by the one allocator. */
void *cj__zlib_allocate(void *context, unsigned count, unsigned size);
void cj__zlib_free(void *context, void *block);
#endif

struct cj_tensor_file;

/* Where a member lies in its file. A .npy file by itself is a member without a checksum. */
typedef struct {
    uint64_t begin, packed; /* of its bytes as they stand in the file */
    uint64_t size;          /* of them unpacked */
    bool deflated, checked;
    uint32_t crc; /* CRC-32 of the unpacked bytes, when `checked` */
} cj__member;

/* Unpacks a member from its beginning on. */
typedef struct {
    const struct cj_tensor_file *file;
    const cj__member *member;
    uint64_t taken; /* unpacked bytes so far */
    uint64_t fed;   /* packed bytes so far */
    uint32_t crc;
#ifdef CJ_HAVE_ZLIB
    z_stream stream;
    unsigned char *buffer;
#endif
} cj__member_reader;

/* cj__member_end is due whether it fails or not. */
CJ_MUST_CHECK cj_status cj__member_begin(cj__member_reader *reader, const struct cj_tensor_file *file,
                                         const cj__member *member);
/* Exactly `size` bytes more; the member must have that many left. */
CJ_MUST_CHECK cj_status cj__member_read(cj__member_reader *reader, void *to, size_t size);
/* After the last byte: that nothing follows, and that the checksum is right. */
CJ_MUST_CHECK cj_status cj__member_check(cj__member_reader *reader);
void cj__member_end(cj__member_reader *reader);

/* CRC-32 (ISO 3309) of more bytes, from 0 on. */
uint32_t cj__crc32(uint32_t crc, const void *data, size_t size);

/* Calls `visit` for each member in the order of the directory; stops at what is not CJ_OK. */
CJ_MUST_CHECK cj_status cj__zip_members(struct cj_tensor_file *file,
                                        cj_status (*visit)(struct cj_tensor_file *file, const char *name,
                                                           size_t name_size, const cj__member *member));

#endif
