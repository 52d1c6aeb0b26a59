/* The generator: a reader drawn twice, for a chunk of the prompt and for one token, over one session that
 * remembers what was read. */
#include "generate/generate.h"
#include "base/shape.h"
#include "cajal/ops.h"
#include "model/model.h"

#include <string.h>

enum { CHUNK = 32 };

/* --- programs ------------------------------------------------------------------------------------------ */

static cj_status draw_reading(cj_generator *g, cj_graph *graph, int64_t width)
{
    cj_reading reading = {.tokens = cj_input(graph, "tokens", CJ_I32, cj_shape(g->o.texts, width)),
                          .position = cj_input(graph, "position", CJ_I32, cj_scalar_shape()),
                          .last = cj_input(graph, "last", CJ_I32, cj_scalar_shape())};
    cj_value logits = g->o.reader(cj_root(graph), &reading, g->o.context);
    CJ__TRY(cj_graph_status(graph));
    cj_shape_t shape = cj_value_shape(logits);
    if (shape.rank != 3 || shape.dims[0] != g->o.texts || shape.dims[1] != 1 || shape.dims[2] < 1 ||
        cj_value_dtype(logits) != CJ_F32)
        return cj__fail(CJ_SHAPE_ERROR, "a reader gives logits, f32 [%lld,1,vocabulary], of the last token",
                        (long long)g->o.texts);
    g->vocabulary = g->o.vocabulary ? g->o.vocabulary : shape.dims[2];
    if (g->vocabulary > shape.dims[2])
        return cj__fail(CJ_INVALID_ARGUMENT, "the network has %lld logits, fewer than the vocabulary of %lld",
                        (long long)shape.dims[2], (long long)g->vocabulary);
    if (g->vocabulary < shape.dims[2]) logits = cj_slice(logits, 2, 0, g->vocabulary, 1);
    cj_output(graph, "logits", logits);
    return CJ_OK;
}

cj_status cj__generator_program(cj_generator *g, cj__generator_draw *draw, int64_t width,
                                cj_program **program)
{
    cj_graph_options options = {.size = sizeof options,
                                .model = g->o.model,
                                .session = g->session,
                                .mode = CJ_INFERENCE,
                                .precision = g->o.precision};
    cj_graph *graph;
    CJ__TRY((cj_graph_new)(&graph, &options));
    cj_status status = draw(g, graph, width);
    if (status == CJ_OK) status = cj_compile(program, graph);
    cj_graph_free(graph);
    return status;
}

/* Reads the first `count` tokens of each text, in a program that takes `width`. */
static cj_status run(cj_generator *g, cj_program *program, int64_t width, int64_t count)
{
    CJ__TRY(cj__generator_understand(g));
    int32_t position = (int32_t)g->position, last = (int32_t)count - 1;
    cj_run_options options = {.size = sizeof options,
                              .program = program,
                              .inputs = {{g->tokens, CJ_I32, cj_shape(g->o.texts, width)},
                                         {&position, CJ_I32, cj_scalar_shape()},
                                         {&last, CJ_I32, cj_scalar_shape()}},
                              .outputs = {g->logits}};
    CJ__TRY((cj_program_run)(&options));
    for (int64_t t = 0; t < g->o.texts && g->room; t++)
        memcpy(g->history + t * g->room + g->position, g->tokens + t * width,
               (size_t)count * sizeof *g->tokens);
    g->position += count;
    return CJ_OK;
}

/* --- making -------------------------------------------------------------------------------------------- */

static cj_status check(const cj_generator_options *o)
{
    if (!o->model || !o->reader)
        return cj__fail(CJ_INVALID_ARGUMENT, "a generator needs a model and a reader");
    if (o->vocabulary < 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "a vocabulary of %lld tokens", (long long)o->vocabulary);
    if (o->block < 0 || o->texts < 0 || o->chunk < 0 || o->block > INT32_MAX || o->texts > 4096 ||
        o->chunk > INT32_MAX || o->source < 0 || o->source > 1 << 24)
        return cj__fail(
            CJ_INVALID_ARGUMENT,
            "a generator of block %lld, %lld texts, chunks of %lld tokens and sources of %lld: none "
            "may be negative, and 4096 texts and sources of 16,777,216 tokens are the most",
            (long long)o->block, (long long)o->texts, (long long)o->chunk, (long long)o->source);
    return CJ_OK;
}

/* What is carried can be reordered by text. */
static cj_status check_carried(const cj_generator *g)
{
    char shape[CJ__SHAPE_TEXT];
    for (int64_t i = 0; i < cj_model_count(g->session); i++) {
        cj_variable_info v = cj_model_variable(g->session, i);
        if (v.tensor.shape.rank > 0 && v.tensor.shape.dims[0] == g->o.texts) continue;
        return cj__fail(CJ_SHAPE_ERROR,
                        "what the reader carries as '%s' is %s, but its first axis must be the %lld texts",
                        v.name, cj__shape_text(v.tensor.shape, shape), (long long)g->o.texts);
    }
    return CJ_OK;
}

/* Room for what comes and goes; drawing tells how large the vocabulary is. */
static cj_status prepare(cj_generator *g)
{
    CJ__TRY(cj_model_new(&(cj_model_options){.size = sizeof(cj_model_options), .model = &g->session}));
    CJ__TRY(cj__generator_program(g, draw_reading, 1, &g->one));
    CJ__TRY(check_carried(g));
    size_t logits = (size_t)(g->o.texts * g->vocabulary) * sizeof *g->logits;
    size_t tokens = (size_t)(g->o.texts * g->o.chunk) * sizeof *g->tokens;
    g->room = g->o.block;
    g->history = cj__allocate((size_t)(g->o.texts * g->room) * sizeof *g->history + 1);
    g->tokens = cj__allocate(tokens);
    g->logits = cj__allocate(logits);
    return g->history && g->tokens && g->logits ? CJ_OK : cj__out_of_memory(logits, "a generator");
}

cj_status cj_generator_new(cj_generator **generator, const cj_generator_options *options)
{
    *generator = NULL;
    CJ__TRY(check(options));
    cj_generator *g = cj__allocate_zeroed(sizeof *g);
    if (!g) return cj__out_of_memory(sizeof *g, "a generator");
    g->o = *options;
    if (!g->o.texts) g->o.texts = 1;
    if (!g->o.chunk) g->o.chunk = CHUNK;
    if (g->o.block && g->o.chunk > g->o.block) g->o.chunk = g->o.block;
    cj_status status = prepare(g);
    if (status == CJ_OK)
        *generator = g;
    else
        cj_generator_free(g);
    return status;
}

void cj_generator_free(cj_generator *g)
{
    if (!g) return;
    cj_program_free(g->chunk);
    cj_program_free(g->one);
    cj__generator_free_source(g);
    cj_model_free(g->session);
    cj__free(g->history);
    cj__free(g->tokens);
    cj__free(g->logits);
    cj__free(g->spare);
    cj__free(g);
}

int64_t cj_generator_vocabulary(const cj_generator *g)
{
    return g->vocabulary;
}

const float *cj_generator_logits(const cj_generator *g)
{
    return g->position ? g->logits : NULL;
}

/* --- reading ------------------------------------------------------------------------------------------- */

void cj_generator_reset(cj_generator *g)
{
    cj__forget_carried(g->session);
    g->position = 0;
    g->understood = false;
}

static cj_status check_reading(const cj_generator *g, const int32_t *tokens, int64_t count)
{
    CJ__TRY(cj__need(g, "reading", "a generator"));
    if (count < 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "%lld tokens are to be read, expected a count from 0 on",
                        (long long)count);
    return count ? cj__need(tokens, "reading", "tokens") : CJ_OK;
}

static cj_status check_token(const cj_generator *g, int32_t token)
{
    if (token >= 0 && token < g->vocabulary) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT, "token %d is none of the %lld of the vocabulary", (int)token,
                    (long long)g->vocabulary);
}

/* The next `count` tokens of each text, which lie `pitch` apart; pitch 0: all texts have the same. */
static cj_status read_part(cj_generator *g, const int32_t *tokens, int64_t pitch, int64_t count)
{
    int64_t width = count > 1 ? g->o.chunk : 1;
    cj_program **program = width > 1 ? &g->chunk : &g->one;
    if (!*program) CJ__TRY(cj__generator_program(g, draw_reading, width, program));
    memset(g->tokens, 0, (size_t)(g->o.texts * width) * sizeof *g->tokens);
    for (int64_t t = 0; t < g->o.texts; t++)
        memcpy(g->tokens + t * width, tokens + t * pitch, (size_t)count * sizeof *tokens);
    return run(g, *program, width, count);
}

static cj_status read_all(cj_generator *g, const int32_t *tokens, int64_t pitch, int64_t count)
{
    for (int64_t at = 0; at < count; at += g->o.chunk)
        CJ__TRY(read_part(g, tokens + at, pitch, count - at < g->o.chunk ? count - at : g->o.chunk));
    return CJ_OK;
}

/* The last half of a full block is read anew. It is read from where it stands in the history, which is
 * written before that place only. */
static cj_status slide(cj_generator *g)
{
    int64_t kept = g->room / 2;
    if (g->o.source)
        return cj__fail(CJ_INVALID_ARGUMENT, "the translation is as long as the block, %lld tokens",
                        (long long)g->room);
    g->position = 0;
    return read_all(g, g->history + g->room - kept, g->room, kept);
}

static bool is_full(const cj_generator *g)
{
    return g->room && g->position == g->room;
}

cj_status cj_generator_read(cj_generator *g, const int32_t *tokens, int64_t count)
{
    CJ__TRY(check_reading(g, tokens, count));
    for (int64_t i = 0; i < count; i++) CJ__TRY(check_token(g, tokens[i]));
    if (g->room && count >= g->room) {
        g->position = 0;
        return read_all(g, tokens + count - g->room, 0, g->room);
    }
    while (count > 0) {
        if (is_full(g)) CJ__TRY(slide(g));
        int64_t part = g->room && g->room - g->position < count ? g->room - g->position : count;
        CJ__TRY(read_all(g, tokens, 0, part));
        tokens += part;
        count -= part;
    }
    return CJ_OK;
}

cj_status cj_generator_step(cj_generator *g, const int32_t *tokens)
{
    CJ__TRY(check_reading(g, tokens, 1));
    for (int64_t t = 0; t < g->o.texts; t++) CJ__TRY(check_token(g, tokens[t]));
    if (is_full(g)) CJ__TRY(slide(g));
    return read_part(g, tokens, 1, 1);
}

/* --- reordering ---------------------------------------------------------------------------------------- */

/* rows: [texts,…], each of so many bytes */
static cj_status reorder(cj_generator *g, void *rows, size_t bytes, const int64_t *from)
{
    size_t size = bytes * (size_t)g->o.texts;
    if (size > g->spare_size) {
        void *spare = cj__resize(g->spare, size);
        if (!spare) return cj__out_of_memory(size, "the order of beams");
        g->spare = spare;
        g->spare_size = size;
    }
    if (size) memcpy(g->spare, rows, size);
    for (int64_t t = 0; t < g->o.texts; t++)
        if (from[t] != t)
            memcpy((char *)rows + (size_t)t * bytes, (char *)g->spare + (size_t)from[t] * bytes, bytes);
    return CJ_OK;
}

cj_status cj_generator_reorder(cj_generator *g, const int64_t *from)
{
    bool same = true;
    CJ__TRY(cj__need(g, "cj_generator_reorder", "a generator"));
    CJ__TRY(cj__need(from, "cj_generator_reorder", "an order"));
    for (int64_t t = 0; t < g->o.texts; t++) {
        if (from[t] < 0 || from[t] >= g->o.texts)
            return cj__fail(CJ_INVALID_ARGUMENT, "text %lld is to go on from text %lld of %lld", (long long)t,
                            (long long)from[t], (long long)g->o.texts);
        same &= from[t] == t;
    }
    if (same) return CJ_OK;
    for (int64_t i = 0; i < cj_model_count(g->session); i++) {
        cj_tensor carried = cj_model_variable(g->session, i).tensor;
        CJ__TRY(reorder(g, carried.data, cj_tensor_bytes(&carried) / (size_t)g->o.texts, from));
    }
    CJ__TRY(reorder(g, g->logits, (size_t)g->vocabulary * sizeof *g->logits, from));
    return reorder(g, g->history, (size_t)g->room * sizeof *g->history, from);
}
