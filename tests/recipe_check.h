/* A file of recipes/ trained for a few steps on data that the test has made: test_recipes.c,
 * test_text_recipes.c. */
#ifndef CJ_TESTS_RECIPE_CHECK_H
#define CJ_TESTS_RECIPE_CHECK_H

#include "support.h"

/* Data as the real sets lie in CAJAL_DATA, which is a new folder from here on, until it is dropped. */
int cj_test_make_data_folder(void **state);
int cj_test_drop_data_folder(void **state);
/* "PART/…" in that folder; what lies before its last slash is made. */
const char *cj_test_data_place(const char *name);

/* Trains it on one thread, and again on three, interrupted after its first step and resumed: the loss falls,
 * and the bits are the same. */
void cj_test_try_recipe(const char *name, int count, const char *const *overrides);

bool cj_test_recipe_says(const char *name, const char *key);
/* Tries all recipes that are on texts, or all that are not. */
void cj_test_try_recipes(bool texts, void (*try)(const char *name));

#endif
