/* The binary files of CIFAR-10 and CIFAR-100: records of one or two labels and a picture of 32 by 32, its red
 * plane first, then green and blue. They become [N,32,32,3]. */
#include "data/dataset.h"
#include "data/source.h"

#include <sys/stat.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, CHANNELS = 3, PICTURE = PLANE * CHANNELS };

typedef struct {
    int64_t label_bytes; /* of which the last is the class */
    int64_t classes;
    int64_t most; /* rows wanted */
    uint8_t *x;   /* [rows,32,32,3] */
    int32_t *y;   /* [rows] */
    int64_t rows, room;
} reading;

static int64_t record_of(const reading *r)
{
    return r->label_bytes + PICTURE;
}

/* Both arrays hold `room` rows afterwards. */
static cj_status make_room(reading *r, int64_t room, const char *path)
{
    uint8_t *x = cj__resize(r->x, (size_t)room * PICTURE + 1);
    if (x) r->x = x;
    int32_t *y = cj__resize(r->y, (size_t)room * sizeof *y + 1);
    if (y) r->y = y;
    if (!x || !y) return cj__out_of_memory((size_t)room * PICTURE, path);
    r->room = room;
    return CJ_OK;
}

static void interleave(const uint8_t *planes, uint8_t *pixels)
{
    for (int64_t i = 0; i < PLANE; i++)
        for (int64_t c = 0; c < CHANNELS; c++) pixels[i * CHANNELS + c] = planes[c * PLANE + i];
}

static cj_status add_record(reading *r, const uint8_t *record, int64_t index, const char *path)
{
    int label = record[r->label_bytes - 1];
    if (label >= r->classes)
        return cj__fail(CJ_FORMAT_ERROR,
                        "%s: record %lld: found the label %d, expected one below %lld: is it CIFAR-%lld?",
                        path, (long long)index, label, (long long)r->classes, (long long)r->classes);
    if (r->rows == r->room) CJ__TRY(make_room(r, r->room ? 2 * r->room : 64, path));
    r->y[r->rows] = label;
    interleave(record + r->label_bytes, r->x + r->rows * PICTURE);
    r->rows++;
    return CJ_OK;
}

static cj_status read_records(reading *r, cj__source *s)
{
    uint8_t record[2 + PICTURE];
    size_t size = (size_t)record_of(r);
    for (int64_t i = 0; r->rows < r->most; i++) {
        size_t got = cj__source_read(s, record, size);
        if (got == 0 && i > 0) break;
        if (got < size) {
            CJ__TRY(cj__source_check(s));
            return cj__fail(CJ_FORMAT_ERROR, "%s: record %lld: found %zu bytes, expected %zu", s->path,
                            (long long)i, got, size);
        }
        CJ__TRY(add_record(r, record, i, s->path));
    }
    return cj__source_check(s);
}

static cj_status read_file(reading *r, const char *path)
{
    cj__source s;
    struct stat facts;
    CJ__TRY(cj__source_open(&s, path));
    int64_t rows = stat(path, &facts) == 0 ? facts.st_size / record_of(r) : 0;
    if (rows > r->most - r->rows) rows = r->most - r->rows;
    cj_status status = r->rows + rows > r->room ? make_room(r, r->rows + rows, path) : CJ_OK;
    if (status == CJ_OK) status = read_records(r, &s);
    cj__source_close(&s);
    return status;
}

cj_status cj__cifar_read(cj_dataset **dataset, const char *const *paths, int64_t count, int64_t classes,
                         int64_t most)
{
    reading r = {.label_bytes = classes == 100 ? 2 : 1, .classes = classes, .most = most};
    cj_status status = CJ_OK;
    *dataset = NULL;
    for (int64_t i = 0; i < count && status == CJ_OK; i++) status = read_file(&r, paths[i]);
    if (status == CJ_OK)
        return cj__dataset_adopt(dataset, (cj_tensor){r.x, CJ_U8, {4, {r.rows, SIDE, SIDE, CHANNELS}}},
                                 (cj_tensor){r.y, CJ_I32, {1, {r.rows}}});
    cj__free(r.x);
    cj__free(r.y);
    return status;
}

cj_status cj_dataset_read_cifar(cj_dataset **dataset, const char *const *paths, int64_t count,
                                int64_t classes)
{
    *dataset = NULL;
    if (count < 1 || (classes != 10 && classes != 100))
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "CIFAR is read from one file or more, of 10 or 100 classes; asked for were %lld "
                        "files and %lld classes",
                        (long long)count, (long long)classes);
    return cj__cifar_read(dataset, paths, count, classes, INT64_MAX);
}
