/* What this library was built from: its version, the compiler, and the optional libraries of
 * docs/dependencies.md that it was linked with. `cajal version` prints it. */
#include "base/memory.h"

#define AS_TEXT(token)     #token
#define VERSION_TEXT(word) AS_TEXT(word)

#ifdef CJ_HAVE_YAML
#include <yaml.h>
#define YAML_VERSION yaml_get_version_string()
#else
#define YAML_VERSION NULL
#endif
#ifdef CJ_HAVE_ZLIB
#include <zlib.h>
#define DEFLATE_VERSION zlibVersion()
#else
#define DEFLATE_VERSION NULL
#endif
#ifdef CJ_HAVE_SPNG
#include <spng.h>
#define PNG_VERSION spng_version_string()
#else
#define PNG_VERSION NULL
#endif
#ifdef CJ_HAVE_JPEG
#include <stdio.h>

#include <jpeglib.h>
#ifndef LIBJPEG_TURBO_VERSION
#define LIBJPEG_TURBO_VERSION unknown
#endif
#define JPEG_VERSION VERSION_TEXT(LIBJPEG_TURBO_VERSION)
#else
#define JPEG_VERSION NULL
#endif

#ifdef CJ_HAVE_UTF8PROC
#include <utf8proc.h>
#define UNICODE_VERSION utf8proc_version()
#else
#define UNICODE_VERSION NULL
#endif
#ifdef CJ_HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#define PATTERN_VERSION VERSION_TEXT(PCRE2_MAJOR) "." VERSION_TEXT(PCRE2_MINOR)
#else
#define PATTERN_VERSION NULL
#endif

const char *cj_version(void)
{
    return CJ_VERSION;
}

const char *cj_compiler(void)
{
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

bool cj_library_at(int64_t index, cj_library *library)
{
    const cj_library libraries[] = {
        {"libyaml", YAML_VERSION, "recipes"},
        {"zlib", DEFLATE_VERSION, "compressed data sets"},
        {"libspng", PNG_VERSION, "PNG pictures"},
        {"libjpeg", JPEG_VERSION, "JPEG pictures"},
        {"utf8proc", UNICODE_VERSION, "words, lower case and normal forms of Unicode"},
        {"PCRE2", PATTERN_VERSION, "GPT-2's tokenizer"},
    };
    if (index < 0 || index >= (int64_t)(sizeof libraries / sizeof *libraries)) return false;
    *library = libraries[index];
    return true;
}
