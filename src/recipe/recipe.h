/* A recipe inside: settings by key, and layers in order. */
#ifndef CJ__RECIPE_H
#define CJ__RECIPE_H

#include "base/memory.h"
#define CJ_NO_LOCATIONS
#include "cajal/recipe.h"

typedef enum { CJ__TEXT, CJ__NUMBER, CJ__COUNT, CJ__TRUTH } cj__kind;

/* Every key there is, with its default: the one list that reading, checking and printing use. */
#define CJ__RECIPE_KEYS(X)                                                                                   \
    X(name, "name", CJ__TEXT, "unnamed")                                                                     \
    X(data_name, "data.name", CJ__TEXT, "mnist")                                                             \
    X(data_scale, "data.scale", CJ__NUMBER, "0.00392156862745098")                                           \
    X(data_shift, "data.shift", CJ__NUMBER, "0")                                                             \
    X(data_validation, "data.validation", CJ__NUMBER, "0.1")                                                 \
    X(epochs, "training.epochs", CJ__COUNT, "5")                                                             \
    X(batch_size, "training.batch_size", CJ__COUNT, "128")                                                   \
    X(seed, "training.seed", CJ__COUNT, "1")                                                                 \
    X(label_smoothing, "training.label_smoothing", CJ__NUMBER, "0")                                          \
    X(optimizer, "optimizer.name", CJ__TEXT, "adam")                                                         \
    X(learning_rate, "optimizer.learning_rate", CJ__NUMBER, "0.001")                                         \
    X(momentum, "optimizer.momentum", CJ__NUMBER, "0")                                                       \
    X(nesterov, "optimizer.nesterov", CJ__TRUTH, "false")                                                    \
    X(weight_decay, "optimizer.weight_decay", CJ__NUMBER, "0")                                               \
    X(beta1, "optimizer.beta1", CJ__NUMBER, "0")                                                             \
    X(beta2, "optimizer.beta2", CJ__NUMBER, "0")                                                             \
    X(epsilon, "optimizer.epsilon", CJ__NUMBER, "0")                                                         \
    X(clip_norm, "optimizer.clip_norm", CJ__NUMBER, "0")

typedef enum {
#define CJ__KEY_ENUM(id, ...) CJ__KEY_##id,
    CJ__RECIPE_KEYS(CJ__KEY_ENUM)
#undef CJ__KEY_ENUM
        CJ__KEY_COUNT
} cj__key;

typedef struct {
    const char *name; /* "dense", "relu", … */
    double value;     /* units, rate, slope */
} cj__layer;

enum { CJ__MOST_LAYERS = 256 };

struct cj_recipe {
    cj__arena arena;
    const char *path;
    const char *values[CJ__KEY_COUNT];
    cj__layer layers[CJ__MOST_LAYERS];
    int layer_count;
};

/* Sets a key from text found at `line` of the recipe's file (0: an override). */
CJ_MUST_CHECK cj_status cj__recipe_set(cj_recipe *recipe, int line, const char *key, const char *value);
/* Appends a layer; value NULL: none was given. */
CJ_MUST_CHECK cj_status cj__recipe_layer(cj_recipe *recipe, int line, const char *name, const char *value);
double cj__recipe_number(const cj_recipe *recipe, cj__key key);
/* Reads the YAML file into the recipe: yaml.c. */
CJ_MUST_CHECK cj_status cj__recipe_parse(cj_recipe *recipe);

#endif
