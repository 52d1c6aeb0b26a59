/* JSON, read strictly by recursive descent and written plainly. Recursion happens in cj__json_skip alone, to
 * a bounded depth. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEEPEST = 64 };

void cj__json_begin(cj__json *json, const char *text, size_t size)
{
    *json = (cj__json){.text = text, .at = text, .end = text + size};
}

void cj__json_refuse(cj__json *json, const char *value_start, const char *expected)
{
    if (json->expected || json->out_of_memory) return;
    json->expected = expected;
    json->at = value_start;
}

static bool fail(cj__json *json, const char *expected)
{
    cj__json_refuse(json, json->at, expected);
    return false;
}

static bool stuck(const cj__json *json)
{
    return json->expected || json->out_of_memory;
}

/* The next character that is no white space, or 0. */
char cj__json_peek(cj__json *json)
{
    if (stuck(json)) return 0;
    while (json->at < json->end && strchr(" \t\r\n", *json->at) && *json->at) json->at++;
    return json->at < json->end ? *json->at : 0;
}

static bool take(cj__json *json, char wanted, const char *expected)
{
    if (cj__json_peek(json) != wanted || stuck(json)) return fail(json, expected);
    json->at++;
    return true;
}

bool cj__json_enter(cj__json *json, char bracket)
{
    return take(json, bracket, bracket == '{' ? "'{'" : "'['");
}

bool cj__json_more(cj__json *json, int64_t index, char closing)
{
    if (cj__json_peek(json) == closing) {
        json->at++;
        return false;
    }
    if (stuck(json)) return false;
    return index == 0 || take(json, ',', closing == '}' ? "',' or '}'" : "',' or ']'");
}

/* --- UTF-8 --------------------------------------------------------------------------------------------- */

static char *put_character(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 63));
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    }
    return out;
}

/* --- strings ------------------------------------------------------------------------------------------- */

static bool read_four_digits(cj__json *json, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++, json->at++) {
        char c = json->at < json->end ? *json->at : 0;
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0) return fail(json, "four hexadecimal digits");
        *code = *code << 4 | (uint32_t)digit;
    }
    return true;
}

/* After "\u": one code, or two that make a pair of surrogates. */
static bool read_code(cj__json *json, uint32_t *code)
{
    uint32_t low;
    if (!read_four_digits(json, code)) return false;
    if (*code == 0) return fail(json, "a string without zero characters");
    if (*code >= 0xdc00 && *code < 0xe000) return fail(json, "a high surrogate before a low one");
    if (*code < 0xd800 || *code >= 0xdc00) return true;
    if (json->end - json->at < 2 || json->at[0] != '\\' || json->at[1] != 'u')
        return fail(json, "a low surrogate after the high one");
    json->at += 2;
    if (!read_four_digits(json, &low)) return false;
    if (low < 0xdc00 || low >= 0xe000) return fail(json, "a low surrogate after the high one");
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* After the backslash. */
static char *read_escape(cj__json *json, char *out)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    uint32_t code;
    char c = json->at < json->end ? *json->at : 0;
    const char *place = c ? strchr(names, c) : NULL;
    if (c == 'u') {
        json->at++;
        return read_code(json, &code) ? put_character(out, code) : NULL;
    }
    if (!place) {
        fail(json, "an escape: one of \" \\ / b f n r t u");
        return NULL;
    }
    json->at++;
    *out++ = values[place - names];
    return out;
}

static char *read_plain_character(cj__json *json, char *out)
{
    int length = (unsigned char)*json->at < 0x20 ? 0 : cj__utf8_length(json->at, json->end);
    if (length == 0) {
        fail(json, "a character of UTF-8 that is no control character");
        return NULL;
    }
    memcpy(out, json->at, (size_t)length);
    json->at += length;
    return out + length;
}

/* Up to the closing quote. What a string says is never longer than how it is written. */
static bool read_characters(cj__json *json, char *out)
{
    while (out && json->at < json->end && *json->at != '"') {
        bool escape = *json->at == '\\';
        json->at += escape;
        out = escape ? read_escape(json, out) : read_plain_character(json, out);
    }
    if (!out) return false;
    *out = 0;
    return take(json, '"', "the closing quote of a string");
}

/* The room that a string needs: up to the first quote that is not escaped. */
static size_t raw_length(const cj__json *json)
{
    const char *at = json->at;
    while (at < json->end && *at != '"') at += *at == '\\' && json->end - at > 1 ? 2 : 1;
    return (size_t)(at - json->at);
}

char *cj__json_string(cj__json *json, cj__arena *arena)
{
    if (!take(json, '"', "a string")) return NULL;
    char *string = cj__arena_allocate(arena, raw_length(json) + 1);
    if (!string) {
        json->out_of_memory = true;
        return NULL;
    }
    return read_characters(json, string) ? string : NULL;
}

char *cj__json_key(cj__json *json, cj__arena *arena)
{
    char *key = cj__json_string(json, arena);
    return key && take(json, ':', "':'") ? key : NULL;
}

/* --- numbers and the rest ------------------------------------------------------------------------------ */

static size_t digits_at(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && *at >= '0' && *at <= '9') at++;
    return (size_t)(at - start);
}

uint64_t cj__json_unsigned(cj__json *json)
{
    cj__json_peek(json);
    if (stuck(json)) return 0;
    const char *start = json->at;
    size_t digits = digits_at(start, json->end);
    uint64_t value = 0;
    bool fits = digits > 0 && (digits == 1 || *start != '0');
    for (size_t i = 0; fits && i < digits; i++) {
        uint64_t digit = (uint64_t)(start[i] - '0');
        fits = value <= (UINT64_MAX - digit) / 10;
        value = value * 10 + digit;
    }
    json->at += digits;
    if (fits && (json->at == json->end || !strchr(".eE", *json->at))) return value;
    cj__json_refuse(json, start, "a whole number from 0 to 18446744073709551615");
    return 0;
}

/* The end of the number that begins at `at`, or NULL. */
static const char *number_end(const char *at, const char *end)
{
    if (at < end && *at == '-') at++;
    size_t digits = digits_at(at, end);
    if (digits == 0 || (digits > 1 && *at == '0')) return NULL;
    at += digits;
    if (at < end && *at == '.') {
        digits = digits_at(at + 1, end);
        if (digits == 0) return NULL;
        at += 1 + digits;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        digits = digits_at(at, end);
        if (digits == 0) return NULL;
        at += digits;
    }
    return at;
}

double cj__json_number(cj__json *json)
{
    char copy[400]; /* zero-terminated; a double never needs more digits than 325 after its point */
    cj__json_peek(json);
    if (stuck(json)) return 0;
    const char *end = number_end(json->at, json->end);
    if (!end || end - json->at >= (ptrdiff_t)sizeof copy) {
        fail(json, "a number");
        return 0;
    }
    memcpy(copy, json->at, (size_t)(end - json->at));
    copy[end - json->at] = 0;
    json->at = end;
    return cj__parse_number(copy, NULL);
}

static bool take_word(cj__json *json, const char *word)
{
    size_t length = strlen(word);
    if (stuck(json) || (size_t)(json->end - json->at) < length || memcmp(json->at, word, length) != 0)
        return false;
    json->at += length;
    return true;
}

bool cj__json_boolean(cj__json *json)
{
    cj__json_peek(json);
    if (take_word(json, "true")) return true;
    if (!take_word(json, "false")) fail(json, "true or false");
    return false;
}

static void skip_string(cj__json *json)
{
    char character[8], *out = character;
    take(json, '"', "a string");
    while (out && !stuck(json) && json->at < json->end && *json->at != '"') {
        bool escape = *json->at == '\\';
        json->at += escape;
        out = escape ? read_escape(json, character) : read_plain_character(json, character);
    }
    take(json, '"', "the closing quote of a string");
}

static void skip_value(cj__json *json, int depth)
{
    char first = cj__json_peek(json);
    if (depth > DEEPEST) {
        fail(json, "values nested at most 64 deep");
    } else if (first == '{' || first == '[') {
        json->at++;
        char closing = first == '{' ? '}' : ']';
        for (int64_t i = 0; cj__json_more(json, i, closing); i++) {
            if (first == '{') skip_string(json), take(json, ':', "':'");
            skip_value(json, depth + 1);
        }
    } else if (first == '"') {
        skip_string(json);
    } else if (first == '-' || (first >= '0' && first <= '9')) {
        cj__json_number(json);
    } else if (!take_word(json, "true") && !take_word(json, "false") && !take_word(json, "null")) {
        fail(json, "a value");
    }
}

void cj__json_skip(cj__json *json)
{
    skip_value(json, 1);
}

cj_status cj__json_finish(cj__json *json)
{
    cj__json_peek(json);
    if (!stuck(json) && json->at < json->end) fail(json, "the end");
    if (json->out_of_memory) return cj__out_of_memory((size_t)(json->end - json->at), "reading JSON");
    if (!json->expected) return CJ_OK;
    char found[64] = "the end of the text";
    unsigned char c = json->at < json->end ? (unsigned char)*json->at : 0;
    if (json->at < json->end)
        snprintf(found, sizeof found, c >= 0x20 && c < 0x7f ? "'%c'" : "byte 0x%02x", c);
    return cj__fail(CJ_FORMAT_ERROR, "byte %zu: found %s, expected %s", (size_t)(json->at - json->text),
                    found, json->expected);
}

/* --- writing ------------------------------------------------------------------------------------------- */

static void put_escaped(cj__text *text, char c)
{
    static const char values[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *place = strchr(values, c);
    if (place)
        cj__text_print(text, "\\%c", names[place - values]);
    else
        cj__text_print(text, "\\u%04x", (unsigned char)c);
}

void cj__json_put_string(cj__text *text, const char *string)
{
    const char *end = string + strlen(string);
    cj__text_put(text, "\"");
    while (string < end) {
        int length = cj__utf8_length(string, end);
        if ((unsigned char)*string < 0x20 || *string == '"' || *string == '\\')
            put_escaped(text, *string);
        else if (length == 0)
            cj__text_put(text, "\xef\xbf\xbd");
        else
            cj__text_add(text, string, (size_t)length);
        string += length ? length : 1;
    }
    cj__text_put(text, "\"");
}

void cj__json_put_number(cj__text *text, double value)
{
    if (isfinite(value))
        cj__text_number(text, value);
    else
        cj__text_put(text, "null");
}
