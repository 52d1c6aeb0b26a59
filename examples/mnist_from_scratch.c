/* 784-64-64-10 on images of digits (or, with the argument fashion-mnist, of clothes), every part to be seen:
 * a forward function, a loss, an optimizer, and the loop. */
#include <cajal/cajal.h>

#include <stdio.h>

#define TRY(call)                                                                                            \
    if ((call) != CJ_OK) return fprintf(stderr, "%s\n", cj_error_message()), 1

/* x: [N,28,28] → logits: [N,10]. The names of the parameters decide their initial values: with those that a
 * list of layers gives, this trains to the same bits as mnist_mlp.c and recipes/mnist-mlp.yaml. */
static cj_value digits(cj_scope s, cj_value x, void *context)
{
    (void)context;
    x = cj_flatten(x);
    x = cj_relu(cj_dense(cj_at(s, "0"), x, .units = 64));
    x = cj_relu(cj_dense(cj_at(s, "2"), x, .units = 64));
    return cj_dense(cj_at(s, "4"), x, .units = 10);
}

int main(int count, char **arguments)
{
    const char *name = count > 1 ? arguments[1] : "mnist";
    cj_dataset *train, *test;
    cj_loader *loader;
    cj_model *model;
    cj_graph *g;
    cj_program *step;
    cj_batch batch;
    TRY(cj_dataset_open(&train, name, false));
    TRY(cj_dataset_open(&test, name, true));
    TRY(cj_loader_new(&loader, train, .count = 54000, .batch_size = 128, .shuffle = true, .seed = 1,
                      .scale = 1.0 / 255));

    TRY(cj_model_new(&model, .seed = 1));
    TRY(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(g, "x", CJ_F32, cj_shape(128, 28, 28));
    cj_value y = cj_input(g, "y", CJ_I32, cj_shape(128));
    cj_value loss = cj_cross_entropy(digits(cj_root(g), x, NULL), y);
    cj_minimize(loss, cj_adam(.learning_rate = 1e-3));
    cj_output(g, "loss", loss);
    TRY(cj_compile(&step, g));

    for (int epoch = 1; epoch <= 5; epoch++) {
        double sum = 0;
        float now;
        while (cj_loader_next(loader, &batch)) {
            TRY(cj_program_run(step, .inputs = {batch.x, batch.y}, .outputs = {&now}));
            sum += (double)now;
        }
        printf("epoch %d: loss %.4f\n", epoch, sum / (double)cj_loader_steps(loader));
    }

    cj_scores scores;
    char weights[65];
    TRY(cj_evaluate(&scores, model, digits, NULL, test, .scale = 1.0 / 255, .batch_size = 128));
    cj_model_digest(model, weights);
    printf("test: loss %.4f, accuracy %.2f %% of %lld\nweights sha256 %s\n", scores.loss,
           100 * scores.accuracy, (long long)scores.count, weights);
    cj_program_free(step);
    cj_graph_free(g);
    cj_model_free(model);
    cj_loader_free(loader);
    cj_dataset_free(train);
    cj_dataset_free(test);
    return 0;
}
