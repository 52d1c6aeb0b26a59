/* Reports: what the picture and the page show, and that neither odd values, hostile texts, a full disk nor a
 * failed allocation makes them anything but well-formed or costs the earlier file. */
#include "support.h"

#include "base/file.h"
#include "base/memory.h"
#include "cajal/report.h"

#include <errno.h>
#include <math.h>

static const double loss[] = {0.62, 0.31, 0.22, 0.17, 0.14}, val_loss[] = {0.36, 0.25, 0.2, 0.19, 0.195};
static const double accuracy[] = {0.81, 0.91, 0.935, 0.95, 0.958},
                    val_accuracy[] = {0.9, 0.93, 0.943, 0.945, 0.946};
static const cj_report_curve losses[] = {{"loss", NULL, loss, 5}, {"val_loss", NULL, val_loss, 5}};
static const cj_report_curve accuracies[] = {{"accuracy", NULL, accuracy, 5},
                                             {"val_accuracy", NULL, val_accuracy, 5}};
static const cj_report_panel panels[] = {{"Loss", "epoch", losses, 2}, {"Accuracy", "epoch", accuracies, 2}};
static const int64_t confusion[] = {8, 2, 0, 1, 5, 0, 0, 0, 0};
static const char *const names[] = {"Coat", "Shirt", "never seen"};
static const cj_metadata facts[] = {{"test accuracy", "81.25 %"}, {"seed", "1"}};

static const cj_report ordinary = {.size = sizeof(cj_report),
                                   .title = "A run",
                                   .facts = facts,
                                   .fact_count = 2,
                                   .panels = panels,
                                   .panel_count = 2,
                                   .classes = 3,
                                   .confusion = confusion,
                                   .class_names = names};

/* --- a strict reader of markup: tags nest, attributes are quoted, only known entities ------------------- */

static const char *after(const char *at, const char *end)
{
    const char *found = strstr(at, end);
    if (!found) fail_msg("no '%s' after: %.60s", end, at);
    return found + strlen(end);
}

static const char *check_entity(const char *at)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;"};
    for (int i = 0; i < 4; i++)
        if (strncmp(at, known[i], strlen(known[i])) == 0) return at + strlen(known[i]);
    fail_msg("a bare '&' at: %.40s", at);
    return at;
}

/* From '<' to behind '>': the tag's name is put on the stack, or taken from it. */
static const char *check_tag(const char *at, char stack[32][32], int *depth)
{
    bool closing = at[1] == '/', empty = false;
    const char *name = at + 1 + closing;
    size_t length = strcspn(name, " \t\n/>");
    assert_in_range(length, 1, 31);
    for (at = name + length; *at != '>'; at++) {
        if (*at == '"')
            for (at++; *at != '"'; at = *at == '&' ? check_entity(at) : at + 1)
                assert_true(*at && *at != '<');
        assert_true(*at && *at != '<');
        empty = *at == '/';
    }
    bool is_meta = length == 4 && strncmp(name, "meta", 4) == 0; /* HTML's only empty element here */
    if (closing) {
        assert_true(*depth > 0);
        assert_memory_equal(stack[--*depth], name, length);
        assert_int_equal(strlen(stack[*depth]), length);
    } else if (!empty && !is_meta) {
        assert_true(*depth < 32);
        snprintf(stack[(*depth)++], 32, "%.*s", (int)length, name);
    }
    return at + 1;
}

static void expect_well_formed(const char *text)
{
    char stack[32][32];
    int depth = 0, elements = 0;
    if (strncmp(text, "<!DOCTYPE html>\n", 16) == 0) text += 16;
    while (*text) {
        unsigned char c = (unsigned char)*text;
        assert_true(c >= 0x20 || c == '\n' || c == '\t' || c == '\r');
        if (c == '<')
            text = check_tag(text, stack, &depth), elements++;
        else
            text = c == '&' ? check_entity(text) : text + 1;
        assert_true(depth > 0 || *text == '\n' || !*text);
    }
    assert_int_equal(depth, 0);
    assert_true(elements > 3);
}

/* Nothing that a browser would fetch or run, and no value that is no number. */
static void expect_harmless(const char *text)
{
    static const char *const forbidden[] = {"<script", "<link", "<img", "src=",  "href=", "url(",
                                            "@import", "NaN",   "nan",  "inf\"", "-inf",  "inf "};
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (strstr(text, forbidden[i]))
            fail_msg("'%s' in the report: %.80s", forbidden[i], strstr(text, forbidden[i]));
}

/* Both files of a report, joined, checked; freed by the caller. */
static char *written(const cj_report *report)
{
    char *folder = cj_test_new_folder(), *both = NULL;
    expect_ok(cj_report_write_svg(cj_test_path(folder, "report.svg"), report));
    expect_ok(cj_report_write_html(cj_test_path(folder, "report.html"), report));
    char *svg = cj_test_read_file(cj_test_path(folder, "report.svg"), NULL);
    char *html = cj_test_read_file(cj_test_path(folder, "report.html"), NULL);
    expect_well_formed(svg);
    expect_well_formed(html);
    expect_harmless(svg);
    expect_harmless(html);
    assert_true(asprintf(&both, "%s\f%s", svg, html) > 0);
    free(svg);
    free(html);
    cj_test_remove_folder(folder);
    return both;
}

static void expect_text(const char *report, const char *text)
{
    if (!strstr(report, text)) fail_msg("the report lacks: %s", text);
}

/* --- what is shown ------------------------------------------------------------------------------------- */

static void shows_everything(void **state)
{
    (void)state;
    char *report = written(&ordinary);
    expect_text(report, "<title>A run</title>");
    expect_text(report, "aria-label=\"Loss: loss 0.14 after 5 points, val_loss 0.195 after 5 points\"");
    expect_text(report, ">val_accuracy<tspan dx=\"6\" class=\"cj-value\"> 0.946</tspan>");
    expect_text(report, "<th scope=\"row\">test accuracy</th><td>81.25 %</td>");
    expect_text(report, "<title>Coat taken for Shirt: 2 (20.0 %)</title>");
    expect_text(report, "<title>Shirt recognised: 5 (83.3 %)</title>");
    expect_text(report, "Confusion matrix of 3 classes: 81.25 % on the diagonal");
    free(report);
}

static void expect_row(const char *report, const char *name, const char *precision, const char *recall,
                       const char *f1, const char *examples)
{
    char row[400];
    snprintf(row, sizeof row,
             "<tr><th scope=\"row\">%s</th><td class=\"number\">%s</td><td class=\"number\">%s</td>"
             "<td class=\"number\">%s</td><td class=\"number\">%s</td></tr>",
             name, precision, recall, f1, examples);
    expect_text(report, row);
}

static void scores_the_classes(void **state)
{
    (void)state;
    char *report = written(&ordinary);
    expect_row(report, "Coat", "0.8889", "0.8000", "0.8421", "10");
    expect_row(report, "Shirt", "0.7143", "0.8333", "0.7692", "6");
    expect_row(report, "never seen", "0.0000", "0.0000", "0.0000", "0");
    expect_row(report, "mean, all", "0.5344", "0.5444", "0.5371", "16");
    free(report);
}

/* The points of the first curve: where "M" and "L" lead to. */
static int points_of(const char *report, double x[], double y[], int room)
{
    int count = 0;
    const char *at = after(report, "cj-stroke-0\" d=\""), *end = strchr(at, '"');
    for (; at < end; at++) {
        if (*at != 'M' && *at != 'L') continue;
        if (count < room) assert_int_equal(sscanf(at + 1, "%lf %lf", &x[count], &y[count]), 2);
        count++;
    }
    return count;
}

/* Heights in the picture are the values on a straight scale, and the ticks say which. */
static void curves_are_to_scale(void **state)
{
    (void)state;
    const double steps[] = {0, 100, 400}, values[] = {1, 3, 2};
    const cj_report_curve curve = {"value", steps, values, 3};
    const cj_report_panel panel = {"One", NULL, &curve, 1};
    char *report = written(&(cj_report){.panels = &panel, .panel_count = 1});
    double x[3], y[3];
    assert_int_equal(points_of(report, x, y, 3), 3);
    assert_float_equal((x[1] - x[0]) / (x[2] - x[0]), 0.25, 1e-3);
    assert_float_equal((y[2] - y[0]) / (y[1] - y[0]), 0.5, 1e-3);
    assert_true(y[1] < y[0]);
    char tick[200];
    snprintf(tick, sizeof tick, "y=\"%.1f\">3.0</text>", y[1] + 4);
    expect_text(report, tick);
    snprintf(tick, sizeof tick, "x=\"%.1f\" y=\"%.1f\">400</text>", x[2], y[0] + 18);
    expect_text(report, tick);
    free(report);
}

/* --- odd input ----------------------------------------------------------------------------------------- */

static void draw_values(const double *x, const double *y, int64_t count, int expected)
{
    double at[16], height[16];
    const cj_report_curve curve = {"odd", x, y, count};
    const cj_report_panel panel = {"Odd", "step", &curve, 1};
    char *report = written(&(cj_report){.panels = &panel, .panel_count = 1});
    int points = strstr(report, "cj-stroke-0\" d=") ? points_of(report, at, height, 16) : 0;
    assert_int_equal(points, expected);
    for (int i = 0; i < points; i++) {
        assert_true(at[i] >= 0 && at[i] <= 960);
        assert_true(height[i] >= 100 && height[i] <= 310);
    }
    free(report);
}

static void odd_values_are_left_out(void **state)
{
    (void)state;
    draw_values(NULL, NULL, 0, 0);
    draw_values(NULL, (double[]){NAN}, 1, 0);
    draw_values(NULL, (double[]){0.5}, 1, 1);
    draw_values(NULL, (double[]){0}, 1, 1);
    draw_values(NULL, (double[]){1, NAN, 3, INFINITY, -INFINITY, 2}, 6, 3);
    draw_values((double[]){1, NAN, INFINITY}, (double[]){1, 2, 3}, 3, 1);
    draw_values((double[]){7, 7, 7}, (double[]){1, 2, 3}, 3, 3);
    draw_values(NULL, (double[]){-1e300, 1e300, 0}, 3, 3);
    draw_values(NULL, (double[]){-1e308, 1e308}, 2, 0);
    draw_values(NULL, (double[]){5e-324, 1e-310}, 2, 2);
    draw_values(NULL, (double[]){1e-200, 3e-200}, 2, 2);
    draw_values(NULL, (double[]){1, 1 + 1e-15}, 2, 2);
    draw_values((double[]){1e15, 1e15 + 1}, (double[]){-5, -5}, 2, 2);
}

static void broken_lines_begin_anew(void **state)
{
    (void)state;
    const double values[] = {1, 2, NAN, 3};
    const cj_report_curve curve = {"broken", NULL, values, 4};
    const cj_report_panel panel = {"Broken", "epoch", &curve, 1};
    char *report = written(&(cj_report){.panels = &panel, .panel_count = 1});
    const char *path = after(report, "cj-stroke-0\" d=\"");
    int begins = 0;
    for (; *path != '"'; path++) begins += *path == 'M';
    assert_int_equal(begins, 2);
    free(report);
}

static void empty_reports_are_files_too(void **state)
{
    (void)state;
    free(written(&(cj_report){0}));
    const cj_report_panel panel = {"Nothing yet", NULL, NULL, 0};
    free(written(&(cj_report){.panels = &panel, .panel_count = 1}));
    const int64_t nothing[4] = {0};
    free(written(&(cj_report){.classes = 2, .confusion = nothing}));
    const int64_t one[1] = {3};
    char *report = written(&(cj_report){.classes = 1, .confusion = one});
    expect_row(report, "0", "1.0000", "1.0000", "1.0000", "3");
    free(report);
}

static void hostile_texts_are_escaped(void **state)
{
    (void)state;
    const char *evil = "</title></style><script>alert(\"1\")</script>&\x01\x7f\xff\xc3\xa9\xef\xbf\xbf]]>";
    const char *const evil_names[] = {evil, evil, evil};
    const cj_metadata evil_facts[] = {{evil, evil}};
    const cj_report_curve curve = {evil, NULL, loss, 5};
    const cj_report_panel panel = {evil, evil, &curve, 1};
    cj_report report = ordinary;
    report.title = evil, report.class_names = evil_names, report.facts = evil_facts, report.fact_count = 1;
    report.panels = &panel, report.panel_count = 1;
    char *text = written(&report);
    expect_text(text, "<h1>&lt;/title&gt;&lt;/style&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;"
                      "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd]]&gt;</h1>");
    free(text);
}

static void long_names_are_cut_between_characters(void **state)
{
    (void)state;
    const char *const umlauts[] = {
        ("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
         "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"),
        "b", "c"};
    cj_report report = ordinary;
    report.class_names = umlauts;
    char *text = written(&report);
    expect_text(text,
                ">\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
                "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xe2\x80\xa6</text>");
    free(text);
}

/* A million points become as many as can be seen, the one spike among them. */
static void many_points_are_thinned(void **state)
{
    (void)state;
    enum { MANY = 1000000 };
    double *values = malloc(MANY * sizeof *values), *x = malloc(4000 * sizeof *x),
           *y = malloc(4000 * sizeof *y);
    for (int i = 0; i < MANY; i++) values[i] = 1 + (i % 7) * 0.01;
    values[654321] = 9;
    const cj_report_curve curve = {"loss", NULL, values, MANY};
    const cj_report_panel panel = {"Loss", "step", &curve, 1};
    char *report = written(&(cj_report){.panels = &panel, .panel_count = 1});
    int points = points_of(report, x, y, 4000), highest = 0;
    assert_in_range(points, 1000, 2100);
    for (int i = 1; i < points; i++)
        if (y[i] < y[highest]) highest = i;
    assert_float_equal((x[highest] - x[0]) / (x[points - 1] - x[0]), 0.654321, 2e-3);
    assert_true(y[0] - y[highest] > 150);
    assert_in_range(strlen(report), 1000, 150000);
    free(report), free(values), free(x), free(y);
}

static void many_classes_are_counted_all_the_same(void **state)
{
    (void)state;
    for (int64_t classes = 90; classes <= 300; classes += 210) {
        int64_t *counts = calloc((size_t)(classes * classes), sizeof *counts);
        for (int64_t c = 0; c < classes; c++)
            counts[c * classes + c] = INT64_MAX / 400, counts[c * classes] += 1;
        char *report = written(&(cj_report){.classes = classes, .confusion = counts});
        if (classes == 300) expect_text(report, "too large to draw: 300 classes");
        expect_text(report, "<tr><th scope=\"row\">89</th>");
        assert_int_equal(strstr(report, "predicted class") != NULL, classes == 90);
        free(report), free(counts);
    }
}

/* --- refusing and failing ------------------------------------------------------------------------------ */

static void refuse(cj_report report, const char *sentence)
{
    expect_status(cj_report_write_html("/nonexistent/report.html", &report), CJ_INVALID_ARGUMENT);
    expect_message(sentence);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    const cj_report_curve unnamed = {NULL, NULL, loss, 5}, empty = {"loss", NULL, NULL, 5};
    const cj_report_panel of_unnamed = {"Loss", NULL, &unnamed, 1}, of_empty = {"Loss", NULL, &empty, 1},
                          untitled = {0};
    const int64_t negative[] = {-1};
    refuse((cj_report){.fact_count = 1}, "facts are missing");
    refuse((cj_report){.panel_count = 1}, "panels are missing");
    refuse((cj_report){.panels = &untitled, .panel_count = 1}, "panel has no title");
    refuse((cj_report){.panels = &of_unnamed, .panel_count = 1}, "curve has no name");
    refuse((cj_report){.panels = &of_empty, .panel_count = 1}, "curve has no points");
    refuse((cj_report){.classes = 1, .confusion = negative}, "negative count");
    refuse((cj_report){.classes = 0, .confusion = confusion}, "needs 1 to");
    expect_status(cj_report_write_svg(NULL, &ordinary), CJ_INVALID_ARGUMENT);
    expect_status(cj_report_write_svg("/nonexistent/report.svg", NULL), CJ_INVALID_ARGUMENT);
    expect_status(cj_report_write_svg("/nonexistent/report.svg", &ordinary), CJ_NOT_FOUND);
}

static int disk_is_full(const char *operation, size_t *size)
{
    (void)size;
    return strcmp(operation, "write") == 0 ? ENOSPC : 0;
}

static void a_full_disk_keeps_the_earlier(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    const char *path = cj_test_path(folder, "report.svg");
    cj_test_write_file(path, "earlier", 7);
    cj__file_fault = disk_is_full;
    cj_status status = cj_report_write_svg(path, &ordinary);
    cj__file_fault = NULL;
    expect_status(status, CJ_IO_ERROR);
    expect_message("report.svg: cannot be written: No space left");
    char *text = cj_test_read_file(path, NULL);
    assert_string_equal(text, "earlier");
    free(text);
    cj_test_remove_folder(folder);
}

static cj_status write_both(void *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/report.svg", (char *)folder);
    CJ__TRY(cj_report_write_svg(path, &ordinary));
    snprintf(path, sizeof path, "%s/report.html", (char *)folder);
    return cj_report_write_html(path, &ordinary);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char *folder = cj_test_new_folder();
    cj_test_allocator_install();
    cj_test_every_allocation_fails(write_both, folder);
    cj_test_allocator_remove();
    cj_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_everything),          cmocka_unit_test(scores_the_classes),
        cmocka_unit_test(curves_are_to_scale),       cmocka_unit_test(odd_values_are_left_out),
        cmocka_unit_test(broken_lines_begin_anew),   cmocka_unit_test(empty_reports_are_files_too),
        cmocka_unit_test(hostile_texts_are_escaped), cmocka_unit_test(long_names_are_cut_between_characters),
        cmocka_unit_test(many_points_are_thinned),   cmocka_unit_test(many_classes_are_counted_all_the_same),
        cmocka_unit_test(nonsense_is_refused),       cmocka_unit_test(a_full_disk_keeps_the_earlier),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
