/* Every file of recipes/ on pictures or tables, trained for a few steps on a handful of examples in the
 * formats of the real sets (recipe_check.h).
 *
 * labels: slow */
#include "recipe_check.h"

#include "base/random.h"
#include "cajal/cajal.h"

enum { ROWS = 5 };

/* --- data ---------------------------------------------------------------------------------------------- */

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
    cj_test_write_file(cj_test_data_place(name), images, sizeof images);
    snprintf(name, sizeof name, "%s/%s-labels-idx1-ubyte", set, part);
    cj_test_write_file(cj_test_data_place(name), labels, sizeof labels);
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
        cj_test_write_file(cj_test_data_place(name), record, sizeof record);
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
    expect_ok(cj_save_npz(cj_test_data_place("pneumoniamnist.npz"), .tensors = list, .count = 6));
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
        cj_test_write_file(cj_test_data_place(name), file, HEAD + SIZE);
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
    cj_test_write_file(cj_test_data_place("credit/uci_default/UCI_Credit_Card.csv"), text, used);
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
    expect_ok(cj_model_save(model, cj_test_data_place("weights/resnet20-12fca82f.th"), NULL));
    cj_graph_free(graph);
    cj_model_free(model);
}

static void put_data(void)
{
    for (int part = 0; part < 2; part++) {
        put_idx("mnist", part ? "t10k" : "train");
        put_idx("fashion-mnist", part ? "t10k" : "train");
    }
    put_cifar();
    put_archive();
    put_faces();
    put_table();
    put_weights();
}

/* --- training ------------------------------------------------------------------------------------------ */

/* All rows but those of a validation or test of its own are learned from, five at a time. */
static void check_recipe(const char *name)
{
    static const char *const overrides[] = {"training.epochs=4", "training.batch_size=5",
                                            "data.validation=0"};
    bool table = strstr(name, "credit-") != NULL;
    cj_test_try_recipe(name, table ? 2 : 3, overrides);
}

int main(void)
{
    return cj_test_run_recipes((cj_test_recipes){false, 24, put_data, check_recipe});
}
