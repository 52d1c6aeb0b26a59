/* The layers that a list names: what cj_sequential draws and a recipe's `model` may hold. */
#ifndef CJ__LAYER_TABLE_H
#define CJ__LAYER_TABLE_H

#define CJ_NO_LOCATIONS
#include "cajal/nn.h"

/* What stands behind a layer's name. */
typedef enum {
    CJ__NO_VALUE,
    CJ__UNITS, /* a whole number from 1 on */
    CJ__RATE,  /* from 0 up to 1 */
    CJ__SLOPE, /* any number; may be left out, then it is the layer's usual one */
} cj__layer_value;

typedef struct {
    const char *name;
    cj__layer_value value;
    double standard; /* of a slope left out */
    cj_value (*draw)(cj_scope scope, cj_value x, double value);
} cj__layer_kind;

extern const cj__layer_kind cj__layer_kinds[];
extern const int cj__layer_kind_count;

const cj__layer_kind *cj__layer_kind_named(const char *name); /* NULL: there is none */
/* What is wrong with the value, as in "needs …"; NULL: nothing. */
const char *cj__layer_value_fault(const cj__layer_kind *kind, double value);

#endif
