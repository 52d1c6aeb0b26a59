/* The download helper: `cajal data get` hands over to it. It also fetches one file from an address.
 *   cajal-fetch [--quiet] [--from ADDRESS] NAME ...
 *   cajal-fetch [--quiet] [--sha256 DIGITS] --to FILE ADDRESS ... */
#include "fetch.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
    (void)number;
    signalled = 1;
}

bool stopped(void)
{
    return signalled;
}

int complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("cajal: ", stderr);
    vfprintf(stderr, format, arguments);
    fputs("\n", stderr);
    va_end(arguments);
    return EXIT_FAILED;
}

int complain_of(const char *path, const char *what)
{
    return complain("%s: %s: %s", path, what, strerror(errno));
}

int complain_of_library(void)
{
    return complain("%s", cj_error_message());
}

typedef struct {
    bool quiet;
    const char *from, *to, *sha256;
    char **rest; /* names or addresses */
    int count;
} request;

static int usage(const char *what, const char *which)
{
    complain("%s '%s'; usage: cajal-fetch [--quiet] [--from ADDRESS] NAME ... | [--quiet] [--sha256 DIGITS] "
             "--to FILE "
             "ADDRESS ...",
             what, which);
    return EXIT_USAGE;
}

static int read_request(request *r, int count, char **arguments)
{
    int i = 1;
    for (; i < count && strncmp(arguments[i], "--", 2) == 0; i++) {
        const char *name = arguments[i];
        const char **value = strcmp(name, "--from") == 0     ? &r->from
                             : strcmp(name, "--to") == 0     ? &r->to
                             : strcmp(name, "--sha256") == 0 ? &r->sha256
                                                             : NULL;
        if (strcmp(name, "--quiet") == 0)
            r->quiet = true;
        else if (!value)
            return usage("there is no option", name);
        else if (i + 1 == count)
            return usage("no value follows", name);
        else
            *value = arguments[++i];
    }
    r->rest = arguments + i;
    r->count = count - i;
    return r->count > 0 ? EXIT_OK : usage("nothing is named behind", arguments[i - 1]);
}

static int get_sets(const request *r)
{
    int code = EXIT_OK;
    for (int i = 0; i < r->count; i++)
        if (!cj_data_set_find(r->rest[i])) return usage("there is no data set", r->rest[i]);
    for (int i = 0; i < r->count && code == EXIT_OK; i++)
        code = get_set(cj_data_set_find(r->rest[i]), r->from, r->quiet);
    return code;
}

static int join_addresses(const request *r, char *joined, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < r->count; i++) {
        if (!address_is_allowed(r->rest[i]))
            return usage("an address begins with https:// or file://, not", r->rest[i]);
        int length = snprintf(joined + used, size - used, "%s%s", i ? " " : "", r->rest[i]);
        if ((size_t)length >= size - used) return usage("too many addresses, from this one on:", r->rest[i]);
        used += (size_t)length;
    }
    return EXIT_OK;
}

/* One file by its address. */
static int get_file(const request *r)
{
    char part[MOST_PATH], addresses[4 * MOST_PATH];
    if (exists(r->to)) return printf("%s is here already\n", r->to), EXIT_OK;
    if (snprintf(part, sizeof part, "%s.part", r->to) >= (int)sizeof part)
        return usage("the path is too long:", r->to);
    int code = join_addresses(r, addresses, sizeof addresses);
    if (code == EXIT_OK) code = make_folder_of(r->to);
    if (code == EXIT_OK) code = lock_part(part);
    download d = {.name = r->to,
                  .addresses = addresses,
                  .part = part,
                  .sha256 = r->sha256 ? r->sha256 : "",
                  .quiet = r->quiet};
    if (code == EXIT_OK) code = download_run(&d);
    if (code == EXIT_OK) code = put_in_place(part, r->to);
    if (code == EXIT_OK) printf("%s: SHA-256 %s\n", r->to, d.digest);
    return code;
}

int main(int count, char **arguments)
{
    request r = {0};
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int code = read_request(&r, count, arguments);
    if (code == EXIT_OK) code = r.to ? get_file(&r) : get_sets(&r);
    if (fflush(stdout) != 0) return complain("standard output cannot be written");
    return code;
}
