/* Programs: a compiled drawing. A program is a flat list of kernels over one slab of memory, sized before the
 * first run; running it allocates nothing. It belongs to one thread at a time. */
#ifndef CAJAL_PROGRAM_H
#define CAJAL_PROGRAM_H

#include "cajal/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cj_program cj_program;

/* Compiles what the graph's outputs and assignments need. The first drawing error, if any, comes out here.
 * The graph may be freed afterwards; the model must outlive the program. */
CJ_API CJ_MUST_CHECK cj_status cj_compile(cj_program **program, const cj_graph *graph);
CJ_API void cj_program_free(cj_program *program);

/* The graph as it is after a pass of the compiler, as text to be freed with cj_text_free: "draw" (as drawn,
 * with gradients and updates), "simplify" (composites lowered, equal nodes shared, constants folded), "fuse"
 * (chains). Another name is an error that lists them. */
CJ_API CJ_MUST_CHECK cj_status cj_graph_dump_after(const cj_graph *graph, const char *pass,
                                                   cj_dump_format format, char **text);

#define CJ_MAX_BINDINGS 16
typedef struct {
    size_t size;
    cj_program *program;
    cj_tensor inputs[CJ_MAX_BINDINGS]; /* in the order of the cj_input calls; borrowed for the run */
    void *outputs[CJ_MAX_BINDINGS];    /* where to copy each cj_output; NULL: not wanted */
} cj_run_options;
/* cj_program_run(program, .inputs = {x, y}, .outputs = {&loss}). Input types must be those that were drawn.
 * Returns CJ_NOT_FINITE, with every variable as it was, when the finite check of a training step fails. */
CJ_API CJ_MUST_CHECK cj_status cj_program_run(const cj_run_options *options);

typedef struct {
    int64_t steps;        /* kernels a run launches */
    size_t slab_bytes;    /* intermediate values, laid out once */
    size_t scratch_bytes; /* working memory of kernels, all threads together */
    size_t run_bytes;     /* all that the first run takes, and no later one: the planned peak */
    double operations;    /* floating-point operations of matrix products a run */
} cj_program_facts;
CJ_API cj_program_facts cj_program_describe(const cj_program *program);
/* Element type and shape of output `index`, as memory for it must be; `data` is NULL. */
CJ_API cj_tensor cj_program_output(const cj_program *program, int64_t index);
/* A line a step: kernel, shapes, where the result lies; to be freed with cj_text_free. */
CJ_API CJ_MUST_CHECK cj_status cj_program_text(const cj_program *program, char **text);

/* --- one drawing for many shapes ----------------------------------------------------------------------- */

/* A program is made for one set of shapes. A cache draws and compiles anew for each that it meets, an uneven
 * last batch say, or sentences of another length, and keeps what it made:
 *
 *     static void step(cj_graph *g, const cj_tensor *inputs, void *context)
 *     {
 *         cj_value x = cj_input(g, "x", CJ_F32, inputs[0].shape);
 *         cj_value y = cj_input(g, "y", CJ_I32, inputs[1].shape);
 *         cj_value loss = cj_cross_entropy(digits(cj_root(g), x), y);
 *         cj_minimize(loss, cj_adam(.learning_rate = 1e-3));
 *         cj_output(g, "loss", loss);
 *     }
 *
 *     cj_program_cache_new(&cache, step, .model = model, .mode = CJ_TRAINING);
 *     cj_program_cache_run(cache, .inputs = {batch.x, batch.y}, .outputs = {&loss});
 *
 * The bits are those of programs compiled by hand. All share one slab, as large as the largest needs. It
 * belongs to one thread at a time; the model must outlive it. */
typedef struct cj_program_cache cj_program_cache;

/* Draws a whole program for `inputs`, whose element types and shapes count; their data is NULL. It must call
 * cj_input once for each, in their order and as they are, and depend on nothing else that changes. */
typedef void (*cj_draw)(cj_graph *graph, const cj_tensor *inputs, void *context);

typedef struct {
    size_t size;
    cj_draw draw;
    void *context; /* passed to draw */
    cj_model *model;
    cj_mode mode;
    cj_precision precision;
    /* Beyond so many bytes in all the programs that were used longest ago are dropped, though never the one
     * at hand; 0: 256 MiB. */
    size_t limit_bytes;
    const cj_kernels *kernels; /* as of a graph */
    size_t memory;             /* as of a graph, for each program */
} cj_program_cache_options;
/* cj_program_cache_new(&cache, draw, .model = model, .mode = CJ_TRAINING) */
CJ_API CJ_MUST_CHECK cj_status cj_program_cache_new(cj_program_cache **cache,
                                                    const cj_program_cache_options *options);
CJ_API void cj_program_cache_free(cj_program_cache *cache);

typedef struct {
    size_t size;
    cj_program_cache *cache;
    cj_tensor inputs[CJ_MAX_BINDINGS]; /* as of cj_program_run; up to the last that is given */
    void *outputs[CJ_MAX_BINDINGS];
} cj_program_cache_run_options;
/* Runs the program for these inputs as cj_program_run does. On the first meeting of their element types and
 * shapes it is drawn and compiled; an error in that comes out here, and nothing is kept of it. Running a
 * program that is there allocates nothing. */
CJ_API CJ_MUST_CHECK cj_status cj_program_cache_run(const cj_program_cache_run_options *options);
/* The program for `count` inputs like these, whose data is not looked at: to learn how large its outputs are,
 * to run, to print. It is the cache's, and good until the cache is used again. */
CJ_API CJ_MUST_CHECK cj_status cj_program_cache_find(cj_program_cache *cache, const cj_tensor *inputs,
                                                     int64_t count, cj_program **program);

typedef struct {
    int64_t programs;     /* kept now */
    int64_t hits, misses; /* programs found there, and drawn and compiled, so far */
    int64_t dropped;      /* to stay within the limit, so far */
    size_t bytes;         /* of all that is kept, the slab included */
} cj_program_cache_facts;
CJ_API cj_program_cache_facts cj_program_cache_describe(const cj_program_cache *cache);

/* --- threads and instruction sets ---------------------------------------------------------------------- */

/* Threads that walk programs together, the caller included, 256 at most; 0: the number that CAJAL_THREADS
 * begins with, or where that is none above 0 one a core. The bits are those of any. Not while one runs. */
CJ_API CJ_MUST_CHECK cj_status cj_set_threads(int threads);
CJ_API int cj_threads(void);

/* The instruction set that programs are compiled for: the best one here, or what CAJAL_ISA names: "scalar",
 * "neon", "avx2", "avx512", "avx512bf16" or "amx". A name that is unknown or not available here is an error
 * that lists those which are, as it is of cj_compile. */
CJ_API CJ_MUST_CHECK cj_status cj_instruction_set(const char **name);
/* Those that this build, processor and operating system have, from index 0 on, the best one last; NULL
 * beyond. */
CJ_API const char *cj_instruction_set_at(int64_t index);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define cj_program_run(...) (cj_program_run)(CJ_OPTIONS(cj_run_options, .program = __VA_ARGS__))
#define cj_program_cache_new(cache, ...)                                                                     \
    (cj_program_cache_new)(cache, CJ_OPTIONS(cj_program_cache_options, .draw = __VA_ARGS__))
#define cj_program_cache_run(...)                                                                            \
    (cj_program_cache_run)(CJ_OPTIONS(cj_program_cache_run_options, .cache = __VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif
#endif
