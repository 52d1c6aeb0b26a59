/* A text that grows as it is written: dumps, reports, lines of logs. Numbers look the same in every locale.
 */
#ifndef CJ__TEXT_H
#define CJ__TEXT_H

#include "base/status.h"

/* Zero-initialise it. A failed allocation sticks, and cj__text_check tells. */
typedef struct {
    char *data; /* zero-terminated; NULL while nothing was written */
    size_t size, room;
    bool failed;
} cj__text;

void cj__text_add(cj__text *text, const char *bytes, size_t size);
void cj__text_put(cj__text *text, const char *string);
void cj__text_print(cj__text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* In the fewest digits that read back as the same double. */
void cj__text_number(cj__text *text, double value);
enum { CJ__NUMBER_TEXT = 40 };
void cj__number_text(char digits[CJ__NUMBER_TEXT], double value);
/* CJ_OUT_OF_MEMORY when any of the above has failed. */
CJ_MUST_CHECK cj_status cj__text_check(const cj__text *text, const char *what);
void cj__text_free(cj__text *text);

/* Whether the whole text fits the pattern, in which `*` stands for any characters, or none. */
bool cj__text_matches(const char *pattern, const char *text);

/* Of the words word(0), word(1), … up to NULL the one nearest to `wrong` by Levenshtein's distance, for "did
 * you mean"; NULL without words. */
const char *cj__nearest_word(const char *wrong, const char *(*word)(int index));
/* Levenshtein's distance, to name the word that was meant; 1000 for words beyond 126 characters. */
int cj__text_distance(const char *a, const char *b);
/* Which of "a|b|c" the word is, from 0; -1: none. */
int cj__text_choice(const char *choices, const char *word);

/* strtod as in the C locale, whatever the program has set. */
double cj__parse_number(const char *text, char **end);

/* The length of the well-formed UTF-8 character at `text`, 0 when there is none (RFC 3629); `text` is before
 * `end`. */
int cj__utf8_length(const char *text, const char *end);

#endif
