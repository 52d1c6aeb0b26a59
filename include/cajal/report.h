/* The report of a training: its curves, the confusion matrix of a test, pictures and the facts of the run, as
 * one SVG picture or as one HTML page that opens without a network. Both follow the reader's light or dark
 * setting.
 */
#ifndef CAJAL_REPORT_H
#define CAJAL_REPORT_H

#include "cajal/image.h"
#include "cajal/io.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One line of a panel. A point that is not finite is left out, and the line broken there. */
typedef struct {
    const char *name; /* "val_loss" */
    const double *x;  /* [count], ascending; NULL: 1, 2, 3, … */
    const double *y;  /* [count] */
    int64_t count;    /* 0 is allowed: the curve has not begun yet */
} cj_report_curve;

/* Curves over common axes. */
typedef struct {
    const char *title;   /* "Loss" */
    const char *x_label; /* "epoch"; NULL: none */
    const cj_report_curve *curves;
    int64_t count;
} cj_report_panel;

typedef struct {
    cj_image image;      /* of 1 or 3 channels */
    const char *caption; /* "cat taken for dog, 98.3 %" */
} cj_report_picture;

/* Everything is borrowed for the call. Texts are UTF-8 and may hold anything: they are escaped. */
typedef struct {
    size_t size;
    const char *title;        /* NULL: "Report" */
    const cj_metadata *facts; /* in the order shown: {"test accuracy", "96.8 %"} */
    int64_t fact_count;
    const cj_report_panel *panels; /* two to a row: loss, accuracy, … */
    int64_t panel_count;
    int64_t classes;
    const int64_t *confusion;          /* [classes,classes] counts, true class by row; NULL: there is none */
    const char *const *class_names;    /* [classes]; NULL: 0, 1, 2, … */
    const char *pictures_title;        /* "Mistakes"; NULL: "Pictures" */
    const cj_report_picture *pictures; /* of the page alone */
    int64_t picture_count;
} cj_report;

/* Both replace the file in one step, like everything written here. The page holds the picture, and precision,
 * recall and F1 of each class in a table besides. */
CJ_API CJ_MUST_CHECK cj_status cj_report_write_svg(const char *path, const cj_report *report);
CJ_API CJ_MUST_CHECK cj_status cj_report_write_html(const char *path, const cj_report *report);

#ifdef __cplusplus
}
#endif
#endif
