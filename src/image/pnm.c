/* PGM and PPM: "P5 width height maximum", a space and the samples, of one byte or, above 255, two. */
#include "image/image.h"

#include <ctype.h>
#include <stdio.h>

typedef struct {
    const unsigned char *at, *end;
} scanner;

/* The header's next number, or INT64_MAX where it is beyond; -1: there is none. `#` begins a comment. */
static int64_t next_number(scanner *s)
{
    int64_t number = 0;
    while (s->at < s->end && (isspace(*s->at) || *s->at == '#')) {
        if (*s->at == '#')
            while (s->at < s->end && *s->at != '\n') s->at++;
        else
            s->at++;
    }
    if (s->at == s->end || !isdigit(*s->at)) return -1;
    for (; s->at < s->end && isdigit(*s->at); s->at++)
        number = number > (INT64_MAX - 9) / 10 ? INT64_MAX : 10 * number + (*s->at - '0');
    return number;
}

static cj_status bad_header(const char *name, int64_t width, int64_t height, int64_t most)
{
    const int64_t numbers[] = {width, height, most};
    char found[3][24];
    for (int i = 0; i < 3; i++)
        snprintf(found[i], sizeof found[i], numbers[i] < 0 ? "none" : "%lld", (long long)numbers[i]);
    return cj__fail(
        CJ_FORMAT_ERROR,
        "%s: found width %s, height %s and maximum %s, expected numbers with white space between, "
        "the maximum from 1 to 65535",
        name, found[0], found[1], found[2]);
}

cj_status cj__pnm_read(cj_image *image, const unsigned char *data, size_t size, const char *name)
{
    scanner s = {data + 2, data + size};
    int64_t channels = data[1] == '6' ? 3 : 1;
    int64_t width = next_number(&s), height = next_number(&s), most = next_number(&s);
    if (width < 0 || height < 0 || most < 1 || most > 65535 || s.at == s.end || !isspace(*s.at))
        return bad_header(name, width, height, most);
    CJ__TRY(cj__image_check_size(name, height, width));
    s.at++;
    int64_t samples = height * width * channels, wanted = samples * (most > 255 ? 2 : 1);
    if (s.end - s.at < wanted)
        return cj__fail(CJ_FORMAT_ERROR, "%s: found %lld bytes of pixels, expected %lld", name,
                        (long long)(s.end - s.at), (long long)wanted);
    CJ__TRY(cj__image_make(image, height, width, channels, name));
    for (int64_t i = 0; i < samples; i++) {
        int64_t value = most > 255 ? s.at[2 * i] << 8 | s.at[2 * i + 1] : s.at[i];
        image->pixels[i] = (uint8_t)((value < most ? value : most) * 255 / most);
    }
    return CJ_OK;
}
