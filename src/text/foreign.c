/* Tokenizers as others write them: GPT-2's encoder.json and vocab.bpe, BERT's vocab.txt, llama2.c's .bin.
 * What a file is, its contents tell. */
#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"
#include "text/letters.h"
#include "text/unicode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 1 << 28, PATH = 4096 };

/* --- GPT-2 --------------------------------------------------------------------------------------------- */

typedef struct {
    char *bytes;
    size_t size;
} named;

/* The pieces by their numbers, each of which is there once. */
static cj_status add_in_order(cj_tokenizer *t, const named *list, int64_t count)
{
    int32_t number;
    for (int64_t i = 0; i < count; i++) {
        if (!list[i].bytes)
            return cj__fail(CJ_FORMAT_ERROR, "found no token %lld, expected %lld from 0 on", (long long)i,
                            (long long)count);
        CJ__TRY(cj__pieces_add(&t->pieces, list[i].bytes, list[i].size, &number));
        if (number != i)
            return cj__fail(CJ_FORMAT_ERROR, "tokens %d and %lld are the same piece", number, (long long)i);
    }
    return CJ_OK;
}

/* {"!": 0, …}: letters to numbers. */
static cj_status read_encoder(cj_tokenizer *t, const char *text, size_t size)
{
    cj__json json;
    cj__arena arena = {0};
    named *list = NULL;
    int64_t count = 0, room = 0;
    cj_status status = CJ_OK;
    cj__json_begin(&json, text, size);
    cj__json_enter(&json, '{');
    for (; cj__json_more(&json, count, '}'); count++) {
        const char *start = json.at;
        named one = {.bytes = cj__json_key(&json, &arena)};
        uint64_t number = cj__json_unsigned(&json);
        if (!one.bytes || json.expected) break;
        one.size = strlen(one.bytes);
        if (number >= size || number >= CJ__MOST_TOKENS || !cj__letters_read(one.bytes, &one.size))
            cj__json_refuse(&json, start, "a piece in GPT-2's letters, and its number");
        for (int64_t before = room; json.expected == NULL && (int64_t)number >= room && status == CJ_OK;) {
            status = cj__grow(&list, &room, room, sizeof *list);
            if (status == CJ_OK) memset(list + before, 0, (size_t)(room - before) * sizeof *list);
            before = room;
        }
        if (status != CJ_OK || json.expected) break;
        if (list[number].bytes) cj__json_refuse(&json, start, "a number that is not there yet");
        list[number] = one;
    }
    if (status == CJ_OK) status = cj__json_finish(&json);
    if (status == CJ_OK) status = add_in_order(t, list, count);
    cj__arena_free(&arena);
    cj__free(list);
    return status;
}

/* One line of "left right" in letters. */
static cj_status read_merge(cj_tokenizer *t, char *line, int64_t number)
{
    char *blank = strchr(line, ' ');
    size_t left_size = blank ? (size_t)(blank - line) : 0, right_size = blank ? strlen(blank + 1) : 0;
    if (blank) *blank = 0;
    bool good = left_size > 0 && right_size > 0 && cj__letters_read(line, &left_size) &&
                cj__letters_read(blank + 1, &right_size);
    int32_t left = good ? cj__pieces_find(&t->pieces, line, left_size) : -1;
    int32_t right = good ? cj__pieces_find(&t->pieces, blank + 1, right_size) : -1;
    if (left < 0 || right < 0)
        return cj__fail(CJ_FORMAT_ERROR,
                        "line %lld: expected two pieces of the vocabulary and a blank between",
                        (long long)number);
    CJ__TRY(cj__grow(&t->pairs, &t->pair_room, 2 * t->pair_count + 1, sizeof *t->pairs));
    t->pairs[2 * t->pair_count] = left;
    t->pairs[2 * t->pair_count++ + 1] = right;
    return CJ_OK;
}

/* The line at `*at` without its end, which becomes a zero; NULL: there is none. */
static char *next_line(char **at, const char *end)
{
    char *line = *at;
    if (line >= end) return NULL;
    char *stop = memchr(line, '\n', (size_t)(end - line));
    *at = stop ? stop + 1 : line + strlen(line) + 1;
    if (stop) *stop = 0;
    size_t size = strlen(line);
    if (size > 0 && line[size - 1] == '\r') line[size - 1] = 0;
    return line;
}

static cj_status read_merges(cj_tokenizer *t, char *text, size_t size)
{
    char *at = text, *line;
    if (memchr(text, 0, size))
        return cj__fail(CJ_FORMAT_ERROR, "found a zero byte, expected a text of merges");
    for (int64_t number = 1; (line = next_line(&at, text + size)); number++)
        if (*line && !(number == 1 && strncmp(line, "#version", 8) == 0))
            CJ__TRY(read_merge(t, line, number));
    return CJ_OK;
}

cj_status cj_tokenizer_read_gpt2(cj_tokenizer **tokenizer, const char *encoder_path, const char *merges_path)
{
    static const char end[] = "<|endoftext|>";
    cj_tokenizer *t;
    char *text;
    size_t size;
    *tokenizer = NULL;
    CJ__TRY(cj__tokenizer_new(&t, CJ_TOKENS_BPE));
    cj_status status = cj__file_read(encoder_path, LONGEST, &text, &size);
    if (status != CJ_OK) return cj__tokenizer_finish(tokenizer, t, status, NULL);
    status = read_encoder(t, text, size);
    cj__free(text);
    if (status != CJ_OK) return cj__tokenizer_finish(tokenizer, t, status, encoder_path);
    t->specials[CJ_TOKEN_BEGIN] = t->specials[CJ_TOKEN_END] = cj__pieces_find(&t->pieces, end, strlen(end));
    status = cj__file_read(merges_path, LONGEST, &text, &size);
    if (status != CJ_OK) return cj__tokenizer_finish(tokenizer, t, status, NULL);
    status = read_merges(t, text, size);
    cj__free(text);
    return cj__tokenizer_finish(tokenizer, t, status, merges_path);
}

/* --- BERT ---------------------------------------------------------------------------------------------- */

/* Whether a piece besides the special ones has a capital: then the vocabulary is of text as it is. */
static bool has_capitals(const cj_tokenizer *t)
{
    for (int64_t i = 0; i < t->pieces.count; i++)
        for (const char *at = t->pieces.list[i].bytes; *at && *at != '['; at++)
            if (*at >= 'A' && *at <= 'Z') return true;
    return false;
}

static cj_status read_pieces(cj_tokenizer *t, char *text, size_t size)
{
    char *at = text, *line;
    const char *fault = cj__utf8_end(text, text + size);
    int32_t number;
    if (fault < text + size || memchr(text, 0, size))
        return cj__fail(CJ_FORMAT_ERROR, "line %lld: found what is no UTF-8, expected a piece a line",
                        (long long)cj__line_at(text, fault));
    for (int64_t i = 0; (line = next_line(&at, text + size)); i++) {
        CJ__TRY(cj__pieces_add(&t->pieces, line, strlen(line), &number));
        if (number != i)
            return cj__fail(CJ_FORMAT_ERROR, "line %lld: '%.40s' is there already, in line %d",
                            (long long)i + 1, line, number + 1);
    }
    return cj__wordpiece_specials(t);
}

cj_status cj_tokenizer_read_wordpiece(cj_tokenizer **tokenizer, const char *path,
                                      const cj_text_cleaning *cleaning)
{
    cj_tokenizer *t;
    char *text;
    size_t size;
    *tokenizer = NULL;
    CJ__TRY(cj__tokenizer_new(&t, CJ_TOKENS_WORDPIECE));
    cj_status status = cj__file_read(path, LONGEST, &text, &size);
    if (status != CJ_OK) return cj__tokenizer_finish(tokenizer, t, status, NULL);
    status = read_pieces(t, text, size);
    bool lower = status == CJ_OK && !has_capitals(t);
    t->cleaning = cleaning ? *cleaning : (cj_text_cleaning){.lower = lower, .strip_accents = lower};
    cj__free(text);
    return cj__tokenizer_finish(tokenizer, t, status, path);
}

/* --- llama2.c ------------------------------------------------------------------------------------------ */

/* f32 score, i32 size, bytes; returns behind it, or NULL where it does not fit. */
static const char *read_scored(const char *at, const char *end, float *score, const char **piece,
                               int32_t *size)
{
    if (end - at < 8) return NULL;
    memcpy(score, at, 4);
    memcpy(size, at + 4, 4);
    *piece = at + 8;
    return *size > 0 && *size <= end - at - 8 && isfinite(*score) ? at + 8 + *size : NULL;
}

static cj_status bad_scored(int64_t place, int64_t number, int64_t left, float score, int32_t size)
{
    if (left < 8)
        return cj__fail(CJ_FORMAT_ERROR,
                        "byte %lld: found %lld bytes, expected 8, score and size of piece %lld",
                        (long long)place, (long long)left, (long long)number);
    return cj__fail(CJ_FORMAT_ERROR,
                    "byte %lld: found piece %lld of %d bytes and score %g, expected from 1 to the %lld bytes "
                    "that are left, and a finite score: no vocabulary of llama2.c, or one that was cut short",
                    (long long)place, (long long)number, size, (double)score, (long long)left - 8);
}

/* i32 longest piece, then pieces to the end. */
static cj_status read_all_scored(cj_tokenizer *t, const char *text, size_t size)
{
    const char *at = text + 4, *end = text + size, *piece;
    int64_t room = 0;
    int32_t length = 0, number;
    float score = 0;
    if (size < 12)
        return cj__fail(CJ_FORMAT_ERROR, "found %zu bytes, expected 12 or more of a vocabulary of llama2.c",
                        size);
    for (int64_t i = 0; at < end; i++) {
        const char *next = read_scored(at, end, &score, &piece, &length);
        if (!next) return bad_scored(at - text, i, end - at, score, length);
        CJ__TRY(cj__grow(&t->scores, &room, i, sizeof *t->scores));
        CJ__TRY(cj__pieces_add(&t->pieces, piece, (size_t)length, &number));
        if (number != i)
            return cj__fail(CJ_FORMAT_ERROR,
                            "byte %lld: piece %lld is there already, as %d; expected each once",
                            (long long)(at - text), (long long)i, number);
        t->scores[i] = score;
        at = next;
    }
    return CJ_OK;
}

/* As SentencePiece numbers them. */
static void take_specials(cj_tokenizer *t)
{
    static const char *const names[] = {"<unk>", "\n<s>\n", "\n</s>\n"};
    static const cj_special_token which[] = {CJ_TOKEN_UNKNOWN, CJ_TOKEN_BEGIN, CJ_TOKEN_END};
    for (int i = 0; i < 3; i++)
        t->specials[which[i]] = cj__pieces_find(&t->pieces, names[i], strlen(names[i]));
}

cj_status cj_tokenizer_read_llama2c(cj_tokenizer **tokenizer, const char *path)
{
    cj_tokenizer *t;
    char *text;
    size_t size;
    *tokenizer = NULL;
    CJ__TRY(cj__tokenizer_new(&t, CJ_TOKENS_SCORED));
    cj_status status = cj__file_read(path, LONGEST, &text, &size);
    if (status != CJ_OK) return cj__tokenizer_finish(tokenizer, t, status, NULL);
    status = read_all_scored(t, text, size);
    if (status == CJ_OK) take_specials(t);
    cj__free(text);
    return cj__tokenizer_finish(tokenizer, t, status, path);
}

/* --- which it is --------------------------------------------------------------------------------------- */

/* vocab.bpe or merges.txt in the folder of encoder.json. */
static cj_status open_gpt2(cj_tokenizer **tokenizer, const char *path)
{
    static const char *const names[] = {"vocab.bpe", "merges.txt"};
    char merges[PATH];
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) + 1 : 0;
    for (int i = 0; i < 2; i++) {
        FILE *file = NULL;
        if (snprintf(merges, PATH, "%.*s%s", folder, path, names[i]) < PATH) file = fopen(merges, "rb");
        if (!file) continue;
        fclose(file);
        return cj_tokenizer_read_gpt2(tokenizer, path, merges);
    }
    return cj__fail(CJ_NOT_FOUND, "%s: expected its merges beside it, as vocab.bpe or merges.txt", path);
}

typedef enum { OWN, GPT2, BERT, LLAMA2C } manner;

/* A JSON text is Cajal's own where its first key is "format"; pieces a line have no control characters. */
static manner manner_of(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size && strchr(" \t\r\n", text[at]) && text[at]) at++;
    if (at < size && text[at] == '{') {
        for (at++; at < size && strchr(" \t\r\n", text[at]) && text[at];) at++;
        return size - at >= 9 && memcmp(text + at, "\"format\":", 9) == 0 ? OWN : GPT2;
    }
    return memchr(text, 0, size) ? LLAMA2C : BERT;
}

cj_status cj_tokenizer_open(cj_tokenizer **tokenizer, const char *path)
{
    char *text;
    size_t size;
    *tokenizer = NULL;
    CJ__TRY(cj__file_read(path, LONGEST, &text, &size));
    manner how = manner_of(text, size);
    cj__free(text);
    if (size == 0) return cj__fail(CJ_FORMAT_ERROR, "%s: the file is empty, expected a tokenizer", path);
    if (how == OWN) return cj_tokenizer_load(tokenizer, path);
    if (how == GPT2) return open_gpt2(tokenizer, path);
    return how == BERT ? cj_tokenizer_read_wordpiece(tokenizer, path, NULL)
                       : cj_tokenizer_read_llama2c(tokenizer, path);
}
