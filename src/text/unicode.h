/* UTF-8 made safe: checked or repaired, and its characters one by one. */
#ifndef CJ__UNICODE_H
#define CJ__UNICODE_H

#include "base/text.h"
#include "cajal/text.h"

/* The code point of a well-formed character of that many bytes, as cj__utf8_length counts them. */
uint32_t cj__utf8_code(const char *text, int length);
/* Appends the character. */
void cj__utf8_put(cj__text *text, uint32_t code);
/* Categories of characters; those of other than ASCII need utf8proc: cj__unicode_check. */
bool cj__is_blank(uint32_t code);       /* white space */
bool cj__is_word(uint32_t code);        /* letters, marks and numbers */
bool cj__is_punctuation(uint32_t code); /* as BERT has it: of ASCII all signs, else category P */
bool cj__is_control(uint32_t code);     /* Cc, Cf and Co, without tab and line ends */
/* CJ_UNSUPPORTED, and what the library is wanted for, where this build is without it. */
CJ_MUST_CHECK cj_status cj__unicode_check(const char *what);
/* Whether there is more to do than to look for bytes that are no UTF-8. */
static inline bool cj__cleans(const cj_text_cleaning *cleaning)
{
    return cleaning->form != CJ_FORM_AS_IS || cleaning->lower || cleaning->strip_accents;
}
/* Normal form, case and accents of well-formed text, appended to `out`: normalise.c. */
CJ_MUST_CHECK cj_status cj__text_normalise(const cj_text_cleaning *cleaning, const char *text, size_t size,
                                           cj__text *out);
/* A text, and the number of its first line in what it was taken from; 0: errors name no line. */
typedef struct {
    const char *text;
    size_t size;
    int64_t line;
} cj__passage;
/* The passage becomes what `cleaning` wants of it: the text itself, or one made in `room`, which is the
 * caller's to free with cj__text_free. Zero bytes are no text. */
CJ_MUST_CHECK cj_status cj__text_clean(const cj_text_cleaning *cleaning, cj__passage *passage,
                                       cj__text *room);
/* "line 3: " before the sentence of an error, as of a place in the passage. */
cj_status cj__fail_at(cj_status status, const cj__passage *passage, const char *at);
/* The first byte that is no part of a well-formed character; `end`: there is none. */
const char *cj__utf8_end(const char *at, const char *end);
/* Which line of the text a place in it is on, from 1. */
int64_t cj__line_at(const char *text, const char *at);

#endif
