/* The command line: long options, of which each command takes its own, and operands. */
#include "cli.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every option there is, and where its value goes. */
static const struct {
    const char *name;
    bool flag; /* takes no value */
    size_t place;
} known[] = {
    {"json", true, offsetof(options, json)},        {"quiet", true, offsetof(options, quiet)},
    {"help", true, offsetof(options, help)},        {"no-save", true, offsetof(options, no_save)},
    {"invert", true, offsetof(options, invert)},    {"seed", false, offsetof(options, seed)},
    {"threads", false, offsetof(options, threads)}, {"after", false, offsetof(options, after)},
    {"format", false, offsetof(options, format)},   {"output", false, offsetof(options, output)},
    {"resume", false, offsetof(options, resume)},   {"part", false, offsetof(options, part)},
    {"top", false, offsetof(options, top)},
};
enum { KNOWN = sizeof known / sizeof *known };

/* "--seed" and "--seed=3" are both the option "seed". */
static int find_option(const char *argument)
{
    size_t length = strcspn(argument, "=");
    for (int i = 0; i < KNOWN; i++)
        if (strlen(known[i].name) == length && strncmp(argument, known[i].name, length) == 0) return i;
    return -1;
}

/* Whether the word stands in "output resume seed". */
static bool stands_in(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at && (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length])) return true;
    return false;
}

static int usage(const char *format, const char *what)
{
    fputs("cajal: ", stderr);
    fprintf(stderr, format, what);
    fputs("\n", stderr);
    return EXIT_USAGE;
}

/* Takes one option, and its value from the next argument where it is not behind "=". */
static int take(options *o, const char *accepted, int count, char **arguments, int *i)
{
    const char *argument = arguments[*i] + 2, *value = strchr(argument, '=');
    int which = find_option(argument);
    bool wanted =
        which >= 0 && (strcmp(known[which].name, "help") == 0 || stands_in(accepted, known[which].name));
    if (!wanted) return usage("there is no option '%s' here; --help shows what there is", arguments[*i]);
    char *place = (char *)o + known[which].place;
    if (known[which].flag) {
        if (value) return usage("--%s takes no value", known[which].name);
        *(bool *)place = true;
        return EXIT_OK;
    }
    if (!value && *i + 1 == count) return usage("--%s needs a value", known[which].name);
    *(const char **)place = value ? value + 1 : arguments[++*i];
    return EXIT_OK;
}

/* "--" ends the options, and "-" alone is an operand: standard input. */
int read_options(options *o, const char *accepted, int count, char **arguments)
{
    bool ended = false;
    *o = (options){0};
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i];
        if (!ended && strcmp(argument, "--") == 0) {
            ended = true;
        } else if (!ended && strncmp(argument, "--", 2) == 0) {
            int code = take(o, accepted, count, arguments, &i);
            if (code != EXIT_OK) return code;
        } else if (!ended && argument[0] == '-' && argument[1]) {
            return usage("there is no option '%s'; options are long: --help shows them", argument);
        } else if (o->count == MOST_OPERANDS) {
            return usage("too many arguments, from '%s' on", argument);
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

int use_threads(const options *o)
{
    if (!o->threads) return EXIT_OK;
    char *end;
    long threads = strtol(o->threads, &end, 10);
    if (!*o->threads || *end || threads < 1 || threads > 256)
        return fprintf(stderr, "cajal: --threads is '%s', but must be a number from 1 to 256\n", o->threads),
               EXIT_USAGE;
    cj_status status = cj_set_threads((int)threads);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

int read_recipe(const options *o, const char *path, int first_override, cj_recipe **recipe)
{
    const char *overrides[MOST_OPERANDS + 1];
    char seed[64];
    int count = 0;
    for (int i = first_override; i < o->count; i++) overrides[count++] = o->operands[i];
    if (o->seed) {
        snprintf(seed, sizeof seed, "training.seed=%.40s", o->seed);
        overrides[count++] = seed;
    }
    int code = use_threads(o);
    if (code != EXIT_OK) return code;
    cj_status status = cj_recipe_read(recipe, path, count, overrides);
    if (status == CJ_OK) return EXIT_OK;
    fprintf(stderr, "cajal: %s\n", cj_error_message());
    return status == CJ_INVALID_ARGUMENT ? EXIT_USAGE : EXIT_FAILED;
}

int open_recipe(const options *o, cj_recipe **recipe)
{
    *recipe = NULL;
    if (o->count < 1) return usage("name a recipe: %s, say", "recipes/mnist-mlp.yaml");
    return read_recipe(o, o->operands[0], 1, recipe);
}
