/* cajal-manual DOCS RECIPE FOLDER: writes the manual pages, from the tables of commands, options
 * and recipe keys and from the Markdown in DOCS. It runs while Cajal is built and is not installed. */
#include "manual.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_PATH = 4096 };

static FILE *open_file(const char *mode, const char *folder, const char *path)
{
    char whole[MOST_PATH];
    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    FILE *file = fopen(whole, mode);
    if (file || (*mode == 'r' && errno == ENOENT)) return file;
    fprintf(stderr, "cajal-manual: %s: %s\n", whole, strerror(errno));
    exit(1);
}

/* To be freed; "" where there is no such file. */
static char *read_file(const char *folder, const char *path)
{
    FILE *file = open_file("r", folder, path);
    size_t size = 0, room = 1 << 20;
    char *text = malloc(room);
    if (!text) exit(1);
    if (file) size = fread(text, 1, room - 1, file), fclose(file);
    text[size] = 0;
    return text;
}

static void make_folder(const char *folder, const char *name)
{
    char path[MOST_PATH];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return;
    fprintf(stderr, "cajal-manual: %s: %s\n", path, strerror(errno));
    exit(1);
}

static void close_file(FILE *file)
{
    if (ferror(file) || fclose(file) != 0) perror("cajal-manual"), exit(1);
}

static void write_command_pages(const char *docs, const char *folder)
{
    for (int i = 0; i < command_count; i++) {
        char path[128];
        snprintf(path, sizeof path, "man/%s.md", command_table[i].name);
        char *more = read_file(docs, path);
        snprintf(path, sizeof path, "man1/cajal-%s.1", command_table[i].name);
        FILE *file = open_file("w", folder, path);
        put_command_page(file, &command_table[i], more);
        close_file(file);
        free(more);
    }
}

static void write_pages(const char *docs, const char *example_path, const char *folder)
{
    char *overview = read_file(docs, "man/cajal.md"), *keys = read_file(docs, "recipes.md"),
         *example = read_file(docs, example_path);
    write_command_pages(docs, folder);
    FILE *file = open_file("w", folder, "man1/cajal.1");
    put_overview(file, overview);
    close_file(file);
    file = open_file("w", folder, "man5/cajal-recipe.5");
    put_recipe_page(file, keys, example);
    close_file(file);
    free(overview);
    free(keys);
    free(example);
}

int main(int count, char **arguments)
{
    if (count != 4) return fprintf(stderr, "usage: cajal-manual DOCS RECIPE FOLDER\n"), 2;
    const char *docs = arguments[1], *folder = arguments[3];
    static const char *const folders[] = {"", "man1", "man5"};
    for (int i = 0; i < 3; i++) make_folder(folder, folders[i]);
    write_pages(docs, arguments[2], folder);
    return 0;
}
