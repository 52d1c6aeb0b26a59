/* Files: tensors with names; pictures are in image.h. What is written takes its place only when every byte of
 * it is on the disk: a full disk, an unwritable folder or a kill leaves the earlier file as it was. What is
 * read is checked first: a damaged or hostile file is a CJ_FORMAT_ERROR that names the file and the place in
 * it. */
#ifndef CAJAL_IO_H
#define CAJAL_IO_H

#include "cajal/base.h"
#include "cajal/image.h"
#include "cajal/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- files of tensors: safetensors, NumPy's .npy and .npz, PyTorch's .pt, .pth and .th -------------------
 */

/* A file of tensors opened for reading: an index in memory, the elements read when they are asked for. The
 * format is told by the first bytes, not by the name:
 *
 * - safetensors;
 * - .npz, stored or compressed (with zlib), whose names are those of its arrays; .npy, whose only array is
 *   named "arr_0";
 * - what torch.save writes, as an archive or, as before 1.6, as a stream. Dictionaries in dictionaries give
 *   names with dots; of a checkpoint that has the weights under "state_dict", "model_state_dict" or "model"
 *   these alone are listed, by their own names. Texts and numbers in the outermost dictionary are metadata. A
 *   tensor by itself is named "tensor". Such a file is a Python pickle, which may name any class or function;
 *   none is ever called, and one that builds no tensor is CJ_UNSUPPORTED with its name in the sentence;
 * - a checkpoint of llama2.c (its version 0), under the names that cj_llama has (language.h). */
typedef struct cj_tensor_file cj_tensor_file;

/* Reads and checks the index, and the SHA-256 of the elements when a safetensors file carries one (files
 * written here do); the CRC-32 of an array in an .npz file is checked when it is read. CJ_NOT_FOUND when
 * there is no such file. */
CJ_API CJ_MUST_CHECK cj_status cj_tensor_file_open(cj_tensor_file **file, const char *path);
/* The same for a file's bytes in memory, borrowed until cj_tensor_file_close; `name` is for error messages.
 */
CJ_API CJ_MUST_CHECK cj_status cj_tensor_file_open_memory(cj_tensor_file **file, const void *data,
                                                          size_t size, const char *name);
CJ_API void cj_tensor_file_close(cj_tensor_file *file); /* NULL is allowed */

CJ_API int64_t cj_tensor_file_count(const cj_tensor_file *file);
/* In the order of the file's index; valid until the file is closed. */
CJ_API const char *cj_tensor_file_name(const cj_tensor_file *file, int64_t index);
CJ_API int64_t cj_tensor_file_find(const cj_tensor_file *file, const char *name); /* -1: there is none */
/* A text that was saved along, or NULL. */
CJ_API const char *cj_tensor_file_metadata(const cj_tensor_file *file, const char *key);

/* The element type and shape that reading gives; `data` is NULL. Types without a counterpart here are
 * widened: F16 to f32, I8, I16 and U16 to i32, U32 to i64. CJ_UNSUPPORTED for those that fit nowhere (U64,
 * F8, texts, records, …). Big-endian and Fortran-ordered arrays and
 * strided views come out in this machine's order and C's. */
CJ_API CJ_MUST_CHECK cj_status cj_tensor_file_describe(const cj_tensor_file *file, int64_t index,
                                                       cj_tensor *tensor);
/* Reads the elements to `destination`, which has room for cj_tensor_bytes of the description. */
CJ_API CJ_MUST_CHECK cj_status cj_tensor_file_read(cj_tensor_file *file, int64_t index, void *destination);
/* The tensor with its elements, read at the first call; the file owns them until it is closed. */
CJ_API CJ_MUST_CHECK cj_status cj_tensor_file_tensor(cj_tensor_file *file, int64_t index, cj_tensor *tensor);

typedef struct {
    const char *name;
    cj_tensor tensor;
} cj_named_tensor;
typedef struct {
    const char *key, *value; /* UTF-8 */
} cj_metadata;

typedef struct {
    size_t size;
    const char *path;
    const cj_named_tensor *tensors; /* listed in the order given; equal input gives equal bytes */
    int64_t count;
    const cj_metadata *metadata;
    int64_t metadata_count;
    bool no_checksum; /* leave out the SHA-256 of the elements, kept in the metadata as "sha256" */
} cj_save_tensors_options;
/* cj_save_tensors("weights.safetensors", .tensors = list, .count = 4) */
CJ_API CJ_MUST_CHECK cj_status cj_save_tensors(const cj_save_tensors_options *options);

/* A tensor of any type but bf16 to a .npy file, as numpy.load reads it. */
CJ_API CJ_MUST_CHECK cj_status cj_save_npy(const char *path, const cj_tensor *tensor);

typedef struct {
    size_t size;
    const char *path;
    const cj_named_tensor *tensors; /* of any type but bf16; equal input gives equal bytes */
    int64_t count;
    bool compress; /* with zlib */
} cj_save_npz_options;
/* cj_save_npz("arrays.npz", .tensors = list, .count = 4) */
CJ_API CJ_MUST_CHECK cj_status cj_save_npz(const cj_save_npz_options *options);

/* --- weights ------------------------------------------------------------------------------------------- */

/* Parameters and statistics to a safetensors file, under their names, which are PyTorch's. `recipe` is kept
 * along as a text; it may be NULL. */
CJ_API CJ_MUST_CHECK cj_status cj_model_save(const cj_model *model, const char *path, const char *recipe);
/* Weights from such a file into the model: into variables of those names where there are any, else they are
 * made, and drawings find them. A later drawing that asks for a parameter the file did not have gets an error
 * that names it. */
CJ_API CJ_MUST_CHECK cj_status cj_model_load(cj_model *model, const char *path);
/* --- weights of another network ------------------------------------------------------------------------- */

/* `from` without a star: what a name begins with, replaced by `to` ("module." → "", "" → "backbone."). With
 * one: the whole name, and the star of `to` is what that of `from` stood for ("*.gamma" → "*.weight"). */
typedef struct {
    const char *from, *to;
} cj_weight_rename;

typedef struct {
    size_t size;
    /* Any file of tensors, or the folder of a finished run; as named, or below $CAJAL_DATA or the cache. */
    const char *from;
    const cj_weight_rename *map; /* applied to the file's names, each to what the one before has made */
    int64_t map_count;
    /* Patterns, `*` for any characters, of the network's names that are not loaded: they keep their initial
     * values. A new head, of whatever shape. */
    const char *const *skip;
    int64_t skip_count;
    /* Patterns of the network's names that lie transposed in the file: matrices [in,out] there, as GPT-2's
     * ("*.c_attn.weight", "*.c_fc.weight", "*.c_proj.weight"). */
    const char *const *transpose;
    int64_t transpose_count;
    bool strict; /* what the file has and the network has not is an error too */
} cj_weights;

typedef enum {
    CJ_WEIGHT_LOADED,
    CJ_WEIGHT_SKIPPED,    /* fits a pattern of `skip` */
    CJ_WEIGHT_MISSING,    /* in the network, not in the file: an error */
    CJ_WEIGHT_CLASHING,   /* of another shape or type in the file: an error */
    CJ_WEIGHT_UNEXPECTED, /* in the file, not in the network: told and passed over unless `strict`; but for
                             PyTorch's `num_batches_tracked`, which nothing here reads */
} cj_weight_fate;
#define CJ_WEIGHT_FATES 5

typedef struct {
    const char *name; /* as in the network */
    cj_weight_fate fate;
    cj_tensor wanted, found; /* in the network and in the file: type and shape, no data; rank 0 without one */
} cj_weight;

/* What became of every weight: those of the network in its order, then the rest of the file by name. */
typedef struct {
    const char *path; /* of the file */
    int64_t counts[CJ_WEIGHT_FATES];
    cj_weight *weights; /* [count] */
    int64_t count;
    bool loaded; /* else nothing was: those that are CJ_WEIGHT_LOADED would fit */
} cj_weights_report;

/* Weights into a model that has been drawn, so that it is known what it needs (cj_draw_network). Floating
 * point of another width becomes f32. Everything is compared before anything is written: when something is
 * missing or clashes, or a pattern fits no weight, CJ_INVALID_ARGUMENT names it and the model is as it was.
 * The report, if not NULL, is made in that case too; free it. */
CJ_API CJ_MUST_CHECK cj_status cj_load_weights(cj_model *model, const cj_weights *weights,
                                               cj_weights_report **report);
/* The report in a few lines, to be freed with cj_text_free. */
CJ_API CJ_MUST_CHECK cj_status cj_weights_text(const cj_weights_report *report, char **text);
CJ_API void cj_weights_report_free(cj_weights_report *report); /* NULL is allowed */

/* SHA-256 of the bytes of parameters and statistics in the model's order, in hexadecimal: the fingerprint of
 * a training. It is what cj_model_save puts into the file. */
CJ_API void cj_model_digest(const cj_model *model, char text[65]);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define cj_save_tensors(...) (cj_save_tensors)(CJ_OPTIONS(cj_save_tensors_options, .path = __VA_ARGS__))
#define cj_save_npz(...)     (cj_save_npz)(CJ_OPTIONS(cj_save_npz_options, .path = __VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif
#endif
