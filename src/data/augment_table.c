/* The table of augmentations, and lists of parameters read against it. */
#include "data/augment.h"

#include <stdio.h>
#include <string.h>

/* The expansions stand beside each other, as the table's rows do. */
const cj__augment_facts cj__augment_table[CJ__AUGMENT_COUNT] = {
#define NUMBER(name, standard, least, most, about)                                                           \
    {#name, CJ__PARAMETER_NUMBER, standard, least, most, NULL, about},
#define WHOLE(name, standard, least, most, about)                                                            \
    {#name, CJ__PARAMETER_WHOLE, standard, least, most, NULL, about},
#define CHOICE(name, choices, about) {#name, CJ__PARAMETER_CHOICE, 0, 0, 0, choices, about},
#define TRUTH(name, about)           {#name, CJ__PARAMETER_TRUTH, 0, 0, 1, "false|true", about},
#define PICTURE(id, about, fields)   {#id, about, {fields}},
#define WARP(id, about, fields)      {#id, about, {fields}},
#define BATCH(id, about, fields)     {#id, about, {fields}},
#include "data/augment.def"
};

/* --- one parameter ------------------------------------------------------------------------------------- */

static cj_status bad_number(const char *type, const cj__parameter_facts *p, const char *value)
{
    return cj__fail(CJ_INVALID_ARGUMENT, "%s: %s is '%.80s', but must be a %s from %g to %g", type, p->name,
                    value, p->kind == CJ__PARAMETER_WHOLE ? "whole number" : "number", p->least, p->most);
}

static cj_status read_number(const char *type, const cj__parameter_facts *p, const char *value,
                             double *number)
{
    char *end;
    *number = cj__parse_number(value, &end);
    bool right = *value && !*end && *number >= p->least && *number <= p->most;
    if (right && p->kind == CJ__PARAMETER_WHOLE) right = *number == (double)(int64_t)*number;
    return right ? CJ_OK : bad_number(type, p, value);
}

static cj_status read_choice(const char *type, const cj__parameter_facts *p, const char *value,
                             double *number)
{
    int which = cj__text_choice(p->choices, value);
    if (which < 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: %s is '%.80s', but must be one of %s", type, p->name, value,
                        p->choices);
    *number = which;
    return CJ_OK;
}

static cj_status no_parameter(const cj__augment_facts *facts, const char *name)
{
    const cj__parameter_facts *best = facts->parameters;
    for (const cj__parameter_facts *p = best; p->name; p++)
        if (cj__text_distance(name, p->name) < cj__text_distance(name, best->name)) best = p;
    return cj__fail(CJ_INVALID_ARGUMENT, "%s: there is no parameter '%.80s'; did you mean '%s'?", facts->name,
                    name, best->name);
}

static cj_status set(cj__augmentation *a, const char *name, const char *value)
{
    const cj__augment_facts *facts = &cj__augment_table[a->kind];
    for (int i = 0; facts->parameters[i].name; i++) {
        const cj__parameter_facts *p = &facts->parameters[i];
        if (name && strcmp(name, p->name) != 0) continue;
        bool word = p->kind == CJ__PARAMETER_CHOICE || p->kind == CJ__PARAMETER_TRUTH;
        return (word ? read_choice : read_number)(facts->name, p, value, &a->values[i]);
    }
    return no_parameter(facts, name);
}

/* --- all of them --------------------------------------------------------------------------------------- */

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without blanks around; the text ends before `end`. */
static char *trimmed(char *text, char *end)
{
    while (blank(*text)) text++;
    while (end > text && blank(end[-1])) end--;
    *end = 0;
    return text;
}

/* "name: value"; a value alone, which may only come first, is the first parameter's. */
static cj_status read_item(cj__augmentation *a, char *item, char *end, bool first)
{
    char *colon = memchr(item, ':', (size_t)(end - item));
    if (!colon && !first)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: '%.80s' names no parameter: `name: value` was expected",
                        cj__augment_table[a->kind].name, trimmed(item, end));
    char *value = trimmed(colon ? colon + 1 : item, end);
    return set(a, colon ? trimmed(item, colon) : NULL, value);
}

static cj_status read_items(cj__augmentation *a, const char *parameters)
{
    char text[512];
    if (snprintf(text, sizeof text, "%s", parameters) >= (int)sizeof text)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: its parameters are longer than %d characters",
                        cj__augment_table[a->kind].name, (int)sizeof text - 1);
    for (char *item = text, *end; item; item = *end ? end + 1 : NULL) {
        char saved = item[strcspn(item, ",")];
        end = item + strcspn(item, ",");
        CJ__TRY(read_item(a, item, end, item == text));
        *end = saved;
    }
    return CJ_OK;
}

static cj_status ordered(const char *type, const char *what, double least, double most)
{
    if (least <= most) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT, "%s: %s_min is %g, but must be no more than %s_max, which is %g",
                    type, what, least, what, most);
}

/* What no single parameter shows to be wrong. */
static cj_status check(const cj__augmentation *a)
{
    const char *type = cj__augment_table[a->kind].name;
    if (a->kind == CJ__AUGMENT_resized_crop) {
        CJ__TRY(ordered(type, "scale", a->resized_crop.scale_min, a->resized_crop.scale_max));
        CJ__TRY(ordered(type, "ratio", a->resized_crop.ratio_min, a->resized_crop.ratio_max));
    } else if (a->kind == CJ__AUGMENT_random_erasing) {
        CJ__TRY(ordered(type, "scale", a->random_erasing.scale_min, a->random_erasing.scale_max));
        CJ__TRY(ordered(type, "ratio", a->random_erasing.ratio_min, a->random_erasing.ratio_max));
    }
    return CJ_OK;
}

static void put_word(cj__text *text, const char *choices, int which)
{
    for (; which > 0; which--) choices = strchr(choices, '|') + 1;
    cj__text_add(text, choices, strcspn(choices, "|"));
}

void cj__augmentation_text(const cj__augmentation *a, cj__text *text)
{
    for (int i = 0; cj__augment_table[a->kind].parameters[i].name; i++) {
        const cj__parameter_facts *p = &cj__augment_table[a->kind].parameters[i];
        cj__text_print(text, "%s%s: ", i ? ", " : "", p->name);
        if (p->choices)
            put_word(text, p->choices, (int)a->values[i]);
        else
            cj__text_number(text, a->values[i]);
    }
}

static const char *type_at(int index)
{
    return index < CJ__AUGMENT_COUNT ? cj__augment_table[index].name : NULL;
}

static cj_status no_augmentation(const char *type)
{
    return cj__fail(CJ_INVALID_ARGUMENT, "there is no augmentation '%.80s'; did you mean '%s'?", type,
                    cj__nearest_word(type, type_at));
}

cj_status cj__augmentation_read(cj__augmentation *made, const char *type, const char *parameters)
{
    int kind = 0;
    while (kind < CJ__AUGMENT_COUNT && strcmp(type, cj__augment_table[kind].name) != 0) kind++;
    if (kind == CJ__AUGMENT_COUNT) return no_augmentation(type);
    *made = (cj__augmentation){.kind = (cj__augment_kind)kind};
    for (int i = 0; cj__augment_table[kind].parameters[i].name; i++)
        made->values[i] = cj__augment_table[kind].parameters[i].standard;
    if (parameters && *parameters) CJ__TRY(read_items(made, parameters));
    return check(made);
}
