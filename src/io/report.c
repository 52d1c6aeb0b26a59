/* Reports: the SVG file and the HTML page, put together from panels, confusion matrix and tables, and written
 * in one step. Training calls this after its epochs; nothing here knows of models. */
#include "io/report.h"
#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

/* --- markup -------------------------------------------------------------------------------------------- */

int64_t cj__markup_length(const char *string)
{
    int64_t length = 0;
    for (const char *at = string, *end = at + strlen(at); at < end; length++) {
        int bytes = cj__utf8_length(at, end);
        at += bytes ? bytes : 1;
    }
    return length;
}

static void put_character(cj__text *out, const char *at, int bytes)
{
    unsigned char c = (unsigned char)*at;
    bool forbidden =
        bytes == 0 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f ||
        (bytes == 3 && (memcmp(at, "\xef\xbf\xbe", 3) == 0 || memcmp(at, "\xef\xbf\xbf", 3) == 0));
    if (forbidden)
        cj__text_put(out, "\xef\xbf\xbd");
    else if (c == '&')
        cj__text_put(out, "&amp;");
    else if (c == '<')
        cj__text_put(out, "&lt;");
    else if (c == '>')
        cj__text_put(out, "&gt;");
    else if (c == '"')
        cj__text_put(out, "&quot;");
    else
        cj__text_add(out, at, (size_t)bytes);
}

void cj__markup_text(cj__text *out, const char *string, int64_t limit)
{
    int64_t left = limit;
    bool cut = limit != CJ__WHOLE && cj__markup_length(string) > limit;
    for (const char *at = string, *end = at + strlen(at); at < end && left > cut; left--) {
        int bytes = cj__utf8_length(at, end);
        put_character(out, at, bytes);
        at += bytes ? bytes : 1;
    }
    if (cut) cj__text_put(out, "…");
}

/* Colours that people with any kind of colour vision tell apart (Okabe and Ito), lighter on dark ground.
 * Plain rules without variables: some converters of pictures know no more of CSS, nor the media query. */
const char cj__picture_style[] =
    ".cj-picture{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n"
    ".cj-ground{fill:#ffffff}\n"
    ".cj-title{font-size:20px;font-weight:600;fill:#1a1a1a}\n"
    ".cj-heading{font-size:14px;font-weight:600;fill:#1a1a1a}\n"
    ".cj-text,.cj-count{fill:#1a1a1a}\n.cj-text{font-size:12.5px}\n"
    ".cj-value,.cj-tick{fill:#5a5f66}\n.cj-tick{font-size:12px}\n.cj-on{fill:#ffffff}\n"
    ".cj-grid{stroke:#e3e6ea}\n.cj-axis{stroke:#8a9099}\n.cj-frame{fill:none;stroke:#c9ced4}\n"
    ".cj-curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\n"
    ".cj-stroke-0{stroke:#0068a8}.cj-stroke-1{stroke:#d55e00}.cj-stroke-2{stroke:#00845f}"
    ".cj-stroke-3{stroke:#b4508c}.cj-stroke-4{stroke:#a67400}.cj-stroke-5{stroke:#5a5f66}\n"
    ".cj-fill-0{fill:#0068a8}.cj-fill-1{fill:#d55e00}.cj-fill-2{fill:#00845f}"
    ".cj-fill-3{fill:#b4508c}.cj-fill-4{fill:#a67400}.cj-fill-5{fill:#5a5f66}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".cj-ground{fill:#16181c}\n.cj-title,.cj-heading,.cj-text,.cj-count{fill:#eceef1}\n"
    ".cj-value,.cj-tick{fill:#a3abb5}\n.cj-on{fill:#101215}\n"
    ".cj-grid{stroke:#2b2f36}\n.cj-axis{stroke:#6d7580}\n.cj-frame{stroke:#3c424b}\n"
    ".cj-stroke-0{stroke:#56b4e9}.cj-stroke-1{stroke:#f0934a}.cj-stroke-2{stroke:#2fc49a}"
    ".cj-stroke-3{stroke:#e08cbf}.cj-stroke-4{stroke:#e6b93c}.cj-stroke-5{stroke:#a3abb5}\n"
    ".cj-fill-0{fill:#56b4e9}.cj-fill-1{fill:#f0934a}.cj-fill-2{fill:#2fc49a}"
    ".cj-fill-3{fill:#e08cbf}.cj-fill-4{fill:#e6b93c}.cj-fill-5{fill:#a3abb5}\n"
    "}\n";

static const char *title_of(const cj_report *report)
{
    return report->title ? report->title : "Report";
}

/* --- the picture --------------------------------------------------------------------------------------- */

enum { MARGIN = 24, TITLE = 56, FACT_LINE = 22 };

static void begin_picture(cj__text *out, double width, double height)
{
    cj__text_print(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"cj-picture\" width=\"%.0f\" height=\"%.0f\" "
        "viewBox=\"0 0 %.0f %.0f\">\n",
        width, height, width, height);
}

static void draw_facts(cj__text *out, const cj_report *report, double left, double top)
{
    for (int64_t i = 0; i < report->fact_count; i++) {
        double y = top + 16 + (double)i * FACT_LINE;
        cj__text_print(out, "<text class=\"cj-tick\" x=\"%.1f\" y=\"%.1f\">", left, y);
        cj__markup_text(out, report->facts[i].key, 24);
        cj__text_print(out, "</text><text class=\"cj-text\" x=\"%.1f\" y=\"%.1f\">", left + 160, y);
        cj__markup_text(out, report->facts[i].value, 32);
        cj__text_put(out, "</text>\n");
    }
}

/* Title, panels, then the matrix with the facts beside it. */
static void draw_picture(cj__text *out, const cj_report *report)
{
    cj__matrix_layout m = cj__report_matrix_layout(report);
    double panels = cj__report_panels_height(report), facts = FACT_LINE * (double)report->fact_count;
    double width = CJ__PICTURE_WIDTH + 2 * MARGIN,
           height = TITLE + panels + fmax(m.height, facts) + 2 * MARGIN;
    begin_picture(out, width, height);
    cj__text_put(out, "<title>");
    cj__markup_text(out, title_of(report), CJ__WHOLE);
    cj__text_print(
        out, "</title>\n<style>\n%s</style>\n<rect class=\"cj-ground\" width=\"%.0f\" height=\"%.0f\"/>\n",
        cj__picture_style, width, height);
    cj__text_print(out, "<g transform=\"translate(%d %d)\">\n<text class=\"cj-title\" x=\"0\" y=\"22\">",
                   MARGIN, MARGIN);
    cj__markup_text(out, title_of(report), 80);
    cj__text_put(out, "</text>\n");
    cj__report_draw_panels(out, report, TITLE);
    cj__report_draw_matrix(out, report, 0, TITLE + panels);
    draw_facts(out, report, m.width > 0 ? fmax(m.width + 40, 496 + 56) : 56, TITLE + panels + 24);
    cj__text_put(out, "</g>\n</svg>\n");
}

/* --- the page ------------------------------------------------------------------------------------------ */

static const char page_style[] =
    ":root{color-scheme:light dark}\n"
    "body{margin:0 auto;padding:24px;max-width:1008px;background:#fff;color:#1a1a1a;line-height:1.45;"
    "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:15px}\n"
    "h1{font-size:24px;margin:0 0 20px;overflow-wrap:anywhere}\nh2{font-size:17px;margin:32px 0 10px}\n"
    "svg{max-width:100%;height:auto;display:block}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:4px 14px 4px 0;text-align:left;border-bottom:1px solid #e3e6ea;vertical-align:top;"
    "overflow-wrap:anywhere}\n"
    "th{font-weight:500;color:#5a5f66}\nthead th,tfoot th{font-weight:600}\n"
    ".number{text-align:right;padding:4px 0 4px 18px}\ntfoot td,tfoot th{border-bottom:none}\n"
    ".columns{display:flex;flex-wrap:wrap;gap:0 48px;align-items:flex-start}\n"
    ".pictures{display:flex;flex-wrap:wrap;gap:14px 18px}figure{margin:0;width:128px;font-size:12px}\n"
    "img{width:128px;image-rendering:pixelated}\n"
    "@media (prefers-color-scheme:dark){body{background:#16181c;color:#eceef1}th,td{border-color:#2b2f36}"
    "th{color:#a3abb5}}\n";

static void put_facts(cj__text *out, const cj_report *report)
{
    if (report->fact_count == 0) return;
    cj__text_put(out, "<table>\n<tbody>\n");
    for (int64_t i = 0; i < report->fact_count; i++) {
        cj__text_put(out, "<tr><th scope=\"row\">");
        cj__markup_text(out, report->facts[i].key, CJ__WHOLE);
        cj__text_put(out, "</th><td>");
        cj__markup_text(out, report->facts[i].value, CJ__WHOLE);
        cj__text_put(out, "</td></tr>\n");
    }
    cj__text_put(out, "</tbody>\n</table>\n");
}

static void put_panels(cj__text *out, const cj_report *report)
{
    if (report->panel_count == 0) return;
    cj__text_put(out, "<h2>Curves</h2>\n");
    begin_picture(out, CJ__PICTURE_WIDTH, cj__report_panels_height(report));
    cj__report_draw_panels(out, report, 0);
    cj__text_put(out, "</svg>\n");
}

static void put_scores(cj__text *out, const cj__class_scores *s)
{
    cj__text_print(
        out,
        "<td class=\"number\">%.4f</td><td class=\"number\">%.4f</td><td class=\"number\">%.4f</td>"
        "<td class=\"number\">%.0f</td></tr>\n",
        s->precision, s->recall, s->f1, s->examples);
}

/* The last line is the plain mean over the classes. */
static void put_class_table(cj__text *out, const cj_report *report)
{
    cj__class_scores mean = {0};
    double n = (double)report->classes;
    char number[24];
    cj__text_put(
        out,
        "<table>\n<thead><tr><th scope=\"col\">class</th><th scope=\"col\" class=\"number\">precision</th>"
        "<th scope=\"col\" class=\"number\">recall</th><th scope=\"col\" class=\"number\">F1</th>"
        "<th scope=\"col\" class=\"number\">examples</th></tr></thead>\n<tbody>\n");
    for (int64_t c = 0; c < report->classes; c++) {
        cj__class_scores s = cj__report_class(report, c);
        cj__text_put(out, "<tr><th scope=\"row\">");
        cj__markup_text(out, cj__report_class_name(report, c, number), CJ__WHOLE);
        cj__text_put(out, "</th>");
        put_scores(out, &s);
        mean.precision += s.precision / n, mean.recall += s.recall / n, mean.f1 += s.f1 / n;
        mean.examples += s.examples;
    }
    cj__text_put(out, "</tbody>\n<tfoot><tr><th scope=\"row\">mean, all</th>");
    put_scores(out, &mean);
    cj__text_put(out, "</tfoot>\n</table>\n");
}

static void put_test(cj__text *out, const cj_report *report)
{
    cj__matrix_layout m = cj__report_matrix_layout(report);
    if (m.width == 0) return;
    cj__text_put(out, "<h2>Classes</h2>\n<div class=\"columns\">\n");
    put_class_table(out, report);
    begin_picture(out, m.width, m.height);
    cj__report_draw_matrix(out, report, 0, 0);
    cj__text_put(out, "</svg>\n</div>\n");
}

/* The policy forbids the page to load anything but the pictures within it. */
static void put_page(cj__text *out, const cj_report *report)
{
    cj__text_put(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                      "style-src 'unsafe-inline'; img-src data:\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    cj__markup_text(out, title_of(report), CJ__WHOLE);
    cj__text_print(out, "</title>\n<style>\n%s%s</style>\n</head>\n<body>\n<h1>", page_style,
                   cj__picture_style);
    cj__markup_text(out, title_of(report), CJ__WHOLE);
    cj__text_put(out, "</h1>\n");
    put_facts(out, report);
    put_panels(out, report);
    put_test(out, report);
    cj__report_put_pictures(out, report);
    cj__text_put(out, "</body>\n</html>\n");
}

/* --- checking and writing ------------------------------------------------------------------------------ */

static cj_status refuse(const char *field, const char *problem)
{
    return cj__fail(CJ_INVALID_ARGUMENT, "a report's %s %s", field, problem);
}

static cj_status check_panel(const cj_report_panel *panel)
{
    if (!panel->title) return refuse("panel", "has no title");
    if (panel->count < 0 || (panel->count > 0 && !panel->curves)) return refuse("panel", "has no curves");
    for (int64_t c = 0; c < panel->count; c++) {
        const cj_report_curve *curve = &panel->curves[c];
        if (!curve->name) return refuse("curve", "has no name");
        if (curve->count < 0 || (curve->count > 0 && !curve->y)) return refuse("curve", "has no points in y");
    }
    return CJ_OK;
}

static cj_status check_classes(const cj_report *report)
{
    if (!report->confusion) return CJ_OK;
    if (report->classes < 1 || report->classes > 1 << 20)
        return refuse("confusion matrix", "needs 1 to 1048576 classes");
    for (int64_t i = 0; i < report->classes * report->classes; i++)
        if (report->confusion[i] < 0) return refuse("confusion matrix", "has a negative count");
    for (int64_t c = 0; report->class_names && c < report->classes; c++)
        if (!report->class_names[c]) return refuse("class", "has no name");
    return CJ_OK;
}

static cj_status check_pictures(const cj_report *report)
{
    if (report->picture_count < 0 || (report->picture_count > 0 && !report->pictures))
        return refuse("pictures", "are missing");
    for (int64_t i = 0; i < report->picture_count; i++) {
        const cj_report_picture *p = &report->pictures[i];
        if (!p->caption || !p->image.pixels) return refuse("picture", "has no pixels or no caption");
        if (p->image.channels != 1 && p->image.channels != 3)
            return refuse("picture", "has not 1 or 3 channels");
    }
    return CJ_OK;
}

static cj_status check(const cj_report *report)
{
    if (report->fact_count < 0 || (report->fact_count > 0 && !report->facts))
        return refuse("facts", "are missing");
    for (int64_t i = 0; i < report->fact_count; i++)
        if (!report->facts[i].key || !report->facts[i].value) return refuse("fact", "has no key or no value");
    if (report->panel_count < 0 || (report->panel_count > 0 && !report->panels))
        return refuse("panels", "are missing");
    for (int64_t i = 0; i < report->panel_count; i++) CJ__TRY(check_panel(&report->panels[i]));
    CJ__TRY(check_pictures(report));
    return check_classes(report);
}

static cj_status write_report(const char *path, const cj_report *report,
                              void (*put)(cj__text *out, const cj_report *report))
{
    cj__text out = {0};
    if (!path || !report) return cj__fail(CJ_INVALID_ARGUMENT, "a report needs a path and its contents");
    CJ__TRY(check(report));
    put(&out, report);
    cj_status status = cj__text_check(&out, "a report");
    if (status == CJ_OK) status = cj__file_replace(path, out.data, out.size);
    cj__text_free(&out);
    return status;
}

cj_status cj_report_write_svg(const char *path, const cj_report *report)
{
    return write_report(path, report, draw_picture);
}

cj_status cj_report_write_html(const char *path, const cj_report *report)
{
    return write_report(path, report, put_page);
}
