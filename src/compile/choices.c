/* Choices of kernels that were measured: what a step is called there, and which kernel it gets. Selection
 * asks here before it goes by the rules. */
#include "compile/choices.h"

#include "base/shape.h"
#include "compile/chain.h"
#include "graph/graph.h"

#include <inttypes.h>
#include <string.h>

/* --- what a step is called ----------------------------------------------------------------------------- */

static void put_bytes(cj__text *text, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) cj__text_print(text, "%02x", ((const unsigned char *)data)[i]);
}

/* Ops by name: their numbers change from one version to the next. */
static void put_chain(cj__text *text, const cj__chain *chain)
{
    for (int32_t i = 0; i < chain->inputs_count; i++) {
        cj__text_print(text, " %s", cj_dtype_name(chain->inputs[i].dtype));
        for (int d = 0; d < chain->shape.rank; d++)
            cj__text_print(text, ",%lld", (long long)chain->inputs[i].stride[d]);
    }
    for (int32_t i = 0; i < chain->constants_count; i++) {
        cj__text_put(text, " ");
        cj__text_number(text, chain->constants[i]);
    }
    for (int32_t i = 0; i < chain->instructions_count; i++) {
        const cj__chain_instruction *in = &chain->instructions[i];
        cj__text_print(text, " %s %s %d,%d,%d", cj__ops[in->op].name, cj_dtype_name(in->dtype), (int)in->a,
                       (int)in->b, (int)in->c);
    }
    for (int32_t i = 0; i < chain->outputs_count; i++)
        cj__text_print(text, " %d %d %s", (int)chain->outputs[i].reg, (int)chain->outputs[i].fold,
                       cj_dtype_name(chain->outputs[i].dtype));
    cj__text_print(text, " %lld,%lld,%lld,%d", (long long)chain->folding.rows,
                   (long long)chain->folding.columns, (long long)chain->folding.parts,
                   chain->folding.by_rows);
}

/* Everything of the attributes, by value. */
static void put_attributes(cj__text *text, const cj__launch *launch)
{
    const cj__product_attributes *product = launch->attributes;
    if (launch->op == CJ__OP_product_chain) {
        put_bytes(text, product->attributes, cj__ops[product->op].attributes_size);
        put_chain(text, product->chain);
    } else if (launch->op == CJ__OP_chain) {
        put_chain(text, ((const cj__chain_attributes *)launch->attributes)->chain);
    } else {
        put_bytes(text, launch->attributes, cj__ops[launch->op].attributes_size);
    }
}

static void put_name(cj__text *key, const cj__launch *launch)
{
    if (launch->op == CJ__OP_product_chain)
        cj__text_print(key, "%s + ", cj__ops[((const cj__product_attributes *)launch->attributes)->op].name);
    cj__text_put(key, launch->op == CJ__OP_product_chain ? "chain" : cj__ops[launch->op].name);
}

void cj__step_key(const cj__launch *launch, cj__text *key)
{
    static const char *const precisions[] = {"highest", "high", "medium"};
    char shape[CJ__SHAPE_TEXT];
    cj__text attributes = {0};
    put_name(key, launch);
    for (int i = 0; i < launch->inputs_count + launch->outputs_count; i++) {
        const cj__type *type = &launch->types[i];
        bool output = i >= launch->inputs_count, lasting = !output && i < 64 && launch->lasting >> i & 1;
        cj__text_print(key, "%s%s %s%s", i == launch->inputs_count ? " →" : "", lasting ? " lasting" : "",
                       cj_dtype_name(type->dtype), cj__shape_text(type->shape, shape));
    }
    cj__text_print(key, " %s%s", precisions[launch->precision], launch->no_winograd ? " no winograd" : "");
    put_attributes(&attributes, launch);
    if (attributes.data) cj__text_print(key, " #%016" PRIx64, cj__hash_text(attributes.data));
    if (attributes.failed) key->failed = true;
    cj__text_free(&attributes);
}

/* --- choosing ------------------------------------------------------------------------------------------ */

const cj__choice *cj__choice_of(const cj_kernels *kernels, const char *key)
{
    for (int64_t i = 0; i < kernels->count; i++)
        if (strcmp(kernels->choices[i].step, key) == 0) return &kernels->choices[i];
    return NULL;
}

cj_status cj__choice_add(cj_kernels *kernels, const char *key, const char *kernel, cj__choice **made)
{
    CJ__TRY(cj__grow(&kernels->choices, &kernels->room, kernels->count, sizeof *kernels->choices));
    cj__choice choice = {.step = cj__arena_string(&kernels->arena, key),
                         .kernel = cj__arena_string(&kernels->arena, kernel)};
    if (!choice.step || !choice.kernel) return cj__out_of_memory(strlen(key), "measured kernels");
    *made = &kernels->choices[kernels->count++];
    **made = choice;
    return CJ_OK;
}

const char *cj__kernel_cannot(const cj__kernel *kernel, const cj__launch *launch)
{
    if (kernel->op >= 0 && kernel->op != (int)launch->op) return "";
    if (kernel->cannot) return kernel->cannot(launch);
    return kernel->refuse ? kernel->refuse(launch) : NULL;
}

cj_status cj__chosen_kernel(const cj__backend *backend, const cj__launch *launch, const cj__kernel **chosen)
{
    cj__text key = {0};
    *chosen = NULL;
    if (!backend->choices) return CJ_OK;
    cj__step_key(launch, &key);
    cj_status status = cj__text_check(&key, "a step's name");
    const cj__choice *choice = status == CJ_OK ? cj__choice_of(backend->choices, key.data) : NULL;
    for (const cj__kernel *const *k = backend->kernels; choice && *k && !*chosen; k++)
        if (strcmp((*k)->name, choice->kernel) == 0 && !cj__kernel_cannot(*k, launch)) *chosen = *k;
    cj__text_free(&key);
    return status;
}

uint64_t cj__choices_digest(const cj_kernels *kernels)
{
    uint64_t digest = 0;
    for (int64_t i = 0; kernels && i < kernels->count; i++)
        digest = digest * 31 +
                 (cj__hash_text(kernels->choices[i].step) ^ 3 * cj__hash_text(kernels->choices[i].kernel)) +
                 1;
    return digest;
}
