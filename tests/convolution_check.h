/* One convolution, or gradient of one, under test: awkward windows, operands of normal numbers, and what they
 * are by the definition in double precision. */
#ifndef CJ_TESTS_CONVOLUTION_CHECK_H
#define CJ_TESTS_CONVOLUTION_CHECK_H

#include "compile/program.h"
#include "ops/window.h"

typedef struct {
    cj__window_attributes window;
    int64_t batch, in, out;    /* channels of all groups */
    int64_t size[CJ__SPATIAL]; /* of x */
} cj_test_window;

#define CJ_WINDOW_1D(k, s, d, b, a, g)                                                                       \
    {                                                                                                        \
        .rank = 1, .kernel = {k}, .stride = {s}, .dilation = {d}, .before = {b}, .after = {a}, .groups = g   \
    }
#define CJ_WINDOW_2D(k0, k1, s0, s1, d0, d1, b0, b1, a0, a1, g)                                              \
    {                                                                                                        \
        .rank = 2, .kernel = {k0, k1}, .stride = {s0, s1}, .dilation = {d0, d1}, .before = {b0, b1},         \
        .after = {a0, a1}, .groups = g                                                                       \
    }
/* Square windows. */
#define CJ_SQUARE(k, s, d, p, g) CJ_WINDOW_2D(k, k, s, s, d, d, p, p, p, p, g)

/* Every kind of geometry, and how many there are. */
extern const cj_test_window cj_test_windows[];
extern const int cj_test_windows_count;

/* Convolution and its two gradients. */
extern const cj__op cj_test_convolutions[3];

typedef struct {
    const cj_test_window *of;
    cj__op op;
    cj__window_attributes attributes;
    cj_shape_t shape[3]; /* of both operands and of the result */
    float *operand[2];
    int64_t count;
} cj_test_trial;

cj_test_trial cj_test_trial_new(const cj_test_window *window, cj__op op);
void cj_test_trial_free(cj_test_trial *trial);
/* The result by the definition, which the op's row in the table demands; the caller frees it. */
double *cj_test_trial_define(const cj_test_trial *trial);
/* What it is, for messages. */
const char *cj_test_trial_text(const cj_test_trial *trial);
/* Of what was found: ‖found - wanted‖ / ‖wanted‖ */
double cj_test_trial_error(const cj_test_trial *trial, const float *found, const double *wanted);
/* Fails unless the one strange number (infinity, NaN, the largest) at `place` of an operand reached the
 * results that see it, and no other; in the second operand also those that meet it with the zeros of the
 * padding, whose product with infinity is none. */
void cj_test_trial_special(const cj_test_trial *trial, const float *found, const double *wanted, int operand,
                           int64_t place);

/* A program of the op alone. */
CJ_MUST_CHECK cj_status cj_test_trial_compile(cj_program **program, const cj_test_trial *trial,
                                              const cj_graph_options *options, const cj__backend *backend);
CJ_MUST_CHECK cj_status cj_test_trial_run(cj_program *program, const cj_test_trial *trial, float *result);
/* Fails unless relu(op·scale + scale) + other has the bits in one step of a kernel whose name ends so that it
 * has when made of `alone`, the op's result. */
void cj_test_trial_chain(const cj_test_trial *trial, const cj_graph_options *options,
                         const cj__backend *backend, const char *kernel, const float *alone);

#endif
