/* What the kernels of recurrences share: how rows are cut into tasks, and the gates of each instruction set
 * (src/cpu/kernels/recurrence.c), which src/cpu/recurrence.c and recurrence_gradient.c put together. */
#ifndef CJ__CPU_RECURRENCE_H
#define CJ__CPU_RECURRENCE_H

#include "cpu/backend.h"
#include "cpu/matmul_kernels.h"
#include "ops/recurrence.h"

/* Units whose gates are made at a time: their part of the product, 4 gates by some rows, stays in L1. */
enum { CJ__UNITS_AT_ONCE = 32, CJ__MOST_ROWS = 32 };

/* One row, some units, one step. Gate i is `gate_step` floats behind gate i - 1, in the product
 * CJ__UNITS_AT_ONCE. */
typedef struct {
    int64_t units, gate_step;
    const float *x, *product; /* what the input gives; weight·state */
    const float *bias;        /* GRU: of the recurrent part of n */
    const float *before;      /* the state that the step found */
    float *cell;              /* LSTM: the cell, in place */
    float *after, *state;     /* the new state, twice */
    float *gates, *saved; /* for the way back, or NULL: the gates; LSTM: the cell; GRU: recurrent part of n */
} cj__cell_step;

typedef struct {
    int64_t units, gate_step;
    const float *dy;                     /* the state's cotangent */
    const float *gates, *saved, *before; /* RNN: gates are the state. LSTM: cell, cell before; GRU: recurrent
                                          * part of n, state before */
    const float *dh;                     /* what later steps ask of the state */
    float *dc; /* LSTM: what they ask of the cell, in place; GRU: what bypasses the product */
    float *d;  /* to be multiplied with the weight */
    float *by_gates, *by_product; /* results; by_product: of GRU */
} cj__cell_back;

typedef struct {
    void (*step[CJ__CELL_COUNT])(const cj__cell_step *s);
    void (*back[CJ__CELL_COUNT])(const cj__cell_back *s);
    void (*add)(int64_t n, const float *x, float *to);
    uint32_t (*largest)(int64_t n, const float *x); /* magnitude, as bits: NaN is above infinity */
} cj__recurrence_table;

extern const cj__recurrence_table cj__recurrence_scalar, cj__recurrence_neon, cj__recurrence_avx2,
    cj__recurrence_avx512;

/* The weight packed by parts of bf16, as [k, groups·panels·32], in a workspace: the largest magnitude of each
 * group, as bits; then group by group, block of k by block, panels of 32 columns (cpu/recurrence_split.c). */
typedef struct {
    const cj__split_kernels *kernels;
    int parts; /* 0: it is multiplied in f32 */
    int64_t k, k_block, groups, panels;
    uint32_t (*largest)(int64_t n, const float *x); /* of the table above */
} cj__weight_parts;

/* How a recurrence is walked, forwards or back: a task takes some rows through all steps, so nobody waits for
 * anybody. A row's bits do not depend on the others. */
typedef struct {
    const cj__recurrence_table *table;
    const cj__matmul_kernels *matmul;
    cj__weight_parts split;
    int64_t cell, gates, reverse;
    int64_t rows, steps, units;
    int64_t blocks;  /* of rows: tasks */
    int64_t pitch;   /* floats between rows of states in scratch */
    int64_t d_pitch; /* and of gradients of gates */
    bool few;        /* too few rows for tiles: the weight is read as it lies */
    char name[96];
} cj__recurrence_plan;

/* The product of each step is [rows,k]·[k, columns] with the weight packed in groups of `panels` panels. */
typedef struct {
    int64_t k, columns, groups, panels;
} cj__recurrence_product;
CJ_MUST_CHECK cj_status cj__recurrence_plan_make(cj__recurrence_plan **plan, const cj__launch *launch,
                                                 cj_shape_t states, cj__recurrence_product product,
                                                 cj__arena *arena);

/* Rows of a task, longest first, so that those within their length are the first ones at each step. */
typedef struct {
    int64_t first, count;       /* rows of the batch */
    int64_t row[CJ__MOST_ROWS]; /* of the batch */
    int64_t length[CJ__MOST_ROWS];
} cj__recurrence_rows;

cj__recurrence_rows cj__recurrence_rows_of(const cj__recurrence_plan *plan, const int32_t *lengths,
                                           int64_t task);

/* Place [n,t] of step s of row r. */
static inline int64_t cj__recurrence_place(const cj__recurrence_plan *plan, const cj__recurrence_rows *rows,
                                           int64_t r, int64_t s)
{
    return rows->row[r] * plan->steps + (plan->reverse ? rows->length[r] - 1 - s : s);
}

/* Zeros beyond the lengths of a task's rows, in a result [N,T,width]. */
void cj__recurrence_clear(const cj__recurrence_plan *plan, const cj__recurrence_rows *rows, int64_t width,
                          float *result);

/* c [rows,columns] = a [rows,k] · b, a packed panel of the weight k deep. `c_pitch` floats between rows. */
typedef struct {
    const float *a;
    int64_t a_pitch, rows, k;
    const float *panels;
    float *c;
    int64_t c_pitch, columns;
} cj__panel_product;
void cj__recurrence_multiply(const cj__recurrence_plan *plan, const cj__panel_product *p);

/* --- by parts of bf16 ---------------------------------------------------------------------------------- */

size_t cj__weight_parts_bytes(const cj__weight_parts *w);
/* Packs one panel of a group, b [k,columns], and returns its largest magnitude as bits. */
uint32_t cj__weight_parts_pack(const cj__weight_parts *w, int64_t group, int64_t panel, cj__matrix b,
                               int64_t columns, void *workspace);
void cj__weight_parts_note(int64_t group, uint32_t largest, void *workspace);

/* Rows packed by parts, to be multiplied with all groups; evenly in strips of at most a tile's height. */
typedef struct {
    int64_t rows, strips;
    uint32_t *largest; /* of each row, as bits */
    uint16_t *packed;
} cj__row_parts;

size_t cj__row_parts_bytes(const cj__weight_parts *w);
/* x [rows,k], rows `pitch` apart, at most CJ__MOST_ROWS. `scratch` is aligned to 64 bytes. */
cj__row_parts cj__row_parts_pack(const cj__weight_parts *w, const float *x, int64_t pitch, int64_t rows,
                                 void *scratch);
/* c [rows,columns] = x · a group. */
void cj__row_parts_multiply(const cj__weight_parts *w, const cj__row_parts *x, const void *workspace,
                            int64_t group, float *c, int64_t c_pitch, int64_t columns);
/* Whether bf16 held the row and the group. If not, it is to be made again in f32. */
bool cj__row_parts_fit(const cj__weight_parts *w, const cj__row_parts *x, const void *workspace,
                       int64_t group, int64_t row);

const char *cj__recurrence_describe(const cj__launch *launch);

#endif
