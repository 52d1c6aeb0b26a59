/* cajal tokenize: text to tokens and back, by a tokenizer that is there or is made here. */
#include "lines.h"
#include "run.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the operand with that number, or standard input where there is none. Single bytes may be of anything. */
static int read_input(const options *o, int operand, cj_token_kind kind, bytes *b)
{
    const char *path = operand < o->count ? o->operands[operand] : "-";
    return kind == CJ_TOKENS_BYTE ? read_bytes(path, b) : read_text(path, b);
}

static cj_status open_tokenizer(const char *place, cj_tokenizer **t)
{
    char path[MOST_PATH + 32];
    if (is_folder(place)) {
        snprintf(path, sizeof path, "%.4000s/tokenizer.json", place);
        return cj_tokenizer_open(t, path);
    }
    cj_status status = cj_data_find(place, path, sizeof path);
    return status == CJ_OK ? cj_tokenizer_open(t, path) : status;
}

/* --- text to tokens ------------------------------------------------------------------------------------ */

/* Any byte as one letter, a blank as "Ġ", so that a line holds a piece. */
static void print_letters(const char *piece, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned byte = (unsigned char)piece[i];
        bool itself = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
        unsigned code = itself ? byte : byte <= 0x20 ? 0x100 + byte : byte <= 0xa0 ? 0xa2 + byte : 0x143;
        if (code < 0x80)
            putchar((int)code);
        else
            printf("%c%c", (int)(0xc0 | code >> 6), (int)(0x80 | (code & 63)));
    }
}

static void print_pieces(const cj_tokenizer *t, const cj_tokens *tokens)
{
    for (int64_t i = 0; i < tokens->count; i++) {
        size_t size;
        const char *piece = cj_tokenizer_piece(t, tokens->ids[i], &size);
        printf("%d\t", tokens->ids[i]);
        print_letters(piece, size);
        putchar('\n');
    }
}

static void print_numbers(const cj_tokens *tokens)
{
    for (int64_t i = 0; i < tokens->count; i++) printf(i ? " %d" : "%d", tokens->ids[i]);
    putchar('\n');
}

static void print_counts(const cj_tokenizer *t, const cj_tokens *tokens, const bytes *b)
{
    int64_t unknown = 0, characters = cj_count_characters(b->data, b->size);
    double all = tokens->count ? (double)tokens->count : 1;
    for (int64_t i = 0; i < tokens->count; i++)
        unknown += tokens->ids[i] == cj_tokenizer_special(t, CJ_TOKEN_UNKNOWN);
    printf("tokens %lld\ncharacters %lld (%.3f a token)\nbytes %zu (%.3f a token)\nunknown %lld\n",
           (long long)tokens->count, (long long)characters, (double)characters / all, b->size,
           (double)b->size / all, (long long)unknown);
}

static cj_status encode(const options *o, const cj_tokenizer *t, const bytes *b)
{
    cj_tokens tokens = {0};
    cj_status status = cj_tokenizer_encode(t, b->data, b->size, &tokens);
    if (status == CJ_OK && o->counts) print_counts(t, &tokens, b);
    if (status == CJ_OK && !o->counts && o->pieces) print_pieces(t, &tokens);
    if (status == CJ_OK && !o->counts && !o->pieces) print_numbers(&tokens);
    cj_tokens_free(&tokens);
    return status;
}

/* --- tokens to text ------------------------------------------------------------------------------------ */

/* What stands there in place of a number. */
static int refuse(const bytes *b, int64_t line, const char *at)
{
    int size = (int)strcspn(at, " \t\r\n\v\f");
    fprintf(stderr, "cajal: %s: line %lld: found ", b->name, (long long)line);
    if (!at[size] && at + size < b->data + b->size)
        fprintf(stderr, "a zero byte");
    else
        fprintf(stderr, "'%.*s'", size < 20 ? size : 20, at);
    fprintf(stderr, ", expected the number of a token\n");
    return EXIT_FAILED;
}

/* Whole numbers with blanks or line ends between. */
static int read_numbers(const bytes *b, cj_tokens *tokens)
{
    const char *at = b->data, *stop = b->data + b->size;
    for (int64_t line = 1;;) {
        char *end;
        for (; isspace((unsigned char)*at); at++) line += *at == '\n';
        if (at == stop) return EXIT_OK;
        long long number = strtoll(at, &end, 10);
        if (end == at || (end < stop && !isspace((unsigned char)*end)) || number < 0 || number > INT32_MAX)
            return refuse(b, line, at);
        if (cj_tokens_add(tokens, (int32_t)number) != CJ_OK) return failed_in(b->name);
        at = end;
    }
}

static int decode(const cj_tokenizer *t, const bytes *b)
{
    cj_tokens tokens = {0};
    char *text = NULL;
    size_t size;
    int code = read_numbers(b, &tokens);
    if (code == EXIT_OK && cj_tokenizer_decode(t, tokens.ids, tokens.count, &text, &size) != CJ_OK)
        code = failed_in(b->name);
    if (code == EXIT_OK) fwrite(text, 1, size, stdout);
    cj_text_free(text);
    cj_tokens_free(&tokens);
    return code;
}

/* --- the command --------------------------------------------------------------------------------------- */

static cj_token_kind kind_named(const char *name)
{
    int kind = 0;
    while (strcmp(name, cj_token_kind_name((cj_token_kind)kind)) != 0) kind++; /* options.def has real ones */
    return (cj_token_kind)kind;
}

/* What would do nothing is not taken. */
static int check(const options *o)
{
    if (!o->train && (o->out || o->size || o->least || o->lower))
        return fprintf(stderr,
                       "cajal: --out, --size, --least and --lower go with --train alone: they say how a "
                       "tokenizer is made\n"),
               EXIT_USAGE;
    if ((o->train != NULL) + o->decode + o->pieces + o->counts > 1)
        return fprintf(stderr, "cajal: --train, --decode, --pieces and --counts do not go together\n"),
               EXIT_USAGE;
    return EXIT_OK;
}

static int train(const options *o)
{
    bytes b = {0};
    cj_tokenizer *t = NULL;
    cj_status status = CJ_OK;
    if (!o->out) return fprintf(stderr, "cajal: --train wants --out, the file to write\n"), EXIT_USAGE;
    if (o->count > 1) return fprintf(stderr, "cajal: a tokenizer is made from one file\n"), EXIT_USAGE;
    int code = read_input(o, 0, kind_named(o->train), &b);
    cj_tokenizer_training training = {.size = sizeof training,
                                      .kind = kind_named(o->train),
                                      .text = b.data,
                                      .bytes = b.size,
                                      .cleaning.lower = o->lower,
                                      .vocabulary = whole_option(o->size, 0),
                                      .least = whole_option(o->least, 0)};
    if (code == EXIT_OK) status = cj_tokenizer_train(&t, &training);
    if (status != CJ_OK) code = status == CJ_INVALID_ARGUMENT ? failed(status) : failed_in(b.name);
    if (code == EXIT_OK && (status = cj_tokenizer_save(t, o->out)) != CJ_OK) code = failed(status);
    if (code == EXIT_OK) printf("%lld tokens written to %s\n", (long long)cj_tokenizer_count(t), o->out);
    cj_tokenizer_free(t);
    free(b.data);
    return code;
}

int command_tokenize(const options *o)
{
    bytes b = {0};
    cj_tokenizer *t = NULL;
    int code = check(o);
    if (code != EXIT_OK) return code;
    if (o->train) return train(o);
    if (o->count < 1 || o->count > 2)
        return fprintf(stderr, "cajal: name a tokenizer, or a run's folder, and a file of text\n"),
               EXIT_USAGE;
    cj_status status = open_tokenizer(o->operands[0], &t);
    code = status == CJ_OK ? read_input(o, 1, cj_tokenizer_kind(t), &b) : failed(status);
    if (code == EXIT_OK && o->decode) {
        code = decode(t, &b);
    } else if (code == EXIT_OK && encode(o, t, &b) != CJ_OK) {
        code = failed_in(b.name);
    }
    cj_tokenizer_free(t);
    free(b.data);
    return code;
}
