/* Convolutions and their gradients in f32, as products that never write out patches: planned from the window
 * and the instruction set when a program is compiled, run task by task on any threads.
 *
 * Each task makes whole elements of the result, summed in one order that the shape fixes. */
#ifndef CJ__CONVOLUTION_H
#define CJ__CONVOLUTION_H

#include "cpu/isa.h"
#include "cpu/product.h"
#include "cpu/sight.h"

struct cj__matmul_kernels;
struct cj__split_kernels;

/* The window of a step, whichever of the three ops it is. */
cj__window cj__convolution_window(const cj__launch *launch);
/* Of how many parts of bf16 the step's numbers are made, where its shape allows; 0: it is in f32, and `none`
 * is why. */
int cj__convolution_parts(const cj__launch *launch, const struct cj__split_kernels **split,
                          const char **none);

/* --- forward, and backward to the input ---------------------------------------------------------------- */

typedef struct {
    int64_t tasks;
    size_t scratch_bytes; /* for each thread, aligned to 64 bytes */
    const struct cj__matmul_kernels *kernels;
    bool backward;
    int64_t batch, groups, in, out; /* channels of a group that are read, and made */
    int64_t size[CJ__SPATIAL];      /* of what is read */
    int64_t made[CJ__SPATIAL];      /* of what is made */
    cj__window window;
    int64_t phases[CJ__SPATIAL];
    bool by_images; /* a strip is one pixel of several images; else several pixels of one row */
    bool copied;    /* what is read is copied first: with its padding, or off a stride that hurts */
    int64_t pixel;  /* floats from one pixel that is read to the next */
    int64_t parts;  /* of a row, by pixels; or of the batch, by images */
    int64_t panels; /* of `out` */
    int64_t row_blocks, column_blocks; /* of each phase and group */
    size_t panels_bytes, band_bytes;
    bool packed; /* the weight comes as panels [group][panel][k][columns of a panel] in the workspace */
    size_t packed_bytes;
    char name[72];
} cj__direct_plan;

void cj__direct_plan_make(cj__direct_plan *plan, const cj__window *window, bool backward, bool packed,
                          cj__isa isa);
/* Those panels, of a plan that is `packed`: so many tasks, each a panel. */
int64_t cj__direct_pack_tasks(const cj__direct_plan *plan);
void cj__direct_pack(const cj__direct_plan *plan, const float *weight, float *to, int64_t task);
void cj__direct_run(const cj__direct_plan *plan, const cj__product_call *call, int64_t task, void *scratch);

/* --- the same by parts of bf16 ------------------------------------------------------------------------- */

/* Results of a phase are numbered in memory's order and cut into strips of the split kernels' height. What a
 * task reads is packed once, pixel by pixel; k runs over taps and, for each of them, blocks of 32 channels.
 */
typedef struct {
    int64_t tasks;
    size_t scratch_bytes, packed_bytes; /* for each thread; the weight's workspace */
    const struct cj__split_kernels *split;
    const struct cj__matmul_kernels *f32; /* for what bf16 cannot hold */
    int parts;
    bool backward;
    int64_t groups, in, out; /* channels of a group that are read, and made */
    cj__window window;
    int64_t blocks;                    /* of 32 channels that are read */
    int64_t depth;                     /* steps of k, at most, between two additions to the result */
    int64_t panels;                    /* of 32 channels that are made */
    int64_t row_blocks, column_blocks; /* of each phase and group */
    int64_t band;                      /* strips of pixels that a task reads, at most */
    bool scattered;                    /* results of a phase do not follow each other */
    char name[72];
} cj__by_parts_plan;

void cj__by_parts_plan_make(cj__by_parts_plan *plan, const cj__window *window, bool backward, int parts,
                            const struct cj__split_kernels *split, cj__isa isa);
/* The weight as panels, into the workspace: so many tasks. */
int64_t cj__by_parts_pack_tasks(const cj__by_parts_plan *plan);
void cj__by_parts_pack(const cj__by_parts_plan *plan, const float *weight, void *to, int64_t task);
/* The call has that workspace. */
void cj__by_parts_run(const cj__by_parts_plan *plan, const cj__product_call *call, int64_t task,
                      void *scratch);

/* --- to the weight ------------------------------------------------------------------------------------- */

typedef struct {
    int64_t tasks;
    size_t scratch_bytes;
    const struct cj__matmul_kernels *kernels;
    cj__window window;
    int64_t weights; /* of the result */
    int64_t shares;  /* parts of the sum, each made by itself: c is as many weights; 1: c is the result */
    bool flat;       /* strips run over (tap of the last axis, channel); else over channels, tap by tap */
    int64_t rows;    /* of the weight that strips are cut from: taps·in, or in */
    int64_t strips, panels;
    int64_t hop[CJ__SPATIAL]; /* with one tap, what a stride passes over is not copied */
    int64_t parts, part;      /* of a row of results, and the longest of them */
    int64_t lines;            /* rows (or parts of rows) of results in one step of k */
    int64_t row_blocks, column_blocks, tap_blocks;
    size_t panels_bytes, band_bytes;
    char name[72];
} cj__to_weight_plan;

void cj__to_weight_plan_make(cj__to_weight_plan *plan, const cj__window *window, cj__isa isa);
void cj__to_weight_run(const cj__to_weight_plan *plan, const cj__product_call *call, int64_t task,
                       void *scratch);

typedef struct {
    int64_t tasks;
    size_t scratch_bytes;
    const struct cj__split_kernels *split;
    const struct cj__matmul_kernels *f32; /* for what bf16 cannot hold */
    int parts;                            /* of bf16 */
    cj__window window;
    int64_t weights, shares; /* as above */
    int64_t strips;          /* of channels that were read */
    int64_t depth;           /* results whose products are added up at a time */
    int64_t row_blocks, column_blocks, tap_blocks;
    char name[72];
} cj__to_weight_by_parts_plan;

void cj__to_weight_by_parts_plan_make(cj__to_weight_by_parts_plan *plan, const cj__window *window, int parts,
                                      const struct cj__split_kernels *split, cj__isa isa);
void cj__to_weight_by_parts_run(const cj__to_weight_by_parts_plan *plan, const cj__product_call *call,
                                int64_t task, void *scratch);

/* The weights of one task as the sum of shares of all `weights`, in order. */
int64_t cj__sum_shares_tasks(int64_t weights);
void cj__sum_shares(int64_t weights, int64_t shares, const float *from, float *to, int64_t task);

/* --- a channel at a time ------------------------------------------------------------------------------- */

typedef enum { CJ__DEPTHWISE, CJ__DEPTHWISE_TO_INPUT, CJ__DEPTHWISE_TO_WEIGHT } cj__depthwise_of;

typedef struct {
    int64_t tasks;
    size_t scratch_bytes;
    const struct cj__depthwise_kernels *kernels;
    cj__depthwise_of of;
    cj__window window;
    int64_t channels;                             /* of what the convolution gives; groups of what it reads */
    int64_t read[CJ__SPATIAL], made[CJ__SPATIAL]; /* sizes */
    int64_t phases[CJ__SPATIAL];
    int64_t blocks; /* of rows of each phase; to the weight: shares of the sum, each as c is */
    int64_t weights;
    size_t taps_bytes;
    char name[32];
} cj__depthwise_plan;

void cj__depthwise_plan_make(cj__depthwise_plan *plan, const cj__window *window, cj__depthwise_of of,
                             cj__isa isa);
void cj__depthwise_run(const cj__depthwise_plan *plan, const cj__product_call *call, int64_t task,
                       void *scratch);

#endif
