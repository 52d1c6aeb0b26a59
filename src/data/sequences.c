/* Gathered sequences become two tensors, padded to a common width, and the lengths that batches are made by.
 */
#include "data/sequences.h"
#include "data/masked.h"

#include <string.h>

void cj__sequences_free(cj__sequences *s)
{
    cj_tokens_free(&s->x);
    cj_tokens_free(&s->y);
    cj_tokens_free(&s->x_ends);
    cj_tokens_free(&s->y_ends);
    cj__free(s->texts);
}

static cj_status end_sequence(cj_tokens *ends, const cj_tokens *tokens)
{
    if (tokens->count > INT32_MAX)
        return cj__fail(CJ_UNSUPPORTED, "sequences of more than %d tokens in all", INT32_MAX);
    return cj_tokens_add(ends, (int32_t)tokens->count);
}

cj_status cj__sequences_end_x(cj__sequences *s)
{
    return end_sequence(&s->x_ends, &s->x);
}

cj_status cj__sequences_end_y(cj__sequences *s)
{
    return end_sequence(&s->y_ends, &s->y);
}

cj_status cj__add_special(const cj_tokenizer *t, cj_special_token which, cj_tokens *tokens)
{
    int32_t token = cj_tokenizer_special(t, which);
    if (token >= 0) return cj_tokens_add(tokens, token);
    return cj__fail(CJ_INVALID_ARGUMENT,
                    "the tokenizer has no token for the %s of a text: make it with special tokens",
                    which == CJ_TOKEN_BEGIN ? "beginning" : "end");
}

cj_status cj__sequences_add(cj__sequences *s, const cj_tokenizer *t, const char *text, size_t size)
{
    bool framed = s->masked_by || cj_tokenizer_kind(t) == CJ_TOKENS_WORDPIECE;
    if (framed) CJ__TRY(cj__add_special(t, CJ_TOKEN_BEGIN, &s->x));
    CJ__TRY(cj_tokenizer_encode_at(t, text, size, 0, &s->x));
    if (framed) CJ__TRY(cj__add_special(t, CJ_TOKEN_END, &s->x));
    return cj__sequences_end_x(s);
}

/* --- tensors ------------------------------------------------------------------------------------------- */

/* What a dataset of sequences owns besides its tensors. */
typedef struct {
    cj__arena names;
    int32_t *lengths;
    cj_text_facts *texts;
    cj__masking masking;
} owned;

static void free_owned(void *context)
{
    owned *o = context;
    cj__arena_free(&o->names);
    cj__free(o->lengths);
    cj__free(o->texts);
    cj__free(o);
}

static cj_status draw_masked(const void *context, const cj__row_wanted *row, void *x, void *y)
{
    cj__masking_draw(&((const owned *)context)->masking, row, x, y);
    return CJ_OK;
}

static int32_t length_of(const cj_tokens *ends, int64_t index)
{
    return ends->ids[index] - (index ? ends->ids[index - 1] : 0);
}

/* How many tokens the longest sequence has, up to `most`; 1 at least. */
static int64_t width_of(const cj__sequences *s, int64_t most)
{
    int64_t width = 1;
    for (int64_t i = 0; i < s->x_ends.count; i++)
        if (length_of(&s->x_ends, i) > width) width = length_of(&s->x_ends, i);
    for (int64_t i = 0; i < s->y_ends.count; i++)
        if (length_of(&s->y_ends, i) > width) width = length_of(&s->y_ends, i);
    return most > 0 && width > most ? most : width;
}

/* Sequence `index` at the beginning of a row of that width; the rest is `padding`. */
static int32_t put_row(const cj_tokens *tokens, const cj_tokens *ends, int64_t index, int64_t width,
                       int32_t padding, int32_t *row)
{
    int64_t length = length_of(ends, index), first = ends->ids[index] - length;
    if (length > width) length = width;
    if (length > 0) memcpy(row, tokens->ids + first, (size_t)length * sizeof *row);
    for (int64_t i = length; i < width; i++) row[i] = padding;
    return (int32_t)length;
}

static int64_t count_cut(const cj__sequences *s, int64_t longest)
{
    int64_t cut = 0;
    for (int64_t i = 0; longest > 0 && i < s->x_ends.count; i++) cut += length_of(&s->x_ends, i) > longest;
    return cut;
}

enum { MOST_CELLS = 1 << 30 }; /* beyond, one long line among many would take all the memory there is */

static cj_status make_room(cj_tensor *t)
{
    if (!cj__shape_valid(t->shape) || cj_shape_count(t->shape) > MOST_CELLS)
        return cj__fail(
            CJ_UNSUPPORTED,
            "%lld examples as long as the longest, %lld tokens: expected %d tokens at most in all; limit "
            "their length (data.longest)",
            (long long)t->shape.dims[0], (long long)t->shape.dims[t->shape.rank - 1], MOST_CELLS);
    t->data = cj__allocate(cj_tensor_bytes(t));
    return t->data ? CJ_OK : cj__out_of_memory(cj_tensor_bytes(t), "sequences");
}

/* Whether each row has its sequence of y. */
static bool has_targets(const cj__sequences *s)
{
    return !s->labels && !s->masked_by;
}

static void fill(const cj__sequences *s, int64_t width, cj_tensor *x, cj_tensor *y, int32_t *lengths)
{
    for (int64_t r = 0; r < s->rows; r++) {
        int32_t longest = 0, length;
        for (int64_t p = r * s->parts; p < (r + 1) * s->parts; p++) {
            length = put_row(&s->x, &s->x_ends, p, width, 0, (int32_t *)x->data + p * width);
            if (length > longest) longest = length;
        }
        length =
            !has_targets(s) ? 0 : put_row(&s->y, &s->y_ends, r, width, -1, (int32_t *)y->data + r * width);
        lengths[r] = length > longest ? length : longest;
    }
    if (s->labels) memcpy(y->data, s->y.ids, (size_t)s->rows * sizeof *s->y.ids);
}

static cj_status make(const cj__sequences *s, int64_t longest, cj_tensor *x, cj_tensor *y, owned *o)
{
    int64_t width = width_of(s, longest);
    bool several = s->parts > 1;
    if (s->rows == 0) return cj__fail(CJ_FORMAT_ERROR, "found no examples, expected some");
    *x = (cj_tensor){
        NULL, CJ_I32, {several ? 3 : 2, {s->rows, several ? s->parts : width, several ? width : 0}}};
    *y = (cj_tensor){NULL, CJ_I32, {s->labels ? 1 : 2, {s->rows, s->labels ? 0 : width}}};
    CJ__TRY(make_room(x));
    if (!s->masked_by) CJ__TRY(make_room(y));
    o->lengths = cj__allocate((size_t)s->rows * sizeof *o->lengths);
    if (!o->lengths) return cj__out_of_memory((size_t)s->rows * sizeof *o->lengths, "sequences");
    fill(s, width, x, y, o->lengths);
    return CJ_OK;
}

cj_status cj__sequences_finish(cj__sequences *s, int64_t longest, int64_t bucket, cj__arena *names,
                               const char *const *class_names, int64_t class_count, cj_dataset **dataset)
{
    cj_tensor x = {0}, y = {0};
    owned *o = cj__allocate_zeroed(sizeof *o);
    *dataset = NULL;
    if (!o) return cj__out_of_memory(sizeof *o, "sequences");
    o->names = *names;
    *names = (cj__arena){0};
    o->texts = s->texts;
    s->texts = NULL;
    cj_status status = make(s, longest, &x, &y, o);
    if (status != CJ_OK) {
        cj__free(x.data);
        cj__free(y.data);
        free_owned(o);
        return status;
    }
    const int32_t *lengths = o->lengths;
    const cj_text_facts *texts = o->texts;
    cj__row_maker maker = {.free = free_owned, .context = o};
    if (s->masked_by) {
        cj__masking_begin(&o->masking, s->masked_by, &x);
        maker.draw = draw_masked;
    }
    CJ__TRY(cj__dataset_adopt_maker(dataset, maker, x, y));
    (*dataset)->lengths = lengths;
    (*dataset)->texts = texts;
    (*dataset)->bucket = bucket;
    (*dataset)->cut = count_cut(s, longest);
    (*dataset)->class_names = class_names;
    (*dataset)->class_count = class_count;
    return CJ_OK;
}
