/* Pieces by their bytes: a table of numbers with open addressing. The bytes lie in an arena. */
#include "text/pieces.h"

#include <string.h>

/* Eight bytes at a time, each mixed in by a multiplication; nothing depends on the order of the table. */
static uint32_t hash_of(const char *bytes, size_t size)
{
    uint64_t hash = size * 0x9e3779b97f4a7c15u;
    for (; size > 0;) {
        uint64_t word = 0;
        size_t part = size < 8 ? size : 8;
        memcpy(&word, bytes, part);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
        bytes += part;
        size -= part;
    }
    return (uint32_t)(hash ^ hash >> 29);
}

/* Where the piece is, or the free slot where it would be. */
static int64_t slot_of(const cj__pieces *p, const char *bytes, size_t size, uint32_t hash)
{
    int64_t slot = (int64_t)hash & (p->slot_count - 1);
    for (; p->slots[slot] >= 0; slot = (slot + 1) & (p->slot_count - 1)) {
        const cj__piece *piece = &p->list[p->slots[slot]];
        if (piece->hash == hash && piece->size == size && memcmp(piece->bytes, bytes, size) == 0) break;
    }
    return slot;
}

int32_t cj__pieces_find(const cj__pieces *p, const char *bytes, size_t size)
{
    return p->slot_count ? p->slots[slot_of(p, bytes, size, hash_of(bytes, size))] : -1;
}

/* Twice as many slots, with the same pieces in them. */
static cj_status widen(cj__pieces *p)
{
    int64_t count = p->slot_count ? 2 * p->slot_count : 64;
    int32_t *slots = cj__allocate((size_t)count * sizeof *slots);
    if (!slots) return cj__out_of_memory((size_t)count * sizeof *slots, "a vocabulary");
    memset(slots, 0xff, (size_t)count * sizeof *slots);
    cj__free(p->slots);
    p->slots = slots;
    p->slot_count = count;
    for (int64_t i = 0; i < p->count; i++)
        slots[slot_of(p, p->list[i].bytes, p->list[i].size, p->list[i].hash)] = (int32_t)i;
    return CJ_OK;
}

cj_status cj__pieces_add(cj__pieces *p, const char *bytes, size_t size, int32_t *number)
{
    if (2 * (p->count + 1) > p->slot_count) CJ__TRY(widen(p));
    uint32_t hash = hash_of(bytes, size);
    int64_t slot = slot_of(p, bytes, size, hash);
    *number = p->slots[slot];
    if (*number >= 0) return CJ_OK;
    if (p->count == CJ__MOST_TOKENS || size > CJ__LONGEST_PIECE)
        return cj__fail(CJ_UNSUPPORTED, "a vocabulary has up to %d pieces of up to %d bytes", CJ__MOST_TOKENS,
                        CJ__LONGEST_PIECE);
    CJ__TRY(cj__grow(&p->list, &p->room, p->count, sizeof *p->list));
    char *copy = cj__arena_allocate(&p->arena, size + 2);
    if (!copy) return cj__out_of_memory(size + 2, "a vocabulary");
    *copy = ' ';
    memcpy(copy + 1, bytes, size);
    p->list[p->count] = (cj__piece){copy + 1, (uint32_t)size, hash};
    *number = p->slots[slot] = (int32_t)p->count++;
    return CJ_OK;
}

void cj__pieces_free(cj__pieces *p)
{
    cj__arena_free(&p->arena);
    cj__free(p->list);
    cj__free(p->slots);
    *p = (cj__pieces){0};
}
