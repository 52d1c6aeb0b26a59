/* Products by parts of bf16, as all that multiplies by them chooses them (src/cpu/split.c): where they are
 * faster than f32, of how many parts, and what they cannot hold. */
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

#endif
