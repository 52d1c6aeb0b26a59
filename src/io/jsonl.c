/* The JSON Lines log: a line is put together in memory and appended in one piece. */
#include "io/jsonl.h"
#include "base/json.h"

#include <inttypes.h>

enum { BLOCK = 4096 };

/* The offset after the last line end before `end`; 0 when there is none. Read from the back, as logs grow. */
static cj_status end_of_lines(const cj__append *file, uint64_t *end)
{
    char block[BLOCK];
    while (*end > 0) {
        size_t size = *end < BLOCK ? (size_t)*end : BLOCK, got;
        CJ__TRY(cj__append_read(file, *end - size, block, size, &got));
        while (got > 0 && block[got - 1] != '\n') got--;
        *end = *end - size + got;
        if (got > 0) break;
    }
    return CJ_OK;
}

static cj_status cut_broken_line(cj__append *file)
{
    uint64_t end = file->size;
    CJ__TRY(end_of_lines(file, &end));
    return end == file->size ? CJ_OK : cj__append_cut(file, end);
}

cj_status cj__jsonl_open(cj__jsonl *log, const char *path)
{
    *log = (cj__jsonl){0};
    CJ__TRY(cj__append_open(&log->file, path));
    cj_status status = cut_broken_line(&log->file);
    if (status != CJ_OK) cj__jsonl_close(log);
    return status;
}

static void put_key(cj__jsonl *log, const char *key)
{
    cj__text_put(&log->line, log->line.size ? "," : "{");
    cj__json_put_string(&log->line, key);
    cj__text_put(&log->line, ":");
}

void cj__jsonl_string(cj__jsonl *log, const char *key, const char *value)
{
    put_key(log, key);
    cj__json_put_string(&log->line, value);
}

void cj__jsonl_number(cj__jsonl *log, const char *key, double value)
{
    put_key(log, key);
    cj__json_put_number(&log->line, value);
}

void cj__jsonl_integer(cj__jsonl *log, const char *key, int64_t value)
{
    put_key(log, key);
    cj__text_print(&log->line, "%" PRId64, value);
}

cj_status cj__jsonl_end_line(cj__jsonl *log)
{
    cj__text_put(&log->line, log->line.size ? "}\n" : "{}\n");
    cj_status status = cj__text_check(&log->line, "a line of the log");
    if (status == CJ_OK) status = cj__append_record(&log->file, log->line.data, log->line.size);
    cj__text_free(&log->line);
    return status;
}

void cj__jsonl_close(cj__jsonl *log)
{
    cj__text_free(&log->line);
    cj__append_close(&log->file);
}
