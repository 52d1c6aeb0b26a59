/* cajal summary --model and --models: what networks known by name consist of and cost, without any data. */
#include "cli.h"
#include "look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_SIDE = 65536 };

/* A network drawn for one picture; its weights have no values. */
static cj_status draw_network(const char *name, cj_shape_t picture, int64_t classes, drawing *d)
{
    *d = (drawing){0};
    cj_status status = cj_model_new(&d->model, .no_values = true);
    if (status == CJ_OK) status = cj_graph_new(&d->graph, d->model);
    if (status != CJ_OK) return status;
    cj_value x = cj_input(d->graph, "x", CJ_F32, picture);
    cj_network_options options = {.size = sizeof options, .input = x, .classes = classes};
    cj_output(d->graph, "y", cj_network(cj_root(d->graph), name, &options));
    return cj_graph_status(d->graph);
}

static cj_shape_t usual_picture(const cj_network_facts *n)
{
    return cj_shape(1, n->height, n->width, n->channels);
}

/* 25557032 → "25,557,032" */
static const char *in_thousands(double number, char text[40])
{
    char digits[40];
    int length = snprintf(digits, sizeof digits, "%.0f", number), used = 0;
    for (int i = 0; i < length && used < 38; i++) {
        if (i && (length - i) % 3 == 0) text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = 0;
    return text;
}

/* --- all of them --------------------------------------------------------------------------------------- */

static cj_status list_network(const cj_network_facts *n)
{
    drawing d;
    char input[64], parameters[40], multiply_adds[40];
    cj_status status = draw_network(n->name, usual_picture(n), 0, &d);
    if (status == CJ_OK) {
        cj_graph_facts facts = cj_graph_describe(d.graph);
        snprintf(input, sizeof input, "%lldx%lldx%lld", (long long)n->height, (long long)n->width,
                 (long long)n->channels);
        printf("%-22s %-9s %13s %15s  %s\n", n->name, input,
               in_thousands((double)facts.parameters, parameters),
               in_thousands(facts.multiply_adds, multiply_adds), n->about);
    }
    discard_step(&d);
    return status;
}

/* Their sizes are a recipe's, and what they read its data's. */
static void list_text_networks(void)
{
    const char *name;
    printf("\nNetworks for texts are drawn for a recipe, which names their sizes and data; `cajal summary "
           "RECIPE` shows one:\n");
    for (int64_t i = 0; (name = cj_recipe_text_network(i)); i++) printf("%s%s", i ? ", " : "", name);
    printf("\n");
}

int list_networks(void)
{
    cj_network_facts n;
    cj_status status = CJ_OK;
    printf("%-22s %-9s %13s %15s  %s\n", "name", "input", "parameters", "multiply-adds", "what it is");
    for (int64_t i = 0; cj_network_at(i, &n) && status == CJ_OK; i++) status = list_network(&n);
    if (status != CJ_OK) return failed(status);
    printf("\nMultiply-adds are those of convolutions and dense layers for one picture, two floating-point "
           "operations each.\n");
    list_text_networks();
    return EXIT_OK;
}

/* --- one of them --------------------------------------------------------------------------------------- */

/* "224x224" or "224x224x3" */
static bool read_picture(const char *text, cj_shape_t *picture)
{
    int64_t sides[3] = {0, 0, picture->dims[3]};
    int count = 0;
    for (char *end = NULL; count < 3; text = end + 1) {
        long side = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : 0;
        if (side < 1 || side > LARGEST_SIDE) return false;
        sides[count++] = side;
        if (!*end) break;
        if (*end != 'x' || count == 3) return false;
    }
    *picture = cj_shape(1, sides[0], sides[1], sides[2]);
    return count >= 2;
}

static cj_network_facts facts_of(const char *name)
{
    cj_network_facts n;
    for (int64_t i = 0; cj_network_at(i, &n); i++)
        if (strcmp(n.name, name) == 0) return n;
    return (cj_network_facts){.name = name, .about = "", .height = 1, .width = 1, .channels = 1};
}

static cj_status print_network(const cj_network_facts *n, const drawing *d)
{
    char *layers, parameters[40], multiply_adds[40];
    cj_status status = cj_graph_summary(d->graph, &layers);
    if (status != CJ_OK) return status;
    cj_graph_facts facts = cj_graph_describe(d->graph);
    cj_program_facts program = cj_program_describe(d->program);
    double weights = model_megabytes(d->model), values = (double)program.run_bytes / 1e6;
    printf("%s: %s\n\n%s", n->name, n->about, layers);
    printf("one picture: %s multiply-adds, %.3f GFLOP at two each; %s parameters\n",
           in_thousands(facts.multiply_adds, multiply_adds), 2e-9 * facts.multiply_adds,
           in_thousands((double)facts.parameters, parameters));
    printf("inference of it: %lld kernels, memory %.2f MB: weights %.2f, intermediate values %.2f\n",
           (long long)program.steps, weights + values, weights, values);
    cj_text_free(layers);
    return CJ_OK;
}

static bool is_for_texts(const char *name)
{
    int64_t i = 0;
    while (cj_recipe_text_network(i) && strcmp(cj_recipe_text_network(i), name) != 0) i++;
    return cj_recipe_text_network(i) != NULL;
}

int show_network(const options *o)
{
    drawing d;
    if (is_for_texts(o->model))
        return fprintf(stderr,
                       "cajal: %s is a network for texts, drawn for a recipe that names its sizes and data: "
                       "`cajal summary RECIPE` shows it\n",
                       o->model),
               EXIT_USAGE;
    cj_network_facts n = facts_of(o->model);
    cj_shape_t picture = usual_picture(&n);
    if (o->input && !read_picture(o->input, &picture))
        return fprintf(stderr, "cajal: --input is '%s', but must be HxW or HxWxC, as in 224x224x3\n",
                       o->input),
               EXIT_USAGE;
    int code = use_threads(o);
    if (code != EXIT_OK) return code;
    cj_status status = draw_network(n.name, picture, whole_option(o->classes, 0), &d);
    if (status == CJ_OK) status = cj_compile(&d.program, d.graph);
    if (status == CJ_OK) status = print_network(&n, &d);
    if (status != CJ_OK) code = failed(status);
    discard_step(&d);
    return code;
}
