/* cajal generate: a language model goes on with a prompt, on standard output as it comes. */
#include "clock.h"
#include "lines.h"
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const options *o;
    run run;
    cj_tokenizer *tokenizer;
    cj_generator *generator;
    bytes typed; /* the prompt, where it came from standard input */
    const char *prompt;
    size_t prompt_size;
    cj_tokens tokens; /* of the prompt */
    int32_t previous; /* token told last */
} generation;

/* --- the prompt ---------------------------------------------------------------------------------------- */

static int find_prompt(generation *g)
{
    if (g->o->prompt && strcmp(g->o->prompt, "-") == 0) {
        int code = read_text("-", &g->typed);
        g->prompt = g->typed.data;
        g->prompt_size = g->typed.size;
        return code;
    }
    g->prompt = g->o->prompt ? g->o->prompt : ""; /* as standard input may be */
    g->prompt_size = strlen(g->prompt);
    return EXIT_OK;
}

/* Texts of Llama begin with a token of their own, and so do lines. So does any text that begins with nothing,
 * where there is one; else it begins with a line break. */
static cj_status cut_prompt(generation *g)
{
    int32_t begin = cj_tokenizer_special(g->tokenizer, CJ_TOKEN_BEGIN);
    bool always = cj_tokenizer_kind(g->tokenizer) == CJ_TOKENS_SCORED || cj_recipe_reads_lines(g->run.recipe);
    if (begin >= 0 && (always || g->prompt_size == 0) && cj_tokens_add(&g->tokens, begin) != CJ_OK)
        return CJ_OUT_OF_MEMORY;
    if (begin < 0 && g->prompt_size == 0) {
        g->prompt = "\n";
        g->prompt_size = 1;
    }
    return cj_tokenizer_encode(g->tokenizer, g->prompt, g->prompt_size, &g->tokens);
}

/* What the network has never read it takes for its unknown token: names the first word of the prompt with
 * something of that kind. */
static void tell_unknown(const generation *g)
{
    size_t size;
    if (g->o->quiet || are_known(g->tokenizer, &g->tokens)) return;
    const char *at = unknown_word(g->tokenizer, g->prompt, " \t\r\n", &size);
    fprintf(stderr,
            "cajal: the network has never read all of %s%.*s%s; it goes on from an unknown token there\n",
            size ? "'" : "the prompt's blanks", (int)size, at, size ? "'" : "");
}

static void tell_cut(const generation *g)
{
    int64_t block = cj_recipe_block(g->run.recipe);
    if (block && g->tokens.count > block && !g->o->quiet)
        fprintf(stderr,
                "cajal: the prompt has %lld tokens and the network sees %lld at once: it goes on from the "
                "last of them\n",
                (long long)g->tokens.count, (long long)block);
}

/* --- telling ------------------------------------------------------------------------------------------- */

/* False: the network has ended the text. */
static bool tell(int32_t token, void *context)
{
    generation *g = context;
    size_t size;
    if (token == cj_tokenizer_special(g->tokenizer, CJ_TOKEN_BEGIN) ||
        token == cj_tokenizer_special(g->tokenizer, CJ_TOKEN_END))
        return false;
    const char *text = cj_tokenizer_text(g->tokenizer, g->previous, token, &size);
    if (text) fwrite(text, 1, size, stdout);
    g->previous = token;
    return fflush(stdout) == 0 && !interrupted();
}

static void tell_speed(const generation *g, int64_t count, double seconds)
{
    if (!g->o->quiet)
        fprintf(stderr, "%lld tokens, %.0f a second\n", (long long)count,
                seconds > 0 ? (double)count / seconds : 0);
}

/* --- generating ---------------------------------------------------------------------------------------- */

/* The first text is drawn by the seed itself, each other by one of its own. */
static uint64_t seed_of(const generation *g, int64_t text)
{
    return cj_recipe_seed(g->run.recipe) ^ (uint64_t)text * 0x9e3779b97f4a7c15u;
}

static void put_prompt(const generation *g)
{
    fwrite(g->prompt, 1, g->prompt_size, stdout);
    fflush(stdout);
}

static cj_status sample(generation *g, int64_t text, int64_t *count)
{
    put_prompt(g);
    cj_generate_options options = {
        .size = sizeof options,
        .generator = g->generator,
        .prompt = g->tokens.ids,
        .prompt_count = g->tokens.count,
        .tokens = whole_option(g->o->tokens, 256),
        .sampling = {.temperature = decimal_option(g->o->temperature, 0.8),
                     .top_k = whole_option(g->o->top_k, 0),
                     .top_p = decimal_option(g->o->top_p, 1),
                     .repetition_penalty = decimal_option(g->o->repetition_penalty, 1),
                     .seed = seed_of(g, text)},
        .each = tell,
        .context = g};
    return (cj_generate)(count, &options);
}

static bool tell_searched(int64_t count, void *context)
{
    const generation *g = context;
    tell_waiting(count, whole_option(g->o->tokens, 256));
    return !interrupted();
}

static cj_status search(generation *g, int64_t *count)
{
    int32_t end = cj_tokenizer_special(g->tokenizer, CJ_TOKEN_END);
    cj_beam_options options = {.size = sizeof options,
                               .generator = g->generator,
                               .prompt = g->tokens.ids,
                               .prompt_count = g->tokens.count,
                               .tokens = whole_option(g->o->tokens, 256),
                               .has_stop = end >= 0,
                               .stop = end,
                               .length_penalty = decimal_option(g->o->length_penalty, 0),
                               .each = tell_searched,
                               .context = g};
    options.made = calloc((size_t)options.tokens + 1, sizeof *options.made);
    if (!options.made) return CJ_OUT_OF_MEMORY;
    begin_waiting(g->o, "searching");
    cj_status status = (cj_beam_search)(count, &options);
    end_waiting();
    if (status == CJ_OK) put_prompt(g);
    for (int64_t i = 0; status == CJ_OK && i < *count && tell(options.made[i], g); i++) continue;
    free(options.made);
    return status;
}

static cj_status make_text(generation *g, int64_t text, int64_t *count)
{
    g->previous = g->tokens.ids[g->tokens.count - 1];
    cj_status status = g->o->beams ? search(g, count) : sample(g, text, count);
    if (status == CJ_OK || !g->o->beams) printf("\n");
    fflush(stdout);
    return status;
}

static int64_t texts_of(const generation *g)
{
    bool several = cj_recipe_reads_lines(g->run.recipe) && g->prompt_size == 0 && !g->o->beams;
    return whole_option(g->o->texts, several ? 10 : 1);
}

static cj_status generate(generation *g)
{
    int64_t all = 0, count, texts = texts_of(g);
    double start = clock_now();
    cj_status status = CJ_OK;
    for (int64_t text = 0; text < texts && status == CJ_OK && !interrupted(); text++) {
        status = make_text(g, text, &count);
        if (status == CJ_OK) all += count;
    }
    if (status == CJ_OK) tell_speed(g, all, clock_now() - start);
    return status;
}

static cj_status open_generator(generation *g)
{
    cj_generator_options options = {.size = sizeof options,
                                    .model = g->run.models[0],
                                    .reader = cj_recipe_reader,
                                    .context = g->run.recipe,
                                    .block = cj_recipe_block(g->run.recipe),
                                    .texts = whole_option(g->o->beams, 1),
                                    .vocabulary = cj_tokenizer_count(g->tokenizer),
                                    .precision = cj_recipe_evaluate_options(g->run.recipe).precision};
    return (cj_generator_new)(&g->generator, &options);
}

/* --- the command --------------------------------------------------------------------------------------- */

static int run_command(generation *g)
{
    int code = open_run(g->o, g->o->operands[0], 1, &g->run);
    if (code == EXIT_OK)
        code = check_kind(&g->run, g->o->operands[0], cj_recipe_is_language(g->run.recipe),
                          "no language model: `model: {name: gpt, ...}`, say, or layers over a plain text");
    if (code != EXIT_OK) return code;
    code = find_prompt(g);
    if (code != EXIT_OK) return code;
    cj_status status = cj_recipe_open_tokenizer(g->run.recipe, &g->tokenizer);
    if (status != CJ_OK) return failed(status);
    if (cut_prompt(g) != CJ_OK) return failed_in(g->typed.name ? g->typed.name : "the prompt");
    if (g->tokens.count == 0)
        return fprintf(stderr, "cajal: the prompt has no tokens, and a text begins with one at least: name a "
                               "word in --prompt\n"),
               EXIT_FAILED;
    status = open_generator(g);
    if (status != CJ_OK) return failed(status);
    tell_cut(g);
    tell_unknown(g);
    catch_signals(); /* so that a text ends with its line */
    status = generate(g);
    if (status != CJ_OK && !interrupted()) return failed(status);
    return interrupted() ? EXIT_STOPPED : EXIT_OK;
}

/* With --beams nothing is drawn, and only then lengths are weighed. */
static int check_beams(const options *o)
{
    const char *drawn = o->temperature          ? "temperature"
                        : o->top_k              ? "top-k"
                        : o->top_p              ? "top-p"
                        : o->repetition_penalty ? "repetition-penalty"
                        : o->texts              ? "texts"
                                                : NULL;
    if (o->beams && drawn)
        return fprintf(stderr, "cajal: --%s is for texts that are drawn; with --beams nothing is\n", drawn),
               EXIT_USAGE;
    if (o->length_penalty && !o->beams)
        return fprintf(stderr, "cajal: --length-penalty goes with --beams\n"), EXIT_USAGE;
    return EXIT_OK;
}

/* A run's network goes on from the prompt alone, cut by the run's own tokenizer. */
static int check_overrides(const options *o)
{
    static const char *const heeded[] = {"data.window=", "data.order=", "data.invalid="};
    for (int i = 1; i < o->count && is_folder(o->operands[0]); i++) {
        bool idle = strncmp(o->operands[i], "data.", 5) == 0;
        for (int k = 0; k < 3; k++) idle &= strncmp(o->operands[i], heeded[k], strlen(heeded[k])) != 0;
        if (idle)
            return fprintf(stderr, "cajal: '%s' has no effect: generate reads no data of a run's\n",
                           o->operands[i]),
                   EXIT_USAGE;
    }
    return EXIT_OK;
}

int command_generate(const options *o)
{
    generation g = {.o = o};
    if (o->count < 1) {
        fprintf(
            stderr,
            "cajal: name a run's folder, runs/shakespeare-char-gpt-small, say, or a recipe with weights\n");
        return EXIT_USAGE;
    }
    int code = check_beams(o);
    if (code == EXIT_OK) code = check_overrides(o);
    if (code == EXIT_OK) code = run_command(&g);
    cj_generator_free(g.generator);
    cj_tokenizer_free(g.tokenizer);
    cj_tokens_free(&g.tokens);
    free(g.typed.data);
    close_run(&g.run);
    return code;
}
