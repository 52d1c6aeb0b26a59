/* Files that may be compressed with gzip: what the readers of data take their bytes from. */
#include "data/source.h"
#include "base/memory.h"
#include "cajal/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Beyond that nobody reckons with a file's size. */
static const int64_t MOST_STORED = (int64_t)1 << 50;

cj_status cj__source_open(cj__source *s, const char *path)
{
    s->path = path;
#ifdef CJ_HAVE_ZLIB
    s->file = gzopen(path, "rb");
    if (s->file) gzbuffer(s->file, 1 << 17);
#else
    s->file = fopen(path, "rb");
#endif
    if (s->file) return CJ_OK;
    return cj__system_error(path, "cannot be opened", errno);
}

int64_t cj__source_stored(const cj__source *s)
{
    struct stat file;
    return stat(s->path, &file) == 0 && S_ISREG(file.st_mode) && file.st_size < MOST_STORED ? file.st_size
                                                                                            : 0;
}

size_t cj__source_read(cj__source *s, void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        size_t part = size - done < ((size_t)1 << 30) ? size - done : (size_t)1 << 30;
#ifdef CJ_HAVE_ZLIB
        int got = gzread(s->file, (char *)data + done, (unsigned)part);
        if (got <= 0) break;
#else
        size_t got = fread((char *)data + done, 1, part, s->file);
        if (got == 0) break;
#endif
        done += (size_t)got;
    }
    return done;
}

cj_status cj__source_check(const cj__source *s)
{
#ifdef CJ_HAVE_ZLIB
    int code;
    gzerror(s->file, &code);
    if (code == Z_OK) return CJ_OK;
    if (code == Z_MEM_ERROR) return cj__fail(CJ_OUT_OF_MEMORY, "out of memory: decompressing %s", s->path);
    if (code != Z_ERRNO)
        return cj__fail(CJ_FORMAT_ERROR, "%s: byte %lld: found %s, expected a whole gzip file", s->path,
                        (long long)gzoffset(s->file),
                        code == Z_BUF_ERROR ? "the end of the file" : "damaged compressed data");
#else
    if (!ferror(s->file)) return CJ_OK;
#endif
    return cj__fail(CJ_IO_ERROR, "%s: cannot be read: %s", s->path, strerror(errno));
}

void cj__source_close(cj__source *s)
{
#ifdef CJ_HAVE_ZLIB
    gzclose(s->file);
#else
    fclose(s->file);
#endif
}

/* The block doubles, so that a compressed file that lies about its size costs what it really holds. */
static cj_status read_growing(cj__source *s, char **data, size_t *size)
{
    size_t room = 1 << 16;
    for (;;) {
        char *bigger = cj__resize(*data, room + 1);
        if (!bigger) return cj__out_of_memory(room + 1, s->path);
        *data = bigger;
        *size += cj__source_read(s, *data + *size, room - *size);
        if (*size < room) break;
        room *= 2;
    }
    (*data)[*size] = 0;
    return cj__source_check(s);
}

cj_status cj__source_read_text(const char *path, char **data, size_t *size)
{
    cj__source s;
    *data = NULL;
    *size = 0;
    CJ__TRY(cj__source_open(&s, path));
    cj_status status = read_growing(&s, data, size);
    cj__source_close(&s);
    if (status == CJ_OK) {
        cj_drop_byte_order_mark(*data, size);
        return CJ_OK;
    }
    cj__free(*data);
    *data = NULL;
    return status;
}
