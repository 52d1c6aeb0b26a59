/* YAML, by libyaml, into recipe settings: mappings become dotted keys, `model` is a list of layers, `augment`
 * one of augmentations. */
#include "base/file.h"
#include "base/text.h"
#include "recipe/recipe.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#ifdef CJ_HAVE_YAML
#include <yaml.h>

enum { LONGEST = 1 << 20 };

/* NULL: it is a list or a mapping, or has a zero character within. */
static const char *text_of(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE) return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

static int line_of(const yaml_node_t *node)
{
    return (int)node->start_mark.line + 1;
}

static cj_status bad(const cj_recipe *r, const yaml_node_t *node, const char *what)
{
    return cj__fail(CJ_FORMAT_ERROR, "%s:%d: %s", r->path, line_of(node), what);
}

static yaml_node_t *node_at(yaml_document_t *document, int index)
{
    return yaml_document_get_node(document, index);
}

/* "conv2d: {filters: 32, kernel: 3}": the layer's own value first, then its options in their order. */
static cj_status read_options(cj_recipe *r, yaml_document_t *document, const yaml_node_t *name,
                              const yaml_node_t *options)
{
    const char *layer = text_of(name), *own = cj__recipe_layer_value_name(layer), *value = NULL;
    const yaml_node_pair_t *first = options->data.mapping.pairs.start, *end = options->data.mapping.pairs.top;
    for (const yaml_node_pair_t *p = first; p < end; p++) {
        const char *key = text_of(node_at(document, p->key)), *text = text_of(node_at(document, p->value));
        if (!key || !text)
            return bad(r, options, "a layer's options are plain values: {filters: 32, kernel: 3}");
        if (own && strcmp(key, own) == 0 && value)
            return bad(r, options, "a layer's value is given a second time");
        if (own && strcmp(key, own) == 0) value = text;
    }
    CJ__TRY(cj__recipe_layer(r, line_of(name), layer, value));
    for (const yaml_node_pair_t *p = first; p < end; p++) {
        const yaml_node_t *key = node_at(document, p->key);
        if (own && strcmp(text_of(key), own) == 0) continue;
        CJ__TRY(cj__recipe_layer_option(r, line_of(key), text_of(key), text_of(node_at(document, p->value))));
    }
    return CJ_OK;
}

/* "relu", "dense: 64", or options. */
static cj_status read_layer(cj_recipe *r, yaml_document_t *document, yaml_node_t *node)
{
    if (text_of(node)) return cj__recipe_layer(r, line_of(node), text_of(node), NULL);
    if (node->type != YAML_MAPPING_NODE || node->data.mapping.pairs.top - node->data.mapping.pairs.start != 1)
        return bad(r, node, "a layer is a name, or one name with a value: `- relu` or `- dense: 64`");
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    const yaml_node_t *key = yaml_document_get_node(document, pair->key),
                      *value = yaml_document_get_node(document, pair->value);
    if (text_of(key) && value->type == YAML_MAPPING_NODE) return read_options(r, document, key, value);
    if (!text_of(key) || !text_of(value))
        return bad(r, node, "a layer's value is one number, `- dense: 64`, or options in braces");
    return cj__recipe_layer(r, line_of(key), text_of(key), text_of(value));
}

static cj_status read_layers(cj_recipe *r, yaml_document_t *document, yaml_node_t *node)
{
    if (r->layer_count > 0) return bad(r, node, "`model` is given a second time");
    for (const yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
        CJ__TRY(read_layer(r, document, yaml_document_get_node(document, *i)));
    return CJ_OK;
}

/* {size: 4, mode: reflect} as "size: 4, mode: reflect", which is also how C gives it. */
static cj_status read_parameters(cj_recipe *r, yaml_document_t *document, const yaml_node_t *node,
                                 cj__text *text)
{
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = node_at(document, p->key), *value = node_at(document, p->value);
        if (!text_of(key) || !text_of(value) || strpbrk(text_of(key), ",:") || strpbrk(text_of(value), ",:"))
            return bad(r, node, "parameters are plain values by name: `{size: 4, mode: reflect}`");
        cj__text_print(text, "%s%s: %s", text->size ? ", " : "", text_of(key), text_of(value));
    }
    return cj__text_check(text, "an augmentation");
}

static cj_status read_value(cj_recipe *r, yaml_document_t *document, const yaml_node_t *value, cj__text *text)
{
    if (value->type == YAML_MAPPING_NODE) return read_parameters(r, document, value, text);
    if (!text_of(value))
        return bad(r, value, "an augmentation's value is one value, or several by name: `{size: 4}`");
    cj__text_put(text, text_of(value));
    return cj__text_check(text, "an augmentation");
}

/* "greyscale", "pad_crop: 4", or "pad_crop: {size: 4, mode: reflect}". */
static cj_status read_augmentation(cj_recipe *r, yaml_document_t *document, yaml_node_t *node)
{
    cj__text text = {0};
    if (text_of(node)) return cj__recipe_augment(r, line_of(node), text_of(node), NULL);
    if (node->type != YAML_MAPPING_NODE || node->data.mapping.pairs.top - node->data.mapping.pairs.start != 1)
        return bad(r, node,
                   "an augmentation is a name, or one name with a value: `- greyscale` or `- pad_crop: 4`");
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    const yaml_node_t *key = node_at(document, pair->key);
    if (!text_of(key)) return bad(r, node, "an augmentation's name is plain text");
    cj_status status = read_value(r, document, node_at(document, pair->value), &text);
    if (status == CJ_OK) status = cj__recipe_augment(r, line_of(key), text_of(key), text.data);
    cj__text_free(&text);
    return status;
}

static cj_status read_augmentations(cj_recipe *r, yaml_document_t *document, yaml_node_t *node)
{
    if (node->type != YAML_SEQUENCE_NODE) return bad(r, node, "`augment` is a list of augmentations");
    for (const yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
        CJ__TRY(read_augmentation(r, document, node_at(document, *i)));
    return CJ_OK;
}

/* "[1, 3.5]" as "1,3.5", which is also how an override gives it. */
static cj_status read_list(cj_recipe *r, yaml_document_t *document, yaml_node_t *node, int line,
                           const char *path)
{
    cj__text text = {0};
    for (const yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
         i++) {
        const char *item = text_of(yaml_document_get_node(document, *i));
        if (!item || !*item || strchr(item, ',')) {
            cj__text_free(&text);
            return bad(r, node, "a list here is of plain values: [1, 3.5]");
        }
        cj__text_print(&text, text.size ? ",%s" : "%s", item);
    }
    cj_status status = cj__text_check(&text, path);
    if (status == CJ_OK) status = cj__recipe_set(r, line, path, text.data ? text.data : "");
    cj__text_free(&text);
    return status;
}

/* Appends "from=to", with `separator` between. Characters that separate can stand in neither. */
static cj_status put_pairs(cj_recipe *r, yaml_document_t *document, yaml_node_t *node, const char *separator,
                           cj__text *text)
{
    bool first = true;
    if (node->type != YAML_MAPPING_NODE) return bad(r, node, "a mapping was expected here: {name: value}");
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        const char *from = text_of(yaml_document_get_node(document, p->key)),
                   *to = text_of(yaml_document_get_node(document, p->value));
        if (!from || !to || strpbrk(from, ",;=") || strpbrk(to, ",;="))
            return bad(r, node, "a mapping here is of plain values without , ; and =: {name: value}");
        cj__text_print(text, "%s%s=%s", first ? "" : separator, from, to);
        first = false;
    }
    return CJ_OK;
}

static cj_status put_maps(cj_recipe *r, yaml_document_t *document, yaml_node_t *node, cj__text *text)
{
    if (node->type != YAML_SEQUENCE_NODE) return bad(r, node, "a list of mappings was expected here");
    for (const yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
         i++) {
        if (text->size) cj__text_put(text, ",");
        CJ__TRY(put_pairs(r, document, yaml_document_get_node(document, *i), ";", text));
    }
    return CJ_OK;
}

/* {from: to}, or [{field: value}], as an override gives it. */
static cj_status read_map(cj_recipe *r, yaml_document_t *document, yaml_node_t *node, int line,
                          const cj__key_facts *key)
{
    cj__text text = {0};
    cj_status status =
        key->kind == CJ__MAP ? put_pairs(r, document, node, ",", &text) : put_maps(r, document, node, &text);
    if (status == CJ_OK) status = cj__text_check(&text, key->name);
    if (status == CJ_OK) status = cj__recipe_set(r, line, key->name, text.data ? text.data : "");
    cj__text_free(&text);
    return status;
}

static bool is_map(const cj__key_facts *key)
{
    return key && (key->kind == CJ__MAP || key->kind == CJ__MAPS);
}

static bool is_section(const char *prefix)
{
    size_t length = strlen(prefix);
    for (int i = 0; i < CJ__KEY_COUNT; i++)
        if (strncmp(cj__recipe_keys[i].name, prefix, length) == 0 && cj__recipe_keys[i].name[length] == '.')
            return true;
    return false;
}

/* Anchors can make a short text stand for an endless one. As a key is taken once, and whatever is no key or
 * section ends the reading, no more is walked through than there are keys. */
static cj_status read_mapping(cj_recipe *r, yaml_document_t *document, yaml_node_t *node, const char *prefix,
                              int depth)
{
    if (node->type != YAML_MAPPING_NODE) return bad(r, node, "`key: value` lines were expected here");
    if (depth > 4) return bad(r, node, "mappings are nested too deeply");
    if (node->data.mapping.pairs.start == node->data.mapping.pairs.top && *prefix && !is_section(prefix))
        return cj__recipe_set(r, line_of(node), prefix, ""); /* tells that there is none */
    for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        yaml_node_t *key = yaml_document_get_node(document, p->key),
                    *value = yaml_document_get_node(document, p->value);
        char path[256];
        if (!text_of(key)) return bad(r, key, "a key must be plain text");
        snprintf(path, sizeof path, "%s%s%.120s", prefix, *prefix ? "." : "", text_of(key));
        bool model = strcmp(path, "model") == 0;
        if (model && value->type == YAML_SEQUENCE_NODE)
            CJ__TRY(read_layers(r, document, value));
        else if (model && text_of(value))
            CJ__TRY(cj__recipe_set(r, line_of(key), "model.name", text_of(value)));
        else if (strcmp(path, "augment") == 0)
            CJ__TRY(read_augmentations(r, document, value));
        else if (text_of(value))
            CJ__TRY(cj__recipe_set(r, line_of(key), path, text_of(value)));
        else if (is_map(cj__recipe_key_named(path)))
            CJ__TRY(read_map(r, document, value, line_of(key), cj__recipe_key_named(path)));
        else if (value->type == YAML_MAPPING_NODE)
            CJ__TRY(read_mapping(r, document, value, path, depth + 1));
        else if (value->type == YAML_SEQUENCE_NODE)
            CJ__TRY(read_list(r, document, value, line_of(key), path));
        else
            return bad(r, value, "a text has a zero character in it");
    }
    return CJ_OK;
}

static cj_status read_document(cj_recipe *r, yaml_parser_t *parser)
{
    yaml_document_t document;
    if (!yaml_parser_load(parser, &document))
        return cj__fail(parser->error == YAML_MEMORY_ERROR ? CJ_OUT_OF_MEMORY : CJ_FORMAT_ERROR,
                        "%s:%d: not YAML: %s", r->path, (int)parser->problem_mark.line + 1,
                        parser->problem ? parser->problem : "unreadable");
    yaml_node_t *root = yaml_document_get_root_node(&document);
    cj_status status = root ? read_mapping(r, &document, root, "", 0)
                            : cj__fail(CJ_FORMAT_ERROR, "%s: the file is empty", r->path);
    yaml_document_delete(&document);
    return status;
}

static cj_status parse(cj_recipe *r, const char *text, size_t size)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) return cj__out_of_memory(sizeof parser, r->path);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    cj_status status = read_document(r, &parser);
    yaml_parser_delete(&parser);
    return status;
}

static cj_status check_whole(const cj_recipe *r, const char *text, size_t size)
{
    static const char first[] = CJ__RECIPE_FIRST_LINE, last[] = "\n" CJ__RECIPE_LAST_LINE;
    enum { FIRST = sizeof first - 1, LAST = sizeof last - 1 };
    while (size > 0 && isspace((unsigned char)text[size - 1])) size--;
    if (size < FIRST || memcmp(text, first, FIRST) != 0 || memcmp(text + size - LAST, last, LAST) == 0)
        return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "%s: cut short or added to: its first line says that the last is '%s'",
                    r->path, CJ__RECIPE_LAST_LINE);
}

cj_status cj__recipe_parse(cj_recipe *r)
{
    char *text;
    size_t size;
    CJ__TRY(cj__file_read(r->path, LONGEST, &text, &size));
    cj_status status = check_whole(r, text, size);
    if (status == CJ_OK) status = parse(r, text, size);
    r->saved = status == CJ_OK && strncmp(text, CJ__RECIPE_FIRST_LINE, strlen(CJ__RECIPE_FIRST_LINE)) == 0;
    cj__free(text);
    return status;
}
#else
cj_status cj__recipe_parse(cj_recipe *r)
{
    return cj__fail(CJ_UNSUPPORTED, "%s: this build reads no recipes: install libyaml-dev and build again",
                    r->path);
}
#endif
