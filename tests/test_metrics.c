/* Metrics against counts by hand and against their definitions. */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"

#include <math.h>

static void test_top_k(void **state)
{
    (void)state;
    const float outputs[] = {0.1F, 0.7F, 0.2F, 0.5F, 0.3F, 0.2F, 0.4F, 0.4F, 0.2F, 9, 9, 9};
    const int32_t labels[] = {1, 2, 0, -1};                              /* the last is padding */
    assert_true(cj_top_k_accuracy(4, 3, outputs, labels, 1) == 1.0 / 3); /* a tie is no hit */
    assert_true(cj_top_k_accuracy(4, 3, outputs, labels, 2) == 2.0 / 3);
    assert_true(cj_top_k_accuracy(4, 3, outputs, labels, 3) == 1);
}

/* The definition: over all pairs of a one and a zero. */
static double pairs(int count, const float *scores, const int32_t *labels)
{
    double above = 0, all = 0;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++)
            if (labels[i] && !labels[j]) {
                all++;
                above += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
            }
    return above / all;
}

static void test_auc(void **state)
{
    (void)state;
    enum { N = 300 };
    float scores[N];
    int32_t labels[N];
    for (int coarse = 0; coarse < 3; coarse++) {
        for (int i = 0; i < N; i++) {
            labels[i] = cj__uniform(1, (uint64_t)coarse, (uint64_t)i) < 0.3F;
            scores[i] = cj__normal(2, (uint64_t)coarse, (uint64_t)i) + (float)labels[i];
            if (coarse) scores[i] = roundf(scores[i] * (coarse == 1 ? 2 : 0)); /* many ties; all ties */
        }
        assert_true(fabs(cj_auc(N, scores, labels) - pairs(N, scores, labels)) < 1e-12);
    }
    for (int i = 0; i < N; i++) labels[i] = 1;
    assert_true(isnan(cj_auc(N, scores, labels)));
    assert_true(isnan(cj_auc(0, scores, labels)));
    labels[0] = 0;
    assert_true(cj_auc(N, scores, labels) == 0.5);
    scores[N / 2] = NAN; /* no place among the others */
    assert_true(isnan(cj_auc(N, scores, labels)));
    assert_true(cj_best_threshold(N, scores, labels, true).threshold == 0.5);
}

static void test_thresholds(void **state)
{
    (void)state;
    const float scores[] = {0.9F, 0.8F, 0.7F, 0.6F, 0.2F, 0.1F};
    const int32_t labels[] = {1, 1, 0, 1, 0, 0};
    cj_threshold half = cj_at_threshold(6, scores, labels, 0.5);
    assert_true(half.accuracy == 5.0 / 6 && half.precision == 0.75 && half.recall == 1);
    assert_true(fabs(half.f1 - 6.0 / 7) < 1e-12);
    cj_threshold best = cj_best_threshold(6, scores, labels, false);
    assert_true(best.accuracy == 5.0 / 6);
    const float low[] = {0.09F, 0.08F, 0.02F, 0.06F, 0.03F, 0.01F};
    best = cj_best_threshold(6, low, labels, true);
    assert_true(best.accuracy == 1 && best.f1 == 1);
    assert_true(best.threshold > 0.03 && best.threshold < 0.06);
    cj_threshold none = cj_at_threshold(6, low, labels, 1);
    assert_true(none.precision == 0 && none.recall == 0 && none.f1 == 0 && none.accuracy == 0.5);
}

static void test_numbers(void **state)
{
    (void)state;
    const float targets[] = {1, 2, 3, 4}, predictions[] = {1.5F, 2, 2.5F, 4};
    assert_true(fabs(cj_r_squared(4, predictions, targets) - 0.9) < 1e-12);
    assert_true(cj_r_squared(4, targets, targets) == 1);
    assert_true(fabs(cj_mean_distance(4, predictions, targets) - 0.25) < 1e-12);
    const float flat[] = {2, 2};
    assert_true(isnan(cj_r_squared(2, predictions, flat)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top_k),
        cmocka_unit_test(test_auc),
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
