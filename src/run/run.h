/* Running step by step, for whoever wants to look in between: bad_step.c. */
#ifndef CJ__RUN_H
#define CJ__RUN_H

#include "compile/program.h"

/* Past the end of slab and scratch: whole vectors may be read there. */
enum { CJ__SLACK = 64 };

/* Whether a tensor is what input `index` was drawn as; its data is not looked at. */
CJ_MUST_CHECK cj_status cj__program_check_type(const cj_program *program, int64_t index,
                                               const cj_tensor *given);
/* Memory taken, inputs checked and bound. */
CJ_MUST_CHECK cj_status cj__program_begin(cj_program *program, const cj_tensor *inputs);
/* Runs one step on the caller's thread; its operands lie at program->operand_addresses + first_operand. */
void cj__program_step(cj_program *program, int64_t step);

/* After a run whose guard did not hold, with every variable as it was: CJ_NOT_FINITE, and in the sentence
 * which input, variable or node was the first that is not finite, and what to try. */
CJ_MUST_CHECK cj_status cj__explain_bad_step(const cj_program *program, const cj_tensor *inputs);

#endif
