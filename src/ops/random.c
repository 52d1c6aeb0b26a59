/* Random draws: element i of a draw is a function of (key, run counter, i). The key hashes the scope path,
 * the ordinal of the draw in its scope, and the model's seed. */
#include "base/random.h"
#include "ops/ops.h"

void cj__random_uniform_reference(const cj__reference *r)
{
    const cj__random_attributes *a = r->attributes;
    uint64_t step = (uint64_t)r->inputs[0][0];
    for (int64_t i = 0; i < cj_shape_count(a->shape); i++)
        r->outputs[0][i] = cj__uniform(a->key, step, (uint64_t)i);
}

void cj__random_normal_reference(const cj__reference *r)
{
    const cj__random_attributes *a = r->attributes;
    uint64_t step = (uint64_t)r->inputs[0][0];
    for (int64_t i = 0; i < cj_shape_count(a->shape); i++)
        r->outputs[0][i] = cj__normal(a->key, step, (uint64_t)i);
}

static void random_samples(cj__samples *samples)
{
    const cj_shape_t shapes[] = {cj_shape(7, 13), cj_shape(1), cj_shape(3, 0)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        CJ__SAMPLE(samples, .attributes = &(cj__random_attributes){shapes[i], 99}, .inputs_count = 1,
                   .inputs = {{CJ_I64, cj_scalar_shape(), 4, 5}});
}

void cj__random_uniform_samples(cj__samples *samples)
{
    random_samples(samples);
}

void cj__random_normal_samples(cj__samples *samples)
{
    random_samples(samples);
}
