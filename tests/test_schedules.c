/* Learning-rate schedules against PyTorch's: tests/fixtures/schedules.py made the numbers. */
#include "support.h"

#include "base/file.h"
#include "base/json.h"
#include "cajal/nn.h"

#include <math.h>

enum { MOST = 200, STEPS = 40 };
static const double BASE = 0.3;

typedef struct {
    double at[MOST];
    int count;
} series;

/* The list `name` of the fixture. */
static series expected(const char *name)
{
    char *data;
    size_t size;
    series found = {.count = -1};
    cj__json json;
    cj__arena arena = {0};
    expect_ok(cj__file_read(CJ_TEST_FIXTURE("schedules.json"), 1 << 20, &data, &size));
    cj__json_begin(&json, data, size);
    cj__json_enter(&json, '{');
    for (int64_t i = 0; cj__json_more(&json, i, '}'); i++) {
        const char *key = cj__json_key(&json, &arena);
        if (!key || strcmp(key, name) != 0) {
            cj__json_skip(&json);
            continue;
        }
        cj__json_enter(&json, '[');
        for (found.count = 0; cj__json_more(&json, found.count, ']') && found.count < MOST; found.count++)
            found.at[found.count] = cj__json_number(&json);
    }
    expect_ok(cj__json_finish(&json));
    cj__arena_free(&arena);
    cj__free(data);
    if (found.count <= 0) fail_msg("the fixture has no list %s", name);
    return found;
}

static void expect_rate(const char *name, int at, double found, double wanted)
{
    if (!(fabs(found - wanted) <= 1e-12 * BASE))
        fail_msg("%s at %d: %.17g, should be %.17g", name, at, found, wanted);
}

static void test_rates(void **state)
{
    (void)state;
    const struct {
        const char *name;
        cj_schedule schedule;
    } cases[] = {
        {"constant", {0}},
        {"step", {.kind = CJ_SCHEDULE_STEP, .every = 7, .factor = 0.4}},
        {"exponential", {.kind = CJ_SCHEDULE_EXPONENTIAL, .factor = 0.9}},
        {"cosine", {.kind = CJ_SCHEDULE_COSINE, .minimum = 0.01}},
        {"linear", {.kind = CJ_SCHEDULE_LINEAR, .minimum = 0.06}},
        {"one_cycle", {.kind = CJ_SCHEDULE_ONE_CYCLE}},
        {"one_cycle_options",
         {.kind = CJ_SCHEDULE_ONE_CYCLE, .rising = 0.45, .initial_divisor = 10, .final_divisor = 50}},
        {"warm_constant", {.warm_up = 5}},
        {"warm_step",
         {.kind = CJ_SCHEDULE_STEP, .every = 7, .factor = 0.4, .warm_up = 5, .warm_up_start = 0.1}},
        {"warm_cosine", {.kind = CJ_SCHEDULE_COSINE, .warm_up = 8, .warm_up_start = 0.01}},
        {"warm_linear", {.kind = CJ_SCHEDULE_LINEAR, .minimum = 0.021, .warm_up = 9, .warm_up_start = 0.2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        series wanted = expected(cases[i].name);
        expect_ok(cj_schedule_check(&cases[i].schedule));
        for (int t = 0; t < wanted.count; t++)
            expect_rate(cases[i].name, t, cj_schedule_rate(&cases[i].schedule, BASE, t, STEPS), wanted.at[t]);
    }
}

/* `every` as an epoch's steps: once an epoch, exponential is what PyTorch's is. A period ends a cosine early,
 * and nothing moves after the end. */
static void test_periods(void **state)
{
    (void)state;
    cj_schedule decay = {.kind = CJ_SCHEDULE_EXPONENTIAL, .factor = 0.9, .every = 50};
    series wanted = expected("exponential");
    for (int t = 0; t < wanted.count; t++)
        expect_rate("exponential", t, cj_schedule_rate(&decay, BASE, 50 * t, 5000), wanted.at[t]);
    cj_schedule cosine = {.kind = CJ_SCHEDULE_COSINE, .minimum = 0.01, .period = STEPS};
    wanted = expected("cosine");
    for (int t = 0; t < wanted.count; t++)
        expect_rate("cosine", t, cj_schedule_rate(&cosine, BASE, t, 5000), wanted.at[t]);
    assert_true(cj_schedule_rate(&cosine, BASE, 4000, 5000) == 0.01);
    cj_schedule cycle = {.kind = CJ_SCHEDULE_ONE_CYCLE};
    assert_true(cj_schedule_rate(&cycle, BASE, 5000, STEPS) == cj_schedule_rate(&cycle, BASE, 39, STEPS));
}

/* A training of one step, or one that is all warm-up, still has a rate. */
static void test_short(void **state)
{
    (void)state;
    for (int kind = 0; kind < CJ_SCHEDULE_COUNT; kind++)
        for (int64_t total = 0; total < 5; total++)
            for (int64_t warm_up = 0; warm_up < 5; warm_up++)
                for (int64_t step = 0; step < 6; step++) {
                    cj_schedule s = {.kind = (cj_schedule_kind)kind, .warm_up = warm_up};
                    double rate = cj_schedule_rate(&s, BASE, step, total);
                    if (!(rate >= 0 && rate <= BASE)) fail_msg("%s: %g", cj_schedule_name(s.kind), rate);
                }
}

static void test_plateau(void **state)
{
    (void)state;
    const struct {
        const char *name;
        cj_schedule schedule;
    } cases[] = {
        {"plateau", {.kind = CJ_SCHEDULE_PLATEAU}},
        {"plateau_options",
         {.kind = CJ_SCHEDULE_PLATEAU,
          .factor = 0.5,
          .patience = 3,
          .threshold = 1e-3,
          .cooldown = 2,
          .minimum = 0.02}},
        {"plateau_impatient", {.kind = CJ_SCHEDULE_PLATEAU, .factor = 0.3, .patience = -1}},
    };
    series losses = expected("losses");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const cj_schedule *s = &cases[i].schedule;
        cj_plateau plateau = {0};
        series wanted = expected(cases[i].name);
        for (int t = 0; t < wanted.count; t++) {
            cj_plateau_update(s, &plateau, losses.at[t]);
            expect_rate(cases[i].name, t, cj_plateau_rate(s, &plateau, BASE), wanted.at[t]);
        }
        assert_true(plateau.decays > 0);
    }
    /* With the other kinds it changes nothing; a loss that is NaN is a bad epoch. */
    cj_schedule constant = {0}, impatient = {.kind = CJ_SCHEDULE_PLATEAU, .patience = -1};
    cj_plateau none = {0}, lost = {0};
    cj_plateau_update(&constant, &none, 1);
    assert_int_equal(none.epochs, 0);
    assert_true(cj_plateau_rate(&constant, &none, BASE) == BASE);
    cj_plateau_update(&impatient, &lost, NAN);
    assert_int_equal(lost.decays, 1);
}

static void test_check(void **state)
{
    (void)state;
    const struct {
        cj_schedule schedule;
        const char *field;
    } wrong[] = {
        {{.kind = (cj_schedule_kind)17}, "kind 17"},
        {{.every = -1}, "every is -1"},
        {{.factor = 1.5}, "factor is 1.5"},
        {{.factor = NAN}, "factor is"},
        {{.minimum = -1e-3}, "minimum"},
        {{.rising = 2}, "rising is 2"},
        {{.warm_up = -3}, "warm_up is -3"},
        {{.warm_up_start = 1.1}, "warm_up_start"},
        {{.initial_divisor = -1}, "initial_divisor"},
        {{.final_divisor = -1}, "final_divisor"},
        {{.threshold = 2}, "threshold"},
        {{.cooldown = -1}, "cooldown"},
        {{.period = -1}, "period"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        expect_status(cj_schedule_check(&wrong[i].schedule), CJ_INVALID_ARGUMENT);
        expect_message(wrong[i].field);
    }
    assert_string_equal(cj_schedule_name(CJ_SCHEDULE_ONE_CYCLE), "one_cycle");
    assert_null(cj_schedule_name((cj_schedule_kind)CJ_SCHEDULE_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),   cmocka_unit_test(test_periods), cmocka_unit_test(test_short),
        cmocka_unit_test(test_plateau), cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
