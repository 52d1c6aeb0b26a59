/* Commands and options as tables, expanded from commands.def and options.def: what the command line accepts,
 * what
 * --help says, and what cli/manual makes manual pages and shell completion of. */
#ifndef CAJAL_TABLES_H
#define CAJAL_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_OPERANDS = 1024 };

/* What stands on the command line after the command's name: each option's value, true for a flag, text or
 * NULL for any other, and the operands. */
typedef struct {
#define FLAG(field, name, about)                 bool field;
#define NUMBER(field, name, least, most, about)  const char *field;
#define CHOICE(field, name, choices, about)      const char *field;
#define DECIMAL(field, name, least, most, about) const char *field;
#define TEXT(field, name, value, about)          const char *field;
#include "options.def"
#undef FLAG
#undef NUMBER
#undef CHOICE
#undef DECIMAL
#undef TEXT
    const char *operands[MOST_OPERANDS]; /* a recipe or run, then key=value overrides or files */
    int count;
    int files; /* how many of them stand before the overrides at the end */
} options;

typedef enum { OPTION_FLAG, OPTION_NUMBER, OPTION_CHOICE, OPTION_DECIMAL, OPTION_TEXT } option_kind;

typedef struct {
    const char *name, *about;
    option_kind kind;
    const char *value;  /* as help shows it: "N", "X", "DIR", "a|b|c"; NULL for a flag */
    double least, most; /* of a number, whole or decimal */
    size_t place;       /* in options */
} option_facts;
extern const option_facts option_table[];
extern const int option_count;

typedef struct {
    const char *name, *about, *forms, *accepts, *help, *examples; /* as commands.def describes them */
} command_facts;
extern const command_facts command_table[];
extern const int command_count;

/* Whether the command takes the option; every command takes --help. */
bool accepts_option(const command_facts *command, const option_facts *option);

#endif
