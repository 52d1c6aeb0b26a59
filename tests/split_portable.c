/* Kernels for products of bf16 in plain C, number by number: the parts of a float, both layouts, and sums in
 * the order in which the instructions make them. */
#include "split_portable.h"

#include <string.h>

enum { PAIRS = 16, ROWS = 32, VECTOR_ROWS = 14, TILE = 16 };

_Thread_local unsigned long cj_test_portable_products;

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* --- parts --------------------------------------------------------------------------------------------- */

/* To the nearest, ties to even; a denormal is zero, NaN stays one. */
static uint16_t last_part(float x)
{
    uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    if (magnitude < 0x00800000) return (uint16_t)(bits >> 16 & 0x8000);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* To the nearest, ties away from zero; `x` becomes what is left. */
static uint16_t take_part(float *x)
{
    uint32_t nearest = (bits_of(*x) + 0x8000) & 0xffff0000;
    *x -= float_of(nearest);
    return (uint16_t)(nearest >> 16);
}

/* The parts of x, `apart` numbers from each other. */
static void split(float x, int parts, uint16_t *to, int64_t apart)
{
    for (int part = 0; part < parts - 1; part++, to += apart) *to = take_part(&x);
    *to = last_part(x);
}

/* --- packing ------------------------------------------------------------------------------------------- */

/* Element (line, p) of a matrix that has so many, or nothing; the largest magnitude so far. */
static float element(cj__matrix x, int64_t lines, int64_t k, int64_t line, int64_t p, uint32_t *largest)
{
    if (line >= lines || p >= k) return 0;
    float value = x.data[line * x.row + p * x.column];
    uint32_t magnitude = bits_of(value) & 0x7fffffff;
    if (magnitude > *largest) *largest = magnitude;
    return value;
}

/* [steps][parts][tile_rows][pairs] */
static uint32_t pack_lines(cj__matrix a, int64_t rows, int64_t k, int parts, int64_t tile_rows, uint16_t *to)
{
    uint32_t largest = 0;
    const int64_t part = tile_rows * PAIRS * 2;
    for (int64_t p = 0; p < k; p += CJ__SPLIT_STEP, to += parts * part)
        for (int64_t i = 0; i < tile_rows; i++)
            for (int64_t q = 0; q < CJ__SPLIT_STEP; q++)
                split(element(a, rows, k, i, p + q, &largest), parts,
                      to + (i * PAIRS + q % PAIRS) * 2 + q / PAIRS, part);
    return largest;
}

static uint32_t pack_rows(cj__matrix a, int64_t rows, int64_t k, int parts, uint16_t *to)
{
    return pack_lines(a, rows, k, parts, ROWS, to);
}

static uint32_t pack_vector_rows(cj__matrix a, int64_t rows, int64_t k, int parts, uint16_t *to)
{
    return pack_lines(a, rows, k, parts, VECTOR_ROWS, to);
}

/* Each panel [steps][parts][2 halves][pairs][16 columns][2] */
static uint32_t pack_panels(cj__matrix b, int64_t k, int64_t columns, int parts, uint16_t *to)
{
    const int64_t half = PAIRS * TILE * 2, part = 2 * half;
    const cj__matrix lines = {b.data, b.column, b.row}; /* columns of B */
    uint32_t largest = 0;
    for (int64_t j = 0; j < columns; j += CJ__SPLIT_COLUMNS)
        for (int64_t p = 0; p < k; p += CJ__SPLIT_STEP, to += parts * part)
            for (int64_t i = 0; i < CJ__SPLIT_COLUMNS; i++)
                for (int64_t q = 0; q < CJ__SPLIT_STEP; q++)
                    split(element(lines, columns, k, j + i, p + q, &largest), parts,
                          to + i / TILE * half + (q % PAIRS * TILE + i % TILE) * 2 + q / PAIRS, part);
    return largest;
}

/* Nothing to be rounded: the bits themselves. */
static uint16_t bf16_element(cj__bf16_matrix x, int64_t lines, int64_t k, int64_t line, int64_t p)
{
    return line < lines && p < k ? x.data[line * x.row + p * x.column] : 0;
}

static void pack_bf16_lines(cj__bf16_matrix a, int64_t rows, int64_t k, int64_t tile_rows, uint16_t *to)
{
    for (int64_t p = 0; p < k; p += CJ__SPLIT_STEP, to += tile_rows * PAIRS * 2)
        for (int64_t i = 0; i < tile_rows; i++)
            for (int64_t q = 0; q < CJ__SPLIT_STEP; q++)
                to[(i * PAIRS + q % PAIRS) * 2 + q / PAIRS] = bf16_element(a, rows, k, i, p + q);
}

static void pack_bf16_rows(cj__bf16_matrix a, int64_t rows, int64_t k, uint16_t *to)
{
    pack_bf16_lines(a, rows, k, ROWS, to);
}

static void pack_bf16_vector_rows(cj__bf16_matrix a, int64_t rows, int64_t k, uint16_t *to)
{
    pack_bf16_lines(a, rows, k, VECTOR_ROWS, to);
}

static void pack_bf16_panels(cj__bf16_matrix b, int64_t k, int64_t columns, uint16_t *to)
{
    const int64_t half = PAIRS * TILE * 2;
    const cj__bf16_matrix lines = {b.data, b.column, b.row};
    for (int64_t j = 0; j < columns; j += CJ__SPLIT_COLUMNS)
        for (int64_t p = 0; p < k; p += CJ__SPLIT_STEP, to += 2 * half)
            for (int64_t i = 0; i < CJ__SPLIT_COLUMNS; i++)
                for (int64_t q = 0; q < CJ__SPLIT_STEP; q++)
                    to[i / TILE * half + (q % PAIRS * TILE + i % TILE) * 2 + q / PAIRS] =
                        bf16_element(lines, columns, k, j + i, p + q);
}

/* --- strips -------------------------------------------------------------------------------------------- */

/* Which parts of A and B meet, the smallest products first, as the kernels for AMX have them. */
typedef struct {
    int a, b;
} meeting;

static const meeting meetings[CJ__MOST_PARTS][6] = {
    {{0, 0}}, {{1, 0}, {0, 0}, {0, 1}}, {{2, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 2}, {0, 0}}};
static const int meetings_count[CJ__MOST_PARTS] = {1, 3, 6};

/* Sanitizers see the operands being copied; looking at each number of the sums would take a minute. */
#define UNWATCHED                                                                                            \
    __attribute__((noinline, no_sanitize("address"), no_sanitize("undefined"), no_sanitize("thread")))

/* A bf16 as f32, without a function that they would look into. */
#define WIDENED(bf16)                                                                                        \
    (((const union {                                                                                         \
         uint32_t bits;                                                                                      \
         float value;                                                                                        \
     }){(uint32_t)(bf16) << 16})                                                                             \
         .value)

enum { TILE_NUMBERS = TILE * PAIRS * 2 };

/* c += a·b: the numbers of even and of odd place in a row of A sum up apart. A product of two bf16 is exact,
 * so it does not matter whether its addition is fused. */
UNWATCHED static void add_products(const uint16_t *a, const uint16_t *b, int64_t rows, float c[TILE][TILE])
{
    float low[PAIRS][TILE], high[PAIRS][TILE];
    for (int p = 0; p < PAIRS; p++)
        for (int j = 0; j < TILE; j++)
            low[p][j] = WIDENED(b[(p * TILE + j) * 2]), high[p][j] = WIDENED(b[(p * TILE + j) * 2 + 1]);
    for (int64_t i = 0; i < rows; i++, a += PAIRS * 2) {
        float even[TILE] = {0}, odd[TILE] = {0};
        for (int p = 0; p < PAIRS; p++) {
            const float x = WIDENED(a[p * 2]), y = WIDENED(a[p * 2 + 1]);
            for (int j = 0; j < TILE; j++) even[j] += x * low[p][j];
            for (int j = 0; j < TILE; j++) odd[j] += y * high[p][j];
        }
        for (int j = 0; j < TILE; j++) c[i][j] += even[j] + odd[j];
    }
}

/* c += a·b: pair after pair, of each the later number first. */
UNWATCHED static void add_pairs(const uint16_t *a, const uint16_t *b, int64_t rows, float c[TILE][TILE])
{
    for (int64_t i = 0; i < rows; i++, a += PAIRS * 2)
        for (int p = 0; p < PAIRS; p++)
            for (int j = 0; j < TILE; j++) {
                c[i][j] += WIDENED(a[p * 2 + 1]) * WIDENED(b[(p * TILE + j) * 2 + 1]);
                c[i][j] += WIDENED(a[p * 2]) * WIDENED(b[(p * TILE + j) * 2]);
            }
}

/* One tile of each, by tile registers or by vectors. */
static void multiply(const uint16_t *a, const uint16_t *b, int64_t rows, bool tiles, float c[TILE][TILE])
{
    uint16_t left[TILE_NUMBERS], right[TILE_NUMBERS];
    memcpy(left, a, (size_t)(rows * PAIRS * 2) * sizeof *left);
    memcpy(right, b, sizeof right);
    if (tiles)
        add_products(left, right, rows, c), cj_test_portable_products++;
    else
        add_pairs(left, right, rows, c);
}

/* Up to 16 rows from `row` on and 16 columns from `column` on. */
static void tile(const cj__split_strip *s, int64_t tile_rows, int64_t row, int64_t column)
{
    float c[TILE][TILE] = {{0}};
    const int64_t line = PAIRS * 2, half = PAIRS * TILE * 2, step = CJ__SPLIT_STEP * CJ__SPLIT_COLUMNS;
    const int64_t rows = s->rows - row < TILE ? s->rows - row : TILE;
    const int64_t b_steps = cj__split_panel_steps(s);
    const uint16_t *b = s->b + column / CJ__SPLIT_COLUMNS * b_steps * s->parts * step +
                        column % CJ__SPLIT_COLUMNS / TILE * half;
    for (int64_t i = 0; i < s->steps; i++)
        for (int m = 0; m < meetings_count[s->parts - 1]; m++) {
            const meeting at = meetings[s->parts - 1][m];
            const uint16_t *x = s->a + ((i * s->parts + at.a) * tile_rows + row) * line;
            const uint16_t *y = b + (i * s->parts + at.b) * step;
            multiply(x, y, rows, tile_rows == ROWS, c);
        }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < TILE && column + j < s->columns; j++) {
            float *to = s->c + (row + i) * s->c_row + column + j;
            *to = s->add ? c[i][j] + *to : c[i][j];
        }
}

static void strip_of(const cj__split_strip *s, int64_t tile_rows)
{
    for (int64_t row = 0; row < s->rows; row += TILE)
        for (int64_t column = 0; column < s->columns; column += TILE) tile(s, tile_rows, row, column);
}

static void strip(const cj__split_strip *s)
{
    strip_of(s, ROWS);
}

static void vector_strip(const cj__split_strip *s)
{
    strip_of(s, VECTOR_ROWS);
}

const cj__split_kernels cj__split_portable = {
    .tile_rows = ROWS,
    .most_parts = 3,
    .name = {"portable 32x32", "portable 32x32, 3 products", "portable 32x32, 6 products"},
    .pack_rows = pack_rows,
    .pack_panels = pack_panels,
    .pack_bf16_rows = pack_bf16_rows,
    .pack_bf16_panels = pack_bf16_panels,
    .strip = strip,
};

const cj__split_kernels cj__split_portable_vectors = {
    .tile_rows = VECTOR_ROWS,
    .most_parts = 1,
    .name = {"portable 14x32"},
    .pack_rows = pack_vector_rows,
    .pack_panels = pack_panels,
    .pack_bf16_rows = pack_bf16_vector_rows,
    .pack_bf16_panels = pack_bf16_panels,
    .strip = vector_strip,
};
