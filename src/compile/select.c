/* Selection: the kernel that was measured to be the fastest for a step, else the first in order of preference
 * that does not refuse it. Asked when a program is planned, and before that by what depends on the kernel. */
#include "compile/select.h"
#include "compile/choices.h"

#include <stdio.h>

cj__launch cj__launch_of(const cj_graph *graph, const cj__backend *backend, const cj__node *node,
                         cj__type *types)
{
    for (int i = 0; i < node->inputs_count + node->outputs_count; i++) {
        bool output = i >= node->inputs_count;
        const cj__value *value =
            &graph->values[output ? node->first_output + i - node->inputs_count : node->inputs[i]];
        types[i] = (cj__type){value->dtype, value->shape};
    }
    return (cj__launch){.op = node->op,
                        .attributes = node->attributes,
                        .inputs_count = node->inputs_count,
                        .outputs_count = node->outputs_count,
                        .types = types,
                        .precision = graph->precision,
                        .no_winograd = graph->no_winograd,
                        .own = backend->own,
                        .tasks = 1};
}

cj_status cj__select(const cj__backend *backend, const cj__launch *launch, cj__selection *s)
{
    const cj__kernel *chosen;
    size_t used = 0;
    *s = (cj__selection){0};
    CJ__TRY(cj__chosen_kernel(backend, launch, &chosen));
    for (const cj__kernel *const *k = backend->kernels; *k; k++) {
        if ((*k)->op >= 0 && (*k)->op != (int)launch->op) continue;
        const char *reason = *k != chosen && (*k)->refuse ? (*k)->refuse(launch) : NULL;
        if (!reason && chosen && *k != chosen) reason = "it was measured to be slower";
        if (!reason) {
            s->kernel = *k;
            s->measured = chosen != NULL;
            return CJ_OK;
        }
        if (*reason && used < sizeof s->refusals)
            used += (size_t)snprintf(s->refusals + used, sizeof s->refusals - used, "%s%s: %s",
                                     used ? "; " : "", (*k)->name, reason);
    }
    return CJ_OK;
}
