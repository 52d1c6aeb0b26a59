/* The products that attention and its gradient are made of: rows times a block that is packed by parts of
 * bf16 where the plan says so. What bf16 does not hold is multiplied in f32, for which the block is packed
 * when a product first needs it so. */
#include "cpu/attention.h"

#include <string.h>

/* --- scratch ------------------------------------------------------------------------------------------- */

void cj__attention_reserve(cj__attention_scratch *s, void *pointer, int64_t floats)
{
    s->of[s->count].pointer = pointer;
    s->of[s->count++].bytes = aligned_bytes(floats, sizeof(float));
}

size_t cj__attention_scratch_bytes(const cj__attention_scratch *s)
{
    size_t bytes = 0;
    for (int i = 0; i < s->count; i++) bytes += s->of[i].bytes;
    return bytes;
}

void cj__attention_hand_out(const cj__attention_scratch *s, char *memory)
{
    for (int i = 0; i < s->count; memory += s->of[i++].bytes)
        memcpy(s->of[i].pointer, &memory, sizeof memory);
}

/* --- blocks -------------------------------------------------------------------------------------------- */

void cj__attention_reserve_block(cj__attention_scratch *s, const cj__attention_plan *p,
                                 cj__attention_block *b, int64_t k, int64_t columns)
{
    int64_t width = p->products->tile_columns, steps = cj__split_steps(k) * p->parts;
    cj__attention_reserve(s, &b->panels, divide_up(columns, width) * width * k);
    cj__attention_reserve(s, &b->parts, whole_panels(columns) * steps * CJ__SPLIT_STEP / 2);
}

void cj__attention_reserve_rows(cj__attention_scratch *s, const cj__attention_plan *p,
                                cj__attention_rows *rows, int64_t k)
{
    int64_t steps = cj__split_steps(k) * p->parts;
    cj__attention_reserve(s, &rows->parts, p->parts ? steps * p->split->tile_rows * CJ__SPLIT_STEP / 2 : 0);
    cj__attention_reserve(s, &rows->wide, p->bf16 ? CJ__ATTENTION_KEYS * p->n.width : 0);
}

void cj__attention_take(cj__attention_block *b, const cj__attention_plan *p, cj__split_operand of, int64_t k,
                        int64_t columns)
{
    b->of = of;
    b->k = k;
    b->columns = columns;
    b->packed = false;
    b->fit = p->parts &&
             cj__split_fits(cj__split_pack_panels(p->split, of, k, columns, p->parts, b->parts), p->parts);
}

static void pack_in_f32(cj__attention_block *b, const cj__attention_plan *p, float *wide)
{
    if (b->packed) return;
    p->products->pack_panels(cj__split_in_f32(b->of, b->k, b->columns, wide), b->k, b->columns, b->panels);
    b->packed = true;
}

/* --- products ------------------------------------------------------------------------------------------ */

/* Rows [i, i + rows) by parts; false: bf16 does not hold them, or not the block. */
static bool multiply_parts(const cj__attention_plan *p, const cj__attention_product *m, int64_t i,
                           int64_t rows, const cj__attention_rows *room)
{
    if (!m->b->fit) return false;
    uint32_t largest =
        cj__split_pack_rows(p->split, cj__split_part_of(m->a, i, 0), rows, m->k, p->parts, room->parts);
    if (!m->held && !cj__split_fits(largest, p->parts)) return false;
    p->split->strip(&(cj__split_strip){.a = room->parts,
                                       .b = m->b->parts,
                                       .c = m->c + i * m->c_row,
                                       .c_row = m->c_row,
                                       .rows = rows,
                                       .columns = m->whole ? whole_panels(m->columns) : m->columns,
                                       .steps = cj__split_steps(m->k),
                                       .b_steps = cj__split_steps(m->b->k),
                                       .parts = p->parts,
                                       .add = m->add});
    return true;
}

static void multiply_f32(const cj__attention_plan *p, const cj__attention_product *m, int64_t i, int64_t rows,
                         const cj__attention_rows *room)
{
    int64_t height = p->products->tile_rows, width = p->products->tile_columns;
    pack_in_f32(m->b, p, room->wide);
    cj__matrix a = cj__split_in_f32(cj__split_part_of(m->a, i, 0), rows, m->k, room->wide);
    for (int64_t r = 0; r < rows; r += height)
        p->products->strip(&(cj__strip){.a = a.data + r * a.row,
                                        .a_row = a.row,
                                        .a_column = a.column,
                                        .b = m->b->panels,
                                        .b_row = width,
                                        .b_panel = width * m->b->k,
                                        .c = m->c + (i + r) * m->c_row,
                                        .c_row = m->c_row,
                                        .rows = at_most(height, rows - r),
                                        .columns = m->columns,
                                        .k = m->k,
                                        .add = m->add});
}

void cj__attention_multiply(const cj__attention_plan *p, const cj__attention_product *m,
                            const cj__attention_rows *room)
{
    int64_t height = p->parts ? p->split->tile_rows : m->rows;
    for (int64_t i = 0; i < m->rows; i += height) {
        int64_t rows = at_most(height, m->rows - i);
        if (!multiply_parts(p, m, i, rows, room)) multiply_f32(p, m, i, rows, room);
    }
}
