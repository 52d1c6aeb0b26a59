/* A recipe's augmentations: each is checked when it is read, against the table of the data room, and kept
 * with every parameter filled in. */
#include "recipe/recipe.h"

#include <string.h>

static cj_status append(cj_recipe *r, const char *type, const cj__augmentation *made)
{
    cj__text text = {0};
    cj__augmentation_text(made, &text);
    cj_status status = cj__text_check(&text, "an augmentation");
    cj_augmentation one = {cj__arena_string(&r->arena, type),
                           status == CJ_OK ? cj__arena_string(&r->arena, text.data) : NULL};
    cj__text_free(&text);
    if (!one.type || !one.parameters) return cj__out_of_memory(strlen(type), "an augmentation");
    r->augment[r->augment_count++] = one;
    return CJ_OK;
}

/* Whether the pictures can be augmented so is seen when there are some. */
cj_status cj__recipe_augment(cj_recipe *r, int line, const char *type, const char *parameters)
{
    char where[300];
    cj__augmentation made;
    cj_status status = cj__augmentation_read(&made, type, parameters);
    if (status != CJ_OK) return cj__fail_within(status, "%s", cj__recipe_place(r, line, where));
    if (r->augment_count == CJ__MOST_AUGMENTATIONS)
        return cj__fail(CJ_INVALID_ARGUMENT, "%s: a list has at most %d augmentations",
                        cj__recipe_place(r, line, where), CJ__MOST_AUGMENTATIONS);
    return append(r, type, &made);
}

/* "name" or "name: parameters" */
static cj_status read_item(cj_recipe *r, char *item)
{
    char *colon = strchr(item, ':'), *type = item + strspn(item, " ");
    if (colon) *colon = 0;
    for (size_t n = strlen(type); n > 0 && type[n - 1] == ' '; n--) type[n - 1] = 0;
    return cj__recipe_augment(r, 0, type, colon ? colon + 1 : NULL);
}

cj_status cj__recipe_augment_instead(cj_recipe *r, const char *list)
{
    char *text = cj__arena_string(&r->arena, list);
    if (!text) return cj__out_of_memory(strlen(list), "augmentations");
    memset(r->augment, 0, sizeof r->augment);
    r->augment_count = 0;
    if (strcmp(text, "none") == 0) return CJ_OK;
    for (char *item = text, *next; item; item = next) {
        next = strchr(item, ';');
        if (next) *next++ = 0;
        CJ__TRY(read_item(r, item));
    }
    return CJ_OK;
}
