/* A recipe as YAML again, every setting resolved: what `cajal check` prints and a run's folder keeps. */
#include "base/file.h"
#include "base/text.h"
#include "recipe/recipe.h"

#include <stdio.h>
#include <string.h>

/* In single quotes, where a quote is doubled: any text survives. */
static void put_quoted(cj__text *t, const char *value)
{
    cj__text_put(t, "'");
    for (; *value; value++) cj__text_add(t, *value == '\'' ? "''" : value, *value == '\'' ? 2 : 1);
    cj__text_put(t, "'");
}

/* Items that YAML would take for something else stand in quotes. */
static void put_list(cj__text *t, const char *items)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._";
    char item[512];
    cj__text_put(t, "[");
    for (bool first = true; *items; first = false) {
        size_t end = strcspn(items, ",");
        snprintf(item, sizeof item, "%.*s", (int)end, items);
        if (!first) cj__text_put(t, ", ");
        if (item[strspn(item, plain)] && item[0] != '-')
            put_quoted(t, item);
        else
            cj__text_put(t, item);
        items += end + (items[end] == ',');
    }
    cj__text_put(t, "]");
}

/* "from=to,from=to", or a mapping of a list, whose names are plain. */
static void put_mapping(cj__text *t, const char *items, const char *separators)
{
    char item[1024];
    cj__text_put(t, "{");
    for (bool first = true; *items; first = false) {
        size_t end = strcspn(items, separators), name = strcspn(items, "=");
        if (!first) cj__text_put(t, ", ");
        snprintf(item, sizeof item, "%.*s", (int)name, items);
        put_quoted(t, item);
        cj__text_put(t, ": ");
        snprintf(item, sizeof item, "%.*s", (int)(end - name - 1), items + name + 1);
        put_quoted(t, item);
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
    if (kind == CJ__TEXT)
        put_quoted(t, value);
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

/* Where layers are listed, `model` is that list. */
static bool about_network(cj__key key)
{
    return key == CJ__KEY_model_name || key == CJ__KEY_model_classes;
}

cj_status cj_recipe_text(const cj_recipe *r, char **text)
{
    cj__text t = {0};
    for (int i = 0; i < CJ__KEY_COUNT; i++)
        if (!r->layer_count || !about_network((cj__key)i))
            put_key(&t, r, i, i ? cj__recipe_keys[i - 1].name : "");
    put_layers(&t, r);
    cj_status status = cj__text_check(&t, "a recipe's text");
    if (status != CJ_OK) cj__text_free(&t);
    *text = t.data;
    return status;
}

static cj_status make_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return CJ_OK;
    char *folder = cj__copy_string(path);
    if (!folder) return cj__out_of_memory(strlen(path), "a folder's name");
    folder[slash - path] = 0;
    cj_status status = cj__folder_make(folder);
    cj__free(folder);
    return status;
}

cj_status cj_recipe_save(const cj_recipe *recipe, const char *path)
{
    char *text;
    CJ__TRY(make_folder_of(path));
    CJ__TRY(cj_recipe_text(recipe, &text));
    cj_status status = cj__file_replace(path, text, strlen(text));
    cj_text_free(text);
    return status;
}
