/* Kernels that take rows of f32, once for each instruction set, found through one table. */
#ifndef CJ__ROWS_H
#define CJ__ROWS_H

#include "cpu/isa.h"

/* x, targets: [rows,columns]; labels: [rows], -1 for none, `columns` for one past the last class, which makes
 * NaN; smoothing: share of a target spread over the classes; work: [rows,columns] and two floats a row. */
typedef struct {
    /* losses: [rows] */
    void (*cross_entropy)(int64_t rows, int64_t columns, const float *x, const int32_t *labels,
                          float smoothing, float *losses, float *work);
    void (*soft_cross_entropy)(int64_t rows, int64_t columns, const float *x, const float *targets,
                               float *losses, float *work);
    /* scale, the losses' cotangents: [rows]; gradient: [rows,columns] */
    void (*cross_entropy_gradient)(int64_t rows, int64_t columns, const float *x, const int32_t *labels,
                                   float smoothing, const float *scale, float *gradient, float *work);
    void (*soft_cross_entropy_gradient)(int64_t rows, int64_t columns, const float *x, const float *targets,
                                        const float *scale, float *gradient, float *work);
} cj__rows_table;

extern const cj__rows_table cj__rows_scalar, cj__rows_neon, cj__rows_avx2, cj__rows_avx512;

#endif
