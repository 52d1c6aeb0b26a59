/* A named set: its files downloaded, checked, unpacked and put in place, one after the other. */
#include "fetch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One of a set's sources on its way. */
typedef struct {
    const cj_data_set *set;
    const cj_data_source *source;
    char to[MOST_PATH], part[MOST_PATH], unpacking[MOST_PATH];
    char addresses[MOST_PATH];
    char digest[65];
} arrival;

static bool paths_of(arrival *a, const char *root)
{
    int longest = snprintf(a->to, sizeof a->to, "%s/%s", root, a->source->path);
    return longest < MOST_PATH - 16 && snprintf(a->part, sizeof a->part, "%s.part", a->to) < MOST_PATH &&
           snprintf(a->unpacking, sizeof a->unpacking, "%s.unpacking", a->to) < MOST_PATH;
}

/* FROM/NAME, where the name is that of the first address, without a query. */
static bool addresses_of(arrival *a, const char *from)
{
    const char *own = a->source->addresses;
    if (!from) return snprintf(a->addresses, sizeof a->addresses, "%s", own) < MOST_PATH;
    size_t end = strcspn(own, " ?"), name = end;
    while (name > 0 && own[name - 1] != '/') name--;
    return snprintf(a->addresses, sizeof a->addresses, "%s/%.*s", from, (int)(end - name), own + name) <
           MOST_PATH;
}

static int fetch(arrival *a, bool quiet)
{
    download d = {.name = a->source->path,
                  .addresses = a->addresses,
                  .part = a->part,
                  .bytes = a->source->bytes,
                  .sha256 = a->source->sha256,
                  .quiet = quiet};
    int code = download_run(&d);
    memcpy(a->digest, d.digest, sizeof d.digest);
    return code;
}

/* --- what came ----------------------------------------------------------------------------------------- */

/* The file itself, with or without .gz, or one below the folder: where it lies for now. */
static bool lies_at(const arrival *a, const cj_data_file *file, char path[MOST_PATH])
{
    size_t length = strlen(a->source->path);
    if (a->source->inside) {
        if (strncmp(file->path, a->source->path, length) != 0 || file->path[length] != '/') return false;
        return snprintf(path, MOST_PATH, "%s%s", a->unpacking, file->path + length) < MOST_PATH;
    }
    size_t own = strlen(file->path);
    if (strncmp(a->source->path, file->path, own) != 0) return false;
    return (!a->source->path[own] || strcmp(a->source->path + own, ".gz") == 0) &&
           snprintf(path, MOST_PATH, "%s", a->part) < MOST_PATH;
}

/* Contents against their checksums. A file below the folder that another archive brings may be missing yet.
 */
static int check_contents(const arrival *a, int *checked)
{
    char path[MOST_PATH], digest[65];
    const cj_data_file *file;
    for (int64_t i = 0; (file = cj_data_set_file(a->set, i)); i++) {
        if (!*file->sha256 || !lies_at(a, file, path)) continue;
        if (cj_data_check(path, file, digest) != CJ_OK) return complain_of_library();
        ++*checked;
    }
    return EXIT_OK;
}

static void tell_digest(const arrival *a, int checked)
{
    if (*a->source->sha256) return;
    printf("%s: downloaded with SHA-256 %s; no published checksum is recorded%s\n", a->source->path,
           a->digest, checked ? ", but one of its contents, which is right" : "");
}

static int settle_file(const arrival *a)
{
    int checked = 0, code = check_contents(a, &checked);
    if (code != EXIT_OK) return drop_part(a->part);
    tell_digest(a, checked);
    return put_in_place(a->part, a->to);
}

/* The archive is kept where it may be of use a second time: after a full disk, or when it was stopped. */
static int settle_archive(const arrival *a)
{
    bool wrong;
    int checked = 0, code = unpack(a->part, a->source->inside, a->unpacking, &wrong);
    if (code == EXIT_STOPPED) return complain("stopped while unpacking %s", a->part), code;
    if (code == EXIT_OK) {
        code = check_contents(a, &checked);
        wrong = code != EXIT_OK;
    }
    if (code == EXIT_OK) tell_digest(a, checked);
    if (code == EXIT_OK) code = put_in_place(a->unpacking, a->to);
    if (code != EXIT_OK) remove_folder(a->unpacking);
    if (code == EXIT_OK || wrong) unlink(a->part);
    return code;
}

/* --- the set ------------------------------------------------------------------------------------------- */

/* What has its final name is whole. */
static int get_source(arrival *a, const char *root, const char *from, bool quiet)
{
    if (!paths_of(a, root) || !addresses_of(a, from)) return complain("%s: the path is too long", root);
    if (exists(a->to)) return EXIT_OK;
    int code = a->source->inside ? need_unpacking(a->set->name) : EXIT_OK;
    if (code == EXIT_OK) code = make_folder_of(a->to);
    if (code == EXIT_OK) code = lock_part(a->part);
    if (code == EXIT_OK) code = fetch(a, quiet);
    if (code != EXIT_OK) return code;
    return a->source->inside ? settle_archive(a) : settle_file(a);
}

/* Where a folder stands in the way of a file, say. */
static int confirm(const cj_data_set *set)
{
    char folder[MOST_PATH];
    if (cj_data_set_locate(set, folder, sizeof folder) != CJ_OK) return complain_of_library();
    printf("%s is in %s; terms: %s\n", set->name, folder, set->terms);
    return EXIT_OK;
}

int get_set(const cj_data_set *set, const char *from, bool quiet)
{
    char folder[MOST_PATH], root[MOST_PATH];
    int code = EXIT_OK;
    if (from && !address_is_allowed(from)) {
        complain("--from is '%s', but an address begins with https:// or file://", from);
        return EXIT_USAGE;
    }
    if (cj_data_set_locate(set, folder, sizeof folder) == CJ_OK)
        return printf("%s is here already, in %s\n", set->name, folder), EXIT_OK;
    if (cj_data_cache(root, sizeof root) != CJ_OK) return complain_of_library();
    for (int64_t i = 0; code == EXIT_OK; i++) {
        arrival a = {.set = set, .source = cj_data_set_source(set, i)};
        if (!a.source) return confirm(set);
        code = get_source(&a, root, from, quiet);
    }
    return code;
}
