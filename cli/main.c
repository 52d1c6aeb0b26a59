/* The command `cajal`: finds the command named first and hands it the rest. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *name, *about, *accepts, *help; /* accepts: its options, with spaces between */
    int (*run)(const options *o);
} command;

static int command_version(const options *o);
static int command_help(const options *o);

static const command commands[] = {
    {"train", "train a recipe's network, then report on its test set",
     "output resume no-save seed threads json quiet",
     "usage: cajal train RECIPE [key=value...] [--output DIR | --no-save] [--seed N] [--threads N] [--json] "
     "[--quiet]\n"
     "       cajal train --resume DIR [key=value...]\n\n"
     "  cajal train recipes/mnist-mlp.yaml\n"
     "  cajal train recipes/mnist-mlp.yaml training.epochs=10 optimizer.name=sgd "
     "optimizer.learning_rate=0.1\n"
     "  cajal train recipes/mnist-mlp.yaml --seed 3 --json --no-save\n"
     "  cajal train --resume runs/mnist-mlp\n\n"
     "The run is kept in runs/NAME or in the folder named: recipe, checkpoints, log, weights and report. "
     "Progress\n"
     "goes to standard error, the report to standard output; --json prints one object instead.\n",
     command_train},
    {"evaluate", "a finished run's network on its test rows", "part threads json",
     "usage: cajal evaluate RUN [key=value...] [--part training|validation|test] [--threads N] [--json]\n\n"
     "  cajal evaluate runs/mnist-mlp\n"
     "  cajal evaluate runs/mnist-mlp --part validation --json\n",
     command_evaluate},
    {"predict", "what a finished run says of pictures or of a table's rows", "top invert threads json",
     "usage: cajal predict RUN FILE... [--top K] [--invert] [--threads N] [--json]\n\n"
     "  cajal predict runs/mnist-mlp three.png seven.png\n"
     "  cajal predict runs/mnist-mlp --top 3 --invert scan.png\n"
     "  cat three.png | cajal predict runs/mnist-mlp -\n"
     "  cajal predict runs/credit-default new.csv > predicted.csv\n\n"
     "Pictures (PNG, PGM, PPM) are brought to the size and channels of the training; --invert is for dark on "
     "light\n"
     "where it was light on dark. A table comes back with two more columns. - reads standard input.\n",
     command_predict},
    {"summary", "parameters, memory and operations of a recipe's network", "seed threads",
     "usage: cajal summary RECIPE [key=value...]\n\n"
     "  cajal summary recipes/mnist-mlp.yaml training.batch_size=32\n",
     command_summary},
    {"graph", "the drawing of a recipe's training step, or what a pass of the compiler makes of it",
     "after format seed threads",
     "usage: cajal graph RECIPE [key=value...] [--after draw|simplify|fuse] [--format mermaid|dot|text]\n\n"
     "  cajal graph recipes/mnist-mlp.yaml\n"
     "  cajal graph recipes/mnist-mlp.yaml --after fuse --format text\n"
     "  cajal graph recipes/mnist-mlp.yaml --format dot | dot -Tsvg > step.svg\n",
     command_graph},
    {"plan", "the compiled steps: kernels, why others refused, memory", "seed threads",
     "usage: cajal plan RECIPE [key=value...]\n\n  cajal plan recipes/mnist-mlp.yaml\n", command_plan},
    {"check", "read a recipe and print its settings, defaults filled in", "seed",
     "usage: cajal check RECIPE [key=value...]\n\n  cajal check recipes/mnist-mlp.yaml\n", command_check},
    {"runs", "the runs in a folder and what came of them", "json",
     "usage: cajal runs [DIR] [--json]\n\n  cajal runs\n  cajal runs runs --json\n", command_runs},
    {"version", "the version, the processor's instruction set, what is built in", "",
     "usage: cajal version\n\n  cajal version\n", command_version},
    {"help", "what a command does, with examples", "", "usage: cajal help [COMMAND]\n\n  cajal help train\n",
     command_help},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const command *find(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static void list(FILE *to)
{
    fprintf(to, "usage: cajal COMMAND [options]\n\n");
    for (int i = 0; i < COMMANDS; i++) fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].about);
    fprintf(to, "\n`cajal COMMAND --help` shows examples.\n");
}

static int command_version(const options *o)
{
    (void)o;
    printf("cajal %s\nthreads: %d\nbuilt in:%s%s\n", cj_version(), cj_threads(),
#ifdef CJ_HAVE_YAML
           " libyaml",
#else
           "",
#endif
#ifdef CJ_HAVE_ZLIB
           " zlib"
#else
           ""
#endif
    );
    return EXIT_OK;
}

static int command_help(const options *o)
{
    const command *c = o->count ? find(o->operands[0]) : NULL;
    if (o->count && !c)
        return fprintf(stderr, "cajal: there is no command '%s'\n", o->operands[0]), EXIT_USAGE;
    if (c)
        printf("%s\n%s", c->about, c->help);
    else
        list(stdout);
    return EXIT_OK;
}

int main(int count, char **arguments)
{
    options o;
    if (count < 2) return list(stderr), EXIT_USAGE;
    const char *name = arguments[1];
    if (strcmp(name, "--help") == 0) name = "help";
    if (strcmp(name, "--version") == 0) name = "version";
    const command *c = find(name);
    if (!c)
        return fprintf(stderr, "cajal: there is no command '%s'; `cajal help` lists them\n", name),
               EXIT_USAGE;
    int code = read_options(&o, c->accepts, count - 2, arguments + 2);
    if (code != EXIT_OK) return code;
    if (o.help) return printf("%s\n%s", c->about, c->help), EXIT_OK;
    code = c->run(&o);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "cajal: standard output cannot be written\n");
        return EXIT_FAILED;
    }
    return code;
}
