/* Generation inside: one reader with its session, its programs and what was read. */
#ifndef CJ__GENERATE_H
#define CJ__GENERATE_H

#define CJ_NO_LOCATIONS
#include "base/memory.h"
#include "cajal/generate.h"
#include "cajal/program.h"

enum { CJ__SOURCE_PROGRAMS = 27, CJ__LEAST_SOURCE = 16 }; /* 16 · 2^26 tokens are the most */

struct cj_generator {
    cj_generator_options o;  /* with its defaults filled in */
    cj_model *session;       /* of what is carried */
    cj_program *chunk, *one; /* NULL until they are needed: `chunk` tokens a text, and one */
    int64_t vocabulary;
    int64_t position; /* of the next token */
    int32_t *history; /* [texts,room]: the tokens read since position 0, or the last `room` of them */
    int64_t room;     /* the block; 0: nothing need be read anew */
    int32_t *tokens;  /* [texts,chunk]: of the run at hand */
    float *logits;    /* [texts,vocabulary] */
    int32_t *source;  /* [source_count] what is translated */
    int64_t source_count;
    bool understood;                          /* the source has been read */
    cj_program *sources[CJ__SOURCE_PROGRAMS]; /* for sources of up to 16, 32, … tokens; NULL until needed */
    void *spare;                              /* for reordering: as large as the largest that is reordered */
    size_t spare_size;
};

/* The prompt, or a sentence about what is wrong with it. */
CJ_MUST_CHECK cj_status cj__read_prompt(cj_generator *generator, const int32_t *prompt, int64_t count,
                                        int64_t tokens);
/* Draws a program's graph, for `width` tokens a text. */
typedef cj_status cj__generator_draw(cj_generator *generator, cj_graph *graph, int64_t width);
/* A program over the generator's model and session. */
CJ_MUST_CHECK cj_status cj__generator_program(cj_generator *generator, cj__generator_draw *draw,
                                              int64_t width, cj_program **program);
/* Reads the source, where there is one that has not been read: source.c. */
CJ_MUST_CHECK cj_status cj__generator_understand(cj_generator *generator);
void cj__generator_free_source(cj_generator *generator);

#endif
