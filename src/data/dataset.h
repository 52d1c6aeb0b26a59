/* A dataset inside: two tensors and which of their rows belong to it. */
#ifndef CJ__DATASET_H
#define CJ__DATASET_H

#include "base/memory.h"
#include "base/shape.h"
#define CJ_NO_LOCATIONS
#include "cajal/data.h"

/* A row as it is in an epoch of a loader with that seed; of x's last axis so much, where batches are cut. */
typedef struct {
    uint64_t seed;
    int64_t epoch, place, width;
} cj__row_wanted;

/* Rows of x that are made when they are asked for, such as pictures in files. */
typedef struct {
    /* Row `place` of x, its bytes as x's type and shape say. Several threads call it at once. NULL: the rows
     * are in memory, at x.data. */
    cj_status (*make)(const void *context, int64_t place, void *row);
    /* The same for x and y together, where they are another each epoch: windows of a text, sentences with
     * masks. `y` may be NULL. y.data is NULL then, too. */
    cj_status (*draw)(const void *context, const cj__row_wanted *row, void *x, void *y);
    void (*free)(void *context);
    void *context;
} cj__row_maker;

struct cj_dataset {
    cj_tensor x, y; /* with every row there is, also where this is a view; x.data may be NULL: see maker */
    cj__row_maker maker;
    bool view; /* x and y belong to another dataset */
    int64_t first, count;
    int64_t *rows;                  /* [count] indices into x and y; NULL: count rows from first on */
    const char *const *class_names; /* [class_count], owned by the maker or by nobody; NULL: numbers */
    int64_t class_count;            /* 0: they have no names */
    int64_t skipped;                /* pictures that could not be read, and why the first could not */
    const char *first_skipped;
    /* Of sequences: how much of the last axis of x each row needs, by its place; the maker's. Batches are cut
     * to multiples of `bucket`; 0: they are not. */
    const int32_t *lengths;
    int64_t bucket;
    int64_t cut;                /* sequences of x that were longer than they may be */
    int64_t lanes;              /* rows are taken in order, in batches of so many; 0: in any order */
    cj_text_facts text;         /* of all rows; zeros: they are no text, or each has its own */
    const cj_text_facts *texts; /* of each row, by its place; the maker's */
};

/* Where row `index` of the dataset lies in x and y. */
static inline int64_t cj__dataset_place(const cj_dataset *dataset, int64_t index)
{
    return dataset->rows ? dataset->rows[index] : dataset->first + index;
}

/* A dataset that takes over the data of both tensors, or frees it on failure. */
CJ_MUST_CHECK cj_status cj__dataset_adopt(cj_dataset **dataset, cj_tensor x, cj_tensor y);
/* The same over a maker of rows, which it takes over; x has type and shape alone. */
CJ_MUST_CHECK cj_status cj__dataset_adopt_maker(cj_dataset **dataset, cj__row_maker maker, cj_tensor x,
                                                cj_tensor y);

/* A random order, a function of (key, step): Fisher and Yates. */
void cj__shuffle(int64_t *rows, int64_t count, uint64_t key, uint64_t step);

/* One IDX file, or its first rows if it has more than `most`, into an owned tensor of u8; free its data with
 * cj__free. */
CJ_MUST_CHECK cj_status cj__idx_read(cj_tensor *tensor, const char *path, int64_t most);
/* The public readers, for the first `most` rows at most. */
CJ_MUST_CHECK cj_status cj__dataset_read_idx(cj_dataset **dataset, const char *images_path,
                                             const char *labels_path, int64_t most);
CJ_MUST_CHECK cj_status cj__cifar_read(cj_dataset **dataset, const char *const *paths, int64_t count,
                                       int64_t classes, int64_t most);

#endif
