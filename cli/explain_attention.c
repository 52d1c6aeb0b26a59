/* cajal explain --method attention: what each token of a text looks at, as pictures, and of translations as a
 * page too. */
#include "explain_text.h"

#include <stdlib.h>
#include <string.h>

/* The tokens along one side of a map, and the tokenizer that knows what they are called. */
typedef struct {
    const cj_tokenizer *tokenizer;
    const int32_t *tokens;
    int64_t count;
} side;

/* Pieces that belong to the tokenizer. */
static const char **names_of(const side *s)
{
    const char **names = calloc((size_t)s->count + 1, sizeof *names);
    for (int64_t i = 0; names && i < s->count; i++)
        names[i] = cj_tokenizer_piece(s->tokenizer, s->tokens[i], NULL);
    return names;
}

/* What is said looks at the original, a text at itself. */
static void find_sides(const task *t, const text *x, side *queries, side *keys)
{
    int64_t count = shown(t, x);
    *queries = *keys = (side){t->tokenizer, x->tokens.ids + x->tokens.count - count, count};
    if (!translates(t)) return;
    *queries = (side){target_of(&t->translation), x->said.ids, x->said.count};
    *keys = (side){t->tokenizer, x->original.tokens.ids, x->original.tokens.count};
}

/* With names, where the map is of tokens, and not of what a layer made of several. */
static cj_status draw_map(const task *t, const text *x, const cj_feature_maps *map, cj_image *image)
{
    const int64_t *size = map->maps.shape.dims;
    side queries, keys;
    find_sides(t, x, &queries, &keys);
    if (size[0] != queries.count || size[1] != keys.count) return cj_feature_maps_picture(image, map);
    const char **rows = names_of(&queries), **columns = names_of(&keys);
    cj_status status = rows && columns ? cj_attention_picture(image, map, rows, columns) : CJ_OUT_OF_MEMORY;
    free(rows);
    free(columns);
    return status;
}

static cj_status write_map(task *t, const text *x, const cj_feature_maps *map, int64_t number)
{
    char file[MOST_PATH], layer[CJ_LAYER_NAME];
    cj_image image = {0};
    snprintf(layer, sizeof layer, "%s", *map->layer ? map->layer : "attention");
    snprintf(file, sizeof file, "%.3500s/%.200s-attention-%lld.png", t->folder, t->stem, (long long)number);
    cj_status status = draw_map(t, x, map, &image);
    if (status == CJ_OK) status = cj_image_write_png(file, &image);
    if (status == CJ_OK) tell_text_file(t, "attention", layer, file);
    cj_image_free(&image);
    return status;
}

/* Texts that a page is made of. */
typedef struct {
    cj_coloured_text *list;
    int64_t count;
} sections;

static void free_sections(sections *s)
{
    for (int64_t i = 0; i < s->count; i++) {
        free((char *)(size_t)s->list[i].caption);
        free((float *)(size_t)s->list[i].values);
    }
    free(s->list);
}

/* How much each token that is said looks at each of the original: the mean over the heads. [said,pieces] */
static float *mean_of_heads(const text *x, const cj_tensor *map)
{
    int64_t said = map->shape.dims[0], read = map->shape.dims[1], heads = map->shape.dims[2];
    float *means = calloc((size_t)(said * x->piece_count) + 1, sizeof *means);
    const float *weight = map->data;
    for (int64_t i = 0; means && i < said * read * heads; i++)
        means[i / heads / read * x->piece_count + i / heads % read] += weight[i] / (float)heads;
    return means;
}

static cj_status add_section(sections *s, const text *x, const cj_feature_maps *map)
{
    char caption[CJ_LAYER_NAME + 40];
    int64_t heads = map->maps.shape.dims[2];
    cj_coloured_text *more = realloc(s->list, (size_t)(s->count + 1) * sizeof *more);
    if (!more) return CJ_OUT_OF_MEMORY;
    s->list = more;
    snprintf(caption, sizeof caption, heads > 1 ? "%s, the mean of %lld heads" : "%s", map->layer,
             (long long)heads);
    cj_coloured_text *section = &s->list[s->count++];
    *section = (cj_coloured_text){.caption = copy_of(caption, strlen(caption)),
                                  .pieces = (const char *const *)x->pieces,
                                  .count = x->piece_count,
                                  .values = mean_of_heads(x, &map->maps),
                                  .rows = map->maps.shape.dims[0]};
    return section->caption && section->values ? CJ_OK : CJ_OUT_OF_MEMORY;
}

static cj_status write_maps(task *t, text *x, sections *s, int64_t *number)
{
    cj_attention_maps maps;
    cj_text_explain_options o = options_of(t, x);
    begin_waiting(t->o, "attention");
    cj_status status = cj_attention_maps_make(&maps, &o);
    end_waiting();
    for (int64_t k = 0; k < maps.count && status == CJ_OK; k++) {
        status = write_map(t, x, &maps.maps[k], ++*number);
        if (status == CJ_OK && translates(t)) status = add_section(s, x, &maps.maps[k]);
    }
    cj_attention_maps_free(&maps);
    return status;
}

/* Pictures, and of translations a page: it has the letters of any language. */
cj_status write_attentions(task *t)
{
    int64_t number = 0;
    sections s = {0};
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < t->count && status == CJ_OK; i++)
        status = write_maps(t, &t->texts[i], &s, &number);
    cj_text_page page = {.size = sizeof page,
                         .title = cj_recipe_name(t->run->recipe),
                         .about =
                             "Point at a token of the translation: those of the sentence are coloured by "
                             "how much was looked at each before it was written. At first the last token "
                             "is shown.",
                         .texts = s.list,
                         .count = s.count};
    if (status == CJ_OK && translates(t)) status = write_page(t, "attention", &page);
    free_sections(&s);
    return status;
}
