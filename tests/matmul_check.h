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
/* What plans are made for: each instruction set of this processor; vdpbf16ps wherever there is one, even
 * where it does not pay; AMX emulated in memory, where there is AVX512-BF16 for the rest of it; and both of
 * these in plain C, but not where the processor itself is emulated (tests/shell/neon.sh), which would take
 * minutes to show the same. Ends with no name. */
typedef struct {
    const char *name;
    cj__isa isa;
    const struct cj__split_kernels *split; /* NULL: as the instruction set has it */
} cj_test_processor;
const cj_test_processor *cj_test_processors(void);
cj_test_processor cj_test_tiles_in_c(void);
cj_test_processor cj_test_vectors_in_c(void);

/* Plans for `processor` and runs every task, each with scratch full of NaN: first to last; or, where B can be
 * packed before, with that, last to first or with an epilogue that doubles each element and adds its flat
 * index modulo 1021. */
void cj_test_product_run(cj_test_product *product, const cj_test_processor *processor, cj_test_manner manner);
void cj_test_plan(cj__matmul_plan *plan, const cj__matmul_shape *shape, const cj_test_processor *processor);
void cj_test_product_reference(cj_test_product *product);
/* ‖c - reference‖ / ‖reference‖; 0 where both are nothing. */
double cj_test_product_error(cj_test_product *product);

#endif
