/* Text from files or standard input, whole or line by line. */
#ifndef CAJAL_LINES_H
#define CAJAL_LINES_H

#include "cajal/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The file, or standard input for "-" or no path, and what to call it. NULL, and a sentence on standard
 * error, where it cannot be opened. */
FILE *open_input(const char *path, const char **name);
void close_input(FILE *from); /* but not standard input; NULL is allowed */
/* EXIT_OK, or a sentence on standard error where reading has failed. */
int check_input(FILE *from, const char *name);
/* EXIT_FAILED, and on standard error what the library says of the text of that name. */
int failed_in(const char *name);

typedef struct {
    const char *name; /* "standard input" for "-" */
    char *data;       /* and a zero behind it; to be freed */
    size_t size;
} bytes;
/* EXIT_OK, or a sentence on standard error. A byte order mark is left out. `data` is to be freed either way.
 */
int read_bytes(const char *path, bytes *b);
/* The same of what must be text, which nothing packed by gzip is. */
int read_text(const char *path, bytes *b);

/* A text line by line, each before the next is there. */
typedef struct {
    char *text; /* and a zero behind it; to be freed */
    size_t size, room;
    int64_t number; /* from 1 on */
} line;
/* Without its line end, the first without a byte order mark; false: there is none any more. */
bool next_line(line *l, FILE *from);

typedef struct {
    const char *name;
    char *data;        /* the file, its line ends zeros */
    const char **list; /* [count] */
    int64_t count;
} lines;
/* Lists the lines of l->data, so many bytes with a zero behind them, where they lie. False: out of memory. */
bool split_lines(lines *l, size_t size);
/* A zero byte within a line is an error. free_lines is due either way. */
int read_lines(const char *path, lines *l);
void free_lines(lines *l);
bool is_blank(const char *text, size_t size);
/* How much of a line is its sentence: what stands before the last tab, behind which files to learn from have
 * a label. */
size_t before_label(const char *line, size_t size);
void cut_labels(lines *l);

/* Whether none of the tokens, or of what a text is cut into, is the one for what was never read. */
bool are_known(const cj_tokenizer *tokenizer, const cj_tokens *tokens);
bool is_known_text(const cj_tokenizer *tokenizer, const char *text, size_t size);
/* The first word of a text, between such blanks, that is not known, and its size; 0 at the text's end. */
const char *unknown_word(const cj_tokenizer *tokenizer, const char *text, const char *blanks, size_t *size);

#endif
