/* A program as text: which kernel runs each step, why the better ones refused, and where results lie. */
#include "compile/program.h"
#include "base/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *text;
    size_t used, room;
    bool failed;
} writer;

static void put(writer *w, const char *text)
{
    size_t length = strlen(text);
    if (w->used + length + 1 > w->room) {
        size_t room = (w->used + length + 1) * 2;
        char *bigger = cj__resize(w->text, room);
        if (!bigger) {
            w->failed = true;
            return;
        }
        w->text = bigger;
        w->room = room;
    }
    memcpy(w->text + w->used, text, length + 1);
    w->used += length;
}

static void put_place(writer *w, const cj__buffer *b)
{
    char line[160];
    if (b->storage == CJ__SLAB)
        snprintf(line, sizeof line, " @%zu", b->offset);
    else if (b->storage == CJ__VARIABLE)
        snprintf(line, sizeof line, " %.120s", b->variable->name);
    else
        snprintf(line, sizeof line, b->storage == CJ__INPUT ? " input" : " constant");
    put(w, line);
}

static void put_step(writer *w, const cj_program *p, int64_t index)
{
    const cj__step *step = &p->steps[index];
    char line[512], shape[CJ__SHAPE_TEXT];
    snprintf(line, sizeof line, "%3lld %-12s tasks %-4lld", (long long)index, step->kernel->name,
             (long long)step->launch.tasks);
    put(w, line);
    for (int i = 0; i < step->launch.inputs_count + step->launch.outputs_count; i++) {
        const cj__type *type = &step->launch.types[i];
        if (i == step->launch.inputs_count) put(w, " →");
        snprintf(line, sizeof line, " %s%s", cj_dtype_name(type->dtype), cj__shape_text(type->shape, shape));
        put(w, line);
        put_place(w, &p->buffers[step->operands[i]]);
    }
    if (step->guarded) put(w, " [guarded, in place]");
    if (*step->scope) put(w, "  # "), put(w, step->scope);
    put(w, "\n");
    if (*step->refusals) put(w, "      not "), put(w, step->refusals), put(w, "\n");
}

cj_status cj_program_text(const cj_program *program, char **text)
{
    writer w = {0};
    char line[200];
    for (int64_t i = 0; i < program->step_count; i++) put_step(&w, program, i);
    snprintf(line, sizeof line,
             "%lld steps, slab %zu bytes, scratch %zu bytes a thread, %.3g operations in products\n",
             (long long)program->step_count, program->slab_bytes, program->scratch_bytes,
             program->operations);
    put(&w, line);
    *text = w.text;
    if (!w.failed) return CJ_OK;
    cj__free(w.text);
    *text = NULL;
    return cj__out_of_memory(w.room, "a program's text");
}

void cj_text_free(char *text)
{
    cj__free(text);
}
