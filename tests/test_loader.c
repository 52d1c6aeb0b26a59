/* Loaders over rows that are made when wanted: the same batches for any number of threads, seeks while they
 * work, and rows that cannot be made; normalisation channel by channel.
 *
 * labels: threads */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"
#include "data/dataset.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { ROWS = 97, SIZE = 5 * 4 * 3 };

typedef struct {
    int64_t bad; /* a row that cannot be made; -1: none */
    atomic_int made;
} making;

static cj_status make_row(const void *context, int64_t place, void *row)
{
    making *m = (making *)(uintptr_t)context;
    atomic_fetch_add(&m->made, 1);
    if (place % 11 == 0) usleep(50);
    if (m->bad >= 0 && place >= m->bad) return cj__fail(CJ_IO_ERROR, "row %lld is bad", (long long)place);
    for (int i = 0; i < SIZE; i++) ((uint8_t *)row)[i] = (uint8_t)(place * 7 + i);
    return CJ_OK;
}

static cj_status new_dataset(cj_dataset **d, making *m)
{
    int32_t *labels = cj__allocate(ROWS * sizeof *labels);
    cj_tensor x = {NULL, CJ_U8, cj_shape(ROWS, 5, 4, 3)}, y = {labels, CJ_I32, cj_shape(ROWS)};
    *d = NULL;
    if (!labels) return cj__out_of_memory(1, "labels");
    for (int i = 0; i < ROWS; i++) labels[i] = i;
    return cj__dataset_adopt_maker(d, (cj__row_maker){.make = make_row, .context = m}, x, y);
}

/* Its own pictures over again, which no label counts. */
static void expect_filled_up(const cj_batch *batch)
{
    const float *x = batch->x.data;
    for (int64_t i = batch->count; i < batch->x.shape.dims[0]; i++) {
        assert_memory_equal(x + i * SIZE, x + i % batch->count * SIZE, SIZE * sizeof *x);
        assert_int_equal(((const int32_t *)batch->y.data)[i], -1);
    }
}

static void test_any_number_of_threads(void **state)
{
    (void)state;
    making m = {.bad = -1};
    cj_dataset *d;
    expect_ok(new_dataset(&d, &m));
    for (int64_t threads = 1; threads <= 7; threads += 2) {
        cj_loader *now, *early;
        cj_batch a, b;
        expect_ok(cj_loader_new(&now, d, .batch_size = 13, .shuffle = true, .seed = 9, .prefetch = -1));
        expect_ok(cj_loader_new(&early, d, .batch_size = 13, .shuffle = true, .seed = 9, .prefetch = 3,
                                .threads = threads));
        for (int i = 0; i < 200; i++) {
            uint64_t dice = cj__bits(2, (uint64_t)threads, (uint64_t)i);
            if (dice % 9 == 0) {
                int64_t epoch = (int64_t)(dice >> 8 & 3), step = (int64_t)(dice >> 16) % 8;
                cj_loader_seek(now, epoch, step);
                cj_loader_seek(early, epoch, step);
            }
            bool more = cj_loader_next(now, &a);
            assert_int_equal(cj_loader_next(early, &b), more);
            if (more) cj_test_expect_same_batch(&a, &b);
            if (more) expect_filled_up(&a);
            expect_ok(cj_loader_status(early));
        }
        cj_loader_free(now);
        cj_loader_free(early);
    }
    assert_true(atomic_load(&m.made) > 1000);
    cj_dataset_free(d);
}

/* Whichever thread meets a bad row first, the batch's first one is told, when that batch is due, and again
 * when it is asked for again; a seek goes past it. */
static void test_bad_rows(void **state)
{
    (void)state;
    making m = {.bad = 25};
    cj_dataset *d;
    cj_batch batch;
    expect_ok(new_dataset(&d, &m));
    for (int64_t threads = 0; threads <= 4; threads++) {
        cj_loader *l;
        expect_ok(cj_loader_new(&l, d, .batch_size = 10, .prefetch = threads ? 4 : -1, .threads = threads));
        for (int again = 0; again < 2; again++) {
            assert_true(cj_loader_next(l, &batch));
            assert_true(cj_loader_next(l, &batch));
            assert_int_equal(((const int32_t *)batch.y.data)[9], 19);
            for (int i = 0; i < 2; i++) {
                assert_false(cj_loader_next(l, &batch));
                expect_status(cj_loader_status(l), CJ_IO_ERROR);
                expect_message("row 25 is bad");
            }
            cj_loader_seek(l, 0, 0);
        }
        cj_loader_free(l);
    }
    cj_dataset_free(d);
}

/* What takes rows from a dataset, and what they look like through views. */
static void test_fetch(void **state)
{
    (void)state;
    making m = {.bad = -1};
    cj_dataset *d, *view, *copy;
    cj_tensor x;
    uint8_t row[SIZE];
    expect_ok(new_dataset(&d, &m));
    expect_ok(cj_dataset_select(&view, d, (int64_t[]){40, 3}, 2));
    cj_dataset_row(view, 1, &x, NULL);
    assert_null(x.data);
    assert_true(cj_shape_equal(x.shape, cj_shape(1, 5, 4, 3)));
    expect_ok(cj_dataset_fetch(view, 1, row));
    assert_int_equal(row[2], 23);
    expect_status(cj_dataset_fetch(view, 2, row), CJ_INVALID_ARGUMENT);
    assert_null(cj_dataset_x(d).data);
    expect_ok(cj_dataset_copy(&copy, view));
    assert_int_equal(((uint8_t *)cj_dataset_x(copy).data)[SIZE + 2], 23);
    expect_ok(cj_dataset_fetch(copy, 0, row));
    assert_int_equal(row[0], 280 - 256);
    cj_dataset_free(copy);
    m.bad = 0;
    expect_status(cj_dataset_copy(&copy, view), CJ_IO_ERROR);
    cj_dataset_free(view);
    cj_dataset_free(d);
}

/* --- normalisation ------------------------------------------------------------------------------------- */

static void expect_normalised(const cj_dataset *d, int64_t channels, const double *mean,
                              const double *deviation)
{
    cj_loader *l;
    cj_batch batch;
    uint8_t row[SIZE];
    expect_ok(cj_loader_new(&l, d, .batch_size = 4, .scale = 1 / 255.0, .shift = 0.25, .mean = mean,
                            .deviation = deviation, .channels = channels));
    assert_true(cj_loader_next(l, &batch));
    for (int64_t r = 0; r < 4; r++) {
        expect_ok(cj_dataset_fetch(d, r, row));
        for (int i = 0; i < SIZE; i++) {
            int64_t c = i % channels;
            double wanted = (row[i] / 255.0 + 0.25 - mean[c]) / deviation[c];
            assert_true(fabs((double)((float *)batch.x.data)[r * SIZE + i] - wanted) < 1e-5);
        }
    }
    cj_loader_free(l);
}

static void test_normalisation(void **state)
{
    (void)state;
    making m = {.bad = -1};
    cj_dataset *d;
    cj_loader *l;
    static const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};
    expect_ok(new_dataset(&d, &m));
    expect_normalised(d, 3, mean, deviation);
    expect_normalised(d, 1, mean, deviation);
    expect_status(cj_loader_new(&l, d, .batch_size = 4, .mean = mean, .deviation = deviation, .channels = 2),
                  CJ_SHAPE_ERROR);
    expect_message("normalisation is for 2 channels, but examples have 3");
    expect_status(
        cj_loader_new(&l, d, .batch_size = 4, .mean = mean, .deviation = (double[]){1, 0, 1}, .channels = 3),
        CJ_INVALID_ARGUMENT);
    expect_message("channel 1 has mean 0.456 and deviation 0");
    expect_status(cj_loader_new(&l, d, .batch_size = 4, .mean = (double[]){NAN, 0, 0}, .deviation = deviation,
                                .channels = 3),
                  CJ_INVALID_ARGUMENT);
    expect_status(cj_loader_new(&l, d, .batch_size = 4, .mean = mean, .channels = 3), CJ_INVALID_ARGUMENT);
    cj_dataset_free(d);
}

/* Examples longer than what is scaled at a time, bytes and numbers, of a number of channels that does not
 * divide it. */
static void test_long_examples(void **state)
{
    (void)state;
    enum { PIXELS = 700, CHANNELS = 5 };
    static uint8_t bytes[PIXELS * CHANNELS];
    static float numbers[PIXELS * CHANNELS];
    double mean[CHANNELS], deviation[CHANNELS];
    int32_t label = 0;
    for (int i = 0; i < PIXELS * CHANNELS; i++) numbers[i] = bytes[i] = (uint8_t)(i * 37);
    for (int c = 0; c < CHANNELS; c++) mean[c] = 10 * c, deviation[c] = 1 + c;
    for (int kind = 0; kind < 2; kind++) {
        cj_tensor x = {kind ? (void *)numbers : bytes, kind ? CJ_F32 : CJ_U8, cj_shape(1, PIXELS, CHANNELS)};
        cj_dataset *d;
        cj_loader *l;
        cj_batch batch;
        expect_ok(cj_dataset_from_tensors(&d, &x, &(cj_tensor){&label, CJ_I32, cj_shape(1)}));
        expect_ok(cj_loader_new(&l, d, .batch_size = 1, .mean = mean, .deviation = deviation,
                                .channels = CHANNELS));
        assert_true(cj_loader_next(l, &batch));
        for (int i = 0; i < PIXELS * CHANNELS; i++) {
            double wanted = (bytes[i] - mean[i % CHANNELS]) / deviation[i % CHANNELS];
            assert_true(fabs((double)((float *)batch.x.data)[i] - wanted) < 1e-4);
        }
        cj_loader_free(l);
        cj_dataset_free(d);
    }
}

static cj_status scenario(void *context)
{
    cj_dataset *d;
    cj_loader *l = NULL;
    cj_batch batch;
    cj_status status = new_dataset(&d, context);
    if (status == CJ_OK) status = cj_loader_new(&l, d, .batch_size = 20, .prefetch = 2, .threads = 3);
    while (status == CJ_OK && cj_loader_next(l, &batch)) {
    }
    if (status == CJ_OK) status = cj_loader_status(l);
    cj_loader_free(l);
    cj_dataset_free(d);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    making m = {.bad = -1};
    cj_test_allocator_install();
    cj_test_every_allocation_fails(scenario, &m);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_number_of_threads),
                                       cmocka_unit_test(test_bad_rows),
                                       cmocka_unit_test(test_fetch),
                                       cmocka_unit_test(test_normalisation),
                                       cmocka_unit_test(test_long_examples),
                                       cmocka_unit_test(test_allocations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
