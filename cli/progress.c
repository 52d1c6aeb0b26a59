/* Progress on standard error: of a training, and of whatever else takes longer than a second. */
#include "cli.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* --- signals ------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool interrupted(void)
{
    return stopped;
}

/* --- training ------------------------------------------------------------------------------------------ */

static void bar(int64_t step, int64_t steps, char text[32])
{
    int full = steps ? (int)(20 * step / steps) : 20;
    for (int i = 0; i < 20; i++) text[i] = i < full ? '=' : i == full ? '>' : '.';
    text[20] = 0;
}

enum { MOST_LINE = 400 };

/* Appends to the line what fits. */
__attribute__((format(printf, 2, 3))) static void add(char line[MOST_LINE], const char *format, ...)
{
    size_t used = strlen(line);
    va_list values;
    va_start(values, format);
    vsnprintf(line + used, MOST_LINE - used, format, values);
    va_end(values);
}

static void add_scores(char line[MOST_LINE], const char *prefix, const cj_scores *scores)
{
    add(line, " - %sloss: %.4f", prefix, scores->loss);
    if (isfinite(scores->accuracy)) add(line, " - %saccuracy: %.4f", prefix, scores->accuracy);
}

static void progress_line(const cj_progress *p, char line[MOST_LINE])
{
    char text[32];
    bar(p->step, p->steps, text);
    snprintf(line, MOST_LINE, "Epoch %lld/%lld  %lld/%lld [%s] %.2f ms/step", (long long)p->epoch,
             (long long)p->epochs, (long long)p->step, (long long)p->steps, text,
             1e3 * p->seconds / (double)p->step);
    add_scores(line, "", &p->training);
    if (p->validation.count) add_scores(line, "val_", &p->validation);
}

/* A line that is written over must not be wider than the terminal: the cursor only goes back in the last row.
 */
static int columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
}

cj_verdict watch_signals(const cj_progress *p, void *context)
{
    (void)p;
    (void)context;
    return stopped ? CJ_INTERRUPT : CJ_GO_ON;
}

cj_verdict show_progress(const cj_progress *p, void *context)
{
    static double shown;
    bool live = isatty(STDERR_FILENO);
    char line[MOST_LINE];
    if (p->summary) show_summary(stderr, p->summary, p->model, p->program);
    if (p->weights) show_weights(p->weights);
    if (p->note) fprintf(stderr, "%s%s\n", p->note, live ? "\033[K" : "");
    if (p->epoch_done) {
        progress_line(p, line);
        fprintf(stderr, "%s%s\n", line, live ? "\033[K" : "");
        shown = 0;
    } else if (live && p->step > 0 && p->seconds - shown > 0.1) {
        progress_line(p, line);
        fprintf(stderr, "%.*s\033[K\r", columns(), line);
        shown = p->seconds;
    }
    return watch_signals(p, context);
}

/* --- waiting ------------------------------------------------------------------------------------------- */

/* A thread of its own looks at the clock: what is waited for may be one long step. */
static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool running, ended;
    const char *what;
    int64_t done, all;
} waiting = {.lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};

static void draw_waiting(double seconds)
{
    char text[32], line[MOST_LINE];
    snprintf(line, sizeof line, "%s", waiting.what);
    if (waiting.all > 0) {
        bar(waiting.done, waiting.all, text);
        add(line, "  %lld/%lld [%s]", (long long)waiting.done, (long long)waiting.all, text);
    }
    add(line, " %.0f s", seconds);
    fprintf(stderr, "%.*s\033[K\r", columns(), line);
}

static void *watch_clock(void *nothing)
{
    struct timespec next;
    double seconds = 1, step = 0.25;
    clock_gettime(CLOCK_REALTIME, &next);
    next.tv_sec++;
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.ended) {
        if (pthread_cond_timedwait(&waiting.over, &waiting.lock, &next) == 0) continue;
        draw_waiting(seconds);
        seconds += step;
        next.tv_nsec += (long)(step * 1e9);
        if (next.tv_nsec >= 1000000000) next.tv_sec++, next.tv_nsec -= 1000000000;
    }
    if (seconds > 1) fputs("\033[K", stderr);
    pthread_mutex_unlock(&waiting.lock);
    return nothing;
}

void begin_waiting(const options *o, const char *what)
{
    end_waiting();
    if (o->quiet || !isatty(STDERR_FILENO)) return;
    waiting.what = what;
    waiting.done = waiting.all = 0;
    waiting.ended = false;
    waiting.running = pthread_create(&waiting.thread, NULL, watch_clock, NULL) == 0;
}

void tell_waiting(int64_t done, int64_t all)
{
    pthread_mutex_lock(&waiting.lock);
    waiting.done = done;
    waiting.all = all;
    pthread_mutex_unlock(&waiting.lock);
}

void end_waiting(void)
{
    if (!waiting.running) return;
    pthread_mutex_lock(&waiting.lock);
    waiting.ended = true;
    pthread_cond_signal(&waiting.over);
    pthread_mutex_unlock(&waiting.lock);
    pthread_join(waiting.thread, NULL);
    waiting.running = false;
}
