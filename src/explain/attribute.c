/* The methods: each shows the network variants of an example and makes one number of every pixel. Sums are of
 * doubles, in an order that depends on the options alone. */
#include "base/random.h"
#include "explain/probe.h"
#include "graph/graph.h"

#include <math.h>
#include <string.h>

typedef struct {
    const cj_explain_options *o;
    cj__probe probe;
    cj__picture_shape picture;
    int64_t channels, pixels; /* of the map; x has channels · pixels numbers */
    double *sums;             /* [size]: of gradients, or of falls of the score */
    float *map;
    cj_explanation facts;
} task;

/* --- names --------------------------------------------------------------------------------------------- */

const char *cj_explain_method_name(cj_explain_method method)
{
    static const char *const names[CJ_EXPLAIN_METHODS] = {"saliency", "smoothgrad", "integrated", "grad-cam",
                                                          "occlusion"};
    return (unsigned)method < CJ_EXPLAIN_METHODS ? names[method] : "unknown";
}

bool cj_explain_method_is_signed(cj_explain_method method)
{
    return method == CJ_INTEGRATED_GRADIENTS || method == CJ_OCCLUSION;
}

/* --- rows of a batch ----------------------------------------------------------------------------------- */

static const float *example(const task *t)
{
    return t->o->x.data;
}

static float baseline_at(const task *t, int64_t i)
{
    return t->o->baseline ? t->o->baseline[i] : 0;
}

static float *row_of(const task *t, int64_t row)
{
    return t->probe.x + row * t->probe.size;
}

static void put_example(const task *t, int64_t row)
{
    memcpy(row_of(t, row), example(t), (size_t)t->probe.size * sizeof(float));
}

static cj_status run(task *t, int64_t rows)
{
    t->facts.steps += rows;
    return cj__probe_run(&t->probe);
}

/* The scores of x and of the baseline. */
static cj_status score_both(task *t)
{
    put_example(t, 0);
    CJ__TRY(run(t, 1));
    t->facts.score = (double)t->probe.scores[0];
    for (int64_t i = 0; i < t->probe.size; i++) row_of(t, 0)[i] = baseline_at(t, i);
    CJ__TRY(run(t, 1));
    t->facts.baseline_score = (double)t->probe.scores[0];
    return CJ_OK;
}

static const float *gradient_of(const task *t, int64_t row)
{
    return t->probe.result + row * t->probe.size;
}

static void add_gradient(task *t, int64_t row, double weight)
{
    for (int64_t i = 0; i < t->probe.size; i++) t->sums[i] += weight * (double)gradient_of(t, row)[i];
}

/* --- saliency and SmoothGrad --------------------------------------------------------------------------- */

static void largest_of_channels(task *t, double factor)
{
    for (int64_t p = 0; p < t->pixels; p++) {
        double largest = 0;
        for (int64_t c = 0; c < t->channels; c++)
            largest = fmax(largest, fabs(t->sums[p * t->channels + c]) * factor);
        t->map[p] = (float)largest;
    }
}

static cj_status saliency(task *t)
{
    put_example(t, 0);
    CJ__TRY(run(t, 1));
    t->facts.score = (double)t->probe.scores[0];
    add_gradient(t, 0, 1);
    largest_of_channels(t, 1);
    return CJ_OK;
}

static float spread(const task *t)
{
    float least = example(t)[0], most = least;
    for (int64_t i = 1; i < t->probe.size; i++) {
        least = fminf(least, example(t)[i]);
        most = fmaxf(most, example(t)[i]);
    }
    return most - least;
}

static cj_status smoothgrad(task *t)
{
    int64_t samples = t->o->samples ? t->o->samples : 64, rows;
    float deviation = (float)(t->o->noise == 0 ? 0.15 : t->o->noise) * spread(t);
    uint64_t key = cj__mix(t->o->seed, cj__hash_text("smoothgrad"));
    put_example(t, 0);
    CJ__TRY(run(t, 1));
    t->facts.score = (double)t->probe.scores[0];
    for (int64_t first = 0; first < samples; first += rows) {
        rows = samples - first < t->probe.rows ? samples - first : t->probe.rows;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < t->probe.size; i++)
                row_of(t, r)[i] =
                    example(t)[i] + deviation * cj__normal(key, (uint64_t)(first + r), (uint64_t)i);
        CJ__TRY(run(t, rows));
        for (int64_t r = 0; r < rows; r++) add_gradient(t, r, 1);
    }
    largest_of_channels(t, 1 / (double)samples);
    return CJ_OK;
}

/* --- integrated gradients ------------------------------------------------------------------------------ */

enum { FIRST_PIECES = 32, MOST_PIECES = 1024 };

/* A point of the way from the baseline (0) to x (1). */
typedef struct {
    double at, score, slope; /* slope: by how much the score rises along the whole way, if it goes on so */
    bool seen;
} point;

/* The way in pieces, from its beginning to its end: piece k from point 2k by its middle to point 2k + 2. */
typedef struct {
    int64_t pieces;
    point *points; /* [2 pieces + 1]; NULL: equal pieces that nobody looked at */
} way;

static double step_at(const task *t, int64_t i)
{
    return (double)example(t)[i] - (double)baseline_at(t, i);
}

static void put_between(const task *t, int64_t row, double at)
{
    for (int64_t i = 0; i < t->probe.size; i++)
        row_of(t, row)[i] = (float)((double)baseline_at(t, i) + at * step_at(t, i));
}

static double middle_of(const way *w, int64_t k)
{
    return w->points ? w->points[2 * k + 1].at : ((double)k + 0.5) / (double)w->pieces;
}

static double length_of(const way *w, int64_t k)
{
    return w->points ? w->points[2 * k + 2].at - w->points[2 * k].at : 1 / (double)w->pieces;
}

/* The map: each gradient in the middle of a piece counts for the piece. */
static cj_status integrate(task *t, const way *w)
{
    for (int64_t first = 0, rows; first < w->pieces; first += rows) {
        rows = w->pieces - first < t->probe.rows ? w->pieces - first : t->probe.rows;
        for (int64_t r = 0; r < rows; r++) put_between(t, r, middle_of(w, first + r));
        CJ__TRY(run(t, rows));
        for (int64_t r = 0; r < rows; r++) add_gradient(t, r, length_of(w, first + r));
    }
    for (int64_t p = 0; p < t->pixels; p++) {
        double pixel = 0;
        for (int64_t i = p * t->channels; i < (p + 1) * t->channels; i++) pixel += step_at(t, i) * t->sums[i];
        t->map[p] = (float)pixel;
    }
    return CJ_OK;
}

/* --- where to look on the way -------------------------------------------------------------------------- */

static void note(const task *t, int64_t row, point *p)
{
    p->seen = true;
    p->score = (double)t->probe.scores[row];
    for (int64_t i = 0; i < t->probe.size; i++) p->slope += step_at(t, i) * (double)gradient_of(t, row)[i];
}

/* Looks at the points that were not seen yet. */
static cj_status look(task *t, const way *w)
{
    int64_t rows = 0, count = 2 * w->pieces + 1;
    for (int64_t i = 0, first = 0; i < count; i++) {
        if (!w->points[i].seen) put_between(t, rows++, w->points[i].at);
        if (rows == 0 || (rows < t->probe.rows && i + 1 < count)) continue;
        CJ__TRY(run(t, rows));
        for (int64_t r = 0; r < rows; first++)
            if (!w->points[first].seen) note(t, r++, &w->points[first]);
        rows = 0;
    }
    return CJ_OK;
}

/* What the middle's slope says of a piece, less what the scores at its ends say, which is right. */
static double error_of(const way *w, int64_t k)
{
    const point *p = w->points + 2 * k;
    return p[1].slope * length_of(w, k) - (p[2].score - p[0].score);
}

static double error_of_all(const way *w, bool magnitudes)
{
    double sum = 0;
    for (int64_t k = 0; k < w->pieces; k++) sum += magnitudes ? fabs(error_of(w, k)) : error_of(w, k);
    return sum;
}

static point between(point a, point b)
{
    return (point){.at = (a.at + b.at) / 2};
}

static void add_piece(way *w, point begin, point middle, point end)
{
    point *p = w->points + 2 * w->pieces++;
    p[0] = begin, p[1] = middle, p[2] = end;
}

/* Halves the pieces that are no better than the mean, where all are alike each of them; a middle becomes an
 * end of both its halves. */
static void halve_worst(const way *from, way *to)
{
    double enough = 0.99 * error_of_all(from, true) / (double)from->pieces;
    int64_t room = MOST_PIECES - from->pieces;
    to->pieces = 0;
    for (int64_t k = 0; k < from->pieces; k++) {
        const point *p = from->points + 2 * k;
        if (room > 0 && fabs(error_of(from, k)) >= enough) {
            add_piece(to, p[0], between(p[0], p[1]), p[1]);
            add_piece(to, p[1], between(p[1], p[2]), p[2]);
            room--;
        } else
            add_piece(to, p[0], p[1], p[2]);
    }
}

/* Looks closer where slopes and scores disagree, until the slopes sum to the difference of the scores. */
static cj_status search(task *t, way *w, way *other)
{
    double allowed = 1e-3 * fabs(t->facts.score - t->facts.baseline_score);
    w->pieces = FIRST_PIECES;
    for (int64_t i = 0; i <= 2 * FIRST_PIECES; i++)
        w->points[i] = (point){.at = (double)i / (2 * FIRST_PIECES)};
    CJ__TRY(look(t, w));
    while (w->pieces < MOST_PIECES && fabs(error_of_all(w, false)) > allowed) {
        halve_worst(w, other);
        way halved = *other;
        *other = *w;
        *w = halved;
        CJ__TRY(look(t, w));
    }
    return CJ_OK;
}

static cj_status integrated_gradients(task *t)
{
    way equal = {.pieces = t->o->steps};
    CJ__TRY(score_both(t));
    if (t->o->steps) return integrate(t, &equal);
    size_t bytes = (2 * MOST_PIECES + 1) * sizeof(point);
    way w = {.points = cj__allocate(bytes)}, other = {.points = cj__allocate(bytes)};
    cj_status status =
        w.points && other.points ? search(t, &w, &other) : cj__out_of_memory(bytes, "an explanation");
    if (status == CJ_OK) status = integrate(t, &w);
    cj__free(w.points);
    cj__free(other.points);
    return status;
}

/* --- Grad-CAM ------------------------------------------------------------------------------------------ */

static cj_status grad_cam(task *t)
{
    put_example(t, 0);
    CJ__TRY(run(t, 1));
    t->facts.score = (double)t->probe.scores[0];
    memcpy(t->map, t->probe.result, (size_t)t->pixels * sizeof *t->map);
    memcpy(t->facts.layer, t->probe.layer, sizeof t->facts.layer);
    return CJ_OK;
}

/* --- occlusion ----------------------------------------------------------------------------------------- */

typedef struct {
    int64_t side, stride, down, across; /* windows along each axis; the last ends at the picture's edge */
} windows;

static int64_t places(int64_t length, const windows *w)
{
    return 1 + (length - w->side + w->stride - 1) / w->stride;
}

static windows lay_windows(const task *t)
{
    const cj__picture_shape *p = &t->picture;
    int64_t shorter = p->height < p->width ? p->height : p->width;
    windows w = {.side = t->o->window ? t->o->window : (shorter + 4) / 5};
    w.stride = t->o->stride ? t->o->stride : (w.side + 2) / 3;
    w.down = places(p->height, &w);
    w.across = places(p->width, &w);
    return w;
}

/* The corner of window `index`. */
static void corner(const task *t, const windows *w, int64_t index, int64_t *top, int64_t *left)
{
    *top = index / w->across * w->stride;
    *left = index % w->across * w->stride;
    if (*top > t->picture.height - w->side) *top = t->picture.height - w->side;
    if (*left > t->picture.width - w->side) *left = t->picture.width - w->side;
}

static void put_occluded(const task *t, const windows *w, int64_t row, int64_t index)
{
    int64_t top, left;
    put_example(t, row);
    corner(t, w, index, &top, &left);
    for (int64_t y = top; y < top + w->side; y++)
        for (int64_t i = (y * t->picture.width + left) * t->channels;
             i < (y * t->picture.width + left + w->side) * t->channels; i++)
            row_of(t, row)[i] = baseline_at(t, i);
}

/* counts: [pixels], how many windows cover each */
static void add_fall(task *t, const windows *w, int64_t index, double fall, int64_t *counts)
{
    int64_t top, left;
    corner(t, w, index, &top, &left);
    for (int64_t y = top; y < top + w->side; y++)
        for (int64_t x = left; x < left + w->side; x++) {
            t->sums[y * t->picture.width + x] += fall;
            counts[y * t->picture.width + x]++;
        }
}

static cj_status occlude(task *t, const windows *w, int64_t *counts)
{
    int64_t count = w->down * w->across, rows;
    for (int64_t first = 0; first < count; first += rows) {
        rows = count - first < t->probe.rows ? count - first : t->probe.rows;
        for (int64_t r = 0; r < rows; r++) put_occluded(t, w, r, first + r);
        CJ__TRY(run(t, rows));
        for (int64_t r = 0; r < rows; r++)
            add_fall(t, w, first + r, t->facts.score - (double)t->probe.scores[r], counts);
    }
    return CJ_OK;
}

static cj_status occlusion(task *t)
{
    windows w = lay_windows(t);
    CJ__TRY(score_both(t));
    int64_t *counts = cj__allocate_zeroed((size_t)t->pixels * sizeof *counts);
    if (!counts) return cj__out_of_memory((size_t)t->pixels * sizeof *counts, "occlusion");
    cj_status status = occlude(t, &w, counts);
    for (int64_t p = 0; p < t->pixels; p++)
        t->map[p] = counts[p] ? (float)(t->sums[p] / (double)counts[p]) : 0;
    cj__free(counts);
    return status;
}

/* --- checking ------------------------------------------------------------------------------------------ */

enum { MOST = 1000000 };

static cj_status check_number(const char *what, int64_t number, int64_t most)
{
    if (number >= 0 && number <= most) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT, "%s is %lld, but must be from 1 to %lld, or 0 for the standard",
                    what, (long long)number, (long long)most);
}

static cj_status check(const cj_explain_options *o, const cj__picture_shape *picture)
{
    int64_t shorter = picture->height < picture->width ? picture->height : picture->width;
    bool needs_picture = o->method == CJ_GRAD_CAM || o->method == CJ_OCCLUSION;
    char text[CJ__SHAPE_TEXT];
    if ((unsigned)o->method >= CJ_EXPLAIN_METHODS)
        return cj__fail(CJ_INVALID_ARGUMENT, "there is no method of explaining %d", (int)o->method);
    if (needs_picture && shorter < 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s explains pictures, [H,W] or [H,W,C], but x is %s",
                        cj_explain_method_name(o->method), cj__shape_text(o->x.shape, text));
    if (!(o->noise >= 0 && o->noise <= 1e6))
        return cj__fail(CJ_INVALID_ARGUMENT, "noise is %g, but must be a share from 0 on", o->noise);
    CJ__TRY(check_number("samples", o->samples, MOST));
    CJ__TRY(check_number("steps", o->steps, MOST));
    CJ__TRY(check_number("stride", o->stride, MOST));
    return needs_picture ? check_number("window", o->window, shorter) : CJ_OK;
}

/* --- all together -------------------------------------------------------------------------------------- */

static const struct {
    cj__probe_kind probe;
    cj_status (*explain)(task *t);
} methods[CJ_EXPLAIN_METHODS] = {
    [CJ_SALIENCY] = {CJ__PROBE_GRADIENT, saliency},
    [CJ_SMOOTHGRAD] = {CJ__PROBE_GRADIENT, smoothgrad},
    [CJ_INTEGRATED_GRADIENTS] = {CJ__PROBE_GRADIENT, integrated_gradients},
    [CJ_GRAD_CAM] = {CJ__PROBE_CAM, grad_cam},
    [CJ_OCCLUSION] = {CJ__PROBE_SCORES, occlusion},
};

static cj_status explain(task *t)
{
    CJ__TRY(cj__probe_new(&t->probe, t->o, methods[t->o->method].probe));
    t->sums = cj__allocate_zeroed((size_t)t->probe.size * sizeof *t->sums);
    if (!t->sums) return cj__out_of_memory((size_t)t->probe.size * sizeof *t->sums, "an explanation");
    t->channels = t->picture.channels;
    t->pixels = t->probe.size / t->channels;
    CJ__TRY(methods[t->o->method].explain(t));
    for (int64_t p = 0; p < t->pixels; p++) t->facts.sum += (double)t->map[p];
    if (isfinite(t->facts.sum) && isfinite(t->facts.score)) return CJ_OK;
    return cj__fail(CJ_NOT_FINITE, "%s finds numbers that are not finite: x or a weight has some",
                    cj_explain_method_name(t->o->method));
}

cj_status cj_explain(const cj_explain_options *options, float *map, cj_explanation *explanation)
{
    task t = {.o = options, .picture = cj__picture_of(options->x.shape), .map = map};
    CJ__TRY(check(options, &t.picture));
    cj_status status = explain(&t);
    cj__probe_free(&t.probe);
    cj__free(t.sums);
    if (status == CJ_OK && explanation) *explanation = t.facts;
    return status;
}
