/* cajal data: the public data sets, whether they are here and whole, and where to get them from. The network
 * is left to the helper program cajal-fetch, which need not be there. */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- list ---------------------------------------------------------------------------------------------- */

/* Bytes to download; 0: not known. */
static int64_t bytes_of(const cj_data_set *set)
{
    int64_t bytes = 0;
    const cj_data_source *source;
    for (int64_t i = 0; (source = cj_data_set_source(set, i)); i++) {
        if (!source->bytes) return 0;
        bytes += source->bytes;
    }
    return bytes;
}

static void list_line(const cj_data_set *set, const char *folder)
{
    char size[32] = "?";
    int64_t bytes = bytes_of(set);
    if (bytes) snprintf(size, sizeof size, "%.1f MB", (double)bytes / 1e6);
    printf("%-16s %9s  %-24s %s\n", set->name, size, folder ? folder : "not here", set->what);
}

static void json_member(const char *name, const char *text, const char *end)
{
    printf("\"%s\": ", name);
    if (text)
        json_string(text);
    else
        printf("null");
    printf("%s", end);
}

static void list_object(const cj_data_set *set, const char *folder, bool first)
{
    int64_t bytes = bytes_of(set);
    printf("%s{", first ? "" : ", ");
    json_member("name", set->name, ", ");
    json_member("what", set->what, ", ");
    json_member("terms", set->terms, ", ");
    if (bytes)
        printf("\"bytes\": %lld, ", (long long)bytes);
    else
        json_member("bytes", NULL, ", ");
    json_member("folder", folder, "}");
}

static int list(const options *o)
{
    char folder[MOST_PATH];
    const cj_data_set *set;
    if (o->count > 1)
        return fprintf(stderr, "cajal: `cajal data list` takes no name, but found '%s'\n", o->operands[1]),
               EXIT_USAGE;
    if (o->json)
        printf("[");
    else
        printf("%-16s %9s  %-24s %s\n", "name", "download", "found in", "what it is");
    for (int64_t i = 0; (set = cj_data_set_at(i)); i++) {
        const char *here = cj_data_set_locate(set, folder, sizeof folder) == CJ_OK ? folder : NULL;
        if (o->json)
            list_object(set, here, i == 0);
        else
            list_line(set, here);
    }
    if (o->json) printf("]\n");
    return EXIT_OK;
}

/* --- verify -------------------------------------------------------------------------------------------- */

typedef struct {
    int right, unknown, wrong;
} verdict;

static void verify_file(const char *folder, const cj_data_file *file, verdict *v)
{
    char path[MOST_PATH], digest[65];
    cj_status status = cj_data_file_locate(folder, file, path, sizeof path);
    if (status == CJ_OK) status = cj_data_check(path, file, digest);
    if (status != CJ_OK) {
        failed(status);
        v->wrong++;
    } else if (*file->sha256) {
        v->right++;
    } else {
        printf("%s: SHA-256 %s: no published checksum is recorded\n", path, digest);
        v->unknown++;
    }
}

static int verify_set(const cj_data_set *set, const char *folder)
{
    verdict v = {0};
    const cj_data_file *file;
    for (int64_t i = 0; (file = cj_data_set_file(set, i)); i++) verify_file(folder, file, &v);
    printf("%-16s %s in %s: ", set->name, v.wrong ? "damaged" : v.right ? "whole" : "here", folder);
    if (v.right + v.wrong) printf("%d of %d right", v.right, v.right + v.wrong);
    if (v.unknown) printf("%s%d without a published checksum", v.right + v.wrong ? ", " : "", v.unknown);
    printf("\n");
    return v.wrong ? EXIT_FAILED : EXIT_OK;
}

static int verify_here(void)
{
    char folder[MOST_PATH];
    const cj_data_set *set;
    int code = EXIT_OK, found = 0;
    for (int64_t i = 0; (set = cj_data_set_at(i)); i++) {
        if (cj_data_set_locate(set, folder, sizeof folder) != CJ_OK) continue;
        if (verify_set(set, folder) != EXIT_OK) code = EXIT_FAILED;
        found++;
    }
    if (!found) printf("no data set is here; `cajal data list` shows what there is\n");
    return code;
}

static int verify(const options *o)
{
    char folder[MOST_PATH];
    int code = EXIT_OK;
    if (o->count < 2) return verify_here();
    for (int i = 1; i < o->count; i++) {
        const cj_data_set *set = cj_data_set_find(o->operands[i]);
        cj_status status = cj_data_set_locate(set, folder, sizeof folder);
        if ((status == CJ_OK ? verify_set(set, folder) : failed(status)) != EXIT_OK) code = EXIT_FAILED;
    }
    return code;
}

/* --- get ----------------------------------------------------------------------------------------------- */

/* The folder this program lies in. */
static bool own_folder(char folder[MOST_PATH])
{
    ssize_t length = readlink("/proc/self/exe", folder, MOST_PATH - 1);
    if (length <= 0) return false;
    folder[length] = 0;
    char *slash = strrchr(folder, '/');
    if (slash) *slash = 0;
    return slash != NULL;
}

/* Beside this program in a build folder, or where an installation has it. */
static bool find_helper(char helper[MOST_PATH])
{
    static const char *const below[] = {".", CJ_HELPER_FOLDER};
    char folder[MOST_PATH];
    if (!own_folder(folder)) return false;
    for (int i = 0; i < 2; i++)
        if (snprintf(helper, MOST_PATH, "%s/%s/cajal-fetch", folder, below[i]) < MOST_PATH &&
            access(helper, X_OK) == 0)
            return true;
    return false;
}

static int no_helper(void)
{
    fprintf(
        stderr,
        "cajal: downloading is left to the program cajal-fetch, which is missing: it is built where libcurl "
        "is found (Debian: libcurl4-openssl-dev). Files that are put into $CAJAL_DATA or ~/.cache/cajal by "
        "hand are found as well\n");
    return EXIT_FAILED;
}

/* The helper takes this program's place, and so its signals and its exit code are this program's. */
static int get(const options *o)
{
    char helper[MOST_PATH];
    const char *arguments[MOST_OPERANDS + 8];
    int count = 0;
    if (o->count < 2)
        return fprintf(stderr, "cajal: name a data set; `cajal data list` shows them\n"), EXIT_USAGE;
    if (!find_helper(helper)) return no_helper();
    arguments[count++] = helper;
    if (o->quiet) arguments[count++] = "--quiet";
    if (o->from) arguments[count++] = "--from", arguments[count++] = o->from;
    for (int i = 1; i < o->count; i++) arguments[count++] = o->operands[i];
    arguments[count] = NULL;
    fflush(stdout);
    execv(helper, (char *const *)arguments);
    return fprintf(stderr, "cajal: %s: cannot be run: %s\n", helper, strerror(errno)), EXIT_FAILED;
}

/* --- the command --------------------------------------------------------------------------------------- */

static int check_names(const options *o)
{
    for (int i = 1; i < o->count; i++)
        if (!cj_data_set_find(o->operands[i]))
            return fprintf(stderr,
                           "cajal: there is no data set '%s'; `cajal data list` shows what there is\n",
                           o->operands[i]),
                   EXIT_USAGE;
    return EXIT_OK;
}

int command_data(const options *o)
{
    const char *what = o->count ? o->operands[0] : "";
    if (strcmp(what, "list") == 0) return list(o);
    if (strcmp(what, "preview") == 0) return preview_data(o);
    if (strcmp(what, "get") != 0 && strcmp(what, "verify") != 0)
        return fprintf(stderr,
                       "cajal: say what is to be done with data: list, get, verify or preview, not '%s'\n",
                       what),
               EXIT_USAGE;
    int code = check_names(o);
    if (code != EXIT_OK) return code;
    return strcmp(what, "get") == 0 ? get(o) : verify(o);
}
