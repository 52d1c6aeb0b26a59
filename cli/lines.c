/* Reading text: what generate, translate, ask, predict, explain, tokenize and score take their input from. */
#include "lines.h"
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int out_of_memory(const char *name)
{
    return fprintf(stderr, "cajal: %s: out of memory\n", name), EXIT_FAILED;
}

FILE *open_input(const char *path, const char **name)
{
    bool standard = !path || strcmp(path, "-") == 0;
    *name = standard ? "standard input" : path;
    FILE *from = standard ? stdin : fopen(path, "rb");
    if (!from) fprintf(stderr, "cajal: %s: cannot be opened: %s\n", path, strerror(errno));
    return from;
}

void close_input(FILE *from)
{
    if (from && from != stdin) fclose(from);
}

int check_input(FILE *from, const char *name)
{
    if (!ferror(from)) return EXIT_OK;
    return fprintf(stderr, "cajal: %s: cannot be read: %s\n", name, strerror(errno)), EXIT_FAILED;
}

int failed_in(const char *name)
{
    return fprintf(stderr, "cajal: %s: %s\n", name, cj_error_message()), EXIT_FAILED;
}

static int read_stream(FILE *from, bytes *b)
{
    size_t room = 1 << 16;
    for (;;) {
        char *bigger = realloc(b->data, room + 1);
        if (!bigger) return out_of_memory(b->name);
        b->data = bigger;
        b->size += fread(b->data + b->size, 1, room - b->size, from);
        if (b->size < room) break;
        room *= 2;
    }
    b->data[b->size] = 0;
    cj_drop_byte_order_mark(b->data, &b->size);
    return check_input(from, b->name);
}

/* Recipes unpack their texts themselves; here what was packed would be taken for text. */
static int refuse_packed(const bytes *b)
{
    if (b->size < 2 || memcmp(b->data, "\x1f\x8b", 2) != 0) return EXIT_OK;
    return fprintf(stderr,
                   "cajal: %s: found data packed by gzip, expected text; hint: zcat FILE | cajal ... -\n",
                   b->name),
           EXIT_FAILED;
}

int read_bytes(const char *path, bytes *b)
{
    *b = (bytes){.size = 0};
    FILE *from = open_input(path, &b->name);
    if (!from) return EXIT_FAILED;
    int code = read_stream(from, b);
    close_input(from);
    return code;
}

int read_text(const char *path, bytes *b)
{
    int code = read_bytes(path, b);
    return code == EXIT_OK ? refuse_packed(b) : code;
}

bool next_line(line *l, FILE *from)
{
    ssize_t size = getline(&l->text, &l->room, from);
    if (size < 0) return false;
    l->size = (size_t)size;
    if (l->number++ == 0) cj_drop_byte_order_mark(l->text, &l->size);
    while (l->size && (l->text[l->size - 1] == '\n' || l->text[l->size - 1] == '\r')) l->text[--l->size] = 0;
    return true;
}

bool split_lines(lines *l, size_t size)
{
    for (size_t i = 0; i < size; i++) l->count += l->data[i] == '\n' || i + 1 == size;
    l->list = calloc((size_t)l->count + 1, sizeof *l->list);
    if (!l->list) return false;
    char *at = l->data;
    for (int64_t i = 0; i < l->count; i++) {
        char *stop = at + strcspn(at, "\n");
        l->list[i] = at;
        at = stop + (*stop != 0);
        *stop = 0;
        if (stop > l->list[i] && stop[-1] == '\r') stop[-1] = 0;
    }
    return true;
}

int read_lines(const char *path, lines *l)
{
    bytes b;
    int code = read_text(path, &b);
    *l = (lines){.name = b.name, .data = b.data};
    if (code != EXIT_OK) return code;
    const char *zero = memchr(b.data, 0, b.size);
    if (zero) return fprintf(stderr, "cajal: %s: found a zero byte, expected text\n", b.name), EXIT_FAILED;
    return split_lines(l, b.size) ? EXIT_OK : out_of_memory(b.name);
}

bool is_blank(const char *text, size_t size)
{
    while (size && isspace((unsigned char)text[size - 1])) size--;
    return size == 0;
}

size_t before_label(const char *line, size_t size)
{
    const char *tab = memrchr(line, '\t', size);
    return tab ? (size_t)(tab - line) : size;
}

void cut_labels(lines *l)
{
    for (int64_t i = 0; i < l->count; i++)
        l->data[l->list[i] - l->data + (ptrdiff_t)before_label(l->list[i], strlen(l->list[i]))] = 0;
}

bool are_known(const cj_tokenizer *tokenizer, const cj_tokens *tokens)
{
    int32_t unknown = cj_tokenizer_special(tokenizer, CJ_TOKEN_UNKNOWN);
    for (int64_t i = 0; unknown >= 0 && i < tokens->count; i++)
        if (tokens->ids[i] == unknown) return false;
    return true;
}

bool is_known_text(const cj_tokenizer *tokenizer, const char *text, size_t size)
{
    cj_tokens tokens = {0};
    bool known =
        cj_tokenizer_encode(tokenizer, text, size, &tokens) == CJ_OK && are_known(tokenizer, &tokens);
    cj_tokens_free(&tokens);
    return known;
}

const char *unknown_word(const cj_tokenizer *tokenizer, const char *text, const char *blanks, size_t *size)
{
    for (const char *at = text;; at += *size) {
        at += strspn(at, blanks);
        *size = strcspn(at, blanks);
        if (*size == 0 || !is_known_text(tokenizer, at, *size)) return at;
    }
}

void free_lines(lines *l)
{
    free(l->data);
    free(l->list);
}
