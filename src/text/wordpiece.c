/* WordPiece as BERT has it: text is cut at blanks, and around each mark of punctuation and each Chinese
 * character; a word that is no piece becomes the longest pieces of it that are, those within it with "##"
 * before them. Devlin et al., 2018. */
#include "text/counts.h"
#include "text/tokenizer.h"
#include "text/learn_merges.h"
#include "text/unicode.h"

#include <string.h>

enum { LONGEST_WORD = 100 }; /* characters; a longer word is unknown, as in BERT */

static const char *const special_pieces[CJ_SPECIAL_TOKENS] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

/* --- cutting ------------------------------------------------------------------------------------------- */

/* The blocks that BERT takes for Chinese. */
static bool is_chinese(uint32_t code)
{
    return (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x3400 && code <= 0x4dbf) ||
           (code >= 0x20000 && code <= 0x2a6df) || (code >= 0x2a700 && code <= 0x2b73f) ||
           (code >= 0x2b740 && code <= 0x2b81f) || (code >= 0x2b820 && code <= 0x2ceaf) ||
           (code >= 0xf900 && code <= 0xfaff) || (code >= 0x2f800 && code <= 0x2fa1f);
}

static bool is_left_out(uint32_t code)
{
    return code == 0xfffd || cj__is_control(code);
}

/* The next word, appended to `word` without the characters that are left out; false: there is none. */
static bool next_word(const char **at, const char *end, cj__text *word)
{
    word->size = 0;
    while (*at < end) {
        int length = cj__utf8_length(*at, end);
        uint32_t code = cj__utf8_code(*at, length);
        bool alone = cj__is_punctuation(code) || is_chinese(code), blank = cj__is_blank(code);
        if ((alone || blank) && !is_left_out(code) && word->size > 0) return true;
        if (!blank && !is_left_out(code)) cj__text_add(word, *at, (size_t)length);
        *at += length;
        if (alone && !is_left_out(code)) return true;
    }
    return word->size > 0;
}

/* --- encoding ------------------------------------------------------------------------------------------ */

/* The longest piece that begins the rest of the word; 0: none does. `marked` is "##" and the word. */
static size_t longest_piece(const cj_tokenizer *t, const char *marked, size_t first, size_t size,
                            int32_t *token)
{
    const char *from = marked + first + (first ? 0 : 2);
    for (size_t length = size - first; length > 0; length--) {
        *token = cj__pieces_find(&t->pieces, from, length + (first ? 2 : 0));
        if (*token >= 0 && !cj__tokenizer_is_special(t, *token)) return length;
    }
    return 0;
}

/* word: two bytes of room, then the word. The "##" before a rest is written over what came before it. */
static cj_status encode_word(const cj_tokenizer *t, char *word, size_t size, cj_tokens *tokens)
{
    int64_t before = tokens->count;
    bool known = cj_count_characters(word + 2, size) <= LONGEST_WORD;
    for (size_t first = 0, length; first < size && known; first += length) {
        int32_t token = -1;
        if (first) memcpy(word + first, "##", 2);
        length = longest_piece(t, word, first, size, &token);
        known = length > 0;
        if (known) CJ__TRY(cj_tokens_add(tokens, token));
    }
    if (known) return CJ_OK;
    tokens->count = before;
    return cj_tokens_add(tokens, t->specials[CJ_TOKEN_UNKNOWN]);
}

cj_status cj__wordpiece_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens)
{
    cj__text word = {0}, marked = {0};
    const char *at = p->text, *end = p->text + p->size;
    cj_status status = cj__unicode_check("a WordPiece tokenizer");
    while (status == CJ_OK && next_word(&at, end, &word)) {
        marked.size = 0;
        cj__text_add(&marked, "##", 2);
        cj__text_add(&marked, word.data, word.size);
        status = cj__text_check(word.failed ? &word : &marked, "a word");
        if (status == CJ_OK) status = encode_word(t, marked.data, word.size, tokens);
    }
    if (status == CJ_OK) status = cj__text_check(&word, "a word");
    cj__text_free(&word);
    cj__text_free(&marked);
    return status;
}

/* Within a word nothing stands between pieces; else as between words. */
const char *cj__wordpiece_text(const cj_tokenizer *t, int32_t previous, int32_t token, size_t *size)
{
    const cj__piece *piece = &t->pieces.list[token];
    if (piece->size > 2 && memcmp(piece->bytes, "##", 2) == 0) {
        *size = piece->size - 2;
        return piece->bytes + 2;
    }
    return cj__words_text(t, previous, token, size);
}

/* --- a vocabulary from a file -------------------------------------------------------------------------- */

cj_status cj__wordpiece_specials(cj_tokenizer *t)
{
    for (int i = 0; i < CJ_SPECIAL_TOKENS; i++)
        t->specials[i] = cj__pieces_find(&t->pieces, special_pieces[i], strlen(special_pieces[i]));
    if (t->specials[CJ_TOKEN_UNKNOWN] >= 0) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "found no piece [UNK], expected one for what is unknown");
}

/* --- a vocabulary from a text -------------------------------------------------------------------------- */

static cj_status count_words(cj__counts *words, const char *text, size_t size)
{
    cj__text word = {0};
    const char *at = text, *end = text + size;
    cj_status status = CJ_OK;
    while (status == CJ_OK && next_word(&at, end, &word)) {
        status = cj__text_check(&word, "a word");
        if (status == CJ_OK && cj_count_characters(word.data, word.size) <= LONGEST_WORD)
            status = cj__counts_add(words, word.data, word.size, 1);
    }
    if (status == CJ_OK) status = cj__text_check(&word, "a word");
    cj__text_free(&word);
    return status;
}

/* The character at a place in a word as a piece: with "##" where it does not begin it. */
static size_t character_piece(const cj__piece *word, uint32_t at, char piece[8])
{
    size_t length = (size_t)cj__utf8_length(word->bytes + at, word->bytes + word->size);
    size_t sign = at ? 2 : 0;
    memcpy(piece, "##", sign);
    memcpy(piece + sign, word->bytes + at, length);
    return sign + length;
}

/* The commonest characters, those that begin words and those within them each for themselves. */
static cj_status add_characters(cj_tokenizer *t, const cj__counts *words, int64_t most, int64_t least)
{
    cj__counts characters = {0};
    int64_t *order = NULL, kept = 0;
    char piece[8];
    int32_t number;
    cj_status status = CJ_OK;
    for (int64_t w = 0; w < words->pieces.count; w++) {
        const cj__piece *word = &words->pieces.list[w];
        for (uint32_t at = 0; at < word->size && status == CJ_OK;) {
            size_t size = character_piece(word, at, piece);
            status = cj__counts_add(&characters, piece, size, words->times[w]);
            at += (uint32_t)(size - (at ? 2 : 0));
        }
    }
    if (status == CJ_OK) status = cj__counts_order(&characters, least, &order, &kept);
    for (int64_t i = 0; i < kept && status == CJ_OK && t->pieces.count < most; i++) {
        const cj__piece *one = &characters.pieces.list[order[i]];
        status = cj__pieces_add(&t->pieces, one->bytes, one->size, &number);
    }
    cj__free(order);
    cj__counts_free(&characters);
    return status;
}

/* A word as a row of its characters' pieces; none where one of them is no piece. */
static int64_t row_of(const cj_tokenizer *t, const cj__piece *word, int32_t *row)
{
    char piece[8];
    int64_t count = 0;
    for (uint32_t at = 0; at < word->size;) {
        size_t size = character_piece(word, at, piece);
        row[count] = cj__pieces_find(&t->pieces, piece, size);
        if (row[count++] < 0) return 0;
        at += (uint32_t)(size - (at ? 2 : 0));
    }
    return count;
}

cj_status cj__wordpiece_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text,
                              size_t size)
{
    cj__counts words = {0};
    int64_t most = training->vocabulary ? training->vocabulary : CJ__USUAL_VOCABULARY;
    if (most <= CJ_SPECIAL_TOKENS)
        return cj__fail(CJ_INVALID_ARGUMENT, "a vocabulary of %lld has no room for more than [PAD] to [MASK]",
                        (long long)most);
    CJ__TRY(cj__unicode_check("a WordPiece tokenizer"));
    for (int i = 0; i < CJ_SPECIAL_TOKENS; i++)
        CJ__TRY(cj__pieces_add(&t->pieces, special_pieces[i], strlen(special_pieces[i]), &t->specials[i]));
    cj_status status = count_words(&words, text, size);
    if (status == CJ_OK) status = add_characters(t, &words, most, training->least);
    if (status == CJ_OK)
        status = cj__learn_merges(t, &words, row_of, most, training->least ? training->least : 2, "##");
    cj__counts_free(&words);
    t->pair_count = 0; /* encoding goes by the longest piece, not by what was learned first */
    return status;
}
