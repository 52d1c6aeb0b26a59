/* cajal predict: what a finished run's network says of pictures, of the rows of a table or of an array's, of
 * a file's sentences. */
#include "answer.h"
#include "lines.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const options *o;
    run run;
    cj_preprocessing *preprocessing; /* the run's, of a table; NULL: it reads no table */
    cj_tokenizer *tokenizer;         /* of sentences; NULL: it reads none */
    int64_t width;                   /* outputs a row */
    int64_t top;                     /* classes told a row */
    int64_t cut;                     /* sentences of the file at hand that were too long */
    bool first;                      /* no object of the JSON array was printed yet */
} prediction;

/* --- ranking ------------------------------------------------------------------------------------------- */

/* One output stands for two classes: behind the one that is said comes the other. */
static int64_t rank(const prediction *p, const float *row, int64_t *told)
{
    int64_t classes = classes_in_question(&p->run), count = p->top < classes ? p->top : classes;
    told[0] = said_class(&p->run, row);
    for (int64_t i = 1; i < count; i++)
        told[i] = p->width == 1 ? 1 - told[0] : next_likely(row, classes, told, i);
    return count;
}

/* --- telling ------------------------------------------------------------------------------------------- */

static void tell_object(prediction *p, const char *name, const float *row)
{
    int64_t told[MOST_TOLD];
    char number[24];
    printf(p->first ? "{\"input\": " : ",\n {\"input\": ");
    p->first = false;
    json_string(name);
    if (!classifies(&p->run)) {
        printf(", \"outputs\": [");
        for (int64_t i = 0; i < p->width; i++) printf(i ? ", %.9g" : "%.9g", (double)row[i]);
        printf("]}");
        return;
    }
    printf(", \"class\": ");
    json_string(class_name(&p->run, said_class(&p->run, row), number));
    printf(", \"top\": [");
    int64_t count = rank(p, row, told);
    for (int64_t i = 0; i < count; i++) {
        printf(i ? ", {\"class\": " : "{\"class\": ");
        json_string(class_name(&p->run, told[i], number));
        printf(", \"probability\": %.9g}", probability(&p->run, row, told[i]));
    }
    printf("]}");
}

/* "cat 0.9213, dog 0.0544" */
static void tell_ranking(const prediction *p, const float *row)
{
    int64_t told[MOST_TOLD], count = rank(p, row, told);
    char number[24];
    for (int64_t i = 0; i < count; i++)
        printf("%s%s %.4f", i ? ", " : "", class_name(&p->run, told[i], number),
               probability(&p->run, row, told[i]));
}

static void tell_line(const prediction *p, const char *name, const float *row)
{
    printf("%s:", name);
    if (classifies(&p->run)) {
        printf(" ");
        tell_ranking(p, row);
    } else {
        for (int64_t i = 0; i < p->width; i++) printf(" %.6g", (double)row[i]);
    }
    printf("\n");
}

/* --- pictures ------------------------------------------------------------------------------------------ */

static int predict_picture(prediction *p, const char *path)
{
    cj_image image;
    cj_dataset *data = NULL;
    float *row = NULL;
    int code = read_picture(p->o, &p->run, path, &image);
    if (code != EXIT_OK) return code;
    cj_status status = to_dataset(&p->run, &image, &data);
    if (status == CJ_OK) row = predict_rows(&p->run, data);
    if (row && p->o->json)
        tell_object(p, path, row);
    else if (row)
        tell_line(p, path, row);
    if (!row) code = failed(status);
    cj_image_free(&image);
    cj_dataset_free(data);
    free(row);
    return code;
}

/* --- arrays -------------------------------------------------------------------------------------------- */

static bool is_array(const char *path)
{
    size_t size = strlen(path);
    return size > 4 && strcmp(path + size - 4, ".npy") == 0;
}

/* Numbers of the other types, which no dataset takes. NULL: out of memory. */
static float *to_floats(const cj_tensor *t)
{
    int64_t count = cj_shape_count(t->shape);
    float *floats = malloc((size_t)count * sizeof *floats + 1);
    for (int64_t i = 0; floats && i < count; i++)
        floats[i] = t->dtype == CJ_F64   ? (float)((const double *)t->data)[i]
                    : t->dtype == CJ_I64 ? (float)((const int64_t *)t->data)[i]
                    : t->dtype == CJ_I32 ? (float)((const int32_t *)t->data)[i]
                                         : (float)((const uint8_t *)t->data)[i];
    return floats;
}

/* `x`: [N,…] with the shape of an example after N. A dataset has targets, so these have zeros: labels, or
 * numbers [N,width]. */
static cj_status array_to_dataset(const prediction *p, const cj_tensor *x, cj_dataset **data)
{
    int64_t count = x->shape.dims[0];
    float *floats = NULL;
    void *targets = calloc((size_t)(count * p->width) + 1, sizeof(float));
    cj_tensor rows = *x, y = {targets, CJ_F32, {.rank = 2, .dims = {count, p->width}}};
    if (classifies(&p->run)) y = (cj_tensor){targets, CJ_I32, {.rank = 1, .dims = {count}}};
    if (x->dtype != CJ_U8 && x->dtype != CJ_F32) {
        rows.data = floats = to_floats(x);
        rows.dtype = CJ_F32;
    }
    cj_status status = rows.data && targets ? cj_dataset_from_tensors(data, &rows, &y) : CJ_OUT_OF_MEMORY;
    free(floats);
    free(targets);
    return status;
}

/* Whether the array has rows of what the network was trained on. */
static bool has_rows(const prediction *p, const char *path, const cj_tensor *x)
{
    cj_shape_t example = cj_recipe_shape(p->run.recipe);
    bool fits = x->shape.rank == example.rank + 1 && x->shape.dims[0] > 0;
    for (int64_t d = 0; d < example.rank && fits; d++) fits = x->shape.dims[d + 1] == example.dims[d];
    if (fits) return true;
    fprintf(stderr, "cajal: %s: found an array of [", path);
    for (int64_t d = 0; d < x->shape.rank; d++)
        fprintf(stderr, d ? ",%lld" : "%lld", (long long)x->shape.dims[d]);
    fprintf(stderr, "], expected [N");
    for (int64_t d = 0; d < example.rank; d++) fprintf(stderr, ",%lld", (long long)example.dims[d]);
    fprintf(stderr, "], rows of what the run was trained on\n");
    return false;
}

static void tell_array(prediction *p, int64_t rows, const float *outputs)
{
    char name[32], number[24];
    if (!p->o->json) printf(classifies(&p->run) ? "row,prediction,probability\n" : "row,prediction\n");
    for (int64_t i = 0; i < rows; i++) {
        const float *row = outputs + i * p->width;
        snprintf(name, sizeof name, "row %lld", (long long)i);
        if (p->o->json)
            tell_object(p, name, row);
        else if (classifies(&p->run))
            printf("%lld,%s,%.6g\n", (long long)i, class_name(&p->run, said_class(&p->run, row), number),
                   probability(&p->run, row, said_class(&p->run, row)));
        else
            printf("%lld,%.9g\n", (long long)i, (double)row[0]);
    }
}

/* Rows in, CSV with class and probability out. */
static int predict_array(prediction *p, const char *path)
{
    cj_tensor_file *file = NULL;
    cj_tensor x;
    cj_dataset *data = NULL;
    float *outputs = NULL;
    cj_status status = cj_tensor_file_open(&file, path);
    if (status == CJ_OK) status = cj_tensor_file_tensor(file, 0, &x);
    bool fits = status != CJ_OK || has_rows(p, path, &x);
    if (status == CJ_OK && fits) status = array_to_dataset(p, &x, &data);
    if (status == CJ_OK && fits) outputs = predict_rows(&p->run, data);
    if (outputs) tell_array(p, x.shape.dims[0], outputs);
    int code = outputs ? EXIT_OK : !fits ? EXIT_FAILED : failed(status);
    cj_tensor_file_close(file);
    cj_dataset_free(data);
    free(outputs);
    return code;
}

/* --- tables -------------------------------------------------------------------------------------------- */

/* In quotes where CSV wants them. */
static void put_field(const char *text)
{
    if (!strpbrk(text, ",\"\n\r")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"') putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void put_header(const prediction *p, const cj_table *table)
{
    size_t size;
    const char *line = cj_table_line(table, -1, &size);
    printf("%.*s,prediction", (int)size, line);
    if (classifies(&p->run)) printf(",probability");
    printf("\n");
}

/* The row as it came, then what is said of it. */
static void put_row(const prediction *p, const cj_table *table, int64_t index, const float *row)
{
    size_t size;
    char number[24];
    const char *line = cj_table_line(table, index, &size);
    printf("%.*s,", (int)size, line);
    if (classifies(&p->run)) {
        int64_t c = said_class(&p->run, row);
        put_field(class_name(&p->run, c, number));
        printf(",%.6g\n", probability(&p->run, row, c));
    } else {
        printf("%.9g\n", (double)row[0]);
    }
}

static void tell_table(prediction *p, const cj_table *table, const float *outputs)
{
    char name[32];
    if (!p->o->json) put_header(p, table);
    for (int64_t i = 0; i < cj_table_rows(table); i++) {
        const float *row = outputs + i * p->width;
        snprintf(name, sizeof name, "row %lld", (long long)i + 1);
        if (p->o->json)
            tell_object(p, name, row);
        else
            put_row(p, table, i, row);
    }
}

static int predict_table(prediction *p, const char *path)
{
    cj_table *table = NULL;
    cj_dataset *data = NULL;
    float *outputs = NULL;
    cj_status status =
        cj_recipe_read_table(p->run.recipe, strcmp(path, "-") == 0 ? "/dev/stdin" : path, &table);
    if (status == CJ_OK) status = cj_preprocessing_apply(p->preprocessing, table, false, &data);
    if (status == CJ_OK && cj_table_rows(table) > 0) outputs = predict_rows(&p->run, data);
    if (outputs || (status == CJ_OK && cj_table_rows(table) == 0)) tell_table(p, table, outputs);
    int code = status == CJ_OK && (outputs || cj_table_rows(table) == 0) ? EXIT_OK : failed(status);
    free(outputs);
    cj_dataset_free(data);
    cj_table_free(table);
    return code;
}

/* --- sentences ----------------------------------------------------------------------------------------- */

enum { SENTENCES_AT_ONCE = 256 };

/* A line out for each line in; nothing is said of nothing. */
static void tell_sentences(prediction *p, const char *const *sentences, int64_t count, const float *outputs)
{
    for (int64_t i = 0; i < count; i++) {
        bool blank = is_blank(sentences[i], strlen(sentences[i]));
        if (p->o->json && !blank) tell_object(p, sentences[i], outputs + i * p->width);
        if (p->o->json) continue;
        if (!blank) tell_ranking(p, outputs + i * p->width);
        printf("\n");
    }
    fflush(stdout);
}

static cj_status predict_some(prediction *p, const lines *l, int64_t first, int64_t count)
{
    cj_dataset *data;
    cj_sentences options = {.size = sizeof options,
                            .sentences = l->list + first,
                            .count = count,
                            .tokenizer = p->tokenizer,
                            .longest = cj_recipe_longest(p->run.recipe),
                            .first = first + 1};
    cj_status status = cj_dataset_of_sentences(&data, &options);
    if (status != CJ_OK) return status;
    p->cut += cj_dataset_cut(data);
    float *outputs = predict_rows(&p->run, data);
    if (outputs) tell_sentences(p, options.sentences, count, outputs);
    cj_dataset_free(data);
    free(outputs);
    return outputs ? CJ_OK : CJ_INTERNAL_ERROR;
}

static int predict_sentences(prediction *p, const char *path)
{
    lines l;
    cj_status status = CJ_OK;
    int code = read_lines(path, &l);
    p->cut = 0;
    if (code == EXIT_OK) cut_labels(&l);
    for (int64_t i = 0; i < l.count && code == EXIT_OK && status == CJ_OK; i += SENTENCES_AT_ONCE) {
        int64_t rest = l.count - i;
        status = predict_some(p, &l, i, rest < SENTENCES_AT_ONCE ? rest : SENTENCES_AT_ONCE);
    }
    if (status != CJ_OK) {
        fflush(stdout);
        code = failed_in(l.name);
    }
    if (p->cut)
        fprintf(stderr, "cajal: %s: sentences cut to the %lld tokens that the network takes: %lld\n", l.name,
                (long long)cj_recipe_longest(p->run.recipe), (long long)p->cut);
    free_lines(&l);
    return code;
}

/* What the run's network does instead; NULL: it predicts. */
static const char *other_use(const cj_recipe *recipe)
{
    if (cj_recipe_translates(recipe)) return "translates: `cajal translate` has it do so";
    if (cj_recipe_is_language(recipe)) return "goes on with texts: `cajal generate` has it do so";
    if (!cj_recipe_is_text(recipe)) return NULL;
    if (cj_recipe_predicts_tokens(recipe))
        return "guesses tokens; of sentences `cajal predict` tells classes (`data.format: labelled`)";
    return cj_recipe_shape(recipe).rank == 1 ? NULL : "answers questions about stories: `cajal ask` asks it";
}

/* A run that was trained on sentences with labels reads others. */
static int open_sentences(prediction *p)
{
    if (!cj_recipe_is_text(p->run.recipe)) return EXIT_OK;
    cj_status status = cj_recipe_open_tokenizer(p->run.recipe, &p->tokenizer);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

/* --- the command --------------------------------------------------------------------------------------- */

static int open_prediction(prediction *p)
{
    int code = open_run(p->o, p->o->operands[0], p->o->files, &p->run);
    p->top = whole_option(p->o->top, 1);
    if (code != EXIT_OK) return code;
    const char *other = other_use(p->run.recipe);
    if (other) return fprintf(stderr, "cajal: %s: the network %s\n", p->o->operands[0], other), EXIT_USAGE;
    p->width = cj_recipe_classes(p->run.recipe);
    p->preprocessing = p->run.preprocessing;
    code = open_sentences(p);
    if (code != EXIT_OK || p->tokenizer) return code;
    if (p->preprocessing || !cj_recipe_is_table(p->run.recipe)) return EXIT_OK;
    fprintf(stderr, "cajal: %s: there is no preprocessing.json, by which its table was prepared\n",
            p->o->operands[0]);
    return EXIT_FAILED;
}

int command_predict(const options *o)
{
    prediction p = {.o = o, .first = true};
    if (o->files < 2) {
        fprintf(stderr,
                "cajal: name a run's folder, and pictures, a table or sentences: runs/mnist-mlp digit.png\n");
        return EXIT_USAGE;
    }
    int code = open_prediction(&p);
    bool opened = code == EXIT_OK;
    if (opened && o->json) printf("[");
    for (int i = 1; i < o->files && opened; i++) {
        const char *path = o->operands[i];
        int one = p.preprocessing  ? predict_table(&p, path)
                  : p.tokenizer    ? predict_sentences(&p, path)
                  : is_array(path) ? predict_array(&p, path)
                                   : predict_picture(&p, path);
        if (one != EXIT_OK) code = one; /* the others are told all the same */
    }
    if (opened && o->json) printf("]\n");
    cj_tokenizer_free(p.tokenizer);
    close_run(&p.run);
    return code;
}
