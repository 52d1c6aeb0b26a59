/* Scheduling, between selection and the layout of memory: steps that need nothing of each other become a
 * group, whose tasks the team shares out together. A network's gradients and updates are many small steps;
 * one by one each would end in a wait for all threads. Each step goes to the first group it can go to (list
 * scheduling), but not far from where it was: results that wait for long need memory. */
#include "compile/schedule.h"
#include "base/shape.h"
#include "compile/chain.h"
#include "graph/attributes.h"

#include <stdlib.h>
#include <string.h>

enum {
    WINDOW = 8,          /* groups at the end that a step may still join */
    MOST_TASKS = 64,     /* a group with more keeps any team busy */
    WORTH_SHARING = 500, /* nanoseconds off the one thread that else would do it all */
};

typedef struct {
    cj_program *program;
    bool apart;
    int32_t *step_of;  /* by buffer: the step that writes it, by its old place; -1: none */
    int32_t *read_at;  /* by buffer: the last group that reads it so far; -1: none */
    int32_t *group_of; /* by step */
    cj__group *groups;
    bool *closed; /* by group: nothing more may join */
    int32_t count;
} scheduler;

const cj__commit *cj__commit_of(const cj_program *p, int32_t buffer)
{
    for (int64_t c = 0; c < p->commit_count; c++)
        if (p->commits[c].buffer == buffer) return &p->commits[c];
    return NULL;
}

bool cj__only_commits(const cj_program *p, const cj__step *step)
{
    for (int i = 0; i < step->launch.outputs_count; i++)
        if (!cj__commit_of(p, cj__output(step, i))) return false;
    return true;
}

bool cj__is_output(const cj_program *p, int32_t buffer)
{
    for (int64_t i = 0; i < p->output_count; i++)
        if (p->outputs[i] == buffer) return true;
    return false;
}

bool cj__read_beside(const cj_program *p, const cj__group *group, const cj__step *step, int32_t buffer,
                     const cj__variable *variable)
{
    for (int32_t s = group->first; s < group->first + group->count; s++) {
        const cj__step *other = &p->steps[s];
        for (int i = 0; other != step && i < other->launch.inputs_count; i++) {
            const cj__buffer *read = &p->buffers[other->operands[i]];
            if (other->operands[i] == buffer) return true;
            if (variable && read->storage == CJ__VARIABLE && read->variable == variable) return true;
        }
    }
    return false;
}

/* --- groups -------------------------------------------------------------------------------------------- */

static int32_t later(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* The new value of a variable may be written over the old: after everybody who reads that. */
static int32_t after_readers(const scheduler *s, const cj__variable *variable)
{
    int32_t group = 0;
    for (int64_t b = 0; b < s->program->buffer_count; b++) {
        const cj__buffer *buffer = &s->program->buffers[b];
        if (buffer->storage == CJ__VARIABLE && buffer->variable == variable)
            group = later(group, s->read_at[b] + 1);
    }
    return group;
}

/* The first group a step may be in; of a step before that is not placed yet it knows nothing. What only
 * updates variables must know the guard. */
static int32_t earliest(const scheduler *s, int64_t index)
{
    const cj_program *p = s->program;
    const cj__step *step = &p->steps[index];
    int32_t group = 0;
    for (int i = 0; i < cj__reads_count(step); i++) {
        int32_t maker = s->step_of[cj__read(step, i)];
        if (maker >= 0) group = later(group, s->group_of[maker] + 1);
    }
    for (int i = 0; i < step->launch.outputs_count; i++) {
        const cj__commit *commit = cj__commit_of(p, cj__output(step, i));
        if (commit) group = later(group, after_readers(s, commit->variable));
    }
    int32_t guard = p->guard >= 0 ? s->step_of[p->guard] : -1;
    if (guard >= 0 && guard < index && cj__only_commits(p, step))
        group = later(group, s->group_of[guard] + 1);
    return group;
}

/* A loop walks its own groups, and a full group has no need of company. */
static bool may_join(const scheduler *s, int32_t group, const cj__step *step)
{
    return !s->closed[group] && !step->loop && s->groups[group].tasks + step->launch.tasks <= MOST_TASKS;
}

/* What a step before makes needs memory until the next step has used it, so it goes next to what that one
 * waits for: a network's weights are not all transformed at the start. */
static int32_t first_choice(const scheduler *s, int64_t index)
{
    if (s->apart) return s->count;
    if (s->program->steps[index].kept) return earliest(s, index);
    int32_t group = later(earliest(s, index), later(s->count - WINDOW, (int32_t)s->program->kept_groups));
    return s->program->steps[index].before ? later(group, earliest(s, index + 1) - 1) : group;
}

static void place(scheduler *s, int64_t index)
{
    const cj__step *step = &s->program->steps[index];
    int32_t group = first_choice(s, index);
    while (!step->kept && group < s->count && !may_join(s, group, step)) group++;
    if (group == s->count) s->closed[s->count++] = step->loop != NULL;
    s->group_of[index] = group;
    s->groups[group].count++;
    s->groups[group].tasks += step->launch.tasks;
    for (int i = 0; i < cj__reads_count(step); i++)
        s->read_at[cj__read(step, i)] = later(s->read_at[cj__read(step, i)], group);
}

/* --- what a group's tasks take ------------------------------------------------------------------------- */

/* Nanoseconds of one thread, roughly. */
static double estimate(const cj__step *step)
{
    double bytes = 0, elements = 0;
    for (int i = 0; i < step->launch.inputs_count + step->launch.outputs_count; i++) {
        double count = (double)cj_shape_count(step->launch.types[i].shape);
        bytes += count * (double)cj_dtype_size(step->launch.types[i].dtype);
        if (count > elements) elements = count;
    }
    double time = bytes / 16 + step->operations / 64;
    if (step->launch.op != CJ__OP_chain) return time;
    const cj__chain *chain = ((const cj__chain_attributes *)step->launch.attributes)->chain;
    return time + elements * (double)chain->instructions_count / 16;
}

/* Heavy steps first: what is light fills the end. */
static int compare_steps(const void *a, const void *b)
{
    double x = estimate(a), y = estimate(b);
    return (x < y) - (x > y);
}

static void finish_group(cj_program *p, cj__group *group)
{
    cj__step *steps = p->steps + group->first;
    double total = 0, longest = 0;
    int64_t tasks = 0;
    qsort(steps, (size_t)group->count, sizeof *steps, compare_steps);
    for (int32_t i = 0; i < group->count; i++) {
        double time = estimate(&steps[i]), task = time / (double)later(1, (int32_t)steps[i].launch.tasks);
        steps[i].first_task = tasks;
        tasks += steps[i].launch.tasks;
        total += time;
        if (task > longest) longest = task;
    }
    group->shared = tasks > 1 && total - longest >= WORTH_SHARING;
}

static void number_operands(cj_program *p)
{
    int64_t operands = 0;
    for (int64_t i = 0; i < p->step_count; i++) {
        p->steps[i].first_operand = operands;
        operands += p->steps[i].operands_count;
    }
}

/* --- the pass ------------------------------------------------------------------------------------------ */

static cj_status begin(scheduler *s)
{
    cj_program *p = s->program;
    size_t steps = (size_t)p->step_count + 1, buffers = (size_t)p->buffer_count + 1;
    s->groups = p->groups = cj__arena_allocate(&p->arena, steps * sizeof *p->groups);
    s->step_of = cj__allocate(buffers * 4);
    s->read_at = cj__allocate(buffers * 4);
    s->group_of = cj__allocate(steps * 4);
    s->closed = cj__allocate_zeroed(steps);
    if (!s->groups || !s->step_of || !s->read_at || !s->group_of || !s->closed)
        return cj__out_of_memory(steps * sizeof *p->groups, "ordering a program");
    memset(s->groups, 0, steps * sizeof *p->groups);
    memset(s->step_of, 0xff, buffers * 4);
    memset(s->group_of, 0xff, steps * 4);
    memset(s->read_at, 0xff, buffers * 4);
    for (int64_t i = 0; i < p->step_count; i++)
        for (int k = 0; k < p->steps[i].launch.outputs_count; k++)
            s->step_of[cj__output(&p->steps[i], k)] = (int32_t)i;
    return CJ_OK;
}

/* What is kept reads nothing else that a step makes: it has the first groups, and nothing joins it. */
static void place_all(scheduler *s)
{
    cj_program *p = s->program;
    for (int64_t i = 0; i < p->step_count; i++)
        if (p->steps[i].kept) place(s, i);
    p->kept_groups = s->count;
    memset(s->closed, true, (size_t)s->count);
    for (int64_t i = 0; i < p->step_count; i++)
        if (!p->steps[i].kept) place(s, i);
}

/* Sorts the steps by group; those of a group stay in order. */
static cj_status sort_steps(scheduler *s)
{
    cj_program *p = s->program;
    cj__step *old = cj__allocate((size_t)(p->step_count + 1) * sizeof *old);
    if (!old) return cj__out_of_memory((size_t)p->step_count * sizeof *old, "ordering a program");
    memcpy(old, p->steps, (size_t)p->step_count * sizeof *old);
    for (int32_t g = 0, first = 0; g < s->count; first += s->groups[g++].count) s->groups[g].first = first;
    for (int64_t i = 0; i < p->step_count; i++) p->steps[s->groups[s->group_of[i]].first++] = old[i];
    for (int32_t g = 0; g < s->count; g++) s->groups[g].first -= s->groups[g].count;
    cj__free(old);
    return CJ_OK;
}

cj_status cj__schedule(cj_program *p, bool apart, int32_t *made_at, int32_t *last_use)
{
    scheduler s = {.program = p, .apart = apart};
    cj_status status = begin(&s);
    if (status == CJ_OK) place_all(&s);
    if (status == CJ_OK) status = sort_steps(&s);
    p->group_count = status == CJ_OK ? s.count : 0;
    for (int64_t g = 0; g < p->group_count; g++) finish_group(p, &p->groups[g]);
    number_operands(p);
    for (int64_t b = 0; status == CJ_OK && b < p->buffer_count; b++) {
        made_at[b] = s.step_of[b] < 0 ? -1 : s.group_of[s.step_of[b]];
        last_use[b] = s.read_at[b];
    }
    cj__free(s.step_of);
    cj__free(s.read_at);
    cj__free(s.group_of);
    cj__free(s.closed);
    return status;
}
