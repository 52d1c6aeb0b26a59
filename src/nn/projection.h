/* A part of multi-head attention that is drawn apart where keys are kept: a projection by itself. */
#ifndef CJ__PROJECTION_H
#define CJ__PROJECTION_H

#define CJ_NO_LOCATIONS
#include "cajal/attention.h"

/* x: [N,T,W] → [N,T,heads,W/heads] by queries (part 0), keys (1) or values (2) of the scope's joint weight.
 */
cj_value cj__project_part(cj_scope scope, cj_value x, int part, int64_t heads, bool no_bias);

#endif
