/* The learning of merges. Each pair knows how often it is met and in which words; a heap has the commonest
 * first, where a count that is out of date is put right when it comes to the top. */
#include "text/learn_merges.h"

#include <string.h>

typedef struct {
    int32_t left, right;
    int64_t times;
    int32_t *words; /* [word_count], some perhaps twice, or no longer with the pair in them */
    int64_t word_count, word_room;
} pair;

typedef struct {
    int64_t times, number; /* of the pair, times as they were */
} candidate;

typedef struct {
    cj_tokenizer *t;
    const cj__counts *words;
    int64_t *starts;  /* [words->pieces.count] of each word's row; `lengths` and `tokens` stand behind it */
    int64_t *lengths; /* [words->pieces.count] what is left of each word's row */
    int32_t *tokens;  /* all rows, one behind the other; rewritten while learning */
    size_t inner;     /* bytes of the sign within words */
    pair *pairs;      /* [pair_count] */
    int64_t pair_count, pair_room;
    cj__merges index; /* from two tokens to the number of their pair */
    candidate *heap;
    int64_t heap_count, heap_room;
    int64_t *changed; /* pairs that have become commoner by the merge at hand */
    int64_t changed_count, changed_room;
    cj__text whole;
} learning;

/* --- pairs --------------------------------------------------------------------------------------------- */

static cj_status find_pair(learning *l, int32_t left, int32_t right, int64_t *number)
{
    const cj__merge *found = cj__merges_find(&l->index, left, right);
    if (found) return *number = found->whole, CJ_OK;
    if (l->pair_count == INT32_MAX) return cj__fail(CJ_UNSUPPORTED, "the text has too many different pairs");
    CJ__TRY(cj__grow(&l->pairs, &l->pair_room, l->pair_count, sizeof *l->pairs));
    l->pairs[l->pair_count] = (pair){.left = left, .right = right};
    CJ__TRY(cj__merges_add(&l->index, left, right, (int32_t)l->pair_count, 0));
    *number = l->pair_count++;
    return CJ_OK;
}

/* One more place, in a word, where the two stand side by side. */
static cj_status add_place(learning *l, int32_t left, int32_t right, int64_t word)
{
    int64_t number = 0;
    CJ__TRY(find_pair(l, left, right, &number));
    pair *p = &l->pairs[number];
    p->times += l->words->times[word];
    if (p->word_count == 0 || p->words[p->word_count - 1] != word) {
        CJ__TRY(cj__grow(&p->words, &p->word_room, p->word_count, sizeof *p->words));
        p->words[p->word_count++] = (int32_t)word;
    }
    if (l->changed_count > 0 && l->changed[l->changed_count - 1] == number) return CJ_OK;
    CJ__TRY(cj__grow(&l->changed, &l->changed_room, l->changed_count, sizeof *l->changed));
    l->changed[l->changed_count++] = number;
    return CJ_OK;
}

static void take_place(learning *l, int32_t left, int32_t right, int64_t word)
{
    const cj__merge *found = cj__merges_find(&l->index, left, right);
    if (found) l->pairs[found->whole].times -= l->words->times[word];
}

/* --- the heap ------------------------------------------------------------------------------------------ */

static bool is_better(const learning *l, const candidate *a, const candidate *b)
{
    const pair *x = &l->pairs[a->number], *y = &l->pairs[b->number];
    if (a->times != b->times) return a->times > b->times;
    return x->left != y->left ? x->left < y->left : x->right < y->right;
}

static cj_status push(learning *l, int64_t number)
{
    candidate one = {l->pairs[number].times, number};
    CJ__TRY(cj__grow(&l->heap, &l->heap_room, l->heap_count, sizeof *l->heap));
    int64_t at = l->heap_count++;
    for (; at > 0 && is_better(l, &one, &l->heap[(at - 1) / 2]); at = (at - 1) / 2)
        l->heap[at] = l->heap[(at - 1) / 2];
    l->heap[at] = one;
    return CJ_OK;
}

static candidate pop(learning *l)
{
    candidate best = l->heap[0], last = l->heap[--l->heap_count];
    int64_t at = 0;
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= l->heap_count) break;
        if (child + 1 < l->heap_count && is_better(l, &l->heap[child + 1], &l->heap[child])) child++;
        if (!is_better(l, &l->heap[child], &last)) break;
        l->heap[at] = l->heap[child];
        at = child;
    }
    l->heap[at] = last;
    return best;
}

static cj_status push_changed(learning *l)
{
    for (int64_t i = 0; i < l->changed_count; i++) CJ__TRY(push(l, l->changed[i]));
    l->changed_count = 0;
    return CJ_OK;
}

/* The commonest pair; -1: none is left that is met so often. */
static cj_status best_pair(learning *l, int64_t least, int64_t *number)
{
    *number = -1;
    while (l->heap_count > 0) {
        candidate best = pop(l);
        int64_t times = l->pairs[best.number].times;
        if (best.times == times) return *number = times >= least ? best.number : -1, CJ_OK;
        if (best.times > times && times > 0) CJ__TRY(push(l, best.number));
    }
    return CJ_OK;
}

/* --- merging ------------------------------------------------------------------------------------------- */

/* The two become one wherever they stand in the word, from its beginning on. */
static cj_status merge_in_word(learning *l, int64_t word, int32_t left, int32_t right, int32_t whole)
{
    int32_t *row = l->tokens + l->starts[word];
    int64_t length = l->lengths[word], kept = 0;
    for (int64_t i = 0; i < length; i++) {
        if (i + 1 == length || row[i] != left || row[i + 1] != right) {
            row[kept++] = row[i];
            continue;
        }
        if (kept > 0) {
            take_place(l, row[kept - 1], left, word);
            CJ__TRY(add_place(l, row[kept - 1], whole, word));
        }
        take_place(l, left, right, word);
        if (i + 2 < length) {
            take_place(l, right, row[i + 2], word);
            CJ__TRY(add_place(l, whole, row[i + 2], word));
        }
        row[kept++] = whole;
        i++;
    }
    l->lengths[word] = kept;
    return CJ_OK;
}

static cj_status add_token(learning *l, const pair *p, int32_t *whole)
{
    const cj__piece *left = &l->t->pieces.list[p->left], *right = &l->t->pieces.list[p->right];
    l->whole.size = 0;
    cj__text_add(&l->whole, left->bytes, left->size);
    cj__text_add(&l->whole, right->bytes + l->inner, right->size - l->inner);
    CJ__TRY(cj__text_check(&l->whole, "a vocabulary"));
    CJ__TRY(cj__pieces_add(&l->t->pieces, l->whole.data, l->whole.size, whole));
    CJ__TRY(cj__grow(&l->t->pairs, &l->t->pair_room, 2 * l->t->pair_count + 1, sizeof *l->t->pairs));
    l->t->pairs[2 * l->t->pair_count] = p->left;
    l->t->pairs[2 * l->t->pair_count++ + 1] = p->right;
    return CJ_OK;
}

/* The list is the pair's, which may move while others are added. */
static cj_status merge(learning *l, int64_t number)
{
    int32_t whole;
    pair p = l->pairs[number];
    l->pairs[number].words = NULL;
    l->pairs[number].word_count = l->pairs[number].word_room = 0;
    cj_status status = add_token(l, &p, &whole);
    for (int64_t i = 0; i < p.word_count && status == CJ_OK; i++)
        status = merge_in_word(l, p.words[i], p.left, p.right, whole);
    cj__free(p.words);
    return status == CJ_OK ? push_changed(l) : status;
}

static cj_status write_rows(learning *l, cj__row_of row_of)
{
    int64_t all = 0, count = l->words->pieces.count;
    const cj__piece *words = l->words->pieces.list;
    for (int64_t w = 0; w < count; w++) all += words[w].size;
    size_t bytes = (size_t)count * 2 * sizeof *l->starts + (size_t)all * sizeof *l->tokens + 1;
    l->starts = cj__allocate(bytes);
    if (!l->starts) return cj__out_of_memory(bytes, "a vocabulary");
    l->lengths = l->starts + count;
    l->tokens = (int32_t *)(l->lengths + count);
    for (int64_t w = 0, at = 0; w < count; at += l->lengths[w++]) {
        l->starts[w] = at;
        l->lengths[w] = row_of(l->t, &words[w], l->tokens + at);
    }
    return CJ_OK;
}

static cj_status count_pairs(learning *l)
{
    for (int64_t w = 0; w < l->words->pieces.count; w++) {
        const int32_t *row = l->tokens + l->starts[w];
        for (int64_t i = 0; i + 1 < l->lengths[w]; i++) CJ__TRY(add_place(l, row[i], row[i + 1], w));
    }
    l->changed_count = 0;
    for (int64_t i = 0; i < l->pair_count; i++) CJ__TRY(push(l, i));
    return CJ_OK;
}

static cj_status learn(learning *l, cj__row_of row_of, int64_t most, int64_t least)
{
    int64_t number;
    CJ__TRY(write_rows(l, row_of));
    CJ__TRY(count_pairs(l));
    while (l->t->pieces.count < most) {
        CJ__TRY(best_pair(l, least, &number));
        if (number < 0) break;
        CJ__TRY(merge(l, number));
    }
    return CJ_OK;
}

cj_status cj__learn_merges(cj_tokenizer *t, const cj__counts *words, cj__row_of row_of, int64_t most,
                           int64_t least, const char *inner)
{
    learning l = {.t = t, .words = words, .inner = strlen(inner)};
    cj_status status = learn(&l, row_of, most, least);
    for (int64_t i = 0; i < l.pair_count; i++) cj__free(l.pairs[i].words);
    cj__free(l.pairs);
    cj__merges_free(&l.index);
    cj__free(l.heap);
    cj__free(l.changed);
    cj__free(l.starts);
    cj__text_free(&l.whole);
    return status;
}
