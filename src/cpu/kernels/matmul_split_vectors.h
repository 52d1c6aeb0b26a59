/* The micro-kernel of vdpbf16ps: up to 14 rows by two vectors of columns, all of k in registers. Each of its
 * 32-bit lanes adds two products. Included by matmul_split.c. */

CJ__INLINE __m512bh pairs_at(const uint16_t *p)
{
    return (__m512bh)_mm512_loadu_si512(p);
}

CJ__INLINE __m512bh pair_everywhere(const uint16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return (__m512bh)_mm512_set1_epi32(pair);
}

/* `rows` and `vectors` are constants wherever this is inlined. */
CJ__INLINE void tile(const cj__split_strip *s, const uint16_t *b, float *c, int64_t columns, int rows,
                     int vectors)
{
    cj__floats sum[ROWS][2];
    const uint16_t *a = s->a;
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[r][v] = cj__v_set(0.0f);
    for (int64_t step = s->steps; step > 0; step--) {
        for (int pair = PAIRS; pair > 0; pair--, a += 2, b += PAIRS * 2) {
            __m512bh x[2];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) x[v] = pairs_at(b + v * TILE);
#pragma GCC unroll 14
            for (int r = 0; r < rows; r++) {
                __m512bh y = pair_everywhere(a + r * PAIRS * 2);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], y, x[v]);
            }
        }
        a += (ROWS - 1) * PAIRS * 2;
        b += TILE;
    }
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            float *to = c + r * s->c_row + v * CJ__LANES;
            cj__mask wanted = cj__m_first(columns - v * CJ__LANES);
            cj__floats before = s->add ? cj__v_load_masked(to, wanted) : cj__v_set(0.0f);
            cj__v_store_masked(to, cj__v_add(sum[r][v], before), wanted);
        }
}

CJ__INLINE void strip_of(const cj__split_strip *s, int rows)
{
    const int64_t b_steps = cj__split_panel_steps(s);
    for (int64_t j = 0; j < s->columns; j += CJ__SPLIT_COLUMNS) {
        const uint16_t *b = s->b + j * b_steps * CJ__SPLIT_STEP;
        if (s->columns - j > CJ__LANES)
            tile(s, b, s->c + j, s->columns - j, rows, 2);
        else
            tile(s, b, s->c + j, s->columns - j, rows, 1);
    }
}

#define FOR_EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define STRIP_OF(rows)                                                                                       \
    static void strip_##rows(const cj__split_strip *s)                                                       \
    {                                                                                                        \
        strip_of(s, rows);                                                                                   \
    }
FOR_EACH_HEIGHT(STRIP_OF)

static void strip(const cj__split_strip *s)
{
#define ENTRY(rows) strip_##rows,
    static void (*const of_height[])(const cj__split_strip *) = {FOR_EACH_HEIGHT(ENTRY)};
    of_height[s->rows - 1](s);
}
