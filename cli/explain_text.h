/* What the methods of cajal explain on texts share: the texts of a file as the network gets them, and the
 * telling of what was written about them. */
#ifndef CAJAL_EXPLAIN_TEXT_H
#define CAJAL_EXPLAIN_TEXT_H

#include "explain.h"
#include "lines.h"
#include "translation.h"

enum { MOST_SENTENCES = 64 };

/* What a translator reads, to draw it with. */
typedef struct {
    cj_recipe *recipe;
    cj_tokens tokens;
} original;

/* One text as the network gets it; a translator is shown its own translation, from the beginning on. */
typedef struct {
    cj_tokens tokens;
    original original;
    cj_tokens said; /* by a translator, at each of the tokens */
    char **pieces;  /* [piece_count] what each token says; of a translator the original's, an arrow, what is
                       said */
    int64_t piece_count;
    char caption[200];
    float *values;        /* [rows,tokens] */
    int64_t rows, passed; /* tokens passed over at the beginning: what the caption is of */
} text;

typedef struct {
    const options *o;
    run *run;
    const char *folder;
    translation translation; /* of a translator */
    cj_tokenizer *tokenizer; /* a translator's own, of what it reads */
    bool first;              /* no object of the JSON array was printed yet */
    /* of the file at hand */
    const char *path, *name; /* as it was given, and as sentences call it */
    char stem[STEM];
    text *texts;
    int64_t count;
    bool any; /* something was written of it */
    int code; /* what is wrong with it was told, and asks for this; 0: nothing, or it is the library's to tell
               */
} task;

/* --- the network --------------------------------------------------------------------------------------- */

bool is_masked(const task *t);
bool translates(const task *t);
/* Whether each token is told by those before it alone. */
bool is_language(const task *t);

/* --- reading: explain_reading.c ------------------------------------------------------------------------- */

/* close_texts is due whether it fails or not. */
cj_status read_texts(task *t, const bytes *b);
void close_texts(task *t);
/* How much of a text the network is shown: its end where a language model takes no more. */
int64_t shown(const task *t, const text *x);
/* On standard error, where that is not all of it. */
void tell_part(const task *t, const text *x, const char *which, int64_t count);
/* What is shown, and the network that it is shown to. */
cj_text_explain_options options_of(const task *t, text *x);
/* With a zero behind it, to be freed; NULL: out of memory. */
char *copy_of(const char *bytes, size_t size);

/* --- methods: explain_gradients.c and so on ------------------------------------------------------------- */

/* Each writes what there is about all the texts; CJ_UNSUPPORTED: the network has nothing of the kind. */
cj_status write_gradients(task *t);
cj_status write_attentions(task *t);
cj_status write_cells(task *t);

/* --- writing ------------------------------------------------------------------------------------------- */

/* One file that was written. */
void tell_text_file(task *t, const char *method, const char *layer, const char *file);
/* The page into the folder, as STEM-METHOD.html. */
cj_status write_page(task *t, const char *method, const cj_text_page *page);

#endif
