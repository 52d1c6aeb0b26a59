/* How a download is getting on: a bar on standard error, as `cajal train` has it. */
#include "clock.h"
#include "fetch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void progress_begin(progress *p, const char *name, int64_t before, bool quiet)
{
    *p = (progress){.name = name, .quiet = quiet, .before = before, .begun = clock_now()};
}

static void bar(int64_t bytes, int64_t total, char text[32])
{
    int full = total ? (int)(20 * (double)bytes / (double)total) : 20;
    for (int i = 0; i < 20; i++) text[i] = i < full ? '=' : i == full ? '>' : '.';
    text[20] = 0;
}

static void line(const progress *p, int64_t bytes, int64_t total, const char *end)
{
    char text[32] = "";
    double seconds = clock_now() - p->begun, rate = seconds > 0 ? (double)(bytes - p->before) / seconds : 0;
    fprintf(stderr, "%s  %.1f", p->name, (double)bytes / 1e6);
    if (total) {
        bar(bytes < total ? bytes : total, total, text);
        fprintf(stderr, "/%.1f MB [%s]", (double)total / 1e6, text);
    } else {
        fprintf(stderr, " MB");
    }
    fprintf(stderr, " %.1f MB/s%s", rate / 1e6, end);
}

void progress_show(progress *p, int64_t bytes, int64_t total)
{
    double time = clock_now();
    if (p->quiet || !isatty(STDERR_FILENO) || time - p->shown < 0.1) return;
    line(p, bytes, total, "\033[K\r");
    p->shown = time;
}

void progress_end(progress *p, int64_t bytes)
{
    if (!p->quiet) line(p, bytes, bytes, isatty(STDERR_FILENO) ? "\033[K\n" : "\n");
    p->shown = 0;
}

void progress_break(progress *p)
{
    if (p->shown > 0) fputs("\n", stderr);
    p->shown = 0;
}
