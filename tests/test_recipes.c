/* Every file of recipes/ on pictures or tables, trained for a few steps on a handful of examples in the
 * formats of the real sets: its loss falls, and one and three threads give the same bits.
 *
 * labels: slow */
#include "support.h"

#include "base/random.h"
#include "cajal/cajal.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

enum { ROWS = 5, EPOCHS = 4, MOST_RECIPES = 100 };

static char *folder; /* what CAJAL_DATA is */

/* --- data ---------------------------------------------------------------------------------------------- */

/* "PART/…" in the folder; what lies before its last slash is made. */
static const char *place(const char *name)
{
    const char *path = cj_test_path(folder, name);
    char parent[4096];
    for (const char *slash = strchr(path + strlen(folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
        if (mkdir(parent, 0700) != 0 && errno != EEXIST) fail_msg("%s cannot be made", parent);
    }
    return path;
}

/* A shade for each class, and noise. */
static void put_pixels(uint8_t *to, int64_t count, int64_t label, uint64_t row)
{
    for (int64_t i = 0; i < count; i++)
        to[i] = (uint8_t)(label * 40 % 200 + cj__bits(3, row, (uint64_t)i) % 56);
}

static void put_idx(const char *set, const char *part)
{
    enum { SIZE = 28 * 28 };
    static uint8_t images[16 + ROWS * SIZE] = {0, 0, 8, 3, 0, 0, 0, ROWS, 0, 0, 0, 28, 0, 0, 0, 28},
                                      labels[8 + ROWS] = {0, 0, 8, 1, 0, 0, 0, ROWS};
    char name[128];
    for (int i = 0; i < ROWS; i++) {
        labels[8 + i] = (uint8_t)i;
        put_pixels(images + 16 + i * SIZE, SIZE, i, (uint64_t)i);
    }
    snprintf(name, sizeof name, "%s/%s-images-idx3-ubyte", set, part);
    cj_test_write_file(place(name), images, sizeof images);
    snprintf(name, sizeof name, "%s/%s-labels-idx1-ubyte", set, part);
    cj_test_write_file(place(name), labels, sizeof labels);
}

/* A record in each file. */
static void put_cifar(void)
{
    static const char *const names[] = {"data_batch_1", "data_batch_2", "data_batch_3",
                                        "data_batch_4", "data_batch_5", "test_batch"};
    uint8_t record[1 + 3072];
    for (int i = 0; i < 6; i++) {
        char name[128];
        snprintf(name, sizeof name, "cifar-10-batches-bin/%s.bin", names[i]);
        record[0] = (uint8_t)i;
        put_pixels(record + 1, 3072, i, (uint64_t)i);
        cj_test_write_file(place(name), record, sizeof record);
    }
}

static void put_archive(void)
{
    static uint8_t x[3][ROWS][28][28], y[3][ROWS][1];
    static const char *const parts[] = {"train", "val", "test"};
    cj_named_tensor list[6];
    char names[6][16];
    for (int p = 0; p < 3; p++) {
        for (int i = 0; i < ROWS; i++) {
            y[p][i][0] = (uint8_t)(i % 2);
            put_pixels(&x[p][i][0][0], 28 * 28, 2 * (i % 2), (uint64_t)(p * ROWS + i));
        }
        snprintf(names[2 * p], 16, "%s_images", parts[p]);
        snprintf(names[2 * p + 1], 16, "%s_labels", parts[p]);
        list[2 * p] = (cj_named_tensor){names[2 * p], {x[p], CJ_U8, cj_shape(ROWS, 28, 28)}};
        list[2 * p + 1] = (cj_named_tensor){names[2 * p + 1], {y[p], CJ_U8, cj_shape(ROWS, 1)}};
    }
    expect_ok(cj_save_npz(place("pneumoniamnist.npz"), .tensors = list, .count = 6));
}

/* Two pictures of each person. */
static void put_faces(void)
{
    enum { SIZE = 23 * 28, HEAD = 13 };
    uint8_t file[HEAD + SIZE + 1] = "P5 23 28 255\n";
    for (int i = 0; i < 2 * ROWS; i++) {
        char name[64];
        put_pixels(file + HEAD, SIZE, i / 2, (uint64_t)i);
        snprintf(name, sizeof name, "orl/s%d/%d.pgm", i / 2 + 1, i % 2 + 1);
        cj_test_write_file(place(name), file, HEAD + SIZE);
    }
}

static void put_table(void)
{
    char text[8192];
    size_t used =
        (size_t)sprintf(text, "ID,LIMIT_BAL,GENDER,EDUCATION,MARRIAGE,PAY_0,PAY_2,PAY_3,PAY_4,PAY_5,"
                              "PAY_6,default.payment.next.month\n");
    for (int i = 0; i < 40; i++)
        used += (size_t)sprintf(text + used, "%d,%d,1,%d,1,%d,0,0,0,0,0,%d\n", i + 1, 1000 * (i % 7), i % 3,
                                i % 4 == 0 ? 2 : 0, i % 4 == 0);
    cj_test_write_file(place("credit/uci_default/UCI_Credit_Card.csv"), text, used);
}

/* What stands for weights trained by others: initial ones, from another seed. */
static void put_weights(void)
{
    cj_model *model;
    cj_graph *graph;
    expect_ok(cj_model_new(&model, .seed = 8));
    expect_ok(cj_graph_new(&graph, model));
    cj_value x = cj_input(graph, "x", CJ_F32, cj_shape(1, 32, 32, 3));
    cj_network(cj_root(graph), "resnet20_cifar",
               &(cj_network_options){.size = sizeof(cj_network_options), .input = x});
    expect_ok(cj_graph_status(graph));
    expect_ok(cj_model_save(model, place("weights/resnet20-12fca82f.th"), NULL));
    cj_graph_free(graph);
    cj_model_free(model);
}

static int make(void **state)
{
    (void)state;
    folder = cj_test_new_folder();
    for (int part = 0; part < 2; part++) {
        put_idx("mnist", part ? "t10k" : "train");
        put_idx("fashion-mnist", part ? "t10k" : "train");
    }
    put_cifar();
    put_archive();
    put_faces();
    put_table();
    put_weights();
    return setenv("CAJAL_DATA", folder, 1);
}

static int unmake(void **state)
{
    (void)state;
    cj_test_remove_folder(folder);
    return 0;
}

/* --- training ------------------------------------------------------------------------------------------ */

typedef struct {
    bool again; /* only as far as the digest is taken */
    int64_t epochs;
    double losses[EPOCHS + 1];
    char digest[65]; /* after half of the epochs */
} course;

/* Large networks take fewer steps, an epoch each: under the address sanitizer, many times slower, two. */
#ifdef __SANITIZE_ADDRESS__
enum { FEWER = 2 };
#else
enum { FEWER = 3 };
#endif

static cj_verdict note_loss(const cj_progress *p, void *context)
{
    course *c = context;
    c->epochs = cj_program_describe(p->program).operations > 2e9 ? FEWER : EPOCHS;
    if (!p->epoch_done) return CJ_GO_ON;
    c->losses[p->epoch] = p->training.loss;
    if (p->epoch == c->epochs / 2) cj_model_digest(p->model, c->digest);
    return p->epoch == (c->again ? c->epochs / 2 : c->epochs) ? CJ_STOP : CJ_GO_ON;
}

/* All rows but those of a validation or test of its own are learned from, five at a time. False: it is of
 * data that is not made here, as texts are. */
static bool train(const char *path, int threads, course *c)
{
    cj_recipe *recipe;
    cj_recipe_sets sets;
    cj_model *model;
    static const char *const overrides[] = {"training.epochs=4", "training.batch_size=5"},
                             *const without_validation[] = {"training.epochs=4", "training.batch_size=5",
                                                            "data.validation=0"};
    bool table = strstr(path, "credit-") != NULL;
    expect_ok(cj_set_threads(threads));
    expect_ok(cj_recipe_read(&recipe, path, table ? 2 : 3, table ? overrides : without_validation));
    cj_status status = cj_recipe_open_data(recipe, &sets);
    if (status == CJ_NOT_FOUND) {
        cj_recipe_free(recipe);
        return false;
    }
    expect_ok(status);
    cj_fit_options fit = cj_recipe_fit_options(recipe);
    expect_ok(cj_model_new(&model, .seed = fit.seed));
    fit.model = model;
    fit.dataset = sets.training;
    fit.validation_dataset = sets.validation;
    fit.callbacks[0] = (cj_callback){note_loss, c};
    expect_ok((cj_fit)(&fit, NULL));
    cj_model_free(model);
    cj_recipe_close_data(&sets);
    cj_recipe_free(recipe);
    return true;
}

static bool check_recipe(const char *name)
{
    course one = {0}, other = {.again = true};
    char path[512];
    snprintf(path, sizeof path, CJ_TEST_SOURCE "/recipes/%s", name);
    if (!train(path, 1, &one) || !train(path, 3, &other)) return false;
    if (strcmp(one.digest, other.digest) != 0) fail_msg("%s: other bits with three threads", name);
    double last = one.losses[one.epochs];
    if (!(last < one.losses[1]))
        fail_msg("%s: the loss does not fall: %g, then %g", name, one.losses[1], last);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_recipes(char *names[MOST_RECIPES])
{
    int count = 0;
    DIR *dir = opendir(CJ_TEST_SOURCE "/recipes");
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        const char *end = strrchr(entry->d_name, '.');
        if (!end || strcmp(end, ".yaml") != 0) continue;
        assert_true(count < MOST_RECIPES);
        names[count++] = strdup(entry->d_name);
    }
    closedir(dir);
    qsort(names, (size_t)count, sizeof *names, by_name);
    return count;
}

static void test_all(void **state)
{
    char *names[MOST_RECIPES];
    int count = list_recipes(names), checked = 0;
    (void)state;
    for (int i = 0; i < count; i++) {
        if (check_recipe(names[i]))
            checked++;
        else
            print_message("%s is of data that this test does not make\n", names[i]);
        free(names[i]);
    }
    assert_true(checked >= 24);
    expect_ok(cj_set_threads(2));
}

int main(void)
{
#ifndef CJ_HAVE_YAML
    (void)test_all;
    (void)make;
    (void)unmake;
    printf("SKIP: this build reads no recipes\n");
    return 0;
#else
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, make, unmake);
#endif
}
