/* NumPy's arrays: every type, order and layout as NumPy writes them, round trips with NumPy's own reading,
 * and files that lie: headers, zip directories, compressed data, checksums; every allocation failing in turn.
 */
#include "stored.h"

#include "cajal/cajal.h"
#include "io/zip.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *folder;

/* --- as NumPy writes ----------------------------------------------------------------------------------- */

static void check_arrays(const char *path)
{
    static const struct {
        const char *name;
        cj_dtype dtype;
        double first, step;
    } expected[] = {{"f2", CJ_F32, -1.5, 0.5},    {"f4", CJ_F32, -1.5, 0.5}, {"f8", CJ_F64, -1.5, 0.5},
                    {"i1", CJ_I32, -128, 1},      {"i2", CJ_I32, -32768, 1}, {"i4", CJ_I32, -3, 1},
                    {"i8", CJ_I64, -0x1p40, 1},   {"u1", CJ_U8, 250, 1},     {"u2", CJ_I32, 65530, 1},
                    {"u4", CJ_I64, 0x1p32 - 6, 1}};
    static const char *const endings[] = {"", "_big", "_fortran", "_big_fortran"};
    cj_tensor_file *file;
    char name[64];
    expect_ok(cj_tensor_file_open(&file, path));
    assert_int_equal(cj_tensor_file_count(file), 45);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        for (int e = 0; e < 4; e++) {
            snprintf(name, sizeof name, "%s%s", expected[i].name, endings[e]);
            cj_tensor t = cj_test_tensor(file, name);
            assert_int_equal(t.dtype, expected[i].dtype);
            assert_true(cj_shape_equal(t.shape, cj_shape(2, 3)));
            for (int64_t j = 0; j < 6; j++)
                assert_true(cj_test_element(&t, j) == expected[i].first + expected[i].step * (double)j);
        }
    cj_tensor cube = cj_test_tensor(file, "cube_fortran"), scalar = cj_test_tensor(file, "scalar");
    assert_true(cj_shape_equal(cube.shape, cj_shape(2, 3, 4)));
    for (int64_t j = 0; j < 24; j++) assert_true(cj_test_element(&cube, j) == (double)j);
    assert_int_equal(scalar.shape.rank, 0);
    assert_true(cj_test_element(&scalar, 0) == 7.5);
    assert_true(cj_shape_equal(cj_test_tensor(file, "empty").shape, cj_shape(0, 3)));
    cj_tensor truth = cj_test_tensor(file, "bool");
    assert_int_equal(truth.dtype, CJ_BOOL);
    assert_memory_equal(truth.data, "\1\0\1\0\0\1", 6);
    assert_null(cj_tensor_file_metadata(file, "sha256"));
    cj_tensor_file_close(file);
}

static void reads_stored_arrays(void **state)
{
    (void)state;
    check_arrays(CJ_TEST_FIXTURE("numpy/stored.npz"));
}

static void reads_deflated_arrays(void **state)
{
    (void)state;
#ifdef CJ_HAVE_ZLIB
    check_arrays(CJ_TEST_FIXTURE("numpy/deflated.npz"));
#else
    cj_tensor_file *file;
    expect_status(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("numpy/deflated.npz")), CJ_UNSUPPORTED);
    expect_message("this build has no zlib");
#endif
}

static void reads_each_version(void **state)
{
    (void)state;
    for (int version = 1; version <= 3; version++) {
        cj_tensor_file *file;
        char path[512];
        snprintf(path, sizeof path, CJ_TEST_FIXTURE("numpy/version-%d.npy"), version);
        expect_ok(cj_tensor_file_open(&file, path));
        assert_int_equal(cj_tensor_file_count(file), 1);
        cj_tensor t = cj_test_tensor(file, "arr_0");
        for (int64_t j = 0; j < 6; j++) assert_true(cj_test_element(&t, j) == (double)j);
        cj_tensor_file_close(file);
    }
}

static void unsupported_types_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"text", "tensor text: element type <U2"},
                                           {"complex", "element type <c8"},
                                           {"u8", "element type <u8"},
                                           {"record", "element type [('a', '<f4'), ('b', '<i2', (2,))]"}};
    cj_tensor_file *file;
    cj_tensor t;
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("numpy/unsupported.npz")));
    assert_true(cj_test_element(&(cj_tensor){.data = cj_test_tensor(file, "fine").data}, 1) == 1);
    for (size_t i = 0; i < 4; i++) {
        expect_status(cj_tensor_file_tensor(file, cj_tensor_file_find(file, cases[i][0]), &t),
                      CJ_UNSUPPORTED);
        expect_message(cases[i][1]);
    }
    cj_tensor_file_close(file);
    expect_status(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("numpy/bzip2.npz")), CJ_UNSUPPORTED);
    expect_message("bzip2.npz: row.npy: compressed by method 12");
}

static void reads_streamed_archives(void **state)
{
    (void)state;
#ifdef CJ_HAVE_ZLIB
    cj_tensor_file *file;
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("numpy/streamed.npz")));
    assert_int_equal(cj_tensor_file_count(file), 1);
    assert_true(cj_test_element(&(cj_tensor){.data = cj_test_tensor(file, "row").data, .dtype = CJ_I32}, 4) ==
                4);
    cj_tensor_file_close(file);
#endif
}

/* --- round trips --------------------------------------------------------------------------------------- */

enum { KINDS = 8 };
static cj_named_tensor kinds[KINDS];
static float floats[30000];

static void make_kinds(void)
{
    static double doubles[] = {1.0 / 3, -INFINITY, 5e-324};
    static int32_t ints[] = {INT32_MIN, -1, INT32_MAX, 0};
    static int64_t longs[] = {INT64_MIN, INT64_MAX};
    static uint8_t bytes[] = {0, 127, 255}, truths[] = {1, 0, 1};
    static float one[] = {42};
    for (int i = 0; i < 30000; i++) floats[i] = (float)(i % 251) / 7;
    kinds[0] = (cj_named_tensor){"floats", {floats, CJ_F32, cj_shape(100, 300)}};
    kinds[1] = (cj_named_tensor){"doubles", {doubles, CJ_F64, cj_shape(3, 1)}};
    kinds[2] = (cj_named_tensor){"ints", {ints, CJ_I32, cj_shape(2, 2)}};
    kinds[3] = (cj_named_tensor){"longs", {longs, CJ_I64, cj_shape(2)}};
    kinds[4] = (cj_named_tensor){"a/b\xc3\xb6", {bytes, CJ_U8, cj_shape(1, 3)}};
    kinds[5] = (cj_named_tensor){"truths", {truths, CJ_BOOL, cj_shape(3)}};
    kinds[6] = (cj_named_tensor){"scalar", {one, CJ_F32, {0}}};
    kinds[7] = (cj_named_tensor){"empty", {NULL, CJ_F32, cj_shape(2, 0, 3)}};
}

static void check_kinds(cj_tensor_file *file)
{
    assert_int_equal(cj_tensor_file_count(file), KINDS);
    for (int i = 0; i < KINDS; i++) {
        cj_tensor t = cj_test_tensor(file, kinds[i].name), *wanted = &kinds[i].tensor;
        assert_string_equal(cj_tensor_file_name(file, i), kinds[i].name);
        assert_int_equal(t.dtype, wanted->dtype);
        assert_true(cj_shape_equal(t.shape, wanted->shape));
        if (wanted->data) assert_memory_equal(t.data, wanted->data, cj_tensor_bytes(wanted));
    }
}

static void archives_read_back(void **state)
{
    (void)state;
    const char *path = cj_test_path(folder, "kinds.npz");
    for (int compress = 0; compress < 2; compress++) {
        cj_tensor_file *file;
        cj_status status = cj_save_npz(path, .tensors = kinds, .count = KINDS, .compress = compress);
#ifndef CJ_HAVE_ZLIB
        if (compress) {
            assert_int_equal(status, CJ_UNSUPPORTED);
            expect_message("this build has no zlib");
            continue;
        }
#endif
        expect_ok(status);
        size_t size;
        free(cj_test_read_file(path, &size));
        if (compress) assert_true(size < 60000);
        expect_ok(cj_tensor_file_open(&file, path));
        check_kinds(file);
        cj_tensor_file_close(file);
    }
}

static void files_read_back(void **state)
{
    (void)state;
    const char *path = cj_test_path(folder, "kind.npy");
    for (int i = 0; i < KINDS; i++) {
        cj_tensor_file *file;
        const cj_tensor *wanted = &kinds[i].tensor;
        expect_ok(cj_save_npy(path, wanted));
        expect_ok(cj_tensor_file_open(&file, path));
        cj_tensor t = cj_test_tensor(file, "arr_0");
        assert_true(t.dtype == wanted->dtype && cj_shape_equal(t.shape, wanted->shape));
        if (wanted->data) assert_memory_equal(t.data, wanted->data, cj_tensor_bytes(wanted));
        cj_tensor_file_close(file);
    }
}

/* Python's zipfile checks every checksum, numpy every header. */
static void numpy_reads_them(void **state)
{
    (void)state;
    static const char script[] =
        "import sys\n"
        "try:\n    import numpy as np\nexcept ImportError:\n    sys.exit(77)\n"
        "import zipfile\n"
        "for path in sys.argv[1:]:\n"
        "    assert zipfile.ZipFile(path).testzip() is None\n"
        "    z = np.load(path)\n"
        "    assert len(z.files) == 8, z.files\n"
        "    assert z['floats'].shape == (100, 300) and z['floats'].dtype == np.float32\n"
        "    assert (z['floats'].ravel() == (np.arange(30000) % 251).astype('f4') / np.float32(7)).all()\n"
        "    assert z['doubles'][2, 0] == 5e-324 and z['longs'][0] == -2**63 and z['ints'][1, 0] == 2**31 - "
        "1\n"
        "    assert z['a/b\\u00f6'].tolist() == [[0, 127, 255]] and z['truths'].tolist() == [True, False, "
        "True]\n"
        "    assert z['scalar'].shape == () and z['scalar'] == 42 and z['empty'].shape == (2, 0, 3)\n";
    const char *stored = cj_test_path(folder, "stored.npz"), *packed = cj_test_path(folder, "packed.npz");
    const char *python = getenv("CAJAL_PYTHON"),
               *debian = "/usr/bin/python3"; /* to which scripts/setup gives NumPy */
    if (!python) python = access(debian, X_OK) == 0 ? debian : "python3";
    expect_ok(cj_save_npz(stored, .tensors = kinds, .count = KINDS));
#ifdef CJ_HAVE_ZLIB
    expect_ok(cj_save_npz(packed, .tensors = kinds, .count = KINDS, .compress = true));
#else
    packed = stored;
#endif
    if (system("command -v python3 >/dev/null 2>&1") != 0 && !getenv("CAJAL_PYTHON"))
        skip_because("there is no python3");
    cj_test_result r = cj_test_run((const char *const[]){python, "-c", script, stored, packed, NULL}, NULL);
    int code = r.exit_code;
    if (code != 77 && code != 0) print_message("%s", r.errors);
    cj_test_result_free(&r);
    if (code == 77) skip_because("%s has no numpy", python);
    assert_int_equal(code, 0);
}

static void refuses_to_write_nonsense(void **state)
{
    (void)state;
    uint16_t half = 0;
    const char *path = cj_test_path(folder, "no.npz");
    cj_named_tensor two[] = {kinds[0], kinds[0]};
    expect_status(cj_save_npy(path, &(cj_tensor){&half, CJ_BF16, cj_shape(1)}), CJ_UNSUPPORTED);
    expect_message("NumPy has no bf16; cast it to f32");
    expect_status(cj_save_npy(path, &(cj_tensor){NULL, CJ_F32, cj_shape(1)}), CJ_INVALID_ARGUMENT);
    expect_status(cj_save_npz(path, .tensors = two, .count = 2), CJ_INVALID_ARGUMENT);
    expect_message("two arrays are named floats");
    two[1].name = "";
    expect_status(cj_save_npz(path, .tensors = two, .count = 2), CJ_INVALID_ARGUMENT);
    expect_status(cj_save_npz("/nowhere/x.npz", .tensors = kinds, .count = 1), CJ_NOT_FOUND);
    expect_status(cj_save_npz(path, .count = -1), CJ_INVALID_ARGUMENT);
    cj_tensor_file *file;
    expect_ok(cj_save_npz(path, .count = 0));
    expect_ok(cj_tensor_file_open(&file, path)); /* an archive without members */
    assert_int_equal(cj_tensor_file_count(file), 0);
    cj_tensor_file_close(file);
}

/* --- damaged and hostile ------------------------------------------------------------------------------- */

/* Opens and reads all of the bytes given. */
static cj_status read_all(const void *data, size_t size)
{
    cj_tensor_file *file;
    cj_tensor t;
    void *exact = malloc(size ? size : 1); /* so that sanitizers see a read past the end */
    assert_non_null(exact);
    memcpy(exact, data, size);
    cj_status status = cj_tensor_file_open_memory(&file, exact, size, "hostile");
    for (int64_t i = 0; status == CJ_OK && i < cj_tensor_file_count(file); i++)
        status = cj_tensor_file_tensor(file, i, &t);
    cj_tensor_file_close(file);
    free(exact);
    return status;
}

static size_t npy(unsigned char *out, const char *header, size_t elements)
{
    size_t length = strlen(header);
    memcpy(out, "\x93NUMPY\1\0", 8);
    out[8] = (unsigned char)(length & 255);
    out[9] = (unsigned char)(length >> 8);
    memcpy(out + 10, header, length);
    memset(out + 10 + length, 0, elements);
    return 10 + length + elements;
}

#define D(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"

static void hostile_headers_get_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t elements;
        const char *message;
    } cases[] = {
        {"", 0,
         "hostile: byte 0 of the header: found the end of the header, expected '{': a Python dictionary"},
        {"[1, 2]", 0, "byte 0 of the header: found '[', expected '{'"},
        {"{}", 0, "expected descr, fortran_order and shape before the '}'"},
        {"{'descr'", 0, "expected ':'"},
        {"{'descr", 0, "expected the closing quote"},
        {"{'descr': '<f4', 'descr': '<f4'}", 0, "descr, fortran_order and shape, each once"},
        {"{'kind': '<f4'}", 0,
         "byte 1 of the header: found ''', expected descr, fortran_order and shape, each once"},
        {"{'descr': 4}", 0, "found '4', expected a text in quotes"},
        {"{'descr': [('a', '<f4'}", 0, "expected ']'"},
        {"{'descr': '<f\\x34'}", 0, "expected the closing quote"},
        {D("'<f4'", "0", "(1,)"), 4, "found '0', expected True or False"},
        {D("'<f4'", "False", "[1]"), 4, "found '[', expected '(' and dimensions"},
        {D("'<f4'", "False", "(-1,)"), 4, "found '-', expected a dimension"},
        {D("'<f4'", "False", "(1.5,)"), 4, "found '.', expected ',' or ')'"},
        {D("'<f4'", "False", "(1,"), 4, "expected a dimension"},
        {D("'<f4'", "False", "(9223372036854775807,)"), 4, "expected dimensions that fit in memory"},
        {D("'<f4'", "False", "(18446744073709551617,)"), 4, "expected dimensions that fit in memory"},
        {D("'<f4'", "False", "(4294967296, 4294967296)"), 4, "expected a shape that fits in memory"},
        {D("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), 4, "expected at most 8 dimensions"},
        {D("'<f4'", "False", "(70368744177664,)"), 4,
         "found 4 bytes of elements, expected 281474976710656 for F32 [70368744177664]: the file was cut "
         "short"},
        {D("'<f4'", "False", "(2,)"), 4, "found 4 bytes of elements, expected 8 for F32 [2]"},
        {D("'<f4'", "False", "(1,)"), 5, "found 5 bytes of elements, expected 4"},
        {D("'<f4'", "False", "(1,)") " x", 4, "found 'x', expected nothing after the '}'"},
        {D("'<f4'", "False", "(1,)") "\1", 4, "found 0x01, expected nothing after the '}'"},
        {D("'O'", "False", "(1,)"), 8, "element type O has no counterpart here"},
        {D("'<f16'", "False", "(1,)"), 16, "element type <f16 has no counterpart here"},
        {D("''", "False", "(1,)"), 4, "has no counterpart here"},
    };
    static unsigned char data[4096];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cj_status status = read_all(data, npy(data, cases[i].header, cases[i].elements));
        assert_true(status == CJ_FORMAT_ERROR || status == CJ_UNSUPPORTED);
        expect_message(cases[i].message);
    }
    /* what is unusual but well formed */
    expect_ok(read_all(data, npy(data, "{\"shape\":(3L,4L),'fortran_order':True , 'descr':'>f4'}  \n", 48)));
    expect_ok(read_all(data, npy(data, D("'f4'", "False", "()"), 4)));
    expect_status(read_all("\x93NUMPY\4\0..", 10), CJ_UNSUPPORTED);
    expect_message("found version 4 of the format, expected 1, 2 or 3");
    expect_status(read_all("\x93NUMPY\2\0\xff\xff\xff\x7f", 12), CJ_FORMAT_ERROR);
    expect_message("found a header of 2147483647 bytes");
    expect_status(read_all("\x93NUMPY\1", 7), CJ_FORMAT_ERROR);
}

static void booleans_are_0_or_1(void **state)
{
    (void)state;
    unsigned char data[256];
    size_t size = npy(data, D("'|b1'", "False", "(3,)"), 3);
    data[size - 1] = 2;
    expect_status(read_all(data, size), CJ_FORMAT_ERROR);
    expect_message("hostile: tensor arr_0: element 2: found 2, expected 0 or 1");
}

/* Every prefix of an archive, and the archive with each byte changed in several ways: an error or, where it
 * does not matter, the right elements; never a wrong one, which the checksums see to. */
static void damage(const char *path)
{
    static const unsigned char flips[] = {0x01, 0x80, 0xff};
    size_t size;
    cj_tensor_file *file;
    unsigned char *data = (unsigned char *)cj_test_read_file(path, &size);
    int survived = 0;
    for (size_t i = 0; i < size; i++) assert_int_not_equal(read_all(data, i), CJ_OK);
    for (size_t i = 0; i < size; i++)
        for (size_t f = 0; f < sizeof flips; f++) {
            data[i] ^= flips[f];
            if (cj_tensor_file_open_memory(&file, data, size, "damaged") == CJ_OK) {
                for (int64_t t = 0; t < cj_tensor_file_count(file); t++) {
                    cj_tensor read;
                    if (cj_tensor_file_tensor(file, t, &read) != CJ_OK) continue;
                    assert_int_equal(read.dtype, CJ_I32);
                    for (int64_t e = 0; e < 4; e++)
                        assert_int_equal(cj_test_element(&read, e), cj_test_element(&kinds[2].tensor, e));
                    survived++;
                }
                cj_tensor_file_close(file);
            }
            data[i] ^= flips[f];
        }
    assert_true(survived < (int)size * 2);
    free(data);
}

static void damaged_archives_are_noticed(void **state)
{
    (void)state;
    const char *path = cj_test_path(folder, "damaged.npz");
    expect_ok(cj_save_npz(path, .tensors = &kinds[2], .count = 1));
    damage(path);
#ifdef CJ_HAVE_ZLIB
    expect_ok(cj_save_npz(path, .tensors = &kinds[2], .count = 1, .compress = true));
    damage(path);
#endif
}

/* The archive of two arrays with some bytes of its directory's entry number `entry` replaced. */
static cj_status forge(int entry, size_t offset, const void *bytes, size_t count)
{
    size_t size;
    const char *path = cj_test_path(folder, "forged.npz");
    expect_ok(cj_save_npz(path, .tensors = kinds + 2, .count = 2));
    unsigned char *data = (unsigned char *)cj_test_read_file(path, &size), *at = NULL;
    for (size_t i = 0; i + 4 < size && entry >= 0; i++)
        if (memcmp(data + i, "PK\1\2", 4) == 0 && entry-- == 0) at = data + i;
    assert_non_null(at);
    memcpy(at + offset, bytes, count);
    cj_status status = read_all(data, size);
    free(data);
    return status;
}

static void hostile_directories_get_a_sentence(void **state)
{
    (void)state;
    enum { NAME = 46, SECOND = NAME + 9 + 4 }; /* longs.npy, the head of the extra field */
    expect_ok(forge(1, NAME, "longs", 5));
    expect_status(forge(1, NAME, "ints.npy/", 9), CJ_OK); /* no array any more */
    expect_status(forge(1, 8, "\1", 1), CJ_UNSUPPORTED);
    expect_message("hostile: longs.npy: encrypted");
    expect_status(forge(1, 16, "\1\2\3\4", 4), CJ_FORMAT_ERROR);
    expect_message("hostile: tensor longs: damaged: found CRC-32 ");
    expect_status(forge(1, SECOND, "\xff\xff\xff\xff\xff\xff\xff\x7f", 8), CJ_FORMAT_ERROR);
    expect_message("said to be 9223372036854775807 unpacked, which is impossible");
    expect_status(forge(1, SECOND + 8, "\xff\xff\xff\xff\xff\xff\xff\xff", 8), CJ_FORMAT_ERROR);
    expect_message("found 18446744073709551615 bytes at byte");
    expect_status(forge(1, SECOND + 16, "\xff\xff\xff\xff\xff\xff\xff\xff", 8), CJ_FORMAT_ERROR);
    expect_message("expected its header before the directory");
    expect_status(forge(1, SECOND + 16, "\0\0\0\0\0\0\0\0", 8), CJ_FORMAT_ERROR);
    expect_message("members of the zip archive overlap");
    expect_status(forge(1, SECOND + 16, "\1\0\0\0\0\0\0\0", 8), CJ_FORMAT_ERROR);
    expect_message("byte 1 of the zip archive: expected its header");
    expect_status(forge(1, SECOND - 4, "\2", 1), CJ_FORMAT_ERROR);
    expect_message("found no sizes in 64 bits");
}

/* --- data sets ----------------------------------------------------------------------------------------- */

static void archives_become_datasets(void **state)
{
    (void)state;
    cj_dataset *training, *validation, *test;
#ifdef CJ_HAVE_ZLIB
    expect_ok(cj_dataset_read_npz(CJ_TEST_FIXTURE("numpy/bright.npz"), &training, &validation, &test));
    assert_int_equal(cj_dataset_count(training), 64);
    assert_int_equal(cj_dataset_count(validation), 12);
    assert_int_equal(cj_dataset_count(test), 10);
    cj_tensor x = cj_dataset_x(test), y = cj_dataset_y(test);
    assert_true(x.dtype == CJ_U8 && cj_shape_equal(x.shape, cj_shape(10, 2, 3)));
    assert_true(y.dtype == CJ_I32 && cj_shape_equal(y.shape, cj_shape(10)));
    for (int i = 0; i < 10; i++)
        assert_int_equal(((const uint8_t *)x.data)[6 * i] > 128, ((const int32_t *)y.data)[i]);
    cj_dataset_free(training);
    cj_dataset_free(validation);
    cj_dataset_free(test);
#endif
    expect_ok(cj_dataset_read_npz(CJ_TEST_FIXTURE("numpy/keras.npz"), &training, &validation, &test));
    assert_true(cj_dataset_x(training).dtype == CJ_F32 && cj_dataset_y(training).dtype == CJ_I32);
    assert_null(validation);
    assert_null(test);
    cj_dataset_free(training);
}

/* Saves `count` arrays and expects that they make no dataset. */
static void refuse_dataset(const cj_named_tensor *tensors, int64_t count, const char *sentence)
{
    cj_dataset *training, *validation, *test;
    const char *path = cj_test_path(folder, "refused.npz");
    expect_ok(cj_save_npz(path, .tensors = tensors, .count = count));
    expect_status(cj_dataset_read_npz(path, &training, &validation, &test), CJ_FORMAT_ERROR);
    assert_true(!training && !validation && !test);
    expect_message("refused.npz: ");
    expect_message(sentence);
}

static void bad_datasets_get_a_sentence(void **state)
{
    (void)state;
    static float pixels[24];
    static int64_t labels[] = {0, 1, 2, -1, 1LL << 40, 5};
    cj_named_tensor x = {"x", {pixels, CJ_F32, cj_shape(3, 2)}}, y = {"y", {labels, CJ_I64, cj_shape(3)}};
    cj_named_tensor other = {"other", {pixels, CJ_F32, cj_shape(3)}};
    refuse_dataset(&other, 1, "found no examples, expected arrays named train_images");
    refuse_dataset(&x, 1, "found x without y");
    refuse_dataset(&y, 1, "found y without x");
    y.tensor.shape = cj_shape(4);
    refuse_dataset((cj_named_tensor[]){x, y}, 2, "found 3 rows of x and 4 of y");
    y.tensor.shape = cj_shape(3, 2);
    refuse_dataset((cj_named_tensor[]){x, y}, 2, "y: found labels of shape [3,2], expected one a row");
    y.tensor = (cj_tensor){labels + 2, CJ_I64, cj_shape(3)};
    refuse_dataset((cj_named_tensor[]){x, y}, 2, "y: row 1: found the label -1, expected a class from 0 on");
    y.tensor = (cj_tensor){labels + 4, CJ_I64, cj_shape(1, 1)};
    x.tensor.shape = cj_shape(1, 6);
    refuse_dataset((cj_named_tensor[]){x, y}, 2, "found the label 1099511627776");
    y.tensor.shape = (cj_shape_t){0};
    refuse_dataset((cj_named_tensor[]){x, y}, 2, "y: found a scalar, expected rows");
    cj_named_tensor parts[] = {{"x_train", {pixels, CJ_F32, cj_shape(3, 2)}},
                               {"y_train", {labels, CJ_I64, cj_shape(3)}},
                               {"x_test", {pixels, CJ_F32, cj_shape(2, 3)}},
                               {"y_test", {labels, CJ_I64, cj_shape(2)}}};
    refuse_dataset(parts, 4,
                   "found test examples of f32 [2,3] with labels of i32, expected f32 [2,2] with i32");
}

static cj_status read_dataset(void *context)
{
    cj_dataset *training, *validation, *test;
    cj_status status = cj_dataset_read_npz(context, &training, &validation, &test);
    cj_dataset_free(training);
    cj_dataset_free(validation);
    cj_dataset_free(test);
    return status;
}

static void datasets_run_out_of_memory(void **state)
{
    (void)state;
    cj_test_every_allocation_fails(read_dataset, (char[]){CJ_TEST_FIXTURE("numpy/keras.npz")});
#ifdef CJ_HAVE_ZLIB
    cj_test_every_allocation_fails(read_dataset, (char[]){CJ_TEST_FIXTURE("numpy/bright.npz")});
#endif
}

/* A recipe on chest X-rays, as they are to be had: better than saying pneumonia of everyone. */
static void a_recipe_trains_on_an_archive(void **state)
{
    (void)state;
#if !defined(CJ_HAVE_ZLIB) || !defined(CJ_HAVE_YAML)
    skip_because("this build has no zlib or no libyaml");
#else
    if (!cj_test_data("pneumoniamnist.npz")) skip_because("CAJAL_DATA has no pneumoniamnist.npz");
    cj_test_result r = cj_test_cajal("train", CJ_TEST_SOURCE "/recipes/pneumonia-mlp.yaml", "--output",
                                     cj_test_path(folder, "run"), "--quiet", "--json");
    if (r.exit_code != 0) fail_msg("%s", r.errors);
    const char *test = strstr(r.output, "\"test\": "),
               *accuracy = test ? strstr(test, "\"accuracy\": ") : NULL;
    assert_non_null(accuracy);
    assert_true(atof(accuracy + 12) > 390.0 / 624 + 0.1);
    cj_test_result_free(&r);
    r = cj_test_cajal("evaluate", cj_test_path(folder, "run"), "--json");
    assert_non_null(strstr(r.output, "624"));
    cj_test_result_free(&r);
#endif
}

/* --- out of memory ------------------------------------------------------------------------------------- */

static cj_status write_and_read(void *context)
{
    const char *path = context;
    cj_tensor_file *file = NULL;
    cj_tensor t;
#ifdef CJ_HAVE_ZLIB
    bool compress = true;
#else
    bool compress = false;
#endif
    cj_status status = cj_save_npz(path, .tensors = kinds, .count = KINDS, .compress = compress);
    if (status == CJ_OK) status = cj_tensor_file_open(&file, path);
    for (int64_t i = 0; i < KINDS && status == CJ_OK; i++) status = cj_tensor_file_tensor(file, i, &t);
    cj_tensor_file_close(file);
    file = NULL;
    if (status == CJ_OK) status = cj_save_npy(path, &kinds[0].tensor);
    if (status == CJ_OK) status = cj_tensor_file_open(&file, CJ_TEST_FIXTURE("numpy/unsupported.npz"));
    cj_tensor_file_close(file);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static char path[512];
    snprintf(path, sizeof path, "%s/memory.npz", folder);
    cj_test_every_allocation_fails(write_and_read, path);
}

static int begin(void **state)
{
    (void)state;
    folder = cj_test_new_folder();
    make_kinds();
    return 0;
}

static int end(void **state)
{
    (void)state;
    cj_test_remove_folder(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_stored_arrays),
        cmocka_unit_test(reads_deflated_arrays),
        cmocka_unit_test(reads_each_version),
        cmocka_unit_test(unsupported_types_are_named),
        cmocka_unit_test(reads_streamed_archives),
        cmocka_unit_test(archives_read_back),
        cmocka_unit_test(files_read_back),
        cmocka_unit_test(numpy_reads_them),
        cmocka_unit_test(refuses_to_write_nonsense),
        cmocka_unit_test(hostile_headers_get_a_sentence),
        cmocka_unit_test(booleans_are_0_or_1),
        cmocka_unit_test(damaged_archives_are_noticed),
        cmocka_unit_test(hostile_directories_get_a_sentence),
        cmocka_unit_test(archives_become_datasets),
        cmocka_unit_test(bad_datasets_get_a_sentence),
        cmocka_unit_test(a_recipe_trains_on_an_archive),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(datasets_run_out_of_memory),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
