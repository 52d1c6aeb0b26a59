/* The slab: each value has a place there from the group that makes it to the last that reads it. Places are
 * found for the largest first, each as low as those that live at the same time allow: so small values fill
 * what gaps large ones leave, and little more is taken than what lives at once. */
#include "compile/layout.h"
#include "base/shape.h"
#include "compile/loop.h"
#include "compile/schedule.h"

#include <stdlib.h>
#include <string.h>

/* Of one buffer, or of several in turn that are written over each other. */
typedef struct {
    int32_t first, last; /* groups, both included */
    int32_t number;
    size_t size, offset;
} place;

typedef struct {
    cj_program *program;
    const int32_t *last_use; /* by buffer */
    int32_t *place_of;       /* by buffer; -1: none */
    place *places;
    place **order; /* by size, then by what was placed already */
    int32_t count;
} layout;

size_t cj__buffer_bytes(const cj__buffer *buffer)
{
    size_t bytes = (size_t)cj_shape_count(buffer->type.shape) * cj_dtype_size(buffer->type.dtype);
    return cj__whole_lines(bytes);
}

/* --- who needs a place, and for how long --------------------------------------------------------------- */

static void add_place(layout *l, int32_t buffer, int32_t group)
{
    int32_t last = l->last_use[buffer];
    l->place_of[buffer] = l->count;
    l->places[l->count] = (place){.first = group,
                                  .last = last > group ? last : group,
                                  .number = l->count,
                                  .size = cj__buffer_bytes(&l->program->buffers[buffer])};
    l->count++;
}

/* Whether output o may lie on a buffer, which a step may read as more than one input. */
static bool may_lie_on(const cj__step *step, int o, int32_t buffer)
{
    for (int i = 0; i < step->launch.inputs_count; i++)
        if (step->operands[i] == buffer && !step->kernel->lies_on(&step->launch, o, i)) return false;
    return true;
}

/* Gives the step's output o the place of an input of the same size that dies here, where the kernel can. */
static bool reuse_input(layout *l, int32_t at, const cj__step *step, int o)
{
    const cj_program *p = l->program;
    int32_t output = cj__output(step, o);
    const cj__buffer *out = &p->buffers[output];
    for (int i = 0; step->kernel->lies_on && i < step->launch.inputs_count; i++) {
        int32_t input = step->operands[i];
        const cj__buffer *in = &p->buffers[input];
        bool dies = in->storage == CJ__SLAB && l->last_use[input] == at && l->place_of[input] >= 0;
        if (!dies || !may_lie_on(step, o, input) || cj__read_beside(p, &p->groups[at], step, input, NULL))
            continue;
        place *there = &l->places[l->place_of[input]];
        bool same = cj_dtype_size(in->type.dtype) == cj_dtype_size(out->type.dtype) &&
                    cj__buffer_bytes(in) == cj__buffer_bytes(out);
        if (!same || there->last != at) continue; /* or another output has it already */
        l->place_of[output] = there->number;
        there->last = l->last_use[output] > at ? l->last_use[output] : at + 1;
        return true;
    }
    return false;
}

static void find_places(layout *l)
{
    const cj_program *p = l->program;
    for (int32_t g = 0; g < (int32_t)p->group_count; g++)
        for (int32_t s = p->groups[g].first; s < p->groups[g].first + p->groups[g].count; s++) {
            const cj__step *step = &p->steps[s];
            if (step->loop) add_place(l, step->loop->workspace, g);
            for (int i = 0; i < step->launch.outputs_count; i++) {
                int32_t output = cj__output(step, i);
                if (p->buffers[output].storage == CJ__SLAB && !reuse_input(l, g, step, i))
                    add_place(l, output, g);
            }
        }
}

/* --- where --------------------------------------------------------------------------------------------- */

static int larger_first(const void *a, const void *b)
{
    const place *x = *(place *const *)a, *y = *(place *const *)b;
    if (x->size != y->size) return x->size < y->size ? 1 : -1;
    return x->number - y->number;
}

/* The lowest gap that is large enough among those placed already, which stand in order of their offsets. */
static void find_gap(layout *l, place *wanted, int32_t placed)
{
    size_t end = 0;
    int32_t at = placed;
    for (int32_t i = 0; i < placed; i++) {
        const place *other = l->order[i];
        if (other->last < wanted->first || other->first > wanted->last) continue;
        if (other->offset >= end && other->offset - end >= wanted->size) break;
        if (other->offset + other->size > end) end = other->offset + other->size;
    }
    wanted->offset = end;
    while (at > 0 && l->order[at - 1]->offset > end) at--;
    memmove(l->order + at + 1, l->order + at, (size_t)(placed - at) * sizeof *l->order);
    l->order[at] = wanted;
    if (end + wanted->size > l->program->slab_bytes) l->program->slab_bytes = end + wanted->size;
}

static void arrange(layout *l)
{
    for (int32_t i = 0; i < l->count; i++) l->order[i] = &l->places[i];
    qsort(l->order, (size_t)l->count, sizeof *l->order, larger_first);
    for (int32_t i = 0; i < l->count; i++) find_gap(l, l->order[i], i);
    for (int64_t b = 0; b < l->program->buffer_count; b++)
        if (l->place_of[b] >= 0) l->program->buffers[b].offset = l->places[l->place_of[b]].offset;
}

cj_status cj__lay_out(cj_program *program, const int32_t *last_use)
{
    size_t buffers = (size_t)program->buffer_count + 1;
    layout l = {.program = program,
                .last_use = last_use,
                .place_of = cj__allocate(buffers * sizeof *l.place_of),
                .places = cj__allocate(buffers * sizeof *l.places),
                .order = cj__allocate(buffers * sizeof *l.order)};
    bool ok = l.place_of && l.places && l.order;
    if (ok) {
        memset(l.place_of, 0xff, buffers * sizeof *l.place_of);
        find_places(&l);
        arrange(&l);
    }
    cj__free(l.place_of);
    cj__free(l.places);
    cj__free(l.order);
    return ok ? CJ_OK : cj__out_of_memory(buffers * sizeof *l.places, "laying out a program");
}
