/* Files: reading one whole, and the one writer that everything which must not be lost goes through. The
 * writer works beside the file and takes its place only when every byte is on the disk, so that a full disk,
 * an unwritable folder or a kill at any moment leaves the earlier file as it was. */
#ifndef CJ__FILE_H
#define CJ__FILE_H

#include "base/status.h"

/* The whole file and a terminating zero, freed with cj__free. More than `limit` bytes is an error. */
CJ_MUST_CHECK cj_status cj__file_read(const char *path, size_t limit, char **data, size_t *size);
/* The folder and those above it, as far as they are missing. */
CJ_MUST_CHECK cj_status cj__folder_make(const char *path);
/* The folder that a file of that path lies in. */
CJ_MUST_CHECK cj_status cj__folder_make_for(const char *path);
/* Removes what writers that were killed have left in the folder. */
void cj__folder_sweep(const char *path);

/* A file being written beside `path`. Failures stick: writing goes on as if nothing had happened, and commit
 * returns the first of them. Every begun writer is ended by commit or abort. */
typedef struct {
    char *path;      /* the file to be replaced; symbolic links are followed */
    char *temporary; /* path.tmp-PID */
    char *buffer;
    size_t buffered;
    uint64_t written; /* bytes given so far */
    int file, error;
    const char *failed; /* what could not be done, NULL while all is well */
} cj__file_writer;

CJ_MUST_CHECK cj_status cj__file_begin(cj__file_writer *writer, const char *path);
void cj__file_write(cj__file_writer *writer, const void *data, size_t size);
/* Flushes, syncs, renames, syncs the folder. After a failure the temporary file is gone, and the earlier file
 * untouched (unless only the very last sync failed: then the new one stands). */
CJ_MUST_CHECK cj_status cj__file_commit(cj__file_writer *writer);
/* Forgets it all. Does nothing to a writer that has been committed, or is all zeros. */
void cj__file_abort(cj__file_writer *writer);
/* All of the above for bytes at hand. */
CJ_MUST_CHECK cj_status cj__file_replace(const char *path, const void *data, size_t size);

/* For tests: asked before each "open", "write", "sync", "rename" and "sync folder" of a writer; answers an
 * errno to fail with, or 0. A write may be cut short by lowering `*size`. NULL: no faults. */
extern int (*cj__file_fault)(const char *operation, size_t *size);

#endif
