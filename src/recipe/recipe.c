/* Recipes: settings checked against one list of keys, and turned into the options of train.h. */
#include "recipe/recipe.h"
#include "base/shape.h"
#include "base/text.h"
#include "cajal/models.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const cj__key_facts cj__recipe_keys[CJ__KEY_COUNT] = {
#define KEY_ROW(id, name, kind, standard, choices) {name, kind, standard, choices},
    CJ__RECIPE_KEYS(KEY_ROW)
#undef KEY_ROW
};
#define keys cj__recipe_keys

bool cj_recipe_key_at(int64_t index, cj_recipe_key *key)
{
    static const char *const kinds[] = {
        "text",   "number", "whole number", "whole number",     "truth",
        "choice", "list",   "mapping",      "list of mappings", "bytes"}; /* in the order of cj__kind */
    if (index < 0 || index >= CJ__KEY_COUNT) return false;
    const cj__key_facts *facts = &keys[index];
    *key = (cj_recipe_key){facts->name, kinds[facts->kind], facts->standard, facts->choices};
    return true;
}

static const char *key_at(int index)
{
    return index < CJ__KEY_COUNT ? keys[index].name : NULL;
}

static const cj__family *const families[] = {&cj__language_models, &cj__classifiers, &cj__translators,
                                             &cj__memory_networks};
enum { FAMILIES = sizeof families / sizeof *families };
static const char SEEING[] = "classes|channels|whiten"; /* what networks that see take */

const char *cj_recipe_text_network(int64_t index)
{
    for (int f = 0; f < FAMILIES; f++)
        for (int i = 0; families[f]->networks[i].name; i++)
            if (index-- == 0) return families[f]->networks[i].name;
    return NULL;
}

/* Those for texts, then those that see. */
static const char *network_at(int index)
{
    cj_network_facts facts;
    int texts = 0;
    while (texts <= index && cj_recipe_text_network(texts)) texts++;
    if (texts > index) return cj_recipe_text_network(index);
    return cj_network_at(index - texts, &facts) ? facts.name : NULL;
}

int cj__recipe_member(const cj_recipe *r, const cj__family *family)
{
    int index = 0;
    const char *name = r->values[CJ__KEY_model_name];
    while (family->networks[index].name && strcmp(name, family->networks[index].name) != 0) index++;
    return index;
}

bool cj__recipe_is_of(const cj_recipe *r, const cj__family *family)
{
    return family->networks[cj__recipe_member(r, family)].name != NULL;
}

static const cj__family *family_of(const cj_recipe *r)
{
    for (int f = 0; f < FAMILIES; f++)
        if (cj__recipe_is_of(r, families[f])) return families[f];
    return NULL;
}

const cj__key_facts *cj__recipe_key_named(const char *name)
{
    for (int i = 0; i < CJ__KEY_COUNT; i++)
        if (strcmp(name, keys[i].name) == 0) return &keys[i];
    return NULL;
}

static bool find_network(const char *name, cj_network_facts *facts)
{
    for (int i = 0; cj_network_at(i, facts); i++)
        if (strcmp(facts->name, name) == 0) return true;
    return false;
}

const char *cj__recipe_place(const cj_recipe *r, int line, char text[300])
{
    if (line)
        snprintf(text, 300, "%.250s:%d", r->path, line);
    else
        snprintf(text, 300, "override");
    return text;
}

/* --- setting ------------------------------------------------------------------------------------------- */

bool cj__recipe_is_number(const char *value, double *number)
{
    char *end;
    *number = cj__parse_number(value, &end);
    return *value && !isspace((unsigned char)*value) && !*end && *number == *number && *number - *number == 0;
}

bool cj__recipe_is_whole(const char *value, bool negative)
{
    double number;
    return cj__recipe_is_number(value, &number) && fabs(number) < 9e15 && number == (double)(int64_t)number &&
           (negative || number >= 0);
}

static bool has_empty_item(const char *list)
{
    for (const char *at = list; *at; at++)
        if (*at == ',' && (at == list || at[1] == ',' || !at[1])) return true;
    return false;
}

/* A number and its unit, in whatever case, as bytes, at least 1; negative where it is none. */
static double bytes_in(const char *text)
{
    static const struct {
        const char *name;
        double bytes;
    } units[] = {{"B", 1},   {"", 1},    {"kB", 1e3},     {"MB", 1e6},     {"GB", 1e9},    {"k", 1e3},
                 {"M", 1e6}, {"G", 1e9}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}};
    char *end;
    double number = cj__parse_number(text, &end);
    if (end == text) return -1;
    while (*end == ' ') end++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(end, units[i].name) == 0 && number * units[i].bytes >= 1 &&
            number * units[i].bytes < 9e15)
            return number * units[i].bytes;
    return -1;
}

/* What the value should have been; NULL when it is right. */
static const char *wrong_kind(const cj__key_facts *key, const char *value)
{
    double number;
    switch (key->kind) {
    case CJ__NUMBER:
        return cj__recipe_is_number(value, &number) ? NULL : "a number";
    case CJ__COUNT:
        return cj__recipe_is_whole(value, false) ? NULL : "a whole number from 0 on";
    case CJ__INTEGER:
        return cj__recipe_is_whole(value, true) ? NULL : "a whole number";
    case CJ__TRUTH:
        return cj__text_choice("true|false", value) >= 0 ? NULL : "true or false";
    case CJ__CHOICE:
        return cj__text_choice(key->choices, value) >= 0 ? NULL : key->choices;
    case CJ__MAP:
        return cj__recipe_mapping_fits(key, value) ? NULL : "a mapping: {'module.': ''}";
    case CJ__MAPS:
        return cj__recipe_mapping_fits(key, value) ? NULL : "a list of mappings with the fields of ";
    case CJ__BYTES:
        return !*value || bytes_in(value) > 0
                   ? NULL
                   : "a number of bytes: 2GB, 512MB, 1.5GiB (B, kB, MB, GB, KiB, MiB or GiB)";
    case CJ__LIST:
        return has_empty_item(value) ? "a list without empty items" : NULL;
    default:
        return NULL;
    }
}

cj_status cj__recipe_set(cj_recipe *r, int line, const char *key, const char *value)
{
    char where[300];
    for (int i = 0; i < CJ__KEY_COUNT; i++) {
        if (strcmp(key, keys[i].name) != 0) continue;
        const char *wanted = wrong_kind(&keys[i], value);
        if (wanted)
            return cj__fail(CJ_INVALID_ARGUMENT, "%s: %s is '%.80s', but must be %s%s%s",
                            cj__recipe_place(r, line, where), key, value,
                            keys[i].kind == CJ__CHOICE ? "one of " : "", wanted,
                            keys[i].kind == CJ__MAPS ? keys[i].choices : "");
        if (line && r->lines[i])
            return cj__fail(CJ_INVALID_ARGUMENT, "%s: %s is given a second time; line %d has it already",
                            cj__recipe_place(r, line, where), key, r->lines[i]);
        r->lines[i] = line;
        r->values[i] = cj__arena_string(&r->arena, value);
        return r->values[i] ? CJ_OK : cj__out_of_memory(strlen(value), key);
    }
    return cj__fail(CJ_INVALID_ARGUMENT, "%s: there is no key '%.80s'; did you mean '%s'?",
                    cj__recipe_place(r, line, where), key, cj__nearest_word(key, key_at));
}

static cj_status override(cj_recipe *r, const char *text)
{
    char key[128];
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || equals - text >= (ptrdiff_t)sizeof key)
        return cj__fail(CJ_INVALID_ARGUMENT, "override '%.80s' is not of the form key=value", text);
    memcpy(key, text, (size_t)(equals - text));
    key[equals - text] = 0;
    if (strcmp(key, "augment") == 0) return cj__recipe_augment_instead(r, equals + 1);
    CJ__TRY(cj__recipe_set(r, 0, key, equals + 1));
    r->overridden[cj__recipe_key_named(key) - keys] = true;
    return CJ_OK;
}

cj_status cj__recipe_bad_value(const cj_recipe *r, cj__key key, const char *wanted)
{
    return cj__fail(CJ_INVALID_ARGUMENT, "%s: %s is '%.80s', but must be %s",
                    r->overridden[key] ? "override" : r->path, keys[key].name, r->values[key], wanted);
}

cj_status cj__recipe_check_share(const cj_recipe *r, cj__key key)
{
    double share = cj__recipe_number(r, key);
    return share >= 0 && share < 1 ? CJ_OK : cj__recipe_bad_value(r, key, "a share from 0 up to 1");
}

cj_status cj__recipe_check_range(const cj_recipe *r, cj__key key, int64_t least, int64_t most,
                                 const char *wanted)
{
    int64_t number = cj__recipe_count(r, key);
    return number >= least && number <= most ? CJ_OK : cj__recipe_bad_value(r, key, wanted);
}

cj_status cj__recipe_check_size(const cj_recipe *r, cj__key key)
{
    return cj__recipe_check_range(r, key, 1, 1 << 24, "1 or more, and 16,777,216 at most");
}

/* A run's own recipe has every key, at its standard where nothing was said. */
static bool is_standard(const cj_recipe *r, int key)
{
    double given, standard;
    if (strcmp(r->values[key], keys[key].standard) == 0) return true;
    return keys[key].kind != CJ__TEXT && cj__recipe_is_number(r->values[key], &given) &&
           cj__recipe_is_number(keys[key].standard, &standard) && given == standard;
}

bool cj__recipe_is_said(const cj_recipe *r, cj__key key)
{
    return !r->saved || r->overridden[key];
}

cj_status cj__recipe_check_taken(const cj_recipe *r, cj__key first, cj__key last, const char *user,
                                 const char *takes)
{
    char where[300];
    for (int i = (int)first; i <= (int)last; i++)
        if (cj__text_choice(takes, strchr(keys[i].name, '.') + 1) < 0 && !is_standard(r, i) &&
            cj__recipe_is_said(r, (cj__key)i))
            return cj__fail(CJ_INVALID_ARGUMENT, "%s: %s is '%.80s', which %s has no use for: it takes %s",
                            cj__recipe_place(r, r->lines[i], where), keys[i].name, r->values[i], user,
                            *takes ? takes : "none of these keys");
    return CJ_OK;
}

/* The keys of `model` that the network has no use for. */
static cj_status check_taken(const cj_recipe *r, const char *network, const char *takes)
{
    return cj__recipe_check_taken(r, CJ__KEY_model_classes, CJ__KEY_model_epsilon, network, takes);
}

static cj_status check_model(cj_recipe *r)
{
    const cj__family *family = family_of(r);
    cj_network_facts facts;
    const char *name = r->values[CJ__KEY_model_name];
    if (*name && r->layer_count)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: `model` has both a name and layers", r->path);
    if (family) {
        CJ__TRY(check_taken(r, name, family->networks[cj__recipe_member(r, family)].takes));
        return family->check(r);
    }
    bool found = find_network(name, &facts);
    if (*name && !found)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: there is no network '%.80s'; did you mean '%s'?", r->path,
                        name, cj__nearest_word(name, network_at));
    if (found && facts.pixelwise)
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "%s: model.name is '%s', which gives something for every pixel, and recipes train "
                        "networks that give classes or numbers for each example; hint: train it from C "
                        "(cj_network, docs/models.md)",
                        r->path, name);
    if (found) CJ__TRY(check_taken(r, name, SEEING));
    if (r->layer_count) CJ__TRY(check_taken(r, "a list of layers", ""));
    if (cj_recipe_classes(r) < 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: `model` needs a dense layer, or the name of a network",
                        r->path);
    return CJ_OK;
}

/* Each a finite number from 0 on. */
static bool are_weights(const double *weights, int64_t count)
{
    for (int64_t i = 0; i < count && i < CJ__MOST_CLASS_WEIGHTS; i++)
        if (!(weights[i] >= 0 && weights[i] <= DBL_MAX)) return false;
    return count >= 0;
}

/* One example's dimensions; a batch has one more. */
static bool is_shape(const cj_recipe *r)
{
    double dims[CJ_MAX_RANK];
    int64_t rank = cj__recipe_list(r, CJ__KEY_data_shape, dims, CJ_MAX_RANK);
    bool good = rank >= 0 && rank < CJ_MAX_RANK;
    for (int64_t d = 0; d < rank && good; d++)
        good = dims[d] >= 0 && dims[d] < 9e15 && dims[d] == (double)(int64_t)dims[d];
    return good && cj__shape_valid(cj_recipe_shape(r));
}

/* Of labelled sentences the classes are known when they have been read. */
cj_status cj__recipe_check_weights(const cj_recipe *r)
{
    int64_t weights = cj__recipe_list(r, CJ__KEY_class_weights, NULL, 0);
    int64_t classes = cj_recipe_loss(r) == CJ_BINARY_CROSS_ENTROPY ? 2 : cj_recipe_classes(r);
    if (weights <= 0 || weights == classes || classes == 0) return CJ_OK;
    return cj__recipe_bad_value(r, CJ__KEY_class_weights, "a list of one number for each class");
}

/* A rate that a decay of a tenth meets in every step is nothing after ten. */
static cj_status check_schedule(const cj_recipe *r)
{
    cj_schedule_kind kind = (cj_schedule_kind)cj__recipe_choice(r, CJ__KEY_schedule);
    bool factor = cj__recipe_number(r, CJ__KEY_schedule_factor) != 0;
    bool said = cj__recipe_is_said(r, CJ__KEY_schedule) || cj__recipe_is_said(r, CJ__KEY_schedule_every);
    if (cj__recipe_count(r, CJ__KEY_schedule_every) > 0 || !said) return CJ_OK;
    if (kind == CJ_SCHEDULE_STEP || (kind == CJ_SCHEDULE_EXPONENTIAL && !factor))
        return cj__recipe_bad_value(r, CJ__KEY_schedule_every,
                                    "how many steps it takes until the rate is schedule.factor times as "
                                    "large");
    return CJ_OK;
}

static cj_status check_members(const cj_recipe *r)
{
    CJ__TRY(cj__recipe_check_range(r, CJ__KEY_members, 1, 64, "1 or more, and 64 at most"));
    if (cj_recipe_members(r) == 1 || !cj_recipe_predicts_tokens(r) || !cj__recipe_is_said(r, CJ__KEY_members))
        return CJ_OK;
    return cj__recipe_bad_value(r, CJ__KEY_members,
                                "1 where the network predicts tokens: no mean of several is made of those; "
                                "hint: train them one by one with --seed");
}

/* What no single value shows to be wrong. */
static cj_status check(cj_recipe *r)
{
    double shares = cj__recipe_number(r, CJ__KEY_data_validation) + cj__recipe_number(r, CJ__KEY_data_test);
    double smoothing = cj__recipe_number(r, CJ__KEY_label_smoothing);
    int64_t weights = cj__recipe_list(r, CJ__KEY_class_weights, r->class_weights, CJ__MOST_CLASS_WEIGHTS);
    CJ__TRY(check_model(r));
    if (!(smoothing >= 0 && smoothing <= 1))
        return cj__recipe_bad_value(r, CJ__KEY_label_smoothing, "a share from 0 to 1");
    if (cj__recipe_number(r, CJ__KEY_batch_size) < 1)
        return cj__recipe_bad_value(r, CJ__KEY_batch_size, "1 or more");
    if (!(shares < 1) || cj__recipe_number(r, CJ__KEY_data_validation) < 0)
        return cj__recipe_bad_value(r, CJ__KEY_data_validation,
                                    "a share from 0 up to 1, with data.test below 1");
    if (!is_shape(r))
        return cj__recipe_bad_value(r, CJ__KEY_data_shape,
                                    "a list of up to 7 dimensions that fit in memory: [28, 28]");
    if (!are_weights(r->class_weights, weights))
        return cj__recipe_bad_value(r, CJ__KEY_class_weights, "a list of numbers from 0 on: [1, 3.5]");
    CJ__TRY(cj__recipe_check_weights(r));
    CJ__TRY(check_schedule(r));
    CJ__TRY(cj__recipe_check_data(r));
    CJ__TRY(check_members(r));
    return cj__recipe_resolve_lists(r);
}

cj_status cj_recipe_read(cj_recipe **recipe, const char *path, int count, const char *const *overrides)
{
    *recipe = NULL;
    CJ__TRY(cj__need(path, "cj_recipe_read", "a path"));
    cj_recipe *r = cj__allocate_zeroed(sizeof *r);
    if (!r) return cj__out_of_memory(sizeof *r, "a recipe");
    for (int i = 0; i < CJ__KEY_COUNT; i++) r->values[i] = keys[i].standard;
    r->path = cj__arena_string(&r->arena, path);
    cj_status status = !r->path                          ? cj__out_of_memory(strlen(path), "a recipe")
                       : cj__is_checkpoint_path(r->path) ? cj__recipe_of_checkpoint(r)
                                                         : cj__recipe_parse(r);
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
    cj_kernels_free(recipe->measured);
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

int64_t cj__recipe_count(const cj_recipe *recipe, cj__key key)
{
    return (int64_t)cj__recipe_number(recipe, key);
}

size_t cj__recipe_bytes(const cj_recipe *recipe, cj__key key)
{
    double bytes = bytes_in(recipe->values[key]);
    return bytes > 0 ? (size_t)bytes : 0;
}

bool cj__recipe_truth(const cj_recipe *recipe, cj__key key)
{
    return strcmp(recipe->values[key], "true") == 0;
}

int cj__recipe_choice(const cj_recipe *recipe, cj__key key)
{
    return cj__text_choice(keys[key].choices, recipe->values[key]);
}

int64_t cj__recipe_list(const cj_recipe *recipe, cj__key key, double *numbers, int64_t room)
{
    int64_t count = 0;
    const char *at = recipe->values[key];
    while (*at) {
        char *end;
        double number = cj__parse_number(at, &end);
        if (end == at || (*end && *end != ',')) return -1;
        if (count < room) numbers[count] = number;
        count++;
        at = end + (*end == ',');
    }
    return count;
}

uint64_t cj_recipe_seed(const cj_recipe *recipe)
{
    return (uint64_t)cj__recipe_number(recipe, CJ__KEY_seed);
}

int64_t cj_recipe_members(const cj_recipe *recipe)
{
    return cj__recipe_count(recipe, CJ__KEY_members);
}

cj_loss_kind cj_recipe_loss(const cj_recipe *recipe)
{
    return (cj_loss_kind)cj__recipe_choice(recipe, CJ__KEY_loss);
}

int64_t cj_recipe_classes(const cj_recipe *recipe)
{
    cj_network_facts facts;
    int64_t classes = cj__recipe_count(recipe, CJ__KEY_model_classes);
    if (family_of(recipe)) return classes;
    if (find_network(recipe->values[CJ__KEY_model_name], &facts)) return classes ? classes : facts.classes;
    for (int i = recipe->layer_count - 1; i >= 0; i--)
        if (strcmp(recipe->layers[i].type, "dense") == 0) return (int64_t)recipe->layers[i].value;
    return 0;
}

const cj_weights *cj_recipe_weights(const cj_recipe *recipe)
{
    return *recipe->weights.from ? &recipe->weights : NULL;
}

cj_value cj_recipe_forward(cj_scope scope, cj_value x, void *context)
{
    cj_recipe *recipe = context;
    const cj__family *family = family_of(recipe);
    const char *name = recipe->values[CJ__KEY_model_name];
    if (!*name) return cj__recipe_draw_layers(scope, x, recipe);
    if (family) return family->draw(scope, x, recipe);
    cj_network_options options = {.size = sizeof options,
                                  .input = x,
                                  .classes = cj__recipe_count(recipe, CJ__KEY_model_classes),
                                  .channels = cj__recipe_count(recipe, CJ__KEY_model_channels)};
    return cj_network(scope, name, &options);
}
