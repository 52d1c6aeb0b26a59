/* Recipes: one YAML file is one experiment, data, model and training. docs/recipes.md lists every key. A
 * recipe makes the calls of train.h and nothing that C cannot do without it. */
#ifndef CAJAL_RECIPE_H
#define CAJAL_RECIPE_H

#include "cajal/image.h"
#include "cajal/kernels.h"
#include "cajal/language.h"
#include "cajal/text.h"
#include "cajal/train.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cj_recipe cj_recipe;

/* The keys a recipe may have, from index 0 on; false beyond the last. The lists of layers and augmentations,
 * `model` and `augment`, are none. */
typedef struct {
    const char *name;     /* "optimizer.name" */
    const char *kind;     /* "text", "number", "whole number", "truth", "choice", "list",
                           * "mapping", "list of mappings" or "bytes" */
    const char *standard; /* what it is where the recipe says nothing, "adam" */
    const char *choices;  /* "sgd|adam|lion"; of a list of mappings the fields; NULL: it is neither */
} cj_recipe_key;
CJ_API bool cj_recipe_key_at(int64_t index, cj_recipe_key *key);

/* Networks for texts that `model.name` names besides those of cj_network_at: what they are made of is said by
 * the recipe and its data alone. NULL behind the last. */
CJ_API const char *cj_recipe_text_network(int64_t index);

/* Reads a recipe and applies overrides ("training.epochs=10"). An unknown key, or a value of the wrong kind,
 * is an error that names the file, the line and the nearest known key. Needs libyaml. A `path` that ends in
 * .bin is a checkpoint of llama2.c, looked for as cj_data_find does, whose network and weights are the
 * recipe; its tokenizer lies beside it. */
CJ_API CJ_MUST_CHECK cj_status cj_recipe_read(cj_recipe **recipe, const char *path, int count,
                                              const char *const *overrides);
CJ_API void cj_recipe_free(cj_recipe *recipe);

CJ_API const char *cj_recipe_name(const cj_recipe *recipe);
/* The recipe as YAML with every setting filled in; free with cj_text_free. */
CJ_API CJ_MUST_CHECK cj_status cj_recipe_text(const cj_recipe *recipe, char **text);
/* The same into a file, which is replaced whole or not at all; its folder is made where missing. */
CJ_API CJ_MUST_CHECK cj_status cj_recipe_save(const cj_recipe *recipe, const char *path);

/* Draws the recipe's network, which is named or a list of layers: a cj_forward whose context is the recipe.
 */
CJ_API cj_value cj_recipe_forward(cj_scope scope, cj_value x, void *recipe);
/* How many logits that ends in: `model.classes` of a named network, or what it has where nothing is said (of
 * one for texts 0 until the data are opened); of a list the units of its last dense layer. */
CJ_API int64_t cj_recipe_classes(const cj_recipe *recipe);
/* What the class with that label is called; NULL: it has no name. */
CJ_API const char *cj_recipe_class(const cj_recipe *recipe, int64_t label);
CJ_API cj_loss_kind cj_recipe_loss(const cj_recipe *recipe);
CJ_API uint64_t cj_recipe_seed(const cj_recipe *recipe);
CJ_API int64_t cj_recipe_members(const cj_recipe *recipe); /* of its ensemble; 1: it is none */

/* Language models, by name or as a list of layers over plain text: whether the recipe's is one, and how many
 * tokens it sees at once; 0: there is no end to it. */
CJ_API bool cj_recipe_is_language(const cj_recipe *recipe);
CJ_API int64_t cj_recipe_block(const cj_recipe *recipe);
/* Draws it for a reading: a cj_reader whose context is the recipe. */
CJ_API cj_value cj_recipe_reader(cj_scope scope, const cj_reading *reading, void *recipe);

/* How its texts are cut into tokens: read from its file; made from the recipe's text where it has none. */
CJ_API CJ_MUST_CHECK cj_status cj_recipe_open_tokenizer(cj_recipe *recipe, cj_tokenizer **tokenizer);

/* Networks that translate: whether the recipe's is one. `cj_recipe_reader` and `cj_recipe_block` are theirs
 * too. How both languages are cut into tokens; target NULL: as the source. */
CJ_API bool cj_recipe_translates(const cj_recipe *recipe);
CJ_API bool cj_recipe_is_joint(const cj_recipe *recipe); /* one tokenizer for both languages */
CJ_API CJ_MUST_CHECK cj_status cj_recipe_open_tokenizers(cj_recipe *recipe, cj_tokenizer **tokenizer,
                                                         cj_tokenizer **target);
/* Where the files of its test, or else its validation, lie, each into `size` bytes; "": there are none. */
CJ_API CJ_MUST_CHECK cj_status cj_recipe_find_pairs(const cj_recipe *recipe, bool test, char *source,
                                                    char *target, size_t size);

/* The weights it begins with, as cj_load_weights takes them; NULL: it names none. */
CJ_API const cj_weights *cj_recipe_weights(const cj_recipe *recipe);

/* The recipe's data, read and split. Any but `training` may be NULL where the recipe keeps no rows for it. */
typedef struct {
    cj_dataset *whole; /* what the others are views of; NULL: they are sets of their own */
    cj_dataset *training, *validation, *test;
    cj_preprocessing *preprocessing; /* of a table; NULL: the data is no table */
    cj_tokenizer *tokenizer;         /* of a text; NULL: the data is none */
    cj_tokenizer *target_tokenizer;  /* of what it is translated to; NULL: nothing is translated */
} cj_recipe_sets;
/* Afterwards the recipe knows the shape of an example, `data.shape`, the names of the classes,
 * `data.classes`, of a text the tokens there are, `data.vocabulary`, and where they are fitted `data.mean`
 * and `data.deviation`, so that it can be used without data. */
CJ_API CJ_MUST_CHECK cj_status cj_recipe_open_data(cj_recipe *recipe, cj_recipe_sets *sets);
/* As much of it as drawing the model takes: `training` has one row at least, others may be NULL. */
CJ_API CJ_MUST_CHECK cj_status cj_recipe_open_sample(cj_recipe *recipe, cj_recipe_sets *sets);
CJ_API void cj_recipe_close_data(cj_recipe_sets *sets);
CJ_API bool cj_recipe_is_table(const cj_recipe *recipe); /* its data is a table, not pictures */
CJ_API bool cj_recipe_is_text(const cj_recipe *recipe);  /* its data is text */
/* Each example has several targets, tokens: it is a text for a language model, or translations. */
CJ_API bool cj_recipe_predicts_tokens(const cj_recipe *recipe);
/* Whether these are tokens of sentences that are hidden, to be guessed. */
CJ_API bool cj_recipe_is_masked(const cj_recipe *recipe);
/* The most tokens that a sentence may have, longer ones being cut; 0: there is no limit. */
CJ_API int64_t cj_recipe_longest(const cj_recipe *recipe);
/* Whether its examples are short texts, a line each, between the tokens for begin and end. */
CJ_API bool cj_recipe_reads_lines(const cj_recipe *recipe);
/* How many tokens its tokenizer has, and that of what is translated to; 0 while that is not known. */
CJ_API int64_t cj_recipe_vocabulary(const cj_recipe *recipe);
CJ_API int64_t cj_recipe_target_vocabulary(const cj_recipe *recipe);
/* The file of a tokenizer in place of what `data.tokenizer`, or `data.target_tokenizer`, says: a finished
 * run's. */
CJ_API CJ_MUST_CHECK cj_status cj_recipe_set_tokenizer(cj_recipe *recipe, const char *path, bool target);
/* A table of the same form as the recipe's, to be prepared by the run's preprocessing. */
CJ_API CJ_MUST_CHECK cj_status cj_recipe_read_table(const cj_recipe *recipe, const char *path,
                                                    cj_table **table);
/* Above which probability a binary classification says 1, and how that is found on the validation rows. */
typedef enum { CJ_THRESHOLD_HALF, CJ_THRESHOLD_BY_ACCURACY, CJ_THRESHOLD_BY_F1 } cj_threshold_rule;
CJ_API cj_threshold_rule cj_recipe_threshold_rule(const cj_recipe *recipe);
CJ_API double cj_recipe_threshold(const cj_recipe *recipe);
CJ_API CJ_MUST_CHECK cj_status cj_recipe_set_threshold(cj_recipe *recipe, double threshold);
/* Of one example, [28,28] say; rank 0 while it is not known. */
CJ_API cj_shape_t cj_recipe_shape(const cj_recipe *recipe);
/* How a picture is brought to that shape; channels 0 where examples are no pictures, or not known yet. */
CJ_API cj_image_fit_options cj_recipe_picture(const cj_recipe *recipe);

/* Measured kernels, which the options below carry: read from the file that `training.kernels` names, by
 * opening the data if not before; or from another in its place, a run's own. */
CJ_API CJ_MUST_CHECK cj_status cj_recipe_open_kernels(cj_recipe *recipe);
CJ_API CJ_MUST_CHECK cj_status cj_recipe_set_kernels(cj_recipe *recipe, const char *path);
CJ_API const cj_kernels *cj_recipe_kernels(const cj_recipe *recipe); /* NULL: none were opened */

/* Options for cj_fit and cj_evaluate as the recipe says; model, data and folder are the caller's to set. */
CJ_API cj_fit_options cj_recipe_fit_options(cj_recipe *recipe);
CJ_API cj_evaluate_options cj_recipe_evaluate_options(cj_recipe *recipe);

#ifdef __cplusplus
}
#endif
#endif
