/* The variable store. */
#ifndef CJ__MODEL_H
#define CJ__MODEL_H

#include "base/memory.h"
#define CJ_NO_LOCATIONS
#include "cajal/model.h"
#include "graph/graph.h"

struct cj_model {
    uint64_t seed;
    cj__variable **variables; /* in order of creation */
    int64_t count, capacity;
    char **chunks; /* of memory, for variables that share it */
    int64_t chunk_count, chunk_capacity;
    size_t chunk_used; /* of the last */
    char **freeze;     /* [freeze_count] patterns of what training leaves alone */
    int64_t freeze_count;
    bool no_values; /* nothing is initialised */
    bool complete;  /* its weights were loaded: a drawing that asks for another has not been trained */
};

/* A new variable, its values not set. */
CJ_MUST_CHECK cj_status cj__model_add(cj_model *model, const char *name, cj_role role, cj_dtype dtype,
                                      cj_shape_t shape, cj__variable **added);
#define CJ__AVERAGE_SCOPE "ema"
enum { CJ__LONGEST_NAME = 511 }; /* of a variable, its path included */
cj__variable *cj__model_find(const cj_model *model, const char *name);
/* Fills a variable of f32 from (seed, its name). */
CJ_MUST_CHECK cj_status cj__initialise(cj__variable *variable, uint64_t seed, cj_init init);
/* The layout of a variable in files (layout.c). The second writes its elements to `to` in it; the third
 * brings elements that were read in it into the variable's own. */
cj_shape_t cj__file_shape(const cj__variable *variable);
void cj__write_file_layout(const cj__variable *variable, void *to);
CJ_MUST_CHECK cj_status cj__from_file_layout(cj__variable *variable);
/* What files of weights hold: parameters and statistics. */
bool cj__is_weight(const cj__variable *variable);
/* Whether the last of the model's patterns that fits the name freezes it. */
bool cj__model_is_frozen(const cj_model *model, const char *name);
/* Forgets the patterns. */
void cj__model_thaw(cj_model *model);
/* The variable a value reads, or NULL. */
cj__variable *cj__variable_of(cj_value value);
/* Whether the drawing so far assigns the variable that the value reads. */
bool cj__is_assigned(cj_value variable);
/* What is carried from run to run begins with zeros again. */
void cj__forget_carried(cj_model *model);
bool cj__carries(const cj_model *model);
/* What the next random draw at the scope is keyed by, and the counter of runs that steps it (random.c). */
uint64_t cj__draw_key(cj_scope scope);
cj_value cj__run_counter(cj_graph *graph);

#endif
