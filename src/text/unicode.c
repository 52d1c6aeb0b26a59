/* Text from outside becomes well-formed UTF-8, or an error that says where it is not. Stands before every
 * tokenizer that cuts by characters. */
#include "text/unicode.h"
#include "base/memory.h"

#include <string.h>

uint32_t cj__utf8_code(const char *text, int length)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)*text & first[length];
    for (int i = 1; i < length; i++) code = code << 6 | ((unsigned char)text[i] & 0x3f);
    return code;
}

void cj__utf8_put(cj__text *text, uint32_t code)
{
    char bytes[4];
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size; i-- > 1; code >>= 6) bytes[i] = (char)(0x80 | (code & 0x3f));
    bytes[0] = (char)(first[size] | code);
    cj__text_add(text, bytes, size);
}

int64_t cj__line_at(const char *text, const char *at)
{
    int64_t line = 1;
    for (; text < at; text++) line += *text == '\n';
    return line;
}

void cj_drop_byte_order_mark(char *text, size_t *size)
{
    if (*size < 3 || memcmp(text, "\xef\xbb\xbf", 3) != 0) return;
    *size -= 3;
    memmove(text, text + 3, *size + 1);
}

int64_t cj_count_characters(const char *text, size_t size)
{
    int64_t count = 0;
    for (const char *end = text + size; text < end; count++) {
        int length = cj__utf8_length(text, end);
        text += length ? length : 1;
    }
    return count;
}

/* Eight bytes of ASCII at a time, as most text is. */
const char *cj__utf8_end(const char *at, const char *end)
{
    while (at < end) {
        uint64_t eight;
        while (end - at >= 8 && (memcpy(&eight, at, 8), !(eight & 0x8080808080808080u))) at += 8;
        if (at == end) break;
        int length = cj__utf8_length(at, end);
        if (length == 0) break;
        at += length;
    }
    return at;
}

/* The first byte that is no part of a character, or a zero; `end`: there is none. */
static const char *first_fault(const char *at, const char *end)
{
    const char *zero = memchr(at, 0, (size_t)(end - at));
    return cj__utf8_end(at, zero ? zero : end);
}

cj_status cj__fail_at(cj_status status, const cj__passage *p, const char *at)
{
    if (p->line == 0) return status;
    return cj__fail_within(status, "line %lld", (long long)(p->line - 1 + cj__line_at(p->text, at)));
}

static cj_status refuse(const cj__passage *p, const char *at)
{
    cj_status status =
        *at ? cj__fail(CJ_FORMAT_ERROR, "found byte 0x%02x, which is no UTF-8 here, expected text in UTF-8",
                       (unsigned char)*at)
            : cj__fail(CJ_FORMAT_ERROR, "found a zero byte, expected text");
    return cj__fail_at(status, p, at);
}

/* Each byte that is no part of a character becomes U+FFFD. */
static void repair(cj__text *room, const char *at, const char *end)
{
    while (at < end) {
        const char *fault = first_fault(at, end);
        cj__text_add(room, at, (size_t)(fault - at));
        if (fault < end) cj__utf8_put(room, 0xfffd);
        at = fault + (fault < end);
    }
}

cj_status cj__text_clean(const cj_text_cleaning *cleaning, cj__passage *p, cj__text *room)
{
    if (!p->text) p->text = ""; /* nothing */
    const char *end = p->text + p->size, *fault = first_fault(p->text, end);
    cj__text whole = {0};
    if (fault < end && !cleaning->replace_invalid) return refuse(p, fault);
    if (fault < end) {
        repair(room, p->text, end);
        CJ__TRY(cj__text_check(room, "text"));
        *p = (cj__passage){room->data, room->size, p->line};
    }
    if (!cj__cleans(cleaning)) return CJ_OK;
    cj_status status = cj__text_normalise(cleaning, p->text, p->size, &whole);
    cj__text_free(room);
    *room = whole;
    *p = (cj__passage){whole.data, whole.size, p->line};
    return status;
}

cj_status cj_text_clean(const cj_text_cleaning *cleaning, const char *text, size_t size, char **clean,
                        size_t *clean_size)
{
    cj__text room = {0};
    cj__passage p = {text, size, 1};
    *clean = NULL;
    cj_status status = cj__text_clean(cleaning, &p, &room);
    if (status == CJ_OK && !room.data) {
        cj__text_add(&room, p.text, p.size);
        status = cj__text_check(&room, "text");
    }
    *clean_size = p.size;
    if (status == CJ_OK)
        *clean = room.data;
    else
        cj__text_free(&room);
    return status;
}
