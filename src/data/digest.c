/* Checksums of data: of a file as it is, of what a compressed file holds, and of a folder as a whole. */
#include "base/memory.h"
#include "base/sha256.h"
#include "cajal/sets.h"
#include "data/places.h"
#include "data/source.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK = 1 << 16 };

static cj_status refused(const char *path)
{
    return cj__system_error(path, "cannot be read", errno);
}

static void write_digest(cj__sha256 *hash, char digest[65])
{
    unsigned char bytes[32];
    cj__sha256_end(hash, bytes);
    cj__sha256_hex(bytes, digest);
}

/* What is hashed block by block: up to `size` bytes of it a call, 0 at its end. */
typedef size_t reader(void *from, void *block, size_t size);

static cj_status hash_all(reader *read, void *from, const char *path, char digest[65])
{
    cj__sha256 hash;
    size_t got;
    char *block = cj__allocate(BLOCK);
    if (!block) return cj__out_of_memory(BLOCK, path);
    cj__sha256_begin(&hash);
    while ((got = read(from, block, BLOCK)) > 0) cj__sha256_update(&hash, block, got);
    cj__free(block);
    write_digest(&hash, digest);
    return CJ_OK;
}

static size_t read_file(void *file, void *block, size_t size)
{
    return fread(block, 1, size, file);
}

cj_status cj_file_sha256(const char *path, char digest[65])
{
    FILE *file = fopen(path, "rb");
    if (!file) return refused(path);
    cj_status status = hash_all(read_file, file, path, digest);
    if (status == CJ_OK && ferror(file)) status = refused(path);
    fclose(file);
    return status;
}

static size_t read_contents(void *source, void *block, size_t size)
{
    return cj__source_read(source, block, size);
}

/* Without zlib a compressed file is only what it is. */
static cj_status accept_contents(const char *path)
{
#ifndef CJ_HAVE_ZLIB
    FILE *file = fopen(path, "rb");
    if (!file) return refused(path);
    bool compressed = fgetc(file) == 0x1f && fgetc(file) == 0x8b;
    fclose(file);
    if (compressed)
        return cj__fail(CJ_UNSUPPORTED,
                        "%s: it is compressed, and this build has no zlib (Debian: zlib1g-dev)", path);
#endif
    (void)path;
    return CJ_OK;
}

static cj_status digest_contents(const char *path, char digest[65])
{
    cj__source source;
    CJ__TRY(accept_contents(path));
    CJ__TRY(cj__source_open(&source, path));
    cj_status status = hash_all(read_contents, &source, path, digest);
    if (status == CJ_OK) status = cj__source_check(&source);
    cj__source_close(&source);
    return status;
}

/* --- folders ------------------------------------------------------------------------------------------- */

typedef struct {
    cj__arena arena;
    char **paths; /* below the folder */
    int64_t count, room;
} listing;

static cj_status list_entry(listing *list, const char *folder, const char *below, const char *name);

static cj_status list_folder(listing *list, const char *folder, const char *below)
{
    char path[CJ__PATH];
    cj_status status = CJ_OK;
    if (snprintf(path, sizeof path, "%s/%s", folder, below) >= (int)sizeof path)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: a path below it is too long", folder);
    DIR *entries = opendir(path);
    if (!entries) return refused(path);
    for (struct dirent *e = readdir(entries); e && status == CJ_OK; e = readdir(entries))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            status = list_entry(list, folder, below, e->d_name);
    closedir(entries);
    return status;
}

/* Links are neither followed nor counted: a folder that leads into itself would have no end. */
static cj_status list_entry(listing *list, const char *folder, const char *below, const char *name)
{
    char path[CJ__PATH];
    struct stat facts;
    char *entry = cj__arena_format(&list->arena, *below ? "%s/%s" : "%s%s", below, name);
    if (!entry) return cj__out_of_memory(strlen(name), folder);
    if (snprintf(path, sizeof path, "%s/%s", folder, entry) >= (int)sizeof path)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: a path below it is too long", folder);
    if (lstat(path, &facts) != 0) return refused(path);
    if (S_ISDIR(facts.st_mode)) return list_folder(list, folder, entry);
    if (!S_ISREG(facts.st_mode)) return CJ_OK;
    CJ__TRY(cj__grow(&list->paths, &list->room, list->count, sizeof *list->paths));
    list->paths[list->count++] = entry;
    return CJ_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static cj_status hash_listing(const listing *list, const char *folder, char digest[65])
{
    cj__sha256 hash;
    cj__sha256_begin(&hash);
    for (int64_t i = 0; i < list->count; i++) {
        char path[CJ__PATH], one[65];
        snprintf(path, sizeof path, "%s/%s", folder, list->paths[i]);
        CJ__TRY(cj_file_sha256(path, one));
        cj__sha256_update(&hash, one, 64);
        cj__sha256_update(&hash, "  ", 2);
        cj__sha256_update(&hash, list->paths[i], strlen(list->paths[i]));
        cj__sha256_update(&hash, "\n", 1);
    }
    write_digest(&hash, digest);
    return CJ_OK;
}

static cj_status digest_folder(const char *folder, char digest[65])
{
    listing list = {0};
    cj_status status = list_folder(&list, folder, "");
    if (status == CJ_OK && list.count > 0)
        qsort(list.paths, (size_t)list.count, sizeof *list.paths, by_bytes);
    if (status == CJ_OK) status = hash_listing(&list, folder, digest);
    cj__free(list.paths);
    cj__arena_free(&list.arena);
    return status;
}

cj_status cj_data_digest(const char *path, char digest[65])
{
    struct stat facts;
    if (stat(path, &facts) != 0) return refused(path);
    return S_ISDIR(facts.st_mode) ? digest_folder(path, digest) : digest_contents(path, digest);
}

cj_status cj_data_check(const char *path, const cj_data_file *file, char digest[65])
{
    CJ__TRY(cj_data_digest(path, digest));
    if (!*file->sha256 || strcmp(file->sha256, digest) == 0) return CJ_OK;
    return cj__fail(CJ_FORMAT_ERROR, "%s: found contents with SHA-256 %s, expected %s", path, digest,
                    file->sha256);
}
