/* The pictures of a report's page, each with its caption: PNG within the page itself, so that it opens
 * without a network and without other files. */
#include "base/memory.h"
#include "image/image.h"
#include "io/report.h"

/* RFC 4648 */
static void put_base64(cj__text *out, const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        unsigned left = size - i < 3 ? (unsigned)(size - i) : 3, bits = (unsigned)data[i] << 16;
        if (left > 1) bits |= (unsigned)data[i + 1] << 8;
        if (left > 2) bits |= data[i + 2];
        const char text[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
                              left > 1 ? digits[bits >> 6 & 63] : '=', left > 2 ? digits[bits & 63] : '='};
        cj__text_add(out, text, sizeof text);
    }
}

/* Small pictures are shown larger, their pixels sharp. */
static void put_picture(cj__text *out, const cj_report_picture *picture, const void *png, size_t size)
{
    cj__text_put(out, "<figure><img alt=\"");
    cj__markup_text(out, picture->caption, CJ__WHOLE);
    cj__text_put(out, "\" src=\"data:image/png;base64,");
    put_base64(out, png, size);
    cj__text_put(out, "\"><figcaption>");
    cj__markup_text(out, picture->caption, CJ__WHOLE);
    cj__text_put(out, "</figcaption></figure>\n");
}

void cj__report_put_pictures(cj__text *out, const cj_report *report)
{
    if (report->picture_count == 0) return;
    cj__text_put(out, "<h2>");
    cj__markup_text(out, report->pictures_title ? report->pictures_title : "Pictures", CJ__WHOLE);
    cj__text_put(out, "</h2>\n<div class=\"pictures\">\n");
    for (int64_t i = 0; i < report->picture_count; i++) {
        void *png;
        size_t size;
        cj_status status = cj__png_encode(&report->pictures[i].image, "a report's picture", &png, &size);
        if (status == CJ_OK) put_picture(out, &report->pictures[i], png, size);
        if (status == CJ_OUT_OF_MEMORY) out->failed = true;
        cj__free(png);
        if (status != CJ_UNSUPPORTED) continue;
        cj__text_put(out, "<p>Pictures are left out: this build writes no PNG (libspng-dev).</p>\n");
        break;
    }
    cj__text_put(out, "</div>\n");
}
