/* What attention and its gradient have in common on the CPU: the plan of a launch, and the view that one head
 * of one example has of its operands. */
#ifndef CJ__CPU_ATTENTION_H
#define CJ__CPU_ATTENTION_H

#include "cpu/attention_kernels.h"
#include "cpu/backend.h"
#include "cpu/matmul_blocks.h"
#include "cpu/random.h"
#include "cpu/split.h"
#include "cpu/vector.h"
#include "ops/attention.h"

/* Keys are taken in blocks of so many: packed twice over, they fit into L2, and a row of their scores into
 * L1. */
enum { CJ__ATTENTION_KEYS = 256 };

typedef struct {
    const cj__attention_attributes *a;
    cj__attention_sizes n;
    cj__attention_places at;
    const cj__matmul_kernels *products;
    const cj__attention_kernels *rows;
    const cj__random_table *random;
    const cj__vector_table *vectors;
    uint64_t bf16; /* operands (bit i: operand i, outputs after inputs) that are; else f32 */
    int64_t bias_stride[4], mask_stride[4]; /* 0: shared along this axis */
    bool first_of_each;                     /* each example has a first position of its own */
    int outputs;                            /* where the results stand among the operands */
    cj__isa isa;
    const cj__split_kernels *split;
    int parts; /* of bf16, by which its products are made; 0: in f32 */
    char name[72];
} cj__attention_plan;

CJ_MUST_CHECK cj_status cj__attention_plan_make(cj__attention_plan **plan, const cj__launch *launch,
                                                int tensors, cj__arena *arena);
/* Decides on `parts` and the plan's name: of attention, or of its gradient. */
void cj__attention_choose_parts(cj__attention_plan *plan, const cj__launch *launch, bool gradient);
/* Whether single bf16 make its products, so that operands may be that as well. */
bool cj__attention_multiplies_bf16(const cj__launch *launch, bool gradient);
/* `reads`, `writes`: inputs and outputs that may be bf16 (bit i). */
const char *cj__attention_refuse(const cj__launch *launch, uint64_t reads, uint64_t writes);
const char *cj__attention_describe(const cj__launch *launch);

/* --- a head of an example (attention_plan.c) ------------------------------------------------------------ */

typedef struct {
    const cj__attention_plan *plan;
    void *const *operands;
    int64_t example, head, first, length;
} cj__attention_head;

cj__attention_head cj__attention_head_at(const cj__attention_plan *plan, void *const *operands,
                                         int64_t example, int64_t head);
/* Row i of an operand in f32 that has the queries' shape, and row j of one that has the keys'. */
float *cj__attention_query(const cj__attention_head *head, int operand, int64_t i);
float *cj__attention_key(const cj__attention_head *head, int operand, int64_t j);
/* Of the keys [from, from + count), how many query i sees. */
int64_t cj__attention_seen(const cj__attention_head *head, int64_t i, int64_t from, int64_t count);
/* What bias and mask add to them; NULL: nothing. `room` is for what does not lie there as it is. */
const float *cj__attention_bias(const cj__attention_head *head, int64_t i, int64_t from, int64_t count,
                                float *room);
/* Drops some of the row's probabilities; from is a multiple of 4. */
void cj__attention_drop(const cj__attention_head *head, int64_t i, int64_t from, int64_t count, float *room,
                        float *probabilities);

/* From row `from` on: of an operand that has the keys' shape, and of one that has the queries'. */
cj__split_operand cj__attention_keys(const cj__attention_head *head, int operand, int64_t from);
cj__split_operand cj__attention_queries(const cj__attention_head *head, int operand, int64_t from);
/* Stores a row of results, query i's or key j's, as the output wants it. */
void cj__attention_store_query(const cj__attention_head *head, int output, int64_t i, const float *row);
void cj__attention_store_key(const cj__attention_head *head, int output, int64_t j, const float *row);

/* Query i's results, of its sum of exponentials times values, its largest score and the sum of exponentials.
 */
void cj__attention_finish(const cj__attention_head *head, int64_t i, const float *sums, float top,
                          float total);

/* --- a thread's scratch (attention_product.c) ----------------------------------------------------------- */

enum { CJ__ATTENTION_PIECES = 20 };

/* What a thread needs, piece by piece, and the pointers to where each is. */
typedef struct {
    struct {
        void *pointer; /* to a pointer to floats or to bf16 */
        size_t bytes;
    } of[CJ__ATTENTION_PIECES];
    int count;
} cj__attention_scratch;
void cj__attention_reserve(cj__attention_scratch *scratch, void *pointer, int64_t floats);
size_t cj__attention_scratch_bytes(const cj__attention_scratch *scratch);
void cj__attention_hand_out(const cj__attention_scratch *scratch, char *memory);

/* --- products (attention_product.c) --------------------------------------------------------------------- */

/* A matrix [k,columns] by which rows are multiplied. */
typedef struct {
    cj__split_operand of;
    int64_t k, columns;
    uint16_t *parts; /* packed by parts of bf16, where the plan says so */
    bool fit;        /* bf16 holds it */
    float *panels;   /* packed for f32, */
    bool packed;     /* once a product has needed it so */
} cj__attention_block;
/* Room for the rows of a product: packed by parts, or widened. */
typedef struct {
    uint16_t *parts;
    float *wide;
} cj__attention_rows;
/* For blocks of at most [k,columns], and for rows of k numbers at most. */
void cj__attention_reserve_block(cj__attention_scratch *scratch, const cj__attention_plan *plan,
                                 cj__attention_block *block, int64_t k, int64_t columns);
void cj__attention_reserve_rows(cj__attention_scratch *scratch, const cj__attention_plan *plan,
                                cj__attention_rows *rows, int64_t k);
/* Packs [k,columns] by parts, if they are to be used. What it is of must stay as long as the block is used.
 */
void cj__attention_take(cj__attention_block *block, const cj__attention_plan *plan, cj__split_operand of,
                        int64_t k, int64_t columns);

/* c [rows,columns] = a [rows,k] · b, or += that. b may be deeper than k and wider than that. */
typedef struct {
    cj__split_operand a;
    int64_t rows, k, columns;
    cj__attention_block *b;
    float *c;
    int64_t c_row;
    bool add;
    bool held;  /* whether bf16 holds a need not be looked at */
    bool whole; /* c has room as far as the panels go in which its columns end */
} cj__attention_product;
void cj__attention_multiply(const cj__attention_plan *plan, const cj__attention_product *product,
                            const cj__attention_rows *room);

/* Columns as far as the panels go that they end in. */
static inline int64_t whole_panels(int64_t columns)
{
    return divide_up(columns, CJ__SPLIT_COLUMNS) * CJ__SPLIT_COLUMNS;
}

#endif
