/* Sequences of tokens as a dataset's rows, gathered one by one. */
#ifndef CJ__SEQUENCES_H
#define CJ__SEQUENCES_H

#include "cajal/text.h"
#include "data/dataset.h"

/* Rows as they are gathered; zero-initialise it. Row r has `parts` sequences of x, from starts[r · parts] on,
 * and either one label or a sequence of targets. */
typedef struct {
    int64_t parts, rows;
    cj_tokens x, y;           /* all of them, one behind the other */
    cj_tokens x_ends, y_ends; /* where each sequence ends: up to 2^31 tokens in all */
    bool labels;              /* y is one label a row */
    cj_text_facts *texts;     /* [rows] of targets that are text; NULL: they are none */
    int64_t text_room;
    /* y is what x was before its tokens were masked, anew each epoch; else NULL */
    const cj_tokenizer *masked_by;
} cj__sequences;

void cj__sequences_free(cj__sequences *sequences);
/* Ends the sequence of x, or of y, that the tokens added last belong to. */
CJ_MUST_CHECK cj_status cj__sequences_end_x(cj__sequences *sequences);
CJ_MUST_CHECK cj_status cj__sequences_end_y(cj__sequences *sequences);
/* Appends a sentence's tokens; of WordPiece, and where x is masked, between begin and end. Which line it is,
 * is the caller's to tell. */
CJ_MUST_CHECK cj_status cj__sequences_add(cj__sequences *sequences, const cj_tokenizer *tokenizer,
                                          const char *text, size_t size);
CJ_MUST_CHECK cj_status cj__add_special(const cj_tokenizer *tokenizer, cj_special_token which,
                                        cj_tokens *tokens);
/* x: i32 [rows,width], or [rows,parts,width] of several parts, 0 behind the ends; y: labels [rows], or
 * targets [rows,width], -1 behind the ends. Each is as long as the longest, and where that is longer than
 * `longest`, cut to it; 0: no limit. `names` are the classes', and become the dataset's whether it fails or
 * not. */
CJ_MUST_CHECK cj_status cj__sequences_finish(cj__sequences *sequences, int64_t longest, int64_t bucket,
                                             cj__arena *names, const char *const *class_names,
                                             int64_t class_count, cj_dataset **dataset);

#endif
