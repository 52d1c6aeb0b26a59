/* The matrix product under test, and the slow one it is compared with. */
#include "matmul_check.h"
#include "amx_emulated.h"
#include "base/bf16.h"
#include "split_portable.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A number from [-2,2] with a peak at 0, by a linear congruence: repeatable, and never all zeros. */
static float next_number(uint64_t *state)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(*state >> 33) / (double)(UINT32_MAX / 2 + 1u) - 0.5;
    }
    return (float)sum;
}

static float *new_numbers(int64_t count, uint64_t seed)
{
    float *numbers = malloc((size_t)count * sizeof *numbers + (count == 0));
    uint64_t state = seed * 2654435761u + 1;
    for (int64_t i = 0; i < count; i++) numbers[i] = next_number(&state);
    return numbers;
}

void cj_test_product_new(cj_test_product *product, const cj__matmul_shape *shape, uint64_t seed)
{
    const cj__matmul_shape *s = shape;
    *product = (cj_test_product){.shape = *s,
                                 .a_count = s->batch * s->m * s->k,
                                 .b_count = (s->shared_b ? 1 : s->batch) * s->k * s->n,
                                 .c_count = s->batch * s->m * s->n};
    product->a = new_numbers(product->a_count, seed);
    product->b = new_numbers(product->b_count, seed + 1);
    product->c = new_numbers(product->c_count, seed + 2);
}

void cj_test_product_free(cj_test_product *product)
{
    free(product->a);
    free(product->b);
    free(product->c);
    free(product->reference);
}

static void counting_epilogue(void *context, cj__rectangle where)
{
    float *c = context;
    for (int64_t i = 0; i < where.rows; i++)
        for (int64_t j = 0; j < where.columns; j++) {
            int64_t index = where.start + i * where.stride + j;
            c[index] = c[index] * 2 + (float)(index % 1021);
        }
}

/* An operand as the shape has it: as it is, or in bf16. */
static float *as_asked(float *numbers, int64_t count, bool bf16)
{
    if (!bf16) return numbers;
    uint16_t *narrow = malloc((size_t)count * sizeof *narrow + (count == 0));
    for (int64_t i = 0; i < count; i++) narrow[i] = cj__bf16_from_float(numbers[i]);
    return (float *)(void *)narrow;
}

static void run_tasks(cj_test_product *product, const cj__matmul_plan *plan, size_t workspace_bytes,
                      cj_test_manner manner)
{
    const cj__matmul_shape *s = &product->shape;
    float *a = as_asked(product->a, product->a_count, s->bf16_a);
    float *b = as_asked(product->b, product->b_count, s->bf16_b);
    cj__matmul_call call = {.a = a, .b = b, .c = product->c};
    if (manner == CJ_TEST_COUNTING_EPILOGUE) call.epilogue = (cj__epilogue){counting_epilogue, product->c};
    char *scratch = aligned_alloc(64, plan->scratch_bytes / 64 * 64 + 64), *workspace = NULL;
    cj__float_state caller = cj__float_enter();
    if (workspace_bytes > 0) {
        call.workspace = workspace = aligned_alloc(64, (workspace_bytes + 63) / 64 * 64);
        memset(workspace, 0xff, workspace_bytes);
        for (int64_t i = cj__matmul_pack_tasks(plan); i-- > 0;) cj__matmul_pack(plan, b, i, workspace);
    }
    for (int64_t i = 0; i < plan->tasks; i++) {
        memset(scratch, 0xff, plan->scratch_bytes);
        cj__matmul_run(plan, &call, manner == CJ_TEST_BACKWARD ? plan->tasks - 1 - i : i, scratch);
    }
    cj__float_leave(caller);
    if (s->bf16_a) free(a);
    if (s->bf16_b) free(b);
    free(scratch);
    free(workspace);
}

cj_test_processor cj_test_tiles_in_c(void)
{
    return (cj_test_processor){"portable amx", cj__isa_vectors(cj__isa_best()), &cj__split_portable};
}

cj_test_processor cj_test_vectors_in_c(void)
{
    return (cj_test_processor){"portable vdpbf16ps", cj__isa_vectors(cj__isa_best()),
                               &cj__split_portable_vectors};
}

const cj_test_processor *cj_test_processors(void)
{
    static cj_test_processor all[CJ__ISA_COUNT + 5];
    int count = 0;
    for (int i = 0; i < CJ__ISA_COUNT; i++)
        if (cj__isa_available((cj__isa)i))
            all[count++] = (cj_test_processor){cj__isa_name((cj__isa)i), (cj__isa)i, NULL};
#ifdef CJ__HAVE_AVX512BF16
    if (cj__isa_available(CJ__ISA_AVX512BF16)) {
        all[count++] = (cj_test_processor){"vdpbf16ps", CJ__ISA_AVX512BF16, &cj__split_avx512bf16};
        all[count++] = (cj_test_processor){"emulated amx", CJ__ISA_AMX, &cj__split_emulated};
    }
#endif
#ifndef CJ_TEST_EMULATED
    all[count++] = cj_test_vectors_in_c();
    all[count++] = cj_test_tiles_in_c();
#endif
    all[count].name = NULL;
    return all;
}

void cj_test_plan(cj__matmul_plan *plan, const cj__matmul_shape *shape, const cj_test_processor *processor)
{
    if (processor->split)
        cj__matmul_plan_with(plan, shape, processor->isa, processor->split);
    else
        cj__matmul_plan_make(plan, shape, processor->isa);
}

void cj_test_product_run(cj_test_product *product, const cj_test_processor *processor, cj_test_manner manner)
{
    cj__matmul_plan plan;
    cj_test_plan(&plan, &product->shape, processor);
    size_t workspace_bytes = manner == CJ_TEST_FORWARD ? 0 : cj__matmul_pack_before(&plan, true);
    run_tasks(product, &plan, workspace_bytes, manner);
}

/* Row i of the product of item `item`: [n], in memory's order of B where that is read row by row. */
static void reference_row(const cj_test_product *product, int64_t item, int64_t i, double *row)
{
    const cj__matmul_shape *s = &product->shape;
    const float *a = product->a + item * s->m * s->k + (s->transpose_a ? i : i * s->k);
    const float *b = product->b + (s->shared_b ? 0 : item * s->k * s->n);
    int64_t a_column = s->transpose_a ? s->m : 1;
    for (int64_t j = 0; j < s->n; j++) row[j] = 0;
    for (int64_t j = 0; j < s->n && s->transpose_b; j++)
        for (int64_t p = 0; p < s->k; p++) row[j] += (double)a[p * a_column] * (double)b[j * s->k + p];
    for (int64_t p = 0; p < s->k && !s->transpose_b; p++)
        for (int64_t j = 0; j < s->n; j++) row[j] += (double)a[p * a_column] * (double)b[p * s->n + j];
}

void cj_test_product_reference(cj_test_product *product)
{
    const cj__matmul_shape *s = &product->shape;
    free(product->reference);
    product->reference = malloc((size_t)product->c_count * sizeof(double) + 1);
    for (int64_t r = 0; r < s->batch * s->m; r++)
        reference_row(product, r / s->m, r % s->m, product->reference + r * s->n);
}

double cj_test_product_error(cj_test_product *product)
{
    double difference = 0, norm = 0;
    cj_test_product_reference(product);
    for (int64_t i = 0; i < product->c_count; i++) {
        double d = product->c[i] - product->reference[i];
        difference += d * d;
        norm += product->reference[i] * product->reference[i];
    }
    return difference == 0 ? 0 : sqrt(difference / norm);
}
