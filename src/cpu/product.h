/* What multiplies: matrix products and convolutions, each by several kernels. Any of them can carry a chain
 * of elementwise ops, which is applied to every part of the result while that is still in cache. */
#ifndef CJ__PRODUCT_H
#define CJ__PRODUCT_H

#include "compile/backend.h"

/* A rectangle of a result that is contiguous in memory: row r is at flat positions start + r·stride,
 * `columns` of them. */
typedef struct {
    int64_t start, rows, columns, stride;
} cj__rectangle;

/* Called once for every element of the result, for rectangles that are finished. */
typedef struct {
    void (*apply)(void *context, cj__rectangle where); /* NULL: nothing is done */
    void *context;
} cj__epilogue;

typedef struct {
    const float *a, *b;    /* the operands in the op's order; bf16 where the launch says so */
    float *c;              /* apart from them */
    const void *workspace; /* of the stage before, or NULL */
    cj__epilogue epilogue;
    bool
        in_parts; /* c is room for whole rows at a time (part_bytes), of which the epilogue's are the first */
} cj__product_call;

/* A kernel of an op that multiplies two operands. Its launch has those and the result; it sets tasks,
 * scratch, workspace and data when prepared. */
typedef struct {
    cj__op op;
    const char *(*refuse)(const cj__launch *launch);
    cj_status (*prepare)(cj__launch *launch, cj__arena *arena);
    void (*run)(const cj__launch *launch, const cj__product_call *call, int64_t task, void *scratch);
    const char *(*describe)(const cj__launch *launch);
    const char *(*cannot)(const cj__launch *launch); /* as of a cj__kernel, as is: */
    uint64_t (*reads_bf16)(const cj__launch *launch);
    size_t (*part_bytes)(const cj__launch *launch); /* NULL: 0 */
} cj__product;

/* The same for launches of the op by itself, and of the op with a chain. */
const char *cj__product_refuse(const cj__product *product, const cj__launch *launch);
const char *cj__product_cannot(const cj__product *product, const cj__launch *launch);
cj_status cj__product_prepare(const cj__product *product, cj__launch *launch, cj__arena *arena);
uint64_t cj__product_reads_bf16(const cj__product *product, const cj__launch *launch);
size_t cj__product_part_bytes(const cj__product *product, const cj__launch *launch);
void cj__product_run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch);
const char *cj__product_describe(const cj__launch *launch);
const char *cj__product_chain_refuse(const cj__product *product, const cj__launch *launch);
const char *cj__product_chain_cannot(const cj__product *product, const cj__launch *launch);
cj_status cj__product_chain_prepare(const cj__product *product, cj__launch *launch, cj__arena *arena);
uint64_t cj__product_chain_reads_bf16(const cj__product *product, const cj__launch *launch);
size_t cj__product_chain_part_bytes(const cj__product *product, const cj__launch *launch);
void cj__product_chain_run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch);
const char *cj__product_chain_describe(const cj__launch *launch);

/* A stage before such a kernel calls this when it is prepared: `data` becomes what the product's prepare
 * left. */
void cj__product_unwrap(cj__launch *launch);

#define CJ__PRODUCT_KERNEL_(kernel, title, product, form, for_op, stage, stage_reads)                        \
    static const char *kernel##_refuse(const cj__launch *launch)                                             \
    {                                                                                                        \
        return form##_refuse(&product, launch);                                                              \
    }                                                                                                        \
    static const char *kernel##_cannot(const cj__launch *launch)                                             \
    {                                                                                                        \
        return form##_cannot(&product, launch);                                                              \
    }                                                                                                        \
    static cj_status kernel##_prepare(cj__launch *launch, cj__arena *arena)                                  \
    {                                                                                                        \
        return form##_prepare(&product, launch, arena);                                                      \
    }                                                                                                        \
    static uint64_t kernel##_reads_bf16(const cj__launch *launch)                                            \
    {                                                                                                        \
        return form##_reads_bf16(&product, launch);                                                          \
    }                                                                                                        \
    static size_t kernel##_part_bytes(const cj__launch *launch)                                              \
    {                                                                                                        \
        return form##_part_bytes(&product, launch);                                                          \
    }                                                                                                        \
    const cj__kernel cj__##kernel##_kernel = {.name = title,                                                 \
                                              .op = for_op,                                                  \
                                              .refuse = kernel##_refuse,                                     \
                                              .cannot = kernel##_cannot,                                     \
                                              .prepare = kernel##_prepare,                                   \
                                              .run = form##_run,                                             \
                                              .describe = form##_describe,                                   \
                                              .reads_bf16 = kernel##_reads_bf16,                             \
                                              .part_bytes = kernel##_part_bytes,                             \
                                              .before = stage,                                               \
                                              .before_reads = stage_reads}

/* cj__NAME_kernel and cj__NAME_chain_kernel of a cj__product. */
#define CJ__PRODUCT_KERNEL(name, title, product, for_op)                                                     \
    CJ__PRODUCT_KERNEL_(name, title, product, cj__product, for_op, NULL, 0)
#define CJ__PRODUCT_CHAIN_KERNEL(name, title, product)                                                       \
    CJ__PRODUCT_KERNEL_(name##_chain, title " + chain", product, cj__product_chain, CJ__OP_product_chain,    \
                        NULL, 0)
/* The first, or both, with a stage before them that reads some of their inputs. */
#define CJ__PRODUCT_KERNEL_AFTER(name, title, product, for_op, stage, reads)                                 \
    CJ__PRODUCT_KERNEL_(name, title, product, cj__product, for_op, stage, reads)
#define CJ__PRODUCT_KERNELS_AFTER(name, title, product, for_op, stage, reads)                                \
    CJ__PRODUCT_KERNEL_AFTER(name, title, product, for_op, stage, reads);                                    \
    CJ__PRODUCT_KERNEL_(name##_chain, title " + chain", product, cj__product_chain, CJ__OP_product_chain,    \
                        stage, reads)

#endif
