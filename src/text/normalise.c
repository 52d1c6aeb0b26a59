/* Normal forms, lower case and categories of characters, by utf8proc. Text in ASCII goes without it. */
#include "base/memory.h"
#include "text/unicode.h"

#ifdef CJ_HAVE_UTF8PROC
#include <utf8proc.h>
#endif

cj_status cj__unicode_check(const char *what)
{
#ifdef CJ_HAVE_UTF8PROC
    (void)what;
    return CJ_OK;
#else
    return cj__fail(CJ_UNSUPPORTED, "%s: this build is without utf8proc (Debian: libutf8proc-dev)", what);
#endif
}

/* --- categories ---------------------------------------------------------------------------------------- */

static bool is_letter_or_digit(uint32_t code)
{
    return (code >= '0' && code <= '9') || ((code | 32) >= 'a' && (code | 32) <= 'z');
}

#ifdef CJ_HAVE_UTF8PROC
static utf8proc_category_t category(uint32_t code)
{
    return utf8proc_category((utf8proc_int32_t)code);
}
static bool is_wide_blank(uint32_t code)
{
    utf8proc_category_t c = category(code);
    return c == UTF8PROC_CATEGORY_ZS || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP;
}
static bool is_wide_word(uint32_t code)
{
    utf8proc_category_t c = category(code);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO;
}
static bool is_wide_punctuation(uint32_t code)
{
    utf8proc_category_t c = category(code);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}
static bool is_wide_control(uint32_t code)
{
    utf8proc_category_t c = category(code);
    return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CO;
}
#else
static bool is_wide_blank(uint32_t code)
{
    (void)code;
    return false;
}
static bool is_wide_word(uint32_t code)
{
    (void)code;
    return true;
}
#define is_wide_punctuation is_wide_blank
#define is_wide_control     is_wide_blank
#endif

bool cj__is_blank(uint32_t code)
{
    if (code < 0x80) return code == ' ' || (code >= 9 && code <= 13);
    return code == 0x85 || is_wide_blank(code);
}

bool cj__is_word(uint32_t code)
{
    return code < 0x80 ? is_letter_or_digit(code) : is_wide_word(code);
}

bool cj__is_punctuation(uint32_t code)
{
    return code < 0x80 ? code > 0x20 && code < 0x7f && !is_letter_or_digit(code) : is_wide_punctuation(code);
}

bool cj__is_control(uint32_t code)
{
    if (code < 0x80) return (code < 0x20 && code != '\t' && code != '\n' && code != '\r') || code == 0x7f;
    return is_wide_control(code);
}

/* --- normal forms -------------------------------------------------------------------------------------- */

static bool is_ascii(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] >= 0x80) return false;
    return true;
}

/* ASCII is in every normal form, and has no accents. */
static cj_status lower_ascii(const cj_text_cleaning *cleaning, const char *text, size_t size, cj__text *out)
{
    size_t before = out->size;
    cj__text_add(out, text, size);
    CJ__TRY(cj__text_check(out, "text"));
    for (size_t i = before; cleaning->lower && i < out->size; i++)
        if (out->data[i] >= 'A' && out->data[i] <= 'Z') out->data[i] += 'a' - 'A';
    return CJ_OK;
}

#ifdef CJ_HAVE_UTF8PROC
static utf8proc_option_t decomposition(const cj_text_cleaning *cleaning)
{
    int compatible = cleaning->form == CJ_FORM_NFKC || cleaning->form == CJ_FORM_NFKD;
    if (cleaning->form == CJ_FORM_AS_IS && !cleaning->strip_accents) return (utf8proc_option_t)0;
    return (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
}

enum { SIGMA = 0x3a3, FINAL_SIGMA = 0x3c2, DOTTED_I = 0x130, DOT_ABOVE = 0x307 };

static bool is_cased(utf8proc_int32_t code)
{
    utf8proc_category_t c = utf8proc_category(code);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

/* What stands within words or on letters: marks, and signs such as apostrophes. */
static bool is_passed_over(utf8proc_int32_t code)
{
    static const utf8proc_int32_t signs[] = {'\'',   '.',    ':',    0xb7,   0x387,  0x55f,
                                             0x5f4,  0x2018, 0x2019, 0x2024, 0x2027, 0xfe13,
                                             0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    utf8proc_category_t c = utf8proc_category(code);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (code == signs[i]) return true;
    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_ME || c == UTF8PROC_CATEGORY_CF ||
           c == UTF8PROC_CATEGORY_LM || c == UTF8PROC_CATEGORY_SK;
}

/* Whether a letter stands before the first or behind the last of codes [at], signs passed over. */
static bool joins_letter(const utf8proc_int32_t *codes, utf8proc_ssize_t count, utf8proc_ssize_t at, int step)
{
    for (at += step; at >= 0 && at < count; at += step)
        if (!is_passed_over(codes[at])) return is_cased(codes[at]);
    return false;
}

/* codes: [count] of room for twice as many. What neighbours or length decide of lower case; how many there
 * are then. */
static utf8proc_ssize_t lower_in_full(utf8proc_int32_t *codes, utf8proc_ssize_t count)
{
    utf8proc_ssize_t more = 0;
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        more += codes[i] == DOTTED_I;
        if (codes[i] == SIGMA && joins_letter(codes, count, i, -1) && !joins_letter(codes, count, i, 1))
            codes[i] = FINAL_SIGMA;
    }
    for (utf8proc_ssize_t from = count - 1, to = count + more - 1; from >= 0 && to > from; from--) {
        if (codes[from] == DOTTED_I) codes[to--] = DOT_ABOVE;
        codes[to--] = codes[from] == DOTTED_I ? 'i' : codes[from];
    }
    return count + more;
}

/* In lower case, without marks; how many are left. */
static utf8proc_ssize_t change(const cj_text_cleaning *cleaning, utf8proc_int32_t *codes,
                               utf8proc_ssize_t count)
{
    utf8proc_ssize_t kept = 0;
    if (cleaning->lower && cleaning->in_full) count = lower_in_full(codes, count);
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        if (cleaning->strip_accents && utf8proc_category(codes[i]) == UTF8PROC_CATEGORY_MN) continue;
        codes[kept++] = cleaning->lower ? utf8proc_tolower(codes[i]) : codes[i];
    }
    return kept;
}

/* codes: [2·count + 1] become UTF-8 where they lie. */
static cj_status encode(const cj_text_cleaning *cleaning, utf8proc_int32_t *codes, utf8proc_ssize_t count,
                        cj__text *out)
{
    int composed = cleaning->form == CJ_FORM_NFC || cleaning->form == CJ_FORM_NFKC;
    utf8proc_option_t option = (utf8proc_option_t)(composed ? UTF8PROC_STABLE | UTF8PROC_COMPOSE : 0);
    count = utf8proc_reencode(codes, change(cleaning, codes, count), option);
    if (count < 0) return cj__fail(CJ_INTERNAL_ERROR, "utf8proc: %s", utf8proc_errmsg(count));
    cj__text_add(out, (const char *)codes, (size_t)count);
    return cj__text_check(out, "text");
}

static cj_status normalise(const cj_text_cleaning *cleaning, const char *text, size_t size, cj__text *out)
{
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    utf8proc_option_t option = decomposition(cleaning);
    utf8proc_ssize_t count = utf8proc_decompose(bytes, (utf8proc_ssize_t)size, NULL, 0, option);
    if (count < 0) return cj__fail(CJ_FORMAT_ERROR, "utf8proc: %s", utf8proc_errmsg(count));
    size_t room = (2 * (size_t)count + 1) * sizeof(utf8proc_int32_t);
    utf8proc_int32_t *codes = cj__allocate(room);
    if (!codes) return cj__out_of_memory(room, "a text's characters");
    count = utf8proc_decompose(bytes, (utf8proc_ssize_t)size, codes, count, option);
    cj_status status = count < 0 ? cj__fail(CJ_FORMAT_ERROR, "utf8proc: %s", utf8proc_errmsg(count))
                                 : encode(cleaning, codes, count, out);
    cj__free(codes);
    return status;
}
#else
static cj_status normalise(const cj_text_cleaning *cleaning, const char *text, size_t size, cj__text *out)
{
    (void)cleaning, (void)text, (void)size, (void)out;
    return cj__unicode_check("normal forms, lower case and accents of other text than ASCII");
}
#endif

cj_status cj__text_normalise(const cj_text_cleaning *cleaning, const char *text, size_t size, cj__text *out)
{
    return is_ascii(text, size) ? lower_ascii(cleaning, text, size, out)
                                : normalise(cleaning, text, size, out);
}
