/* Running sums of f32 along an axis. Each is kept in double, so that long ones lose nothing, and rounded
 * where it is stored. */
#include "cpu/backend.h"

enum { COLUMNS = 256, TASK_ELEMENTS = 16384 };

typedef struct {
    int64_t outer, length, inner; /* lines run along `length` */
    int64_t parts;                /* of the inner elements, COLUMNS each */
    int64_t lines_a_task;         /* where inner is 1 */
} running_data;

static const char *refuse(const cj__launch *launch)
{
    return launch->types[0].dtype == CJ_F32 ? NULL : "it adds f32 only";
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    const cj__running_attributes *a = launch->attributes;
    running_data *d = cj__arena_allocate(arena, sizeof *d);
    if (!d) return cj__out_of_memory(sizeof *d, "running sums");
    cj_shape_t x = launch->types[0].shape;
    *d = (running_data){.outer = 1, .length = x.dims[a->axis], .inner = 1};
    for (int64_t i = 0; i < a->axis; i++) d->outer *= x.dims[i];
    for (int64_t i = a->axis + 1; i < x.rank; i++) d->inner *= x.dims[i];
    d->parts = (d->inner + COLUMNS - 1) / COLUMNS;
    int64_t columns = d->inner < COLUMNS ? d->inner : COLUMNS, elements = d->length * columns;
    d->lines_a_task = elements ? TASK_ELEMENTS / elements : TASK_ELEMENTS;
    if (d->lines_a_task < 1) d->lines_a_task = 1;
    launch->tasks = (d->outer * d->parts + d->lines_a_task - 1) / d->lines_a_task;
    launch->data = d;
    return CJ_OK;
}

/* n lines side by side. */
static void sum_lines(const cj__running_attributes *a, const running_data *d, const float *x, int64_t n,
                      float *out)
{
    double sums[COLUMNS] = {0};
    for (int64_t step = 0; step < d->length; step++) {
        int64_t at = (a->reverse ? d->length - 1 - step : step) * d->inner;
        for (int64_t i = 0; i < n; i++) {
            double before = sums[i];
            sums[i] = before + (double)x[at + i];
            out[at + i] = (float)(a->exclusive ? before : sums[i]);
        }
    }
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const running_data *d = launch->data;
    int64_t end = (task + 1) * d->lines_a_task;
    if (end > d->outer * d->parts) end = d->outer * d->parts;
    for (int64_t k = task * d->lines_a_task; k < end; k++) {
        int64_t first = k % d->parts * COLUMNS, at = k / d->parts * d->length * d->inner + first;
        int64_t n = d->inner - first < COLUMNS ? d->inner - first : COLUMNS;
        sum_lines(launch->attributes, d, (const float *)operands[0] + at, n, (float *)operands[1] + at);
    }
}

const cj__kernel cj__running_kernel = {
    .name = "running sums", .op = CJ__OP_cumulative_sum, .refuse = refuse, .prepare = prepare, .run = run};
