/* SHA-256 against the vectors of FIPS 180-4 and against itself fed in pieces of every size. */
#include "support.h"

#include "base/sha256.h"

static void hash_of(const void *data, size_t size, size_t piece, char text[65])
{
    cj__sha256 hash;
    unsigned char digest[32];
    cj__sha256_begin(&hash);
    for (size_t at = 0; at < size; at += piece)
        cj__sha256_update(&hash, (const char *)data + at, size - at < piece ? size - at : piece);
    cj__sha256_end(&hash, digest);
    cj__sha256_hex(digest, text);
}

static void known_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *hash;
    } known[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char text[65];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        hash_of(known[i].text, strlen(known[i].text), 64, text);
        assert_string_equal(text, known[i].hash);
    }
}

static void a_million_letters(void **state)
{
    (void)state;
    char *letters = malloc(1000000), text[65];
    assert_non_null(letters);
    memset(letters, 'a', 1000000);
    hash_of(letters, 1000000, 1 << 16, text);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(letters);
}

static void pieces_do_not_matter(void **state)
{
    (void)state;
    unsigned char data[300];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 37);
    for (size_t size = 0; size <= sizeof data; size++) {
        char whole[65], pieces[65];
        hash_of(data, size, sizeof data, whole);
        for (size_t piece = 1; piece <= 130; piece += 43) {
            hash_of(data, size, piece, pieces);
            assert_string_equal(pieces, whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts),
        cmocka_unit_test(a_million_letters),
        cmocka_unit_test(pieces_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
