/* cajal explain: where in a picture the answer of a run's network comes from, and what its layers make of it;
 * texts are explained in explain_text.c. */
#include "explain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    const options *o;
    run run;
    const char *folder; /* for the pictures */
    bool first;         /* no object of the JSON array was printed yet */
    /* of the picture at hand */
    const char *path;
    char stem[STEM];
    cj_image picture;
    cj_dataset *data;
    cj_loader *loader;
    cj_explain_options explain;
    float *answer;    /* [classes] */
    float *map, *one; /* [H,W], of all members and of one */
    bool any;         /* something of this picture was told */
} explaining;

/* --- names of files ------------------------------------------------------------------------------------ */

static void make_folder(const char *folder)
{
    char path[MOST_PATH];
    snprintf(path, sizeof path, "%s", folder);
    for (char *at = path + 1; *at; at++)
        if (*at == '/') *at = 0, (void)mkdir(path, 0777), *at = '/';
    (void)mkdir(path, 0777); /* what could not be made is told when it is written to */
}

bool is_sentence(const char *operand)
{
    return strchr(operand, ' ') && access(operand, F_OK) != 0;
}

/* "frog" of "pictures/frog.png" */
static void stem_of(const char *path, char stem[STEM])
{
    const char *name = strrchr(path, '/'), *dot;
    name = name ? name + 1 : path;
    dot = strrchr(name, '.');
    size_t length = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    if (strcmp(path, "-") == 0) name = "input", length = strlen(name);
    if (is_sentence(path)) name = "sentence", length = strlen(name);
    snprintf(stem, STEM, "%.*s", (int)(length < 150 ? length : 150), name);
}

void choose_stem(const options *o, int index, char stem[STEM])
{
    int same = 1;
    char other[STEM];
    stem_of(o->operands[index], stem);
    for (int i = 1; i < index; i++) {
        stem_of(o->operands[i], other);
        same += strcmp(other, stem) == 0;
    }
    size_t used = strlen(stem);
    if (same > 1) snprintf(stem + used, STEM - used, "-%d", same);
}

static void file_of(const explaining *e, const char *what, char path[MOST_PATH])
{
    snprintf(path, MOST_PATH, *e->stem ? "%.3500s/%.200s-%.40s.png" : "%.3500s/%.200s%.40s.png", e->folder,
             e->stem, what);
}

/* --- telling ------------------------------------------------------------------------------------------- */

static void tell_answer(const explaining *e)
{
    const run *r = &e->run;
    int64_t said = said_class(r, e->answer), asked = e->explain.output;
    char a[24], b[24];
    if (e->o->json) return;
    if (!classifies(r)) {
        printf("%s: %.6g\n", e->path, (double)e->answer[asked]);
        return;
    }
    printf("%s: %s %.4f", e->path, class_name(r, said, a), probability(r, e->answer, said));
    if (asked != said)
        printf("; explained: %s %.4f", class_name(r, asked, b), probability(r, e->answer, asked));
    printf("\n");
}

static void begin_object(explaining *e)
{
    const run *r = &e->run;
    char number[24];
    if (!e->o->json) return;
    printf(e->first ? "{\"input\": " : ",\n {\"input\": ");
    e->first = false;
    json_string(e->path);
    if (classifies(r)) {
        int64_t said = said_class(r, e->answer), asked = e->explain.output;
        printf(", \"class\": ");
        json_string(class_name(r, said, number));
        printf(", \"probability\": %.9g, \"explained\": ", probability(r, e->answer, said));
        json_string(class_name(r, asked, number));
        printf(", \"explained_probability\": %.9g", probability(r, e->answer, asked));
    } else {
        printf(", \"output\": %.9g", (double)e->answer[e->explain.output]);
    }
    printf(", \"pictures\": [");
}

static void end_object(const explaining *e)
{
    if (e->o->json) printf("]}");
}

/* The map of integrated gradients, where its sum is not what it is meant to be. */
static void tell_fault(const cj_explanation *facts)
{
    double difference = facts->score - facts->baseline_score, off = fabs(facts->sum - difference);
    if (off > 1e-3 * fabs(difference))
        printf("             its sum is off by %.2g, more than a thousandth of the difference; more --steps "
               "come "
               "nearer\n",
               off);
}

/* One picture that was written. */
static void tell_file(explaining *e, const char *what, const char *layer, const cj_explanation *facts,
                      const char *file)
{
    bool integrated = facts && strcmp(what, "integrated") == 0;
    double difference = facts ? facts->score - facts->baseline_score : 0;
    if (e->o->json) {
        printf(e->any ? ", {\"method\": " : "{\"method\": ");
        json_string(what);
        if (*layer) printf(", \"layer\": "), json_string(layer);
        printf(", ");
        if (facts) json_number("score", facts->score, ", ");
        if (integrated) json_number("sum", facts->sum, ", "), json_number("difference", difference, ", ");
        printf("\"file\": ");
        json_string(file);
        printf("}");
    } else {
        printf("  %-10s %s", what, file);
        if (*layer) printf("  (%s)", layer);
        if (integrated) printf("  (sums to %.4g of %.4g)", facts->sum, difference);
        printf("\n");
        if (integrated) tell_fault(facts);
    }
    e->any = true;
}

/* --- methods ------------------------------------------------------------------------------------------- */

/* The mean over an ensemble's networks. */
static cj_status mean_map(explaining *e, cj_explanation *mean)
{
    int64_t pixels = e->picture.height * e->picture.width;
    *mean = (cj_explanation){0};
    for (int64_t i = 0; i < pixels; i++) e->map[i] = 0;
    for (int64_t m = 0; m < e->run.count; m++) {
        cj_explanation facts;
        e->explain.model = e->run.models[m];
        cj_status status = cj_explain(&e->explain, e->one, &facts);
        if (status != CJ_OK) return status;
        for (int64_t i = 0; i < pixels; i++) e->map[i] += e->one[i] / (float)e->run.count;
        mean->score += facts.score / (double)e->run.count;
        mean->baseline_score += facts.baseline_score / (double)e->run.count;
        mean->sum += facts.sum / (double)e->run.count;
        memcpy(mean->layer, facts.layer, sizeof mean->layer);
        tell_waiting(m + 1, e->run.count > 1 ? e->run.count : 0);
    }
    return CJ_OK;
}

static cj_status write_map(explaining *e, cj_explain_method method)
{
    char file[MOST_PATH];
    const char *name = cj_explain_method_name(method);
    cj_explanation facts;
    cj_image image = {0};
    e->explain.method = method;
    begin_waiting(e->o, name);
    cj_status status = mean_map(e, &facts);
    end_waiting();
    file_of(e, name, file);
    if (status == CJ_OK) status = cj_heat_picture(&image, &e->picture, e->map, method);
    if (status == CJ_OK) status = cj_image_write_png(file, &image);
    if (status == CJ_OK) tell_file(e, name, facts.layer, &facts, file);
    cj_image_free(&image);
    return status;
}

static cj_status write_features(explaining *e)
{
    char file[MOST_PATH];
    cj_feature_maps maps;
    cj_image image = {0};
    e->explain.model = e->run.models[0];
    cj_status status = cj_feature_maps_make(&maps, &e->explain);
    file_of(e, "features", file);
    if (status == CJ_OK) status = cj_feature_maps_picture(&image, &maps);
    if (status == CJ_OK) status = cj_image_write_png(file, &image);
    if (status == CJ_OK) tell_file(e, "features", maps.layer, NULL, file);
    cj_image_free(&image);
    cj_feature_maps_free(&maps);
    return status;
}

static bool wants(const explaining *e, const char *method)
{
    return strcmp(e->o->method ? e->o->method : "all", method) == 0;
}

/* Where all are wanted, a network without convolutions goes without Grad-CAM. */
static cj_status write_pictures(explaining *e)
{
    cj_status status = CJ_OK;
    if (wants(e, "features")) return write_features(e);
    for (int m = 0; m < CJ_EXPLAIN_METHODS && status == CJ_OK; m++) {
        cj_explain_method method = (cj_explain_method)m;
        if (!wants(e, "all") && !wants(e, cj_explain_method_name(method))) continue;
        status = write_map(e, method);
        if (status == CJ_UNSUPPORTED && method == CJ_GRAD_CAM && wants(e, "all") && !e->o->layer)
            status = CJ_OK;
    }
    return status;
}

/* --- classes ------------------------------------------------------------------------------------------- */

static bool is_class(const explaining *e, int64_t c, const char *word)
{
    char number[24], *end;
    long long asked = strtoll(word, &end, 10);
    if (strcmp(class_name(&e->run, c, number), word) == 0) return true;
    return *word && !*end && asked == c;
}

static int no_such_class(const explaining *e)
{
    char first[24], last[24];
    int64_t classes = classes_in_question(&e->run);
    fprintf(stderr, "cajal: --class is '%s', but must be one of the %lld classes, by number, 0 to %lld",
            e->o->class, (long long)classes, (long long)classes - 1);
    if (cj_recipe_class(e->run.recipe, 0))
        fprintf(stderr, ", or by name, %s to %s", class_name(&e->run, 0, first),
                class_name(&e->run, classes - 1, last));
    fprintf(stderr, "\n");
    return EXIT_USAGE;
}

/* The class that --class names, by a name first, else the one that is said. */
static int choose_class(explaining *e)
{
    int64_t classes = classes_in_question(&e->run);
    e->explain.output = classifies(&e->run) ? said_class(&e->run, e->answer) : 0;
    if (!e->o->class) return EXIT_OK;
    for (int64_t c = 0; c < classes; c++)
        if (is_class(e, c, e->o->class)) return e->explain.output = c, EXIT_OK;
    return no_such_class(e);
}

/* --- one picture --------------------------------------------------------------------------------------- */

static void set_options(explaining *e)
{
    cj_evaluate_options options = cj_recipe_evaluate_options(e->run.recipe);
    e->explain = (cj_explain_options){.size = sizeof e->explain,
                                      .model = e->run.models[0],
                                      .forward = options.forward,
                                      .context = options.context,
                                      .loss = options.loss,
                                      .precision = options.precision,
                                      .layer = e->o->layer,
                                      .samples = whole_option(e->o->samples, 0),
                                      .steps = whole_option(e->o->steps, 0),
                                      .window = whole_option(e->o->window, 0),
                                      .seed = cj_recipe_seed(e->run.recipe)};
}

/* The picture as the network gets it, without the dimension of the batch. */
static cj_status load_example(explaining *e)
{
    cj_batch batch;
    cj_evaluate_options o = cj_recipe_evaluate_options(e->run.recipe);
    cj_status status =
        cj_loader_new(&e->loader, e->data, .batch_size = 1, .scale = o.scale, .shift = o.shift,
                      .mean = o.mean, .deviation = o.deviation, .channels = o.channels, .prefetch = -1);
    if (status != CJ_OK) return status;
    if (!cj_loader_next(e->loader, &batch)) return cj_loader_status(e->loader);
    e->explain.x = (cj_tensor){batch.x.data, CJ_F32, cj_recipe_shape(e->run.recipe)};
    return CJ_OK;
}

static cj_status open_picture(explaining *e)
{
    size_t pixels = (size_t)(e->picture.height * e->picture.width);
    cj_status status = to_dataset(&e->run, &e->picture, &e->data);
    if (status == CJ_OK) status = load_example(e);
    if (status != CJ_OK) return status;
    e->map = calloc(pixels + 1, sizeof *e->map);
    e->one = calloc(pixels + 1, sizeof *e->one);
    e->answer = e->map && e->one ? predict_rows(&e->run, e->data) : NULL;
    return e->answer ? CJ_OK : CJ_OUT_OF_MEMORY;
}

static void close_picture(explaining *e)
{
    cj_loader_free(e->loader);
    cj_dataset_free(e->data);
    cj_image_free(&e->picture);
    free(e->answer);
    free(e->map);
    free(e->one);
    e->loader = NULL;
    e->data = NULL;
    e->answer = e->map = e->one = NULL;
    e->any = false;
}

static int explain_picture(explaining *e, int index)
{
    e->path = e->o->operands[index];
    choose_stem(e->o, index, e->stem);
    int code = read_picture(e->o, &e->run, e->path, &e->picture);
    if (code == EXIT_OK) {
        set_options(e);
        cj_status status = open_picture(e);
        if (status != CJ_OK) code = failed(status);
    }
    if (code == EXIT_OK) code = choose_class(e);
    if (code == EXIT_OK) {
        tell_answer(e);
        begin_object(e);
        cj_status status = write_pictures(e);
        end_object(e);
        if (status != CJ_OK) code = failed(status);
    }
    close_picture(e);
    return code;
}

/* --- filters ------------------------------------------------------------------------------------------- */

static cj_status write_filters(explaining *e, float *nothing)
{
    char file[MOST_PATH];
    int64_t channels;
    cj_feature_maps filters;
    cj_image image = {0};
    set_options(e);
    e->explain.x = (cj_tensor){nothing, CJ_F32, cj_recipe_shape(e->run.recipe)};
    cj_status status = cj_filters_make(&filters, &channels, &e->explain);
    file_of(e, "filters", file);
    if (status == CJ_OK) status = cj_filters_picture(&image, &filters, channels);
    if (status == CJ_OK) status = cj_image_write_png(file, &image);
    if (status == CJ_OK) tell_file(e, "filters", filters.layer, NULL, file);
    cj_image_free(&image);
    cj_feature_maps_free(&filters);
    return status;
}

/* They are the network's, whatever it is shown. */
static int show_filters(explaining *e)
{
    if (e->o->files > 1)
        return fprintf(stderr, "cajal: filters are the network's, not a picture's; name no picture with "
                               "--method filters\n"),
               EXIT_USAGE;
    float *nothing = calloc((size_t)cj_shape_count(cj_recipe_shape(e->run.recipe)) + 1, sizeof *nothing);
    cj_status status = nothing ? write_filters(e, nothing) : CJ_OUT_OF_MEMORY;
    free(nothing);
    return status == CJ_OK ? EXIT_OK : failed(status);
}

/* --- the command --------------------------------------------------------------------------------------- */

/* What is there for texts is not for pictures, and the other way round. */
static int check_method(const explaining *e)
{
    bool text = cj_recipe_is_text(e->run.recipe), for_text = e->o->method && is_text_method(e->o->method);
    if (!e->o->method || strcmp(e->o->method, "all") == 0 || text == for_text) return EXIT_OK;
    return fprintf(stderr, "cajal: --method %s is for %s, but %s was trained on %s\n", e->o->method,
                   for_text ? "texts" : "pictures", e->o->operands[0], text ? "text" : "no text"),
           EXIT_USAGE;
}

/* So are options; of texts only networks that sort them have classes. */
static int check_options(const explaining *e)
{
    const options *o = e->o;
    bool text = cj_recipe_is_text(e->run.recipe);
    const char *wrong = !text        ? (o->cells ? "cells" : NULL)
                        : o->layer   ? "layer"
                        : o->samples ? "samples"
                        : o->steps   ? "steps"
                        : o->window  ? "window"
                        : o->invert  ? "invert"
                                     : NULL;
    if (wrong)
        return fprintf(stderr, "cajal: --%s is for %s, but %s was trained on %s\n", wrong,
                       text ? "pictures" : "texts", o->operands[0], text ? "text" : "no text"),
               EXIT_USAGE;
    if (!o->class || !text || !cj_recipe_predicts_tokens(e->run.recipe)) return EXIT_OK;
    return fprintf(stderr, "cajal: --class is for networks that tell classes; %s tells tokens\n",
                   o->operands[0]),
           EXIT_USAGE;
}

static int explain_pictures(explaining *e, bool filters)
{
    int code = EXIT_OK;
    if (e->o->json) printf("[");
    if (filters) code = show_filters(e);
    for (int i = 1; i < e->o->files && !filters; i++) {
        int one = explain_picture(e, i);
        if (one != EXIT_OK) code = one; /* the others are told all the same */
    }
    if (e->o->json) printf("]\n");
    return code;
}

int command_explain(const options *o)
{
    explaining e = {.o = o, .first = true, .folder = o->out ? o->out : "explained"};
    bool filters = o->method && strcmp(o->method, "filters") == 0;
    if (o->files < 1 || (o->files < 2 && !filters))
        return fprintf(stderr, "cajal: name a run's folder, or a recipe with weights, and pictures or texts: "
                               "runs/mnist-cnn digit.png\n"),
               EXIT_USAGE;
    int code = open_run(o, o->operands[0], o->files, &e.run);
    if (code == EXIT_OK) code = check_method(&e);
    if (code == EXIT_OK) code = check_options(&e);
    if (code == EXIT_OK) {
        make_folder(e.folder);
        code = cj_recipe_is_text(e.run.recipe) ? explain_texts(o, &e.run, e.folder)
                                               : explain_pictures(&e, filters);
    }
    close_run(&e.run);
    return code;
}
