/* One attempt to bring a file from one address, with libcurl, on from where its part file ends. */
#include "fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { CONNECT_SECONDS = 20, STALL_SECONDS = 30, MOST_REDIRECTS = 10 };

typedef struct {
    transfer *t;
    CURL *curl;
    FILE *part;
    int64_t have;    /* bytes in the part file */
    int64_t first;   /* where the answer says that its bytes begin, */
    int64_t total;   /* and how many there are in all, when none is left; 0: it does not say */
    bool answered;   /* its first bytes are here */
    bool unwritable; /* the part file, with errno kept */
    bool too_long, misplaced;
    int error;
} attempt;

/* --- addresses ----------------------------------------------------------------------------------------- */

static bool part_is(CURLU *url, CURLUPart part, const char *wanted)
{
    char *text = NULL;
    bool same = curl_url_get(url, part, &text, 0) == CURLUE_OK && strcasecmp(text, wanted) == 0;
    curl_free(text);
    return same;
}

static bool is_loopback(const char *address)
{
    CURLU *url = curl_url();
    bool loopback = url && curl_url_set(url, CURLUPART_URL, address, 0) == CURLUE_OK &&
                    part_is(url, CURLUPART_SCHEME, "http") && part_is(url, CURLUPART_HOST, "127.0.0.1");
    curl_url_cleanup(url);
    return loopback;
}

bool address_is_allowed(const char *address)
{
    return strncmp(address, "https://", 8) == 0 || strncmp(address, "file://", 7) == 0 ||
           is_loopback(address);
}

/* --- what comes ---------------------------------------------------------------------------------------- */

static long code_of(CURL *curl)
{
    long code = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    return code;
}

static bool is_http(const attempt *a)
{
    return strncmp(a->t->address, "file://", 7) != 0;
}

/* Content-Range: "bytes 500-999/1000", of the last answer when redirected; with a star for both numbers where
 * there is no more. */
static size_t take_header(char *line, size_t one, size_t size, void *context)
{
    attempt *a = context;
    char text[128];
    long long first;
    snprintf(text, sizeof text, "%.*s", (int)(one * size < 127 ? one * size : 127), line);
    if (strncmp(text, "HTTP/", 5) == 0) a->first = a->total = 0;
    if (strncasecmp(text, "Content-Range:", 14) != 0) return one * size;
    if (sscanf(text + 14, " bytes %lld-", &first) == 1) a->first = first;
    if (sscanf(text + 14, " bytes */%lld", &first) == 1) a->total = first;
    return one * size;
}

static bool begin_anew(attempt *a)
{
    if (fseeko(a->part, 0, SEEK_SET) != 0 || ftruncate(fileno(a->part), 0) != 0)
        return a->unwritable = true, a->error = errno, false;
    a->have = a->t->progress->before = 0;
    return true;
}

/* An answer that begins at the beginning makes the part file anew; one that begins elsewhere is no use. */
static bool begin_body(attempt *a)
{
    a->answered = true;
    if (!is_http(a)) return true;
    int64_t first = code_of(a->curl) == 206 ? a->first : 0;
    if (first == a->have) return true;
    if (first != 0) return a->misplaced = true, false;
    return begin_anew(a);
}

static size_t take_body(char *data, size_t one, size_t size, void *context)
{
    attempt *a = context;
    size *= one;
    if (is_http(a) && code_of(a->curl) >= 400) return size; /* a page that says why: not wanted */
    if (!a->answered && !begin_body(a)) return 0;
    if (a->t->expected && a->have + (int64_t)size > a->t->expected) return a->too_long = true, 0;
    if (fwrite(data, 1, size, a->part) != size) return a->unwritable = true, a->error = errno, 0;
    a->have += (int64_t)size;
    return size;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now_, curl_off_t up_total, curl_off_t up)
{
    attempt *a = context;
    int64_t whole = a->t->expected ? a->t->expected : total > 0 ? a->have - now_ + total : 0;
    (void)up_total;
    (void)up;
    if (a->have > 0) progress_show(a->t->progress, a->have, whole);
    return stopped();
}

/* --- the attempt --------------------------------------------------------------------------------------- */

static void allow(CURL *curl, const char *address)
{
    const char *first = is_loopback(address) ? "http" : "https,file";
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, first);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS,
                     *first == 'h' && !first[4] ? CURLPROTO_HTTP : CURLPROTO_HTTPS | CURLPROTO_FILE);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTPS);
#endif
}

static void set_limits(CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)MOST_REDIRECTS);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "cajal/" CJ_VERSION);
}

static void prepare(attempt *a, const char *range)
{
    CURL *curl = a->curl;
    curl_easy_setopt(curl, CURLOPT_URL, a->t->address);
    allow(curl, a->t->address);
    set_limits(curl);
    if (a->have > 0) curl_easy_setopt(curl, CURLOPT_RANGE, range);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, a);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

#define PROBLEM(...) snprintf(a->t->problem, sizeof a->t->problem, __VA_ARGS__)

static bool may_pass(CURLcode code)
{
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_FILE_COULDNT_READ_FILE:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
        return false;
    default:
        return true;
    }
}

/* Nothing is left: the part file is whole, or not a part of what the server has. */
static transfer_result judge_end(attempt *a)
{
    if (a->total == a->have) return TRANSFER_DONE;
    PROBLEM("the server has less of it than the %lld bytes at hand, which are dropped", (long long)a->have);
    if (begin_anew(a)) return TRANSFER_RETRY;
    return PROBLEM("%s", strerror(a->error)), TRANSFER_BROKEN;
}

static transfer_result judge_answer(attempt *a)
{
    long code = is_http(a) ? code_of(a->curl) : 200;
    curl_off_t wait = 0;
    curl_easy_getinfo(a->curl, CURLINFO_RETRY_AFTER, &wait);
    a->t->wait = wait;
    if (code == 416) return judge_end(a);
    if (code >= 400) {
        PROBLEM("the server answers with HTTP code %ld", code);
        return code >= 500 || code == 408 || code == 429 ? TRANSFER_RETRY : TRANSFER_FAILED;
    }
    if (a->t->expected && a->have < a->t->expected) {
        PROBLEM("found a file of %lld bytes, expected %lld", (long long)a->have, (long long)a->t->expected);
        a->t->wrong = true;
        return TRANSFER_FAILED;
    }
    return TRANSFER_DONE;
}

static transfer_result judge(attempt *a, CURLcode code, const char *details)
{
    if (a->unwritable) return PROBLEM("%s", strerror(a->error)), TRANSFER_BROKEN;
    if (stopped()) return TRANSFER_STOPPED;
    if (a->too_long) {
        PROBLEM("found a file of more than the %lld bytes expected", (long long)a->t->expected);
        a->t->wrong = true;
        return TRANSFER_FAILED;
    }
    if (a->misplaced) return PROBLEM("the server sends another part than was asked for"), TRANSFER_FAILED;
    if (code == CURLE_OK) return judge_answer(a);
    PROBLEM("%s", *details ? details : curl_easy_strerror(code));
    return may_pass(code) ? TRANSFER_RETRY : TRANSFER_FAILED;
}

static transfer_result perform(attempt *a)
{
    char details[CURL_ERROR_SIZE] = "", range[32];
    snprintf(range, sizeof range, "%lld-", (long long)a->have);
    prepare(a, range);
    curl_easy_setopt(a->curl, CURLOPT_ERRORBUFFER, details);
    CURLcode code = curl_easy_perform(a->curl);
    if (fflush(a->part) != 0) a->unwritable = true, a->error = errno;
    return judge(a, code, details);
}

/* A file on this machine is read from its beginning. */
static transfer_result go_on(attempt *a)
{
    if (a->t->expected && a->have == a->t->expected) return TRANSFER_DONE;
    if ((!is_http(a) || (a->t->expected && a->have > a->t->expected)) && !begin_anew(a))
        return PROBLEM("%s", strerror(a->error)), TRANSFER_BROKEN;
    a->curl = curl_easy_init();
    if (!a->curl) return PROBLEM("libcurl cannot be started"), TRANSFER_BROKEN;
    transfer_result result = perform(a);
    curl_easy_cleanup(a->curl);
    return result;
}

transfer_result transfer_run(transfer *t)
{
    attempt attempt_ = {.t = t, .part = fopen(t->part, "r+b")}, *a = &attempt_;
    transfer_result result = TRANSFER_BROKEN;
    if (!a->part || fseeko(a->part, 0, SEEK_END) != 0) {
        PROBLEM("%s", strerror(errno));
    } else {
        a->have = ftello(a->part);
        result = go_on(a);
    }
    if (a->part && fclose(a->part) != 0 && result == TRANSFER_DONE)
        result = TRANSFER_BROKEN, PROBLEM("%s", strerror(errno));
    return result;
}
