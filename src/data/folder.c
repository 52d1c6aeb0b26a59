/* A folder of classes as datasets: one, or the parts that it is divided into. */
#include "data/pictures.h"

#include <stdio.h>
#include <string.h>

enum { TRAINING, VALIDATION, TEST, PARTS };

/* What the parts are called, the usual first. */
static const char *const part_names[PARTS][3] = {
    {"train", "training"}, {"val", "valid", "validation"}, {"test", "testing"}};

typedef struct {
    const cj_folder_options *o;
    cj__arena arena;
    char *paths[PARTS]; /* NULL: there is no such part */
    cj__names classes;
    cj__picture_form form;
} reading;

/* --- what there is ------------------------------------------------------------------------------------- */

/* A folder of classes below the whole; NULL: there is none of these names, or it holds no folders. */
static cj_status find_part(reading *r, const cj__names *there, int part)
{
    cj__names within;
    for (int i = 0; i < 3 && part_names[part][i] && !r->paths[part]; i++) {
        if (cj__names_find(there, part_names[part][i]) < 0) continue;
        char *path = cj__arena_format(&r->arena, "%s/%s", r->o->path, part_names[part][i]);
        if (!path) return cj__out_of_memory(strlen(r->o->path), "a folder's name");
        CJ__TRY(cj__list_folders(&within, &r->arena, path));
        if (within.count > 0) r->paths[part] = path;
        if (within.count == 0 && part == VALIDATION)
            return cj__fail(CJ_FORMAT_ERROR, "%s: found no folders, expected one for each class", path);
    }
    return CJ_OK;
}

/* Parts are parts where the training is one; else their names are classes like others. */
static cj_status find_parts(reading *r)
{
    cj__names there;
    CJ__TRY(cj__list_folders(&there, &r->arena, r->o->path));
    CJ__TRY(find_part(r, &there, TRAINING));
    if (r->paths[TRAINING]) {
        CJ__TRY(find_part(r, &there, VALIDATION));
        return find_part(r, &there, TEST);
    }
    r->paths[TRAINING] = cj__arena_string(&r->arena, r->o->path);
    if (!r->paths[TRAINING]) return cj__out_of_memory(strlen(r->o->path), "a folder's name");
    if (there.count > 0) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR,
                    "%s: found no folders, expected one for each class, or `train` with one for each class",
                    r->o->path);
}

static cj_status find_classes(reading *r)
{
    const char *given = r->o->pictures.classes;
    if (given && *given) return cj__names_split(&r->classes, &r->arena, given);
    CJ__TRY(cj__list_folders(&r->classes, &r->arena, r->paths[TRAINING]));
    for (int64_t i = 0; i < r->classes.count; i++)
        if (!cj__name_fits(r->classes.names[i]))
            return cj__fail(CJ_UNSUPPORTED, "%s/%s: expected the name of a class in UTF-8 without a comma",
                            r->paths[TRAINING], r->classes.names[i]);
    return CJ_OK;
}

/* --- parts --------------------------------------------------------------------------------------------- */

/* Every class must have something to learn from. */
static cj_status check_listing(reading *r, const cj__listing *l, int part)
{
    bool *seen = cj__arena_allocate(&r->arena, (size_t)r->classes.count + 1);
    if (!seen) return cj__out_of_memory((size_t)r->classes.count, "a list of pictures");
    for (int64_t i = 0; i < l->count; i++) seen[l->labels[i]] = true;
    for (int64_t c = 0; c < r->classes.count && part == TRAINING; c++)
        if (!seen[c])
            return cj__fail(CJ_FORMAT_ERROR, "%s/%s: found no pictures, expected some of each class",
                            r->paths[part], r->classes.names[c]);
    if (l->count > 0) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "%s: found no pictures in the folders of classes", r->paths[part]);
}

static cj_status read_listing(reading *r, int part, cj__listing *l, cj_dataset **dataset)
{
    cj__skipped skipped = {0};
    CJ__TRY(cj__list_pictures(l, r->paths[part], &r->classes));
    CJ__TRY(check_listing(r, l, part));
    if (r->o->pictures.skip_damaged) CJ__TRY(cj__pictures_skip(l, &skipped));
    if (part == TRAINING) CJ__TRY(cj__picture_form_of(&r->form, &r->o->pictures.fit, l));
    return cj__pictures_dataset(dataset, l, &r->form, NULL, &r->classes, &skipped);
}

static cj_status read_part(reading *r, int part, cj_dataset **dataset)
{
    cj__listing listing = {0};
    if (!r->paths[part]) return CJ_OK;
    cj_status status = read_listing(r, part, &listing, dataset);
    cj__listing_free(&listing);
    return status;
}

cj_status cj_dataset_read_folder(const cj_folder_options *options, cj_dataset **training,
                                 cj_dataset **validation, cj_dataset **test)
{
    cj_dataset **parts[PARTS] = {training, validation, test};
    reading r = {.o = options};
    for (int i = 0; i < PARTS; i++) *parts[i] = NULL;
    cj_status status = find_parts(&r);
    if (status == CJ_OK) status = find_classes(&r);
    for (int i = 0; i < PARTS && status == CJ_OK; i++) status = read_part(&r, i, parts[i]);
    cj__arena_free(&r.arena);
    for (int i = 0; i < PARTS && status != CJ_OK; i++) {
        cj_dataset_free(*parts[i]);
        *parts[i] = NULL;
    }
    return status;
}
