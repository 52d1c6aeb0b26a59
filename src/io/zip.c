/* The directory of a zip archive, which stands at its end. Nothing it says is believed before it has been
 * checked against the size of the file, and members may not overlap. */
#include "base/memory.h"
#include "io/tensor_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { END_SIZE = 22, LOCATOR_SIZE = 20, END64_SIZE = 56, ENTRY_SIZE = 46, LOCAL_SIZE = 30 };
enum { DIRECTORY_LIMIT = 64 << 20, LARGEST_RATIO = 1032 }; /* deflate's best: 258 bytes for two bits */

typedef struct {
    uint64_t begin, size, count;
    uint64_t end; /* where the record of the end begins */
} directory;

static uint64_t number(const unsigned char *bytes, int size)
{
    uint64_t value = 0;
    while (size > 0) value = value << 8 | bytes[--size];
    return value;
}

static cj_status bad(uint64_t byte, const char *expected)
{
    return cj__fail(CJ_FORMAT_ERROR,
                    "byte %" PRIu64 " of the zip archive: expected %s; it is damaged or cut short", byte,
                    expected);
}

/* --- the record of the end ------------------------------------------------------------------------------ */

/* A comment of up to 64 KB may follow it. */
static cj_status find_end(const cj_tensor_file *file, unsigned char record[END_SIZE], uint64_t *place)
{
    enum { MOST = END_SIZE + 65535 };
    size_t size = file->size < MOST ? (size_t)file->size : MOST;
    uint64_t from = file->size - size;
    unsigned char *tail = cj__allocate(size + 1);
    if (!tail) return cj__out_of_memory(size, file->path);
    cj_status status = cj__tensor_file_bytes(file, from, tail, size);
    bool found = false;
    for (size_t at = size >= END_SIZE ? size - END_SIZE + 1 : 0; at-- > 0 && status == CJ_OK && !found;)
        if (memcmp(tail + at, "PK\5\6", 4) == 0 && at + END_SIZE + number(tail + at + 20, 2) == size) {
            memcpy(record, tail + at, END_SIZE);
            *place = from + at;
            found = true;
        }
    cj__free(tail);
    if (status != CJ_OK) return status;
    return found ? CJ_OK : bad(file->size, "the record that ends its directory before the end");
}

/* What does not fit in the record stands in another before it, which a locator in between points to. */
static cj_status read_end64(const cj_tensor_file *file, directory *d)
{
    unsigned char locator[LOCATOR_SIZE], record[END64_SIZE];
    if (d->end < LOCATOR_SIZE) return CJ_OK;
    CJ__TRY(cj__tensor_file_bytes(file, d->end - LOCATOR_SIZE, locator, LOCATOR_SIZE));
    if (memcmp(locator, "PK\6\7", 4) != 0) return CJ_OK;
    uint64_t place = number(locator + 8, 8), last = d->end - LOCATOR_SIZE;
    if (last < END64_SIZE || place > last - END64_SIZE)
        return bad(d->end - LOCATOR_SIZE, "a place before this");
    CJ__TRY(cj__tensor_file_bytes(file, place, record, END64_SIZE));
    if (memcmp(record, "PK\6\6", 4) != 0) return bad(place, "the 64-bit record of its end");
    *d = (directory){number(record + 48, 8), number(record + 40, 8), number(record + 32, 8), place};
    return CJ_OK;
}

static cj_status find_directory(const cj_tensor_file *file, directory *d)
{
    unsigned char record[END_SIZE] = {0};
    uint64_t place = 0;
    CJ__TRY(find_end(file, record, &place));
    *d = (directory){number(record + 16, 4), number(record + 12, 4), number(record + 10, 2), place};
    CJ__TRY(read_end64(file, d));
    if (d->begin > d->end || d->size > d->end - d->begin || d->size > DIRECTORY_LIMIT ||
        d->count > d->size / ENTRY_SIZE)
        return cj__fail(CJ_FORMAT_ERROR,
                        "the zip archive's directory: found %" PRIu64 " members in %" PRIu64
                        " bytes at byte %" PRIu64 ", expected them before byte %" PRIu64,
                        d->count, d->size, d->begin, d->end);
    return CJ_OK;
}

/* --- members ------------------------------------------------------------------------------------------- */

/* Sizes and places that do not fit into 32 bits stand in an extra field, in this order. */
static bool widen(const unsigned char *extra, size_t size, uint64_t *const wide[3])
{
    bool wanted = false;
    for (int i = 0; i < 3; i++) wanted |= *wide[i] == UINT32_MAX;
    while (wanted && size >= 4 && number(extra + 2, 2) <= size - 4) {
        size_t length = (size_t)number(extra + 2, 2);
        const unsigned char *at = extra + 4;
        for (int i = 0; number(extra, 2) == 1 && i < 3; i++) {
            if (*wide[i] != UINT32_MAX) continue;
            if (at + 8 > extra + 4 + length) return false;
            *wide[i] = number(at, 8);
            at += 8;
        }
        if (number(extra, 2) == 1) return true;
        extra += 4 + length, size -= 4 + length;
    }
    return !wanted;
}

/* The bytes follow a header of their own, whose name and extra field may have other lengths. */
static cj_status place_member(const cj_tensor_file *file, const directory *d, uint64_t local, cj__member *m)
{
    unsigned char header[LOCAL_SIZE];
    if (d->begin < LOCAL_SIZE || local > d->begin - LOCAL_SIZE)
        return bad(local, "its header before the directory");
    CJ__TRY(cj__tensor_file_bytes(file, local, header, LOCAL_SIZE));
    if (memcmp(header, "PK\3\4", 4) != 0) return bad(local, "its header");
    m->begin = local + LOCAL_SIZE + number(header + 26, 2) + number(header + 28, 2);
    if (m->begin > d->begin || m->packed > d->begin - m->begin)
        return cj__fail(CJ_FORMAT_ERROR,
                        "found %" PRIu64 " bytes at byte %" PRIu64 ", expected them before byte %" PRIu64,
                        m->packed, m->begin, d->begin);
    if (m->deflated ? m->size / LARGEST_RATIO > m->packed : m->size != m->packed)
        return cj__fail(CJ_FORMAT_ERROR,
                        "found %" PRIu64 " bytes said to be %" PRIu64 " unpacked, which is impossible",
                        m->packed, m->size);
    return CJ_OK;
}

static cj_status read_member(const cj_tensor_file *file, const directory *d, const unsigned char *entry,
                             cj__member *m)
{
    uint64_t flags = number(entry + 8, 2), method = number(entry + 10, 2), local = number(entry + 42, 4);
    *m = (cj__member){.packed = number(entry + 20, 4),
                      .size = number(entry + 24, 4),
                      .deflated = method == 8,
                      .checked = true,
                      .crc = (uint32_t)number(entry + 16, 4)};
    size_t name = (size_t)number(entry + 28, 2), extra = (size_t)number(entry + 30, 2);
    if (!widen(entry + ENTRY_SIZE + name, extra, (uint64_t *const[3]){&m->size, &m->packed, &local}))
        return cj__fail(CJ_FORMAT_ERROR, "found no sizes in 64 bits, expected them in the directory");
    if (flags & 1) return cj__fail(CJ_UNSUPPORTED, "encrypted, which is not read here");
    if (method != 0 && method != 8)
        return cj__fail(CJ_UNSUPPORTED,
                        "compressed by method %d; stored and deflated members are read: save it by "
                        "numpy.savez, numpy.savez_compressed or torch.save",
                        (int)method);
    return place_member(file, d, local, m);
}

static int compare_places(const void *a, const void *b)
{
    const cj__member *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static cj_status check_overlaps(cj__member *members, int64_t count)
{
    qsort(members, (size_t)count, sizeof *members, compare_places);
    for (int64_t i = 1; i < count; i++)
        if (members[i].begin - members[i - 1].begin < members[i - 1].packed)
            return cj__fail(CJ_FORMAT_ERROR,
                            "members of the zip archive overlap: found one at byte %" PRIu64
                            ", expected it at %" PRIu64 " or later",
                            members[i].begin, members[i - 1].begin + members[i - 1].packed);
    return CJ_OK;
}

typedef cj_status visitor(cj_tensor_file *file, const char *name, size_t name_size, const cj__member *member);

/* `text`: the directory. `members` has room for all of them. */
static cj_status read_directory(cj_tensor_file *file, const directory *d, const unsigned char *text,
                                cj__member *members, visitor *visit)
{
    const unsigned char *at = text, *end = text + d->size;
    for (uint64_t i = 0; i < d->count; i++) {
        if (end - at < ENTRY_SIZE || memcmp(at, "PK\1\2", 4) != 0)
            return bad(d->begin + (uint64_t)(at - text), "a member of its directory");
        size_t name = (size_t)number(at + 28, 2);
        size_t all = ENTRY_SIZE + name + (size_t)number(at + 30, 2) + (size_t)number(at + 32, 2);
        if ((size_t)(end - at) < all) return bad(d->begin + d->size, "the rest of its directory");
        cj_status status = read_member(file, d, at, &members[i]);
        if (status == CJ_OK) status = visit(file, (const char *)at + ENTRY_SIZE, name, &members[i]);
        if (status != CJ_OK)
            return status == CJ_OUT_OF_MEMORY
                       ? status
                       : cj__fail_within(status, "%.*s", (int)(name < 200 ? name : 200), at + ENTRY_SIZE);
        at += all;
    }
    return check_overlaps(members, (int64_t)d->count);
}

cj_status cj__zip_members(cj_tensor_file *file, visitor *visit)
{
    directory d;
    CJ__TRY(find_directory(file, &d));
    size_t bytes = (size_t)d.count * sizeof(cj__member);
    unsigned char *text = cj__allocate((size_t)d.size + 1);
    cj__member *members = cj__allocate(bytes + 1);
    cj_status status = text && members ? cj__tensor_file_bytes(file, d.begin, text, (size_t)d.size)
                                       : cj__out_of_memory((size_t)d.size + bytes, file->path);
    if (status == CJ_OK) status = read_directory(file, &d, text, members, visit);
    cj__free(text);
    cj__free(members);
    return status;
}
