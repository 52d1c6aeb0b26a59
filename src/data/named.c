/* Data by name: where files of data lie, and the sets that are known by a name. */
#include "data/dataset.h"
#include "data/places.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MOST_FILES = 5 };

/* A known set lies in a folder of its name, or as its archive unpacks. */
typedef struct {
    const char *name, *unpacked;
    bool cifar; /* or images and labels in IDX files */
    int64_t classes;
    const char *training[MOST_FILES + 1], *test[MOST_FILES + 1];
    const char *const *class_names; /* [classes]; NULL: numbers */
} named_set;

static const char *const cifar_names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                          "dog",      "frog",       "horse", "ship", "truck"};

static const char *const fashion_names[] = {"T-shirt/top", "trouser", "pullover", "dress", "coat",
                                            "sandal",      "shirt",   "sneaker",  "bag",   "ankle boot"};

#define IDX_FILES                                                                                            \
    .training = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},                                      \
    .test = {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}

static const named_set named_sets[] = {
    {"mnist", "mnist", false, 10, IDX_FILES},
    {"fashion-mnist", "fashion-mnist", false, 10, IDX_FILES, .class_names = fashion_names},
    {"cifar-10",
     "cifar-10-batches-bin",
     true,
     10,
     {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
     {"test_batch.bin"},
     cifar_names},
    {"cifar-100", "cifar-100-binary", true, 100, {"train.bin"}, {"test.bin"}, NULL},
};
enum { NAMED_SETS = sizeof named_sets / sizeof *named_sets };

/* --- files --------------------------------------------------------------------------------------------- */

/* Of a file or folder of its own: as named, else in the places of data. */
static cj_status find(const char *file, char place[CJ__PATH])
{
    char folder[CJ__PATH];
    if (access(file, R_OK) == 0 && snprintf(place, CJ__PATH, "%s", file) < CJ__PATH) return CJ_OK;
    for (int i = 0; i < CJ__PLACES; i++)
        if (cj__place(i, folder) && cj__place_has(folder, file, place)) return CJ_OK;
    return cj__place_missing(file, file);
}

cj_status cj_data_find(const char *file, char *path, size_t size)
{
    char place[CJ__PATH];
    CJ__TRY(cj__need(file, "cj_data_find", "a file"));
    CJ__TRY(find(file, place));
    if (strlen(place) >= size) return cj__fail(CJ_INVALID_ARGUMENT, "%s: the path is too long", place);
    strcpy(path, place);
    return CJ_OK;
}

/* --- sets ---------------------------------------------------------------------------------------------- */

typedef struct {
    char paths[MOST_FILES][CJ__PATH];
    const char *list[MOST_FILES];
    int count;
} file_list;

/* All from one folder: files of one copy and those of another need not belong together. */
static bool find_all(const char *folder, const char *name, const char *const *files, file_list *found)
{
    char file[CJ__PATH];
    for (found->count = 0; files[found->count]; found->count++) {
        char *path = found->paths[found->count];
        found->list[found->count] = path;
        snprintf(file, sizeof file, "%s/%s", name, files[found->count]);
        if (!cj__place_has(folder, file, path)) return false;
    }
    return true;
}

static cj_status locate(const named_set *set, bool test, file_list *found)
{
    char folder[CJ__PATH], first[CJ__PATH];
    const char *const *files = test ? set->test : set->training;
    const char *const names[] = {set->name, set->unpacked};
    for (int i = 0; i < CJ__PLACES; i++)
        for (int j = 0; j < 2; j++)
            if (cj__place(i, folder) && find_all(folder, names[j], files, found)) return CJ_OK;
    snprintf(first, sizeof first, "%s/%s", set->unpacked, files[0]);
    return cj__place_missing(set->name, first);
}

static cj_status no_such_set(const char *name)
{
    return cj__fail(CJ_INVALID_ARGUMENT,
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
    CJ__TRY(locate(set, test, &found));
    if (set->cifar)
        CJ__TRY(cj__cifar_read(dataset, found.list, found.count, set->classes, most));
    else
        CJ__TRY(cj__dataset_read_idx(dataset, found.list[0], found.list[1], most));
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
