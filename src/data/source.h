/* A file that may be compressed with gzip, read from its beginning. Without zlib plain files only. */
#ifndef CJ__SOURCE_H
#define CJ__SOURCE_H

#include "base/status.h"

#include <stdio.h>
#ifdef CJ_HAVE_ZLIB
#include <zlib.h>
#endif

typedef struct {
    const char *path;
#ifdef CJ_HAVE_ZLIB
    gzFile file;
#else
    FILE *file;
#endif
} cj__source;

CJ_MUST_CHECK cj_status cj__source_open(cj__source *source, const char *path);
/* Up to `size` bytes; how many there were. */
size_t cj__source_read(cj__source *source, void *data, size_t size);
/* Bytes of the file as it lies on the disk; 0: it is no ordinary file. */
int64_t cj__source_stored(const cj__source *source);
/* What reading ran into besides an ordinary end: a compressed file cut short or damaged, a failing disk. The
 * bytes read so far may look whole, as the checksum of a compressed file comes last. */
CJ_MUST_CHECK cj_status cj__source_check(const cj__source *source);
void cj__source_close(cj__source *source);

/* All of it, unpacked, without a byte order mark, and a terminating zero; freed with cj__free. */
CJ_MUST_CHECK cj_status cj__source_read_text(const char *path, char **data, size_t *size);

#endif
