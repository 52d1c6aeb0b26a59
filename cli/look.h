/* What is drawn and compiled to be shown: a recipe's training step, a network known by name. */
#ifndef CAJAL_LOOK_H
#define CAJAL_LOOK_H

#include "tables.h"

#include <cajal/cajal.h>

typedef struct {
    cj_model *model;
    cj_graph *graph;
    cj_program *program;
} drawing;

/* With these measured kernels, or NULL. discard_step is due whether it fails or not. */
cj_status draw_step(cj_recipe *recipe, const cj_dataset *data, const cj_kernels *kernels, drawing *d);
void discard_step(drawing *d);
/* Draws the recipe's step and shows one side of it. */
int look(const options *o, cj_status (*show)(const options *o, const drawing *d));
/* The text on standard output if all is well; it is freed. */
cj_status print_text(cj_status status, char *text);

/* `cajal summary --model NETWORK` and `cajal summary --models`. */
int show_network(const options *o);
int list_networks(void);

#endif
