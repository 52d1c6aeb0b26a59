/* BLEU, to the last digit that of sacreBLEU: translations and references are cut into words by the rules of
 * mteval-v13a, or lie cut already, and their shared n-grams are counted. */
#include "text/bleu.h"
#include "text/ngrams.h"
#include "text/unicode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ORDERS = 4 };

/* --- the words of mteval-v13a -------------------------------------------------------------------------- */

static void replace(cj__text *line, const char *from, const char *to)
{
    cj__text out = {0};
    size_t size = strlen(from);
    const char *at = line->data ? line->data : "", *found;
    if (!strstr(at, from)) return;
    while ((found = strstr(at, from))) {
        cj__text_add(&out, at, (size_t)(found - at));
        cj__text_put(&out, to);
        at = found + size;
    }
    cj__text_put(&out, at);
    out.failed |= line->failed;
    cj__text_free(line);
    *line = out;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_stop(char c)
{
    return c == '.' || c == ',';
}

/* Signs of ASCII that are words by themselves wherever they stand: not ' - . and comma. */
static bool is_sign(char c)
{
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
           (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
}

/* One pass over the line: `cut` appends what becomes of the text at a place, and says how much of it that
 * was; 0: it stays. */
static void pass(cj__text *line, size_t (*cut)(const char *at, cj__text *out))
{
    cj__text out = {0};
    const char *at = line->data ? line->data : "";
    cj__text_put(&out, "");
    while (*at) {
        size_t taken = cut(at, &out);
        if (taken == 0) cj__text_add(&out, at, 1);
        at += taken ? taken : 1;
    }
    out.failed |= line->failed;
    cj__text_free(line);
    *line = out;
}

static size_t cut_signs(const char *at, cj__text *out)
{
    if (!is_sign(*at)) return 0;
    cj__text_print(out, " %c ", *at);
    return 1;
}

/* A stop behind what is no digit. */
static size_t cut_before_stops(const char *at, cj__text *out)
{
    if (is_digit(at[0]) || !is_stop(at[1])) return 0;
    cj__text_print(out, "%c %c ", at[0], at[1]);
    return 2;
}

/* And before what is none. */
static size_t cut_behind_stops(const char *at, cj__text *out)
{
    if (!is_stop(at[0]) || !at[1] || is_digit(at[1])) return 0;
    cj__text_print(out, " %c %c", at[0], at[1]);
    return 2;
}

static size_t cut_dashes(const char *at, cj__text *out)
{
    if (!is_digit(at[0]) || at[1] != '-') return 0;
    cj__text_print(out, "%c - ", at[0]);
    return 2;
}

static void cut_13a(cj__text *line)
{
    static const char *const names[][2] = {{"<skipped>", ""}, {"-\n", ""},   {"\n", " "},  {"&quot;", "\""},
                                           {"&amp;", "&"},    {"&lt;", "<"}, {"&gt;", ">"}};
    cj__text padded = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) replace(line, names[i][0], names[i][1]);
    cj__text_put(&padded, " ");
    cj__text_put(&padded, line->data ? line->data : "");
    cj__text_put(&padded, " ");
    padded.failed |= line->failed;
    cj__text_free(line);
    *line = padded;
    pass(line, cut_signs);
    pass(line, cut_before_stops);
    pass(line, cut_behind_stops);
    pass(line, cut_dashes);
}

/* --- sentences ----------------------------------------------------------------------------------------- */

cj_status cj__score_line(const cj_score_options *o, bool cut, const char *line, cj__text *out)
{
    cj_text_cleaning cleaning = {.replace_invalid = true, .lower = o->lower, .in_full = true};
    cj__text room = {0};
    cj__passage clean = {line, strlen(line), 0};
    cj_status status = cj__text_clean(&cleaning, &clean, &room);
    out->size = 0;
    if (status == CJ_OK) {
        const char *end = clean.text + clean.size, *last = clean.text; /* behind the last that is not white */
        for (const char *at = clean.text; at < end;) {
            int white = cj__white_length(at, end);
            at += white ? white : 1;
            if (!white) last = at;
        }
        cj__text_add(out, clean.text, (size_t)(last - clean.text));
        if (cut && o->words == CJ_SCORE_13A) cut_13a(out);
        status = cj__text_check(out, "a sentence");
    }
    cj__text_free(&room);
    return status;
}

typedef struct {
    const cj_score_options *o;
    cj__pieces words;
    cj__text line;
    cj_tokens ids;
    int64_t correct[ORDERS], total[ORDERS];
    cj_bleu_score score;
} scoring;

static cj_status read_line(scoring *s, const char *line)
{
    s->ids.count = 0;
    CJ__TRY(cj__score_line(s->o, true, line, &s->line));
    return cj__words_of_line(&s->words, s->line.data, &s->ids);
}

static cj_status count_line(scoring *s, const char *line, cj__counts counts[ORDERS])
{
    CJ__TRY(read_line(s, line));
    for (int n = 0; n < ORDERS; n++) CJ__TRY(cj__ngrams_count(&counts[n], &s->ids, n + 1));
    return CJ_OK;
}

static void free_counts(cj__counts counts[ORDERS])
{
    for (int n = 0; n < ORDERS; n++) cj__counts_free(&counts[n]);
}

/* Of several references each n-gram as often as the one that has it most; the length is that of the one whose
 * length is nearest, of two the shorter. */
static cj_status count_references(scoring *s, const char *const *lines, int64_t length,
                                  cj__counts counts[ORDERS])
{
    int64_t best = -1, references = s->o->reference_count ? s->o->reference_count : 1;
    for (int64_t r = 0; r < references; r++) {
        cj__counts one[ORDERS] = {{.room = 0}};
        cj_status status = count_line(s, lines[r], one);
        for (int n = 0; n < ORDERS && status == CJ_OK; n++) status = cj__ngrams_join(&counts[n], &one[n]);
        free_counts(one);
        CJ__TRY(status);
        int64_t away = llabs(s->ids.count - length), before = llabs(best - length);
        if (best < 0 || away < before || (away == before && s->ids.count < best)) best = s->ids.count;
    }
    s->score.reference_length += best;
    return CJ_OK;
}

static cj_status compare(scoring *s, const char *said, const char *const *references)
{
    cj__counts here[ORDERS] = {{.room = 0}}, there[ORDERS] = {{.room = 0}};
    cj_status status = count_line(s, said, here);
    int64_t length = s->ids.count;
    s->score.length += length;
    if (status == CJ_OK) status = count_references(s, references, length, there);
    for (int n = 0; n < ORDERS && status == CJ_OK; n++) {
        s->correct[n] += cj__ngrams_shared(&here[n], &there[n]);
        s->total[n] += length > n ? length - n : 0;
    }
    free_counts(here);
    free_counts(there);
    return status;
}

/* --- the score ----------------------------------------------------------------------------------------- */

static void finish(scoring *s)
{
    cj_bleu_score *b = &s->score;
    double halves = 1, sum = 0;
    bool any = false;
    b->brevity = 1;
    if (b->length < b->reference_length)
        b->brevity = b->length ? exp(1 - (double)b->reference_length / (double)b->length) : 0;
    for (int n = 0; n < ORDERS; n++) any |= s->correct[n] > 0;
    if (!any) return;
    for (int n = 0; n < ORDERS && s->total[n] > 0; n++) {
        if (s->correct[n] == 0) halves *= 2;
        b->precisions[n] = s->correct[n] ? 100.0 * (double)s->correct[n] / (double)s->total[n]
                                         : 100.0 / (halves * (double)s->total[n]);
    }
    for (int n = 0; n < ORDERS; n++) sum += b->precisions[n] > 0 ? log(b->precisions[n]) : -9999999999.0;
    b->score = b->brevity * exp(sum / ORDERS);
}

cj_status cj_bleu(const cj_score_options *o, cj_bleu_score *score)
{
    scoring s = {.o = o};
    int64_t references = o->reference_count ? o->reference_count : 1;
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < o->count && status == CJ_OK; i++)
        status = compare(&s, o->said[i], o->references + i * references);
    if (status == CJ_OK) finish(&s);
    *score = s.score;
    cj__pieces_free(&s.words);
    cj__text_free(&s.line);
    cj_tokens_free(&s.ids);
    return status;
}
