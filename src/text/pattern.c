/* GPT-2's pattern by PCRE2, compiled to machine code where that can be. That it is anchored is compiled in:
 * asked for at a match, it would be interpreted. */
#include "text/pattern.h"
#include "base/memory.h"
#include "base/text.h"
#include "text/unicode.h"

#ifdef CJ_HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdatomic.h>

struct cj__pattern {
    pcre2_general_context *memory;
    pcre2_code *code;
    atomic_bool starved; /* PCRE2 has asked for memory that there was not */
};

/* What Unicode calls white space, written out: PCRE2's own `\s` has one more. */
#define BLANKS                                                                                               \
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{" \
    "3000}"
static const char gpt2[] = "'(?:[stmd]|re|ve|ll)| ?\\p{L}++| ?\\p{N}++| ?[^" BLANKS "\\p{L}\\p{N}]++|[" BLANKS
                           "]+(?![^" BLANKS "])|[" BLANKS "]++";

static void *take(PCRE2_SIZE size, void *context)
{
    void *block = cj__allocate(size);
    if (!block) ((cj__pattern *)context)->starved = true;
    return block;
}

static void give_back(void *block, void *context)
{
    (void)context;
    cj__free(block);
}

static cj_status compile(cj__pattern *p)
{
    int error;
    PCRE2_SIZE place;
    p->memory = pcre2_general_context_create(take, give_back, p);
    pcre2_compile_context *context = p->memory ? pcre2_compile_context_create(p->memory) : NULL;
    if (!context) return cj__out_of_memory(sizeof *p, "GPT-2's pattern");
    p->code = pcre2_compile((PCRE2_SPTR)gpt2, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_ANCHORED, &error,
                            &place, context);
    pcre2_compile_context_free(context);
    if (p->code) pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* where it cannot, it is interpreted */
    if (p->starved) return cj__out_of_memory(sizeof *p, "GPT-2's pattern");
    if (!p->code) return cj__fail(CJ_INTERNAL_ERROR, "PCRE2 does not take GPT-2's pattern: error %d", error);
    return CJ_OK;
}

cj_status cj__pattern_new(cj__pattern **pattern)
{
    cj__pattern *p = *pattern = cj__allocate_zeroed(sizeof *p);
    if (!p) return cj__out_of_memory(sizeof *p, "GPT-2's pattern");
    cj_status status = compile(p);
    if (status == CJ_OK) return CJ_OK;
    cj__pattern_free(p);
    *pattern = NULL;
    return status;
}

void cj__pattern_free(cj__pattern *p)
{
    if (!p) return;
    pcre2_code_free(p->code);
    pcre2_general_context_free(p->memory);
    cj__free(p);
}

cj_status cj__pattern_begin(cj__pattern_walk *walk, const cj__pattern *p, const char *text, size_t size)
{
    *walk = (cj__pattern_walk){.pattern = p, .at = text, .end = text + size, .run = text};
    walk->match = pcre2_match_data_create(1, p->memory);
    return walk->match ? CJ_OK : cj__out_of_memory(64, "a match of GPT-2's pattern");
}

void cj__pattern_end(cj__pattern_walk *walk)
{
    pcre2_match_data_free(walk->match);
    walk->match = NULL;
}

/* Where the stretch that begins at `at` ends. The pattern leaves nothing out. */
static cj_status match(const cj__pattern_walk *walk, const char **end)
{
    PCRE2_SIZE rest = (PCRE2_SIZE)(walk->run - walk->at);
    int count = pcre2_match(walk->pattern->code, (PCRE2_SPTR)walk->at, rest, 0, PCRE2_NO_UTF_CHECK,
                            walk->match, NULL);
    if (count == PCRE2_ERROR_NOMEMORY) return cj__out_of_memory(64, "a match of GPT-2's pattern");
    if (count < 1) return cj__fail(CJ_INTERNAL_ERROR, "GPT-2's pattern fails: PCRE2's error %d", count);
    *end = walk->at + pcre2_get_ovector_pointer(walk->match)[1];
    return CJ_OK;
}
#else
struct cj__pattern {
    int nothing;
};

cj_status cj__pattern_new(cj__pattern **pattern)
{
    *pattern = NULL;
    return cj__fail(CJ_UNSUPPORTED, "BPE cuts text by GPT-2's pattern: this build is without PCRE2 (Debian: "
                                    "libpcre2-dev)");
}

void cj__pattern_free(cj__pattern *p)
{
    (void)p;
}

cj_status cj__pattern_begin(cj__pattern_walk *walk, const cj__pattern *p, const char *text, size_t size)
{
    *walk = (cj__pattern_walk){.pattern = p, .at = text, .end = text + size, .run = text};
    return CJ_OK;
}

void cj__pattern_end(cj__pattern_walk *walk)
{
    (void)walk;
}

static cj_status match(const cj__pattern_walk *walk, const char **end)
{
    *end = walk->run;
    return CJ_OK;
}
#endif

cj_status cj__pattern_next(cj__pattern_walk *walk, const char **stretch, size_t *size)
{
    const char *end = walk->at + 1;
    *stretch = walk->at;
    *size = 0;
    if (walk->at == walk->end) return CJ_OK;
    if (walk->at == walk->run) walk->run = cj__utf8_end(walk->at, walk->end);
    if (walk->run > walk->at) CJ__TRY(match(walk, &end));
    if (walk->run == walk->at) walk->run = end; /* a byte that is no UTF-8 */
    *size = (size_t)(end - walk->at);
    walk->at = end;
    return CJ_OK;
}
