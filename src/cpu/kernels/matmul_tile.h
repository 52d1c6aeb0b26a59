/* The micro-kernels: up to ROWS rows of C, a panel of two vectors of columns at a time, all of k in
 * registers. Included by matmul.c. */

#define COLUMNS (VECTORS * CJ__LANES)

/* Under a sanitizer one tile serves all heights, its loops left as loops: the same sums, without minutes of
 * compiling. */
#ifdef CJ__SANITIZED
#define TILE_FUNCTION static
#else
#define TILE_FUNCTION CJ__INLINE
#endif

/* What k is made of. */
typedef struct {
    const cj__stretch *list;
    int64_t count;
} pieces;

/* One tile. `rows`, `vectors`, `masked` and `by_rows` are constants wherever this is inlined: the
 * loops over them vanish and `sum` becomes registers. `tail` masks the last vector where `masked`. */
TILE_FUNCTION void tile(const cj__strip *s, const pieces *k, const float *b, float *c, cj__mask tail,
                        int rows, int vectors, bool masked, bool by_rows)
{
    cj__floats sum[ROWS][VECTORS];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[r][v] = cj__v_set(0.0f);
    const int64_t a_row = s->a_row, a_column = s->a_column, b_row = s->b_row;
    for (int64_t i = 0; i < k->count; i++) {
        cj__stretch piece = k->list[i];
        const float *w = b + piece.b * b_row;
        /* Rows in threes: an address is a pointer plus 0, 1 or 2 strides, so few pointers move. */
        const float *a[(ROWS + 2) / 3];
#pragma GCC unroll 5
        for (int g = 0; g < (rows + 2) / 3; g++) a[g] = s->a + piece.a + (by_rows ? 3 * g * a_row : 0);
        for (int64_t p = piece.k; p > 0; p--) {
            cj__floats x[VECTORS];
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) {
                bool last = masked && v == vectors - 1;
                x[v] = last ? cj__v_load_masked(w + v * CJ__LANES, tail) : cj__v_load(w + v * CJ__LANES);
            }
#pragma GCC unroll 14
            for (int r = 0; r < rows; r++) {
                cj__floats y = cj__v_set(by_rows ? a[r / 3][r % 3 * a_row] : a[0][r]);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) sum[r][v] = cj__v_fma(y, x[v], sum[r][v]);
            }
            w += b_row;
            if (!by_rows)
                a[0] += a_column;
            else
#pragma GCC unroll 5
                for (int g = 0; g < (rows + 2) / 3; g++) a[g]++;
        }
    }
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            float *to = c + r * s->c_row + v * CJ__LANES;
            if (masked && v == vectors - 1) {
                cj__floats before = s->add ? cj__v_load_masked(to, tail) : cj__v_set(0.0f);
                cj__v_store_masked(to, cj__v_add(sum[r][v], before), tail);
            } else {
                cj__v_store(to, s->add ? cj__v_add(sum[r][v], cj__v_load(to)) : sum[r][v]);
            }
        }
}

/* A strip of `rows` rows, panel after panel. */
TILE_FUNCTION void strip_of(const cj__strip *s, const pieces *k, int rows, bool by_rows)
{
    const float *b = s->b;
    float *c = s->c;
    int64_t columns = s->columns;
    for (; columns >= COLUMNS; columns -= COLUMNS, b += s->b_panel, c += COLUMNS)
        tile(s, k, b, c, cj__m_first(0), rows, VECTORS, false, by_rows);
    if (columns > CJ__LANES)
        tile(s, k, b, c, cj__m_first(columns - CJ__LANES), rows, 2, true, by_rows);
    else if (columns == CJ__LANES)
        tile(s, k, b, c, cj__m_first(0), rows, 1, false, by_rows);
    else if (columns > 0)
        tile(s, k, b, c, cj__m_first(columns), rows, 1, true, by_rows);
}

#define STRIP_OF(rows)                                                                                       \
    static void strip_rows_##rows(const cj__strip *s, const pieces *k)                                       \
    {                                                                                                        \
        strip_of(s, k, rows, true);                                                                          \
    }                                                                                                        \
    static void strip_columns_##rows(const cj__strip *s, const pieces *k)                                    \
    {                                                                                                        \
        strip_of(s, k, rows, false);                                                                         \
    }
#if ROWS == 6
#define FOR_EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6)
#elif ROWS == 8
#define FOR_EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#else
#define FOR_EACH_HEIGHT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#endif
FOR_EACH_HEIGHT(STRIP_OF)

#define BY_ROWS(rows)    strip_rows_##rows,
#define BY_COLUMNS(rows) strip_columns_##rows,

static void strip(const cj__strip *s)
{
    /* Two tables chosen between in one expression would be a false alarm of gcc's check of object sizes. */
    static void (*const by_layout[2][ROWS])(const cj__strip *, const pieces *) = {
        {FOR_EACH_HEIGHT(BY_ROWS)}, {FOR_EACH_HEIGHT(BY_COLUMNS)}};
    cj__stretch whole = {0, 0, s->k};
    pieces k = {&whole, 1};
    if (s->stretches) k = (pieces){s->stretches, s->stretches_count};
    by_layout[s->a_row == 1][s->rows - 1](s, &k);
}
