/* The schedule of whole training programs: steps that run at the same time touch nothing that one of them
 * writes, updates in place come after the guard, and grouped programs give the bits of programs run step by
 * step. */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"
#include "compile/loop.h"
#include "compile/passes.h"
#include "cpu/backend.h"

#include <string.h>

enum { ROWS = 64, COLUMNS = 40, CLASSES = 5, STEPS = 3, MOST_STATE = 1 << 20 };

/* --- the programs -------------------------------------------------------------------------------------- */

static cj_value branches(cj_scope s, cj_value x)
{
    cj_value a = cj_relu(cj_dense(cj_at(s, "a"), x, .units = 48)),
             b = cj_tanh(cj_dense(cj_at(s, "b"), x, .units = 48));
    cj_value both[] = {a, b};
    cj_value c = cj_dense(cj_at(s, "c"), cj_concatenate(2, both, 1), .units = 48);
    x = cj_layer_norm(cj_at(s, "norm"), cj_add(cj_mul(a, b), c));
    return cj_dense(cj_at(s, "logits"), x, .units = CLASSES);
}

typedef struct {
    cj_value weight;
} cell;

static void recurrent(cj_scan_step *s)
{
    cell *c = s->context;
    s->carries[0] = cj_tanh(cj_add(cj_matmul(s->carries[0], c->weight), s->sequences[0]));
}

/* x [ROWS,COLUMNS] read as ROWS steps of a state [1,COLUMNS]. */
static cj_value looped(cj_scope s, cj_value x)
{
    cell c = {cj_parameter(s, "recurrent", cj_shape(COLUMNS, COLUMNS), (cj_init){CJ_INIT_ORTHOGONAL, 0.5})};
    cj_value start = cj_slice(x, 0, 0, 1, 1);
    cj_value steps = cj_reshape(x, cj_shape(ROWS, 1, COLUMNS));
    cj_scan_result r = cj_scan(recurrent, .context = &c, .carries = {start}, .sequences = {steps});
    return branches(s, cj_add(x, r.carries[0]));
}

enum { OPTIMIZERS = 5 };

static cj_optimizer optimizer(int kind)
{
    switch (kind) {
    case 0:
        return cj_sgd(.learning_rate = 0.1, .momentum = 0.9, .nesterov = true);
    case 1:
        return cj_adam(.learning_rate = 0.01, .clip_norm = 1);
    case 2:
        return cj_adamw(.learning_rate = 0.01, .weight_decay = 0.1, .ema_decay = 0.9);
    case 3:
        return cj_muon(.learning_rate = 0.01);
    default:
        return cj_lion(.learning_rate = 0.01, .weight_decay = 0.1);
    }
}

static void draw(cj_graph *g, int kind)
{
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(ROWS, COLUMNS)),
             y = cj_input(g, "y", CJ_I32, cj_shape(ROWS));
    cj_value logits = kind < OPTIMIZERS ? branches(cj_root(g), x) : looped(cj_root(g), x);
    cj_value loss = cj_cross_entropy(logits, y);
    cj_minimize(loss, optimizer(kind % OPTIMIZERS));
    cj_output(g, "loss", loss);
}

/* What cj_compile does, grouped or apart. */
static cj_program *make(cj_model *model, int kind, bool apart)
{
    cj_graph *g, *simple, *fused;
    cj_program *program;
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    draw(g, kind);
    expect_ok(cj_graph_status(g));
    expect_ok(cj__lower_and_simplify(g, &simple));
    expect_ok(cj__fuse(simple, CJ__FUSE_ALL, &fused));
    expect_ok(cj__plan(fused, &cj__cpu_backend, apart, &program));
    cj_graph_free(fused);
    cj_graph_free(simple);
    cj_graph_free(g);
    return program;
}

/* --- what may not happen ------------------------------------------------------------------------------- */

static size_t bytes_of(const cj__buffer *b)
{
    return (size_t)cj_shape_count(b->type.shape) * cj_dtype_size(b->type.dtype);
}

static bool overlap(const cj__buffer *a, const cj__buffer *b)
{
    if (a->storage != b->storage) return false;
    if (a->storage == CJ__VARIABLE) return a->variable == b->variable;
    if (a->storage != CJ__SLAB) return false;
    return a->offset < b->offset + bytes_of(b) && b->offset < a->offset + bytes_of(a);
}

/* Nothing that a writes is touched by b. */
static void expect_apart(const cj_program *p, const cj__step *a, const cj__step *b)
{
    for (int i = a->launch.inputs_count; i < a->launch.inputs_count + a->launch.outputs_count; i++)
        for (int k = 0; k < b->operands_count; k++)
            if (overlap(&p->buffers[a->operands[i]], &p->buffers[b->operands[k]]))
                fail_msg("%s at '%s' writes what %s at '%s' of the same group uses", a->kernel->name,
                         a->scope, b->kernel->name, b->scope);
}

static void expect_sound_group(const cj_program *p, const cj__group *group)
{
    int64_t tasks = 0;
    for (int32_t i = group->first; i < group->first + group->count; i++) {
        assert_int_equal(p->steps[i].first_task, tasks);
        tasks += p->steps[i].launch.tasks;
        for (int32_t k = group->first; k < group->first + group->count; k++)
            if (i != k) expect_apart(p, &p->steps[i], &p->steps[k]);
        if (p->steps[i].loop) assert_int_equal(group->count, 1);
    }
    assert_int_equal(group->tasks, tasks);
}

static int64_t group_of(const cj_program *p, int64_t step)
{
    int64_t g = 0;
    while (step >= p->groups[g].first + p->groups[g].count) g++;
    return g;
}

static void expect_guard_first(const cj_program *p)
{
    int64_t known = -1;
    for (int64_t s = 0; s < p->step_count; s++)
        for (int i = p->steps[s].launch.inputs_count; i < p->steps[s].operands_count; i++)
            if (p->steps[s].operands[i] == p->guard) known = group_of(p, s);
    for (int64_t s = 0; s < p->step_count; s++)
        if (p->steps[s].guarded) assert_true(group_of(p, s) > known);
}

static int64_t together; /* steps that are not alone in their group */

static void expect_sound(const cj_program *p)
{
    int32_t steps = 0;
    for (int64_t g = 0; g < p->group_count; g++) {
        assert_int_equal(p->groups[g].first, steps);
        steps += p->groups[g].count;
        if (p->groups[g].count > 1) together += p->groups[g].count;
        expect_sound_group(p, &p->groups[g]);
    }
    assert_int_equal(steps, p->step_count);
    expect_guard_first(p);
    for (int64_t s = 0; s < p->step_count; s++)
        if (p->steps[s].loop) expect_sound(p->steps[s].loop->body);
}

static void test_groups(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2 * OPTIMIZERS; kind++) {
        cj_model *model;
        expect_ok(cj_model_new(&model, .seed = 4));
        cj_program *program = make(model, kind, false);
        int64_t in_place = 0;
        together = 0;
        expect_sound(program);
        for (int64_t s = 0; s < program->step_count; s++) in_place += program->steps[s].guarded;
        assert_true(together > program->step_count / 3);
        assert_true(in_place >= 5);
        cj_program_free(program);
        cj_model_free(model);
    }
}

/* --- memory -------------------------------------------------------------------------------------------- */

enum { DEEP = 8, TALL = 512, WIDE = 32, LAYER = TALL * WIDE * (int)sizeof(float) };

/* Layers whose results are far larger than their weights. */
static cj_program *make_deep(cj_model *model, bool apart)
{
    cj_graph *g, *simple, *fused;
    cj_program *program;
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(TALL, WIDE)), y = cj_input(g, "y", CJ_I32, cj_shape(TALL));
    for (int i = 0; i < DEEP; i++) x = cj_relu(cj_dense(cj_at(cj_root(g), "%d", i), x, .units = WIDE));
    cj_value loss = cj_cross_entropy(x, y);
    cj_minimize(loss, cj_sgd(.learning_rate = 0.1));
    cj_output(g, "loss", loss);
    expect_ok(cj__lower_and_simplify(g, &simple));
    expect_ok(cj__fuse(simple, CJ__FUSE_ALL, &fused));
    expect_ok(cj__plan(fused, &cj__cpu_backend, apart, &program));
    cj_graph_free(fused);
    cj_graph_free(simple);
    cj_graph_free(g);
    return program;
}

/* What is in use at once at most, between the group that writes it and the last that touches it. */
static size_t live_at_most(const cj_program *p)
{
    size_t most = 0;
    for (int64_t g = 0; g < p->group_count; g++) {
        size_t live = 0;
        for (int32_t b = 0; b < p->buffer_count; b++) {
            int64_t first = INT64_MAX, last = -1;
            for (int64_t s = 0; s < p->step_count; s++)
                for (int i = 0; i < p->steps[s].operands_count; i++)
                    if (p->steps[s].operands[i] == b) {
                        int64_t at = group_of(p, s);
                        first = at < first ? at : first;
                        last = at;
                    }
            if (p->buffers[b].storage == CJ__SLAB && first <= g && g <= last)
                live += bytes_of(&p->buffers[b]);
        }
        if (live > most) most = live;
    }
    return most;
}

/* A layer's gradients do not wait for those of the layers before, so that the way back takes a few results
 * more than those that the way forth leaves; and the slab is hardly larger than what is in use. */
static void test_memory(void **state)
{
    (void)state;
    cj_model *model;
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_program *program = make_deep(model, false), *plain = make_deep(model, true);
    assert_true(program->slab_bytes <= (DEEP + 4) * LAYER);
    assert_true(plain->slab_bytes > (DEEP + 4) * LAYER);
    assert_true((double)program->slab_bytes < 1.1 * (double)live_at_most(program));
    cj_program_free(program);
    cj_program_free(plain);
    cj_model_free(model);
}

/* --- the same bits ------------------------------------------------------------------------------------- */

static char states[2][MOST_STATE];

static void put_state(const cj_model *model, char *to)
{
    memset(to, 0, MOST_STATE);
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_tensor v = cj_model_variable(model, i).tensor;
        memcpy(to, v.data, cj_tensor_bytes(&v));
        to += cj_tensor_bytes(&v);
    }
}

static void train(int kind, bool apart, char *state)
{
    float x[ROWS * COLUMNS], loss;
    int32_t y[ROWS];
    cj_model *model;
    for (int i = 0; i < ROWS * COLUMNS; i++) x[i] = cj__normal(1, 0, (uint64_t)i);
    for (int i = 0; i < ROWS; i++) y[i] = (int32_t)(cj__bits(2, 0, (uint64_t)i) % CLASSES);
    expect_ok(cj_model_new(&model, .seed = 4));
    cj_program *program = make(model, kind, apart);
    for (int i = 0; i < STEPS; i++)
        expect_ok(cj_program_run(
            program, .inputs = {{x, CJ_F32, cj_shape(ROWS, COLUMNS)}, {y, CJ_I32, cj_shape(ROWS)}},
            .outputs = {&loss}));
    put_state(model, state);
    cj_program_free(program);
    cj_model_free(model);
}

static void test_same_bits(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2 * OPTIMIZERS; kind++) {
        expect_ok(cj_set_threads(1));
        train(kind, true, states[0]);
        for (int threads = 1; threads < 5; threads++) {
            expect_ok(cj_set_threads(threads));
            train(kind, false, states[1]);
            assert_memory_equal(states[0], states[1], MOST_STATE);
        }
    }
    expect_ok(cj_set_threads(2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_groups), cmocka_unit_test(test_memory),
                                       cmocka_unit_test(test_same_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
