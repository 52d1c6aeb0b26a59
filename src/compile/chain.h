/* A fused run of elementwise ops as data: the CPU interprets it tile by tile in L1. Registers are numbered:
 * first the inputs, then the constants, then one for each instruction. A result is stored as it comes, or
 * folded by a reduction, so that nothing is written only to be summed. */
#ifndef CJ__CHAIN_H
#define CJ__CHAIN_H

#include "graph/op.h"

typedef struct {
    cj_dtype dtype;
    int64_t stride[CJ_MAX_RANK]; /* elements per step along each axis of the chain's shape; 0: broadcast */
    bool whole;                  /* as large as the shape and in its order */
} cj__chain_input;

typedef struct {
    cj__op op;
    cj_dtype dtype;  /* of the result */
    int32_t a, b, c; /* registers; unused ones repeat a */
} cj__chain_instruction;

typedef enum { CJ__CHAIN_STORE, CJ__CHAIN_SUM, CJ__CHAIN_MAX } cj__chain_fold;

typedef struct {
    int32_t reg;
    cj__chain_fold fold;
    cj_dtype dtype;
} cj__chain_output;

/* How reductions see the chain's elements: as [rows, columns], folding each row or each column. Columns of
 * many rows are folded in parts, so that threads can share them: results are [parts, columns], to be folded
 * again. */
typedef struct {
    int64_t rows, columns, parts;
    bool by_rows;
} cj__folding;

typedef struct cj__chain {
    cj_shape_t shape;
    int32_t inputs_count, constants_count, instructions_count, outputs_count;
    cj__chain_input *inputs;
    double *constants;
    cj__chain_instruction *instructions;
    cj__chain_output *outputs;
    bool folds;          /* some output is folded: */
    cj__folding folding; /* the same for all that are */
} cj__chain;

/* Sees x, reduced over the axes of the mask, as [rows, columns] in one part; false where these axes stand
 * neither first nor last. */
bool cj__folding_of(cj_shape_t x, uint32_t axes, cj__folding *folding);

#endif
