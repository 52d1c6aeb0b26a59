/* Tokenizers of every kind: making, looking into, encoding and decoding. What a kind does is its row of the
 * table here, whose functions are in the kind's file (tokenizer.h). */
#include "text/tokenizer.h"
#include "text/unicode.h"

#include <stdio.h>
#include <string.h>

/* In the order of cj_token_kind. */
const cj__token_kind cj__token_kinds[CJ_TOKEN_KIND_COUNT] = {
    {.name = "character", .train = cj__characters_train, .encode = cj__characters_encode},
    {.name = "byte", .train = cj__bytes_train, .encode = cj__bytes_encode, .any_bytes = true},
    {.name = "word", .train = cj__words_train, .encode = cj__words_encode, .text = cj__words_text},
    {.name = "bpe",
     .train = cj__bpe_train,
     .encode = cj__bpe_encode,
     .ready = cj__bpe_ready,
     .any_bytes = true,
     .letters = true},
    {.name = "wordpiece",
     .train = cj__wordpiece_train,
     .encode = cj__wordpiece_encode,
     .text = cj__wordpiece_text},
    {.name = "scored",
     .encode = cj__scored_encode,
     .ready = cj__scored_ready,
     .text = cj__scored_text,
     .any_bytes = true,
     .letters = true},
};

/* As they stand in a tokenizer's file, in the order of cj_special_token. */
const char *const cj__special_names[CJ_SPECIAL_TOKENS] = {"padding", "unknown", "begin", "end", "mask"};

const char *cj_token_kind_name(cj_token_kind kind)
{
    return kind < CJ_TOKEN_KIND_COUNT ? cj__token_kinds[kind].name : "unknown";
}

/* --- making -------------------------------------------------------------------------------------------- */

cj_status cj__tokenizer_new(cj_tokenizer **tokenizer, cj_token_kind kind)
{
    cj_tokenizer *t = *tokenizer = cj__allocate_zeroed(sizeof *t);
    if (!t) return cj__out_of_memory(sizeof *t, "a tokenizer");
    t->kind = kind;
    t->facts = &cj__token_kinds[kind];
    for (int i = 0; i < CJ_SPECIAL_TOKENS; i++) t->specials[i] = -1;
    return CJ_OK;
}

void cj_tokenizer_free(cj_tokenizer *t)
{
    if (!t) return;
    cj__pieces_free(&t->pieces);
    cj__merges_free(&t->merges);
    cj__pattern_free(t->pattern);
    cj__free(t->pairs);
    cj__free(t->scores);
    cj__free(t);
}

cj_status cj__tokenizer_add_specials(cj_tokenizer *t, bool all, bool unknown)
{
    static const char *const pieces[] = {"<pad>", "<unk>", "<s>", "</s>"};
    for (int i = 0; i < CJ_TOKEN_MASK; i++)
        if (all || (unknown && i == CJ_TOKEN_UNKNOWN))
            CJ__TRY(cj__pieces_add(&t->pieces, pieces[i], strlen(pieces[i]), &t->specials[i]));
    return CJ_OK;
}

cj_status cj__tokenizer_finish(cj_tokenizer **tokenizer, cj_tokenizer *made, cj_status status,
                               const char *path)
{
    if (status == CJ_OK && made->facts->ready) status = made->facts->ready(made);
    if (status == CJ_OK) {
        *tokenizer = made;
        return CJ_OK;
    }
    *tokenizer = NULL;
    cj_tokenizer_free(made);
    return path ? cj__fail_within(status, "%s", path) : status;
}

static cj_status check(const cj_tokenizer_training *o)
{
    if ((unsigned)o->kind >= CJ_TOKEN_KIND_COUNT)
        return cj__fail(CJ_INVALID_ARGUMENT, "there is no tokenizer of kind %d", (int)o->kind);
    if (!cj__token_kinds[o->kind].train)
        return cj__fail(CJ_UNSUPPORTED, "a tokenizer of pieces with scores is read from a file, not trained");
    if (o->vocabulary < 0 || o->vocabulary > CJ__MOST_TOKENS || o->least < 0)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "a vocabulary of %lld of what is met %lld times: expected up to %d tokens",
                        (long long)o->vocabulary, (long long)o->least, CJ__MOST_TOKENS);
    return CJ_OK;
}

bool cj__takes_any_bytes(cj_token_kind kind, const cj_text_cleaning *cleaning)
{
    return cj__token_kinds[kind].any_bytes && !cleaning->text_only && !cj__cleans(cleaning);
}

/* Special tokens alone would say nothing. */
static cj_status check_made(const cj_tokenizer *t, size_t bytes)
{
    int64_t specials = 0;
    for (int i = 0; i < CJ_SPECIAL_TOKENS; i++) specials += t->specials[i] >= 0;
    if (t->pieces.count > specials) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR,
                    "found nothing for a %s tokenizer to learn in %zu bytes of text, expected something that "
                    "is met often enough and that the vocabulary has room for",
                    t->facts->name, bytes);
}

cj_status cj_tokenizer_train(cj_tokenizer **tokenizer, const cj_tokenizer_training *o)
{
    cj__text room = {0};
    cj__passage p = {o->text, o->bytes, 1};
    cj_tokenizer *t;
    *tokenizer = NULL;
    CJ__TRY(check(o));
    CJ__TRY(cj__tokenizer_new(&t, o->kind));
    t->cleaning = o->cleaning;
    cj_status status =
        cj__takes_any_bytes(t->kind, &o->cleaning) ? CJ_OK : cj__text_clean(&o->cleaning, &p, &room);
    if (status == CJ_OK) status = t->facts->train(t, o, p.text, p.size);
    if (status == CJ_OK) status = check_made(t, o->bytes);
    cj__text_free(&room);
    return cj__tokenizer_finish(tokenizer, t, status, NULL);
}

/* --- looking into -------------------------------------------------------------------------------------- */

cj_token_kind cj_tokenizer_kind(const cj_tokenizer *t)
{
    return t->kind;
}

int64_t cj_tokenizer_count(const cj_tokenizer *t)
{
    return t->pieces.count;
}

int32_t cj_tokenizer_special(const cj_tokenizer *t, cj_special_token token)
{
    return (unsigned)token < CJ_SPECIAL_TOKENS ? t->specials[token] : -1;
}

bool cj__tokenizer_is_special(const cj_tokenizer *t, int32_t token)
{
    for (int i = 0; i < CJ_SPECIAL_TOKENS; i++)
        if (t->specials[i] == token) return token >= 0;
    return false;
}

bool cj__tokenizer_is_silent(const cj_tokenizer *t, int32_t token)
{
    return cj__tokenizer_is_special(t, token) && token != t->specials[CJ_TOKEN_UNKNOWN];
}

const char *cj_tokenizer_piece(const cj_tokenizer *t, int32_t token, size_t *size)
{
    if (size) *size = 0;
    if (token < 0 || token >= t->pieces.count) return NULL;
    if (size) *size = t->pieces.list[token].size;
    return t->pieces.list[token].bytes;
}

int32_t cj_tokenizer_find(const cj_tokenizer *t, const char *piece, size_t size)
{
    return cj__pieces_find(&t->pieces, piece, size);
}

/* --- encoding ------------------------------------------------------------------------------------------ */

void cj_tokens_free(cj_tokens *tokens)
{
    cj__free(tokens->ids);
    *tokens = (cj_tokens){0};
}

cj_status cj_tokens_add(cj_tokens *tokens, int32_t token)
{
    CJ__TRY(cj__grow(&tokens->ids, &tokens->room, tokens->count, sizeof *tokens->ids));
    tokens->ids[tokens->count++] = token;
    return CJ_OK;
}

int32_t cj__tokenizer_token(const cj_tokenizer *t, const char *piece, size_t size)
{
    int32_t token = cj__pieces_find(&t->pieces, piece, size);
    return token < 0 || cj__tokenizer_is_special(t, token) ? t->specials[CJ_TOKEN_UNKNOWN] : token;
}

cj_status cj__tokenizer_unknown(const cj_tokenizer *t, const cj__passage *p, const char *at, const char *end)
{
    int length = cj__utf8_length(at, end);
    cj_status status =
        cj__fail(CJ_NOT_FOUND,
                 "'%.*s' (U+%04X) is none of the %lld tokens of the %s tokenizer, which was made from a text "
                 "without it",
                 (int)(end - at), at, length ? (unsigned)cj__utf8_code(at, length) : (unsigned char)*at,
                 (long long)t->pieces.count, t->facts->name);
    return cj__fail_at(status, p, at);
}

cj_status cj_tokenizer_encode_at(const cj_tokenizer *t, const char *text, size_t size, int64_t line,
                                 cj_tokens *tokens)
{
    cj__text room = {0};
    cj__passage p = {text, size, line};
    cj_status status = CJ_OK;
    if (!cj__takes_any_bytes(t->kind, &t->cleaning)) status = cj__text_clean(&t->cleaning, &p, &room);
    if (status == CJ_OK) status = t->facts->encode(t, &p, tokens);
    cj__text_free(&room);
    return status;
}

cj_status cj_tokenizer_encode(const cj_tokenizer *t, const char *text, size_t size, cj_tokens *tokens)
{
    return cj_tokenizer_encode_at(t, text, size, 1, tokens);
}

/* --- decoding ------------------------------------------------------------------------------------------ */

const char *cj_tokenizer_text(const cj_tokenizer *t, int32_t previous, int32_t token, size_t *size)
{
    *size = 0;
    if (token < 0 || token >= t->pieces.count) return NULL;
    if (cj__tokenizer_is_silent(t, token)) return "";
    return t->facts->text ? t->facts->text(t, previous, token, size) : cj_tokenizer_piece(t, token, size);
}

cj_status cj_tokenizer_decode(const cj_tokenizer *t, const int32_t *ids, int64_t count, char **text,
                              size_t *size)
{
    cj__text whole = {0};
    *text = NULL;
    *size = 0;
    cj__text_put(&whole, "");
    for (int64_t i = 0; i < count; i++) {
        size_t part;
        const char *bytes = cj_tokenizer_text(t, i ? ids[i - 1] : -1, ids[i], &part);
        if (!bytes) {
            cj__text_free(&whole);
            return cj__fail(CJ_INVALID_ARGUMENT, "token %lld of %lld is %d, but the vocabulary has %lld",
                            (long long)i + 1, (long long)count, ids[i], (long long)t->pieces.count);
        }
        cj__text_add(&whole, bytes, part);
    }
    cj_status status = cj__text_check(&whole, "decoded text");
    if (status != CJ_OK) {
        cj__text_free(&whole);
        return status;
    }
    *text = whole.data;
    *size = whole.size;
    return CJ_OK;
}
