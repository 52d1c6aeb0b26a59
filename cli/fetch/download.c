/* A download: its addresses in turn, each with some patience, until what came is the file that was expected.
 */
#include "clock.h"
#include "fetch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_RETRIES = 4, LONGEST_PAUSE = 30, MUCH = 1 << 20 };

static int64_t size_of(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 ? (int64_t)facts.st_size : 0;
}

/* Half a second, one, two, four, or what the server asks for, within reason. False: stopped meanwhile. */
static bool pause_before(int retry, int64_t asked)
{
    double seconds = 0.5 * (double)(1 << retry), end;
    if ((double)asked > seconds) seconds = (double)asked;
    if (seconds > LONGEST_PAUSE) seconds = LONGEST_PAUSE;
    for (end = clock_now() + seconds; clock_now() < end && !stopped();)
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    return !stopped();
}

/* One address. What brings the file on by a good piece does not count as a failure. */
static transfer_result try_address(const download *d, transfer *t)
{
    for (int retry = 0;; retry++) {
        int64_t before = size_of(d->part);
        t->wait = 0;
        transfer_result result = transfer_run(t);
        if (result != TRANSFER_RETRY) return result;
        if (size_of(d->part) - before >= MUCH) retry = 0;
        progress_break(t->progress);
        if (retry == MOST_RETRIES) return TRANSFER_FAILED;
        if (!d->quiet) fprintf(stderr, "%s: %s; trying again\n", t->address, t->problem);
        if (!pause_before(retry, t->wait)) return TRANSFER_STOPPED;
    }
}

/* What came is kept only where it is right: going on with wrong bytes would never end well. */
static int check(download *d, const char *address)
{
    if (cj_file_sha256(d->part, d->digest) != CJ_OK) return complain_of_library();
    if (!*d->sha256 || strcmp(d->sha256, d->digest) == 0) return EXIT_OK;
    return complain("%s: found a file with SHA-256 %s, expected %s", address, d->digest, d->sha256);
}

static int stop(const download *d)
{
    complain("stopped; %s keeps the %lld bytes that came, and the same command goes on from there", d->part,
             (long long)size_of(d->part));
    return EXIT_STOPPED;
}

/* An exit code; EXIT_FAILED when the next address may do better. */
static int take_from(download *d, const char *address, bool *hopeless)
{
    progress shown;
    progress_begin(&shown, d->name, size_of(d->part), d->quiet);
    transfer t = {.address = address, .part = d->part, .expected = d->bytes, .progress = &shown};
    transfer_result result = try_address(d, &t);
    if (result == TRANSFER_DONE) {
        progress_end(&shown, size_of(d->part));
        int code = check(d, address);
        return code == EXIT_OK ? code : drop_part(d->part);
    }
    progress_break(&shown);
    if (result == TRANSFER_STOPPED) return stop(d);
    *hopeless = result == TRANSFER_BROKEN;
    if (*hopeless) return complain("%s: cannot be written: %s", d->part, t.problem);
    complain("%s: %s", address, t.problem);
    return t.wrong ? drop_part(d->part) : EXIT_FAILED;
}

int download_run(download *d)
{
    char address[MOST_PATH];
    int code = EXIT_FAILED;
    bool hopeless = false;
    for (const char *at = d->addresses; *at && code == EXIT_FAILED && !hopeless;) {
        int length = (int)strcspn(at, " ");
        snprintf(address, sizeof address, "%.*s", length, at);
        at += length + (at[length] == ' ');
        code = stopped() ? stop(d) : take_from(d, address, &hopeless);
    }
    if (code == EXIT_FAILED && size_of(d->part) == 0) unlink(d->part);
    return code;
}
