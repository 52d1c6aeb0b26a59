/* Projections that other layers and networks are made of: a dense layer as it usually is, and a part of
 * multi-head attention by itself, which is drawn apart where keys are kept. */
#ifndef CJ__PROJECTION_H
#define CJ__PROJECTION_H

#define CJ_NO_LOCATIONS
#include "cajal/attention.h"
#include "cajal/nn.h"

/* x: [...,W] → [...,units]: cj_dense with weights as it draws them where nothing is said. */
cj_value cj__dense(cj_scope scope, cj_value x, int64_t units, bool no_bias);
/* x: [N,T,W] → [N,T,heads,W/heads] by queries (part 0), keys (1) or values (2) of the scope's joint weight.
 */
cj_value cj__project_part(cj_scope scope, cj_value x, int part, int64_t heads, bool no_bias);

#endif
