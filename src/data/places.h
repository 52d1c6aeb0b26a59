/* Where files of data lie on this machine: one order of search for sets by name, files of recipes and
 * downloads. */
#ifndef CJ__PLACES_H
#define CJ__PLACES_H

#include "base/status.h"

enum { CJ__PLACES = 3, CJ__CACHE = 1, CJ__PATH = 1024 };

/* The folder that is searched at that turn: $CAJAL_DATA, the cache ($XDG_CACHE_HOME/cajal or ~/.cache/cajal),
 * /usr/share/datasets. False where the environment names none. */
bool cj__place(int turn, char folder[CJ__PATH]);
/* Folder/file, or the same with .gz behind it, into `path` where it can be read. */
bool cj__place_has(const char *folder, const char *file, char path[CJ__PATH]);
/* Records what was looked for in which folders, and how it is got: `cajal data get NAME` where `file` belongs
 * to a set of sets.def. Returns CJ_NOT_FOUND. */
cj_status cj__place_missing(const char *what, const char *file);

#endif
