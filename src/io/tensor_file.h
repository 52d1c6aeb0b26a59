/* A file of tensors inside: an index, filled by the format's reader (safetensors_read.c, npy_read.c,
 * pytorch_read.c, llama2c_read.c), and the bytes of the file, on the disk or in memory. */
#ifndef CJ__TENSOR_FILE_H
#define CJ__TENSOR_FILE_H

#include "base/memory.h"
#define CJ_NO_LOCATIONS
#include "cajal/io.h"
#include "io/safetensors.h"
#include "io/zip.h"

typedef struct {
    const char *name;
    const cj__stored_type *type;
    cj_shape_t shape;
    uint64_t begin, end; /* safetensors: bytes, counted from the first element of the file */
    void *data;          /* read at the first cj_tensor_file_tensor */
    /* .npy, in a zip archive or by itself: */
    cj__member member;    /* its bytes, header included */
    uint64_t header_size; /* the elements begin here */
    bool fortran;         /* the first dimension runs fastest */
    bool swapped;         /* big-endian */
    /* PyTorch: */
    const struct cj__torch_view *view; /* where its elements lie in which storage */
    int64_t heads; /* llama2.c: whose rows are brought into another order; 0: as they lie */
} cj__tensor_entry;

struct cj_tensor_file {
    cj__arena arena; /* names and metadata */
    const char *path;
    int file;                    /* -1: in memory */
    const unsigned char *memory; /* the whole file */
    uint64_t size, data_start;
    /* The format's: elements as they are stored, but little-endian and the last dimension running fastest. */
    cj_status (*read)(struct cj_tensor_file *file, const cj__tensor_entry *entry, void *raw);
    cj__tensor_entry *entries;
    int64_t count, capacity;
    cj__tensor_entry **by_name; /* sorted, for finding */
    cj_metadata *metadata;
    int64_t metadata_count, metadata_capacity;
    /* PyTorch: */
    bool swapped;                            /* big-endian */
    const struct cj__torch_storage *storage; /* the one that was read last, NULL: none, */
    void *storage_data;                      /* and its bytes */
    void *visiting;                          /* what a visitor of zip members fills */
};

/* Bytes of the file, which has them. */
CJ_MUST_CHECK cj_status cj__tensor_file_bytes(const cj_tensor_file *file, uint64_t offset, void *destination,
                                              size_t size);

/* The path before the sentence of an error, unless it is of memory. */
cj_status cj__within_file(const cj_tensor_file *file, cj_status status);

/* Fill the index, and check it. */
CJ_MUST_CHECK cj_status cj__safetensors_load(cj_tensor_file *file);
CJ_MUST_CHECK cj_status cj__npy_load(cj_tensor_file *file);
CJ_MUST_CHECK cj_status cj__npz_load(cj_tensor_file *file);
CJ_MUST_CHECK cj_status cj__torch_zip_load(cj_tensor_file *file);
CJ_MUST_CHECK cj_status cj__torch_stream_load(cj_tensor_file *file);
CJ_MUST_CHECK cj_status cj__llama2c_load(cj_tensor_file *file);
CJ_MUST_CHECK cj_status cj__safetensors_read(cj_tensor_file *file, const cj__tensor_entry *entry, void *raw);
CJ_MUST_CHECK cj_status cj__npy_read(cj_tensor_file *file, const cj__tensor_entry *entry, void *raw);
CJ_MUST_CHECK cj_status cj__torch_read(cj_tensor_file *file, const cj__tensor_entry *entry, void *raw);
CJ_MUST_CHECK cj_status cj__llama2c_read(cj_tensor_file *file, const cj__tensor_entry *entry, void *raw);

/* Whether the file begins as one of llama2.c does: with seven sizes that go together. */
bool cj__is_llama2c(const cj_tensor_file *file);

/* Whether a member of a zip archive is the pickle of a PyTorch file: "archive/data.pkl". */
bool cj__is_torch_pickle(const char *name, size_t size);

#endif
