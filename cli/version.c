/* cajal version: what this command is, what it runs on, and what it was built with. */
#include "cli.h"

#include <stdio.h>

/* These are no libraries of the command's, but of its helper `cajal-fetch`, which is built where libcurl was
 * found. */
#ifndef CAJAL_CURL_VERSION
#define CAJAL_CURL_VERSION NULL
#endif
#ifndef CAJAL_ARCHIVE_VERSION
#define CAJAL_ARCHIVE_VERSION NULL
#endif
static const cj_library of_helper[] = {
    {"libcurl", CAJAL_CURL_VERSION, "downloads, by cajal-fetch"},
    {"libarchive", CAJAL_ARCHIVE_VERSION, "unpacking them, by cajal-fetch"}};
enum { OF_HELPER = sizeof of_helper / sizeof *of_helper };

/* The command's own come first. */
static bool library_at(int64_t index, cj_library *library)
{
    int64_t own = index;
    if (cj_library_at(index, library)) return true;
    while (own > 0 && !cj_library_at(own - 1, library)) own--;
    if (index - own >= OF_HELPER) return false;
    *library = of_helper[index - own];
    return true;
}

static void show_text(const char *instructions)
{
    cj_library library;
    printf("cajal %s\ncompiler: %s\ninstruction set: %s (available:", cj_version(), cj_compiler(),
           instructions);
    for (int64_t i = 0; cj_instruction_set_at(i); i++)
        printf("%s %s", i ? "," : "", cj_instruction_set_at(i));
    printf(")\nthreads: %d\nlibraries:\n", cj_threads());
    for (int64_t i = 0; library_at(i, &library); i++)
        printf("  %-10s %-12s %s\n", library.name, library.version ? library.version : "left out",
               library.use);
}

static void json_field(const char *name, const char *text, const char *end)
{
    printf("\"%s\": ", name);
    json_string(text);
    fputs(end, stdout);
}

static void show_object(const char *instructions)
{
    cj_library library;
    putchar('{');
    json_field("version", cj_version(), ", ");
    json_field("compiler", cj_compiler(), ", ");
    json_field("instruction_set", instructions, ", \"instruction_sets\": [");
    for (int64_t i = 0; cj_instruction_set_at(i); i++) {
        if (i) printf(", ");
        json_string(cj_instruction_set_at(i));
    }
    printf("], \"threads\": %d, \"libraries\": {", cj_threads());
    for (int64_t i = 0; library_at(i, &library); i++) {
        if (i) printf(", ");
        if (library.version)
            json_field(library.name, library.version, "");
        else
            printf("\"%s\": null", library.name);
    }
    printf("}}\n");
}

int command_version(const options *o)
{
    const char *instructions;
    cj_status status = cj_instruction_set(&instructions);
    if (status != CJ_OK) return failed(status);
    if (o->json)
        show_object(instructions);
    else
        show_text(instructions);
    return EXIT_OK;
}
