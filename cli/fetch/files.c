/* Files and folders of downloads: nothing gets its final name before it is whole and on the disk. */
#include "fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool exists(const char *path)
{
    struct stat facts;
    return lstat(path, &facts) == 0;
}

static int make_one(const char *path)
{
    struct stat facts;
    if (mkdir(path, 0777) == 0) return EXIT_OK;
    int error = errno;
    if (error == EEXIST && stat(path, &facts) == 0 && S_ISDIR(facts.st_mode)) return EXIT_OK;
    errno = error == EEXIST ? ENOTDIR : error;
    return complain_of(path, "the folder cannot be made");
}

int make_folder(const char *path)
{
    char partial[MOST_PATH];
    int code = EXIT_OK;
    if (snprintf(partial, sizeof partial, "%s", path) >= (int)sizeof partial)
        return complain("%s: the path is too long", path);
    for (char *slash = strchr(partial + 1, '/'); slash && code == EXIT_OK; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        code = make_one(partial);
        *slash = '/';
    }
    return code == EXIT_OK ? make_one(path) : code;
}

/* "." for a name alone. */
static void folder_of(const char *path, char folder[MOST_PATH])
{
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) : 0;
    if (slash == path)
        snprintf(folder, MOST_PATH, "/");
    else
        snprintf(folder, MOST_PATH, "%.*s", slash ? length : 1, slash ? path : ".");
}

int make_folder_of(const char *path)
{
    char folder[MOST_PATH];
    folder_of(path, folder);
    return make_folder(folder);
}

/* Some file systems have nothing to sync for a folder and say EINVAL. */
static int sync_path(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return complain_of(path, "cannot be opened");
    int failed = fsync(file) != 0 && errno != EINVAL;
    if (failed) complain_of(path, "cannot be synced to the disk");
    close(file);
    return failed ? EXIT_FAILED : EXIT_OK;
}

int put_in_place(const char *from, const char *to)
{
    char folder[MOST_PATH];
    folder_of(to, folder);
    int code = sync_path(from);
    if (code != EXIT_OK) return code;
    if (rename(from, to) != 0) return complain_of(to, "cannot be put in place");
    return sync_path(folder);
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts;
    (void)kind;
    (void)where;
    return remove(path);
}

void remove_folder(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Emptied, not removed: it is what holds the lock. */
int drop_part(const char *part)
{
    return truncate(part, 0) == 0 ? EXIT_FAILED : complain_of(part, "cannot be emptied");
}

/* The lock ends with the program, also when that is killed; a part file that is renamed takes it along. */
int lock_part(const char *part)
{
    int file = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) return complain_of(part, "cannot be written");
    if (flock(file, LOCK_EX | LOCK_NB) == 0) return EXIT_OK;
    int error = errno;
    close(file);
    errno = error;
    return error == EWOULDBLOCK ? complain("%s: another `cajal data get` is at work on it", part)
                                : complain_of(part, "cannot be locked");
}
