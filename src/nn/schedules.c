/* Learning-rate schedules: the rate of a step as a pure function of its number, and the little that plateau
 * must remember. Nothing is drawn here: the caller writes the rate into "optimizer.learning_rate". */
#define CJ_NO_LOCATIONS
#include "cajal/nn.h"
#include "base/status.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

static const char *const names[CJ_SCHEDULE_COUNT] = {"constant",  "step",    "exponential", "cosine",
                                                     "one_cycle", "plateau", "linear"};

const char *cj_schedule_name(cj_schedule_kind kind)
{
    return (unsigned)kind < CJ_SCHEDULE_COUNT ? names[kind] : NULL;
}

static double or_default(double value, double otherwise)
{
    return value == 0 ? otherwise : value;
}

/* --- checking ------------------------------------------------------------------------------------------ */

static cj_status within(const char *field, double value, double low, double high)
{
    if (value >= low && value <= high) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT, "schedule: %s is %g, but must be from %g to %g", field, value, low,
                    high);
}

cj_status cj_schedule_check(const cj_schedule *s)
{
    if (!cj_schedule_name(s->kind))
        return cj__fail(CJ_INVALID_ARGUMENT, "schedule: there is no kind %d", (int)s->kind);
    const double most = 9e15;
    CJ__TRY(within("every", (double)s->every, 0, most));
    CJ__TRY(within("factor", s->factor, 0, 1));
    CJ__TRY(within("minimum", s->minimum, 0, most));
    CJ__TRY(within("period", (double)s->period, 0, most));
    CJ__TRY(within("rising", s->rising, 0, 1));
    CJ__TRY(within("initial_divisor", s->initial_divisor, 0, most));
    CJ__TRY(within("final_divisor", s->final_divisor, 0, most));
    CJ__TRY(within("cooldown", (double)s->cooldown, 0, most));
    CJ__TRY(within("threshold", s->threshold, 0, 1));
    CJ__TRY(within("warm_up", (double)s->warm_up, 0, most));
    return within("warm_up_start", s->warm_up_start, 0, 1);
}

/* --- rates by step ------------------------------------------------------------------------------------- */

/* From `start` to `end` by half a cosine, `share` of the way. */
static double half_cosine(double start, double end, double share)
{
    return end + (start - end) / 2 * (1 + cos(PI * share));
}

static double decayed(const cj_schedule *s, double base, double decays)
{
    return base * pow(or_default(s->factor, 0.1), decays);
}

static double linear(const cj_schedule *s, double base, int64_t step, int64_t steps)
{
    return step >= steps ? s->minimum : base + (s->minimum - base) * ((double)step / (double)steps);
}

static double cosine(const cj_schedule *s, double base, int64_t step, int64_t steps)
{
    return step >= steps ? s->minimum : half_cosine(base, s->minimum, (double)step / (double)steps);
}

/* Both halves share their turning step, which need not be a whole number. */
static double one_cycle(const cj_schedule *s, double base, int64_t step, int64_t steps)
{
    double start = base / or_default(s->initial_divisor, 25);
    double end = start / or_default(s->final_divisor, 1e4);
    double last = (double)(steps - 1), top = or_default(s->rising, 0.3) * (double)steps - 1;
    if ((double)step >= last) return end;
    if ((double)step <= top) return half_cosine(start, base, top > 0 ? (double)step / top : 1);
    return half_cosine(base, end, ((double)step - top) / (last - top));
}

double cj_schedule_rate(const cj_schedule *s, double base, int64_t step, int64_t total_steps)
{
    if (step < s->warm_up) {
        double start = or_default(s->warm_up_start, 1.0 / 3);
        return base * (start + (1 - start) * (double)step / (double)s->warm_up);
    }
    step -= s->warm_up;
    int64_t every = s->every > 0 ? s->every : 1, steps = s->period > 0 ? s->period : total_steps - s->warm_up;
    switch (s->kind) {
    case CJ_SCHEDULE_STEP:
        return decayed(s, base, (double)(step / every));
    case CJ_SCHEDULE_EXPONENTIAL:
        return decayed(s, base, (double)step / (double)every);
    case CJ_SCHEDULE_COSINE:
        return cosine(s, base, step, steps);
    case CJ_SCHEDULE_LINEAR:
        return linear(s, base, step, steps);
    case CJ_SCHEDULE_ONE_CYCLE:
        return one_cycle(s, base, step, steps);
    case CJ_SCHEDULE_CONSTANT:
    case CJ_SCHEDULE_PLATEAU:
        break;
    }
    return base;
}

/* --- plateau ------------------------------------------------------------------------------------------- */

void cj_plateau_update(const cj_schedule *s, cj_plateau *p, double loss)
{
    if (s->kind != CJ_SCHEDULE_PLATEAU) return;
    int64_t patience = s->patience == 0 ? 10 : s->patience < 0 ? 0 : s->patience;
    double best = p->epochs == 0 ? INFINITY : p->best;
    bool better = loss < best * (1 - or_default(s->threshold, 1e-4));
    p->epochs++;
    p->best = better ? loss : best;
    p->bad_epochs = better ? 0 : p->bad_epochs + 1;
    if (p->cooling > 0) {
        p->cooling--;
        p->bad_epochs = 0;
    }
    if (p->bad_epochs <= patience) return;
    p->decays++;
    p->cooling = s->cooldown;
    p->bad_epochs = 0;
}

/* Decay after decay, as PyTorch does it: a decay that would move the rate by less than 1e-8 is left out. */
double cj_plateau_rate(const cj_schedule *s, const cj_plateau *p, double base)
{
    double rate = base;
    for (int64_t i = 0; i < p->decays; i++) {
        double lower = fmax(rate * or_default(s->factor, 0.1), s->minimum);
        if (!(rate - lower > 1e-8)) return rate;
        rate = lower;
    }
    return rate;
}
