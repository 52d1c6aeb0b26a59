/* GPT and Llama by the numbers of their originals: weights load by name from PyTorch's files, GPT-2's
 * transposed ones and llama2.c's, and give the logits, gradients and ten training steps that PyTorch has
 * (tests/fixtures/language.py), and the logits and every gradient of the transformers package. Files that
 * lie are told. */
#include "stored.h"

#include "cajal/cajal.h"

#include <math.h>
#include <string.h>

#define FIXTURE(name) CJ_TEST_FIXTURE("language/" name)

enum { ROWS = 3, BLOCK = 10, VOCABULARY = 13, LOGITS = ROWS * BLOCK * VOCABULARY };

static cj_tensor_file *values;

static void expect_near(const char *name, const float *found, double tolerance)
{
    cj_test_expect_near(values, name, "", found, tolerance);
}

/* --- drawing ------------------------------------------------------------------------------------------- */

typedef cj_value (*language)(cj_scope s, cj_value tokens);

static cj_value gpt(cj_scope s, cj_value tokens, bool exact)
{
    return cj_gpt(s, &(cj_gpt_options){.size = sizeof(cj_gpt_options),
                                       .input = {.tokens = tokens},
                                       .vocabulary = VOCABULARY,
                                       .block = BLOCK,
                                       .layers = 2,
                                       .heads = 4,
                                       .width = 16,
                                       .exact_gelu = exact});
}

static cj_value nano_gpt(cj_scope s, cj_value tokens)
{
    return gpt(s, tokens, true);
}

static cj_value gpt2(cj_scope s, cj_value tokens)
{
    return gpt(s, tokens, false);
}

static cj_value llama(cj_scope s, cj_value tokens)
{
    return cj_llama(s, &(cj_llama_options){.size = sizeof(cj_llama_options),
                                           .input = {.tokens = tokens},
                                           .vocabulary = VOCABULARY,
                                           .block = BLOCK,
                                           .layers = 2,
                                           .heads = 4,
                                           .kv_heads = 2,
                                           .width = 16,
                                           .hidden = 24,
                                           .own_head = true});
}

static cj_value forward(cj_scope s, cj_value x, void *context)
{
    return (*(language *)context)(s, x);
}

/* The network with the weights of a file; whether this build can read it. */
static bool loaded(cj_model **model, language draw, const cj_weights *weights)
{
    cj_graph *graph;
    expect_ok(cj_model_new(model, .seed = 1));
    expect_ok(cj_graph_new(&graph, *model));
    forward(cj_root(graph), cj_input(graph, "x", CJ_I32, cj_shape(ROWS, BLOCK)), &draw);
    expect_ok(cj_graph_status(graph));
    cj_graph_free(graph);
    cj_status status = cj_load_weights(*model, weights, NULL);
    if (status == CJ_UNSUPPORTED) return cj_model_free(*model), false;
    expect_ok(status);
    return true;
}

static void run_logits(cj_model *model, language draw, float *logits)
{
    cj_graph *graph;
    cj_program *program;
    expect_ok(cj_graph_new(&graph, model));
    cj_output(graph, "logits", draw(cj_root(graph), cj_input(graph, "x", CJ_I32, cj_shape(ROWS, BLOCK))));
    expect_ok(cj_compile(&program, graph));
    expect_ok(cj_program_run(program, .inputs = {cj_test_tensor(values, "x")}, .outputs = {logits}));
    cj_program_free(program);
    cj_graph_free(graph);
}

static void check_logits(const char *name, language draw, const cj_weights *weights)
{
    cj_model *model;
    static float logits[LOGITS];
    if (!loaded(&model, draw, weights)) skip_because("this build reads no %s", weights->from);
    run_logits(model, draw, logits);
    expect_near(name, logits, 1e-5);
    cj_model_free(model);
}

/* --- against PyTorch ----------------------------------------------------------------------------------- */

static void nano_gpt_loads_by_name(void **state)
{
    (void)state;
    check_logits("gpt", nano_gpt, &(cj_weights){.size = sizeof(cj_weights), .from = FIXTURE("gpt.pt")});
}

static void gpt2_loads_transposed(void **state)
{
    (void)state;
    const char *transpose[] = {"*.c_attn.weight", "*.c_fc.weight", "*.c_proj.weight"};
    cj_weight_rename map[] = {{"", "transformer."}};
    check_logits("gpt2", gpt2,
                 &(cj_weights){.size = sizeof(cj_weights),
                               .from = FIXTURE("gpt2.safetensors"),
                               .map = map,
                               .map_count = 1,
                               .transpose = transpose,
                               .transpose_count = 3});
}

/* The same by a recipe, as a user writes it. */
static void gpt2_by_recipe(void **state)
{
    (void)state;
    static const char yaml[] =
        "model: {name: gpt, classes: 13, block: 10, layers: 2, heads: 4, width: 16}\n"
        "weights: {from: '" FIXTURE(
            "gpt2.safetensors") "', map: {'': 'transformer.'},\n"
                                "  transpose: ['*.c_attn.weight', '*.c_fc.weight', '*.c_proj.weight']}\n";
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "gpt2.yaml");
    cj_recipe *recipe = NULL;
    cj_model *model = NULL;
    static float logits[LOGITS];
    cj_test_write_file(path, yaml, strlen(yaml));
    cj_status status = cj_recipe_read(&recipe, path, 0, NULL);
    if (status == CJ_UNSUPPORTED) {
        cj_test_remove_folder(folder);
        skip_because("this build reads no recipes");
    }
    expect_ok(status);
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_draw_network_of(model, cj_recipe_forward, recipe, CJ_I32, cj_shape(1, 1)));
    status = cj_load_weights(model, cj_recipe_weights(recipe), NULL);
    if (status == CJ_OK) {
        run_logits(model, gpt2, logits);
        expect_near("gpt2", logits, 1e-5);
    }
    cj_model_free(model);
    cj_recipe_free(recipe);
    cj_test_remove_folder(folder);
    if (status == CJ_UNSUPPORTED) skip_because("this build reads no safetensors");
    expect_ok(status);
}

static void llama_loads_by_name(void **state)
{
    (void)state;
    check_logits("llama", llama,
                 &(cj_weights){.size = sizeof(cj_weights), .from = FIXTURE("llama.safetensors")});
}

static void llama2c_loads_by_name(void **state)
{
    (void)state;
    check_logits("llama", llama, &(cj_weights){.size = sizeof(cj_weights), .from = FIXTURE("llama.bin")});
}

/* Up to 8 of the weights. `kept_as`: what stands before a weight's name in the fixture. */
static void check_gradients_of(cj_model *model, language draw, const char *kept_as, const char *const *names,
                               int count)
{
    cj_graph *graph;
    cj_program *program;
    cj_value weights[8], gradients[8];
    static float found[8][1024];
    expect_ok(cj_graph_new(&graph, model));
    cj_value x = cj_input(graph, "x", CJ_I32, cj_shape(ROWS, BLOCK));
    cj_value y = cj_input(graph, "y", CJ_I32, cj_shape(ROWS, BLOCK));
    cj_value loss = cj_cross_entropy(draw(cj_root(graph), x), y);
    for (int i = 0; i < count; i++)
        weights[i] =
            cj_parameter(cj_root(graph), names[i], cj_model_find(model, names[i]).shape, (cj_init){0});
    cj_gradients(loss, count, weights, gradients);
    cj_run_options run = {.size = sizeof run,
                          .inputs = {cj_test_tensor(values, "x"), cj_test_tensor(values, "y")}};
    for (int i = 0; i < count; i++) {
        cj_output(graph, names[i], gradients[i]);
        run.outputs[i] = found[i];
    }
    expect_ok(cj_compile(&run.program, graph));
    program = run.program;
    expect_ok((cj_program_run)(&run));
    for (int i = 0; i < count; i++) {
        char name[200];
        snprintf(name, sizeof name, "%s.%s", kept_as, names[i]);
        expect_near(name, found[i], 1e-4);
    }
    cj_program_free(program);
    cj_graph_free(graph);
}

static void check_gradients(language draw, const char *file, const char *const *names, int count)
{
    cj_model *model;
    if (!loaded(&model, draw, &(cj_weights){.size = sizeof(cj_weights), .from = file}))
        skip_because("this build reads no %s", file);
    check_gradients_of(model, draw, "gradient", names, count);
    cj_model_free(model);
}

static void gradients_of_gpt(void **state)
{
    (void)state;
    const char *names[] = {"transformer.wte.weight", "transformer.wpe.weight",
                           "transformer.h.0.attn.c_attn.weight", "transformer.h.1.mlp.c_fc.bias",
                           "transformer.ln_f.weight"};
    check_gradients(nano_gpt, FIXTURE("gpt.pt"), names, 5);
}

static void gradients_of_llama(void **state)
{
    (void)state;
    const char *names[] = {"model.embed_tokens.weight", "model.layers.0.self_attn.k_proj.weight",
                           "model.layers.1.mlp.gate_proj.weight", "model.norm.weight"};
    check_gradients(llama, FIXTURE("llama.bin"), names, 4);
}

static void ten_steps_of_training(void **state)
{
    (void)state;
    cj_model *model;
    cj_graph *graph;
    cj_program *program;
    float losses[10];
    if (!loaded(&model, nano_gpt, &(cj_weights){.size = sizeof(cj_weights), .from = FIXTURE("gpt.pt")}))
        skip_because("this build reads no .pt");
    expect_ok(cj_graph_new(&graph, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(graph, "x", CJ_I32, cj_shape(ROWS, BLOCK));
    cj_value y = cj_input(graph, "y", CJ_I32, cj_shape(ROWS, BLOCK));
    cj_value loss = cj_cross_entropy(nano_gpt(cj_root(graph), x), y);
    cj_minimize(
        loss, cj_adamw(.learning_rate = 1e-2, .beta2 = 0.99, .weight_decay = 0.1, .clip_norm = 1,
                       .groups = {{"*.bias", .no_weight_decay = true}, {"*.ln_*", .no_weight_decay = true}}));
    cj_output(graph, "loss", loss);
    expect_ok(cj_compile(&program, graph));
    for (int i = 0; i < 10; i++)
        expect_ok(cj_program_run(program,
                                 .inputs = {cj_test_tensor(values, "x"), cj_test_tensor(values, "y")},
                                 .outputs = {&losses[i]}));
    expect_near("losses", losses, 1e-4);
    cj_program_free(program);
    cj_graph_free(graph);
    cj_model_free(model);
}

/* --- against the transformers package (tests/fixtures/transformers_package.py) ------------------------- */

static cj_value llama_of_the_package(cj_scope s, cj_value tokens)
{
    return cj_llama(s, &(cj_llama_options){.size = sizeof(cj_llama_options),
                                           .input = {.tokens = tokens},
                                           .vocabulary = VOCABULARY,
                                           .block = BLOCK,
                                           .layers = 2,
                                           .heads = 4,
                                           .kv_heads = 2,
                                           .width = 16,
                                           .hidden = 24,
                                           .theta = 500000,
                                           .epsilon = 1e-6,
                                           .own_head = true});
}

/* The fixture has a gradient of every parameter, and of nothing else. */
static void check_every_gradient(cj_model *model, language draw, const char *name, int wanted)
{
    const char *names[64];
    int count = 0;
    size_t length = strlen(name);
    for (int64_t i = 0; i < cj_tensor_file_count(values); i++) {
        const char *key = cj_tensor_file_name(values, i);
        if (strncmp(key, name, length) == 0 && key[length] == '.') names[count++] = key + length + 1;
    }
    assert_int_equal(count, wanted);
    for (int i = 0; i < count; i += 8)
        check_gradients_of(model, draw, name, names + i, count - i < 8 ? count - i : 8);
}

static void check_package(const char *name, language draw, const cj_weights *weights, int parameters)
{
    cj_model *model;
    static float logits[LOGITS];
    if (!loaded(&model, draw, weights)) skip_because("this build reads no %s", weights->from);
    run_logits(model, draw, logits);
    expect_near(name, logits, 1e-5);
    check_every_gradient(model, draw, name, parameters);
    cj_model_free(model);
}

static void gpt2_of_the_package(void **state)
{
    (void)state;
    const char *transpose[] = {"*.c_attn.weight", "*.c_fc.weight", "*.c_proj.weight"};
    check_package("gpt2", gpt2,
                  &(cj_weights){.size = sizeof(cj_weights),
                                .from = FIXTURE("transformers-gpt2.safetensors"),
                                .transpose = transpose,
                                .transpose_count = 3},
                  2 * 12 + 4);
}

static void llama_with_its_names(void **state)
{
    (void)state;
    check_package(
        "llama", llama_of_the_package,
        &(cj_weights){.size = sizeof(cj_weights), .from = FIXTURE("transformers-llama.safetensors")},
        2 * 9 + 3);
}

/* --- what does not fit --------------------------------------------------------------------------------- */

static cj_value uneven_heads(cj_scope s, cj_value tokens)
{
    return cj_gpt(s, &(cj_gpt_options){.size = sizeof(cj_gpt_options),
                                       .input = {.tokens = tokens},
                                       .vocabulary = VOCABULARY,
                                       .block = BLOCK,
                                       .layers = 2,
                                       .heads = 3,
                                       .width = 16});
}

static void sizes_that_do_not_fit(void **state)
{
    (void)state;
    cj_test_expect_drawing_error(nano_gpt, CJ_F32, cj_shape(ROWS, BLOCK),
                                 "gpt reads tokens, i32 [N,T], not f32");
    cj_test_expect_drawing_error(llama, CJ_I32, cj_shape(ROWS, BLOCK + 1),
                                 "llama: 11 tokens are more than its block");
    cj_test_expect_drawing_error(uneven_heads, CJ_I32, cj_shape(ROWS, BLOCK),
                                 "the width a multiple of the heads");
}

static void expect_bad_file(const void *data, size_t size, const char *message)
{
    cj_tensor_file *file;
    expect_status(cj_tensor_file_open_memory(&file, data, size, "llama.bin"), CJ_FORMAT_ERROR);
    expect_message(message);
}

/* A file of llama2.c that was cut short, one that goes on, and sizes that would overflow. */
static void damaged_llama2c(void **state)
{
    (void)state;
    size_t size;
    cj_tensor_file *file;
    char *data = cj_test_read_file(FIXTURE("llama.bin"), &size);
    char *longer = malloc(size + 4);
    memcpy(longer, data, size);
    expect_bad_file(longer, size - 4,
                    "a checkpoint of llama2.c, as which it begins: 2 layers, width 16, vocabulary 13");
    expect_bad_file(longer, size + 4, "of a checkpoint of llama2.c");
    expect_bad_file(longer, 28, "of a checkpoint of llama2.c");
    const int32_t huge[] = {1 << 20, 1 << 20, 1 << 12, 1 << 10, 1 << 10, 1 << 20, 1 << 20};
    expect_bad_file(huge, sizeof huge, "of a checkpoint of llama2.c");
    const int32_t odd[] = {16, 24, 2, 4, 3, 13, 10}; /* 4 heads do not share 3: no such file */
    assert_true(cj_tensor_file_open_memory(&file, odd, sizeof odd, "odd.bin") != CJ_OK);
    free(longer);
    free(data);
}

static cj_status load_llama2c(void *context)
{
    (void)context;
    cj_tensor_file *file = NULL;
    cj_tensor tensor;
    cj_status status = cj_tensor_file_open(&file, FIXTURE("llama.bin"));
    for (int64_t i = 0; status == CJ_OK && i < cj_tensor_file_count(file); i++)
        status = cj_tensor_file_tensor(file, i, &tensor);
    cj_tensor_file_close(file);
    return status;
}

static void every_allocation_fails(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_test_every_allocation_fails(load_llama2c, NULL);
    cj_test_allocator_remove();
}

static int begin(void **state)
{
    (void)state;
    expect_ok(cj_tensor_file_open(&values, FIXTURE("values.npz")));
    return 0;
}

static int begin_package(void **state)
{
    (void)state;
    expect_ok(cj_tensor_file_open(&values, FIXTURE("transformers.npz")));
    return 0;
}

static int end(void **state)
{
    (void)state;
    cj_tensor_file_close(values);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nano_gpt_loads_by_name), cmocka_unit_test(gpt2_loads_transposed),
        cmocka_unit_test(gpt2_by_recipe),         cmocka_unit_test(llama_loads_by_name),
        cmocka_unit_test(llama2c_loads_by_name),  cmocka_unit_test(gradients_of_gpt),
        cmocka_unit_test(gradients_of_llama),     cmocka_unit_test(ten_steps_of_training),
        cmocka_unit_test(sizes_that_do_not_fit),  cmocka_unit_test(damaged_llama2c),
    };
    const struct CMUnitTest package[] = {
        cmocka_unit_test(gpt2_of_the_package),
        cmocka_unit_test(llama_with_its_names),
    };
    const struct CMUnitTest alone[] = {cmocka_unit_test(every_allocation_fails)};
    int failed = cmocka_run_group_tests(tests, begin, end);
    failed += cmocka_run_group_tests_name("transformers", package, begin_package, end);
    return failed + cmocka_run_group_tests_name("allocations", alone, NULL, NULL);
}
