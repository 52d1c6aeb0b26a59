/* A recipe's sentences: files of lines, labels, translations or stories; a tokenizer made of the training's
 * file, or two; and a set for each file there is. */
#include "recipe/recipe.h"

#include <string.h>

static cj_text_format format_of(const cj_recipe *r)
{
    return (cj_text_format)(cj__recipe_choice(r, CJ__KEY_data_format) - 1); /* behind `plain` */
}

bool cj_recipe_predicts_tokens(const cj_recipe *r)
{
    if (!cj_recipe_is_text(r) || cj__recipe_is_plain_text(r)) return cj_recipe_is_text(r);
    return format_of(r) != CJ_TEXT_LABELLED && format_of(r) != CJ_TEXT_STORIES;
}

bool cj_recipe_is_masked(const cj_recipe *r)
{
    return cj_recipe_is_text(r) && !cj__recipe_is_plain_text(r) && format_of(r) == CJ_TEXT_MASKED;
}

bool cj_recipe_reads_lines(const cj_recipe *r)
{
    return cj_recipe_is_text(r) && !cj__recipe_is_plain_text(r) && format_of(r) == CJ_TEXT_LINES;
}

/* Both files of a part, or neither. */
static cj_status check_pair(const cj_recipe *r, cj__key source, cj__key target)
{
    bool pairs = format_of(r) == CJ_TEXT_PAIRS, has_source = *r->values[source] != 0;
    bool has_target = *r->values[target] != 0;
    if (has_target && !pairs)
        return cj__recipe_bad_value(r, target, "left out where data.format is not pairs");
    if (pairs && has_source != has_target)
        return cj__recipe_bad_value(r, target, "the file of translations, line by line");
    return CJ_OK;
}

cj_status cj__recipe_check_sentences(const cj_recipe *r)
{
    CJ__TRY(check_pair(r, CJ__KEY_data_text, CJ__KEY_data_target_text));
    if (cj_recipe_is_joint(r) && format_of(r) != CJ_TEXT_PAIRS)
        return cj__recipe_bad_value(r, CJ__KEY_data_target_tokenizer,
                                    "left out where data.format is not pairs");
    CJ__TRY(check_pair(r, CJ__KEY_data_validation_text, CJ__KEY_data_validation_target));
    CJ__TRY(check_pair(r, CJ__KEY_data_test_text, CJ__KEY_data_test_target));
    if (*r->values[CJ__KEY_data_more] && format_of(r) != CJ_TEXT_MASKED)
        return cj__recipe_bad_value(r, CJ__KEY_data_more, "left out where data.format is not masked");
    if (cj__recipe_count(r, CJ__KEY_data_memory) < 1 || cj__recipe_count(r, CJ__KEY_data_memory) > 4096)
        return cj__recipe_bad_value(r, CJ__KEY_data_memory, "from 1 to 4096");
    if (cj__recipe_count(r, CJ__KEY_data_bucket) > 65536)
        return cj__recipe_bad_value(r, CJ__KEY_data_bucket, "65536 at most");
    return CJ_OK;
}

/* --- further files ------------------------------------------------------------------------------------- */

typedef struct {
    cj__arena arena;
    const char *list[CJ__MOST_FILES];
    int64_t count;
} further;

static cj_status find_one(const char *name, size_t size, further *f)
{
    char file[4096], path[4096];
    if (size >= sizeof file || f->count == CJ__MOST_FILES)
        return cj__fail(CJ_INVALID_ARGUMENT, "data.more_text has more than %d files, or too long a name",
                        CJ__MOST_FILES);
    memcpy(file, name, size);
    file[size] = 0;
    CJ__TRY(cj_data_find(file, path, sizeof path));
    f->list[f->count] = cj__arena_string(&f->arena, path);
    return f->list[f->count++] ? CJ_OK : cj__out_of_memory(size, "a recipe");
}

/* Where those that data.more_text names lie. */
static cj_status find_further(const cj_recipe *r, further *f)
{
    cj_status status = CJ_OK;
    for (const char *at = r->values[CJ__KEY_data_more]; *at && status == CJ_OK;) {
        size_t size = strcspn(at, ",");
        status = find_one(at, size, f);
        at += size + (at[size] == ',');
    }
    if (status != CJ_OK) cj__arena_free(&f->arena);
    return status;
}

/* --- tokenizers ---------------------------------------------------------------------------------------- */

/* Each file is looked at by itself: in the whole its lines have other numbers. */
static cj_status add_sentences(const cj_recipe *r, cj__key kind, const char *path, cj__text *whole)
{
    char *text;
    size_t size;
    CJ__TRY(cj_text_of_file(format_of(r), path, &text, &size));
    cj_status status = cj__recipe_check_bytes(r, kind, path, text, size);
    if (status == CJ_OK) cj__text_add(whole, text, size);
    cj_text_free(text);
    return status;
}

/* The sentences of the training's file, and of those that are read behind it; for both languages together
 * those of the other file first. */
static cj_status gather_text(const cj_recipe *r, cj__key kind, const char *path, cj__text *whole)
{
    further files = {0};
    char other[4096];
    cj_status status = CJ_OK;
    if (cj_recipe_is_joint(r)) {
        CJ__TRY(cj_data_find(r->values[CJ__KEY_data_target_text], other, sizeof other));
        CJ__TRY(add_sentences(r, kind, other, whole));
    }
    CJ__TRY(find_further(r, &files));
    for (int64_t i = -1; i < files.count && status == CJ_OK; i++)
        status = add_sentences(r, kind, i < 0 ? path : files.list[i], whole);
    cj__arena_free(&files.arena);
    return status == CJ_OK ? cj__text_check(whole, path) : status;
}

/* Of the kind or file that the key names, from the sentences of the training's file. */
static cj_status open_tokenizer(cj_recipe *r, cj__key file, cj__key kind, cj__key vocabulary,
                                cj_tokenizer **made)
{
    char path[4096];
    cj__text text = {0};
    cj_tokenizer_training training = {
        .size = sizeof training, .vocabulary = cj__recipe_count(r, vocabulary), .specials = true};
    CJ__TRY(cj_data_find(r->values[file], path, sizeof path));
    cj__text_put(&text, "");
    cj_status status = gather_text(r, kind, path, &text);
    training.text = text.data;
    training.bytes = text.size;
    if (status == CJ_OK) status = cj__recipe_make_tokenizer(r, kind, path, &training, made);
    cj__text_free(&text);
    return status == CJ_OK ? cj__recipe_set_count(r, vocabulary, cj_tokenizer_count(*made)) : status;
}

/* What is translated to has the same kind of tokenizer where nothing else is said. */
static cj_status open_tokenizers(cj_recipe *r, cj_recipe_sets *sets)
{
    cj__key kind =
        *r->values[CJ__KEY_data_target_tokenizer] ? CJ__KEY_data_target_tokenizer : CJ__KEY_data_tokenizer;
    CJ__TRY(open_tokenizer(r, CJ__KEY_data_text, CJ__KEY_data_tokenizer, CJ__KEY_data_vocabulary,
                           &sets->tokenizer));
    if (format_of(r) != CJ_TEXT_PAIRS || cj_recipe_is_joint(r)) return CJ_OK;
    return open_tokenizer(r, CJ__KEY_data_target_text, kind, CJ__KEY_data_target_vocabulary,
                          &sets->target_tokenizer);
}

/* --- sets ---------------------------------------------------------------------------------------------- */

/* Else a batch of the longest would end the training, or the test behind it. */
static cj_status check_block(const cj_recipe *r, const char *path, const cj_dataset *part)
{
    int64_t block = cj_recipe_is_language(r) ? cj_recipe_block(r) : 0;
    cj_shape_t shape = cj_dataset_x(part).shape;
    if (block == 0 || shape.dims[shape.rank - 1] <= block) return CJ_OK;
    return cj__fail(
        CJ_INVALID_ARGUMENT,
        "%s: the longest example has %lld tokens, but model.block is %lld: expected no more; hint: "
        "data.longest cuts them",
        path, (long long)shape.dims[shape.rank - 1], (long long)block);
}

static cj_status open_part(const cj_recipe *r, const cj_recipe_sets *sets, cj__key source, cj__key target,
                           const char *classes, cj_dataset **part)
{
    char path[4096], target_path[4096];
    further files = {0};
    cj_text_file_options o = {.size = sizeof o,
                              .format = format_of(r),
                              .path = path,
                              .tokenizer = sets->tokenizer,
                              .target_tokenizer = sets->target_tokenizer,
                              .classes = classes,
                              .longest = cj_recipe_longest(r),
                              .memory = cj__recipe_count(r, CJ__KEY_data_memory),
                              .bucket = cj__recipe_count(r, CJ__KEY_data_bucket)};
    if (!*r->values[source]) return CJ_OK;
    CJ__TRY(cj_data_find(r->values[source], path, sizeof path));
    if (o.format == CJ_TEXT_PAIRS) {
        CJ__TRY(cj_data_find(r->values[target], target_path, sizeof target_path));
        o.target_path = target_path;
    }
    if (source == CJ__KEY_data_text) CJ__TRY(find_further(r, &files));
    o.more = files.list;
    o.more_count = files.count;
    cj_status status = cj_dataset_read_text(part, &o);
    cj__arena_free(&files.arena);
    return status == CJ_OK ? check_block(r, path, *part) : status;
}

/* The labels of the other parts are the training's. */
static cj_status open_parts(cj_recipe *r, cj_recipe_sets *sets, cj__text *names)
{
    CJ__TRY(open_part(r, sets, CJ__KEY_data_text, CJ__KEY_data_target_text, r->values[CJ__KEY_data_classes],
                      &sets->whole));
    CJ__TRY(cj__recipe_join_classes(sets->whole, names));
    CJ__TRY(open_part(r, sets, CJ__KEY_data_validation_text, CJ__KEY_data_validation_target, names->data,
                      &sets->validation));
    return open_part(r, sets, CJ__KEY_data_test_text, CJ__KEY_data_test_target, names->data, &sets->test);
}

cj_status cj__recipe_open_sentences(cj_recipe *r, cj_recipe_sets *sets)
{
    cj__text names = {0};
    CJ__TRY(open_tokenizers(r, sets));
    cj_status status = open_parts(r, sets, &names);
    cj__text_free(&names);
    return status == CJ_OK ? cj__recipe_fit_classes(r, cj_dataset_classes(sets->whole)) : status;
}
