/* Any bytes as a tokenizer, in each of the ways that there are to write one, and as a text that tokenizers
 * are made from. What was read must cut any bytes into tokens that it has, and the same after it was saved.
 */
#include "support/input.h"

#include "cajal/graph.h"
#include "cajal/text.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { MOST_TEXT = 400 };

static const char *folder;

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "wb");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0) abort();
}

/* A vocabulary of the bytes and four merges, in GPT-2's letters. */
static void write_gpt2(void)
{
    char text[8192];
    size_t used = 0;
    int number = 0;
    for (unsigned code = 0x21; code < 0x144; code++) {
        bool letter = code < 0x7f || (code > 0xa0 && code != 0xad);
        if (!letter) continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%c\"\\u%04x\": %d", number ? ',' : '{',
                                 code, number);
        number++;
    }
    snprintf(text + used, sizeof text - used,
             ", \"ab\": 256, \"\\u0120ab\": 257, \"abab\": 258, \"<|endoftext|>\": 259}");
    write_file("encoder.json", text);
    write_file("merges.txt", "#version: 0.2\na b\n\xc4\xa0 ab\nab ab\n");
}

static void check_ids(const cj_tokenizer *t, const cj_tokens *ids)
{
    char *text;
    size_t size;
    for (int64_t i = 0; i < ids->count; i++)
        if (ids->ids[i] < 0 || ids->ids[i] >= cj_tokenizer_count(t)) abort();
    if (cj_tokenizer_decode(t, ids->ids, ids->count, &text, &size) != CJ_OK || text[size] != 0) abort();
    cj_text_free(text);
}

static void check_saved(const cj_tokenizer *t, const char *text, size_t size, const cj_tokens *ids)
{
    cj_tokenizer *again;
    cj_tokens same = {0};
    if (cj_tokenizer_save(t, in_folder("saved.json")) != CJ_OK) abort();
    if (cj_tokenizer_load(&again, in_folder("saved.json")) != CJ_OK) abort();
    if (cj_tokenizer_count(again) != cj_tokenizer_count(t)) abort();
    if (cj_tokenizer_encode(again, text, size, &same) != CJ_OK || same.count != ids->count) abort();
    if (ids->count && memcmp(same.ids, ids->ids, (size_t)ids->count * sizeof *same.ids) != 0) abort();
    cj_tokens_free(&same);
    cj_tokenizer_free(again);
}

/* `made` is read after the call that made `status`, whatever the order of arguments. */
static void use(cj_status status, cj_tokenizer *const *made, const char *text, size_t size)
{
    cj_tokens ids = {0};
    cj_tokenizer *t = *made;
    if (status != CJ_OK && t) abort();
    if (status != CJ_OK) return;
    if (cj_tokenizer_encode(t, text, size, &ids) == CJ_OK) {
        check_ids(t, &ids);
        check_saved(t, text, size, &ids);
    }
    cj_tokens_free(&ids);
    cj_tokenizer_free(t);
}

static void train(const char *text, size_t size, cj_token_kind kind)
{
    cj_tokenizer *t;
    cj_tokenizer_training training = {.size = sizeof training,
                                      .kind = kind,
                                      .text = text,
                                      .bytes = size,
                                      .cleaning = {.replace_invalid = true,
                                                   .form = (cj_normal_form)(size % 5),
                                                   .lower = size % 2 == 0,
                                                   .strip_accents = size % 3 == 0},
                                      .vocabulary = size % 7 == 0 ? 0 : 280,
                                      .specials = size % 2 == 0};
    use(cj_tokenizer_train(&t, &training), &t, text, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj_tokenizer *t;
    const char *text = (const char *)data, *path;
    size_t some = size < MOST_TEXT ? size : MOST_TEXT;
    cj_text_cleaning lower = {.replace_invalid = true, .lower = true};
    if (!folder) {
        folder = fuzz_folder("vocab.bpe");
        write_gpt2();
    }
    path = fuzz_path(data, size);
    use(cj_tokenizer_open(&t, path), &t, text, some);
    use(cj_tokenizer_read_gpt2(&t, path, in_folder("merges.txt")), &t, text, some);
    use(cj_tokenizer_read_gpt2(&t, in_folder("encoder.json"), path), &t, text, some);
    use(cj_tokenizer_read_wordpiece(&t, path, &lower), &t, text, some);
    use(cj_tokenizer_read_llama2c(&t, path), &t, text, some);
    for (int kind = 0; kind < CJ_TOKENS_SCORED; kind++) train(text, some, (cj_token_kind)kind);
    return 0;
}
