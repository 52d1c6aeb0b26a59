/* Any bytes as a file of sentences, in each format: what is read must be tokens that the tokenizer has and
 * labels that are classes, and nothing but padding may stand behind the end of a row. */
#include "support/input.h"

#include "cajal/data.h"
#include "cajal/graph.h"

static void check_row(const int32_t *x, const int32_t *y, int64_t width, bool labels, bool masked,
                      int64_t tokens, int64_t classes)
{
    for (int64_t i = 0; i < width; i++)
        if (x[i] < 0 || x[i] >= tokens) abort();
    for (int64_t i = 0; i < (labels ? 1 : width); i++)
        if (y[i] < -1 || y[i] >= classes || (labels && y[i] < 0)) abort();
    for (int64_t i = 1; i < width && !labels && !masked; i++)
        if (y[i] >= 0 && y[i - 1] < 0) abort();
}

static void check(const cj_dataset *d, int64_t tokens, bool masked)
{
    cj_loader *l;
    cj_batch batch;
    int64_t rows = 0;
    cj_loader_options o = {.size = sizeof o, .dataset = d, .batch_size = 3, .shuffle = true, .prefetch = -1};
    if ((cj_loader_new)(&l, &o) != CJ_OK) abort();
    while (cj_loader_next(l, &batch)) {
        cj_shape_t x = batch.x.shape;
        int64_t size = cj_shape_count(x) / x.dims[0], width = x.dims[x.rank - 1];
        bool labels = batch.y.shape.rank == 1;
        for (int64_t r = 0; r < batch.count; r++)
            check_row((const int32_t *)batch.x.data + r * size + (x.rank == 3 ? size - width : 0),
                      (const int32_t *)batch.y.data + (labels ? r : r * width), width, labels, masked, tokens,
                      cj_dataset_classes(d));
        rows += batch.count;
    }
    if (cj_loader_status(l) != CJ_OK || rows != cj_dataset_count(d)) abort();
    cj_loader_free(l);
}

/* Of bytes; and one that has a mask, where this build can make it. */
static cj_tokenizer *make(cj_token_kind kind)
{
    cj_tokenizer *t = NULL;
    cj_tokenizer_training training = {
        .size = sizeof training, .kind = kind, .text = "a b ab", .bytes = 6, .specials = true};
    if (cj_tokenizer_train(&t, &training) != CJ_OK && kind == CJ_TOKENS_BYTE) abort();
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cj_tokenizer *bytes, *pieces;
    if (!bytes) {
        bytes = make(CJ_TOKENS_BYTE);
        pieces = make(CJ_TOKENS_WORDPIECE);
    }
    const char *path = fuzz_path(data, size);
    for (int format = CJ_TEXT_LINES; format <= CJ_TEXT_MASKED; format++) {
        cj_dataset *d;
        char *text;
        size_t all;
        bool masked = format == CJ_TEXT_MASKED;
        cj_text_file_options o = {.size = sizeof o,
                                  .format = (cj_text_format)format,
                                  .path = path,
                                  .target_path = path,
                                  .tokenizer = masked ? pieces : bytes,
                                  .longest = (int64_t)(size % 9),
                                  .memory = 1 + (int64_t)(size % 4),
                                  .bucket = (int64_t)(size % 3)};
        if (o.tokenizer && cj_dataset_read_text(&d, &o) == CJ_OK) {
            check(d, cj_tokenizer_count(o.tokenizer), masked);
            cj_dataset_free(d);
        }
        if (cj_text_of_file((cj_text_format)format, path, &text, &all) == CJ_OK) cj_text_free(text);
    }
    return 0;
}
