/* Measured kernels as the compiler looks them up: by a text that says all of a step that its speed depends
 * on. Made by run/measure.c, on disk by run/choices_file.c. */
#ifndef CJ__CHOICES_H
#define CJ__CHOICES_H

#include "base/memory.h"
#include "base/text.h"
#include "cajal/kernels.h"
#include "compile/backend.h"

typedef struct {
    const char *kernel;
    double seconds;
} cj__timed_kernel;

enum { CJ__MOST_TIMED = 8 };
typedef struct {
    const char *step;   /* cj__step_key */
    const char *kernel; /* the one to be used */
    cj__timed_kernel timed[CJ__MOST_TIMED];
    int timed_count;
} cj__choice;

struct cj_kernels {
    cj__arena arena; /* of all names */
    const char *isa;
    int threads;
    cj__choice *choices;
    int64_t count, room;
};

/* "convolution f32[8,4,4,512] f32[3,3,512,512] → f32[8,4,4,512] highest #…": op, types, precision, which
 * inputs last, and a number made of its attributes and of the chain that goes with it. */
void cj__step_key(const cj__launch *launch, cj__text *key);
const cj__choice *cj__choice_of(const cj_kernels *kernels, const char *key);
/* Adds a choice without timings; its texts are copied. */
CJ_MUST_CHECK cj_status cj__choice_add(cj_kernels *kernels, const char *key, const char *kernel,
                                       cj__choice **made);
/* NULL when the kernel can make the step, whether that pays or not. */
const char *cj__kernel_cannot(const cj__kernel *kernel, const cj__launch *launch);
/* The backend's kernel that its choices name for the step; NULL: none, the rules decide. */
CJ_MUST_CHECK cj_status cj__chosen_kernel(const cj__backend *backend, const cj__launch *launch,
                                          const cj__kernel **chosen);
/* A number of all choices, to tell one from another; 0: there are none. */
uint64_t cj__choices_digest(const cj_kernels *kernels);

#endif
