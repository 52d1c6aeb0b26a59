/* What the library knows of shapes beyond the public header. */
#ifndef CJ__SHAPE_H
#define CJ__SHAPE_H

#include "base/status.h"

#define CJ__MAX_ELEMENTS ((int64_t)1 << 46) /* past this, byte counts could overflow */
#define CJ__SHAPE_TEXT   192                /* room for eight 20-digit dimensions */

/* Elements from one index to the next along each axis of `to`, for an array of shape `from` that broadcasts
 * to it: 0 where it is repeated. */
void cj__broadcast_strides(cj_shape_t from, cj_shape_t to, int64_t stride[CJ_MAX_RANK]);
bool cj__dtype_is_float(cj_dtype dtype);
bool cj__dtype_holds(cj_dtype dtype, double value); /* floating point holds all; integers what fits exactly */
bool cj__shape_valid(cj_shape_t shape);             /* rank and dimensions in range, and the product too */
/* Writes `value` to every element; one that the type cannot hold must not be given. */
void cj__fill(cj_dtype dtype, int64_t count, double value, void *data);
/* "[128,784]", written into `text` and returned. */
const char *cj__shape_text(cj_shape_t shape, char text[CJ__SHAPE_TEXT]);

#endif
