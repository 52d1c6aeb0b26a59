/* Reports inside: the pieces that the SVG file and the HTML page are put together from. Each is written to a
 * growing text; lengths are in SVG's units, pixels at its natural size. */
#ifndef CJ__REPORT_H
#define CJ__REPORT_H

#include "base/text.h"
#include "cajal/report.h"

enum { CJ__PICTURE_WIDTH = 960 };

/* Escaped for XML and HTML; what is no character there becomes U+FFFD. At most `limit` characters, the last
 * of them "…" when there are more. */
void cj__markup_text(cj__text *out, const char *string, int64_t limit);
#define CJ__WHOLE INT64_MAX
int64_t cj__markup_length(const char *string); /* in characters */

/* The stylesheet of all pictures, for a <style> element. */
extern const char cj__picture_style[];

/* The panels, two to a row, below `top`; each says in words what it shows. */
void cj__report_draw_panels(cj__text *out, const cj_report *report, double top);
double cj__report_panels_height(const cj_report *report);

/* The confusion matrix as a heat map of shares of the rows, with its counts where they fit. */
typedef struct {
    int64_t classes;     /* 0: nothing to draw */
    double cell;         /* side of a square */
    double left, bottom; /* margins for the names */
    double width, height;
} cj__matrix_layout;
cj__matrix_layout cj__report_matrix_layout(const cj_report *report);
void cj__report_draw_matrix(cj__text *out, const cj_report *report, double left, double top);

/* What a row and a column of the confusion matrix say of class `c`; shares of nothing are 0. */
typedef struct {
    double precision, recall, f1, examples, predicted;
} cj__class_scores;
cj__class_scores cj__report_class(const cj_report *report, int64_t c);
/* The class's name, or its number written into `number`. */
const char *cj__report_class_name(const cj_report *report, int64_t c, char number[24]);

/* The section of pictures of an HTML page; nothing where there are none. */
void cj__report_put_pictures(cj__text *out, const cj_report *report);

#endif
