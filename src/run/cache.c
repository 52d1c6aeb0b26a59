/* Programs by the shapes of their inputs: drawn and compiled when first met, run ever after, and dropped when
 * others need the room. Stands between a caller whose batches differ and run.c. */
#define CJ_NO_LOCATIONS
#include "base/shape.h"
#include "run/run.h"

#include <string.h>

typedef struct entry {
    struct entry *next;
    cj_program *program;
    int64_t count;
    cj_tensor inputs[CJ_MAX_BINDINGS]; /* without their data */
    size_t bytes;                      /* all but the slab */
} entry;

struct cj_program_cache {
    cj_program_cache_options o;
    entry *entries; /* the last used first */
    char *slab;     /* as large as the largest of them needs */
    size_t slab_bytes;
    cj_program_cache_facts facts;
};

cj_status cj_program_cache_new(cj_program_cache **cache, const cj_program_cache_options *options)
{
    *cache = NULL;
    if (!options->draw)
        return cj__fail(CJ_INVALID_ARGUMENT, "a cache of programs needs a function that draws");
    cj_program_cache *c = *cache = cj__allocate_zeroed(sizeof *c);
    if (!c) return cj__out_of_memory(sizeof *c, "a cache of programs");
    c->o = *options;
    if (c->o.limit_bytes == 0) c->o.limit_bytes = (size_t)256 << 20;
    return CJ_OK;
}

static void entry_free(entry *e)
{
    if (e) cj_program_free(e->program);
    cj__free(e);
}

void cj_program_cache_free(cj_program_cache *c)
{
    if (!c) return;
    while (c->entries) {
        entry *next = c->entries->next;
        entry_free(c->entries);
        c->entries = next;
    }
    cj__free(c->slab);
    cj__free(c);
}

cj_program_cache_facts cj_program_cache_describe(const cj_program_cache *c)
{
    return c->facts;
}

/* --- finding ------------------------------------------------------------------------------------------- */

static bool fits(const entry *e, const cj_tensor *inputs, int64_t count)
{
    if (e->count != count) return false;
    for (int64_t i = 0; i < count; i++)
        if (e->inputs[i].dtype != inputs[i].dtype || !cj_shape_equal(e->inputs[i].shape, inputs[i].shape))
            return false;
    return true;
}

/* Takes the entry for these inputs out of the list; NULL: there is none. */
static entry *take(cj_program_cache *c, const cj_tensor *inputs, int64_t count)
{
    entry **at = &c->entries;
    while (*at && !fits(*at, inputs, count)) at = &(*at)->next;
    entry *found = *at;
    if (found) *at = found->next;
    return found;
}

/* --- making -------------------------------------------------------------------------------------------- */

static cj_status check_drawing(const entry *e)
{
    if (e->program->input_count != e->count)
        return cj__fail(CJ_INVALID_ARGUMENT, "the cache's drawing has %lld inputs, but %lld were given",
                        (long long)e->program->input_count, (long long)e->count);
    for (int64_t i = 0; i < e->count; i++) CJ__TRY(cj__program_check_type(e->program, i, &e->inputs[i]));
    return CJ_OK;
}

static cj_status draw_and_compile(const cj_program_cache *c, entry *e)
{
    cj_graph *graph;
    cj_graph_options options = {.size = sizeof options,
                                .model = c->o.model,
                                .mode = c->o.mode,
                                .precision = c->o.precision,
                                .kernels = c->o.kernels,
                                .memory = c->o.memory};
    CJ__TRY(cj_graph_new(&graph, &options));
    c->o.draw(graph, e->inputs, c->o.context);
    int64_t before = cj__thread_bytes(); /* after drawing, which may add to the model */
    cj_status status = cj_compile(&e->program, graph);
    e->bytes = sizeof *e + (size_t)(cj__thread_bytes() - before);
    cj_graph_free(graph);
    return status == CJ_OK ? check_drawing(e) : status;
}

static cj_status make(const cj_program_cache *c, const cj_tensor *inputs, int64_t count, entry **made)
{
    entry *e = *made = cj__allocate_zeroed(sizeof *e);
    if (!e) return cj__out_of_memory(sizeof *e, "a cache of programs");
    e->count = count;
    for (int64_t i = 0; i < count; i++) e->inputs[i] = (cj_tensor){NULL, inputs[i].dtype, inputs[i].shape};
    cj_status status = draw_and_compile(c, e);
    if (status == CJ_OK) {
        cj_program_facts facts = cj_program_describe(e->program);
        e->bytes += facts.run_bytes - facts.slab_bytes - CJ__SLACK;
        return CJ_OK;
    }
    entry_free(e);
    *made = NULL;
    return status;
}

/* --- room ---------------------------------------------------------------------------------------------- */

/* Counts the programs and their bytes; returns how large a slab they need. */
static size_t recount(cj_program_cache *c)
{
    size_t slab = 0;
    c->facts.programs = 0;
    c->facts.bytes = sizeof *c;
    for (const entry *e = c->entries; e; e = e->next) {
        c->facts.programs++;
        c->facts.bytes += e->bytes;
        if (e->program->slab_bytes > slab) slab = e->program->slab_bytes;
    }
    c->facts.bytes += slab + CJ__SLACK;
    return slab;
}

static void drop_last(cj_program_cache *c)
{
    entry **at = &c->entries;
    while ((*at)->next) at = &(*at)->next;
    entry_free(*at);
    *at = NULL;
    c->facts.dropped++;
}

/* The old slab goes before the new one comes: what lies in it is of no use between two runs. */
static cj_status have_room(cj_program_cache *c)
{
    size_t slab = recount(c);
    while (c->facts.bytes > c->o.limit_bytes && c->facts.programs > 1) {
        drop_last(c);
        slab = recount(c);
    }
    if (c->slab && c->slab_bytes == slab) return CJ_OK;
    cj__free(c->slab);
    c->slab = cj__allocate(slab + CJ__SLACK);
    c->slab_bytes = slab;
    return c->slab ? CJ_OK : cj__out_of_memory(slab, "the slab of a cache of programs");
}

cj_status cj_program_cache_find(cj_program_cache *c, const cj_tensor *inputs, int64_t count,
                                cj_program **program)
{
    *program = NULL;
    if (count < 0 || count > CJ_MAX_BINDINGS)
        return cj__fail(CJ_UNSUPPORTED, "a program has at most %d inputs, not %lld", CJ_MAX_BINDINGS,
                        (long long)count);
    entry *e = take(c, inputs, count);
    int64_t *met = e ? &c->facts.hits : &c->facts.misses;
    if (!e) CJ__TRY(make(c, inputs, count, &e));
    ++*met;
    e->next = c->entries;
    c->entries = e;
    CJ__TRY(have_room(c));
    e->program->slab = c->slab;
    e->program->within = true;
    *program = e->program;
    return CJ_OK;
}

static int64_t given_count(const cj_tensor inputs[CJ_MAX_BINDINGS])
{
    int64_t count = CJ_MAX_BINDINGS;
    while (count > 0 && !inputs[count - 1].data && inputs[count - 1].shape.rank == 0) count--;
    return count;
}

cj_status cj_program_cache_run(const cj_program_cache_run_options *options)
{
    cj_run_options run = {.size = sizeof run};
    CJ__TRY(
        cj_program_cache_find(options->cache, options->inputs, given_count(options->inputs), &run.program));
    memcpy(run.inputs, options->inputs, sizeof run.inputs);
    memcpy(run.outputs, options->outputs, sizeof run.outputs);
    return cj_program_run(&run);
}
