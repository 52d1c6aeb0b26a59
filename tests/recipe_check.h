/* A file of recipes/ trained for a few steps on data that the test has made: test_recipes.c,
 * test_text_recipes.c. */
#ifndef CJ_TESTS_RECIPE_CHECK_H
#define CJ_TESTS_RECIPE_CHECK_H

#include "support.h"

/* "PART/…" in cj_test_folder, which is CAJAL_DATA; what lies before its last slash is made. */
const char *cj_test_data_place(const char *name);

/* Trains it on one thread, and again on three, interrupted after its first step and resumed: the loss falls,
 * and the bits are the same. */
void cj_test_try_recipe(const char *name, int count, const char *const *overrides);

bool cj_test_recipe_says(const char *name, const char *key);

typedef struct {
    bool texts;             /* try the recipes that are on texts; else all others */
    int fewest;             /* that there are */
    void (*put_data)(void); /* as the real sets lie in CAJAL_DATA */
    void (*try)(const char *name);
} cj_test_recipes;
int cj_test_run_recipes(cj_test_recipes trial); /* what main returns */

#endif
