/* Status names and the per-thread error sentence. The first file to read: everything returns these codes. */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[1024];

static const char *const names[] = {
#define NAME(code, name, sentence) name,
    CJ_STATUS_LIST(NAME)
#undef NAME
};

static const char *const sentences[] = {
#define SENTENCE(code, name, sentence) sentence,
    CJ_STATUS_LIST(SENTENCE)
#undef SENTENCE
};

const char *cj_status_name(cj_status status)
{
    size_t i = (size_t)status;
    return i < sizeof names / sizeof *names ? names[i] : "unknown status";
}

const char *cj_status_sentence(cj_status status)
{
    size_t i = (size_t)status;
    return i < sizeof sentences / sizeof *sentences ? sentences[i] : "not a status of this library";
}

const char *cj_error_message(void)
{
    return message;
}

cj_status cj__fail(cj_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return status;
}

cj_status cj__fail_within(cj_status status, const char *format, ...)
{
    char inner[sizeof message];
    memcpy(inner, message, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    size_t end = used < 0 ? 0 : (size_t)used;
    if (end + 3 < sizeof message) {
        memcpy(message + end, ": ", 2);
        size_t room = sizeof message - end - 3, length = strnlen(inner, room);
        memcpy(message + end + 2, inner, length);
        message[end + 2 + length] = 0;
    }
    return status;
}

cj_status cj__need(const void *pointer, const char *call, const char *what)
{
    return pointer ? CJ_OK : cj__fail(CJ_INVALID_ARGUMENT, "%s needs %s, found NULL", call, what);
}

cj_status cj__out_of_memory(size_t bytes, const char *what)
{
    return cj__fail(CJ_OUT_OF_MEMORY, "out of memory: %zu bytes for %s", bytes, what);
}

cj_status cj__system_error(const char *path, const char *what, int error)
{
    return cj__fail(error == ENOENT ? CJ_NOT_FOUND : CJ_IO_ERROR, "%s: %s: %s", path, what, strerror(error));
}
