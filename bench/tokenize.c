/* Times a tokenizer on one core: megabytes a second of processor time, the best of many passes over a text.
 *   tokenize [--seconds S] TOKENIZER FILE
 * TOKENIZER is a file that cj_tokenizer_open reads, GPT-2's encoder.json say. */
#include <cajal/cajal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    if (!file || fseek(file, 0, SEEK_END) != 0) return NULL;
    *size = (size_t)ftell(file);
    rewind(file);
    text = malloc(*size + 1);
    if (text && fread(text, 1, *size, file) != *size) *size = 0;
    fclose(file);
    return text;
}

/* A number that is another where a single token is: both sides of a comparison must have made the same ones.
 */
static unsigned long long digest(const cj_tokens *tokens)
{
    unsigned long long sum = 0;
    for (int64_t i = 0; i < tokens->count; i++) sum = sum * 1000003 + (unsigned)tokens->ids[i];
    return sum;
}

static cj_status time_passes(const cj_tokenizer *t, const char *text, size_t size, double seconds)
{
    double best = 1e30;
    cj_tokens tokens = {0};
    for (double start = now(), before = start, after; before - start < seconds; before = after) {
        tokens.count = 0;
        cj_status status = cj_tokenizer_encode(t, text, size, &tokens);
        if (status != CJ_OK) return status;
        after = now();
        if (after - before < best) best = after - before;
    }
    printf("tokens %lld digest %llu MB/s %.2f\n", (long long)tokens.count, digest(&tokens),
           (double)size / best / 1e6);
    cj_tokens_free(&tokens);
    return CJ_OK;
}

int main(int count, char **arguments)
{
    double seconds = 2;
    size_t size = 0;
    cj_tokenizer *t = NULL;
    if (count > 2 && strcmp(arguments[1], "--seconds") == 0) {
        seconds = atof(arguments[2]);
        arguments += 2, count -= 2;
    }
    if (count != 3) return fprintf(stderr, "tokenize [--seconds S] TOKENIZER FILE\n"), 2;
    char *text = read_file(arguments[2], &size);
    if (!text || size == 0) return fprintf(stderr, "tokenize: %s cannot be read\n", arguments[2]), 1;
    cj_status status = cj_tokenizer_open(&t, arguments[1]);
    if (status == CJ_OK) status = time_passes(t, text, size, seconds);
    if (status != CJ_OK) fprintf(stderr, "tokenize: %s\n", cj_error_message());
    cj_tokenizer_free(t);
    free(text);
    return status != CJ_OK;
}
