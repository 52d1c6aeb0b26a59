/* Reading NumPy's arrays: .npy, versions 1 to 3, and .npz, a zip archive of them. The header is a Python
 * dictionary, of which as much is understood as NumPy writes.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "base/shape.h"
#include "io/tensor_file.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HEADER_LIMIT = 1 << 20, LONGEST_TYPE = 64 };

/* --- the dictionary ------------------------------------------------------------------------------------ */

/* The first thing that is wrong sticks. */
typedef struct {
    const char *text, *at, *end;
    const char *expected; /* NULL while all is well */
} scanner;

static void refuse(scanner *s, const char *at, const char *expected)
{
    if (s->expected) return;
    s->at = at;
    s->expected = expected;
}

static char peek(scanner *s)
{
    while (s->at < s->end && isspace((unsigned char)*s->at)) s->at++;
    return s->at < s->end && !s->expected ? *s->at : 0;
}

static bool take(scanner *s, char wanted)
{
    if (peek(s) != wanted) return false;
    s->at++;
    return true;
}

static void expect(scanner *s, char wanted, const char *expected)
{
    if (!take(s, wanted)) refuse(s, s->at, expected);
}

/* What is between quotes. */
static const char *string(scanner *s, size_t *size)
{
    char quote = peek(s);
    if (quote != '\'' && quote != '"') return refuse(s, s->at, "a text in quotes"), NULL;
    const char *start = ++s->at;
    while (s->at < s->end && *s->at != quote && *s->at != '\\') s->at++;
    *size = (size_t)(s->at - start);
    expect(s, quote, "the closing quote");
    return s->expected ? NULL : start;
}

static bool word(scanner *s, const char *wanted)
{
    size_t size = strlen(wanted);
    peek(s);
    if (s->expected || (size_t)(s->end - s->at) < size || memcmp(s->at, wanted, size) != 0) return false;
    s->at += size;
    return true;
}

static bool truth(scanner *s)
{
    if (word(s, "True")) return true;
    if (!word(s, "False")) refuse(s, s->at, "True or False");
    return false;
}

/* Python 2 wrote `3L`. */
static int64_t dimension(scanner *s)
{
    int64_t value = 0;
    const char *start = s->at;
    if (!isdigit((unsigned char)peek(s))) return refuse(s, s->at, "a dimension: a whole number from 0 on"), 0;
    for (; s->at < s->end && isdigit((unsigned char)*s->at); s->at++) {
        value = 10 * value + (*s->at - '0');
        if (value > CJ__MAX_ELEMENTS) return refuse(s, start, "dimensions that fit in memory"), 0;
    }
    take(s, 'L');
    return value;
}

static cj_shape_t tuple(scanner *s)
{
    cj_shape_t shape = {0};
    peek(s);
    const char *start = s->at;
    expect(s, '(', "'(' and dimensions");
    while (!s->expected && peek(s) != ')') {
        if (shape.rank == CJ_MAX_RANK) refuse(s, start, "at most 8 dimensions");
        if (s->expected) break;
        shape.dims[shape.rank++] = dimension(s);
        if (peek(s) != ')') expect(s, ',', "',' or ')'");
    }
    expect(s, ')', "')'");
    if (!cj__shape_valid(shape)) refuse(s, start, "a shape that fits in memory");
    return shape;
}

/* A record's type is a list: skipped to its closing bracket. */
static void skip_list(scanner *s)
{
    size_t size, depth = 0;
    do {
        char c = peek(s);
        if (c == '\'' || c == '"')
            string(s, &size);
        else if (c == 0)
            refuse(s, s->at, "']'");
        else
            depth += c == '[' || c == '(', depth -= c == ']' || c == ')', s->at++;
    } while (depth > 0 && !s->expected);
}

/* --- element types ------------------------------------------------------------------------------------- */

/* One that is told by its name alone. */
static cj_status unknown_type(cj__tensor_entry *e, const char *text, size_t size, cj__arena *arena)
{
    cj__stored_type *type = cj__arena_allocate(arena, sizeof *type);
    char *name = cj__arena_format(arena, "%.*s%s", (int)(size < LONGEST_TYPE ? size : LONGEST_TYPE), text,
                                  size > LONGEST_TYPE ? "…" : "");
    if (!type || !name) return cj__out_of_memory(sizeof *type + LONGEST_TYPE, "an element type");
    *type = (cj__stored_type){.name = name};
    e->type = type;
    return CJ_OK;
}

/* "<f4": the order of bytes, the kind, the size. */
static cj_status find_type(cj__tensor_entry *e, const char *text, size_t size, cj__arena *arena)
{
    static const char *const types[][2] = {{"f2", "F16"}, {"f4", "F32"}, {"f8", "F64"}, {"i1", "I8"},
                                           {"i2", "I16"}, {"i4", "I32"}, {"i8", "I64"}, {"u1", "U8"},
                                           {"u2", "U16"}, {"u4", "U32"}, {"b1", "BOOL"}};
    bool ordered = size == 3 && memchr("<>|=", text[0], 4);
    const char *kind = text + ordered;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (size - ordered == 2 && memcmp(kind, types[i][0], 2) == 0) {
            e->type = cj__stored_type_named(types[i][1]);
            e->swapped = text[0] == '>' && e->type->size > 1;
            return CJ_OK;
        }
    return unknown_type(e, text, size, arena);
}

static cj_status read_type(scanner *s, cj__tensor_entry *e, cj__arena *arena)
{
    size_t size = 0;
    bool list = peek(s) == '[' || peek(s) == '(';
    const char *start = s->at;
    if (list)
        skip_list(s), size = (size_t)(s->at - start);
    else
        start = string(s, &size);
    if (s->expected) return CJ_OK; /* told by the scanner */
    return list ? unknown_type(e, start, size, arena) : find_type(e, start, size, arena);
}

/* --- the header ---------------------------------------------------------------------------------------- */

/* {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }: each once, in any order. */
static cj_status read_fields(scanner *s, cj__tensor_entry *e, cj__arena *arena)
{
    static const char *const fields[] = {"descr", "fortran_order", "shape"};
    unsigned seen = 0;
    expect(s, '{', "'{': a Python dictionary");
    while (!s->expected && peek(s) != '}') {
        size_t size = 0;
        const char *start = s->at, *field = string(s, &size);
        unsigned which = 0;
        while (field && which < 3 &&
               !(strlen(fields[which]) == size && memcmp(field, fields[which], size) == 0))
            which++;
        if (which == 3 || (field && seen & 1u << which))
            refuse(s, start, "descr, fortran_order and shape, each once");
        expect(s, ':', "':'");
        if (s->expected) break;
        seen |= 1u << which;
        if (which == 0) CJ__TRY(read_type(s, e, arena));
        if (which == 1) e->fortran = truth(s);
        if (which == 2) e->shape = tuple(s);
        if (peek(s) != '}') expect(s, ',', "',' or '}'");
    }
    expect(s, '}', "'}'");
    if (seen != 7) refuse(s, s->at, "descr, fortran_order and shape before the '}'");
    if (peek(s)) refuse(s, s->at, "nothing after the '}'");
    return CJ_OK;
}

static cj_status parse(const char *text, size_t size, cj__tensor_entry *e, cj__arena *arena)
{
    scanner s = {text, text, text + size, NULL};
    CJ__TRY(read_fields(&s, e, arena));
    if (!s.expected) return CJ_OK;
    char found[32] = "the end of the header";
    if (s.at < s.end && isprint((unsigned char)*s.at))
        snprintf(found, sizeof found, "'%c'", *s.at);
    else if (s.at < s.end)
        snprintf(found, sizeof found, "0x%02x", (unsigned char)*s.at);
    return cj__fail(CJ_FORMAT_ERROR, "byte %zu of the header: found %s, expected %s", (size_t)(s.at - text),
                    found, s.expected);
}

/* "\x93NUMPY", the version, and the length of the dictionary in 2 bytes, or 4 from version 2 on. */
static cj_status read_length(cj__member_reader *r, size_t *length)
{
    unsigned char start[8], bytes[4] = {0};
    CJ__TRY(cj__member_read(r, start, sizeof start));
    if (memcmp(start, "\x93NUMPY", 6) != 0)
        return cj__fail(CJ_FORMAT_ERROR, "byte 0: found no .npy header, expected \\x93NUMPY");
    if (start[6] < 1 || start[6] > 3)
        return cj__fail(CJ_UNSUPPORTED, "byte 6: found version %d of the format, expected 1, 2 or 3",
                        start[6]);
    CJ__TRY(cj__member_read(r, bytes, start[6] == 1 ? 2 : 4));
    *length = (size_t)bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 24;
    if (*length > HEADER_LIMIT || *length > r->member->size - r->taken)
        return cj__fail(CJ_FORMAT_ERROR,
                        "byte 8: found a header of %zu bytes in a file of %" PRIu64 ", expected %d"
                        " at most",
                        *length, r->member->size, HEADER_LIMIT);
    return CJ_OK;
}

static cj_status read_dictionary(cj__member_reader *r, size_t length, cj__tensor_entry *e, cj__arena *arena)
{
    char *text = cj__allocate(length + 1);
    if (!text) return cj__out_of_memory(length + 1, r->file->path);
    cj_status status = cj__member_read(r, text, length);
    if (status == CJ_OK) status = parse(text, length, e, arena);
    cj__free(text);
    e->header_size = r->taken;
    return status;
}

static cj_status check_size(const cj__tensor_entry *e)
{
    char shape[CJ__SHAPE_TEXT];
    uint64_t found = e->member.size - e->header_size;
    uint64_t wanted = (uint64_t)cj_shape_count(e->shape) * e->type->size;
    if (!e->type->readable || found == wanted) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "found %" PRIu64 " bytes of elements, expected %" PRIu64 " for %s %s%s",
                    found, wanted, e->type->name, cj__shape_text(e->shape, shape),
                    found < wanted ? ": the file was cut short" : "");
}

/* Appends the array to the index; `name` belongs to the file. */
static cj_status add(cj_tensor_file *file, const char *name, const cj__member *member)
{
    cj__tensor_entry e = {.name = name, .member = *member};
    cj__member_reader reader;
    size_t length = 0;
    cj_status status = cj__member_begin(&reader, file, &e.member);
    if (status == CJ_OK) status = read_length(&reader, &length);
    if (status == CJ_OK) status = read_dictionary(&reader, length, &e, &file->arena);
    cj__member_end(&reader);
    CJ__TRY(status);
    CJ__TRY(check_size(&e));
    CJ__TRY(cj__grow(&file->entries, &file->capacity, file->count, sizeof e));
    file->entries[file->count++] = e;
    return CJ_OK;
}

/* --- files --------------------------------------------------------------------------------------------- */

cj_status cj__npy_load(cj_tensor_file *file)
{
    return cj__within_file(file, add(file, "arr_0", &(cj__member){.packed = file->size, .size = file->size}));
}

/* What is no array has no place here. */
static cj_status add_member(cj_tensor_file *file, const char *name, size_t size, const cj__member *member)
{
    if (size < 4 || memcmp(name + size - 4, ".npy", 4) != 0) return CJ_OK;
    char *copy = cj__arena_format(&file->arena, "%.*s", (int)size - 4, name);
    return copy ? add(file, copy, member) : cj__out_of_memory(size, file->path);
}

cj_status cj__npz_load(cj_tensor_file *file)
{
    return cj__within_file(file, cj__zip_members(file, add_member));
}

/* --- elements ------------------------------------------------------------------------------------------ */

static cj_status read_stored(const cj_tensor_file *file, const cj__tensor_entry *e, void *raw, size_t size)
{
    cj__member_reader reader;
    char skipped[4096];
    cj_status status = cj__member_begin(&reader, file, &e->member);
    while (status == CJ_OK && reader.taken < e->header_size) {
        uint64_t left = e->header_size - reader.taken;
        status = cj__member_read(&reader, skipped, left < sizeof skipped ? (size_t)left : sizeof skipped);
    }
    if (status == CJ_OK) status = cj__member_read(&reader, raw, size);
    if (status == CJ_OK) status = cj__member_check(&reader);
    cj__member_end(&reader);
    if (status == CJ_OK || status == CJ_OUT_OF_MEMORY) return status;
    return cj__fail_within(status, "%s: tensor %.200s", file->path, e->name);
}

/* The first dimension runs fastest. */
static void reorder(char *to, const char *from, cj_shape_t shape, size_t size)
{
    int64_t strides[CJ_MAX_RANK];
    for (int64_t d = 0, step = 1; d < shape.rank; step *= shape.dims[d++]) strides[d] = step;
    cj__gather_elements(to, from, shape, strides, size);
}

static cj_status read_fortran(const cj_tensor_file *file, const cj__tensor_entry *e, void *raw, size_t size)
{
    char *stored = cj__allocate(size + 1);
    if (!stored) return cj__out_of_memory(size, e->name);
    cj_status status = read_stored(file, e, stored, size);
    if (status == CJ_OK) reorder(raw, stored, e->shape, e->type->size);
    cj__free(stored);
    return status;
}

cj_status cj__npy_read(cj_tensor_file *file, const cj__tensor_entry *e, void *raw)
{
    int64_t count = cj_shape_count(e->shape);
    size_t size = (size_t)count * e->type->size;
    CJ__TRY(e->fortran && e->shape.rank > 1 ? read_fortran(file, e, raw, size)
                                            : read_stored(file, e, raw, size));
    if (e->swapped) cj__swap_elements(raw, count, e->type->size);
    return CJ_OK;
}
