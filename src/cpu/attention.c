/* Attention on the CPU. A task is a block of one head's queries; it takes the keys block by block, a strip of
 * queries at a time, whose scores never leave L1, and keeps for each row the largest score so far and the sum
 * of exponentials (Milakov and Gimelshein, 2018). Few queries read keys and values where they lie. */
#include "cpu/attention.h"

#include <math.h>
#include <string.h>

enum { QUERIES = 256 }; /* of a task: enough to make up for packing the keys again */

/* --- plan and operands --------------------------------------------------------------------------------- */

static const cj__attention_kernels *const tables[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = &cj__attention_scalar,
    CJ__IF_NEON([CJ__ISA_NEON] = &cj__attention_neon, ) CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__attention_avx2, )
        CJ__IF_AVX512([CJ__ISA_AVX512] = &cj__attention_avx512, )};

static void find_bias(cj__attention_plan *p, const cj__launch *launch)
{
    if (p->at.bias < 0) return;
    cj_shape_t shape = launch->types[p->at.bias].shape;
    for (int64_t axis = 3, stride = 1; axis >= 0; stride *= shape.dims[axis--])
        p->bias_stride[axis] = shape.dims[axis] > 1 ? stride : 0;
}

cj_status cj__attention_plan_make(cj__attention_plan **plan, const cj__launch *launch, int tensors,
                                  cj__arena *arena)
{
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    cj__attention_plan *p = *plan = cj__arena_allocate(arena, sizeof *p);
    if (!p) return cj__out_of_memory(sizeof *p, "attention");
    memset(p, 0, sizeof *p);
    p->a = launch->attributes;
    p->n = cj__attention_sizes_of(launch->types[0].shape, launch->types[1].shape);
    p->at = cj__attention_places_of(p->a, tensors);
    p->outputs = launch->inputs_count;
    p->products = cj__matmul_kernels_of(isa);
    p->rows = tables[cj__isa_vectors(isa)];
    p->first_of_each = p->at.first >= 0 && launch->types[p->at.first].shape.rank > 0;
    find_bias(p, launch);
    return cj__random_choose(&p->random);
}

cj__attention_head cj__attention_head_at(const cj__attention_plan *p, void *const *operands, int64_t example,
                                         int64_t head)
{
    cj__attention_head h = {p, operands, example, head, 0, p->n.keys};
    if (p->at.first >= 0) h.first = ((const int32_t *)operands[p->at.first])[p->first_of_each ? example : 0];
    if (p->at.lengths >= 0) h.length = ((const int32_t *)operands[p->at.lengths])[example];
    return h;
}

float *cj__attention_query(const cj__attention_head *h, int operand, int64_t i)
{
    const cj__attention_sizes *n = &h->plan->n;
    int64_t row = (h->example * n->queries + i) * n->heads + h->head;
    return (float *)h->operands[operand] + row * n->width;
}

float *cj__attention_key(const cj__attention_head *h, int operand, int64_t j)
{
    const cj__attention_sizes *n = &h->plan->n;
    int64_t head = h->head / (n->heads / n->key_heads);
    int64_t row = (h->example * n->keys + j) * n->key_heads + head;
    return (float *)h->operands[operand] + row * n->width;
}

int64_t cj__attention_seen(const cj__attention_head *h, int64_t i, int64_t from, int64_t count)
{
    int64_t seen = cj__attention_visible(h->plan->a, h->plan->n.keys, h->first, h->length, i) - from;
    return seen < 0 ? 0 : seen < count ? seen : count;
}

const float *cj__attention_bias(const cj__attention_head *h, int64_t i, int64_t from, int64_t count,
                                float *room)
{
    const cj__attention_plan *p = h->plan;
    if (p->at.bias < 0) return NULL;
    const int64_t *stride = p->bias_stride;
    const float *bias = (const float *)h->operands[p->at.bias] + h->example * stride[0] +
                        h->head * stride[1] + i * stride[2] + from * stride[3];
    if (stride[3]) return bias;
    for (int64_t j = 0; j < count; j++) room[j] = *bias;
    return room;
}

void cj__attention_drop(const cj__attention_head *h, int64_t i, int64_t from, int64_t count, float *room,
                        float *probabilities)
{
    const cj__attention_plan *p = h->plan;
    int64_t row = (h->example * p->n.heads + h->head) * p->n.queries + i;
    uint64_t step = (uint64_t) * (const int64_t *)h->operands[p->at.counter];
    uint64_t index = (uint64_t)(row * cj__attention_draw_stride(p->n.keys) + from);
    p->random->uniform(p->a->key, step, index, count, room);
    p->rows->drop(count, (float)p->a->rate, room, probabilities);
}

static cj__matrix keys_of(const cj__attention_head *h, int operand, int64_t from)
{
    return (cj__matrix){cj__attention_key(h, operand, from), h->plan->n.key_heads * h->plan->n.width, 1};
}

void cj__attention_pack_columns(const cj__attention_head *h, int operand, int64_t from, int64_t count,
                                float *panels)
{
    cj__matrix keys = keys_of(h, operand, from), turned = {keys.data, keys.column, keys.row};
    h->plan->products->pack_panels(turned, h->plan->n.width, count, panels);
}

void cj__attention_pack_rows(const cj__attention_head *h, int operand, int64_t from, int64_t count,
                             float *panels)
{
    h->plan->products->pack_panels(keys_of(h, operand, from), count, h->plan->n.width, panels);
}

int64_t cj__attention_column_panels(const cj__attention_plan *p)
{
    int64_t columns = p->products->tile_columns;
    return divide_up(CJ__ATTENTION_KEYS, columns) * columns * p->n.width;
}

int64_t cj__attention_row_panels(const cj__attention_plan *p, int64_t rows)
{
    int64_t columns = p->products->tile_columns;
    return divide_up(p->n.width, columns) * columns * rows;
}

/* A row that has seen nothing is zeros, and its log-sum-exp 0. */
void cj__attention_finish(const cj__attention_head *h, int64_t i, const float *sums, float top, float total)
{
    const cj__attention_plan *p = h->plan;
    int64_t row = (h->example * p->n.queries + i) * p->n.heads + h->head;
    p->rows->scaled(p->n.width, sums, total == 0 ? 0 : 1 / total, cj__attention_query(h, p->outputs, i));
    ((float *)h->operands[p->outputs + 1])[row] = total == 0 ? 0 : top + p->rows->logarithm(total);
}

/* --- many queries -------------------------------------------------------------------------------------- */

/* A task's queries [begin, end), and its thread's memory. */
typedef struct {
    cj__attention_head head;
    int64_t begin, end;
    float *keys, *values; /* packed */
    float *scores;        /* [strip][CJ__ATTENTION_KEYS] */
    float *sums;          /* [queries][width]: of exponentials times values */
    float *top, *total;   /* [queries] */
    float *room;          /* [CJ__ATTENTION_KEYS] */
} forward;

static size_t forward_bytes(const cj__attention_plan *p)
{
    const int64_t parts[] = {cj__attention_column_panels(p),
                             cj__attention_row_panels(p, CJ__ATTENTION_KEYS),
                             (int64_t)p->products->tile_rows * CJ__ATTENTION_KEYS,
                             QUERIES * p->n.width,
                             QUERIES,
                             QUERIES,
                             CJ__ATTENTION_KEYS};
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) bytes += aligned_bytes(parts[i], sizeof(float));
    return bytes;
}

static forward forward_begin(const cj__launch *launch, void *const *operands, int64_t task, char *scratch)
{
    const cj__attention_plan *p = launch->data;
    int64_t blocks = divide_up(p->n.queries, QUERIES), block = task % blocks, head = task / blocks;
    forward f = {.head = cj__attention_head_at(p, operands, head / p->n.heads, head % p->n.heads)};
    f.begin = block * QUERIES;
    f.end = at_most(f.begin + QUERIES, p->n.queries);
    f.keys = cj__attention_part(&scratch, cj__attention_column_panels(p));
    f.values = cj__attention_part(&scratch, cj__attention_row_panels(p, CJ__ATTENTION_KEYS));
    f.scores = cj__attention_part(&scratch, (int64_t)p->products->tile_rows * CJ__ATTENTION_KEYS);
    f.sums = cj__attention_part(&scratch, QUERIES * p->n.width);
    f.top = cj__attention_part(&scratch, QUERIES);
    f.total = cj__attention_part(&scratch, QUERIES);
    f.room = cj__attention_part(&scratch, CJ__ATTENTION_KEYS);
    memset(f.sums, 0, (size_t)((f.end - f.begin) * p->n.width) * sizeof *f.sums);
    for (int64_t i = 0; i < f.end - f.begin; i++) f.top[i] = -INFINITY, f.total[i] = 0;
    return f;
}

/* Row i's scores of `seen` keys, from key `from` on, become probabilities but for what divides them; what the
 * row has summed up so far is scaled to the new largest score. */
static void soften(const forward *f, int64_t i, int64_t from, int64_t seen, float *scores)
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

/* Queries [i, i + rows) against the keys [from, from + count). */
static void forward_strip(const forward *f, int64_t i, int64_t rows, int64_t from, int64_t count)
{
    const cj__attention_plan *p = f->head.plan;
    int64_t width = p->n.width, columns = p->products->tile_columns;
    int64_t most = cj__attention_seen(&f->head, i + rows - 1, from, count);
    if (most == 0) return;
    p->products->strip(&(cj__strip){.a = cj__attention_query(&f->head, 0, i),
                                    .a_row = p->n.heads * width,
                                    .a_column = 1,
                                    .b = f->keys,
                                    .b_row = columns,
                                    .b_panel = columns * width,
                                    .c = f->scores,
                                    .c_row = CJ__ATTENTION_KEYS,
                                    .rows = rows,
                                    .columns = most,
                                    .k = width});
    for (int64_t r = 0; r < rows; r++) {
        float *scores = f->scores + r * CJ__ATTENTION_KEYS;
        int64_t seen = cj__attention_seen(&f->head, i + r, from, count);
        soften(f, i + r, from, seen, scores);
        memset(scores + seen, 0, (size_t)(most - seen) * sizeof *scores);
    }
    p->products->strip(&(cj__strip){.a = f->scores,
                                    .a_row = CJ__ATTENTION_KEYS,
                                    .a_column = 1,
                                    .b = f->values,
                                    .b_row = columns,
                                    .b_panel = columns * count,
                                    .c = f->sums + (i - f->begin) * width,
                                    .c_row = width,
                                    .rows = rows,
                                    .columns = width,
                                    .k = most,
                                    .add = true});
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    forward f = forward_begin(launch, operands, task, scratch);
    const cj__attention_plan *p = f.head.plan;
    for (int64_t from = 0; from < p->n.keys; from += CJ__ATTENTION_KEYS) {
        int64_t count = at_most(CJ__ATTENTION_KEYS, p->n.keys - from);
        if (cj__attention_seen(&f.head, f.end - 1, from, count) == 0) break;
        cj__attention_pack_columns(&f.head, 1, from, count, f.keys);
        cj__attention_pack_rows(&f.head, 2, from, count, f.values);
        for (int64_t i = f.begin; i < f.end; i += p->products->tile_rows)
            forward_strip(&f, i, at_most(p->products->tile_rows, f.end - i), from, count);
    }
    for (int64_t i = f.begin; i < f.end; i++) {
        int64_t row = i - f.begin;
        cj__attention_finish(&f.head, i, f.sums + row * p->n.width, f.top[row], f.total[row]);
    }
}

const char *cj__attention_refuse(const cj__launch *launch)
{
    return launch->types[0].dtype == CJ_F32 ? NULL : "it takes f32 only";
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    cj__attention_plan *p;
    CJ__TRY(cj__attention_plan_make(&p, launch, CJ__ATTENTION_TENSORS, arena));
    launch->data = p;
    launch->tasks = p->n.examples * p->n.heads * divide_up(p->n.queries, QUERIES);
    launch->scratch_bytes = forward_bytes(p);
    return CJ_OK;
}

const char *cj__attention_describe(const cj__launch *launch)
{
    return ((const cj__attention_plan *)launch->data)->products->name;
}

const cj__kernel cj__attention_kernel = {.name = "attention f32",
                                         .op = CJ__OP_attention,
                                         .refuse = cj__attention_refuse,
                                         .prepare = prepare,
                                         .run = run,
                                         .describe = cj__attention_describe};
