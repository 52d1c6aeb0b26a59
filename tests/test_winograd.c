/* Winograd's convolution: its matrices in exact arithmetic; the convolution and both gradients against double
 * precision on awkward shapes and every instruction set, with the error they may have; the same bits on any
 * number of threads; and transformed weights that are kept until the weights change. */
#include "support.h"

#include "base/memory.h"
#include "base/random.h"
#include "cajal/cajal.h"
#include "compile/passes.h"
#include "compile/program.h"
#include "cpu/backend.h"
#include "cpu/winograd.h"

#include <math.h>

/* --- programs of one op -------------------------------------------------------------------------------- */

/* The kernels as they are, but for every shape they can do rather than those where they pay. */
static cj__kernel forward, to_input, to_weight;
static const cj__kernel *kernels[] = {
    &forward, &to_input, &to_weight, &cj__chain_kernel, &cj__reference_kernel, NULL};
static const cj__backend winograd = {.name = "winograd", .kernels = kernels};
static const cj__kernel *const definitions[] = {&cj__chain_kernel, &cj__reference_kernel, NULL};
static const cj__backend reference = {.name = "reference", .kernels = definitions};

static int take_kernels(void **state)
{
    (void)state;
    forward = cj__winograd_kernel;
    to_input = cj__winograd_to_input_kernel;
    to_weight = cj__winograd_to_weight_kernel;
    forward.refuse = to_input.refuse = to_weight.refuse = cj__winograd_cannot;
    return 0;
}

typedef struct {
    int64_t batch, height, width, in, out;
    int64_t top, left, bottom, right; /* padding */
} shape;

enum { X, WEIGHT, Y }; /* which of them is computed from the two others */

static cj_shape_t shape_of(const shape *s, int which)
{
    if (which == X) return cj_shape(s->batch, s->height, s->width, s->in);
    if (which == WEIGHT) return cj_shape(3, 3, s->in, s->out);
    return cj_shape(s->batch, s->height + s->top + s->bottom - 2, s->width + s->left + s->right - 2, s->out);
}

static cj__window_attributes window_of(const shape *s, int result)
{
    cj__window_attributes a = {.rank = 2,
                               .kernel = {3, 3},
                               .stride = {1, 1},
                               .dilation = {1, 1},
                               .before = {s->top, s->left},
                               .after = {s->bottom, s->right},
                               .groups = 1};
    if (result == X) a.size[0] = s->height, a.size[1] = s->width;
    return a;
}

static cj_status plan(cj_program **program, cj_graph *g, unsigned fusion, const cj__backend *backend)
{
    cj_graph *simple = NULL, *fused = NULL;
    cj_status status = cj_graph_status(g);
    if (status == CJ_OK) status = cj__lower_and_simplify(g, &simple);
    if (status == CJ_OK) status = cj__fuse(simple, fusion, &fused);
    if (status == CJ_OK) status = cj__plan(fused, backend, false, program);
    cj_graph_free(fused);
    cj_graph_free(simple);
    return status;
}

static cj_status make(cj_program **program, const shape *s, int result, cj_dtype dtype,
                      const cj__backend *backend)
{
    static const cj__op ops[] = {CJ__OP_convolution_input_gradient, CJ__OP_convolution_weight_gradient,
                                 CJ__OP_convolution};
    cj__window_attributes a = window_of(s, result);
    cj_graph *g;
    *program = NULL;
    CJ__TRY(cj_graph_new(&g, NULL));
    cj_value first = cj_input(g, "first", dtype, shape_of(s, result == X ? Y : X));
    cj_value second = cj_input(g, "second", dtype, shape_of(s, result == WEIGHT ? Y : WEIGHT));
    cj_output(g, "result", cj__draw2(ops[result], &a, first, second));
    cj_status status = plan(program, g, 0, backend);
    cj_graph_free(g);
    return status;
}

typedef struct {
    shape s;
    int64_t count[3];
    float *f32[3]; /* by X, WEIGHT, Y; each ends where its memory ends */
    double *f64[3];
} operands;

static void operands_new(operands *o, const shape *s)
{
    *o = (operands){.s = *s};
    for (int k = 0; k < 3; k++) {
        o->count[k] = cj_shape_count(shape_of(s, k));
        o->f32[k] = malloc((size_t)o->count[k] * sizeof(float) + (o->count[k] == 0));
        o->f64[k] = malloc((size_t)o->count[k] * sizeof(double) + 1);
        for (int64_t i = 0; i < o->count[k]; i++)
            o->f64[k][i] = o->f32[k][i] = cj__normal(7, (uint64_t)k, (uint64_t)i);
    }
}

static void operands_free(operands *o)
{
    for (int k = 0; k < 3; k++) free(o->f32[k]), free(o->f64[k]);
}

static cj_status compute(cj_program *program, operands *o, int result, cj_dtype dtype)
{
    int first = result == X ? Y : X, second = result == WEIGHT ? Y : WEIGHT;
    void **data = dtype == CJ_F32 ? (void **)o->f32 : (void **)o->f64;
    return cj_program_run(program,
                          .inputs = {{data[first], dtype, shape_of(&o->s, first)},
                                     {data[second], dtype, shape_of(&o->s, second)}},
                          .outputs = {data[result]});
}

static void expect_computed(operands *o, int result, cj_dtype dtype, const cj__backend *backend)
{
    cj_program *program;
    expect_ok(make(&program, &o->s, result, dtype, backend));
    if (backend == &winograd)
        assert_ptr_not_equal(program->steps[program->step_count - 1].kernel, &cj__reference_kernel);
    expect_ok(compute(program, o, result, dtype));
    cj_program_free(program);
}

/* ‖f32 - f64‖ / ‖f64‖ */
static double error_of(const operands *o, int result)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < o->count[result]; i++) {
        double d = (double)o->f32[result][i] - o->f64[result][i];
        difference += d * d;
        norm += o->f64[result][i] * o->f64[result][i];
    }
    return difference == 0 ? 0 : sqrt(difference / norm);
}

/* --- instruction sets ---------------------------------------------------------------------------------- */

static void on_every_isa(void (*check)(const char *isa))
{
    for (int i = 0; i < CJ__ISA_COUNT; i++) {
        if (!cj__isa_available((cj__isa)i) || cj__isa_vectors((cj__isa)i) != (cj__isa)i) continue;
        setenv("CAJAL_ISA", cj__isa_name((cj__isa)i), 1);
        check(cj__isa_name((cj__isa)i));
    }
    unsetenv("CAJAL_ISA");
}

/* --- the matrices, in numbers p + q√2 ------------------------------------------------------------------ */

typedef struct {
    int64_t p, q;
} surd;

static surd times(surd a, surd b)
{
    return (surd){a.p * b.p + 2 * a.q * b.q, a.p * b.q + a.q * b.p};
}

/* 4·Aᵀ, 6·G and 2·Bᵀ by point: 0, 1/√2, -1/√2, √2, -√2, ∞. */
static const surd A4[6][4] = {{{4, 0}, {0, 0}, {0, 0}, {0, 0}},   {{4, 0}, {0, 2}, {2, 0}, {0, 1}},
                              {{4, 0}, {0, -2}, {2, 0}, {0, -1}}, {{4, 0}, {0, 4}, {8, 0}, {0, 8}},
                              {{4, 0}, {0, -4}, {8, 0}, {0, -8}}, {{0, 0}, {0, 0}, {0, 0}, {4, 0}}};
static const surd G6[6][3] = {{{6, 0}, {0, 0}, {0, 0}},   {{-4, 0}, {0, -2}, {-2, 0}},
                              {{-4, 0}, {0, 2}, {-2, 0}}, {{1, 0}, {0, 1}, {2, 0}},
                              {{1, 0}, {0, -1}, {2, 0}},  {{0, 0}, {0, 0}, {6, 0}}};
static const surd B2[6][6] = {
    {{2, 0}, {0, 0}, {-5, 0}, {0, 0}, {2, 0}, {0, 0}},  {{0, 0}, {0, -2}, {-4, 0}, {0, 1}, {2, 0}, {0, 0}},
    {{0, 0}, {0, 2}, {-4, 0}, {0, -1}, {2, 0}, {0, 0}}, {{0, 0}, {0, -1}, {-1, 0}, {0, 2}, {2, 0}, {0, 0}},
    {{0, 0}, {0, 1}, {-1, 0}, {0, -2}, {2, 0}, {0, 0}}, {{0, 0}, {2, 0}, {0, 0}, {-5, 0}, {0, 0}, {2, 0}}};

/* Result i is the sum of taps k times pixels i + k, and nothing else. */
static void test_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++)
            for (int j = 0; j < 6; j++) {
                surd sum = {0, 0};
                for (int point = 0; point < 6; point++) {
                    surd term = times(A4[point][i], times(G6[point][k], B2[point][j]));
                    sum.p += term.p, sum.q += term.q;
                }
                assert_int_equal(sum.p, j == i + k ? 4 * 6 * 2 : 0);
                assert_int_equal(sum.q, 0);
            }
}

static double value_of(surd s, int scale)
{
    return ((double)s.p + (double)s.q * sqrt(2)) / scale;
}

static const cj__winograd_kernels *transforms(void)
{
    cj__winograd_table table;
    expect_ok(cj__winograd_choose(&table));
    return table.transforms;
}

enum { LANES = 16 };
static float planes[36 * LANES], places[36][LANES];
static float *place[36];

/* Each transform turns a unit into an outer product of two columns of its matrix. */
static void expect_unit(double wanted, float got)
{
    if (fabs(wanted - (double)got) > 2e-7 * (1 + fabs(wanted)))
        fail_msg("%.9g, expected %.9g", (double)got, wanted);
}

static void unit(float (*rows)[LANES], int count, int at)
{
    for (int i = 0; i < count; i++)
        for (int lane = 0; lane < LANES; lane++) rows[i][lane] = i == at;
}

/* What the planes of each third are, when all of them are `planes`. */
static void expect_thirds(void (*transform)(const float *const *, int, int64_t, float *, int64_t))
{
    static float third_planes[12 * LANES];
    for (int third = 0; third < CJ__WINOGRAD_THIRDS; third++) {
        transform((const float *const *)place, third, LANES, third_planes, LANES);
        for (int e = 0; e < 12; e++)
            expect_unit(planes[(CJ__WINOGRAD_ROW(third, e / 6) * 6 + e % 6) * LANES + 5],
                        third_planes[e * LANES + 5]);
    }
}

static void check_units(const char *isa)
{
    const cj__winograd_kernels *t = transforms();
    (void)isa;
    for (int i = 0; i < 36; i++) place[i] = places[i];
    for (int u = 0; u < 36; u++) {
        unit(places, 36, u);
        t->source((const float *const *)place, CJ__WINOGRAD_ALL, LANES, planes, LANES);
        expect_thirds(t->source);
        for (int e = 0; e < 36; e++)
            expect_unit(value_of(B2[e / 6][u / 6], 2) * value_of(B2[e % 6][u % 6], 2), planes[e * LANES + 3]);
        unit((float(*)[LANES])planes, 36, u);
        t->result(planes, LANES, LANES, place);
        for (int e = 0; e < 16; e++)
            expect_unit(value_of(A4[u / 6][e / 4], 4) * value_of(A4[u % 6][e % 4], 4), places[e][7]);
        t->weight_gradient(planes, LANES, 1, 0, LANES, places[0], LANES);
        for (int e = 0; e < 9; e++)
            expect_unit(value_of(G6[u / 6][e / 3], 6) * value_of(G6[u % 6][e % 3], 6), places[e][0]);
    }
    for (int u = 0; u < 16; u++) {
        unit(places, 16, u);
        t->result_gradient((const float *const *)place, CJ__WINOGRAD_ALL, LANES, planes, LANES);
        expect_thirds(t->result_gradient);
        for (int e = 0; e < 36; e++)
            expect_unit(value_of(A4[e / 6][u / 4], 4) * value_of(A4[e % 6][u % 4], 4),
                        planes[e * LANES + 15]);
    }
    for (int u = 0; u < 18; u++) {
        unit(places, 9, u % 9);
        t->weight(places[0], LANES, LANES, u >= 9, planes, LANES);
        int tap = u < 9 ? u : 17 - u;
        for (int e = 0; e < 36; e++)
            expect_unit(value_of(G6[e / 6][tap / 3], 6) * value_of(G6[e % 6][tap % 3], 6),
                        planes[e * LANES + 1]);
    }
}

static void test_transforms(void **state)
{
    (void)state;
    on_every_isa(check_units);
}

/* --- against double precision -------------------------------------------------------------------------- */

static const shape awkward[] = {
    {1, 5, 7, 33, 17, 1, 1, 1, 1},  {3, 13, 11, 17, 33, 0, 0, 0, 0}, {2, 13, 11, 64, 64, 1, 1, 1, 1},
    {1, 4, 4, 64, 33, 1, 1, 1, 1},  {1, 6, 6, 17, 16, 0, 0, 0, 0},   {1, 1, 1, 1, 1, 1, 1, 1, 1},
    {3, 8, 9, 32, 40, 2, 2, 2, 2},  {1, 3, 5, 5, 3, 2, 0, 1, 2},     {2, 7, 6, 48, 70, 0, 2, 2, 0},
    {1, 3, 3, 2, 130, 0, 0, 0, 0},  {3, 5, 6, 130, 1, 1, 1, 0, 1},   {2, 17, 16, 65, 31, 1, 0, 1, 1},
    {0, 8, 8, 8, 8, 1, 1, 1, 1},    {1, 9, 9, 7, 9, 3, 3, 3, 3},     {2, 21, 24, 33, 37, 1, 0, 1, 1},
    {3, 29, 30, 66, 5, 1, 0, 1, 1}, {2, 6, 9, 290, 17, 1, 1, 1, 1},  {1, 7, 6, 5, 270, 0, 1, 2, 1},
};
enum { AWKWARD = sizeof awkward / sizeof *awkward };

static const char *const names[] = {"to input", "to weight", "forward"};

static void check_awkward(const char *isa)
{
    for (int i = 0; i < AWKWARD; i++)
        for (int result = 0; result < 3; result++) {
            operands o;
            operands_new(&o, &awkward[i]);
            expect_computed(&o, result, CJ_F64, &reference);
            expect_computed(&o, result, CJ_F32, &winograd);
            double error = error_of(&o, result);
            if (!(error < 2e-6))
                fail_msg("%s, shape %d, %s: relative error %g", isa, i, names[result], error);
            operands_free(&o);
        }
}

static void test_awkward_shapes(void **state)
{
    (void)state;
    on_every_isa(check_awkward);
}

/* Real channels, several blocks of everything. */
static const struct {
    shape s;
    double bound; /* relative rms of what is made of normal numbers */
} real[] = {
    {{4, 16, 16, 64, 64, 1, 1, 1, 1}, 1.2e-6},
    {{2, 16, 16, 128, 128, 1, 1, 1, 1}, 1.6e-6},
    {{4, 8, 8, 256, 160, 1, 1, 1, 1}, 2e-6},
};

static void check_real(const char *isa)
{
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        for (int result = 0; result < 3; result++) {
            operands o;
            operands_new(&o, &real[i].s);
            expect_computed(&o, result, CJ_F64, &reference);
            expect_computed(&o, result, CJ_F32, &winograd);
            double error = error_of(&o, result);
            printf("%s %lld→%lld channels %s: relative error %.2g\n", isa, (long long)real[i].s.in,
                   (long long)real[i].s.out, names[result], error);
            if (!(error < real[i].bound)) fail_msg("the bound is %g", real[i].bound);
            operands_free(&o);
        }
    }
}

static void test_errors(void **state)
{
    (void)state;
    on_every_isa(check_real);
}

/* --- the same bits ------------------------------------------------------------------------------------- */

static void expect_same_bits(const shape *s)
{
    static const int threads[] = {1, 2, 3, 7};
    for (int result = 0; result < 3; result++) {
        operands o;
        operands_new(&o, s);
        size_t bytes = (size_t)o.count[result] * sizeof(float);
        float *first = malloc(bytes);
        for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
            expect_ok(cj_set_threads(threads[i]));
            memset(o.f32[result], 0xff, bytes);
            expect_computed(&o, result, CJ_F32, &winograd);
            if (i == 0) memcpy(first, o.f32[result], bytes);
            assert_memory_equal(first, o.f32[result], bytes);
        }
        free(first);
        operands_free(&o);
    }
    expect_ok(cj_set_threads(2));
}

/* Many tiles, and so few that tasks transform the weight themselves. */
static void test_threads(void **state)
{
    (void)state;
    expect_same_bits(&(shape){5, 18, 15, 70, 90, 1, 1, 1, 1});
    expect_same_bits(&(shape){33, 4, 4, 70, 90, 1, 1, 1, 1});
}

/* --- with a chain -------------------------------------------------------------------------------------- */

/* relu(convolution · factor + factor) + other, and the convolution itself. */
static cj_graph *draw_chain(const shape *s, bool backwards)
{
    cj__window_attributes a = window_of(s, backwards ? X : Y);
    int from = backwards ? Y : X, to = backwards ? X : Y;
    cj_graph *g;
    expect_ok(cj_graph_new(&g, NULL));
    cj_value x = cj_input(g, "x", CJ_F32, shape_of(s, from));
    cj_value weight = cj_input(g, "weight", CJ_F32, shape_of(s, WEIGHT));
    cj_value factor = cj_input(g, "factor", CJ_F32, cj_shape(shape_of(s, to).dims[3]));
    cj_value other = cj_input(g, "other", CJ_F32, shape_of(s, to));
    cj_value made =
        cj__draw2(backwards ? CJ__OP_convolution_input_gradient : CJ__OP_convolution, &a, x, weight);
    cj_output(g, "y", cj_add(cj_relu(cj_add(cj_mul(made, factor), factor)), other));
    cj_output(g, "made", made);
    return g;
}

/* Results: y, made; step_count: to see what was fused. */
static int64_t run_chain(const cj_graph *drawn, const shape *s, bool backwards, unsigned fusion,
                         float *results[2])
{
    int from = backwards ? Y : X, to = backwards ? X : Y;
    operands o;
    cj_program *program;
    expect_ok(plan(&program, (cj_graph *)drawn, fusion, &cj__cpu_backend));
    operands_new(&o, s);
    expect_ok(cj_program_run(program,
                             .inputs = {{o.f32[from], CJ_F32, shape_of(s, from)},
                                        {o.f32[WEIGHT], CJ_F32, shape_of(s, WEIGHT)},
                                        {o.f32[WEIGHT], CJ_F32, cj_shape(shape_of(s, to).dims[3])},
                                        {o.f32[to], CJ_F32, shape_of(s, to)}},
                             .outputs = {results[0], results[1]}));
    int64_t steps = program->step_count;
    bool used = false;
    for (int64_t i = 0; i < steps; i++) used |= strstr(program->steps[i].kernel->name, "winograd") != NULL;
    assert_true(used);
    cj_program_free(program);
    operands_free(&o);
    return steps;
}

/* Tiles cut by every edge, blocks that end within a row of tiles, several blocks of columns; so few tiles
 * that no stage before transforms the weight. */
static const struct {
    shape s;
    int64_t steps; /* in which the convolution is made */
} chained[] = {{{6, 13, 14, 33, 40, 1, 1, 1, 1}, 2},
               {{5, 15, 17, 32, 150, 0, 0, 0, 0}, 2},
               {{70, 4, 4, 64, 32, 1, 1, 1, 1}, 2},
               {{4, 7, 8, 80, 70, 1, 1, 1, 1}, 1}};

static void check_chain(const char *isa)
{
    for (size_t i = 0; i < 2 * sizeof chained / sizeof *chained; i++) {
        const shape *s = &chained[i / 2].s;
        bool backwards = i % 2;
        size_t bytes = (size_t)cj_shape_count(shape_of(s, backwards ? X : Y)) * sizeof(float);
        float *fused[2] = {malloc(bytes), malloc(bytes)}, *plain[2] = {malloc(bytes), malloc(bytes)};
        cj_graph *g = draw_chain(s, backwards);
        /* the weight's stage if there is one, the convolution, the chain; the chain joins the convolution */
        int64_t plain_steps = run_chain(g, s, backwards, CJ__FUSE_CHAINS, plain);
        int64_t fused_steps = run_chain(g, s, backwards, CJ__FUSE_ALL, fused);
        if (plain_steps != chained[i / 2].steps + 1 || fused_steps != chained[i / 2].steps)
            fail_msg("%s: %lld and %lld steps", isa, (long long)plain_steps, (long long)fused_steps);
        for (int k = 0; k < 2; k++) assert_memory_equal(fused[k], plain[k], bytes);
        for (int k = 0; k < 2; k++) free(fused[k]), free(plain[k]);
        cj_graph_free(g);
    }
}

static void test_a_chain_changes_no_bit(void **state)
{
    (void)state;
    on_every_isa(check_chain);
}

/* --- weights that are kept ----------------------------------------------------------------------------- */

enum { MAPS = 4, SIDE = 16, CHANNELS = 32 };
static float image[MAPS * SIDE * SIDE * CHANNELS], answers[2][MAPS * SIDE * SIDE * CHANNELS];

/* Two layers as cj_compile makes them, so by Winograd since it pays: by parts of bf16 where there is AMX. */
static cj_status make_network(cj_program **program, cj_model *model, bool no_winograd)
{
    cj_graph *g;
    *program = NULL;
    CJ__TRY(cj_graph_new(&g, model, .no_winograd = no_winograd));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(MAPS, SIDE, SIDE, CHANNELS));
    for (int i = 0; i < 2; i++)
        x = cj_conv2d(cj_at(cj_root(g), "%d", i), x, .filters = CHANNELS, .kernel = 3, .padding = CJ_SAME);
    cj_output(g, "y", x);
    cj_status status = cj_compile(program, g);
    cj_graph_free(g);
    return status;
}

static cj_status run_network(cj_program *program, float *answer)
{
    for (int64_t i = 0; i < MAPS * SIDE * SIDE * CHANNELS; i++) image[i] = (float)(i % 13) - 6;
    return cj_program_run(program, .inputs = {{image, CJ_F32, cj_shape(MAPS, SIDE, SIDE, CHANNELS)}},
                          .outputs = {answer});
}

static int winograd_steps(const cj_program *p)
{
    int count = 0;
    for (int64_t s = 0; s < p->step_count; s++) {
        const cj__kernel *kernel = p->steps[s].kernel;
        count += kernel == &cj__winograd_chain_kernel || kernel == &cj__winograd_parts_chain_kernel;
    }
    return count;
}

static void test_kept_weights(void **state)
{
    (void)state;
    cj_model *model;
    cj_program *program;
    expect_ok(cj_model_new(&model, .seed = 3));
    expect_ok(make_network(&program, model, false));
    assert_int_equal(winograd_steps(program), 2);
    assert_int_equal(program->kept_count, 2);
    expect_ok(run_network(program, answers[0]));
    expect_ok(run_network(program, answers[1]));
    assert_memory_equal(answers[0], answers[1], sizeof answers[0]);
    ((float *)cj_model_find(model, "1.weight").data)[77] += 1;
    expect_ok(run_network(program, answers[1]));
    assert_true(memcmp(answers[0], answers[1], sizeof answers[0]) != 0);
    ((float *)cj_model_find(model, "1.weight").data)[77] -= 1;
    expect_ok(run_network(program, answers[1]));
    for (size_t i = 0; i < sizeof answers[0] / sizeof(float); i++)
        assert_true(fabsf(answers[0][i] - answers[1][i]) < 1e-4f);
    cj_program_free(program);
    cj_model_free(model);
}

static void test_planned_memory(void **state)
{
    (void)state;
    cj_model *model;
    cj_program *program;
    expect_ok(cj_model_new(&model, .seed = 3));
    expect_ok(make_network(&program, model, false));
    int64_t before = cj__thread_bytes();
    expect_ok(run_network(program, answers[0]));
    assert_int_equal(cj__thread_bytes() - before, cj_program_describe(program).run_bytes);
    cj_program_free(program);
    cj_model_free(model);
}

static cj_status scenario(void *context)
{
    cj_model *model;
    cj_program *program = NULL;
    (void)context;
    CJ__TRY(cj_model_new(&model, .seed = 3));
    cj_status status = make_network(&program, model, false);
    if (status == CJ_OK) status = run_network(program, answers[0]);
    cj_program_free(program);
    cj_model_free(model);
    return status;
}

static cj_status gradients(void *context)
{
    const shape s = {1, 8, 8, 8, 8, 1, 1, 1, 1};
    (void)context;
    for (int result = 0; result < 2; result++) {
        cj_program *program;
        operands o;
        operands_new(&o, &s);
        cj_status status = make(&program, &s, result, CJ_F32, &winograd);
        if (status == CJ_OK) status = compute(program, &o, result, CJ_F32);
        cj_program_free(program);
        operands_free(&o);
        CJ__TRY(status);
    }
    return CJ_OK;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_test_every_allocation_fails(scenario, NULL);
    cj_test_every_allocation_fails(gradients, NULL);
    cj_test_allocator_remove();
}

/* --- where it is refused ------------------------------------------------------------------------------- */

static void test_refusals(void **state)
{
    (void)state;
    cj_model *model;
    cj_program *program;
    char *text;
    expect_ok(cj_model_new(&model, .seed = 3));
    expect_ok(make_network(&program, model, true));
    assert_int_equal(winograd_steps(program), 0);
    expect_ok(cj_program_text(program, &text));
    assert_non_null(strstr(text, ": the graph's options forbid it"));
    cj_text_free(text);
    cj_program_free(program);
    setenv("CAJAL_WINOGRAD", "0", 1);
    expect_ok(make_network(&program, model, false));
    unsetenv("CAJAL_WINOGRAD");
    assert_int_equal(winograd_steps(program), 0);
    expect_ok(cj_program_text(program, &text));
    assert_non_null(strstr(text, ": CAJAL_WINOGRAD=0 forbids it"));
    expect_ok(run_network(program, answers[1]));
    cj_program_free(program);
    expect_ok(make_network(&program, model, false));
    expect_ok(run_network(program, answers[0]));
    for (size_t i = 0; i < sizeof answers[0] / sizeof(float); i++)
        assert_true(fabsf(answers[0][i] - answers[1][i]) < 1e-3f);
    cj_text_free(text);
    cj_program_free(program);
    cj_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_transforms),
        cmocka_unit_test(test_awkward_shapes),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_a_chain_changes_no_bit),
        cmocka_unit_test(test_kept_weights),
        cmocka_unit_test(test_planned_memory),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, take_kernels, NULL);
}
