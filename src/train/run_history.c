/* A run's log read back: for `cajal runs`, and for the report with its curves. */
#include "base/file.h"
#include "base/json.h"
#include "cajal/report.h"
#include "train/run_log.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_LOG = 1 << 28 };

/* --- lines --------------------------------------------------------------------------------------------- */

/* One line's fields, as far as they are wanted. */
typedef struct {
    char event[32], name[128];
    int64_t epoch, epochs;
    double seconds, learning_rate;
    cj_scores scores, validation;
} line;

static void read_number(cj__json *j, double *to)
{
    if (cj__json_peek(j) == 'n')
        cj__json_skip(j);
    else
        *to = cj__json_number(j);
}

static void read_count(cj__json *j, int64_t *to)
{
    const char *start = j->at;
    uint64_t count = cj__json_unsigned(j);
    if (count > INT64_MAX) cj__json_refuse(j, start, "a count below 2^63");
    *to = (int64_t)count;
}

static void read_string(cj__json *j, cj__arena *arena, char *to, size_t room)
{
    const char *text = cj__json_string(j, arena);
    if (text) snprintf(to, room, "%s", text);
}

static void read_field(cj__json *j, cj__arena *arena, const char *key, line *l)
{
    const struct {
        const char *key;
        double *number;
    } numbers[] = {{"seconds", &l->seconds},
                   {"loss", &l->scores.loss},
                   {"accuracy", &l->scores.accuracy},
                   {"val_loss", &l->validation.loss},
                   {"val_accuracy", &l->validation.accuracy},
                   {"learning_rate", &l->learning_rate}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(key, numbers[i].key) == 0) {
            read_number(j, numbers[i].number);
            return;
        }
    const struct {
        const char *key;
        int64_t *count;
    } counts[] = {{"epoch", &l->epoch},
                  {"epochs", &l->epochs},
                  {"count", &l->scores.count},
                  {"val_count", &l->validation.count}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (strcmp(key, counts[i].key) == 0) {
            read_count(j, counts[i].count);
            return;
        }
    if (strcmp(key, "event") == 0)
        read_string(j, arena, l->event, sizeof l->event);
    else if (strcmp(key, "name") == 0)
        read_string(j, arena, l->name, sizeof l->name);
    else
        cj__json_skip(j);
}

static cj_status read_line(const char *text, size_t size, line *l)
{
    cj__arena arena = {0};
    cj__json j;
    *l = (line){.scores = {.accuracy = (double)NAN}, .validation = {.accuracy = (double)NAN}};
    cj__json_begin(&j, text, size);
    cj__json_enter(&j, '{');
    for (int64_t i = 0; cj__json_more(&j, i, '}'); i++) {
        const char *key = cj__json_key(&j, &arena);
        if (!key) break;
        read_field(&j, &arena, key, l);
    }
    cj_status status = cj__json_finish(&j);
    cj__arena_free(&arena);
    return status;
}

/* Calls `take` with each line of the folder's log. */
static cj_status read_log(const char *folder, cj_status (*take)(void *context, const line *l), void *context)
{
    char path[4096], *text;
    size_t size;
    snprintf(path, sizeof path, "%s/log.jsonl", folder);
    CJ__TRY(cj__file_read(path, LONGEST_LOG, &text, &size));
    cj_status status = CJ_OK;
    int64_t number = 1;
    for (char *at = text, *end; status == CJ_OK && (end = memchr(at, '\n', (size_t)(text + size - at)));
         at = end + 1, number++) {
        line l;
        status = read_line(at, (size_t)(end - at), &l);
        if (status == CJ_OK)
            status = take(context, &l);
        else
            status = cj__fail_within(status, "%s:%lld", path, (long long)number);
    }
    cj__free(text);
    return status;
}

/* --- what is known of a run ---------------------------------------------------------------------------- */

static cj_status apply(void *context, const line *l)
{
    cj_run_info *info = context;
    if (strcmp(l->event, "begin") == 0 || strcmp(l->event, "resume") == 0) {
        if (*l->name) memcpy(info->name, l->name, sizeof info->name);
        info->epochs = l->epochs;
        info->finished = false;
    } else if (strcmp(l->event, "epoch") == 0) {
        info->epoch = l->epoch;
        info->seconds += l->seconds;
        info->training = l->scores;
        info->validation = l->validation;
    } else if (strcmp(l->event, "end") == 0) {
        info->finished = true;
    } else if (strcmp(l->event, "test") == 0) {
        info->test = l->scores;
    }
    return CJ_OK;
}

cj_status cj_run_read(const char *folder, cj_run_info *info)
{
    *info = (cj_run_info){0};
    return read_log(folder, apply, info);
}

/* --- the report ---------------------------------------------------------------------------------------- */

enum { CURVES = 5 }; /* loss, val_loss, accuracy, val_accuracy, learning rate */

typedef struct {
    cj_run_info info;
    double *values[CURVES]; /* [count] */
    int64_t count, room[CURVES];
} history;

static cj_status add_epoch(void *context, const line *l)
{
    history *h = context;
    CJ__TRY(apply(&h->info, l));
    if (strcmp(l->event, "epoch") != 0) return CJ_OK;
    const double figures[CURVES] = {l->scores.loss, l->validation.count ? l->validation.loss : (double)NAN,
                                    l->scores.accuracy, l->validation.accuracy, l->learning_rate};
    for (int i = 0; i < CURVES; i++) {
        CJ__TRY(cj__grow(&h->values[i], &h->room[i], h->count, sizeof *h->values[i]));
        h->values[i][h->count] = figures[i];
    }
    h->count++;
    return CJ_OK;
}

static bool any_finite(const history *h, int curve)
{
    for (int64_t i = 0; i < h->count; i++)
        if (isfinite(h->values[curve][i])) return true;
    return false;
}

/* A rate that never changed needs no picture. */
static bool worth_showing(const history *h, int curve)
{
    if (curve < CURVES - 1) return any_finite(h, curve);
    for (int64_t i = 1; i < h->count; i++)
        if (h->values[curve][i] != h->values[curve][0]) return true;
    return false;
}

/* Panels of up to two curves; what was never measured is left out. */
static int64_t list_panels(const history *h, cj_report_curve curves[CURVES], cj_report_panel panels[3])
{
    static const char *const names[CURVES] = {"training", "validation", "training", "validation",
                                              "learning rate"};
    static const char *const titles[3] = {"Loss", "Accuracy", "Learning rate"};
    int64_t count = 0, used = 0;
    for (int panel = 0; panel < 3; panel++) {
        int64_t first = used;
        for (int c = 2 * panel; c < 2 * panel + 2 && c < CURVES; c++)
            if (worth_showing(h, c))
                curves[used++] = (cj_report_curve){names[c], NULL, h->values[c], h->count};
        if (used > first)
            panels[count++] = (cj_report_panel){titles[panel], "epoch", curves + first, used - first};
    }
    return count;
}

typedef struct {
    cj_metadata list[8];
    char texts[8][96];
    int64_t count;
} fact_list;

static void add_fact(fact_list *f, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add_fact(fact_list *f, const char *key, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(f->texts[f->count], sizeof f->texts[0], format, values);
    va_end(values);
    f->list[f->count] = (cj_metadata){key, f->texts[f->count]};
    f->count++;
}

static void list_facts(fact_list *f, const history *h, const cj_run_report_options *o)
{
    const cj_run_info *i = &h->info;
    add_fact(f, "epochs", "%lld of %lld", (long long)i->epoch, (long long)i->epochs);
    add_fact(f, "training time", "%.1f s", i->seconds);
    if (i->training.count) add_fact(f, "training loss", "%.4f", i->training.loss);
    if (i->validation.count) add_fact(f, "validation loss", "%.4f", i->validation.loss);
    if (o->test) add_fact(f, "test loss", "%.4f", o->test->loss);
    if (o->test && isfinite(o->test->accuracy))
        add_fact(f, "test accuracy", "%.2f %% of %lld", 100 * o->test->accuracy, (long long)o->test->count);
    if (o->weights) add_fact(f, "weights sha256", "%s", o->weights);
}

static cj_status write_both(const char *folder, const cj_report *report)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/report.svg", folder);
    CJ__TRY(cj_report_write_svg(path, report));
    snprintf(path, sizeof path, "%s/report.html", folder);
    return cj_report_write_html(path, report);
}

cj_status cj_run_report(const char *folder, const cj_run_report_options *options)
{
    history h = {0};
    cj_report_curve curves[CURVES];
    cj_report_panel panels[3];
    fact_list facts = {.count = 0};
    cj_status status = read_log(folder, add_epoch, &h);
    if (status == CJ_OK) {
        list_facts(&facts, &h, options);
        cj_report report = {.size = sizeof report,
                            .title = *h.info.name ? h.info.name : folder,
                            .facts = facts.list,
                            .fact_count = facts.count,
                            .panels = panels,
                            .panel_count = list_panels(&h, curves, panels),
                            .classes = options->confusion ? options->classes : 0,
                            .confusion = options->confusion,
                            .class_names = options->class_names,
                            .pictures_title = "Mistakes",
                            .pictures = options->mistakes,
                            .picture_count = options->mistake_count};
        status = write_both(folder, &report);
    }
    for (int i = 0; i < CURVES; i++) cj__free(h.values[i]);
    return status;
}
