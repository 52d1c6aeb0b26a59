/* cajal runs: the runs below a folder, a line each. */
#include "run.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void figure(double value, bool known, double scale)
{
    if (known && isfinite(value))
        printf(" %9.4f", scale * value);
    else
        printf(" %9s", "-");
}

static void show_line(const char *folder, const cj_run_info *i)
{
    char epochs[48];
    snprintf(epochs, sizeof epochs, "%lld/%lld", (long long)i->epoch, (long long)i->epochs);
    printf("%-32s %-24s %9s %9.1f", folder, i->name, epochs, i->seconds);
    figure(i->training.loss, i->training.count, 1);
    figure(i->validation.loss, i->validation.count, 1);
    figure(i->validation.accuracy, i->validation.count, 1);
    figure(i->test.accuracy, i->test.count, 1);
    printf("  %s\n", i->finished ? "finished" : "not finished");
}

static void show_object(const char *folder, const cj_run_info *i, bool first)
{
    printf("%s{\"folder\": ", first ? "" : ", ");
    json_string(folder);
    printf(", \"recipe\": ");
    json_string(i->name);
    printf(", \"epoch\": %lld, \"epochs\": %lld, \"finished\": %s, ", (long long)i->epoch,
           (long long)i->epochs, i->finished ? "true" : "false");
    json_number("seconds", i->seconds, ", ");
    json_number("loss", i->training.count ? i->training.loss : (double)NAN, ", ");
    json_number("val_loss", i->validation.count ? i->validation.loss : (double)NAN, ", ");
    json_number("val_accuracy", i->validation.count ? i->validation.accuracy : (double)NAN, ", ");
    json_number("test_accuracy", i->test.count ? i->test.accuracy : (double)NAN, "}");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int list(const options *o, const char *folder, struct dirent **entries, int count)
{
    int shown = 0;
    for (int i = 0; i < count; i++) {
        char path[MOST_PATH];
        cj_run_info info;
        if (entries[i]->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%.3000s/%.1000s", folder, entries[i]->d_name);
        if (cj_run_read(path, &info) != CJ_OK) continue;
        if (o->json)
            show_object(path, &info, shown == 0);
        else
            show_line(path, &info);
        shown++;
    }
    return shown;
}

int command_runs(const options *o)
{
    const char *folder = o->count ? o->operands[0] : "runs";
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, by_name);
    if (count < 0)
        return fprintf(stderr, "cajal: %s: cannot be listed; runs are made by `cajal train`\n", folder),
               EXIT_FAILED;
    if (o->json)
        printf("[");
    else
        printf("%-32s %-24s %9s %9s %9s %9s %9s %9s\n", "folder", "recipe", "epoch", "seconds", "loss",
               "val_loss", "val_acc", "test_acc");
    list(o, folder, entries, count);
    if (o->json) printf("]\n");
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
    return EXIT_OK;
}
