/* A text of tokens as a dataset: windows of it, whose targets are the tokens that come next. They are drawn
 * anywhere, another each epoch, or lie one behind the other, in one lane or in several. */
#include "base/random.h"
#include "data/dataset.h"

#include <string.h>

typedef struct {
    int32_t *tokens; /* [count] */
    int64_t count, window;
    int64_t lanes, lane; /* how many, and the targets of each; 0: windows are drawn */
} windows;

static void free_windows(void *context)
{
    windows *w = context;
    cj__free(w->tokens);
    cj__free(w);
}

/* `count` inputs from `first` on, and the token behind each; what remains is padding. */
static void put_window(const windows *w, int64_t first, int64_t count, int32_t *x, int32_t *y)
{
    size_t bytes = (size_t)count * sizeof *x, rest = (size_t)(w->window - count) * sizeof *x;
    memcpy(x, w->tokens + first, bytes);
    memset(x + count, 0, rest);
    if (!y) return;
    memcpy(y, w->tokens + first + 1, bytes);
    memset(y + count, 0xff, rest);
}

/* 64 random bits, so that any beginning is as likely as any other. */
static cj_status draw_anywhere(const void *context, const cj__row_wanted *row, void *x, void *y)
{
    const windows *w = context;
    uint32_t bits[4];
    uint64_t key = cj__mix(row->seed, 0x77696e646f7773u); /* "windows": a stream of its own */
    cj__philox(key, (uint64_t)row->epoch, (uint64_t)row->place, bits);
    uint64_t number = (uint64_t)bits[1] << 32 | bits[0], beginnings = (uint64_t)(w->count - w->window);
    put_window(w, (int64_t)(number % beginnings), w->window, x, y);
    return CJ_OK;
}

/* Row by row the next window of each lane in turn, until the longest is at its end. */
static cj_status take_next(const void *context, const cj__row_wanted *row, void *x, void *y)
{
    const windows *w = context;
    int64_t lane = row->place % w->lanes, before = row->place / w->lanes * w->window;
    int64_t first = lane * w->lane + before, count = w->lane - before;
    if (count > w->count - 1 - first) count = w->count - 1 - first;
    if (count > w->window) count = w->window;
    put_window(w, count > 0 ? first : 0, count > 0 ? count : 0, x, y);
    return CJ_OK;
}

static cj_status check(const cj_text_windows *o)
{
    if (o->window < 1 || o->drawn < 0 || o->lanes < 0 || (o->drawn > 0 && o->lanes > 1))
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "windows of %lld tokens, %lld drawn, %lld lanes: expected windows of 1 or more, "
                        "either drawn or in lanes",
                        (long long)o->window, (long long)o->drawn, (long long)o->lanes);
    if (o->count < 2 || (o->drawn > 0 && o->count <= o->window))
        return cj__fail(CJ_INVALID_ARGUMENT,
                        "a text of %lld tokens has no window of %lld with a token behind it",
                        (long long)o->count, (long long)o->window);
    if (o->vocabulary < 1 || o->vocabulary > INT32_MAX)
        return cj__fail(CJ_INVALID_ARGUMENT, "a vocabulary of %lld tokens", (long long)o->vocabulary);
    for (int64_t i = 0; i < o->count; i++)
        if (o->tokens[i] < 0 || o->tokens[i] >= o->vocabulary)
            return cj__fail(CJ_INVALID_ARGUMENT, "token %lld of the text is %d, but there are %lld",
                            (long long)i + 1, o->tokens[i], (long long)o->vocabulary);
    return CJ_OK;
}

static int64_t divide_up(int64_t a, int64_t b) /* a >= 0, b > 0, each as large as can be */
{
    return a / b + (a % b != 0);
}

/* Lanes of as many targets as it takes to cover them all. */
static int64_t rows_of(windows *w, const cj_text_windows *o)
{
    w->lanes = o->drawn > 0 ? 0 : o->lanes > 1 ? o->lanes : 1;
    if (w->lanes == 0) return o->drawn;
    w->lane = divide_up(o->count - 1, w->lanes);
    return divide_up(w->lane, o->window) * w->lanes;
}

static cj_status copy_tokens(windows **made, const cj_text_windows *o)
{
    windows *w = *made = cj__allocate_zeroed(sizeof *w);
    if (!w) return cj__out_of_memory(sizeof *w, "a text");
    w->count = o->count;
    w->window = o->window;
    w->tokens = cj__allocate((size_t)o->count * sizeof *w->tokens);
    if (w->tokens) {
        memcpy(w->tokens, o->tokens, (size_t)o->count * sizeof *w->tokens);
        return CJ_OK;
    }
    cj__free(w);
    return cj__out_of_memory((size_t)o->count * sizeof *w->tokens, "a text");
}

cj_status cj_dataset_of_text(cj_dataset **dataset, const cj_text_windows *o)
{
    windows *w;
    *dataset = NULL;
    CJ__TRY(check(o));
    CJ__TRY(copy_tokens(&w, o));
    cj_shape_t shape = {.rank = 2, .dims = {rows_of(w, o), o->window}};
    cj__row_maker maker = {.draw = w->lanes ? take_next : draw_anywhere, .free = free_windows, .context = w};
    if (!cj__shape_valid(shape)) {
        free_windows(w);
        return cj__fail(CJ_INVALID_ARGUMENT, "%lld windows of %lld tokens are more than a tensor can be",
                        (long long)shape.dims[0], (long long)o->window);
    }
    CJ__TRY(cj__dataset_adopt_maker(dataset, maker, (cj_tensor){NULL, CJ_I32, shape},
                                    (cj_tensor){NULL, CJ_I32, shape}));
    (*dataset)->class_count = o->vocabulary;
    (*dataset)->lanes = o->drawn > 0 ? 0 : o->lanes;
    (*dataset)->text = (cj_text_facts){o->count, o->characters, o->bytes};
    return CJ_OK;
}

cj_text_facts cj_dataset_text(const cj_dataset *dataset)
{
    if (!dataset) return (cj_text_facts){0};
    cj_text_facts all = dataset->text;
    for (int64_t i = 0; dataset->texts && i < dataset->count; i++) {
        const cj_text_facts *row = &dataset->texts[cj__dataset_place(dataset, i)];
        all.tokens += row->tokens;
        all.characters += row->characters;
        all.bytes += row->bytes;
    }
    return all;
}
