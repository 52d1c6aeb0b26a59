/* Packing: operands copied, where their strides would defeat the caches, into the order in which the
 * micro-kernels read them. Included by matmul.c. */

/* One panel [k][COLUMNS] of `columns` columns that lie beside each other. */
static void pack_panel_of_rows(cj__matrix b, int64_t k, int64_t columns, float *panel)
{
    if (columns == COLUMNS) {
        for (int64_t p = 0; p < k; p++)
            for (int j = 0; j < COLUMNS; j += CJ__LANES)
                cj__v_store(panel + p * COLUMNS + j, cj__v_load(b.data + p * b.row + j));
        return;
    }
    memset(panel, 0, (size_t)(k * COLUMNS) * sizeof *panel);
    for (int64_t p = 0; p < k; p++)
        memcpy(panel + p * COLUMNS, b.data + p * b.row, (size_t)columns * sizeof *panel);
}

#if CJ__ISA_NUMBER >= CJ__NUMBER_avx2
/* to[p*stride + j] = from[j*row + p] for p, j < 8, by three rounds of exchanging halves. */
CJ__INLINE void transpose_block(const float *from, int64_t row, float *to, int64_t stride)
{
    __m256 x[8], y[8];
    for (int i = 0; i < 4; i++) { /* halves of rows i and i+4 side by side: no later crossing of halves */
        __m128 low = _mm_loadu_ps(from + i * row), high = _mm_loadu_ps(from + i * row + 4);
        x[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(low), _mm_loadu_ps(from + (i + 4) * row), 1);
        x[i + 4] =
            _mm256_insertf128_ps(_mm256_castps128_ps256(high), _mm_loadu_ps(from + (i + 4) * row + 4), 1);
    }
    for (int h = 0; h < 8; h += 4) {
        y[h + 0] = _mm256_unpacklo_ps(x[h + 0], x[h + 1]);
        y[h + 1] = _mm256_unpackhi_ps(x[h + 0], x[h + 1]);
        y[h + 2] = _mm256_unpacklo_ps(x[h + 2], x[h + 3]);
        y[h + 3] = _mm256_unpackhi_ps(x[h + 2], x[h + 3]);
        _mm256_storeu_ps(to + (h + 0) * stride, _mm256_shuffle_ps(y[h], y[h + 2], 0x44));
        _mm256_storeu_ps(to + (h + 1) * stride, _mm256_shuffle_ps(y[h], y[h + 2], 0xee));
        _mm256_storeu_ps(to + (h + 2) * stride, _mm256_shuffle_ps(y[h + 1], y[h + 3], 0x44));
        _mm256_storeu_ps(to + (h + 3) * stride, _mm256_shuffle_ps(y[h + 1], y[h + 3], 0xee));
    }
}
#else
CJ__INLINE void transpose_block(const float *from, int64_t row, float *to, int64_t stride)
{
    for (int p = 0; p < 8; p++)
        for (int j = 0; j < 8; j++) to[p * stride + j] = from[j * row + p];
}
#endif

/* One panel of columns that are contiguous in memory, `b.column` apart: a transposition, 8×8 at a time. */
static void pack_panel_of_columns(cj__matrix b, int64_t k, int64_t columns, float *panel)
{
    int64_t p = 0, whole = columns / 8 * 8;
    if (columns < COLUMNS) memset(panel, 0, (size_t)(k * COLUMNS) * sizeof *panel);
    for (; p + 8 <= k; p += 8)
        for (int64_t j = 0; j < whole; j += 8)
            transpose_block(b.data + j * b.column + p, b.column, panel + p * COLUMNS + j, COLUMNS);
    for (int64_t j = 0; j < columns; j++)
        for (int64_t q = j < whole ? p : 0; q < k; q++) panel[q * COLUMNS + j] = b.data[j * b.column + q];
}

static void pack_panels(cj__matrix b, int64_t k, int64_t columns, float *panels)
{
    for (int64_t j = 0; j < columns; j += COLUMNS) {
        cj__matrix panel = {b.data + j * b.column, b.row, b.column};
        int64_t width = columns - j < COLUMNS ? columns - j : COLUMNS;
        if (b.column == 1)
            pack_panel_of_rows(panel, k, width, panels + j * k);
        else
            pack_panel_of_columns(panel, k, width, panels + j * k);
    }
}

/* Strips out of a transposed A, where the rows of one step of k lie beside each other. Eight steps at a time
 * over all strips: each cache line is used up while it is there, even when its stride maps all to one set.
 * Whole vectors are copied: what goes too far is read from the next step's row, and overwritten by it; so not
 * in the last step. */
static void pack_strips(cj__matrix a, const int64_t *starts, int64_t strips, int64_t k, float *to)
{
    enum { STEPS = 8 };
    for (int64_t p = 0; p < k; p += STEPS)
        for (int64_t i = 0; i < strips; i++) {
            int64_t end = p + STEPS < k ? p + STEPS : k - 1;
            const float *from = a.data + starts[i] - starts[0];
            float *strip = to + i * k * ROWS;
            for (int64_t q = p; q < end; q++)
                for (int r = 0; r < ROWS; r += CJ__LANES)
                    cj__v_store(strip + q * ROWS + r, cj__v_load(from + q * a.column + r));
        }
    for (int64_t i = 0; i < strips; i++)
        memcpy(to + (i + 1) * k * ROWS - ROWS, a.data + starts[i] - starts[0] + (k - 1) * a.column,
               (size_t)(starts[i + 1] - starts[i]) * sizeof *to);
}
