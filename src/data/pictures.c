/* Pictures in files as the rows of a dataset: each is read, decoded and fitted when a loader asks for it. In
 * memory are only their names. */
#include "data/pictures.h"
#include "base/file.h"
#include "base/team.h"
#include "image/image.h"

#include <stdio.h>
#include <string.h>

/* What the maker of rows holds. */
typedef struct {
    cj__listing listing;
    cj__picture_form form;
} pictures;

/* --- one picture --------------------------------------------------------------------------------------- */

typedef struct {
    char path[CJ__PICTURE_PATH];
    char *data;
    size_t size;
} file;

/* data is to be freed. */
static cj_status open_file(file *f, const cj__listing *l, int64_t index)
{
    f->data = NULL;
    CJ__TRY(cj__listing_path(l, index, f->path));
    return cj__file_read(f->path, CJ__LARGEST_PICTURE_FILE, &f->data, &f->size);
}

static cj_status read_picture(cj_image *image, const cj__listing *l, int64_t index)
{
    file f;
    *image = (cj_image){0};
    cj_status status = open_file(&f, l, index);
    if (status == CJ_OK) status = cj_image_read_memory(image, f.data, f.size, f.path);
    cj__free(f.data);
    return status;
}

/* A picture of the right size, recoloured at most. */
static cj_status read_exact(const pictures *p, int64_t index, void *row)
{
    cj_image image, fitted = {0};
    const cj_image_fit_options *fit = &p->form.fit;
    CJ__TRY(read_picture(&image, &p->listing, index));
    cj_status status = CJ_OK;
    if (image.height != fit->height || image.width != fit->width)
        status =
            cj__fail(CJ_SHAPE_ERROR,
                     "%s/%s: found a picture of %lld by %lld, expected %lld by %lld, as the first one is; a "
                     "shape brings all to one size",
                     p->listing.folder, p->listing.paths[index], (long long)image.width,
                     (long long)image.height, (long long)fit->width, (long long)fit->height);
    if (status == CJ_OK) status = cj_image_fit(&fitted, &image, fit);
    if (status == CJ_OK) memcpy(row, fitted.pixels, (size_t)(fit->height * fit->width * fit->channels));
    cj_image_free(&fitted);
    cj_image_free(&image);
    return status;
}

static cj_status make_row(const void *context, int64_t place, void *row)
{
    const pictures *p = context;
    file f;
    if (p->form.exact) return read_exact(p, place, row);
    cj_status status = open_file(&f, &p->listing, place);
    if (status == CJ_OK) status = cj__image_read_to(row, f.data, f.size, f.path, &p->form.fit);
    cj__free(f.data);
    return status;
}

/* --- what they become ---------------------------------------------------------------------------------- */

/* Colour where the first picture of any class has it; so many classes are looked at. */
static cj_status find_channels(const cj__listing *l, int64_t *channels)
{
    enum { LOOKED_AT = 64 };
    int64_t looked = 0;
    *channels = 1;
    for (int64_t i = 0; i < l->count && *channels == 1 && looked < LOOKED_AT; i++) {
        file f;
        if (i > 0 && l->labels[i] == l->labels[i - 1]) continue;
        cj_status status = open_file(&f, l, i);
        if (status == CJ_OK) status = cj__image_channels(f.data, f.size, f.path, channels);
        cj__free(f.data);
        CJ__TRY(status);
        looked++;
    }
    return CJ_OK;
}

cj_status cj__picture_form_of(cj__picture_form *form, const cj_image_fit_options *wanted,
                              const cj__listing *l)
{
    *form = (cj__picture_form){.fit = *wanted, .exact = wanted->height == 0 && wanted->width == 0};
    if (form->fit.channels == 0) CJ__TRY(find_channels(l, &form->fit.channels));
    if (form->exact) {
        cj_image first;
        CJ__TRY(read_picture(&first, l, 0));
        form->fit.height = first.height;
        form->fit.width = first.width;
        cj_image_free(&first);
    }
    return cj__image_check_fit(&form->fit);
}

/* --- damaged ones -------------------------------------------------------------------------------------- */

typedef struct {
    const cj__listing *listing;
    uint8_t *status; /* [count] */
} checking;

static void check_one(void *context, int64_t task, int thread)
{
    const checking *c = context;
    cj_image image;
    (void)thread;
    c->status[task] = (uint8_t)read_picture(&image, c->listing, task);
    cj_image_free(&image);
}

/* Those that can be read move up. */
static cj_status take_out(cj__listing *l, const uint8_t *statuses, cj__skipped *skipped)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < l->count; i++) {
        if (statuses[i] == CJ_OUT_OF_MEMORY) return cj__out_of_memory(0, l->paths[i]);
        if (statuses[i] == CJ_OK) {
            l->paths[kept] = l->paths[i];
            l->labels[kept++] = l->labels[i];
        } else if (skipped->count++ == 0) {
            cj_image image;
            if (read_picture(&image, l, i) != CJ_OK)
                snprintf(skipped->first, sizeof skipped->first, "%s", cj_error_message());
            cj_image_free(&image);
        }
    }
    l->count = kept;
    if (kept > 0 || skipped->count == 0) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "none of %lld pictures can be read: %s", (long long)skipped->count,
                    skipped->first);
}

cj_status cj__pictures_skip(cj__listing *l, cj__skipped *skipped)
{
    checking c = {l, cj__allocate_zeroed((size_t)l->count + 1)};
    *skipped = (cj__skipped){0};
    if (!c.status) return cj__out_of_memory((size_t)l->count, "a list of pictures");
    cj__team_run(l->count, check_one, &c);
    cj_status status = take_out(l, c.status, skipped);
    cj__free(c.status);
    return status;
}

/* --- the dataset --------------------------------------------------------------------------------------- */

static void free_pictures(void *context)
{
    pictures *p = context;
    cj__listing_free(&p->listing);
    cj__free(p);
}

/* Names live as long as the dataset. */
static cj_status keep_names(pictures *p, const cj__names *classes, cj__names *kept)
{
    *kept =
        (cj__names){cj__arena_allocate(&p->listing.arena, (size_t)classes->count * sizeof *kept->names + 1),
                    classes->count};
    bool failed = !kept->names;
    for (int64_t i = 0; i < classes->count && !failed; i++) {
        kept->names[i] = cj__arena_string(&p->listing.arena, classes->names[i]);
        failed = !kept->names[i];
    }
    return failed ? cj__out_of_memory((size_t)classes->count * 8, "names of classes") : CJ_OK;
}

static cj_status prepare(pictures *p, const cj__names *classes, const cj__skipped *skipped, cj__names *names,
                         const char **first)
{
    const cj_image_fit_options *fit = &p->form.fit;
    if (!cj__shape_valid(cj_shape(p->listing.count, fit->height, fit->width, fit->channels)))
        return cj__fail(CJ_UNSUPPORTED, "%s: %lld pictures are more than a tensor can be of",
                        p->listing.folder, (long long)p->listing.count);
    CJ__TRY(keep_names(p, classes, names));
    *first = cj__arena_string(&p->listing.arena, skipped->first);
    return *first ? CJ_OK : cj__out_of_memory(sizeof skipped->first, "a dataset");
}

/* Takes over p and the targets. */
static cj_status adopt(cj_dataset **dataset, pictures *p, float *targets)
{
    const cj_image_fit_options *fit = &p->form.fit;
    int64_t count = p->listing.count;
    cj_tensor x = {NULL, CJ_U8, cj_shape(count, fit->height, fit->width, fit->channels)};
    cj_tensor y = {targets, CJ_F32, cj_shape(count)};
    if (!targets) {
        y = (cj_tensor){p->listing.labels, CJ_I32, cj_shape(count)};
        p->listing.labels = NULL;
    }
    return cj__dataset_adopt_maker(
        dataset, (cj__row_maker){.make = make_row, .free = free_pictures, .context = p}, x, y);
}

cj_status cj__pictures_dataset(cj_dataset **dataset, cj__listing *listing, const cj__picture_form *form,
                               float *targets, const cj__names *classes, const cj__skipped *skipped)
{
    cj__names names = {0};
    const char *first = NULL;
    pictures *p = cj__allocate_zeroed(sizeof *p);
    *dataset = NULL;
    cj_status status = p ? CJ_OK : cj__out_of_memory(sizeof *p, "a dataset");
    if (p) {
        *p = (pictures){*listing, *form};
        *listing = (cj__listing){0};
        status = prepare(p, classes, skipped, &names, &first);
    }
    if (status != CJ_OK) {
        cj__free(targets);
        if (p) free_pictures(p);
        return status;
    }
    CJ__TRY(adopt(dataset, p, targets));
    (*dataset)->class_names = names.names;
    (*dataset)->class_count = targets ? 0 : names.count;
    (*dataset)->skipped = skipped->count;
    (*dataset)->first_skipped = first;
    return CJ_OK;
}
