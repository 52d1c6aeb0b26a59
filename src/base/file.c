/* Reading whole files, and replacing them in one step: written beside, synced, renamed, the folder synced. */
#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 64 * 1024 };

/* --- reading ------------------------------------------------------------------------------------------- */

static cj_status too_large(const char *path, size_t limit)
{
    return cj__fail(CJ_FORMAT_ERROR, "%s: more than the %zu bytes that are accepted here", path, limit);
}

/* Up to `room` bytes; -1 with errno set on failure. */
static ssize_t read_fully(int file, char *data, size_t room)
{
    size_t done = 0;
    while (done < room) {
        size_t part = room - done < INT_MAX ? room - done : INT_MAX;
        ssize_t got = read(file, data + done, part);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* A pipe has no size beforehand, so the block grows until it ends with room to spare. */
static cj_status read_growing(int file, const char *path, size_t first_room, size_t limit, char **data,
                              size_t *size)
{
    size_t room = first_room;
    for (;;) {
        char *bigger = cj__resize(*data, room + 1);
        if (!bigger) return cj__out_of_memory(room + 1, path);
        *data = bigger;
        ssize_t got = read_fully(file, *data + *size, room - *size);
        if (got < 0) return cj__system_error(path, "cannot be read", errno);
        *size += (size_t)got;
        if (*size > limit) return too_large(path, limit);
        if (*size < room) break;
        room = room / 2 < limit / 2 ? room * 2 : limit + 1;
    }
    (*data)[*size] = 0;
    return CJ_OK;
}

static cj_status read_open_file(int file, const char *path, size_t limit, char **data, size_t *size)
{
    struct stat facts;
    if (fstat(file, &facts) != 0) return cj__system_error(path, "cannot be read", errno);
    if (S_ISREG(facts.st_mode) && (uint64_t)facts.st_size > limit) return too_large(path, limit);
    size_t expected = S_ISREG(facts.st_mode) ? (size_t)facts.st_size : BUFFER;
    return read_growing(file, path, expected < limit ? expected + 1 : limit + 1, limit, data, size);
}

cj_status cj__file_read(const char *path, size_t limit, char **data, size_t *size)
{
    *data = NULL;
    *size = 0;
    if (limit > SIZE_MAX / 4) limit = SIZE_MAX / 4;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return cj__system_error(path, "cannot be opened", errno);
    cj_status status = read_open_file(file, path, limit, data, size);
    close(file);
    if (status == CJ_OK) return CJ_OK;
    cj__free(*data);
    *data = NULL;
    *size = 0;
    return status;
}

/* --- folders ------------------------------------------------------------------------------------------- */

static cj_status make_one(const char *path)
{
    struct stat facts;
    if (mkdir(path, 0777) == 0) return CJ_OK;
    int error = errno;
    if (error == EEXIST && stat(path, &facts) == 0 && S_ISDIR(facts.st_mode)) return CJ_OK;
    return cj__system_error(path, "the folder cannot be made", error);
}

cj_status cj__folder_make(const char *path)
{
    char *partial = cj__copy_string(path);
    if (!partial) return cj__out_of_memory(strlen(path) + 1, "the name of a folder");
    cj_status status = CJ_OK;
    for (char *slash = strchr(partial + (*partial != 0), '/'); slash && status == CJ_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        status = make_one(partial);
        *slash = '/';
    }
    if (status == CJ_OK) status = make_one(path);
    cj__free(partial);
    return status;
}

cj_status cj__folder_make_for(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return CJ_OK;
    char *folder = cj__copy_string(path);
    if (!folder) return cj__out_of_memory(strlen(path), "a folder's name");
    folder[slash - path] = 0;
    cj_status status = cj__folder_make(folder);
    cj__free(folder);
    return status;
}

/* NAME.tmp-PID whose process is no more. */
static bool is_leftover(const char *name)
{
    const char *mark = NULL;
    for (const char *at = strstr(name, ".tmp-"); at; at = strstr(at + 1, ".tmp-")) mark = at;
    if (!mark) return false;
    char *end;
    long process = strtol(mark + 5, &end, 10);
    if (end == mark + 5 || *end || process <= 0 || process > INT_MAX) return false;
    return kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

void cj__folder_sweep(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder) return;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        if (is_leftover(entry->d_name)) unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
}

/* --- replacing a file ---------------------------------------------------------------------------------- */

int (*cj__file_fault)(const char *operation, size_t *size);

/* Whether a test wants `operation` to fail; sets errno then. */
static bool fault(const char *operation, size_t *size)
{
    int error = cj__file_fault ? cj__file_fault(operation, size) : 0;
    if (error) errno = error;
    return error != 0;
}

static void fail_writing(cj__file_writer *writer, const char *what, int error)
{
    if (writer->failed) return;
    writer->failed = what;
    writer->error = error;
}

static void release(cj__file_writer *writer)
{
    cj__free(writer->path);
    cj__free(writer->temporary);
    cj__free(writer->buffer);
    *writer = (cj__file_writer){0};
}

/* Where the bytes shall end up: behind a symbolic link its target, so that the link survives. */
static char *resolve(const char *path)
{
    char target[PATH_MAX];
    struct stat facts;
    if (lstat(path, &facts) == 0 && S_ISLNK(facts.st_mode) && realpath(path, target))
        return cj__copy_string(target);
    return cj__copy_string(path);
}

static cj_status prepare(cj__file_writer *writer, const char *path)
{
    writer->path = resolve(path);
    if (!writer->path) return cj__out_of_memory(strlen(path) + 1, "the name of a file");
    size_t room = strlen(writer->path) + 32;
    writer->temporary = cj__allocate(room);
    writer->buffer = cj__allocate(BUFFER);
    if (!writer->temporary || !writer->buffer) return cj__out_of_memory(room + BUFFER, "writing a file");
    snprintf(writer->temporary, room, "%s.tmp-%ld", writer->path, (long)getpid());
    return CJ_OK;
}

static cj_status open_beside(cj__file_writer *writer)
{
    struct stat earlier;
    bool exists = stat(writer->path, &earlier) == 0;
    if (exists && !S_ISREG(earlier.st_mode))
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: not a regular file, so it cannot be replaced by one",
                        writer->path);
    if (!fault("open", NULL))
        writer->file = open(writer->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (writer->file < 0) return cj__system_error(writer->path, "cannot be written", errno);
    if (exists && fchmod(writer->file, earlier.st_mode & 0777) != 0)
        fail_writing(writer, "cannot be given its permissions", errno);
    return CJ_OK;
}

cj_status cj__file_begin(cj__file_writer *writer, const char *path)
{
    *writer = (cj__file_writer){.file = -1};
    cj_status status = prepare(writer, path);
    if (status == CJ_OK) status = open_beside(writer);
    if (status != CJ_OK) release(writer);
    return status;
}

static void write_out(cj__file_writer *writer, const char *data, size_t size)
{
    while (size > 0 && !writer->failed) {
        size_t part = size < INT_MAX ? size : INT_MAX;
        ssize_t done = fault("write", &part) ? -1 : write(writer->file, data, part);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0)
            fail_writing(writer, "cannot be written", errno);
        else if (done == 0)
            fail_writing(writer, "cannot be written", ENOSPC);
        else
            data += done, size -= (size_t)done;
    }
}

static void flush(cj__file_writer *writer)
{
    write_out(writer, writer->buffer, writer->buffered);
    writer->buffered = 0;
}

void cj__file_write(cj__file_writer *writer, const void *data, size_t size)
{
    writer->written += size;
    if (size > BUFFER - writer->buffered) flush(writer);
    if (size >= BUFFER) {
        write_out(writer, data, size);
    } else if (size > 0) {
        memcpy(writer->buffer + writer->buffered, data, size);
        writer->buffered += size;
    }
}

/* The folder is opened before the rename: if it cannot be, the earlier file still stands. */
static int open_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash) return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    if (length >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, path, length);
    folder[length] = 0;
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Some file systems have nothing to sync for a folder and say EINVAL. */
static void take_the_place(cj__file_writer *writer)
{
    int folder = writer->failed ? -1 : open_folder_of(writer->path);
    if (folder < 0) {
        fail_writing(writer, "its folder cannot be opened", errno);
        return;
    }
    if (fault("rename", NULL) || rename(writer->temporary, writer->path) != 0) {
        fail_writing(writer, "cannot be put in place", errno);
    } else {
        *writer->temporary = 0;
        if (fault("sync folder", NULL) || (fsync(folder) != 0 && errno != EINVAL))
            fail_writing(writer, "its folder cannot be synced to the disk", errno);
    }
    close(folder);
}

static void close_file(cj__file_writer *writer)
{
    if (close(writer->file) != 0) fail_writing(writer, "cannot be closed", errno);
    writer->file = -1;
}

cj_status cj__file_commit(cj__file_writer *writer)
{
    flush(writer);
    if (!writer->failed && (fault("sync", NULL) || fsync(writer->file) != 0))
        fail_writing(writer, "cannot be synced to the disk", errno);
    close_file(writer);
    take_the_place(writer);
    cj_status status = writer->failed ? cj__system_error(writer->path, writer->failed, writer->error) : CJ_OK;
    if (*writer->temporary) unlink(writer->temporary);
    release(writer);
    return status;
}

void cj__file_abort(cj__file_writer *writer)
{
    if (!writer->path) return;
    close_file(writer);
    unlink(writer->temporary);
    release(writer);
}

cj_status cj__file_replace(const char *path, const void *data, size_t size)
{
    cj__file_writer writer;
    CJ__TRY(cj__file_begin(&writer, path));
    cj__file_write(&writer, data, size);
    return cj__file_commit(&writer);
}
