/* JSON Lines: the log of a run, one object to a line, appended as training goes on and read by anything. */
#ifndef CJ__JSONL_H
#define CJ__JSONL_H

#include "base/text.h"
#include "io/append.h"

/* Zero-initialise it. */
typedef struct {
    cj__append file;
    cj__text line; /* the object being written */
} cj__jsonl;

/* Goes on after what the file holds; a last line without its end, left by a kill, is cut off. */
CJ_MUST_CHECK cj_status cj__jsonl_open(cj__jsonl *log, const char *path);
/* Fields of the next line, in the order of the calls. Numbers in the fewest digits that read back as the same
 * value; null for one that is not finite. */
void cj__jsonl_string(cj__jsonl *log, const char *key, const char *value);
void cj__jsonl_number(cj__jsonl *log, const char *key, double value);
void cj__jsonl_integer(cj__jsonl *log, const char *key, int64_t value);
/* Writes the line. After a failure, memory included, the file is as it was, the line is forgotten, and the
 * next may be tried. */
CJ_MUST_CHECK cj_status cj__jsonl_end_line(cj__jsonl *log);
void cj__jsonl_close(cj__jsonl *log); /* a line that was not ended is not written */

#endif
