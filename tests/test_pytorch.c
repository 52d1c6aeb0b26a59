/* PyTorch's own files: every type and layout as torch.save writes them, by each protocol, as archive and as
 * stream; what is no tensor refused by name and never run; files that lie; every allocation failing in turn.
 */
#include "stored.h"

#include "base/sha256.h"
#include "cajal/cajal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIE(name) CJ_TEST_SOURCE "/fuzz/corpus/pytorch/" name

static void expect_elements(cj_tensor_file *file, const char *name, cj_dtype dtype, cj_shape_t shape,
                            const double *expected)
{
    cj_tensor t = cj_test_tensor(file, name);
    assert_int_equal(t.dtype, dtype);
    assert_true(cj_shape_equal(t.shape, shape));
    for (int64_t i = 0; i < cj_shape_count(shape); i++)
        if (cj_test_element(&t, i) != expected[i])
            fail_msg("%s[%lld] is %g, not %g", name, (long long)i, cj_test_element(&t, i), expected[i]);
}

/* --- as torch.save writes ------------------------------------------------------------------------------ */

static void check_types(cj_tensor_file *file)
{
    static const double halves[] = {-1, -0.5, 0, 0.5, 1, 1.5}, wholes[] = {-2, -1, 0, 1, 2, 3},
                        bytes[] = {250, 251, 252, 253, 254, 255}, truths[] = {1, 0, 1, 0, 0, 1};
    cj_shape_t shape = cj_shape(2, 3);
    expect_elements(file, "float32", CJ_F32, shape, halves);
    expect_elements(file, "float64", CJ_F64, shape, halves);
    expect_elements(file, "float16", CJ_F32, shape, halves);
    expect_elements(file, "bfloat16", CJ_BF16, shape, halves);
    expect_elements(file, "int64", CJ_I64, shape, wholes);
    expect_elements(file, "int32", CJ_I32, shape, wholes);
    expect_elements(file, "int16", CJ_I32, shape, wholes);
    expect_elements(file, "int8", CJ_I32, shape, wholes);
    expect_elements(file, "uint8", CJ_U8, cj_shape(6), bytes);
    expect_elements(file, "bool", CJ_BOOL, shape, truths);
    expect_elements(file, "scalar", CJ_F32, cj_scalar_shape(), (const double[]){7.5});
    expect_elements(file, "parameter", CJ_F32, cj_shape(3), halves);
    expect_elements(file, "buffer", CJ_F32, cj_shape(3), (const double[]){1, 1, 1});
    expect_elements(file, "tied.0", CJ_F32, shape, halves);
    expect_elements(file, "tied.1", CJ_F32, shape, halves);
    assert_true(cj_shape_equal(cj_test_tensor(file, "empty").shape, cj_shape(0, 3)));
}

static void check_views(cj_tensor_file *file)
{
    double transposed[24];
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 6; b++) transposed[6 * a + b] = 4 * b + a;
    expect_elements(file, "transposed", CJ_F32, cj_shape(4, 2, 3), transposed);
    expect_elements(file, "tail", CJ_F32, cj_shape(4), (const double[]){20, 21, 22, 23});
    expect_elements(file, "every_fifth", CJ_F32, cj_shape(5), (const double[]){1, 6, 11, 16, 21});
    expect_elements(file, "expanded", CJ_F32, cj_shape(2, 3), (const double[]){1, 1, 1, 2, 2, 2});
}

static void test_types_and_views(void **state)
{
    (void)state;
    static const char *const names[] = {"zip.pt",     "zip-3.pt",    "zip-4.pt",    "zip-5.pt",
                                        "legacy.pth", "legacy-3.pt", "legacy-4.pt", "legacy-5.pt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cj_tensor_file *file;
        char path[512];
        snprintf(path, sizeof path, CJ_TEST_FIXTURE("pytorch/%s"), names[i]);
        expect_ok(cj_tensor_file_open(&file, path));
        assert_int_equal(cj_tensor_file_count(file), 20);
        assert_string_equal(cj_tensor_file_name(file, 0), "float32");
        check_types(file);
        check_views(file);
        cj_tensor_file_close(file);
    }
}

/* Views of one storage in any order, each read again. */
static void test_shared_storages(void **state)
{
    (void)state;
    cj_tensor_file *file;
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("pytorch/zip.pt")));
    for (int i = 0; i < 2; i++) {
        float tail[4], expanded[6], fifth[5];
        expect_ok(cj_tensor_file_read(file, cj_tensor_file_find(file, "tail"), tail));
        expect_ok(cj_tensor_file_read(file, cj_tensor_file_find(file, "expanded"), expanded));
        expect_ok(cj_tensor_file_read(file, cj_tensor_file_find(file, "every_fifth"), fifth));
        assert_true(tail[3] == 23 && expanded[5] == 2 && fifth[4] == 21);
    }
    cj_tensor_file_close(file);
}

static void test_other_roots(void **state)
{
    (void)state;
    static const double halves[] = {-1, -0.5, 0, 0.5};
    cj_tensor_file *file;
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("pytorch/one.pt")));
    expect_elements(file, "tensor", CJ_F32, cj_shape(2, 2), halves);
    cj_tensor_file_close(file);
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("pytorch/list.pt")));
    assert_int_equal(cj_tensor_file_count(file), 3);
    expect_elements(file, "0", CJ_F32, cj_shape(2), halves);
    expect_elements(file, "1.a", CJ_I64, cj_shape(1), (const double[]){-2});
    expect_elements(file, "1.3.0", CJ_F32, cj_shape(1), halves);
    cj_tensor_file_close(file);
}

static void test_checkpoint(void **state)
{
    (void)state;
    cj_tensor_file *file;
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("pytorch/checkpoint.pt")));
    assert_int_equal(cj_tensor_file_count(file), 4); /* of the optimizer none */
    assert_true(cj_shape_equal(cj_test_tensor(file, "module.0.weight").shape, cj_shape(6, 4)));
    assert_string_equal(cj_tensor_file_metadata(file, "epoch"), "12");
    assert_string_equal(cj_tensor_file_metadata(file, "best"), "91.5");
    assert_string_equal(cj_tensor_file_metadata(file, "arch"), "mlp");
    assert_string_equal(cj_tensor_file_metadata(file, "done"), "true");
    assert_null(cj_tensor_file_metadata(file, "optimizer"));
    cj_tensor_file_close(file);
}

static void test_big_endian(void **state)
{
    (void)state;
    cj_tensor_file *file;
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("pytorch/big-endian.pt")));
    expect_elements(file, "float32", CJ_F32, cj_shape(2, 3), (const double[]){-1, -0.5, 0, 0.5, 1, 1.5});
    expect_elements(file, "int16", CJ_I32, cj_shape(3), (const double[]){-2, -1, 0});
    cj_tensor_file_close(file);
}

static void test_deflated_and_without_checksums(void **state)
{
    (void)state;
    cj_tensor_file *file;
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("pytorch/no-checksum.pt")));
    expect_elements(file, "a", CJ_F32, cj_shape(2), (const double[]){-1, -0.5});
    cj_tensor_file_close(file);
#ifdef CJ_HAVE_ZLIB
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("pytorch/deflated.pt")));
    expect_elements(file, "tensor", CJ_F32, cj_shape(2, 2), (const double[]){-1, -0.5, 0, 0.5});
    cj_tensor_file_close(file);
#else
    expect_status(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("pytorch/deflated.pt")), CJ_UNSUPPORTED);
    expect_message("this build has no zlib");
#endif
}

/* --- what is refused ----------------------------------------------------------------------------------- */

static void expect_refused(const char *path, cj_status wanted, const char *message)
{
    cj_tensor_file *file = (cj_tensor_file *)&file;
    cj_test_expect_status(cj_tensor_file_open(&file, path), wanted, path, __FILE__, __LINE__);
    assert_null(file);
    expect_message(message);
    const char *name = strrchr(path, '/') + 1;
    expect_message(name); /* the sentence names the file */
}

static void test_nothing_is_run(void **state)
{
    (void)state;
    unlink("/tmp/cajal-was-fooled");
    expect_refused(CJ_TEST_FIXTURE("pytorch/command.pt"), CJ_UNSUPPORTED, "refused to use posix.system");
    expect_refused(CJ_TEST_FIXTURE("pytorch/command-4.pt"), CJ_UNSUPPORTED, "refused to use posix.system");
    expect_refused(CJ_TEST_FIXTURE("pytorch/command.pth"), CJ_UNSUPPORTED, "refused to use posix.system");
    assert_int_equal(access("/tmp/cajal-was-fooled", F_OK), -1);
    expect_refused(CJ_TEST_FIXTURE("pytorch/module.pt"), CJ_UNSUPPORTED,
                   "refused to use torch.nn.modules.container.Sequential");
    expect_refused(CJ_TEST_FIXTURE("pytorch/complex.pt"), CJ_UNSUPPORTED,
                   "refused to use torch.ComplexFloatStorage");
    expect_refused(CJ_TEST_FIXTURE("pytorch/sparse.pt"), CJ_UNSUPPORTED,
                   "refused to use torch._utils._rebuild_sparse_tensor");
    expect_refused(CJ_TEST_FIXTURE("pytorch/plain.pkl"), CJ_FORMAT_ERROR,
                   "none of PyTorch's: found a dictionary");
}

static void test_lies(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        cj_status status;
        const char *message;
    } lies[] = {
        {LIE("beyond"), CJ_FORMAT_ERROR, "reaches to element 4 of storage 0, expected it within 4 elements"},
        {LIE("negative-stride"), CJ_FORMAT_ERROR, "found -1 as a stride"},
        {LIE("negative-offset"), CJ_FORMAT_ERROR, "found -1 as the offset of a tensor"},
        {LIE("huge-stride"), CJ_FORMAT_ERROR, "found a tensor [2,2] that reaches to"},
        {LIE("huge-shape"), CJ_FORMAT_ERROR, "found a shape that fits no memory"},
        {LIE("repeated"), CJ_UNSUPPORTED, "[2097152] that repeats the 4 elements"},
        {LIE("rank-9"), CJ_UNSUPPORTED, "found a tensor of 9 dimensions"},
        {LIE("strides-missing"), CJ_FORMAT_ERROR, "expected a stride for each dimension"},
        {LIE("storage-size"), CJ_FORMAT_ERROR, "storage 0: found 16 bytes, expected 20"},
        {LIE("storage-key"), CJ_FORMAT_ERROR, "storage 1: found 0 bytes, expected 16"},
        {LIE("storage-view"), CJ_UNSUPPORTED, "storage 0 is a view of another"},
        {LIE("storage-called"), CJ_UNSUPPORTED, "refused to call torch.FloatStorage"},
        {LIE("huge-count"), CJ_FORMAT_ERROR, "found 4611686018427387904 as the size of a storage"},
        {LIE("no-tensor"), CJ_FORMAT_ERROR, "found a whole number, expected a storage"},
        {LIE("called-twice"), CJ_FORMAT_ERROR, "it calls what is no function"},
        {LIE("memo-empty"), CJ_FORMAT_ERROR, "nothing was put into that place"},
        {LIE("memo-far"), CJ_FORMAT_ERROR, "a place far beyond"},
        {LIE("memo-bomb"), CJ_FORMAT_ERROR, "stand for more names than they could hold"},
        {LIE("cycle"), CJ_FORMAT_ERROR, "stand for more names than they could hold"},
        {LIE("deep"), CJ_FORMAT_ERROR, "more than 32 deep"},
        {LIE("stack-empty"), CJ_FORMAT_ERROR, "nothing left on its stack"},
        {LIE("mark-missing"), CJ_FORMAT_ERROR, "there is no mark"},
        {LIE("mark-left"), CJ_FORMAT_ERROR, "does not end with one value"},
        {LIE("odd-items"), CJ_FORMAT_ERROR, "a key without a value"},
        {LIE("append-to-text"), CJ_FORMAT_ERROR, "adds to what is no list"},
        {LIE("huge-text"), CJ_FORMAT_ERROR, "a text of more than 1 MiB"},
        {LIE("negative-text"), CJ_FORMAT_ERROR, "a text of more than 1 MiB"},
        {LIE("unknown-opcode"), CJ_FORMAT_ERROR, "(opcode 0xfe): no opcode that"},
        {LIE("instance"), CJ_FORMAT_ERROR, "(opcode 0x69): no opcode that"},
        {LIE("protocol-9"), CJ_FORMAT_ERROR, "only protocols 2 to 5"},
        {LIE("long-name"), CJ_FORMAT_ERROR, "a name of more than 255 bytes"},
        {LIE("twice"), CJ_FORMAT_ERROR, "tensor a.b: found twice"},
        {LIE("name-with-zero"), CJ_UNSUPPORTED, "found a tensor under a text"},
        {LIE("tuple-key"), CJ_UNSUPPORTED, "found a tensor under a tuple"},
        {LIE("build-text"), CJ_FORMAT_ERROR, "attributes that are no dictionary"},
        {LIE("unended"), CJ_FORMAT_ERROR, "found the end of the file within a pickle"},
        {LIE("byteorder"), CJ_FORMAT_ERROR, "found 'middle', expected little or big"},
        {LIE("two-pickles"), CJ_FORMAT_ERROR, "found two data.pkl"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        expect_refused(lies[i].path, lies[i].status, lies[i].message);
}

static void test_damaged_elements(void **state)
{
    (void)state;
    cj_tensor_file *file;
    cj_tensor t;
    expect_ok(cj_tensor_file_open(&file, LIE("damaged")));
    expect_status(cj_tensor_file_tensor(file, 0, &t), CJ_FORMAT_ERROR);
    expect_message("tensor tensor: damaged: found CRC-32");
    cj_tensor_file_close(file);
}

/* Cut anywhere, or with any byte another, a file is read or refused; nothing else happens. */
static void test_every_byte(void **state)
{
    (void)state;
    static const char *const paths[] = {LIE("zip-tight"), LIE("legacy-4")};
    for (int p = 0; p < 2; p++) {
        size_t size;
        int opened = 0;
        char *data = cj_test_read_file(paths[p], &size);
        for (size_t i = 0; i < 2 * size; i++) {
            cj_tensor_file *file;
            cj_tensor t;
            char *part = malloc(size); /* exactly sized for the sanitizer's sake */
            size_t kept = i < size ? i : size;
            memcpy(part, data, kept);
            if (i >= size) part[i - size] ^= 0x15;
            char *exact = realloc(part, kept ? kept : 1);
            if (cj_tensor_file_open_memory(&file, exact, kept, "cut") == CJ_OK) {
                for (int64_t k = 0; k < cj_tensor_file_count(file); k++)
                    (void)!cj_tensor_file_tensor(file, k, &t);
                cj_tensor_file_close(file);
                opened += i < size;
            }
            free(exact);
        }
        assert_int_equal(opened, 0); /* none that was cut */
        free(data);
    }
}

/* --- memory -------------------------------------------------------------------------------------------- */

static cj_status read_all(void *path)
{
    cj_tensor_file *file;
    cj_status status = cj_tensor_file_open(&file, path);
    if (status != CJ_OK) return status;
    for (int64_t i = 0; i < cj_tensor_file_count(file) && status == CJ_OK; i++) {
        cj_tensor t;
        status = cj_tensor_file_tensor(file, i, &t);
    }
    cj_tensor_file_close(file);
    return status;
}

static void test_failing_allocations(void **state)
{
    (void)state;
    cj_test_allocator_install();
    cj_test_every_allocation_fails(read_all, CJ_TEST_FIXTURE("pytorch/zip.pt"));
    cj_test_every_allocation_fails(read_all, CJ_TEST_FIXTURE("pytorch/legacy-4.pt"));
    cj_test_every_allocation_fails(read_all, CJ_TEST_FIXTURE("pytorch/checkpoint.pt"));
    cj_test_allocator_remove();
}

/* --- in the wild --------------------------------------------------------------------------------------- */

static void expect_sha256(const cj_tensor *t, const char *expected)
{
    cj__sha256 hash;
    unsigned char digest[32];
    char text[65];
    cj__sha256_begin(&hash);
    cj__sha256_update(&hash, t->data, cj_tensor_bytes(t));
    cj__sha256_end(&hash, digest);
    cj__sha256_hex(digest, text);
    assert_string_equal(text, expected);
}

/* CIFAR's ResNet-20 as its author published it in 2018, by PyTorch 0.4. The hashes are of torch.load's. */
static void test_resnet20(void **state)
{
    (void)state;
    const char *path = cj_test_data("weights/resnet20-12fca82f.th");
    if (!path) skip_because("CAJAL_DATA has no weights/resnet20-12fca82f.th");
    cj_tensor_file *file;
    int64_t numbers = 0;
    expect_ok(cj_tensor_file_open(&file, path));
    assert_int_equal(cj_tensor_file_count(file), 97);
    for (int64_t i = 0; i < 97; i++) {
        cj_tensor t;
        expect_ok(cj_tensor_file_describe(file, i, &t));
        numbers += cj_shape_count(t.shape);
    }
    assert_int_equal(numbers, 271098);
    assert_string_equal(cj_tensor_file_name(file, 0), "module.conv1.weight");
    assert_string_equal(cj_tensor_file_metadata(file, "best_prec1"), "91.78000183105469");
    cj_tensor conv = cj_test_tensor(file, "module.layer3.2.conv2.weight"),
              linear = cj_test_tensor(file, "module.linear.weight");
    assert_true(cj_shape_equal(conv.shape, cj_shape(64, 64, 3, 3)));
    assert_true(cj_shape_equal(linear.shape, cj_shape(10, 64)));
    expect_sha256(&conv, "8f3aaf3fed593ac8fb4ba4bd1b692f9077c9b4f781283e016cae720df7b5e16a");
    expect_sha256(&linear, "a16928bec91464d4dcc913d19d12e0c0ded575af18a3eaf831b11447064c0ac5");
    cj_tensor variance = cj_test_tensor(file, "module.bn1.running_var");
    expect_sha256(&variance, "f9f165a0e7ccb58f2c53568bfd46b5393558083fe646b763dd5ec4022811af48");
    cj_tensor_file_close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_and_views),     cmocka_unit_test(test_shared_storages),
        cmocka_unit_test(test_other_roots),         cmocka_unit_test(test_checkpoint),
        cmocka_unit_test(test_big_endian),          cmocka_unit_test(test_deflated_and_without_checksums),
        cmocka_unit_test(test_nothing_is_run),      cmocka_unit_test(test_lies),
        cmocka_unit_test(test_damaged_elements),    cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_failing_allocations), cmocka_unit_test(test_resnet20),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
