/* One attention under test, forwards and back, from seeded operands: of any sizes and element type, at any
 * precision, with any kernels for parts of bf16. */
#ifndef CJ_TESTS_ATTENTION_CHECK_H
#define CJ_TESTS_ATTENTION_CHECK_H

#include "split_backend.h"

typedef struct {
    int64_t n, t, s, h, g, d; /* query: [n,t,h,d], key and value: [n,s,g,d] */
    bool causal, first, lengths, bias;
    double dropout;
    int power[4]; /* query, key, value, cotangent are multiplied by 2 to this power */
    float odd;    /* unless 0: a number in the middle of operand `odd_operand` of these */
    int odd_operand;
} cj_test_attention;

/* The outputs of a run: y and the gradients of query, key and value, and how many numbers each has. */
typedef struct {
    void *data[4];
    int64_t count[4];
    char forwards[96], back[96]; /* what `cajal plan` says */
} cj_test_gradients;

CJ_MUST_CHECK cj_status cj_test_attention_draw(cj_graph *g, const cj_test_attention *z, cj_dtype dtype,
                                               cj_value x[3], cj_value *y);
cj_test_gradients cj_test_attention_run(const cj_test_attention *z, const cj_test_way *way);
void cj_test_gradients_free(cj_test_gradients *r);

#endif
