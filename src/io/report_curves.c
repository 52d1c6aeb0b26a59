/* The panels of a report: curves over axes whose ticks are round numbers, as SVG. */
#include "io/report.h"

#include <math.h>

enum { PANEL_WIDTH = 464, PANEL_HEIGHT = 300, GAP = 32 };
enum { PLOT_LEFT = 56, PLOT_TOP = 54, PLOT_WIDTH = PANEL_WIDTH - PLOT_LEFT - 10, PLOT_HEIGHT = 192 };
enum { COLOURS = 6, MANY_POINTS = 2000, TICKS = 6 };

/* Past this the width of a range could overflow; such a point is as good as infinite. */
static const double largest = 1e300;

/* --- axes ---------------------------------------------------------------------------------------------- */

typedef struct {
    double low, high, step; /* of the values; step: from tick to tick */
    bool whole;             /* only whole numbers, as epochs are: no tick between them */
} axis;

typedef struct {
    const cj_report_panel *panel;
    axis x, y;
    double left, top; /* of the plot's area in the picture */
} plot;

static double x_of(const cj_report_curve *curve, int64_t i)
{
    return curve->x ? curve->x[i] : (double)(i + 1);
}

static bool drawable(const cj_report_curve *curve, int64_t i)
{
    return fabs(x_of(curve, i)) <= largest && fabs(curve->y[i]) <= largest; /* false for NaN */
}

static void include(axis *a, double value)
{
    a->low = fmin(a->low, value);
    a->high = fmax(a->high, value);
    a->whole = a->whole && value == floor(value) && fabs(value) < 1e15;
}

/* 1, 2 or 5 times a power of ten, so that about TICKS of them span the range. */
static double round_step(double range)
{
    double rough = range / TICKS, power = pow(10, floor(log10(rough))), share = rough / power;
    return power * (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10);
}

/* A range of nothing, or of rounding errors, is widened around its value. */
static void finish(axis *a, bool to_ticks)
{
    if (a->low > a->high) *a = (axis){.low = 0, .high = 1};
    double magnitude = fmax(fabs(a->low), fabs(a->high));
    if (a->high - a->low <= 1e-9 * magnitude || a->high - a->low < 1e-290) {
        double pad = a->whole ? 1 : magnitude > 1e-280 ? 0.1 * magnitude : 1;
        a->low -= pad;
        a->high += pad;
    }
    a->step = round_step(a->high - a->low);
    if (a->whole) a->step = fmax(a->step, 1);
    if (!to_ticks) return;
    a->low = a->step * floor(a->low / a->step + 1e-6);
    a->high = a->step * ceil(a->high / a->step - 1e-6);
}

static void fit_axes(plot *p)
{
    p->x = p->y = (axis){.low = INFINITY, .high = -INFINITY};
    p->x.whole = true;
    for (int64_t c = 0; c < p->panel->count; c++) {
        const cj_report_curve *curve = &p->panel->curves[c];
        for (int64_t i = 0; i < curve->count; i++) {
            if (!drawable(curve, i)) continue;
            include(&p->x, x_of(curve, i));
            include(&p->y, curve->y[i]);
        }
    }
    p->y.whole = false;
    finish(&p->x, false);
    finish(&p->y, true);
}

static double across(const plot *p, double x)
{
    return p->left + PLOT_WIDTH * ((x - p->x.low) / (p->x.high - p->x.low));
}

static double down(const plot *p, double y)
{
    return p->top + PLOT_HEIGHT * (1 - (y - p->y.low) / (p->y.high - p->y.low));
}

/* As many decimals as the step has; powers of ten where that would be long. */
static void put_tick(cj__text *out, const axis *a, double value)
{
    double magnitude = fmax(fabs(a->low), fabs(a->high));
    int decimals = (int)fmax(0, -floor(log10(a->step) + 1e-9));
    int digits = (int)fmin(15, ceil(log10(magnitude / a->step)) + 1);
    if (fabs(value) < a->step / 2) value = 0;
    if (magnitude >= 1e8 || decimals > 5)
        cj__text_print(out, "%.*g", digits, value);
    else
        cj__text_print(out, "%.*f", decimals, value);
}

static void draw_y_axis(cj__text *out, const plot *p)
{
    int64_t ticks = (int64_t)((p->y.high - p->y.low) / p->y.step + 1e-6);
    for (int64_t i = 0; i <= ticks; i++) {
        double value = p->y.low + (double)i * p->y.step, y = down(p, value);
        cj__text_print(out, "<line class=\"cj-grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
                       p->left, y, p->left + PLOT_WIDTH, y);
        cj__text_print(out, "<text class=\"cj-tick\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">", p->left - 8,
                       y + 4);
        put_tick(out, &p->y, value);
        cj__text_put(out, "</text>\n");
    }
}

static void draw_x_axis(cj__text *out, const plot *p)
{
    double bottom = p->top + PLOT_HEIGHT, first = ceil(p->x.low / p->x.step - 1e-6) * p->x.step;
    cj__text_print(out, "<line class=\"cj-axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                   p->left, bottom, p->left + PLOT_WIDTH, bottom);
    int64_t ticks = (int64_t)((p->x.high - first) / p->x.step + 1e-6);
    for (int64_t i = 0; i <= ticks; i++) {
        double value = first + (double)i * p->x.step, x = across(p, value);
        cj__text_print(out, "<line class=\"cj-axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x,
                       bottom, x, bottom + 4);
        cj__text_print(out, "<text class=\"cj-tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">", x,
                       bottom + 18);
        put_tick(out, &p->x, value);
        cj__text_put(out, "</text>\n");
    }
    if (!p->panel->x_label) return;
    cj__text_print(out, "<text class=\"cj-tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">",
                   p->left + PLOT_WIDTH / 2.0, bottom + 36);
    cj__markup_text(out, p->panel->x_label, 60);
    cj__text_put(out, "</text>\n");
}

/* --- curves -------------------------------------------------------------------------------------------- */

/* A path being written: `open` after a point that the next one connects to. */
typedef struct {
    cj__text *out;
    const plot *plot;
    const cj_report_curve *curve;
    bool open;
} path;

static void add_point(path *to, int64_t i)
{
    double x = across(to->plot, x_of(to->curve, i)), y = down(to->plot, to->curve->y[i]);
    cj__text_print(to->out, "%s%.1f %.1f", to->open ? "L" : "M", x, y);
    /* a length of nothing under round caps makes a dot of a point that stands alone */
    if (!to->open) cj__text_put(to->out, "h0");
    to->open = true;
}

/* Of the points in [first,last) the lowest and the highest in the order of their coming: all that could be
 * seen of them within one pixel's width. */
static void add_extremes(path *to, int64_t first, int64_t last)
{
    int64_t low = -1, high = -1;
    const double *y = to->curve->y;
    for (int64_t i = first; i < last; i++) {
        if (!drawable(to->curve, i)) continue;
        if (low < 0 || y[i] < y[low]) low = i;
        if (high < 0 || y[i] > y[high]) high = i;
    }
    if (low < 0) {
        to->open = false;
        return;
    }
    add_point(to, low < high ? low : high);
    if (low != high) add_point(to, low < high ? high : low);
}

static int64_t last_drawable(const cj_report_curve *curve)
{
    int64_t i = curve->count - 1;
    while (i >= 0 && !drawable(curve, i)) i--;
    return i;
}

static void draw_curve(cj__text *out, const plot *p, int64_t index)
{
    const cj_report_curve *curve = &p->panel->curves[index];
    int64_t last = last_drawable(curve);
    if (last < 0) return;
    path to = {.out = out, .plot = p, .curve = curve};
    int64_t stride = curve->count > MANY_POINTS ? (curve->count - 1) / (MANY_POINTS / 2) + 1 : 1;
    cj__text_print(out, "<path class=\"cj-curve cj-stroke-%d\" d=\"", (int)(index % COLOURS));
    for (int64_t i = 0; i < curve->count; i += stride)
        add_extremes(&to, i, i + stride < curve->count ? i + stride : curve->count);
    cj__text_print(out, "\"/>\n<circle class=\"cj-fill-%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n",
                   (int)(index % COLOURS), across(p, x_of(curve, last)), down(p, curve->y[last]));
}

/* --- a panel ------------------------------------------------------------------------------------------- */

static void put_last_value(cj__text *out, const cj_report_curve *curve)
{
    int64_t last = last_drawable(curve);
    if (last >= 0) cj__text_print(out, " %.4g", curve->y[last]);
}

/* Names and last values, in the colours of the curves; those that no longer fit are left to the colours. */
static void draw_legend(cj__text *out, const plot *p)
{
    double x = p->left, y = p->top - 16, end = p->left + PLOT_WIDTH;
    for (int64_t c = 0; c < p->panel->count; c++) {
        const cj_report_curve *curve = &p->panel->curves[c];
        int64_t characters = cj__markup_length(curve->name);
        double width = 24 + 7.0 * (double)((characters < 20 ? characters : 20) + 8);
        if (x + width - 20 > end) return;
        cj__text_print(
            out, "<rect class=\"cj-fill-%d\" x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"3\" rx=\"1.5\"/>",
            (int)(c % COLOURS), x, y - 5);
        cj__text_print(out, "<text class=\"cj-text\" x=\"%.1f\" y=\"%.1f\">", x + 19, y);
        cj__markup_text(out, curve->name, 20);
        cj__text_put(out, "<tspan dx=\"6\" class=\"cj-value\">");
        put_last_value(out, curve);
        cj__text_put(out, "</tspan></text>\n");
        x += width;
    }
}

/* What a reader who does not see the picture is told. */
static void put_description(cj__text *out, const cj_report_panel *panel)
{
    cj__markup_text(out, panel->title, CJ__WHOLE);
    for (int64_t c = 0; c < panel->count; c++) {
        cj__text_put(out, c ? ", " : ": ");
        cj__markup_text(out, panel->curves[c].name, CJ__WHOLE);
        put_last_value(out, &panel->curves[c]);
        cj__text_print(out, " after %lld points", (long long)panel->curves[c].count);
    }
}

static void draw_panel(cj__text *out, const cj_report_panel *panel, double left, double top)
{
    plot p = {.panel = panel, .left = left + PLOT_LEFT, .top = top + PLOT_TOP};
    fit_axes(&p);
    cj__text_put(out, "<g role=\"img\" aria-label=\"");
    put_description(out, panel);
    cj__text_print(out, "\">\n<text class=\"cj-heading\" x=\"%.1f\" y=\"%.1f\">", p.left, top + 16);
    cj__markup_text(out, panel->title, 48);
    cj__text_put(out, "</text>\n");
    draw_legend(out, &p);
    draw_y_axis(out, &p);
    draw_x_axis(out, &p);
    for (int64_t c = panel->count - 1; c >= 0; c--) draw_curve(out, &p, c);
    cj__text_put(out, "</g>\n");
}

void cj__report_draw_panels(cj__text *out, const cj_report *report, double top)
{
    for (int64_t i = 0; i < report->panel_count; i++)
        draw_panel(out, &report->panels[i], (double)(i % 2) * (PANEL_WIDTH + GAP),
                   top + (double)(i / 2) * PANEL_HEIGHT);
}

double cj__report_panels_height(const cj_report *report)
{
    return (double)((report->panel_count + 1) / 2) * PANEL_HEIGHT;
}
