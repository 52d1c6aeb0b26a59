/* Ops that move elements without looking at them: transpose, broadcast, slice, concatenate, split, gather;
 * put and put_rows; and scatter_add, which moves and adds. Elements are so many bytes, so every type moves
 * exactly; f64 is left to the definitions, which the tests measure these kernels by. */
#include "base/shape.h"
#include "cpu/backend.h"

#include <string.h>

enum { TASK_ELEMENTS = 16384 };

/* Rows of so many elements. */
static int64_t rows_a_task(int64_t row)
{
    return row < 1 ? TASK_ELEMENTS : row > TASK_ELEMENTS ? 1 : TASK_ELEMENTS / row;
}

static const char *refuse(const cj__launch *launch)
{
    return launch->types[0].dtype == CJ_F64 ? "f64 is left to the definition" : NULL;
}

/* --- strided copies: transpose, broadcast, slice ------------------------------------------------------- */

typedef struct {
    int64_t offset, stride[CJ_MAX_RANK]; /* elements of the input, for each axis of the output */
    int64_t rows, row;                   /* the output: rows of the last axis */
    int64_t rows_a_task;
} strided;

static void describe_transpose(strided *s, const cj__transpose_attributes *a, cj_shape_t x)
{
    for (int64_t d = 0; d < x.rank; d++) {
        s->stride[d] = 1;
        for (int64_t e = a->order[d] + 1; e < x.rank; e++) s->stride[d] *= x.dims[e];
    }
}

static void describe_slice(strided *s, const cj__slice_attributes *a, cj_shape_t x)
{
    for (int64_t d = x.rank - 1, size = 1; d >= 0; size *= x.dims[d--]) s->stride[d] = size;
    s->offset = a->start * s->stride[a->axis];
    s->stride[a->axis] *= a->step;
}

static cj_status prepare_strided(cj__launch *launch, cj__arena *arena)
{
    strided *s = cj__arena_allocate(arena, sizeof *s);
    if (!s) return cj__out_of_memory(sizeof *s, "a copy");
    cj_shape_t x = launch->types[0].shape, y = launch->types[1].shape;
    if (launch->op == CJ__OP_transpose)
        describe_transpose(s, launch->attributes, x);
    else if (launch->op == CJ__OP_slice)
        describe_slice(s, launch->attributes, x);
    else
        cj__broadcast_strides(x, y, s->stride);
    s->row = y.rank ? y.dims[y.rank - 1] : 1;
    s->rows = s->row ? cj_shape_count(y) / s->row : 0;
    s->rows_a_task = rows_a_task(s->row);
    launch->tasks = (s->rows + s->rows_a_task - 1) / s->rows_a_task;
    launch->data = s;
    return CJ_OK;
}

#define COPY_RUN(type)                                                                                       \
    for (int64_t i = 0; i < n; i++) ((type *)to)[i] = ((const type *)from)[i * stride]

/* n elements of `bytes` bytes, `stride` elements apart, side by side. */
static void copy_run(size_t bytes, const void *from, int64_t stride, int64_t n, void *to)
{
    if (stride == 1)
        memcpy(to, from, (size_t)n * bytes);
    else if (bytes == 4)
        COPY_RUN(uint32_t);
    else if (bytes == 8)
        COPY_RUN(uint64_t);
    else if (bytes == 2)
        COPY_RUN(uint16_t);
    else
        COPY_RUN(uint8_t);
}

static void run_strided(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const strided *s = launch->data;
    cj_shape_t y = launch->types[1].shape;
    size_t bytes = cj_dtype_size(launch->types[0].dtype);
    int64_t row = task * s->rows_a_task,
            end = row + s->rows_a_task < s->rows ? row + s->rows_a_task : s->rows;
    int64_t index[CJ_MAX_RANK] = {0}, last = y.rank - 1, rest = row;
    for (int64_t d = last - 1; d >= 0; rest /= y.dims[d--]) index[d] = rest % y.dims[d];
    for (; row < end; row++) {
        int64_t place = s->offset;
        for (int64_t d = 0; d < last; d++) place += index[d] * s->stride[d];
        copy_run(bytes, (const char *)operands[0] + (size_t)place * bytes, last < 0 ? 1 : s->stride[last],
                 s->row, (char *)operands[1] + (size_t)(row * s->row) * bytes);
        for (int64_t d = last - 1; d >= 0 && ++index[d] == y.dims[d]; d--) index[d] = 0;
    }
}

/* --- blocks of whole rows: concatenate, gather --------------------------------------------------------- */

/* A shape cut at an axis: `outer` blocks of `length` rows of `inner` elements. */
typedef struct {
    int64_t outer, length, inner;
    int64_t rows_a_task;
} blocks;

static cj_status describe_blocks(cj__launch *launch, cj__arena *arena, cj_shape_t shape, int64_t axis)
{
    blocks *b = cj__arena_allocate(arena, sizeof *b);
    if (!b) return cj__out_of_memory(sizeof *b, "a copy");
    *b = (blocks){.outer = 1, .length = shape.dims[axis], .inner = 1};
    for (int64_t d = 0; d < axis; d++) b->outer *= shape.dims[d];
    for (int64_t d = axis + 1; d < shape.rank; d++) b->inner *= shape.dims[d];
    b->rows_a_task = rows_a_task(b->inner);
    launch->data = b;
    return CJ_OK;
}

/* A short run without a call. */
static void copy_bytes(char *to, const char *from, size_t n)
{
    enum { LINE = 64, FEW = 16 * LINE };
    if (n <= FEW)
        for (; n >= LINE; n -= LINE, to += LINE, from += LINE) memcpy(to, from, LINE);
    memcpy(to, from, n);
}

/* Parts lie side by side in each of `outer` rows, or apart. Tasks are some rows of all parts; of one part
 * each where there are fewer rows than parts. */
static bool by_rows(const blocks *b, int64_t parts)
{
    return b->outer >= parts;
}

static void cut_parts(cj__launch *launch, int64_t parts)
{
    const blocks *b = launch->data;
    int64_t rows = rows_a_task(b->length * b->inner);
    launch->tasks = by_rows(b, parts) ? (b->outer + rows - 1) / rows : parts;
}

/* Which rows and parts a task is. */
static void find_parts(const blocks *b, int64_t task, int64_t parts, int64_t rows[2], int64_t of[2])
{
    int64_t each = rows_a_task(b->length * b->inner);
    bool all = by_rows(b, parts);
    rows[0] = all ? task * each : 0;
    rows[1] = all && rows[0] + each < b->outer ? rows[0] + each : b->outer;
    of[0] = all ? 0 : task;
    of[1] = all ? parts : task + 1;
}

static cj_status prepare_concatenate(cj__launch *launch, cj__arena *arena)
{
    const cj__axis_attributes *a = launch->attributes;
    CJ__TRY(describe_blocks(launch, arena, launch->types[launch->inputs_count].shape, a->axis));
    cut_parts(launch, launch->inputs_count);
    return CJ_OK;
}

static void run_concatenate(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const cj__axis_attributes *a = launch->attributes;
    const blocks *b = launch->data;
    size_t row = (size_t)b->inner * cj_dtype_size(launch->types[0].dtype), whole = (size_t)b->length * row;
    int64_t rows[2], parts[2];
    find_parts(b, task, launch->inputs_count, rows, parts);
    char *to = operands[launch->inputs_count];
    for (int64_t p = 0; p < parts[0]; p++) to += (size_t)launch->types[p].shape.dims[a->axis] * row;
    for (int64_t p = parts[0]; p < parts[1]; p++) {
        size_t part = (size_t)launch->types[p].shape.dims[a->axis] * row;
        const char *from = operands[p];
        for (int64_t o = rows[0]; o < rows[1]; o++)
            copy_bytes(to + (size_t)o * whole, from + (size_t)o * part, part);
        to += part;
    }
}

static cj_status prepare_split(cj__launch *launch, cj__arena *arena)
{
    const cj__split_attributes *a = launch->attributes;
    CJ__TRY(describe_blocks(launch, arena, launch->types[0].shape, a->axis));
    cut_parts(launch, launch->outputs_count);
    return CJ_OK;
}

static void run_split(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const blocks *b = launch->data;
    size_t whole = (size_t)(b->length * b->inner) * cj_dtype_size(launch->types[0].dtype);
    size_t part = whole / (size_t)launch->outputs_count;
    int64_t rows[2], parts[2];
    find_parts(b, task, launch->outputs_count, rows, parts);
    for (int64_t p = parts[0]; p < parts[1]; p++) {
        const char *from = (const char *)operands[0] + (size_t)p * part;
        char *to = operands[1 + p];
        for (int64_t o = rows[0]; o < rows[1]; o++)
            copy_bytes(to + (size_t)o * part, from + (size_t)o * whole, part);
    }
}

static cj_status prepare_gather(cj__launch *launch, cj__arena *arena)
{
    const cj__axis_attributes *a = launch->attributes;
    CJ__TRY(describe_blocks(launch, arena, launch->types[0].shape, a->axis));
    const blocks *b = launch->data;
    int64_t rows = b->outer * cj_shape_count(launch->types[1].shape);
    launch->tasks = (rows + b->rows_a_task - 1) / b->rows_a_task;
    return CJ_OK;
}

/* An index outside gives zeros. */
static void run_gather(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const blocks *b = launch->data;
    int64_t count = cj_shape_count(launch->types[1].shape), end = (task + 1) * b->rows_a_task;
    size_t row_bytes = (size_t)b->inner * cj_dtype_size(launch->types[0].dtype);
    if (end > b->outer * count) end = b->outer * count;
    for (int64_t row = task * b->rows_a_task; row < end; row++) {
        int64_t index = cj__index_at(launch->types[1].dtype, operands[1], row % count);
        char *to = (char *)operands[2] + (size_t)row * row_bytes;
        if (index >= 0 && index < b->length)
            memcpy(to, (const char *)operands[0] + (size_t)(row / count * b->length + index) * row_bytes,
                   row_bytes);
        else
            memset(to, 0, row_bytes);
    }
}

/* --- put ----------------------------------------------------------------------------------------------- */

static cj_status prepare_put(cj__launch *launch, cj__arena *arena)
{
    const cj__axis_attributes *a = launch->attributes;
    return describe_blocks(launch, arena, launch->types[0].shape, a->axis);
}

/* As one task: where it writes the variable it reads, there is little to do. */
static void run_put(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)task, (void)scratch;
    const cj__axis_attributes *a = launch->attributes;
    const blocks *b = launch->data;
    size_t row = (size_t)b->inner * cj_dtype_size(launch->types[0].dtype);
    int64_t count = launch->types[1].shape.dims[a->axis],
            start = cj__index_at(launch->types[2].dtype, operands[2], 0);
    if (operands[3] != operands[0]) memcpy(operands[3], operands[0], (size_t)(b->outer * b->length) * row);
    if (start <= -count || start >= b->length) return;
    int64_t first = start < 0 ? -start : 0, end = b->length - start < count ? b->length - start : count;
    for (int64_t o = 0; o < b->outer; o++)
        memcpy((char *)operands[3] + (size_t)(o * b->length + start + first) * row,
               (const char *)operands[1] + (size_t)(o * count + first) * row, (size_t)(end - first) * row);
}

static bool lies_on(const cj__launch *launch, int output, int input)
{
    (void)launch, (void)output;
    return input == 0;
}

const cj__kernel cj__put_kernel = {.name = "put",
                                   .op = CJ__OP_put,
                                   .refuse = refuse,
                                   .prepare = prepare_put,
                                   .run = run_put,
                                   .lies_on = lies_on};

/* --- put_rows ------------------------------------------------------------------------------------------ */

static cj_status prepare_put_rows(cj__launch *launch, cj__arena *arena)
{
    return describe_blocks(launch, arena, launch->types[0].shape, 0);
}

/* As one task, like put. */
static void run_put_rows(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)task, (void)scratch;
    const blocks *b = launch->data;
    size_t row = (size_t)b->inner * cj_dtype_size(launch->types[0].dtype);
    int64_t count = launch->types[2].shape.dims[0];
    if (operands[3] != operands[0]) memcpy(operands[3], operands[0], (size_t)b->length * row);
    for (int64_t k = 0; k < count; k++) {
        int64_t index = cj__index_at(launch->types[2].dtype, operands[2], k);
        if (index >= 0 && index < b->length)
            memcpy((char *)operands[3] + (size_t)index * row, (const char *)operands[1] + (size_t)k * row,
                   row);
    }
}

const cj__kernel cj__put_rows_kernel = {.name = "put rows",
                                        .op = CJ__OP_put_rows,
                                        .refuse = refuse,
                                        .prepare = prepare_put_rows,
                                        .run = run_put_rows,
                                        .lies_on = lies_on};

/* --- scatter_add --------------------------------------------------------------------------------------- */

enum { COLUMNS = 64 }; /* of the inner elements, a task */
/* Rows of the updates that are asked for ahead: a task reads too little of each for the processor to foresee
 * the next. */
enum { AHEAD = 8, CACHE_LINE = 64 };

static const char *refuse_scatter(const cj__launch *launch)
{
    cj_dtype dtype = launch->types[0].dtype;
    return dtype == CJ_F32 || dtype == CJ_I32 || dtype == CJ_I64 ? NULL : "it adds f32, i32 and i64 only";
}

static cj_status prepare_scatter(cj__launch *launch, cj__arena *arena)
{
    const cj__scatter_attributes *a = launch->attributes;
    CJ__TRY(describe_blocks(launch, arena, launch->types[2].shape, a->axis));
    const blocks *b = launch->data;
    launch->tasks = b->outer * ((b->inner + COLUMNS - 1) / COLUMNS);
    return CJ_OK;
}

#define ADD_RUN(type, sum)                                                                                   \
    do {                                                                                                     \
        type *to = out;                                                                                      \
        const type *from = updates;                                                                          \
        for (int64_t i = 0; i < n; i++) to[i] = (sum)(to[i] + from[i]);                                      \
    } while (0)

/* Integers as unsigned: they wrap. */
static void add_run(cj_dtype dtype, const void *updates, int64_t n, void *out)
{
    if (dtype == CJ_F32)
        ADD_RUN(float, float);
    else if (dtype == CJ_I32)
        ADD_RUN(uint32_t, uint32_t);
    else
        ADD_RUN(uint64_t, uint64_t);
}

/* A task owns some columns of one block and adds to them in the order of the updates: the same sums for any
 * number of threads. */
static void run_scatter(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    (void)scratch;
    const blocks *b = launch->data;
    cj_dtype dtype = launch->types[0].dtype;
    size_t bytes = cj_dtype_size(dtype);
    int64_t parts = (b->inner + COLUMNS - 1) / COLUMNS, outer = task / parts, first = task % parts * COLUMNS;
    int64_t n = b->inner - first < COLUMNS ? b->inner - first : COLUMNS;
    int64_t count = cj_shape_count(launch->types[1].shape);
    const char *updates = (const char *)operands[0] + (size_t)(outer * count * b->inner + first) * bytes;
    char *out = (char *)operands[2] + (size_t)(outer * b->length * b->inner + first) * bytes;
    size_t row = (size_t)b->inner * bytes;
    for (int64_t k = 0; k < b->length; k++) memset(out + (size_t)k * row, 0, (size_t)n * bytes);
    for (int64_t k = 0; k < count; k++) {
        int64_t index = cj__index_at(launch->types[1].dtype, operands[1], k);
        for (size_t i = 0; i < (size_t)n * bytes; i += CACHE_LINE)
            __builtin_prefetch(updates + (size_t)(k + AHEAD) * row + i);
        if (index >= 0 && index < b->length)
            add_run(dtype, updates + (size_t)k * row, n, out + (size_t)index * row);
    }
}

#define MOVES(op_name, how)                                                                                  \
    const cj__kernel cj__##op_name##_kernel = {.name = #op_name,                                             \
                                               .op = CJ__OP_##op_name,                                       \
                                               .refuse = refuse,                                             \
                                               .prepare = prepare_##how,                                     \
                                               .run = run_##how};
MOVES(transpose, strided)
MOVES(broadcast, strided)
MOVES(slice, strided)
MOVES(concatenate, concatenate)
MOVES(gather, gather)
MOVES(split, split)
const cj__kernel cj__scatter_add_kernel = {.name = "scatter-add",
                                           .op = CJ__OP_scatter_add,
                                           .refuse = refuse_scatter,
                                           .prepare = prepare_scatter,
                                           .run = run_scatter};
