/* A recipe's list of layers: each checked against the table of nn/layer_table.h as it is read, its options
 * behind it, and the list drawn. */
#include "base/text.h"
#include "graph/graph.h"
#include "nn/layer_table.h"
#include "recipe/recipe.h"

#include <stdio.h>
#include <string.h>

static const char *layer_at(int index)
{
    return index < cj__layer_kind_count ? cj__layer_kinds[index].name : NULL;
}

static cj_status add_layer(cj_recipe *r, const cj__layer_kind *kind, const char *value, double number)
{
    char *text = value ? cj__arena_string(&r->arena, value) : NULL;
    if (value && !text) return cj__out_of_memory(strlen(value), kind->name);
    r->options_given = 0;
    r->layer_texts[r->layer_count] = text;
    r->layers[r->layer_count++] = (cj_layer){.type = kind->name, .value = number};
    return CJ_OK;
}

cj_status cj__recipe_layer(cj_recipe *r, int line, const char *name, const char *value)
{
    char where[300];
    const cj__layer_kind *kind = cj__layer_kind_named(name);
    cj__recipe_place(r, line, where);
    if (!kind)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: there is no layer '%.80s'; did you mean '%s'?", where, name,
                        cj__nearest_word(name, layer_at));
    double number = kind->standard;
    if (value && kind->value == CJ__NO_VALUE)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: layer %s takes no value", where, name);
    if (!value && kind->value != CJ__NO_VALUE && kind->standard == 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: layer %s needs %s, %s", where, name, kind->value_name,
                        cj__layer_value_fault(kind, -1));
    bool plain = !value || cj__recipe_is_number(value, &number);
    const char *wanted = plain ? cj__layer_value_fault(kind, number) : "a number";
    if (wanted)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: layer %s has %s '%.80s', but needs %s", where, name,
                        kind->value_name, value, wanted);
    if (r->layer_count == CJ__MOST_LAYERS)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: a recipe has at most %d layers", where, CJ__MOST_LAYERS);
    return add_layer(r, kind, value, number);
}

const char *cj__recipe_layer_value_name(const char *layer)
{
    const cj__layer_kind *kind = cj__layer_kind_named(layer);
    return kind ? kind->value_name : NULL;
}

/* Sets the option; what it should have been where it cannot. */
static const char *set_option(cj_layer *layer, const cj__layer_option *option, const char *value)
{
    double number;
    void *field = (char *)layer + option->offset;
    bool whole = cj__recipe_is_whole(value, false) && cj__recipe_is_number(value, &number) && number < 1e9;
    switch (option->form) {
    case CJ__WORD_OPTION:
        *(bool *)field = cj__text_choice(option->words, value) == 1;
        return cj__text_choice(option->words, value) >= 0 ? NULL : option->words;
    case CJ__RATE_OPTION:
        if (!cj__recipe_is_number(value, &number) || !(number >= 0 && number < 1))
            return "a rate from 0 up to 1";
        *(double *)field = number;
        return NULL;
    case CJ__NUMBER_OPTION:
        if (!cj__recipe_is_number(value, &number) || !(number > 0)) return "a number above 0";
        *(double *)field = number;
        return NULL;
    case CJ__PADDING_OPTION:
        layer->same = strcmp(value, "same") == 0;
        if (whole) layer->pad = (int64_t)number;
        return whole || layer->same ? NULL : "a whole number, or `same`";
    case CJ__WHOLE_OPTION:
        break;
    }
    if (!whole || number < 1) return "a whole number from 1 on";
    *(int64_t *)field = (int64_t)number;
    return NULL;
}

static cj_status note_option(cj_recipe *r, const cj__layer_kind *kind, const char *option, const char *value)
{
    const char **text = &r->layer_texts[r->layer_count - 1], *before = *text;
    if (!before)
        *text = cj__arena_format(&r->arena, "{%s: %s}", option, value);
    else if (*before == '{')
        *text = cj__arena_format(&r->arena, "%.*s, %s: %s}", (int)strlen(before) - 1, before, option, value);
    else
        *text = cj__arena_format(&r->arena, "{%s: %s, %s: %s}", kind->value_name, before, option, value);
    return *text ? CJ_OK : cj__out_of_memory(strlen(value), option);
}

cj_status cj__recipe_layer_option(cj_recipe *r, int line, const char *option, const char *value)
{
    char where[300], known[160] = "";
    cj_layer *layer = &r->layers[r->layer_count - 1];
    const cj__layer_kind *kind = cj__layer_kind_named(layer->type);
    cj__recipe_place(r, line, where);
    for (int i = 0; i < cj__layer_option_count; i++) {
        const cj__layer_option *o = &cj__layer_options[i];
        if (!(kind->options & o->flag)) continue;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", o->name);
        if (strcmp(option, o->name) != 0) continue;
        if (r->options_given & o->flag)
            return cj__fail(CJ_INVALID_ARGUMENT, "%s: %s of layer %s is given a second time", where, option,
                            kind->name);
        r->options_given |= o->flag;
        const char *wanted = set_option(layer, o, value);
        if (wanted)
            return cj__fail(CJ_INVALID_ARGUMENT, "%s: %s of layer %s is '%.80s', but must be %s%s", where,
                            option, kind->name, value, o->words ? "one of " : "", wanted);
        return note_option(r, kind, option, value);
    }
    return cj__fail(CJ_INVALID_ARGUMENT, "%s: layer %s has no option '%.80s'; it has %s", where, kind->name,
                    option, *known ? known : "none");
}

/* --- drawing ------------------------------------------------------------------------------------------- */

/* An embedding that a list begins with reads the text's tokens: it has a row for each, and knows which is
 * padding. */
cj_value cj__recipe_draw_layers(cj_scope scope, cj_value x, cj_recipe *r)
{
    cj_layer *first = r->layers;
    int64_t tokens = cj_recipe_vocabulary(r);
    if (cj_recipe_is_text(r) && r->layer_count > 0 && strcmp(first->type, "embedding") == 0) {
        if (first->vocabulary == 0) first->vocabulary = tokens;
        first->padded = !cj__recipe_is_plain_text(r);
        if (first->vocabulary < tokens)
            return cj__graph_error(
                scope.graph, CJ_INVALID_ARGUMENT,
                "the embedding has a vocabulary of %lld, but the text has %lld tokens; hint: "
                "leave vocabulary out",
                (long long)first->vocabulary, (long long)tokens);
    }
    return cj_sequential(scope, x, r->layers);
}
