/* The layers that a list names: what cj_sequential draws and a recipe's `model` may hold. */
#ifndef CJ__LAYER_TABLE_H
#define CJ__LAYER_TABLE_H

#define CJ_NO_LOCATIONS
#include "cajal/nn.h"

/* What stands behind a layer's name. */
typedef enum {
    CJ__NO_VALUE,
    CJ__UNITS, /* a whole number from 1 on; may be left out where the layer has a usual one */
    CJ__RATE,  /* from 0 up to 1 */
    CJ__SLOPE, /* any number; may be left out, then it is the layer's usual one */
} cj__layer_value;

/* What else a layer may be given: {filters: 32, kernel: 3, padding: same}. */
enum {
    CJ__KERNEL = 1,
    CJ__STRIDE = 2,
    CJ__DILATION = 4,
    CJ__GROUPS = 8,
    CJ__PADDING = 16, /* a number, or `same` */
    CJ__BIAS = 32,    /* true or false */
    CJ__FLATTEN = 64,
    CJ__VOCABULARY = 128,
    CJ__LAYERS = 256,
    CJ__DROPOUT = 512,
    CJ__BIDIRECTIONAL = 1024,
    CJ__STATEFUL = 2048,
    CJ__RETURN = 4096, /* last or all */
    CJ__HIDDEN = 8192,
    CJ__CAUSAL = 16384,
    CJ__NORM_FIRST = 32768,
    /* No option: the layer would take padding for data. */
    CJ__COUNTS_PADDING = 65536,
    CJ__POWER = 1 << 17,
    CJ__ALPHA = 1 << 18,
    CJ__BETA = 1 << 19,
    CJ__K = 1 << 20,
    CJ__HARD = 1 << 21,
    CJ__INTERPOLATION = 1 << 22, /* nearest or bilinear */
    CJ__ALIGN_CORNERS = 1 << 23,
    CJ__WINDOW = CJ__KERNEL | CJ__STRIDE | CJ__DILATION | CJ__PADDING
};
typedef struct {
    const char *name;
    unsigned flag;
    enum {
        CJ__WHOLE_OPTION,   /* an int64_t from 1 on */
        CJ__WORD_OPTION,    /* a bool that is set by the second of two words */
        CJ__RATE_OPTION,    /* a double from 0 up to 1 */
        CJ__NUMBER_OPTION,  /* a double above 0 */
        CJ__PADDING_OPTION, /* `pad` or `same` */
    } form;
    size_t offset; /* of the field in cj_layer */
    const char *words;
} cj__layer_option;
extern const cj__layer_option cj__layer_options[];
extern const int cj__layer_option_count;

typedef struct {
    const char *name;
    cj__layer_value value;
    double standard; /* of a value left out; 0: it has to be given */
    /* One of the two. `layer` has its standard value where none was given. */
    cj_value (*draw)(cj_scope scope, cj_value x, const cj_layer *layer);
    /* Where the places of a sequence see each other. lengths: i32 [N], of the rows of x [N,T,C] up to their
     * padding; none: all counts. They are taken away when what comes out is no sequence any more. */
    cj_value (*draw_within)(cj_scope scope, cj_value x, const cj_layer *layer, cj_value *lengths);
    const char *value_name; /* what the value is called among options */
    unsigned options;
} cj__layer_kind;

extern const cj__layer_kind cj__layer_kinds[];
extern const int cj__layer_kind_count;

const cj__layer_kind *cj__layer_kind_named(const char *name); /* NULL: there is none */
/* What is wrong with the value, as in "needs …"; NULL: nothing. */
const char *cj__layer_value_fault(const cj__layer_kind *kind, double value);
/* The error of a layer that would take the padding of sequences for data, and what to do instead. */
cj_value cj__no_padding(cj_scope scope, const char *name, const char *hint);

#endif
