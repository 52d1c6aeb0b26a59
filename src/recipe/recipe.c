/* Recipes: settings checked against one list of keys, and turned into the options of train.h. */
#include "recipe/recipe.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    cj__kind kind;
    const char *standard;
} keys[] = {
#define KEY_ROW(id, name, kind, standard) {name, kind, standard},
    CJ__RECIPE_KEYS(KEY_ROW)
#undef KEY_ROW
};

/* What each layer is drawn by, and whether it takes a number. */
typedef struct {
    const char *name;
    enum { NO_VALUE, UNITS, RATE } value;
    cj_value (*draw)(cj_value x);
} layer_kind;

static const layer_kind layer_kinds[] = {
    {"dense", UNITS, NULL},         {"dropout", RATE, NULL},           {"flatten", NO_VALUE, cj_flatten},
    {"relu", NO_VALUE, cj_relu},    {"gelu", NO_VALUE, cj_gelu},       {"silu", NO_VALUE, cj_silu},
    {"tanh", NO_VALUE, cj_tanh},    {"sigmoid", NO_VALUE, cj_sigmoid}, {"selu", NO_VALUE, cj_selu},
    {"layer_norm", NO_VALUE, NULL},
};
enum { LAYER_KINDS = sizeof layer_kinds / sizeof *layer_kinds };

/* --- mistakes: the nearest known word, by Levenshtein's distance --------------------------------------- */

static int smallest(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

static int distance(const char *a, const char *b)
{
    int row[128], n = (int)strlen(b);
    if (n > 126) return 1000;
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; *a; a++, i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, corner + (*a != b[j - 1]));
            corner = above;
        }
    }
    return row[n];
}

static const char *nearest_key(const char *wrong)
{
    int best = 0;
    for (int i = 1; i < CJ__KEY_COUNT; i++)
        if (distance(wrong, keys[i].name) < distance(wrong, keys[best].name)) best = i;
    return keys[best].name;
}

static const char *nearest_layer(const char *wrong)
{
    int best = 0;
    for (int i = 1; i < LAYER_KINDS; i++)
        if (distance(wrong, layer_kinds[i].name) < distance(wrong, layer_kinds[best].name)) best = i;
    return layer_kinds[best].name;
}

/* "recipes/x.yaml:12" or "override" */
static const char *place(const cj_recipe *r, int line, char text[300])
{
    if (line)
        snprintf(text, 300, "%.250s:%d", r->path, line);
    else
        snprintf(text, 300, "override");
    return text;
}

/* --- setting ------------------------------------------------------------------------------------------- */

static const char *wrong_kind(cj__kind kind, const char *value)
{
    char *end;
    double number = cj__parse_number(value, &end);
    bool is_number = *value && !*end && number == number;
    if (kind == CJ__NUMBER && !is_number) return "a number";
    if (kind == CJ__COUNT &&
        !(is_number && number >= 0 && number < 9e15 && number == (double)(int64_t)number))
        return "a whole number";
    if (kind == CJ__TRUTH && strcmp(value, "true") && strcmp(value, "false")) return "true or false";
    return NULL;
}

cj_status cj__recipe_set(cj_recipe *r, int line, const char *key, const char *value)
{
    char where[300];
    for (int i = 0; i < CJ__KEY_COUNT; i++) {
        if (strcmp(key, keys[i].name) != 0) continue;
        const char *wanted = wrong_kind(keys[i].kind, value);
        if (wanted)
            return cj__fail(CJ_INVALID_ARGUMENT, "%s: %s is '%.80s', but must be %s", place(r, line, where),
                            key, value, wanted);
        r->values[i] = cj__arena_string(&r->arena, value);
        return r->values[i] ? CJ_OK : cj__out_of_memory(strlen(value), key);
    }
    return cj__fail(CJ_INVALID_ARGUMENT, "%s: there is no key '%.80s'; did you mean '%s'?",
                    place(r, line, where), key, nearest_key(key));
}

cj_status cj__recipe_layer(cj_recipe *r, int line, const char *name, const char *value)
{
    char where[300];
    const layer_kind *kind = NULL;
    for (int i = 0; i < LAYER_KINDS; i++)
        if (strcmp(layer_kinds[i].name, name) == 0) kind = &layer_kinds[i];
    if (!kind)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: there is no layer '%.80s'; did you mean '%s'?",
                        place(r, line, where), name, nearest_layer(name));
    if ((kind->value != NO_VALUE) != (value != NULL))
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: layer %s takes %s", place(r, line, where), name,
                        value ? "no value" : "a number");
    if (value && wrong_kind(kind->value == UNITS ? CJ__COUNT : CJ__NUMBER, value))
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: layer %s has '%.80s', but needs %s", place(r, line, where),
                        name, value, kind->value == UNITS ? "a number of units" : "a rate from 0 up to 1");
    if (r->layer_count == CJ__MOST_LAYERS)
        return cj__fail(CJ_UNSUPPORTED, "%s: a recipe has at most %d layers", place(r, line, where),
                        CJ__MOST_LAYERS);
    r->layers[r->layer_count++] = (cj__layer){kind->name, value ? cj__parse_number(value, NULL) : 0};
    return CJ_OK;
}

static cj_status override(cj_recipe *r, const char *text)
{
    char key[128];
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || equals - text >= (ptrdiff_t)sizeof key)
        return cj__fail(CJ_INVALID_ARGUMENT, "override '%.80s' is not of the form key=value", text);
    memcpy(key, text, (size_t)(equals - text));
    key[equals - text] = 0;
    return cj__recipe_set(r, 0, key, equals + 1);
}

static cj_optimizer_kind optimizer_kind(const char *name, bool *known)
{
    static const char *const names[] = {"sgd", "rmsprop", "adagrad", "adam", "adamw", "lion"};
    *known = true;
    for (int i = 0; i < 6; i++)
        if (strcmp(name, names[i]) == 0) return (cj_optimizer_kind)i;
    *known = false;
    return CJ_SGD;
}

static cj_status check(const cj_recipe *r)
{
    bool known;
    optimizer_kind(r->values[CJ__KEY_optimizer], &known);
    if (!known)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "%s: optimizer.name is '%.80s'; there are sgd, rmsprop, adagrad, adam, adamw, lion",
                        r->path, r->values[CJ__KEY_optimizer]);
    if (cj_recipe_classes(r) < 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: `model` needs a dense layer", r->path);
    if (cj__recipe_number(r, CJ__KEY_batch_size) < 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: training.batch_size must be at least 1", r->path);
    return CJ_OK;
}

cj_status cj_recipe_read(cj_recipe **recipe, const char *path, int count, const char *const *overrides)
{
    cj_recipe *r = cj__allocate_zeroed(sizeof *r);
    *recipe = NULL;
    if (!r) return cj__out_of_memory(sizeof *r, "a recipe");
    for (int i = 0; i < CJ__KEY_COUNT; i++) r->values[i] = keys[i].standard;
    r->path = cj__arena_string(&r->arena, path);
    cj_status status = r->path ? cj__recipe_parse(r) : cj__out_of_memory(strlen(path), "a recipe");
    for (int i = 0; i < count && status == CJ_OK; i++) status = override(r, overrides[i]);
    if (status == CJ_OK) status = check(r);
    if (status != CJ_OK)
        cj_recipe_free(r);
    else
        *recipe = r;
    return status;
}

void cj_recipe_free(cj_recipe *recipe)
{
    if (!recipe) return;
    cj__arena_free(&recipe->arena);
    cj__free(recipe);
}

/* --- using --------------------------------------------------------------------------------------------- */

const char *cj_recipe_name(const cj_recipe *recipe)
{
    return recipe->values[CJ__KEY_name];
}

double cj__recipe_number(const cj_recipe *recipe, cj__key key)
{
    return cj__parse_number(recipe->values[key], NULL);
}

uint64_t cj_recipe_seed(const cj_recipe *recipe)
{
    return (uint64_t)cj__recipe_number(recipe, CJ__KEY_seed);
}

int64_t cj_recipe_classes(const cj_recipe *recipe)
{
    for (int i = recipe->layer_count - 1; i >= 0; i--)
        if (strcmp(recipe->layers[i].name, "dense") == 0) return (int64_t)recipe->layers[i].value;
    return 0;
}

cj_status cj_recipe_text(const cj_recipe *r, char **text)
{
    cj__text t = {0};
    for (int i = 0; i < CJ__KEY_COUNT; i++) cj__text_print(&t, "%s: %s\n", keys[i].name, r->values[i]);
    cj__text_put(&t, "model:\n");
    for (int i = 0; i < r->layer_count; i++)
        cj__text_print(&t, "  - %s: %g\n", r->layers[i].name, r->layers[i].value);
    cj_status status = cj__text_check(&t, "a recipe's text");
    if (status != CJ_OK) cj__text_free(&t);
    *text = t.data;
    return status;
}

static cj_value draw_layer(cj_scope s, const cj__layer *layer, cj_value x)
{
    if (strcmp(layer->name, "dense") == 0) {
        cj_dense_options options = {
            .size = sizeof options, .input = cj_flatten(x), .units = (int64_t)layer->value};
        return cj_dense(s, &options);
    }
    if (strcmp(layer->name, "dropout") == 0) return cj_dropout(s, x, layer->value);
    if (strcmp(layer->name, "layer_norm") == 0) {
        cj_layer_norm_options options = {.size = sizeof options, .input = x};
        return cj_layer_norm(s, &options);
    }
    for (int i = 0; i < LAYER_KINDS; i++)
        if (strcmp(layer_kinds[i].name, layer->name) == 0) return layer_kinds[i].draw(x);
    return x;
}

/* Layers are named by their position, as in PyTorch's Sequential. */
cj_value cj_recipe_forward(cj_scope scope, cj_value x, void *context)
{
    const cj_recipe *r = context;
    for (int i = 0; i < r->layer_count; i++) x = draw_layer(cj_at(scope, "%d", i), &r->layers[i], x);
    return x;
}

cj_status cj_recipe_data(const cj_recipe *recipe, bool test, cj_dataset **dataset)
{
    return cj_dataset_open(dataset, recipe->values[CJ__KEY_data_name], test);
}

cj_fit_options cj_recipe_fit_options(cj_recipe *r)
{
    bool known;
    cj_optimizer optimizer = {.kind = optimizer_kind(r->values[CJ__KEY_optimizer], &known),
                              .learning_rate = cj__recipe_number(r, CJ__KEY_learning_rate),
                              .momentum = cj__recipe_number(r, CJ__KEY_momentum),
                              .nesterov = strcmp(r->values[CJ__KEY_nesterov], "true") == 0,
                              .weight_decay = cj__recipe_number(r, CJ__KEY_weight_decay),
                              .beta1 = cj__recipe_number(r, CJ__KEY_beta1),
                              .beta2 = cj__recipe_number(r, CJ__KEY_beta2),
                              .epsilon = cj__recipe_number(r, CJ__KEY_epsilon),
                              .clip_norm = cj__recipe_number(r, CJ__KEY_clip_norm)};
    return (cj_fit_options){.size = sizeof(cj_fit_options),
                            .forward = cj_recipe_forward,
                            .context = r,
                            .validation = cj__recipe_number(r, CJ__KEY_data_validation),
                            .scale = cj__recipe_number(r, CJ__KEY_data_scale),
                            .shift = cj__recipe_number(r, CJ__KEY_data_shift),
                            .batch_size = (int64_t)cj__recipe_number(r, CJ__KEY_batch_size),
                            .epochs = (int64_t)cj__recipe_number(r, CJ__KEY_epochs),
                            .optimizer = optimizer,
                            .label_smoothing = cj__recipe_number(r, CJ__KEY_label_smoothing),
                            .seed = cj_recipe_seed(r)};
}

cj_evaluate_options cj_recipe_evaluate_options(cj_recipe *r)
{
    return (cj_evaluate_options){.size = sizeof(cj_evaluate_options),
                                 .forward = cj_recipe_forward,
                                 .context = r,
                                 .scale = cj__recipe_number(r, CJ__KEY_data_scale),
                                 .shift = cj__recipe_number(r, CJ__KEY_data_shift),
                                 .batch_size = (int64_t)cj__recipe_number(r, CJ__KEY_batch_size),
                                 .classes = cj_recipe_classes(r)};
}
