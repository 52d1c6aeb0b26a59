/* Few rows times a matrix, which is read once as it lies: what inference on single examples does all day.
 * Included by matmul.c. Results do not depend on how the columns are grouped. */

/* The sums of `count` vectors to row r of c, from column j on. */
CJ__INLINE void store_sums(const cj__few_rows *f, int r, int64_t j, const cj__floats *sum, int count)
{
    float *c = f->c + r * f->c_row + j * f->c_column, four[4];
#pragma GCC unroll 2
    for (int i = 0; i < count; i += 4) {
        cj__floats none = cj__v_set(0.0f);
        cj__v_sum4(sum[i], i + 1 < count ? sum[i + 1] : none, i + 2 < count ? sum[i + 2] : none,
                   i + 3 < count ? sum[i + 3] : none, four);
        for (int k = 0; k < 4 && i + k < count; k++) c[(i + k) * f->c_column] = four[k];
    }
}

/* `rows` rows of x against `count` rows of w: a grid of dot products, one vector of partial sums each. */
CJ__INLINE void dots_block(const cj__few_rows *f, int64_t j, int rows, int count)
{
    enum { MOST = 8 };
    cj__floats sum[CJ__FEW_ROWS][MOST];
    const float *x = f->x, *w = f->w + j * f->w_row;
    int64_t p = 0;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < count; i++) sum[r][i] = cj__v_set(0.0f);
    for (; p + CJ__LANES <= f->k; p += CJ__LANES) {
        cj__floats y[CJ__FEW_ROWS];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) y[r] = cj__v_load(x + r * f->x_row + p);
#pragma GCC unroll 8
        for (int i = 0; i < count; i++) {
            cj__floats z = cj__v_load(w + i * f->w_row + p);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) sum[r][i] = cj__v_fma(y[r], z, sum[r][i]);
        }
    }
    if (p < f->k) {
        cj__mask tail = cj__m_first(f->k - p);
#pragma GCC unroll 8
        for (int i = 0; i < count; i++) {
            cj__floats z = cj__v_load_masked(w + i * f->w_row + p, tail);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                sum[r][i] = cj__v_fma(cj__v_load_masked(x + r * f->x_row + p, tail), z, sum[r][i]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) store_sums(f, r, j, sum[r], count);
}

/* The same sums of one row of x, a row of w after the other. */
CJ__INLINE void dots_in_turn(const cj__few_rows *f, int64_t j)
{
    enum { COUNT = 4 };
    cj__floats sum[COUNT];
    int64_t whole = f->k - f->k % CJ__LANES;
    cj__mask tail = cj__m_first(f->k - whole);
#pragma GCC unroll 4
    for (int i = 0; i < COUNT; i++) {
        const float *x = f->x, *w = f->w + (j + i) * f->w_row;
        sum[i] = cj__v_set(0.0f);
        for (int64_t p = 0; p < whole; p += CJ__LANES)
            sum[i] = cj__v_fma(cj__v_load(x + p), cj__v_load(w + p), sum[i]);
        if (whole < f->k)
            sum[i] =
                cj__v_fma(cj__v_load_masked(x + whole, tail), cj__v_load_masked(w + whole, tail), sum[i]);
    }
    store_sums(f, 0, j, sum, COUNT);
}

/* A larger matrix comes from far, in one stream: rows of it side by side came half as fast. Where rows are so
 * short that the processor has several in hand at once, one after the other is no slower from near either. */
enum { FAR = 512 << 10 /* bytes */, SHORT = 192 };

/* Else eight to twelve independent sums hide the latency of the multiply-add. */
CJ__INLINE void dots_of(const cj__few_rows *f, int rows, int count)
{
    int64_t j = 0;
    bool far = f->columns * f->k * (int64_t)sizeof(float) > FAR;
    if (rows == 1 && (far || f->k <= SHORT))
        for (; j + 4 <= f->columns; j += 4) dots_in_turn(f, j);
    for (; j + count <= f->columns; j += count) dots_block(f, j, rows, count);
    for (; j + 2 <= f->columns; j += 2) dots_block(f, j, rows, 2);
    for (; j < f->columns; j++) dots_block(f, j, rows, 1);
}

static void dots(const cj__few_rows *f)
{
    switch (f->rows) {
    case 1:
        dots_of(f, 1, 8);
        break;
    case 2:
        dots_of(f, 2, 4);
        break;
    case 3:
        dots_of(f, 3, 3);
        break;
    default:
        dots_of(f, 4, 3);
        break;
    }
}

/* c[:, j : j+count vectors] (+)= x[:, p:p+depth] · w[p:p+depth, same columns] */
CJ__INLINE void sums_block(const cj__few_rows *f, int64_t p, int64_t depth, int64_t j, cj__mask tail,
                           int rows, int count, bool masked)
{
    enum { MOST = 8 };
    cj__floats sum[CJ__FEW_ROWS][MOST];
    float *c = f->c + j;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < count; i++) {
            const float *from = c + r * f->c_row + i * CJ__LANES;
            sum[r][i] = p == 0 ? cj__v_set(0.0f) : masked ? cj__v_load_masked(from, tail) : cj__v_load(from);
        }
    for (int64_t q = p; q < p + depth; q++) {
        const float *w = f->w + q * f->w_row + j;
        cj__floats z[MOST];
#pragma GCC unroll 8
        for (int i = 0; i < count; i++)
            z[i] = masked ? cj__v_load_masked(w, tail) : cj__v_load(w + i * CJ__LANES);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            cj__floats y = cj__v_set(f->x[r * f->x_row + q]);
#pragma GCC unroll 8
            for (int i = 0; i < count; i++) sum[r][i] = cj__v_fma(y, z[i], sum[r][i]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < count; i++) {
            float *to = c + r * f->c_row + i * CJ__LANES;
            if (masked)
                cj__v_store_masked(to, sum[r][i], tail);
            else
                cj__v_store(to, sum[r][i]);
        }
}

/* Rows of w in groups of 32: few enough pages to be held by the TLB while all columns pass, and the running
 * sums travel between registers and L1 only once in 32 steps. */
CJ__INLINE void sums_of(const cj__few_rows *f, int rows, int count)
{
    enum { DEPTH = 32 };
    for (int64_t p = 0; p < f->k; p += DEPTH) {
        int64_t depth = f->k - p < DEPTH ? f->k - p : DEPTH, j = 0;
        for (; j + count * CJ__LANES <= f->columns; j += count * CJ__LANES)
            sums_block(f, p, depth, j, cj__m_first(0), rows, count, false);
        for (; j + CJ__LANES <= f->columns; j += CJ__LANES)
            sums_block(f, p, depth, j, cj__m_first(0), rows, 1, false);
        if (j < f->columns) sums_block(f, p, depth, j, cj__m_first(f->columns - j), rows, 1, true);
    }
}

static void sums(const cj__few_rows *f)
{
    switch (f->rows) {
    case 1:
        sums_of(f, 1, 8);
        break;
    case 2:
        sums_of(f, 2, 4);
        break;
    case 3:
        sums_of(f, 3, 4);
        break;
    default:
        sums_of(f, 4, 2);
        break;
    }
}

/* --- a matrix in bf16 ---------------------------------------------------------------------------------- */

enum { PAIR_STEP = 2 * CJ__LANES };

static uint32_t pack_pairs(cj__matrix b, int64_t k, int64_t columns, uint16_t *to)
{
    uint32_t largest = 0;
    for (int64_t j = 0; j < columns; j += CJ__PAIRED_COLUMNS)
        for (int64_t p = 0; p < k; p += PAIR_STEP)
            for (int64_t column = j; column < j + CJ__PAIRED_COLUMNS; column++)
                for (int64_t i = 0; i < PAIR_STEP; i++) {
                    int64_t at = p + i % 2 * CJ__LANES + i / 2;
                    float x = column < columns && at < k ? b.data[at * b.row + column * b.column] : 0.0f;
                    uint32_t bits;
                    memcpy(&bits, &x, sizeof bits);
                    largest = (bits & 0x7fffffff) > largest ? bits & 0x7fffffff : largest;
                    *to++ = cj__bf16_from_float(x);
                }
    return largest;
}

CJ__INLINE void add_pairs(cj__floats low, cj__floats high, const uint16_t *w, cj__floats *sum)
{
    cj__floats near, far;
    for (int i = 0; i < CJ__PAIRED_COLUMNS; i++) {
        cj__v_load_pairs(w + i * PAIR_STEP, &near, &far);
        sum[i] = cj__v_fma(high, far, cj__v_fma(low, near, sum[i]));
    }
}

/* One row of x against a panel: one stream of memory, and a vector of partial sums for each column. */
CJ__INLINE void panel_of_pairs(const cj__few_rows *f, int r, const uint16_t *w, int64_t j)
{
    const float *x = f->x + r * f->x_row;
    cj__floats sum[CJ__PAIRED_COLUMNS];
    for (int i = 0; i < CJ__PAIRED_COLUMNS; i++) sum[i] = cj__v_set(0.0f);
    int64_t p = 0;
    for (; p + PAIR_STEP <= f->k; p += PAIR_STEP, w += CJ__PAIRED_COLUMNS * PAIR_STEP)
        add_pairs(cj__v_load(x + p), cj__v_load(x + p + CJ__LANES), w, sum);
    if (p < f->k) {
        cj__mask near = cj__m_first(f->k - p);
        cj__mask far = cj__m_first(f->k - p > CJ__LANES ? f->k - p - CJ__LANES : 0);
        add_pairs(cj__v_load_masked(x + p, near), cj__v_load_masked(x + p + CJ__LANES, far), w, sum);
    }
    int64_t count = f->columns - j < CJ__PAIRED_COLUMNS ? f->columns - j : CJ__PAIRED_COLUMNS;
    store_sums(f, r, j, sum, (int)count);
}

/* A panel stays in L1 while the rows pass. */
static void dots_of_pairs(const cj__few_rows *f, const uint16_t *panels)
{
    int64_t panel = (f->k + PAIR_STEP - 1) / PAIR_STEP * PAIR_STEP * CJ__PAIRED_COLUMNS;
    for (int64_t j = 0; j < f->columns; j += CJ__PAIRED_COLUMNS, panels += panel)
        for (int r = 0; r < f->rows; r++) panel_of_pairs(f, r, panels, j);
}
