/* How a run does on rows that it has not seen: what train tells of its test, and evaluate of the rows it was
 * asked for. */
#ifndef CAJAL_JUDGEMENT_H
#define CAJAL_JUDGEMENT_H

#include "run.h"

/* Makes room for the confusion matrix: report.confusion is to be freed. */
cj_status begin_report(report *r, const cj_recipe *recipe, const char *part);
/* Scores and confusion matrix of the run's mean prediction on the rows; of one network that translates, BLEU
 * too. Meanwhile a terminal is told that the run is `doing` so, "testing", say. */
cj_status evaluate_run(const options *o, const char *doing, run *r, const cj_dataset *rows, report *result);
/* Where the recipe has it chosen, the threshold that does best on the validation rows becomes the recipe's.
 */
cj_status choose_threshold(run *r, const cj_dataset *validation);
/* Writes the scores to the folder's log, and its report with them: confusion matrix, pictures of mistakes.
 * `weights`: their SHA-256, or NULL. */
cj_status report_run(const run *r, const char *folder, const cj_dataset *rows, const report *result,
                     const char *weights);

#endif
