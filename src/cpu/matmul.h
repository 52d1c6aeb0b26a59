/* The matrix product C = A·B in f32, at three precisions: planned from shape and instruction set when a
 * program is compiled, run task by task on any threads.
 *
 * Each task makes whole elements of C, summed over k in one order that the shape fixes, so bits depend
 * neither on the number of threads nor on the order of tasks. */
#ifndef CJ__MATMUL_H
#define CJ__MATMUL_H

#include "cajal/graph.h"
#include "cpu/isa.h"
#include "cpu/product.h"

typedef struct {
    int64_t batch, m, n, k;
    bool transpose_a; /* A is [m,k] in memory or, transposed, [k,m] */
    bool transpose_b; /* B is [k,n] or [n,k] */
    bool shared_b;    /* one B for the whole batch */
    cj_precision precision;
    bool bf16_a, bf16_b; /* in memory; else f32. For products of single bf16 only (cj__matmul_reads_bf16) */
} cj__matmul_shape;

typedef enum {
    CJ__MATMUL_ZEROS,
    CJ__MATMUL_DOTS,
    CJ__MATMUL_SUMS,
    CJ__MATMUL_TILES,
    CJ__MATMUL_SPLIT /* products of bf16 parts */
} cj__matmul_kind;

/* How one product is cut up. `tasks` and `scratch_bytes` are the caller's concern, the rest is not. */
typedef struct {
    int64_t tasks;        /* 0: nothing to do */
    size_t scratch_bytes; /* for each thread, aligned to 64 bytes */
    cj__matmul_shape shape;
    cj__isa isa;
    cj__matmul_kind kind;
    const struct cj__matmul_kernels *kernels;
    const struct cj__split_kernels *split;
    int parts;                         /* of each f32 number, where kind is CJ__MATMUL_SPLIT */
    int64_t tile_rows, tile_columns;   /* the register tile */
    int64_t strips, panels;            /* rows and columns in units of it */
    bool whole_strips;                 /* all but the last have tile_rows rows; else evenly many */
    int64_t row_blocks, column_blocks; /* of C, for each of the batch: one task each */
    int64_t k_block;
    int64_t group_panels; /* of a B packed before by parts: as many columns as are multiplied at a time */
    char name[72];
    bool pack_a, pack_b, swap; /* swap: Cᵀ = Bᵀ·Aᵀ is computed, since n is small */
    bool packed_before;        /* B comes packed whole, in the call's workspace */
} cj__matmul_plan;

/* a, b: f32 or as the shape says, contiguous, one matrix of the batch after the other; c: [batch,m,n] */
typedef cj__product_call cj__matmul_call;

void cj__matmul_plan_make(cj__matmul_plan *plan, const cj__matmul_shape *shape, cj__isa isa);
/* The same with the kernels for parts of bf16 given, or NULL for none: tests emulate those of AMX. */
void cj__matmul_plan_with(cj__matmul_plan *plan, const cj__matmul_shape *shape, cj__isa isa,
                          const struct cj__split_kernels *split);
/* Has B packed before, once for many runs if it is `lasting`, where that is worth its bytes, which are
 * returned; 0: it is not. cj__matmul_pack then does one of so many tasks of that. */
size_t cj__matmul_pack_before(cj__matmul_plan *plan, bool lasting);
int64_t cj__matmul_pack_tasks(const cj__matmul_plan *plan);
void cj__matmul_pack(const cj__matmul_plan *plan, const float *b, int64_t task, void *workspace);
/* In the floating-point state of cj__float_enter. */
void cj__matmul_run(const cj__matmul_plan *plan, const cj__matmul_call *call, int64_t task, void *scratch);
/* For `cajal plan`: "avx2 6x16", and why f32 where less was asked for. */
const char *cj__matmul_plan_name(const cj__matmul_plan *plan);

/* Products of this shape as the kernel of an op: what a cj__product is made of. The stage before it reads its
 * second operand. */
extern const cj__kernel cj__matmul_packing;
CJ_MUST_CHECK cj_status cj__matmul_prepare(cj__launch *launch, const cj__matmul_shape *shape,
                                           cj__arena *arena);
/* Inputs that may be bf16 in memory, as of a cj__kernel: both where the product rounds them to that anyway.
 */
uint64_t cj__matmul_reads_bf16(const cj__launch *launch, const cj__matmul_shape *shape);
/* As of a cj__kernel. */
size_t cj__matmul_part_bytes(const cj__launch *launch, const cj__matmul_shape *shape);
void cj__matmul_launched(const cj__launch *launch, const cj__product_call *call, int64_t task, void *scratch);
const char *cj__matmul_describe(const cj__launch *launch);

#endif
