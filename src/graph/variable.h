/* A variable: state that outlives a run. The model owns it; graphs refer to it by address, programs read and
 * write its data. */
#ifndef CJ__VARIABLE_H
#define CJ__VARIABLE_H

#include "cajal/base.h"

typedef struct cj__variable {
    char *name; /* "hidden1.weight" */
    int role;   /* a cj_role */
    cj_dtype dtype;
    cj_shape_t shape;
    void *data;       /* cj_shape_count(shape) elements, aligned to 64 bytes */
    bool shares;      /* it is a part of the model's chunks */
    uint64_t version; /* raised by every committed assignment, and when the data is lent: what is made of it
                         is kept by version */
    bool kernel;      /* of a convolution: [kernel…,in,out] here, [out,in,kernel…] in files */
    bool drawn;       /* some graph has asked for it: what comes from a file is there before it is */
} cj__variable;

#endif
