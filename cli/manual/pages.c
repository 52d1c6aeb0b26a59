/* Manual pages, section by section: what the tables say, and what docs/man adds. */
#include "manual.h"

#include <cajal/cajal.h>

#include <string.h>

/* When the version's manual was written: the same page from the same sources, whenever they are built. */
static const char date[] = "2026-11-24";

static page begin(FILE *to, const char *name, int section, const char *about)
{
    page p = {to, false};
    char title[64];
    snprintf(title, sizeof title, "%s", name);
    for (char *c = title; *c; c++)
        if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
    put_macro(&p, ".\\\" Written by cajal-manual while Cajal was built.");
    put_macro(&p, ".TH %s %d %s \"Cajal %s\" \"Cajal manual\"", title, section, date, cj_version());
    put_macro(&p, ".SH NAME");
    put_roff(&p, name, strlen(name));
    fputs(" \\- ", to);
    put_roff(&p, about, strlen(about));
    put_macro(&p, "%s", "");
    return p;
}

static void put_head(page *p, const char *title)
{
    put_heading(p, title, strlen(title));
}

/* --- synopsis and options --------------------------------------------------------------------------------
 */

/* Whether the character is of something to be filled in: NAME, or key=value. */
static bool to_be_filled_in(const char *form, size_t i)
{
    static const char small[] = "=abcdefghijklmnopqrstuvwxyz";
    if (form[i] >= 'A' && form[i] <= 'Z') return true;
    if (!strchr(small, form[i])) return false;
    while (i && strchr(small, form[i - 1])) i--;
    return memchr(form + i, '=', strspn(form + i, small)) != NULL;
}

/* What is to be filled in is italic; brackets, dots, options and words that stand for themselves are not. */
static void put_form(page *p, const char *form, size_t length)
{
    bool italic = false;
    for (size_t i = 0; i < length; i++) {
        if (to_be_filled_in(form, i) != italic) {
            italic = !italic;
            fputs(italic ? "\\fI" : "\\fR", p->to);
        }
        put_roff(p, form + i, 1);
    }
    if (italic) fputs("\\fR", p->to);
}

static void put_option_name(page *p, const option_facts *option)
{
    fputs("\\fB\\-\\-", p->to);
    put_roff(p, option->name, strlen(option->name));
    fputs("\\fR", p->to);
    if (!option->value) return;
    fputc(' ', p->to);
    if (option->kind == OPTION_CHOICE)
        put_roff(p, option->value, strlen(option->value));
    else
        put_form(p, option->value, strlen(option->value));
}

static void put_synopsis(page *p, const command_facts *command)
{
    const char *form = command->forms;
    put_head(p, "synopsis");
    do {
        size_t length = strcspn(form, "\n");
        if (form != command->forms) put_macro(p, ".br");
        put_macro(p, ".B cajal %s", command->name);
        if (length) {
            put_form(p, form, length);
            fputc('\n', p->to);
        }
        put_macro(p, ".RI [ options ]");
        form += length + (form[length] == '\n');
    } while (*form);
}

static void put_options(page *p, const command_facts *command)
{
    put_head(p, "options");
    for (int i = 0; i < option_count; i++) {
        if (!accepts_option(command, &option_table[i])) continue;
        put_macro(p, ".TP");
        put_option_name(p, &option_table[i]);
        fputc('\n', p->to);
        put_line(p, option_table[i].about);
    }
}

/* --- what every page has ---------------------------------------------------------------------------------
 */

static const char exit_status[] =
    "## Exit status\n"
    "| | |\n|---|---|\n"
    "| `0` | All went well. |\n"
    "| `1` | Something failed: a file that cannot be read or written, data of "
    "another form than the recipe says or its network takes, "
    "numbers that are not finite. |\n"
    "| `2` | The command line or the recipe is not written as it must be, or asks "
    "for what there is not. |\n"
    "| `130` | SIGINT or SIGTERM ended it. |\n"
    "\nA failure is told in one sentence on standard error.\n";

static const char environment[] =
    "## Environment\n"
    "| | |\n|---|---|\n"
    "| `CAJAL_DATA` | A folder in which data sets and the files of recipes are looked for first. |\n"
    "| `CAJAL_THREADS` | How many threads there are where `--threads` does not say, from 1 to 256; otherwise "
    "one for each processor. |\n"
    "| `CAJAL_ISA` | The instruction set to be used, instead of the best one that the processor has: "
    "`scalar`, `avx2`, "
    "`avx512`, `avx512bf16`, `amx`, `neon`. |\n"
    "| `NO_COLOR` | Nothing has colours, whether it is set or not. |\n"
    "| `XDG_CACHE_HOME` | Data sets are cached in the folder `cajal` below it; `~/.cache` where it is not "
    "set. |\n";

static void put_see_also(page *p, const char *self)
{
    bool recipe = strcmp(self, "recipe") == 0;
    put_head(p, "see also");
    if (strcmp(self, "cajal") != 0) put_macro(p, ".BR cajal (1),");
    for (int i = 0; i < command_count; i++) {
        const char *end = recipe && i == command_count - 1 ? "" : ",";
        if (strcmp(self, command_table[i].name) != 0)
            put_macro(p, ".BR cajal\\-%s (1)%s", command_table[i].name, end);
    }
    if (!recipe) put_macro(p, ".BR cajal\\-recipe (5)");
}

/* What stands before the first heading of a text is a part of another section. */
static void put_introduction(page *p, const char *text)
{
    char prose[16384];
    snprintf(prose, sizeof prose, "%.*s", (int)(first_heading(text) - text), text);
    put_markdown(p, prose);
}

/* --- pages -----------------------------------------------------------------------------------------------
 */

void put_command_page(FILE *to, const command_facts *command, const char *more)
{
    char name[64];
    snprintf(name, sizeof name, "cajal-%s", command->name);
    page p = begin(to, name, 1, command->about);
    put_synopsis(&p, command);
    put_head(&p, "description");
    put_markdown(&p, command->help);
    put_introduction(&p, more);
    put_options(&p, command);
    put_markdown(&p, exit_status);
    put_markdown(&p, environment);
    put_markdown(&p, first_heading(more));
    put_head(&p, "examples");
    put_verbatim(&p, command->examples);
    put_see_also(&p, command->name);
}

static void put_commands(page *p)
{
    put_head(p, "commands");
    for (int i = 0; i < command_count; i++) {
        put_macro(p, ".TP\n.BR cajal\\-%s (1)", command_table[i].name);
        put_line(p, command_table[i].about);
    }
}

void put_overview(FILE *to, const char *text)
{
    page p = begin(to, "cajal", 1, "train, evaluate, explain and use neural networks");
    put_head(&p, "synopsis");
    put_macro(&p, ".B cajal\n.I command\n.RI [ options ]\n.br\n.B cajal help\n.RI [ command ]");
    put_head(&p, "description");
    put_introduction(&p, text);
    put_commands(&p);
    put_markdown(&p, exit_status);
    put_markdown(&p, environment);
    put_markdown(&p, first_heading(text));
    put_see_also(&p, "cajal");
}

void put_recipe_page(FILE *to, const char *text, const char *example)
{
    page p = begin(to, "cajal-recipe", 5, "an experiment for cajal: data, model and training");
    put_head(&p, "description");
    put_markdown(&p, text);
    put_markdown(&p, environment);
    put_head(&p, "examples");
    put_verbatim(&p, example);
    put_see_also(&p, "recipe");
}
