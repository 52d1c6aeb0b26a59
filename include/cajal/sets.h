/* Public data sets: what they are, where their files come from, and where they lie on this machine.
 * `cajal data` is these calls; nothing here uses the network. */
#ifndef CAJAL_SETS_H
#define CAJAL_SETS_H

#include "cajal/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    const char *name;    /* "mnist" */
    const char *what;    /* a line */
    const char *terms;   /* licence or terms of use, in a few words */
    const char *package; /* the Debian package that brings it; "": none */
} cj_data_set;

/* A file to be downloaded. Paths are below the folder in which data lies, such as the cache. */
typedef struct {
    const char *path; /* where it is kept, or the folder into which the archive is unpacked */
    const char
        *inside;   /* of an archive, the folder within it that is wanted ("": all of it); NULL: no archive */
    int64_t bytes; /* 0: not known */
    const char *sha256;    /* of the file as downloaded; "": no published checksum is recorded */
    const char *addresses; /* with spaces between; each is a mirror of the others */
} cj_data_source;

/* A file, or a folder of files, that is there when the set is. */
typedef struct {
    const char *path;   /* a file may also be there compressed, with .gz behind its name */
    const char *sha256; /* as cj_data_digest tells it; "": no published checksum is recorded */
} cj_data_file;

CJ_API const cj_data_set *cj_data_set_at(int64_t index);      /* in their order; NULL behind the last */
CJ_API const cj_data_set *cj_data_set_find(const char *name); /* NULL: there is none */
CJ_API const cj_data_set *cj_data_set_of(const char *path);   /* to which a file belongs; NULL: to none */
CJ_API const cj_data_source *cj_data_set_source(const cj_data_set *set,
                                                int64_t index);                     /* NULL behind the last */
CJ_API const cj_data_file *cj_data_set_file(const cj_data_set *set, int64_t index); /* likewise */

/* The first folder that holds all files of the set: $CAJAL_DATA, then the cache, then /usr/share/datasets.
 * Writes its path into `size` bytes. CJ_NOT_FOUND, with a sentence that says where was looked, when there is
 * none. */
CJ_API CJ_MUST_CHECK cj_status cj_data_set_locate(const cj_data_set *set, char *folder, size_t size);
/* Where a file of such a folder lies, plain or compressed. */
CJ_API CJ_MUST_CHECK cj_status cj_data_file_locate(const char *folder, const cj_data_file *file, char *path,
                                                   size_t size);
/* The folder for downloads: $XDG_CACHE_HOME/cajal, or ~/.cache/cajal. It need not exist. */
CJ_API CJ_MUST_CHECK cj_status cj_data_cache(char *folder, size_t size);

/* SHA-256 in lower-case hexadecimal digits. cj_file_sha256: of the file's bytes. cj_data_digest: of its
 * contents, unpacked if it is compressed with gzip; of a folder, of a line "SHA256  PATH" for each file below
 * it, in the order of the bytes of their paths, as `find . -type f | sed 's,^..,,' | LC_ALL=C sort | xargs
 * sha256sum | sha256sum` has it. */
CJ_API CJ_MUST_CHECK cj_status cj_file_sha256(const char *path, char digest[65]);
CJ_API CJ_MUST_CHECK cj_status cj_data_digest(const char *path, char digest[65]);
/* The digest of what lies at `path`, which must be the file's where one is recorded (else CJ_FORMAT_ERROR).
 */
CJ_API CJ_MUST_CHECK cj_status cj_data_check(const char *path, const cj_data_file *file, char digest[65]);

#ifdef __cplusplus
}
#endif
#endif
