/* Cross-entropy against PyTorch's: classes or distributions, class weights, smoothing, ignored labels; what
 * happens when nothing counts, when a label is past the last class, and what is refused. */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>
#include <string.h>

enum { ROWS = 6, CLASSES = 5, ALL = ROWS * CLASSES };

static const int32_t plain_labels[ROWS] = {3, 0, 2, 4, 2, 1}, padded_labels[ROWS] = {3, -100, 2, 4, -100, 1};

typedef struct {
    double logits[ALL], weights[CLASSES], distributions[ALL];
} numbers;

static double next_number(uint32_t *state)
{
    *state = *state * 69069 + 1;
    return (double)(*state >> 16) / 65536 - 0.5;
}

/* As in fixtures/cross_entropy.py. */
static numbers make_numbers(void)
{
    numbers n;
    uint32_t state = 1;
    for (int i = 0; i < ALL; i++) n.logits[i] = 8 * next_number(&state);
    for (int i = 0; i < CLASSES; i++) n.weights[i] = next_number(&state) + 1;
    for (int i = 0; i < ALL; i++) n.distributions[i] = next_number(&state) + 0.6;
    for (int r = 0; r < ROWS; r++) {
        double sum = 0, *row = n.distributions + r * CLASSES;
        for (int k = 0; k < CLASSES; k++) sum += row[k];
        for (int k = 0; k < CLASSES; k++) row[k] /= sum;
    }
    return n;
}

typedef struct {
    const char *name;      /* of a line of fixtures/cross_entropy.txt */
    const int32_t *labels; /* NULL: distributions */
    bool weights, ignores; /* ignores: 2 */
    double smoothing;
} fixture_case;

static cj_value given(cj_graph *g, cj_dtype dtype, cj_shape_t shape, const double *numbers)
{
    float narrow[ALL];
    for (int64_t i = 0; i < cj_shape_count(shape); i++) narrow[i] = (float)numbers[i];
    void *data = dtype == CJ_F64 ? (void *)(uintptr_t)numbers : narrow;
    return cj_constant_tensor(g, &(cj_tensor){data, dtype, shape});
}

static cj_value loss_of(cj_graph *g, const fixture_case *c, cj_dtype dtype, cj_value logits, cj_value targets)
{
    numbers n = make_numbers();
    cj_value weights = c->weights ? given(g, dtype, cj_shape(CLASSES), n.weights) : (cj_value){0};
    return cj_cross_entropy(logits, targets, .class_weights = weights, .label_smoothing = c->smoothing,
                            .has_ignored_label = c->ignores, .ignored_label = 2);
}

static double number_at(cj_dtype dtype, const void *data, int i)
{
    return dtype == CJ_F64 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

static void check(const fixture_case *c, cj_dtype dtype, const double *wanted)
{
    numbers n = make_numbers();
    double found[3][ALL];
    cj_graph *g;
    cj_program *program;
    cj_value gradients[2];
    expect_ok(cj_graph_new(&g, NULL));
    /* The rows stand along two axes, as those of sequences do. */
    cj_shape_t rows = cj_shape(2, 3), shape = cj_shape(2, 3, CLASSES);
    cj_value logits = given(g, dtype, shape, n.logits);
    cj_value targets = c->labels
                           ? cj_constant_tensor(g, &(cj_tensor){(void *)(uintptr_t)c->labels, CJ_I32, rows})
                           : given(g, dtype, shape, n.distributions);
    cj_value loss = loss_of(g, c, dtype, logits, targets);
    cj_gradients(loss, c->labels ? 1 : 2, (cj_value[]){logits, targets}, gradients);
    cj_output(g, "loss", loss);
    for (int i = 0; i < (c->labels ? 1 : 2); i++) cj_output(g, "gradient", gradients[i]);
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program, .outputs = {found[0], found[1], c->labels ? NULL : found[2]}));
    double allowed = dtype == CJ_F64 ? 1e-12 : 1e-6;
    for (int i = 0; i < 1 + (c->labels ? ALL : 2 * ALL); i++) {
        int part = i == 0 ? 0 : 1 + (i - 1) / ALL;
        double value = number_at(dtype, found[part], i == 0 ? 0 : (i - 1) % ALL);
        if (!(fabs(value - wanted[i]) < allowed * (1 + fabs(wanted[i]))))
            fail_msg("%s, %s: number %d is %.15g, should be %.15g", c->name, cj_dtype_name(dtype), i, value,
                     wanted[i]);
    }
    cj_program_free(program);
    cj_graph_free(g);
}

static const fixture_case cases[] = {
    {"labels", plain_labels, false, false, 0},
    {"weights", plain_labels, true, false, 0},
    {"smoothing", plain_labels, false, false, 0.1},
    {"weights_smoothing", plain_labels, true, false, 0.1},
    {"ignored", plain_labels, false, true, 0},
    {"ignored_weights", plain_labels, true, true, 0},
    {"ignored_smoothing", plain_labels, false, true, 0.2},
    {"ignored_weights_smoothing", plain_labels, true, true, 0.2},
    {"padded", padded_labels, false, false, 0},
    {"padded_weights_smoothing", padded_labels, true, false, 0.2},
    {"soft", NULL, false, false, 0},
    {"soft_weights", NULL, true, false, 0},
    {"soft_smoothing", NULL, false, false, 0.1},
    {"soft_weights_smoothing", NULL, true, false, 0.1},
};
enum { CASES = sizeof cases / sizeof *cases };

static void test_pytorch(void **state)
{
    (void)state;
    int seen = 0;
    char *text = cj_test_read_file(CJ_TEST_FIXTURE("cross_entropy.txt"), NULL), *at = text, name[64];
    for (int used; sscanf(at, "%63s%n", name, &used) == 1;) {
        double wanted[1 + 2 * ALL];
        at += used;
        for (int i = 0; i < 1 + 2 * ALL && *at != '\n'; i++) wanted[i] = strtod(at, &at);
        for (int c = 0; c < CASES; c++) {
            if (strcmp(cases[c].name, name) != 0) continue;
            check(&cases[c], CJ_F64, wanted);
            check(&cases[c], CJ_F32, wanted);
            seen++;
        }
    }
    free(text);
    assert_int_equal(seen, CASES);
}

/* No step of any case falls back on the definitions in double precision. */
static void test_fast(void **state)
{
    (void)state;
    numbers n = make_numbers();
    for (int c = 0; c < CASES; c++) {
        cj_graph *g;
        cj_program *program;
        char *text;
        cj_value gradient;
        expect_ok(cj_graph_new(&g, NULL));
        cj_value logits = cj_input(g, "x", CJ_F32, cj_shape(ROWS, CLASSES));
        cj_value targets = cases[c].labels ? cj_input(g, "y", CJ_I64, cj_shape(ROWS))
                                           : given(g, CJ_F32, cj_shape(ROWS, CLASSES), n.distributions);
        cj_gradients(loss_of(g, &cases[c], CJ_F32, logits, targets), 1, &logits, &gradient);
        cj_output(g, "gradient", gradient);
        expect_ok(cj_compile(&program, g));
        expect_ok(cj_program_text(program, &text));
        if (strstr(text, " reference ")) fail_msg("%s:\n%s", cases[c].name, text);
        cj_text_free(text);
        cj_program_free(program);
        cj_graph_free(g);
    }
}

/* Batches of padding alone: no loss, and no gradient that is not 0. */
static void test_nothing_counts(void **state)
{
    (void)state;
    numbers n = make_numbers();
    for (int kind = 0; kind < 3; kind++) {
        int32_t labels[ROWS] = {-1, -1, -100, 2, 2, 2};
        float loss = 7, gradient[ALL];
        fixture_case c = {"", labels, kind > 0, true, kind > 1 ? 0.1 : 0};
        cj_graph *g;
        cj_program *program;
        cj_value d;
        expect_ok(cj_graph_new(&g, NULL));
        cj_value logits = given(g, CJ_F32, cj_shape(ROWS, CLASSES), n.logits);
        cj_value y = cj_constant_tensor(g, &(cj_tensor){labels, CJ_I32, cj_shape(ROWS)});
        cj_value value = loss_of(g, &c, CJ_F32, logits, y);
        cj_gradients(value, 1, &logits, &d);
        cj_output(g, "loss", value);
        cj_output(g, "gradient", d);
        expect_ok(cj_compile(&program, g));
        expect_ok(cj_program_run(program, .outputs = {&loss, gradient}));
        assert_true(loss == 0);
        for (int i = 0; i < ALL; i++) assert_true(gradient[i] == 0);
        cj_program_free(program);
        cj_graph_free(g);
    }
}

/* Whatever the options, a step with such a label changes nothing and says why. */
static void test_label_past_the_classes(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        float x[2 * 3] = {1, 2, 3, 4, 5, 6}, before[CLASSES * 3];
        int32_t labels[2] = {1, CLASSES};
        cj_model *model;
        cj_graph *g;
        cj_program *step;
        expect_ok(cj_model_new(&model, .seed = 1));
        expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
        cj_value logits =
            cj_dense(cj_at(cj_root(g), "last"), cj_input(g, "x", CJ_F32, cj_shape(2, 3)), .units = CLASSES);
        fixture_case c = {"", labels, kind > 1, false, kind % 2 ? 0.1 : 0};
        cj_minimize(loss_of(g, &c, CJ_F32, logits, cj_input(g, "y", CJ_I32, cj_shape(2))),
                    cj_sgd(.learning_rate = 0.1));
        expect_ok(cj_compile(&step, g));
        cj_graph_free(g);
        cj_tensor weight = cj_model_find(model, "last.weight");
        memcpy(before, weight.data, sizeof before);
        cj_tensor batch[2] = {{x, CJ_F32, cj_shape(2, 3)}, {labels, CJ_I32, cj_shape(2)}};
        expect_status(cj_program_run(step, .inputs = {batch[0], batch[1]}), CJ_NOT_FINITE);
        expect_message("The first that went wrong is cross_entropy_rows");
        expect_message("a label is past the last class");
        assert_memory_equal(before, weight.data, sizeof before);
        labels[1] = CLASSES - 1;
        expect_ok(cj_program_run(step, .inputs = {batch[0], batch[1]}));
        cj_program_free(step);
        cj_model_free(model);
    }
}

/* After a softmax, in bf16, from bytes: the same loss. */
static void test_types(void **state)
{
    (void)state;
    static const float x[] = {1, -2, 3, 0.5F, 0.25F, -4};
    float losses[6];
    cj_graph *g;
    cj_program *program;
    expect_ok(cj_graph_new(&g, NULL));
    cj_value z = cj_constant_tensor(g, &(cj_tensor){(void *)(uintptr_t)x, CJ_F32, cj_shape(2, 3)});
    cj_value bytes = cj_constant_tensor(g, &(cj_tensor){(uint8_t[]){2, 1}, CJ_U8, cj_shape(2)});
    cj_value rows = cj_one_hot(cj_cast(bytes, CJ_I32), 3, CJ_F32);
    cj_value values[6] = {
        cj_cross_entropy(z, cj_cast(bytes, CJ_I64)), cj_cross_entropy(z, bytes),
        cj_cross_entropy(cj_softmax(z, -1), bytes),  cj_cross_entropy(cj_cast(z, CJ_BF16), bytes),
        cj_cross_entropy(cj_softmax(z, -1), rows),   cj_cross_entropy(z, cj_cast(rows, CJ_BF16))};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(cj_value_dtype(values[i]), CJ_F32);
        cj_output(g, "loss", values[i]);
    }
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(
        program, .outputs = {&losses[0], &losses[1], &losses[2], &losses[3], &losses[4], &losses[5]}));
    for (int i = 1; i < 4; i++) assert_memory_equal(&losses[i], &losses[0], sizeof(float));
    for (int i = 4; i < 6; i++) assert_true(fabsf(losses[i] - losses[0]) < 1e-6F);
    cj_program_free(program);
    cj_graph_free(g);
}

/* `loss` draws; what it draws must be refused with the sentence. */
static void expect_refused(cj_value (*loss)(cj_graph *g, cj_value logits), const char *sentence)
{
    cj_graph *g;
    cj_program *program;
    expect_ok(cj_graph_new(&g, NULL));
    assert_false(cj_value_ok(loss(g, cj_input(g, "x", CJ_F32, cj_shape(6, 5)))));
    expect_status(cj_compile(&program, g), CJ_SHAPE_ERROR);
    expect_message(sentence);
    expect_message("test_cross_entropy.c:");
    cj_graph_free(g);
}

#define REFUSED(name, dtype, shape, ...)                                                                     \
    static cj_value name(cj_graph *g, cj_value logits)                                                       \
    {                                                                                                        \
        return cj_cross_entropy(logits, cj_input(g, "y", dtype, shape), __VA_ARGS__);                        \
    }
REFUSED(flags, CJ_BOOL, cj_shape(6), .label_smoothing = 0)
REFUSED(few_labels, CJ_I32, cj_shape(5), .label_smoothing = 0)
REFUSED(one_hot_labels, CJ_I32, cj_shape(6, 5), .label_smoothing = 0)
REFUSED(one_number_a_row, CJ_F32, cj_shape(6), .label_smoothing = 0)
REFUSED(other_classes, CJ_F32, cj_shape(6, 4), .label_smoothing = 0)
REFUSED(much_smoothing, CJ_I32, cj_shape(6), .label_smoothing = 1.5)
REFUSED(no_number, CJ_F32, cj_shape(6, 5), .label_smoothing = (double)NAN)
REFUSED(soft_ignored, CJ_F32, cj_shape(6, 5), .has_ignored_label = true)
REFUSED(far_ignored, CJ_I32, cj_shape(6), .has_ignored_label = true, .ignored_label = (int64_t)1 << 40)
REFUSED(few_weights, CJ_I32, cj_shape(6), .class_weights = cj_input(g, "w", CJ_F32, cj_shape(4)))
REFUSED(whole_weights, CJ_I32, cj_shape(6), .class_weights = cj_input(g, "w", CJ_I32, cj_shape(5)))

static cj_value whole_logits(cj_graph *g, cj_value logits)
{
    return cj_cross_entropy(cj_cast(logits, CJ_I32), cj_input(g, "y", CJ_I32, cj_shape(6)));
}

static cj_value scalar_logits(cj_graph *g, cj_value logits)
{
    (void)logits;
    return cj_cross_entropy(cj_input(g, "z", CJ_F32, cj_scalar_shape()),
                            cj_input(g, "y", CJ_F32, cj_scalar_shape()));
}

static void test_refusals(void **state)
{
    (void)state;
    expect_refused(flags, "labels are bool, expected classes");
    expect_refused(few_labels, "differ along axis 0");
    expect_refused(one_hot_labels,
                   "hint: targets that are distributions over the classes are floating point");
    expect_refused(one_number_a_row,
                   "f32 [6,5], f32 [6]: targets must have the type and shape of the logits");
    expect_refused(other_classes, "f32 [6,5], f32 [6,4]: targets must have");
    expect_refused(much_smoothing, "label_smoothing is 1.5, expected a share between 0 and 1");
    expect_refused(no_number, "label_smoothing is nan");
    expect_refused(soft_ignored, "distributions over the classes have no ignored label; hint:");
    expect_refused(far_ignored, "no label is 1099511627776, since labels are i32");
    expect_refused(few_weights,
                   "class weights are f32 [4], expected one floating-point number for each of 5 classes");
    expect_refused(whole_weights, "class weights are i32 [5], expected");
    expect_refused(whole_logits, "cross_entropy");
    expect_refused(scalar_logits, "a scalar has no classes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pytorch),        cmocka_unit_test(test_fast),
        cmocka_unit_test(test_nothing_counts), cmocka_unit_test(test_label_past_the_classes),
        cmocka_unit_test(test_types),          cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("cross_entropy", tests, NULL, NULL);
}
