/* One matrix product under test: operands of normal numbers, the result of the kernels, and the same in
 * double precision. Every buffer ends where its allocation ends, so sanitizers see a step too far. */
#ifndef CJ_TESTS_MATMUL_CHECK_H
#define CJ_TESTS_MATMUL_CHECK_H

#include "cpu/matmul.h"

typedef struct {
    cj__matmul_shape shape;
    int64_t a_count, b_count, c_count;
    float *a, *b, *c;
    double *reference; /* NULL until computed */
} cj_test_product;

typedef enum { CJ_TEST_FORWARD, CJ_TEST_BACKWARD, CJ_TEST_COUNTING_EPILOGUE } cj_test_manner;

void cj_test_product_new(cj_test_product *product, const cj__matmul_shape *shape, uint64_t seed);
void cj_test_product_free(cj_test_product *product);
/* Plans for `isa` and runs every task, first to last or last to first, each with scratch full of NaN.
 * CJ_TEST_COUNTING_EPILOGUE doubles each element and adds its flat index modulo 1021. */
void cj_test_product_run(cj_test_product *product, cj__isa isa, cj_test_manner manner);
void cj_test_product_run_plan(cj_test_product *product, const cj__matmul_plan *plan, cj_test_manner manner);
void cj_test_product_reference(cj_test_product *product);
/* ‖c - reference‖ / ‖reference‖; 0 where both are nothing. */
double cj_test_product_error(cj_test_product *product);

#endif
