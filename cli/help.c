/* What --help and `cajal help` print, made of the tables of commands and options, 100 columns wide at most.
 */
#include "cli.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 100, OPTION_COLUMN = 22 };

/* Words in lines from column `from` on, the first line being at column `at` already. Backticks are for manual
 * pages, which show what stands in them in bold. */
static void put_words(FILE *to, const char *words, int from, int at)
{
    for (bool first = true; *words; first = false) {
        int length = (int)strcspn(words, " ");
        if (!first && at + 1 + length > WIDTH)
            fprintf(to, "\n%*s", at = from, "");
        else if (!first)
            fputc(' ', to), at++;
        fprintf(to, "%.*s", length, words);
        at += length;
        words += length + (words[length] == ' ');
    }
    fputc('\n', to);
}

/* "a|b|c" behind column `at`, broken after a | where a line would be too wide. Returns the column it ends at.
 */
static int put_choices(FILE *to, const char *choices, int at)
{
    while (*choices) {
        int length = (int)strcspn(choices, "|");
        length += choices[length] == '|';
        if (at + length > WIDTH) fprintf(to, "\n%*s", at = OPTION_COLUMN, "");
        at += fprintf(to, "%.*s", length, choices);
        choices += length;
    }
    return at;
}

static void put_option(FILE *to, const option_facts *option)
{
    int at = fprintf(to, option->value ? "  --%s " : "  --%s", option->name);
    if (option->value) at = put_choices(to, option->value, at);
    if (at + 2 > OPTION_COLUMN) fputc('\n', to), at = 0;
    fprintf(to, "%*s", OPTION_COLUMN - at, "");
    put_words(to, option->about, OPTION_COLUMN, OPTION_COLUMN);
}

/* "usage: cajal train RECIPE [key=value ...] [options]", a line for each form */
static void put_usage(FILE *to, const command_facts *command)
{
    const char *form = command->forms;
    do {
        int length = (int)strcspn(form, "\n");
        fprintf(to, "%s cajal %s%s%.*s [options]\n", form == command->forms ? "usage:" : "      ",
                command->name, length ? " " : "", length, form);
        form += length + (form[length] == '\n');
    } while (*form);
}

static void put_paragraphs(FILE *to, const char *text)
{
    char paragraph[2000];
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t length = end ? (size_t)(end - text) : strlen(text);
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)length, text);
        fputc('\n', to);
        put_words(to, paragraph, 0, 0);
        text += length + (end ? 2 : 0);
    }
}

static void put_examples(FILE *to, const char *examples)
{
    fprintf(to, "\nexamples:\n");
    while (*examples) {
        int length = (int)strcspn(examples, "\n");
        fprintf(to, "  %.*s\n", length, examples);
        examples += length + (examples[length] == '\n');
    }
}

void help_command(FILE *to, const command_facts *command)
{
    fprintf(to, "cajal %s: %s\n\n", command->name, command->about);
    put_usage(to, command);
    put_paragraphs(to, command->help);
    fprintf(to, "\noptions:\n");
    for (int i = 0; i < option_count; i++)
        if (accepts_option(command, &option_table[i])) put_option(to, &option_table[i]);
    put_examples(to, command->examples);
}

void help_all(FILE *to)
{
    fprintf(to, "usage: cajal COMMAND [options]\n\n");
    for (int i = 0; i < command_count; i++)
        fprintf(to, "  %-9s %s\n", command_table[i].name, command_table[i].about);
    fprintf(to, "\n`cajal COMMAND --help` shows its options and examples.\n");
}
