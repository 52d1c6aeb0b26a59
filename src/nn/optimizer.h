/* Optimizers inside: minimize.c finds parameters and gradients, optimizers.c draws one parameter's update. */
#ifndef CJ__OPTIMIZER_H
#define CJ__OPTIMIZER_H

#define CJ_NO_LOCATIONS
#include "cajal/nn.h"
#include "model/model.h"
#include "ops/ops.h"

/* What all parameters of one optimizer share. */
typedef struct {
    cj_graph *graph;
    cj_optimizer o;                    /* with its defaults filled in */
    cj_scope scope;                    /* of its state */
    cj_value learning_rate;            /* f32 scalar */
    cj_value step;                     /* f64 scalar: updates before this one */
    bool continues;                    /* the step counter was there before this drawing */
    cj_value correction1, correction2; /* f32 scalars: 1 - beta1^t, 1 / sqrt(1 - beta2^t) */
    cj_value first_step;               /* bool scalar */
} cj__optimizer;

/* One parameter on its way, with what its group says. */
typedef struct {
    cj_value parameter, gradient;
    /* Where the update touches only rows that were read: these have the gradient, one for each index, in
     * place of `gradient`. rows: [n,…], indices: [n]; none: all of it. */
    cj_value rows, indices;
    cj_value learning_rate; /* f32 scalar */
    double weight_decay;
    const cj_optimizer *by; /* NULL: the optimizer's own formula */
} cj__target;

/* Draws the learning rate, the step counter and what depends on them alone. */
cj__optimizer cj__optimizer_begin(cj_graph *graph, cj_optimizer optimizer);
/* Zero-filled f32 state beside a parameter: "optimizer.KIND.hidden1.weight". */
cj_value cj__optimizer_state(const cj__optimizer *optimizer, const char *kind, cj_value parameter);
/* The scope of an optimizer's state: "optimizer", or "optimizer.NAME". */
cj_scope cj__optimizer_scope(cj_graph *graph, const cj_optimizer *optimizer);
/* Draws the parameter's new value and assigns it. */
void cj__update_parameter(const cj__optimizer *optimizer, const cj__target *target);
/* The same, by SGD or Adagrad, for the target's rows alone: the same bits as for all. */
void cj__update_rows(const cj__optimizer *optimizer, const cj__target *target);

#endif
