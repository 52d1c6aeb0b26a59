/* What the command shows of a network and of its answers: summary and report. */
#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- summary ------------------------------------------------------------------------------------------- */

double model_megabytes(const cj_model *model)
{
    size_t bytes = 0;
    for (int64_t i = 0; i < cj_model_count(model); i++) {
        cj_variable_info v = cj_model_variable(model, i);
        bytes += cj_tensor_bytes(&v.tensor);
    }
    return (double)bytes / 1e6;
}

void show_summary(FILE *to, const char *layers, const cj_model *model, const cj_program *step)
{
    cj_program_facts facts = cj_program_describe(step);
    double state = model_megabytes(model), values = (double)facts.run_bytes / 1e6;
    fprintf(to,
            "%sa training step: %lld kernels, %.1f MFLOP in products\n"
            "memory %.2f MB: parameters and optimizer %.2f, intermediate values %.2f\n\n",
            layers, (long long)facts.steps, facts.operations / 1e6, state + values, state, values);
}

void show_weights(const cj_weights_report *report)
{
    char *text;
    if (cj_weights_text(report, &text) == CJ_OK) fputs(text, stderr);
    cj_text_free(text);
}

/* --- report -------------------------------------------------------------------------------------------- */

static double ratio(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

enum { LONGEST_NAME = 21 }; /* in characters */

/* A class by its number, and by its name if that is known and short enough: " 3 cat". */
typedef struct {
    char text[4 * LONGEST_NAME + 24];
    int characters;
} class_label;

/* Those bytes of UTF-8 that do not go on with a character. */
static int characters_of(const char *text)
{
    int count = 0;
    for (; *text; text++) count += (*text & 0xC0) != 0x80;
    return count;
}

static class_label label_of(const report *r, int64_t c)
{
    class_label label;
    const char *name = cj_recipe_class(r->recipe, c);
    bool shown = name && strlen(name) <= 4 * LONGEST_NAME && characters_of(name) <= LONGEST_NAME;
    snprintf(label.text, sizeof label.text, shown ? "%2lld %s" : "%2lld", (long long)c, name);
    label.characters = characters_of(label.text);
    return label;
}

/* Numbers stand to the right, names begin below each other. */
static int label_width(const report *r)
{
    int width = 6;
    for (int64_t c = 0; c < r->classes; c++) {
        int characters = label_of(r, c).characters;
        width = characters > width ? characters : width;
    }
    return width;
}

static void show_label(const report *r, int64_t c, int width)
{
    class_label label = label_of(r, c);
    bool named = cj_recipe_class(r->recipe, c);
    int space = width - label.characters;
    if (named)
        printf("%s%*s", label.text, space, "");
    else
        printf("%*s%s", space, "", label.text);
}

static void show_classes(const report *r, int width)
{
    int64_t classes = r->classes;
    const int64_t *confusion = r->confusion;
    printf("%-*s %10s %10s %10s %10s\n", width, " class", "precision", "recall", "f1", "examples");
    for (int64_t c = 0; c < classes; c++) {
        int64_t right = confusion[c * classes + c], truly = 0, said = 0;
        for (int64_t k = 0; k < classes; k++)
            truly += confusion[c * classes + k], said += confusion[k * classes + c];
        show_label(r, c, width);
        printf(" %10.4f %10.4f %10.4f %10lld\n", ratio(right, said), ratio(right, truly),
               ratio(2 * right, truly + said), (long long)truly);
    }
}

static void show_confusion(const report *r, int width)
{
    printf("\nconfusion matrix: true class by row, predicted by column\n%*s", width, "");
    for (int64_t c = 0; c < r->classes; c++) printf(" %5lld", (long long)c);
    for (int64_t row = 0; row < r->classes; row++) {
        printf("\n");
        show_label(r, row, width);
        for (int64_t c = 0; c < r->classes; c++)
            printf(" %5lld", (long long)r->confusion[row * r->classes + c]);
    }
    printf("\n");
}

enum { MANY_CLASSES = 10 }; /* beyond, the five likeliest are of interest */

/* Bits for each token's share of the characters and bytes that the text has. */
static double bits_per(const report *r, int64_t units)
{
    return cj_bits_per_unit(r->scores.loss, r->text.tokens, units);
}

/* Of what was masked alone, no text has all its bits told. */
static void show_perplexity(const report *r)
{
    printf("perplexity %.3f", cj_perplexity(r->scores.loss));
    if (r->text.tokens)
        printf("; %.4f bits a character, %.4f bits a byte", bits_per(r, r->text.characters),
               bits_per(r, r->text.bytes));
    printf("\n");
}

static void show_metrics(const report *r)
{
    if (cj_recipe_predicts_tokens(r->recipe))
        show_perplexity(r);
    else if (r->loss == CJ_BINARY_CROSS_ENTROPY)
        printf("AUC %.4f; at threshold %.3g: precision %.4f, recall %.4f, F1 %.4f\n", r->auc, r->at.threshold,
               r->at.precision, r->at.recall, r->at.f1);
    else if (r->classes > MANY_CLASSES)
        printf("top-5 accuracy %.2f %%\n", 100 * r->top5);
    else if (!r->classes)
        printf("R² %.4f, mean absolute error %.4g\n", r->r_squared, r->distance);
}

void show_report(const report *r)
{
    printf("%s loss %.4f", r->part, r->scores.loss);
    if (isfinite(r->scores.accuracy)) printf(", %s accuracy %.2f %%", r->part, 100 * r->scores.accuracy);
    printf(" of %lld %s\n", (long long)r->scores.count,
           cj_recipe_predicts_tokens(r->recipe) ? "tokens" : "examples");
    show_metrics(r);
    if (r->translations)
        printf("BLEU %.2f, in lower case %.2f, of %lld sentences\n", r->bleu, r->bleu_lower,
               (long long)r->translations);
    if (r->classes < 1 || r->classes > 40) return;
    printf("\n");
    int width = label_width(r);
    show_classes(r, width);
    show_confusion(r, width);
}

/* --- JSON ---------------------------------------------------------------------------------------------- */

void json_number(const char *name, double value, const char *end)
{
    if (isfinite(value))
        printf("\"%s\": %.17g%s", name, value, end);
    else
        printf("\"%s\": null%s", name, end);
}

void json_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20)
            printf("\\u%04x", *text);
        else
            printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
    putchar('"');
}

static void json_scores(const char *name, const cj_scores *scores)
{
    printf(", \"%s\": {", name);
    json_number("loss", scores->loss, ", ");
    json_number("accuracy", scores->accuracy, ", ");
    printf("\"count\": %lld}", (long long)scores->count);
}

static void json_report(const report *r)
{
    printf(", \"%s\": {", r->part);
    json_number("loss", r->scores.loss, ", ");
    json_number("accuracy", r->scores.accuracy, ", ");
    if (cj_recipe_predicts_tokens(r->recipe)) {
        json_number("perplexity", cj_perplexity(r->scores.loss), ", ");
        if (r->text.tokens) json_number("bits_per_character", bits_per(r, r->text.characters), ", ");
        if (r->text.tokens) json_number("bits_per_byte", bits_per(r, r->text.bytes), ", ");
        if (r->translations) json_number("bleu", r->bleu, ", ");
        if (r->translations) json_number("bleu_lower_case", r->bleu_lower, ", ");
    } else if (r->loss == CJ_BINARY_CROSS_ENTROPY) {
        json_number("auc", r->auc, ", ");
        json_number("threshold", r->at.threshold, ", ");
        json_number("precision", r->at.precision, ", ");
        json_number("recall", r->at.recall, ", ");
        json_number("f1", r->at.f1, ", ");
    } else if (r->classes > MANY_CLASSES) {
        json_number("top5_accuracy", r->top5, ", ");
    } else if (!r->classes) {
        json_number("r_squared", r->r_squared, ", ");
        json_number("mean_absolute_error", r->distance, ", ");
    }
    printf("\"count\": %lld}", (long long)r->scores.count);
}

/* A report of the validation stands in place of the last epoch's scores. */
static void json_training(const results *r)
{
    const cj_progress *last = r->last;
    bool reported = r->report && strcmp(r->report->part, "validation") == 0;
    printf(", ");
    json_number("seconds", r->seconds, ", ");
    printf("\"epochs\": %lld, \"updates\": %lld", (long long)last->epoch, (long long)last->updates);
    json_scores("training", &last->training);
    if (last->validation.count && !reported) json_scores("validation", &last->validation);
}

static void json_accuracies(const results *r)
{
    printf(", \"members\": [");
    for (int64_t i = 0; i < r->models; i++) printf(i ? ", %.17g" : "%.17g", r->accuracies[i]);
    printf("]");
}

/* Of one network a string, of an ensemble a list. */
static void json_weights(const results *r)
{
    printf(", \"weights_sha256\": %s", r->models > 1 ? "[" : "");
    for (int64_t i = 0; i < r->models; i++) printf(i ? ", \"%s\"" : "\"%s\"", r->weights + 65 * i);
    if (r->models > 1) printf("]");
}

void show_json(const results *r)
{
    printf("{\"recipe\": ");
    json_string(r->recipe);
    if (r->folder) {
        printf(", \"folder\": ");
        json_string(r->folder);
    }
    printf(", \"seed\": %llu", (unsigned long long)r->seed);
    if (r->last) json_training(r);
    if (r->accuracies) json_accuracies(r);
    if (r->report) json_report(r->report);
    json_weights(r);
    printf("}\n");
}
