/* The patches of a convolution's results, or of its gradient by the input, where results are numbered in
 * memory's order: which pixels each of them sees through each tap. What multiplies by parts of bf16 gathers
 * by it (convolution_split.c, convolution_weight_split.c). */
#ifndef CJ__PATCHES_H
#define CJ__PATCHES_H

#include "cpu/sight.h"

/* Of one phase. Its results are numbered image by image, row by row; pixels through all images. */
typedef struct {
    int64_t batch;
    int64_t size[CJ__SPATIAL]; /* of what is read */
    int64_t made[CJ__SPATIAL]; /* of what is made, in all phases */
    cj__sight axis[CJ__SPATIAL];
} cj__patches;

int64_t cj__phases_of(const cj__window *w, bool backward);
cj__patches cj__patches_of(const cj__window *w, bool backward, int64_t phase);
int64_t cj__patches_count(const cj__patches *p);
int64_t cj__patches_taps(const cj__patches *p);
/* Tap `number` of those as one along each axis, and which one of the weight's that is. */
void cj__patches_tap(const cj__patches *p, int64_t number, int64_t tap[CJ__SPATIAL]);
int64_t cj__patches_weight(const cj__patches *p, const cj__window *w, const int64_t tap[CJ__SPATIAL]);

typedef struct {
    int64_t first, end;
} cj__range;

/* Pixels that results [first, end) see, and some that they do not; nothing where they see nothing. */
cj__range cj__pixels_seen(const cj__patches *p, int64_t first, int64_t end);
/* The pixel, of all phases, that a result is. */
int64_t cj__result_pixel(const cj__patches *p, int64_t number);

/* Results that follow each other in one row of them: `count` from place `at` of each axis on. */
typedef struct {
    int64_t image, at[CJ__SPATIAL], count;
} cj__neighbours;

/* Those of [first, end) that the first of them begins. */
cj__neighbours cj__neighbours_at(const cj__patches *p, int64_t first, int64_t end);
/* Which of them, the first being 0, see a pixel through a tap, and the pixel that the first of these sees;
 * the next sees the one `stride` of the last axis further on. */
cj__range cj__neighbours_see(const cj__patches *p, const cj__neighbours *n, const int64_t tap[CJ__SPATIAL],
                             int64_t *pixel);

/* `count` channels from `x` on, whose pixels are `channels` floats apart, of what results [first, end) see
 * through a tap, with zeros for what they do not: [result][row] */
void cj__copy_patches(const cj__patches *p, const float *x, int64_t channels, int64_t count,
                      const int64_t tap[CJ__SPATIAL], int64_t first, int64_t end, float *to, int64_t row);

#endif
