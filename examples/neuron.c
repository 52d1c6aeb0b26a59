/* One neuron, number by number, then a small network that learns to tell two moons apart. */
#include <cajal/cajal.h>

#include <math.h>
#include <stdio.h>

#define TRY(call)                                                                                            \
    if ((call) != CJ_OK) return fprintf(stderr, "%s\n", cj_error_message()), 1

/* y = tanh(w·x + b): forward, backward, and one step against the gradient. */
static int one_neuron(void)
{
    cj_graph *g;
    cj_program *program;
    float x[2] = {2, 0}, w[2] = {-3, 1}, b = 6.8813736f, y, dw[2], db;
    TRY(cj_graph_new(&g, NULL, .mode = CJ_INFERENCE));
    cj_value vx = cj_input(g, "x", CJ_F32, cj_shape(2)), vw = cj_input(g, "w", CJ_F32, cj_shape(2));
    cj_value vb = cj_input(g, "b", CJ_F32, cj_scalar_shape()), gradients[2];
    cj_value vy = cj_tanh(cj_add(cj_sum(cj_mul(vx, vw), CJ_ALL_AXES, CJ_DROP_AXES), vb));
    char *drawing;
    TRY(cj_graph_dump(g, CJ_DUMP_MERMAID, &drawing));
    printf("the drawing of one neuron, as Mermaid:\n\n%s\n", drawing);
    cj_text_free(drawing);
    cj_gradients(vy, 2, (cj_value[]){vw, vb}, gradients);
    cj_output(g, "y", vy);
    cj_output(g, "dy/dw", gradients[0]);
    cj_output(g, "dy/db", gradients[1]);
    TRY(cj_compile(&program, g));
    for (int step = 0; step < 3; step++) {
        TRY(cj_program_run(
            program,
            .inputs = {{x, CJ_F32, cj_shape(2)}, {w, CJ_F32, cj_shape(2)}, {&b, CJ_F32, cj_scalar_shape()}},
            .outputs = {&y, dw, &db}));
        printf("step %d: w = [%.4f, %.4f], b = %.4f, y = %.4f, dy/dw = [%.4f, %.4f], dy/db = %.4f\n", step,
               w[0], w[1], b, y, dw[0], dw[1], db);
        w[0] -= 0.5f * dw[0], w[1] -= 0.5f * dw[1], b -= 0.5f * db;
    }
    cj_program_free(program);
    cj_graph_free(g);
    return 0;
}

enum { POINTS = 100 };

static void two_moons(float x[POINTS][2], int32_t y[POINTS])
{
    for (int i = 0; i < POINTS; i++) {
        float angle = 3.14159265f * (float)(i / 2) / (POINTS / 2 - 1), wobble = 0.1f * sinf(17.0f * (float)i);
        y[i] = i % 2;
        x[i][0] = y[i] ? 1 - cosf(angle) + wobble : cosf(angle) + wobble;
        x[i][1] = y[i] ? 0.5f - sinf(angle) - wobble : sinf(angle) - wobble;
    }
}

static cj_value network(cj_scope s, cj_value x)
{
    x = cj_relu(cj_dense(cj_at(s, "hidden1"), x, .units = 16));
    x = cj_relu(cj_dense(cj_at(s, "hidden2"), x, .units = 16));
    return cj_dense(cj_at(s, "logits"), x, .units = 2);
}

int main(void)
{
    float x[POINTS][2], loss, correct;
    int32_t y[POINTS];
    cj_model *model;
    cj_graph *g;
    cj_program *step;
    if (one_neuron()) return 1;
    two_moons(x, y);
    TRY(cj_model_new(&model, .seed = 1));
    TRY(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value vx = cj_input(g, "x", CJ_F32, cj_shape(POINTS, 2)),
             vy = cj_input(g, "y", CJ_I32, cj_shape(POINTS));
    cj_value logits = network(cj_root(g), vx);
    cj_value cost = cj_cross_entropy(logits, vy);
    cj_output(g, "loss", cost);
    cj_output(g, "correct", cj_correct_count(logits, vy));
    cj_minimize(cost, cj_sgd(.learning_rate = 0.1, .momentum = 0.9));
    TRY(cj_compile(&step, g));
    printf("\ntwo moons, %d points, 2-16-16-2:\n", POINTS);
    for (int i = 0; i <= 200; i++) {
        TRY(cj_program_run(step, .inputs = {{x, CJ_F32, cj_shape(POINTS, 2)}, {y, CJ_I32, cj_shape(POINTS)}},
                           .outputs = {&loss, &correct}));
        if (i % 40 == 0) printf("step %3d: loss %.4f, accuracy %3.0f %%\n", i, loss, 100 * correct / POINTS);
    }
    cj_program_free(step);
    cj_graph_free(g);
    cj_model_free(model);
    return 0;
}
