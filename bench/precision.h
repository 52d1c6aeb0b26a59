/* The option --precision of the programs beside this file. */
#ifndef CJ_BENCH_PRECISION_H
#define CJ_BENCH_PRECISION_H

#include <cajal/cajal.h>

#include <stdbool.h>
#include <string.h>

static inline bool read_precision(const char *name, cj_precision *precision)
{
    static const char *const names[] = {"highest", "high", "medium"}; /* by their cj_precision */
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) return *precision = (cj_precision)i, true;
    return false;
}

#endif
