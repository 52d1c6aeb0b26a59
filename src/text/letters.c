/* Bytes as printable letters and back: what prints stands for itself, the others follow from U+0100 on. */
#include "text/letters.h"
#include "text/unicode.h"

static bool stands_for_itself(int byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

void cj__letters_order(uint8_t bytes[256])
{
    int count = 0;
    for (int itself = 1; itself >= 0; itself--)
        for (int byte = 0; byte < 256; byte++)
            if (stands_for_itself(byte) == itself) bytes[count++] = (uint8_t)byte;
}

/* The others are 0 to 0x20, 0x7f to 0xa0 and 0xad: U+0100 to U+0120, to U+0142, and U+0143. */
static uint32_t letter_of(int byte)
{
    if (stands_for_itself(byte)) return (uint32_t)byte;
    return byte <= 0x20 ? 0x100 + (uint32_t)byte : byte <= 0xa0 ? 0x121 + (uint32_t)byte - 0x7f : 0x143;
}

void cj__letters_put(cj__text *out, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) cj__utf8_put(out, letter_of((unsigned char)bytes[i]));
}

/* The byte of a letter; -1: it is none. */
static int byte_of(uint32_t code)
{
    if (code < 0x100) return stands_for_itself((int)code) ? (int)code : -1;
    if (code <= 0x120) return (int)code - 0x100;
    return code <= 0x142 ? (int)code - 0x121 + 0x7f : code == 0x143 ? 0xad : -1;
}

bool cj__letters_read(char *letters, size_t *size)
{
    const char *at = letters, *end = letters + *size;
    char *out = letters;
    while (at < end) {
        int length = cj__utf8_length(at, end), byte = length ? byte_of(cj__utf8_code(at, length)) : -1;
        if (byte < 0) return false;
        *out++ = (char)byte;
        at += length;
    }
    *size = (size_t)(out - letters);
    *out = 0;
    return true;
}
