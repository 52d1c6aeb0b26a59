/* A recipe's data: which there is, opened and split, and what the recipe remembers of it. */
#include "base/text.h"
#include "recipe/recipe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_set(const cj_recipe *r, cj__key key)
{
    return *r->values[key] != 0;
}

/* Whether neither the recipe's file nor an override gives the key: its value is the standard itself, not a
 * text that equals it. */
static bool is_left_out(const cj_recipe *r, cj__key key)
{
    return r->values[key] == cj__recipe_keys[key].standard;
}

static bool has_pictures(const cj_recipe *r)
{
    return is_set(r, CJ__KEY_data_folder) || is_set(r, CJ__KEY_data_pictures);
}

static cj_split_options split_of(const cj_recipe *r, bool has_test)
{
    return (cj_split_options){.size = sizeof(cj_split_options),
                              .kind = (cj_split_kind)cj__recipe_choice(r, CJ__KEY_data_split),
                              .validation = cj__recipe_number(r, CJ__KEY_data_validation),
                              .test = has_test ? 0 : cj__recipe_number(r, CJ__KEY_data_test),
                              .seed = (uint64_t)cj__recipe_count(r, CJ__KEY_data_seed)};
}

/* --- which data there is ------------------------------------------------------------------------------- */

/* Pictures and their labels in one archive. */
static bool is_archive(const cj_recipe *r)
{
    const char *file = r->values[CJ__KEY_data_file];
    size_t size = strlen(file);
    return size > 4 && strcmp(file + size - 4, ".npz") == 0;
}

bool cj_recipe_is_table(const cj_recipe *r)
{
    return is_set(r, CJ__KEY_data_file) && !is_archive(r) && !has_pictures(r);
}

/* Texts as data.format orders them, then the others. */
enum { PLAIN, LINES, LABELLED, PAIRS, STORIES, MASKED, WRITTEN, NAMED, ARCHIVE, TABLE, PICTURES };

#define SPLIT     "split|validation|test|seed"
#define PIXELS    "shape|classes|scale|shift|mean|deviation|normalise"
#define TOKENS    "text|format|tokenizer|vocabulary|least|lower|form|invalid|shape|validation_text|test_text"
#define SENTENCES TOKENS "|longest|bucket|" SPLIT

/* The keys of `data` that are of use to it, with those that a run remembers of it; but for the name, which
 * stands behind all others. */
static const struct {
    const char *what, *takes;
} kinds[] = {
    [PLAIN] = {"a plain text", TOKENS "|window|windows|order|validation|test"},
    [LINES] = {"a text of lines", SENTENCES "|window"},
    [LABELLED] = {"a text of labelled sentences", SENTENCES "|classes"},
    [PAIRS] = {"a text of pairs", SENTENCES "|target_text|validation_target|test_target|target_tokenizer|"
                                            "target_vocabulary"},
    [STORIES] = {"a text of stories", SENTENCES "|memory|classes"},
    [MASKED] = {"a text with masked words", SENTENCES "|more_text"},
    /* A tokenizer and no text: the network is not trained, but writes. */
    [WRITTEN] = {"a tokenizer without a text", SENTENCES "|window|order|memory|target_tokenizer|"
                                                         "target_vocabulary"},
    [NAMED] = {"a data set known by name", PIXELS "|" SPLIT},
    [ARCHIVE] = {"an archive", "file|" PIXELS "|" SPLIT},
    [TABLE] = {"a table", "file|target|target_is_number|drop|categories|missing|missing_indicators|scaling|"
                          "shape|classes|" SPLIT},
    [PICTURES] = {"a set of pictures",
                  "file|folder|pictures|target|target_is_number|crop|skip_damaged|" PIXELS "|" SPLIT},
};

static int kind_of(const cj_recipe *r)
{
    if (cj_recipe_is_text(r)) return PLAIN + cj__recipe_choice(r, CJ__KEY_data_format);
    if (has_pictures(r)) return PICTURES;
    if (is_set(r, CJ__KEY_data_file)) return is_archive(r) ? ARCHIVE : TABLE;
    return cj__recipe_names_file(r->values[CJ__KEY_data_tokenizer]) ? WRITTEN : NAMED;
}

/* --- settings ------------------------------------------------------------------------------------------ */

static cj_status read_normalisation(cj_recipe *r)
{
    int64_t means = cj__recipe_list(r, CJ__KEY_data_mean, r->mean, CJ__MOST_MEANS);
    int64_t deviations = cj__recipe_list(r, CJ__KEY_data_deviation, r->deviation, CJ__MOST_MEANS);
    r->channels = 0;
    if (means < 0 || means > CJ__MOST_MEANS)
        return cj__recipe_bad_value(r, CJ__KEY_data_mean, "a list of numbers, one for each channel");
    for (int64_t c = 0; c < deviations && c < CJ__MOST_MEANS; c++)
        if (!(r->deviation[c] > 0)) deviations = -1;
    if (deviations != means)
        return cj__recipe_bad_value(r, CJ__KEY_data_deviation,
                                    "a list of as many numbers above 0 as data.mean has");
    if (cj_recipe_is_table(r) && means > 0)
        return cj__recipe_bad_value(r, CJ__KEY_data_mean, "left out: columns of a table have data.scaling");
    r->channels = means;
    return CJ_OK;
}

static cj_status read_classes(cj_recipe *r)
{
    return cj__names_split(&r->classes, &r->arena, r->values[CJ__KEY_data_classes]);
}

cj_status cj__recipe_check_data(cj_recipe *r)
{
    bool pictures = is_set(r, CJ__KEY_data_pictures), file = is_set(r, CJ__KEY_data_file);
    if ((cj_recipe_is_table(r) || pictures) && !is_set(r, CJ__KEY_data_target))
        return cj__recipe_bad_value(r, CJ__KEY_data_target, "the column of data.file to learn");
    if (pictures && !file)
        return cj__recipe_bad_value(r, CJ__KEY_data_file, "the table that data.pictures is a column of");
    if (is_set(r, CJ__KEY_data_folder) && file && !pictures)
        return cj__recipe_bad_value(r, CJ__KEY_data_pictures,
                                    "the column of data.file with paths in data.folder");
    CJ__TRY(cj__recipe_check_text(r));
    CJ__TRY(read_normalisation(r));
    int kind = kind_of(r);
    CJ__TRY(
        cj__recipe_check_taken(r, CJ__KEY_data_file, CJ__KEY_data_seed, kinds[kind].what, kinds[kind].takes));
    return read_classes(r);
}

const char *cj_recipe_class(const cj_recipe *recipe, int64_t label)
{
    return label >= 0 && label < recipe->classes.count ? recipe->classes.names[label] : NULL;
}

/* --- tables, archives, names --------------------------------------------------------------------------- */

cj_status cj_recipe_read_table(const cj_recipe *r, const char *path, cj_table **table)
{
    cj_csv_options options = {
        .size = sizeof options, .path = path, .missing = r->values[CJ__KEY_data_missing]};
    return cj_table_read_csv(table, &options);
}

static cj_status fit_preprocessing(const cj_recipe *r, const cj_table *table, cj_preprocessing **made)
{
    cj_preprocessing_options options = {.size = sizeof options,
                                        .table = table,
                                        .split = split_of(r, false),
                                        .target = r->values[CJ__KEY_data_target],
                                        .target_is_number = cj__recipe_truth(r, CJ__KEY_data_number),
                                        .drop = r->values[CJ__KEY_data_drop],
                                        .categories = r->values[CJ__KEY_data_categories],
                                        .scaling = (cj_scaling)cj__recipe_choice(r, CJ__KEY_data_scaling),
                                        .missing_indicators = cj__recipe_truth(r, CJ__KEY_data_indicators)};
    return cj_preprocessing_fit(made, &options);
}

static cj_status open_table(const cj_recipe *r, cj_recipe_sets *sets)
{
    char path[4096];
    cj_table *table = NULL;
    cj_status status = cj_data_find(r->values[CJ__KEY_data_file], path, sizeof path);
    if (status == CJ_OK) status = cj_recipe_read_table(r, path, &table);
    if (status == CJ_OK) status = fit_preprocessing(r, table, &sets->preprocessing);
    if (status == CJ_OK) status = cj_preprocessing_apply(sets->preprocessing, table, true, &sets->whole);
    cj_table_free(table);
    return status;
}

/* A set by name has test rows of its own, unless the recipe keeps some back. */
static cj_status open_named(const cj_recipe *r, cj_recipe_sets *sets)
{
    const char *name = r->values[CJ__KEY_data_name];
    CJ__TRY(cj_dataset_open(&sets->whole, name, false));
    return cj__recipe_number(r, CJ__KEY_data_test) == 0 ? cj_dataset_open(&sets->test, name, true) : CJ_OK;
}

/* A share of the rows that is kept back takes the place of test rows that the data has. */
static void prefer_share(const cj_recipe *r, cj_recipe_sets *sets)
{
    if (!(cj__recipe_number(r, CJ__KEY_data_test) > 0)) return;
    cj_dataset_free(sets->test);
    sets->test = NULL;
}

/* Its own validation and test rows, unless the recipe keeps some of the others back for the test. Numbers are
 * taken as they are where the recipe says nothing of their scale, which is meant for bytes. */
static cj_status open_archive(cj_recipe *r, cj_recipe_sets *sets)
{
    char path[4096];
    CJ__TRY(cj_data_find(r->values[CJ__KEY_data_file], path, sizeof path));
    CJ__TRY(cj_dataset_read_npz(path, &sets->whole, &sets->validation, &sets->test));
    prefer_share(r, sets);
    if (cj_dataset_x(sets->whole).dtype == CJ_F32 && is_left_out(r, CJ__KEY_data_scale))
        r->values[CJ__KEY_data_scale] = "1";
    return CJ_OK;
}

/* --- pictures in files --------------------------------------------------------------------------------- */

/* data.shape: height, width and, if it says so, channels; of the data's own size where it says nothing. */
static cj_status picture_options(const cj_recipe *r, bool sample, cj_picture_options *options)
{
    double dims[3] = {0};
    int64_t rank = cj__recipe_list(r, CJ__KEY_data_shape, dims, 3);
    bool good = rank == 0 || rank == 2 || rank == 3;
    for (int64_t d = 0; d < rank && good; d++)
        good = dims[d] >= 1 && dims[d] <= 32768 && dims[d] == floor(dims[d]);
    if (!good || (rank == 3 && dims[2] != 1 && dims[2] != 3))
        return cj__fail(
            CJ_INVALID_ARGUMENT,
            "%s: data.shape is '%.80s', but must be height and width of a picture, and 1 (grey) or 3 "
            "channels: [224, 224, 3]",
            r->path, r->values[CJ__KEY_data_shape]);
    *options = (cj_picture_options){.fit = {.size = sizeof options->fit,
                                            .height = (int64_t)dims[0],
                                            .width = (int64_t)dims[1],
                                            .channels = (int64_t)dims[2],
                                            .crop = cj__recipe_number(r, CJ__KEY_data_crop)},
                                    .classes = r->values[CJ__KEY_data_classes],
                                    .skip_damaged = !sample && cj__recipe_truth(r, CJ__KEY_data_skip)};
    return CJ_OK;
}

static cj_status open_folder(const cj_recipe *r, bool sample, cj_recipe_sets *sets)
{
    char path[4096];
    cj_folder_options options = {.size = sizeof options, .path = path};
    CJ__TRY(picture_options(r, sample, &options.pictures));
    CJ__TRY(cj_data_find(r->values[CJ__KEY_data_folder], path, sizeof path));
    return cj_dataset_read_folder(&options, &sets->whole, &sets->validation, &sets->test);
}

static cj_status open_picture_table(const cj_recipe *r, bool sample, cj_recipe_sets *sets)
{
    char path[4096], folder[4096];
    bool has_folder = is_set(r, CJ__KEY_data_folder);
    cj_picture_table_options options = {.size = sizeof options,
                                        .path = path,
                                        .column = r->values[CJ__KEY_data_pictures],
                                        .folder = has_folder ? folder : NULL,
                                        .target = r->values[CJ__KEY_data_target],
                                        .target_is_number = cj__recipe_truth(r, CJ__KEY_data_number)};
    CJ__TRY(picture_options(r, sample, &options.pictures));
    CJ__TRY(cj_data_find(r->values[CJ__KEY_data_file], path, sizeof path));
    if (has_folder) CJ__TRY(cj_data_find(r->values[CJ__KEY_data_folder], folder, sizeof folder));
    return cj_dataset_read_picture_table(&sets->whole, &options);
}

/* A folder's rows lie class by class: its last ones would be a validation of the last class alone. */
static cj_status open_pictures(cj_recipe *r, bool sample, cj_recipe_sets *sets)
{
    CJ__TRY(is_set(r, CJ__KEY_data_pictures) ? open_picture_table(r, sample, sets)
                                             : open_folder(r, sample, sets));
    prefer_share(r, sets);
    if (is_left_out(r, CJ__KEY_data_split))
        r->values[CJ__KEY_data_split] = cj_dataset_y(sets->whole).dtype == CJ_I32 ? "stratified" : "random";
    return CJ_OK;
}

/* --- what is remembered -------------------------------------------------------------------------------- */

/* "28,28": one example's shape, as the recipe remembers it. */
static cj_status remember_shape(cj_recipe *r, const cj_dataset *data)
{
    cj_tensor row;
    char text[160];
    size_t used = 0;
    cj_dataset_row(data, 0, &row, NULL);
    for (int64_t d = 1; d < row.shape.rank && used < 140; d++)
        used += (size_t)snprintf(text + used, sizeof text - used, d > 1 ? ",%lld" : "%lld",
                                 (long long)row.shape.dims[d]);
    r->values[CJ__KEY_data_shape] = used ? cj__arena_string(&r->arena, text) : "";
    return r->values[CJ__KEY_data_shape] ? CJ_OK : cj__out_of_memory(used, "a recipe");
}

cj_status cj__recipe_join_classes(const cj_dataset *data, cj__text *names)
{
    cj__text_put(names, "");
    for (int64_t i = 0; cj_dataset_class_name(data, i); i++)
        cj__text_print(names, i ? ",%s" : "%s", cj_dataset_class_name(data, i));
    return cj__text_check(names, "names of classes");
}

static cj_status remember_classes(cj_recipe *r, const cj_dataset *data)
{
    cj__text text = {0};
    if (is_set(r, CJ__KEY_data_classes) || !cj_dataset_class_name(data, 0)) return CJ_OK;
    cj_status status = cj__recipe_join_classes(data, &text);
    if (status == CJ_OK) status = cj__recipe_set(r, 0, cj__recipe_keys[CJ__KEY_data_classes].name, text.data);
    if (status == CJ_OK) status = read_classes(r);
    cj__text_free(&text);
    return status;
}

static cj_status set_list(cj_recipe *r, cj__key key, const double *numbers, int64_t count)
{
    char text[40 * CJ__MOST_MEANS];
    size_t used = 0;
    for (int64_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, i ? ",%.9g" : "%.9g", numbers[i]);
    return cj__recipe_set(r, 0, cj__recipe_keys[key].name, text);
}

/* As they come out of scale and shift. A channel in which nothing differs is left as wide as it is. */
static cj_status fit_normalisation(cj_recipe *r, const cj_dataset *training)
{
    double mean[CJ__MOST_MEANS], deviation[CJ__MOST_MEANS];
    cj_shape_t shape = cj_dataset_x(training).shape;
    int64_t channels = shape.rank == 4 && shape.dims[3] <= CJ__MOST_MEANS ? shape.dims[3] : 1;
    double scale = cj__recipe_number(r, CJ__KEY_data_scale), shift = cj__recipe_number(r, CJ__KEY_data_shift);
    if (cj__recipe_choice(r, CJ__KEY_data_normalise) == 0 || r->channels > 0) return CJ_OK;
    CJ__TRY(cj_dataset_moments(training, channels, mean, deviation));
    for (int64_t c = 0; c < channels; c++) {
        mean[c] = mean[c] * scale + shift;
        deviation[c] = deviation[c] > 0 && scale != 0 ? deviation[c] * fabs(scale) : 1;
    }
    CJ__TRY(set_list(r, CJ__KEY_data_mean, mean, channels));
    CJ__TRY(set_list(r, CJ__KEY_data_deviation, deviation, channels));
    return read_normalisation(r);
}

/* --- opening ------------------------------------------------------------------------------------------- */

static cj_status split(const cj_recipe *r, cj_recipe_sets *sets)
{
    cj_split_options options = split_of(r, sets->test != NULL);
    if (sets->validation) options.validation = 0;
    return cj_dataset_split(sets->whole, &options, &sets->training,
                            sets->validation ? NULL : &sets->validation, sets->test ? NULL : &sets->test);
}

static cj_status open_text(cj_recipe *r, cj_recipe_sets *sets)
{
    cj_status status = cj__recipe_open_text(r, sets);
    if (status == CJ_OK) status = remember_shape(r, sets->training);
    if (status != CJ_OK) cj_recipe_close_data(sets);
    return status;
}

static cj_status open_all(cj_recipe *r, bool sample, cj_recipe_sets *sets)
{
    *sets = (cj_recipe_sets){0};
    int kind = kind_of(r);
    if (kind == PLAIN) return open_text(r, sets);
    cj_status status = kind < WRITTEN     ? cj__recipe_open_sentences(r, sets)
                       : kind == PICTURES ? open_pictures(r, sample, sets)
                       : kind == TABLE    ? open_table(r, sets)
                       : kind == ARCHIVE  ? open_archive(r, sets)
                                          : open_named(r, sets);
    if (status == CJ_OK) status = split(r, sets);
    if (status == CJ_OK) status = remember_shape(r, sets->training);
    if (status == CJ_OK) status = remember_classes(r, sets->whole);
    if (status == CJ_OK && !sample) status = fit_normalisation(r, sets->training);
    if (status != CJ_OK) cj_recipe_close_data(sets);
    return status;
}

cj_status cj_recipe_open_data(cj_recipe *r, cj_recipe_sets *sets)
{
    *sets = (cj_recipe_sets){0};
    CJ__TRY(cj_recipe_open_kernels(r));
    return open_all(r, false, sets);
}

/* A file tells no width before it has been read. */
cj_status cj_recipe_open_sample(cj_recipe *r, cj_recipe_sets *sets)
{
    *sets = (cj_recipe_sets){0};
    CJ__TRY(cj_recipe_open_kernels(r));
    if (is_set(r, CJ__KEY_data_file) || has_pictures(r) || cj_recipe_is_text(r))
        return open_all(r, true, sets);
    CJ__TRY(cj_dataset_open_sample(&sets->training, r->values[CJ__KEY_data_name], 1));
    cj_status status = cj_dataset_count(sets->training) > 0
                           ? remember_shape(r, sets->training)
                           : cj__fail(CJ_FORMAT_ERROR, "%s has no rows", r->values[CJ__KEY_data_name]);
    if (status == CJ_OK) status = remember_classes(r, sets->training);
    if (status != CJ_OK) cj_recipe_close_data(sets);
    return status;
}

void cj_recipe_close_data(cj_recipe_sets *sets)
{
    cj_dataset_free(sets->training);
    cj_dataset_free(sets->validation);
    cj_dataset_free(sets->test);
    cj_dataset_free(sets->whole);
    cj_preprocessing_free(sets->preprocessing);
    cj_tokenizer_free(sets->tokenizer);
    cj_tokenizer_free(sets->target_tokenizer);
    *sets = (cj_recipe_sets){0};
}

cj_shape_t cj_recipe_shape(const cj_recipe *recipe)
{
    double dims[CJ_MAX_RANK];
    int64_t rank = cj__recipe_list(recipe, CJ__KEY_data_shape, dims, CJ_MAX_RANK);
    cj_shape_t shape = {.rank = rank > 0 && rank <= CJ_MAX_RANK ? rank : 0};
    for (int64_t d = 0; d < shape.rank; d++) shape.dims[d] = (int64_t)dims[d];
    return shape;
}

cj_image_fit_options cj_recipe_picture(const cj_recipe *recipe)
{
    cj_shape_t shape = cj_recipe_shape(recipe);
    int64_t channels = shape.rank == 3 ? shape.dims[2] : shape.rank == 2 ? 1 : 0;
    return (cj_image_fit_options){.size = sizeof(cj_image_fit_options),
                                  .height = shape.dims[0],
                                  .width = shape.dims[1],
                                  .channels = channels == 1 || channels == 3 ? channels : 0,
                                  .crop = cj__recipe_number(recipe, CJ__KEY_data_crop)};
}
