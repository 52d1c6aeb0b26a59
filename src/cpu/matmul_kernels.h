/* What each instruction set gives to the matrix product (src/cpu/kernels/matmul_*.c), and src/cpu/matmul.c
 * puts together. */
#ifndef CJ__MATMUL_KERNELS_H
#define CJ__MATMUL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of k whose steps follow each other evenly: it begins at element (0,a) of A, so many floats from its
 * first, and at row b of B. */
typedef struct {
    int64_t a, b, k;
} cj__stretch;

/* A strip of C, at most tile_rows high: C = A·B, or C += A·B. */
typedef struct {
    const float *a; /* element (i,p) at a[i*a_row + p*a_column]; one of the two strides is 1 */
    int64_t a_row, a_column;
    const float *b; /* panels of tile_columns: element (p,j) at b[j/w*b_panel + p*b_row + j%w] */
    int64_t b_row, b_panel;
    float *c;
    int64_t c_row;
    int64_t rows, columns, k;
    bool add;
    const cj__stretch *stretches; /* what k is made of, in place of `k`, which goes where this is NULL */
    int64_t stretches_count;
} cj__strip;

/* A matrix in memory with one stride of 1: element (i,p) at data[i*row + p*column]. */
typedef struct {
    const float *data;
    int64_t row, column;
} cj__matrix;

/* The same of bf16 numbers. */
typedef struct {
    const uint16_t *data;
    int64_t row, column;
} cj__bf16_matrix;

/* Few rows x: [rows,k], each contiguous, times a matrix w that is read once. */
typedef struct {
    const float *x;
    int64_t x_row, rows, k;
    const float *w; /* dots: [columns,k]; sums: [k,columns]; rows w_row apart */
    int64_t w_row, columns;
    float *c; /* element (i,j) at c[i*c_row + j*c_column]; sums want c_column 1 */
    int64_t c_row, c_column;
} cj__few_rows;

enum { CJ__FEW_ROWS = 4 }; /* at most */

/* The matrix w in bf16, for few rows: panels of so many columns, zeros beyond the last. Of each column in
 * turn a step of k follows, twice the lanes of a vector: number 2i is k = i of the step, number 2i + 1 is i +
 * lanes, since to widen such pairs takes a shift and a mask. */
enum { CJ__PAIRED_COLUMNS = 4 };

typedef struct cj__matmul_kernels {
    const char *name; /* of the register tile: "avx2 6x16" */
    int tile_rows, tile_columns;
    void (*strip)(const cj__strip *strip);
    /* B [k,columns] into panels of tile_columns, [k][tile_columns] each, zeros beyond the last column. */
    void (*pack_panels)(cj__matrix b, int64_t k, int64_t columns, float *panels);
    /* Rows [starts[0], starts[strips]) of a transposed A (a.row = 1; a.data is at row starts[0]) into strips
     * [k][tile_rows] each; strip i has rows starts[i] to starts[i+1], what lies beyond is not used.
     * A has at least two tiles of rows. */
    void (*pack_strips)(cj__matrix a, const int64_t *starts, int64_t strips, int64_t k, float *to);
    void (*dots)(const cj__few_rows *few);
    void (*sums)(const cj__few_rows *few);
    int pair_step;
    /* B [k,columns] into such panels; returns the largest magnitude, as the bits of a float. */
    uint32_t (*pack_pairs)(cj__matrix b, int64_t k, int64_t columns, uint16_t *to);
    void (*dots_of_pairs)(const cj__few_rows *few, const uint16_t *panels); /* in the place of few->w */
} cj__matmul_kernels;

/* --- products of bf16 ---------------------------------------------------------------------------------- *
 *
 * An f32 number is the sum of one to three bf16 parts, each the nearest to what the parts before it leave.
 * Of the products of two such sums those are added up that matter: hi·hi; with two parts also lo·hi and
 * hi·lo; with three also lo·hi, mid·hi, mid·mid, hi·mid, hi·lo. A step of k is 32: 16 pairs, k beside k+16,
 * since to make such a pair takes a shift and no shuffle. */

enum { CJ__SPLIT_STEP = 32, CJ__SPLIT_COLUMNS = 32, CJ__MOST_PARTS = 3 };

/* A strip of C, at most tile_rows high: C = A·B, or C += A·B. */
typedef struct {
    const uint16_t *a; /* [steps][parts][tile_rows][16 pairs] */
    const uint16_t *b; /* panels of 32 columns: [steps][parts][2 halves][16 pairs of rows][16 columns][2] */
    float *c;
    int64_t c_row, rows, columns, steps;
    int64_t b_steps; /* a panel of B has in memory; 0: as many as are multiplied */
    int parts;
    bool add;
} cj__split_strip;

/* Steps that k rows of B take. */
static inline int64_t cj__split_steps(int64_t k)
{
    return (k + CJ__SPLIT_STEP - 1) / CJ__SPLIT_STEP;
}

static inline int64_t cj__split_panel_steps(const cj__split_strip *s)
{
    return s->b_steps ? s->b_steps : s->steps;
}

typedef struct cj__split_kernels {
    int tile_rows, most_parts;
    const char *name[CJ__MOST_PARTS]; /* with one, two and three parts */
    /* Rows [0,rows) of A, and B, split and packed as above, with zeros beyond the edges. Both return the
     * largest magnitude they met, as the bits of a float: NaN is above infinity. */
    uint32_t (*pack_rows)(cj__matrix a, int64_t rows, int64_t k, int parts, uint16_t *to);
    uint32_t (*pack_panels)(cj__matrix b, int64_t k, int64_t columns, int parts, uint16_t *to);
    /* The same, in one part, of what is bf16 already. */
    void (*pack_bf16_rows)(cj__bf16_matrix a, int64_t rows, int64_t k, uint16_t *to);
    void (*pack_bf16_panels)(cj__bf16_matrix b, int64_t k, int64_t columns, uint16_t *to);
    void (*strip)(const cj__split_strip *strip);
} cj__split_kernels;

extern const cj__split_kernels cj__split_avx512bf16, cj__split_amx;

extern const cj__matmul_kernels cj__matmul_scalar, cj__matmul_neon, cj__matmul_avx2, cj__matmul_avx512;

#endif
