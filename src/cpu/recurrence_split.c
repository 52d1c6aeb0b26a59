/* The product of every step of a recurrence by parts of bf16: the weight is packed once a run, the rows that
 * meet it at each step. Both directions of src/cpu/recurrence*.c multiply with it. */
#include "cpu/matmul_blocks.h"
#include "cpu/recurrence.h"
#include "cpu/split.h"

/* --- the weight ---------------------------------------------------------------------------------------- */

/* bf16 numbers of a panel, and of a strip of rows, for one step of k. */
static int64_t panel_step(const cj__weight_parts *w)
{
    return (int64_t)w->parts * CJ__SPLIT_COLUMNS * CJ__SPLIT_STEP;
}

static int64_t strip_step(const cj__weight_parts *w)
{
    return (int64_t)w->parts * w->kernels->tile_rows * CJ__SPLIT_STEP;
}

static size_t notes_bytes(const cj__weight_parts *w)
{
    return aligned_bytes(w->groups, sizeof(uint32_t));
}

size_t cj__weight_parts_bytes(const cj__weight_parts *w)
{
    int64_t numbers = w->groups * w->panels * cj__split_steps(w->k) * panel_step(w);
    return notes_bytes(w) + aligned_bytes(numbers, sizeof(uint16_t));
}

/* Where a group's panels for the block of k that begins at `p` lie. */
static int64_t block_place(const cj__weight_parts *w, int64_t group, int64_t p)
{
    return (group * cj__split_steps(w->k) + p / CJ__SPLIT_STEP) * w->panels * panel_step(w);
}

uint32_t cj__weight_parts_pack(const cj__weight_parts *w, int64_t group, int64_t panel, cj__matrix b,
                               int64_t columns, void *workspace)
{
    uint16_t *packed = (uint16_t *)(void *)((char *)workspace + notes_bytes(w));
    uint32_t largest = 0;
    for (int64_t p = 0; p < w->k; p += w->k_block) {
        int64_t depth = at_most(w->k_block, w->k - p);
        cj__matrix block = {b.data + p * b.row, b.row, b.column};
        uint16_t *to = packed + block_place(w, group, p) + panel * cj__split_steps(depth) * panel_step(w);
        uint32_t here = w->kernels->pack_panels(block, depth, columns, w->parts, to);
        largest = here > largest ? here : largest;
    }
    return largest;
}

void cj__weight_parts_note(int64_t group, uint32_t largest, void *workspace)
{
    ((uint32_t *)workspace)[group] = largest;
}

/* --- rows ---------------------------------------------------------------------------------------------- */

static size_t largest_bytes(void)
{
    return aligned_bytes(CJ__MOST_ROWS, sizeof(uint32_t));
}

size_t cj__row_parts_bytes(const cj__weight_parts *w)
{
    if (!w->parts) return 0;
    int64_t strips = divide_up(CJ__MOST_ROWS, w->kernels->tile_rows);
    return largest_bytes() + aligned_bytes(strips * cj__split_steps(w->k) * strip_step(w), sizeof(uint16_t));
}

cj__row_parts cj__row_parts_pack(const cj__weight_parts *w, const float *x, int64_t pitch, int64_t rows,
                                 void *scratch)
{
    cj__row_parts to = {.rows = rows,
                        .strips = divide_up(rows, w->kernels->tile_rows),
                        .largest = scratch,
                        .packed = (uint16_t *)(void *)((char *)scratch + largest_bytes())};
    uint16_t *packed = to.packed;
    for (int64_t r = 0; r < rows; r++) to.largest[r] = w->largest(w->k, x + r * pitch);
    for (int64_t s = 0; s < to.strips; s++) {
        int64_t row = part_start(rows, to.strips, s), count = part_start(rows, to.strips, s + 1) - row;
        for (int64_t p = 0; p < w->k; p += w->k_block) {
            int64_t depth = at_most(w->k_block, w->k - p);
            cj__matrix a = {x + row * pitch + p, pitch, 1};
            w->kernels->pack_rows(a, count, depth, w->parts, packed);
            packed += cj__split_steps(depth) * strip_step(w);
        }
    }
    return to;
}

void cj__row_parts_multiply(const cj__weight_parts *w, const cj__row_parts *x, const void *workspace,
                            int64_t group, float *c, int64_t c_pitch, int64_t columns)
{
    const uint16_t *packed = (const uint16_t *)(const void *)((const char *)workspace + notes_bytes(w));
    for (int64_t p = 0; p < w->k; p += w->k_block) {
        cj__split_strip strip = {.b = packed + block_place(w, group, p),
                                 .c_row = c_pitch,
                                 .columns = columns,
                                 .steps = cj__split_steps(at_most(w->k_block, w->k - p)),
                                 .parts = w->parts,
                                 .add = p > 0};
        for (int64_t s = 0; s < x->strips; s++) {
            int64_t row = part_start(x->rows, x->strips, s);
            strip.rows = part_start(x->rows, x->strips, s + 1) - row;
            strip.a = x->packed + (s * cj__split_steps(w->k) + p / CJ__SPLIT_STEP) * strip_step(w);
            strip.c = c + row * c_pitch;
            w->kernels->strip(&strip);
        }
    }
}

bool cj__row_parts_fit(const cj__weight_parts *w, const cj__row_parts *x, const void *workspace,
                       int64_t group, int64_t row)
{
    return cj__split_fits(x->largest[row], w->parts) &&
           cj__split_fits(((const uint32_t *)workspace)[group], w->parts);
}
