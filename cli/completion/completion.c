/* cajal-completion FOLDER: writes what bash, zsh and fish need to complete command lines of `cajal`, from the
 * tables of commands, options and recipe keys. It runs while Cajal is built and is not installed. The shells'
 * own parts, cajal.bash and cajal.zsh, call the functions that put_tables writes: case statements that all
 * shells of this family read. */
#include <cajal/models.h>
#include <cajal/recipe.h>
#include <cajal/sets.h>

#include "tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *to; /* the file being written */

/* The characters of "a|b|c" up to `end`, with spaces for the bars. */
static void put_choices(const char *choices)
{
    for (; *choices; choices++) fputc(*choices == '|' ? ' ' : *choices, to);
}

/* The text between the apostrophes of a shell's word. */
static void put_quoted(const char *text)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", to);
        else if (*text != '`')
            fputc(*text, to);
}

/* --- operands, as the forms of commands.def have them ------------------------------------------------------
 */

enum { MOST_PLACES = 8, MOST_WORDS = 200 };

/* What may stand in each place behind the command's name, over all of its forms: "list|get|verify". */
typedef struct {
    char places[MOST_PLACES][MOST_WORDS];
    int count;
} operands;

/* Whether the word is one of "a|b|c". */
static bool is_known(const char *words, const char *word, size_t length)
{
    for (size_t end; *words; words += end + (words[end] == '|'))
        if ((end = strcspn(words, "|")) == length && strncmp(words, word, length) == 0) return true;
    return false;
}

static void add_word(operands *o, int place, const char *word, size_t length)
{
    char *known = o->places[place];
    size_t used = strlen(known);
    if (place >= o->count) o->count = place + 1;
    if (is_known(known, word, length)) return;
    if (used + length + 2 > MOST_WORDS) fprintf(stderr, "cajal-completion: a form is too long\n"), exit(1);
    snprintf(known + used, MOST_WORDS - used, "%s%.*s", used ? "|" : "", (int)length, word);
}

/* "RECIPE [key=value ...]": brackets say nothing here; dots stand in the next place, and mean that the last
 * is repeated. */
static void add_form(operands *o, const char *form, size_t length)
{
    const char *end = form + length;
    for (int place = 0; form < end && place < MOST_PLACES; place++) {
        size_t word = strcspn(form, " \n");
        const char *begin = form + strspn(form, "[");
        size_t inner = strcspn(begin, " ]\n");
        add_word(o, place, begin, inner);
        form += word + (form[word] == ' ');
    }
}

static void put_places(const operands *o)
{
    for (int i = 0; i < o->count; i++) fprintf(to, "%s%s", i ? " " : "", o->places[i]);
    fputs("' ;;\n", to);
}

/* Forms that begin with an option are of that option: "--resume RUN [key=value ...]"; those that begin with a
 * word of small letters, of that word: "get SET ...". A space stands for no operand at all. */
static void put_option_operands(const command_facts *command, const char *form, size_t length)
{
    operands special = {0};
    size_t option = strcspn(form, " \n");
    const char *rest = form + option, *end = form + length;
    if (rest < end) rest += 1 + strcspn(rest + 1, " \n");
    if (rest < end) rest++;
    add_form(&special, rest, (size_t)(end - rest));
    fprintf(to, "    %s%.*s) echo '%s", command->name, (int)option, form, special.count ? "" : " ");
    put_places(&special);
}

static void put_operands(const command_facts *command)
{
    operands plain = {0};
    const char *form = command->forms;
    while (*form) {
        size_t length = strcspn(form, "\n");
        if (strncmp(form, "--", 2) == 0) {
            put_option_operands(command, form, length);
        } else if (*form >= 'a' && *form <= 'z' && strncmp(form, "key=", 4) != 0) {
            operands special = {0};
            size_t word = strcspn(form, " \n");
            add_form(&special, form, length);
            fprintf(to, "    %s%.*s) echo '", command->name, (int)word, form);
            put_places(&special);
            add_word(&plain, 0, form, word);
        } else {
            add_form(&plain, form, length);
        }
        form += length + (form[length] == '\n');
    }
    if (!plain.count) return;
    fprintf(to, "    %s) echo '", command->name);
    put_places(&plain);
}

/* --- bash and zsh ------------------------------------------------------------------------------------------
 */

static void put_options(const command_facts *command)
{
    fprintf(to, "    %s) echo '", command->name);
    for (int i = 0, shown = 0; i < option_count; i++)
        if (accepts_option(command, &option_table[i]))
            fprintf(to, "%s--%s%s", shown++ ? " " : "", option_table[i].name,
                    option_table[i].value ? "=" : "");
    fputs("' ;;\n", to);
}

static void put_option_values(void)
{
    fputs("_cajal_values() {\n    case $1 in\n", to);
    for (int i = 0; i < option_count; i++) {
        const option_facts *option = &option_table[i];
        if (option->kind != OPTION_CHOICE && option->kind != OPTION_TEXT) continue;
        fprintf(to, "    --%s) echo '", option->name);
        put_choices(option->value);
        fputs("' ;;\n", to);
    }
    fputs("    esac\n}\n\n", to);
}

static const char *choices_of(const cj_recipe_key *key)
{
    return strcmp(key->kind, "truth") == 0 ? "true|false" : key->choices;
}

/* Recipes take no network that gives something for every pixel. */
static void put_networks(const char *before, bool of_recipes)
{
    cj_network_facts facts;
    for (int64_t i = 0; cj_network_at(i, &facts); i++)
        if (!of_recipes || !facts.pixelwise) fprintf(to, "%s%s%s", i ? " " : "", before, facts.name);
}

static void put_keys(void)
{
    cj_recipe_key key;
    fputs("_cajal_keys() {\n    echo '", to);
    for (int64_t i = 0; cj_recipe_key_at(i, &key); i++) fprintf(to, "%s%s=", i ? " " : "", key.name);
    fputs("'\n}\n\n_cajal_choices() {\n    case $1 in\n", to);
    for (int64_t i = 0; cj_recipe_key_at(i, &key); i++) {
        bool network = strcmp(key.name, "model.name") == 0;
        if (!choices_of(&key) && !network) continue;
        fprintf(to, "    %s) echo '", key.name);
        if (network)
            put_networks("", true);
        else
            put_choices(choices_of(&key));
        fputs("' ;;\n", to);
    }
    fputs("    esac\n}\n", to);
}

static void put_sets(void)
{
    for (int64_t i = 0; cj_data_set_at(i); i++) fprintf(to, "%s%s", i ? " " : "", cj_data_set_at(i)->name);
}

static void put_tables(void)
{
    fputs("_cajal_commands() {\n    echo '", to);
    for (int i = 0; i < command_count; i++) fprintf(to, "%s%s", i ? " " : "", command_table[i].name);
    fputs("'\n}\n\n_cajal_sets() {\n    echo '", to);
    put_sets();
    fputs("'\n}\n\n_cajal_networks() {\n    echo '", to);
    put_networks("", false);
    fputs("'\n}\n\n# Those that take a value end in =.\n_cajal_options() {\n    case $1 in\n", to);
    for (int i = 0; i < command_count; i++) put_options(&command_table[i]);
    fputs("    esac\n}\n\n# What stands in each place; dots: the last again and again.\n_cajal_operands() "
          "{\n    case $1 in\n",
          to);
    for (int i = 0; i < command_count; i++) put_operands(&command_table[i]);
    fputs("    esac\n}\n\n# The words that an option takes, or in capitals what kind of thing.\n", to);
    put_option_values();
    put_keys();
}

/* The shell's own part, with the tables where its line "# TABLES" stands. */
static void put_script(const char *path)
{
    char line[1024];
    FILE *script = fopen(path, "r");
    if (!script) perror(path), exit(1);
    while (fgets(line, sizeof line, script))
        if (strcmp(line, "# TABLES\n") == 0)
            put_tables();
        else
            fputs(line, to);
    fclose(script);
}

/* --- fish --------------------------------------------------------------------------------------------------
 */

/* `complete` for one command, up to its own arguments. */
static void begin_fish(const char *command)
{
    fprintf(to, "complete -c cajal -n '__fish_seen_subcommand_from %s'", command);
}

/* What completes a word of capital letters; NULL: nothing does. */
static const char *fish_function(const char *word)
{
    static const char *const kinds[][2] = {
        {"RECIPE", "_cajal_recipes"},   {"RUN", "_cajal_runs"},
        {"DIR", "_cajal_folders"},      {"FILE", "__fish_complete_path (commandline -ct)"},
        {"COMMAND", "_cajal_commands"}, {"key=value", "_cajal_settings"},
        {"SET", "_cajal_sets"},         {"NETWORK", "_cajal_networks"}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (strcmp(word, kinds[k][0]) == 0) return kinds[k][1];
    return NULL;
}

static void put_fish_option(const char *command, const option_facts *option)
{
    begin_fish(command);
    fprintf(to, " -l %s", option->name);
    if (option->kind == OPTION_CHOICE) fputs(" -x -a '", to), put_choices(option->value), fputs("'", to);
    if (option->kind == OPTION_NUMBER || option->kind == OPTION_DECIMAL) fputs(" -x", to);
    if (option->kind == OPTION_TEXT) {
        fputs(" -x", to);
        if (fish_function(option->value)) fprintf(to, " -a '(%s)'", fish_function(option->value));
    }
    fputs(" -d '", to);
    put_quoted(option->about);
    fputs("'\n", to);
}

/* Words of small letters are what they are. */
static void put_fish_operands(const command_facts *command)
{
    operands o = {0};
    for (const char *form = command->forms; *form; form += strcspn(form, "\n"), form += *form == '\n')
        if (strncmp(form, "--", 2) != 0) add_form(&o, form, strcspn(form, "\n"));
    for (int i = 0; i < o.count; i++)
        for (char *word = strtok(o.places[i], "|"); word; word = strtok(NULL, "|")) {
            const char *function = fish_function(word);
            if (!function && (*word < 'a' || *word > 'z')) continue;
            begin_fish(command->name);
            fprintf(to, function ? " -a '(%s)'\n" : " -a '%s'\n", function ? function : word);
        }
}

static void put_fish_settings(void)
{
    cj_recipe_key key;
    fputs("function _cajal_settings\n    printf '%s\\n'", to);
    for (int64_t i = 0; cj_recipe_key_at(i, &key); i++) {
        const char *choice = choices_of(&key);
        fprintf(to, " %s=", key.name);
        if (strcmp(key.name, "model.name") == 0) fputs(" ", to), put_networks("model.name=", true);
        for (size_t length; choice && *choice; choice += length + (choice[length] == '|')) {
            length = strcspn(choice, "|");
            fprintf(to, " %s=%.*s", key.name, (int)length, choice);
        }
    }
    fputs("\nend\n", to);
}

static void put_fish(void)
{
    fputs("# Completion of `cajal` for fish.\n"
          "function _cajal_recipes\n    __fish_complete_suffix .yaml\nend\n"
          "function _cajal_folders\n    __fish_complete_directories (commandline -ct)\nend\n"
          "function _cajal_runs\n    path dirname (commandline -ct)*/recipe.yaml runs/*/recipe.yaml\nend\n"
          "function _cajal_commands\n    printf '%s\\n'",
          to);
    for (int i = 0; i < command_count; i++) fprintf(to, " %s", command_table[i].name);
    fputs("\nend\nfunction _cajal_sets\n    printf '%s\\n' ", to);
    put_sets();
    fputs("\nend\nfunction _cajal_networks\n    printf '%s\\n' ", to);
    put_networks("", false);
    fputs("\nend\n", to);
    put_fish_settings();
    fputs("complete -c cajal -f\n", to);
    for (int i = 0; i < command_count; i++) {
        fprintf(to, "complete -c cajal -n __fish_use_subcommand -a %s -d '", command_table[i].name);
        put_quoted(command_table[i].about);
        fputs("'\n", to);
        put_fish_operands(&command_table[i]);
        for (int k = 0; k < option_count; k++)
            if (accepts_option(&command_table[i], &option_table[k]))
                put_fish_option(command_table[i].name, &option_table[k]);
    }
}

/* --- files -------------------------------------------------------------------------------------------------
 */

/* SCRIPTS is the folder of cajal.bash and cajal.zsh. */
int main(int count, char **arguments)
{
    static const char *const files[][2] = {
        {"cajal.bash", "cajal.bash"}, {"_cajal", "cajal.zsh"}, {"cajal.fish", NULL}};
    if (count != 3) return fprintf(stderr, "usage: cajal-completion SCRIPTS FOLDER\n"), 2;
    for (int i = 0; i < 3; i++) {
        char path[4096], script[4096];
        snprintf(path, sizeof path, "%s/%s", arguments[2], files[i][0]);
        if (!(to = fopen(path, "w"))) return perror(path), 1;
        if (files[i][1]) {
            snprintf(script, sizeof script, "%s/%s", arguments[1], files[i][1]);
            put_script(script);
        } else {
            put_fish();
        }
        if (ferror(to) || fclose(to) != 0) return perror(path), 1;
    }
    return 0;
}
