/* Where products by parts of bf16 are made, for the matrix product, for convolutions and for what multiplies
 * within other ops (recurrences, attention): rules of shape, precision and instruction set. And their
 * operands, of f32 or bf16, packed for such products, or widened for those in f32. */
#include "cpu/split.h"
#include "base/bf16.h"
#include "cpu/matmul_blocks.h"

static const cj__split_kernels *const split_of[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = NULL,
    CJ__IF_AVX512BF16([CJ__ISA_AVX512BF16] = &cj__split_avx512bf16, )
        CJ__IF_AMX([CJ__ISA_AMX] = &cj__split_amx, )};

const cj__split_kernels *cj__split_kernels_of(const void *own, cj__isa isa)
{
    if (own) return own;
    return cj__isa_bf16_pays(isa) ? split_of[isa] : NULL;
}

/* Less does not make up for packing, or is mostly edge; one product by tiles gains most. */
static bool large_enough(int parts, bool tiles, int64_t m, int64_t n, int64_t k)
{
    bool little = tiles && parts < 3;
    int64_t rows = little ? 8 : 16, columns = little ? 16 : 32;
    return m >= rows && n >= columns && k >= 16 && (double)m * (double)n * (double)k >= 32.0 * 32 * 32;
}

int cj__split_parts(const cj__split_kernels *split, cj_precision precision, int64_t m, int64_t n, int64_t k)
{
    int parts = precision == CJ_HIGHEST ? 3 : precision == CJ_HIGH ? 2 : 1;
    if (!split || parts > split->most_parts) return 0;
    return large_enough(parts, split->most_parts > 1, m, n, k) ? parts : 0;
}

const char *cj__split_why_f32(const cj__split_kernels *split, cj__isa isa, cj_precision precision)
{
    if (precision == CJ_HIGHEST) return "";
    if (!split) return split_of[isa] ? ", f32: bf16 is slower here" : ", f32: it has no bf16";
    return precision == CJ_MEDIUM || split->most_parts > 1 ? ", f32: too small for bf16"
                                                           : ", f32: three products of bf16 are slower";
}

/* A packed block of the right operand stays in L2 (about 1 MB on processors with AMX, less than half of that
 * without, where a panel of it should also fit in L1 beside a strip of the left one). Even parts. */
int64_t cj__split_depth(const cj__split_kernels *split, int parts, int64_t k)
{
    static const int64_t tiles[CJ__MOST_PARTS] = {1024, 512, 384}, vectors = 384;
    int64_t most = split->most_parts > 1 ? tiles[parts - 1] : vectors;
    int64_t depth = divide_up(k, at_least(1, divide_up(k, most)));
    return cj__split_steps(depth) * CJ__SPLIT_STEP;
}

/* From 0x7f7f8000 on numbers round to infinity. The second and third part of numbers below 2^-50, or their
 * products with such, may fall below the smallest normal number, which is flushed; nothing but zeros is fine.
 */
bool cj__split_fits(uint32_t largest, int parts)
{
    const uint32_t too_large = 0x7f7f8000, too_small = (127 - 50) << 23;
    return largest < too_large && (parts == 1 || largest == 0 || largest >= too_small);
}

bool cj__split_all_fit(const uint32_t *largest, int64_t count, int parts)
{
    for (int64_t i = 0; i < count; i++)
        if (!cj__split_fits(largest[i], parts)) return false;
    return true;
}

/* --- operands ------------------------------------------------------------------------------------------ */

cj__split_operand cj__split_from(cj__split_operand a, int64_t number)
{
    a.data = (const char *)a.data + number * (int64_t)(a.bf16 ? sizeof(uint16_t) : sizeof(float));
    return a;
}

cj__split_operand cj__split_part_of(cj__split_operand a, int64_t i, int64_t p)
{
    return cj__split_from(a, i * a.row + p * a.column);
}

cj__split_operand cj__split_transposed(cj__split_operand a)
{
    return (cj__split_operand){a.data, a.column, a.row, a.bf16};
}

static cj__matrix as_f32(cj__split_operand a)
{
    return (cj__matrix){a.data, a.row, a.column};
}

static cj__bf16_matrix as_bf16(cj__split_operand a)
{
    return (cj__bf16_matrix){a.data, a.row, a.column};
}

uint32_t cj__split_pack_rows(const cj__split_kernels *split, cj__split_operand a, int64_t rows, int64_t k,
                             int parts, uint16_t *to)
{
    if (!a.bf16) return split->pack_rows(as_f32(a), rows, k, parts, to);
    split->pack_bf16_rows(as_bf16(a), rows, k, to);
    return 0;
}

uint32_t cj__split_pack_panels(const cj__split_kernels *split, cj__split_operand b, int64_t k,
                               int64_t columns, int parts, uint16_t *to)
{
    if (!b.bf16) return split->pack_panels(as_f32(b), k, columns, parts, to);
    split->pack_bf16_panels(as_bf16(b), k, columns, to);
    return 0;
}

cj__matrix cj__split_in_f32(cj__split_operand a, int64_t rows, int64_t columns, float *room)
{
    if (!a.bf16) return as_f32(a);
    const uint16_t *from = a.data;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t p = 0; p < columns; p++)
            room[i * columns + p] = cj__bf16_to_float(from[i * a.row + p * a.column]);
    return (cj__matrix){room, columns, 1};
}
