/* Packing for products of bf16: 16 lines (rows of A, columns of B) by 32 of k at a time are read, split into
 * parts and stored as 16 vectors of pairs. Included by matmul_split.c. */

enum { LINES = 16, PAIRS = 16, TILE = LINES * PAIRS * 2 /* bf16 numbers */ };

/* 16 numbers of bf16 and the 16 further on in k, half a vector each, as pairs, the former in the lower
 * halves. */
CJ__INLINE __m512i side_by_side(__m512i halves)
{
    const __m512i beside = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23,
                                            7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(beside, halves);
}

CJ__INLINE __m512i rounded_pairs(cj__floats low, cj__floats high)
{
    return side_by_side((__m512i)_mm512_cvtne2ps_pbh(high, low));
}

/* The nearest bf16 as f32; a tie goes away from zero, since the next part makes up for it. */
CJ__INLINE __m512i nearest(cj__floats x)
{
    __m512i bits = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
    return _mm512_and_si512(bits, _mm512_set1_epi32((int32_t)0xffff0000));
}

/* Takes one part off both. */
CJ__INLINE __m512i take_part(cj__floats *low, cj__floats *high)
{
    __m512i l = nearest(*low), h = nearest(*high);
    *low = cj__v_sub(*low, _mm512_castsi512_ps(l));
    *high = cj__v_sub(*high, _mm512_castsi512_ps(h));
    return _mm512_or_si512(_mm512_srli_epi32(l, 16), h);
}

/* v[i] lane j becomes v[j] lane i: pairs, then fours within quarters, then the quarters themselves. */
CJ__INLINE void transpose(__m512i *v)
{
    __m512i x[16], y[16];
    for (int i = 0; i < 16; i += 2) {
        x[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        x[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        y[i + 0] = _mm512_unpacklo_epi64(x[i + 0], x[i + 2]);
        y[i + 1] = _mm512_unpackhi_epi64(x[i + 0], x[i + 2]);
        y[i + 2] = _mm512_unpacklo_epi64(x[i + 1], x[i + 3]);
        y[i + 3] = _mm512_unpackhi_epi64(x[i + 1], x[i + 3]);
    }
    for (int i = 0; i < 4; i++) { /* y[4g + i] quarter q holds lane 4q + i of vectors 4g to 4g+3 */
        __m512i even_low = _mm512_shuffle_i32x4(y[i], y[4 + i], 0x88);
        __m512i odd_low = _mm512_shuffle_i32x4(y[i], y[4 + i], 0xdd);
        __m512i even_high = _mm512_shuffle_i32x4(y[8 + i], y[12 + i], 0x88);
        __m512i odd_high = _mm512_shuffle_i32x4(y[8 + i], y[12 + i], 0xdd);
        v[i] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
        v[4 + i] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
        v[8 + i] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
        v[12 + i] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
    }
}

CJ__INLINE cj__mask first(int64_t count)
{
    return cj__m_first(count > 0 ? count : 0);
}

CJ__INLINE __m512i larger(__m512i largest, cj__floats x)
{
    return _mm512_max_epi32(largest, _mm512_castps_si512(_mm512_abs_ps(x)));
}

/* With tiles products are so fast that packing waits for memory, whose lines lie too far apart to be guessed:
 * while some numbers are packed, those this many lines or steps of k further on are asked for. */
enum { AHEAD = 32, ASKS = ROWS == 32 };

CJ__INLINE void ask_for_line(const void *number)
{
    if (ASKS) __builtin_prefetch(number);
}

/* One tile for each part, `part_stride` numbers apart. Memory runs along k (`along_k`) or along the lines;
 * the vectors wanted are one a line (`by_line`, A) or one a pair of k (B). Beyond `lines` and `k` come zeros.
 */
CJ__INLINE __m512i pack_tile(cj__matrix x, int64_t lines, int64_t k, int parts, bool along_k, bool by_line,
                             __m512i largest, uint16_t *to, int64_t part_stride)
{
    cj__floats low[16], high[16];
    __m512i pairs[16];
    const int rows = by_line && ROWS < LINES ? ROWS : LINES;
    int64_t stride = along_k ? x.row : x.column, half = along_k ? PAIRS : PAIRS * x.column;
    for (int i = 0; i < 16; i++) {
        cj__mask near = along_k ? first(i < lines ? k : 0) : first(i < k ? lines : 0);
        cj__mask far = along_k ? first(i < lines ? k - PAIRS : 0) : first(i + PAIRS < k ? lines : 0);
        low[i] = cj__v_load_masked(x.data + i * stride, near);
        high[i] = cj__v_load_masked(x.data + i * stride + half, far);
        ask_for_line(x.data + (i + AHEAD) * stride);
        ask_for_line(x.data + (i + AHEAD) * stride + half);
        largest = larger(larger(largest, low[i]), high[i]);
        pairs[i] = parts == 1 ? rounded_pairs(low[i], high[i]) : take_part(&low[i], &high[i]);
    }
    for (int part = 0;;) {
        if (along_k != by_line) transpose(pairs);
        for (int i = 0; i < rows; i++) _mm512_storeu_si512(to + part * part_stride + i * PAIRS * 2, pairs[i]);
        if (++part == parts) return largest;
        for (int i = 0; i < 16; i++)
            pairs[i] = part + 1 == parts ? rounded_pairs(low[i], high[i]) : take_part(&low[i], &high[i]);
    }
}

CJ__INLINE __m512i pack_tiles(cj__matrix x, int64_t lines, int64_t k, int parts, bool by_line,
                              __m512i largest, uint16_t *to, int64_t part_stride)
{
    const int64_t all = by_line && ROWS < LINES ? ROWS : LINES; /* of a whole tile */
    bool along_k = x.column == 1, whole = lines >= all && k >= CJ__SPLIT_STEP;
    if (along_k && whole)
        return pack_tile(x, all, CJ__SPLIT_STEP, parts, true, by_line, largest, to, part_stride);
    if (along_k) return pack_tile(x, lines, k, parts, true, by_line, largest, to, part_stride);
    if (whole) return pack_tile(x, all, CJ__SPLIT_STEP, parts, false, by_line, largest, to, part_stride);
    return pack_tile(x, lines, k, parts, false, by_line, largest, to, part_stride);
}

/* `lines` in groups, a tile of each group for each part, step after step of k. */
CJ__INLINE uint32_t pack_lines(cj__matrix x, int64_t lines, int64_t k, int parts, bool by_line, uint16_t *to)
{
    const int64_t height = by_line ? ROWS : CJ__SPLIT_COLUMNS, part_stride = height * PAIRS * 2;
    __m512i largest = _mm512_set1_epi32(0);
    for (int64_t p = 0; p < k; p += CJ__SPLIT_STEP, to += parts * part_stride)
        for (int64_t line = 0; line < height; line += LINES) {
            cj__matrix from = {x.data + line * x.row + p * x.column, x.row, x.column};
            uint16_t *tile = to + line * PAIRS * 2;
            largest = parts == 1 || MOST_PARTS == 1
                          ? pack_tiles(from, lines - line, k - p, 1, by_line, largest, tile, part_stride)
                          : pack_tiles(from, lines - line, k - p, parts, by_line, largest, tile, part_stride);
        }
    return (uint32_t)_mm512_reduce_max_epi32(largest);
}

static uint32_t pack_rows(cj__matrix a, int64_t rows, int64_t k, int parts, uint16_t *to)
{
    return pack_lines(a, rows, k, parts, true, to);
}

static uint32_t pack_panels(cj__matrix b, int64_t k, int64_t columns, int parts, uint16_t *to)
{
    int64_t steps = (k + CJ__SPLIT_STEP - 1) / CJ__SPLIT_STEP;
    uint32_t largest = 0;
    for (int64_t j = 0; j < columns; j += CJ__SPLIT_COLUMNS) {
        cj__matrix panel = {b.data + j * b.column, b.column, b.row}; /* its lines are columns of B */
        uint32_t here =
            pack_lines(panel, columns - j, k, parts, false, to + j * steps * parts * CJ__SPLIT_STEP);
        largest = here > largest ? here : largest;
    }
    return largest;
}

/* --- what is bf16 already ------------------------------------------------------------------------------ */

/* As pack_tile. */
CJ__INLINE void pack_bf16_tile(cj__bf16_matrix x, int64_t lines, int64_t k, bool along_k, bool by_line,
                               uint16_t *to)
{
    __m512i pairs[16];
    const int rows = by_line && ROWS < LINES ? ROWS : LINES;
    for (int i = 0; i < 16; i++) {
        if (along_k) {
            int64_t count = i >= lines ? 0 : k < CJ__SPLIT_STEP ? k : CJ__SPLIT_STEP;
            __mmask32 there = (__mmask32)((1ull << count) - 1);
            pairs[i] = side_by_side(_mm512_maskz_loadu_epi16(there, x.data + i * x.row));
            ask_for_line(x.data + (i + AHEAD) * x.row);
        } else {
            cj__mask near = first(i < k ? lines : 0), far = first(i + PAIRS < k ? lines : 0);
            __m256i low = _mm256_maskz_loadu_epi16(near, x.data + i * x.column);
            __m256i high = _mm256_maskz_loadu_epi16(far, x.data + (i + PAIRS) * x.column);
            pairs[i] = side_by_side(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
            ask_for_line(x.data + (i + AHEAD) * x.column);
            ask_for_line(x.data + (i + AHEAD + PAIRS) * x.column);
        }
    }
    if (along_k != by_line) transpose(pairs);
    for (int i = 0; i < rows; i++) _mm512_storeu_si512(to + i * PAIRS * 2, pairs[i]);
}

CJ__INLINE void pack_bf16_lines(cj__bf16_matrix x, int64_t lines, int64_t k, bool by_line, uint16_t *to)
{
    const int64_t height = by_line ? ROWS : CJ__SPLIT_COLUMNS;
    for (int64_t p = 0; p < k; p += CJ__SPLIT_STEP, to += height * PAIRS * 2)
        for (int64_t line = 0; line < height; line += LINES) {
            cj__bf16_matrix from = {x.data + line * x.row + p * x.column, x.row, x.column};
            uint16_t *tile = to + line * PAIRS * 2;
            if (x.column == 1)
                pack_bf16_tile(from, lines - line, k - p, true, by_line, tile);
            else
                pack_bf16_tile(from, lines - line, k - p, false, by_line, tile);
        }
}

static void pack_bf16_rows(cj__bf16_matrix a, int64_t rows, int64_t k, uint16_t *to)
{
    pack_bf16_lines(a, rows, k, true, to);
}

static void pack_bf16_panels(cj__bf16_matrix b, int64_t k, int64_t columns, uint16_t *to)
{
    int64_t steps = (k + CJ__SPLIT_STEP - 1) / CJ__SPLIT_STEP;
    for (int64_t j = 0; j < columns; j += CJ__SPLIT_COLUMNS) {
        cj__bf16_matrix panel = {b.data + j * b.column, b.column, b.row};
        pack_bf16_lines(panel, columns - j, k, false, to + j * steps * CJ__SPLIT_STEP);
    }
}
