/* A recipe as YAML again, every setting resolved: what `cajal check` prints and a run's folder keeps. */
#include "base/file.h"
#include "base/text.h"
#include "recipe/recipe.h"
#include "text/unicode.h"

#include <stdio.h>
#include <string.h>

/* What YAML forbids, or takes for the end of a line. */
static bool is_awkward(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
           code == 0xfeff || code == 0xfffe || code == 0xffff;
}

static bool is_tame(const char *text, size_t size)
{
    for (const char *end = text + size; text < end;) {
        int length = cj__utf8_length(text, end);
        if (length == 0 || is_awkward(cj__utf8_code(text, length))) return false;
        text += length;
    }
    return true;
}

/* In double quotes, where any character can be written by its code. */
static void put_escaped(cj__text *t, const char *text, size_t size)
{
    cj__text_put(t, "\"");
    for (const char *end = text + size; text < end;) {
        int length = cj__utf8_length(text, end);
        uint32_t code = length ? cj__utf8_code(text, length) : 0xfffd;
        if (length == 0 || is_awkward(code))
            cj__text_print(t, "\\u%04x", (unsigned)code);
        else if (*text == '"' || *text == '\\')
            cj__text_print(t, "\\%c", *text);
        else
            cj__text_add(t, text, (size_t)length);
        text += length ? length : 1;
    }
    cj__text_put(t, "\"");
}

/* In single quotes, where a quote is doubled, as long as that can hold it. */
static void put_quoted(cj__text *t, const char *text, size_t size)
{
    if (!is_tame(text, size)) {
        put_escaped(t, text, size);
        return;
    }
    cj__text_put(t, "'");
    for (size_t i = 0; i < size; i++)
        cj__text_add(t, text[i] == '\'' ? "''" : text + i, text[i] == '\'' ? 2 : 1);
    cj__text_put(t, "'");
}

/* Items that YAML would take for something else stand in quotes. */
static bool is_plain(const char *item, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._";
    size_t sign = *item == '-' && size > 1;
    return strspn(item + sign, plain) >= size - sign;
}

static void put_list(cj__text *t, const char *items)
{
    cj__text_put(t, "[");
    for (bool first = true; *items; first = false) {
        size_t size = strcspn(items, ",");
        if (!first) cj__text_put(t, ", ");
        if (is_plain(items, size))
            cj__text_add(t, items, size);
        else
            put_quoted(t, items, size);
        items += size + (items[size] == ',');
    }
    cj__text_put(t, "]");
}

/* "from=to,from=to", or a mapping of a list, whose names are plain. */
static void put_mapping(cj__text *t, const char *items, const char *separators)
{
    cj__text_put(t, "{");
    for (bool first = true; *items; first = false) {
        size_t end = strcspn(items, separators), name = strcspn(items, "=");
        if (!first) cj__text_put(t, ", ");
        put_quoted(t, items, name);
        cj__text_put(t, ": ");
        put_quoted(t, items + name + 1, end - name - 1);
        items += end + (items[end] != 0);
    }
    cj__text_put(t, "}");
}

static void put_mappings(cj__text *t, const char *items)
{
    char item[2048];
    cj__text_put(t, "[");
    for (bool first = true; *items; first = false) {
        size_t end = strcspn(items, ",");
        snprintf(item, sizeof item, "%.*s", (int)end, items);
        if (!first) cj__text_put(t, ", ");
        put_mapping(t, item, ";");
        items += end + (items[end] != 0);
    }
    cj__text_put(t, "]");
}

static void put_value(cj__text *t, cj__kind kind, const char *value)
{
    if (kind == CJ__TEXT || kind == CJ__BYTES)
        put_quoted(t, value, strlen(value));
    else if (kind == CJ__LIST)
        put_list(t, value);
    else if (kind == CJ__MAP)
        put_mapping(t, value, ",");
    else if (kind == CJ__MAPS)
        put_mappings(t, value);
    else
        cj__text_put(t, value);
    cj__text_put(t, "\n");
}

static void put_key(cj__text *t, const cj_recipe *r, int i, const char *section_before)
{
    const cj__key_facts *key = &cj__recipe_keys[i];
    const char *dot = strchr(key->name, '.');
    size_t length = dot ? (size_t)(dot - key->name) : 0;
    if (dot && (strncmp(section_before, key->name, length) != 0 || section_before[length] != '.'))
        cj__text_print(t, "%.*s:\n", (int)length, key->name);
    cj__text_print(t, dot ? "  %s: " : "%s: ", dot ? dot + 1 : key->name);
    put_value(t, key->kind, r->values[i]);
}

static void put_layers(cj__text *t, const cj_recipe *r)
{
    if (!r->layer_count) return;
    cj__text_put(t, "model:\n");
    for (int i = 0; i < r->layer_count; i++) {
        cj__text_print(t, "  - %s", r->layers[i].type);
        if (r->layer_texts[i]) cj__text_print(t, ": %s", r->layer_texts[i]);
        cj__text_put(t, "\n");
    }
}

static void put_augmentations(cj__text *t, const cj_recipe *r)
{
    if (r->augment_count) cj__text_put(t, "augment:\n");
    for (int i = 0; i < r->augment_count; i++) {
        cj__text_print(t, "  - %s: {%s}\n", r->augment[i].type, r->augment[i].parameters);
    }
}

/* Where layers are listed, `model` is that list. */
static bool about_network(cj__key key)
{
    return strncmp(cj__recipe_keys[key].name, "model.", 6) == 0;
}

cj_status cj_recipe_text(const cj_recipe *r, char **text)
{
    cj__text t = {0};
    cj__text_put(&t, CJ__RECIPE_FIRST_LINE "\n");
    for (int i = 0; i < CJ__KEY_COUNT; i++)
        if (!r->layer_count || !about_network((cj__key)i))
            put_key(&t, r, i, i ? cj__recipe_keys[i - 1].name : "");
    put_augmentations(&t, r);
    put_layers(&t, r);
    cj__text_put(&t, CJ__RECIPE_LAST_LINE "\n");
    cj_status status = cj__text_check(&t, "a recipe's text");
    if (status != CJ_OK) cj__text_free(&t);
    *text = t.data;
    return status;
}

cj_status cj_recipe_save(const cj_recipe *recipe, const char *path)
{
    char *text;
    CJ__TRY(cj__folder_make_for(path));
    CJ__TRY(cj_recipe_text(recipe, &text));
    cj_status status = cj__file_replace(path, text, strlen(text));
    cj_text_free(text);
    return status;
}
