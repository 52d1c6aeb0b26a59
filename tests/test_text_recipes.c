/* Every file of recipes/ on texts, trained for a few steps on a handful of examples in the formats of the
 * real sets (recipe_check.h).
 *
 * labels: slow */
#include "recipe_check.h"

#include "base/random.h"
#include "base/text.h"
#include "cajal/cajal.h"

/* --- data ---------------------------------------------------------------------------------------------- */

static const char *pick(const char *const *words, int count, uint64_t row, uint64_t place)
{
    return words[cj__bits(11, row, place) % (uint64_t)count];
}

enum { WORDS = 8 };
static const char *const english[WORDS] = {"a", "dog", "runs", "through", "the", "snow", "quickly", "today"},
                         *const german[WORDS] = {"ein", "Hund",   "läuft",   "durch",
                                                 "den", "Schnee", "schnell", "heute"};

/* A sentence of three to six words, other ones for each row. */
static void put_sentence(cj__text *w, const char *const *words, uint64_t row)
{
    uint64_t length = 3 + cj__bits(12, row, 0) % 4;
    for (uint64_t i = 0; i < length; i++) {
        cj__text_put(w, i ? " " : "");
        cj__text_put(w, pick(words, WORDS, row, i));
    }
}

static void save(const char *name, cj__text *w)
{
    expect_ok(cj__text_check(w, name));
    cj_test_write_file(cj_test_data_place(name), w->data, w->size);
    cj__text_free(w);
}

static void put_play(void)
{
    cj__text w = {0};
    for (uint64_t row = 0; row < 130; row++) {
        cj__text_put(&w, row % 4 == 0 ? "First Citizen:\n" : "");
        put_sentence(&w, english, row);
        cj__text_put(&w, "\n");
    }
    save("text/tinyshakespeare.txt", &w);
}

static void put_names(void)
{
    static const char *const parts[WORDS] = {"em", "ma", "ol", "iv", "ia", "no", "ah", "ra"};
    cj__text w = {0};
    for (uint64_t row = 0; row < 40; row++) {
        cj__text_put(&w, pick(parts, WORDS, row, 0));
        cj__text_put(&w, pick(parts, WORDS, row, 1));
        cj__text_put(&w, "\n");
    }
    save("text/names.txt", &w);
}

/* A word says which of the two it is. */
static void put_opinions(void)
{
    static const char *const parts[] = {"train", "dev", "test"};
    for (uint64_t p = 0; p < 3; p++) {
        cj__text w = {0};
        for (uint64_t row = 0; row < 12; row++) {
            cj__text_put(&w, row % 2 ? "good " : "bad ");
            put_sentence(&w, english, 100 * p + row);
            cj__text_print(&w, "\t%d\n", (int)(row % 2));
        }
        char name[32];
        snprintf(name, sizeof name, "sst2/%s.tsv", parts[p]);
        save(name, &w);
    }
}

static void put_translations(void)
{
    static const char *const parts[] = {"train", "val", "test_2016_flickr"};
    for (uint64_t p = 0; p < 3; p++)
        for (int target = 0; target < 2; target++) {
            cj__text w = {0};
            for (uint64_t row = 0; row < 12; row++) {
                put_sentence(&w, target ? english : german, 100 * p + row);
                cj__text_put(&w, ".\n");
            }
            char name[64];
            snprintf(name, sizeof name, "multi30k/%s.%s", parts[p], target ? "en" : "de");
            save(name, &w);
        }
}

static void put_stories(void)
{
    static const char *const places[] = {"kitchen", "garden", "office"};
    for (uint64_t p = 0; p < 2; p++) {
        cj__text w = {0};
        for (uint64_t row = 0; row < 12; row++) {
            cj__text_print(&w, "1 Mary moved to the %s.\n2 John went to the %s.\n3 Where is Mary? \t%s\t1\n",
                           pick(places, 3, row, p), pick(places, 3, row, p + 2), pick(places, 3, row, p));
        }
        save(p ? "babi/qa1_single-supporting-fact_test.txt" : "babi/qa1_single-supporting-fact_train.txt",
             &w);
    }
}

/* What stands for the storyteller: llama2.c's two files, its weights small random numbers. */
enum { VOCABULARY = 512, WIDTH = 64, HIDDEN = 172, LAYERS = 5, HEADS = 8, KV_HEADS = 4, BLOCK = 512 };

static void put_vocabulary(void)
{
    cj__text w = {0};
    cj__text_add(&w, (const char *)&(int32_t){8}, 4); /* bytes of the longest piece */
    for (int i = 0; i < VOCABULARY; i++) {
        char piece[16];
        if (i < 3)
            snprintf(piece, sizeof piece, "%s", (const char *const[]){"<unk>", "\n<s>\n", "\n</s>\n"}[i]);
        else if (i < 259)
            snprintf(piece, sizeof piece, "<0x%02X>", (unsigned)(i - 3));
        else
            snprintf(piece, sizeof piece, "%c%c", 'a' + (i - 259) / 26, 'a' + (i - 259) % 26);
        size_t length = strlen(piece);
        cj__text_add(&w, (const char *)&(float){(float)-i}, 4); /* its score */
        cj__text_add(&w, (const char *)&(int32_t){(int32_t)length}, 4);
        cj__text_add(&w, piece, length);
    }
    save("weights/tok512.bin", &w);
}

static void put_storyteller(void)
{
    enum {
        KEYS = WIDTH / HEADS * KV_HEADS,
        LAYER = 2 * WIDTH + 2 * WIDTH * WIDTH + 2 * WIDTH * KEYS + 3 * WIDTH * HIDDEN,
        NUMBERS = VOCABULARY * WIDTH + LAYERS * LAYER + WIDTH + BLOCK * WIDTH / HEADS
    };
    static struct {
        int32_t head[7];
        float numbers[NUMBERS];
    } file = {{WIDTH, HIDDEN, LAYERS, HEADS, KV_HEADS, VOCABULARY, BLOCK}, {0}};
    for (int i = 0; i < NUMBERS; i++) file.numbers[i] = 0.1F * cj__normal(21, 0, (uint64_t)i);
    cj_test_write_file(cj_test_data_place("weights/stories260K.bin"), &file, sizeof file);
}

static void put_data(void)
{
    put_play();
    put_names();
    put_opinions();
    put_translations();
    put_stories();
    put_vocabulary();
    put_storyteller();
}

/* --- training ------------------------------------------------------------------------------------------ */

/* The run whose weights and tokenizer another recipe begins with, made by the command. */
static void begin_with_run(char tokenizer[600], char weights[600])
{
    const char *run = cj_test_data_place("runs/bert-small-pretrain");
    snprintf(tokenizer, 600, "data.tokenizer=%s/tokenizer.json", run);
    snprintf(weights, 600, "weights.from=%s", run);
    cj_test_result r =
        cj_test_cajal("train", CJ_TEST_SOURCE "/recipes/bert-small-pretrain.yaml", "--output", run, "--json",
                      "training.epochs=1", "training.batch_size=4", "data.vocabulary=300");
    if (r.exit_code != 0) fail_msg("the run before: %s", r.errors);
    const char *validation = strstr(r.output, "\"validation\": {");
    assert_non_null(validation); /* told once: the report's */
    assert_null(strstr(validation + 1, "\"validation\""));
    cj_test_result_free(&r);
}

/* As the recipe says, but for a few examples at a time, and rates that do not begin near nothing. */
static void check_recipe(const char *name)
{
    bool windows = cj_test_recipe_says(name, "windows:");
    const char *overrides[8] = {"training.epochs=4",
                                windows ? "training.batch_size=2" : "training.batch_size=4"};
    char tokenizer[600], weights[600];
    int count = 2;
    if (cj_test_recipe_says(name, "warm_up:")) overrides[count++] = "schedule.warm_up=4";
    if (windows) overrides[count++] = "data.windows=4";
    if (cj_test_recipe_says(name, "vocabulary:")) overrides[count++] = "data.vocabulary=300";
    if (cj_test_recipe_says(name, "from: runs/")) {
        begin_with_run(tokenizer, weights);
        overrides[count++] = tokenizer;
        overrides[count++] = weights;
    }
    cj_test_try_recipe(name, count, overrides);
}

int main(void)
{
    return cj_test_run_recipes((cj_test_recipes){true, 18, put_data, check_recipe});
}
