/* Random numbers are counters: Philox4x32-10 turns (key, counter) into bits, so a draw depends on what it is
 * for and never on who makes it, when, or on which thread.
 * Salmon et al., 2011, Parallel Random Numbers: As Easy as 1, 2, 3. */
#ifndef CJ__RANDOM_H
#define CJ__RANDOM_H

#include <stdint.h>

void cj__philox(uint64_t key, uint64_t counter_high, uint64_t counter_low, uint32_t bits[4]);

/* A well-mixed 64-bit key from two: (seed, hash of a name), (key, epoch), … */
uint64_t cj__mix(uint64_t a, uint64_t b);

/* Element `index` of the stream (key, step): in [0,1) with 24 bits; normal by Box and Muller. */
float cj__uniform(uint64_t key, uint64_t step, uint64_t index);
float cj__normal(uint64_t key, uint64_t step, uint64_t index);
/* 32 random bits: four consecutive indices share one Philox block. */
uint32_t cj__bits(uint64_t key, uint64_t step, uint64_t index);

#endif
