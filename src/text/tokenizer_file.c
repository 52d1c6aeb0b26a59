/* A tokenizer as JSON and back: it lies in a run's folder, so that text that comes later is cut as that of
 * the training was. */
#include "base/file.h"
#include "base/json.h"
#include "text/letters.h"
#include "text/tokenizer.h"

#include <string.h>

enum { LONGEST = 1 << 28, FORMAT = 1 };

/* --- writing ------------------------------------------------------------------------------------------- */

static void put_specials(cj__text *out, const cj_tokenizer *t)
{
    bool first = true;
    cj__text_put(out, ",\n  \"specials\": {");
    for (int i = 0; i < CJ_SPECIAL_TOKENS; i++) {
        if (t->specials[i] < 0) continue;
        cj__text_print(out, "%s\"%s\": %d", first ? "" : ", ", cj__special_names[i], t->specials[i]);
        first = false;
    }
    cj__text_put(out, "}");
}

static void put_pieces(cj__text *out, const cj_tokenizer *t)
{
    cj__text letters = {0};
    cj__text_put(out, ",\n  \"pieces\": [");
    for (int64_t i = 0; i < t->pieces.count; i++) {
        const cj__piece *piece = &t->pieces.list[i];
        letters.size = 0;
        if (t->facts->letters) cj__letters_put(&letters, piece->bytes, piece->size);
        cj__text_put(out, i ? ", " : "");
        cj__json_put_string(out, t->facts->letters && letters.data ? letters.data : piece->bytes);
    }
    cj__text_put(out, "]");
    out->failed |= letters.failed;
    cj__text_free(&letters);
}

/* Two numbers a merge, one behind the other. */
static void put_merges(cj__text *out, const cj_tokenizer *t)
{
    cj__text_put(out, ",\n  \"merges\": [");
    for (int64_t i = 0; i < 2 * t->pair_count; i++) cj__text_print(out, i ? ",%d" : "%d", t->pairs[i]);
    cj__text_put(out, "]");
}

static void put_scores(cj__text *out, const cj_tokenizer *t)
{
    cj__text_put(out, ",\n  \"scores\": [");
    for (int64_t i = 0; i < t->pieces.count; i++) {
        cj__text_put(out, i ? "," : "");
        cj__json_put_number(out, (double)t->scores[i]);
    }
    cj__text_put(out, "]");
}

static const char *const forms[] = {"as it is", "NFC", "NFD", "NFKC", "NFKD"}; /* as cj_normal_form */
enum { FORMS = sizeof forms / sizeof *forms };

static void put_cleaning(cj__text *out, const cj_text_cleaning *c)
{
    cj__text_print(out,
                   ",\n  \"replace_invalid\": %s,\n  \"form\": \"%s\",\n  \"lower\": %s,\n"
                   "  \"strip_accents\": %s,\n  \"text_only\": %s",
                   c->replace_invalid ? "true" : "false", forms[c->form], c->lower ? "true" : "false",
                   c->strip_accents ? "true" : "false", c->text_only ? "true" : "false");
}

cj_status cj_tokenizer_save(const cj_tokenizer *t, const char *path)
{
    cj__text out = {0};
    cj__text_print(&out, "{\n  \"format\": %d,\n  \"kind\": \"%s\"", FORMAT, t->facts->name);
    put_cleaning(&out, &t->cleaning);
    put_specials(&out, t);
    if (t->kind != CJ_TOKENS_BYTE) put_pieces(&out, t);
    if (t->kind == CJ_TOKENS_BPE) put_merges(&out, t);
    if (t->kind == CJ_TOKENS_SCORED) put_scores(&out, t);
    cj__text_put(&out, "\n}\n");
    cj_status status = cj__text_check(&out, "a tokenizer");
    if (status == CJ_OK) status = cj__file_replace(path, out.data, out.size);
    cj__text_free(&out);
    return status;
}

/* --- reading ------------------------------------------------------------------------------------------- */

typedef struct {
    cj__json json;
    cj__arena arena;
    cj_tokenizer *t;
    uint64_t format;
    bool known;          /* the kind has been read */
    int64_t score_count; /* scores that have been read */
} reading;

static void read_kind(reading *r)
{
    const char *start = r->json.at, *name = cj__json_string(&r->json, &r->arena);
    for (int i = 0; name && i < CJ_TOKEN_KIND_COUNT; i++) {
        if (strcmp(name, cj__token_kinds[i].name) != 0) continue;
        r->t->kind = (cj_token_kind)i;
        r->t->facts = &cj__token_kinds[i];
        r->known = true;
    }
    if (name && !r->known) cj__json_refuse(&r->json, start, "the name of a kind of tokenizer");
}

static void read_specials(reading *r)
{
    cj__json_enter(&r->json, '{');
    for (int64_t i = 0; cj__json_more(&r->json, i, '}'); i++) {
        const char *start = r->json.at, *key = cj__json_key(&r->json, &r->arena);
        uint64_t token = cj__json_unsigned(&r->json);
        int which = CJ_SPECIAL_TOKENS;
        for (int k = 0; key && k < CJ_SPECIAL_TOKENS; k++)
            if (strcmp(key, cj__special_names[k]) == 0) which = k;
        if (which == CJ_SPECIAL_TOKENS || token >= CJ__MOST_TOKENS)
            cj__json_refuse(&r->json, start, "padding, unknown, begin, end or mask, and its number");
        if (r->json.expected || r->json.out_of_memory) return;
        r->t->specials[which] = (int32_t)token;
    }
}

static cj_status read_pieces(reading *r)
{
    int32_t number;
    if (!r->known) cj__json_refuse(&r->json, r->json.at, "the kind before the pieces");
    cj__json_enter(&r->json, '[');
    for (int64_t i = 0; cj__json_more(&r->json, i, ']'); i++) {
        const char *start = r->json.at;
        char *piece = cj__json_string(&r->json, &r->arena);
        size_t size = piece ? strlen(piece) : 0;
        if (!piece) break;
        if (r->t->facts->letters && !cj__letters_read(piece, &size))
            cj__json_refuse(&r->json, start, "a piece in GPT-2's letters");
        CJ__TRY(cj__pieces_add(&r->t->pieces, piece, size, &number));
        if (number != i) cj__json_refuse(&r->json, start, "a piece that is not there yet");
    }
    return CJ_OK;
}

static cj_status read_merges(reading *r)
{
    cj_tokenizer *t = r->t;
    cj__json_enter(&r->json, '[');
    for (int64_t i = 0; cj__json_more(&r->json, i, ']'); i++) {
        const char *start = r->json.at;
        uint64_t token = cj__json_unsigned(&r->json);
        if (token >= CJ__MOST_TOKENS) cj__json_refuse(&r->json, start, "the number of a token");
        if (r->json.expected || r->json.out_of_memory) break;
        CJ__TRY(cj__grow(&t->pairs, &t->pair_room, i, sizeof *t->pairs));
        t->pairs[i] = (int32_t)token;
        t->pair_count = (i + 1) / 2;
    }
    return CJ_OK;
}

static cj_status read_scores(reading *r)
{
    int64_t room = 0;
    cj__free(r->t->scores);
    r->t->scores = NULL;
    cj__json_enter(&r->json, '[');
    for (r->score_count = 0; cj__json_more(&r->json, r->score_count, ']'); r->score_count++) {
        double score = cj__json_number(&r->json);
        if (r->json.expected || r->json.out_of_memory) break;
        CJ__TRY(cj__grow(&r->t->scores, &room, r->score_count, sizeof *r->t->scores));
        r->t->scores[r->score_count] = (float)score;
    }
    return CJ_OK;
}

static void read_form(reading *r)
{
    const char *start = r->json.at, *name = cj__json_string(&r->json, &r->arena);
    int form = 0;
    while (name && form < FORMS && strcmp(name, forms[form]) != 0) form++;
    if (name && form == FORMS) cj__json_refuse(&r->json, start, "a normal form: NFC, NFD, NFKC or NFKD");
    if (name && form < FORMS) r->t->cleaning.form = (cj_normal_form)form;
}

static cj_status read_all(reading *r)
{
    cj__json_enter(&r->json, '{');
    for (int64_t i = 0; cj__json_more(&r->json, i, '}'); i++) {
        const char *key = cj__json_key(&r->json, &r->arena);
        if (!key) break;
        if (strcmp(key, "format") == 0)
            r->format = cj__json_unsigned(&r->json);
        else if (strcmp(key, "kind") == 0)
            read_kind(r);
        else if (strcmp(key, "replace_invalid") == 0)
            r->t->cleaning.replace_invalid = cj__json_boolean(&r->json);
        else if (strcmp(key, "form") == 0)
            read_form(r);
        else if (strcmp(key, "lower") == 0)
            r->t->cleaning.lower = cj__json_boolean(&r->json);
        else if (strcmp(key, "strip_accents") == 0)
            r->t->cleaning.strip_accents = cj__json_boolean(&r->json);
        else if (strcmp(key, "text_only") == 0)
            r->t->cleaning.text_only = cj__json_boolean(&r->json);
        else if (strcmp(key, "specials") == 0)
            read_specials(r);
        else if (strcmp(key, "merges") == 0)
            CJ__TRY(read_merges(r));
        else if (strcmp(key, "scores") == 0)
            CJ__TRY(read_scores(r));
        else if (strcmp(key, "pieces") == 0)
            CJ__TRY(read_pieces(r));
        else
            cj__json_skip(&r->json);
    }
    return cj__json_finish(&r->json);
}

/* The bytes are not written out. */
static cj_status add_bytes(cj_tokenizer *t)
{
    cj_tokenizer_training training = {.specials = t->specials[CJ_TOKEN_PADDING] >= 0};
    if (t->pieces.count > 0)
        return cj__fail(CJ_FORMAT_ERROR, "found pieces, expected none of a byte tokenizer");
    return cj__bytes_train(t, &training, "", 0);
}

/* What the parts say together. */
static cj_status check(const reading *r)
{
    cj_tokenizer *t = r->t;
    if (r->format != FORMAT)
        return cj__fail(CJ_UNSUPPORTED, "found format %llu, expected %d: a tokenizer of cajal's",
                        (unsigned long long)r->format, FORMAT);
    if (!r->known) return cj__fail(CJ_FORMAT_ERROR, "found no \"kind\", expected one");
    if (t->kind == CJ_TOKENS_BYTE) CJ__TRY(add_bytes(t));
    for (int i = 0; i < CJ_SPECIAL_TOKENS; i++)
        if (t->specials[i] >= t->pieces.count)
            return cj__fail(CJ_FORMAT_ERROR, "found token %d for %s, expected one of the %lld there are",
                            t->specials[i], cj__special_names[i], (long long)t->pieces.count);
    for (int64_t i = 0; i < 2 * t->pair_count; i++)
        if (t->pairs[i] >= t->pieces.count)
            return cj__fail(CJ_FORMAT_ERROR,
                            "found token %d among the merges, expected one of the %lld there are",
                            t->pairs[i], (long long)t->pieces.count);
    if (t->kind == CJ_TOKENS_SCORED && r->score_count != t->pieces.count)
        return cj__fail(CJ_FORMAT_ERROR, "found %lld scores, expected %lld, one a piece",
                        (long long)r->score_count, (long long)t->pieces.count);
    if (t->kind == CJ_TOKENS_WORDPIECE && t->specials[CJ_TOKEN_UNKNOWN] < 0)
        return cj__fail(CJ_FORMAT_ERROR, "found no token for unknown, expected one");
    return t->pieces.count > 0 ? CJ_OK : cj__fail(CJ_FORMAT_ERROR, "found no pieces, expected some");
}

cj_status cj_tokenizer_load(cj_tokenizer **tokenizer, const char *path)
{
    char *text;
    size_t size;
    *tokenizer = NULL;
    CJ__TRY(cj__file_read(path, LONGEST, &text, &size));
    reading r = {0};
    cj_status status = cj__tokenizer_new(&r.t, CJ_TOKENS_CHARACTER);
    if (status == CJ_OK) {
        cj__json_begin(&r.json, text, size);
        status = read_all(&r);
        if (status == CJ_OK) status = check(&r);
    }
    cj__arena_free(&r.arena);
    cj__free(text);
    return cj__tokenizer_finish(tokenizer, r.t, status, path);
}
