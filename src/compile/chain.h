/* A fused run of elementwise ops as data: the CPU interprets it tile by tile in L1. Registers are numbered:
 * first the inputs, then the constants, then one for each instruction. */
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

typedef struct cj__chain {
    cj_shape_t shape;
    int32_t inputs_count, constants_count, instructions_count, outputs_count;
    cj__chain_input *inputs;
    double *constants;
    cj__chain_instruction *instructions;
    int32_t *outputs; /* registers */
} cj__chain;

#endif
