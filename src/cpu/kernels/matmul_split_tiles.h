/* The micro-kernel of AMX: 32×32 of C in four tiles, two tiles of A, two of B. Included by matmul_split.c. */

#ifdef CJ__EMULATED_TILES
#include CJ__EMULATED_TILES
#endif

/* C is in tiles 0 1 / 2 3, A in 4 and 5, B in 6 and 7: each 16 rows of 64 bytes. */
static void configure(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < 8; i++) config.row_bytes[i] = 64, config.rows[i] = 16;
#ifdef CJ__EMULATED_TILES
    cj__load_tile_config(&config);
#else /* gcc's _tile_loadconfig tells the compiler of the first 8 bytes only */
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
#endif
}

CJ__INLINE void load_rows(const uint16_t *a, int part, bool two)
{
    _tile_loadd(4, a + 2 * part * TILE, 64);
    if (two) _tile_loadd(5, a + (2 * part + 1) * TILE, 64);
}

CJ__INLINE void load_columns(const uint16_t *b, int part, bool two)
{
    _tile_loadd(6, b + 2 * part * TILE, 64);
    if (two) _tile_loadd(7, b + (2 * part + 1) * TILE, 64);
}

CJ__INLINE void multiply(bool two_rows, bool two_columns)
{
    _tile_dpbf16ps(0, 4, 6);
    if (two_columns) _tile_dpbf16ps(1, 4, 7);
    if (two_rows) _tile_dpbf16ps(2, 5, 6);
    if (two_rows && two_columns) _tile_dpbf16ps(3, 5, 7);
}

/* One step of k: the smallest products first, each load followed by a product that uses it. */
CJ__INLINE void step(const uint16_t *a, const uint16_t *b, int parts, bool two_rows, bool two_columns)
{
    enum { HIGH, MIDDLE, LOW };
    load_rows(a, parts - 1, two_rows);
    load_columns(b, HIGH, two_columns);
    multiply(two_rows, two_columns);
    if (parts == 1) return;
    if (parts == 3) {
        load_rows(a, MIDDLE, two_rows);
        multiply(two_rows, two_columns);
        load_columns(b, MIDDLE, two_columns);
        multiply(two_rows, two_columns);
        load_rows(a, HIGH, two_rows);
        multiply(two_rows, two_columns);
        load_columns(b, LOW, two_columns);
        multiply(two_rows, two_columns);
        load_columns(b, HIGH, two_columns);
        multiply(two_rows, two_columns);
    } else {
        load_rows(a, HIGH, two_rows);
        multiply(two_rows, two_columns);
        load_columns(b, MIDDLE, two_columns);
        multiply(two_rows, two_columns);
    }
}

CJ__INLINE void store_sums(float *c, int64_t stride, bool two_rows, bool two_columns)
{
    float *lower = c + 16 * stride;
    size_t bytes = (size_t)stride * sizeof *c;
    _tile_stored(0, c, bytes);
    if (two_columns) _tile_stored(1, c + 16, bytes);
    if (two_rows) _tile_stored(2, lower, bytes);
    if (two_rows && two_columns) _tile_stored(3, lower + 16, bytes);
}

/* Where steps are many, the lines that the sums will go to are asked for while the products are made: they
 * lie apart, so that no processor guesses them, and a store would wait for each. */
enum { ROWS_ASKED = 4, FEWEST_STEPS = 8 };

CJ__INLINE void ask_for(const float *c, int64_t stride, int64_t step, int64_t steps)
{
    if (steps < FEWEST_STEPS || step >= FEWEST_STEPS) return;
    for (int r = 0; r < ROWS_ASKED; r++) {
        const float *row = c + (step * ROWS_ASKED + r) * stride;
        __builtin_prefetch(row, 1);
        __builtin_prefetch(row + 16, 1);
    }
}

/* `c` has room for all the rows and columns of the tiles. */
CJ__INLINE void multiply_panel(const cj__split_strip *s, const uint16_t *b, float *c, int64_t stride,
                               int parts, bool two_rows, bool two_columns)
{
    const uint16_t *a = s->a;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int64_t i = 0; i < s->steps; i++, a += 2 * parts * TILE, b += 2 * parts * TILE) {
        if (two_rows) ask_for(c, stride, i, s->steps);
        step(a, b, parts, two_rows, two_columns);
    }
    store_sums(c, stride, two_rows, two_columns);
}

CJ__INLINE void panel_of(const cj__split_strip *s, const uint16_t *b, float *c, int64_t stride,
                         int64_t columns, int parts)
{
    if (s->rows > 16 && columns > 16)
        multiply_panel(s, b, c, stride, parts, true, true);
    else if (s->rows > 16)
        multiply_panel(s, b, c, stride, parts, true, false);
    else if (columns > 16)
        multiply_panel(s, b, c, stride, parts, false, true);
    else
        multiply_panel(s, b, c, stride, parts, false, false);
}

static void panel(const cj__split_strip *s, const uint16_t *b, float *c, int64_t stride, int64_t columns)
{
    if (s->parts == 1)
        panel_of(s, b, c, stride, columns, 1);
    else if (s->parts == 2)
        panel_of(s, b, c, stride, columns, 2);
    else
        panel_of(s, b, c, stride, columns, 3);
}

/* A panel that sticks out of C, or joins sums of earlier k blocks, is made beside it. That each block of k
 * starts from zero keeps the chains of roundings short. */
static void panel_beside(const cj__split_strip *s, const uint16_t *b, float *c, int64_t columns)
{
    float beside[32 * 32];
    panel(s, b, beside, 32, columns);
    for (int64_t r = 0; r < s->rows; r++)
        for (int64_t j = 0; j < columns; j += CJ__LANES) {
            float *to = c + r * s->c_row + j;
            cj__mask inside = cj__m_first(columns - j);
            cj__floats sum = cj__v_load(beside + r * 32 + j);
            if (s->add) sum = cj__v_add(sum, cj__v_load_masked(to, inside));
            cj__v_store_masked(to, sum, inside);
        }
}

static void strip(const cj__split_strip *s)
{
    configure();
    const int64_t b_steps = cj__split_panel_steps(s);
    for (int64_t j = 0; j < s->columns; j += CJ__SPLIT_COLUMNS) {
        const uint16_t *b = s->b + j * b_steps * s->parts * CJ__SPLIT_STEP;
        int64_t columns = s->columns - j < CJ__SPLIT_COLUMNS ? s->columns - j : CJ__SPLIT_COLUMNS;
        if (!s->add && s->rows % 16 == 0 && columns % 16 == 0)
            panel(s, b, s->c + j, s->c_row, columns);
        else
            panel_beside(s, b, s->c + j, columns);
    }
    _tile_release();
}
