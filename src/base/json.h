/* JSON (RFC 8259): a strict reader that walks a text in memory without building a tree, and the two things a
 * writer needs. The headers of weight files, indexes of checkpoints and the lines of logs. */
#ifndef CJ__JSON_H
#define CJ__JSON_H

#include "base/memory.h"
#include "base/text.h"

/* The first thing that is wrong sticks: later calls do nothing and answer false, 0 or NULL. */
typedef struct {
    const char *text, *at, *end;
    const char *expected; /* what should have stood at `at`; NULL while all is well */
    bool out_of_memory;
} cj__json;

void cj__json_begin(cj__json *json, const char *text, size_t size);
/* Enters an object '{' or an array '['. */
bool cj__json_enter(cj__json *json, char bracket);
/* Whether one more element follows, `index` being how many came before; takes the comma, or the closing
 * bracket: `for (int64_t i = 0; cj__json_more(json, i, '}'); i++)`. */
bool cj__json_more(cj__json *json, int64_t index, char closing);
/* A string, its escapes resolved; one that holds a zero character is refused. */
char *cj__json_string(cj__json *json, cj__arena *arena);
char *cj__json_key(cj__json *json, cj__arena *arena); /* a string and its colon */
uint64_t cj__json_unsigned(cj__json *json);           /* an integer from 0 to 2^64-1, without a fraction */
double cj__json_number(cj__json *json);
bool cj__json_boolean(cj__json *json);
char cj__json_peek(cj__json *json); /* the first character of the next value, 0 at the end */
void cj__json_skip(cj__json *json); /* any value, checked, nested at most 64 deep */
/* Only white space may follow. Returns all that went wrong: "byte N: found X, expected Y". */
CJ_MUST_CHECK cj_status cj__json_finish(cj__json *json);
/* To be called where a value was well formed but is not wanted: fails here. */
void cj__json_refuse(cj__json *json, const char *value_start, const char *expected);

/* A string with quotes and escapes; bytes that are no UTF-8 become U+FFFD. A number, or null when it is not
 * finite. */
void cj__json_put_string(cj__text *text, const char *string);
void cj__json_put_number(cj__text *text, double value);

#endif
