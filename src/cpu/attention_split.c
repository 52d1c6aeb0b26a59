/* Products of attention by parts of bf16: where they pay, how blocks of keys and of queries are packed, and
 * what multiplies a strip of rows by them. Whoever calls makes in f32 what bf16 does not hold. */
#include "cpu/attention.h"
#include "cpu/split.h"

#include <stdio.h>

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

int64_t cj__attention_parts_panels(const cj__attention_plan *p, int64_t k, int64_t columns)
{
    int64_t panels = divide_up(columns, CJ__SPLIT_COLUMNS);
    return panels * cj__split_steps(k) * p->parts * CJ__SPLIT_COLUMNS * CJ__SPLIT_STEP / 2;
}

int64_t cj__attention_parts_strip(const cj__attention_plan *p, int64_t k)
{
    return p->parts ? cj__split_steps(k) * p->parts * p->split->tile_rows * CJ__SPLIT_STEP / 2 : 0;
}

void cj__attention_pack_parts(const cj__attention_plan *p, cj__split_operand b, int64_t k, int64_t columns,
                              cj__attention_parts *to)
{
    to->k = k;
    to->fit = cj__split_fits(cj__split_pack_panels(p->split, b, k, columns, p->parts, to->panels), p->parts);
}

bool cj__attention_pack_strip(const cj__attention_plan *p, cj__split_operand a, int64_t rows, int64_t k,
                              const cj__attention_parts *b, uint16_t *strip)
{
    if (!p->parts || !b->fit) return false;
    return cj__split_fits(cj__split_pack_rows(p->split, a, rows, k, p->parts, strip), p->parts);
}

void cj__attention_multiply(const cj__attention_plan *p, const cj__attention_strip *a,
                            const cj__attention_parts *b)
{
    p->split->strip(&(cj__split_strip){.a = a->strip,
                                       .b = b->panels,
                                       .c = a->c,
                                       .c_row = a->c_row,
                                       .rows = a->rows,
                                       .columns = a->columns,
                                       .steps = cj__split_steps(a->k),
                                       .b_steps = cj__split_steps(b->k),
                                       .parts = p->parts,
                                       .add = a->add});
}
