/* Time that passes, as the system counts it, to the nanosecond: see clock.h for who asks. */
#include "base/clock.h"

#include <time.h>

double cj__now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
