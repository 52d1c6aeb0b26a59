/* A server on 127.0.0.1 for tests of downloading: one body, served well or badly as its manner says. It
 * answers one request a connection, on a thread of its own. */
#ifndef CJ_TESTS_HTTP_SERVER_H
#define CJ_TESTS_HTTP_SERVER_H

#include <stddef.h>

typedef enum {
    SERVE_WELL,    /* ranges too: 206, or 416 behind the end */
    SERVE_ALL,     /* the whole body, whatever range is asked for */
    SERVE_BUSY,    /* 503 to the first `count` requests, then well */
    SERVE_MISSING, /* 404 */
    SERVE_CUT,     /* the first `count` answers end after 100,000 bytes though more are promised, then well */
    SERVE_SLOWLY,  /* the first `count` answers stop after 100,000 bytes and hold the line, then well */
    SERVE_ASTRAY,  /* a 206 whose bytes are not those that were asked for */
} http_manner;

typedef struct http_server http_server;

http_server *http_start(const void *body, size_t size);
void http_set(http_server *server, http_manner manner, int count); /* forgets what was asked before */
/* "http://127.0.0.1:PORT/NAME" in a ring of four static buffers. */
const char *http_address(const http_server *server, const char *name);
int http_requests(http_server *server);
/* Where the range of a request began; -1: none was asked for. */
long long http_range(http_server *server, int request);
void http_stop(http_server *server);

#endif
