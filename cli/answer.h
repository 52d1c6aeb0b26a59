/* A picture as a run's network gets it, and what the network answers: shared by predict, explain and ask. */
#ifndef CAJAL_ANSWER_H
#define CAJAL_ANSWER_H

#include "run.h"

/* Reads a picture as those of the training were read, from standard input where `path` is "-", and turns dark
 * into light where --invert says so. A run without pictures is told on standard error, and EXIT_USAGE. The
 * image is the caller's whether it fails or not. */
int read_picture(const options *o, const run *r, const char *path, cj_image *image);
/* The picture as a dataset of one row. */
cj_status to_dataset(const run *r, const cj_image *image, cj_dataset **data);

/* What the run's networks say together: [rows,classes] to be freed; NULL with a message set. */
float *predict_rows(run *r, const cj_dataset *data);
bool classifies(const run *r);
/* The classes in question: a single probability stands for two of them. */
int64_t classes_in_question(const run *r);
double probability(const run *r, const float *row, int64_t c);
enum { MOST_TOLD = 64 }; /* as many as --top may ask for */
/* The place of the largest of `x` that is not among those told already; the first of several, -1 of none. */
int64_t next_likely(const float *x, int64_t count, const int64_t *told, int64_t told_count);
/* What is said first: the likeliest class; of two, by the recipe's threshold. */
int64_t said_class(const run *r, const float *row);
/* The name, or the number written into `number`. */
const char *class_name(const run *r, int64_t c, char number[24]);

#endif
