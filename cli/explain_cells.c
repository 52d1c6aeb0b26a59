/* cajal explain --method cells: what the cells of a recurrent network hold while it reads a text, as a page
 * of those that tell most. */
#include "explain_text.h"

#include <stdlib.h>

enum { MOST_CELL_TOKENS = 2000, CELLS_SHOWN = 12 };

/* The values of one cell, token by token. */
static void fill_cell(const cj_cell_values *cells, int64_t cell, int64_t count, float *values)
{
    const float *all = cells->values.data;
    int64_t size = cells->values.shape.dims[1] * cells->values.shape.dims[2];
    for (int64_t i = 0; i < count; i++) values[i] = all[i * size + cell];
}

static cj_status write_chosen(task *t, const text *x, const cj_cell_values *cells, const int64_t *chosen,
                              int64_t shown_cells)
{
    int64_t count = cells->values.shape.dims[0], units = cells->values.shape.dims[2];
    cj_coloured_text *pages = calloc((size_t)shown_cells + 1, sizeof *pages);
    float *values = calloc((size_t)(shown_cells * count) + 1, sizeof *values);
    char(*captions)[60] = calloc((size_t)shown_cells + 1, sizeof *captions);
    cj_status status = pages && values && captions ? CJ_OK : CJ_OUT_OF_MEMORY;
    for (int64_t i = 0; i < shown_cells && status == CJ_OK; i++) {
        fill_cell(cells, chosen[i], count, values + i * count);
        snprintf(captions[i], sizeof *captions, "cell %lld of layer %lld", (long long)(chosen[i] % units + 1),
                 (long long)(chosen[i] / units + 1));
        pages[i] =
            (cj_coloured_text){captions[i], (const char *const *)x->pieces, count, values + i * count, 1};
    }
    cj_text_page page = {.size = sizeof page,
                         .title = cj_recipe_name(t->run->recipe),
                         .about = "What single cells hold after each token: warm up to 1, cold down to -1. "
                                  "Shown are those that vary "
                                  "most and yet keep what they hold.",
                         .texts = pages,
                         .count = shown_cells,
                         .absolute = true};
    if (status == CJ_OK) status = write_page(t, "cells", &page);
    free(pages);
    free(values);
    free(captions);
    return status;
}

cj_status write_cells(task *t)
{
    const text *x = &t->texts[0];
    cj_cell_values cells;
    int64_t room = whole_option(t->o->cells, CELLS_SHOWN), count = 0;
    cj_cell_options o = {.size = sizeof o,
                         .model = t->run->models[0],
                         .reader = cj_recipe_reader,
                         .context = t->run->recipe,
                         .tokens = x->tokens.ids,
                         .count = x->tokens.count < MOST_CELL_TOKENS ? x->tokens.count : MOST_CELL_TOKENS,
                         .precision = cj_recipe_evaluate_options(t->run->recipe).precision};
    if (!cj_recipe_is_language(t->run->recipe) || cj_recipe_block(t->run->recipe)) return CJ_UNSUPPORTED;
    tell_part(t, x, "first", o.count);
    begin_waiting(t->o, "cells");
    cj_status status = cj_cell_values_make(&cells, &o);
    end_waiting();
    if (status != CJ_OK) return status;
    int64_t *chosen = calloc((size_t)room, sizeof *chosen);
    status = chosen ? cj_cells_choose(&cells, room, chosen, &count) : CJ_OUT_OF_MEMORY;
    if (status == CJ_OK) status = write_chosen(t, x, &cells, chosen, count);
    free(chosen);
    cj_cell_values_free(&cells);
    return status;
}
