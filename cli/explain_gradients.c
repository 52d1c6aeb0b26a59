/* cajal explain --method gradient-input: how much each token of a text added to the logit of the next one, of
 * a masked one, or of a class, as a page. */
#include "explain_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 64 };

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

cj_status write_gradients(task *t)
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
