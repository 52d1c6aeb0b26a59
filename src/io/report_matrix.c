/* The confusion matrix of a report: a heat map with its counts, as SVG, and the scores of each class. */
#include "io/report.h"

#include <math.h>
#include <stdio.h>

enum { LARGEST = 100, TOOLTIPS = 40, LONGEST_NAME = 18 };

const char *cj__report_class_name(const cj_report *report, int64_t c, char number[24])
{
    if (report->class_names) return report->class_names[c];
    snprintf(number, 24, "%lld", (long long)c);
    return number;
}

static int64_t count_of(const cj_report *report, int64_t truth, int64_t answer)
{
    return report->confusion[truth * report->classes + answer];
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

cj__class_scores cj__report_class(const cj_report *report, int64_t c)
{
    cj__class_scores s = {0};
    double right = (double)count_of(report, c, c);
    for (int64_t k = 0; k < report->classes; k++) {
        s.examples += (double)count_of(report, c, k);
        s.predicted += (double)count_of(report, k, c);
    }
    s.precision = share(right, s.predicted);
    s.recall = share(right, s.examples);
    s.f1 = share(2 * right, s.examples + s.predicted);
    return s;
}

/* --- layout -------------------------------------------------------------------------------------------- */

static int64_t longest_name(const cj_report *report)
{
    char number[24];
    int64_t longest = 1;
    for (int64_t c = 0; c < report->classes; c++) {
        int64_t length = cj__markup_length(cj__report_class_name(report, c, number));
        if (length > longest) longest = length;
    }
    return longest < LONGEST_NAME ? longest : LONGEST_NAME;
}

cj__matrix_layout cj__report_matrix_layout(const cj_report *report)
{
    cj__matrix_layout m = {0};
    if (!report->confusion || report->classes < 1) return m;
    m.width = 480;
    m.height = 60;
    if (report->classes > LARGEST) return m;
    double name = 7.0 * (double)longest_name(report);
    m.classes = report->classes;
    m.cell = fmin(40, 400.0 / (double)m.classes);
    m.left = 30 + name;
    m.bottom = 34 + (name > m.cell ? 0.72 * name : 10);
    m.width = m.left + m.cell * (double)m.classes + 12;
    m.height = 30 + m.cell * (double)m.classes + m.bottom;
    return m;
}

/* --- drawing ------------------------------------------------------------------------------------------- */

typedef struct {
    cj__text *out;
    const cj_report *report;
    cj__matrix_layout m;
    double left, top; /* of the first cell */
} matrix;

static void put_name(const matrix *to, int64_t c, int64_t limit)
{
    char number[24];
    cj__markup_text(to->out, cj__report_class_name(to->report, c, number), limit);
}

/* Names are left out where their lines would overlap: every `stride`-th stays. */
static void draw_names(const matrix *to)
{
    int64_t stride = (int64_t)ceil(12 / to->m.cell);
    bool slanted = 7.0 * (double)longest_name(to->report) > to->m.cell * (double)stride;
    double below = to->top + to->m.cell * (double)to->m.classes;
    for (int64_t c = 0; c < to->m.classes; c += stride) {
        double middle = ((double)c + 0.5) * to->m.cell;
        cj__text_print(to->out, "<text class=\"cj-tick\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">",
                       to->left - 7, to->top + middle + 4);
        put_name(to, c, LONGEST_NAME);
        if (slanted)
            cj__text_print(
                to->out,
                "</text><text class=\"cj-tick\" text-anchor=\"end\" transform=\"translate(%.1f %.1f) "
                "rotate(-45)\">",
                to->left + middle + 5, below + 13);
        else
            cj__text_print(to->out,
                           "</text><text class=\"cj-tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">",
                           to->left + middle, below + 17);
        put_name(to, c, LONGEST_NAME);
        cj__text_put(to->out, "</text>\n");
    }
}

static void put_tooltip(const matrix *to, int64_t truth, int64_t answer, double part)
{
    cj__text_put(to->out, "<title>");
    put_name(to, truth, CJ__WHOLE);
    cj__text_put(to->out, truth == answer ? " recognised: " : " taken for ");
    if (truth != answer) put_name(to, answer, CJ__WHOLE), cj__text_put(to->out, ": ");
    cj__text_print(to->out, "%lld (%.1f %%)</title>", (long long)count_of(to->report, truth, answer),
                   100 * part);
}

/* The count in the cell, if it can be read there. */
static void draw_count(const matrix *to, int64_t count, double x, double y, double opacity)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)count);
    double size = fmin(12.5, (to->m.cell - 4) / (0.6 * length));
    if (size < 6) return;
    cj__text_print(
        to->out,
        "<text class=\"%s\" text-anchor=\"middle\" font-size=\"%.1f\" x=\"%.1f\" y=\"%.1f\">%s</text>",
        opacity > 0.6 ? "cj-on" : "cj-count", size, x + to->m.cell / 2, y + to->m.cell / 2 + 0.35 * size,
        digits);
}

/* The square root lets mistakes of a few in a hundred be seen beside what is right. */
static void draw_cell(const matrix *to, int64_t truth, int64_t answer, double examples)
{
    int64_t count = count_of(to->report, truth, answer);
    if (count == 0) return;
    double part = share((double)count, examples), opacity = sqrt(part);
    double x = to->left + (double)answer * to->m.cell, y = to->top + (double)truth * to->m.cell;
    double gap = to->m.cell > 8 ? 1 : 0;
    cj__text_print(
        to->out,
        "<g><rect class=\"%s\" fill-opacity=\"%.3f\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>",
        truth == answer ? "cj-fill-0" : "cj-fill-1", opacity, x + gap / 2, y + gap / 2, to->m.cell - gap,
        to->m.cell - gap);
    draw_count(to, count, x, y, opacity);
    if (to->m.classes <= TOOLTIPS) put_tooltip(to, truth, answer, part);
    cj__text_put(to->out, "</g>\n");
}

static void draw_titles(const matrix *to)
{
    double side = to->m.cell * (double)to->m.classes;
    cj__text_print(to->out,
                   "<rect class=\"cj-frame\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n",
                   to->left, to->top, side, side);
    cj__text_print(
        to->out,
        "<text class=\"cj-tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">predicted class</text>\n",
        to->left + side / 2, to->top + side + to->m.bottom - 8);
    cj__text_print(
        to->out,
        "<text class=\"cj-tick\" text-anchor=\"middle\" transform=\"translate(%.1f %.1f) rotate(-90)\">"
        "true class</text>\n",
        to->left - to->m.left + 14, to->top + side / 2);
}

static double share_right(const cj_report *report)
{
    double right = 0, all = 0;
    for (int64_t c = 0; c < report->classes; c++) {
        right += (double)count_of(report, c, c);
        all += cj__report_class(report, c).examples;
    }
    return share(right, all);
}

void cj__report_draw_matrix(cj__text *out, const cj_report *report, double left, double top)
{
    cj__matrix_layout m = cj__report_matrix_layout(report);
    if (m.width == 0) return;
    cj__text_print(
        out, "<g role=\"img\" aria-label=\"Confusion matrix of %lld classes: %.2f %% on the diagonal\">\n",
        (long long)report->classes, 100 * share_right(report));
    cj__text_print(out, "<text class=\"cj-heading\" x=\"%.1f\" y=\"%.1f\">Confusion matrix</text>\n",
                   left + m.left, top + 16);
    matrix to = {.out = out, .report = report, .m = m, .left = left + m.left, .top = top + 30};
    for (int64_t truth = 0; truth < m.classes; truth++) {
        double examples = cj__report_class(report, truth).examples;
        for (int64_t answer = 0; answer < m.classes; answer++) draw_cell(&to, truth, answer, examples);
    }
    if (m.classes)
        draw_names(&to), draw_titles(&to);
    else
        cj__text_print(
            out, "<text class=\"cj-text\" x=\"%.1f\" y=\"%.1f\">too large to draw: %lld classes</text>\n",
            left, top + 44, (long long)report->classes);
    cj__text_put(out, "</g>\n");
}
