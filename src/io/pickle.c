/* The machine that reads a pickle: opcodes, a stack, and a memo of values to be used again. Its values are
 * turned into tensors by pytorch_values.c. No opcode recurs, and each takes memory in proportion to its own
 * bytes, so that a hostile pickle costs no more than its size allows. */
#include "io/pickle.h"

#include <inttypes.h>
#include <string.h>

enum { LARGEST = 16 << 20, LONGEST_TEXT = 1 << 20, LONGEST_NAME = 256, MEMO_SLACK = 1024 };

typedef struct {
    cj__pickle_bytes *bytes;
    cj__torch_objects *objects;
    cj__arena *arena;
    uint64_t begin;     /* of the pickle, in `bytes` */
    uint64_t place;     /* of the opcode at hand */
    unsigned char code; /* the opcode */
    const cj__pickled **stack;
    int64_t depth, stack_room;
    int64_t *marks; /* depths at which a MARK stands */
    int64_t mark_count, mark_room;
    const cj__pickled **memo;
    int64_t memo_count, memo_room; /* the largest index + 1 */
    int64_t puts;
} machine;

static const cj__pickled none = {.kind = CJ__PICKLED_NONE}, no = {.kind = CJ__PICKLED_TRUTH},
                         yes = {.kind = CJ__PICKLED_TRUTH, .whole = 1};

cj__pickled *cj__pickled_new(cj__arena *arena, cj__pickled_kind kind)
{
    cj__pickled *value = cj__arena_allocate(arena, sizeof *value);
    if (value) value->kind = kind;
    return value;
}

const char *cj__pickled_name(cj__pickled_kind kind)
{
    static const char *const names[] = {"None",       "a truth value", "a whole number", "a number",
                                        "a text",     "a tuple",       "a list",         "a dictionary",
                                        "a function", "a storage",     "a tensor"};
    return names[kind];
}

/* --- bytes --------------------------------------------------------------------------------------------- */

static cj_status refuse(const machine *m, const char *what)
{
    return cj__fail(CJ_FORMAT_ERROR, "byte %" PRIu64 " of the pickle (opcode 0x%02x): %s", m->place, m->code,
                    what);
}

static cj_status refill(cj__pickle_bytes *b)
{
    uint64_t left = b->source->member->size - b->source->taken;
    size_t part = left < sizeof b->buffer ? (size_t)left : sizeof b->buffer;
    if (part == 0) return cj__fail(CJ_FORMAT_ERROR, "found the end of the file within a pickle");
    b->at = b->filled = 0;
    CJ__TRY(cj__member_read(b->source, b->buffer, part));
    b->filled = part;
    return CJ_OK;
}

static cj_status take(machine *m, void *to, size_t size)
{
    cj__pickle_bytes *b = m->bytes;
    while (size > 0) {
        if (b->at == b->filled) CJ__TRY(refill(b));
        size_t part = b->filled - b->at < size ? b->filled - b->at : size;
        memcpy(to, b->buffer + b->at, part);
        b->at += part, b->taken += part;
        to = (char *)to + part, size -= part;
    }
    if (b->taken - m->begin > LARGEST) return refuse(m, "a pickle of tensors is not larger than 16 MiB");
    return CJ_OK;
}

/* `size` bytes, little-endian, with a sign where they are a number of LONG1 or BININT. */
static cj_status take_number(machine *m, int size, bool has_sign, int64_t *number)
{
    unsigned char bytes[8] = {0};
    CJ__TRY(take(m, bytes, (size_t)size));
    uint64_t value = has_sign && size > 0 && bytes[size - 1] & 0x80 ? UINT64_MAX : 0;
    for (int i = size - 1; i >= 0; i--) value = value << 8 | bytes[i];
    memcpy(number, &value, sizeof value);
    return CJ_OK;
}

static cj_status take_line(machine *m, char line[LONGEST_NAME])
{
    for (size_t i = 0; i < LONGEST_NAME; i++) {
        CJ__TRY(take(m, &line[i], 1));
        if (line[i] != '\n') continue;
        line[i] = 0;
        return CJ_OK;
    }
    return refuse(m, "a name of more than 255 bytes");
}

/* --- the stack ----------------------------------------------------------------------------------------- */

static cj_status push(machine *m, const cj__pickled *value)
{
    if (!value) return cj__out_of_memory(sizeof *value, "a pickle");
    CJ__TRY(cj__grow(&m->stack, &m->stack_room, m->depth, sizeof(const cj__pickled *)));
    m->stack[m->depth++] = value;
    return CJ_OK;
}

/* Down to the last mark, and no further. */
static cj_status pop(machine *m, const cj__pickled **value)
{
    int64_t floor = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    if (m->depth <= floor) return refuse(m, "there is nothing left on its stack");
    *value = m->stack[--m->depth];
    return CJ_OK;
}

static cj_status mark(machine *m)
{
    CJ__TRY(cj__grow(&m->marks, &m->mark_room, m->mark_count, sizeof *m->marks));
    m->marks[m->mark_count++] = m->depth;
    return CJ_OK;
}

/* Everything above the last mark, which goes; `*from` is its lowest place. */
static cj_status pop_mark(machine *m, int64_t *from, int64_t *count)
{
    if (m->mark_count == 0) return refuse(m, "there is no mark on its stack");
    *from = m->marks[--m->mark_count];
    *count = m->depth - *from;
    m->depth = *from;
    return CJ_OK;
}

static cj_status push_number(machine *m, int64_t number)
{
    cj__pickled *value = cj__pickled_new(m->arena, CJ__PICKLED_WHOLE);
    if (value) value->whole = number;
    return push(m, value);
}

/* --- the memo ------------------------------------------------------------------------------------------ */

/* Writers number what they keep from 0 or 1 on, so that a large number is no honest one. */
static cj_status put(machine *m, int64_t index)
{
    int64_t floor = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    if (m->depth <= floor) return refuse(m, "there is nothing on its stack to be remembered");
    if (index < 0 || index > m->puts + MEMO_SLACK)
        return refuse(m, "its memo has a place far beyond what was put into it");
    while (m->memo_count <= index) {
        CJ__TRY(cj__grow(&m->memo, &m->memo_room, m->memo_count, sizeof(const cj__pickled *)));
        m->memo[m->memo_count++] = NULL;
    }
    m->memo[index] = m->stack[m->depth - 1];
    m->puts++;
    return CJ_OK;
}

static cj_status get(machine *m, int64_t index)
{
    if (index < 0 || index >= m->memo_count || !m->memo[index])
        return refuse(m, "nothing was put into that place of its memo");
    return push(m, m->memo[index]);
}

static cj_status memo_opcode(machine *m, int size, bool putting)
{
    int64_t index = 0;
    CJ__TRY(take_number(m, size, false, &index));
    return putting ? put(m, index) : get(m, index);
}

/* --- plain values -------------------------------------------------------------------------------------- */

static cj_status whole_number(machine *m, int size, bool has_sign)
{
    int64_t number = 0;
    CJ__TRY(take_number(m, size, has_sign, &number));
    return push_number(m, number);
}

static cj_status real_number(machine *m)
{
    int64_t bits = 0;
    unsigned char bytes[8], swapped[8];
    CJ__TRY(take(m, bytes, 8));
    for (int i = 0; i < 8; i++) swapped[i] = bytes[7 - i];
    memcpy(&bits, swapped, 8);
    cj__pickled *value = cj__pickled_new(m->arena, CJ__PICKLED_REAL);
    if (value) memcpy(&value->real, &bits, 8);
    return push(m, value);
}

static cj_status text_of_size(machine *m, int64_t size)
{
    if (size < 0 || size > LONGEST_TEXT) return refuse(m, "a text of more than 1 MiB");
    char *copy = cj__arena_allocate(m->arena, (size_t)size + 1);
    cj__pickled *value = cj__pickled_new(m->arena, CJ__PICKLED_TEXT);
    if (!copy || !value) return cj__out_of_memory((size_t)size + 1, "a pickle");
    CJ__TRY(take(m, copy, (size_t)size));
    value->text.data = copy;
    value->text.size = (size_t)size;
    return push(m, value);
}

static cj_status text(machine *m, int size_bytes)
{
    int64_t size = 0;
    CJ__TRY(take_number(m, size_bytes, size_bytes == 8, &size));
    return text_of_size(m, size);
}

/* LONG1 and LONG4: what has more than 64 bits is kept as its bytes. */
static cj_status long_number(machine *m, int size_bytes)
{
    int64_t size = 0;
    CJ__TRY(take_number(m, size_bytes, size_bytes == 4, &size));
    return size >= 0 && size <= 8 ? whole_number(m, (int)size, true) : text_of_size(m, size);
}

/* --- containers ---------------------------------------------------------------------------------------- */

static cj_status add_item(machine *m, cj__pickled *to, const cj__pickled *key, const cj__pickled *value)
{
    cj__pickled_item *item = cj__arena_allocate(m->arena, sizeof *item);
    if (!item) return cj__out_of_memory(sizeof *item, "a pickle");
    *item = (cj__pickled_item){key, value, NULL};
    if (to->items.last)
        to->items.last->next = item;
    else
        to->items.first = item;
    to->items.last = item;
    to->items.count++;
    return CJ_OK;
}

/* Of the values at `from` on, which have been taken off the stack but still lie there. */
static cj_status tuple(machine *m, int64_t from, int64_t count)
{
    cj__pickled *value = cj__pickled_new(m->arena, CJ__PICKLED_TUPLE);
    if (!value) return cj__out_of_memory(sizeof *value, "a pickle");
    for (int64_t i = 0; i < count; i++) CJ__TRY(add_item(m, value, NULL, m->stack[from + i]));
    return push(m, value);
}

static cj_status tuple_of_marked(machine *m)
{
    int64_t from = 0, count = 0;
    CJ__TRY(pop_mark(m, &from, &count));
    return tuple(m, from, count);
}

static cj_status tuple_of(machine *m, int64_t count)
{
    const cj__pickled *value;
    for (int64_t i = 0; i < count; i++) CJ__TRY(pop(m, &value));
    return tuple(m, m->depth, count);
}

/* The container on top of the stack. Only values made by cj__pickled_new have this kind. */
static cj_status container(machine *m, cj__pickled_kind kind, cj__pickled **found)
{
    int64_t floor = m->mark_count ? m->marks[m->mark_count - 1] : 0;
    if (m->depth <= floor || m->stack[m->depth - 1]->kind != kind)
        return refuse(m, kind == CJ__PICKLED_LIST ? "it adds to what is no list"
                                                  : "it adds to what is no dictionary");
    *found = (cj__pickled *)m->stack[m->depth - 1];
    return CJ_OK;
}

static cj_status append(machine *m)
{
    const cj__pickled *value;
    cj__pickled *list;
    CJ__TRY(pop(m, &value));
    CJ__TRY(container(m, CJ__PICKLED_LIST, &list));
    return add_item(m, list, NULL, value);
}

static cj_status set_item(machine *m)
{
    const cj__pickled *key, *value;
    cj__pickled *dict;
    CJ__TRY(pop(m, &value));
    CJ__TRY(pop(m, &key));
    CJ__TRY(container(m, CJ__PICKLED_DICT, &dict));
    return add_item(m, dict, key, value);
}

/* What lies above the mark, one by one or, for a dictionary, in pairs. */
static cj_status add_marked(machine *m, cj__pickled_kind kind)
{
    int64_t from = 0, count = 0, step = kind == CJ__PICKLED_DICT ? 2 : 1;
    cj__pickled *to;
    CJ__TRY(pop_mark(m, &from, &count));
    CJ__TRY(container(m, kind, &to));
    if (count % step) return refuse(m, "a key without a value");
    for (int64_t i = from; i < from + count; i += step)
        CJ__TRY(add_item(m, to, step == 2 ? m->stack[i] : NULL, m->stack[i + step - 1]));
    return CJ_OK;
}

/* --- what is not plain --------------------------------------------------------------------------------- */

static cj_status named_global(machine *m, const char *module, const char *name)
{
    int number = cj__torch_global(module, name);
    if (number < 0)
        return cj__fail(CJ_UNSUPPORTED,
                        "byte %" PRIu64 " of the pickle: refused to use %.255s.%.255s: only tensors, "
                        "dictionaries, lists and plain values are read; save the state_dict alone: "
                        "torch.save(model.state_dict(), file)",
                        m->place, module, name);
    cj__pickled *value = cj__pickled_new(m->arena, CJ__PICKLED_GLOBAL);
    if (value) value->whole = number;
    return push(m, value);
}

static cj_status global_of_lines(machine *m)
{
    char module[LONGEST_NAME], name[LONGEST_NAME];
    CJ__TRY(take_line(m, module));
    CJ__TRY(take_line(m, name));
    return named_global(m, module, name);
}

static cj_status global_of_stack(machine *m)
{
    const cj__pickled *module, *name;
    CJ__TRY(pop(m, &name));
    CJ__TRY(pop(m, &module));
    if (module->kind != CJ__PICKLED_TEXT || name->kind != CJ__PICKLED_TEXT)
        return refuse(m, "a global whose name is no text");
    return named_global(m, module->text.data, name->text.data);
}

static cj_status reduce(machine *m)
{
    const cj__pickled *arguments, *function, *value = NULL;
    CJ__TRY(pop(m, &arguments));
    CJ__TRY(pop(m, &function));
    if (function->kind != CJ__PICKLED_GLOBAL) return refuse(m, "it calls what is no function");
    if (arguments->kind != CJ__PICKLED_TUPLE) return refuse(m, "it calls with what is no tuple");
    cj_status status = cj__torch_reduce(m->objects, function->whole, arguments, &value);
    if (status == CJ_FORMAT_ERROR || status == CJ_UNSUPPORTED)
        return cj__fail_within(status, "byte %" PRIu64 " of the pickle", m->place);
    return status == CJ_OK ? push(m, value) : status;
}

/* An OrderedDict may carry attributes, such as a state_dict's _metadata, which say nothing of tensors. */
static cj_status build(machine *m)
{
    const cj__pickled *attributes;
    cj__pickled *dict;
    CJ__TRY(pop(m, &attributes));
    if (attributes->kind != CJ__PICKLED_DICT) return refuse(m, "attributes that are no dictionary");
    return container(m, CJ__PICKLED_DICT, &dict);
}

static cj_status persistent(machine *m)
{
    const cj__pickled *id, *value = NULL;
    CJ__TRY(pop(m, &id));
    cj_status status = cj__torch_persistent(m->objects, id, &value);
    if (status == CJ_FORMAT_ERROR || status == CJ_UNSUPPORTED)
        return cj__fail_within(status, "byte %" PRIu64 " of the pickle", m->place);
    return status == CJ_OK ? push(m, value) : status;
}

static cj_status protocol(machine *m)
{
    unsigned char version;
    CJ__TRY(take(m, &version, 1));
    return version >= 2 && version <= 5 ? CJ_OK : refuse(m, "only protocols 2 to 5 are read");
}

/* Frames say how far to read ahead, which is of no use here. */
static cj_status skip(machine *m, size_t size)
{
    char skipped[8];
    return take(m, skipped, size);
}

/* --- the loop ------------------------------------------------------------------------------------------ */

static cj_status unknown(const machine *m)
{
    return refuse(m, "no opcode that a file of tensors by protocols 2 to 5 has");
}

static cj_status plain_opcode(machine *m)
{
    switch (m->code) {
    case 'N':
        return push(m, &none);
    case 0x88:
        return push(m, &yes);
    case 0x89:
        return push(m, &no);
    case 'K':
        return whole_number(m, 1, false);
    case 'M':
        return whole_number(m, 2, false);
    case 'J':
        return whole_number(m, 4, true);
    case 0x8a:
        return long_number(m, 1);
    case 0x8b:
        return long_number(m, 4);
    case 'G':
        return real_number(m);
    case 'U':
    case 'C':
    case 0x8c:
        return text(m, 1);
    case 'T':
    case 'B':
    case 'X':
        return text(m, 4);
    case 0x8d:
    case 0x8e:
        return text(m, 8);
    default:
        return unknown(m);
    }
}

static cj_status execute(machine *m)
{
    const cj__pickled *value;
    int64_t from, count;
    switch (m->code) {
    case 0x80:
        return protocol(m);
    case 0x95:
        return skip(m, 8);
    case '(':
        return mark(m);
    case '0':
        return pop(m, &value);
    case '1':
        return pop_mark(m, &from, &count);
    case ')':
        return push(m, cj__pickled_new(m->arena, CJ__PICKLED_TUPLE));
    case 't':
        return tuple_of_marked(m);
    case 0x85:
    case 0x86:
    case 0x87:
        return tuple_of(m, m->code - 0x84);
    case ']':
        return push(m, cj__pickled_new(m->arena, CJ__PICKLED_LIST));
    case 'a':
        return append(m);
    case 'e':
        return add_marked(m, CJ__PICKLED_LIST);
    case '}':
        return push(m, cj__pickled_new(m->arena, CJ__PICKLED_DICT));
    case 's':
        return set_item(m);
    case 'u':
        return add_marked(m, CJ__PICKLED_DICT);
    case 'q':
        return memo_opcode(m, 1, true);
    case 'r':
        return memo_opcode(m, 4, true);
    case 0x94:
        return put(m, m->puts);
    case 'h':
        return memo_opcode(m, 1, false);
    case 'j':
        return memo_opcode(m, 4, false);
    case 'c':
        return global_of_lines(m);
    case 0x93:
        return global_of_stack(m);
    case 'R':
        return reduce(m);
    case 'b':
        return build(m);
    case 'Q':
        return persistent(m);
    default:
        return plain_opcode(m);
    }
}

static cj_status run(machine *m, const cj__pickled **value)
{
    for (;;) {
        m->place = m->bytes->taken - m->begin;
        CJ__TRY(take(m, &m->code, 1));
        if (m->code == '.') break;
        CJ__TRY(execute(m));
    }
    if (m->mark_count || m->depth != 1) return refuse(m, "it does not end with one value");
    *value = m->stack[0];
    return CJ_OK;
}

cj_status cj__pickle_read(cj__pickle_bytes *bytes, cj__torch_objects *objects, const cj__pickled **value)
{
    machine m = {.bytes = bytes, .objects = objects, .arena = objects->arena, .begin = bytes->taken};
    *value = NULL;
    cj_status status = run(&m, value);
    cj__free(m.stack);
    cj__free(m.marks);
    cj__free(m.memo);
    return status;
}
