/* Appending records to a file: what could be written only in part is taken back. The JSON Lines log and the
 * event files of TensorBoard stand on this. */
#include "io/append.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static cj_status find_end(cj__append *append)
{
    struct stat facts;
    if (fstat(append->file, &facts) != 0) return cj__system_error(append->path, "cannot be read", errno);
    if (!S_ISREG(facts.st_mode))
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: not a regular file, so no log can be kept in it",
                        append->path);
    append->size = (uint64_t)facts.st_size;
    return CJ_OK;
}

/* Not blocking, so that a pipe found in place of the file is refused and not waited for. */
cj_status cj__append_open(cj__append *append, const char *path)
{
    *append = (cj__append){.file = -1, .path = cj__copy_string(path)};
    if (!append->path) return cj__out_of_memory(strlen(path) + 1, "the name of a log");
    append->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    cj_status status =
        append->file < 0 ? cj__system_error(path, "cannot be opened for writing", errno) : find_end(append);
    if (status != CJ_OK) cj__append_close(append);
    return status;
}

cj_status cj__append_read(const cj__append *append, uint64_t offset, void *data, size_t room, size_t *got)
{
    *got = 0;
    while (*got < room) {
        ssize_t part = pread(append->file, (char *)data + *got, room - *got, (off_t)(offset + *got));
        if (part < 0 && errno == EINTR) continue;
        if (part < 0) return cj__system_error(append->path, "cannot be read", errno);
        if (part == 0) break;
        *got += (size_t)part;
    }
    return CJ_OK;
}

cj_status cj__append_cut(cj__append *append, uint64_t size)
{
    if (ftruncate(append->file, (off_t)size) != 0)
        return cj__system_error(append->path, "its broken end cannot be cut off", errno);
    append->size = size;
    return CJ_OK;
}

/* 0, or the errno that ended the writing. */
static int write_at(int file, const char *data, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t done = pwrite(file, data, size, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return errno;
        if (done == 0) return ENOSPC;
        data += done;
        size -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

cj_status cj__append_record(cj__append *append, const void *data, size_t size)
{
    int error = write_at(append->file, data, size, append->size);
    if (error) {
        CJ__TRY(cj__append_cut(append, append->size));
        return cj__system_error(append->path, "cannot be written", error);
    }
    append->size += size;
    return CJ_OK;
}

void cj__append_close(cj__append *append)
{
    if (!append->path) return;
    if (append->file >= 0) close(append->file);
    cj__free(append->path);
    *append = (cj__append){.file = -1};
}
