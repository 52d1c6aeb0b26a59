/* Files of tensors: every element type as the reference implementation writes it, round trips, the bytes that
 * are written, the checksum, and headers that lie in every way there is. */
#include "support.h"

#include "base/file.h"
#include "cajal/io.h"
#include "io/safetensors.h"

#include <math.h>
#include <unistd.h>

static cj_tensor tensor_of(cj_tensor_file *file, const char *name)
{
    cj_tensor tensor;
    int64_t index = cj_tensor_file_find(file, name);
    if (index < 0) fail_msg("no tensor named %s", name);
    assert_string_equal(cj_tensor_file_name(file, index), name);
    expect_ok(cj_tensor_file_tensor(file, index, &tensor));
    return tensor;
}

/* Element i, whichever its type. */
static double element(const cj_tensor *tensor, int64_t i)
{
    const char *at = (const char *)tensor->data + i * (int64_t)cj_dtype_size(tensor->dtype);
    switch (tensor->dtype) {
    case CJ_F32:
        return (double)*(const float *)at;
    case CJ_F64:
        return *(const double *)at;
    case CJ_I32:
        return *(const int32_t *)at;
    case CJ_I64:
        return (double)*(const int64_t *)at;
    case CJ_U8:
    case CJ_BOOL:
        return *(const uint8_t *)at;
    case CJ_BF16:
        break;
    }
    uint32_t bits = (uint32_t) * (const uint16_t *)at << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static void reads_every_type(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        cj_dtype dtype;
        double first, last;
    } expected[] = {
        {"f32", CJ_F32, -0.5, 0.75},
        {"bf16", CJ_BF16, -0.5, 0.75},
        {"f64", CJ_F64, 0, 5 / 3.0},
        {"i32", CJ_I32, -3, 2},
        {"i64", CJ_I64, -1099511627776.0, -1099511627771.0},
        {"u8", CJ_U8, 250, 255},
        {"bool", CJ_BOOL, 1, 0},
        {"i8", CJ_I32, -128, -123},
        {"i16", CJ_I32, -32768, -32763},
        {"u16", CJ_I32, 65530, 65535},
        {"u32", CJ_I64, 4294967290.0, 4294967295.0},
    };
    cj_tensor_file *file;
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("safetensors/types.safetensors")));
    assert_int_equal(cj_tensor_file_count(file), 14);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        cj_tensor t = tensor_of(file, expected[i].name);
        assert_int_equal(t.dtype, expected[i].dtype);
        assert_true(cj_shape_equal(t.shape, cj_shape(2, 3)));
        assert_true(element(&t, 0) == expected[i].first);
        assert_true(element(&t, 5) == expected[i].last);
        assert_ptr_equal(tensor_of(file, expected[i].name).data, t.data);
    }
    cj_tensor scalar = tensor_of(file, "scalar"), empty = tensor_of(file, "empty");
    assert_int_equal(scalar.shape.rank, 0);
    assert_true(element(&scalar, 0) == 7.5);
    assert_true(cj_shape_equal(empty.shape, cj_shape(0, 3)));
    tensor_of(file, "gr\xc3\xb6\xc3\x9f"
                    "e \"x\"\n\xf0\x9f\x98\x80");
    assert_string_equal(cj_tensor_file_metadata(file, "note"), "zwei\nZeilen \xc3\xa9");
    assert_null(cj_tensor_file_metadata(file, "other"));
    assert_int_equal(cj_tensor_file_find(file, "other"), -1);
    assert_null(cj_tensor_file_name(file, 14));
    cj_tensor none;
    expect_status(cj_tensor_file_tensor(file, -1, &none), CJ_INVALID_ARGUMENT);
    cj_tensor_file_close(file);
}

static void halves_become_singles(void **state)
{
    (void)state;
    cj_tensor_file *file;
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("safetensors/halves.safetensors")));
    cj_tensor half = tensor_of(file, "half"), single = tensor_of(file, "single");
    assert_int_equal(half.dtype, CJ_F32);
    assert_int_equal(cj_shape_count(half.shape), 630);
    assert_memory_equal(half.data, single.data, cj_tensor_bytes(&single)); /* NaN payloads included */
    cj_tensor_file_close(file);
}

static void unsupported_types_are_named(void **state)
{
    (void)state;
    cj_tensor_file *file;
    cj_tensor tensor;
    expect_ok(cj_tensor_file_open(&file, CJ_TEST_FIXTURE("safetensors/unsupported.safetensors")));
    tensor_of(file, "f32");
    expect_status(cj_tensor_file_tensor(file, cj_tensor_file_find(file, "fp8"), &tensor), CJ_UNSUPPORTED);
    expect_message("unsupported.safetensors: tensor fp8: element type F8_E4M3");
    cj_tensor_file_close(file);
}

/* Weights of a network in the wild, when the data is there. */
static void reads_real_weights(void **state)
{
    (void)state;
    const char *path = cj_test_data("weights/mnist-burn.safetensors");
    if (!path) skip_because("CAJAL_DATA has no weights/mnist-burn.safetensors");
    cj_tensor_file *file;
    expect_ok(cj_tensor_file_open(&file, path));
    cj_tensor weight = tensor_of(file, "fc1.weight");
    assert_true(cj_shape_equal(weight.shape, cj_shape(32, 11616)));
    for (int64_t i = 0; i < cj_shape_count(weight.shape); i++) assert_true(fabs(element(&weight, i)) < 10);
    cj_tensor_file_close(file);
}

/* --- writing ------------------------------------------------------------------------------------------- */

static uint8_t bytes_3[3] = {1, 2, 3};
static float floats_2[2] = {1.5f, -2};
static int64_t long_1[1] = {-7};
static uint16_t bf16_1[1] = {0x3f80};
static const cj_metadata notes[] = {{"epoch", "3"}, {"what", "a \"test\"\n"}};

static cj_status save_some(const char *path, bool no_checksum)
{
    cj_named_tensor list[] = {
        {"bytes", {bytes_3, CJ_U8, cj_shape(3)}}, {"floats", {floats_2, CJ_F32, cj_shape(1, 2)}},
        {"long", {long_1, CJ_I64, {0}}},          {"short", {bf16_1, CJ_BF16, cj_shape(1)}},
        {"none", {NULL, CJ_F32, cj_shape(0, 4)}},
    };
    return cj_save_tensors(path, .tensors = list, .count = 5, .metadata = notes, .metadata_count = 2,
                           .no_checksum = no_checksum);
}

/* Bytes that the reference implementation was seen to read. */
static void writes_known_bytes(void **state)
{
    (void)state;
    static const char header[] = "{\"__metadata__\":{\"epoch\":\"3\",\"what\":\"a \\\"test\\\"\\n\"},"
                                 "\"bytes\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[18,21]},"
                                 "\"floats\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,16]},"
                                 "\"long\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                                 "\"short\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[16,18]},"
                                 "\"none\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[16,16]}}";
    char *folder = cj_test_new_folder();
    size_t size, length = (sizeof header - 1 + 7) / 8 * 8;
    const char *path = cj_test_path(folder, "file");
    expect_ok(save_some(path, true));
    char *data = cj_test_read_file(path, &size);
    assert_int_equal(size, 8 + length + 21);
    assert_int_equal((unsigned char)data[0] | (unsigned char)data[1] << 8, length);
    assert_memory_equal(data + 2, "\0\0\0\0\0\0", 6);
    assert_memory_equal(data + 8, header, sizeof header - 1);
    for (size_t i = 8 + sizeof header - 1; i < 8 + length; i++) assert_int_equal(data[i], ' ');
    assert_memory_equal(data + 8 + length, long_1, 8);
    assert_memory_equal(data + 8 + length + 8, floats_2, 8);
    assert_memory_equal(data + 8 + length + 18, bytes_3, 3);
    free(data);
    cj_test_remove_folder(folder);
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "file");
    for (int no_checksum = 0; no_checksum < 2; no_checksum++) {
        expect_ok(save_some(path, no_checksum));
        cj_tensor_file *file;
        expect_ok(cj_tensor_file_open(&file, path));
        assert_int_equal(cj_tensor_file_count(file), 5);
        assert_string_equal(cj_tensor_file_name(file, 0), "bytes");
        assert_string_equal(cj_tensor_file_name(file, 4), "none");
        assert_memory_equal(tensor_of(file, "bytes").data, bytes_3, 3);
        assert_memory_equal(tensor_of(file, "floats").data, floats_2, 8);
        assert_memory_equal(tensor_of(file, "long").data, long_1, 8);
        assert_memory_equal(tensor_of(file, "short").data, bf16_1, 2);
        tensor_of(file, "none");
        assert_string_equal(cj_tensor_file_metadata(file, "what"), notes[1].value);
        assert_int_equal(cj_tensor_file_metadata(file, "sha256") == NULL, no_checksum);
        float copy[2];
        expect_ok(cj_tensor_file_read(file, 1, copy));
        assert_memory_equal(copy, floats_2, 8);
        cj_tensor_file_close(file);
    }
    expect_ok(cj_save_tensors(path, .count = 0));
    cj_tensor_file *file;
    expect_ok(cj_tensor_file_open(&file, path));
    assert_int_equal(cj_tensor_file_count(file), 0);
    assert_int_equal(cj_tensor_file_find(file, "any"), -1);
    cj_tensor_file_close(file);
    cj_test_remove_folder(folder);
}

static void refuses_to_write_nonsense(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "file");
    cj_named_tensor twice[] = {{"a", {floats_2, CJ_F32, cj_shape(2)}}, {"a", {bytes_3, CJ_U8, cj_shape(3)}}};
    cj_named_tensor reserved[] = {{"__metadata__", {floats_2, CJ_F32, cj_shape(2)}}};
    cj_named_tensor no_data[] = {{"a", {NULL, CJ_F32, cj_shape(2)}}};
    cj_metadata sum = {"sha256", "0"};
    expect_status(cj_save_tensors(path, .tensors = twice, .count = 2), CJ_INVALID_ARGUMENT);
    expect_message("two tensors are named a");
    expect_status(cj_save_tensors(path, .tensors = reserved, .count = 1), CJ_INVALID_ARGUMENT);
    expect_status(cj_save_tensors(path, .tensors = no_data, .count = 1), CJ_INVALID_ARGUMENT);
    expect_status(cj_save_tensors(path, .metadata = &sum, .metadata_count = 1), CJ_INVALID_ARGUMENT);
    expect_status(cj_save_tensors(NULL), CJ_INVALID_ARGUMENT);
    assert_int_equal(access(path, F_OK), -1);
    expect_status(cj_save_tensors(cj_test_path(folder, "none/file"), .count = 0), CJ_NOT_FOUND);
    cj_test_remove_folder(folder);
}

static void every_flipped_byte_is_noticed(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    size_t size;
    const char *path = cj_test_path(folder, "file");
    expect_ok(save_some(path, false));
    char *data = cj_test_read_file(path, &size);
    for (size_t i = size - 21; i < size; i++) {
        cj_tensor_file *file;
        data[i] ^= 4;
        expect_status(cj_tensor_file_open_memory(&file, data, size, "copy"), CJ_FORMAT_ERROR);
        expect_message("copy: the elements are damaged: found SHA-256");
        assert_null(file);
        data[i] ^= 4;
    }
    for (size_t cut = 0; cut < size; cut++) {
        cj_tensor_file *file;
        char *exact = malloc(cut ? cut : 1);
        memcpy(exact, data, cut);
        expect_status(cj_tensor_file_open_memory(&file, exact, cut, "copy"), CJ_FORMAT_ERROR);
        expect_message("copy: ");
        free(exact);
    }
    free(data);
    cj_test_remove_folder(folder);
}

static int fail_second_write(const char *operation, size_t *size)
{
    (void)size;
    return strcmp(operation, "sync") == 0 ? 28 : 0;
}

static void a_failed_save_keeps_the_earlier(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "file");
    expect_ok(save_some(path, false));
    cj__file_fault = fail_second_write;
    expect_status(cj_save_tensors(path, .count = 0), CJ_IO_ERROR);
    cj__file_fault = NULL;
    cj_tensor_file *file;
    expect_ok(cj_tensor_file_open(&file, path));
    assert_int_equal(cj_tensor_file_count(file), 5);
    cj_tensor_file_close(file);
    cj_test_remove_folder(folder);
}

/* --- hostile headers ----------------------------------------------------------------------------------- */

/* Opens header + `elements` zero bytes, in a block of exactly that size, and reads every tensor. */
static cj_status open_header(const char *header, size_t elements)
{
    size_t length = strlen(header), size = 8 + length + elements;
    unsigned char *data = calloc(1, size);
    assert_non_null(data);
    for (int i = 0; i < 8; i++) data[i] = (unsigned char)(length >> 8 * i);
    memcpy(data + 8, header, length);
    cj_tensor_file *file;
    cj_tensor tensor;
    cj_status status = cj_tensor_file_open_memory(&file, data, size, "hostile");
    for (int64_t i = 0; status == CJ_OK && i < cj_tensor_file_count(file); i++)
        status = cj_tensor_file_tensor(file, i, &tensor);
    cj_tensor_file_close(file);
    free(data);
    return status;
}

#define T(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void hostile_headers_get_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t elements;
        const char *message;
    } cases[] = {
        {"", 0, "hostile: header: byte 0: found the end of the text, expected '{'"},
        {"[]", 0, "expected '{'"},
        {"{", 0, "expected a string"},
        {"{}x", 0, "byte 2: found 'x', expected the end"},
        {"{\"a\":1}", 0, "byte 5: found '1', expected '{'"},
        {"{\"a\":{}}", 0, "expected dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\"}}", 0, "expected dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "byte 20: found '\"', expected dtype, shape"},
        {"{\"a\":{\"kind\":\"F32\"}}", 0, "expected dtype, shape and data_offsets, each once"},
        {"{\"a\":" T("F31", "[1]", "[0,4]") "}", 4, "expected an element type"},
        {"{\"a\":" T("F32", "[[1]]", "[0,4]") "}", 4, "expected a whole number"},
        {"{\"a\":" T("F32", "[-1]", "[0,4]") "}", 4, "expected a whole number"},
        {"{\"a\":" T("F32", "[1.0]", "[0,4]") "}", 4, "expected a whole number"},
        {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, "expected at most 8 dimensions"},
        {"{\"a\":" T("F32", "[9223372036854775808]", "[0,4]") "}", 4, "expected at most 8 dimensions"},
        {"{\"a\":" T("F32", "[4611686018427387904,4]", "[0,0]") "}", 0, "expected at most 8 dimensions"},
        {"{\"a\":" T("F32", "[4294967296,4294967296]", "[0,0]") "}", 0,
         "expected a shape that fits in memory"},
        {"{\"a\":" T("F32", "[70368744177664]", "[0,281474976710656]") "}", 4, "the file was cut short"},
        {"{\"a\":" T("F32", "[2]", "[0,4]") "}", 4,
         "tensor a: found data_offsets [0,4], expected 8 bytes for F32 [2]"},
        {"{\"a\":" T("F32", "[1]", "[4,0]") "}", 4, "found data_offsets [4,0]"},
        {"{\"a\":" T("F32", "[1]", "[18446744073709551612,18446744073709551615]") "}", 4, "expected 4 bytes"},
        {"{\"a\":" T("F32", "[1]", "[18446744073709551612,0]") "}", 4, "expected 4 bytes"},
        {"{\"a\":" T("F32", "[1]", "[0]") "}", 4, "expected 4 bytes"},
        {"{\"a\":" T("F32", "[1]", "[0,4,8]") "}", 4, "expected ']' after two offsets"},
        {"{\"a\":" T("F32", "[1]", "[0,4]") "}", 3, "found the end of the file at data byte 3, expected 4"},
        {"{\"a\":" T("F32", "[1]", "[0,4]") "}", 5, "found 5 bytes of elements, expected 4"},
        {"{\"a\":" T("F32", "[1]", "[1,5]") "}", 5,
         "found it at data byte 1, expected 0: tensors leave a gap"},
        {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("U8", "[2]", "[3,5]") "}", 5, "tensors overlap"},
        {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[0,4]") "}", 4, "tensors overlap"},
        {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"a\":" T("U8", "[2]", "[4,6]") "}", 6,
         "tensor a: found twice"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "expected a string"},
        {"{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0, "expected a string"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "expected __metadata__ only once"},
        {"{\"__metadata__\":{\"sha256\":\"\"}}", 0, "the elements are damaged"},
        {"{\"a\\u0000b\":" T("U8", "[0]", "[0,0]") "}", 0, "without zero characters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_status(open_header(cases[i].header, cases[i].elements), CJ_FORMAT_ERROR);
        expect_message(cases[i].message);
        expect_message("hostile: ");
    }
    expect_ok(open_header("{\"a\":" T("F32", "[0,70368744177664]", "[0,0]") "}", 0));
    expect_ok(open_header(" {} ", 0));
}

static void hostile_lengths_get_a_sentence(void **state)
{
    (void)state;
    cj_tensor_file *file;
    static const char longest[] = "\xff\xff\xff\xff\xff\xff\xff\xff{}",
                      near_63[] = "\xf8\xff\xff\xff\xff\xff\xff\x7f{}";
    expect_status(cj_tensor_file_open_memory(&file, longest, 10, "x"), CJ_FORMAT_ERROR);
    expect_message("x: byte 0: found a header of 18446744073709551615 bytes, expected at most 2");
    expect_status(cj_tensor_file_open_memory(&file, near_63, 10, "x"), CJ_FORMAT_ERROR);
    expect_status(cj_tensor_file_open_memory(&file, "1234567", 7, "x"), CJ_FORMAT_ERROR);
    expect_message("x: found 7 bytes");
    expect_status(cj_tensor_file_open_memory(&file, NULL, 0, "x"), CJ_FORMAT_ERROR);
    expect_status(cj_tensor_file_open(&file, "/nowhere/at all"), CJ_NOT_FOUND);
    expect_message("/nowhere/at all: cannot be opened: No such file");
    expect_status(cj_tensor_file_open(&file, "/tmp"), CJ_IO_ERROR);
    expect_status(cj_tensor_file_open(&file, "/dev/zero"), CJ_IO_ERROR);
}

static void booleans_are_0_or_1(void **state)
{
    (void)state;
    static const char bytes[] = "\x37\0\0\0\0\0\0\0{\"a\":" T("BOOL", "[2]", "[0,2]") "}\1\2";
    cj_tensor_file *file;
    cj_tensor tensor;
    expect_ok(cj_tensor_file_open_memory(&file, bytes, sizeof bytes - 1, "x"));
    expect_status(cj_tensor_file_tensor(file, 0, &tensor), CJ_FORMAT_ERROR);
    expect_message("x: tensor a: element 1: found 2, expected 0 or 1");
    cj_tensor_file_close(file);
}

static void a_file_that_shrinks_is_noticed(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "file");
    expect_ok(save_some(path, true));
    cj_tensor_file *file;
    cj_tensor tensor;
    expect_ok(cj_tensor_file_open(&file, path));
    assert_int_equal(truncate(path, 20), 0);
    expect_status(cj_tensor_file_tensor(file, 1, &tensor), CJ_FORMAT_ERROR);
    expect_message("the file has become shorter");
    cj_tensor_file_close(file);
    cj_test_remove_folder(folder);
}

static cj_status save_and_load(void *context)
{
    const char *path = cj_test_path(context, "file");
    cj_tensor_file *file;
    cj_tensor tensor;
    CJ__TRY(save_some(path, false));
    CJ__TRY(cj_tensor_file_open(&file, path));
    cj_status status = CJ_OK;
    for (int64_t i = 0; status == CJ_OK && i < 5; i++) status = cj_tensor_file_tensor(file, i, &tensor);
    cj_tensor_file_close(file);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    cj_test_allocator_install();
    cj_test_every_allocation_fails(save_and_load, folder);
    cj_test_allocator_remove();
    cj_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_type),
        cmocka_unit_test(halves_become_singles),
        cmocka_unit_test(unsupported_types_are_named),
        cmocka_unit_test(reads_real_weights),
        cmocka_unit_test(writes_known_bytes),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(refuses_to_write_nonsense),
        cmocka_unit_test(every_flipped_byte_is_noticed),
        cmocka_unit_test(a_failed_save_keeps_the_earlier),
        cmocka_unit_test(hostile_headers_get_a_sentence),
        cmocka_unit_test(hostile_lengths_get_a_sentence),
        cmocka_unit_test(booleans_are_0_or_1),
        cmocka_unit_test(a_file_that_shrinks_is_noticed),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
