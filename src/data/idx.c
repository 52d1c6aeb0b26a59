/* IDX, the format of MNIST: two zero bytes, the element type, the rank, big-endian dimensions, then the
 * elements. Read through zlib where it is built in, which takes plain files as well. */
#include "data/dataset.h"
#include "data/source.h"

#include <stdio.h>

static cj_status bad(const cj__source *s, size_t byte, const char *found, const char *expected)
{
    return cj__fail(CJ_FORMAT_ERROR, "%s: byte %zu: found %s, expected %s", s->path, byte, found, expected);
}

static cj_status read_header(cj__source *s, cj_shape_t *shape)
{
    unsigned char head[4], dims[4 * CJ_MAX_RANK];
    char found[64];
    if (cj__source_read(s, head, 4) != 4) return bad(s, 0, "the end of the file", "an IDX header of 4 bytes");
    if (head[0] == 0x1f && head[1] == 0x8b)
        return cj__fail(CJ_UNSUPPORTED,
                        "%s is compressed and this build has no zlib; gunzip it or build with zlib1g-dev",
                        s->path);
    snprintf(found, sizeof found, "%02x %02x %02x %02x", head[0], head[1], head[2], head[3]);
    if (head[0] || head[1] || head[2] != 8)
        return bad(s, 0, found, "00 00 08 and a rank: an IDX file of bytes");
    if (head[3] < 1 || head[3] > CJ_MAX_RANK) return bad(s, 3, found, "a rank from 1 to 8 in the last byte");
    *shape = (cj_shape_t){.rank = head[3]};
    if (cj__source_read(s, dims, 4u * head[3]) != 4u * head[3])
        return bad(s, 4, "the end of the file", "the dimensions");
    for (int d = 0; d < head[3]; d++) {
        const unsigned char *b = dims + 4 * d;
        shape->dims[d] = (int64_t)b[0] << 24 | (int64_t)b[1] << 16 | (int64_t)b[2] << 8 | b[3];
    }
    char text[CJ__SHAPE_TEXT];
    if (!cj__shape_valid(*shape))
        return bad(s, 4, cj__shape_text(*shape, text), "dimensions that fit in memory");
    return CJ_OK;
}

enum { LEAST_ROOM = 1 << 20, USUAL_PACKING = 16 };

/* Room at first for what a file of that size usually holds, then it grows with what is really there: a header
 * that lies costs little memory. Of a `part` of the rows nothing is known about what follows them. */
static cj_status read_elements(cj__source *s, cj_tensor *tensor, bool part)
{
    int64_t wanted = cj_shape_count(tensor->shape), have = 0, capacity = 0;
    int64_t usual = cj__source_stored(s) * USUAL_PACKING;
    char *data = NULL;
    while (have < wanted || !data) {
        int64_t next = capacity ? capacity * 2 : usual > LEAST_ROOM ? usual : LEAST_ROOM;
        capacity = next < wanted ? next : wanted;
        char *bigger = cj__resize(data, (size_t)capacity + 1);
        if (!bigger) {
            cj__free(data);
            return cj__out_of_memory((size_t)capacity, s->path);
        }
        data = bigger;
        int64_t got = (int64_t)cj__source_read(s, data + have, (size_t)(capacity - have));
        have += got;
        if (have < capacity) break;
    }
    char extra;
    if (have == wanted && (part || cj__source_read(s, &extra, 1) == 0)) {
        tensor->data = data;
        return CJ_OK;
    }
    cj__free(data);
    char found[64], expected[64];
    snprintf(found, sizeof found, have < wanted ? "only %lld elements" : "more than %lld elements",
             (long long)have);
    snprintf(expected, sizeof expected, "%lld, as its dimensions say", (long long)wanted);
    return bad(s, (size_t)(4 + 4 * tensor->shape.rank), found, expected);
}

cj_status cj__idx_read(cj_tensor *tensor, const char *path, int64_t most)
{
    cj__source s;
    bool part = false;
    *tensor = (cj_tensor){.dtype = CJ_U8};
    CJ__TRY(cj__source_open(&s, path));
    cj_status status = read_header(&s, &tensor->shape);
    if (status == CJ_OK) part = tensor->shape.dims[0] > most;
    if (part) tensor->shape.dims[0] = most;
    if (status == CJ_OK) status = read_elements(&s, tensor, part);
    if (status == CJ_OK || status == CJ_FORMAT_ERROR) {
        cj_status source_status = cj__source_check(&s);
        if (source_status != CJ_OK) status = source_status;
    }
    if (status != CJ_OK) { /* a checksum comes after the elements */
        cj__free(tensor->data);
        tensor->data = NULL;
    }
    cj__source_close(&s);
    return status;
}
