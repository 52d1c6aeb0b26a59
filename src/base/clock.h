/* The clock by which kernels are measured and epochs are told how long they took. */
#ifndef CJ__CLOCK_H
#define CJ__CLOCK_H

/* Seconds since some moment before; they only grow, whatever is done to the date. */
double cj__now(void);

#endif
