/* Fusion changes no bit: random graphs of elementwise ops, products and reductions, compiled with each part
 * of it on and off, give the same results to the last bit, on one thread and on several.
 *
 * labels: threads */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"
#include "compile/chain.h"
#include "compile/passes.h"
#include "compile/program.h"
#include "cpu/backend.h"
#include "cpu/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POOL = 40, OUTPUTS = 12, TALL = 1300, WIDE = 50, MOST = TALL * WIDE };

static uint64_t seed, drawn;

static int64_t pick(int64_t n)
{
    return (int64_t)(cj__bits(seed, 1, drawn++) % (uint64_t)n);
}

typedef struct {
    cj_graph *graph;
    int64_t rows, columns;
    cj_value pool[POOL]; /* each [rows,columns] */
    int count;
    cj_value bias, square; /* [columns], [columns,columns] */
    cj_value outputs[OUTPUTS];
    int output_count;
} sketch;

static cj_value any(sketch *s)
{
    return s->pool[s->count - 1 - pick(s->count < 6 ? s->count : 6)];
}

static void give(sketch *s, cj_value value)
{
    if (s->output_count < OUTPUTS - 1) s->outputs[s->output_count++] = value;
}

static const cj__op twins[][2] = {{CJ__OP_gelu, CJ__OP_gelu_slope},
                                  {CJ__OP_gelu_tanh, CJ__OP_gelu_tanh_slope},
                                  {CJ__OP_silu, CJ__OP_silu_slope}};
enum { TWINS = sizeof twins / sizeof *twins };

/* An activation and its slope, of which either may be asked for, or both. */
static cj_value activated(sketch *s, cj_value a)
{
    int64_t which = pick(TWINS);
    cj_value made = cj__draw1(twins[which][0], NULL, a), slope = cj__draw1(twins[which][1], NULL, a);
    if (pick(2)) give(s, slope);
    if (pick(2)) give(s, made);
    return pick(2) ? cj_mul(slope, made) : cj_add(made, (cj_tanh)(slope));
}

static cj_value elementwise(sketch *s)
{
    cj_value a = any(s), b = any(s);
    switch (pick(11)) {
    case 9:
    case 10:
        return activated(s, a);
    case 0:
        return cj_add(a, b);
    case 1:
        return cj_mul(a, b);
    case 2:
        return cj_sub(a, b);
    case 3:
        return cj_relu(a);
    case 4:
        return (cj_tanh)(a);
    case 5:
        return cj_add(a, s->bias);
    case 6:
        return cj_select(cj_less(a, b), a, s->bias);
    case 7:
        return cj_scale(a, 0.5);
    default:
        return cj_maximum(a, b);
    }
}

static cj_value reduced(sketch *s)
{
    cj_value a = any(s);
    cj_axes_t rows = {1, {0}}, columns = {1, {1}};
    switch (pick(5)) {
    case 0:
        return cj_sum(a, CJ_ALL_AXES, CJ_DROP_AXES);
    case 1:
        return cj_sum(a, rows, CJ_KEEP_AXES);
    case 2:
        return cj_sum(a, columns, CJ_KEEP_AXES);
    case 3:
        return cj_max(a, columns, CJ_KEEP_AXES);
    default:
        return cj_sum((cj_square)(a), rows, CJ_KEEP_AXES);
    }
}

static void grow(sketch *s)
{
    int64_t what = pick(10);
    cj_value next;
    if (what < 6) {
        next = elementwise(s);
    } else if (what < 8) {
        cj_value sum = reduced(s);
        give(s, sum);
        next = cj_add(any(s), sum); /* a broadcast back */
    } else {
        next = cj_matmul(any(s), s->square);
    }
    next = cj_scale(next, 0.7);
    s->pool[s->count++] = next;
    if (pick(4) == 0) give(s, next);
}

static void draw(sketch *s)
{
    expect_ok(cj_graph_new(&s->graph, NULL));
    bool tall = seed % 8 == 0; /* columns long enough to be folded in parts */
    s->rows = tall ? TALL - pick(200) : 1 + pick(50), s->columns = (tall ? 30 : 1) + pick(WIDE - 30);
    s->pool[0] = cj_input(s->graph, "x", CJ_F32, cj_shape(s->rows, s->columns));
    s->bias = cj_input(s->graph, "bias", CJ_F32, cj_shape(s->columns));
    s->square = cj_scale(cj_input(s->graph, "square", CJ_F32, cj_shape(s->columns, s->columns)), 0.1);
    s->count = 1;
    s->output_count = 0;
    int64_t steps = 3 + pick(POOL - 5);
    for (int64_t i = 0; i < steps; i++) grow(s);
    give(s, s->pool[s->count - 1]);
    for (int i = 0; i < s->output_count; i++) cj_output(s->graph, "y", s->outputs[i]);
    expect_ok(cj_graph_status(s->graph));
}

static cj_program *compile(const sketch *s, unsigned what)
{
    cj_graph *simple, *fused;
    cj_program *program;
    expect_ok(cj__lower_and_simplify(s->graph, &simple));
    expect_ok(cj__fuse(simple, what, &fused));
    expect_ok(cj__plan(fused, &cj__cpu_backend, what % 2 == 0, &program));
    cj_graph_free(simple);
    cj_graph_free(fused);
    return program;
}

static float results[2][OUTPUTS][MOST];

static void fill(float *to, int64_t count, uint64_t stream)
{
    for (int64_t i = 0; i < count; i++) to[i] = cj__normal(seed, stream, (uint64_t)i);
}

static void run(const sketch *s, unsigned what, int side)
{
    static float x[MOST], bias[WIDE], square[WIDE * WIDE];
    fill(x, s->rows * s->columns, 2);
    fill(bias, s->columns, 3);
    fill(square, s->columns * s->columns, 4);
    cj_program *program = compile(s, what);
    cj_run_options o = {.size = sizeof o,
                        .program = program,
                        .inputs = {{x, CJ_F32, cj_shape(s->rows, s->columns)},
                                   {bias, CJ_F32, cj_shape(s->columns)},
                                   {square, CJ_F32, cj_shape(s->columns, s->columns)}}};
    for (int i = 0; i < s->output_count; i++) o.outputs[i] = results[side][i];
    for (int i = 0; i < s->output_count; i++) memset(results[side][i], 0, (size_t)(s->rows * s->columns) * 4);
    expect_ok((cj_program_run)(&o));
    cj_program_free(program);
}

static int64_t fused_products, folds, partial_folds, slopes;

/* Those that come right after their activation. */
static int64_t slopes_in(const cj__chain *c)
{
    int64_t count = 0;
    for (int32_t i = 1; i < c->instructions_count; i++)
        for (int k = 0; k < TWINS; k++)
            count += c->instructions[i - 1].op == twins[k][0] && c->instructions[i].op == twins[k][1] &&
                     c->instructions[i - 1].a == c->instructions[i].a;
    return count;
}

static bool partial(const cj__step *step)
{
    return ((const cj__chain_attributes *)step->launch.attributes)->chain->folding.parts > 1;
}

static void count_fused(const sketch *s)
{
    cj_program *program = compile(s, CJ__FUSE_ALL);
    for (int64_t i = 0; i < program->step_count; i++) {
        fused_products += strcmp(program->steps[i].kernel->name, "matmul f32 + chain") == 0;
        bool fold = strcmp(program->steps[i].kernel->name, "chain + sum") == 0;
        folds += fold;
        partial_folds += fold && partial(&program->steps[i]);
        if (program->steps[i].launch.op == CJ__OP_chain)
            slopes += slopes_in(((const cj__chain_attributes *)program->steps[i].launch.attributes)->chain);
    }
    cj_program_free(program);
}

static bool same_results(const sketch *s)
{
    for (int i = 0; i < s->output_count; i++)
        if (memcmp(results[0][i], results[1][i], (size_t)(s->rows * s->columns) * 4) != 0) return false;
    return true;
}

static void test_same_bits(void **state)
{
    (void)state;
    for (seed = 1; seed <= 150; seed++) {
        sketch s;
        drawn = 0;
        draw(&s);
        expect_ok(cj_set_threads(1));
        run(&s, 0, 0);
        count_fused(&s);
        for (unsigned what = 1; what <= CJ__FUSE_ALL; what += 2) {
            expect_ok(cj_set_threads(1 + (int)(what % 3)));
            run(&s, what, 1);
            if (!same_results(&s))
                fail_msg("seed %llu: fusing %u gives other bits than not fusing", (unsigned long long)seed,
                         what);
        }
        cj_graph_free(s.graph);
    }
    /* The comparison is worth something only if there was something to compare. */
    assert_true(fused_products > 50);
    assert_true(folds > 50);
    assert_true(partial_folds > 5);
    assert_true(slopes > 50);
    expect_ok(cj_set_threads(2));
}

/* --- two instructions in one pass ---------------------------------------------------------------------- */

enum { LONG = 37 };

static void check_pair(const cj__vector_table *table, cj__op first, cj__op second, bool swapped)
{
    static const float strange[] = {0.0f, -0.0f, 1e-40f, INFINITY, -INFINITY, NAN, 3e38f};
    float operand[3][LONG], between[LONG], wanted[LONG], made[LONG];
    cj__vector_function pair = table->pair(first, second, swapped);
    assert_non_null(pair);
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < LONG; i++)
            operand[k][i] =
                i < 7 ? strange[(i * (k + 1)) % 7] : (float)cj__normal(7, (uint64_t)k, (uint64_t)i);
    for (int64_t n = 0; n <= LONG; n++) {
        memset(made, 0x55, sizeof made);
        memset(wanted, 0x55, sizeof wanted);
        table->elementwise[first](n, between, operand[0], operand[1], operand[0]);
        table->elementwise[second](n, wanted, swapped ? operand[2] : between, swapped ? between : operand[2],
                                   between);
        pair(n, made, operand[0], operand[1], operand[2]);
        for (int i = 0; i < LONG; i++)
            if (memcmp(&made[i], &wanted[i], sizeof *made) != 0 &&
                !(made[i] != made[i] && wanted[i] != wanted[i]))
                fail_msg("%s, then %s: element %d of %d is %g instead of %g", cj__ops[first].name,
                         cj__ops[second].name, i, (int)n, (double)made[i], (double)wanted[i]);
    }
}

static void test_pairs_are_their_ops_in_turn(void **state)
{
    static const cj__op ops[] = {CJ__OP_add, CJ__OP_sub, CJ__OP_mul, CJ__OP_relu};
    (void)state;
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++) {
        const cj__vector_table *table;
        if (!cj__isa_available((cj__isa)isa)) continue;
        setenv("CAJAL_ISA", cj__isa_name((cj__isa)isa), 1);
        expect_ok(cj__vector_choose(&table));
        for (int first = 0; first < 3; first++)
            for (int second = 0; second < 4; second++)
                for (int swapped = 0; swapped < (second < 3 ? 2 : 1); swapped++)
                    check_pair(table, ops[first], ops[second], swapped);
        assert_null(table->pair(CJ__OP_div, CJ__OP_add, false));
        assert_null(table->pair(CJ__OP_add, CJ__OP_exp, false));
    }
    unsetenv("CAJAL_ISA");
}

/* An activation and its slope in one pass, also where one of them takes the operand's place. */
static void check_twins(const cj__vector_table *table, const cj__op ops[2])
{
    static const float strange[] = {0.0f, -0.0f, 1e-40f, INFINITY, -INFINITY, NAN, 3e38f};
    float operand[LONG], wanted[2][LONG], made[2][LONG];
    cj__vector_twins both = table->twins(ops[0], ops[1]);
    assert_non_null(both);
    for (int i = 0; i < LONG; i++) operand[i] = i < 7 ? strange[i] : 3 * (float)cj__normal(7, 9, (uint64_t)i);
    for (int place = 0; place < 3; place++)
        for (int64_t n = 0; n <= LONG; n++) {
            memset(made, 0x55, sizeof made);
            memset(wanted, 0x55, sizeof wanted);
            for (int k = 0; k < 2; k++) table->elementwise[ops[k]](n, wanted[k], operand, operand, operand);
            if (place < 2) memcpy(made[place], operand, (size_t)n * sizeof *operand);
            both(n, made[0], made[1], place < 2 ? made[place] : operand);
            for (int i = 0; i < 2 * LONG; i++) {
                float is = made[i / LONG][i % LONG], should = wanted[i / LONG][i % LONG];
                if (memcmp(&is, &should, sizeof is) != 0 && !(is != is && should != should))
                    fail_msg("%s and its slope: number %d of %d is %g instead of %g", cj__ops[ops[0]].name, i,
                             (int)n, (double)is, (double)should);
            }
        }
}

static void test_twins_are_their_ops(void **state)
{
    (void)state;
    for (int isa = 0; isa < CJ__ISA_COUNT; isa++) {
        const cj__vector_table *table;
        if (!cj__isa_available((cj__isa)isa)) continue;
        setenv("CAJAL_ISA", cj__isa_name((cj__isa)isa), 1);
        expect_ok(cj__vector_choose(&table));
        for (int k = 0; k < TWINS; k++) check_twins(table, twins[k]);
        assert_null(table->twins(CJ__OP_gelu, CJ__OP_silu_slope));
        assert_null(table->twins(CJ__OP_add, CJ__OP_gelu_slope));
    }
    unsetenv("CAJAL_ISA");
}

static int64_t nodes_of(const cj_graph *g, cj__op op)
{
    int64_t count = 0;
    for (int64_t i = 0; i < g->node_count; i++) count += g->nodes[i].op == op;
    return count;
}

/* Constant tensors are equal by their numbers, type and shape, not by where they were drawn. */
static void test_equal_tensors_are_one(void **state)
{
    const float numbers[] = {1, 2, 3, 4}, others[] = {1, 2, 3, 5};
    const cj_tensor tensors[] = {{(void *)numbers, CJ_F32, cj_shape(4)},
                                 {(void *)others, CJ_F32, cj_shape(4)},
                                 {(void *)numbers, CJ_F32, cj_shape(2, 2)},
                                 {(void *)numbers, CJ_I32, cj_shape(4)}};
    cj_graph *g, *simple;
    (void)state;
    expect_ok(cj_graph_new(&g, NULL));
    for (int twice = 0; twice < 2; twice++)
        for (int i = 0; i < 4; i++)
            cj_output(g, "y", (cj_cos)(cj_cast(cj_constant_tensor(g, &tensors[i]), CJ_F32)));
    expect_ok(cj_graph_status(g));
    expect_ok(cj__lower_and_simplify(g, &simple));
    assert_int_equal(nodes_of(g, CJ__OP_cos), 8);
    assert_int_equal(nodes_of(simple, CJ__OP_cos), 4);
    assert_int_equal(nodes_of(simple, CJ__OP_literal), 4);
    cj_graph_free(simple);
    cj_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits), cmocka_unit_test(test_equal_tensors_are_one),
        cmocka_unit_test(test_pairs_are_their_ops_in_turn), cmocka_unit_test(test_twins_are_their_ops)};
    return cmocka_run_group_tests_name("fuse", tests, NULL, NULL);
}
