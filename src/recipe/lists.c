/* Lists and mappings of a recipe as arrays: patterns, renamings, groups of parameters, epochs of unfreezing.
 * A setting is one text: items with commas between; "from=to" for an item of a mapping;
 * "field=value;field=value" for a mapping in a list. */
#include "base/text.h"
#include "recipe/recipe.h"

#include <stdio.h>
#include <string.h>

/* The items, each a text of its own. */
static cj_status split(cj_recipe *r, cj__key key, int most, const char **items, int64_t *count)
{
    char wanted[64];
    const char *at = r->values[key];
    *count = 0;
    while (*at) {
        size_t end = strcspn(at, ",");
        snprintf(wanted, sizeof wanted, "a list of at most %d", most);
        if (*count == most) return cj__recipe_bad_value(r, key, wanted);
        items[*count] = cj__arena_format(&r->arena, "%.*s", (int)end, at);
        if (!items[(*count)++]) return cj__out_of_memory(end, "a recipe");
        at += end + (at[end] == ',');
    }
    return CJ_OK;
}

/* --- mappings ------------------------------------------------------------------------------------------ */

static bool is_field(const char *fields, const char *name, size_t size)
{
    while (*fields) {
        size_t end = strcspn(fields, "|");
        if (end == size && strncmp(fields, name, size) == 0) return true;
        fields += end + (fields[end] == '|');
    }
    return false;
}

/* "field=value" up to the end of the item or of the field; names must be among `fields` where there are any.
 */
static bool well_formed(const char *at, const char *stops, const char *fields)
{
    while (*at) {
        size_t end = strcspn(at, stops), name = strcspn(at, "=");
        if (name >= end || memchr(at + name + 1, '=', end - name - 1)) return false;
        if (fields && !is_field(fields, at, name)) return false;
        at += end + (at[end] != 0);
    }
    return true;
}

bool cj__recipe_mapping_fits(const cj__key_facts *key, const char *value)
{
    return key->kind == CJ__MAP ? well_formed(value, ",", NULL) : well_formed(value, ",;", key->choices);
}

/* The value of the field in "field=value;field=value"; NULL: it is not there. */
static cj_status field_of(cj_recipe *r, const char *record, const char *name, const char **value)
{
    size_t length = strlen(name);
    *value = NULL;
    for (const char *at = record; *at;) {
        size_t end = strcspn(at, ";");
        if (strncmp(at, name, length) == 0 && at[length] == '=') {
            *value = cj__arena_format(&r->arena, "%.*s", (int)(end - length - 1), at + length + 1);
            return *value ? CJ_OK : cj__out_of_memory(end, "a recipe");
        }
        at += end + (at[end] == ';');
    }
    return CJ_OK;
}

/* A number above 0, or 0 where the field is not there. */
static cj_status number_of(cj_recipe *r, cj__key key, const char *record, const char *name,
                           const char *wanted, double *number, bool *there)
{
    const char *text;
    char *end;
    CJ__TRY(field_of(r, record, name, &text));
    *there = text != NULL;
    *number = text ? cj__parse_number(text, &end) : 0;
    if (text && (!*text || *end || !(*number >= 0) || *number - *number != 0))
        return cj__recipe_bad_value(r, key, wanted);
    return CJ_OK;
}

static cj_status pattern_of(cj_recipe *r, cj__key key, const char *record, const char *wanted,
                            const char **pattern)
{
    CJ__TRY(field_of(r, record, "parameters", pattern));
    return *pattern && **pattern ? CJ_OK : cj__recipe_bad_value(r, key, wanted);
}

/* --- what they are for --------------------------------------------------------------------------------- */

static cj_status resolve_map(cj_recipe *r)
{
    const char *items[CJ__MOST_PATTERNS];
    int64_t count;
    CJ__TRY(split(r, CJ__KEY_weights_map, CJ__MOST_PATTERNS, items, &count));
    for (int64_t i = 0; i < count; i++) {
        const char *equals = strchr(items[i], '=');
        r->map[i].from = cj__arena_format(&r->arena, "%.*s", (int)(equals - items[i]), items[i]);
        r->map[i].to = equals + 1;
        if (!r->map[i].from) return cj__out_of_memory(strlen(items[i]), "a recipe");
    }
    r->weights = (cj_weights){.size = sizeof r->weights,
                              .from = r->values[CJ__KEY_weights],
                              .map = r->map,
                              .map_count = count,
                              .skip = r->skip,
                              .transpose = r->transpose};
    CJ__TRY(split(r, CJ__KEY_weights_skip, CJ__MOST_PATTERNS, r->skip, &r->weights.skip_count));
    return split(r, CJ__KEY_weights_transpose, CJ__MOST_PATTERNS, r->transpose, &r->weights.transpose_count);
}

static cj_status truth_of(cj_recipe *r, cj__key key, const char *record, const char *name, const char *wanted,
                          bool *truth)
{
    const char *text;
    CJ__TRY(field_of(r, record, name, &text));
    *truth = text && strcmp(text, "true") == 0;
    return !text || *truth || strcmp(text, "false") == 0 ? CJ_OK : cj__recipe_bad_value(r, key, wanted);
}

/* The formula of a group that names an optimizer. */
static cj_status resolve_formula(cj_recipe *r, const char *record, const char *wanted, cj_optimizer *o,
                                 bool *has_formula)
{
    cj__key key = CJ__KEY_groups;
    const char *name;
    double iterations;
    bool of_momentum, of_iterations;
    *o = (cj_optimizer){0};
    CJ__TRY(field_of(r, record, "name", &name));
    CJ__TRY(number_of(r, key, record, "momentum", wanted, &o->momentum, &of_momentum));
    CJ__TRY(number_of(r, key, record, "iterations", wanted, &iterations, &of_iterations));
    CJ__TRY(truth_of(r, key, record, "nesterov", wanted, &o->nesterov));
    CJ__TRY(truth_of(r, key, record, "keep_norm", wanted, &o->keep_norm));
    *has_formula = name != NULL;
    if (!name)
        return of_momentum || of_iterations || o->nesterov || o->keep_norm
                   ? cj__recipe_bad_value(r, key, wanted)
                   : CJ_OK;
    int kind = cj__text_choice(cj__recipe_keys[CJ__KEY_optimizer].choices, name);
    bool of_muon = of_iterations || o->keep_norm;
    if (kind < 0 || iterations > CJ_MAX_ITERATIONS || iterations != (double)(int)iterations ||
        (of_muon && kind != CJ_MUON))
        return cj__recipe_bad_value(r, key, wanted);
    o->kind = (cj_optimizer_kind)kind;
    o->iterations = (int)iterations;
    return CJ_OK;
}

/* Rates of groups are told as they are; the schedule moves all of them together. */
static cj_status resolve_group(cj_recipe *r, const char *record, cj_parameter_group *group,
                               cj_optimizer *formula)
{
    static const char wanted[] =
        "a list of groups with `parameters`, and `learning_rate` above 0, `weight_decay` or the `name` of an "
        "optimizer (with `momentum` and `nesterov`; for muon `iterations` up to 20 and `keep_norm`): "
        "[{parameters: 'head.*', learning_rate: 0.01}]";
    double base = cj__recipe_number(r, CJ__KEY_learning_rate), rate, decay;
    bool has_rate, has_decay, has_formula;
    cj__key key = CJ__KEY_groups;
    *group = (cj_parameter_group){0};
    CJ__TRY(pattern_of(r, key, record, wanted, &group->pattern));
    CJ__TRY(number_of(r, key, record, "learning_rate", wanted, &rate, &has_rate));
    CJ__TRY(number_of(r, key, record, "weight_decay", wanted, &decay, &has_decay));
    CJ__TRY(resolve_formula(r, record, wanted, formula, &has_formula));
    if (!(has_rate || has_decay || has_formula) || (has_rate && rate == 0))
        return cj__recipe_bad_value(r, key, wanted);
    if (has_rate && !(base > 0))
        return cj__recipe_bad_value(r, CJ__KEY_learning_rate,
                                    "above 0 where optimizer.groups has learning rates");
    group->learning_rate_factor = has_rate ? rate / base : 0;
    group->weight_decay = decay;
    group->no_weight_decay = has_decay && decay == 0;
    group->by = has_formula ? formula : NULL;
    return CJ_OK;
}

static cj_status resolve_groups(cj_recipe *r)
{
    const char *items[CJ_MAX_PARAMETER_GROUPS];
    int64_t plain, count;
    CJ__TRY(split(r, CJ__KEY_no_decay, CJ_MAX_PARAMETER_GROUPS, items, &plain));
    for (int64_t i = 0; i < plain; i++)
        r->groups[i] = (cj_parameter_group){.pattern = items[i], .no_weight_decay = true};
    CJ__TRY(split(r, CJ__KEY_groups, CJ_MAX_PARAMETER_GROUPS, items, &count));
    if (plain + count > CJ_MAX_PARAMETER_GROUPS)
        return cj__recipe_bad_value(r, CJ__KEY_groups,
                                    "a list of 8 at most, the patterns of optimizer.no_decay included");
    for (int64_t i = 0; i < count; i++)
        CJ__TRY(resolve_group(r, items[i], &r->groups[plain + i], &r->formulas[plain + i]));
    return CJ_OK;
}

/* A list of epochs and what is frozen, or frozen no more, from each on. */
static cj_status resolve_changes(cj_recipe *r, cj__key key, cj_freezing *list, int64_t *count)
{
    static const char wanted[] = "a list of epochs from 1 on and parameters: [{epoch: 3, parameters: "
                                 "'layer4.*'}]";
    const char *items[CJ__MOST_PATTERNS];
    double epoch;
    bool there;
    CJ__TRY(split(r, key, CJ__MOST_PATTERNS, items, count));
    for (int64_t i = 0; i < *count; i++) {
        CJ__TRY(pattern_of(r, key, items[i], wanted, &list[i].parameters));
        CJ__TRY(number_of(r, key, items[i], "epoch", wanted, &epoch, &there));
        if (!(epoch >= 1 && epoch < 1e15) || epoch != (double)(int64_t)epoch)
            return cj__recipe_bad_value(r, key, wanted);
        list[i].epoch = (int64_t)epoch;
    }
    return CJ_OK;
}

static cj_status resolve_freezing(cj_recipe *r)
{
    CJ__TRY(split(r, CJ__KEY_freeze, CJ__MOST_PATTERNS, r->freeze, &r->freeze_count));
    CJ__TRY(resolve_changes(r, CJ__KEY_unfreeze, r->unfreeze, &r->unfreeze_count));
    return resolve_changes(r, CJ__KEY_freeze_later, r->freeze_later, &r->freeze_later_count);
}

cj_status cj__recipe_resolve_lists(cj_recipe *r)
{
    CJ__TRY(resolve_map(r));
    CJ__TRY(resolve_groups(r));
    return resolve_freezing(r);
}
