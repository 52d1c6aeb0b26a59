/* Networks that are known by name, each drawn by one function: classic architectures with PyTorch's names of
 * parameters (torchvision's, where it has the network), so that weights travel both ways. */
#ifndef CAJAL_MODELS_H
#define CAJAL_MODELS_H

#include "cajal/vision.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    size_t size;
    cj_value input;  /* pictures [N,H,W,C]; grey ones may be [N,H,W] */
    int64_t classes; /* 0: as many as the network was published with */
    /* Grey pictures are shown to the network on so many, all alike: 3 for one that was trained in colour. 0:
     * as they are. */
    int64_t channels;
} cj_network_options;

/* Draws the network of that name: logits [N,classes], or what its row says. An unknown name is an error that
 * tells the nearest. */
CJ_API cj_value cj_network(cj_scope scope, const char *name, const cj_network_options *options);

typedef struct {
    const char *name;                /* "resnet18" */
    const char *about;               /* what it is, and whose */
    int64_t height, width, channels; /* of the pictures it was made for */
    int64_t classes;
    bool pixelwise; /* gives something for every pixel, not logits [N,classes]: for C programs, not for
                       recipes */
} cj_network_facts;
/* The networks there are, from index 0 on; false beyond the last. */
CJ_API bool cj_network_at(int64_t index, cj_network_facts *facts);

#ifdef __cplusplus
}
#endif
#endif
