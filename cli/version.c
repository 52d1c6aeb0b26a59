/* cajal version: what this command is, what it runs on, and what it was built with. */
#include "cli.h"

#include <stdio.h>

/* libcurl is no library of the command's, but of its helper `cajal-fetch`, which is built where it was found.
 */
#ifdef CAJAL_CURL_VERSION
static const cj_library downloads = {"libcurl", CAJAL_CURL_VERSION, "downloads, by cajal-fetch"};
#else
static const cj_library downloads = {"libcurl", NULL, "downloads, by cajal-fetch"};
#endif

static bool library_at(int64_t index, cj_library *library)
{
    if (cj_library_at(index, library)) return true;
    if (!cj_library_at(index - 1, library)) return false;
    *library = downloads;
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
        printf("  %-8s %-12s %s\n", library.name, library.version ? library.version : "left out",
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
