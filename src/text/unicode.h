/* UTF-8 made safe: checked or repaired, and its characters one by one. */
#ifndef CJ__UNICODE_H
#define CJ__UNICODE_H

#include "base/text.h"
#include "cajal/text.h"

/* The code point of a well-formed character of that many bytes, as cj__utf8_length counts them. */
uint32_t cj__utf8_code(const char *text, int length);
/* Appends the character. */
void cj__utf8_put(cj__text *text, uint32_t code);
/* The text as `cleaning` wants it: `*clean` is the text itself, or made in `room`, which is the caller's to
 * free with cj__text_free. Zero bytes are no text. */
CJ_MUST_CHECK cj_status cj__text_clean(const cj_text_cleaning *cleaning, const char *text, size_t size,
                                       cj__text *room, const char **clean, size_t *clean_size);
/* Which line of the text a place in it is on, from 1. */
int64_t cj__line_at(const char *text, const char *at);

#endif
