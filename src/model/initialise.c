/* Initial values: element i of a variable is a function of (seed, name, i). */
#include "base/random.h"
#include "base/team.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

typedef struct {
    double in, out;
} fans;

/* Weights are [out, in, …]; what follows is the receptive field. */
static fans fans_of(cj_shape_t shape)
{
    double field = 1;
    for (int64_t d = 2; d < shape.rank; d++) field *= (double)shape.dims[d];
    double first = shape.rank > 0 ? (double)shape.dims[0] : 1,
           second = shape.rank > 1 ? (double)shape.dims[1] : first;
    return (fans){second * field, first * field};
}

/* Element i is draw(key, i) · scale: parts of a large variable are shared out. */
typedef struct {
    float *to;
    int64_t count;
    uint64_t key;
    double scale;
    double (*draw)(uint64_t key, uint64_t i);
} filling;

enum { GRAIN = 16384 };

static void fill_part(void *context, int64_t task, int thread)
{
    (void)thread;
    const filling *f = context;
    int64_t end = (task + 1) * GRAIN < f->count ? (task + 1) * GRAIN : f->count;
    for (int64_t i = task * GRAIN; i < end; i++) f->to[i] = (float)(f->draw(f->key, (uint64_t)i) * f->scale);
}

static void fill_drawn(cj__variable *v, uint64_t key, double scale, double (*draw)(uint64_t key, uint64_t i))
{
    filling f = {v->data, cj_shape_count(v->shape), key, scale, draw};
    cj__team_run((f.count + GRAIN - 1) / GRAIN, fill_part, &f);
}

/* From -1 to 1. */
static double uniform(uint64_t key, uint64_t i)
{
    return 2 * (double)cj__uniform(key, 0, i) - 1;
}

static double normal(uint64_t key, uint64_t i)
{
    return cj__normal(key, 0, i);
}

/* Draws again, with the next step, what falls beyond two deviations. */
static double truncated(uint64_t key, uint64_t i)
{
    uint64_t step = 0;
    double x;
    do x = cj__normal(key, step++, i);
    while (fabs(x) > 2);
    return x;
}

/* The first filters become 1 at the middle of their own channel and 0 elsewhere. [out,in,kernel…] */
static void pass_channels_on(cj__variable *v)
{
    int64_t out = v->shape.dims[0], in = v->shape.dims[1], taps = 1, middle = 0;
    for (int64_t d = 2; d < v->shape.rank; d++) {
        middle = middle * v->shape.dims[d] + v->shape.dims[d] / 2;
        taps *= v->shape.dims[d];
    }
    for (int64_t f = 0; f < in && f < out; f++) {
        float *filter = (float *)v->data + f * in * taps;
        memset(filter, 0, (size_t)(in * taps) * sizeof *filter);
        filter[f * taps + middle] = 1;
    }
}

static void fill_constant(cj__variable *v, double value)
{
    for (int64_t i = 0; i < cj_shape_count(v->shape); i++) ((float *)v->data)[i] = (float)value;
}

/* Orthonormal rows (or columns, whichever are fewer) by modified Gram-Schmidt, twice for accuracy. */
static cj_status fill_orthogonal(cj__variable *v, uint64_t key, double gain)
{
    int64_t rows = v->shape.rank ? v->shape.dims[0] : 1, columns = rows ? cj_shape_count(v->shape) / rows : 0;
    int64_t few = rows < columns ? rows : columns, many = rows < columns ? columns : rows;
    double *q = cj__allocate((size_t)(few * many) * sizeof *q + 1);
    if (!q) return cj__out_of_memory((size_t)(few * many) * sizeof *q, v->name);
    for (int64_t i = 0; i < few * many; i++) q[i] = cj__normal(key, 0, (uint64_t)i);
    for (int64_t i = 0; i < few; i++) {
        for (int64_t pass = 0; pass < 2; pass++)
            for (int64_t j = 0; j < i; j++) {
                double dot = 0;
                for (int64_t k = 0; k < many; k++) dot += q[i * many + k] * q[j * many + k];
                for (int64_t k = 0; k < many; k++) q[i * many + k] -= dot * q[j * many + k];
            }
        double norm = 0;
        for (int64_t k = 0; k < many; k++) norm += q[i * many + k] * q[i * many + k];
        for (int64_t k = 0; k < many; k++) q[i * many + k] /= sqrt(norm);
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            ((float *)v->data)[r * columns + c] =
                (float)(gain * (rows < columns ? q[r * many + c] : q[c * many + r]));
    cj__free(q);
    return CJ_OK;
}

static cj_status fill(cj__variable *v, uint64_t seed, cj_init init)
{
    uint64_t key = cj__mix(seed, cj__hash_text(v->name));
    fans f = fans_of(v->shape);
    double both = (f.in + f.out) / 2, scale = init.scale;
    if (f.in < 1) f.in = 1;
    if (both < 1) both = 1;
    switch (init.kind) {
    case CJ_INIT_ZEROS:
        fill_constant(v, 0);
        break;
    case CJ_INIT_ONES:
        fill_constant(v, 1);
        break;
    case CJ_INIT_CONSTANT:
        fill_constant(v, scale);
        break;
    case CJ_INIT_UNIFORM:
        fill_drawn(v, key, scale, uniform);
        break;
    case CJ_INIT_NORMAL:
        fill_drawn(v, key, scale, normal);
        break;
    case CJ_INIT_TRUNCATED:
        fill_drawn(v, key, scale, truncated);
        break;
    case CJ_INIT_DEFAULT:
    case CJ_INIT_GLOROT_UNIFORM:
        fill_drawn(v, key, sqrt(3 / both), uniform);
        break;
    case CJ_INIT_GLOROT_NORMAL:
        fill_drawn(v, key, sqrt(1 / both), normal);
        break;
    case CJ_INIT_HE_UNIFORM:
        fill_drawn(v, key, sqrt(6 / f.in), uniform);
        break;
    case CJ_INIT_HE_NORMAL:
        fill_drawn(v, key, sqrt(2 / f.in), normal);
        break;
    case CJ_INIT_HE_OUT_NORMAL:
        fill_drawn(v, key, sqrt(2 / (f.out < 1 ? 1 : f.out)), normal);
        break;
    case CJ_INIT_LECUN_UNIFORM:
        fill_drawn(v, key, sqrt(3 / f.in), uniform);
        break;
    case CJ_INIT_LECUN_NORMAL:
        fill_drawn(v, key, sqrt(1 / f.in), normal);
        break;
    case CJ_INIT_DIRAC:
        fill_drawn(v, key, scale, uniform);
        pass_channels_on(v);
        break;
    case CJ_INIT_ORTHOGONAL:
        return fill_orthogonal(v, key, scale == 0 ? 1 : scale);
    }
    return CJ_OK;
}

/* Values are drawn in the layout of files, so they do not depend on what memory looks like. */
cj_status cj__initialise(cj__variable *v, uint64_t seed, cj_init init)
{
    cj_shape_t shape = v->shape;
    v->shape = cj__file_shape(v);
    cj_status status = fill(v, seed, init);
    v->shape = shape;
    return status == CJ_OK ? cj__from_file_layout(v) : status;
}
