/* The interpreter of fused chains, for the kernels that carry one: the chain by itself, and products that
 * apply it to each block they finish. */
#ifndef CJ__CPU_CHAIN_H
#define CJ__CPU_CHAIN_H

#include "base/memory.h"
#include "compile/chain.h"
#include "cpu/product.h"
#include "cpu/vector.h"

/* One pass over a tile: an instruction, or two of which the first's result goes nowhere but into the second,
 * or an activation and its slope.
 */
typedef struct {
    cj__vector_function make;
    cj__vector_twins make_both; /* instead; or NULL */
    int32_t a, b, c;            /* registers */
    int32_t instruction;        /* whose result it makes */
    int32_t slope;              /* with make_both: the instruction whose result it makes, too */
} cj__chain_step;

/* Made when a program is compiled. */
typedef struct {
    const cj__vector_table *table;
    const cj__chain *chain;
    cj__chain_step *steps;
    int32_t steps_count;
    int32_t *slot; /* by register: its tile in scratch */
    int32_t slots;
    int64_t tile;         /* elements interpreted at a time: whole rows, where they are short */
    int64_t *period;      /* by input: it repeats after that many elements; 0: it does not */
    int32_t *last_reader; /* by input: the last instruction that reads it; -1: none */
    int32_t *output_of;   /* by instruction: the output that its result can be made in; -1: none */
    size_t scratch_bytes; /* for each thread */
} cj__chain_plan;

/* What a repeating input's tile holds; a key of -1: nothing that could serve again. */
typedef struct {
    int64_t key, count;
} cj__filled;

/* One thread's run of it, in scratch. */
typedef struct {
    const cj__chain_plan *plan;
    void **operands; /* the chain's inputs, then its outputs; filled by the caller. NULL output: not stored */
    const float **registers;
    float **direct;     /* by instruction: where its result leaves, if it is made there */
    cj__filled *filled; /* by input */
    float *tiles, *lanes;
    int64_t first; /* flat position of what the first input's memory begins with: not 0 for a part of it */
} cj__chain_run;

/* Rows of `row` elements are kept whole where they are short. */
CJ_MUST_CHECK cj_status cj__chain_plan_make(cj__chain_plan *plan, const cj__chain *chain, int64_t row,
                                            cj__arena *arena);
/* Finds the run in scratch; once a task, since it forgets what was loaded before. Then the caller fills
 * `operands` and calls cj__chain_load. */
cj__chain_run cj__chain_begin(const cj__chain_plan *plan, void *scratch);
void cj__chain_load(const cj__chain_run *run);
/* Interprets every element of the rectangle. Results do not depend on how rectangles are cut, but those that
 * are folded: by rows, a rectangle is whole rows; by columns, it has all rows, and results have been begun.
 */
void cj__chain_apply(const cj__chain_run *run, cj__rectangle where);

#endif
