/* The folders in which data is looked for, in their order, and what is said when nothing was found there. */
#include "data/places.h"
#include "base/text.h"
#include "cajal/sets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool named_by(const char *variable, const char *below, char folder[CJ__PATH])
{
    const char *value = getenv(variable);
    if (!value || !*value) return false;
    return snprintf(folder, CJ__PATH, "%s%s", value, below) < CJ__PATH;
}

bool cj__place(int turn, char folder[CJ__PATH])
{
    if (turn == 0) return named_by("CAJAL_DATA", "", folder);
    if (turn == CJ__CACHE)
        return named_by("XDG_CACHE_HOME", "/cajal", folder) || named_by("HOME", "/.cache/cajal", folder);
    return snprintf(folder, CJ__PATH, "/usr/share/datasets") > 0;
}

bool cj__place_has(const char *folder, const char *file, char path[CJ__PATH])
{
    const char *endings[] = {"", ".gz"};
    for (int i = 0; i < 2; i++)
        if (snprintf(path, CJ__PATH, "%s/%s%s", folder, file, endings[i]) < CJ__PATH &&
            access(path, R_OK) == 0)
            return true;
    return false;
}

static void put_places(cj__text *text)
{
    char folder[CJ__PATH];
    for (int i = 0; i < CJ__PLACES; i++) {
        cj__text_put(text, i == 0 ? "" : i + 1 < CJ__PLACES ? ", " : " or ");
        if (!cj__place(i, folder))
            cj__text_put(text, i == 0 ? "$CAJAL_DATA (not set)" : "~/.cache/cajal (HOME is not set)");
        else
            cj__text_print(text, i == 0 ? "%s ($CAJAL_DATA)" : "%s", folder);
    }
}

static void put_advice(cj__text *text, const char *file)
{
    const cj_data_set *set = cj_data_set_of(file);
    if (!set) return;
    cj__text_print(text, "; `cajal data get %s` fetches it", set->name);
    if (*set->package) cj__text_print(text, ", or install Debian's package %s", set->package);
}

cj_status cj__place_missing(const char *what, const char *file)
{
    cj__text text = {0};
    cj__text_print(&text, "%s was not found: looked for %s (or %s.gz) in ", what, file, file);
    put_places(&text);
    put_advice(&text, file);
    cj_status status = cj__text_check(&text, "an error's sentence");
    if (status == CJ_OK) status = cj__fail(CJ_NOT_FOUND, "%s", text.data);
    cj__text_free(&text);
    return status;
}
