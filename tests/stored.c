/* Tensors in files, for tests. */
#include "stored.h"

#include <math.h>
#include <stdlib.h>

static double bf16_value(uint16_t bits)
{
    if ((bits & 0x7fff) == 0) return 0;
    double fraction = (double)(bits & 127) / 128 + 1;
    return ldexp(bits >> 15 ? -fraction : fraction, (bits >> 7 & 255) - 127);
}

double cj_test_element(const cj_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case CJ_F32:
        return (double)((const float *)t->data)[i];
    case CJ_F64:
        return ((const double *)t->data)[i];
    case CJ_BF16:
        return bf16_value(((const uint16_t *)t->data)[i]);
    case CJ_I32:
        return ((const int32_t *)t->data)[i];
    case CJ_I64:
        return (double)((const int64_t *)t->data)[i];
    default:
        return ((const uint8_t *)t->data)[i];
    }
}

cj_tensor cj_test_tensor(cj_tensor_file *file, const char *name)
{
    cj_tensor tensor;
    int64_t index = cj_tensor_file_find(file, name);
    if (index < 0) fail_msg("no tensor is named %s", name);
    expect_ok(cj_tensor_file_tensor(file, index, &tensor));
    return tensor;
}

cj_tensor cj_test_stored(cj_tensor_file *fixture, const char *row, const char *what)
{
    char name[128];
    cj_tensor tensor;
    snprintf(name, sizeof name, "%s.%s", row, what);
    int64_t index = cj_tensor_file_find(fixture, name);
    if (index < 0) fail_msg("the fixture has no %s", name);
    expect_ok(cj_tensor_file_describe(fixture, index, &tensor));
    tensor.data = malloc(cj_tensor_bytes(&tensor) + 1);
    expect_ok(cj_tensor_file_read(fixture, index, tensor.data));
    return tensor;
}

void cj_test_expect_near(cj_tensor_file *fixture, const char *row, const char *what, const float *found,
                         double tolerance)
{
    char name[160];
    snprintf(name, sizeof name, "%s%s%s", row, *what ? "." : "", what);
    cj_tensor wanted = cj_test_tensor(fixture, name);
    for (int64_t i = 0; i < cj_shape_count(wanted.shape); i++) {
        double w = (double)((const float *)wanted.data)[i], f = (double)found[i];
        if (!(fabs(f - w) <= tolerance * (1 + fabs(w))))
            fail_msg("%s[%lld] is %.7g, but PyTorch has %.7g", name, (long long)i, f, w);
    }
}
