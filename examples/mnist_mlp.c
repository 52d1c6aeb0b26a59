/* 784-64-64-10 reads digits (or, with the argument fashion-mnist, clothes): the whole job in one call. */
#include <cajal/cajal.h>

#include <stdio.h>

#define TRY(call)                                                                                            \
    if ((call) != CJ_OK) return fprintf(stderr, "%s\n", cj_error_message()), 1

static cj_layer network[] = {CJ_LAYER("dense", 64), CJ_LAYER("relu"),      CJ_LAYER("dense", 64),
                             CJ_LAYER("relu"),      CJ_LAYER("dense", 10), CJ_LAYER("softmax"),
                             CJ_LAYER(NULL)};

static cj_verdict show(const cj_progress *p, void *context)
{
    if (p->epoch_done)
        printf("epoch %d  loss %.4f  val_accuracy %.4f\n", (int)p->epoch, p->training.loss,
               p->validation.accuracy);
    return (void)context, CJ_GO_ON;
}

int main(int count, char **arguments)
{
    const char *name = count > 1 ? arguments[1] : "mnist";
    cj_dataset *training, *test;
    cj_model *model;
    cj_scores scores;
    char weights[65];
    TRY(cj_dataset_open(&training, name, false));
    TRY(cj_dataset_open(&test, name, true));
    TRY(cj_model_new(&model, .seed = 1));
    TRY(cj_fit(model, cj_sequential, network, training, .validation = 0.1, .batch_size = 128, .epochs = 5,
               .scale = 1.0 / 255, .optimizer = cj_adam(.learning_rate = 1e-3), .seed = 1,
               .callbacks = {{.call = show}}));
    TRY(cj_evaluate(&scores, model, cj_sequential, network, test, .scale = 1.0 / 255, .batch_size = 128));
    cj_model_digest(model, weights);
    printf("test: loss %.4f, accuracy %.2f %%\nweights sha256 %s\n", scores.loss, 100 * scores.accuracy,
           weights);
    cj_model_free(model), cj_dataset_free(training), cj_dataset_free(test);
    return 0;
}
