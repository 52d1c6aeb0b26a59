/* A recipe inside: settings by key, and layers in order. */
#ifndef CJ__RECIPE_H
#define CJ__RECIPE_H

#include "base/memory.h"
#include "base/text.h"
#include "data/augment.h"
#include "data/listing.h"
#define CJ_NO_LOCATIONS
#include "cajal/recipe.h"

/* What a value may be. A choice is one of the words listed, "a|b|c"; a list is numbers or words with commas
 * between; a mapping has items "from=to", and a list of mappings items "field=value;field=value", whose
 * fields are those listed. */
typedef enum {
    CJ__TEXT,
    CJ__NUMBER,
    CJ__COUNT,
    CJ__INTEGER,
    CJ__TRUTH,
    CJ__CHOICE,
    CJ__LIST,
    CJ__MAP,
    CJ__MAPS,
    CJ__BYTES, /* a number and B, kB, MB, GB, k, M, G, KiB, MiB or GiB in any case; nothing: no limit */
} cj__kind;

/* Every key there is, with its default and choices: the one list that reading, checking and printing use.
 * Keys of one section stand together. */
#define CJ__RECIPE_KEYS(X)                                                                                   \
    X(name, "name", CJ__TEXT, "unnamed", NULL)                                                               \
    X(data_name, "data.name", CJ__TEXT, "mnist", NULL)                                                       \
    X(data_file, "data.file", CJ__TEXT, "", NULL)                                                            \
    X(data_folder, "data.folder", CJ__TEXT, "", NULL)                                                        \
    X(data_pictures, "data.pictures", CJ__TEXT, "", NULL)                                                    \
    X(data_text, "data.text", CJ__TEXT, "", NULL)                                                            \
    X(data_format, "data.format", CJ__CHOICE, "plain", "plain|lines|labelled|pairs|stories|masked")          \
    X(data_more, "data.more_text", CJ__LIST, "", NULL)                                                       \
    X(data_target_text, "data.target_text", CJ__TEXT, "", NULL)                                              \
    X(data_validation_text, "data.validation_text", CJ__TEXT, "", NULL)                                      \
    X(data_validation_target, "data.validation_target", CJ__TEXT, "", NULL)                                  \
    X(data_test_text, "data.test_text", CJ__TEXT, "", NULL)                                                  \
    X(data_test_target, "data.test_target", CJ__TEXT, "", NULL)                                              \
    X(data_longest, "data.longest", CJ__COUNT, "0", NULL)                                                    \
    X(data_memory, "data.memory", CJ__COUNT, "50", NULL)                                                     \
    X(data_bucket, "data.bucket", CJ__COUNT, "8", NULL)                                                      \
    X(data_tokenizer, "data.tokenizer", CJ__TEXT, "character", NULL)                                         \
    X(data_vocabulary, "data.vocabulary", CJ__COUNT, "0", NULL)                                              \
    X(data_target_tokenizer, "data.target_tokenizer", CJ__TEXT, "", NULL)                                    \
    X(data_target_vocabulary, "data.target_vocabulary", CJ__COUNT, "0", NULL)                                \
    X(data_least, "data.least", CJ__COUNT, "0", NULL)                                                        \
    X(data_lower, "data.lower", CJ__TRUTH, "false", NULL)                                                    \
    X(data_form, "data.form", CJ__CHOICE, "as_is", "as_is|nfc|nfd|nfkc|nfkd")                                \
    X(data_window, "data.window", CJ__COUNT, "64", NULL)                                                     \
    X(data_windows, "data.windows", CJ__COUNT, "0", NULL)                                                    \
    X(data_order, "data.order", CJ__CHOICE, "drawn", "drawn|lanes")                                          \
    X(data_invalid, "data.invalid", CJ__CHOICE, "error", "error|replace")                                    \
    X(data_target, "data.target", CJ__TEXT, "", NULL)                                                        \
    X(data_number, "data.target_is_number", CJ__TRUTH, "false", NULL)                                        \
    X(data_drop, "data.drop", CJ__LIST, "", NULL)                                                            \
    X(data_categories, "data.categories", CJ__LIST, "", NULL)                                                \
    X(data_missing, "data.missing", CJ__LIST, "", NULL)                                                      \
    X(data_indicators, "data.missing_indicators", CJ__TRUTH, "false", NULL)                                  \
    X(data_scaling, "data.scaling", CJ__CHOICE, "standardise", "standardise|min_max|none")                   \
    X(data_shape, "data.shape", CJ__LIST, "", NULL)                                                          \
    X(data_crop, "data.crop", CJ__NUMBER, "0", NULL)                                                         \
    X(data_skip, "data.skip_damaged", CJ__TRUTH, "false", NULL)                                              \
    X(data_classes, "data.classes", CJ__LIST, "", NULL)                                                      \
    X(data_scale, "data.scale", CJ__NUMBER, "0.00392156862745098", NULL)                                     \
    X(data_shift, "data.shift", CJ__NUMBER, "0", NULL)                                                       \
    X(data_mean, "data.mean", CJ__LIST, "", NULL)                                                            \
    X(data_deviation, "data.deviation", CJ__LIST, "", NULL)                                                  \
    X(data_normalise, "data.normalise", CJ__CHOICE, "given", "given|fit")                                    \
    X(data_split, "data.split", CJ__CHOICE, "fixed", "fixed|random|stratified")                              \
    X(data_validation, "data.validation", CJ__NUMBER, "0.1", NULL)                                           \
    X(data_test, "data.test", CJ__NUMBER, "0", NULL)                                                         \
    X(data_seed, "data.seed", CJ__COUNT, "0", NULL)                                                          \
    X(model_name, "model.name", CJ__TEXT, "", NULL)                                                          \
    X(model_classes, "model.classes", CJ__COUNT, "0", NULL)                                                  \
    X(model_channels, "model.channels", CJ__COUNT, "0", NULL)                                                \
    X(model_whiten, "model.whiten", CJ__TEXT, "", NULL)                                                      \
    X(model_block, "model.block", CJ__COUNT, "0", NULL)                                                      \
    X(model_layers, "model.layers", CJ__COUNT, "0", NULL)                                                    \
    X(model_heads, "model.heads", CJ__COUNT, "0", NULL)                                                      \
    X(model_kv_heads, "model.kv_heads", CJ__COUNT, "0", NULL)                                                \
    X(model_width, "model.width", CJ__COUNT, "0", NULL)                                                      \
    X(model_hidden, "model.hidden", CJ__COUNT, "0", NULL)                                                    \
    X(model_dropout, "model.dropout", CJ__NUMBER, "0", NULL)                                                 \
    X(model_word_dropout, "model.word_dropout", CJ__NUMBER, "0", NULL)                                       \
    X(model_widths, "model.widths", CJ__LIST, "3,4,5", NULL)                                                 \
    X(model_pool, "model.pool", CJ__CHOICE, "max", "max|mean|last")                                          \
    X(model_bias, "model.bias", CJ__TRUTH, "true", NULL)                                                     \
    X(model_gelu, "model.gelu", CJ__CHOICE, "tanh", "tanh|exact")                                            \
    X(model_head, "model.head", CJ__CHOICE, "tied", "tied|own")                                              \
    X(model_theta, "model.theta", CJ__NUMBER, "0", NULL)                                                     \
    X(model_epsilon, "model.epsilon", CJ__NUMBER, "0", NULL)                                                 \
    X(weights, "weights.from", CJ__TEXT, "", NULL)                                                           \
    X(weights_map, "weights.map", CJ__MAP, "", NULL)                                                         \
    X(weights_skip, "weights.skip", CJ__LIST, "", NULL)                                                      \
    X(weights_transpose, "weights.transpose", CJ__LIST, "", NULL)                                            \
    X(epochs, "training.epochs", CJ__COUNT, "5", NULL)                                                       \
    X(batch_size, "training.batch_size", CJ__COUNT, "128", NULL)                                             \
    X(accumulate, "training.accumulate", CJ__COUNT, "1", NULL)                                               \
    X(seed, "training.seed", CJ__COUNT, "1", NULL)                                                           \
    X(loss, "training.loss", CJ__CHOICE, "cross_entropy",                                                    \
      "cross_entropy|binary_cross_entropy|squared_error|absolute_error|huber_error")                         \
    X(label_smoothing, "training.label_smoothing", CJ__NUMBER, "0", NULL)                                    \
    X(class_weights, "training.class_weights", CJ__LIST, "", NULL)                                           \
    X(unfreeze, "training.unfreeze", CJ__MAPS, "", "epoch|parameters")                                       \
    X(freeze_later, "training.freeze", CJ__MAPS, "", "epoch|parameters")                                     \
    X(precision, "training.precision", CJ__CHOICE, "highest", "highest|high|medium")                         \
    X(memory, "training.memory", CJ__BYTES, "", NULL)                                                        \
    X(kernels, "training.kernels", CJ__TEXT, "", NULL)                                                       \
    X(optimizer, "optimizer.name", CJ__CHOICE, "adam", "sgd|rmsprop|adagrad|adam|adamw|lion|muon")           \
    X(learning_rate, "optimizer.learning_rate", CJ__NUMBER, "0.001", NULL)                                   \
    X(momentum, "optimizer.momentum", CJ__NUMBER, "0", NULL)                                                 \
    X(nesterov, "optimizer.nesterov", CJ__TRUTH, "false", NULL)                                              \
    X(weight_decay, "optimizer.weight_decay", CJ__NUMBER, "0", NULL)                                         \
    X(beta1, "optimizer.beta1", CJ__NUMBER, "0", NULL)                                                       \
    X(beta2, "optimizer.beta2", CJ__NUMBER, "0", NULL)                                                       \
    X(epsilon, "optimizer.epsilon", CJ__NUMBER, "0", NULL)                                                   \
    X(no_decay, "optimizer.no_decay", CJ__LIST, "", NULL)                                                    \
    X(freeze, "optimizer.freeze", CJ__LIST, "", NULL)                                                        \
    X(groups, "optimizer.groups", CJ__MAPS, "",                                                              \
      "parameters|learning_rate|weight_decay|name|momentum|nesterov|iterations|keep_norm")                   \
    X(ema_decay, "optimizer.ema_decay", CJ__NUMBER, "0", NULL)                                               \
    X(clip_norm, "optimizer.clip_norm", CJ__NUMBER, "0", NULL)                                               \
    X(schedule, "schedule.name", CJ__CHOICE, "constant",                                                     \
      "constant|step|exponential|cosine|one_cycle|plateau|linear")                                           \
    X(schedule_every, "schedule.every", CJ__COUNT, "0", NULL)                                                \
    X(schedule_factor, "schedule.factor", CJ__NUMBER, "0", NULL)                                             \
    X(schedule_minimum, "schedule.minimum", CJ__NUMBER, "0", NULL)                                           \
    X(schedule_period, "schedule.period", CJ__COUNT, "0", NULL)                                              \
    X(schedule_rising, "schedule.rising", CJ__NUMBER, "0", NULL)                                             \
    X(schedule_patience, "schedule.patience", CJ__INTEGER, "0", NULL)                                        \
    X(schedule_cooldown, "schedule.cooldown", CJ__COUNT, "0", NULL)                                          \
    X(schedule_warm_up, "schedule.warm_up", CJ__COUNT, "0", NULL)                                            \
    X(schedule_warm_up_start, "schedule.warm_up_start", CJ__NUMBER, "0", NULL)                               \
    X(lookahead_every, "lookahead.every", CJ__COUNT, "0", NULL)                                              \
    X(lookahead_from, "lookahead.from_epoch", CJ__COUNT, "1", NULL)                                          \
    X(lookahead_keep, "lookahead.keep", CJ__NUMBER, "0.5", NULL)                                             \
    X(lookahead_power, "lookahead.power", CJ__NUMBER, "0", NULL)                                             \
    X(early_monitor, "early_stopping.monitor", CJ__CHOICE, "loss", "loss|accuracy")                          \
    X(early_patience, "early_stopping.patience", CJ__COUNT, "0", NULL)                                       \
    X(early_min_delta, "early_stopping.min_delta", CJ__NUMBER, "0", NULL)                                    \
    X(early_restore, "early_stopping.restore_best", CJ__TRUTH, "false", NULL)                                \
    X(checkpoint_epochs, "checkpoint.every_epochs", CJ__INTEGER, "1", NULL)                                  \
    X(checkpoint_steps, "checkpoint.every_steps", CJ__COUNT, "0", NULL)                                      \
    X(checkpoint_keep, "checkpoint.keep", CJ__COUNT, "2", NULL)                                              \
    X(checkpoint_best, "checkpoint.best", CJ__TRUTH, "false", NULL)                                          \
    X(views, "evaluation.views", CJ__CHOICE, "none", "none|flip|flip_shift")                                 \
    X(threshold_by, "threshold.by", CJ__CHOICE, "half", "half|accuracy|f1")                                  \
    X(threshold, "threshold.value", CJ__NUMBER, "0.5", NULL)                                                 \
    X(members, "ensemble.members", CJ__COUNT, "1", NULL)

typedef enum {
#define CJ__KEY_ENUM(id, ...) CJ__KEY_##id,
    CJ__RECIPE_KEYS(CJ__KEY_ENUM)
#undef CJ__KEY_ENUM
        CJ__KEY_COUNT
} cj__key;

typedef struct {
    const char *name;
    cj__kind kind;
    const char *standard, *choices;
} cj__key_facts;
extern const cj__key_facts cj__recipe_keys[CJ__KEY_COUNT];

enum { CJ__MOST_FILES = 16 };
enum { CJ__MOST_LAYERS = 256, CJ__MOST_CLASS_WEIGHTS = 1024, CJ__MOST_PATTERNS = 64, CJ__MOST_MEANS = 16 };

struct cj_recipe {
    cj__arena arena;
    const char *path;
    const char *values[CJ__KEY_COUNT];
    int lines[CJ__KEY_COUNT]; /* where the file sets them; 0: it does not */
    bool overridden[CJ__KEY_COUNT];
    bool saved;                               /* the file is one that was written, as a run keeps it */
    cj_layer layers[CJ__MOST_LAYERS + 1];     /* ended by one without a type */
    const char *layer_texts[CJ__MOST_LAYERS]; /* the values as they were written; NULL: none */
    int layer_count;
    unsigned options_given;                              /* of the last layer: flags of layer_table.h */
    cj_augmentation augment[CJ__MOST_AUGMENTATIONS + 1]; /* ended by one without a type */
    int augment_count;
    double class_weights[CJ__MOST_CLASS_WEIGHTS];
    cj_parameter_group groups[CJ_MAX_PARAMETER_GROUPS]; /* without a pattern after the last */
    cj_optimizer formulas[CJ_MAX_PARAMETER_GROUPS];     /* of groups that have one of their own */
    cj_weights weights;                                 /* of `map` and `skip` */
    cj_weight_rename map[CJ__MOST_PATTERNS];
    const char *skip[CJ__MOST_PATTERNS];
    const char *transpose[CJ__MOST_PATTERNS];
    const char *freeze[CJ__MOST_PATTERNS];
    cj_freezing unfreeze[CJ__MOST_PATTERNS], freeze_later[CJ__MOST_PATTERNS];
    int64_t freeze_count, unfreeze_count, freeze_later_count;
    double mean[CJ__MOST_MEANS], deviation[CJ__MOST_MEANS]; /* [channels], as read from their lists */
    int64_t channels;
    cj__names classes;    /* what they are called; none: numbers */
    cj_kernels *measured; /* what `training.kernels` names, once opened */
};

/* Sets a key from text found at `line` of the recipe's file (0: an override). */
CJ_MUST_CHECK cj_status cj__recipe_set(cj_recipe *recipe, int line, const char *key, const char *value);
/* Whether the text is a finite number, and nothing besides; a whole one, from 0 on unless it may be negative.
 */
bool cj__recipe_is_number(const char *text, double *number);
bool cj__recipe_is_whole(const char *text, bool negative);
/* Appends a layer, checked: layers.c; value NULL: none was given. */
CJ_MUST_CHECK cj_status cj__recipe_layer(cj_recipe *recipe, int line, const char *name, const char *value);
/* One more option of the last layer: "kernel", "3". */
CJ_MUST_CHECK cj_status cj__recipe_layer_option(cj_recipe *recipe, int line, const char *option,
                                                const char *value);
/* Draws the list. */
cj_value cj__recipe_draw_layers(cj_scope scope, cj_value x, cj_recipe *recipe);
/* What the layer's own value is called among its options; NULL: it has none, or there is no such layer. */
const char *cj__recipe_layer_value_name(const char *layer);
/* Appends an augmentation, checked; parameters as in cj_augmentation, NULL: none were given. */
CJ_MUST_CHECK cj_status cj__recipe_augment(cj_recipe *recipe, int line, const char *type,
                                           const char *parameters);
/* An override's list in place of the recipe's: "flip; pad_crop: size: 4, mode: reflect", or "none". */
CJ_MUST_CHECK cj_status cj__recipe_augment_instead(cj_recipe *recipe, const char *list);
/* "recipes/x.yaml:12", or "override" for line 0. */
const char *cj__recipe_place(const cj_recipe *recipe, int line, char text[300]);
double cj__recipe_number(const cj_recipe *recipe, cj__key key);
int64_t cj__recipe_count(const cj_recipe *recipe, cj__key key);
bool cj__recipe_truth(const cj_recipe *recipe, cj__key key);
int cj__recipe_choice(const cj_recipe *recipe, cj__key key);   /* which of the choices, from 0 */
size_t cj__recipe_bytes(const cj_recipe *recipe, cj__key key); /* 0: nothing is said */
/* The numbers of a list, up to `room` of them; returns how many there are. */
int64_t cj__recipe_list(const cj_recipe *recipe, cj__key key, double *numbers, int64_t room);
/* The key's facts; NULL: there is no such key. */
const cj__key_facts *cj__recipe_key_named(const char *name);
/* Whether the value is a mapping, or a list of mappings, as the key wants it. */
bool cj__recipe_mapping_fits(const cj__key_facts *key, const char *value);
/* Fills the arrays above from the values. */
CJ_MUST_CHECK cj_status cj__recipe_resolve_lists(cj_recipe *recipe);
/* "RECIPE: KEY is 'VALUE', but must be WANTED", where an override says so beginning with that. */
cj_status cj__recipe_bad_value(const cj_recipe *recipe, cj__key key, const char *wanted);
/* Whether a key was said by hand, in a file or an override: what a run once saved is taken as it is, so that
 * runs open that were trained before something became an error. */
bool cj__recipe_is_said(const cj_recipe *recipe, cj__key key);
/* The keys from `first` to `last`, where they are said, must be standard, or among what `user` takes:
 * "a|b|c". */
CJ_MUST_CHECK cj_status cj__recipe_check_taken(const cj_recipe *recipe, cj__key first, cj__key last,
                                               const char *user, const char *takes);
/* One weight for each class, as soon as it is known how many there are. */
CJ_MUST_CHECK cj_status cj__recipe_check_weights(const cj_recipe *recipe);
/* What the keys of data say together; reads mean, deviation and classes from their lists: data.c. */
CJ_MUST_CHECK cj_status cj__recipe_check_data(cj_recipe *recipe);
/* "negative,positive": the names of the data's classes, "" where they have none: data.c. */
CJ_MUST_CHECK cj_status cj__recipe_join_classes(const cj_dataset *data, cj__text *names);
/* What the keys of a text say together, and opening it, as windows of tokens: text_data.c. */
CJ_MUST_CHECK cj_status cj__recipe_check_text(const cj_recipe *recipe);
CJ_MUST_CHECK cj_status cj__recipe_open_text(cj_recipe *recipe, cj_recipe_sets *sets);
bool cj__recipe_is_plain_text(const cj_recipe *recipe);
/* The network must have a logit for each of so many tokens or labels: text_data.c. */
CJ_MUST_CHECK cj_status cj__recipe_fit_classes(cj_recipe *recipe, int64_t count);
/* Opens files of sentences, each as a set of its own where there is one: sentence_data.c. */
CJ_MUST_CHECK cj_status cj__recipe_open_sentences(cj_recipe *recipe, cj_recipe_sets *sets);
CJ_MUST_CHECK cj_status cj__recipe_check_sentences(const cj_recipe *recipe);
/* Whether it is a file that data.tokenizer names, not a kind. */
bool cj__recipe_names_file(const char *tokenizer);
/* The tokenizer in the file that the key names, which takes what is no UTF-8 as the recipe wants it. */
CJ_MUST_CHECK cj_status cj__recipe_read_tokenizer(const cj_recipe *recipe, cj__key key,
                                                  cj_tokenizer **tokenizer);
/* A tokenizer of the kind that the key names, made from the text, or read from the file that it names. */
CJ_MUST_CHECK cj_status cj__recipe_make_tokenizer(const cj_recipe *recipe, cj__key key, const char *path,
                                                  const cj_tokenizer_training *training, cj_tokenizer **made);
/* Text that is no UTF-8, where the tokenizer that the key names takes none: the sentence names file and line.
 */
CJ_MUST_CHECK cj_status cj__recipe_check_bytes(const cj_recipe *recipe, cj__key key, const char *path,
                                               const char *text, size_t size);
/* Sets a key to a number; what is remembered. */
CJ_MUST_CHECK cj_status cj__recipe_set_count(cj_recipe *recipe, cj__key key, int64_t count);
/* A network that `model.name` names, and the keys of `model` that it takes besides that, "width|layers". Any
 * other must be left at its standard: what is given and counts for nothing is a mistake. */
typedef struct {
    const char *name, *takes;
} cj__network_keys;
/* A family of such networks. */
typedef struct {
    const cj__network_keys *networks; /* one without a name ends them */
    cj_status (*check)(const cj_recipe *recipe);
    cj_value (*draw)(cj_scope scope, cj_value x, cj_recipe *recipe);
} cj__family;
extern const cj__family cj__language_models; /* language.c */
extern const cj__family cj__classifiers;     /* of sentences: sentence_networks.c */
extern const cj__family cj__memory_networks; /* which answer questions about stories: memory_network.c */
extern const cj__family cj__translators;     /* translation.c */
/* Which of the family's names the recipe has, from 0; as many as there are: none of them. */
int cj__recipe_member(const cj_recipe *recipe, const cj__family *family);
bool cj__recipe_is_of(const cj_recipe *recipe, const cj__family *family);
/* What families ask of their keys: a share from 0 up to 1; a whole number from `least` to `most`, or else
 * what is wanted. */
CJ_MUST_CHECK cj_status cj__recipe_check_share(const cj_recipe *recipe, cj__key key);
CJ_MUST_CHECK cj_status cj__recipe_check_range(const cj_recipe *recipe, cj__key key, int64_t least,
                                               int64_t most, const char *wanted);
CJ_MUST_CHECK cj_status cj__recipe_check_size(const cj_recipe *recipe, cj__key key); /* 1 to 2^24 */
int64_t cj__recipe_translator_block(const cj_recipe *recipe);
cj_value cj__recipe_read_translation(cj_scope scope, const cj_reading *reading, const cj_recipe *recipe);
/* What stands around a recipe that is written out: the first says that the last must be there, so that one
 * that was cut short is not taken for one that leaves the rest to the standards. */
#define CJ__RECIPE_FIRST_LINE "# every setting; the last line is '# end'"
#define CJ__RECIPE_LAST_LINE  "# end"
/* Reads the YAML file into the recipe: yaml_read.c. */
CJ_MUST_CHECK cj_status cj__recipe_parse(cj_recipe *recipe);
/* Whether the recipe's name ends in .bin, and what a checkpoint of llama2.c says instead of one:
 * checkpoint.c. */
bool cj__is_checkpoint_path(const char *path);
CJ_MUST_CHECK cj_status cj__recipe_of_checkpoint(cj_recipe *recipe);

#endif
