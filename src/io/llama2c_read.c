/* Reading the checkpoints of llama2.c: seven whole numbers, then the weights of a Llama in a fixed order,
 * f32. They are given the names of the transformers package, and rows of q_proj and k_proj its order, in
 * which the halves of a head turn against each other instead of neighbours.
 * https://github.com/karpathy/llama2.c: export.py, version 0 */
#include "io/tensor_file.h"

#include <inttypes.h>
#include <stdlib.h>

enum { HEADER = 28, MOST_LAYERS = 1 << 12, MOST = 1 << 20 };

typedef struct {
    int64_t dim, hidden, layers, heads, kv_heads, vocabulary, block;
    bool own_head;
} sizes;

static int64_t whole_number(const unsigned char *at)
{
    return (int32_t)((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
}

/* A negative vocabulary says that the logits have a weight of their own. */
static sizes sizes_in(const unsigned char header[HEADER])
{
    int64_t n[7];
    for (int i = 0; i < 7; i++) n[i] = whole_number(header + 4 * i);
    return (sizes){n[0], n[1], n[2], n[3], n[4], llabs(n[5]), n[6], n[5] < 0};
}

static bool is_size(int64_t size, int64_t most)
{
    return size >= 1 && size <= most;
}

bool cj__is_llama2c(const cj_tensor_file *file)
{
    unsigned char header[HEADER];
    if (file->size < HEADER || cj__tensor_file_bytes(file, 0, header, HEADER) != CJ_OK) return false;
    sizes s = sizes_in(header);
    return is_size(s.dim, MOST) && is_size(s.hidden, MOST) && is_size(s.layers, MOST_LAYERS) &&
           is_size(s.heads, s.dim) && is_size(s.kv_heads, s.heads) && is_size(s.vocabulary, MOST) &&
           is_size(s.block, MOST) && s.dim % s.heads == 0 && s.heads % s.kv_heads == 0 &&
           s.dim / s.heads % 2 == 0;
}

/* Sizes are small enough for no product to overflow. */
static uint64_t bytes_wanted(const sizes *s)
{
    int64_t head = s->dim / s->heads, table = s->vocabulary * s->dim;
    int64_t attention = 2 * s->dim * s->dim + 2 * head * s->kv_heads * s->dim;
    int64_t layer = 2 * s->dim + attention + 3 * s->hidden * s->dim;
    int64_t all = table + s->layers * layer + s->dim + s->block * head + (s->own_head ? table : 0);
    return HEADER + (uint64_t)all * sizeof(float);
}

/* --- the index ----------------------------------------------------------------------------------------- */

/* Adds a tensor at the end of those before it. */
static cj_status add(cj_tensor_file *file, char *name, cj_shape_t shape, int64_t heads)
{
    uint64_t at = file->count ? file->entries[file->count - 1].end : 0;
    if (!name) return cj__out_of_memory(0, "the name of a tensor");
    CJ__TRY(cj__grow(&file->entries, &file->capacity, file->count, sizeof *file->entries));
    file->entries[file->count++] =
        (cj__tensor_entry){.name = name,
                           .type = cj__stored_type_of(CJ_F32),
                           .shape = shape,
                           .begin = at,
                           .end = at + (uint64_t)cj_shape_count(shape) * sizeof(float),
                           .heads = heads};
    return CJ_OK;
}

static cj_status add_each(cj_tensor_file *file, const sizes *s, const char *name, cj_shape_t shape,
                          int64_t heads)
{
    for (int64_t i = 0; i < s->layers; i++)
        CJ__TRY(add(file, cj__arena_format(&file->arena, "model.layers.%" PRId64 ".%s.weight", i, name),
                    shape, heads));
    return CJ_OK;
}

static cj_status add_layers(cj_tensor_file *file, const sizes *s)
{
    int64_t keys = s->dim / s->heads * s->kv_heads;
    cj_shape_t norm = cj_shape(s->dim), square = cj_shape(s->dim, s->dim), narrow = cj_shape(keys, s->dim);
    cj_shape_t up = cj_shape(s->hidden, s->dim), down = cj_shape(s->dim, s->hidden);
    CJ__TRY(add_each(file, s, "input_layernorm", norm, 0));
    CJ__TRY(add_each(file, s, "self_attn.q_proj", square, s->heads));
    CJ__TRY(add_each(file, s, "self_attn.k_proj", narrow, s->kv_heads));
    CJ__TRY(add_each(file, s, "self_attn.v_proj", narrow, 0));
    CJ__TRY(add_each(file, s, "self_attn.o_proj", square, 0));
    CJ__TRY(add_each(file, s, "post_attention_layernorm", norm, 0));
    CJ__TRY(add_each(file, s, "mlp.gate_proj", up, 0));
    CJ__TRY(add_each(file, s, "mlp.down_proj", down, 0));
    return add_each(file, s, "mlp.up_proj", up, 0);
}

/* Behind the last norm stand cosines and sines of the positions, which are worked out here: the head's own
 * weight is at the end of the file. */
static cj_status add_all(cj_tensor_file *file, const sizes *s)
{
    cj_shape_t table = cj_shape(s->vocabulary, s->dim);
    CJ__TRY(add(file, cj__arena_string(&file->arena, "model.embed_tokens.weight"), table, 0));
    CJ__TRY(add_layers(file, s));
    CJ__TRY(add(file, cj__arena_string(&file->arena, "model.norm.weight"), cj_shape(s->dim), 0));
    if (!s->own_head) return CJ_OK;
    CJ__TRY(add(file, cj__arena_string(&file->arena, "lm_head.weight"), table, 0));
    cj__tensor_entry *head = &file->entries[file->count - 1];
    uint64_t shift = file->size - HEADER - head->end;
    head->begin += shift;
    head->end += shift;
    return CJ_OK;
}

static cj_status add_fact(cj_tensor_file *file, const char *key, char *value)
{
    if (!value) return cj__out_of_memory(0, "the sizes of a Llama");
    CJ__TRY(
        cj__grow(&file->metadata, &file->metadata_capacity, file->metadata_count, sizeof *file->metadata));
    file->metadata[file->metadata_count++] = (cj_metadata){key, value};
    return CJ_OK;
}

/* The header, under the names of a recipe's keys below `model`. */
static cj_status add_facts(cj_tensor_file *file, const sizes *s)
{
    const struct {
        const char *key;
        int64_t size;
    } facts[] = {{"width", s->dim},   {"hidden", s->hidden},     {"layers", s->layers},
                 {"heads", s->heads}, {"kv_heads", s->kv_heads}, {"classes", s->vocabulary},
                 {"block", s->block}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        CJ__TRY(add_fact(file, facts[i].key, cj__arena_format(&file->arena, "%" PRId64, facts[i].size)));
    return add_fact(file, "head", cj__arena_string(&file->arena, s->own_head ? "own" : "tied"));
}

cj_status cj__llama2c_load(cj_tensor_file *file)
{
    unsigned char header[HEADER];
    CJ__TRY(cj__tensor_file_bytes(file, 0, header, HEADER));
    sizes s = sizes_in(header);
    file->data_start = HEADER;
    if (bytes_wanted(&s) == file->size) {
        CJ__TRY(add_facts(file, &s));
        return add_all(file, &s);
    }
    return cj__fail(CJ_FORMAT_ERROR,
                    "%s: found %" PRIu64 " bytes, expected %" PRIu64
                    " of a checkpoint of llama2.c, as which it begins: %" PRId64 " layers, width %" PRId64
                    ", vocabulary %" PRId64,
                    file->path, file->size, bytes_wanted(&s), s.layers, s.dim, s.vocabulary);
}

/* --- the elements -------------------------------------------------------------------------------------- */

/* Row (head, half, i) stands in the file as (head, i, half). */
static cj_status read_halves(cj_tensor_file *file, const cj__tensor_entry *e, char *raw)
{
    int64_t d = e->shape.dims[0] / e->heads;
    size_t row = (size_t)e->shape.dims[1] * sizeof(float);
    for (int64_t r = 0; r < e->shape.dims[0]; r++) {
        int64_t head = r / d, half = r % d / (d / 2), i = r % (d / 2), from = head * d + 2 * i + half;
        CJ__TRY(cj__tensor_file_bytes(file, file->data_start + e->begin + (uint64_t)from * row,
                                      raw + (size_t)r * row, row));
    }
    return CJ_OK;
}

cj_status cj__llama2c_read(cj_tensor_file *file, const cj__tensor_entry *e, void *raw)
{
    return e->heads ? read_halves(file, e, raw) : cj__safetensors_read(file, e, raw);
}
