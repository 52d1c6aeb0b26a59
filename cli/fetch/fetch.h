/* cajal-fetch, the program behind `cajal data get`: the only one that speaks to the network. A transfer
 * brings bytes to a part file, a download retries it and checks what came, a set is its downloads and what
 * they unpack to. */
#ifndef CAJAL_FETCH_H
#define CAJAL_FETCH_H

#include <cajal/cajal.h>

#include <stdbool.h>
#include <stdint.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 130 };
enum { MOST_PATH = 4096 };

/* Whether SIGINT or SIGTERM came. */
bool stopped(void);
/* "cajal: SENTENCE" on standard error, and EXIT_FAILED. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, of a file and the error that errno holds. */
int complain_of(const char *path, const char *what);
/* The sentence of the library's last failure. */
int complain_of_library(void);

/* --- progress.c ---------------------------------------------------------------------------------------- */

typedef struct {
    const char *name; /* what is coming */
    bool quiet;
    int64_t before; /* bytes that were there when it began */
    double begun, shown;
} progress;

void progress_begin(progress *p, const char *name, int64_t before, bool quiet);
/* A live line on a terminal, from time to time; total 0: not known. */
void progress_show(progress *p, int64_t bytes, int64_t total);
/* The last line; off a terminal the only one. */
void progress_end(progress *p, int64_t bytes);
/* Leaves what stands on the terminal's last line, so that a sentence can follow. */
void progress_break(progress *p);

/* --- transfer.c ---------------------------------------------------------------------------------------- */

typedef enum {
    TRANSFER_DONE,
    TRANSFER_RETRY,  /* what may pass: the connection, a busy server */
    TRANSFER_FAILED, /* what will not, at this address */
    TRANSFER_BROKEN, /* here: the part file cannot be written */
    TRANSFER_STOPPED,
} transfer_result;

typedef struct {
    const char *address, *part; /* the part file goes on where it ends */
    int64_t expected;           /* bytes of the whole; 0: not known */
    progress *progress;
    char problem[512]; /* why it is not done */
    int64_t wait;      /* seconds that the server asks for; 0: it does not say */
    bool wrong;        /* what came is another file */
} transfer;

transfer_result transfer_run(transfer *t);
/* Whether it is of a kind that is fetched: https, file, and http from 127.0.0.1. */
bool address_is_allowed(const char *address);

/* --- download.c ---------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;      /* for people */
    const char *addresses; /* with spaces between, tried in turn */
    const char *part;      /* where it grows, and is kept when it does not come to its end */
    int64_t bytes;         /* 0: not known */
    const char *sha256;    /* "": not known */
    bool quiet;
    char digest[65]; /* of what came */
} download;

/* Leaves the whole file, checked, as the part file. An exit code. */
int download_run(download *d);

/* --- files.c ------------------------------------------------------------------------------------------- */

bool exists(const char *path);
/* Both return an exit code. */
int make_folder(const char *path); /* and those above it */
int make_folder_of(const char *path);
/* Takes its final name: synced, renamed, the folder synced. */
int put_in_place(const char *from, const char *to);
void remove_folder(const char *path);
/* Forgets what a part file holds; EXIT_FAILED in any case. */
int drop_part(const char *part);
/* Holds a lock as long as the program runs; fails when another program holds it. */
int lock_part(const char *part);

/* --- unpack.c ------------------------------------------------------------------------------------------ */

/* EXIT_OK, or a sentence where this build cannot unpack anything. */
int need_unpacking(const char *name);
/* What the archive has below `inside`, into the new folder `to`. An exit code; after a failure the folder is
 * removed, and `damaged` says whether the archive is at fault. */
int unpack(const char *archive, const char *inside, const char *to, bool *damaged);

/* --- set.c --------------------------------------------------------------------------------------------- */

/* `from`: an address in whose folder the files lie, by the names they have at their own; NULL: their own. */
int get_set(const cj_data_set *set, const char *from, bool quiet);

#endif
