/* Growing texts, and numbers to and from text independently of the locale. */
#include "base/text.h"
#include "base/memory.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A constant object of the C library: making it allocates nothing and it is never freed. */
static locale_t plain_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", NULL);
}

static bool make_room(cj__text *text, size_t more)
{
    if (text->failed) return false;
    if (more < text->room - text->size) return true;
    size_t room = (text->size + more + 1) * 2;
    char *bigger = cj__resize(text->data, room);
    text->failed = !bigger;
    if (!bigger) return false;
    text->data = bigger;
    text->room = room;
    return true;
}

void cj__text_add(cj__text *text, const char *bytes, size_t size)
{
    if (!make_room(text, size)) return;
    memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = 0;
}

void cj__text_put(cj__text *text, const char *string)
{
    cj__text_add(text, string, strlen(string));
}

static void print_arguments(cj__text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0)
        text->failed = true;
    else if (make_room(text, (size_t)length))
        text->size += (size_t)vsnprintf(text->data + text->size, (size_t)length + 1, format, again);
    va_end(again);
}

void cj__text_print(cj__text *text, const char *format, ...)
{
    va_list arguments;
    locale_t before = uselocale(plain_locale());
    va_start(arguments, format);
    print_arguments(text, format, arguments);
    va_end(arguments);
    uselocale(before);
}

void cj__number_text(char digits[CJ__NUMBER_TEXT], double value)
{
    locale_t before = uselocale(plain_locale());
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, CJ__NUMBER_TEXT, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    uselocale(before);
}

void cj__text_number(cj__text *text, double value)
{
    char digits[CJ__NUMBER_TEXT];
    cj__number_text(digits, value);
    cj__text_put(text, digits);
}

cj_status cj__text_check(const cj__text *text, const char *what)
{
    return text->failed ? cj__out_of_memory((text->size + 1) * 2, what) : CJ_OK;
}

void cj__text_free(cj__text *text)
{
    cj__free(text->data);
    *text = (cj__text){0};
}

/* At a mismatch the last star takes one more character; an earlier one never needs to. */
bool cj__text_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *taken = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            taken = text;
        } else if (*pattern == *text) {
            pattern++, text++;
        } else if (star) {
            pattern = star;
            text = ++taken;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

int cj__text_choice(const char *choices, const char *word)
{
    size_t length = strlen(word);
    for (int i = 0; *choices; i++) {
        size_t end = strcspn(choices, "|");
        if (end == length && strncmp(choices, word, end) == 0) return i;
        choices += end + (choices[end] == '|');
    }
    return -1;
}

double cj__parse_number(const char *text, char **end)
{
    locale_t before = uselocale(plain_locale());
    double value = strtod(text, end);
    uselocale(before);
    return value;
}

int cj__utf8_length(const char *text, const char *end)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) return 1;
    int length = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
                 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                               : 0;
    if (length == 0 || end - text < length) return 0;
    for (int i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] >= 0xa0, beyond = s[0] == 0xf4 && s[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

static int smallest(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

int cj__text_distance(const char *a, const char *b)
{
    int row[128], n = (int)strlen(b);
    if (n > 126) return 1000;
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; *a; a++, i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, corner + (*a != b[j - 1]));
            corner = above;
        }
    }
    return row[n];
}

const char *cj__nearest_word(const char *wrong, const char *(*word)(int index))
{
    const char *best = word(0);
    for (int i = 1; best && word(i); i++)
        if (cj__text_distance(wrong, word(i)) < cj__text_distance(wrong, best)) best = word(i);
    return best;
}
