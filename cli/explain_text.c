/* cajal explain on texts: each file, or sentence, read and shown to the methods there are, and what they have
 * written told. The methods are in explain_gradients.c, explain_attention.c and explain_cells.c. */
#include "explain_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { METHODS = 3 };
static const struct {
    const char *name;
    cj_status (*write)(task *t);
} methods[METHODS] = {
    {"gradient-input", write_gradients}, {"attention", write_attentions}, {"cells", write_cells}};

bool is_text_method(const char *method)
{
    int i = 0;
    while (i < METHODS && strcmp(methods[i].name, method) != 0) i++;
    return i < METHODS;
}

/* --- the network --------------------------------------------------------------------------------------- */

bool is_masked(const task *t)
{
    return cj_recipe_is_masked(t->run->recipe);
}

bool translates(const task *t)
{
    return cj_recipe_translates(t->run->recipe);
}

bool is_language(const task *t)
{
    return cj_recipe_predicts_tokens(t->run->recipe) && !is_masked(t) && !translates(t);
}

/* --- telling ------------------------------------------------------------------------------------------- */

void tell_text_file(task *t, const char *method, const char *layer, const char *file)
{
    if (t->o->json) {
        printf(t->any ? ", {\"method\": \"%s\"" : "{\"method\": \"%s\"", method);
        if (*layer) printf(", \"layer\": "), json_string(layer);
        printf(", \"file\": ");
        json_string(file);
        printf("}");
    } else {
        printf(*layer ? "  %-14s %s  (%s)\n" : "  %-14s %s\n", method, file, layer);
    }
    t->any = true;
}

static void begin_object(task *t)
{
    if (!t->o->json) {
        printf("%s\n", t->path);
        return;
    }
    printf(t->first ? "{\"input\": " : ",\n {\"input\": ");
    t->first = false;
    json_string(t->path);
    printf(", \"pictures\": [");
}

/* --- files --------------------------------------------------------------------------------------------- */

cj_status write_page(task *t, const char *method, const cj_text_page *page)
{
    char file[MOST_PATH], *html;
    snprintf(file, sizeof file, "%.3500s/%.200s-%s.html", t->folder, t->stem, method);
    cj_status status = cj_text_page_make(&html, page);
    if (status != CJ_OK) return status;
    FILE *to = fopen(file, "wb");
    bool good = to && fputs(html, to) >= 0;
    if (to && fclose(to) != 0) good = false;
    int error = errno;
    cj_text_free(html);
    if (good) return tell_text_file(t, method, "", file), CJ_OK;
    fprintf(stderr, "cajal: %s: cannot be written: %s\n", file, strerror(error));
    t->code = EXIT_FAILED;
    return CJ_IO_ERROR;
}

/* --- one file ------------------------------------------------------------------------------------------ */

/* Where all are wanted, a network goes without what it does not have. */
static int write_all(task *t)
{
    bool all = !t->o->method || strcmp(t->o->method, "all") == 0;
    for (int i = 0; i < METHODS; i++) {
        if (!all && strcmp(methods[i].name, t->o->method) != 0) continue;
        cj_status status = methods[i].write(t);
        if (status == CJ_UNSUPPORTED && all) continue;
        if (status == CJ_UNSUPPORTED && strcmp(methods[i].name, "cells") == 0)
            return fprintf(
                       stderr,
                       "cajal: --method cells is for recurrent networks that read a text: rnn, lstm, gru\n"),
                   EXIT_USAGE;
        if (status == CJ_UNSUPPORTED && translates(t))
            return fprintf(stderr, "cajal: --method %s is not for translators; attention is\n",
                           methods[i].name),
                   EXIT_USAGE;
        if (status != CJ_OK) return t->code ? t->code : failed(status);
    }
    if (t->any) return EXIT_OK;
    return fprintf(
               stderr,
               "cajal: %s has nothing to look at: no row of numbers for each token, no attention, no cells\n",
               t->o->operands[0]),
           EXIT_USAGE;
}

/* The file's bytes, or the sentence that stands in its place. */
static int read_operand(task *t, bytes *b)
{
    if (!is_sentence(t->path)) {
        int code = read_text(t->path, b);
        if (code != EXIT_OK && strcmp(t->path, "-") != 0 && access(t->path, F_OK) != 0)
            fprintf(stderr,
                    "cajal: a text of one word comes by standard input: echo '%s' | cajal explain RUN -\n",
                    t->path);
        t->name = b->name;
        return code;
    }
    t->name = "the sentence";
    *b = (bytes){.data = copy_of(t->path, strlen(t->path)), .size = strlen(t->path)};
    return b->data ? EXIT_OK : failed(CJ_OUT_OF_MEMORY);
}

static int explain_text(task *t, int index)
{
    bytes b;
    t->path = t->o->operands[index];
    t->code = 0;
    choose_stem(t->o, index, t->stem);
    int code = read_operand(t, &b);
    if (code == EXIT_OK && read_texts(t, &b) != CJ_OK) code = t->code ? t->code : failed_in(t->name);
    if (code == EXIT_OK && (t->count == 0 || t->texts[0].tokens.count == 0))
        code = (fprintf(stderr, "cajal: %s: there is no text in it\n", t->name), EXIT_FAILED);
    if (code == EXIT_OK) {
        begin_object(t);
        code = write_all(t);
        if (t->o->json) printf("]}");
    }
    close_texts(t);
    free(b.data);
    return code;
}

/* --- the command --------------------------------------------------------------------------------------- */

static int check(const task *t)
{
    int code = check_kind(t->run, t->o->operands[0], true, "");
    if (code != EXIT_OK || translates(t) || cj_recipe_shape(t->run->recipe).rank <= 1) return code;
    return fprintf(
               stderr,
               "cajal: %s reads several sentences at once, which is not explained; `cajal ask` tells what a "
               "memory network attends to\n",
               t->o->operands[0]),
           EXIT_USAGE;
}

static cj_status open_texts(task *t)
{
    if (!translates(t)) return cj_recipe_open_tokenizer(t->run->recipe, &t->tokenizer);
    cj_status status = begin_translation(&t->translation, t->run, 1, TRANSLATION_PENALTY);
    t->tokenizer = t->translation.source;
    return status;
}

int explain_texts(const options *o, run *r, const char *folder)
{
    task t = {.o = o, .run = r, .folder = folder, .first = true};
    int code = check(&t);
    if (code != EXIT_OK) return code;
    cj_status status = open_texts(&t);
    if (status != CJ_OK) code = failed(status);
    if (status == CJ_OK && o->json) printf("[");
    for (int i = 1; i < o->files && status == CJ_OK; i++) {
        int one = explain_text(&t, i);
        if (one != EXIT_OK) code = one; /* the others are told all the same */
    }
    if (status == CJ_OK && o->json) printf("]\n");
    end_translation(&t.translation);
    if (!translates(&t)) cj_tokenizer_free(t.tokenizer);
    return code;
}
