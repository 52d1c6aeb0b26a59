/* The clock that the command, its download helper and the benchmarks measure by: it never goes back, whatever
 * the date is set to. */
#include "clock.h"

#include <time.h>

double clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
