/* A server on loopback whose every answer comes late: a safetensors file of which only the header is
 * there, the rest is zeros. */
#ifndef TESTS_BENCH_LATE_SERVER_H
#define TESTS_BENCH_LATE_SERVER_H

#include <arpa/inet.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct LateServer {
    int socket;
    unsigned port;
    const char *head;        /* borrowed: the first bytes of the file */
    size_t head_size;
    uint64_t size;           /* of the file */
    unsigned late_ms;
} LateServer;

/* A connection, for a thread of its own. */
typedef struct LateClient {
    const LateServer *server;
    int socket;
} LateClient;

static void late_send(int to, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        const ssize_t put = send(to, (const char *)bytes + done, n - done, MSG_NOSIGNAL);
        if (put <= 0) return;
        done += (size_t)put;
    }
}

static void late_send_file(const LateServer *server, int to, uint64_t from, uint64_t end)
{
    static const char zeros[1 << 16];
    while (from < end) {
        const bool head = from < server->head_size;
        const uint64_t stop = head ? server->head_size : from + sizeof zeros;
        const size_t n = (size_t)((stop < end ? stop : end) - from);
        late_send(to, head ? server->head + from : zeros, n);
        from += n;
    }
}

static void late_answer(const LateServer *server, int to, const char *question)
{
    char head[256];
    uint64_t from = 0, last = server->size - 1;
    const char *range = strstr(question, "Range: bytes=");
    if (range) sscanf(range, "Range: bytes=%" SCNu64 "-%" SCNu64, &from, &last);
    if (last >= server->size) last = server->size - 1;
    const struct timespec late = {server->late_ms / 1000, server->late_ms % 1000 * 1000000L};
    nanosleep(&late, NULL);
    const int n = snprintf(head, sizeof head, "HTTP/1.1 206 Partial Content\r\nETag: \"1\"\r\n"
                           "Accept-Ranges: bytes\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64
                           "/%" PRIu64 "\r\nContent-Length: %" PRIu64 "\r\n\r\n", from, last,
                           server->size, last + 1 - from);
    late_send(to, head, (size_t)n);
    if (strncmp(question, "HEAD", 4) != 0) late_send_file(server, to, from, last + 1);
}

static void *late_listen(void *context)
{
    LateClient client = *(LateClient *)context;
    char question[16384];
    size_t n = 0;
    free(context);
    for (ssize_t got; (got = recv(client.socket, question + n, sizeof question - 1 - n, 0)) > 0;) {
        n += (size_t)got;
        question[n] = '\0';
        if (!strstr(question, "\r\n\r\n")) continue;
        late_answer(client.server, client.socket, question);
        n = 0;
    }
    close(client.socket);
    return NULL;
}

static void *late_accept(void *context)
{
    const LateServer *server = context;
    for (int one; (one = accept(server->socket, NULL, NULL)) >= 0;) {
        LateClient *client = malloc(sizeof *client);
        pthread_t thread;
        if (!client) abort();
        *client = (LateClient){server, one};
        if (pthread_create(&thread, NULL, late_listen, client) == 0) pthread_detach(thread);
    }
    return NULL;
}

/* It serves until the program ends. */
static void late_start(LateServer *server)
{
    struct sockaddr_in place = {.sin_family = AF_INET};
    socklen_t n = sizeof place;
    pthread_t thread;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server->socket, (struct sockaddr *)&place, sizeof place) != 0 ||
        listen(server->socket, 16) != 0 ||
        getsockname(server->socket, (struct sockaddr *)&place, &n) != 0)
        exit(2);
    server->port = ntohs(place.sin_port);
    if (pthread_create(&thread, NULL, late_accept, server) == 0) pthread_detach(thread);
}

#endif
