/* Texts whose tokens are coloured, as an HTML page that loads nothing: what a prediction hangs on, what a
 * cell holds. */
#include "base/memory.h"
#include "cajal/explain.h"
#include "io/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char style[] =
    "body{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu "
    "Sans',sans-serif;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem;color:#1a1a1a;background:#fff;line-height:1.5}\n"
    "h1{font-size:1.3rem}h2{font-size:1rem;margin:1.5rem 0 .3rem}\n"
    "pre{font-family:ui-monospace,'DejaVu Sans "
    "Mono',monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:0}\n"
    "pre span{padding:.1em 0;border-radius:2px}pre span.x{outline:2px solid #00845f}\n"
    "@media (prefers-color-scheme:dark){body{color:#eceef1;background:#16181c}}\n";

/* Pointing at a token that has a row of its own shows that row: shares in hundredths, at data-v, of the
 * number at data-w. */
static const char script[] =
    "document.querySelectorAll('pre').forEach(p=>{const "
    "s=[...p.children];s.forEach(e=>{if(!e.dataset.v)return;"
    "e.addEventListener('mouseenter',()=>{const v=e.dataset.v.split(' ');s.forEach((t,i)=>{const "
    "n=i<v.length?+v[i]:0;t.title=n?(n*e.dataset.w/100).toPrecision(2):0;"
    "t.style.background=n?'rgba('+(n>0?'213,94,0':'0,104,168')+','+Math.abs(n)/125+')':'';"
    "t.className=t===e?'x':''})})})})\n";

/* --- one text ------------------------------------------------------------------------------------------ */

static float largest(const float *values, int64_t count)
{
    float most = 0;
    for (int64_t i = 0; i < count; i++)
        if (fabsf(values[i]) > most) most = fabsf(values[i]);
    return most;
}

/* -100 to 100; what is no number has no colour */
static int share(float value, float whole)
{
    float s = whole > 0 ? value / whole * 100 : 0;
    return s >= 100 ? 100 : s <= -100 ? -100 : s == s ? (int)lrintf(s) : 0;
}

static float whole_of(const cj_text_page *page, const float *row, int64_t count)
{
    return page->absolute ? 1 : largest(row, count);
}

/* Up to the last token that it says something of. */
static void put_row(cj__text *out, const cj_text_page *page, const float *row, int64_t count)
{
    float whole = whole_of(page, row, count);
    while (count > 0 && row[count - 1] == 0) count--;
    cj__text_put(out, " data-v=\"");
    for (int64_t i = 0; i < count; i++) cj__text_print(out, i ? " %d" : "%d", share(row[i], whole));
    cj__text_print(out, "\" data-w=\"%.3g\"", (double)whole);
}

static void put_colour(cj__text *out, int hundredths)
{
    if (hundredths == 0) return;
    cj__text_print(out, " style=\"background:rgba(%s,%.2f)\"", hundredths > 0 ? "213,94,0" : "0,104,168",
                   abs(hundredths) / 125.0);
}

/* A line break is seen, and breaks. */
static void put_piece(cj__text *out, const char *piece)
{
    if (strcmp(piece, "\n") == 0)
        cj__text_put(out, "↵\n");
    else
        cj__markup_text(out, *piece ? piece : "·", CJ__WHOLE);
}

/* The row that is seen at first: the last that says something. */
static int64_t row_shown(const cj_coloured_text *t)
{
    int64_t row = t->rows - 1;
    while (row > 0 && largest(t->values + row * t->count, t->count) == 0) row--;
    return row;
}

static void put_text(cj__text *out, const cj_text_page *page, const cj_coloured_text *t)
{
    int64_t at_first = row_shown(t);
    const float *values = t->values + at_first * t->count;
    float whole = whole_of(page, values, t->count);
    if (t->caption) {
        cj__text_put(out, "<h2>");
        cj__markup_text(out, t->caption, CJ__WHOLE);
        cj__text_put(out, "</h2>\n");
    }
    cj__text_put(out, "<pre>");
    for (int64_t i = 0; i < t->count; i++) {
        int64_t row = i - (t->count - t->rows);
        cj__text_put(out, t->rows > 1 && row == at_first ? "<span class=\"x\"" : "<span");
        put_colour(out, share(values[i], whole));
        if (t->rows > 1 && row >= 0) put_row(out, page, t->values + row * t->count, t->count);
        cj__text_print(out, " title=\"%.3g\">", (double)values[i]);
        put_piece(out, t->pieces[i]);
        cj__text_put(out, "</span>");
    }
    cj__text_put(out, "</pre>\n");
}

/* --- the page ------------------------------------------------------------------------------------------ */

static cj_status check(const cj_text_page *page)
{
    for (int64_t i = 0; i < page->count; i++) {
        const cj_coloured_text *t = &page->texts[i];
        if (!t->pieces || !t->values || t->count < 1 || t->rows < 1 || t->rows > t->count)
            return cj__fail(CJ_INVALID_ARGUMENT,
                            "text %lld of a page has %lld tokens and %lld rows of values: each must be 1 or "
                            "more, and the tokens as many at least",
                            (long long)i, (long long)t->count, (long long)t->rows);
    }
    return CJ_OK;
}

static void put_page(cj__text *out, const cj_text_page *page)
{
    const char *title = page->title ? page->title : "";
    bool points = false;
    for (int64_t i = 0; i < page->count; i++) points |= page->texts[i].rows > 1;
    cj__text_put(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                      "'unsafe-inline'; "
                      "script-src 'unsafe-inline'\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    cj__markup_text(out, title, CJ__WHOLE);
    cj__text_print(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>", style);
    cj__markup_text(out, title, CJ__WHOLE);
    cj__text_put(out, "</h1>\n<p>");
    cj__markup_text(out, page->about ? page->about : "", CJ__WHOLE);
    cj__text_put(out, "</p>\n");
    for (int64_t i = 0; i < page->count; i++) put_text(out, page, &page->texts[i]);
    if (points) cj__text_print(out, "<script>%s</script>\n", script);
    cj__text_put(out, "</body>\n</html>\n");
}

cj_status cj_text_page_make(char **html, const cj_text_page *page)
{
    cj__text out = {0};
    *html = NULL;
    CJ__TRY(check(page));
    put_page(&out, page);
    cj_status status = cj__text_check(&out, "a page of text");
    if (status == CJ_OK)
        *html = out.data;
    else
        cj__text_free(&out);
    return status;
}
