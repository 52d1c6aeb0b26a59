/* A step whose loss or gradients are not finite: the batch is run again without fusion, and each value looked
 * at, to name the first that went wrong. Costs nothing while all is well. */
#include "base/shape.h"
#include "compile/chain.h"
#include "cpu/backend.h"
#include "graph/attributes.h"
#include "run/run.h"

#include <math.h>
#include <stdio.h>

static double element(cj_dtype dtype, const void *data, int64_t i)
{
    return dtype == CJ_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

/* Index of the first element that is not finite; -1: all are. Whole numbers always are. */
static int64_t first_bad(cj_dtype dtype, const void *data, int64_t count)
{
    if (dtype != CJ_F32 && dtype != CJ_F64) return -1;
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(element(dtype, data, i))) return i;
    return -1;
}

static double largest(cj_dtype dtype, const void *data, int64_t count)
{
    double most = 0;
    if (dtype != CJ_F32 && dtype != CJ_F64) return 0;
    for (int64_t i = 0; i < count; i++)
        if (fabs(element(dtype, data, i)) > most) most = fabs(element(dtype, data, i));
    return most;
}

/* A lone elementwise op is a chain of one instruction. */
static cj__op op_of(const cj__step *step)
{
    if (step->launch.op != CJ__OP_chain) return step->launch.op;
    const cj__chain *chain = ((const cj__chain_attributes *)step->launch.attributes)->chain;
    return chain->instructions_count ? (cj__op)chain->instructions[0].op : step->launch.op;
}

static const char *what_to_try(cj__op op)
{
    switch (op) {
    case CJ__OP_log:
    case CJ__OP_log1p:
        return "it took the logarithm of 0 or less: add a small number first, or compute the loss from "
               "logits";
    case CJ__OP_div:
    case CJ__OP_reciprocal:
        return "it divided by 0 or overflowed: add a small number to the divisor";
    case CJ__OP_sqrt:
    case CJ__OP_rsqrt:
    case CJ__OP_pow:
        return "check that what goes in cannot be negative or 0: add a small number";
    case CJ__OP_cross_entropy_rows:
        return "a label is past the last class: look for bad labels in the data, or give the last layer more "
               "units";
    case CJ__OP_exp:
        return "it overflowed: subtract the largest first as softmax does, or keep what goes in small";
    default:
        return "values have grown too large: try a smaller learning rate, optimizer.clip_norm, or inputs "
               "scaled to "
               "about 1";
    }
}

static cj_status blame_input(const char *name, int64_t index, double value)
{
    return cj__fail(CJ_NOT_FINITE,
                    "the loss or a gradient is not finite because input '%s' is not: its element %lld is %g; "
                    "nothing was changed. Look for bad values in the data",
                    name, (long long)index, value);
}

static cj_status blame_variable(const char *name, int64_t index, double value)
{
    return cj__fail(
        CJ_NOT_FINITE,
        "the loss or a gradient is not finite because variable '%s' is not: its element %lld is %g; "
        "nothing was changed. It was not finite before this step: look at what wrote it",
        name, (long long)index, value);
}

static cj_status blame_step(const cj__step *step, int output, double value, double most)
{
    char shape[CJ__SHAPE_TEXT], place[300] = "";
    cj__op op = op_of(step);
    cj__shape_text(step->launch.types[step->launch.inputs_count + output].shape, shape);
    if (step->file) snprintf(place, sizeof place, ", drawn at %.250s:%d", step->file, step->line);
    return cj__fail(
        CJ_NOT_FINITE,
        "the loss or a gradient is not finite; nothing was changed. The first that went wrong is %s%s%s%s "
        "%s%s: it made %g of numbers up to %.3g; %s",
        cj__ops[op].name, *step->scope ? " at '" : "", step->scope, *step->scope ? "'" : "", shape, place,
        value, most, what_to_try(op));
}

static cj_status blame_unknown(void)
{
    return cj__fail(CJ_NOT_FINITE,
                    "the loss or a gradient is not finite; nothing was changed. Try a smaller learning "
                    "rate, clipping, or look for bad values in the data");
}

static cj_status look_at_inputs(const cj_program *p, const cj_tensor *inputs)
{
    for (int64_t i = 0; i < p->input_count; i++) {
        int64_t bad = first_bad(inputs[i].dtype, inputs[i].data, cj_shape_count(inputs[i].shape));
        if (bad >= 0)
            return blame_input(p->plain->inputs[i].name, bad, element(inputs[i].dtype, inputs[i].data, bad));
    }
    return CJ_OK;
}

static cj_status look_at_variables(const cj_program *plain)
{
    for (int64_t i = 0; i < plain->buffer_count; i++) {
        const cj__variable *v = plain->buffers[i].variable;
        if (plain->buffers[i].storage != CJ__VARIABLE) continue;
        int64_t bad = first_bad(v->dtype, v->data, cj_shape_count(v->shape));
        if (bad >= 0) return blame_variable(v->name, bad, element(v->dtype, v->data, bad));
    }
    return CJ_OK;
}

static cj_status look_at_outputs(const cj__step *step, void *const *operands, double most)
{
    const cj__type *types = step->launch.types + step->launch.inputs_count;
    for (int k = 0; k < step->launch.outputs_count; k++) {
        const void *data = operands[step->launch.inputs_count + k];
        int64_t bad = first_bad(types[k].dtype, data, cj_shape_count(types[k].shape));
        if (bad >= 0) return blame_step(step, k, element(types[k].dtype, data, bad), most);
    }
    return CJ_OK;
}

/* Stops before anything that depends on the guard. What a step may overwrite is looked at before it runs. */
static cj_status look_at_steps(cj_program *plain)
{
    for (int64_t s = 0; s < plain->step_count && !plain->steps[s].guarded; s++) {
        const cj__step *step = &plain->steps[s];
        void *const *now = plain->operand_addresses + step->first_operand;
        double most = 0;
        for (int k = 0; k < step->launch.inputs_count; k++) {
            const cj__type *type = &step->launch.types[k];
            double one = largest(type->dtype, now[k], cj_shape_count(type->shape));
            if (one > most) most = one;
        }
        cj__program_step(plain, s);
        CJ__TRY(look_at_outputs(step, now, most));
    }
    return blame_unknown();
}

cj_status cj__explain_bad_step(const cj_program *p, const cj_tensor *inputs)
{
    cj_program *plain;
    if (!p->plain) return blame_unknown();
    CJ__TRY(look_at_inputs(p, inputs));
    if (cj__compile_plain(p->plain, &cj__cpu_backend, &plain) != CJ_OK) return blame_unknown();
    cj_status status = look_at_variables(plain);
    if (status == CJ_OK) status = cj__program_begin(plain, inputs);
    if (status == CJ_OK) status = look_at_steps(plain);
    cj_program_free(plain);
    return status == CJ_NOT_FINITE ? status : blame_unknown();
}
