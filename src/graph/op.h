/* The op table: one row of ops.def an op, one file of src/ops an op or close family. A row forces its
 * functions to exist: a forgotten one is a link error. */
#ifndef CJ__OP_H
#define CJ__OP_H

#include "graph/attributes.h"
#include "cajal/graph.h"

typedef enum {
#define OP(name, ...)                  CJ__OP_##name,
#define OP_NO_GRAD(name, ...)          CJ__OP_##name,
#define ELEMENTWISE(name, ...)         CJ__OP_##name,
#define ELEMENTWISE_NO_GRAD(name, ...) CJ__OP_##name,
#define COMPOSITE(name, ...)           CJ__OP_##name,
#define COMPOSITE_VJP(name, ...)       CJ__OP_##name,
#define LOOP(name, ...)                CJ__OP_##name,
#define LOOP_VJP(name, ...)            CJ__OP_##name,
#define INTERNAL(name, ...)            CJ__OP_##name,
#include "graph/ops.def"
    CJ__OP_COUNT
} cj__op;

enum {
    CJ__ELEMENTWISE =
        1,          /* output element i depends on input elements i alone; inputs have the output's shape */
    CJ__VIEW = 2,   /* the output is the input's memory */
    CJ__RANDOM = 4, /* draws: pure in its key and the run counter */
    CJ__EFFECT = 8, /* must run though nothing reads it */
    CJ__COMMUTATIVE = 16,
    CJ__COMPOSITE = 32, /* lowers into other ops where no backend has a kernel */
    CJ__SOURCE = 64,    /* computes nothing: constants, inputs, variables */
    CJ__INTERNAL = 128, /* made by the compiler only */
    CJ__ANY_TYPE = 256, /* takes bf16 as it is; other ops on bf16 compute in f32 */
    CJ__PRODUCT = 512,  /* its kernels for f32 can carry a chain on the way out (cpu/product.h) */
    CJ__WHOLE = 1024,   /* a composite that has kernels for f32: it is lowered for other types only */
};
enum { CJ__MOST_VALUES = 128 }; /* inputs of a node, and its outputs */

/* Shape inference: fills one type an output, or records a sentence with cj__fail. */
typedef struct {
    const cj_graph *graph;
    const void *attributes;
    int inputs_count, outputs_count; /* the rule counts the outputs where the op table does not */
    const struct cj__type {
        cj_dtype dtype;
        cj_shape_t shape;
    } * inputs;
    struct cj__type *outputs; /* to fill */
} cj__inference;
typedef struct cj__type cj__type;

/* The vector-Jacobian product of one node: reads values, draws nodes, fills `gradients`. */
typedef struct {
    cj_graph *graph;
    const void *attributes;
    int inputs_count, outputs_count;
    const cj_value *inputs, *outputs;
    const cj_value *cotangents; /* one an output; none where nothing flows back */
    const bool *wanted;         /* one an input: whether its gradient is asked for */
    cj_value *gradients;        /* one an input; left as none: zero */
} cj__vjp;

/* A composite spelled out: fills `outputs`, one an output, from `inputs`. */
typedef struct {
    cj_graph *graph;
    const void *attributes;
    int inputs_count, outputs_count;
    const cj_value *inputs;
    cj_value *outputs;
} cj__lowering;

/* The definition of an op: slow, in double precision, over contiguous arrays. */
typedef struct {
    const void *attributes;
    int inputs_count, outputs_count;
    const cj__type *input_types, *output_types;
    const double *const *inputs;
    double *const *outputs;
} cj__reference;

/* One case for the tests: the op on inputs of these shapes, filled from [low, high). */
typedef struct {
    const void *attributes;
    const void *wide_attributes; /* where they differ when floats are f64; NULL: they do not */
    int inputs_count;
    struct {
        cj_dtype dtype;
        cj_shape_t shape;
        double low, high; /* both 0: -2, 2 (integers: 0, 5) */
    } inputs[10];
} cj__sample;
typedef struct {
    void (*add)(void *context, const cj__sample *sample); /* the test that wants them */
    void *context;
} cj__samples;
static inline void cj__sample_add(cj__samples *samples, const cj__sample *sample)
{
    samples->add(samples->context, sample);
}
#define CJ__SAMPLE(samples, ...) cj__sample_add(samples, &(cj__sample){__VA_ARGS__})

typedef struct {
    const char *name;
    int inputs;  /* -1: any number */
    int outputs; /* -1: said by the attributes */
    size_t attributes_size;
    unsigned flags;
    cj_status (*infer)(cj__inference *);
    void (*vjp)(cj__vjp *);        /* NULL: no gradient, or by lowering */
    void (*lower)(cj__lowering *); /* composites */
    void (*reference)(const cj__reference *);
    double (*scalar)(double a, double b, double c); /* elementwise primitives: the definition */
    void (*samples)(cj__samples *);
} cj__op_info;

extern const cj__op_info cj__ops[CJ__OP_COUNT];

/* Prototypes of everything the rows demand. */
#define CJ__DECLARE_SAMPLES(name)      void cj__##name##_samples(cj__samples *samples);
#define CJ__DECLARE_VJP(name)          void cj__##name##_vjp(cj__vjp *v);
#define CJ__DECLARE_REFERENCE(name)    void cj__##name##_reference(const cj__reference *r);
#define CJ__DECLARE_LOWER(name)        void cj__##name##_lower(cj__lowering *l);
#define CJ__DECLARE_SCALAR(name)       double cj__##name##_scalar(double a, double b, double c);
#define OP(name, ...)                  CJ__DECLARE_SAMPLES(name) CJ__DECLARE_VJP(name) CJ__DECLARE_REFERENCE(name)
#define OP_NO_GRAD(name, ...)          CJ__DECLARE_SAMPLES(name) CJ__DECLARE_REFERENCE(name)
#define ELEMENTWISE(name, ...)         CJ__DECLARE_SAMPLES(name) CJ__DECLARE_VJP(name) CJ__DECLARE_SCALAR(name)
#define ELEMENTWISE_NO_GRAD(name, ...) CJ__DECLARE_SAMPLES(name) CJ__DECLARE_SCALAR(name)
#define COMPOSITE(name, ...)           CJ__DECLARE_SAMPLES(name) CJ__DECLARE_LOWER(name)
#define COMPOSITE_VJP(name, ...)       CJ__DECLARE_SAMPLES(name) CJ__DECLARE_LOWER(name) CJ__DECLARE_VJP(name)
#define LOOP(name, ...)                CJ__DECLARE_SAMPLES(name) CJ__DECLARE_LOWER(name)
#define LOOP_VJP(name, ...)            CJ__DECLARE_SAMPLES(name) CJ__DECLARE_VJP(name)
#define INTERNAL(name, ...)
#include "graph/ops.def"

#endif
