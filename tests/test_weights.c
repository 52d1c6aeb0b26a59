/* Weights of other networks: names mapped and left out, what is missing or clashes told before anything is
 * written, PyTorch's files and runs' folders as sources, recipes that begin with them; allocations failing.
 */
#include "support.h"

#include "cajal/cajal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "0" and "2" as PyTorch's Sequential of tests/fixtures/make_pytorch.py: 4 → 6 → classes. */
static cj_value network(cj_scope s, cj_value x, void *context)
{
    x = cj_relu(cj_dense(cj_at(s, "0"), x, .units = 6));
    return cj_dense(cj_at(s, "2"), x, .units = *(const int64_t *)context);
}

static cj_model *draw(int64_t classes)
{
    cj_model *model;
    expect_ok(cj_model_new(&model, .seed = 5));
    expect_ok(cj_draw_network(model, network, &classes, cj_shape(1, 4)));
    return model;
}

static bool same(const cj_model *a, const cj_model *b, const char *name)
{
    cj_tensor x = cj_model_find(a, name), y = cj_model_find(b, name);
    return x.data && y.data && cj_tensor_bytes(&x) == cj_tensor_bytes(&y) &&
           memcmp(x.data, y.data, cj_tensor_bytes(&x)) == 0;
}

static bool same_as_file(const cj_model *model, const char *name, const char *path, const char *stored)
{
    cj_tensor_file *file;
    cj_tensor t, mine = cj_model_find(model, name);
    expect_ok(cj_tensor_file_open(&file, path));
    expect_ok(cj_tensor_file_tensor(file, cj_tensor_file_find(file, stored), &t));
    bool equal = cj_shape_equal(t.shape, mine.shape) && memcmp(t.data, mine.data, cj_tensor_bytes(&t)) == 0;
    cj_tensor_file_close(file);
    return equal;
}

static const cj_weight_rename strip[] = {{"module.", ""}};
#define CHECKPOINT CJ_TEST_FIXTURE("pytorch/checkpoint.pt")

static void test_from_pytorch(void **state)
{
    (void)state;
    cj_model *model = draw(3);
    cj_weights_report *report;
    cj_weights weights = {.size = sizeof weights, .from = CHECKPOINT, .map = strip, .map_count = 1};
    expect_ok(cj_load_weights(model, &weights, &report));
    assert_int_equal(report->count, 4);
    assert_int_equal(report->counts[CJ_WEIGHT_LOADED], 4);
    assert_true(same_as_file(model, "0.weight", CHECKPOINT, "module.0.weight"));
    assert_true(same_as_file(model, "2.bias", CHECKPOINT, "module.2.bias"));
    cj_weights_report_free(report);
    expect_ok(cj_load_weights(model, &weights, NULL));
    cj_model_free(model);
}

/* Nothing is written unless everything is there. */
static void test_missing(void **state)
{
    (void)state;
    cj_model *model = draw(3), *fresh = draw(3);
    cj_weights_report *report;
    cj_weights weights = {.size = sizeof weights, .from = CHECKPOINT};
    expect_status(cj_load_weights(model, &weights, &report), CJ_INVALID_ARGUMENT);
    expect_message("checkpoint.pt: 4 of the network's weights are not in it: '0.weight', '0.bias'");
    expect_message("4 are in it that the network has not: 'module.0.bias'");
    assert_int_equal(report->counts[CJ_WEIGHT_MISSING], 4);
    assert_int_equal(report->counts[CJ_WEIGHT_UNEXPECTED], 4);
    assert_int_equal(report->weights[0].fate, CJ_WEIGHT_MISSING);
    assert_string_equal(report->weights[0].name, "0.weight");
    assert_true(same(model, fresh, "0.weight"));
    assert_false(report->loaded);
    cj_weights_report_free(report);
    cj_model_free(model);
    cj_model_free(fresh);
}

/* Another number of classes clashes, unless the head is left out: then it begins as by its name and seed. */
static void test_new_head(void **state)
{
    (void)state;
    static const char *const head[] = {"2.*"};
    cj_model *model = draw(7), *fresh = draw(7);
    cj_weights_report *report;
    char *text;
    cj_weights weights = {.size = sizeof weights, .from = CHECKPOINT, .map = strip, .map_count = 1};
    expect_status(cj_load_weights(model, &weights, &report), CJ_INVALID_ARGUMENT);
    expect_message("2 have another shape or type: '2.weight' (f32 [3,6] there, f32 [7,6] here), '2.bias'");
    assert_null(strstr(cj_error_message(), "weights.transpose"));
    expect_ok(cj_weights_text(report, &text));
    assert_non_null(strstr(text, "weights: none loaded, though 2 would fit, from"));
    cj_text_free(text);
    cj_weights_report_free(report);
    assert_true(same(model, fresh, "0.weight"));
    weights.skip = head;
    weights.skip_count = 1;
    expect_ok(cj_load_weights(model, &weights, &report));
    assert_int_equal(report->counts[CJ_WEIGHT_SKIPPED], 2);
    expect_ok(cj_weights_text(report, &text));
    assert_non_null(strstr(text, "weights: 2 loaded from"));
    assert_non_null(strstr(text, "2 left out: '2.weight', '2.bias'"));
    cj_text_free(text);
    cj_weights_report_free(report);
    assert_true(same_as_file(model, "0.weight", CHECKPOINT, "module.0.weight"));
    assert_true(same(model, fresh, "2.weight") && same(model, fresh, "2.bias"));
    cj_model_free(model);
    cj_model_free(fresh);
}

/* --- renaming ------------------------------------------------------------------------------------------ */

static void save(const char *path, int count, const char *const *names, cj_dtype dtype)
{
    static double zeros[64];
    cj_named_tensor list[8];
    for (int i = 0; i < count; i++)
        list[i] = (cj_named_tensor){names[i],
                                    {zeros, dtype, strstr(names[i], "bias") ? cj_shape(6) : cj_shape(6, 4)}};
    expect_ok(cj_save_tensors(path, .tensors = list, .count = count));
}

/* What batch norms of PyTorch count is not told as missing in the network. */
static void test_counters(void **state)
{
    (void)state;
    static const char *const names[] = {"0.weight", "0.bias", "1.num_batches_tracked", "num_batches_tracked",
                                        "1.tracked"};
    static const char *const head[] = {"2.*"};
    char *folder = cj_test_new_folder(), *text;
    const char *path = cj_test_path(folder, "w.safetensors");
    save(path, 5, names, CJ_F32);
    cj_model *model = draw(3);
    cj_weights_report *report;
    cj_weights weights = {.size = sizeof weights, .from = path, .skip = head, .skip_count = 1};
    expect_ok(cj_load_weights(model, &weights, &report));
    expect_ok(cj_weights_text(report, &text));
    assert_non_null(strstr(text, "1 not in the network: '1.tracked'\n"));
    assert_null(strstr(text, "num_batches_tracked"));
    cj_text_free(text);
    cj_weights_report_free(report);
    cj_model_free(model);
    cj_test_remove_folder(folder);
}

/* Matrices the other way round are told apart from those of another network; and patterns that fit nothing,
 * which are misspelt, are not passed over. */
static void test_transposed(void **state)
{
    (void)state;
    static const char *const head[] = {"2.*"}, *const wrong[] = {"0.wieght"}, *const right[] = {"0.weight"},
                             *const vector[] = {"0.bias"};
    static float elements[24];
    for (int i = 0; i < 24; i++) elements[i] = (float)i;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "w.safetensors");
    cj_named_tensor list[] = {{"0.weight", {elements, CJ_F32, cj_shape(4, 6)}},
                              {"0.bias", {elements, CJ_F32, cj_shape(6)}}};
    expect_ok(cj_save_tensors(path, .tensors = list, .count = 2));
    cj_model *model = draw(3);
    cj_weights weights = {.size = sizeof weights, .from = path, .skip = head, .skip_count = 1};
    expect_status(cj_load_weights(model, &weights, NULL), CJ_INVALID_ARGUMENT);
    expect_message("or what lies transposed in the file (weights.transpose)");
    weights.transpose = wrong;
    weights.transpose_count = 1;
    expect_status(cj_load_weights(model, &weights, NULL), CJ_INVALID_ARGUMENT);
    expect_message("weights.transpose: '0.wieght' fits no matrix of the network");
    weights.transpose = vector;
    expect_status(cj_load_weights(model, &weights, NULL), CJ_INVALID_ARGUMENT);
    weights.transpose = right;
    expect_ok(cj_load_weights(model, &weights, NULL));
    assert_true(((const float *)cj_model_find(model, "0.weight").data)[1] == 6);
    weights.skip = (const char *const[]){"2.*", "head.*"};
    weights.skip_count = 2;
    expect_status(cj_load_weights(model, &weights, NULL), CJ_INVALID_ARGUMENT);
    expect_message("weights.skip: 'head.*' fits no weight of the network, nor one of");
    cj_model_free(model);
    cj_test_remove_folder(folder);
}

/* What the file has and the network has not is noticed by who wants to. */
static void test_strict(void **state)
{
    (void)state;
    static const char *const names[] = {"0.weight", "0.bias", "norm.weight", "1.num_batches_tracked"};
    static const char *const head[] = {"2.*"};
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "w.safetensors");
    save(path, 4, names, CJ_F32);
    cj_model *model = draw(3);
    cj_weights weights = {.size = sizeof weights, .from = path, .skip = head, .skip_count = 1};
    expect_ok(cj_load_weights(model, &weights, NULL));
    weights.strict = true;
    expect_status(cj_load_weights(model, &weights, NULL), CJ_INVALID_ARGUMENT);
    expect_message("w.safetensors: 1 are in it that the network has not: 'norm.weight'");
    cj_model_free(model);
    cj_test_remove_folder(folder);
}

static void test_renaming(void **state)
{
    (void)state;
    static const char *const skip[] = {"2.*"};
    static const struct {
        const char *names[2];
        cj_weight_rename map[2];
    } cases[] = {
        {{"weight", "bias"}, {{"", "0."}, {"no such", ""}}},
        {{"a.0.kernel", "a.0.bias"}, {{"a.", ""}, {"*.kernel", "*.weight"}}},
        {{"x.first.weight", "x.first.bias"}, {{"x.first.*", "y.*"}, {"y.", "0."}}},
        {{"net0weight!", "net0bias!"}, {{"net0*!", "0.*"}, {"nothing", "else"}}},
        {{"only.this", "0.bias"},
         {{"only*", "0.weight"}, {"0.bias*more", "*"}}}, /* too short for the second */
    };
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "w.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cj_model *model = draw(3);
        cj_weights weights = {.size = sizeof weights,
                              .from = path,
                              .map = cases[i].map,
                              .map_count = 2,
                              .skip = skip,
                              .skip_count = 1};
        save(path, 2, cases[i].names, CJ_F32);
        expect_ok(cj_load_weights(model, &weights, NULL));
        assert_true(*(const float *)cj_model_find(model, "0.weight").data == 0);
        cj_model_free(model);
    }
    cj_test_remove_folder(folder);
}

static void test_bad_maps(void **state)
{
    (void)state;
    static const char *const names[] = {"a.weight", "b.weight"};
    static const struct {
        cj_weight_rename map;
        const char *message;
    } cases[] = {{{"*.*", "*"}, "'*.*' becomes '*': each side may have one `*`"},
                 {{"a", "*"}, "'a' becomes '*'"},
                 {{"*", "*.*"}, "'*' becomes '*.*'"},
                 {{"*", "0.weight"}, "'a.weight' and 'b.weight' both become '0.weight'"}};
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "w.safetensors");
    cj_model *model = draw(3);
    save(path, 2, names, CJ_F32);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cj_weights weights = {.size = sizeof weights, .from = path, .map = &cases[i].map, .map_count = 1};
        expect_status(cj_load_weights(model, &weights, NULL), CJ_INVALID_ARGUMENT);
        expect_message(cases[i].message);
    }
    cj_model_free(model);
    cj_test_remove_folder(folder);
}

static void test_nothing_given(void **state)
{
    (void)state;
    char path[16];
    cj_tensor_file *file;
    cj_model *model = draw(3);
    cj_weights weights = {.size = sizeof weights};
    expect_status(cj_load_weights(model, &weights, NULL), CJ_INVALID_ARGUMENT);
    expect_message("cj_load_weights needs a file .from, found NULL");
    expect_status(cj_load_weights(model, NULL, NULL), CJ_INVALID_ARGUMENT);
    weights = (cj_weights){.size = sizeof weights, .from = "w", .map_count = 1};
    expect_status(cj_load_weights(NULL, &weights, NULL), CJ_INVALID_ARGUMENT);
    expect_status(cj_load_weights(model, &weights, NULL), CJ_INVALID_ARGUMENT);
    expect_message("a list .map");
    expect_status(cj_model_load(model, NULL), CJ_INVALID_ARGUMENT);
    expect_status(cj_model_load(NULL, "w"), CJ_INVALID_ARGUMENT);
    expect_status(cj_tensor_file_open(&file, NULL), CJ_INVALID_ARGUMENT);
    expect_message("needs a path, found NULL");
    expect_status(cj_data_find(NULL, path, sizeof path), CJ_INVALID_ARGUMENT);
    expect_status(cj_model_freeze(model, NULL, 1), CJ_INVALID_ARGUMENT);
    cj_model_free(model);
}

/* --- types --------------------------------------------------------------------------------------------- */

static void test_types(void **state)
{
    (void)state;
    static const char *const names[] = {"0.weight", "0.bias"}, *const skip[] = {"2.*"};
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "w.safetensors");
    cj_weights weights = {.size = sizeof weights, .from = path, .skip = skip, .skip_count = 1};
    static const cj_dtype floats[] = {CJ_F32, CJ_BF16, CJ_F64};
    for (int i = 0; i < 3; i++) {
        cj_model *model = draw(3);
        save(path, 2, names, floats[i]);
        expect_ok(cj_load_weights(model, &weights, NULL));
        assert_true(((const float *)cj_model_find(model, "0.weight").data)[23] == 0);
        cj_model_free(model);
    }
    cj_model *model = draw(3);
    save(path, 2, names, CJ_I32);
    expect_status(cj_load_weights(model, &weights, NULL), CJ_INVALID_ARGUMENT);
    expect_message("'0.weight' (i32 [6,4] there, f32 [6,4] here)");
    cj_model_free(model);

    double exact[24];
    uint16_t bf16[6] = {0x3f80, 0xc000, 0x3eab, 0, 0x8000, 0x7f80}; /* 1, -2, 0.3339844, 0, -0, inf */
    for (int i = 0; i < 24; i++) exact[i] = i / 3.0;
    cj_named_tensor list[] = {{"0.weight", {exact, CJ_F64, cj_shape(6, 4)}},
                              {"0.bias", {bf16, CJ_BF16, cj_shape(6)}}};
    model = draw(3);
    expect_ok(cj_save_tensors(path, .tensors = list, .count = 2));
    expect_ok(cj_load_weights(model, &weights, NULL));
    const float *w = cj_model_find(model, "0.weight").data, *b = cj_model_find(model, "0.bias").data;
    for (int i = 0; i < 24; i++) assert_true(w[i] == (float)exact[i]);
    assert_true(b[0] == 1 && b[1] == -2 && b[2] == 0.333984375F && b[5] > 1e38F);
    cj_model_free(model);
    cj_test_remove_folder(folder);
}

/* --- folders ------------------------------------------------------------------------------------------- */

static void test_folders(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    cj_model *one = draw(3), *other;
    cj_weights weights = {.size = sizeof weights, .from = folder};
    int64_t classes = 3;
    expect_ok(cj_model_new(&other, .seed = 99));
    expect_ok(cj_draw_network(other, network, &classes, cj_shape(1, 4)));
    assert_false(same(one, other, "0.weight"));
    expect_status(cj_load_weights(other, &weights, NULL), CJ_NOT_FOUND);
    expect_message("the folder has no model.safetensors: the run is not finished, or an ensemble");
    expect_ok(cj_model_save(one, cj_test_path(folder, "model.safetensors"), NULL));
    expect_ok(cj_load_weights(other, &weights, NULL));
    assert_true(same(one, other, "0.weight") && same(one, other, "2.bias"));
    weights.from = cj_test_path(folder, "nothing.pt");
    expect_status(cj_load_weights(other, &weights, NULL), CJ_NOT_FOUND);
    expect_message("nothing.pt was not found");
    cj_model_free(one);
    cj_model_free(other);
    cj_test_remove_folder(folder);
}

/* --- memory -------------------------------------------------------------------------------------------- */

static cj_status load_once(void *context)
{
    cj_model *model;
    int64_t classes = 7;
    static const char *const head[] = {"2.*"};
    const cj_weights *weights = context;
    cj_weights copy = *weights;
    cj_weights_report *report = NULL;
    char *text = NULL;
    copy.skip = head;
    copy.skip_count = 1;
    cj_status status = cj_model_new(&model, .seed = 5);
    if (status == CJ_OK) status = cj_draw_network(model, network, &classes, cj_shape(1, 4));
    if (status == CJ_OK) status = cj_load_weights(model, &copy, &report);
    if (status == CJ_OK) status = cj_weights_text(report, &text);
    cj_text_free(text);
    cj_weights_report_free(report);
    cj_model_free(model);
    return status;
}

static cj_status refuse_once(void *context)
{
    cj_model *model;
    int64_t classes = 7;
    cj_weights_report *report = NULL;
    cj_status status = cj_model_new(&model, .seed = 5);
    if (status == CJ_OK) status = cj_draw_network(model, network, &classes, cj_shape(1, 4));
    if (status == CJ_OK) status = cj_load_weights(model, context, &report);
    cj_weights_report_free(report);
    cj_model_free(model);
    return status == CJ_INVALID_ARGUMENT ? CJ_OK : status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    cj_weights weights = {.size = sizeof weights, .from = CHECKPOINT, .map = strip, .map_count = 1};
    cj_test_allocator_install();
    cj_test_every_allocation_fails(load_once, &weights);
    cj_test_every_allocation_fails(refuse_once, &weights);
    cj_test_allocator_remove();
}

/* --- in the wild --------------------------------------------------------------------------------------- */

/* The dense layers of a small network for MNIST; its convolutions have no place here. */
static cj_value dense_part(cj_scope s, cj_value x, void *context)
{
    (void)context;
    x = cj_relu(cj_dense(cj_at(s, "fc1"), x, .units = 32));
    return cj_dense(cj_at(s, "fc2"), x, .units = 10);
}

static void test_mnist_burn(void **state)
{
    (void)state;
    const char *path = cj_test_data("weights/mnist-burn.safetensors");
    if (!path) skip_because("CAJAL_DATA has no weights/mnist-burn.safetensors");
    cj_tensor_file *file;
    cj_tensor t;
    expect_ok(cj_tensor_file_open(&file, path));
    expect_ok(cj_tensor_file_describe(file, cj_tensor_file_find(file, "fc1.weight"), &t));
    cj_tensor_file_close(file);
    cj_model *model;
    cj_weights_report *report;
    cj_weights weights = {.size = sizeof weights, .from = "weights/mnist-burn.safetensors"};
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_draw_network(model, dense_part, NULL, cj_shape(1, t.shape.dims[1])));
    expect_ok(cj_load_weights(model, &weights, &report));
    assert_int_equal(report->counts[CJ_WEIGHT_LOADED], 4);
    assert_true(report->counts[CJ_WEIGHT_UNEXPECTED] >= 6); /* the convolutions, the norms' counters, … */
    assert_true(same_as_file(model, "fc1.weight", path, "fc1.weight"));
    cj_weights_report_free(report);
    cj_model_free(model);
}

static cj_value resnet20(cj_scope s, cj_value x, void *context)
{
    (void)context;
    return cj_network(s, "resnet20_cifar",
                      &(cj_network_options){.size = sizeof(cj_network_options), .input = x});
}

/* The network as its author published it gives PyTorch's logits: tests/fixtures/resnet20.py prints them. */
static void test_resnet20(void **state)
{
    (void)state;
    static const float expected[2][10] = {{1.417457F, 25.030319F, -0.969948F, -2.304241F, -12.674448F,
                                           -4.686583F, -4.290927F, -14.803608F, -4.992515F, 18.311676F},
                                          {2.065631F, 25.511818F, -2.290530F, -2.141462F, -12.941724F,
                                           -4.609568F, -4.942575F, -15.310051F, -4.986588F, 19.684778F}};
    if (!cj_test_data("weights/resnet20-12fca82f.th"))
        skip_because("CAJAL_DATA has no weights/resnet20-12fca82f.th");
    static float x[2 * 32 * 32 * 3];
    float logits[2][10];
    for (int i = 0; i < 2 * 32 * 32 * 3; i++) x[i] = (float)(i * 7919 % 1009) / 504.5F - 1;
    cj_model *model;
    cj_graph *graph;
    cj_program *program;
    cj_weights_report *report;
    cj_weights weights = {
        .size = sizeof weights, .from = "weights/resnet20-12fca82f.th", .map = strip, .map_count = 1};
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_draw_network(model, resnet20, NULL, cj_shape(2, 32, 32, 3)));
    expect_ok(cj_load_weights(model, &weights, &report));
    assert_int_equal(report->counts[CJ_WEIGHT_LOADED], 97);
    assert_int_equal(report->count, 97);
    cj_weights_report_free(report);
    expect_ok(cj_graph_new(&graph, model, .mode = CJ_INFERENCE));
    cj_value input = cj_input(graph, "x", CJ_F32, cj_shape(2, 32, 32, 3));
    cj_output(graph, "logits", resnet20(cj_root(graph), input, NULL));
    expect_ok(cj_compile(&program, graph));
    expect_ok(cj_program_run(program, .inputs = {{x, CJ_F32, cj_shape(2, 32, 32, 3)}}, .outputs = {logits}));
    for (int i = 0; i < 20; i++)
        if (!(fabsf(logits[i / 10][i % 10] - expected[i / 10][i % 10]) < 1e-4F))
            fail_msg("logit %d is %.6f, PyTorch's %.6f", i, (double)logits[i / 10][i % 10],
                     (double)expected[i / 10][i % 10]);
    cj_program_free(program);
    cj_graph_free(graph);
    cj_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_pytorch),  cmocka_unit_test(test_missing),
        cmocka_unit_test(test_new_head),      cmocka_unit_test(test_renaming),
        cmocka_unit_test(test_counters),      cmocka_unit_test(test_bad_maps),
        cmocka_unit_test(test_transposed),    cmocka_unit_test(test_strict),
        cmocka_unit_test(test_nothing_given), cmocka_unit_test(test_types),
        cmocka_unit_test(test_folders),       cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_mnist_burn),    cmocka_unit_test(test_resnet20),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
