/* The same strips in plain C: products rounded, then added. The inner loop over 8 columns is what a compiler
 * vectorises with whatever its baseline has. Included by matmul.c. */

#define ROWS    4
#define COLUMNS 8

static void add_products(const cj__strip *s, const float *a, const float *b, int64_t k, int64_t columns,
                         float sum[ROWS][COLUMNS])
{
    for (int64_t p = 0; p < k; p++)
        for (int64_t r = 0; r < s->rows; r++) {
            float x = a[r * s->a_row + p * s->a_column];
            if (columns == COLUMNS)
                for (int j = 0; j < COLUMNS; j++) sum[r][j] += x * b[p * s->b_row + j];
            else
                for (int64_t j = 0; j < columns; j++) sum[r][j] += x * b[p * s->b_row + j];
        }
}

static void tile(const cj__strip *s, const cj__stretch *pieces, int64_t count, const float *b, float *c,
                 int64_t columns)
{
    float sum[ROWS][COLUMNS] = {{0}};
    for (int64_t i = 0; i < count; i++)
        add_products(s, s->a + pieces[i].a, b + pieces[i].b * s->b_row, pieces[i].k, columns, sum);
    for (int64_t r = 0; r < s->rows; r++)
        for (int64_t j = 0; j < columns; j++)
            c[r * s->c_row + j] = s->add ? sum[r][j] + c[r * s->c_row + j] : sum[r][j];
}

static void strip_of(const cj__strip *s, const cj__stretch *pieces, int64_t count)
{
    for (int64_t j = 0; j < s->columns; j += COLUMNS) {
        int64_t columns = s->columns - j < COLUMNS ? s->columns - j : COLUMNS;
        tile(s, pieces, count, s->b + j / COLUMNS * s->b_panel, s->c + j, columns);
    }
}

static void strip(const cj__strip *s)
{
    if (s->stretches)
        strip_of(s, s->stretches, s->stretches_count);
    else
        strip_of(s, &(cj__stretch){0, 0, s->k}, 1);
}
