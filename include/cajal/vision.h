/* Networks that see: convolution, pooling and normalisation by channel, as operations and as layers.
 *
 * Pictures are [N,spatial…,C] with channels last, one to three spatial axes: [N,W,C], [N,H,W,C], [N,D,H,W,C].
 * Weights of convolutions lie in memory as [kernel…,in,out] and are written to files as PyTorch has them,
 * [out,in,kernel…]. */
#ifndef CAJAL_VISION_H
#define CAJAL_VISION_H

#include "cajal/model.h"
#include "cajal/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CJ_MAX_SPATIAL 3

/* --- convolution --------------------------------------------------------------------------------------- */

/* How windows slide, by spatial axis; zeros in stride, dilation and groups mean 1. */
typedef struct {
    int64_t stride[CJ_MAX_SPATIAL], dilation[CJ_MAX_SPATIAL];
    int64_t before[CJ_MAX_SPATIAL],
        after[CJ_MAX_SPATIAL]; /* zeros in front of the first and behind the last */
    int64_t groups; /* channels fall into groups that do not see each other; as many as channels: depthwise */
} cj_window;

/* x [N,size…,C] with a weight [kernel…,C/groups,O] → [N,result…,O], as cross-correlation:
 * result = (size + before + after - dilation · (kernel - 1) - 1) / stride + 1, rounded down. */
CJ_API cj_value cj_convolution(cj_value x, cj_value weight, const cj_window *window);
/* What that convolution's gradient makes of x [N,result…,O]: [N,size…,C], where `size` gives the spatial axes
 * alone and must be one that has `result` windows. */
CJ_API cj_value cj_transposed_convolution(cj_value x, cj_value weight, const cj_window *window,
                                          cj_shape_t size);

typedef enum {
    CJ_VALID, /* as much padding as said; none */
    CJ_SAME,  /* result = size / stride, rounded up; an odd element of padding goes behind */
} cj_padding;

/* Parameters "weight" and "bias" [filters]. What is given for all axes counts where an axis has none of its
 * own; zeros mean 1 (padding: none). */
typedef struct {
    size_t size;
    cj_value input;
    int64_t filters;
    int64_t kernel, stride, dilation;
    int64_t pad; /* zeros on both sides of each axis */
    cj_padding padding;
    int64_t groups;
    int64_t kernels[CJ_MAX_SPATIAL], strides[CJ_MAX_SPATIAL], dilations[CJ_MAX_SPATIAL], pads[CJ_MAX_SPATIAL];
    int64_t output_pad; /* transposed: so much larger at the end than the least size that fits */
    bool no_bias;
    cj_init weight_init, bias_init; /* default: Glorot uniform, zeros */
} cj_conv_options;
/* cj_conv2d(scope, x, .filters = 64, .kernel = 3, .padding = CJ_SAME). One function for 1, 2 and 3 spatial
 * axes: the names only check how many there are. */
CJ_API cj_value cj_conv1d(cj_scope scope, const cj_conv_options *options);
CJ_API cj_value cj_conv2d(cj_scope scope, const cj_conv_options *options);
CJ_API cj_value cj_conv3d(cj_scope scope, const cj_conv_options *options);
/* size = (input - 1) · stride - 2 pad + dilation · (kernel - 1) + output_pad + 1; CJ_SAME: input · stride. */
CJ_API cj_value cj_conv_transpose(cj_scope scope, const cj_conv_options *options);

/* --- pooling ------------------------------------------------------------------------------------------- */

typedef struct {
    size_t size;
    cj_value input;
    int64_t kernel, stride, dilation, pad; /* 0: 2, the kernel's, 1, none */
    cj_padding padding;
    int64_t kernels[CJ_MAX_SPATIAL], strides[CJ_MAX_SPATIAL], dilations[CJ_MAX_SPATIAL], pads[CJ_MAX_SPATIAL];
    bool ceil;            /* also a last window that reaches beyond the end */
    bool exclude_padding; /* average: divide by the elements inside; always so with CJ_SAME */
    double power;         /* cj_power_pool; 0: 2 */
} cj_pool_options;
/* cj_max_pool(x, .kernel = 3, .stride = 2, .pad = 1). Padding is never the largest; NaN always is. The
 * gradient goes to the first of equals. Padding may be any that leaves each window an element to see, where
 * PyTorch stops at half a window. */
CJ_API cj_value cj_max_pool(const cj_pool_options *options);
CJ_API cj_value cj_average_pool(const cj_pool_options *options);
/* (Σ |x|^p)^(1/p). The gradient in a window of zeros is 0. */
CJ_API cj_value cj_power_pool(const cj_pool_options *options);
/* [N,spatial…,C] → [N,result…,C]: window i of n covers the i-th n-th part, rounded outwards. */
CJ_API cj_value cj_adaptive_max_pool(cj_value x, cj_shape_t result);
CJ_API cj_value cj_adaptive_average_pool(cj_value x, cj_shape_t result);
CJ_API cj_value cj_global_average_pool(cj_value x); /* [N,spatial…,C] → [N,C] */

/* --- normalisation ------------------------------------------------------------------------------------- */

/* Mean and mean squared distance from it of each channel of [...,C]: [C]. */
CJ_API void cj_batch_moments(cj_value x, cj_value *mean, cj_value *variance);

/* Ioffe and Szegedy, 2015, as PyTorch's BatchNorm: by the batch's own moments in training, which
 * "running_mean" and "running_var" (unbiased) follow; by these in inference and where
 * "running_mean" is frozen (cj_model_freeze). Parameters "weight" and "bias" [C]. */
typedef struct {
    size_t size;
    cj_value input;
    double epsilon;  /* 0: 1e-5 */
    double momentum; /* of the running statistics: the share of the new; 0: 0.1 */
    bool no_affine;  /* no weight and bias */
    bool no_weight;  /* a bias alone */
} cj_batch_norm_options;
CJ_API cj_value cj_batch_norm(cj_scope scope, const cj_batch_norm_options *options);

/* Wu and He, 2018: each example's channels in groups, over all places. */
typedef struct {
    size_t size;
    cj_value input;
    int64_t groups; /* 0: 32; as many as channels: instance normalisation (Ulyanov et al., 2016) */
    double epsilon; /* 0: 1e-5 */
    bool no_affine; /* no "weight" and "bias" [C] */
} cj_group_norm_options;
CJ_API cj_value cj_group_norm(cj_scope scope, const cj_group_norm_options *options);

/* Krizhevsky et al., 2012: x / (k + alpha / width · Σ x²)^beta over `width` neighbouring channels, as
 * PyTorch. Zeros mean width 5, alpha 1e-4, beta 0.75, k 1. */
typedef struct {
    size_t size;
    cj_value input;
    int64_t width;
    double alpha, beta, k;
} cj_local_response_norm_options;
CJ_API cj_value cj_local_response_norm(const cj_local_response_norm_options *options);

/* --- blocks -------------------------------------------------------------------------------------------- */

/* Depthwise, then pointwise (Sifre, 2014; Chollet, 2017): options as of cj_conv2d, at the scopes "depthwise"
 * and "pointwise", which alone has the bias. */
CJ_API cj_value cj_separable_conv2d(cj_scope scope, const cj_conv_options *options);
/* A k×1 convolution, then a 1×k one (Szegedy et al., 2016), at the scopes "vertical" and "horizontal". */
CJ_API cj_value cj_spatially_separable_conv2d(cj_scope scope, const cj_conv_options *options);
/* Hu et al., 2018: channels of [N,spatial…,C] weighted by what all places say of them. 1×1 convolutions "fc1"
 * to `squeezed` channels and ReLU, "fc2" back and sigmoid (`hard`: the straight-lined one). */
CJ_API cj_value cj_squeeze_excitation(cj_scope scope, cj_value x, int64_t squeezed, bool hard);
/* Dropout of whole channels of an example (Tompson et al., 2015), and of all of a block's output for an
 * example (Huang et al., 2016); both the identity in inference. */
CJ_API cj_value cj_spatial_dropout(cj_scope scope, cj_value x, double rate);
CJ_API cj_value cj_stochastic_depth(cj_scope scope, cj_value x, double rate);

/* --- size ---------------------------------------------------------------------------------------------- */

typedef enum { CJ_NEAREST, CJ_BILINEAR } cj_interpolation;
/* x: [N,H,W,C] → [N,height,width,C], as PyTorch's interpolate; without antialiasing. */
CJ_API cj_value cj_resize(cj_value x, int64_t height, int64_t width, cj_interpolation interpolation,
                          bool align_corners);
/* [N,H,W,C·r²] → [N,H·r,W·r,C] (Shi et al., 2016), channels in PyTorch's order; and back. */
CJ_API cj_value cj_pixel_shuffle(cj_value x, int64_t factor);
CJ_API cj_value cj_pixel_unshuffle(cj_value x, int64_t factor);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define CJ__CONV(function, scope, ...)                                                                       \
    cj_here((function)(scope, CJ_OPTIONS(cj_conv_options, .input = __VA_ARGS__)), __FILE__, __LINE__)
#define cj_conv1d(scope, ...)         CJ__CONV(cj_conv1d, scope, __VA_ARGS__)
#define cj_conv2d(scope, ...)         CJ__CONV(cj_conv2d, scope, __VA_ARGS__)
#define cj_conv3d(scope, ...)         CJ__CONV(cj_conv3d, scope, __VA_ARGS__)
#define cj_conv_transpose(scope, ...) CJ__CONV(cj_conv_transpose, scope, __VA_ARGS__)
#define CJ__POOL(function, ...)                                                                              \
    cj_here((function)(CJ_OPTIONS(cj_pool_options, .input = __VA_ARGS__)), __FILE__, __LINE__)
#define cj_max_pool(...)     CJ__POOL(cj_max_pool, __VA_ARGS__)
#define cj_average_pool(...) CJ__POOL(cj_average_pool, __VA_ARGS__)
#define cj_power_pool(...)   CJ__POOL(cj_power_pool, __VA_ARGS__)
#define cj_batch_norm(scope, ...)                                                                            \
    cj_here((cj_batch_norm)(scope, CJ_OPTIONS(cj_batch_norm_options, .input = __VA_ARGS__)), __FILE__,       \
            __LINE__)
#define cj_group_norm(scope, ...)                                                                            \
    cj_here((cj_group_norm)(scope, CJ_OPTIONS(cj_group_norm_options, .input = __VA_ARGS__)), __FILE__,       \
            __LINE__)
#define cj_local_response_norm(...)                                                                          \
    cj_here((cj_local_response_norm)(CJ_OPTIONS(cj_local_response_norm_options, .input = __VA_ARGS__)),      \
            __FILE__, __LINE__)
#define cj_separable_conv2d(scope, ...)           CJ__CONV(cj_separable_conv2d, scope, __VA_ARGS__)
#define cj_spatially_separable_conv2d(scope, ...) CJ__CONV(cj_spatially_separable_conv2d, scope, __VA_ARGS__)
#define cj_squeeze_excitation(...)                cj_here((cj_squeeze_excitation)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_spatial_dropout(...)                   cj_here((cj_spatial_dropout)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_stochastic_depth(...)                  cj_here((cj_stochastic_depth)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_resize(...)                            cj_here((cj_resize)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_pixel_shuffle(...)                     cj_here((cj_pixel_shuffle)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_pixel_unshuffle(...)                   cj_here((cj_pixel_unshuffle)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_convolution(...)                       cj_here((cj_convolution)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_transposed_convolution(...)            cj_here((cj_transposed_convolution)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_adaptive_max_pool(...)                 cj_here((cj_adaptive_max_pool)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_adaptive_average_pool(...)             cj_here((cj_adaptive_average_pool)(__VA_ARGS__), __FILE__, __LINE__)
#define cj_global_average_pool(...)               cj_here((cj_global_average_pool)(__VA_ARGS__), __FILE__, __LINE__)
#endif

#ifdef __cplusplus
}
#endif
#endif
