/* How the examples of a batch are made, one by one: taken from the dataset, brought to floats, put in their
 * place. Loaders call it from several threads at once, each with scratch of its own. */
#ifndef CJ__BATCH_H
#define CJ__BATCH_H

#include "cpu/vector.h"
#include "data/augment.h"
#include "data/dataset.h"

enum { CJ__MOST_CHANNELS = 16, CJ__SCALED_AT_ONCE = 768 }; /* bytes, a multiple of the channels up to 4 */

typedef struct {
    const cj_dataset *data;
    const cj__vector_table *vectors;
    cj__augmenter augmenter;
    uint64_t seed;
    int64_t batch_size;
    size_t x_bytes, y_bytes; /* of a row of the dataset */
    int64_t size;            /* elements of an example */
    int64_t channels;        /* that have a scale of their own */
    int64_t period;          /* a multiple of channels: how far scale and shift reach */
    float scale[CJ__SCALED_AT_ONCE], shift[CJ__SCALED_AT_ONCE]; /* of element i: [i % period] */
} cj__batch_maker;

/* Checks the options' normalisation against the dataset. */
CJ_MUST_CHECK cj_status cj__batch_maker_begin(cj__batch_maker *maker, const cj_loader_options *options);
size_t cj__batch_scratch(const cj__batch_maker *maker); /* bytes that each thread needs; may be 0 */
/* Row `place` of the dataset, as it is in `epoch`, becomes example `index` of the batch. */
CJ_MUST_CHECK cj_status cj__batch_put(const cj__batch_maker *maker, int64_t epoch, int64_t place,
                                      const cj_batch *batch, int64_t index, void *scratch);
/* The targets' type and shape, [N,…] as the dataset's. */
cj_tensor cj__batch_targets(const cj__batch_maker *maker);
/* What is to be done when every example of a batch is there; nothing, where nothing is mixed. */
static inline bool cj__batch_is_mixed(const cj__batch_maker *maker)
{
    return maker->augmenter.mixer_count > 0;
}
void cj__batch_mix(const cj__batch_maker *maker, int64_t epoch, int64_t step, const int64_t *places,
                   const cj_batch *batch, void *scratch);
/* Fills an uneven batch up: with its own pictures over again, so that batch normalisation sees nothing
 * strange, and in labels with -1, which losses and metrics do not count. */
void cj__batch_pad(const cj_batch *batch);
/* Cuts the last axis of x, and of targets as long, to that width. */
void cj__batch_cut(const cj__batch_maker *maker, cj_batch *batch, int64_t width);
/* Row `place` will be wanted soon. */
void cj__batch_ask_for(const cj__batch_maker *maker, int64_t place);

#endif
