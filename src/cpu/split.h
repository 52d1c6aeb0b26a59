/* Products by parts of bf16, as all that multiplies by them chooses them (src/cpu/split.c), convolutions
 * among them: where they are faster than f32, of how many parts, and what they cannot hold; and operands of
 * f32 or bf16, packed for them or widened to f32. */
#ifndef CJ__CPU_SPLIT_H
#define CJ__CPU_SPLIT_H

#include "cajal/graph.h"
#include "cpu/isa.h"
#include "cpu/matmul_kernels.h"

/* The kernels to multiply with: `own` of a launch, else the instruction set's where they pay; NULL: f32. */
const cj__split_kernels *cj__split_kernels_of(const void *own, cj__isa isa);
/* How many parts [m,k]·[k,n] is made of; 0: f32 is faster, or all that there is. */
int cj__split_parts(const cj__split_kernels *split, cj_precision precision, int64_t m, int64_t n, int64_t k);
/* For `cajal plan`, where that is 0 and less than f32 was asked for: why. */
const char *cj__split_why_f32(const cj__split_kernels *split, cj__isa isa, cj_precision precision);
/* How much of k is packed and multiplied at a time: whole steps. */
int64_t cj__split_depth(const cj__split_kernels *split, int parts, int64_t k);
/* Whether bf16 holds numbers of which this is the largest magnitude, as bits of a float. */
bool cj__split_fits(uint32_t largest, int parts);
/* Of each of so many packings. */
bool cj__split_all_fit(const uint32_t *largest, int64_t count, int parts);

/* An operand, or a part of one, as it lies in memory: element (i,p) is number i·row + p·column. */
typedef struct {
    const void *data;
    int64_t row, column;
    bool bf16; /* as whoever made it kept it; else f32 */
} cj__split_operand;
/* The parts of it that begin at a number and at (i,p), and its transpose. */
cj__split_operand cj__split_from(cj__split_operand a, int64_t number);
cj__split_operand cj__split_part_of(cj__split_operand a, int64_t i, int64_t p);
cj__split_operand cj__split_transposed(cj__split_operand a);
/* Rows [0,rows) of A, and B, packed as the kernels want them. Both return the largest magnitude of what had
 * to be rounded, as bits: 0 of bf16, which is taken as it is. */
uint32_t cj__split_pack_rows(const cj__split_kernels *split, cj__split_operand a, int64_t rows, int64_t k,
                             int parts, uint16_t *to);
uint32_t cj__split_pack_panels(const cj__split_kernels *split, cj__split_operand b, int64_t k,
                               int64_t columns, int parts, uint16_t *to);
/* Its first [rows,columns] in f32: where they lie, or widened into `room`. */
cj__matrix cj__split_in_f32(cj__split_operand a, int64_t rows, int64_t columns, float *room);

#endif
