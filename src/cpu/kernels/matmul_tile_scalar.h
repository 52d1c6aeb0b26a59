/* The same strips in plain C: products rounded, then added. The inner loop over 8 columns is what a compiler
 * vectorises with whatever its baseline has. Included by matmul.c. */

#define ROWS    4
#define COLUMNS 8

static void tile(const cj__strip *s, const float *b, float *c, int64_t columns)
{
    float sum[ROWS][COLUMNS] = {{0}};
    for (int64_t p = 0; p < s->k; p++)
        for (int64_t r = 0; r < s->rows; r++) {
            float x = s->a[r * s->a_row + p * s->a_column];
            if (columns == COLUMNS)
                for (int j = 0; j < COLUMNS; j++) sum[r][j] += x * b[p * s->b_row + j];
            else
                for (int64_t j = 0; j < columns; j++) sum[r][j] += x * b[p * s->b_row + j];
        }
    for (int64_t r = 0; r < s->rows; r++)
        for (int64_t j = 0; j < columns; j++)
            c[r * s->c_row + j] = s->add ? sum[r][j] + c[r * s->c_row + j] : sum[r][j];
}

static void strip(const cj__strip *s)
{
    for (int64_t j = 0; j < s->columns; j += COLUMNS) {
        int64_t columns = s->columns - j < COLUMNS ? s->columns - j : COLUMNS;
        tile(s, s->b + j / COLUMNS * s->b_panel, s->c + j, columns);
    }
}
