/* TensorBoard's event files: protocol buffers written by hand (one message, five fields) in TFRecord frames:
 * length, its checksum, the message, its checksum. */
#include "io/events.h"
#include "base/text.h"

#include <string.h>

/* Field numbers of tensorflow.Event, Summary and Summary.Value, with the wire type in the low three bits. */
enum {
    DOUBLE = 1,
    VARINT = 0,
    BYTES = 2,
    FLOAT = 5,
    EVENT_TIME = 1 << 3 | DOUBLE,
    EVENT_STEP = 2 << 3 | VARINT,
    EVENT_VERSION = 3 << 3 | BYTES,
    EVENT_SUMMARY = 5 << 3 | BYTES,
    SUMMARY_VALUE = 1 << 3 | BYTES,
    VALUE_TAG = 1 << 3 | BYTES,
    VALUE_NUMBER = 2 << 3 | FLOAT
};
enum { FRAME_HEAD = 12, FRAME_TAIL = 4 };
#define VERSION "brain.Event:2"

uint32_t cj__crc32c(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* A checksum of data that holds checksums is weak, so TFRecord stores them rotated and shifted. */
static uint32_t masked_crc(const void *data, size_t size)
{
    uint32_t crc = cj__crc32c(data, size);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* --- writing ------------------------------------------------------------------------------------------- */

static void put_little_endian(cj__text *text, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) cj__text_add(text, &(char){(char)(value >> 8 * i & 0xff)}, 1);
}

static void put_varint(cj__text *text, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) put_little_endian(text, (value & 0x7f) | 0x80, 1);
    put_little_endian(text, value, 1);
}

static void put_double(cj__text *text, int field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_varint(text, (uint64_t)field);
    put_little_endian(text, bits, 8);
}

static void put_float(cj__text *text, int field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_varint(text, (uint64_t)field);
    put_little_endian(text, bits, 4);
}

static void put_bytes(cj__text *text, int field, const char *data, size_t size)
{
    put_varint(text, (uint64_t)field);
    put_varint(text, size);
    if (size > 0) cj__text_add(text, data, size);
}

/* Puts `inner` into `outer` as a field and frees it; its failure becomes the outer's. */
static void put_message(cj__text *outer, int field, cj__text *inner)
{
    if (inner->failed) outer->failed = true;
    put_bytes(outer, field, inner->data, inner->size);
    cj__text_free(inner);
}

static cj_status append_frame(cj__append *file, const cj__text *message)
{
    cj__text frame = {0};
    put_little_endian(&frame, message->size, 8);
    if (!frame.failed) put_little_endian(&frame, masked_crc(frame.data, 8), 4);
    cj__text_add(&frame, message->data, message->size);
    put_little_endian(&frame, masked_crc(message->data, message->size), 4);
    cj_status status = cj__text_check(&frame, "a record of events");
    if (status == CJ_OK) status = cj__append_record(file, frame.data, frame.size);
    cj__text_free(&frame);
    return status;
}

/* Frames the message and frees it. */
static cj_status append_event(cj__append *file, cj__text *event)
{
    cj_status status = cj__text_check(event, "an event");
    if (status == CJ_OK) status = append_frame(file, event);
    cj__text_free(event);
    return status;
}

static cj_status append_version(cj__append *file, double time)
{
    cj__text event = {0};
    put_double(&event, EVENT_TIME, time);
    put_bytes(&event, EVENT_VERSION, VERSION, strlen(VERSION));
    return append_event(file, &event);
}

cj_status cj__events_scalar(cj__events *events, const char *tag, int64_t step, float value, double time)
{
    cj__text event = {0}, summary = {0}, entry = {0};
    put_bytes(&entry, VALUE_TAG, tag, strlen(tag));
    put_float(&entry, VALUE_NUMBER, value);
    put_message(&summary, SUMMARY_VALUE, &entry);
    put_double(&event, EVENT_TIME, time);
    put_varint(&event, EVENT_STEP);
    put_varint(&event, (uint64_t)step);
    put_message(&event, EVENT_SUMMARY, &summary);
    return append_event(&events->file, &event);
}

/* --- going on in a file that exists -------------------------------------------------------------------- */

static uint64_t little_endian(const unsigned char *bytes, int count)
{
    uint64_t value = 0;
    for (int i = count - 1; i >= 0; i--) value = value << 8 | bytes[i];
    return value;
}

/* The end of the record at `start`, or `start` itself when no whole record with a sound head is there. */
static cj_status end_of_record(const cj__append *file, uint64_t start, uint64_t *end)
{
    unsigned char head[FRAME_HEAD];
    size_t got;
    *end = start;
    CJ__TRY(cj__append_read(file, start, head, sizeof head, &got));
    if (got < sizeof head || masked_crc(head, 8) != little_endian(head + 8, 4)) return CJ_OK;
    uint64_t left = file->size - start - FRAME_HEAD, length = little_endian(head, 8);
    if (left >= FRAME_TAIL && length <= left - FRAME_TAIL) *end = start + FRAME_HEAD + length + FRAME_TAIL;
    return CJ_OK;
}

static cj_status cut_broken_record(cj__append *file)
{
    uint64_t start = 0, end = 0;
    do {
        start = end;
        CJ__TRY(end_of_record(file, start, &end));
    } while (end > start);
    if (end == 0)
        return cj__fail(CJ_FORMAT_ERROR, "%s: byte 0: found no TFRecord, expected an event file", file->path);
    return end == file->size ? CJ_OK : cj__append_cut(file, end);
}

cj_status cj__events_open(cj__events *events, const char *path, double time)
{
    CJ__TRY(cj__append_open(&events->file, path));
    cj_status status =
        events->file.size > 0 ? cut_broken_record(&events->file) : append_version(&events->file, time);
    if (status != CJ_OK) cj__events_close(events);
    return status;
}

void cj__events_close(cj__events *events)
{
    cj__append_close(&events->file);
}
