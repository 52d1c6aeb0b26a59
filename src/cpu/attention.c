/* Attention on the CPU. A task is a block of one head's queries; it takes the keys block by block, a strip of
 * queries at a time, whose scores never leave L1, and keeps for each row the largest score so far and the sum
 * of exponentials (Milakov and Gimelshein, 2018). Few queries read keys and values where they lie. */
#include "cpu/attention.h"

#include <math.h>
#include <string.h>

enum { QUERIES = 256 }; /* of a task: enough to make up for packing the keys again */

/* Operands: query, key, value. */
enum { QUERY, KEY, VALUE };

/* A task's queries [begin, end), and its thread's memory. */
typedef struct {
    cj__attention_head head;
    int64_t begin, end;
    int64_t from, count;              /* the block of keys at hand */
    cj__attention_block keys, values; /* keys as columns, values as rows */
    cj__attention_rows rows;
    float *scores;      /* [strip][CJ__ATTENTION_KEYS] */
    float *sums;        /* [queries][width]: of exponentials times values */
    float *top, *total; /* [queries] */
    float *room;        /* [CJ__ATTENTION_KEYS] */
} forward;

/* Queries taken at a time. */
static int64_t strip_height(const cj__attention_plan *p)
{
    return p->parts ? p->split->tile_rows : p->products->tile_rows;
}

static cj__attention_scratch scratch_of(const cj__attention_plan *p, forward *f)
{
    cj__attention_scratch s = {.count = 0};
    cj__attention_reserve_block(&s, p, &f->keys, p->n.width, CJ__ATTENTION_KEYS);
    cj__attention_reserve_block(&s, p, &f->values, CJ__ATTENTION_KEYS, p->n.width);
    cj__attention_reserve_rows(&s, p, &f->rows, at_least(p->n.width, CJ__ATTENTION_KEYS));
    cj__attention_reserve(&s, &f->scores, strip_height(p) * CJ__ATTENTION_KEYS);
    cj__attention_reserve(&s, &f->sums, QUERIES * p->n.width);
    cj__attention_reserve(&s, &f->top, QUERIES);
    cj__attention_reserve(&s, &f->total, QUERIES);
    cj__attention_reserve(&s, &f->room, CJ__ATTENTION_KEYS);
    return s;
}

static forward forward_begin(const cj__launch *launch, void *const *operands, int64_t task, char *memory)
{
    const cj__attention_plan *p = launch->data;
    int64_t blocks = divide_up(p->n.queries, QUERIES), block = task % blocks, head = task / blocks;
    forward f = {.head = cj__attention_head_at(p, operands, head / p->n.heads, head % p->n.heads)};
    cj__attention_scratch scratch = scratch_of(p, &f);
    cj__attention_hand_out(&scratch, memory);
    f.begin = block * QUERIES;
    f.end = at_most(f.begin + QUERIES, p->n.queries);
    memset(f.sums, 0, (size_t)((f.end - f.begin) * p->n.width) * sizeof *f.sums);
    for (int64_t i = 0; i < f.end - f.begin; i++) f.top[i] = -INFINITY, f.total[i] = 0;
    return f;
}

/* Row i's scores of `seen` keys, from key `from` on, become probabilities but for what divides them; what the
 * row has summed up so far is scaled to the new largest score. */
static void weigh_row(const forward *f, int64_t i, int64_t from, int64_t seen, float *scores)
{
    const cj__attention_plan *p = f->head.plan;
    int64_t row = i - f->begin, width = p->n.width;
    if (seen == 0) return;
    float before = f->top[row];
    const float *bias = cj__attention_bias(&f->head, i, from, seen, f->room);
    float sum = p->rows->exponentials(seen, (float)p->a->scale, bias, scores, &f->top[row]);
    if (f->top[row] > before && before != -INFINITY) {
        float factor = p->rows->exponential(before - f->top[row]), *sums = f->sums + row * width;
        p->rows->scaled(width, sums, factor, sums);
        f->total[row] *= factor;
    }
    f->total[row] += sum;
    if (p->at.counter >= 0) cj__attention_drop(&f->head, i, from, seen, f->room, scores);
}

/* Of queries [i, i + rows) with the first `most` keys of the block. */
static void make_scores(forward *f, int64_t i, int64_t rows, int64_t most)
{
    const cj__attention_plan *p = f->head.plan;
    cj__attention_multiply(p,
                           &(cj__attention_product){.a = cj__attention_queries(&f->head, QUERY, i),
                                                    .rows = rows,
                                                    .k = p->n.width,
                                                    .columns = most,
                                                    .b = &f->keys,
                                                    .c = f->scores,
                                                    .c_row = CJ__ATTENTION_KEYS,
                                                    .whole = true},
                           &f->rows);
}

/* The sums of queries [i, i + rows) += exponentials times values. Whether bf16 holds exponentials need not be
 * looked at: they are at most 1, what it loses of the smallest is nothing beside their sum, and if one is no
 * number, neither is that sum, which will divide the row. */
static void add_values(forward *f, int64_t i, int64_t rows, int64_t most)
{
    const cj__attention_plan *p = f->head.plan;
    cj__attention_multiply(p,
                           &(cj__attention_product){.a = {f->scores, CJ__ATTENTION_KEYS, 1, false},
                                                    .rows = rows,
                                                    .k = most,
                                                    .columns = p->n.width,
                                                    .b = &f->values,
                                                    .c = f->sums + (i - f->begin) * p->n.width,
                                                    .c_row = p->n.width,
                                                    .add = true,
                                                    .held = true},
                           &f->rows);
}

/* Queries [i, i + rows) against the block of keys. */
static void forward_strip(forward *f, int64_t i, int64_t rows)
{
    int64_t most = cj__attention_seen(&f->head, i + rows - 1, f->from, f->count);
    if (most == 0) return;
    make_scores(f, i, rows, most);
    for (int64_t r = 0; r < rows; r++) {
        float *scores = f->scores + r * CJ__ATTENTION_KEYS;
        int64_t seen = cj__attention_seen(&f->head, i + r, f->from, f->count);
        weigh_row(f, i + r, f->from, seen, scores);
        memset(scores + seen, 0, (size_t)(most - seen) * sizeof *scores);
    }
    add_values(f, i, rows, most);
}

static void forward_keys(forward *f, int64_t from, int64_t count)
{
    const cj__attention_plan *p = f->head.plan;
    cj__split_operand keys = cj__attention_keys(&f->head, KEY, from);
    int64_t height = strip_height(p);
    f->from = from;
    f->count = count;
    cj__attention_take(&f->keys, p, cj__split_transposed(keys), p->n.width, count);
    cj__attention_take(&f->values, p, cj__attention_keys(&f->head, VALUE, from), count, p->n.width);
    for (int64_t i = f->begin; i < f->end; i += height) forward_strip(f, i, at_most(height, f->end - i));
}

/* Of each block of keys, as many as the last query sees. */
static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    forward f = forward_begin(launch, operands, task, scratch);
    const cj__attention_plan *p = f.head.plan;
    for (int64_t from = 0; from < p->n.keys; from += CJ__ATTENTION_KEYS) {
        int64_t count = at_most(CJ__ATTENTION_KEYS, p->n.keys - from);
        count = cj__attention_seen(&f.head, f.end - 1, from, count);
        if (count == 0) break;
        forward_keys(&f, from, count);
    }
    for (int64_t i = f.begin; i < f.end; i++) {
        int64_t row = i - f.begin;
        cj__attention_finish(&f.head, i, f.sums + row * p->n.width, f.top[row], f.total[row]);
    }
}

/* Query, key and value. */
static uint64_t reads_bf16(const cj__launch *launch)
{
    return cj__attention_multiplies_bf16(launch, false) ? 7 : 0;
}

static const char *refuse(const cj__launch *launch)
{
    return cj__attention_refuse(launch, reads_bf16(launch), 0);
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    cj__attention_plan *p;
    forward f;
    CJ__TRY(cj__attention_plan_make(&p, launch, CJ__ATTENTION_TENSORS, arena));
    cj__attention_choose_parts(p, launch, false);
    launch->data = p;
    launch->tasks = p->n.examples * p->n.heads * divide_up(p->n.queries, QUERIES);
    cj__attention_scratch scratch = scratch_of(p, &f);
    launch->scratch_bytes = cj__attention_scratch_bytes(&scratch);
    return CJ_OK;
}

const cj__kernel cj__attention_kernel = {.name = "attention f32",
                                         .op = CJ__OP_attention,
                                         .refuse = refuse,
                                         .prepare = prepare,
                                         .run = run,
                                         .describe = cj__attention_describe,
                                         .reads_bf16 = reads_bf16};
