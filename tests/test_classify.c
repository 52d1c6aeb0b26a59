/* Networks that read sentences by the numbers of their originals: weights load by name, and logits and
 * gradients are those of PyTorch and of the transformers package, whose sentences stood alone, without
 * padding (tests/fixtures/classify.py). What cannot be drawn is told; recipes train them.
 *
 * labels: threads */
#include "stored.h"

#include "cajal/cajal.h"

#include <math.h>
#include <string.h>

#define FIXTURE(name) CJ_TEST_FIXTURE("classify/" name)

enum { ROWS = 3, TOKENS = 7, VOCABULARY = 13, CLASSES = 3, WIDTH = 12, MOST = 1024 };

static cj_tensor_file *values;

static void expect_near(const char *name, const float *found, double tolerance)
{
    cj_test_expect_near(values, name, "", found, tolerance);
}

/* --- drawing ------------------------------------------------------------------------------------------- */

typedef cj_value (*network)(cj_scope s, cj_value tokens);

static cj_value text_cnn(cj_scope s, cj_value tokens)
{
    return cj_text_cnn(s, &(cj_text_cnn_options){.size = sizeof(cj_text_cnn_options),
                                                 .input = tokens,
                                                 .vocabulary = VOCABULARY,
                                                 .classes = CLASSES,
                                                 .width = WIDTH,
                                                 .filters = 4,
                                                 .widths = {2, 3}});
}

static cj_value bilstm(cj_scope s, cj_value tokens, cj_sentence_pool pool)
{
    return cj_bilstm(s, &(cj_bilstm_options){.size = sizeof(cj_bilstm_options),
                                             .input = tokens,
                                             .vocabulary = VOCABULARY,
                                             .classes = CLASSES,
                                             .width = WIDTH,
                                             .units = 5,
                                             .layers = 2,
                                             .pool = pool});
}

static cj_value bilstm_largest(cj_scope s, cj_value tokens)
{
    return bilstm(s, tokens, CJ_POOL_LARGEST);
}

static cj_value bilstm_average(cj_scope s, cj_value tokens)
{
    return bilstm(s, tokens, CJ_POOL_AVERAGE);
}

static cj_value bilstm_last(cj_scope s, cj_value tokens)
{
    return bilstm(s, tokens, CJ_POOL_LAST);
}

static cj_bert_options bert_options(cj_value tokens)
{
    return (cj_bert_options){.size = sizeof(cj_bert_options),
                             .input = tokens,
                             .vocabulary = VOCABULARY,
                             .block = 9,
                             .layers = 2,
                             .heads = 3,
                             .width = WIDTH,
                             .hidden = 20,
                             .classes = CLASSES};
}

/* Padding has states too, of which nobody is to say anything. */
static cj_value without_padding(cj_value x, cj_value tokens)
{
    if (!cj_value_ok(x)) return x;
    cj_value seen = cj_not_equal(tokens, cj_constant(tokens.graph, CJ_I32, 0));
    cj_shape_t shape = cj_value_shape(tokens);
    return cj_mul(x, cj_reshape(cj_cast(seen, CJ_F32), cj_shape(shape.dims[0], shape.dims[1], 1)));
}

static cj_value bert(cj_scope s, cj_value tokens)
{
    cj_bert_options o = bert_options(tokens);
    return without_padding(cj_bert(s, &o), tokens);
}

static cj_value bert_of_two(cj_scope s, cj_value tokens)
{
    cj_bert_options o = bert_options(tokens);
    cj_tensor types = cj_test_tensor(values, "types");
    o.types = cj_constant_tensor(s.graph, &types);
    return without_padding(cj_bert(s, &o), tokens);
}

static cj_value bert_classes(cj_scope s, cj_value tokens)
{
    cj_bert_options o = bert_options(tokens);
    return cj_bert_classes(s, &o);
}

static cj_value bert_masked(cj_scope s, cj_value tokens)
{
    cj_bert_options o = bert_options(tokens);
    return cj_bert_masked(s, &o);
}

static cj_value bert_masked_alone(cj_scope s, cj_value tokens)
{
    return without_padding(bert_masked(s, tokens), tokens);
}

/* The network with the weights of a file; whether this build can read it. */
static bool loaded(cj_model **model, network draw, const cj_weights *weights)
{
    cj_graph *graph;
    expect_ok(cj_model_new(model, .seed = 1));
    expect_ok(cj_graph_new(&graph, *model));
    draw(cj_root(graph), cj_input(graph, "x", CJ_I32, cj_shape(ROWS, TOKENS)));
    expect_ok(cj_graph_status(graph));
    cj_graph_free(graph);
    cj_status status = cj_load_weights(*model, weights, NULL);
    if (status == CJ_UNSUPPORTED) return cj_model_free(*model), false;
    expect_ok(status);
    return true;
}

static void run(cj_model *model, network draw, cj_tensor x, float *outputs)
{
    cj_graph *graph;
    cj_program *program;
    expect_ok(cj_graph_new(&graph, model));
    cj_output(graph, "outputs", draw(cj_root(graph), cj_input(graph, "x", CJ_I32, x.shape)));
    expect_ok(cj_compile(&program, graph));
    expect_ok(cj_program_run(program, .inputs = {x}, .outputs = {outputs}));
    cj_program_free(program);
    cj_graph_free(graph);
}

static void check_outputs(const char *name, network draw, const cj_weights *weights)
{
    cj_model *model;
    static float outputs[MOST];
    if (!loaded(&model, draw, weights)) skip_because("this build reads no %s", weights->from);
    run(model, draw, cj_test_tensor(values, "x"), outputs);
    expect_near(name, outputs, 1e-5);
    cj_model_free(model);
}

static cj_weights from(const char *file)
{
    return (cj_weights){.size = sizeof(cj_weights), .from = file};
}

/* --- against PyTorch ----------------------------------------------------------------------------------- */

static void outputs_of_all(void **state)
{
    (void)state;
    static const struct {
        const char *name, *file;
        network draw;
    } all[] = {{"textcnn", FIXTURE("textcnn.safetensors"), text_cnn},
               {"bilstm.max", FIXTURE("bilstm.safetensors"), bilstm_largest},
               {"bilstm.mean", FIXTURE("bilstm.safetensors"), bilstm_average},
               {"bilstm.last", FIXTURE("bilstm.safetensors"), bilstm_last},
               {"bert", FIXTURE("bert.safetensors"), bert},
               {"bert.types", FIXTURE("bert.safetensors"), bert_of_two},
               {"bert.classes", FIXTURE("bert.safetensors"), bert_classes},
               {"bert.masked", FIXTURE("bert.safetensors"), bert_masked_alone}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        cj_weights weights = from(all[i].file);
        check_outputs(all[i].name, all[i].draw, &weights);
    }
}

/* As a BertModel saves itself, without a head. */
static void bert_alone(void **state)
{
    (void)state;
    cj_weight_rename map[] = {{"", "bert."}};
    cj_weights weights = from(FIXTURE("bert-model.safetensors"));
    weights.map = map;
    weights.map_count = 1;
    check_outputs("bert", bert, &weights);
}

static void check_gradients(const char *prefix, network draw, const char *file, const char *labels,
                            const char *const *names, int count)
{
    cj_model *model;
    cj_graph *graph;
    cj_value weights[8], gradients[8];
    cj_weights all = from(file);
    static float found[8][MOST];
    if (!loaded(&model, draw, &all)) skip_because("this build reads no %s", file);
    expect_ok(cj_graph_new(&graph, model));
    cj_value x = cj_input(graph, "x", CJ_I32, cj_shape(ROWS, TOKENS));
    cj_value y = cj_input(graph, "y", CJ_I32, cj_test_tensor(values, labels).shape);
    cj_value loss = cj_cross_entropy(draw(cj_root(graph), x), y);
    for (int i = 0; i < count; i++) {
        bool kernel = strstr(names[i], "convs.") != NULL;
        cj_shape_t shape = cj_model_find(model, names[i]).shape;
        weights[i] = kernel ? cj_kernel_parameter(cj_root(graph), names[i], shape, (cj_init){0})
                            : cj_parameter(cj_root(graph), names[i], shape, (cj_init){0});
    }
    cj_gradients(loss, count, weights, gradients);
    cj_run_options run = {.size = sizeof run,
                          .inputs = {cj_test_tensor(values, "x"), cj_test_tensor(values, labels)}};
    for (int i = 0; i < count; i++) {
        /* [kernel,in,out] in memory, [out,in,kernel] in PyTorch */
        if (cj_value_shape(gradients[i]).rank == 3)
            gradients[i] = cj_transpose(gradients[i], cj_axes(2, 1, 0));
        cj_output(graph, names[i], gradients[i]);
        run.outputs[i] = found[i];
    }
    expect_ok(cj_compile(&run.program, graph));
    expect_ok((cj_program_run)(&run));
    for (int i = 0; i < count; i++) {
        char name[200];
        snprintf(name, sizeof name, "%s.gradient.%s", prefix, names[i]);
        expect_near(name, found[i], 1e-4);
    }
    cj_program_free((cj_program *)run.program);
    cj_graph_free(graph);
    cj_model_free(model);
}

static void gradients_of_text_cnn(void **state)
{
    (void)state;
    const char *names[] = {"embedding.weight", "convs.1.weight", "output.bias"};
    check_gradients("textcnn", text_cnn, FIXTURE("textcnn.safetensors"), "labels", names, 3);
}

static void gradients_of_bilstm(void **state)
{
    (void)state;
    const char *names[] = {"embedding.weight", "lstm.weight_hh_l1_reverse", "lstm.weight_ih_l0",
                           "output.weight"};
    check_gradients("bilstm", bilstm_largest, FIXTURE("bilstm.safetensors"), "labels", names, 4);
}

static void gradients_of_bert(void **state)
{
    (void)state;
    const char *classes[] = {"bert.embeddings.word_embeddings.weight",
                             "bert.embeddings.token_type_embeddings.weight",
                             "bert.encoder.layer.0.attention.self.key.weight",
                             "bert.encoder.layer.1.output.LayerNorm.weight",
                             "bert.pooler.dense.bias",
                             "classifier.weight"};
    const char *masked[] = {
        "bert.embeddings.word_embeddings.weight",           "bert.embeddings.position_embeddings.weight",
        "bert.encoder.layer.0.attention.self.query.weight", "bert.encoder.layer.1.intermediate.dense.weight",
        "cls.predictions.transform.dense.weight",           "cls.predictions.bias"};
    check_gradients("bert.classes", bert_classes, FIXTURE("bert.safetensors"), "labels", classes, 6);
    check_gradients("bert.masked", bert_masked, FIXTURE("bert.safetensors"), "guesses", masked, 6);
}

/* --- corners ------------------------------------------------------------------------------------------- */

/* A sentence without a word, and one that fills its row. */
static void empty_sentences(void **state)
{
    (void)state;
    static const network all[] = {text_cnn, bilstm_largest, bilstm_average, bilstm_last, bert_classes};
    static int32_t tokens[2 * TOKENS] = {[TOKENS] = 1, 2, 3, 4, 5, 6, 7};
    cj_tensor x = {tokens, CJ_I32, cj_shape(2, TOKENS)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        cj_model *model;
        float logits[2 * CLASSES];
        expect_ok(cj_model_new(&model, .seed = 1));
        run(model, all[i], x, logits);
        for (int j = 0; j < 2 * CLASSES; j++) assert_true(isfinite(logits[j]));
        cj_model_free(model);
    }
}

static void train_on_nothing(network draw)
{
    cj_model *model;
    cj_graph *g;
    cj_program *program;
    int32_t labels[2] = {0, 1};
    float loss;
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_graph_new(&g, model, .mode = CJ_TRAINING));
    cj_value x = cj_input(g, "x", CJ_I32, cj_shape(2, 0)), y = cj_input(g, "y", CJ_I32, cj_shape(2));
    cj_value mean = cj_cross_entropy(draw(cj_root(g), x), y);
    cj_minimize(mean, cj_sgd(.learning_rate = 0.1));
    cj_output(g, "loss", mean);
    expect_ok(cj_compile(&program, g));
    expect_ok(cj_program_run(program,
                             .inputs = {{NULL, CJ_I32, cj_shape(2, 0)}, {labels, CJ_I32, cj_shape(2)}},
                             .outputs = {&loss}));
    assert_true(isfinite(loss));
    cj_program_free(program);
    cj_graph_free(g);
    cj_model_free(model);
}

/* A batch without a place is one of padding alone. */
static void no_places(void **state)
{
    (void)state;
    static const network all[] = {text_cnn, bilstm_largest, bilstm_average, bilstm_last};
    static int32_t padding[2 * TOKENS];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        cj_model *model;
        float nothing[2 * CLASSES], padded[2 * CLASSES];
        expect_ok(cj_model_new(&model, .seed = 1));
        run(model, all[i], (cj_tensor){NULL, CJ_I32, cj_shape(2, 0)}, nothing);
        run(model, all[i], (cj_tensor){padding, CJ_I32, cj_shape(2, TOKENS)}, padded);
        for (int j = 0; j < 2 * CLASSES; j++) assert_true(fabsf(nothing[j] - padded[j]) < 1e-6F);
        cj_model_free(model);
        train_on_nothing(all[i]);
    }
}

static cj_value uneven_heads(cj_scope s, cj_value tokens)
{
    cj_bert_options o = bert_options(tokens);
    o.heads = 5;
    return cj_bert_classes(s, &o);
}

static cj_value no_classes(cj_scope s, cj_value tokens)
{
    return cj_text_cnn(
        s, &(cj_text_cnn_options){.size = sizeof(cj_text_cnn_options), .input = tokens, .vocabulary = 5});
}

static void sizes_that_do_not_fit(void **state)
{
    (void)state;
    cj_test_expect_drawing_error(text_cnn, CJ_F32, cj_shape(2, 3),
                                 "textcnn reads tokens, i32 [N,T], not f32");
    cj_test_expect_drawing_error(bilstm_last, CJ_I32, cj_shape(2),
                                 "bilstm reads tokens, i32 [N,T], not i32 of rank 1");
    cj_test_expect_drawing_error(bert, CJ_I32, cj_shape(2, 10),
                                 "bert: 10 tokens are more than its block of 9");
    cj_test_expect_drawing_error(bert_classes, CJ_I32, cj_shape(2, 0),
                                 "bert: sentences without a token have no class");
    cj_test_expect_drawing_error(uneven_heads, CJ_I32, cj_shape(2, 3), "a width of 12 has no 5 equal heads");
    cj_test_expect_drawing_error(no_classes, CJ_I32, cj_shape(2, 3), "textcnn has a size of 0");
}

/* --- recipes ------------------------------------------------------------------------------------------- */

static char *folder;

static const char *write_text(const char *name, const char *text)
{
    const char *path = cj_test_path(folder, name);
    cj_test_write_file(path, text, strlen(text));
    return path;
}

/* Sentences that are good where they say so, wherever that is. */
static const char *write_sentences(void)
{
    static const char *const words[] = {"a", "film", "of", "the", "sea", "it", "is"};
    char text[8192] = "";
    size_t used = 0;
    for (unsigned i = 0; i < 64; i++) {
        for (unsigned j = 0; j < 2 + i % 5; j++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s ",
                                     j == i % 2 ? (i % 3 ? "fine" : "dull") : words[(i * 5 + j * 3) % 7]);
        used += (size_t)snprintf(text + used, sizeof text - used, "film\t%s\n", i % 3 ? "good" : "bad");
    }
    return write_text("rows.tsv", text);
}

static cj_recipe *read_recipe(const char *yaml)
{
    cj_recipe *r;
    expect_ok(cj_recipe_read(&r, write_text("r.yaml", yaml), 0, NULL));
    return r;
}

static void fit(cj_recipe *r, cj_model **model, cj_recipe_sets *sets, cj_progress *last)
{
    expect_ok(cj_recipe_open_data(r, sets));
    expect_ok(cj_model_new(model, .seed = 1));
    cj_fit_options o = cj_recipe_fit_options(r);
    o.model = *model;
    o.dataset = sets->training;
    o.validation_dataset = sets->validation;
    expect_ok((cj_fit)(&o, last));
}

/* What it learned holds for sentences that are asked about. */
static void ask(cj_recipe *r, cj_model *model, const cj_recipe_sets *sets)
{
    static const char *const sentences[] = {"the sea is fine", "dull film of it", ""};
    float outputs[6];
    cj_dataset *d;
    cj_sentences o = {.size = sizeof o, .sentences = sentences, .count = 3, .tokenizer = sets->tokenizer};
    expect_ok(cj_dataset_of_sentences(&d, &o));
    cj_evaluate_options evaluate = cj_recipe_evaluate_options(r);
    evaluate.model = model;
    evaluate.dataset = d;
    evaluate.batch_size = 3;
    evaluate.outputs = outputs;
    evaluate.width = 2;
    expect_ok(cj_predict(&evaluate));
    assert_string_equal(cj_recipe_class(r, outputs[1] > outputs[0]), "good");
    assert_string_equal(cj_recipe_class(r, outputs[3] > outputs[2]), "bad");
    assert_true(isfinite(outputs[4]));
    cj_dataset_free(d);
}

static void recipes_learn(void **state)
{
    (void)state;
    skip_without("libyaml");
    skip_without("utf8proc");
    static const char bert[] =
        "tokenizer: wordpiece, vocabulary: 60}\n"
        "model: {name: bert, layers: 1, heads: 2, width: 16, block: 16, dropout: 0.05}\n";
    static const char *const models[] = {
        "tokenizer: word}\nmodel: {name: textcnn, width: 8, hidden: 6, widths: [1, 2], word_dropout: 0.1}\n",
        "tokenizer: word, bucket: 2}\nmodel: {name: bilstm, width: 8, hidden: 6, pool: mean, dropout: 0.1}\n",
        bert};
    const char *path = write_sentences();
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        char yaml[1200];
        cj_model *model;
        cj_recipe_sets sets;
        cj_progress last;
        snprintf(yaml, sizeof yaml,
                 "data: {format: labelled, text: %s, validation: 0, %s"
                 "training: {batch_size: 8, epochs: 20}\noptimizer: {learning_rate: 0.01}\n",
                 path, models[i]);
        cj_recipe *r = read_recipe(yaml);
        fit(r, &model, &sets, &last);
        if (!(last.training.accuracy > 0.9))
            fail_msg("network %d learned %g of all", (int)i, last.training.accuracy);
        ask(r, model, &sets);
        cj_recipe_close_data(&sets);
        cj_model_free(model);
        cj_recipe_free(r);
    }
}

/* Masked language modelling, and its weights for the other head: the way of BERT. */
static void bert_in_two_steps(void **state)
{
    (void)state;
    skip_without("libyaml");
    skip_without("utf8proc");
    char yaml[1600], weights[600];
    const char *path = write_sentences();
    cj_model *model;
    cj_recipe_sets sets;
    cj_progress last;
    snprintf(yaml, sizeof yaml,
             "data: {format: masked, text: %s, more_text: ['%s'], tokenizer: wordpiece, vocabulary: 60}\n"
             "model: {name: bert, layers: 1, heads: 2, width: 16, block: 16}\n"
             "training: {batch_size: 8, epochs: 6}\noptimizer: {learning_rate: 0.01}\n",
             path, write_text("more.txt", "the sea is fine\nit is dull\n"));
    cj_recipe *r = read_recipe(yaml);
    assert_true(cj_recipe_predicts_tokens(r));
    fit(r, &model, &sets, &last);
    assert_int_equal(cj_dataset_count(sets.training) + cj_dataset_count(sets.validation), 66);
    assert_int_equal(cj_recipe_classes(r), cj_recipe_vocabulary(r));
    assert_true(last.training.count > 0);
    assert_true(last.training.loss < 3.0); /* at first log 60, which is 4.1 */
    snprintf(weights, sizeof weights, "%s", cj_test_path(folder, "mlm.safetensors"));
    cj_status status = cj_model_save(model, weights, NULL);
    cj_recipe_close_data(&sets);
    cj_model_free(model);
    cj_recipe_free(r);
    if (status == CJ_UNSUPPORTED) skip_because("this build writes no safetensors");
    expect_ok(status);
    snprintf(yaml, sizeof yaml,
             "data: {format: labelled, text: %s, tokenizer: wordpiece, vocabulary: 60}\n"
             "model: {name: bert, layers: 1, heads: 2, width: 16, block: 16}\n"
             "weights: {from: %s, skip: ['bert.pooler.*', 'classifier.*']}\n",
             path, weights);
    r = read_recipe(yaml);
    expect_ok(cj_model_new(&model, .seed = 1));
    expect_ok(cj_recipe_open_data(r, &sets));
    expect_ok(cj_draw_network_of(model, cj_recipe_forward, r, CJ_I32, cj_shape(1, 4)));
    expect_ok(cj_load_weights(model, cj_recipe_weights(r), NULL));
    cj_recipe_close_data(&sets);
    cj_model_free(model);
    cj_recipe_free(r);
}

static void recipes_that_cannot_be(void **state)
{
    (void)state;
    skip_without("libyaml");
    static const struct {
        const char *yaml, *sentence;
    } bad[] = {
        {"data: {text: a.txt}\nmodel: {name: textcnn}\n", "labelled (of bert also masked)"},
        {"data: {text: a.txt, format: masked}\nmodel: {name: bilstm}\n", "data.format is 'masked'"},
        {"data: {text: a.txt, format: labelled, more_text: [b]}\nmodel: {name: textcnn}\n",
         "data.more_text is 'b', but must be left out"},
        {"data: {text: a.txt, format: labelled}\nmodel: {name: textcnn, widths: [0]}\n",
         "a list of up to 8 widths from 1 to 64"},
        {"data: {text: a.txt, format: labelled}\nmodel: {name: bilstm, word_dropout: 1}\n",
         "a share from 0 up to 1"},
        {"data: {text: a.txt, format: labelled}\nmodel: {name: bilstm, pool: most}\n", "max|mean|last"},
        {"data: {text: a.txt, format: labelled}\nmodel: {name: bert, layers: 1, heads: 2, width: 4}\n",
         "the most tokens of a sentence"},
        {"data: {text: a.txt, format: labelled, longest: 9}\nmodel: {name: bert, layers: 1, heads: 2, width: "
         "4, "
         "block: 8}\n",
         "model.block at most"},
        {"data: {text: a.txt, format: labelled}\nmodel: {name: bert, layers: 1, heads: 2, width: 5, block: "
         "8}\n",
         "a multiple of model.heads"},
        {"data: {text: a.txt, format: labelled}\nmodel: {name: textcn}\n", "did you mean 'textcnn'?"},
        {"data: {text: a.txt, format: labelled}\nmodel:\n  name: textcnn\n  pool: mean\n",
         "r.yaml:4: model.pool is 'mean', which textcnn has no use for: it takes classes|width|hidden|widths|"
         "dropout|word_dropout"},
        {"data: {text: a.txt}\nmodel: {name: gru, layers: 1, width: 8, heads: 2}\n",
         "which gru has no use for"},
        {"data: {text: a.txt}\nmodel: {name: gru, layers: 1, width: 8, gelu: exact}\n",
         "model.gelu is 'exact'"},
        {"data: {text: a.txt}\nmodel: {name: bigram, width: 8}\n", "bigram has no use for: it takes classes"},
        {"data: {text: a.txt}\nmodel: {name: gpt, layers: 1, heads: 1, width: 8, theta: 10}\n",
         "model.theta"},
        {"data: {text: a.txt, format: pairs}\nmodel: {name: gru-attention, width: 8, layers: 2}\n",
         "model.layers is '2', which gru-attention has no use for"},
        {"model: {name: lenet5, width: 8}\n",
         "which lenet5 has no use for: it takes classes|channels|whiten"},
        {"data:\n  text: a.txt\n  longest: 3\nmodel: {name: bigram}\n",
         "r.yaml:3: data.longest is '3', which a plain text has no use for: it takes text|"},
        {"data: {text: a.txt, format: labelled, order: lanes}\nmodel: {name: textcnn}\n",
         "data.order is 'lanes', which a text of labelled sentences has no use for"},
        {"data: {name: mnist, drop: [a]}\nmodel: {name: lenet5}\n",
         "data.drop is 'a', which a data set known by name has no use for"},
        {"data: {text: a.txt, order: lanes, windows: 3}\nmodel: {name: bigram}\n",
         "data.windows is '3', but must be 0 where data.order is lanes"},
        {"data: {text: a.txt, window: 9}\nmodel: {name: gpt, layers: 1, heads: 1, width: 8, block: 8}\n",
         "model.block is '8', but must be at least data.window, which is 9, or 0 for the same"},
        {"data: {text: a.txt}\nmodel: {name: bigram}\nensemble: {members: 2}\n",
         "ensemble.members is '2', but must be 1 where the network predicts tokens"},
        {"model: {name: lenet5}\nschedule: {name: step}\n", "schedule.every is '0', but must be how many"},
        {"model: {name: lenet5}\nschedule: {name: exponential}\n",
         "schedule.every is '0', but must be how many"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cj_recipe *r;
        expect_status(cj_recipe_read(&r, write_text("r.yaml", bad[i].yaml), 0, NULL), CJ_INVALID_ARGUMENT);
        expect_message(bad[i].sentence);
    }
    static const char *const over[] = {"model.heads=2"}, *const none[] = {"training.batch_size=0"};
    cj_recipe *r;
    const char *path = write_text("r.yaml", "model: [flatten, dense: 10]\n");
    expect_status(cj_recipe_read(&r, path, 1, over), CJ_INVALID_ARGUMENT);
    expect_message("override: model.heads is '2', which a list of layers has no use for");
    expect_status(cj_recipe_read(&r, path, 1, none), CJ_INVALID_ARGUMENT);
    expect_message("override: training.batch_size is '0', but must be 1 or more");
}

/* A recipe as it is written out has every key, and says where it ends: one that was cut short is not taken
 * for another. What is written by hand, or was before recipes said so, has no such end. */
static void recipes_cut_short(void **state)
{
    (void)state;
    skip_without("libyaml");
    cj_recipe *r = read_recipe("model: {name: lenet5, dropout: 0.0}\ntraining: {memory: 2gb}\n");
    char *text;
    expect_ok(cj_recipe_text(r, &text));
    cj_recipe_free(r);
    size_t size = strlen(text);
    cj_recipe_free(read_recipe(text));
    for (size_t cut = 1; cut < size - 1; cut += 1 + cut / 64) {
        text[size - 1 - cut] = 0;
        cj_status status = cj_recipe_read(&r, write_text("r.yaml", text), 0, NULL);
        if (status == CJ_OK) fail_msg("%zu bytes less are taken for a recipe", cut + 1);
    }
    cj_text_free(text);
}

/* --- allocations --------------------------------------------------------------------------------------- */

/* Once, with new weights. */
static cj_status draw_and_run(void *context)
{
    static const int32_t sentences[2][4] = {{3, 5, 7, 0}, {4, 0, 0, 0}};
    const network *draw = context;
    cj_model *model = NULL;
    cj_graph *graph = NULL;
    cj_program *program = NULL;
    float outputs[2 * 4 * VOCABULARY];
    cj_status status = cj_model_new(&model, .seed = 1);
    if (status == CJ_OK) status = cj_graph_new(&graph, model);
    if (status == CJ_OK)
        cj_output(graph, "outputs", (*draw)(cj_root(graph), cj_input(graph, "x", CJ_I32, cj_shape(2, 4))));
    if (status == CJ_OK) status = cj_compile(&program, graph);
    if (status == CJ_OK)
        status = cj_program_run(program, .inputs = {{(void *)sentences, CJ_I32, cj_shape(2, 4)}},
                                .outputs = {outputs});
    cj_program_free(program);
    cj_graph_free(graph);
    cj_model_free(model);
    return status;
}

static void every_allocation_fails(void **state)
{
    (void)state;
    network networks[] = {text_cnn, bilstm_largest, bert_classes, bert_masked};
    cj_test_allocator_install();
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
        cj_test_every_allocation_fails(draw_and_run, &networks[i]);
    cj_test_allocator_remove();
}

static int begin(void **state)
{
    (void)state;
    folder = cj_test_new_folder();
    expect_ok(cj_tensor_file_open(&values, FIXTURE("values.npz")));
    return 0;
}

static int end(void **state)
{
    (void)state;
    cj_tensor_file_close(values);
    cj_test_remove_folder(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_of_all),
        cmocka_unit_test(bert_alone),
        cmocka_unit_test(gradients_of_text_cnn),
        cmocka_unit_test(gradients_of_bilstm),
        cmocka_unit_test(gradients_of_bert),
        cmocka_unit_test(empty_sentences),
        cmocka_unit_test(no_places),
        cmocka_unit_test(sizes_that_do_not_fit),
        cmocka_unit_test(recipes_learn),
        cmocka_unit_test(bert_in_two_steps),
        cmocka_unit_test(recipes_that_cannot_be),
        cmocka_unit_test(recipes_cut_short),
    };
    const struct CMUnitTest alone[] = {cmocka_unit_test(every_allocation_fails)};
    int failed = cmocka_run_group_tests(tests, begin, end);
    return failed + cmocka_run_group_tests_name("allocations", alone, NULL, NULL);
}
