/* Words on pictures, in letters of five dots by seven. Accents are marks of their own, put above and below
 * the letters of the Latin alphabets; a character that is not here is a box. */
#include "explain/writing.h"
#include "text/unicode.h"

#include <string.h>

enum { COLUMNS = 5, ROWS = 9, MARK_ROWS = 2 };
enum { ABOVE = 3, LOW = 2 }; /* rows free above a letter, and within a low one such as x */

/* Nine rows of five dots, the last two below the line: the highest of 45 bits is the upper left one. */
static const uint64_t ascii[] = {
    0x000000000000, 0x042108401000, 0x0a5280000000, 0x0a57d5f52800, 0x047d1c5f1000, 0x19c88889cc00,
    0x0c9511593400, 0x042200000000, 0x022210820800, 0x082084222000, 0x00255d520000, 0x00213e420000,
    0x000000061100, 0x00001c000000, 0x000000063000, 0x010888884000, 0x0e8ceb98b800, 0x046108423800,
    0x0e8844447c00, 0x0e884c18b800, 0x0232a5f10800, 0x1f878218b800, 0x06443d18b800, 0x1f0884421000,
    0x0e8c5d18b800, 0x0e8c5e113000, 0x000318063000, 0x000318061100, 0x022220820800, 0x0007c1f00000,
    0x082082222000, 0x0e8844401000, 0x0e8deb683800, 0x0e8c7f18c400, 0x1e8c7d18f800, 0x0e8c2108b800,
    0x1e8c6318f800, 0x1f843d087c00, 0x1f843d084000, 0x0e8c2f18b800, 0x118c7f18c400, 0x0e2108423800,
    0x071084293000, 0x119531494400, 0x108421087c00, 0x11dd6b18c400, 0x11cd6b38c400, 0x0e8c6318b800,
    0x1e8c7d084000, 0x0e8c63593400, 0x1e8c7d494400, 0x0f841c10f800, 0x1f2108421000, 0x118c6318b800,
    0x118c62a51000, 0x118c6b5dc400, 0x118a88a8c400, 0x118a88421000, 0x1f0888887c00, 0x0e4210843800,
    0x108208208400, 0x0e1084213800, 0x045440000000, 0x0000000003e0, 0x082000000000, 0x000382f8bc00,
    0x1087a318f800, 0x0003a1083800, 0x010be318bc00, 0x0003a3f83800, 0x06423c842000, 0x0003e318bc2e,
    0x1087a318c400, 0x040308423800, 0x02018421084c, 0x1084a98a4800, 0x0c2108423800, 0x0006ab5ad400,
    0x0007a318c400, 0x0003a318b800, 0x0007a318fa10, 0x0003e318bc21, 0x0005b1084000, 0x0003e0e0f800,
    0x084790841800, 0x00046318bc00, 0x000462a51000, 0x00046b5aa800, 0x000454454400, 0x00046318bc2e,
    0x0007c4447c00, 0x022110420800, 0x042108421000, 0x082104422000, 0x00026b200000};

typedef struct {
    uint32_t code;
    uint64_t dots;
} sign;

static const sign others[] = {
    {0x00a1, 0x040108421000}, {0x00a3, 0x064a3c847c00}, {0x00ab, 0x000155451400}, {0x00b0, 0x0c9300000000},
    {0x00b7, 0x000008000000}, {0x00bb, 0x000514555000}, {0x00bf, 0x04011108b800}, {0x00c6, 0x0fa52fca5c00},
    {0x00d8, 0x0f9ceb9cf800}, {0x00df, 0x0c94a9295000}, {0x00e6, 0x00068afa2c00}, {0x00f0, 0x0c329f18b800},
    {0x00f8, 0x0003a75cb800}, {0x00fe, 0x1087a318fa10}, {0x0111, 0x023ba5293800}, {0x0131, 0x000308423800},
    {0x0141, 0x084299843c00}, {0x0142, 0x0c2188c23800}, {0x0152, 0x0fa52f4a3c00}, {0x0153, 0x0002ab7a2c00},
    {0x2026, 0x000000005400}, {0x20ac, 0x074791e41c00}, {0x21b5, 0x010953f41000}, {0x2423, 0x00000008fc00},
    {0xfffd, 0x1f8c6318fc00}};

/* Two rows each. */
static const sign above[] = {{0x300, 0x104}, {0x301, 0x044}, {0x302, 0x08a}, {0x303, 0x1b6},
                             {0x304, 0x00e}, {0x306, 0x22e}, {0x307, 0x004}, {0x308, 0x00a},
                             {0x30a, 0x1ca}, {0x30b, 0x0aa}, {0x30c, 0x144}};
static const sign below[] = {{0x323, 0x004}, {0x326, 0x088}, {0x327, 0x08c}, {0x328, 0x086}};
/* What is written like a letter of ASCII. */
static const struct {
    uint32_t code;
    char like;
} alike[] = {{0xd0, 'D'},    {0x110, 'D'},   {0x2010, '-'}, {0x2013, '-'}, {0x2014, '-'},
             {0x2018, '\''}, {0x2019, '\''}, {0x201c, '"'}, {0x201d, '"'}, {0x201e, '"'}};

static const uint64_t *find(const sign *signs, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (signs[i].code == code) return &signs[i].dots;
    return NULL;
}
#define FIND(signs, code) find(signs, sizeof(signs) / sizeof *(signs), code)

static uint64_t dots_of(uint32_t code)
{
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        if (alike[i].code == code) code = (uint32_t)alike[i].like;
    if (code >= ' ' && code < ' ' + sizeof ascii / sizeof *ascii) return ascii[code - ' '];
    const uint64_t *dots = FIND(others, code);
    return dots ? *dots : *FIND(others, 0xfffd);
}

static bool is_mark(uint32_t code)
{
    return code >= 0x300 && code < 0x370;
}

/* --- text ---------------------------------------------------------------------------------------------- */

/* Letters and marks apart, if this build can tell them. */
static cj_status clean(cj__passage *p, cj__text *room)
{
    cj__passage whole = *p;
    cj_status status =
        cj__text_clean(&(cj_text_cleaning){.replace_invalid = true, .form = CJ_FORM_NFD}, p, room);
    if (status != CJ_UNSUPPORTED) return status;
    cj__text_free(room);
    *p = whole;
    return cj__text_clean(&(cj_text_cleaning){.replace_invalid = true}, p, room);
}

cj_status cj__writing_make(const char *token, cj__text *out)
{
    cj__text room = {0};
    cj__passage p = {token, strlen(token), 0};
    cj_status status = clean(&p, &room);
    if (status == CJ_OK) {
        while (p.size > 0 && *p.text == ' ') p.text++, p.size--;
        if (p.size == 0) p = (cj__passage){"\u2423", 3, 0};
        if (p.size == 1 && *p.text == '\n') p = (cj__passage){"\u21b5", 3, 0};
        cj__text_add(out, p.text, p.size);
        status = cj__text_check(out, "a token");
    }
    cj__text_free(&room);
    return status;
}

/* The next character of well-formed text; 0: there is none. */
static uint32_t next(const char **at)
{
    int length = **at ? cj__utf8_length(*at, *at + strnlen(*at, 4)) : 0;
    uint32_t code = length ? cj__utf8_code(*at, length) : 0;
    *at += length;
    return code;
}

int64_t cj__writing_length(const char *text)
{
    int64_t count = 0;
    for (uint32_t code; (code = next(&text));) count += !is_mark(code);
    return count;
}

/* --- dots ---------------------------------------------------------------------------------------------- */

static void put_dot(const cj__pen *pen, int64_t x, int64_t y)
{
    int64_t s = pen->scale, left = pen->left + s * (pen->upwards ? y : x);
    int64_t top = pen->upwards ? pen->top - s * (x + 1) : pen->top + s * y;
    for (int64_t row = top; row < top + s; row++)
        for (int64_t column = left; column < left + s; column++)
            if (row >= 0 && row < pen->to->height && column >= 0 && column < pen->to->width)
                pen->to->pixels[row * pen->to->width + column] = pen->grey;
}

static void put_rows(const cj__pen *pen, uint64_t dots, int rows, int64_t left, int64_t top)
{
    for (int i = 0; i < rows * COLUMNS; i++)
        if (dots >> (rows * COLUMNS - 1 - i) & 1) put_dot(pen, left + i % COLUMNS, top + i / COLUMNS);
}

/* Over a letter that is low there is room within its rows. */
static void put_mark(const cj__pen *pen, uint32_t code, uint64_t letter, int64_t left)
{
    const uint64_t *over = FIND(above, code), *under = FIND(below, code);
    bool low = letter >> (ROWS - LOW) * COLUMNS == 0;
    if (over) put_rows(pen, *over, MARK_ROWS, left, low ? ABOVE - 1 : 0);
    if (under) put_rows(pen, *under, MARK_ROWS, left, ABOVE + ROWS - MARK_ROWS);
}

void cj__write(const cj__pen *pen, const char *text, int64_t most)
{
    int64_t count = 0;
    bool cut = cj__writing_length(text) > most;
    uint64_t letter = 0;
    for (uint32_t code; (code = next(&text));) {
        const char *behind = text;
        if (is_mark(code)) {
            put_mark(pen, code, letter, (count - 1) * CJ__LETTER);
            continue;
        }
        if (count == most) return;
        if (cut && count == most - 1) code = 0x2026;
        if (code == 'i' && FIND(above, next(&behind))) code = 0x131; /* its dot is a mark, too */
        letter = dots_of(code);
        put_rows(pen, letter, ROWS, count++ * CJ__LETTER, ABOVE);
    }
}
