/* One recurrence under test, forwards and back, from seeded operands: of any cell, size and element type, at
 * any precision, with any kernels for parts of bf16. */
#ifndef CJ_TESTS_RECURRENCE_CHECK_H
#define CJ_TESTS_RECURRENCE_CHECK_H

#include "ops/recurrence.h"
#include "split_backend.h"

enum { CJ_TEST_RECURRENCE_RESULTS = 7 }; /* states, last, cell; gradients by the four float operands */

typedef struct {
    cj__cell cell;
    int64_t rows, steps, units;
    bool reverse, varied;
    int power; /* the state to begin with and the cotangents are multiplied by 2 to this power */
    float odd; /* unless 0: a number in the middle of the operand `odd_operand` */
    int odd_operand;
} cj_test_recurrence;

typedef struct {
    void *values; /* of all results, one behind the other; the caller frees them */
    int64_t count, results, counts[CJ_TEST_RECURRENCE_RESULTS];
    char forwards[96], back[96]; /* what `cajal plan` says */
} cj_test_answer;

cj_test_answer cj_test_recurrence_answer(const cj_test_recurrence *z, const cj_test_way *way);

#endif
