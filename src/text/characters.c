/* Character and byte tokenizers: the simplest vocabularies there are. */
#include "text/tokenizer.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

/* --- characters ---------------------------------------------------------------------------------------- */

typedef struct {
    uint32_t code;
    int64_t times;
} counted;

enum { CODES = 0x110000 };

static int by_code(const void *a, const void *b)
{
    uint32_t x = ((const counted *)a)->code, y = ((const counted *)b)->code;
    return (x > y) - (x < y);
}

/* The commonest first; of equally common ones the smaller. */
static int by_times(const void *a, const void *b)
{
    int64_t x = ((const counted *)a)->times, y = ((const counted *)b)->times;
    return x == y ? by_code(a, b) : (x < y) - (x > y);
}

/* How often each character stands in the text, those that do in ascending order. */
static cj_status count_characters(const char *text, size_t size, counted **list, int64_t *count)
{
    int64_t *times = cj__allocate_zeroed(CODES * sizeof *times);
    *count = 0;
    if (!times) return cj__out_of_memory(CODES * sizeof *times, "counts of characters");
    for (const char *end = text + size; text < end;) {
        int length = cj__utf8_length(text, end);
        *count += times[cj__utf8_code(text, length)]++ == 0;
        text += length;
    }
    *list = cj__allocate((size_t)*count * sizeof **list + 1);
    for (uint32_t code = 0, i = 0; *list && code < CODES; code++)
        if (times[code]) (*list)[i++] = (counted){code, times[code]};
    cj__free(times);
    return *list ? CJ_OK : cj__out_of_memory((size_t)*count * sizeof **list, "counts of characters");
}

static cj_status add_characters(cj_tokenizer *t, const counted *list, int64_t count)
{
    int32_t number;
    for (int64_t i = 0; i < count; i++) {
        cj__text character = {0};
        cj__utf8_put(&character, list[i].code);
        cj_status status = cj__text_check(&character, "a vocabulary");
        if (status == CJ_OK) status = cj__pieces_add(&t->pieces, character.data, character.size, &number);
        cj__text_free(&character);
        CJ__TRY(status);
    }
    return CJ_OK;
}

/* Those that are met often enough; how many they are. */
static int64_t leave_out_rare(counted *list, int64_t count, int64_t least)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++)
        if (list[i].times >= least) list[kept++] = list[i];
    return kept;
}

/* The `room` commonest characters, in ascending order. */
static void keep_commonest(counted *list, int64_t *count, int64_t room)
{
    if (*count <= room) return;
    qsort(list, (size_t)*count, sizeof *list, by_times);
    *count = room > 0 ? room : 0;
    qsort(list, (size_t)*count, sizeof *list, by_code);
}

cj_status cj__characters_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text,
                               size_t size)
{
    counted *list = NULL;
    int64_t count, all, most = training->vocabulary ? training->vocabulary : CJ__MOST_TOKENS;
    cj_status status = count_characters(text, size, &list, &all);
    count = status == CJ_OK ? leave_out_rare(list, all, training->least) : 0;
    if (status == CJ_OK)
        status = cj__tokenizer_add_specials(t, training->specials, count < all || count > most);
    if (status == CJ_OK) {
        keep_commonest(list, &count, most - t->pieces.count);
        status = add_characters(t, list, count);
    }
    cj__free(list);
    return status;
}

cj_status cj__characters_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens)
{
    const char *end = p->text + p->size;
    for (const char *at = p->text; at < end;) {
        int length = cj__utf8_length(at, end);
        int32_t token = cj__tokenizer_token(t, at, (size_t)length);
        if (token < 0) return cj__tokenizer_unknown(t, p, at, at + length);
        CJ__TRY(cj_tokens_add(tokens, token));
        at += length;
    }
    return CJ_OK;
}

/* --- bytes --------------------------------------------------------------------------------------------- */

cj_status cj__check_room_for_bytes(int64_t vocabulary, bool specials)
{
    if (vocabulary >= 256 + 4 * specials) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT, "a vocabulary of %lld has no room for the 256 bytes",
                    (long long)vocabulary);
}

cj_status cj__bytes_train(cj_tokenizer *t, const cj_tokenizer_training *training, const char *text,
                          size_t size)
{
    int32_t number;
    (void)text, (void)size;
    if (training->vocabulary != 0)
        CJ__TRY(cj__check_room_for_bytes(training->vocabulary, training->specials));
    CJ__TRY(cj__tokenizer_add_specials(t, training->specials, false));
    for (int byte = 0; byte < 256; byte++) {
        char piece = (char)byte;
        CJ__TRY(cj__pieces_add(&t->pieces, &piece, 1, &number));
    }
    return CJ_OK;
}

cj_status cj__bytes_encode(const cj_tokenizer *t, const cj__passage *p, cj_tokens *tokens)
{
    int32_t first = (int32_t)(t->pieces.count - 256);
    for (size_t i = 0; i < p->size; i++) CJ__TRY(cj_tokens_add(tokens, first + (unsigned char)p->text[i]));
    return CJ_OK;
}
