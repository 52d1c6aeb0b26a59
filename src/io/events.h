/* Event files of TensorBoard: scalars by tag and step, as the curves of a run. The file's name should begin
 * with "events.out.tfevents.", which is what TensorBoard looks for in a folder. */
#ifndef CJ__EVENTS_H
#define CJ__EVENTS_H

#include "io/append.h"

/* Zero-initialise it. */
typedef struct {
    cj__append file;
} cj__events;

/* Times are seconds since 1970 and come from the caller, so that equal runs can make equal files. A new file
 * gets its version record; in one that exists, what follows the last whole record is cut off. A file that
 * begins with anything else is a CJ_FORMAT_ERROR and left alone. */
CJ_MUST_CHECK cj_status cj__events_open(cj__events *events, const char *path, double time);
CJ_MUST_CHECK cj_status cj__events_scalar(cj__events *events, const char *tag, int64_t step, float value,
                                          double time);
void cj__events_close(cj__events *events);

/* CRC-32C (Castagnoli), as TFRecord uses it before masking. */
uint32_t cj__crc32c(const void *data, size_t size);

#endif
