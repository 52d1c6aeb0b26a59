/* The workloads of `cajal bench` and of bench/: networks on random batches, shapes of products, and the
 * times that they take. */
#include "workload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRY(call)                                                                                            \
    do {                                                                                                     \
        cj_status status_ = (call);                                                                          \
        if (status_ != CJ_OK) return status_;                                                                \
    } while (0)

/* --- networks ----------------------------------------------------------------------------------------------
 */

/* x: [N,784] → logits: [N,10] */
static cj_value mlp(cj_scope s, cj_value x)
{
    x = cj_relu(cj_dense(cj_at(s, "0"), x, .units = 64));
    x = cj_relu(cj_dense(cj_at(s, "2"), x, .units = 64));
    return cj_dense(cj_at(s, "4"), x, .units = 10);
}

/* x: [N,28,28,1] → logits: [N,10] */
static cj_value cnn(cj_scope s, cj_value x)
{
    x = cj_relu(cj_conv2d(cj_at(s, "0"), x, .filters = 32, .kernel = 3));
    x = cj_relu(cj_conv2d(cj_at(s, "2"), x, .filters = 64, .kernel = 3));
    x = cj_flatten(cj_max_pool(x, .kernel = 2));
    x = cj_relu(cj_dense(cj_at(s, "6"), x, .units = 128));
    return cj_dense(cj_at(s, "8"), x, .units = 10);
}

/* x: [N,32,32,3] → logits: [N,10] */
static cj_value resnet18(cj_scope s, cj_value x)
{
    cj_network_options options = {.size = sizeof options, .input = x, .classes = 10};
    return cj_network(s, "resnet18_cifar", &options);
}

/* x: [N,T] characters → logits: [N,T,65] */
static cj_value lstm(cj_scope s, cj_value x)
{
    x = cj_embedding(cj_at(s, "embedding"), x, .count = 65, .width = 256);
    x = cj_lstm(cj_at(s, "lstm"), x, .units = 256, .layers = 2).output;
    return cj_dense(cj_at(s, "output"), x, .units = 65);
}

/* --- a GPT of six blocks of six heads, width 384; the output shares the embedding's weights --- */

enum { GPT_CHARACTERS = 65, GPT_WIDTH = 384, GPT_HEADS = 6, GPT_LAYERS = 6, GPT_LENGTH = 256 };

/* x: [N,T,W] → queries, keys and values [N,T,heads,W/heads] by thirds of one weight */
static void project(cj_scope s, cj_value x, cj_value parts[3])
{
    cj_shape_t shape = cj_value_shape(x);
    cj_value weight = cj_parameter(s, "weight", cj_shape(3 * GPT_WIDTH, GPT_WIDTH), (cj_init){0});
    cj_value bias = cj_parameter(s, "bias", cj_shape(3 * GPT_WIDTH), (cj_init){CJ_INIT_ZEROS, 0});
    for (int i = 0; i < 3; i++) {
        int64_t from = i * GPT_WIDTH, to = from + GPT_WIDTH;
        cj_value y = cj_matmul_transposed(x, cj_slice(weight, 0, from, to, 1), false, true);
        y = cj_add(y, cj_slice(bias, 0, from, to, 1));
        parts[i] = cj_reshape(y, cj_shape(shape.dims[0], shape.dims[1], GPT_HEADS, GPT_WIDTH / GPT_HEADS));
    }
}

static cj_value gpt_block(cj_scope s, cj_value x)
{
    cj_value parts[3];
    project(cj_at(s, "c_attn"), cj_layer_norm(cj_at(s, "ln_1"), x), parts);
    cj_value y = cj_attention(s, parts[0], .key = parts[1], .value = parts[2], .causal = true);
    x = cj_add(x, cj_dense(cj_at(s, "c_proj"), cj_reshape(y, cj_value_shape(x)), .units = GPT_WIDTH));
    y = cj_dense(cj_at(s, "c_fc"), cj_layer_norm(cj_at(s, "ln_2"), x), .units = 4 * GPT_WIDTH);
    return cj_add(x, cj_dense(cj_at(s, "mlp_proj"), cj_gelu(y), .units = GPT_WIDTH));
}

/* x: [N,T] characters → logits: [N,T,65] */
static cj_value gpt(cj_scope s, cj_value x)
{
    cj_value y = cj_embedding(cj_at(s, "wte"), x, .count = GPT_CHARACTERS, .width = GPT_WIDTH);
    y = cj_learned_positions(cj_at(s, "wpe"), y, .count = GPT_LENGTH);
    for (int i = 0; i < GPT_LAYERS; i++) y = gpt_block(cj_at(s, "h.%d", i), y);
    y = cj_layer_norm(cj_at(s, "ln_f"), y);
    cj_value weight =
        cj_parameter(cj_at(s, "wte"), "weight", cj_shape(GPT_CHARACTERS, GPT_WIDTH), (cj_init){0});
    return cj_matmul_transposed(y, weight, false, true);
}

/* GPT-2 of 124 million parameters. x: [N,T] tokens → logits: [N,T,50257] */
static cj_value gpt2(cj_scope s, cj_value x)
{
    cj_gpt_options options = {.size = sizeof options,
                              .input = {.tokens = x},
                              .vocabulary = 50257,
                              .block = 1024,
                              .layers = 12,
                              .heads = 12,
                              .width = 768};
    return cj_gpt(s, &options);
}

const workload workloads[] = {
    {"mlp", mlp, 128, {784}, 1, 10, {.kind = CJ_ADAM, .learning_rate = 1e-3}, false, false},
    {"cnn", cnn, 128, {28, 28, 1}, 3, 10, {.kind = CJ_ADAM, .learning_rate = 1e-3}, false, false},
    {"resnet18",
     resnet18,
     32,
     {32, 32, 3},
     3,
     10,
     {.kind = CJ_SGD, .learning_rate = 0.1, .momentum = 0.9, .weight_decay = 5e-4},
     false,
     false},
    {"lstm", lstm, 32, {64}, 1, 65, {.kind = CJ_ADAM, .learning_rate = 1e-3}, true, false},
    {"gpt",
     gpt,
     8,
     {256},
     1,
     65,
     {.kind = CJ_ADAMW, .learning_rate = 1e-3, .weight_decay = 0.01},
     true,
     false},
    {"gpt2", gpt2, 4, {64}, 1, 50257, {.kind = CJ_ADAMW, .learning_rate = 1e-4}, true, true},
};
const int workload_count = sizeof workloads / sizeof *workloads;

const workload *find_workload(const char *name)
{
    for (int i = 0; i < workload_count; i++)
        if (strcmp(name, workloads[i].name) == 0) return &workloads[i];
    return NULL;
}

/* --- a job -------------------------------------------------------------------------------------------------
 */

static void fill_classes(const job *j, cj_tensor t)
{
    for (int64_t i = 0; i < cj_shape_count(t.shape); i++)
        ((int32_t *)t.data)[i] = (int32_t)(rand() % j->w->classes);
}

/* Nearly normal numbers (sums of twelve uniform ones) or random characters, and random labels. */
static void fill(job *j)
{
    float *x = j->x.data;
    srand(1);
    if (j->w->characters) fill_classes(j, j->x);
    for (int64_t i = 0; !j->w->characters && i < cj_shape_count(j->x.shape); i++) {
        double sum = 0;
        for (int k = 0; k < 12; k++) sum += (double)rand() / RAND_MAX;
        x[i] = (float)(sum - 6);
    }
    fill_classes(j, j->y);
}

cj_status job_fill(job *j)
{
    j->x =
        (cj_tensor){NULL, j->w->characters ? CJ_I32 : CJ_F32, {.rank = j->w->rank + 1, .dims = {j->batch}}};
    memcpy(j->x.shape.dims + 1, j->w->example, (size_t)j->w->rank * sizeof *j->w->example);
    j->y = (cj_tensor){NULL, CJ_I32, j->w->characters ? j->x.shape : cj_shape(j->batch)};
    j->x.data = malloc(cj_tensor_bytes(&j->x));
    j->y.data = malloc(cj_tensor_bytes(&j->y));
    if (!j->x.data || !j->y.data) return CJ_OUT_OF_MEMORY;
    fill(j);
    return CJ_OK;
}

cj_status job_draw(job *j)
{
    TRY(cj_model_new(&j->model, .seed = 1));
    TRY(cj_graph_new(&j->graph, j->model, .mode = j->evaluate ? CJ_INFERENCE : CJ_TRAINING,
                     .precision = j->precision));
    cj_value x = cj_input(j->graph, "x", j->x.dtype, j->x.shape);
    cj_value result = j->w->forward(cj_root(j->graph), x);
    if (!j->evaluate) {
        result = cj_cross_entropy(result, cj_input(j->graph, "y", j->y.dtype, j->y.shape));
        cj_minimize(result, j->w->optimizer);
    }
    cj_output(j->graph, "result", result);
    TRY(cj_compile(&j->program, j->graph));
    j->result = calloc((size_t)cj_shape_count(cj_value_shape(result)), sizeof *j->result);
    j->runs = 0;
    return j->result ? CJ_OK : CJ_OUT_OF_MEMORY;
}

/* A training step gives the loss before its update: the second gives the loss after one, the eleventh after
 * ten. */
cj_status job_run(void *context)
{
    job *j = context;
    TRY(cj_program_run(j->program, .inputs = {j->x, j->y}, .outputs = {j->result}));
    j->runs++;
    if (j->runs == 2 && !j->evaluate) j->early_loss = (double)*j->result;
    if (j->runs == 11 && !j->evaluate) j->loss = (double)*j->result;
    return CJ_OK;
}

void job_erase(job *j)
{
    free(j->result);
    cj_program_free(j->program);
    cj_graph_free(j->graph);
    cj_model_free(j->model);
    j->result = NULL, j->program = NULL, j->graph = NULL, j->model = NULL;
}

void job_discard(job *j)
{
    job_erase(j);
    free(j->x.data);
    free(j->y.data);
}

/* Mean cross-entropy of logits [...,C] against labels [...], outside of what is timed. */
static double cross_entropy(const job *j)
{
    const int32_t *labels = j->y.data;
    const float *logits = j->result;
    double total = 0;
    int64_t count = cj_shape_count(j->y.shape);
    for (int64_t r = 0; r < count; r++, logits += j->w->classes) {
        double largest = (double)logits[0], sum = 0;
        for (int64_t c = 1; c < j->w->classes; c++) largest = fmax(largest, (double)logits[c]);
        for (int64_t c = 0; c < j->w->classes; c++) sum += exp((double)logits[c] - largest);
        total += largest + log(sum) - (double)logits[labels[r]];
    }
    return total / (double)count;
}

double job_loss(const job *j)
{
    return j->evaluate ? cross_entropy(j) : j->loss;
}

int64_t job_parameters(const job *j)
{
    int64_t count = 0;
    for (int64_t i = 0; i < cj_model_count(j->model); i++) {
        cj_variable_info v = cj_model_variable(j->model, i);
        if (v.role == CJ_PARAMETER) count += cj_shape_count(v.tensor.shape);
    }
    return count;
}

/* --- products ----------------------------------------------------------------------------------------------
 */

const product_shape product_shapes[] = {
    {"mlp", 1, 128, 64, 784, "NT"},
    {"mlp", 1, 128, 64, 64, "NT"},
    {"mlp", 1, 128, 10, 64, "NT"},
    {"mlp", 1, 128, 64, 64, "NN"},
    {"mlp", 1, 128, 64, 10, "NN"},
    {"mlp", 1, 64, 784, 128, "TN"},
    {"mlp", 1, 64, 64, 128, "TN"},
    {"mlp", 1, 10, 64, 128, "TN"},
    {"square", 1, 256, 256, 256, "all"},
    {"square", 1, 512, 512, 512, "all"},
    {"square", 1, 1024, 1024, 1024, "all"},
    {"square", 1, 2048, 2048, 2048, "all"},
    {"transformer", 1, 512, 768, 768, "all"},
    {"transformer", 1, 512, 3072, 768, "all"},
    {"transformer", 1, 512, 768, 3072, "all"},
    {"transformer", 1, 2048, 1152, 384, "all"},
    {"transformer", 1, 2048, 384, 384, "all"},
    {"transformer", 1, 2048, 384, 1536, "all"},
    {"transformer", 1, 384, 1536, 2048, "TN"},
    {"attention", 48, 256, 256, 64, "NT"},
    {"attention", 48, 256, 64, 256, "NN"},
    {"few", 1, 1, 64, 784, "NT"},
    {"few", 1, 1, 64, 784, "NN"},
    {"few", 1, 4, 4096, 4096, "NT"},
    {"few", 1, 4, 4096, 4096, "NN"},
    {"few", 1, 256, 1, 64, "NT"},
    {"few", 1, 32, 10, 64, "NT"},
    {"logits", 1, 256, 50257, 768, "NT"},
};
const int product_shape_count = sizeof product_shapes / sizeof *product_shapes;

const char *product_layouts(const product_shape *shape)
{
    return strcmp(shape->layouts, "all") == 0 ? "NNNTTN" : shape->layouts;
}

/* --- times -------------------------------------------------------------------------------------------------
 */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

enum { MOST_TIMES = 1 << 21 };

static cj_status collect(cj_status (*run)(void *), void *context, double seconds, int64_t fewest,
                         double *times, int64_t *count)
{
    double begin = clock_now();
    while (*count < fewest || (clock_now() - begin < seconds && *count < MOST_TIMES)) {
        double start = clock_now();
        TRY(run(context));
        times[(*count)++] = clock_now() - start;
    }
    return CJ_OK;
}

cj_status time_runs(cj_status (*run)(void *context), void *context, double seconds, int64_t fewest, timing *t)
{
    double *times = malloc(MOST_TIMES * sizeof *times);
    *t = (timing){0};
    if (!times) return CJ_OUT_OF_MEMORY;
    cj_status status = collect(run, context, seconds, fewest, times, &t->runs);
    if (status == CJ_OK) {
        t->first = times[0];
        qsort(times, (size_t)t->runs, sizeof *times, compare_doubles);
        t->best = times[0];
        t->median = times[t->runs / 2];
    }
    free(times);
    return status;
}
