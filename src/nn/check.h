/* What layers ask of what they are given, before they draw: whatever is wrong is the graph's error, a
 * sentence that names the layer and the option. */
#ifndef CJ__CHECK_H
#define CJ__CHECK_H

#define CJ_NO_LOCATIONS
#include "cajal/nn.h"

/* Whether there is a value to draw on. One that was never given has no graph, and says so nowhere else; one
 * that is poisoned has had its error. */
bool cj__given(cj_scope scope, const char *layer, const char *name, cj_value value);
/* Whether a size is 1 or more. */
bool cj__sized(cj_scope scope, const char *layer, const char *name, int64_t size);
/* Whether lengths, if given, are integers, one a row. */
bool cj__lengths_fit(cj_scope scope, const char *layer, const char *name, cj_value lengths, int64_t rows);
/* Whether a rate of dropout is from 0 up to 1, 1 itself left out. */
bool cj__rate_fits(cj_scope scope, const char *layer, double rate);
/* Of a norm: 0 is the usual one, 1e-5. */
double cj__epsilon(cj_scope scope, const char *layer, double epsilon);

#endif
