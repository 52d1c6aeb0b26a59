/* Which token comes next: logits become probabilities, of which some are cut off, and one is drawn. */
#include "base/random.h"
#include "generate/generate.h"
#include "graph/graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    float probability;
    int32_t token;
} candidate;

static cj_status check(const cj_sampling *s)
{
    if (!(s->temperature >= 0 && s->temperature < HUGE_VAL))
        return cj__fail(CJ_INVALID_ARGUMENT, "the temperature is %g, expected a number from 0 on",
                        s->temperature);
    if (s->top_k < 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "top_k is %lld, expected a count from 0 (all) on",
                        (long long)s->top_k);
    if (!(s->top_p >= 0 && s->top_p <= 1))
        return cj__fail(CJ_INVALID_ARGUMENT, "top_p is %g, expected a share from 0 (all) to 1", s->top_p);
    if (!(s->repetition_penalty >= 0 && s->repetition_penalty < HUGE_VAL))
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "the repetition penalty is %g, expected a number from 0 (none) on",
                        s->repetition_penalty);
    return CJ_OK;
}

/* Logits of a network gone wrong would make any token as good as another. */
static cj_status check_logits(const float *logits, int64_t count)
{
    if (count < 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "there are %lld logits to choose from", (long long)count);
    CJ__TRY(cj__need(logits, "cj_token_probabilities", "logits"));
    for (int64_t i = 0; i < count; i++)
        if (!(logits[i] < (float)HUGE_VAL))
            return cj__fail(CJ_NOT_FINITE,
                            "the network's logit of token %lld is %g: there is nothing to draw from",
                            (long long)i, (double)logits[i]);
    return CJ_OK;
}

static cj_status penalise(const cj_sampling *s, const float *logits, int64_t count, const int32_t *before,
                          int64_t before_count, float *penalised)
{
    for (int64_t i = 0; i < count; i++) penalised[i] = logits[i];
    if (s->repetition_penalty == 0 || s->repetition_penalty == 1 || !before) return CJ_OK;
    float penalty = (float)s->repetition_penalty;
    for (int64_t i = 0; i < before_count; i++) {
        int32_t token = before[i];
        if (token < 0 || token >= count)
            return cj__fail(CJ_INVALID_ARGUMENT, "token %d is none of the %lld of the vocabulary", (int)token,
                            (long long)count);
        penalised[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty;
    }
    return CJ_OK;
}

static int64_t likeliest(const float *x, int64_t count)
{
    float most = x[0];
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++)
        if (x[i] > most) {
            most = x[i];
            best = i;
        }
    return best;
}

/* x: logits → probabilities, in place. */
static void softmax(float *x, int64_t count, double temperature)
{
    double most = (double)x[likeliest(x, count)], sum = 0;
    for (int64_t i = 0; i < count; i++) {
        x[i] = (float)exp(((double)x[i] - most) / temperature);
        sum += (double)x[i];
    }
    for (int64_t i = 0; i < count; i++) x[i] = (float)((double)x[i] / sum);
}

/* As at temperature 0: the likeliest has all. */
static void give_all_to_likeliest(float *x, int64_t count)
{
    int64_t best = likeliest(x, count);
    memset(x, 0, (size_t)count * sizeof *x);
    x[best] = 1;
}

/* --- cutting off --------------------------------------------------------------------------------------- */

/* The likelier first, then the earlier. */
static int compare(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->probability != y->probability) return x->probability < y->probability ? 1 : -1;
    return (x->token > y->token) - (x->token < y->token);
}

/* heap: the worst of the candidates on top */
static void sink(candidate *heap, int64_t count, int64_t at)
{
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && compare(&heap[child + 1], &heap[child]) > 0) child++;
        if (compare(&heap[at], &heap[child]) >= 0) return;
        candidate swapped = heap[at];
        heap[at] = heap[child];
        heap[child] = swapped;
    }
}

/* The `k` best of all, in no order. */
static int64_t keep_best(const float *x, int64_t count, int64_t k, candidate *kept)
{
    for (int64_t i = 0; i < k; i++) kept[i] = (candidate){x[i], (int32_t)i};
    for (int64_t i = k / 2 - 1; i >= 0; i--) sink(kept, k, i);
    for (int64_t i = k; i < count; i++) {
        candidate next = {x[i], (int32_t)i};
        if (compare(&next, &kept[0]) > 0) continue;
        kept[0] = next;
        sink(kept, k, 0);
    }
    return k;
}

/* Those that can belong to a share of `p`: the likeliest, and those of which as many as there are cannot make
 * up the rest, each with less than this. */
static int64_t keep_able(const float *x, int64_t count, double p, candidate *kept)
{
    double least = count > 1 ? (1 - p) / (double)(count - 1) * 0.999 : 0;
    double top = (double)x[likeliest(x, count)];
    int64_t able = 0;
    if (least > top) least = top;
    for (int64_t i = 0; i < count; i++)
        if ((double)x[i] >= least) kept[able++] = (candidate){x[i], (int32_t)i};
    return able;
}

/* How many of the sorted candidates it takes to have the share `p` of what they sum to. */
static int64_t enough(const candidate *sorted, int64_t count, double p, double total)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        if ((sum += (double)sorted[i].probability) >= p * total) return i + 1;
    return count;
}

static double sum_of(const candidate *c, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += (double)c[i].probability;
    return sum;
}

/* What is kept of the probabilities, made to sum to 1. */
static void cut_off(float *x, int64_t count, int64_t k, double p, candidate *kept)
{
    bool all = k == 0 || k >= count;
    int64_t left = all ? keep_able(x, count, p, kept) : keep_best(x, count, k, kept);
    double total = all ? 1 : sum_of(kept, left);
    qsort(kept, (size_t)left, sizeof *kept, compare);
    if (p < 1) left = enough(kept, left, p, total);
    total = sum_of(kept, left);
    for (int64_t i = 0; i < count; i++) x[i] = 0;
    for (int64_t i = 0; i < left; i++) x[kept[i].token] = (float)((double)kept[i].probability / total);
}

cj_status cj_token_probabilities(const cj_sampling *s, const float *logits, int64_t count,
                                 const int32_t *before, int64_t before_count, float *probabilities)
{
    double p = s->top_p == 0 ? 1 : s->top_p;
    CJ__TRY(check(s));
    CJ__TRY(check_logits(logits, count));
    CJ__TRY(penalise(s, logits, count, before, before_count, probabilities));
    if (s->temperature == 0) {
        give_all_to_likeliest(probabilities, count);
        return CJ_OK;
    }
    softmax(probabilities, count, s->temperature);
    if (p == 1 && (s->top_k == 0 || s->top_k >= count)) return CJ_OK;
    candidate *kept = cj__allocate((size_t)count * sizeof *kept);
    if (!kept) return cj__out_of_memory((size_t)count * sizeof *kept, "choosing a token");
    cut_off(probabilities, count, s->top_k, p, kept);
    cj__free(kept);
    return CJ_OK;
}

/* --- drawing ------------------------------------------------------------------------------------------- */

int32_t cj_draw_token(const cj_sampling *s, const float *probabilities, int64_t count, uint64_t draw)
{
    double at = (double)cj__uniform(cj__mix(s->seed, cj__hash_text("generate")), 0, draw), sum = 0;
    int64_t last = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!(probabilities[i] > 0)) continue;
        last = i;
        if ((sum += (double)probabilities[i]) > at) break;
    }
    return (int32_t)last;
}
