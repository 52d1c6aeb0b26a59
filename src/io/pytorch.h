/* PyTorch's own files, .pt, .pth and .th: since 1.6 a zip archive of one pickle and a record for each
 * storage, before that a stream of pickles with the storages behind them. pickle.c reads pickles,
 * pytorch_values.c makes tensors of them, pytorch_names.c gives them names, pytorch_read.c finds and reads
 * their elements. https://docs.pytorch.org/docs/stable/notes/serialization.html */
#ifndef CJ__PYTORCH_H
#define CJ__PYTORCH_H

#include "io/pickle.h"
#include "io/tensor_file.h"

/* Fills the index with the tensors below `root`, made of a pickle of so many bytes. */
CJ_MUST_CHECK cj_status cj__torch_name_tensors(cj_tensor_file *file, const cj__pickled *root,
                                               uint64_t pickle_size);

#endif
