/* Scans: the body is compiled to a program of its own, whose memory is one buffer of the program around it.
 * The body's inputs are the carries (where the scan's last carries will lie), copies of this step's slices,
 * and the captures; run/ walks it once for each step. */
#include "compile/loop.h"
#include "compile/passes.h"

const cj__kernel cj__loop_kernel = {.name = "loop", .op = -1};

/* The next place for so many bytes. */
static size_t reserve(cj__loop *loop, const cj__type *type)
{
    size_t at = loop->workspace_bytes,
           bytes = (size_t)cj_shape_count(type->shape) * cj_dtype_size(type->dtype);
    loop->workspace_bytes = cj__whole_lines(at + bytes);
    return at;
}

/* A new carry that is another carry's old value must wait until all old ones have been read. */
static void lay_out(cj__loop *loop)
{
    const cj_program *body = loop->body;
    loop->workspace_bytes = cj__whole_lines(body->slab_bytes);
    for (int64_t i = 0; i < loop->scan.sequences; i++)
        loop->slices[i] = reserve(loop, &body->buffers[body->inputs[loop->scan.carries + i]].type);
    for (int64_t i = 0; i < loop->scan.carries; i++) {
        const cj__buffer *result = &body->buffers[body->outputs[i]];
        bool crosses =
            result->storage == CJ__INPUT && result->index < loop->scan.carries && result->index != i;
        loop->waiting[i] = crosses ? reserve(loop, &result->type) : CJ__NOWHERE;
    }
}

cj_status cj__loop_make(const cj_graph *graph, const cj__node *node, const cj__backend *backend,
                        cj__arena *arena, cj__loop **result)
{
    (void)graph;
    const cj__scan_attributes *a = node->attributes;
    cj__loop *loop = *result = cj__arena_allocate(arena, sizeof *loop);
    if (!loop) return cj__out_of_memory(sizeof *loop, "a loop");
    loop->scan = *a;
    loop->scan.body = NULL;
    loop->saves = node->op == CJ__OP_scan_saving;
    loop->slices = cj__arena_allocate(arena, ((size_t)a->sequences + 1) * sizeof *loop->slices);
    loop->waiting = cj__arena_allocate(arena, ((size_t)a->carries + 1) * sizeof *loop->waiting);
    if (!loop->slices || !loop->waiting) return cj__out_of_memory(0, "a loop");
    CJ__TRY(cj__compile(a->body, backend, &loop->body));
    lay_out(loop);
    return CJ_OK;
}
