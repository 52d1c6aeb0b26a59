/* Errors inside the library: `return cj__fail(code, "sentence with %s", name)` records the sentence that
 * `cj_error_message` shows; CJ__TRY forwards a failure unchanged. */
#ifndef CJ__STATUS_H
#define CJ__STATUS_H

#include "cajal/base.h"

/* Records a formatted sentence for this thread and returns `status`. */
cj_status cj__fail(cj_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts "context: " before the recorded sentence and returns `status` (an outer layer adds the file name). */
cj_status cj__fail_within(cj_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* CJ_OK, or where the pointer is NULL a sentence: "CALL needs WHAT, found NULL". */
cj_status cj__need(const void *pointer, const char *call, const char *what);
/* Records "out of memory: N bytes for WHAT" and returns CJ_OUT_OF_MEMORY. */
cj_status cj__out_of_memory(size_t bytes, const char *what);
/* "PATH: WHAT: No such file or directory", as of an errno. */
cj_status cj__system_error(const char *path, const char *what, int error);

#define CJ__TRY(expression)                                                                                  \
    do {                                                                                                     \
        cj_status cj__status_ = (expression);                                                                \
        if (cj__status_ != CJ_OK) return cj__status_;                                                        \
    } while (0)

#endif
