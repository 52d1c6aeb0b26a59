/* Times the kernels that can make a step, each in a small program of that step alone, so that stages before,
 * kept weights and the sharing out of tasks are as in a run of the whole. */
#define CJ_NO_LOCATIONS
#include "base/bf16.h"
#include "base/clock.h"
#include "base/random.h"
#include "compile/choices.h"
#include "compile/loop.h"
#include "cpu/backend.h"
#include "cpu/isa.h"
#include "run/run.h"

#include <string.h>

enum { FEWEST_RUNS = 3 };
/* Another kernel than the rules' must be faster by one part in so many, and by so many seconds: clocks and
 * caches are no finer. */
enum { MARGIN = 30 };
static const double least_gain = 1e-6;

/* --- a step alone -------------------------------------------------------------------------------------- */

/* Its inputs, which all kernels that are tried read. */
typedef struct {
    const cj__step *step;
    cj__launch launch; /* as it was before a kernel was prepared */
    cj__variable inputs[CJ_MAX_BINDINGS];
} trial;

/* Normal numbers: zeros are fast. Integers are 0, which is in the range of every index. */
static void fill(cj__variable *v)
{
    int64_t count = cj_shape_count(v->shape);
    if (v->dtype != CJ_F32 && v->dtype != CJ_BF16) {
        memset(v->data, 0, (size_t)count * cj_dtype_size(v->dtype));
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        float x = cj__normal(1, 0, (uint64_t)i % 65521);
        if (v->dtype == CJ_F32)
            ((float *)v->data)[i] = x;
        else
            ((uint16_t *)v->data)[i] = cj__bf16_from_float(x);
    }
}

static cj_status begin_trial(trial *t, const cj__step *step)
{
    *t = (trial){.step = step, .launch = step->launch};
    t->launch.tasks = 1;
    t->launch.scratch_bytes = t->launch.workspace_bytes = 0;
    t->launch.data = NULL;
    for (int i = 0; i < step->launch.inputs_count; i++) {
        const cj__type *type = &step->launch.types[i];
        size_t bytes = (size_t)cj_shape_count(type->shape) * cj_dtype_size(type->dtype);
        t->inputs[i] =
            (cj__variable){.name = (char *)"input", .dtype = type->dtype, .shape = type->shape, .version = 1};
        t->inputs[i].data = cj__allocate(bytes + CJ__SLACK);
        if (!t->inputs[i].data) return cj__out_of_memory(bytes, "measuring kernels");
        fill(&t->inputs[i]);
    }
    return CJ_OK;
}

static void end_trial(trial *t)
{
    for (int i = 0; i < CJ_MAX_BINDINGS; i++) cj__free(t->inputs[i].data);
}

/* What lasts is a variable, so that what is made of it is kept; the rest is given to each run. */
static cj_status draw_input(const trial *t, cj_graph *g, int i, int32_t *id)
{
    const cj__variable *v = &t->inputs[i];
    cj__variable_attributes a = {(cj__variable *)v};
    cj__value value = {.dtype = v->dtype, .shape = v->shape, .replaced_by = -1};
    const cj__node node = {.op = CJ__OP_variable, .outputs_count = 1, .attributes = &a};
    *id = t->launch.lasting >> i & 1 ? cj__append(g, &node, NULL, &value)
                                     : cj_input(g, "input", v->dtype, v->shape).id;
    return cj_graph_status(g);
}

static cj_status draw(const trial *t, cj_graph *g)
{
    int32_t ids[CJ_MAX_BINDINGS];
    cj__value outputs[CJ_MAX_BINDINGS];
    const cj__launch *launch = &t->launch;
    cj__node node = {.op = launch->op,
                     .inputs_count = launch->inputs_count,
                     .outputs_count = launch->outputs_count,
                     .attributes = launch->attributes};
    for (int i = 0; i < launch->inputs_count; i++) CJ__TRY(draw_input(t, g, i, &ids[i]));
    for (int i = 0; i < launch->outputs_count; i++) {
        const cj__type *type = &launch->types[launch->inputs_count + i];
        outputs[i] = (cj__value){.dtype = type->dtype, .shape = type->shape, .replaced_by = -1};
    }
    int32_t first = cj__append(g, &node, ids, outputs);
    CJ__TRY(cj_graph_status(g));
    for (int i = 0; i < launch->outputs_count; i++) cj_output(g, "output", cj__make_value(g, first + i));
    return cj_graph_status(g);
}

static cj_status make(const trial *t, const cj__kernel *kernel, cj_program **program)
{
    cj_graph *g;
    const cj__kernel *const only[] = {kernel, NULL};
    const cj__backend backend = {.name = "measured", .kernels = only, .own = t->launch.own};
    cj_graph_options options = {.size = sizeof options,
                                .mode = CJ_INFERENCE,
                                .precision = t->launch.precision,
                                .no_winograd = t->launch.no_winograd};
    *program = NULL;
    CJ__TRY(cj_graph_new(&g, &options));
    cj_status status = draw(t, g);
    if (status == CJ_OK) status = cj__plan(g, &backend, false, program);
    cj_graph_free(g);
    return status;
}

/* The best of many. */
static cj_status time_runs(const trial *t, cj_program *program, double seconds, double *best)
{
    cj_run_options run = {.size = sizeof run, .program = program};
    int64_t given = 0, runs = 0;
    for (int i = 0; i < t->launch.inputs_count; i++)
        if (!(t->launch.lasting >> i & 1))
            run.inputs[given++] = (cj_tensor){t->inputs[i].data, t->inputs[i].dtype, t->inputs[i].shape};
    CJ__TRY(cj_program_run(&run));
    *best = 1e30;
    for (double start = cj__now(); runs < FEWEST_RUNS || cj__now() - start < seconds; runs++) {
        double begun = cj__now();
        CJ__TRY(cj_program_run(&run));
        double each = cj__now() - begun;
        if (each < *best) *best = each;
    }
    return CJ_OK;
}

static cj_status time_kernel(const trial *t, const cj__kernel *kernel, double seconds, double *best)
{
    cj__kernel willing = *kernel; /* whatever the rules say */
    cj_program *program;
    willing.refuse = NULL;
    CJ__TRY(make(t, &willing, &program));
    cj_status status = time_runs(t, program, seconds, best);
    cj_program_free(program);
    return status;
}

/* --- all that can make it ------------------------------------------------------------------------------ */

/* All but the definition, which is last and can do everything. */
static int list_kernels(const cj__backend *backend, const cj__launch *launch,
                        const cj__kernel *list[CJ__MOST_TIMED])
{
    int count = 0;
    for (const cj__kernel *const *k = backend->kernels; k[0] && k[1]; k++)
        if (count < CJ__MOST_TIMED && !cj__kernel_cannot(*k, launch)) list[count++] = *k;
    return count;
}

static bool is_gain(double usual, double best)
{
    return usual - best > usual / MARGIN && usual - best > least_gain;
}

static cj_status time_all(const trial *t, const cj__kernel *const *list, int count, double seconds,
                          cj__choice *choice)
{
    const cj__kernel *usual = t->step->kernel;
    int usual_at = -1, best = 0;
    for (int i = 0; i < count; i++) {
        choice->timed[i].kernel = list[i]->name;
        CJ__TRY(time_kernel(t, list[i], seconds, &choice->timed[i].seconds));
        if (choice->timed[i].seconds < choice->timed[best].seconds) best = i;
        if (list[i] == usual) usual_at = i;
    }
    choice->timed_count = count;
    if (usual_at >= 0 && !is_gain(choice->timed[usual_at].seconds, choice->timed[best].seconds))
        best = usual_at;
    choice->kernel = choice->timed[best].kernel;
    return CJ_OK;
}

static cj_status measure_step(cj_kernels *kernels, const cj__step *step, const char *key, double seconds)
{
    const cj__kernel *list[CJ__MOST_TIMED];
    trial t;
    cj__choice timed = {0}, *made;
    int count = list_kernels(&cj__cpu_backend, &step->launch, list);
    bool fits = step->launch.inputs_count <= CJ_MAX_BINDINGS && step->launch.outputs_count <= CJ_MAX_BINDINGS;
    if (count < 2 || !fits || cj__choice_of(kernels, key)) return CJ_OK;
    cj_status status = begin_trial(&t, step);
    if (status == CJ_OK) status = time_all(&t, list, count, seconds, &timed);
    end_trial(&t);
    if (status == CJ_OK) status = cj__choice_add(kernels, key, timed.kernel, &made);
    if (status != CJ_OK) return status;
    memcpy(made->timed, timed.timed, sizeof timed.timed);
    made->timed_count = timed.timed_count;
    return CJ_OK;
}

static cj_status measure_program(cj_kernels *kernels, const cj_program *program, double seconds)
{
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < program->step_count && status == CJ_OK; i++) {
        const cj__step *step = &program->steps[i];
        cj__text key = {0};
        if (step->before) continue;
        if (step->loop) {
            status = measure_program(kernels, step->loop->body, seconds);
            continue;
        }
        cj__step_key(&step->launch, &key);
        status = cj__text_check(&key, "a step's name");
        if (status == CJ_OK) status = measure_step(kernels, step, key.data, seconds);
        cj__text_free(&key);
    }
    return status;
}

cj_status cj_kernels_measure(const cj_kernels_measure_options *o)
{
    cj__isa isa;
    cj_program *program;
    CJ__TRY(cj__isa_choose(&isa));
    if (strcmp(o->kernels->isa, cj__isa_name(isa)) != 0)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "these kernels were measured on %s, and now it is %s: measure anew", o->kernels->isa,
                        cj__isa_name(isa));
    if (o->seconds < 0 || o->seconds != o->seconds)
        return cj__fail(CJ_INVALID_ARGUMENT, "measuring kernels for %g seconds: give 0 or more", o->seconds);
    CJ__TRY(cj__compile(o->graph, &cj__cpu_backend, &program));
    cj_status status = measure_program(o->kernels, program, o->seconds > 0 ? o->seconds : 0.05);
    cj_program_free(program);
    return status;
}
