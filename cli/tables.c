/* The tables of commands and options, as commands.def and options.def list them. */
#include "tables.h"

#include <string.h>

const option_facts option_table[] = {
#define PLACE(field)                            offsetof(options, field)
#define FLAG(field, name, about)                {name, about, OPTION_FLAG, NULL, 0, 0, PLACE(field)},
#define NUMBER(field, name, least, most, about) {name, about, OPTION_NUMBER, "N", least, most, PLACE(field)},
#define CHOICE(field, name, choices, about)     {name, about, OPTION_CHOICE, choices, 0, 0, PLACE(field)},
#define DECIMAL(field, name, least, most, about)                                                             \
    {name, about, OPTION_DECIMAL, "X", least, most, PLACE(field)},
#define TEXT(field, name, value, about) {name, about, OPTION_TEXT, value, 0, 0, PLACE(field)},
#include "options.def"
};
const int option_count = sizeof option_table / sizeof *option_table;

const command_facts command_table[] = {
#define COMMAND(name, about, forms, accepts, help, examples) {#name, about, forms, accepts, help, examples},
#include "commands.def"
};
const int command_count = sizeof command_table / sizeof *command_table;

/* Whether the word stands in "output resume seed". */
static bool stands_in(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length])) return true;
    return false;
}

bool accepts_option(const command_facts *command, const option_facts *option)
{
    return strcmp(option->name, "help") == 0 || stands_in(command->accepts, option->name);
}
