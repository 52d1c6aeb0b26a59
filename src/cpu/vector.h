/* The functions that exist once for each instruction set, found through one table. */
#ifndef CJ__VECTOR_H
#define CJ__VECTOR_H

#include "cpu/isa.h"
#include "graph/op.h"

/* out[i] = op(a[i], b[i], c[i]) for i < n; bool registers hold 0 or 1. */
typedef void (*cj__vector_function)(int64_t n, float *out, const float *a, const float *b, const float *c);

typedef struct {
    int64_t m, n, k;
    const float *a, *b;
    int64_t a_row, a_column; /* elements from a[i][p] to a[i+1][p], and to a[i][p+1] */
    int64_t b_row, b_column; /* from b[p][j] to b[p+1][j], and to b[p][j+1] */
    float *c;                /* [m] rows of ldc */
    int64_t ldc;
} cj__block;

typedef struct {
    const cj__vector_function *elementwise; /* by cj__op; NULL: not vectorised */
    /* c = a·b for one block, over all of k; `panel` has room for cj__panel_floats. */
    void (*multiply)(const cj__block *block, float *panel);
    float (*sum)(int64_t n, const float *x);
    float (*max)(int64_t n, const float *x);
} cj__vector_table;

enum { CJ__PANEL_WIDTH = 16, CJ__PANEL_DEPTH = 512, CJ__BLOCK_ROWS = 96, CJ__BLOCK_COLUMNS = 64 };

extern const cj__vector_table cj__vector_scalar, cj__vector_neon, cj__vector_avx2, cj__vector_avx512;
/* The table of the instruction set chosen at the first compile. */
CJ_MUST_CHECK cj_status cj__vector_choose(const cj__vector_table **table);

#endif
