/* Recurrences over a sequence as ops: one layer, one direction, each step a product of the state with one
 * matrix and a few gates. What comes from the input is projected beforehand, all steps in one product. They
 * are cases of cj_scan, into which they lower, with kernels of their own for f32 (cpu/recurrence.c). */
#ifndef CJ__RECURRENCE_H
#define CJ__RECURRENCE_H

#include "ops/ops.h"

/* Gates in PyTorch's order: i f g o; r z n. */
typedef enum { CJ__RNN_TANH, CJ__RNN_RELU, CJ__LSTM, CJ__GRU, CJ__CELL_COUNT } cj__cell;

static inline int64_t cj__cell_gates(int64_t cell)
{
    return cell == CJ__LSTM ? 4 : cell == CJ__GRU ? 3 : 1;
}

/* Operands of `recurrence` and `recurrence_saving`, with G gates:
 *   gates [N,T,G·H], what the input gives to each; weight [G·H,H]; first [N,H], the state to begin with;
 *   lengths [N] i32 in [0,T], the steps of each row; LSTM: first cell [N,H]; GRU: bias [H] of the recurrent
 *   part of its gate n
 * Results: the state after each step [N,T,H], 0 beyond a row's length; the last state [N,H]; LSTM: the last
 * cell [N,H]. The saving form gives also, 0 beyond a row's length:
 *   LSTM: the gates as they were [N,T,4H], the cells [N,T,H]; GRU: the gates [N,T,3H], the recurrent part of
 * n before r is applied [N,T,H] */
enum { CJ__R_GATES, CJ__R_WEIGHT, CJ__R_FIRST, CJ__R_LENGTHS, CJ__R_EXTRA };

/* Operands of `recurrence_gradient`: weight, lengths, the cotangents of states [N,T,H] and last state [N,H];
 *   RNN: the states; LSTM: gates, cells, first cell, cotangent of the last cell; GRU: gates, states, first
 *   state, recurrent part of n
 * Results: the gradient by `gates`, by `first`; LSTM: by the first cell; GRU: by weight·state [N,T,3H], which
 * differs from the first in the gate n. */
enum { CJ__B_WEIGHT, CJ__B_LENGTHS, CJ__B_STATES, CJ__B_LAST, CJ__B_SAVED };

typedef struct {
    cj__cell cell;
    bool reverse;
    cj_value gates, weight, first;
    cj_value lengths; /* integers [N], forced into [0,T]; none: T each */
    cj_value extra;   /* as above; none where the cell needs none */
} cj__recurrence_operands;
typedef struct {
    cj_value states, last, cell; /* cell: of LSTM */
} cj__recurrence_results;
cj__recurrence_results cj__recurrence(const cj__recurrence_operands *o);

#endif
