/* The command line: long options, of which each command takes its own, and operands. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "--seed" and "--seed=3" are both the option "seed". NULL: the command does not take it. */
static const option_facts *find_option(const command_facts *command, const char *argument)
{
    size_t length = strcspn(argument, "=");
    for (int i = 0; i < option_count; i++) {
        const option_facts *option = &option_table[i];
        if (strlen(option->name) == length && strncmp(argument, option->name, length) == 0)
            return accepts_option(command, option) ? option : NULL;
    }
    return NULL;
}

static int usage(const char *format, const char *what)
{
    fputs("cajal: ", stderr);
    fprintf(stderr, format, what);
    fputs("\n", stderr);
    return EXIT_USAGE;
}

/* Whether the word is one of "a|b|c". */
static bool is_choice(const char *choices, const char *word)
{
    size_t length = strlen(word);
    while (*choices) {
        size_t end = strcspn(choices, "|");
        if (end == length && strncmp(choices, word, end) == 0) return true;
        choices += end + (choices[end] == '|');
    }
    return false;
}

static bool is_number(const option_facts *option, const char *text)
{
    char *end;
    errno = 0;
    double number = option->kind == OPTION_DECIMAL ? strtod(text, &end) : (double)strtoll(text, &end, 10);
    return *text && !*end && !errno && number >= option->least && number <= option->most &&
           strchr("-.0123456789", *text);
}

/* A value that is not of the option's kind is told with what it should be. */
static int check_value(const option_facts *option, const char *value)
{
    bool whole = option->kind == OPTION_NUMBER;
    if ((whole || option->kind == OPTION_DECIMAL) && !is_number(option, value))
        return fprintf(stderr, "cajal: --%s is '%s', but must be a %snumber from %.16g to %.16g\n",
                       option->name, value, whole ? "whole " : "", option->least, option->most),
               EXIT_USAGE;
    if (option->kind == OPTION_CHOICE && !is_choice(option->value, value))
        return fprintf(stderr, "cajal: --%s is '%s', but must be one of %s\n", option->name, value,
                       option->value),
               EXIT_USAGE;
    return *value ? EXIT_OK : usage("--%s is empty; without it, the default holds", option->name);
}

/* Takes one option, and its value from the next argument where it is not behind "=". */
static int take(options *o, const command_facts *command, int count, char **arguments, int *i)
{
    const char *argument = arguments[*i] + 2, *value = strchr(argument, '=');
    const option_facts *option = find_option(command, argument);
    if (!option) return usage("there is no option '%s' here; --help shows what there is", arguments[*i]);
    char *place = (char *)o + option->place;
    if (option->kind == OPTION_FLAG) {
        if (value) return usage("--%s takes no value", option->name);
        *(bool *)place = true;
        return EXIT_OK;
    }
    if (!value && *i + 1 == count) return usage("--%s needs a value", option->name);
    value = value ? value + 1 : arguments[++*i];
    *(const char **)place = value;
    return check_value(option, value);
}

/* A setting's name and "=", and no file of that name. */
static bool is_override(const char *operand)
{
    size_t size = strspn(operand, "abcdefghijklmnopqrstuvwxyz0123456789_.");
    return size > 0 && operand[size] == '=' && access(operand, F_OK) != 0;
}

/* "--" ends the options, and "-" alone is an operand: standard input. */
int read_options(options *o, const command_facts *command, int count, char **arguments)
{
    bool ended = false;
    *o = (options){0};
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i];
        if (!ended && strcmp(argument, "--") == 0) {
            ended = true;
        } else if (!ended && strncmp(argument, "--", 2) == 0) {
            int code = take(o, command, count, arguments, &i);
            if (code != EXIT_OK) return code;
        } else if (!ended && argument[0] == '-' && argument[1]) {
            return usage("there is no option '%s'; options are long: --help shows them", argument);
        } else if (o->count == MOST_OPERANDS) {
            return usage("too many arguments, from '%s' on", argument);
        } else {
            o->operands[o->count++] = argument;
        }
    }
    for (o->files = o->count; o->files > 1 && is_override(o->operands[o->files - 1]);) o->files--;
    return EXIT_OK;
}

int64_t whole_option(const char *value, int64_t standard)
{
    return value ? strtoll(value, NULL, 10) : standard;
}

double decimal_option(const char *value, double standard)
{
    return value ? strtod(value, NULL) : standard;
}

int failed(cj_status status)
{
    /* On a terminal a line of progress may stand there still. */
    fprintf(stderr, "cajal: %s%s\n", cj_error_message(), isatty(STDERR_FILENO) ? "\033[K" : "");
    if (status == CJ_INTERRUPTED) return EXIT_STOPPED;
    /* All arguments come from the command line and the recipe. */
    return status == CJ_INVALID_ARGUMENT ? EXIT_USAGE : EXIT_FAILED;
}

/* The library passes over what is no number of threads; the command says so. */
static int check_threads(const char *text)
{
    char *end = NULL;
    long threads = text && *text ? strtol(text, &end, 10) : 1;
    if (threads >= 1 && threads <= 256 && (!end || (isdigit((unsigned char)*text) && !*end))) return EXIT_OK;
    return usage("CAJAL_THREADS is '%s', but must be a whole number from 1 to 256", text);
}

int use_threads(const options *o)
{
    if (!o->threads) return check_threads(getenv("CAJAL_THREADS"));
    cj_status status = cj_set_threads((int)whole_option(o->threads, 1));
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
    code = failed(status);
    return status == CJ_FORMAT_ERROR ? EXIT_USAGE : code; /* what is not written as a recipe is a wrong one */
}

int open_recipe(const options *o, cj_recipe **recipe)
{
    *recipe = NULL;
    if (o->count < 1) return usage("name a recipe: %s, say", "recipes/mnist-mlp.yaml");
    return read_recipe(o, o->operands[0], 1, recipe);
}
