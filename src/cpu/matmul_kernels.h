/* What each instruction set gives to the matrix product (src/cpu/kernels/matmul_*.c), and src/cpu/matmul.c
 * puts together. */
#ifndef CJ__MATMUL_KERNELS_H
#define CJ__MATMUL_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
} cj__strip;

/* A matrix in memory with one stride of 1: element (i,p) at data[i*row + p*column]. */
typedef struct {
    const float *data;
    int64_t row, column;
} cj__matrix;

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

typedef struct cj__matmul_kernels {
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
} cj__matmul_kernels;

extern const cj__matmul_kernels cj__matmul_scalar, cj__matmul_neon, cj__matmul_avx2, cj__matmul_avx512;

#endif
