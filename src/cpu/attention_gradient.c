/* The gradient of attention on the CPU. A task is one head of keys and values with all heads of queries that
 * share it: block by block of keys, block by block of queries, probabilities are made again from the
 * log-sum-exp of their row (Dao et al., 2022), and five products of the two blocks give the three gradients.
 */
#include "cpu/attention.h"

#include <string.h>

enum { STRIPS = 4 }; /* of a block of queries */

typedef struct {
    cj__attention_head head;
    float *keys, *key_rows, *values; /* packed: keys as columns and as rows, values as columns */
    float *queries, *cotangents;     /* packed rows of a block of queries */
    float *p, *ds;                   /* [block][CJ__ATTENTION_KEYS]: probabilities, gradients of scores */
    float *key_sums, *value_sums;    /* [CJ__ATTENTION_KEYS][width] */
    float *room, *draws;             /* [CJ__ATTENTION_KEYS] */
} backward;

/* Operands: query, key, value, log-sum-exp, delta, cotangent. */
enum { QUERY, KEY, VALUE, LOG_SUM, DELTA, COTANGENT };

static int64_t block_rows(const cj__attention_plan *p)
{
    return (int64_t)STRIPS * p->products->tile_rows;
}

/* The sizes of the parts of scratch, in floats, in the order in which `begin` hands them out. */
static int part_sizes(const cj__attention_plan *p, int64_t sizes[11])
{
    int64_t rows = block_rows(p), columns = cj__attention_column_panels(p);
    int64_t all[] = {columns,
                     cj__attention_row_panels(p, CJ__ATTENTION_KEYS),
                     columns,
                     cj__attention_row_panels(p, rows),
                     cj__attention_row_panels(p, rows),
                     rows * CJ__ATTENTION_KEYS,
                     rows * CJ__ATTENTION_KEYS,
                     CJ__ATTENTION_KEYS * p->n.width,
                     CJ__ATTENTION_KEYS * p->n.width,
                     CJ__ATTENTION_KEYS,
                     CJ__ATTENTION_KEYS};
    memcpy(sizes, all, sizeof all);
    return (int)(sizeof all / sizeof *all);
}

static backward begin(const cj__attention_plan *p, char *scratch)
{
    backward b;
    float **const parts[] = {&b.keys, &b.key_rows, &b.values,     &b.queries, &b.cotangents, &b.p,
                             &b.ds,   &b.key_sums, &b.value_sums, &b.room,    &b.draws};
    int64_t sizes[11];
    int count = part_sizes(p, sizes);
    for (int i = 0; i < count; i++) *parts[i] = cj__attention_part(&scratch, sizes[i]);
    return b;
}

static void zero_queries(const backward *b)
{
    const cj__attention_plan *p = b->head.plan;
    for (int64_t i = 0; i < p->n.queries; i++)
        memset(cj__attention_query(&b->head, p->outputs, i), 0, (size_t)p->n.width * sizeof(float));
}

/* c [rows,seen] = rows of an operand, from query i on, times packed columns */
static void times_columns(const backward *b, int operand, int64_t i, int64_t rows, const float *panels,
                          int64_t seen, float *c)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t height = p->products->tile_rows, columns = p->products->tile_columns;
    for (int64_t r = 0; r < rows; r += height)
        p->products->strip(&(cj__strip){.a = cj__attention_query(&b->head, operand, i + r),
                                        .a_row = p->n.heads * p->n.width,
                                        .a_column = 1,
                                        .b = panels,
                                        .b_row = columns,
                                        .b_panel = columns * p->n.width,
                                        .c = c + r * CJ__ATTENTION_KEYS,
                                        .c_row = CJ__ATTENTION_KEYS,
                                        .rows = at_most(height, rows - r),
                                        .columns = seen,
                                        .k = p->n.width});
}

/* sums [seen,width] += xᵀ times packed rows of `rows` queries */
static void add_transposed(const backward *b, const float *x, int64_t rows, const float *panels, int64_t seen,
                           float *sums)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t height = p->products->tile_rows, columns = p->products->tile_columns;
    for (int64_t j = 0; j < seen; j += height)
        p->products->strip(&(cj__strip){.a = x + j,
                                        .a_row = 1,
                                        .a_column = CJ__ATTENTION_KEYS,
                                        .b = panels,
                                        .b_row = columns,
                                        .b_panel = columns * rows,
                                        .c = sums + j * p->n.width,
                                        .c_row = p->n.width,
                                        .rows = at_most(height, seen - j),
                                        .columns = p->n.width,
                                        .k = rows,
                                        .add = true});
}

/* The gradient of queries [i, i + rows) += ds times packed rows of `count` keys */
static void add_to_queries(const backward *b, int64_t i, int64_t rows, int64_t seen, int64_t count)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t height = p->products->tile_rows, columns = p->products->tile_columns;
    for (int64_t r = 0; r < rows; r += height)
        p->products->strip(&(cj__strip){.a = b->ds + r * CJ__ATTENTION_KEYS,
                                        .a_row = CJ__ATTENTION_KEYS,
                                        .a_column = 1,
                                        .b = b->key_rows,
                                        .b_row = columns,
                                        .b_panel = columns * count,
                                        .c = cj__attention_query(&b->head, p->outputs, i + r),
                                        .c_row = p->n.heads * p->n.width,
                                        .rows = at_most(height, rows - r),
                                        .columns = p->n.width,
                                        .k = seen,
                                        .add = true});
}

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

/* Queries [i, i + rows) against the keys [from, from + count). */
static void query_block(const backward *b, int64_t i, int64_t rows, int64_t from, int64_t count)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t most = cj__attention_seen(&b->head, i + rows - 1, from, count), row = p->n.heads * p->n.width;
    if (most == 0) return;
    times_columns(b, QUERY, i, rows, b->keys, most, b->p);
    times_columns(b, COTANGENT, i, rows, b->values, most, b->ds);
    for (int64_t r = 0; r < rows; r++)
        row_gradients(b, i + r, from, cj__attention_seen(&b->head, i + r, from, count), most,
                      b->p + r * CJ__ATTENTION_KEYS, b->ds + r * CJ__ATTENTION_KEYS);
    cj__matrix queries = {cj__attention_query(&b->head, QUERY, i), row, 1};
    cj__matrix cotangents = {cj__attention_query(&b->head, COTANGENT, i), row, 1};
    p->products->pack_panels(queries, rows, p->n.width, b->queries);
    p->products->pack_panels(cotangents, rows, p->n.width, b->cotangents);
    add_transposed(b, b->p, rows, b->cotangents, most, b->value_sums);
    add_transposed(b, b->ds, rows, b->queries, most, b->key_sums);
    add_to_queries(b, i, rows, most, count);
}

static void store_keys(const backward *b, int64_t from, int64_t count)
{
    const cj__attention_plan *p = b->head.plan;
    size_t bytes = (size_t)p->n.width * sizeof(float);
    for (int64_t j = 0; j < count; j++) {
        memcpy(cj__attention_key(&b->head, p->outputs + 1, from + j), b->key_sums + j * p->n.width, bytes);
        memcpy(cj__attention_key(&b->head, p->outputs + 2, from + j), b->value_sums + j * p->n.width, bytes);
    }
}

static void key_block(backward *b, int64_t head, int64_t from, int64_t count)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t times = p->n.heads / p->n.key_heads, rows = block_rows(p);
    cj__attention_pack_columns(&b->head, KEY, from, count, b->keys);
    cj__attention_pack_rows(&b->head, KEY, from, count, b->key_rows);
    cj__attention_pack_columns(&b->head, VALUE, from, count, b->values);
    memset(b->key_sums, 0, (size_t)(count * p->n.width) * sizeof(float));
    memset(b->value_sums, 0, (size_t)(count * p->n.width) * sizeof(float));
    for (b->head.head = head; b->head.head < head + times; b->head.head++) {
        if (from == 0) zero_queries(b);
        for (int64_t i = 0; i < p->n.queries; i += rows)
            query_block(b, i, at_most(rows, p->n.queries - i), from, count);
    }
    b->head.head = head;
    store_keys(b, from, count);
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const cj__attention_plan *p = launch->data;
    backward b = begin(p, scratch);
    int64_t times = p->n.heads / p->n.key_heads, head = task % p->n.key_heads * times;
    b.head = cj__attention_head_at(p, operands, task / p->n.key_heads, head);
    for (int64_t from = 0; from < p->n.keys; from += CJ__ATTENTION_KEYS)
        key_block(&b, head, from, at_most(CJ__ATTENTION_KEYS, p->n.keys - from));
    for (; p->n.keys == 0 && b.head.head < head + times; b.head.head++) zero_queries(&b);
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    cj__attention_plan *p;
    int64_t sizes[11];
    CJ__TRY(cj__attention_plan_make(&p, launch, CJ__ATTENTION_GRADIENT_TENSORS, arena));
    int count = part_sizes(p, sizes);
    for (int i = 0; i < count; i++) launch->scratch_bytes += aligned_bytes(sizes[i], sizeof(float));
    launch->data = p;
    launch->tasks = p->n.examples * p->n.key_heads;
    return CJ_OK;
}

const cj__kernel cj__attention_gradient_kernel = {.name = "attention gradient f32",
                                                  .op = CJ__OP_attention_gradient,
                                                  .refuse = cj__attention_refuse,
                                                  .prepare = prepare,
                                                  .run = run,
                                                  .describe = cj__attention_describe};
