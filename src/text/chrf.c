/* chrF: how many stretches of one to six characters, and for chrF++ of words, a translation shares with its
 * reference. */
#include "text/bleu.h"
#include "text/ngrams.h"

#include <string.h>

enum { CHARACTER_ORDERS = 6, MOST_ORDERS = 10 };

/* Of each order: n-grams said, in the reference, in both. */
typedef struct {
    int64_t said[MOST_ORDERS], there[MOST_ORDERS], shared[MOST_ORDERS];
} statistics;

typedef struct {
    const cj_score_options *o;
    int64_t orders;
    cj__pieces words;
    cj__text line;
} scoring;

typedef struct {
    cj__counts counts[MOST_ORDERS];
    int64_t totals[MOST_ORDERS];
} sentence;

/* --- sentences ----------------------------------------------------------------------------------------- */

static bool is_punctuation(char c)
{
    return c > 0x20 && c < 0x7f && !((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'));
}

static size_t characters_of(const char *word, size_t size)
{
    return (size_t)cj_count_characters(word, size);
}

/* A sign at the end of a word, else one at its beginning, is a word of its own. */
static cj_status add_word(scoring *s, const char *word, size_t size, cj_tokens *ids)
{
    int32_t number;
    size_t cut = characters_of(word, size) == 1   ? 0
                 : is_punctuation(word[size - 1]) ? size - 1
                 : is_punctuation(*word)          ? 1
                                                  : 0;
    if (cut) {
        CJ__TRY(cj__pieces_add(&s->words, word, cut, &number));
        CJ__TRY(cj_tokens_add(ids, number));
    }
    CJ__TRY(cj__pieces_add(&s->words, word + cut, size - cut, &number));
    return cj_tokens_add(ids, number);
}

static cj_status read_words(scoring *s, const char *line, cj_tokens *ids)
{
    const char *end = line + strlen(line), *word;
    size_t size;
    while ((word = cj__next_word_of_line(&line, end, &size))) CJ__TRY(add_word(s, word, size, ids));
    return CJ_OK;
}

static cj_status count(sentence *one, const cj_tokens *ids, int64_t order, int64_t row)
{
    one->totals[row] = ids->count >= order ? ids->count - order + 1 : 0;
    return cj__ngrams_count(&one->counts[row], ids, order);
}

static cj_status read_sentence(scoring *s, const char *line, sentence *one)
{
    cj_tokens characters = {0}, words = {0};
    cj_status status = cj__score_line(s->o, false, line, &s->line);
    if (status == CJ_OK) status = cj__characters_of_line(s->line.data, &characters);
    if (status == CJ_OK && s->o->word_order) status = read_words(s, s->line.data, &words);
    for (int64_t n = 0; n < s->orders && status == CJ_OK; n++)
        status = n < CHARACTER_ORDERS ? count(one, &characters, n + 1, n)
                                      : count(one, &words, n + 1 - CHARACTER_ORDERS, n);
    cj_tokens_free(&characters);
    cj_tokens_free(&words);
    return status;
}

static void free_sentence(sentence *one)
{
    for (int n = 0; n < MOST_ORDERS; n++) cj__counts_free(&one->counts[n]);
}

/* --- the score ----------------------------------------------------------------------------------------- */

/* Of the means of precision and recall over the orders that both have. */
static double f_score(const statistics *s, int64_t orders)
{
    double precision = 0, recall = 0, used = 0;
    for (int64_t n = 0; n < orders; n++) {
        if (s->said[n] == 0 || s->there[n] == 0) continue;
        precision += (double)s->shared[n] / (double)s->said[n];
        recall += (double)s->shared[n] / (double)s->there[n];
        used++;
    }
    if (used == 0 || precision + recall == 0) return 0;
    precision /= used;
    recall /= used;
    return 100 * (5 * precision * recall / (4 * precision + recall));
}

/* With the reference that is nearest. */
static cj_status compare(scoring *s, const char *said, const char *const *references, statistics *sums)
{
    sentence here = {.totals = {0}};
    statistics best = {.said = {0}};
    double best_score = -1;
    cj_status status = read_sentence(s, said, &here);
    int64_t count = s->o->reference_count ? s->o->reference_count : 1;
    for (int64_t r = 0; r < count && status == CJ_OK; r++) {
        sentence there = {.totals = {0}};
        statistics one = {.said = {0}};
        status = read_sentence(s, references[r], &there);
        for (int64_t n = 0; n < s->orders && status == CJ_OK; n++) {
            one.said[n] = there.totals[n] ? here.totals[n] : 0;
            one.there[n] = there.totals[n];
            one.shared[n] = cj__ngrams_shared(&here.counts[n], &there.counts[n]);
        }
        free_sentence(&there);
        double score = f_score(&one, s->orders);
        if (score > best_score) best = one, best_score = score;
    }
    free_sentence(&here);
    for (int64_t n = 0; n < s->orders; n++) {
        sums->said[n] += best.said[n];
        sums->there[n] += best.there[n];
        sums->shared[n] += best.shared[n];
    }
    return status;
}

cj_status cj_chrf(const cj_score_options *o, double *score)
{
    scoring s = {.o = o, .orders = CHARACTER_ORDERS + o->word_order};
    statistics sums = {.said = {0}};
    int64_t references = o->reference_count ? o->reference_count : 1;
    cj_status status = CJ_OK;
    *score = 0;
    if (o->word_order < 0 || s.orders > MOST_ORDERS)
        return cj__fail(CJ_INVALID_ARGUMENT, "chrF of word n-grams up to %lld: expected 0 to %d",
                        (long long)o->word_order, MOST_ORDERS - CHARACTER_ORDERS);
    for (int64_t i = 0; i < o->count && status == CJ_OK; i++)
        status = compare(&s, o->said[i], o->references + i * references, &sums);
    *score = f_score(&sums, s.orders);
    cj__pieces_free(&s.words);
    cj__text_free(&s.line);
    return status;
}
