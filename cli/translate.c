/* cajal translate: lines of one language in, lines of another out. */
#include "lines.h"
#include "translation.h"

#include <stdlib.h>

typedef struct {
    const options *o;
    run run;
    translation translation;
    FILE *from;
    const char *name; /* of it */
    line line;
    int code; /* of what was wrong and could be passed over */
} translating;

/* A line that cannot be translated leaves an empty one, so that the others keep their places. */
static int translate_line(translating *t)
{
    char *text;
    cj_status status = translate_sentence(&t->translation, t->line.text, t->line.size, &text);
    if (status == CJ_OUT_OF_MEMORY) return failed(status);
    if (status == CJ_OK) {
        printf("%s\n", text);
    } else {
        fprintf(stderr, "cajal: %s, line %lld: %s; an empty line is in its place\n", t->name,
                (long long)t->line.number, cj_error_message());
        t->code = EXIT_FAILED;
        printf("\n");
    }
    fflush(stdout);
    cj_text_free(text);
    return EXIT_OK;
}

/* Line by line, so that a translation comes before the next line is there. */
static int translate_lines(translating *t)
{
    int code = EXIT_OK;
    while (code == EXIT_OK && next_line(&t->line, t->from)) code = translate_line(t);
    free(t->line.text);
    if (code != EXIT_OK) return code;
    code = check_input(t->from, t->name);
    return code == EXIT_OK ? t->code : code;
}

static int run_command(translating *t)
{
    int64_t beams = whole_option(t->o->beams, TRANSLATION_BEAMS);
    double penalty = decimal_option(t->o->length_penalty, TRANSLATION_PENALTY);
    int code = open_run(t->o, t->o->operands[0], t->o->files, &t->run);
    if (code == EXIT_OK)
        code = check_kind(&t->run, t->o->operands[0], cj_recipe_translates(t->run.recipe),
                          "no network that translates: `model: {name: transformer, ...}`, say");
    if (code != EXIT_OK) return code;
    t->from = open_input(t->o->files < 2 ? NULL : t->o->operands[1], &t->name);
    if (!t->from) return EXIT_FAILED;
    cj_status status = begin_translation(&t->translation, &t->run, beams, penalty);
    return status == CJ_OK ? translate_lines(t) : failed(status);
}

int command_translate(const options *o)
{
    translating t = {.o = o};
    if (o->files < 1 || o->files > 2)
        return fprintf(stderr, "cajal: name a run's folder, runs/multi30k-transformer, say, or a recipe with "
                               "weights, and one file at most\n"),
               EXIT_USAGE;
    int code = run_command(&t);
    end_translation(&t.translation);
    close_input(t.from);
    close_run(&t.run);
    return code;
}
