/* The table of public data sets, expanded from sets.def, and where a set lies on this machine. */
#include "cajal/sets.h"
#include "data/places.h"

#include <stdio.h>
#include <string.h>

#define NOTHING(...)

#define PLAIN   NOTHING
#define GZIP    NOTHING
#define ARCHIVE NOTHING
#define HOLDS   NOTHING
typedef enum {
#define SET(id, ...) SET_##id,
#include "data/sets.def"
#undef SET
    SET_COUNT
} set_id;

static const cj_data_set sets[SET_COUNT] = {
#define SET(id, name, what, terms, package) {name, what, terms, package},
#include "data/sets.def"
#undef SET
};
#undef PLAIN
#undef GZIP
#undef ARCHIVE
#undef HOLDS

#define SET   NOTHING
#define HOLDS NOTHING
static const struct {
    set_id set;
    cj_data_source source;
} sources[] = {
#define PLAIN(id, path, bytes, sha256, addresses) {SET_##id, {path, NULL, bytes, sha256, addresses}},
#define GZIP(id, path, bytes, sha256, contents, addresses)                                                   \
    {SET_##id, {path ".gz", NULL, bytes, sha256, addresses}},
#define ARCHIVE(id, folder, inside, bytes, sha256, addresses)                                                \
    {SET_##id, {folder, inside, bytes, sha256, addresses}},
#include "data/sets.def"
#undef PLAIN
#undef GZIP
#undef ARCHIVE
#undef HOLDS
};

#define ARCHIVE NOTHING
static const struct {
    set_id set;
    cj_data_file file;
} files[] = {
#define PLAIN(id, path, bytes, sha256, addresses)          {SET_##id, {path, sha256}},
#define GZIP(id, path, bytes, sha256, contents, addresses) {SET_##id, {path, contents}},
#define HOLDS(id, path, sha256)                            {SET_##id, {path, sha256}},
#include "data/sets.def"
};

enum { SOURCES = sizeof sources / sizeof *sources, FILES = sizeof files / sizeof *files };

const cj_data_set *cj_data_set_at(int64_t index)
{
    return index >= 0 && index < SET_COUNT ? &sets[index] : NULL;
}

const cj_data_set *cj_data_set_find(const char *name)
{
    for (int i = 0; i < SET_COUNT; i++)
        if (strcmp(sets[i].name, name) == 0) return &sets[i];
    return NULL;
}

const cj_data_source *cj_data_set_source(const cj_data_set *set, int64_t index)
{
    for (int i = 0; i < SOURCES; i++)
        if (&sets[sources[i].set] == set && index-- == 0) return &sources[i].source;
    return NULL;
}

const cj_data_file *cj_data_set_file(const cj_data_set *set, int64_t index)
{
    for (int i = 0; i < FILES; i++)
        if (&sets[files[i].set] == set && index-- == 0) return &files[i].file;
    return NULL;
}

/* The path itself, with or without .gz, or below it. */
static bool belongs(const char *path, const char *known)
{
    size_t length = strlen(known);
    if (strncmp(path, known, length) != 0) return false;
    return !path[length] || path[length] == '/' || strcmp(path + length, ".gz") == 0;
}

const cj_data_set *cj_data_set_of(const char *path)
{
    for (int i = 0; i < SOURCES; i++)
        if (belongs(path, sources[i].source.path)) return &sets[sources[i].set];
    for (int i = 0; i < FILES; i++)
        if (belongs(path, files[i].file.path)) return &sets[files[i].set];
    return NULL;
}

/* --- places -------------------------------------------------------------------------------------------- */

static cj_status hand_out(const char *path, char *to, size_t size)
{
    if (strlen(path) >= size) return cj__fail(CJ_INVALID_ARGUMENT, "%s: the path is too long", path);
    memcpy(to, path, strlen(path) + 1);
    return CJ_OK;
}

/* NULL: it holds them all. Else the first that is missing. */
static const cj_data_file *first_missing(const cj_data_set *set, const char *folder)
{
    char path[CJ__PATH];
    const cj_data_file *file;
    for (int64_t i = 0; (file = cj_data_set_file(set, i)); i++)
        if (!cj__place_has(folder, file->path, path)) return file;
    return NULL;
}

cj_status cj_data_set_locate(const cj_data_set *set, char *folder, size_t size)
{
    char place[CJ__PATH];
    for (int i = 0; i < CJ__PLACES; i++)
        if (cj__place(i, place) && !first_missing(set, place)) return hand_out(place, folder, size);
    return cj__place_missing(set->name, cj_data_set_file(set, 0)->path);
}

cj_status cj_data_file_locate(const char *folder, const cj_data_file *file, char *path, size_t size)
{
    char place[CJ__PATH];
    if (cj__place_has(folder, file->path, place)) return hand_out(place, path, size);
    return cj__fail(CJ_NOT_FOUND, "%s/%s: there is no such file, nor one with .gz behind its name", folder,
                    file->path);
}

cj_status cj_data_cache(char *folder, size_t size)
{
    char place[CJ__PATH];
    if (cj__place(CJ__CACHE, place)) return hand_out(place, folder, size);
    return cj__fail(CJ_NOT_FOUND, "there is no folder for downloads: neither XDG_CACHE_HOME nor HOME is set");
}
