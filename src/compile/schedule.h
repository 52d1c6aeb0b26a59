/* The order of a program's steps, and which of them the team works on at once. */
#ifndef CJ__SCHEDULE_H
#define CJ__SCHEDULE_H

#include "compile/program.h"

/* Puts steps, which come each after those it needs, into groups of steps that need nothing of each other, and
 * sorts them by group. With `apart` each step stays where it is, in a group of its own.
 * made_at, last_use: by buffer, set to the group that writes it and the last that reads it; -1: none. */
CJ_MUST_CHECK cj_status cj__schedule(cj_program *program, bool apart, int32_t *made_at, int32_t *last_use);
/* The variable that a buffer becomes the new value of; NULL: of none. */
const cj__commit *cj__commit_of(const cj_program *program, int32_t buffer);
/* Whether the program gives it to its caller. */
bool cj__is_output(const cj_program *program, int32_t buffer);
/* Whether every result of a step is a new value of a variable. */
bool cj__only_commits(const cj_program *program, const cj__step *step);
/* Whether another step of the group reads a buffer, or any of a variable (NULL: of none). */
bool cj__read_beside(const cj_program *program, const cj__group *group, const cj__step *step, int32_t buffer,
                     const cj__variable *variable);
/* Lets steps write the variables that they make new values of (in_place.c). */
void cj__update_in_place(cj_program *program, const int32_t *made_at, const int32_t *last_use);

#endif
