/* Data by name: where files of data lie, and the sets that are known by a name. */
#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH = 1024, MOST_FILES = 5 };

/* A known set lies in a folder of its name, or as its archive unpacks. */
typedef struct {
    const char *name, *unpacked;
    int64_t classes; /* of CIFAR; 0: images and labels in IDX files */
    const char *training[MOST_FILES + 1], *test[MOST_FILES + 1];
    const char *advice;
    const char *const *class_names; /* [classes]; NULL: numbers */
} named_set;

static const char *const cifar_names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                          "dog",      "frog",       "horse", "ship", "truck"};

#define IDX_FILES                                                                                            \
    .training = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},                                      \
    .test = {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}

static const named_set named_sets[] = {
    {"mnist", "mnist", 0, IDX_FILES, .advice = ""},
    {"fashion-mnist", "fashion-mnist", 0, IDX_FILES,
     .advice = ", or install Debian's package dataset-fashion-mnist"},
    {"cifar-10",
     "cifar-10-batches-bin",
     10,
     {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
     {"test_batch.bin"},
     ": the binary version of the set",
     cifar_names},
    {"cifar-100",
     "cifar-100-binary",
     100,
     {"train.bin"},
     {"test.bin"},
     ": the binary version of the set",
     NULL},
};
enum { NAMED_SETS = sizeof named_sets / sizeof *named_sets };

/* folder/below/NAME/file, compressed or not, into `path` if it is there. */
static bool find_file(const char *folder, const char *below, const char *name, const char *file,
                      char path[PATH])
{
    const char *endings[] = {"", ".gz"};
    for (int i = 0; i < 2; i++) {
        int length = snprintf(path, PATH, "%s%s/%s/%s%s", folder, below, name, file, endings[i]);
        if (length > 0 && length < PATH && access(path, R_OK) == 0) return true;
    }
    return false;
}

/* --- files --------------------------------------------------------------------------------------------- */

/* What folders of data are called below $XDG_CACHE_HOME, or else below the home. */
static const char *cache_folder(const char **below)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *below = cache && *cache ? "/cajal" : "/.cache/cajal";
    return cache && *cache ? cache : home && *home ? home : NULL;
}

cj_status cj_data_find(const char *file, char *path, size_t size)
{
    const char *data = getenv("CAJAL_DATA"), *below, *cache = cache_folder(&below);
    char place[PATH];
    bool found = access(file, R_OK) == 0 && snprintf(place, PATH, "%s", file) < PATH;
    if (!found && data && *data) found = find_file(data, "", ".", file, place);
    if (!found && cache) found = find_file(cache, below, ".", file, place);
    if (!found)
        return cj__fail(CJ_NOT_FOUND,
                        "%s was not found, neither here nor in $CAJAL_DATA nor in ~/.cache/cajal", file);
    if (strlen(place) >= size) return cj__fail(CJ_INVALID_ARGUMENT, "%s: the path is too long", place);
    strcpy(path, place);
    return CJ_OK;
}

/* --- sets ---------------------------------------------------------------------------------------------- */

typedef struct {
    char paths[MOST_FILES][PATH];
    const char *list[MOST_FILES];
    int count;
} file_list;

/* All from one folder: files of one copy and those of another need not belong together. */
static bool find_all(const char *folder, const char *below, const char *name, const char *const *files,
                     file_list *found)
{
    if (!folder || !*folder) return false;
    for (found->count = 0; files[found->count]; found->count++) {
        char *path = found->paths[found->count];
        found->list[found->count] = path;
        if (!find_file(folder, below, name, files[found->count], path)) return false;
    }
    return true;
}

static bool locate(const named_set *set, bool test, file_list *found)
{
    const char *below, *cache = cache_folder(&below);
    const char *const *files = test ? set->test : set->training;
    const char *const names[] = {set->name, set->unpacked};
    const struct {
        const char *folder, *below;
    } places[] = {{getenv("CAJAL_DATA"), ""}, {cache, below}, {"/usr/share/datasets", ""}};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 2; j++)
            if (find_all(places[i].folder, places[i].below, names[j], files, found)) return true;
    return false;
}

static cj_status no_such_set(const char *name)
{
    return cj__fail(CJ_NOT_FOUND,
                    "there is no dataset '%s'; there are mnist, fashion-mnist, cifar-10 and cifar-100", name);
}

static cj_status open_named(cj_dataset **dataset, const char *name, bool test, int64_t most)
{
    const named_set *set = NULL;
    file_list found;
    *dataset = NULL;
    for (int i = 0; i < NAMED_SETS; i++)
        if (strcmp(name, named_sets[i].name) == 0) set = &named_sets[i];
    if (!set) return no_such_set(name);
    if (!locate(set, test, &found))
        return cj__fail(CJ_NOT_FOUND,
                        "%s was not found: put its files into $CAJAL_DATA/%s or ~/.cache/cajal/%s%s", name,
                        set->unpacked, set->unpacked, set->advice);
    if (!set->classes) return cj__dataset_read_idx(dataset, found.list[0], found.list[1], most);
    CJ__TRY(cj__cifar_read(dataset, found.list, found.count, set->classes, most));
    (*dataset)->class_names = set->class_names;
    (*dataset)->class_count = set->class_names ? set->classes : 0;
    return CJ_OK;
}

cj_status cj_dataset_open(cj_dataset **dataset, const char *name, bool test)
{
    return open_named(dataset, name, test, INT64_MAX);
}

cj_status cj_dataset_open_sample(cj_dataset **dataset, const char *name, int64_t rows)
{
    if (rows < 1)
        return cj__fail(CJ_INVALID_ARGUMENT, "a sample of %lld rows of %s: expected one at least",
                        (long long)rows, name);
    return open_named(dataset, name, false, rows);
}
