/* The op table, expanded from ops.def: what drawing, autodiff, compiler and tests look ops up in. */
#include "graph/graph.h"

#define DECLARE_INFER(rule)                                           cj_status cj__infer_##rule(cj__inference *i);
#define OP(name, inputs, outputs, attributes, rule, flags)            DECLARE_INFER(rule)
#define OP_NO_GRAD(name, inputs, outputs, attributes, rule, flags)    DECLARE_INFER(rule)
#define ELEMENTWISE(name, inputs, rule, flags)                        DECLARE_INFER(rule)
#define ELEMENTWISE_NO_GRAD(name, inputs, rule, flags)                DECLARE_INFER(rule)
#define COMPOSITE(name, inputs, outputs, attributes, rule, flags)     DECLARE_INFER(rule)
#define COMPOSITE_VJP(name, inputs, outputs, attributes, rule, flags) DECLARE_INFER(rule)
#define LOOP(name, attributes, rule, flags)                           DECLARE_INFER(rule)
#define LOOP_VJP(name, attributes, rule, flags)                       DECLARE_INFER(rule)
#define INTERNAL(name, inputs, outputs, attributes, flags)            DECLARE_INFER(name)
#include "graph/ops.def"

const cj__op_info cj__ops[CJ__OP_COUNT] = {
#define OP(n, i, o, a, rule, f)                                                                              \
    {.name = #n,                                                                                             \
     .inputs = i,                                                                                            \
     .outputs = o,                                                                                           \
     .attributes_size = sizeof(a),                                                                           \
     .flags = f,                                                                                             \
     .infer = cj__infer_##rule,                                                                              \
     .vjp = cj__##n##_vjp,                                                                                   \
     .reference = cj__##n##_reference,                                                                       \
     .samples = cj__##n##_samples},
#define OP_NO_GRAD(n, i, o, a, rule, f)                                                                      \
    {.name = #n,                                                                                             \
     .inputs = i,                                                                                            \
     .outputs = o,                                                                                           \
     .attributes_size = sizeof(a),                                                                           \
     .flags = f,                                                                                             \
     .infer = cj__infer_##rule,                                                                              \
     .reference = cj__##n##_reference,                                                                       \
     .samples = cj__##n##_samples},
#define ELEMENTWISE(n, i, rule, f)                                                                           \
    {.name = #n,                                                                                             \
     .inputs = i,                                                                                            \
     .outputs = 1,                                                                                           \
     .flags = (f) | CJ__ELEMENTWISE,                                                                         \
     .infer = cj__infer_##rule,                                                                              \
     .vjp = cj__##n##_vjp,                                                                                   \
     .scalar = cj__##n##_scalar,                                                                             \
     .samples = cj__##n##_samples},
#define ELEMENTWISE_NO_GRAD(n, i, rule, f)                                                                   \
    {.name = #n,                                                                                             \
     .inputs = i,                                                                                            \
     .outputs = 1,                                                                                           \
     .flags = (f) | CJ__ELEMENTWISE,                                                                         \
     .infer = cj__infer_##rule,                                                                              \
     .scalar = cj__##n##_scalar,                                                                             \
     .samples = cj__##n##_samples},
#define COMPOSITE(n, i, o, a, rule, f)                                                                       \
    {.name = #n,                                                                                             \
     .inputs = i,                                                                                            \
     .outputs = o,                                                                                           \
     .attributes_size = sizeof(a),                                                                           \
     .flags = (f) | CJ__COMPOSITE,                                                                           \
     .infer = cj__infer_##rule,                                                                              \
     .lower = cj__##n##_lower,                                                                               \
     .samples = cj__##n##_samples},
#define COMPOSITE_VJP(n, i, o, a, rule, f)                                                                   \
    {.name = #n,                                                                                             \
     .inputs = i,                                                                                            \
     .outputs = o,                                                                                           \
     .attributes_size = sizeof(a),                                                                           \
     .flags = (f) | CJ__COMPOSITE,                                                                           \
     .infer = cj__infer_##rule,                                                                              \
     .lower = cj__##n##_lower,                                                                               \
     .vjp = cj__##n##_vjp,                                                                                   \
     .samples = cj__##n##_samples},
#define LOOP(n, a, rule, f)                                                                                  \
    {.name = #n,                                                                                             \
     .inputs = -1,                                                                                           \
     .outputs = -1,                                                                                          \
     .attributes_size = sizeof(a),                                                                           \
     .flags = f,                                                                                             \
     .infer = cj__infer_##rule,                                                                              \
     .lower = cj__##n##_lower,                                                                               \
     .samples = cj__##n##_samples},
#define LOOP_VJP(n, a, rule, f)                                                                              \
    {.name = #n,                                                                                             \
     .inputs = -1,                                                                                           \
     .outputs = -1,                                                                                          \
     .attributes_size = sizeof(a),                                                                           \
     .flags = f,                                                                                             \
     .infer = cj__infer_##rule,                                                                              \
     .vjp = cj__##n##_vjp,                                                                                   \
     .samples = cj__##n##_samples},
#define INTERNAL(n, i, o, a, f)                                                                              \
    {.name = #n, .inputs = i, .outputs = o, .attributes_size = sizeof(a), .flags = f, .infer = cj__infer_##n},
#include "graph/ops.def"
};
