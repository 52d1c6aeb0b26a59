/* Between schedule and layout: a step whose every result is a new value of a variable, which nothing else
 * reads, writes the variable itself where nothing needs the old value any more, so that an optimizer's step
 * takes no memory of its own. */
#include "compile/schedule.h"

typedef struct {
    cj_program *program;
    const int32_t *made_at, *last_use; /* by buffer, as cj__schedule leaves them */
} updates;

/* The last group that reads the variable's old value. */
static int32_t last_read(const updates *u, const cj__variable *variable)
{
    int32_t last = -1;
    for (int64_t b = 0; b < u->program->buffer_count; b++)
        if (u->program->buffers[b].storage == CJ__VARIABLE && u->program->buffers[b].variable == variable &&
            u->last_use[b] > last)
            last = u->last_use[b];
    return last;
}

/* A variable is also an output: its old value is copied out at the end of the run. */
static bool variable_is_output(const updates *u, const cj__variable *variable)
{
    for (int64_t i = 0; i < u->program->output_count; i++) {
        const cj__buffer *buffer = &u->program->buffers[u->program->outputs[i]];
        if (buffer->storage == CJ__VARIABLE && buffer->variable == variable) return true;
    }
    return false;
}

/* Whether any output may lie on input i. */
static bool all_lie_on(const cj__step *step, int i)
{
    for (int o = 0; o < step->launch.outputs_count; o++)
        if (!step->kernel->lies_on(&step->launch, o, i)) return false;
    return true;
}

/* An input of a variable that the same step writes, a broadcast one say, would be read too late unless the
 * kernel reads each of its elements before it writes there. */
static bool reads_too_late(const updates *u, const cj__step *step)
{
    for (int i = 0; i < step->launch.inputs_count; i++) {
        const cj__buffer *in = &u->program->buffers[step->operands[i]];
        if (in->storage != CJ__VARIABLE || all_lie_on(step, i)) continue;
        for (int64_t c = 0; c < u->program->commit_count; c++)
            if (u->program->commits[c].variable == in->variable) return true;
    }
    return false;
}

/* Whether a result may be written over its one variable's old value, which nobody needs from then on. Others
 * may read the result, unless it stays away when the guard is false. */
static bool output_in_place(const updates *u, const cj__group *group, const cj__step *step, int32_t output)
{
    int32_t at = u->made_at[output];
    int owners = 0;
    if (cj__is_output(u->program, output) || output == u->program->guard) return false;
    if (u->last_use[output] >= 0 && u->program->guard >= 0) return false;
    for (int64_t c = 0; c < u->program->commit_count; c++) {
        const cj__commit *commit = &u->program->commits[c];
        if (commit->buffer != output) continue;
        if (owners++ || last_read(u, commit->variable) > at || variable_is_output(u, commit->variable) ||
            cj__read_beside(u->program, group, step, -1, commit->variable))
            return false;
    }
    return true;
}

static bool can_update_in_place(const updates *u, const cj__group *group, const cj__step *step)
{
    if (!step->kernel->lies_on || !cj__only_commits(u->program, step) || reads_too_late(u, step))
        return false;
    for (int i = 0; i < step->launch.outputs_count; i++)
        if (!output_in_place(u, group, step, cj__output(step, i))) return false;
    return true;
}

static void update_in_place(cj_program *program, cj__step *step)
{
    step->guarded = true;
    for (int i = 0; i < step->launch.outputs_count; i++)
        for (int64_t c = 0; c < program->commit_count; c++) {
            cj__commit *commit = &program->commits[c];
            if (commit->buffer != cj__output(step, i)) continue;
            program->buffers[commit->buffer].storage = CJ__VARIABLE;
            program->buffers[commit->buffer].variable = commit->variable;
            commit->in_place = true;
        }
}

/* A step whose every result is a new value of a variable, read by nobody else, writes the variables
 * themselves, in a group after the one in which the guard becomes known. */
void cj__update_in_place(cj_program *program, const int32_t *made_at, const int32_t *last_use)
{
    const updates u = {program, made_at, last_use};
    for (int64_t g = 0; g < program->group_count; g++) {
        const cj__group *group = &program->groups[g];
        if (program->guard >= 0 && made_at[program->guard] >= g) continue;
        for (int32_t s = group->first; s < group->first + group->count; s++)
            if (can_update_in_place(&u, group, &program->steps[s]))
                update_in_place(program, &program->steps[s]);
    }
}
