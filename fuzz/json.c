/* Any bytes as JSON: reading every value and skipping every value must agree on what is well formed, and a
 * string that was read must read the same again after being written. */
#include "support/input.h"

#include "base/json.h"

#include <string.h>

static void check_string(const char *string)
{
    cj__text text = {0};
    cj__arena arena = {0};
    cj__json json;
    cj__json_put_string(&text, string);
    cj__json_begin(&json, text.data, text.size);
    const char *again = cj__json_string(&json, &arena);
    if (cj__json_finish(&json) != CJ_OK || !again || strcmp(again, string) != 0) abort();
    cj__arena_free(&arena);
    cj__text_free(&text);
}

static void read_value(cj__json *json, cj__arena *arena, int depth)
{
    char first = cj__json_peek(json);
    if (depth > 64) {
        cj__json_refuse(json, json->at, "values nested at most 64 deep");
    } else if (first == '{' || first == '[') {
        cj__json_enter(json, first);
        char closing = first == '{' ? '}' : ']';
        for (int64_t i = 0; cj__json_more(json, i, closing); i++) {
            if (first == '{') cj__json_key(json, arena);
            read_value(json, arena, depth + 1);
        }
    } else if (first == '"') {
        const char *string = cj__json_string(json, arena);
        if (string) check_string(string);
    } else if (first == 't' || first == 'f') {
        cj__json_boolean(json);
    } else if (first == 'n') {
        cj__json_skip(json);
    } else {
        cj__json_number(json);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj__arena arena = {0};
    cj__json json;
    cj__json_begin(&json, (const char *)data, size);
    cj__json_skip(&json);
    cj_status skipped = cj__json_finish(&json);
    cj__json_begin(&json, (const char *)data, size);
    read_value(&json, &arena, 1);
    if (cj__json_finish(&json) != skipped) abort();
    cj__json_begin(&json, (const char *)data, size);
    cj__json_unsigned(&json);
    if (cj__json_finish(&json) == CJ_OK && skipped != CJ_OK) abort();
    cj__arena_free(&arena);
    return 0;
}
