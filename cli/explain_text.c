/* cajal explain on texts: which tokens an answer or the next token hangs on, what attention sees, what the
 * cells of a recurrent network hold while they read. */
#include "explain.h"
#include "lines.h"
#include "translation.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TOKENS = 256, MOST_ROWS = 64, MOST_CELL_TOKENS = 2000, MOST_SENTENCES = 64, CELLS_SHOWN = 12 };

/* What a translator reads, to draw it with. */
typedef struct {
    cj_recipe *recipe;
    cj_tokens tokens;
} original;

/* One text as the network gets it; a translator is shown its own translation, from the beginning on. */
typedef struct {
    cj_tokens tokens;
    original original;
    cj_tokens said; /* by a translator, at each of the tokens */
    char **pieces;  /* [piece_count] what each token says; of a translator the original's, an arrow, what is
                       said */
    int64_t piece_count;
    char caption[200];
    float *values;        /* [rows,tokens] */
    int64_t rows, passed; /* tokens passed over at the beginning: what the caption is of */
} text;

typedef struct {
    const options *o;
    run *run;
    const char *folder;
    translation translation; /* of a translator */
    cj_tokenizer *tokenizer; /* a translator's own, of what it reads */
    bool first;              /* no object of the JSON array was printed yet */
    /* of the file at hand */
    const char *path, *name; /* as it was given, and as sentences call it */
    char stem[STEM];
    text *texts;
    int64_t count;
    bool any; /* something was written of it */
    int code; /* what is wrong with it was told, and asks for this; 0: nothing, or it is the library's to tell
               */
} task;

bool is_text_method(const char *method)
{
    return strcmp(method, "gradient-input") == 0 || strcmp(method, "attention") == 0 ||
           strcmp(method, "cells") == 0;
}

static bool wants(const task *t, const char *method)
{
    return !t->o->method || strcmp(t->o->method, "all") == 0 || strcmp(t->o->method, method) == 0;
}

static bool is_masked(const task *t)
{
    return cj_recipe_is_masked(t->run->recipe);
}

static bool translates(const task *t)
{
    return cj_recipe_translates(t->run->recipe);
}

/* Whether each token is told by those before it alone. */
static bool is_language(const task *t)
{
    return cj_recipe_predicts_tokens(t->run->recipe) && !is_masked(t) && !translates(t);
}

/* --- telling ------------------------------------------------------------------------------------------- */

static void tell_file(task *t, const char *method, const char *layer, const char *file)
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

static cj_status write_page(task *t, const char *method, const cj_text_page *page)
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
    if (good) return tell_file(t, method, "", file), CJ_OK;
    fprintf(stderr, "cajal: %s: cannot be written: %s\n", file, strerror(error));
    t->code = EXIT_FAILED;
    return CJ_IO_ERROR;
}

/* --- reading ------------------------------------------------------------------------------------------- */

static char *copy_of(const char *bytes, size_t size)
{
    char *copy = calloc(size + 1, 1);
    return copy && size ? memcpy(copy, bytes, size) : copy;
}

static cj_status add_piece(text *x, const char *bytes, size_t size)
{
    char **more = realloc(x->pieces, (size_t)(x->piece_count + 1) * sizeof *more);
    if (!more) return CJ_OUT_OF_MEMORY;
    x->pieces = more;
    x->pieces[x->piece_count] = copy_of(bytes, size);
    return x->pieces[x->piece_count++] ? CJ_OK : CJ_OUT_OF_MEMORY;
}

static cj_status add_pieces(text *x, const cj_tokenizer *tokenizer, const cj_tokens *tokens)
{
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < tokens->count && status == CJ_OK; i++) {
        size_t size;
        const char *piece = cj_tokenizer_text(tokenizer, i ? tokens->ids[i - 1] : -1, tokens->ids[i], &size);
        status = add_piece(x, piece, piece ? size : 0);
    }
    return status;
}

static cj_status add_tokens(cj_tokens *to, const int32_t *ids, int64_t count)
{
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < count && status == CJ_OK; i++) status = cj_tokens_add(to, ids[i]);
    return status;
}

/* A sentence and what the likeliest token makes of it each time: at each token the next is said. */
static cj_status add_translation(task *t, text *x, const char *bytes, size_t size)
{
    translation *r = &t->translation;
    const cj_tokenizer *target = target_of(r);
    int64_t count = 0;
    cj_status status = translate_tokens(r, bytes, size, &count);
    x->original.recipe = t->run->recipe;
    if (status == CJ_OK) status = add_tokens(&x->original.tokens, r->tokens.ids, r->tokens.count);
    if (status == CJ_OK) status = cj_tokens_add(&x->tokens, cj_tokenizer_special(target, CJ_TOKEN_BEGIN));
    if (status == CJ_OK) status = add_tokens(&x->tokens, r->made, count - 1);
    if (status == CJ_OK) status = add_tokens(&x->said, r->made, count);
    if (status == CJ_OK) status = add_pieces(x, t->tokenizer, &x->original.tokens);
    if (status == CJ_OK) status = add_piece(x, " \u2192 ", strlen(" \u2192 "));
    return status == CJ_OK ? add_pieces(x, target, &x->said) : status;
}

/* What is more than the network takes of a sentence is cut off, as cajal predict does. */
static void cut(const task *t, text *x, int64_t line)
{
    int64_t longest = cj_recipe_longest(t->run->recipe), count = x->tokens.count;
    if (is_language(t) || !longest || count <= longest) return;
    x->tokens.count = longest;
    fprintf(stderr, "cajal: %s: line %lld: of its %lld tokens the network takes %lld; the rest was cut off\n",
            t->name, (long long)line, (long long)count, (long long)longest);
}

/* As the training had it: lines begin with their token, sentences of WordPiece, and what is masked, stand
 * between two. */
static cj_status add_encoded(task *t, text *x, const char *bytes, size_t size, int64_t line)
{
    int32_t begin = cj_tokenizer_special(t->tokenizer, CJ_TOKEN_BEGIN),
            end = cj_tokenizer_special(t->tokenizer, CJ_TOKEN_END);
    bool wordpiece = cj_tokenizer_kind(t->tokenizer) == CJ_TOKENS_WORDPIECE;
    bool framed = is_masked(t) || (!is_language(t) && wordpiece);
    bool begins = framed || cj_recipe_reads_lines(t->run->recipe);
    cj_status status = CJ_OK;
    if (begins && begin >= 0) status = cj_tokens_add(&x->tokens, begin);
    if (status == CJ_OK) status = cj_tokenizer_encode_at(t->tokenizer, bytes, size, line, &x->tokens);
    if (status == CJ_OK && framed && end >= 0) status = cj_tokens_add(&x->tokens, end);
    cut(t, x, line);
    return status == CJ_OK ? add_pieces(x, t->tokenizer, &x->tokens) : status;
}

static cj_status add_text(task *t, const char *bytes, size_t size, int64_t line)
{
    text *x = &t->texts[t->count++];
    if (!translates(t)) return add_encoded(t, x, bytes, size, line);
    cj_status status = add_translation(t, x, bytes, size);
    if (status == CJ_OK || status == CJ_OUT_OF_MEMORY) return status;
    fprintf(stderr, "cajal: %s: line %lld: %s\n", t->name, (long long)line, cj_error_message());
    t->code = EXIT_FAILED;
    return status;
}

/* As the training's own lines may have. */
static bool has_labels(const task *t)
{
    return !is_language(t) && !translates(t);
}

static cj_status add_lines(task *t, const char *at, const char *end)
{
    cj_status status = CJ_OK;
    for (int64_t line = 1; at < end && status == CJ_OK && t->count < MOST_SENTENCES; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t size = (size_t)((stop ? stop : end) - at);
        if (has_labels(t)) size = before_label(at, size);
        while (size && (at[size - 1] == '\r' || at[size - 1] == ' ')) size--;
        if (size) status = add_text(t, at, size, line);
        at = stop ? stop + 1 : end;
    }
    if (at < end && status == CJ_OK)
        fprintf(stderr, "cajal: %s: only the first %d lines are explained\n", t->name, MOST_SENTENCES);
    return status;
}

/* A plain text is one text; of anything else each line is. */
static cj_status read_texts(task *t, const bytes *b)
{
    bool whole = is_language(t) && !cj_recipe_reads_lines(t->run->recipe);
    t->texts = calloc(MOST_SENTENCES, sizeof *t->texts);
    if (!t->texts) return CJ_OUT_OF_MEMORY;
    return whole ? add_text(t, b->data, b->size, 1) : add_lines(t, b->data, b->data + b->size);
}

static void close_texts(task *t)
{
    for (int64_t i = 0; i < t->count; i++) {
        text *x = &t->texts[i];
        for (int64_t k = 0; k < x->piece_count; k++) free(x->pieces[k]);
        free(x->pieces);
        free(x->values);
        cj_tokens_free(&x->tokens);
        cj_tokens_free(&x->original.tokens);
        cj_tokens_free(&x->said);
    }
    free(t->texts);
    t->texts = NULL;
    t->count = 0;
    t->any = false;
}

/* --- gradient × input ---------------------------------------------------------------------------------- */

/* How much of a text the network is shown: its end where a language model takes no more. */
static int64_t shown(const task *t, const text *x)
{
    int64_t block = cj_recipe_block(t->run->recipe),
            most = block && block < MOST_TOKENS ? block : MOST_TOKENS;
    if (!is_language(t)) return x->tokens.count;
    return x->tokens.count < most ? x->tokens.count : most;
}

/* On standard error, where that is not all of it. */
static void tell_part(const task *t, const text *x, const char *which, int64_t count)
{
    if (count < x->tokens.count)
        fprintf(stderr, "cajal: %s: of its %lld tokens the %s %lld are explained\n", t->name,
                (long long)x->tokens.count, which, (long long)count);
}

static cj_value draw_translation(cj_scope scope, cj_value x, void *context)
{
    original *o = context;
    cj_tensor tokens = {o->tokens.ids, CJ_I32, cj_shape(1, o->tokens.count)};
    cj_reading reading = {.tokens = x, .source = cj_constant_tensor(scope.graph, &tokens)};
    return cj_recipe_reader(scope, &reading, o->recipe);
}

static cj_text_explain_options options_of(const task *t, text *x)
{
    int64_t count = shown(t, x);
    cj_evaluate_options o = cj_recipe_evaluate_options(t->run->recipe);
    return (cj_text_explain_options){.size = sizeof(cj_text_explain_options),
                                     .model = t->run->models[0],
                                     .forward = translates(t) ? draw_translation : o.forward,
                                     .context = translates(t) ? &x->original : o.context,
                                     .x = {x->tokens.ids + x->tokens.count - count, CJ_I32, cj_shape(count)},
                                     .loss = o.loss,
                                     .precision = o.precision,
                                     .across = translates(t)};
}

/* Room for so many of the tokens that are shown, which are the last. */
static cj_status make_rows(text *x, int64_t count, int64_t rows)
{
    x->passed = x->tokens.count - count;
    x->rows = rows;
    x->values = calloc((size_t)(rows * count) + 1, sizeof *x->values);
    snprintf(x->caption, sizeof x->caption, "%lld tokens; the last %lld can be pointed at", (long long)count,
             (long long)rows);
    return x->values ? CJ_OK : CJ_OUT_OF_MEMORY;
}

/* Each of the last tokens, by the output that predicted it. */
static cj_status explain_predictions(const task *t, text *x)
{
    int64_t count = shown(t, x), width = cj_recipe_classes(t->run->recipe), outputs[MOST_ROWS];
    cj_text_explain_options o = options_of(t, x);
    tell_part(t, x, "last", count);
    const int32_t *tokens = o.x.data;
    cj_status status = make_rows(x, count, count - 1 < MOST_ROWS ? count - 1 : MOST_ROWS);
    if (status != CJ_OK) return status;
    for (int64_t r = 0; r < x->rows; r++) {
        int64_t token = count - x->rows + r;
        outputs[r] = (token - 1) * width + tokens[token];
    }
    return cj_explain_tokens(&o, x->rows, outputs, x->values, NULL);
}

/* Each of the last tokens, by what the network says of it where it is masked: what the others add to that,
 * and not what the mask does. Those that frame the sentence are never hidden from it. */
static cj_status explain_masked(task *t, text *x)
{
    int64_t count = x->tokens.count, width = cj_recipe_classes(t->run->recipe);
    int32_t mask = cj_tokenizer_special(t->tokenizer, CJ_TOKEN_MASK);
    cj_text_explain_options o = options_of(t, x);
    cj_status status = make_rows(x, count, count < MOST_ROWS ? count : MOST_ROWS);
    for (int64_t r = 0; r < x->rows && status == CJ_OK; r++) {
        int64_t place = count - x->rows + r;
        int32_t *token = &x->tokens.ids[place], hidden = *token;
        int64_t output = place * width + hidden;
        if (hidden == cj_tokenizer_special(t->tokenizer, CJ_TOKEN_BEGIN) ||
            hidden == cj_tokenizer_special(t->tokenizer, CJ_TOKEN_END))
            continue;
        *token = mask;
        status = cj_explain_tokens(&o, 1, &output, x->values + r * count, NULL);
        x->values[r * count + place] = 0;
        *token = hidden;
        tell_waiting(r + 1, x->rows);
    }
    return status;
}

/* The class asked for by name or number, else the likeliest; -1: there is no such class. */
static int64_t class_wanted(const task *t, const float *logits, int64_t classes)
{
    char number[24], digits[24];
    if (!t->o->class) return next_likely(logits, classes, NULL, 0);
    for (int64_t c = 0; c < classes; c++) {
        snprintf(digits, sizeof digits, "%lld", (long long)c);
        if (strcmp(class_name(t->run, c, number), t->o->class) == 0 || strcmp(digits, t->o->class) == 0)
            return c;
    }
    return -1;
}

static void caption_class(const task *t, text *x, const float *logits, int64_t classes, int64_t c)
{
    char number[24];
    double sum = 0;
    for (int64_t i = 0; i < classes; i++) sum += exp((double)logits[i] - (double)logits[c]);
    snprintf(x->caption, sizeof x->caption, "class %.150s, probability %.4f", class_name(t->run, c, number),
             1 / sum);
}

static cj_status explain_class(task *t, text *x)
{
    cj_text_explain_options o = options_of(t, x);
    int64_t classes = cj_recipe_classes(t->run->recipe), count = 0, wanted;
    float *logits = calloc((size_t)classes + 1, sizeof *logits);
    cj_status status = logits ? make_rows(x, shown(t, x), 1) : CJ_OUT_OF_MEMORY;
    if (status == CJ_OK) status = cj_text_outputs(&o, logits, classes, &count);
    wanted = status == CJ_OK ? class_wanted(t, logits, classes) : 0;
    if (wanted < 0) {
        fprintf(
            stderr,
            "cajal: --class is '%s', but must be one of the %lld classes, by name or by number from 0 on\n",
            t->o->class, (long long)classes);
        t->code = EXIT_USAGE;
        status = CJ_INVALID_ARGUMENT;
    } else if (status == CJ_OK) {
        caption_class(t, x, logits, classes, wanted);
        status = cj_explain_tokens(&o, 1, &wanted, x->values, NULL);
    }
    free(logits);
    return status;
}

/* What the page is to show; a text of a single token has nothing before it. */
static cj_status explain_each(task *t, cj_coloured_text *pages, int64_t *count)
{
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < t->count && status == CJ_OK; i++) {
        text *x = &t->texts[i];
        if (x->tokens.count < (is_language(t) ? 2 : 1)) continue;
        status = is_language(t) ? explain_predictions(t, x)
                 : is_masked(t) ? explain_masked(t, x)
                                : explain_class(t, x);
        if (t->count > 1) tell_waiting(i + 1, t->count);
        pages[(*count)++] = (cj_coloured_text){.caption = x->caption,
                                               .pieces = (const char *const *)x->pieces + x->passed,
                                               .count = x->tokens.count - x->passed,
                                               .values = x->values,
                                               .rows = x->rows};
    }
    return status;
}

static cj_status write_gradients(task *t)
{
    static const char
        of_tokens[] =
            "Point at a token: those before it are coloured by how much each added to its logit (gradient × "
            "input), warm for it, cold against it. At first the last token is shown.",
        of_classes[] =
            "Each token is coloured by how much it added to the logit of the class (gradient × input), warm "
            "for it, cold against it.",
        of_masked[] =
            "Point at a token: where it is masked, the others are coloured by how much each adds to its "
            "logit (gradient × input), warm for it, cold against it.";
    cj_coloured_text pages[MOST_SENTENCES];
    int64_t count = 0;
    if (translates(t)) return CJ_UNSUPPORTED;
    begin_waiting(t->o, "gradient-input");
    cj_status status = explain_each(t, pages, &count);
    end_waiting();
    cj_text_page page = {.size = sizeof page,
                         .title = cj_recipe_name(t->run->recipe),
                         .about = is_language(t) ? of_tokens
                                  : is_masked(t) ? of_masked
                                                 : of_classes,
                         .texts = pages,
                         .count = count};
    return status == CJ_OK ? write_page(t, "gradient-input", &page) : status;
}

/* --- attention ----------------------------------------------------------------------------------------- */

/* What the tokens are called: pieces that belong to the tokenizer. */
static const char **names_of(const cj_tokenizer *tokenizer, const int32_t *tokens, int64_t count)
{
    const char **names = calloc((size_t)count + 1, sizeof *names);
    for (int64_t i = 0; names && i < count; i++) names[i] = cj_tokenizer_piece(tokenizer, tokens[i], NULL);
    return names;
}

/* With names, where the map is of tokens, and not of what a layer made of several. */
static cj_status draw_map(const task *t, const text *x, const cj_feature_maps *map, cj_image *image)
{
    const int64_t *size = map->maps.shape.dims;
    const int32_t *last = x->tokens.ids + x->tokens.count;
    int64_t rows = shown(t, x), columns = translates(t) ? x->original.tokens.count : rows;
    if (size[0] != rows || size[1] != columns) return cj_feature_maps_picture(image, map);
    const char **queries = translates(t) ? names_of(target_of(&t->translation), x->said.ids, rows)
                                         : names_of(t->tokenizer, last - rows, rows);
    const char **keys = names_of(t->tokenizer, translates(t) ? x->original.tokens.ids : last - rows, columns);
    cj_status status = queries && keys ? cj_attention_picture(image, map, queries, keys) : CJ_OUT_OF_MEMORY;
    free(queries);
    free(keys);
    return status;
}

static cj_status write_map(task *t, const text *x, const cj_feature_maps *map, int64_t number)
{
    char file[MOST_PATH], layer[CJ_LAYER_NAME];
    cj_image image = {0};
    snprintf(layer, sizeof layer, "%s", *map->layer ? map->layer : "attention");
    snprintf(file, sizeof file, "%.3500s/%.200s-attention-%lld.png", t->folder, t->stem, (long long)number);
    cj_status status = draw_map(t, x, map, &image);
    if (status == CJ_OK) status = cj_image_write_png(file, &image);
    if (status == CJ_OK) tell_file(t, "attention", layer, file);
    cj_image_free(&image);
    return status;
}

/* Texts that a page is made of. */
typedef struct {
    cj_coloured_text *list;
    int64_t count;
} sections;

static void free_sections(sections *s)
{
    for (int64_t i = 0; i < s->count; i++) {
        free((char *)(size_t)s->list[i].caption);
        free((float *)(size_t)s->list[i].values);
    }
    free(s->list);
}

/* How much each token that is said looks at each of the original: the mean over the heads. [said,pieces] */
static float *mean_of_heads(const text *x, const cj_tensor *map)
{
    int64_t said = map->shape.dims[0], read = map->shape.dims[1], heads = map->shape.dims[2];
    float *means = calloc((size_t)(said * x->piece_count) + 1, sizeof *means);
    const float *weight = map->data;
    for (int64_t i = 0; means && i < said * read * heads; i++)
        means[i / heads / read * x->piece_count + i / heads % read] += weight[i] / (float)heads;
    return means;
}

static cj_status add_section(sections *s, const text *x, const cj_feature_maps *map)
{
    char caption[CJ_LAYER_NAME + 40];
    int64_t heads = map->maps.shape.dims[2];
    cj_coloured_text *more = realloc(s->list, (size_t)(s->count + 1) * sizeof *more);
    if (!more) return CJ_OUT_OF_MEMORY;
    s->list = more;
    snprintf(caption, sizeof caption, heads > 1 ? "%s, the mean of %lld heads" : "%s", map->layer,
             (long long)heads);
    cj_coloured_text *section = &s->list[s->count++];
    *section = (cj_coloured_text){.caption = copy_of(caption, strlen(caption)),
                                  .pieces = (const char *const *)x->pieces,
                                  .count = x->piece_count,
                                  .values = mean_of_heads(x, &map->maps),
                                  .rows = map->maps.shape.dims[0]};
    return section->caption && section->values ? CJ_OK : CJ_OUT_OF_MEMORY;
}

static cj_status write_maps(task *t, text *x, sections *s, int64_t *number)
{
    cj_attention_maps maps;
    cj_text_explain_options o = options_of(t, x);
    begin_waiting(t->o, "attention");
    cj_status status = cj_attention_maps_make(&maps, &o);
    end_waiting();
    for (int64_t k = 0; k < maps.count && status == CJ_OK; k++) {
        status = write_map(t, x, &maps.maps[k], ++*number);
        if (status == CJ_OK && translates(t)) status = add_section(s, x, &maps.maps[k]);
    }
    cj_attention_maps_free(&maps);
    return status;
}

/* Pictures, and of translations a page: it has the letters of any language. */
static cj_status write_attentions(task *t)
{
    int64_t number = 0;
    sections s = {0};
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < t->count && status == CJ_OK; i++)
        status = write_maps(t, &t->texts[i], &s, &number);
    cj_text_page page = {.size = sizeof page,
                         .title = cj_recipe_name(t->run->recipe),
                         .about =
                             "Point at a token of the translation: those of the sentence are coloured by "
                             "how much was looked at each before it was written. At first the last token "
                             "is shown.",
                         .texts = s.list,
                         .count = s.count};
    if (status == CJ_OK && translates(t)) status = write_page(t, "attention", &page);
    free_sections(&s);
    return status;
}

/* --- cells --------------------------------------------------------------------------------------------- */

/* The values of one cell, token by token. */
static void fill_cell(const cj_cell_values *cells, int64_t cell, int64_t count, float *values)
{
    const float *all = cells->values.data;
    int64_t size = cells->values.shape.dims[1] * cells->values.shape.dims[2];
    for (int64_t i = 0; i < count; i++) values[i] = all[i * size + cell];
}

static cj_status write_chosen(task *t, const text *x, const cj_cell_values *cells, const int64_t *chosen,
                              int64_t shown_cells)
{
    int64_t count = cells->values.shape.dims[0], units = cells->values.shape.dims[2];
    cj_coloured_text *pages = calloc((size_t)shown_cells + 1, sizeof *pages);
    float *values = calloc((size_t)(shown_cells * count) + 1, sizeof *values);
    char(*captions)[60] = calloc((size_t)shown_cells + 1, sizeof *captions);
    cj_status status = pages && values && captions ? CJ_OK : CJ_OUT_OF_MEMORY;
    for (int64_t i = 0; i < shown_cells && status == CJ_OK; i++) {
        fill_cell(cells, chosen[i], count, values + i * count);
        snprintf(captions[i], sizeof *captions, "cell %lld of layer %lld", (long long)(chosen[i] % units + 1),
                 (long long)(chosen[i] / units + 1));
        pages[i] =
            (cj_coloured_text){captions[i], (const char *const *)x->pieces, count, values + i * count, 1};
    }
    cj_text_page page = {.size = sizeof page,
                         .title = cj_recipe_name(t->run->recipe),
                         .about = "What single cells hold after each token: warm up to 1, cold down to -1. "
                                  "Shown are those that vary "
                                  "most and yet keep what they hold.",
                         .texts = pages,
                         .count = shown_cells,
                         .absolute = true};
    if (status == CJ_OK) status = write_page(t, "cells", &page);
    free(pages);
    free(values);
    free(captions);
    return status;
}

static cj_status write_cells(task *t)
{
    const text *x = &t->texts[0];
    cj_cell_values cells;
    int64_t room = whole_option(t->o->cells, CELLS_SHOWN), count = 0;
    cj_cell_options o = {.size = sizeof o,
                         .model = t->run->models[0],
                         .reader = cj_recipe_reader,
                         .context = t->run->recipe,
                         .tokens = x->tokens.ids,
                         .count = x->tokens.count < MOST_CELL_TOKENS ? x->tokens.count : MOST_CELL_TOKENS,
                         .precision = cj_recipe_evaluate_options(t->run->recipe).precision};
    if (!cj_recipe_is_language(t->run->recipe) || cj_recipe_block(t->run->recipe)) return CJ_UNSUPPORTED;
    tell_part(t, x, "first", o.count);
    begin_waiting(t->o, "cells");
    cj_status status = cj_cell_values_make(&cells, &o);
    end_waiting();
    if (status != CJ_OK) return status;
    int64_t *chosen = calloc((size_t)room, sizeof *chosen);
    status = chosen ? cj_cells_choose(&cells, room, chosen, &count) : CJ_OUT_OF_MEMORY;
    if (status == CJ_OK) status = write_chosen(t, x, &cells, chosen, count);
    free(chosen);
    cj_cell_values_free(&cells);
    return status;
}

/* --- one file ------------------------------------------------------------------------------------------ */

/* Where all are wanted, a network goes without what it does not have. */
static int write_all(task *t)
{
    static const struct {
        const char *name;
        cj_status (*write)(task *t);
    } methods[] = {
        {"gradient-input", write_gradients}, {"attention", write_attentions}, {"cells", write_cells}};
    bool all = !t->o->method || strcmp(t->o->method, "all") == 0;
    for (int i = 0; i < 3; i++) {
        if (!wants(t, methods[i].name)) continue;
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
        int code = read_bytes(t->path, b);
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
