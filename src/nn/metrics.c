/* Metrics of predictions against what was true. They are counted in double over all rows at once, so an
 * uneven last batch changes nothing. */
#include "base/memory.h"
#define CJ_NO_LOCATIONS
#include "cajal/nn.h"

#include <math.h>
#include <stdlib.h>

double cj_top_k_accuracy(int64_t count, int64_t width, const float *outputs, const int32_t *labels, int64_t k)
{
    int64_t right = 0, counted = 0;
    for (int64_t i = 0; i < count; i++) {
        if (labels[i] < 0 || labels[i] >= width) continue; /* padding */
        const float *row = outputs + i * width, truth = row[labels[i]];
        int64_t above = 0;
        for (int64_t c = 0; c < width; c++) above += c != labels[i] && !(row[c] < truth);
        right += above < k;
        counted++;
    }
    return counted ? (double)right / (double)counted : 0;
}

/* --- labels 0 and 1 ------------------------------------------------------------------------------------ */

typedef struct {
    float score;
    int32_t label;
} scored;

static int descending(const void *a, const void *b)
{
    float x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x < y) - (x > y);
}

/* NULL: there is no memory, or one of the scores is no number and has no place among the others. */
static scored *sorted(int64_t count, const float *scores, const int32_t *labels)
{
    for (int64_t i = 0; i < count; i++)
        if (isnan(scores[i])) return NULL;
    scored *rows = cj__allocate((size_t)count * sizeof *rows + 1);
    for (int64_t i = 0; rows && i < count; i++) rows[i] = (scored){scores[i], labels[i] > 0};
    if (rows) qsort(rows, (size_t)count, sizeof *rows, descending);
    return rows;
}

/* Each group of equal scores adds its zeros against the ones above it and half of the ones within. */
double cj_auc(int64_t count, const float *scores, const int32_t *labels)
{
    scored *rows = sorted(count, scores, labels);
    double ones = 0, zeros = 0, above = 0;
    if (!rows) return (double)NAN;
    for (int64_t i = 0; i < count;) {
        double group_ones = 0, group_zeros = 0;
        int64_t first = i;
        for (; i < count && rows[i].score == rows[first].score; i++)
            *(rows[i].label ? &group_ones : &group_zeros) += 1;
        above += group_zeros * (ones + 0.5 * group_ones);
        ones += group_ones;
        zeros += group_zeros;
    }
    cj__free(rows);
    return ones > 0 && zeros > 0 ? above / (ones * zeros) : (double)NAN;
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* `hits` of the `said` ones are right, of `ones` that there are among `count`. */
static cj_threshold judge(double threshold, double hits, double said, double ones, double count)
{
    double wrong = (said - hits) + (ones - hits);
    return (cj_threshold){.threshold = threshold,
                          .accuracy = share(count - wrong, count),
                          .precision = share(hits, said),
                          .recall = share(hits, ones),
                          .f1 = share(2 * hits, said + ones)};
}

cj_threshold cj_at_threshold(int64_t count, const float *scores, const int32_t *labels, double threshold)
{
    double hits = 0, said = 0, ones = 0;
    for (int64_t i = 0; i < count; i++) {
        bool one = labels[i] > 0, says = (double)scores[i] > threshold;
        ones += one, said += says, hits += one && says;
    }
    return judge(threshold, hits, said, ones, (double)count);
}

cj_threshold cj_best_threshold(int64_t count, const float *scores, const int32_t *labels, bool by_f1)
{
    scored *rows = sorted(count, scores, labels);
    cj_threshold best = cj_at_threshold(count, scores, labels, 0.5);
    double ones = 0, hits = 0;
    for (int64_t i = 0; rows && i < count; i++) ones += rows[i].label;
    for (int64_t i = 0; rows && i + 1 < count; i++) {
        hits += rows[i].label;
        if (rows[i].score == rows[i + 1].score) continue;
        double between = 0.5 * ((double)rows[i].score + (double)rows[i + 1].score);
        cj_threshold now = judge(between, hits, (double)(i + 1), ones, (double)count);
        if (by_f1 ? now.f1 > best.f1 : now.accuracy > best.accuracy) best = now;
    }
    cj__free(rows);
    return best;
}

/* --- numbers ------------------------------------------------------------------------------------------- */

double cj_r_squared(int64_t count, const float *predictions, const float *targets)
{
    double mean = 0, errors = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) mean += (double)targets[i] / (double)count;
    for (int64_t i = 0; i < count; i++) {
        double error = (double)predictions[i] - (double)targets[i], away = (double)targets[i] - mean;
        errors += error * error, squares += away * away;
    }
    return squares > 0 ? 1 - errors / squares : (double)NAN;
}

double cj_mean_distance(int64_t count, const float *predictions, const float *targets)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += fabs((double)predictions[i] - (double)targets[i]);
    return count ? sum / (double)count : 0;
}
