/* The command line: long options, then a recipe and its overrides. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "--seed 3" or "--seed=3": the value, or NULL with a sentence when there is none. */
static const char *value_of(const char *name, int count, char **arguments, int *i)
{
    size_t length = strlen(name);
    if (arguments[*i][length] == '=') return arguments[*i] + length + 1;
    if (*i + 1 < count) return arguments[++*i];
    fprintf(stderr, "cajal: %s needs a value\n", name);
    return NULL;
}

static bool is_option(const char *argument, const char *name)
{
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 && (argument[length] == 0 || argument[length] == '=');
}

int read_options(options *o, int count, char **arguments)
{
    *o = (options){0};
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i];
        if (strcmp(argument, "--json") == 0)
            o->json = true;
        else if (strcmp(argument, "--quiet") == 0)
            o->quiet = true;
        else if (strcmp(argument, "--help") == 0)
            o->help = true;
        else if (is_option(argument, "--seed")) {
            if (!(o->seed = value_of("--seed", count, arguments, &i))) return EXIT_USAGE;
        } else if (is_option(argument, "--threads")) {
            if (!(o->threads = value_of("--threads", count, arguments, &i))) return EXIT_USAGE;
        } else if (argument[0] == '-' && argument[1]) {
            fprintf(stderr, "cajal: there is no option '%s'; --help shows what there is\n", argument);
            return EXIT_USAGE;
        } else if (o->count == 62) {
            fprintf(stderr, "cajal: too many arguments\n");
            return EXIT_USAGE;
        } else {
            o->operands[o->count++] = argument;
        }
    }
    return EXIT_OK;
}

int failed(cj_status status)
{
    fprintf(stderr, "cajal: %s\n", cj_error_message());
    return status == CJ_INTERRUPTED ? EXIT_STOPPED : EXIT_FAILED;
}

static int use_threads(const options *o)
{
    if (!o->threads) return EXIT_OK;
    char *end;
    long threads = strtol(o->threads, &end, 10);
    if (*end || threads < 1 || threads > 256)
        return fprintf(stderr, "cajal: --threads is '%s', but must be a number from 1 to 256\n", o->threads),
               EXIT_USAGE;
    cj_status status = cj_set_threads((int)threads);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

int open_recipe(const options *o, cj_recipe **recipe)
{
    const char *overrides[64];
    char seed[64];
    int count = 0;
    *recipe = NULL;
    if (o->count < 1)
        return fprintf(stderr, "cajal: name a recipe: recipes/mnist-mlp.yaml, say\n"), EXIT_USAGE;
    for (int i = 1; i < o->count; i++) overrides[count++] = o->operands[i];
    if (o->seed) {
        snprintf(seed, sizeof seed, "training.seed=%.40s", o->seed);
        overrides[count++] = seed;
    }
    int code = use_threads(o);
    if (code != EXIT_OK) return code;
    cj_status status = cj_recipe_read(recipe, o->operands[0], count, overrides);
    if (status == CJ_OK) return EXIT_OK;
    fprintf(stderr, "cajal: %s\n", cj_error_message());
    return status == CJ_INVALID_ARGUMENT ? EXIT_USAGE : EXIT_FAILED;
}
