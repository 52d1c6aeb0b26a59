/* Files of sentences, with labels, translations or questions, as sequences of tokens. One reader walks
 * through the lines of each format; what it does with them is to make examples, or to collect text for a
 * tokenizer. */
#include "base/text.h"
#include "data/listing.h"
#include "data/sequences.h"
#include "data/source.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- lines --------------------------------------------------------------------------------------------- */

/* A file's lines, one after the other. */
typedef struct {
    const char *path;
    char *text;
    size_t size;
    const char *at, *line; /* the next line; this one, up to `end` */
    const char *end;
    int64_t number;
} lines;

static cj_status open_lines(lines *l, const char *path)
{
    *l = (lines){.path = path};
    CJ__TRY(cj__source_read_text(path, &l->text, &l->size));
    l->at = l->text;
    return CJ_OK;
}

/* Without line ends; false at the end of the file. */
static bool next_line(lines *l)
{
    const char *stop = l->text + l->size;
    if (l->at == stop) return false;
    l->line = l->at;
    l->end = memchr(l->at, '\n', (size_t)(stop - l->at));
    l->at = l->end ? l->end + 1 : stop;
    if (!l->end) l->end = stop;
    if (l->end > l->line && l->end[-1] == '\r') l->end--;
    l->number++;
    return true;
}

static bool is_blank(const char *at, const char *end)
{
    while (at < end && isspace((unsigned char)*at)) at++;
    return at == end;
}

static cj_status wrong(const lines *l, const char *what)
{
    return cj__fail(CJ_FORMAT_ERROR, "%s: line %lld: found '%.*s', expected %s", l->path,
                    (long long)l->number, (int)(l->end - l->line < 60 ? l->end - l->line : 60), l->line,
                    what);
}

/* --- stories ------------------------------------------------------------------------------------------- */

typedef struct {
    const char *from, *to;
} stretch;

/* A line of bAbI: what it says, and where it is a question the answer. */
typedef struct {
    int64_t number; /* within its story */
    stretch sentence, answer;
    bool question;
} story_line;

static cj_status read_story_line(const lines *l, story_line *s)
{
    char *rest;
    *s = (story_line){.number = isdigit((unsigned char)*l->line) ? strtoll(l->line, &rest, 10) : 0};
    if (s->number < 1 || rest >= l->end || *rest != ' ')
        return wrong(l, "a line of a story: its number, a blank and a sentence");
    const char *tab = memchr(rest, '\t', (size_t)(l->end - rest));
    s->sentence = (stretch){rest + 1, tab ? tab : l->end};
    s->question = tab != NULL;
    if (!tab) return CJ_OK;
    const char *second = memchr(tab + 1, '\t', (size_t)(l->end - tab - 1));
    s->answer = (stretch){tab + 1, second ? second : l->end};
    return s->answer.from < s->answer.to ? CJ_OK : wrong(l, "an answer behind the question");
}

/* --- examples ------------------------------------------------------------------------------------------ */

/* A label in the reading's arena, and where it stands. */
typedef struct {
    const char *text;
    int64_t line;
} given_label;

typedef struct {
    const cj_text_file_options *o;
    lines l, target; /* `target` of pairs */
    cj__sequences s;
    cj__arena arena;     /* names of classes */
    given_label *labels; /* [rows], until they are classes */
    int64_t label_room;
    cj__names classes;
    stretch *memory; /* [memory_count] the story so far */
    int64_t memory_count, memory_room;
} reading;

/* Where a sentence cannot be cut into tokens, its line. */
static cj_status tell_line(const lines *l, cj_status status)
{
    if (status == CJ_OK || status == CJ_OUT_OF_MEMORY) return status;
    return cj__fail_within(status, "%s: line %lld", l->path, (long long)l->number);
}

static cj_status encode(const lines *l, const cj_tokenizer *t, stretch text, cj_tokens *tokens)
{
    return tell_line(l, cj_tokenizer_encode_at(t, text.from, (size_t)(text.to - text.from), 0, tokens));
}

/* Ends a row whose target is the text, in so many tokens; the line's end counts as one character. */
static cj_status end_text(reading *r, const char *from, const char *to, int64_t tokens)
{
    CJ__TRY(cj__grow(&r->s.texts, &r->s.text_room, r->s.rows, sizeof *r->s.texts));
    r->s.texts[r->s.rows++] =
        (cj_text_facts){tokens, cj_count_characters(from, (size_t)(to - from)) + 1, to - from + 1};
    return CJ_OK;
}

/* In `room`, where bytes that are no UTF-8 are replaced as the sentences' are. */
static cj_status clean_label(reading *r, stretch *label, cj__text *room)
{
    const cj_tokenizer *t = r->o->tokenizer;
    cj_text_cleaning cleaning = {.replace_invalid = t->cleaning.replace_invalid};
    cj__passage p = {label->from, (size_t)(label->to - label->from), 0};
    if (cj__takes_any_bytes(t->kind, &t->cleaning)) return CJ_OK;
    CJ__TRY(tell_line(&r->l, cj__text_clean(&cleaning, &p, room)));
    *label = (stretch){p.text, p.text + p.size};
    return CJ_OK;
}

static cj_status put_label(reading *r, stretch label)
{
    size_t size = (size_t)(label.to - label.from);
    char *copy = cj__arena_allocate(&r->arena, size + 1);
    if (!copy) return cj__out_of_memory(size, "a label");
    memcpy(copy, label.from, size);
    if (!cj__name_fits(copy) || strlen(copy) != size) return wrong(&r->l, "a label in UTF-8 without commas");
    CJ__TRY(cj__grow(&r->labels, &r->label_room, r->s.rows, sizeof *r->labels));
    r->labels[r->s.rows++] = (given_label){copy, r->l.number};
    return CJ_OK;
}

static cj_status add_label(reading *r, stretch label)
{
    cj__text room = {0};
    cj_status status = clean_label(r, &label, &room);
    if (status == CJ_OK) status = put_label(r, label);
    cj__text_free(&room);
    return status;
}

static cj_status read_plain_line(reading *r)
{
    const cj_tokenizer *t = r->o->tokenizer;
    int64_t before = r->s.y.count;
    if (is_blank(r->l.line, r->l.end)) return CJ_OK;
    CJ__TRY(encode(&r->l, t, (stretch){r->l.line, r->l.end}, &r->s.y));
    CJ__TRY(cj__add_special(t, CJ_TOKEN_END, &r->s.y));
    CJ__TRY(cj__add_special(t, CJ_TOKEN_BEGIN, &r->s.x));
    for (int64_t i = before; i + 1 < r->s.y.count; i++) CJ__TRY(cj_tokens_add(&r->s.x, r->s.y.ids[i]));
    CJ__TRY(cj__sequences_end_x(&r->s));
    CJ__TRY(cj__sequences_end_y(&r->s));
    return end_text(r, r->l.line, r->l.end, r->s.y.count - before);
}

/* The last tab of the line; NULL: it has none. */
static const char *last_tab(const lines *l)
{
    const char *at = l->end;
    while (at > l->line && at[-1] != '\t') at--;
    return at > l->line ? at - 1 : NULL;
}

static cj_status add_sentence(reading *r, const char *end)
{
    cj_status status = cj__sequences_add(&r->s, r->o->tokenizer, r->l.line, (size_t)(end - r->l.line));
    return tell_line(&r->l, status);
}

static cj_status read_labelled_line(reading *r)
{
    const char *tab = last_tab(&r->l);
    if (is_blank(r->l.line, r->l.end)) return CJ_OK;
    if (!tab || is_blank(r->l.line, tab) || tab + 1 == r->l.end)
        return wrong(&r->l, "a sentence, a tab and a label");
    CJ__TRY(add_sentence(r, tab));
    return add_label(r, (stretch){tab + 1, r->l.end});
}

static cj_status read_masked_line(reading *r)
{
    const char *tab = last_tab(&r->l), *end = tab ? tab : r->l.end;
    if (is_blank(r->l.line, end)) return CJ_OK;
    r->s.rows++;
    return add_sentence(r, end);
}

/* An empty line is a sentence too, so that both files stay side by side. */
static cj_status read_pair(reading *r)
{
    const cj_tokenizer *t = r->o->target_tokenizer ? r->o->target_tokenizer : r->o->tokenizer;
    int64_t before = r->s.y.count;
    if (!next_line(&r->target))
        return cj__fail(CJ_FORMAT_ERROR, "%s: found %lld lines, expected as many as %s has, which are more",
                        r->target.path, (long long)r->target.number, r->l.path);
    CJ__TRY(encode(&r->l, r->o->tokenizer, (stretch){r->l.line, r->l.end}, &r->s.x));
    CJ__TRY(cj__add_special(r->o->tokenizer, CJ_TOKEN_END, &r->s.x));
    CJ__TRY(cj__sequences_end_x(&r->s));
    CJ__TRY(encode(&r->target, t, (stretch){r->target.line, r->target.end}, &r->s.y));
    CJ__TRY(cj__add_special(t, CJ_TOKEN_END, &r->s.y));
    CJ__TRY(cj__add_special(t, CJ_TOKEN_BEGIN, &r->s.x));
    for (int64_t i = before; i + 1 < r->s.y.count; i++) CJ__TRY(cj_tokens_add(&r->s.x, r->s.y.ids[i]));
    CJ__TRY(cj__sequences_end_x(&r->s));
    CJ__TRY(cj__sequences_end_y(&r->s));
    return end_text(r, r->target.line, r->target.end, r->s.y.count - before);
}

/* The latest sentences, the earlier ones first; before them there is nothing. */
static cj_status add_memory(reading *r)
{
    int64_t most = r->s.parts - 1, first = r->memory_count > most ? r->memory_count - most : 0;
    for (int64_t i = r->memory_count - first; i < most; i++) CJ__TRY(cj__sequences_end_x(&r->s));
    for (int64_t i = first; i < r->memory_count; i++) {
        CJ__TRY(encode(&r->l, r->o->tokenizer, r->memory[i], &r->s.x));
        CJ__TRY(cj__sequences_end_x(&r->s));
    }
    return CJ_OK;
}

static cj_status read_story(reading *r)
{
    story_line s;
    if (is_blank(r->l.line, r->l.end)) return CJ_OK;
    CJ__TRY(read_story_line(&r->l, &s));
    if (s.number == 1) r->memory_count = 0;
    if (!s.question) {
        CJ__TRY(cj__grow(&r->memory, &r->memory_room, r->memory_count, sizeof *r->memory));
        r->memory[r->memory_count++] = s.sentence;
        return CJ_OK;
    }
    CJ__TRY(add_memory(r));
    CJ__TRY(encode(&r->l, r->o->tokenizer, s.sentence, &r->s.x));
    CJ__TRY(cj__sequences_end_x(&r->s));
    return add_label(r, s.answer);
}

/* In the order of cj_text_format. */
static cj_status (*const readers[])(reading *r) = {read_plain_line, read_labelled_line, read_pair, read_story,
                                                   read_masked_line};

/* --- classes ------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool has_given_classes(const reading *r)
{
    return r->o->classes && *r->o->classes;
}

/* Those there are, ascending, where none are given. */
static cj_status find_classes(reading *r)
{
    if (has_given_classes(r)) return cj__names_split(&r->classes, &r->arena, r->o->classes);
    const char **names = cj__arena_allocate(&r->arena, ((size_t)r->s.rows + 1) * sizeof *names);
    int64_t count = 0;
    if (!names) return cj__out_of_memory((size_t)r->s.rows * sizeof *names, "names of classes");
    for (int64_t i = 0; i < r->s.rows; i++) names[i] = r->labels[i].text;
    qsort(names, (size_t)r->s.rows, sizeof *names, by_name);
    for (int64_t i = 0; i < r->s.rows; i++)
        if (i == 0 || strcmp(names[i], names[count - 1]) != 0) names[count++] = names[i];
    r->classes = (cj__names){.names = names, .count = count};
    return CJ_OK;
}

static int64_t class_of(const reading *r, const char *label)
{
    const cj__names *names = &r->classes;
    if (has_given_classes(r)) return cj__names_find(names, label);
    const char *const *found =
        bsearch(&label, names->names, (size_t)names->count, sizeof *names->names, by_name);
    return found ? found - (const char *const *)names->names : -1;
}

static cj_status unknown_label(const reading *r, const given_label *label)
{
    char known[200] = "";
    int64_t i = 0;
    for (; i < r->classes.count && strlen(known) < 100; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s'%.60s'", i ? ", " : "",
                 r->classes.names[i]);
    if (i < r->classes.count) strcat(known, ", ...");
    return cj__fail(CJ_FORMAT_ERROR, "%s: line %lld: found label '%.60s', expected one of the %lld known: %s",
                    r->l.path, (long long)label->line, label->text, (long long)r->classes.count, known);
}

static cj_status label_rows(reading *r)
{
    CJ__TRY(find_classes(r));
    for (int64_t i = 0; i < r->s.rows; i++) {
        int64_t label = class_of(r, r->labels[i].text);
        if (label < 0) return unknown_label(r, &r->labels[i]);
        CJ__TRY(cj_tokens_add(&r->s.y, (int32_t)label));
    }
    return CJ_OK;
}

/* --- a file -------------------------------------------------------------------------------------------- */

/* Where there are further files, the next of them takes the place of this one. */
static cj_status read_more(reading *r)
{
    for (int64_t i = 0; i < r->o->more_count; i++) {
        cj__free(r->l.text);
        CJ__TRY(open_lines(&r->l, r->o->more[i]));
        while (next_line(&r->l)) CJ__TRY(readers[r->o->format](r));
    }
    return CJ_OK;
}

static cj_status read_lines(reading *r)
{
    while (next_line(&r->l)) CJ__TRY(readers[r->o->format](r));
    CJ__TRY(read_more(r));
    if (r->o->format == CJ_TEXT_PAIRS && next_line(&r->target))
        return cj__fail(CJ_FORMAT_ERROR, "%s: found %lld lines, expected as many as %s has, which are more",
                        r->l.path, (long long)r->l.number, r->target.path);
    return r->s.labels ? label_rows(r) : CJ_OK;
}

static cj_status check(const cj_text_file_options *o)
{
    if ((unsigned)o->format > CJ_TEXT_MASKED || !o->tokenizer || o->longest < 0 || o->memory < 0 ||
        o->bucket < 0 || (o->format == CJ_TEXT_PAIRS && !o->target_path))
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "a file of sentences needs its format, a tokenizer, for pairs a second file, "
                        "and limits from 0 on");
    if (o->more_count < 0 || (o->more_count > 0 && o->format != CJ_TEXT_MASKED))
        return cj__fail(CJ_INVALID_ARGUMENT, "further files are for sentences that are to be masked alone");
    if (o->format == CJ_TEXT_MASKED && cj_tokenizer_special(o->tokenizer, CJ_TOKEN_MASK) < 0)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "the tokenizer has no token for a mask: take wordpiece, which has one");
    if (o->memory > 4096 || o->bucket > 65536)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "a memory of %lld sentences, buckets of %lld tokens: expected 4096 and 65536 "
                        "at most",
                        (long long)o->memory, (long long)o->bucket);
    if (cj_tokenizer_special(o->tokenizer, CJ_TOKEN_PADDING) == 0 ||
        cj_tokenizer_special(o->tokenizer, CJ_TOKEN_UNKNOWN) == 0)
        return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT,
                    "the tokenizer's token 0 is no padding: make it with special tokens");
}

static cj_status open_files(reading *r)
{
    CJ__TRY(open_lines(&r->l, r->o->path));
    return r->o->format == CJ_TEXT_PAIRS ? open_lines(&r->target, r->o->target_path) : CJ_OK;
}

cj_status cj_dataset_read_text(cj_dataset **dataset, const cj_text_file_options *o)
{
    bool stories = o->format == CJ_TEXT_STORIES;
    reading r = {.o = o};
    *dataset = NULL;
    CJ__TRY(check(o));
    r.s.parts = stories ? 1 + (o->memory ? o->memory : 50) : o->format == CJ_TEXT_PAIRS ? 2 : 1;
    r.s.labels = stories || o->format == CJ_TEXT_LABELLED;
    r.s.masked_by = o->format == CJ_TEXT_MASKED ? o->tokenizer : NULL;
    cj_status status = open_files(&r);
    if (status == CJ_OK) status = read_lines(&r);
    if (status == CJ_OK) {
        int64_t classes = r.s.labels
                              ? r.classes.count
                              : cj_tokenizer_count(o->target_tokenizer ? o->target_tokenizer : o->tokenizer);
        status = cj__sequences_finish(&r.s, o->longest, stories ? 0 : o->bucket, &r.arena, r.classes.names,
                                      classes, dataset);
        if (status != CJ_OK && status != CJ_OUT_OF_MEMORY) status = cj__fail_within(status, "%s", o->path);
    }
    cj__sequences_free(&r.s);
    cj__arena_free(&r.arena);
    cj__free(r.labels);
    cj__free(r.memory);
    cj__free(r.l.text);
    cj__free(r.target.text);
    return status;
}

/* --- text for a tokenizer ------------------------------------------------------------------------------ */

/* What of a line is said in tokens. */
static cj_status sentence_of(cj_text_format format, const lines *l, stretch *sentence)
{
    story_line s;
    *sentence = (stretch){l->line, l->end};
    if (is_blank(l->line, l->end)) return CJ_OK;
    if ((format == CJ_TEXT_LABELLED || format == CJ_TEXT_MASKED) && last_tab(l)) sentence->to = last_tab(l);
    if (format != CJ_TEXT_STORIES) return CJ_OK;
    CJ__TRY(read_story_line(l, &s));
    *sentence = s.sentence;
    return CJ_OK;
}

cj_status cj_text_of_file(cj_text_format format, const char *path, char **text, size_t *size)
{
    lines l;
    cj__text out = {0};
    *text = NULL;
    CJ__TRY(open_lines(&l, path));
    cj_status status = CJ_OK;
    cj__text_put(&out, "");
    while (status == CJ_OK && next_line(&l)) {
        stretch s;
        status = sentence_of(format, &l, &s);
        if (status == CJ_OK) cj__text_add(&out, s.from, (size_t)(s.to - s.from));
        cj__text_put(&out, "\n");
    }
    if (status == CJ_OK) status = cj__text_check(&out, path);
    cj__free(l.text);
    if (status != CJ_OK) {
        cj__text_free(&out);
        return status;
    }
    *text = out.data;
    *size = out.size;
    return CJ_OK;
}
