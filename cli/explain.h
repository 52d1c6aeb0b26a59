/* What explanations of pictures and of texts share: names of the files they write. */
#ifndef CAJAL_EXPLAIN_COMMAND_H
#define CAJAL_EXPLAIN_COMMAND_H

#include "answer.h"

enum { STEM = 200 };
/* Whether the operand is a text itself: several words, and no file's name. */
bool is_sentence(const char *operand);
/* "frog" of "pictures/frog.png", operand `index`; of two of one name the second is "frog-2". */
void choose_stem(const options *o, int index, char stem[STEM]);

bool is_text_method(const char *method);
/* Writes pages and pictures about the files of text among the operands. */
int explain_texts(const options *o, run *r, const char *folder);

#endif
