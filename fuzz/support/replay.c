/* Gives each file of the folders or files named as arguments to the fuzz target, once: how the normal builds
 * replay a corpus without libFuzzer. A crash or a sanitizer report is the failure. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path, size_t size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1); /* exactly sized, so that reading past the end is noticed */
    bool complete = file && data && fread(data, 1, size, file) == size;
    if (complete)
        LLVMFuzzerTestOneInput(data, size);
    else
        fprintf(stderr, "%s: cannot be read\n", path);
    free(data);
    if (file) fclose(file);
    return complete ? 1 : -1;
}

/* The number of inputs replayed, or -1. */
static int replay(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        perror(path);
        return -1;
    }
    if (!S_ISDIR(status.st_mode)) return replay_file(path, (size_t)status.st_size);
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort), replayed = 0;
    for (int i = 0; i < count; i++) {
        char inner[4096];
        snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
        int more = entries[i]->d_name[0] == '.' ? 0 : replay(inner);
        replayed = more < 0 || replayed < 0 ? -1 : replayed + more;
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    return replayed;
}

int main(int count, char **arguments)
{
    int total = 0;
    for (int i = 1; i < count; i++) {
        int replayed = replay(arguments[i]);
        if (replayed < 0) return 1;
        total += replayed;
    }
    printf("%d inputs replayed\n", total);
    return total > 0 ? 0 : 1; /* an empty corpus proves nothing */
}
