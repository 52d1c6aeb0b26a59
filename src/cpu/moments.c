/* Mean and variance of each channel of [rows,C] in f32: a stage before sums up parts of the rows, which
 * threads share; their moments are put together in a fixed order (Chan, Golub and LeVeque, 1979). A part is
 * read twice while it is in cache, since squares around its own mean lose nothing to cancellation. */
#include "cpu/moments.h"
#include "cpu/backend.h"
#include "cpu/isa.h"

enum { PART = 32768, MOST_PARTS = 256 }; /* elements of a part; parts */

typedef struct {
    const cj__moments_table *table;
    int64_t rows, channels, parts;
} moments_data;

static const cj__moments_table *const tables[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = &cj__moments_scalar,
    CJ__IF_NEON([CJ__ISA_NEON] = &cj__moments_neon, ) CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__moments_avx2, )
        CJ__IF_AVX512([CJ__ISA_AVX512] = &cj__moments_avx512, )};

static const char *refuse(const cj__launch *launch)
{
    return launch->types[0].dtype == CJ_F32 ? NULL : "it takes f32 only";
}

/* The workspace: for each part the means of its rows, then the squares around them. */
static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    moments_data *d = cj__arena_allocate(arena, sizeof *d);
    if (!d) return cj__out_of_memory(sizeof *d, "moments");
    cj_shape_t x = launch->types[0].shape;
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    d->table = tables[cj__isa_vectors(isa)];
    d->channels = x.dims[x.rank - 1];
    d->rows = d->channels ? cj_shape_count(x) / d->channels : 0;
    d->parts = (d->rows * d->channels + PART - 1) / PART;
    if (d->parts > MOST_PARTS) d->parts = MOST_PARTS;
    if (d->parts > d->rows) d->parts = d->rows;
    if (d->parts < 1) d->parts = 1;
    launch->workspace_bytes = (size_t)(2 * d->parts * d->channels) * sizeof(float);
    launch->data = d;
    return CJ_OK;
}

static int64_t part_start(const moments_data *d, int64_t part)
{
    return d->rows * part / d->parts;
}

static cj_status prepare_parts(cj__launch *launch, cj__arena *arena)
{
    (void)arena;
    const moments_data *d = launch->data;
    launch->tasks = d->parts;
    return CJ_OK;
}

static void run_part(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const moments_data *d = launch->data;
    int64_t from = part_start(d, task), rows = part_start(d, task + 1) - from;
    float *mean = (float *)operands[1] + 2 * task * d->channels;
    d->table->part(rows, d->channels, (const float *)operands[0] + from * d->channels, mean,
                   mean + d->channels);
}

/* One channel: the mean of the parts' means by their rows; then squares within parts and between them. */
static void put_together(const moments_data *d, const float *parts, int64_t channel, float *mean,
                         float *variance)
{
    double sum = 0, squares = 0;
    for (int64_t p = 0; p < d->parts; p++)
        sum +=
            (double)parts[2 * p * d->channels + channel] * (double)(part_start(d, p + 1) - part_start(d, p));
    double centre = sum / (double)d->rows;
    for (int64_t p = 0; p < d->parts; p++) {
        const float *part = parts + 2 * p * d->channels + channel;
        double away = (double)part[0] - centre;
        squares +=
            (double)part[d->channels] + away * away * (double)(part_start(d, p + 1) - part_start(d, p));
    }
    *mean = (float)centre;
    *variance = (float)(squares / (double)d->rows);
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)task, (void)scratch;
    const moments_data *d = launch->data;
    float *mean = operands[1], *variance = operands[2];
    for (int64_t c = 0; c < d->channels; c++) put_together(d, operands[3], c, &mean[c], &variance[c]);
}

static const cj__kernel parts_kernel = {
    .name = "moments of parts f32", .op = -1, .prepare = prepare_parts, .run = run_part};

const cj__kernel cj__moments_kernel = {.name = "moments f32",
                                       .op = CJ__OP_batch_moments,
                                       .refuse = refuse,
                                       .prepare = prepare,
                                       .run = run,
                                       .before = &parts_kernel,
                                       .before_reads = 1};

/* --- of each row --------------------------------------------------------------------------------------- */

enum { ROW_GRAIN = 16384 }; /* elements a task */

typedef struct {
    const cj__moments_table *table;
    int64_t rows, columns, rows_a_task;
} row_data;

static cj_status prepare_rows(cj__launch *launch, cj__arena *arena)
{
    cj__isa isa;
    CJ__TRY(cj__isa_choose(&isa));
    row_data *d = cj__arena_allocate(arena, sizeof *d);
    if (!d) return cj__out_of_memory(sizeof *d, "moments");
    cj_shape_t x = launch->types[0].shape;
    d->table = tables[cj__isa_vectors(isa)];
    d->columns = x.dims[x.rank - 1];
    d->rows = cj_shape_count(x) / d->columns;
    d->rows_a_task = d->columns < ROW_GRAIN ? ROW_GRAIN / d->columns : 1;
    launch->tasks = (d->rows + d->rows_a_task - 1) / d->rows_a_task;
    launch->data = d;
    return CJ_OK;
}

static void run_rows(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const row_data *d = launch->data;
    const float *x = operands[0];
    float *mean = operands[1], *variance = operands[2];
    int64_t from = task * d->rows_a_task, to = from + d->rows_a_task;
    for (int64_t r = from; r < to && r < d->rows; r++)
        d->table->row(d->columns, x + r * d->columns, &mean[r], &variance[r]);
}

const cj__kernel cj__row_moments_kernel = {.name = "moments of rows f32",
                                           .op = CJ__OP_row_moments,
                                           .refuse = refuse,
                                           .prepare = prepare_rows,
                                           .run = run_rows};
