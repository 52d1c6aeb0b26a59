/* cajal ask: a story is told sentence by sentence, and questions about it are answered, with the facts that
 * the network attended to. */
#include "answer.h"
#include "lines.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_HOPS = 30, MOST_FACTS = 3 };
static const float LEAST_WEIGHT = 0.05F; /* of a fact that is told behind the weightiest */

typedef struct {
    char *text;
    cj_tokens tokens;
} sentence;

typedef struct {
    const options *o;
    run run;
    cj_tokenizer *tokenizer;
    FILE *from;
    const char *name; /* of it */
    line line;
    bool talks; /* to somebody at a terminal */
    /* the story so far; `list` keeps what no longer counts too, for its numbers */
    sentence *list, question;
    int64_t count, room;
    /* the network, drawn for sentences of up to `width` tokens */
    cj_program *program;
    int64_t sentences, width, classes, hops;
    int32_t *x;                  /* [1,sentences + 1,width] */
    float *answer;               /* [classes] */
    float *attention[MOST_HOPS]; /* [hops][sentences] */
    bool first;                  /* no object of the JSON array was printed yet */
    int code;                    /* of what was wrong and could be passed over */
} asking;

/* --- the network --------------------------------------------------------------------------------------- */

static void draw_attention(cj_graph *graph, asking *a)
{
    cj_drawn_layer layer;
    a->hops = 0;
    for (int64_t i = 0; cj_graph_layer_at(graph, i, &layer) && a->hops < MOST_HOPS; i++) {
        if (strcmp(layer.type, "attention") != 0 ||
            cj_shape_count(cj_value_shape(layer.output)) != a->sentences)
            continue;
        cj_output(graph, "attention", layer.output);
        a->hops++;
    }
}

static cj_status compile(asking *a)
{
    cj_graph *graph;
    cj_status status = cj_graph_new(&graph, a->run.models[0], .mode = CJ_INFERENCE,
                                    .precision = cj_recipe_evaluate_options(a->run.recipe).precision);
    if (status != CJ_OK) return status;
    cj_value x = cj_input(graph, "x", CJ_I32, cj_shape(1, a->sentences + 1, a->width));
    cj_output(graph, "answer",
              cj_softmax(cj_logits(cj_recipe_forward(cj_root(graph), x, a->run.recipe)), -1));
    draw_attention(graph, a);
    status = cj_compile(&a->program, graph);
    cj_graph_free(graph);
    return status;
}

static void discard_program(asking *a)
{
    cj_program_free(a->program);
    free(a->x);
    free(a->answer);
    for (int i = 0; i < MOST_HOPS; i++) free(a->attention[i]), a->attention[i] = NULL;
    a->program = NULL;
    a->x = NULL;
    a->answer = NULL;
}

/* A longer sentence than before has the network drawn anew. */
static cj_status open_program(asking *a, int64_t tokens)
{
    if (a->program && tokens <= a->width) return CJ_OK;
    discard_program(a);
    a->width = tokens > a->width ? tokens : a->width;
    cj_status status = compile(a);
    if (status != CJ_OK) return status;
    a->x = calloc((size_t)((a->sentences + 1) * a->width) + 1, sizeof *a->x);
    a->answer = calloc((size_t)a->classes + 1, sizeof *a->answer);
    bool enough = a->x && a->answer;
    for (int64_t i = 0; i < a->hops; i++)
        enough &= (a->attention[i] = calloc((size_t)a->sentences + 1, sizeof(float))) != NULL;
    return enough ? CJ_OK : CJ_OUT_OF_MEMORY;
}

static void put(const asking *a, int64_t place, const cj_tokens *tokens)
{
    memcpy(a->x + place * a->width, tokens->ids, (size_t)tokens->count * sizeof *a->x);
}

/* How many of the story's first sentences are too long ago. */
static int64_t forgotten(const asking *a)
{
    return a->count > a->sentences ? a->count - a->sentences : 0;
}

static cj_status run_network(asking *a)
{
    cj_run_options run = {.size = sizeof run,
                          .program = a->program,
                          .inputs = {{a->x, CJ_I32, cj_shape(1, a->sentences + 1, a->width)}},
                          .outputs = {a->answer}};
    memset(a->x, 0, (size_t)((a->sentences + 1) * a->width) * sizeof *a->x);
    for (int64_t i = forgotten(a); i < a->count; i++) put(a, a->sentences - a->count + i, &a->list[i].tokens);
    put(a, a->sentences, &a->question.tokens);
    for (int64_t i = 0; i < a->hops; i++) run.outputs[i + 1] = a->attention[i];
    return (cj_program_run)(&run);
}

static cj_status ask(asking *a)
{
    int64_t longest = a->question.tokens.count;
    for (int64_t i = forgotten(a); i < a->count; i++)
        if (a->list[i].tokens.count > longest) longest = a->list[i].tokens.count;
    cj_status status = open_program(a, longest);
    return status == CJ_OK ? run_network(a) : status;
}

/* --- telling ------------------------------------------------------------------------------------------- */

/* How many answers are wanted, and which, the likeliest first. */
static int64_t rank(const asking *a, int64_t *told)
{
    int64_t top = whole_option(a->o->top, 1), count = top < a->classes ? top : a->classes;
    for (int64_t i = 0; i < count; i++) told[i] = next_likely(a->answer, a->classes, told, i);
    return count;
}

/* Of the network's places those that hold a sentence: what stands there, or NULL. */
static const sentence *fact_at(const asking *a, int64_t place)
{
    int64_t index = a->count - a->sentences + place;
    return index >= 0 ? &a->list[index] : NULL;
}

static void tell_hop(const asking *a, int64_t hop)
{
    const float *weights = a->attention[hop];
    int64_t told[MOST_FACTS];
    for (int i = 0; i < MOST_FACTS; i++) {
        int64_t place = told[i] = next_likely(weights, a->sentences, told, i);
        if (place < 0 || !fact_at(a, place) || (i > 0 && weights[place] < LEAST_WEIGHT)) return;
        printf(i ? "         " : "  look %lld ", (long long)hop + 1);
        printf(" %.2f  %lld %s\n", (double)weights[place], (long long)(a->count - a->sentences + place + 1),
               fact_at(a, place)->text);
    }
}

static void tell(const asking *a)
{
    char number[24];
    int64_t told[MOST_TOLD], count = rank(a, told);
    if (!a->talks) printf("%s\n", a->question.text);
    for (int64_t i = 0; i < count; i++)
        printf("%s  %.4f\n", class_name(&a->run, told[i], number), (double)a->answer[told[i]]);
    for (int64_t i = 0; i < a->hops; i++) tell_hop(a, i);
    fflush(stdout);
}

static void json_answers(const asking *a)
{
    char number[24];
    int64_t told[MOST_TOLD], count = rank(a, told);
    for (int64_t i = 0; i < count; i++) {
        printf(i ? ", {\"answer\": " : "{\"answer\": ");
        json_string(class_name(&a->run, told[i], number));
        printf(", \"probability\": %.9g}", (double)a->answer[told[i]]);
    }
}

static void json_facts(const asking *a)
{
    for (int64_t i = forgotten(a); i < a->count; i++) {
        int64_t place = a->sentences - a->count + i;
        printf(i > forgotten(a) ? ", {\"sentence\": " : "{\"sentence\": ");
        json_string(a->list[i].text);
        printf(", \"weights\": [");
        for (int64_t h = 0; h < a->hops; h++) printf(h ? ", %.9g" : "%.9g", (double)a->attention[h][place]);
        printf("]}");
    }
}

static void tell_json(asking *a)
{
    printf(a->first ? "{\"question\": " : ",\n {\"question\": ");
    a->first = false;
    json_string(a->question.text);
    printf(", \"answers\": [");
    json_answers(a);
    printf("], \"facts\": [");
    json_facts(a);
    printf("]}");
}

/* --- sentences ----------------------------------------------------------------------------------------- */

static void free_sentence(sentence *s)
{
    free(s->text);
    cj_tokens_free(&s->tokens);
    *s = (sentence){0};
}

static void begin_story(asking *a)
{
    for (int64_t i = 0; i < a->count; i++) free_sentence(&a->list[i]);
    a->count = 0;
}

/* Of the line at hand, on standard error. */
static void note(const asking *a, const char *what, int size, const char *word, const char *more)
{
    if (a->talks)
        fprintf(stderr, "cajal: %s%.*s%s\n", what, size, word, more);
    else
        fprintf(stderr, "cajal: %s, line %lld: %s%.*s%s\n", a->name, (long long)a->line.number, what, size,
                word, more);
}

/* What was wrong with the line at hand, which is passed over. */
static void complain(asking *a, const char *what, int size, const char *word, const char *more)
{
    note(a, what, size, word, more);
    a->code = EXIT_FAILED;
}

/* Names the first word that the run has not read. */
static void complain_of_word(asking *a, const char *text)
{
    size_t size;
    const char *at = unknown_word(a->tokenizer, text, " \t", &size);
    if (size == 0) return;
    while (size > 1 && ispunct((unsigned char)at[size - 1])) size--;
    complain(a, "the network has never read '", (int)size, at, "'; the sentence is left out");
}

/* Takes over nothing; false: it cannot be read, which was told. */
static bool read_sentence(asking *a, const char *text, sentence *s)
{
    *s = (sentence){.text = strdup(text)};
    cj_status status =
        s->text ? cj_tokenizer_encode_at(a->tokenizer, text, strlen(text), 0, &s->tokens) : CJ_OUT_OF_MEMORY;
    if (status == CJ_OK && are_known(a->tokenizer, &s->tokens)) return true;
    if (status == CJ_OK)
        complain_of_word(a, text);
    else
        complain(a, cj_error_message(), 0, "", "");
    free_sentence(s);
    return false;
}

static bool make_room(asking *a)
{
    int64_t room = a->room ? 2 * a->room : 64;
    if (a->count < a->room) return true;
    sentence *bigger = realloc(a->list, (size_t)room * sizeof *bigger);
    if (!bigger) return false;
    a->list = bigger;
    a->room = room;
    return true;
}

/* A question may have lost its mark, where sentences of the training end in stops. */
static cj_status take_fact(asking *a, const char *text)
{
    size_t size = strlen(text);
    if (!make_room(a)) return CJ_OUT_OF_MEMORY;
    if (!read_sentence(a, text, &a->list[a->count])) return CJ_OK;
    a->count++;
    if (!ispunct((unsigned char)text[size - 1]) && is_known_text(a->tokenizer, ".", 1))
        note(a, "'", (int)size, text, "' ends in neither . nor ?; it is taken for a part of the story");
    return CJ_OK;
}

static cj_status take_question(asking *a, const char *text)
{
    if (!read_sentence(a, text, &a->question)) return CJ_OK;
    cj_status status = ask(a);
    if (status == CJ_OK && a->o->json) tell_json(a);
    if (status == CJ_OK && !a->o->json) tell(a);
    free_sentence(&a->question);
    return status;
}

/* --- lines --------------------------------------------------------------------------------------------- */

/* What a terminal sends for its arrows is no text. */
static void drop_escapes(char *line)
{
    char *to = line;
    for (const char *at = line; *at;) {
        if (*at != '\033') {
            *to++ = *at++;
            continue;
        }
        at++;
        if (*at != '[' && *at != 'O') continue;
        at += 1 + strspn(at + 1, "0123456789;");
        at += *at != 0;
    }
    *to = 0;
}

/* Between blanks; a tab within is one. */
static char *trim(char *text)
{
    char *end = text + strlen(text);
    for (char *at = text; *at; at++)
        if (*at == '\t') *at = ' ';
    while (end > text && isspace((unsigned char)end[-1])) *--end = 0;
    return text + strspn(text, " ");
}

static cj_status take_sentence(asking *a, char *text, bool question)
{
    text = trim(text);
    if (strspn(text, "? ") == strlen(text)) {
        if (*text) complain(a, "a question of no words; it is left out", 0, "", "");
        return CJ_OK;
    }
    return question || text[strlen(text) - 1] == '?' ? take_question(a, text) : take_fact(a, text);
}

/* Behind the first sentence of the line. */
static char *end_of_sentence(char *line)
{
    for (; *line; line++)
        if (strchr(".?!", *line) && (line[1] == ' ' || line[1] == '\t')) return line + 1;
    return line;
}

/* One or several; behind a question and a tab stands an answer, which is not looked at. */
static cj_status take_sentences(asking *a, char *line)
{
    cj_status status = CJ_OK;
    while (*line && status == CJ_OK) {
        char *end = end_of_sentence(line);
        size_t gap = strspn(end, " \t");
        bool answered = end[-1] == '?' && memchr(end, '\t', gap);
        char *next = answered ? end + strlen(end) : end + gap;
        if (gap) *end = 0;
        status = take_sentence(a, line, false);
        line = next;
    }
    return status;
}

/* A line of bAbI has a number before it, of which 1 begins a story; it is one sentence, a question where an
 * answer stands behind a tab. */
static cj_status take_line(asking *a, char *line)
{
    char *rest;
    drop_escapes(line);
    line += strspn(line, " \t\r");
    if (!*line) return begin_story(a), CJ_OK;
    long number = isdigit((unsigned char)*line) ? strtol(line, &rest, 10) : 0;
    if (number < 1 || *rest != ' ') return take_sentences(a, line);
    if (number == 1) begin_story(a);
    char *tab = strchr(rest, '\t');
    if (tab) *tab = 0;
    return take_sentence(a, rest, tab != NULL);
}

/* Line by line, so that an answer comes before the next line is there. Who types sees which sentence of the
 * story is next, and so whether the last was taken for one. */
static int take_lines(asking *a)
{
    cj_status status = CJ_OK;
    while (status == CJ_OK) {
        if (a->talks) printf("%lld> ", (long long)a->count + 1), fflush(stdout);
        if (!next_line(&a->line, a->from)) break;
        if (a->line.size != strlen(a->line.text))
            complain(a, "there is a zero byte; the line is left out", 0, "", "");
        else
            status = take_line(a, a->line.text);
    }
    free(a->line.text);
    if (a->talks) printf("\n");
    if (status != CJ_OK) return failed(status);
    int code = check_input(a->from, a->name);
    return code != EXIT_OK || a->talks ? code : a->code;
}

/* --- the command --------------------------------------------------------------------------------------- */

static int check(asking *a)
{
    cj_shape_t shape = cj_recipe_shape(a->run.recipe);
    bool stories =
        cj_recipe_is_text(a->run.recipe) && !cj_recipe_predicts_tokens(a->run.recipe) && shape.rank == 2;
    int code = check_kind(&a->run, a->o->operands[0], stories,
                          "no network for questions about stories: `data: {format: stories}`");
    if (code != EXIT_OK) return code;
    a->sentences = shape.dims[0] - 1;
    a->width = shape.dims[1];
    a->classes = cj_recipe_classes(a->run.recipe);
    return EXIT_OK;
}

static int open_story(asking *a)
{
    a->from = open_input(a->o->files < 2 ? NULL : a->o->operands[1], &a->name);
    a->talks = a->from == stdin && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !a->o->json;
    return a->from ? EXIT_OK : EXIT_FAILED;
}

static int run_command(asking *a)
{
    int code = open_run(a->o, a->o->operands[0], a->o->files, &a->run);
    if (code == EXIT_OK) code = check(a);
    if (code == EXIT_OK) code = open_story(a);
    if (code != EXIT_OK) return code;
    cj_status status = cj_recipe_open_tokenizer(a->run.recipe, &a->tokenizer);
    if (status != CJ_OK) return failed(status);
    if (a->talks)
        printf("Tell a story, a sentence a line; a line that ends in ? is a question, an empty one begins "
               "anew.\n");
    if (a->o->json) printf("[");
    code = take_lines(a);
    if (a->o->json) printf("]\n");
    return code;
}

int command_ask(const options *o)
{
    asking a = {.o = o, .first = true};
    if (o->files < 1 || o->files > 2)
        return fprintf(
                   stderr,
                   "cajal: name a run's folder, runs/babi-qa, say, or a recipe with weights, and one file "
                   "at most\n"),
               EXIT_USAGE;
    int code = run_command(&a);
    begin_story(&a);
    free(a.list);
    discard_program(&a);
    cj_tokenizer_free(a.tokenizer);
    close_input(a.from);
    close_run(&a.run);
    return code;
}
