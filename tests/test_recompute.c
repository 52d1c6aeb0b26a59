/* Training within a limit of memory: values computed again for gradients leave every bit as it was, a run
 * takes what was planned, and less than without; what cannot be is told with the least that can. Of a deep
 * perceptron, a residual network and a GPT, all with dropout; and of a fit that is stopped and resumed. */
#include "support.h"

#include "cajal/cajal.h"
#include "base/random.h"

#include <stdio.h>
#include <string.h>

enum { STEPS = 3 };

/* --- networks ------------------------------------------------------------------------------------------ */

/* x: [256,32] → [256,10], twelve layers deep */
static cj_value perceptron(cj_scope s, cj_value x)
{
    for (int i = 0; i < 12; i++) {
        x = cj_gelu(cj_dense(cj_at(s, "%d", i), x, .units = 32));
        x = (cj_dropout)(cj_at(s, "drop%d", i), x, 0.2);
    }
    return cj_dense(cj_at(s, "out"), x, .units = 10);
}

static cj_value convolved(cj_scope s, cj_value x)
{
    x = cj_conv2d(cj_at(s, "conv"), x, .filters = 8, .kernel = 3, .padding = CJ_SAME, .no_bias = true);
    return cj_batch_norm(cj_at(s, "norm"), x);
}

/* x: [48,10,10,3] → [48,10], with statistics that each step moves */
static cj_value residual(cj_scope s, cj_value x)
{
    x = cj_relu(convolved(cj_at(s, "stem"), x));
    for (int i = 0; i < 5; i++) {
        cj_scope block = cj_at(s, "block%d", i);
        cj_value y = (cj_dropout)(block, cj_relu(convolved(cj_at(block, "a"), x)), 0.1);
        x = cj_relu(cj_add(convolved(cj_at(block, "b"), y), x));
    }
    return cj_dense(cj_at(s, "out"), cj_flatten(x), .units = 10);
}

/* x: [16,16] tokens → [16,16,10] */
static cj_value gpt(cj_scope s, cj_value x)
{
    return cj_gpt(s, &(cj_gpt_options){.size = sizeof(cj_gpt_options),
                                       .input = {.tokens = x},
                                       .vocabulary = 10,
                                       .block = 16,
                                       .layers = 6,
                                       .heads = 2,
                                       .width = 16,
                                       .dropout = 0.1});
}

typedef struct {
    const char *name;
    cj_value (*draw)(cj_scope s, cj_value x);
    cj_dtype dtype;
    cj_shape_t x, y;
    double least; /* of the memory without computing again; what the smallest plan must be below */
} network;

static network networks(int i)
{
    network all[] = {{"perceptron", perceptron, CJ_F32, cj_shape(256, 32), cj_shape(256), 0.75},
                     {"residual", residual, CJ_F32, cj_shape(48, 10, 10, 3), cj_shape(48), 0.6},
                     {"gpt", gpt, CJ_I32, cj_shape(16, 16), cj_shape(16, 16), 0.7}};
    return all[i];
}
enum { NETWORKS = 3 };

/* --- running ------------------------------------------------------------------------------------------- */

typedef struct {
    size_t bytes;
    float losses[STEPS];
    char digest[65];
    char *text;
} outcome;

static float pixels[512 * 32];
static int32_t tokens[640];

static void fill(void)
{
    for (int i = 0; i < 512 * 32; i++) pixels[i] = cj__normal(3, 0, (uint64_t)i);
    for (int i = 0; i < 640; i++) tokens[i] = (int32_t)(cj__bits(4, 0, (uint64_t)i) % 10);
}

/* Three steps of Adam within so many bytes. */
static cj_status train(const network *n, size_t memory, outcome *result)
{
    cj_model *model;
    cj_graph *graph;
    cj_program *program;
    cj_tensor x = {n->dtype == CJ_F32 ? (void *)pixels : (void *)tokens, n->dtype, n->x},
              y = {tokens + 256, CJ_I32, n->y};
    expect_ok(cj_model_new(&model, .seed = 2));
    expect_ok(cj_graph_new(&graph, model, .mode = CJ_TRAINING, .memory = memory));
    cj_value loss = cj_cross_entropy(n->draw(cj_root(graph), cj_input(graph, "x", n->dtype, n->x)),
                                     cj_input(graph, "y", CJ_I32, n->y));
    cj_minimize(loss, cj_adam(.learning_rate = 1e-2, .clip_norm = 1));
    cj_output(graph, "loss", loss);
    cj_status status = cj_compile(&program, graph);
    cj_graph_free(graph);
    if (status == CJ_OK) {
        result->bytes = cj_program_describe(program).run_bytes;
        expect_ok(cj_program_text(program, &result->text));
        for (int i = 0; i < STEPS; i++)
            expect_ok(cj_program_run(program, .inputs = {x, y}, .outputs = {&result->losses[i]}));
        cj_model_digest(model, result->digest);
        cj_program_free(program);
    }
    cj_model_free(model);
    return status;
}

static void expect_same(const char *name, const outcome *plain, const outcome *other)
{
    if (memcmp(plain->losses, other->losses, sizeof plain->losses) != 0 ||
        strcmp(plain->digest, other->digest) != 0)
        fail_msg("%s: %zu bytes give other bits than %zu", name, other->bytes, plain->bytes);
}

static int64_t repeated_in(const char *text)
{
    const char *peak = strstr(text, "planned peak ");
    long long count = -1;
    size_t bytes, allowed;
    if (!peak ||
        sscanf(peak, "planned peak %zu bytes of the %zu allowed, %lld values", &bytes, &allowed, &count) != 3)
        fail_msg("the plan does not tell its peak");
    return count;
}

/* What the error says is the least, is possible. */
static size_t least_of(const network *n, const outcome *plain)
{
    size_t limit, usual, least;
    outcome none;
    expect_status(train(n, 1, &none), CJ_UNSUPPORTED);
    const char *from = strstr(cj_error_message(), "memory: ");
    assert_non_null(from);
    assert_int_equal(sscanf(from, "memory: %zu bytes are too few: a run takes %zu, and %zu at least", &limit,
                            &usual, &least),
                     3);
    assert_int_equal(limit, 1);
    assert_int_equal(usual, plain->bytes);
    return least;
}

static void check_network(const network *n)
{
    outcome plain, other;
    expect_ok(train(n, 0, &plain));
    assert_null(strstr(plain.text, "planned peak"));
    size_t least = least_of(n, &plain);
    if ((double)least > n->least * (double)plain.bytes)
        fail_msg("%s: %zu bytes at least, of %zu", n->name, least, plain.bytes);
    int64_t before = 0;
    for (int i = 0; i <= 3; i++) { /* from nothing computed again to as much as there is */
        size_t limit = plain.bytes - (size_t)((double)(plain.bytes - least) * i / 3);
        if (i == 3) limit = least;
        expect_ok(train(n, limit, &other));
        assert_true(other.bytes <= limit);
        int64_t repeated = repeated_in(other.text);
        assert_true(i == 0 ? repeated == 0 : repeated > 0 && repeated >= before);
        before = repeated;
        expect_same(n->name, &plain, &other);
        cj_text_free(other.text);
    }
    cj_text_free(plain.text);
}

static void test_same_bits_in_less(void **state)
{
    (void)state;
    for (int i = 0; i < NETWORKS; i++) {
        network n = networks(i);
        check_network(&n);
    }
}

/* --- a fit --------------------------------------------------------------------------------------------- */

static cj_value forward(cj_scope s, cj_value x, void *context)
{
    (void)context;
    return perceptron(s, x);
}

static cj_verdict stop_at(const cj_progress *p, void *context)
{
    return p->updates == *(const int64_t *)context ? CJ_INTERRUPT : CJ_GO_ON;
}

static void fit(size_t memory, const char *folder, int64_t stop, cj_status wanted, char digest[65])
{
    cj_model *model;
    cj_dataset *data;
    cj_tensor x = {pixels, CJ_F32, cj_shape(512, 32)}, y = {tokens, CJ_I32, cj_shape(512)};
    expect_ok(cj_dataset_from_tensors(&data, &x, &y));
    expect_ok(cj_model_new(&model, .seed = 2));
    cj_fit_options o = {.size = sizeof o,
                        .model = model,
                        .forward = forward,
                        .dataset = data,
                        .batch_size = 128,
                        .epochs = 3,
                        .optimizer = cj_adam(.learning_rate = 0.01),
                        .checkpoints = {.every_steps = 1},
                        .seed = 9,
                        .folder = folder,
                        .resume = folder != NULL,
                        .memory = memory};
    o.callbacks[3] = (cj_callback){stop_at, &stop};
    expect_status((cj_fit)(&o, NULL), wanted);
    cj_model_digest(model, digest);
    cj_model_free(model);
    cj_dataset_free(data);
}

/* Stopped in mid-epoch and resumed within less memory, a run ends as it would have without a limit. */
static void test_fit_resumed(void **state)
{
    (void)state;
    char whole[65], parts[65];
    char *folder = cj_test_new_folder();
    fit(0, NULL, -1, CJ_OK, whole);
    fit(560000, folder, 5, CJ_INTERRUPTED, parts);
    fit(500000, folder, -1, CJ_OK, parts);
    assert_string_equal(whole, parts);
    fit(1000, NULL, -1, CJ_UNSUPPORTED, parts);
    expect_message("memory: 1000 bytes are too few");
    cj_test_remove_folder(folder);
}

/* --- recipes ------------------------------------------------------------------------------------------- */

static void expect_bytes(const char *text, size_t bytes)
{
    cj_recipe *recipe;
    char *folder = cj_test_new_folder(), setting[64];
    const char *path = cj_test_path(folder, "a.yaml"), *settings[] = {setting};
    cj_test_write_file(path, "model: [dense: 10]\n", 19);
    snprintf(setting, sizeof setting, "training.memory=%s", text);
    cj_status status = cj_recipe_read(&recipe, path, 1, settings);
    if (status == CJ_UNSUPPORTED) {
        cj_test_remove_folder(folder);
        skip_because("this build reads no recipes");
    }
    if (bytes == SIZE_MAX) {
        expect_status(status, CJ_INVALID_ARGUMENT);
        expect_message("must be a number of bytes: 2GB, 512MB, 1.5GiB (B, kB, MB, GB, KiB, MiB or GiB)");
    } else {
        expect_ok(status);
        assert_true(cj_recipe_fit_options(recipe).memory == bytes);
        cj_recipe_free(recipe);
    }
    cj_test_remove_folder(folder);
}

static void test_units(void **state)
{
    (void)state;
    expect_bytes("", 0);
    expect_bytes("2GB", 2000000000);
    expect_bytes("1.5 GiB", 1610612736);
    expect_bytes("64kB", 64000);
    expect_bytes("512", 512);
    expect_bytes("2 gb", 2000000000);
    expect_bytes("5M", 5000000);
    expect_bytes("1KIB", 1024);
    const char *bad[] = {"0", "-1GB", "2 zb", "GB", "nan", "1e30GB", "2GB of it", "inf"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect_bytes(bad[i], SIZE_MAX);
}

/* --- failing allocations ------------------------------------------------------------------------------- */

static cj_status compile_within(void *context)
{
    cj_model *model = NULL;
    cj_graph *graph = NULL;
    cj_program *program = NULL;
    cj_status status = cj_model_new(&model, .seed = 2);
    if (status == CJ_OK)
        status = cj_graph_new(&graph, model, .mode = CJ_TRAINING, .memory = *(const size_t *)context);
    if (status == CJ_OK) {
        cj_value h = cj_input(graph, "x", CJ_F32, cj_shape(64, 4)),
                 y = cj_input(graph, "y", CJ_I32, cj_shape(64));
        for (int i = 0; i < 2; i++) h = cj_gelu(cj_dense(cj_at(cj_root(graph), "%d", i), h, .units = 4));
        cj_value loss = cj_cross_entropy(h, y);
        cj_minimize(loss, cj_sgd(.learning_rate = 1e-2));
        cj_output(graph, "loss", loss);
        status = cj_compile(&program, graph);
    }
    cj_program_free(program);
    cj_graph_free(graph);
    cj_model_free(model);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    size_t limit = 1, usual, least;
    expect_status(compile_within(&limit), CJ_UNSUPPORTED);
    assert_int_equal(
        sscanf(strstr(cj_error_message(), "a run takes"), "a run takes %zu, and %zu", &usual, &least), 2);
    assert_true(least < usual);
    cj_test_allocator_install();
    cj_test_every_allocation_fails(compile_within, &least);
    cj_test_allocator_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bits_in_less),
                                       cmocka_unit_test(test_fit_resumed), cmocka_unit_test(test_units)};
    const struct CMUnitTest alone[] = {cmocka_unit_test(test_allocations)};
    fill();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("allocations", alone, NULL, NULL);
}
