/* The plan of attention and of its gradient: sizes, kernels, which operands are bf16 and whether products are
 * made by parts of it; and the view that one head of one example has of its operands. */
#include "cpu/attention.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- plan ---------------------------------------------------------------------------------------------- */

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

/* Of each product's roles every one must be large enough. */
static int parts_for(cj__attention_sizes n, const cj__split_kernels *split, cj_precision precision,
                     bool gradient)
{
    int64_t queries = n.queries, keys = n.keys, width = n.width;
    int parts = cj__split_parts(split, precision, queries, keys, width);
    if (!cj__split_parts(split, precision, queries, width, keys)) parts = 0;
    if (gradient && !cj__split_parts(split, precision, keys, width, queries)) parts = 0;
    return parts;
}

void cj__attention_choose_parts(cj__attention_plan *p, const cj__launch *launch, bool gradient)
{
    p->split = cj__split_kernels_of(launch->own, p->isa);
    p->parts = parts_for(p->n, p->split, launch->precision, gradient);
    snprintf(p->name, sizeof p->name, "%s%s", p->parts ? p->split->name[p->parts - 1] : p->products->name,
             p->parts ? "" : cj__split_why_f32(p->split, p->isa, launch->precision));
}

bool cj__attention_multiplies_bf16(const cj__launch *launch, bool gradient)
{
    cj__isa isa;
    if (cj__isa_choose(&isa) != CJ_OK) return false;
    cj__attention_sizes n = cj__attention_sizes_of(launch->types[0].shape, launch->types[1].shape);
    return parts_for(n, cj__split_kernels_of(launch->own, isa), launch->precision, gradient) == 1;
}

const char *cj__attention_refuse(const cj__launch *launch, uint64_t reads, uint64_t writes)
{
    uint64_t may = reads | writes << launch->inputs_count;
    for (int i = 0; i < launch->inputs_count + launch->outputs_count; i++)
        if (launch->types[i].dtype == CJ_F64 || (launch->types[i].dtype == CJ_BF16 && !(may >> i & 1)))
            return "it takes f32 only";
    return NULL;
}

const char *cj__attention_describe(const cj__launch *launch)
{
    return ((const cj__attention_plan *)launch->data)->name;
}

/* --- a head --------------------------------------------------------------------------------------------- */

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

/* A row that has seen nothing is zeros, and its log-sum-exp 0. */
void cj__attention_finish(const cj__attention_head *h, int64_t i, const float *sums, float top, float total)
{
    const cj__attention_plan *p = h->plan;
    int64_t row = (h->example * p->n.queries + i) * p->n.heads + h->head;
    p->rows->scaled(p->n.width, sums, total == 0 ? 0 : 1 / total, cj__attention_query(h, p->outputs, i));
    ((float *)h->operands[p->outputs + 1])[row] = total == 0 ? 0 : top + p->rows->logarithm(total);
}
