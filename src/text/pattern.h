/* GPT-2's pattern, by which a text is cut into stretches that no merge crosses: a word with the blank before
 * it, digits, signs, blanks. */
#ifndef CJ__PATTERN_H
#define CJ__PATTERN_H

#include "base/status.h"

typedef struct cj__pattern cj__pattern;

/* Compiled; it is the caller's. CJ_UNSUPPORTED without PCRE2. */
CJ_MUST_CHECK cj_status cj__pattern_new(cj__pattern **pattern);
void cj__pattern_free(cj__pattern *pattern);

/* Any bytes, walked through by one thread. Those that are no UTF-8 are stretches of their own. */
typedef struct {
    const cj__pattern *pattern;
    const char *at, *end;
    const char *run; /* where the well-formed text ends that `at` is in */
    void *match;     /* what PCRE2 needs for it */
} cj__pattern_walk;
CJ_MUST_CHECK cj_status cj__pattern_begin(cj__pattern_walk *walk, const cj__pattern *pattern,
                                          const char *text, size_t size);
/* The next stretch; `*size` is 0 at the end. */
CJ_MUST_CHECK cj_status cj__pattern_next(cj__pattern_walk *walk, const char **stretch, size_t *size);
void cj__pattern_end(cj__pattern_walk *walk);

#endif
