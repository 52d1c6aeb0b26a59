/* The command `cajal`: finds the command named first and hands it the rest. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order of command_table. */
static int (*const functions[])(const options *o) = {
#define COMMAND(name, ...) command_##name,
#include "commands.def"
};

/* The command's number in command_table, or -1. */
static int find(const char *name)
{
    for (int i = 0; i < command_count; i++)
        if (strcmp(command_table[i].name, name) == 0) return i;
    return -1;
}

static int unknown_command(const char *name)
{
    fprintf(stderr, "cajal: there is no command '%s'; `cajal help` lists them\n", name);
    return EXIT_USAGE;
}

int command_help(const options *o)
{
    int which = o->count ? find(o->operands[0]) : -1;
    if (o->count && which < 0) return unknown_command(o->operands[0]);
    if (o->count)
        help_command(stdout, &command_table[which]);
    else
        help_all(stdout);
    return EXIT_OK;
}

int main(int count, char **arguments)
{
    options o;
    if (count < 2) return help_all(stderr), EXIT_USAGE;
    const char *name = arguments[1];
    if (strcmp(name, "--help") == 0) name = "help";
    if (strcmp(name, "--version") == 0) name = "version";
    int which = find(name);
    if (which < 0) return unknown_command(name);
    int code = read_options(&o, &command_table[which], count - 2, arguments + 2);
    if (code == EXIT_OK && o.help)
        help_command(stdout, &command_table[which]);
    else if (code == EXIT_OK)
        code = functions[which](&o);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "cajal: standard output cannot be written\n");
        return EXIT_FAILED;
    }
    return code;
}
