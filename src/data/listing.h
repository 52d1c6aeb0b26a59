/* Files of pictures by class, as they lie in folders: names alone, nothing is read. */
#ifndef CJ__LISTING_H
#define CJ__LISTING_H

#include "base/memory.h"

/* Pictures, each with its class. Zero-initialise it; cj__listing_free is due whatever fails. */
typedef struct {
    cj__arena arena;    /* of the paths */
    const char *folder; /* that relative paths start from; in the arena */
    const char **paths; /* [count] */
    int32_t *labels;    /* [count] */
    int64_t count, path_room, label_room;
} cj__listing;
void cj__listing_free(cj__listing *listing);
CJ_MUST_CHECK cj_status cj__listing_begin(cj__listing *listing, const char *folder);
/* Copies the path. */
CJ_MUST_CHECK cj_status cj__listing_add(cj__listing *listing, const char *path, int32_t label);
/* Where picture `index` lies, to be opened. */
enum { CJ__PICTURE_PATH = 4096 };
CJ_MUST_CHECK cj_status cj__listing_path(const cj__listing *listing, int64_t index,
                                         char path[CJ__PICTURE_PATH]);

typedef struct {
    const char **names; /* [count], in the arena of whoever made them */
    int64_t count;
} cj__names;
int64_t cj__names_find(const cj__names *names, const char *name); /* -1: it is not among them */
/* Whether a list can have it, and a recipe keep it as it is: UTF-8 without a comma. */
bool cj__name_fits(const char *name);
/* "cat,dog" as names of their own. */
CJ_MUST_CHECK cj_status cj__names_split(cj__names *names, cj__arena *arena, const char *list);
/* The folders in a folder, ascending. */
CJ_MUST_CHECK cj_status cj__list_folders(cj__names *names, cj__arena *arena, const char *folder);
/* Every picture in folder/CLASS and the folders in it, class by class, each in ascending order. Folders that
 * are no class are an error. */
CJ_MUST_CHECK cj_status cj__list_pictures(cj__listing *listing, const char *folder, const cj__names *classes);

#endif
