/* Which pixels the results of a convolution see: by number, through each tap, and in all. */
#include "cpu/patches.h"

#include <string.h>

enum { LAST = CJ__SPATIAL - 1 };

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t at_most(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t cj__phases_of(const cj__window *w, bool backward)
{
    int64_t phases = 1;
    for (int a = 0; a < CJ__SPATIAL; a++) phases *= cj__phases(w, backward, a);
    return phases;
}

cj__patches cj__patches_of(const cj__window *w, bool backward, int64_t phase)
{
    cj__patches p = {.batch = w->batch};
    for (int a = LAST; a >= 0; a--) {
        int64_t phases = cj__phases(w, backward, a);
        p.size[a] = backward ? w->result[a] : w->size[a];
        p.made[a] = backward ? w->size[a] : w->result[a];
        p.axis[a] = cj__sight_of(w, backward, a, phase % phases);
        phase /= phases;
    }
    return p;
}

int64_t cj__patches_count(const cj__patches *p)
{
    return p->batch * p->axis[0].count * p->axis[1].count * p->axis[2].count;
}

int64_t cj__patches_taps(const cj__patches *p)
{
    return p->axis[0].taps * p->axis[1].taps * p->axis[2].taps;
}

void cj__patches_tap(const cj__patches *p, int64_t number, int64_t tap[CJ__SPATIAL])
{
    for (int a = LAST; a >= 0; number /= p->axis[a].taps, a--) tap[a] = number % p->axis[a].taps;
}

int64_t cj__patches_weight(const cj__patches *p, const cj__window *w, const int64_t tap[CJ__SPATIAL])
{
    int64_t at = 0;
    for (int a = 0; a < CJ__SPATIAL; a++)
        at = at * w->kernel[a] + p->axis[a].tap + tap[a] * p->axis[a].tap_step;
    return at;
}

/* --- by number ----------------------------------------------------------------------------------------- */

cj__neighbours cj__neighbours_at(const cj__patches *p, int64_t first, int64_t end)
{
    cj__neighbours n = {0};
    int64_t number = first;
    for (int a = LAST; a >= 0; number /= p->axis[a].count, a--) n.at[a] = number % p->axis[a].count;
    n.image = number;
    n.count = at_most(end - first, p->axis[LAST].count - n.at[LAST]);
    return n;
}

int64_t cj__result_pixel(const cj__patches *p, int64_t number)
{
    cj__neighbours n = cj__neighbours_at(p, number, number + 1);
    int64_t pixel = n.image;
    for (int a = 0; a < CJ__SPATIAL; a++)
        pixel = pixel * p->made[a] + p->axis[a].first + n.at[a] * p->axis[a].step;
    return pixel;
}

cj__range cj__neighbours_see(const cj__patches *p, const cj__neighbours *n, const int64_t tap[CJ__SPATIAL],
                             int64_t *pixel)
{
    int64_t at = n->image, x = 0, stride = p->axis[LAST].stride, size = p->size[LAST];
    for (int a = 0; a < CJ__SPATIAL; a++) {
        const cj__sight *s = &p->axis[a];
        x = s->from + n->at[a] * s->stride + tap[a] * s->dilation;
        if (a < LAST && (x < 0 || x >= p->size[a])) return (cj__range){0, 0};
        at = at * p->size[a] + x;
    }
    cj__range see = {x < 0 ? (-x + stride - 1) / stride : 0, x < size ? (size - x + stride - 1) / stride : 0};
    see.end = at_most(n->count, see.end);
    if (see.first >= see.end) return (cj__range){0, 0};
    *pixel = at + see.first * stride;
    return see;
}

/* --- pixels that are seen ------------------------------------------------------------------------------ */

static int64_t pixels_of(const cj__patches *p)
{
    return p->size[0] * p->size[1] * p->size[2];
}

/* The first pixel that results from `r` to `last` see, or one before it. Along an axis that is what r sees
 * first, unless a later result of r's image lies further on along an axis before. */
static int64_t first_seen(const cj__patches *p, const cj__neighbours *r, const cj__neighbours *last)
{
    int64_t seen = r->image;
    bool together = r->image == last->image, at_end = true;
    for (int a = 0; a < CJ__SPATIAL; a++) {
        const cj__sight *s = &p->axis[a];
        int64_t first = at_most(p->size[a], at_least(0, s->from + r->at[a] * s->stride));
        seen = seen * p->size[a] + (together || at_end ? first : 0);
        together = together && r->at[a] == last->at[a];
        at_end = at_end && r->at[a] == s->count - 1;
    }
    return r->image < last->image ? at_most(seen, (r->image + 1) * pixels_of(p)) : seen;
}

/* The pixel after the last one, likewise. */
static int64_t end_seen(const cj__patches *p, const cj__neighbours *first, const cj__neighbours *r)
{
    int64_t seen = r->image;
    bool together = r->image == first->image, at_start = true;
    for (int a = 0; a < CJ__SPATIAL; a++) {
        const cj__sight *s = &p->axis[a];
        int64_t last = s->from + r->at[a] * s->stride + (s->taps - 1) * s->dilation;
        last = at_most(p->size[a] - 1, at_least(-1, last));
        seen = seen * p->size[a] + (together || at_start ? last : p->size[a] - 1);
        together = together && r->at[a] == first->at[a];
        at_start = at_start && r->at[a] == 0;
    }
    return first->image < r->image ? at_least(seen + 1, r->image * pixels_of(p)) : seen + 1;
}

cj__range cj__pixels_seen(const cj__patches *p, int64_t first, int64_t end)
{
    if (first >= end || cj__patches_taps(p) == 0) return (cj__range){0, 0};
    cj__neighbours from = cj__neighbours_at(p, first, end), to = cj__neighbours_at(p, end - 1, end);
    cj__range seen = {first_seen(p, &from, &to), end_seen(p, &from, &to)};
    seen.end = at_least(seen.first, seen.end);
    return seen;
}

/* --- patches in f32 ------------------------------------------------------------------------------------ */

void cj__copy_patches(const cj__patches *p, const float *x, int64_t channels, int64_t count,
                      const int64_t tap[CJ__SPATIAL], int64_t first, int64_t end, float *to, int64_t row)
{
    cj__neighbours n;
    for (int64_t number = first; number < end; number += n.count) {
        int64_t pixel = 0, i = 0;
        n = cj__neighbours_at(p, number, end);
        cj__range see = cj__neighbours_see(p, &n, tap, &pixel);
        for (; i < see.first; i++, to += row) memset(to, 0, (size_t)count * sizeof *to);
        for (; i < see.end; i++, to += row, pixel += p->axis[LAST].stride)
            memcpy(to, x + pixel * channels, (size_t)count * sizeof *to);
        for (; i < n.count; i++, to += row) memset(to, 0, (size_t)count * sizeof *to);
    }
}
