/* Whitening: the first convolution's filters set from the data, so that what it gives is uncorrelated and of
 * one size. A cj_fit does it once, between drawing and the first step. */
#include "base/memory.h"
#include "cajal/train.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

enum { MOST_WIDTH = 512, BATCH = 64, MOST_SWEEPS = 60 };

typedef struct {
    int64_t height, width, channels, filters;
    int64_t size;                      /* of a patch as a vector: height · width · channels */
    double *patch, *moments, *vectors; /* [size]; [size,size]; [size,size], a column each */
    int64_t count;                     /* of patches */
} whitening;

/* --- second moments of patches ------------------------------------------------------------------------- */

/* x: [H,W,C] */
static void add_patch(whitening *w, const float *x, int64_t row_size)
{
    int64_t line = w->width * w->channels;
    for (int64_t h = 0; h < w->height; h++)
        for (int64_t i = 0; i < line; i++) w->patch[h * line + i] = (double)x[h * row_size + i];
    for (int64_t i = 0; i < w->size; i++)
        for (int64_t j = 0; j <= i; j++) w->moments[i * w->size + j] += w->patch[i] * w->patch[j];
    w->count++;
}

static void add_picture(whitening *w, const float *x, int64_t height, int64_t width)
{
    int64_t row_size = width * w->channels;
    for (int64_t h = 0; h + w->height <= height; h++)
        for (int64_t i = 0; i + w->width <= width; i++)
            add_patch(w, x + h * row_size + i * w->channels, row_size);
}

static cj_status add_pictures(whitening *w, cj_loader *loader)
{
    cj_batch batch;
    while (cj_loader_next(loader, &batch)) {
        cj_shape_t s = batch.x.shape;
        int64_t channels = s.rank == 4 ? s.dims[3] : 1;
        if (s.rank < 3 || s.rank > 4 || channels != w->channels || s.dims[1] < w->height ||
            s.dims[2] < w->width)
            return cj__fail(CJ_SHAPE_ERROR,
                            "whitening needs pictures [N,H,W,%lld] of %lld by %lld at least, for its filters",
                            (long long)w->channels, (long long)w->height, (long long)w->width);
        for (int64_t n = 0; n < batch.count; n++)
            add_picture(w, (const float *)batch.x.data + n * (s.dims[1] * s.dims[2] * channels), s.dims[1],
                        s.dims[2]);
    }
    CJ__TRY(cj_loader_status(loader));
    for (int64_t i = 0; i < w->size; i++)
        for (int64_t j = 0; j <= i; j++)
            w->moments[j * w->size + i] = w->moments[i * w->size + j] /= (double)w->count;
    return CJ_OK;
}

/* --- eigenvectors, by Jacobi's rotations --------------------------------------------------------------- */

static void turn(double *a, double *b, double cosine, double sine)
{
    double before = *a;
    *a = cosine * before - sine * *b;
    *b = sine * before + cosine * *b;
}

/* Makes element p,q of the symmetric matrix zero. */
static void rotate(whitening *w, int64_t p, int64_t q)
{
    int64_t n = w->size;
    double *m = w->moments, off = m[p * n + q];
    if (off == 0) return;
    double theta = (m[q * n + q] - m[p * n + p]) / (2 * off);
    double tangent = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
    double cosine = 1 / sqrt(tangent * tangent + 1), sine = tangent * cosine;
    for (int64_t k = 0; k < n; k++) turn(&m[k * n + p], &m[k * n + q], cosine, sine);
    for (int64_t k = 0; k < n; k++) turn(&m[p * n + k], &m[q * n + k], cosine, sine);
    for (int64_t k = 0; k < n; k++) turn(&w->vectors[k * n + p], &w->vectors[k * n + q], cosine, sine);
}

static double off_diagonal(const whitening *w)
{
    double sum = 0;
    for (int64_t i = 0; i < w->size; i++)
        for (int64_t j = 0; j < i; j++) sum += w->moments[i * w->size + j] * w->moments[i * w->size + j];
    return sum;
}

static void diagonalise(whitening *w)
{
    int64_t n = w->size;
    double trace = 0;
    for (int64_t i = 0; i < n; i++) {
        w->vectors[i * n + i] = 1;
        trace += w->moments[i * n + i];
    }
    for (int sweep = 0; sweep < MOST_SWEEPS && off_diagonal(w) > 1e-28 * trace * trace; sweep++)
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) rotate(w, p, q);
}

/* The largest eigenvalue that is left, which is then taken away. */
static int64_t take_largest(whitening *w, double *value)
{
    int64_t best = 0;
    for (int64_t i = 1; i < w->size; i++)
        if (w->moments[i * w->size + i] > w->moments[best * w->size + best]) best = i;
    *value = w->moments[best * w->size + best];
    w->moments[best * w->size + best] = -INFINITY;
    return best;
}

/* weight: [kH,kW,in,out]; filter i and filter i + out/2 are the two directions of an eigenvector. */
static void set_filters(whitening *w, float *weight, double epsilon)
{
    int64_t half = w->filters / 2;
    for (int64_t f = 0; f < half; f++) {
        double value;
        int64_t column = take_largest(w, &value);
        double scale = 1 / sqrt((value > 0 ? value : 0) + epsilon);
        for (int64_t i = 0; i < w->size; i++) {
            float element = (float)(scale * w->vectors[i * w->size + column]);
            weight[i * w->filters + f] = element;
            weight[i * w->filters + half + f] = -element;
        }
    }
}

/* --- all of it ----------------------------------------------------------------------------------------- */

static cj_status describe(const cj_whiten_options *o, const cj__variable *v, whitening *w)
{
    if (!v) return cj__fail(CJ_NOT_FOUND, "whitening: the model has no parameter '%.200s'", o->name);
    if (!v->kernel || v->shape.rank != 4)
        return cj__fail(CJ_INVALID_ARGUMENT, "whitening: '%s' is not the weight of a 2-D convolution",
                        v->name);
    *w = (whitening){.height = v->shape.dims[0],
                     .width = v->shape.dims[1],
                     .channels = v->shape.dims[2],
                     .filters = v->shape.dims[3]};
    w->size = w->height * w->width * w->channels;
    if (w->size <= MOST_WIDTH && w->filters % 2 == 0 && w->filters <= 2 * w->size) return CJ_OK;
    return cj__fail(CJ_UNSUPPORTED,
                    "whitening: '%s' has %lld filters over patches of %lld numbers; it needs an even count, "
                    "at most twice the numbers, of which there may be %d",
                    v->name, (long long)w->filters, (long long)w->size, MOST_WIDTH);
}

static cj_status make_room(whitening *w)
{
    size_t n = (size_t)w->size, bytes = (n + 2 * n * n) * sizeof(double);
    w->patch = cj__allocate_zeroed(bytes);
    if (!w->patch) return cj__out_of_memory(bytes, "whitening");
    w->moments = w->patch + n;
    w->vectors = w->moments + n * n;
    return CJ_OK;
}

static cj_status read_pictures(const cj_whiten_options *o, whitening *w)
{
    cj_loader *loader;
    int64_t rows = cj_dataset_count(o->dataset), wanted = o->rows ? o->rows : 5000;
    cj_loader_options options = {.size = sizeof options,
                                 .dataset = o->dataset,
                                 .count = wanted < rows ? wanted : rows,
                                 .batch_size = BATCH,
                                 .scale = o->scale,
                                 .shift = o->shift,
                                 .mean = o->mean,
                                 .deviation = o->deviation,
                                 .channels = o->channels,
                                 .prefetch = -1};
    if (rows < 1 || wanted < 1) return cj__fail(CJ_INVALID_ARGUMENT, "whitening: there are no rows");
    CJ__TRY((cj_loader_new)(&loader, &options));
    cj_status status = add_pictures(w, loader);
    cj_loader_free(loader);
    return status;
}

cj_status cj_whiten(cj_model *model, const cj_whiten_options *o)
{
    whitening w = {0};
    CJ__TRY(describe(o, cj__model_find(model, o->name), &w));
    CJ__TRY(make_room(&w));
    cj_status status = read_pictures(o, &w);
    if (status == CJ_OK && !isfinite(off_diagonal(&w)))
        status = cj__fail(CJ_NOT_FINITE, "whitening: the pictures hold infinities or NaN");
    if (status == CJ_OK) {
        diagonalise(&w);
        set_filters(&w, cj_model_find(model, o->name).data, o->epsilon == 0 ? 5e-4 : o->epsilon);
    }
    cj__free(w.patch);
    return status;
}
