/* Chance for augmentations: each draw is a Philox counter of (seed, epoch, sample, entry of the list), so it
 * depends neither on threads nor on what was drawn before for another sample. */
#include "base/random.h"
#include "data/augment.h"

#include <math.h>

uint32_t cj__dice_bits(cj__dice *dice)
{
    if (dice->left == 0) {
        cj__philox(dice->key, dice->sample, dice->low++, dice->bits);
        dice->left = 4;
    }
    return dice->bits[--dice->left];
}

/* In [0,1) */
static double part(cj__dice *dice)
{
    return (double)cj__dice_bits(dice) * 0x1p-32;
}

double cj__dice_between(cj__dice *dice, double least, double most)
{
    return least + (most - least) * part(dice);
}

int64_t cj__dice_below(cj__dice *dice, int64_t count)
{
    return (int64_t)(((uint64_t)cj__dice_bits(dice) * (uint64_t)count) >> 32);
}

bool cj__dice_says(cj__dice *dice, double probability)
{
    return part(dice) < probability;
}

/* --- Beta ---------------------------------------------------------------------------------------------- */

/* In (0,1], for logarithms. */
static double positive_part(cj__dice *dice)
{
    return ((double)cj__dice_bits(dice) + 1) * 0x1p-32;
}

static double normal(cj__dice *dice)
{
    double radius = sqrt(-2 * log(positive_part(dice)));
    return radius * cos(6.283185307179586 * part(dice));
}

/* For shape above 1: Marsaglia and Tsang, 2000, A Simple Method for Generating Gamma Variables. */
static double gamma_above_one(cj__dice *dice, double shape)
{
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = normal(dice), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        if (log(positive_part(dice)) < 0.5 * x * x + d - d * v + d * log(v)) return d * v;
    }
}

/* For alpha up to 1: Jöhnk, 1964; of two powers whose sum is at most 1 the first's share. In logarithms,
 * since both powers may be too small for a number. */
static double beta_up_to_one(cj__dice *dice, double alpha)
{
    for (;;) {
        double x = log(positive_part(dice)) / alpha, y = log(positive_part(dice)) / alpha;
        double most = x > y ? x : y, sum = most + log(exp(x - most) + exp(y - most));
        if (sum <= 0) return exp(x - sum);
    }
}

double cj__dice_beta(cj__dice *dice, double alpha)
{
    if (alpha <= 1) return beta_up_to_one(dice, alpha);
    double x = gamma_above_one(dice, alpha), y = gamma_above_one(dice, alpha);
    return x / (x + y);
}
