/* Times generation: tokens a second, greedy, from an empty past to so many tokens, the best of many texts.
 *   generate [--threads N] [--seconds S] [--tokens N] [--precision highest|high|medium] [stories|gpt]
 * stories is the Llama of 260,000 parameters that llama2.c runs, gpt nanoGPT's of 6 layers for characters,
 * both with random weights, on which the time does not depend. */
#include "precision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static cj_value stories(cj_scope s, const cj_reading *reading, void *context)
{
    (void)context;
    return cj_llama(s, &(cj_llama_options){.size = sizeof(cj_llama_options),
                                           .input = *reading,
                                           .vocabulary = 512,
                                           .block = 512,
                                           .layers = 5,
                                           .heads = 8,
                                           .kv_heads = 4,
                                           .width = 64,
                                           .hidden = 172});
}

static cj_value gpt(cj_scope s, const cj_reading *reading, void *context)
{
    (void)context;
    return cj_gpt(s, &(cj_gpt_options){.size = sizeof(cj_gpt_options),
                                       .input = *reading,
                                       .vocabulary = 65,
                                       .block = 256,
                                       .layers = 6,
                                       .heads = 6,
                                       .width = 384,
                                       .no_bias = true});
}

static const struct {
    const char *name;
    cj_reader reader;
    int64_t block;
} networks[] = {{"stories", stories, 512}, {"gpt", gpt, 256}};
enum { COUNT = sizeof networks / sizeof *networks };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Seconds of the fastest text. */
static cj_status time_texts(cj_generator *g, int64_t tokens, double seconds, double *best)
{
    int32_t prompt = 1;
    *best = 1e30;
    for (double start = now(), before = start, after; before - start < seconds; before = after) {
        cj_status status = cj_generate(NULL, g, .prompt = &prompt, .prompt_count = 1, .tokens = tokens);
        if (status != CJ_OK) return status;
        after = now();
        if (after - before < *best) *best = after - before;
    }
    return CJ_OK;
}

static cj_status measure(int which, int64_t tokens, double seconds, cj_precision precision)
{
    cj_model *model = NULL;
    cj_generator *g = NULL;
    double best = 0;
    cj_status status = cj_model_new(&model, .seed = 1);
    if (status == CJ_OK)
        status = cj_generator_new(&g, model, .reader = networks[which].reader, .block = networks[which].block,
                                  .precision = precision);
    if (status == CJ_OK) status = time_texts(g, tokens, seconds, &best);
    if (status == CJ_OK)
        printf("%-8s %lld tokens, %d threads: %.0f a second, %.1f us each\n", networks[which].name,
               (long long)tokens, cj_threads(), (double)tokens / best, best / (double)tokens * 1e6);
    cj_generator_free(g);
    cj_model_free(model);
    return status;
}

static int usage(void)
{
    fprintf(stderr, "generate [--threads N] [--seconds S] [--tokens N] [--precision highest|high|medium] "
                    "[stories|gpt]\n");
    return 2;
}

int main(int count, char **arguments)
{
    double seconds = 3;
    int64_t tokens = 256;
    const char *only = NULL;
    cj_precision precision = CJ_HIGHEST;
    cj_status status = CJ_OK;
    for (int i = 1; i < count && status == CJ_OK; i++) {
        bool has_value = i + 1 < count;
        if (strcmp(arguments[i], "--threads") == 0 && has_value)
            status = cj_set_threads(atoi(arguments[++i]));
        else if (strcmp(arguments[i], "--seconds") == 0 && has_value)
            seconds = strtod(arguments[++i], NULL);
        else if (strcmp(arguments[i], "--tokens") == 0 && has_value)
            tokens = strtoll(arguments[++i], NULL, 10);
        else if (strcmp(arguments[i], "--precision") == 0 && has_value &&
                 read_precision(arguments[i + 1], &precision))
            i++;
        else if (arguments[i][0] == '-' || only)
            return usage();
        else
            only = arguments[i];
    }
    bool known = !only;
    for (int i = 0; i < COUNT && status == CJ_OK; i++) {
        if (only && strcmp(only, networks[i].name) != 0) continue;
        known = true;
        status = measure(i, tokens, seconds, precision);
    }
    if (status != CJ_OK) fprintf(stderr, "generate: %s\n", cj_error_message());
    return !known ? usage() : status != CJ_OK;
}
