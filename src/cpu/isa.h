/* Which instruction set the kernels use: the best the processor has, or what CAJAL_ISA says. */
#ifndef CJ__ISA_H
#define CJ__ISA_H

#include "base/status.h"

typedef enum { CJ__ISA_SCALAR, CJ__ISA_AVX2, CJ__ISA_AVX512, CJ__ISA_COUNT } cj__isa;

const char *cj__isa_name(cj__isa isa);
bool cj__isa_available(cj__isa isa);
/* Reads CAJAL_ISA; an unknown or unavailable name is an error that lists what there is. */
CJ_MUST_CHECK cj_status cj__isa_choose(cj__isa *isa);

/* Denormals are flushed inside kernels, on every path, so that paths agree. Returns the caller's state. */
unsigned cj__flush_denormals(void);
void cj__restore_denormals(unsigned state);

#endif
