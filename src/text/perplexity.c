/* How good a language model is, in the units that papers tell it in. */
#include "cajal/text.h"

#include <math.h>

double cj_perplexity(double loss)
{
    return exp(loss);
}

double cj_bits_per_unit(double loss, int64_t tokens, int64_t units)
{
    return units > 0 ? loss / log(2) * (double)tokens / (double)units : (double)NAN;
}
