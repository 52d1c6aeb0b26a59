/* Every file of recipes/ on texts, trained for a few steps on a handful of examples in the formats of the
 * real sets (recipe_check.h).
 *
 * labels: slow */
#include "recipe_check.h"

#include "base/random.h"
#include "cajal/cajal.h"

/* --- data ---------------------------------------------------------------------------------------------- */

enum { MOST_TEXT = 20000 };

typedef struct {
    char text[MOST_TEXT];
    size_t used;
} writing;

static void put(writing *w, const char *text)
{
    size_t length = strlen(text);
    assert_true(w->used + length < MOST_TEXT);
    memcpy(w->text + w->used, text, length + 1);
    w->used += length;
}

static const char *pick(const char *const *words, int count, uint64_t row, uint64_t place)
{
    return words[cj__bits(11, row, place) % (uint64_t)count];
}

enum { WORDS = 8 };
static const char *const english[WORDS] = {"a", "dog", "runs", "through", "the", "snow", "quickly", "today"},
                         *const german[WORDS] = {"ein", "Hund",   "läuft",   "durch",
                                                 "den", "Schnee", "schnell", "heute"};

/* A sentence of three to six words, other ones for each row. */
static void put_sentence(writing *w, const char *const *words, uint64_t row)
{
    uint64_t length = 3 + cj__bits(12, row, 0) % 4;
    for (uint64_t i = 0; i < length; i++) {
        put(w, i ? " " : "");
        put(w, pick(words, WORDS, row, i));
    }
}

static void save(const char *name, const writing *w)
{
    cj_test_write_file(cj_test_data_place(name), w->text, w->used);
}

static void put_play(void)
{
    static writing w;
    for (uint64_t row = 0; row < 130; row++) {
        put(&w, row % 4 == 0 ? "First Citizen:\n" : "");
        put_sentence(&w, english, row);
        put(&w, "\n");
    }
    save("text/tinyshakespeare.txt", &w);
}

static void put_names(void)
{
    static const char *const parts[WORDS] = {"em", "ma", "ol", "iv", "ia", "no", "ah", "ra"};
    writing w = {0};
    for (uint64_t row = 0; row < 40; row++) {
        put(&w, pick(parts, WORDS, row, 0));
        put(&w, pick(parts, WORDS, row, 1));
        put(&w, "\n");
    }
    save("text/names.txt", &w);
}

/* A word says which of the two it is. */
static void put_opinions(void)
{
    static const char *const parts[] = {"train", "dev", "test"};
    for (uint64_t p = 0; p < 3; p++) {
        writing w = {0};
        for (uint64_t row = 0; row < 12; row++) {
            char label[16];
            put(&w, row % 2 ? "good " : "bad ");
            put_sentence(&w, english, 100 * p + row);
            snprintf(label, sizeof label, "\t%d\n", (int)(row % 2));
            put(&w, label);
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
            writing w = {0};
            for (uint64_t row = 0; row < 12; row++) {
                put_sentence(&w, target ? english : german, 100 * p + row);
                put(&w, ".\n");
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
        writing w = {0};
        for (uint64_t row = 0; row < 12; row++) {
            char lines[160];
            snprintf(lines, sizeof lines,
                     "1 Mary moved to the %s.\n2 John went to the %s.\n3 Where is Mary? \t%s\t1\n",
                     pick(places, 3, row, p), pick(places, 3, row, p + 2), pick(places, 3, row, p));
            put(&w, lines);
        }
        save(p ? "babi/qa1_single-supporting-fact_test.txt" : "babi/qa1_single-supporting-fact_train.txt",
             &w);
    }
}

/* What stands for the storyteller: llama2.c's two files, its weights small random numbers. */
enum { VOCABULARY = 512, WIDTH = 64, HIDDEN = 172, LAYERS = 5, HEADS = 8, KV_HEADS = 4, BLOCK = 512 };

static void put_vocabulary(void)
{
    static char file[VOCABULARY * 32];
    int32_t longest = 8;
    size_t used = sizeof longest;
    memcpy(file, &longest, sizeof longest);
    for (int i = 0; i < VOCABULARY; i++) {
        char piece[16];
        if (i < 3)
            snprintf(piece, sizeof piece, "%s", (const char *const[]){"<unk>", "\n<s>\n", "\n</s>\n"}[i]);
        else if (i < 259)
            snprintf(piece, sizeof piece, "<0x%02X>", (unsigned)(i - 3));
        else
            snprintf(piece, sizeof piece, "%c%c", 'a' + (i - 259) / 26, 'a' + (i - 259) % 26);
        float score = (float)-i;
        int32_t length = (int32_t)strlen(piece);
        memcpy(file + used, &score, sizeof score);
        memcpy(file + used + 4, &length, sizeof length);
        memcpy(file + used + 8, piece, (size_t)length);
        used += 8 + (size_t)length;
    }
    cj_test_write_file(cj_test_data_place("weights/tok512.bin"), file, used);
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

static int make(void **state)
{
    if (cj_test_make_data_folder(state) != 0) return -1;
    put_play();
    put_names();
    put_opinions();
    put_translations();
    put_stories();
    put_vocabulary();
    put_storyteller();
    return 0;
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

static void test_all(void **state)
{
    (void)state;
    cj_test_try_recipes(true, check_recipe);
}

int main(void)
{
#ifndef CJ_HAVE_YAML
    (void)test_all;
    (void)make;
    printf("SKIP: this build reads no recipes\n");
    return 0;
#else
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, make, cj_test_drop_data_folder);
#endif
}
