/* A checkpoint of llama2.c in the place of a recipe: `cajal generate stories260K.bin`. What a recipe would
 * say of the network stands in the file itself, which is looked for like data; the tokenizer lies beside it.
 */
#include "cajal/io.h"
#include "recipe/recipe.h"

#include <string.h>
#include <unistd.h>

bool cj__is_checkpoint_path(const char *path)
{
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".bin") == 0;
}

/* `tok512.bin` for 512 tokens, as the tinyllamas have it, or else `tokenizer.bin`. */
static char *tokenizer_beside(cj__arena *arena, const char *path, const char *vocabulary)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) : 1;
    const char *begin = slash ? path : ".";
    char *own = cj__arena_format(arena, "%.*s/tok%s.bin", folder, begin, vocabulary);
    if (!own || access(own, R_OK) == 0) return own;
    return cj__arena_format(arena, "%.*s/tokenizer.bin", folder, begin);
}

static char *name_of(cj__arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    return cj__arena_format(arena, "%.*s", (int)strlen(name) - 4, name);
}

static cj_status describe(cj_recipe *r, const cj_tensor_file *file)
{
    static const cj__key sizes[] = {CJ__KEY_model_classes, CJ__KEY_model_block,    CJ__KEY_model_layers,
                                    CJ__KEY_model_heads,   CJ__KEY_model_kv_heads, CJ__KEY_model_width,
                                    CJ__KEY_model_hidden,  CJ__KEY_model_head};
    const char *tokens = cj_tensor_file_metadata(file, "classes");
    if (!tokens)
        return cj__fail(CJ_FORMAT_ERROR, "%s: neither a recipe, which is YAML, nor a checkpoint of llama2.c",
                        r->path);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const char *fact = cj_tensor_file_metadata(file, cj__recipe_keys[sizes[i]].name + strlen("model."));
        r->values[sizes[i]] = cj__arena_string(&r->arena, fact);
    }
    r->values[CJ__KEY_model_name] = "llama";
    r->values[CJ__KEY_weights] = r->path;
    r->values[CJ__KEY_name] = name_of(&r->arena, r->path);
    r->values[CJ__KEY_data_tokenizer] = tokenizer_beside(&r->arena, r->path, tokens);
    for (int i = 0; i < CJ__KEY_COUNT; i++)
        if (!r->values[i]) return cj__out_of_memory(0, r->path);
    return CJ_OK;
}

/* Its path is where it lies from then on: the weights and the tokenizer are found by it. */
static cj_status find(cj_recipe *r)
{
    char path[4096];
    CJ__TRY(cj_data_find(r->path, path, sizeof path));
    r->path = cj__arena_string(&r->arena, path);
    return r->path ? CJ_OK : cj__out_of_memory(strlen(path), "a recipe");
}

cj_status cj__recipe_of_checkpoint(cj_recipe *r)
{
    cj_tensor_file *file;
    CJ__TRY(find(r));
    cj_status status = cj_tensor_file_open(&file, r->path);
    if (status == CJ_FORMAT_ERROR)
        return cj__fail_within(status,
                               "a name that ends in .bin is a checkpoint of llama2.c, and this is none");
    if (status == CJ_OK) status = describe(r, file);
    cj_tensor_file_close(file);
    return status;
}
