/* Words on pictures, in letters of five dots by seven: what tokens are called beside a map. */
#ifndef CJ__WRITING_H
#define CJ__WRITING_H

#include "base/text.h"
#include "cajal/image.h"

/* Dots from one letter to the next, and of a line with all that stands above and below a letter. */
enum { CJ__LETTER = 6, CJ__LINE = 12 };

/* A token as it is written, appended to `out`: without blanks before it; one of blanks alone is an open box.
 */
CJ_MUST_CHECK cj_status cj__writing_make(const char *token, cj__text *out);
/* How many letters it has. */
int64_t cj__writing_length(const char *text);

/* Where the line's upper left corner is, and how many pixels a dot has a side; `upwards`: it is turned to be
 * read from below, and that corner is the lower left one. */
typedef struct {
    cj_image *to; /* grey */
    int64_t left, top, scale;
    bool upwards;
    uint8_t grey;
} cj__pen;
/* Up to `most` letters; of more the last is an ellipsis. Dots beyond the picture are left out. */
void cj__write(const cj__pen *pen, const char *text, int64_t most);

#endif
