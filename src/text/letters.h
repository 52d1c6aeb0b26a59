/* GPT-2's way of writing bytes: each as one printable character, so that a piece that is no text of its own
 * can stand in a text. A blank is "Ġ", a line end "Ċ". */
#ifndef CJ__LETTERS_H
#define CJ__LETTERS_H

#include "base/text.h"

/* The bytes in the order of their letters, which is that of GPT-2's first 256 tokens. */
void cj__letters_order(uint8_t bytes[256]);
/* Appends the letters of the bytes. */
void cj__letters_put(cj__text *out, const char *bytes, size_t size);
/* The bytes that the letters stand for, written over them: never more. False: there is another character. */
bool cj__letters_read(char *letters, size_t *size);

#endif
