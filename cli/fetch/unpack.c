/* Archives (tar, zip), unpacked with libarchive: plain files and folders, below the folder that is wanted,
 * and never outside the one they are put into, whatever names the archive has. */
#include "fetch.h"

#ifdef CJ_HAVE_ARCHIVE

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A few kilobytes can claim to hold the world. */
static const int64_t most_bytes = (int64_t)64 << 30;

typedef struct {
    struct archive *archive;
    const char *path, *inside, *to;
    int64_t bytes; /* unpacked so far */
    int files;
    bool damaged; /* the archive is at fault */
} unpacking;

static bool starts_outside(const char *name)
{
    for (const char *at = name; *at; at += strspn(at, "/")) {
        size_t length = strcspn(at, "/");
        if (length == 2 && strncmp(at, "..", 2) == 0) return true;
        at += length;
    }
    return *name == '/';
}

/* The name below the folder that is wanted; NULL: it is not below it. */
static const char *name_below(const char *inside, const char *name)
{
    size_t length = strlen(inside);
    if (strncmp(name, "./", 2) == 0) name += 2;
    if (strncmp(name, "__MACOSX/", 9) == 0) return NULL;
    if (!length) return *name ? name : NULL;
    if (strncmp(name, inside, length) != 0 || name[length] != '/') return NULL;
    return name[length + 1] ? name + length + 1 : NULL;
}

static int complain_of_archive(unpacking *u)
{
    u->damaged = true;
    const char *why = archive_error_string(u->archive);
    return complain("%s: cannot be unpacked: %s", u->path, why ? why : "damaged");
}

static int write_all(unpacking *u, int file, const char *path)
{
    const void *block;
    size_t size;
    la_int64_t offset;
    int code;
    while ((code = archive_read_data_block(u->archive, &block, &size, &offset)) == ARCHIVE_OK) {
        if (u->bytes + offset + (int64_t)size > most_bytes)
            return complain("%s: more than %lld bytes unpacked", u->path, (long long)most_bytes);
        for (const char *at = block; size > 0;) {
            ssize_t done = pwrite(file, at, size, offset);
            if (done <= 0) return complain_of(path, "cannot be written");
            at += done, offset += done, size -= (size_t)done;
        }
        if (stopped()) return EXIT_STOPPED;
    }
    return code == ARCHIVE_EOF ? EXIT_OK : complain_of_archive(u);
}

static int write_file(unpacking *u, const char *path)
{
    struct stat facts;
    int code = make_folder_of(path);
    if (code != EXIT_OK) return code;
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file < 0) return complain_of(path, "cannot be written");
    code = write_all(u, file, path);
    if (fstat(file, &facts) == 0) u->bytes += facts.st_size;
    if (close(file) != 0 && code == EXIT_OK) code = complain_of(path, "cannot be written");
    u->files++;
    return code;
}

static int take_entry(unpacking *u, struct archive_entry *entry)
{
    char path[MOST_PATH];
    const char *whole = archive_entry_pathname(entry), *name = whole ? name_below(u->inside, whole) : NULL;
    if (!name || (archive_entry_filetype(entry) != AE_IFREG && archive_entry_filetype(entry) != AE_IFDIR))
        return EXIT_OK;
    u->damaged = starts_outside(name);
    if (u->damaged) return complain("%s: it holds '%s', which leads out of its folder", u->path, whole);
    if (snprintf(path, sizeof path, "%s/%s", u->to, name) >= (int)sizeof path)
        return complain("%s: it holds a path that is too long: %s", u->path, whole);
    return archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry) ? write_file(u, path)
                                                                                       : EXIT_OK;
}

static int take_all(unpacking *u)
{
    struct archive_entry *entry;
    int result, code = EXIT_OK;
    while (code == EXIT_OK && (result = archive_read_next_header(u->archive, &entry)) != ARCHIVE_EOF) {
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN) return complain_of_archive(u);
        code = stopped() ? EXIT_STOPPED : take_entry(u, entry);
    }
    if (code != EXIT_OK || u->files > 0) return code;
    u->damaged = true;
    return complain("%s: it holds nothing below '%s'", u->path, u->inside);
}

static void accept_formats(struct archive *archive)
{
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_bzip2(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_format_tar(archive);
    archive_read_support_format_zip(archive);
}

int unpack(const char *archive, const char *inside, const char *to, bool *damaged)
{
    unpacking u = {.archive = archive_read_new(), .path = archive, .inside = inside, .to = to};
    if (!u.archive) return complain("out of memory: unpacking %s", archive);
    accept_formats(u.archive);
    remove_folder(to); /* of one that was killed */
    int code = make_folder(to);
    if (code == EXIT_OK && archive_read_open_filename(u.archive, archive, 1 << 16) != ARCHIVE_OK)
        code = complain_of_archive(&u);
    if (code == EXIT_OK) code = take_all(&u);
    archive_read_free(u.archive);
    if (code != EXIT_OK) remove_folder(to);
    *damaged = u.damaged;
    return code;
}

int need_unpacking(const char *name)
{
    (void)name;
    return EXIT_OK;
}

#else

int need_unpacking(const char *name)
{
    return complain(
        "%s comes in an archive, which this build cannot unpack: install libarchive (Debian: libarchive-dev) "
        "and build again",
        name);
}

int unpack(const char *archive, const char *inside, const char *to, bool *damaged)
{
    (void)inside;
    (void)to;
    *damaged = false;
    return need_unpacking(archive);
}

#endif
