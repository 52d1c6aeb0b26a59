/* Data: sets of examples, and loaders that hand them out in batches. */
#ifndef CAJAL_DATA_H
#define CAJAL_DATA_H

#include "cajal/base.h"
#include "cajal/image.h"
#include "cajal/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Examples x with targets y, row by row. Images stay bytes until they are in a batch. Every call that makes
 * one leaves it to the caller, for cj_dataset_free; where the call fails there is none, and the pointer is
 * NULL. */
typedef struct cj_dataset cj_dataset;

/* IDX files, plain or gzip (the format of MNIST): images u8 [N,…], labels u8 [N]. An error names the file,
 * the byte, what was found and what was expected. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_read_idx(cj_dataset **dataset, const char *images_path,
                                                   const char *labels_path);
/* The binary files of CIFAR, plain or gzip, one after the other: pictures u8 [N,32,32,3] and labels.
 * `classes` is 10, or 100 (the fine labels). */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_read_cifar(cj_dataset **dataset, const char *const *paths,
                                                     int64_t count, int64_t classes);
/* "mnist", "fashion-mnist", "cifar-10" or "cifar-100", its training or test part: looked for in
 * $CAJAL_DATA/NAME, then in $XDG_CACHE_HOME/cajal/NAME (~/.cache/cajal/NAME), then in
 * /usr/share/datasets/NAME. CIFAR's folder may also be called as its archive unpacks: cifar-10-batches-bin,
 * cifar-100-binary. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_open(cj_dataset **dataset, const char *name, bool test);
/* The first rows of the training part alone, to draw a model by: takes a millisecond. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_open_sample(cj_dataset **dataset, const char *name, int64_t rows);
/* A data set in one NumPy archive: examples of bytes or numbers (others than u8 and f32 become f32) and
 * labels, one whole number a row, or f32 targets. Arrays train_images and train_labels, val_… and test_… (as
 * MedMNIST names them), or x_train and y_train, x_val …, x_test … (Keras), or images and labels, or x and y
 * alone. Validation and test are NULL where there are none. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_read_npz(const char *path, cj_dataset **training,
                                                   cj_dataset **validation, cj_dataset **test);
/* --- pictures that stay in their files until a loader wants them: only their names are in memory ----------
 */

typedef struct {
    /* What each becomes. Height and width 0: all have the size of the first, others are an error; channels 0:
     * 3 where the first picture of a class is in colour, else 1. */
    cj_image_fit_options fit;
    const char
        *classes; /* with commas between, in the order of their labels; NULL: all there are, ascending */
    /* Read every picture once at the beginning and leave out those that cannot be read: cj_dataset_skipped.
     * Else the first one that a loader meets ends it. */
    bool skip_damaged;
} cj_picture_options;

typedef struct {
    size_t size;
    /* A folder of FOLDER/CLASS/….jpg, or of three parts FOLDER/train/CLASS/…, FOLDER/val/… (or valid,
     * validation) and FOLDER/test/…, as ImageNet is laid out. Folders within a class belong to it. Files that
     * are no pictures, and hidden ones, are passed over. */
    const char *path;
    cj_picture_options pictures;
} cj_folder_options;
/* x: u8 [N,height,width,channels], y: the classes. Rows are in ascending order of class and name. Validation
 * and test are NULL where there is no such part; a test without folders of classes is none either. Errors
 * name the file or folder. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_read_folder(const cj_folder_options *options, cj_dataset **training,
                                                      cj_dataset **validation, cj_dataset **test);

typedef struct {
    size_t size;
    const char *path;      /* of a table with a column of paths, CSV, plain or gzip */
    const char *column;    /* its name */
    const char *folder;    /* that relative paths start from; NULL: the table's own */
    const char *target;    /* the column to learn */
    bool target_is_number; /* f32; else its values are classes */
    cj_picture_options pictures;
} cj_picture_table_options;
/* As cj_dataset_read_folder, in the order of the table. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_read_picture_table(cj_dataset **dataset,
                                                             const cj_picture_table_options *options);

/* How many pictures were left out, and a sentence about the first of them, "" without any. */
CJ_API int64_t cj_dataset_skipped(const cj_dataset *dataset, const char **first);
/* How many sentences were longer than `longest` and so were cut. */
CJ_API int64_t cj_dataset_cut(const cj_dataset *dataset);
/* Of the class with that label; NULL: the classes have no names. */
CJ_API const char *cj_dataset_class_name(const cj_dataset *dataset, int64_t label);
/* Mean and standard deviation of x, channel by channel: the last dimension of examples of rank 3, else of all
 * together. [channels]; at most 16. Every row is read once. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_moments(const cj_dataset *dataset, int64_t channels, double *mean,
                                                  double *deviation);

/* Where a file of data lies: as named, else below $CAJAL_DATA, else below $XDG_CACHE_HOME/cajal
 * (~/.cache/cajal), else below /usr/share/datasets; also where it has .gz behind its name. Writes its path,
 * zero included, into `size` bytes. */
CJ_API CJ_MUST_CHECK cj_status cj_data_find(const char *file, char *path, size_t size);
/* Copies both; equal first dimensions. x: u8, f32 or i32, y: i32 or f32. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_from_tensors(cj_dataset **dataset, const cj_tensor *x,
                                                       const cj_tensor *y);
CJ_API void cj_dataset_free(cj_dataset *dataset);
CJ_API int64_t cj_dataset_count(const cj_dataset *dataset); /* rows; 0 for NULL */
/* All rows, borrowed. `data` is NULL where they do not lie together: those of a view, or pictures that are
 * read from their files when they are wanted. cj_dataset_row gives one of them, cj_dataset_copy brings them
 * together.
 */
CJ_API cj_tensor cj_dataset_x(const cj_dataset *dataset);
CJ_API cj_tensor cj_dataset_y(const cj_dataset *dataset);
/* Row `index` of any dataset, borrowed: x [1,…] and y [1,…]. Either may be NULL. The data of x is NULL where
 * it is read from a file: cj_dataset_fetch does that. Windows of a text have no data for y either. */
CJ_API void cj_dataset_row(const cj_dataset *dataset, int64_t index, cj_tensor *x, cj_tensor *y);
/* Copies x of row `index` of any dataset to where there is room for it; a picture is read from its file. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_fetch(const cj_dataset *dataset, int64_t index, void *x);
/* The classes of a classification: as many as have names, else the largest label + 1. 0 where the targets are
 * no i32. */
CJ_API int64_t cj_dataset_classes(const cj_dataset *dataset);

/* --- text ----------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t tokens, characters, bytes; /* of the whole of it */
} cj_text_facts;

typedef struct {
    size_t size;
    const int32_t *tokens; /* [count], copied */
    int64_t count;
    int64_t vocabulary; /* how many tokens there are: each is from 0 up to it */
    int64_t window;     /* tokens of an example */
    /* How many windows an epoch has. Each begins anywhere, another in each epoch, by the loader's (seed,
     * epoch) and its row. 0: they lie one behind the other, and every token but the first is a target once.
     */
    int64_t drawn;
    /* Windows that lie one behind the other may do so in several lanes of equal length: a batch has one row
     * of each, which goes on where that of the batch before ended, for networks that carry a state. Batches
     * are of so many rows then, and in order. 0: one lane, in batches of any size. */
    int64_t lanes;
    int64_t characters, bytes; /* of the text, for cj_dataset_text */
} cj_text_windows;
/* A text for language models. x: i32 [N,window], y: the tokens that come next; behind the end of the text x
 * is 0 and y is -1, which no loss and no score counts. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_of_text(cj_dataset **dataset, const cj_text_windows *options);
/* Examples that are sequences of tokens, from files of text, plain or gzip. A shorter one is filled up with 0
 * behind its end, and so are targets with -1, which no loss and no score counts; the tokenizer needs a token
 * 0 that means nothing else: padding (cj_tokenizer_training.specials). */
typedef enum {
    /* A line an example, as for a language model of short texts: x [N,T] is begin and the line's tokens, the
     * targets [N,T] are these and end. Empty lines are passed over. */
    CJ_TEXT_LINES,
    /* SENTENCE tab LABEL: x [N,T], of WordPiece between begin and end; the label [N] is a class, by its name.
     */
    CJ_TEXT_LABELLED,
    /* Two files, whose lines belong together: x [N,2,T] is the one's tokens and end, and begin and the
     * other's; the targets [N,T] are the other's and end. */
    CJ_TEXT_PAIRS,
    /* Stories with questions, as bAbI has them: lines "1 SENTENCE" and "3 QUESTION tab ANSWER …", numbered
     * within a story. An example is a question: x [N,S,T] is the last `memory` sentences before it, the
     * latest last, and then the question; the answer [N] is a class. */
    CJ_TEXT_STORIES,
    /* A line a sentence, of which what stands behind a last tab is left out: x [N,T] is its tokens between
     * begin and end, for BERT to learn by (Devlin et al., 2018). Of a batch 15 in 100 tokens are targets
     * [N,T], the others -1; eight in ten of them are masks in x, one is another token, and one as it was.
     * Which they are depends on (seed, epoch, row) alone. */
    CJ_TEXT_MASKED,
} cj_text_format;

typedef struct {
    size_t size;
    cj_text_format format;
    const char *path;
    const char *target_path; /* CJ_TEXT_PAIRS */
    const cj_tokenizer *tokenizer;
    const cj_tokenizer *target_tokenizer; /* CJ_TEXT_PAIRS; NULL: the same */
    const char
        *classes;    /* with commas between, in the order of their labels; NULL: those there are, ascending */
    int64_t longest; /* what is longer is cut to so many tokens; 0: nothing is */
    int64_t memory;  /* CJ_TEXT_STORIES; 0: 50 */
    int64_t bucket;  /* batches are cut to what their longest example needs, a multiple of so many tokens; 0:
                        all  are as long as the longest there is. Not for stories */
    const char *const *more; /* [more_count] further files of CJ_TEXT_MASKED, whose lines come behind */
    int64_t more_count;
} cj_text_file_options;
/* Errors name file and line. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_read_text(cj_dataset **dataset,
                                                    const cj_text_file_options *options);
/* The text that a tokenizer for such a file is made from: its sentences, without labels, answers and numbers,
 * a line each; free with cj_text_free. */
CJ_API CJ_MUST_CHECK cj_status cj_text_of_file(cj_text_format format, const char *path, char **text,
                                               size_t *size);

/* Sentences that have no labels yet as examples, each as those of CJ_TEXT_LABELLED: x [count,T]; the targets
 * are 0. One that is no text to the tokenizer is an error that says which line it is. */
typedef struct {
    size_t size;
    const char *const *sentences; /* [count], each ended by a zero */
    int64_t count;
    const cj_tokenizer *tokenizer;
    int64_t longest; /* 0: none is cut */
    int64_t first;   /* the line that the first of them is; 0: 1 */
} cj_sentences;
CJ_API CJ_MUST_CHECK cj_status cj_dataset_of_sentences(cj_dataset **dataset, const cj_sentences *options);

/* Zeros where the dataset is no text. */
CJ_API cj_text_facts cj_dataset_text(const cj_dataset *dataset);

/* --- views: rows of another dataset, which owns the memory and must outlive them. A view is a dataset like
 * any other; views of views are views of the first. -------------------------------------------------------
 */

/* Rows `first` to `first + count - 1`. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_range(cj_dataset **view, const cj_dataset *dataset, int64_t first,
                                                int64_t count);
/* The rows named, in that order; copies the list. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_select(cj_dataset **view, const cj_dataset *dataset,
                                                 const int64_t *rows, int64_t count);
/* A dataset of its own with the same rows. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_copy(cj_dataset **copy, const cj_dataset *dataset);

typedef enum {
    CJ_SPLIT_FIXED,      /* as they lie: training rows, then validation rows, the test rows last */
    CJ_SPLIT_RANDOM,     /* drawn by seed */
    CJ_SPLIT_STRATIFIED, /* drawn by seed, every label in its share (to within one row); one label a row */
    CJ_SPLIT_RANGES,     /* the ranges named */
} cj_split_kind;

typedef struct {
    int64_t first, count;
} cj_row_range;

typedef struct {
    size_t size;
    cj_split_kind kind;
    double validation, test; /* shares of the rows, 0.1 say; the rest is for training */
    uint64_t seed;
    cj_row_range ranges[3]; /* CJ_SPLIT_RANGES: training, validation, test; they may not overlap */
} cj_split_options;
/* Views of the rows for each purpose, each row in at most one of them. Training always has rows; the others
 * are NULL where their share comes to no row, and where nothing is wanted of them their addresses may be
 * NULL. Each view is to be freed, before the dataset. */
CJ_API CJ_MUST_CHECK cj_status cj_dataset_split(const cj_dataset *dataset, const cj_split_options *options,
                                                cj_dataset **training, cj_dataset **validation,
                                                cj_dataset **test);

/* --- tables: rows with columns by name ----------------------------------------------------------------- */

typedef struct cj_table cj_table;
typedef struct {
    size_t size;
    const char *path;    /* plain or gzip */
    char delimiter;      /* 0: a comma */
    bool no_header;      /* columns are then "1", "2", … */
    const char *missing; /* words that stand for a missing value besides nothing at all, NA, N/A, NaN, null
                          * and ?, with commas between; NULL: none */
} cj_csv_options;
/* CSV as in RFC 4180: fields in quotes may hold delimiters, line ends and doubled quotes. A column in which
 * every value is a number is one of numbers, any other one of words. Errors name file, line, what was found
 * and what was expected. */
CJ_API CJ_MUST_CHECK cj_status cj_table_read_csv(cj_table **table, const cj_csv_options *options);
CJ_API void cj_table_free(cj_table *table);
CJ_API int64_t cj_table_rows(const cj_table *table);
CJ_API int64_t cj_table_columns(const cj_table *table);
CJ_API const char *cj_table_name(const cj_table *table, int64_t column);
CJ_API int64_t cj_table_find(const cj_table *table, const char *name); /* -1: there is no such column */
/* The number; NaN where it is missing, or the column one of words. */
CJ_API double cj_table_number(const cj_table *table, int64_t row, int64_t column);
/* The word; NULL where it is missing, or the column one of numbers. */
CJ_API const char *cj_table_word(const cj_table *table, int64_t row, int64_t column);
/* The row as it stands in the file, without the line's end; row -1 is the header (NULL: there is none). */
CJ_API const char *cj_table_line(const cj_table *table, int64_t row, size_t *size);

/* From the columns of a table to numbers for a network, as fitted on the training rows alone: numbers are
 * scaled, a missing one becomes their mean; a column of words becomes one column of 0 and 1 for each of its
 * words, all 0 for a word that training did not have. */
typedef struct cj_preprocessing cj_preprocessing;
typedef enum {
    CJ_STANDARDISE, /* to mean 0 and deviation 1 */
    CJ_MIN_MAX,     /* to 0 … 1 */
    CJ_NO_SCALING,
} cj_scaling;
typedef struct {
    size_t size;
    const cj_table *table;
    cj_split_options split; /* which rows are for training: those that cj_dataset_split will give */
    const char *target;     /* the column to learn */
    bool target_is_number;  /* f32; else its values are classes, i32 in ascending order */
    const char *drop;       /* columns to leave out, with commas between; NULL: none */
    const char *categories; /* columns of numbers to take as words, with commas between; NULL: none */
    cj_scaling scaling;
    bool missing_indicators; /* a column of 0 and 1 beside each column with missing numbers */
} cj_preprocessing_options;
CJ_API CJ_MUST_CHECK cj_status cj_preprocessing_fit(cj_preprocessing **made,
                                                    const cj_preprocessing_options *options);
CJ_API void cj_preprocessing_free(cj_preprocessing *preprocessing);
CJ_API int64_t cj_preprocessing_width(const cj_preprocessing *preprocessing); /* numbers a row */
CJ_API int64_t
cj_preprocessing_classes(const cj_preprocessing *preprocessing); /* 0: the target is a number */
CJ_API const char *cj_preprocessing_class(const cj_preprocessing *preprocessing, int64_t index);
/* A dataset of the table's rows: x f32 [N,width], y i32 or f32 [N]. Without `with_target` y is all 0 and the
 * table may lack the column. */
CJ_API CJ_MUST_CHECK cj_status cj_preprocessing_apply(const cj_preprocessing *preprocessing,
                                                      const cj_table *table, bool with_target,
                                                      cj_dataset **dataset);
/* As JSON, to lie beside the weights. */
CJ_API CJ_MUST_CHECK cj_status cj_preprocessing_save(const cj_preprocessing *preprocessing, const char *path);
CJ_API CJ_MUST_CHECK cj_status cj_preprocessing_load(cj_preprocessing **made, const char *path);

/* --- loaders ------------------------------------------------------------------------------------------- */

/* One change of the pictures that training sees, anew each epoch: {"flip", "horizontal"}, {"pad_crop", "4"},
 * {"random_erasing", "probability: 0.2, with: noise"}. docs/recipes.md lists them all with their parameters;
 * a value alone sets the first of them, and NULL leaves them as they are. Lists of these run in order and end
 * with one without a type. A picture is a row of bytes, [N,H,W] or [N,H,W,C]. What happens to it depends on
 * (seed, epoch, row) alone. */
typedef struct {
    const char *type, *parameters;
} cj_augmentation;

/* What a loader hands out: borrowed until the next call. Rows from `count` on are padding: x is the batch's
 * own over again, labels are -1, distributions 0. */
typedef struct {
    cj_tensor x; /* f32 [batch_size,…]: value · scale + shift; of whole numbers i32, as they are */
    cj_tensor y; /* i32 or f32 [batch_size,…]; where labels are mixed f32 [batch_size,classes] */
    int64_t count;
} cj_batch;

typedef struct cj_loader cj_loader;
typedef struct {
    size_t size;
    const cj_dataset *dataset; /* must outlive the loader; may be a view */
    int64_t first, count;      /* the rows to use; count 0: all from `first` on */
    int64_t batch_size;
    bool shuffle; /* anew each epoch, by (seed, epoch) alone */
    uint64_t seed;
    double scale, shift; /* scale 0 means 1 */
    /* Then channel by channel, x's last dimension: (… − mean[c]) / deviation[c]. Used by cj_loader_new alone.
     */
    const double *mean, *deviation; /* [channels] */
    int64_t channels;               /* 0: none of that; 1: the same for all; 16 at most */
    /* Batches prepared ahead, on threads of the loader's own: 0, two where cj_threads() leaves a processor
     * for it, or rows are read from files or augmented; negative, none; 16 at most. The batches are the same
     * either way.
     */
    int64_t prefetch;
    int64_t threads; /* that prepare them: 0, one, or cj_threads() where rows take work as said; 64 at most */
    const cj_augmentation *augment; /* read while the loader is made; NULL: none */
    /* Of the distributions that mixup and cutmix make of labels; 0: the largest label + 1. 1: labels are 0
     * and 1, and y the probability of 1, [batch_size]. */
    int64_t classes;
    /* Rows that have lengths come in batches of about one length, each cut to what its longest row needs, and
     * so in an order of their own; true: they come in order, at full width. */
    bool full_width;
} cj_loader_options;
/* cj_loader_new(&loader, dataset, .batch_size = 128, .shuffle = true) */
CJ_API CJ_MUST_CHECK cj_status cj_loader_new(cj_loader **loader, const cj_loader_options *options);
CJ_API void cj_loader_free(cj_loader *loader);
/* False at the end of an epoch; the next call begins the next one. Also false where a row could not be read:
 * cj_loader_status tells. */
CJ_API bool cj_loader_next(cj_loader *loader, cj_batch *batch);
/* Why the last cj_loader_next gave no batch; CJ_OK: the epoch had ended. */
CJ_API CJ_MUST_CHECK cj_status cj_loader_status(const cj_loader *loader);
CJ_API int64_t cj_loader_steps(const cj_loader *loader); /* batches an epoch */
CJ_API int64_t cj_loader_rows(const cj_loader *loader);  /* rows an epoch */
/* The next batch is the one an uninterrupted run would see at this place. */
CJ_API void cj_loader_seek(cj_loader *loader, int64_t epoch, int64_t step);

#if !defined(CJ_NO_LOCATIONS) && !defined(__cplusplus)
#define cj_loader_new(loader, ...)                                                                           \
    (cj_loader_new)(loader, CJ_OPTIONS(cj_loader_options, .dataset = __VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif
#endif
