/* The loopback server of http_server.h: sockets and just as much HTTP as a test needs. */
#include "http_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_REQUESTS = 64, CUT_AFTER = 100000 };

struct http_server {
    const char *body;
    size_t size;
    int listener, port;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    http_manner manner;
    int count, requests;
    long long ranges[MOST_REQUESTS];
    int held; /* a connection that is kept waiting; -1: none */
};

static void send_all(int client, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t done = send(client, data, size, MSG_NOSIGNAL);
        if (done <= 0) return;
        data += done;
        size -= (size_t)done;
    }
}

static void send_empty(int client, const char *status)
{
    char text[256];
    snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsorry", status);
    send_all(client, text, strlen(text));
}

/* The body from `first` on; no more than `most` bytes of it, though all are promised. */
static void send_body(const http_server *s, int client, long long first, size_t most)
{
    char head[256];
    size_t rest = first >= 0 ? s->size - (size_t)first : s->size;
    if (first >= 0)
        snprintf(head, sizeof head,
                 "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %lld-%zu/%zu\r\nContent-Length: "
                 "%zu\r\nConnection: close\r\n\r\n",
                 first, s->size - 1, s->size, rest);
    else
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                 rest);
    send_all(client, head, strlen(head));
    send_all(client, s->body + (s->size - rest), rest < most ? rest : most);
}

static void send_behind_end(const http_server *s, int client)
{
    char text[256];
    snprintf(text, sizeof text,
             "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */%zu\r\nContent-Length: "
             "0\r\nConnection: close\r\n\r\n",
             s->size);
    send_all(client, text, strlen(text));
}

static void serve_well(const http_server *s, int client, long long first)
{
    if (first >= (long long)s->size)
        send_behind_end(s, client);
    else
        send_body(s, client, first, s->size);
}

/* Whether the connection is kept open. */
static int answer(const http_server *s, int client, http_manner manner, int nth, int count, long long first)
{
    switch (manner) {
    case SERVE_ALL:
        send_body(s, client, -1, s->size);
        return 0;
    case SERVE_MISSING:
        send_empty(client, "404 Not Found");
        return 0;
    case SERVE_ASTRAY:
        send_body(s, client, first > 0 ? first - 1 : first, s->size);
        return 0;
    case SERVE_WELL:
        break;
    case SERVE_BUSY:
        if (nth < count) return send_empty(client, "503 Service Unavailable"), 0;
        break;
    case SERVE_CUT:
    case SERVE_SLOWLY:
        if (nth < count) return send_body(s, client, first, CUT_AFTER), manner == SERVE_SLOWLY;
        break;
    }
    serve_well(s, client, first);
    return 0;
}

/* Where the range begins that is asked for. */
static long long read_request(int client)
{
    char text[8192];
    size_t size = 0;
    long long first = -1;
    while (size < sizeof text - 1) {
        ssize_t got = recv(client, text + size, sizeof text - 1 - size, 0);
        if (got <= 0) break;
        size += (size_t)got;
        text[size] = 0;
        if (strstr(text, "\r\n\r\n")) break;
    }
    text[size] = 0;
    const char *range = strstr(text, "Range: bytes=");
    if (range) sscanf(range + 13, "%lld-", &first);
    return first;
}

static void serve(http_server *s, int client)
{
    long long first = read_request(client);
    pthread_mutex_lock(&s->lock);
    int nth = s->requests++, count = s->count;
    if (nth < MOST_REQUESTS) s->ranges[nth] = first;
    http_manner manner = s->manner;
    pthread_mutex_unlock(&s->lock);
    int keep = answer(s, client, manner, nth, count, first);
    if (s->held >= 0) close(s->held);
    s->held = keep ? client : -1;
    if (!keep) close(client);
}

static void *run(void *context)
{
    http_server *s = context;
    for (;;) {
        int client = accept(s->listener, NULL, NULL);
        if (client < 0) return NULL; /* http_stop has shut it down */
        serve(s, client);
    }
}

static int listen_somewhere(http_server *s)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof place;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&place, size) != 0 ||
        listen(s->listener, 16) != 0 || getsockname(s->listener, (struct sockaddr *)&place, &size) != 0)
        return 0;
    s->port = ntohs(place.sin_port);
    return 1;
}

http_server *http_start(const void *body, size_t size)
{
    http_server *s = calloc(1, sizeof *s);
    if (!s) abort();
    s->body = body;
    s->size = size;
    s->held = -1;
    pthread_mutex_init(&s->lock, NULL);
    if (!listen_somewhere(s) || pthread_create(&s->thread, NULL, run, s) != 0) abort();
    return s;
}

void http_set(http_server *s, http_manner manner, int count)
{
    pthread_mutex_lock(&s->lock);
    s->manner = manner;
    s->count = count;
    s->requests = 0;
    pthread_mutex_unlock(&s->lock);
}

const char *http_address(const http_server *s, const char *name)
{
    static char ring[4][256];
    static int turn;
    char *text = ring[turn++ % 4];
    snprintf(text, sizeof ring[0], "http://127.0.0.1:%d/%s", s->port, name);
    return text;
}

int http_requests(http_server *s)
{
    pthread_mutex_lock(&s->lock);
    int requests = s->requests;
    pthread_mutex_unlock(&s->lock);
    return requests;
}

long long http_range(http_server *s, int request)
{
    pthread_mutex_lock(&s->lock);
    long long first = request < s->requests && request < MOST_REQUESTS ? s->ranges[request] : -2;
    pthread_mutex_unlock(&s->lock);
    return first;
}

void http_stop(http_server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    if (s->held >= 0) close(s->held);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
