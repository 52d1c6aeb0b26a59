/* The gradient of attention on the CPU. A task is one head of keys and values with all heads of queries that
 * share it: block by block of keys, block by block of queries, probabilities are made again from the
 * log-sum-exp of their row (Dao et al., 2022), and five products of the two blocks give the three gradients.
 */
#include "cpu/attention.h"

#include <string.h>

enum { STRIPS = 4, ROWS_BY_PARTS = 2 * CJ__SPLIT_STEP }; /* of a block of queries */

typedef struct {
    cj__attention_head head;
    float *keys, *key_rows, *values; /* packed: keys as columns and as rows, values as columns */
    float *rows;                     /* packed rows of a block of queries or cotangents */
    bool keys_packed;                /* the former: for f32, of the block at hand */
    /* The same five by parts of bf16, and room for rows to be multiplied with them. */
    cj__attention_parts key_parts, key_row_parts, value_parts, query_parts, cotangent_parts;
    uint16_t *strip;
    float *p, *ds;                /* [block][CJ__ATTENTION_KEYS]: probabilities, gradients of scores */
    float *key_sums, *value_sums; /* [CJ__ATTENTION_KEYS][width] */
    float *room, *draws;          /* [CJ__ATTENTION_KEYS] */
    float *wide;                  /* for rows that are bf16 and must be f32 */
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

static int64_t rows_in_f32(const cj__attention_plan *p)
{
    return (int64_t)STRIPS * p->products->tile_rows;
}

static int64_t block_rows(const cj__attention_plan *p)
{
    return p->parts ? ROWS_BY_PARTS : rows_in_f32(p);
}

enum { PARTS = 18 };

static bool sums_queries(const cj__attention_plan *p)
{
    return p->bf16 >> p->outputs & 1;
}

/* The sizes of the parts of scratch, in floats, in the order in which `begin` hands them out. */
static void part_sizes(const cj__attention_plan *p, int64_t sizes[PARTS])
{
    int64_t rows = block_rows(p), columns = cj__attention_column_panels(p), width = p->n.width;
    int64_t by_column = cj__attention_parts_panels(p, width, CJ__ATTENTION_KEYS);
    int64_t sharing = p->n.heads / p->n.key_heads;
    int64_t all[PARTS] = {columns,
                          cj__attention_row_panels(p, CJ__ATTENTION_KEYS),
                          columns,
                          cj__attention_row_panels(p, rows_in_f32(p)),
                          rows * CJ__ATTENTION_KEYS,
                          rows * CJ__ATTENTION_KEYS,
                          CJ__ATTENTION_KEYS * width,
                          CJ__ATTENTION_KEYS * width,
                          CJ__ATTENTION_KEYS,
                          CJ__ATTENTION_KEYS,
                          cj__attention_room(p),
                          sums_queries(p) ? sharing * p->n.queries * width : 0,
                          by_column,
                          cj__attention_parts_panels(p, CJ__ATTENTION_KEYS, width),
                          by_column,
                          cj__attention_parts_panels(p, rows, width),
                          cj__attention_parts_panels(p, rows, width),
                          cj__attention_parts_strip(p, at_least(width, CJ__ATTENTION_KEYS))};
    memcpy(sizes, all, sizeof all);
}

static backward begin(const cj__attention_plan *p, char *scratch)
{
    backward b = {.keys_packed = false};
    float **const floats[] = {&b.keys,     &b.key_rows,   &b.values, &b.rows,  &b.p,    &b.ds,
                              &b.key_sums, &b.value_sums, &b.room,   &b.draws, &b.wide, &b.query_sums};
    uint16_t **const parts[] = {&b.key_parts.panels,   &b.key_row_parts.panels,   &b.value_parts.panels,
                                &b.query_parts.panels, &b.cotangent_parts.panels, &b.strip};
    const int count = sizeof floats / sizeof *floats;
    int64_t sizes[PARTS];
    part_sizes(p, sizes);
    for (int i = 0; i < count; i++) *floats[i] = cj__attention_part(&scratch, sizes[i]);
    for (int i = count; i < PARTS; i++)
        *parts[i - count] = (uint16_t *)cj__attention_part(&scratch, sizes[i]);
    return b;
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

/* --- in f32 -------------------------------------------------------------------------------------------- */

/* Keys are packed when a product first needs them so. */
static void pack_keys(backward *b, const pair *at)
{
    if (b->keys_packed) return;
    cj__attention_pack_columns(&b->head, KEY, at->from, at->count, b->wide, b->keys);
    cj__attention_pack_rows(&b->head, KEY, at->from, at->count, b->wide, b->key_rows);
    cj__attention_pack_columns(&b->head, VALUE, at->from, at->count, b->wide, b->values);
    b->keys_packed = true;
}

/* c [rows,seen] = rows of an operand, from query i on, times packed columns */
static void times_columns(const backward *b, int operand, int64_t i, int64_t rows, const float *panels,
                          int64_t seen, float *c)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t height = p->products->tile_rows, columns = p->products->tile_columns;
    cj__matrix a = cj__split_in_f32(cj__attention_queries(&b->head, operand, i), rows, p->n.width, b->wide);
    for (int64_t r = 0; r < rows; r += height)
        p->products->strip(&(cj__strip){.a = a.data + r * a.row,
                                        .a_row = a.row,
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

/* sums [keys,width] += xᵀ times rows of an operand, x [rows,keys] */
static void add_transposed(const backward *b, const float *x, const pair *at, int64_t keys, int operand,
                           float *sums)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t height = p->products->tile_rows, columns = p->products->tile_columns, most = rows_in_f32(p);
    for (int64_t r = 0; r < at->rows; r += most) {
        int64_t rows = at_most(most, at->rows - r);
        cj__split_operand lie = cj__attention_queries(&b->head, operand, at->i + r);
        cj__matrix wide = cj__split_in_f32(lie, rows, p->n.width, b->wide);
        p->products->pack_panels(wide, rows, p->n.width, b->rows);
        for (int64_t j = 0; j < keys; j += height)
            p->products->strip(&(cj__strip){.a = x + r * CJ__ATTENTION_KEYS + j,
                                            .a_row = 1,
                                            .a_column = CJ__ATTENTION_KEYS,
                                            .b = b->rows,
                                            .b_row = columns,
                                            .b_panel = columns * rows,
                                            .c = sums + j * p->n.width,
                                            .c_row = p->n.width,
                                            .rows = at_most(height, keys - j),
                                            .columns = p->n.width,
                                            .k = rows,
                                            .add = true});
    }
}

/* The gradient of queries [i, i + rows) += ds times packed rows of `count` keys, or = for the first keys */
static void add_rows(const backward *b, const float *ds, int64_t i, int64_t rows, const pair *at)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t height = p->products->tile_rows, columns = p->products->tile_columns;
    for (int64_t r = 0; r < rows; r += height)
        p->products->strip(&(cj__strip){.a = ds + r * CJ__ATTENTION_KEYS,
                                        .a_row = CJ__ATTENTION_KEYS,
                                        .a_column = 1,
                                        .b = b->key_rows,
                                        .b_row = columns,
                                        .b_panel = columns * at->count,
                                        .c = query_sum(b, i + r),
                                        .c_row = query_sum_row(p),
                                        .rows = at_most(height, rows - r),
                                        .columns = p->n.width,
                                        .k = at->most,
                                        .add = at->from > 0});
}

/* --- by parts of bf16, or else in f32 ------------------------------------------------------------------- */

static void pack_keys_by_parts(backward *b, int64_t from, int64_t count)
{
    const cj__attention_plan *p = b->head.plan;
    cj__split_operand keys = cj__attention_keys(&b->head, KEY, from);
    cj__split_operand values = cj__attention_keys(&b->head, VALUE, from);
    cj__attention_pack_parts(p, cj__split_transposed(keys), p->n.width, count, &b->key_parts);
    cj__attention_pack_parts(p, keys, count, p->n.width, &b->key_row_parts);
    cj__attention_pack_parts(p, cj__split_transposed(values), p->n.width, count, &b->value_parts);
}

static void pack_rows_by_parts(backward *b, const pair *at)
{
    const cj__attention_plan *p = b->head.plan;
    cj__attention_pack_parts(p, cj__attention_queries(&b->head, QUERY, at->i), at->rows, p->n.width,
                             &b->query_parts);
    cj__attention_pack_parts(p, cj__attention_queries(&b->head, COTANGENT, at->i), at->rows, p->n.width,
                             &b->cotangent_parts);
}

/* c [rows,most] = rows of an operand times columns. */
static void make_products(backward *b, int operand, const pair *at, const cj__attention_parts *columns,
                          const float *panels, float *c)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t height = p->parts ? p->split->tile_rows : at->rows, width = p->n.width;
    for (int64_t r = 0; r < at->rows; r += height, c += height * CJ__ATTENTION_KEYS) {
        int64_t rows = at_most(height, at->rows - r);
        cj__split_operand a = cj__attention_queries(&b->head, operand, at->i + r);
        if (cj__attention_pack_strip(p, a, rows, width, columns, b->strip)) {
            cj__attention_multiply(p,
                                   &(cj__attention_strip){.strip = b->strip,
                                                          .rows = rows,
                                                          .k = width,
                                                          .c = c,
                                                          .c_row = CJ__ATTENTION_KEYS,
                                                          .columns = whole_panels(at->most)},
                                   columns);
        } else {
            pack_keys(b, at);
            times_columns(b, operand, at->i + r, rows, panels, at->most, c);
        }
    }
}

/* sums [most,width] += xᵀ times rows of an operand. */
static void add_to_keys(const backward *b, const float *x, const pair *at, const cj__attention_parts *rows,
                        int operand, float *sums)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t height = p->parts ? p->split->tile_rows : at->most, width = p->n.width;
    for (int64_t j = 0; j < at->most; j += height) {
        int64_t keys = at_most(height, at->most - j);
        cj__split_operand turned = {x + j, 1, CJ__ATTENTION_KEYS, false};
        if (cj__attention_pack_strip(p, turned, keys, at->rows, rows, b->strip))
            cj__attention_multiply(p,
                                   &(cj__attention_strip){.strip = b->strip,
                                                          .rows = keys,
                                                          .k = at->rows,
                                                          .c = sums + j * width,
                                                          .c_row = width,
                                                          .columns = width,
                                                          .add = true},
                                   rows);
        else
            add_transposed(b, x + j, at, keys, operand, sums + j * width);
    }
}

/* The gradient of the queries += ds times rows of keys, or = for the first keys. */
static void add_to_queries(backward *b, const pair *at)
{
    const cj__attention_plan *p = b->head.plan;
    int64_t height = p->parts ? p->split->tile_rows : at->rows;
    for (int64_t r = 0; r < at->rows; r += height) {
        int64_t rows = at_most(height, at->rows - r);
        const float *row = b->ds + r * CJ__ATTENTION_KEYS;
        cj__split_operand ds = {row, CJ__ATTENTION_KEYS, 1, false};
        if (cj__attention_pack_strip(p, ds, rows, at->most, &b->key_row_parts, b->strip)) {
            cj__attention_multiply(p,
                                   &(cj__attention_strip){.strip = b->strip,
                                                          .rows = rows,
                                                          .k = at->most,
                                                          .c = query_sum(b, at->i + r),
                                                          .c_row = query_sum_row(p),
                                                          .columns = p->n.width,
                                                          .add = at->from > 0},
                                   &b->key_row_parts);
        } else {
            pack_keys(b, at);
            add_rows(b, row, at->i + r, rows, at);
        }
    }
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
    const cj__attention_plan *p = b->head.plan;
    at.most = cj__attention_seen(&b->head, at.i + at.rows - 1, at.from, at.count);
    if (at.most == 0) {
        if (at.from == 0) zero_queries(b, at.i, at.i + at.rows);
        return;
    }
    if (p->parts) pack_rows_by_parts(b, &at);
    make_products(b, QUERY, &at, &b->key_parts, b->keys, b->p);
    make_products(b, COTANGENT, &at, &b->value_parts, b->values, b->ds);
    for (int64_t r = 0; r < at.rows; r++)
        row_gradients(b, at.i + r, at.from, cj__attention_seen(&b->head, at.i + r, at.from, at.count),
                      at.most, b->p + r * CJ__ATTENTION_KEYS, b->ds + r * CJ__ATTENTION_KEYS);
    add_to_keys(b, b->p, &at, &b->cotangent_parts, COTANGENT, b->value_sums);
    add_to_keys(b, b->ds, &at, &b->query_parts, QUERY, b->key_sums);
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
    b->keys_packed = false;
    if (p->parts) pack_keys_by_parts(b, from, count);
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
    backward b = begin(p, scratch);
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
    int64_t sizes[PARTS];
    CJ__TRY(cj__attention_plan_make(&p, launch, CJ__ATTENTION_GRADIENT_TENSORS, arena));
    cj__attention_choose_parts(p, launch, true);
    part_sizes(p, sizes);
    for (int i = 0; i < PARTS; i++) launch->scratch_bytes += aligned_bytes(sizes[i], sizeof(float));
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
