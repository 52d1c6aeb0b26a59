/* Bytes as a file that no disk ever sees, and the walk through a file of tensors. */
#include "support/input.h"

#include "cajal/io.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *fuzz_path(const void *data, size_t size)
{
    static char path[64];
    static int file = -1;
    if (file < 0) file = memfd_create("fuzz", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return path;
}

static char folder[] = "/dev/shm/cajal-fuzz-XXXXXX";

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *position)
{
    (void)status, (void)type, (void)position;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_folders(char *path)
{
    for (char *slash = strchr(path + strlen(folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(path, 0700) != 0) abort();
        *slash = '/';
    }
}

const char *fuzz_folder(const char *name)
{
    static bool made;
    char path[256];
    if (made) return folder;
    if (!mkdtemp(folder)) abort();
    snprintf(path, sizeof path, "%s/%s", folder, name);
    make_folders(path);
    if (symlink(fuzz_path("", 0), path) != 0) abort();
    made = atexit(remove_folder) == 0;
    return folder;
}

void fuzz_tensors(const uint8_t *data, size_t size)
{
    cj_tensor_file *file;
    if (cj_tensor_file_open_memory(&file, data, size, "fuzz") != CJ_OK) return;
    for (int64_t i = 0; i < cj_tensor_file_count(file); i++) {
        cj_tensor tensor;
        cj_status status = cj_tensor_file_tensor(file, i, &tensor);
        if (status == CJ_OK && cj_shape_count(tensor.shape) > 0 && !tensor.data) abort();
        if (cj_tensor_file_find(file, cj_tensor_file_name(file, i)) != i) abort();
    }
    cj_tensor_file_metadata(file, "format");
    cj_tensor_file_close(file);
}
