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

static void find_strides(const cj__launch *launch, int operand, int64_t stride[4])
{
    if (operand < 0) return;
    cj_shape_t shape = launch->types[operand].shape;
    for (int64_t axis = 3, elements = 1; axis >= 0; elements *= shape.dims[axis--])
        stride[axis] = shape.dims[axis] > 1 ? elements : 0;
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
    p->isa = isa;
    p->products = cj__matmul_kernels_of(isa);
    p->rows = tables[cj__isa_vectors(isa)];
    for (int i = 0; i < launch->inputs_count + launch->outputs_count; i++)
        if (launch->types[i].dtype == CJ_BF16) p->bf16 |= UINT64_C(1) << i;
    p->first_of_each = p->at.first >= 0 && launch->types[p->at.first].shape.rank > 0;
    find_strides(launch, p->at.bias, p->bias_stride);
    find_strides(launch, p->at.mask, p->mask_stride);
    CJ__TRY(cj__vector_choose(&p->vectors));
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

static int64_t place_of_query(const cj__attention_head *h, int64_t i)
{
    const cj__attention_sizes *n = &h->plan->n;
    return ((h->example * n->queries + i) * n->heads + h->head) * n->width;
}

static int64_t place_of_key(const cj__attention_head *h, int64_t j)
{
    const cj__attention_sizes *n = &h->plan->n;
    int64_t head = h->head / (n->heads / n->key_heads);
    return ((h->example * n->keys + j) * n->key_heads + head) * n->width;
}

float *cj__attention_query(const cj__attention_head *h, int operand, int64_t i)
{
    return (float *)h->operands[operand] + place_of_query(h, i);
}

float *cj__attention_key(const cj__attention_head *h, int operand, int64_t j)
{
    return (float *)h->operands[operand] + place_of_key(h, j);
}

int64_t cj__attention_seen(const cj__attention_head *h, int64_t i, int64_t from, int64_t count)
{
    int64_t seen = cj__attention_visible(h->plan->a, h->plan->n.keys, h->first, h->length, i) - from;
    return seen < 0 ? 0 : seen < count ? seen : count;
}

static int64_t place_of(const cj__attention_head *h, const int64_t stride[4], int64_t i, int64_t key)
{
    return h->example * stride[0] + h->head * stride[1] + i * stride[2] + key * stride[3];
}

const float *cj__attention_bias(const cj__attention_head *h, int64_t i, int64_t from, int64_t count,
                                float *room)
{
    static const float none = 0;
    const cj__attention_plan *p = h->plan;
    if (p->at.bias < 0 && p->at.mask < 0) return NULL;
    int64_t stride = p->bias_stride[3], mask_stride = p->mask_stride[3];
    const float *bias = p->at.bias < 0 ? &none : h->operands[p->at.bias];
    bias += place_of(h, p->bias_stride, i, from);
    if (stride && p->at.mask < 0) return bias;
    for (int64_t j = 0; j < count; j++) room[j] = bias[j * stride];
    if (p->at.mask < 0) return room;
    const bool *mask = (const bool *)h->operands[p->at.mask] + place_of(h, p->mask_stride, i, from);
    for (int64_t j = 0; j < count; j++)
        if (!mask[j * mask_stride]) room[j] = -INFINITY;
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

/* --- rows of operands ---------------------------------------------------------------------------------- */

static bool is_bf16(const cj__attention_plan *p, int operand)
{
    return p->bf16 >> operand & 1;
}

static cj__split_operand rows_at(const cj__attention_head *h, int operand, int64_t place, int64_t heads)
{
    cj__split_operand rows = {h->operands[operand], heads * h->plan->n.width, 1, is_bf16(h->plan, operand)};
    return cj__split_from(rows, place);
}

cj__split_operand cj__attention_keys(const cj__attention_head *h, int operand, int64_t from)
{
    return rows_at(h, operand, place_of_key(h, from), h->plan->n.key_heads);
}

cj__split_operand cj__attention_queries(const cj__attention_head *h, int operand, int64_t from)
{
    return rows_at(h, operand, place_of_query(h, from), h->plan->n.heads);
}

static void store(const cj__attention_head *h, int operand, int64_t place, const float *row)
{
    const cj__attention_plan *p = h->plan;
    void *to = h->operands[operand];
    if (is_bf16(p, operand))
        p->vectors->narrow(p->n.width, row, (uint16_t *)to + place);
    else
        memcpy((float *)to + place, row, (size_t)p->n.width * sizeof *row);
}

void cj__attention_store_query(const cj__attention_head *h, int output, int64_t i, const float *row)
{
    store(h, h->plan->outputs + output, place_of_query(h, i), row);
}

void cj__attention_store_key(const cj__attention_head *h, int output, int64_t j, const float *row)
{
    store(h, h->plan->outputs + output, place_of_key(h, j), row);
}

int64_t cj__attention_room(const cj__attention_plan *p)
{
    return p->bf16 ? CJ__ATTENTION_KEYS * p->n.width : 0;
}

void cj__attention_pack_columns(const cj__attention_head *h, int operand, int64_t from, int64_t count,
                                float *room, float *panels)
{
    cj__matrix keys = cj__split_in_f32(cj__attention_keys(h, operand, from), count, h->plan->n.width, room);
    cj__matrix turned = {keys.data, keys.column, keys.row};
    h->plan->products->pack_panels(turned, h->plan->n.width, count, panels);
}

void cj__attention_pack_rows(const cj__attention_head *h, int operand, int64_t from, int64_t count,
                             float *room, float *panels)
{
    cj__matrix keys = cj__split_in_f32(cj__attention_keys(h, operand, from), count, h->plan->n.width, room);
    h->plan->products->pack_panels(keys, count, h->plan->n.width, panels);
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

/* Operands: query, key, value. */
enum { QUERY, KEY, VALUE };

/* A task's queries [begin, end), and its thread's memory. */
typedef struct {
    cj__attention_head head;
    int64_t begin, end;
    int64_t from, count;  /* the block of keys at hand */
    float *keys, *values; /* packed for f32, where the next two say so */
    bool keys_packed, values_packed;
    cj__attention_parts key_parts, value_parts; /* packed by parts of bf16 */
    uint16_t *strip;                            /* room for rows by parts */
    float *scores;                              /* [strip][CJ__ATTENTION_KEYS] */
    float *sums;                                /* [queries][width]: of exponentials times values */
    float *top, *total;                         /* [queries] */
    float *room;                                /* [CJ__ATTENTION_KEYS] */
    float *wide;                                /* for rows that are bf16 and must be f32 */
} forward;

/* Queries taken at a time. */
static int64_t strip_height(const cj__attention_plan *p)
{
    return p->parts ? p->split->tile_rows : p->products->tile_rows;
}

enum { PARTS = 11 };

/* The sizes of the parts of scratch, in floats, in the order in which `forward_begin` hands them out. */
static void part_sizes(const cj__attention_plan *p, int64_t sizes[PARTS])
{
    const int64_t all[PARTS] = {cj__attention_column_panels(p),
                                cj__attention_row_panels(p, CJ__ATTENTION_KEYS),
                                cj__attention_parts_panels(p, p->n.width, CJ__ATTENTION_KEYS),
                                cj__attention_parts_panels(p, CJ__ATTENTION_KEYS, p->n.width),
                                cj__attention_parts_strip(p, at_least(p->n.width, CJ__ATTENTION_KEYS)),
                                at_least(strip_height(p), p->products->tile_rows) * CJ__ATTENTION_KEYS,
                                QUERIES * p->n.width,
                                QUERIES,
                                QUERIES,
                                CJ__ATTENTION_KEYS,
                                cj__attention_room(p)};
    memcpy(sizes, all, sizeof all);
}

static size_t forward_bytes(const cj__attention_plan *p)
{
    int64_t sizes[PARTS];
    size_t bytes = 0;
    part_sizes(p, sizes);
    for (int i = 0; i < PARTS; i++) bytes += aligned_bytes(sizes[i], sizeof(float));
    return bytes;
}

static forward forward_begin(const cj__launch *launch, void *const *operands, int64_t task, char *scratch)
{
    const cj__attention_plan *p = launch->data;
    int64_t blocks = divide_up(p->n.queries, QUERIES), block = task % blocks, head = task / blocks;
    forward f = {.head = cj__attention_head_at(p, operands, head / p->n.heads, head % p->n.heads)};
    float *parts[PARTS];
    int64_t sizes[PARTS];
    part_sizes(p, sizes);
    for (int i = 0; i < PARTS; i++) parts[i] = cj__attention_part(&scratch, sizes[i]);
    f.begin = block * QUERIES;
    f.end = at_most(f.begin + QUERIES, p->n.queries);
    f.keys = parts[0], f.values = parts[1];
    f.key_parts.panels = (uint16_t *)parts[2], f.value_parts.panels = (uint16_t *)parts[3];
    f.strip = (uint16_t *)parts[4];
    f.scores = parts[5], f.sums = parts[6];
    f.top = parts[7], f.total = parts[8], f.room = parts[9], f.wide = parts[10];
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

/* What of the block of keys is packed for f32: when a strip first needs it so. */
static void pack(forward *f, bool values)
{
    if (values ? f->values_packed : f->keys_packed) return;
    if (values)
        cj__attention_pack_rows(&f->head, VALUE, f->from, f->count, f->wide, f->values);
    else
        cj__attention_pack_columns(&f->head, KEY, f->from, f->count, f->wide, f->keys);
    *(values ? &f->values_packed : &f->keys_packed) = true;
}

/* Of queries [i, i + rows) with the first `most` keys of the block. */
static void make_scores(forward *f, int64_t i, int64_t rows, int64_t most)
{
    const cj__attention_plan *p = f->head.plan;
    int64_t width = p->n.width, columns = p->products->tile_columns, height = p->products->tile_rows;
    cj__split_operand lie = cj__attention_queries(&f->head, QUERY, i);
    if (cj__attention_pack_strip(p, lie, rows, width, &f->key_parts, f->strip)) {
        cj__attention_multiply(p,
                               &(cj__attention_strip){.strip = f->strip,
                                                      .rows = rows,
                                                      .k = width,
                                                      .c = f->scores,
                                                      .c_row = CJ__ATTENTION_KEYS,
                                                      .columns = whole_panels(most)},
                               &f->key_parts);
        return;
    }
    pack(f, false);
    cj__matrix queries = cj__split_in_f32(lie, rows, width, f->wide);
    for (int64_t r = 0; r < rows; r += height)
        p->products->strip(&(cj__strip){.a = queries.data + r * queries.row,
                                        .a_row = queries.row,
                                        .a_column = 1,
                                        .b = f->keys,
                                        .b_row = columns,
                                        .b_panel = columns * width,
                                        .c = f->scores + r * CJ__ATTENTION_KEYS,
                                        .c_row = CJ__ATTENTION_KEYS,
                                        .rows = at_most(height, rows - r),
                                        .columns = most,
                                        .k = width});
}

/* The sums of queries [i, i + rows) += exponentials times values. Whether bf16 holds exponentials need not be
 * looked at: they are at most 1, what it loses of the smallest is nothing beside their sum, and if one is no
 * number, neither is that sum, which will divide the row. */
static void add_values(forward *f, int64_t i, int64_t rows, int64_t most)
{
    const cj__attention_plan *p = f->head.plan;
    int64_t width = p->n.width, columns = p->products->tile_columns, height = p->products->tile_rows;
    float *sums = f->sums + (i - f->begin) * width;
    if (p->parts && f->value_parts.fit) {
        cj__split_operand exponentials = {f->scores, CJ__ATTENTION_KEYS, 1, false};
        (void)cj__attention_pack_strip(p, exponentials, rows, most, &f->value_parts, f->strip);
        cj__attention_multiply(p,
                               &(cj__attention_strip){.strip = f->strip,
                                                      .rows = rows,
                                                      .k = most,
                                                      .c = sums,
                                                      .c_row = width,
                                                      .columns = width,
                                                      .add = true},
                               &f->value_parts);
        return;
    }
    pack(f, true);
    for (int64_t r = 0; r < rows; r += height)
        p->products->strip(&(cj__strip){.a = f->scores + r * CJ__ATTENTION_KEYS,
                                        .a_row = CJ__ATTENTION_KEYS,
                                        .a_column = 1,
                                        .b = f->values,
                                        .b_row = columns,
                                        .b_panel = columns * f->count,
                                        .c = sums + r * width,
                                        .c_row = width,
                                        .rows = at_most(height, rows - r),
                                        .columns = width,
                                        .k = most,
                                        .add = true});
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
        soften(f, i + r, f->from, seen, scores);
        memset(scores + seen, 0, (size_t)(most - seen) * sizeof *scores);
    }
    add_values(f, i, rows, most);
}

static void forward_keys(forward *f, int64_t from, int64_t count)
{
    const cj__attention_plan *p = f->head.plan;
    int64_t height = strip_height(p);
    f->from = from;
    f->count = count;
    f->keys_packed = f->values_packed = false;
    if (p->parts) {
        cj__split_operand keys = cj__attention_keys(&f->head, KEY, from);
        cj__attention_pack_parts(p, cj__split_transposed(keys), p->n.width, count, &f->key_parts);
        cj__attention_pack_parts(p, cj__attention_keys(&f->head, VALUE, from), count, p->n.width,
                                 &f->value_parts);
    }
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

const char *cj__attention_refuse(const cj__launch *launch, uint64_t reads, uint64_t writes)
{
    uint64_t may = reads | writes << launch->inputs_count;
    for (int i = 0; i < launch->inputs_count + launch->outputs_count; i++)
        if (launch->types[i].dtype == CJ_F64 || (launch->types[i].dtype == CJ_BF16 && !(may >> i & 1)))
            return "it takes f32 only";
    return NULL;
}

static const char *refuse(const cj__launch *launch)
{
    return cj__attention_refuse(launch, reads_bf16(launch), 0);
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    cj__attention_plan *p;
    CJ__TRY(cj__attention_plan_make(&p, launch, CJ__ATTENTION_TENSORS, arena));
    cj__attention_choose_parts(p, launch, false);
    launch->data = p;
    launch->tasks = p->n.examples * p->n.heads * divide_up(p->n.queries, QUERIES);
    launch->scratch_bytes = forward_bytes(p);
    return CJ_OK;
}

const char *cj__attention_describe(const cj__launch *launch)
{
    return ((const cj__attention_plan *)launch->data)->name;
}

const cj__kernel cj__attention_kernel = {.name = "attention f32",
                                         .op = CJ__OP_attention,
                                         .refuse = refuse,
                                         .prepare = prepare,
                                         .run = run,
                                         .describe = cj__attention_describe,
                                         .reads_bf16 = reads_bf16};
