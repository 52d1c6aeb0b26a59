/* A program as text: which kernel runs each step, why the better ones refused, and where results lie. */
#include "compile/loop.h"
#include "base/shape.h"
#include "base/text.h"

static void put_place(cj__text *text, const cj__buffer *b)
{
    if (b->storage == CJ__SLAB)
        cj__text_print(text, " @%zu", b->offset);
    else if (b->storage == CJ__KEPT)
        cj__text_print(text, " kept @%zu", b->offset);
    else if (b->storage == CJ__VARIABLE)
        cj__text_print(text, " %s", b->variable->name);
    else
        cj__text_put(text, b->storage == CJ__INPUT ? " input" : " constant");
}

static void put_step(cj__text *text, const cj_program *p, int64_t index);

/* The steps of a loop's body; their places are in the body's own slab. */
static void put_body(cj__text *text, const cj__loop *loop)
{
    cj__text_print(text, "    body, %lld times%s, slab %zu bytes:\n", (long long)loop->scan.length,
                   loop->scan.reverse ? " from the end" : "", loop->body->slab_bytes);
    for (int64_t i = 0; i < loop->body->step_count; i++) {
        cj__text_put(text, "    ");
        put_step(text, loop->body, i);
    }
}

/* A bracket around steps that the team works on at once. */
static const char *bracket(const cj_program *p, int64_t index)
{
    const cj__group *group = p->groups;
    while (index >= group->first + group->count) group++;
    if (!group->shared || group->count == 1) return " ";
    return index == group->first ? "┌" : index == group->first + group->count - 1 ? "└" : "│";
}

static void put_step(cj__text *text, const cj_program *p, int64_t index)
{
    const cj__step *step = &p->steps[index];
    char shape[CJ__SHAPE_TEXT];
    cj__text_print(text, "%s", bracket(p, index));
    cj__text_print(text, "%3lld %-12s tasks %-4lld", (long long)index, step->kernel->name,
                   (long long)step->launch.tasks);
    if (step->kernel->describe) cj__text_print(text, " [%s]", step->kernel->describe(&step->launch));
    for (int i = 0; i < step->operands_count; i++) {
        bool workspace = i == step->launch.inputs_count + step->launch.outputs_count;
        const cj__type *type = workspace ? &p->buffers[step->operands[i]].type : &step->launch.types[i];
        if (i == step->launch.inputs_count) cj__text_put(text, " →");
        if (workspace) cj__text_put(text, " by way of");
        cj__text_print(text, " %s%s", cj_dtype_name(type->dtype), cj__shape_text(type->shape, shape));
        put_place(text, &p->buffers[step->operands[i]]);
    }
    if (step->measured) cj__text_put(text, " [measured]");
    if (step->guarded) cj__text_put(text, " [guarded, in place]");
    if (*step->scope) cj__text_print(text, "  # %s", step->scope);
    cj__text_put(text, "\n");
    if (step->loop) put_body(text, step->loop);
    if (*step->refusals) cj__text_print(text, "      not %s\n", step->refusals);
}

cj_status cj_program_text(const cj_program *program, char **text)
{
    cj__text t = {0};
    for (int64_t i = 0; i < program->step_count; i++) put_step(&t, program, i);
    cj__text_print(&t, "%lld steps (brackets: at the same time), slab %zu bytes, ",
                   (long long)program->step_count, program->slab_bytes);
    if (program->kept_bytes > 0) cj__text_print(&t, "kept from run to run %zu bytes, ", program->kept_bytes);
    cj__text_print(&t, "scratch %zu bytes a thread, %.3g operations in products\n", program->scratch_bytes,
                   program->operations);
    if (program->memory > 0)
        cj__text_print(&t, "planned peak %zu bytes of the %zu allowed, %lld values computed again\n",
                       cj_program_describe(program).run_bytes, program->memory, (long long)program->repeated);
    cj_status status = cj__text_check(&t, "a program's text");
    if (status != CJ_OK) cj__text_free(&t);
    *text = t.data;
    return status;
}

void cj_text_free(char *text)
{
    cj__free(text);
}
