/* Folders gone through for files of pictures. Their order is that of their names' bytes, whatever the
 * system's is.
 */
#include "data/listing.h"
#include "text/unicode.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* --- a listing ----------------------------------------------------------------------------------------- */

void cj__listing_free(cj__listing *l)
{
    cj__arena_free(&l->arena);
    cj__free(l->paths);
    cj__free(l->labels);
    *l = (cj__listing){0};
}

cj_status cj__listing_begin(cj__listing *l, const char *folder)
{
    l->folder = cj__arena_string(&l->arena, folder);
    return l->folder ? CJ_OK : cj__out_of_memory(strlen(folder), "a list of pictures");
}

cj_status cj__listing_add(cj__listing *l, const char *path, int32_t label)
{
    CJ__TRY(cj__grow(&l->paths, &l->path_room, l->count, sizeof *l->paths));
    CJ__TRY(cj__grow(&l->labels, &l->label_room, l->count, sizeof *l->labels));
    const char *copy = cj__arena_string(&l->arena, path);
    if (!copy) return cj__out_of_memory(strlen(path), "a list of pictures");
    l->paths[l->count] = copy;
    l->labels[l->count++] = label;
    return CJ_OK;
}

static cj_status join(char path[CJ__PICTURE_PATH], const char *folder, const char *name)
{
    int length = snprintf(path, CJ__PICTURE_PATH, "%s/%s", folder, name);
    if (length > 0 && length < CJ__PICTURE_PATH) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT, "%.200s…/%.200s: the path is too long", folder, name);
}

cj_status cj__listing_path(const cj__listing *l, int64_t index, char path[CJ__PICTURE_PATH])
{
    const char *name = l->paths[index];
    if (name[0] != '/') return join(path, l->folder, name);
    if (snprintf(path, CJ__PICTURE_PATH, "%s", name) < CJ__PICTURE_PATH) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT, "%.200s…: the path is too long", name);
}

/* --- names --------------------------------------------------------------------------------------------- */

int64_t cj__names_find(const cj__names *names, const char *name)
{
    for (int64_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0) return i;
    return -1;
}

bool cj__name_fits(const char *name)
{
    const char *end = name + strlen(name);
    return cj__utf8_end(name, end) == end && !strchr(name, ',');
}

cj_status cj__names_split(cj__names *names, cj__arena *arena, const char *list)
{
    int64_t count = *list ? 1 : 0;
    for (const char *at = list; *at; at++) count += *at == ',';
    *names = (cj__names){.names = cj__arena_allocate(arena, (size_t)count * sizeof *names->names + 1)};
    for (const char *at = list; names->names && names->count < count; names->count++) {
        size_t end = strcspn(at, ",");
        const char *name = cj__arena_format(arena, "%.*s", (int)end, at);
        if (!name) break;
        names->names[names->count] = name;
        at += end + (at[end] == ',');
    }
    return names->names && names->count == count ? CJ_OK
                                                 : cj__out_of_memory(strlen(list), "names of classes");
}

/* --- one folder ---------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    bool folder;
} entry;

typedef struct {
    cj__arena arena; /* of the names */
    entry *list;
    int64_t count, room;
} entries;

static void free_entries(entries *e)
{
    cj__arena_free(&e->arena);
    cj__free(e->list);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static bool is_folder(const char *folder, const struct dirent *d)
{
    char path[CJ__PICTURE_PATH];
    struct stat facts;
    if (d->d_type != DT_LNK && d->d_type != DT_UNKNOWN) return d->d_type == DT_DIR;
    int length = snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
    return length < CJ__PICTURE_PATH && stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

/* Hidden ones are passed over. */
static cj_status add_entry(entries *e, const char *folder, const struct dirent *d)
{
    if (d->d_name[0] == '.') return CJ_OK;
    CJ__TRY(cj__grow(&e->list, &e->room, e->count, sizeof *e->list));
    entry one = {cj__arena_string(&e->arena, d->d_name), is_folder(folder, d)};
    if (!one.name) return cj__out_of_memory(strlen(d->d_name), "a list of files");
    e->list[e->count++] = one;
    return CJ_OK;
}

/* To be freed whether it fails or not. */
static cj_status read_entries(entries *e, const char *folder)
{
    cj_status status = CJ_OK;
    *e = (entries){0};
    DIR *dir = opendir(folder);
    if (!dir) return cj__system_error(folder, "cannot be listed", errno);
    while (status == CJ_OK) {
        errno = 0;
        const struct dirent *d = readdir(dir);
        if (d)
            status = add_entry(e, folder, d);
        else if (errno)
            status = cj__fail(CJ_IO_ERROR, "%s: cannot be listed: %s", folder, strerror(errno));
        else
            break;
    }
    closedir(dir);
    if (e->count > 1) qsort(e->list, (size_t)e->count, sizeof *e->list, by_name);
    return status;
}

static cj_status copy_folders(cj__names *names, cj__arena *arena, const entries *e)
{
    names->names = cj__arena_allocate(arena, (size_t)e->count * sizeof *names->names + 1);
    if (!names->names) return cj__out_of_memory(8 * (size_t)e->count, "a list of folders");
    for (int64_t i = 0; i < e->count; i++) {
        if (!e->list[i].folder) continue;
        const char *name = cj__arena_string(arena, e->list[i].name);
        if (!name) return cj__out_of_memory(strlen(e->list[i].name), "a list of folders");
        names->names[names->count++] = name;
    }
    return CJ_OK;
}

cj_status cj__list_folders(cj__names *names, cj__arena *arena, const char *folder)
{
    entries e;
    *names = (cj__names){0};
    cj_status status = read_entries(&e, folder);
    if (status == CJ_OK) status = copy_folders(names, arena, &e);
    free_entries(&e);
    return status;
}

/* --- all pictures of a class --------------------------------------------------------------------------- */

enum { DEEPEST = 8 };

static bool ends_in(const char *name, const char *const *endings)
{
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot && endings[i]; i++)
        if (strcasecmp(dot, endings[i]) == 0) return true;
    return false;
}

/* A picture that is not read is no file to pass over in silence. */
static cj_status check_kind(const char *folder, const char *name, bool *picture)
{
    static const char *const read[] = {".jpg", ".jpeg", ".jpe", ".png", ".pgm", ".ppm", NULL};
    static const char *const others[] = {".bmp", ".gif", ".webp", ".tif", ".tiff", ".heic", ".avif", NULL};
    *picture = ends_in(name, read);
    if (!ends_in(name, others)) return CJ_OK;
    return cj__fail(CJ_UNSUPPORTED, "%s/%s: pictures of this kind are not read: JPEG, PNG, PGM and PPM are",
                    folder, name);
}

static cj_status walk(cj__listing *l, const char *below, int32_t label, int depth);

/* Files first, then folders. */
static cj_status walk_entries(cj__listing *l, const char *folder, const char *below, const entries *e,
                              int32_t label, int depth)
{
    char path[CJ__PICTURE_PATH];
    bool picture;
    for (int64_t i = 0; i < e->count; i++) {
        if (e->list[i].folder) continue;
        CJ__TRY(check_kind(folder, e->list[i].name, &picture));
        CJ__TRY(join(path, below, e->list[i].name));
        if (picture) CJ__TRY(cj__listing_add(l, path, label));
    }
    for (int64_t i = 0; i < e->count; i++) {
        if (!e->list[i].folder) continue;
        CJ__TRY(join(path, below, e->list[i].name));
        CJ__TRY(walk(l, path, label, depth + 1));
    }
    return CJ_OK;
}

static cj_status walk(cj__listing *l, const char *below, int32_t label, int depth)
{
    char folder[CJ__PICTURE_PATH];
    entries e;
    CJ__TRY(join(folder, l->folder, below));
    if (depth > DEEPEST)
        return cj__fail(CJ_UNSUPPORTED, "%s: folders within folders, %d deep: do links go in a circle?",
                        folder, depth);
    cj_status status = read_entries(&e, folder);
    if (status == CJ_OK) status = walk_entries(l, folder, below, &e, label, depth);
    free_entries(&e);
    return status;
}

cj_status cj__list_pictures(cj__listing *l, const char *folder, const cj__names *classes)
{
    entries e;
    CJ__TRY(cj__listing_begin(l, folder));
    cj_status status = read_entries(&e, folder);
    for (int64_t i = 0; i < e.count && status == CJ_OK; i++) {
        if (!e.list[i].folder) continue;
        int64_t label = cj__names_find(classes, e.list[i].name);
        status = label >= 0 ? walk(l, e.list[i].name, (int32_t)label, 0)
                            : cj__fail(CJ_FORMAT_ERROR, "%s/%s: the training has no such class", folder,
                                       e.list[i].name);
    }
    free_entries(&e);
    return status;
}
