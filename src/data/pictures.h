/* Datasets of pictures that stay in their files until they are wanted. */
#ifndef CJ__PICTURES_H
#define CJ__PICTURES_H

#include "data/dataset.h"
#include "data/listing.h"

/* What becomes of the pictures of a listing where the options leave it open: they are made final, `exact`
 * says that every picture must have the first one's size. */
typedef struct {
    cj_image_fit_options fit;
    bool exact;
} cj__picture_form;
CJ_MUST_CHECK cj_status cj__picture_form_of(cj__picture_form *form, const cj_image_fit_options *wanted,
                                            const cj__listing *listing);

/* Pictures that cannot be read, taken out of a listing by reading them all. */
typedef struct {
    int64_t count;
    char first[1024]; /* why the first one could not */
} cj__skipped;
CJ_MUST_CHECK cj_status cj__pictures_skip(cj__listing *listing, cj__skipped *skipped);

/* A dataset of the listing, which it takes over, leaving it empty (after a failure it is the caller's to
 * free, empty or not). `targets` f32 [count] are taken over as well; NULL: the labels are learned, which are
 * places in `classes`. */
CJ_MUST_CHECK cj_status cj__pictures_dataset(cj_dataset **dataset, cj__listing *listing,
                                             const cj__picture_form *form, float *targets,
                                             const cj__names *classes, const cj__skipped *skipped);

#endif
