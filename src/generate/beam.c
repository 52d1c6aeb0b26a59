/* Beam search: several texts grow side by side, the likeliest of all their continuations go on. */
#include "generate/generate.h"

#include <math.h>
#include <string.h>

/* A text under way, or one that is done. */
typedef struct {
    double likelihood; /* the sum of logarithms so far */
    int64_t count;     /* tokens made */
    int32_t *tokens;   /* [tokens] */
} hypothesis;

typedef struct {
    double likelihood;
    int64_t beam;
    int32_t token;
} continuation;

typedef struct {
    const cj_beam_options *o;
    int64_t beams, vocabulary, alive;
    hypothesis *texts, *next; /* [beams] each: those under way, and those after this step */
    hypothesis best;          /* of those done */
    double best_score;        /* -HUGE_VAL: none is done yet */
    continuation *chosen;     /* [2·beams] the likeliest, in order */
    double *offsets;          /* [beams] what turns logits into logarithms of probabilities */
    cj__arena arena;
} search;

static double score_of(const cj_beam_options *o, double likelihood, int64_t count)
{
    return likelihood / pow((5 + (double)count) / 6, o->length_penalty);
}

/* --- making -------------------------------------------------------------------------------------------- */

static cj_status begin(search *s)
{
    size_t beams = (size_t)s->beams, size = ((size_t)s->o->tokens + 1) * sizeof(int32_t);
    s->texts = cj__arena_allocate(&s->arena, beams * sizeof *s->texts);
    s->next = cj__arena_allocate(&s->arena, beams * sizeof *s->next);
    s->chosen = cj__arena_allocate(&s->arena, 2 * beams * sizeof *s->chosen);
    s->offsets = cj__arena_allocate(&s->arena, beams * sizeof *s->offsets);
    s->best.tokens = cj__arena_allocate(&s->arena, size);
    bool ok = s->texts && s->next && s->chosen && s->offsets && s->best.tokens;
    for (size_t b = 0; b < beams && ok; b++) {
        s->texts[b].tokens = cj__arena_allocate(&s->arena, size);
        s->next[b].tokens = cj__arena_allocate(&s->arena, size);
        ok = s->texts[b].tokens && s->next[b].tokens;
    }
    s->alive = 1; /* all read the same prompt */
    s->best_score = -HUGE_VAL;
    return ok ? CJ_OK : cj__out_of_memory(2 * beams * size, "a beam search");
}

/* --- one step ------------------------------------------------------------------------------------------ */

/* -log Σ exp(logits) of each text under way */
static cj_status find_offsets(search *s, const float *logits)
{
    for (int64_t b = 0; b < s->alive; b++) {
        const float *row = logits + b * s->vocabulary;
        double most = -HUGE_VAL, sum = 0;
        for (int64_t v = 0; v < s->vocabulary; v++) {
            if (!(row[v] < (float)HUGE_VAL))
                return cj__fail(CJ_NOT_FINITE,
                                "the network's logit of token %lld is %g: there is no likeliest text",
                                (long long)v, (double)row[v]);
            if ((double)row[v] > most) most = (double)row[v];
        }
        for (int64_t v = 0; v < s->vocabulary; v++) sum += exp((double)row[v] - most);
        s->offsets[b] = -most - log(sum);
    }
    return CJ_OK;
}

/* Keeps the list sorted; of equal ones the earlier stays before. */
static int64_t insert(continuation *list, int64_t count, int64_t most, continuation c)
{
    if (count == most && !(c.likelihood > list[most - 1].likelihood)) return count;
    int64_t at = count < most ? count++ : most - 1;
    for (; at > 0 && list[at - 1].likelihood < c.likelihood; at--) list[at] = list[at - 1];
    list[at] = c;
    return count;
}

/* Twice as many as there are beams: even if half of them come to their end, enough go on. */
static int64_t choose(search *s, const float *logits)
{
    int64_t count = 0;
    for (int64_t b = 0; b < s->alive; b++)
        for (int64_t v = 0; v < s->vocabulary; v++) {
            double likelihood =
                s->texts[b].likelihood + (double)logits[b * s->vocabulary + v] + s->offsets[b];
            if (likelihood == -HUGE_VAL) continue;
            count = insert(s->chosen, count, 2 * s->beams, (continuation){likelihood, b, (int32_t)v});
        }
    return count;
}

/* `count` tokens of the text, of which `length` count for the score. */
static void consider(search *s, const hypothesis *text, double likelihood, int64_t count, int64_t length)
{
    double score = score_of(s->o, likelihood, length);
    if (!(score > s->best_score)) return;
    s->best_score = score;
    s->best.count = count;
    memcpy(s->best.tokens, text->tokens, (size_t)count * sizeof *text->tokens);
}

/* Texts that stop are done; the likeliest of the others go on. from: the text that each goes on from */
static void part(search *s, int64_t count, int64_t *from)
{
    int64_t going = 0;
    for (int64_t i = 0; i < count && going < s->beams; i++) {
        const continuation *c = &s->chosen[i];
        const hypothesis *before = &s->texts[c->beam];
        if (s->o->has_stop && c->token == s->o->stop) {
            if (i < s->beams) consider(s, before, c->likelihood, before->count, before->count + 1);
            continue;
        }
        hypothesis *after = &s->next[going];
        memcpy(after->tokens, before->tokens, (size_t)before->count * sizeof *after->tokens);
        after->tokens[before->count] = c->token;
        after->count = before->count + 1;
        after->likelihood = c->likelihood;
        from[going++] = c->beam;
    }
    for (int64_t b = going; b < s->beams; b++) from[b] = 0; /* idle: they read along */
    s->alive = going;
    hypothesis *swapped = s->texts;
    s->texts = s->next;
    s->next = swapped;
}

/* Whether no text under way can become better than the best that is done: likelihoods only fall, and what
 * they are divided by moves one way with the length. */
static bool is_over(const search *s)
{
    if (s->alive == 0) return true;
    double likelihood = s->texts[0].likelihood;
    double now = score_of(s->o, likelihood, s->texts[0].count + 1);
    double at_last = score_of(s->o, likelihood, s->o->tokens);
    return s->best_score >= now && s->best_score >= at_last;
}

static cj_status go_on(search *s, const int64_t *from, int32_t *tokens)
{
    for (int64_t b = 0; b < s->beams; b++)
        tokens[b] = b < s->alive ? s->texts[b].tokens[s->texts[b].count - 1]
                                 : s->texts[0].tokens[s->texts[0].count - 1];
    CJ__TRY(cj_generator_reorder(s->o->generator, from));
    return cj_generator_step(s->o->generator, tokens);
}

static cj_status run(search *s)
{
    int64_t *from = cj__arena_allocate(&s->arena, (size_t)s->beams * sizeof *from);
    int32_t *tokens = cj__arena_allocate(&s->arena, (size_t)s->beams * sizeof *tokens);
    if (!from || !tokens) return cj__out_of_memory((size_t)s->beams * sizeof *from, "a beam search");
    for (int64_t i = 0; i < s->o->tokens; i++) {
        if (s->o->each && !s->o->each(i, s->o->context))
            return cj__fail(CJ_INTERRUPTED, "the search was stopped after %lld tokens", (long long)i);
        const float *logits = cj_generator_logits(s->o->generator);
        CJ__TRY(find_offsets(s, logits));
        part(s, choose(s, logits), from);
        if (is_over(s)) return CJ_OK;
        if (i + 1 < s->o->tokens) CJ__TRY(go_on(s, from, tokens));
    }
    /* Those that did not stop in time count as they are. */
    for (int64_t b = 0; b < s->alive; b++)
        consider(s, &s->texts[b], s->texts[b].likelihood, s->texts[b].count, s->texts[b].count);
    return CJ_OK;
}

static cj_status check(const int64_t *count, const cj_beam_options *o)
{
    static const char call[] = "cj_beam_search";
    CJ__TRY(cj__need(count, call, "a count"));
    CJ__TRY(cj__need(o->generator, call, "a generator"));
    CJ__TRY(cj__need(o->made, call, "room .made for a text"));
    if (!(o->length_penalty > -HUGE_VAL && o->length_penalty < HUGE_VAL))
        return cj__fail(CJ_INVALID_ARGUMENT, "the length penalty is %g, expected a number",
                        o->length_penalty);
    if (o->tokens > INT32_MAX)
        return cj__fail(CJ_INVALID_ARGUMENT, "a text of more than %d tokens", INT32_MAX);
    return CJ_OK;
}

cj_status cj_beam_search(int64_t *count, const cj_beam_options *o)
{
    CJ__TRY(check(count, o));
    search s = {.o = o, .beams = o->generator->o.texts, .vocabulary = o->generator->vocabulary};
    *count = 0;
    CJ__TRY(cj__read_prompt(o->generator, o->prompt, o->prompt_count, o->tokens));
    cj_status status = begin(&s);
    if (status == CJ_OK) status = run(&s);
    if (status == CJ_OK) {
        *count = s.best.count;
        memcpy(o->made, s.best.tokens, (size_t)s.best.count * sizeof *o->made);
        if (o->score) *o->score = o->tokens > 0 ? s.best_score : 0;
    }
    cj__arena_free(&s.arena);
    return status;
}
