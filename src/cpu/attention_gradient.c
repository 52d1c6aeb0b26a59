/* The gradient of attention on the CPU. A task is one head of keys and values with all heads of queries that
 * share it: block by block of keys, block by block of queries, probabilities are made again from the
 * log-sum-exp of their row (Dao et al., 2022), and five products of the two blocks give the three gradients.
 */
#include "cpu/attention.h"

#include <string.h>

enum { STRIPS = 4, ROWS_BY_PARTS = 2 * CJ__SPLIT_STEP }; /* of a block of queries */

typedef struct {
    cj__attention_head head;
    cj__attention_block keys, key_rows, values; /* keys as columns and as rows, values as columns */
    cj__attention_block block;                  /* rows of queries or of cotangents */
    cj__attention_rows rows;
    float *p, *ds;                /* [block][CJ__ATTENTION_KEYS]: probabilities, gradients of scores */
    float *key_sums, *value_sums; /* [CJ__ATTENTION_KEYS][width] */
    float *room, *draws;          /* [CJ__ATTENTION_KEYS] */
    /* The gradient of the queries, where it is stored as bf16: of each head that shares the keys, [queries]
     * [width]. */
    float *query_sums;
    int64_t first_head;
} backward;

/* A block of queries against a block of keys, of which they see the first `most`. */
typedef struct {
    int64_t i, rows, from, count, most;
} pair;

/* Operands: query, key, value, log-sum-exp, delta, cotangent. */
enum { QUERY, KEY, VALUE, LOG_SUM, DELTA, COTANGENT };

static int64_t block_rows(const cj__attention_plan *p)
{
    return p->parts ? ROWS_BY_PARTS : (int64_t)STRIPS * p->products->tile_rows;
}

static bool sums_queries(const cj__attention_plan *p)
{
    return p->bf16 >> p->outputs & 1;
}

static cj__attention_scratch scratch_of(const cj__attention_plan *p, backward *b)
{
    cj__attention_scratch s = {.count = 0};
    int64_t rows = block_rows(p), width = p->n.width, sharing = p->n.heads / p->n.key_heads;
    cj__attention_reserve_block(&s, p, &b->keys, width, CJ__ATTENTION_KEYS);
    cj__attention_reserve_block(&s, p, &b->key_rows, CJ__ATTENTION_KEYS, width);
    cj__attention_reserve_block(&s, p, &b->values, width, CJ__ATTENTION_KEYS);
    cj__attention_reserve_block(&s, p, &b->block, rows, width);
    cj__attention_reserve_rows(&s, p, &b->rows, at_least(width, CJ__ATTENTION_KEYS));
    cj__attention_reserve(&s, &b->p, rows * CJ__ATTENTION_KEYS);
    cj__attention_reserve(&s, &b->ds, rows * CJ__ATTENTION_KEYS);
    cj__attention_reserve(&s, &b->key_sums, CJ__ATTENTION_KEYS * width);
    cj__attention_reserve(&s, &b->value_sums, CJ__ATTENTION_KEYS * width);
    cj__attention_reserve(&s, &b->room, CJ__ATTENTION_KEYS);
    cj__attention_reserve(&s, &b->draws, CJ__ATTENTION_KEYS);
    cj__attention_reserve(&s, &b->query_sums, sums_queries(p) ? sharing * p->n.queries * width : 0);
    return s;
}

/* Where the gradient of query i of the head at hand is summed up, and how far apart those of two queries
 * are. */
static float *query_sum(const backward *b, int64_t i)
{
    const cj__attention_plan *p = b->head.plan;
    if (!sums_queries(p)) return cj__attention_query(&b->head, p->outputs, i);
    return b->query_sums + ((b->head.head - b->first_head) * p->n.queries + i) * p->n.width;
}

static int64_t query_sum_row(const cj__attention_plan *p)
{
    return (sums_queries(p) ? 1 : p->n.heads) * p->n.width;
}

/* Of queries [from, to). */
static void zero_queries(const backward *b, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        memset(query_sum(b, i), 0, (size_t)b->head.plan->n.width * sizeof(float));
}

/* Of the head at hand. */
static void store_queries(const backward *b)
{
    const cj__attention_plan *p = b->head.plan;
    for (int64_t i = 0; sums_queries(p) && i < p->n.queries; i++)
        cj__attention_store_query(&b->head, 0, i, query_sum(b, i));
}

/* --- products ------------------------------------------------------------------------------------------ */

static void take_keys(backward *b, int64_t from, int64_t count)
{
    const cj__attention_plan *p = b->head.plan;
    cj__split_operand keys = cj__attention_keys(&b->head, KEY, from);
    cj__split_operand values = cj__attention_keys(&b->head, VALUE, from);
    cj__attention_take(&b->keys, p, cj__split_transposed(keys), p->n.width, count);
    cj__attention_take(&b->key_rows, p, keys, count, p->n.width);
    cj__attention_take(&b->values, p, cj__split_transposed(values), p->n.width, count);
}

/* c [rows,most] = rows of an operand times columns. */
static void make_products(backward *b, int operand, const pair *at, cj__attention_block *columns, float *c)
{
    const cj__attention_plan *p = b->head.plan;
    cj__attention_multiply(p,
                           &(cj__attention_product){.a = cj__attention_queries(&b->head, operand, at->i),
                                                    .rows = at->rows,
                                                    .k = p->n.width,
                                                    .columns = at->most,
                                                    .b = columns,
                                                    .c = c,
                                                    .c_row = CJ__ATTENTION_KEYS,
                                                    .whole = true},
                           &b->rows);
}

/* sums [most,width] += xᵀ times rows of an operand, x [rows,most]. */
static void add_to_keys(backward *b, const float *x, const pair *at, int operand, float *sums)
{
    const cj__attention_plan *p = b->head.plan;
    cj__attention_take(&b->block, p, cj__attention_queries(&b->head, operand, at->i), at->rows, p->n.width);
    cj__attention_multiply(p,
                           &(cj__attention_product){.a = {x, 1, CJ__ATTENTION_KEYS, false},
                                                    .rows = at->most,
                                                    .k = at->rows,
                                                    .columns = p->n.width,
                                                    .b = &b->block,
                                                    .c = sums,
                                                    .c_row = p->n.width,
                                                    .add = true},
                           &b->rows);
}

/* The gradient of the queries += ds times rows of keys, or = for the first keys. */
static void add_to_queries(backward *b, const pair *at)
{
    const cj__attention_plan *p = b->head.plan;
    cj__attention_multiply(p,
                           &(cj__attention_product){.a = {b->ds, CJ__ATTENTION_KEYS, 1, false},
                                                    .rows = at->rows,
                                                    .k = at->most,
                                                    .columns = p->n.width,
                                                    .b = &b->key_rows,
                                                    .c = query_sum(b, at->i),
                                                    .c_row = query_sum_row(p),
                                                    .add = at->from > 0},
                           &b->rows);
}

/* --- blocks -------------------------------------------------------------------------------------------- */

/* Row i: scores become what weighs the values, products of cotangent and values the gradients of scores. */
static void row_gradients(const backward *b, int64_t i, int64_t from, int64_t seen, int64_t most, float *p,
                          float *ds)
{
    const cj__attention_plan *plan = b->head.plan;
    const cj__attention_kernels *rows = plan->rows;
    int64_t row = (b->head.example * plan->n.queries + i) * plan->n.heads + b->head.head;
    float lse = ((const float *)b->head.operands[LOG_SUM])[row];
    float delta = ((const float *)b->head.operands[DELTA])[row], scale = (float)plan->a->scale;
    const float *bias = cj__attention_bias(&b->head, i, from, seen, b->room);
    rows->probabilities(seen, scale, bias, lse, p);
    if (plan->at.counter >= 0) cj__attention_drop(&b->head, i, from, seen, b->draws, ds);
    rows->score_gradients(seen, p, delta, scale, ds);
    if (plan->at.counter >= 0) rows->drop(seen, (float)plan->a->rate, b->draws, p);
    memset(p + seen, 0, (size_t)(most - seen) * sizeof *p);
    memset(ds + seen, 0, (size_t)(most - seen) * sizeof *ds);
}

static void query_block(backward *b, pair at)
{
    at.most = cj__attention_seen(&b->head, at.i + at.rows - 1, at.from, at.count);
    if (at.most == 0) {
        if (at.from == 0) zero_queries(b, at.i, at.i + at.rows);
        return;
    }
    make_products(b, QUERY, &at, &b->keys, b->p);
    make_products(b, COTANGENT, &at, &b->values, b->ds);
    for (int64_t r = 0; r < at.rows; r++)
        row_gradients(b, at.i + r, at.from, cj__attention_seen(&b->head, at.i + r, at.from, at.count),
                      at.most, b->p + r * CJ__ATTENTION_KEYS, b->ds + r * CJ__ATTENTION_KEYS);
    add_to_keys(b, b->p, &at, COTANGENT, b->value_sums);
    add_to_keys(b, b->ds, &at, QUERY, b->key_sums);
    add_to_queries(b, &at);
}

static void store_keys(const backward *b, int64_t from, int64_t count)
{
    int64_t width = b->head.plan->n.width;
    for (int64_t j = 0; j < count; j++) {
        cj__attention_store_key(&b->head, 1, from + j, b->key_sums + j * width);
        cj__attention_store_key(&b->head, 2, from + j, b->value_sums + j * width);
    }
}

static void key_block(backward *b, int64_t head, int64_t from, int64_t count)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t times = p->n.heads / p->n.key_heads, rows = block_rows(p);
    take_keys(b, from, count);
    memset(b->key_sums, 0, (size_t)(count * p->n.width) * sizeof(float));
    memset(b->value_sums, 0, (size_t)(count * p->n.width) * sizeof(float));
    for (b->head.head = head; b->head.head < head + times; b->head.head++)
        for (int64_t i = 0; i < p->n.queries; i += rows)
            query_block(b, (pair){i, at_most(rows, p->n.queries - i), from, count, 0});
    b->head.head = head;
    store_keys(b, from, count);
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const cj__attention_plan *p = launch->data;
    backward b = {.first_head = 0};
    cj__attention_scratch pieces = scratch_of(p, &b);
    cj__attention_hand_out(&pieces, scratch);
    int64_t times = p->n.heads / p->n.key_heads, head = task % p->n.key_heads * times;
    b.head = cj__attention_head_at(p, operands, task / p->n.key_heads, head);
    b.first_head = head;
    for (int64_t from = 0; from < p->n.keys; from += CJ__ATTENTION_KEYS)
        key_block(&b, head, from, at_most(CJ__ATTENTION_KEYS, p->n.keys - from));
    for (; b.head.head < head + times; b.head.head++) {
        if (p->n.keys == 0) zero_queries(&b, 0, p->n.queries);
        store_queries(&b);
    }
}

/* Query, key, value and cotangent; all three gradients. */
static uint64_t reads_bf16(const cj__launch *launch)
{
    const uint64_t all = 1 << QUERY | 1 << KEY | 1 << VALUE | 1 << COTANGENT;
    return cj__attention_multiplies_bf16(launch, true) ? all : 0;
}

static uint64_t writes_bf16(const cj__launch *launch)
{
    return cj__attention_multiplies_bf16(launch, true) ? 7 : 0;
}

static const char *refuse(const cj__launch *launch)
{
    return cj__attention_refuse(launch, reads_bf16(launch), writes_bf16(launch));
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    cj__attention_plan *p;
    backward b;
    CJ__TRY(cj__attention_plan_make(&p, launch, CJ__ATTENTION_GRADIENT_TENSORS, arena));
    cj__attention_choose_parts(p, launch, true);
    cj__attention_scratch scratch = scratch_of(p, &b);
    launch->scratch_bytes = cj__attention_scratch_bytes(&scratch);
    launch->data = p;
    launch->tasks = p->n.examples * p->n.key_heads;
    return CJ_OK;
}

const cj__kernel cj__attention_gradient_kernel = {.name = "attention gradient f32",
                                                  .op = CJ__OP_attention_gradient,
                                                  .refuse = refuse,
                                                  .prepare = prepare,
                                                  .run = run,
                                                  .describe = cj__attention_describe,
                                                  .reads_bf16 = reads_bf16,
                                                  .writes_bf16 = writes_bf16};
