/* Counts the pictures a second that one core makes ready for a network: augmented, normalised, as floats.
 * images [--seconds S] [--pictures FOLDER] [CASE]   cases: small, large (from arrays of bytes), and with a
 * folder of classes of pictures jpeg and fitted. A line each: its name and pictures a second of the thread's
 * own time. compare_images.py has torchvision do the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cajal/cajal.h"

#define TRY(call)                                                                                            \
    do {                                                                                                     \
        cj_status status_ = (call);                                                                          \
        if (status_ != CJ_OK) return status_;                                                                \
    } while (0)

static const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};

typedef struct {
    const char *name;
    int64_t rows, side, batch; /* rows 0: pictures from the folder, brought to that side */
    cj_augmentation augment[4];
} bench_case;

static const bench_case cases[] = {
    {"small", 4096, 32, 128, {{"pad_crop", "4"}, {"flip", NULL}}},
    {"colours",
     4096,
     32,
     128,
     {{"pad_crop", "4"},
      {"flip", NULL},
      {"colour_jitter", "brightness: 0.4, contrast: 0.4, saturation: 0.4"}}},
    {"large", 128, 224, 32, {{"resized_crop", NULL}, {"flip", NULL}}},
    {"jpeg", 0, 224, 32, {{"resized_crop", NULL}, {"flip", NULL}}},
    {"fitted", 0, 224, 32, {{NULL, NULL}}},
};

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Random bytes. */
static cj_status make_arrays(const bench_case *c, uint8_t **pixels, cj_dataset **data)
{
    int64_t count = c->rows * c->side * c->side * 3;
    int32_t *labels = calloc((size_t)c->rows, sizeof *labels);
    *pixels = malloc((size_t)count);
    if (!*pixels || !labels) return free(labels), CJ_OUT_OF_MEMORY;
    srand(1);
    for (int64_t i = 0; i < count; i++) (*pixels)[i] = (uint8_t)(rand() >> 8);
    cj_status status =
        cj_dataset_from_tensors(data, &(cj_tensor){*pixels, CJ_U8, cj_shape(c->rows, c->side, c->side, 3)},
                                &(cj_tensor){labels, CJ_I32, cj_shape(c->rows)});
    free(labels);
    return status;
}

static cj_status open_folder(const bench_case *c, const char *folder, cj_dataset **data)
{
    cj_dataset *validation, *test;
    cj_folder_options options = {.size = sizeof options,
                                 .path = folder,
                                 .pictures = {.fit = {.height = c->side, .width = c->side, .channels = 3}}};
    TRY(cj_dataset_read_folder(&options, data, &validation, &test));
    cj_dataset_free(validation);
    cj_dataset_free(test);
    return CJ_OK;
}

/* Whole epochs, the first to warm up. */
static cj_status run(const bench_case *c, const cj_dataset *data, double seconds, double *each)
{
    cj_loader *loader;
    cj_batch batch;
    TRY(cj_loader_new(&loader, data, .batch_size = c->batch, .shuffle = true, .scale = 1 / 255.0,
                      .mean = mean, .deviation = deviation, .channels = 3, .prefetch = -1,
                      .augment = c->augment[0].type ? c->augment : NULL));
    double best = 1e30, start = seconds_now(), now = start;
    for (int epoch = 0; now - start < seconds || epoch < 2; epoch++) {
        int64_t count = 0;
        while (cj_loader_next(loader, &batch)) count += batch.count;
        double end = seconds_now();
        if (epoch && (end - now) / (double)count < best) best = (end - now) / (double)count;
        now = end;
        if (cj_loader_status(loader) != CJ_OK) break;
    }
    cj_status status = cj_loader_status(loader);
    cj_loader_free(loader);
    *each = best;
    return status;
}

static cj_status show(const bench_case *c, const char *folder, double seconds)
{
    cj_dataset *data = NULL;
    uint8_t *pixels = NULL;
    double each = 0;
    cj_status status = c->rows ? make_arrays(c, &pixels, &data) : open_folder(c, folder, &data);
    if (status == CJ_OK) status = run(c, data, seconds, &each);
    if (status == CJ_OK) printf("%-8s %10.1f pictures/s\n", c->name, 1 / each);
    fflush(stdout);
    cj_dataset_free(data);
    free(pixels);
    return status;
}

static int usage(void)
{
    fprintf(stderr, "usage: images [--seconds S] [--pictures FOLDER] [CASE]\n");
    return 2;
}

int main(int count, char **arguments)
{
    double seconds = 1;
    const char *folder = NULL, *wanted = NULL;
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--seconds") == 0 && i + 1 < count)
            seconds = strtod(arguments[++i], NULL);
        else if (strcmp(arguments[i], "--pictures") == 0 && i + 1 < count)
            folder = arguments[++i];
        else if (arguments[i][0] != '-' && !wanted)
            wanted = arguments[i];
        else
            return usage();
    }
    if (!(seconds > 0)) return usage();
    cj_status status = cj_set_threads(1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases && status == CJ_OK; i++)
        if ((!wanted || strcmp(wanted, cases[i].name) == 0) && (cases[i].rows || folder))
            status = show(&cases[i], folder, seconds);
    if (status != CJ_OK) fprintf(stderr, "images: %s\n", cj_error_message());
    return status == CJ_OK ? 0 : 1;
}
