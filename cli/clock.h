/* The clock that the command, its download helper and the benchmarks measure by. */
#ifndef CAJAL_CLOCK_H
#define CAJAL_CLOCK_H

double clock_now(void); /* in seconds, since some moment */

#endif
