/* The functions that exist once for each instruction set, found through one table. */
#ifndef CJ__VECTOR_H
#define CJ__VECTOR_H

#include "cpu/isa.h"
#include "graph/op.h"

/* out[i] = op(a[i], b[i], c[i]) for i < n; bool registers hold 0 or 1. An operand may lie where the results
 * go. */
typedef void (*cj__vector_function)(int64_t n, float *out, const float *a, const float *b, const float *c);
/* An activation and its slope: two results of a. */
typedef void (*cj__vector_twins)(int64_t n, float *out, float *slope, const float *a);

typedef struct {
    const cj__vector_function *elementwise; /* by cj__op; NULL: not vectorised */
    /* Two of them in one pass, with the same bits: out[i] = second(first(a[i], b[i]), c[i]), with `swapped`
     * second(c[i], first(a[i], b[i])), and without c where the second takes one operand. NULL: no such pair.
     */
    cj__vector_function (*pair)(cj__op first, cj__op second, bool swapped);
    /* Both of the same operand in one pass, where they have most of the work in common, with the same bits.
     * NULL: no such two. */
    cj__vector_twins (*twins)(cj__op activation, cj__op slope);
    float (*sum)(int64_t n, const float *x);
    float (*max)(int64_t n, const float *x); /* NaN if any is; -inf of nothing */
    float (*min)(int64_t n, const float *x);
    float (*product)(int64_t n, const float *x);
    /* The same in parts: element i goes to running result i % 16; all parts but the last are multiples of 16
     * long, and folding the sixteen at the end gives the same bits. */
    void (*sum_lanes)(int64_t n, const float *x, float lanes[16]);
    void (*max_lanes)(int64_t n, const float *x, float lanes[16]);
    /* bf16 to f32 and back, to nearest even */
    void (*widen)(int64_t n, const uint16_t *from, float *to);
    void (*narrow)(int64_t n, const float *from, uint16_t *to);
    void (*fill)(int64_t n, float value, float *to);
    /* u8 or bool to f32; f32 to bool */
    void (*from_bytes)(int64_t n, const uint8_t *from, float *to);
    void (*to_truths)(int64_t n, const float *from, uint8_t *to);
    /* to[i] = from[i] · scale[i] + shift[i], rounded twice */
    void (*scale_bytes)(int64_t n, const uint8_t *from, const float *scale, const float *shift, float *to);
} cj__vector_table;

extern const cj__vector_table cj__vector_scalar, cj__vector_neon, cj__vector_avx2, cj__vector_avx512;
/* The table of the instruction set chosen at the first compile. */
CJ_MUST_CHECK cj_status cj__vector_choose(const cj__vector_table **table);

#endif
