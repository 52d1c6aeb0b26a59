/* A tokenizer as JSON and back: it lies in a run's folder, so that text that comes later is cut as that of
 * the training was. */
#include "base/file.h"
#include "base/json.h"
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
    cj__text_put(out, ",\n  \"pieces\": [");
    for (int64_t i = 0; i < t->pieces.count; i++) {
        cj__text_put(out, i ? ", " : "");
        cj__json_put_string(out, t->pieces.list[i].bytes);
    }
    cj__text_put(out, "]");
}

cj_status cj_tokenizer_save(const cj_tokenizer *t, const char *path)
{
    cj__text out = {0};
    cj__text_print(&out, "{\n  \"format\": %d,\n  \"kind\": \"%s\",\n  \"replace_invalid\": %s", FORMAT,
                   t->facts->name, t->cleaning.replace_invalid ? "true" : "false");
    put_specials(&out, t);
    if (t->kind != CJ_TOKENS_BYTE) put_pieces(&out, t);
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
    bool known; /* the kind has been read */
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
            cj__json_refuse(&r->json, start, "padding, unknown, begin or end, and its number");
        if (r->json.expected || r->json.out_of_memory) return;
        r->t->specials[which] = (int32_t)token;
    }
}

static cj_status read_pieces(reading *r)
{
    int32_t number;
    cj__json_enter(&r->json, '[');
    for (int64_t i = 0; cj__json_more(&r->json, i, ']'); i++) {
        const char *start = r->json.at, *piece = cj__json_string(&r->json, &r->arena);
        if (!piece) break;
        CJ__TRY(cj__pieces_add(&r->t->pieces, piece, strlen(piece), &number));
        if (number != i) cj__json_refuse(&r->json, start, "a piece that is not there yet");
    }
    return CJ_OK;
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
        else if (strcmp(key, "specials") == 0)
            read_specials(r);
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
        if (status != CJ_OK) status = cj__fail_within(status, "%s", path);
    }
    cj__arena_free(&r.arena);
    cj__free(text);
    if (status == CJ_OK)
        *tokenizer = r.t;
    else
        cj_tokenizer_free(r.t);
    return status;
}
