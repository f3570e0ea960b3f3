#include "web/fake_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX     4096
#define CONNECTIONS_MAX 64

struct connection {
    uv_tcp_t tcp;
    struct fake_server *server;
    char request[REQUEST_MAX];
    size_t size;
    bool held; /* the range that waits for fake_server_release() */
    size_t first, last;
};

struct fake_server {
    uv_tcp_t tcp;
    struct view bytes;
    enum fake_answer answer;
    size_t right_first, requests, connection_count;
    char elsewhere[256];
    struct connection *connections[CONNECTIONS_MAX]; /* NULL: closed */
};

struct reply {
    uv_write_t write;
    struct connection *connection;
    bool hang_up;
    char data[];
};

static void on_connection_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void hang_up(struct connection *c)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (c->server->connections[i] == c) {
            c->server->connections[i] = NULL;
            uv_close((uv_handle_t *)&c->tcp, on_connection_closed);
        }
}

static void on_written(uv_write_t *write, int status)
{
    struct reply *r = write->data;
    if (status == 0 && r->hang_up)
        hang_up(r->connection);
    free(r);
}

static void send_reply(struct connection *c, const char *head, struct view body, bool hang_up_then)
{
    size_t head_size = strlen(head), size = head_size + body.size;
    struct reply *r = malloc(sizeof *r + size + 1);
    assert(r != NULL);
    r->connection = c;
    r->hang_up = hang_up_then;
    r->write.data = r;
    memcpy(r->data, head, head_size);
    if (body.size > 0)
        memcpy(r->data + head_size, body.data, body.size);
    uv_buf_t buffer = uv_buf_init(r->data, (unsigned)size);
    int failed = uv_write(&r->write, (uv_stream_t *)&c->tcp, &buffer, 1, on_written);
    assert(failed == 0);
}

static void send_range(struct connection *c, size_t first, size_t last, size_t total, size_t length,
                       struct view body)
{
    char head[256];
    (void)snprintf(head, sizeof head,
                   "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %zu-%zu/%zu\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   first, last, total, length);
    send_reply(c, head, body, body.size != length);
}

/* All of it in one chunk. */
static void send_chunk(struct connection *c, size_t first, size_t last, struct view body)
{
    char head[256];
    struct bytes whole = {0};
    (void)snprintf(head, sizeof head,
                   "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %zu-%zu/%zu\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n%zx\r\n",
                   first, last, c->server->bytes.size, body.size);
    int failed = bytes_append(&whole, body, SIZE_MAX) != ST_OK ||
                 bytes_append(&whole, view_text("\r\n0\r\n\r\n"), SIZE_MAX) != ST_OK;
    assert(failed == 0);
    send_reply(c, head, bytes_view(&whole), false);
    bytes_done(&whole);
}

static void send_flipped(struct connection *c, size_t first, size_t last, struct view right)
{
    struct bytes wrong = {0};
    int failed = bytes_copy(&wrong, right) != ST_OK;
    assert(failed == 0);
    wrong.data[right.size / 2] ^= 1;
    send_range(c, first, last, c->server->bytes.size, right.size, bytes_view(&wrong));
    bytes_done(&wrong);
}

static void send_elsewhere(struct connection *c)
{
    char head[512];
    (void)snprintf(head, sizeof head,
                   "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 5\r\n\r\n",
                   c->server->elsewhere);
    send_reply(c, head, view_text("there"), false);
}

static void give(struct connection *c, enum fake_answer answer, size_t first, size_t last)
{
    static const struct view none = {0};
    struct view all = c->server->bytes;
    struct view right = view_of(all.data + first, last - first + 1);
    struct view half = view_of(right.data, right.size / 2);
    struct view more = view_of(right.data, right.size + 1); /* bytes has one behind it */
    switch (answer) {
    case FAKE_RIGHT:
        send_range(c, first, last, all.size, right.size, right);
        break;
    case FAKE_FLIPPED:
        send_flipped(c, first, last, right);
        break;
    case FAKE_SHORT:
        send_range(c, first, last, all.size, half.size, half);
        break;
    case FAKE_BROKEN_OFF:
        send_range(c, first, last, all.size, right.size, half);
        break;
    case FAKE_LONG:
        send_range(c, first, last, all.size, more.size, more);
        break;
    case FAKE_LONG_CHUNKS:
        send_chunk(c, first, last, more);
        break;
    case FAKE_OTHER_RANGE:
        send_range(c, first + 1, last + 1, all.size, right.size,
                   view_of(right.data + 1, right.size));
        break;
    case FAKE_OTHER_TOTAL:
        send_range(c, first, last, all.size + 1, right.size, right);
        break;
    case FAKE_NO_RANGE:
        send_reply(c, "HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx", none, false);
        break;
    case FAKE_WHOLE:
        send_reply(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", all, true);
        break;
    case FAKE_MISSING:
        send_reply(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", none, false);
        break;
    case FAKE_BUSY:
        send_reply(c, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", none, false);
        break;
    case FAKE_ELSEWHERE:
        send_elsewhere(c);
        break;
    case FAKE_HELD:
        c->held = true;
        c->first = first;
        c->last = last;
        break;
    case FAKE_SILENT:
        break;
    case FAKE_HANGS_UP:
        hang_up(c);
        break;
    case FAKE_NOISE:
        send_reply(c, "these bytes are not HTTP\r\n\r\n", none, true);
        break;
    }
}

static void on_request(struct connection *c)
{
    struct fake_server *s = c->server;
    size_t first = 0, last = 0;
    const char *range = strcasestr(c->request, "\r\nRange: bytes=");
    int found = range == NULL ? 0 : sscanf(range + 15, "%zu-%zu", &first, &last);
    assert(found == 2 && last < s->bytes.size);
    bool right = s->right_first > 0 || strstr(c->request, "/moved ") != NULL;
    s->right_first -= s->right_first > 0;
    s->requests++;
    c->size = 0;
    give(c, right ? FAKE_RIGHT : s->answer, first, last);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct connection *c = handle->data;
    (void)suggested;
    *ret = uv_buf_init(c->request + c->size, (unsigned)(REQUEST_MAX - 1 - c->size));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *c = stream->data;
    (void)buffer;
    if (size < 0) {
        hang_up(c);
        return;
    }
    c->size += (size_t)size;
    c->request[c->size] = '\0';
    if (strstr(c->request, "\r\n\r\n") != NULL)
        on_request(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct fake_server *s = listener->data;
    assert(status == 0 && s->connection_count < CONNECTIONS_MAX);
    struct connection *c = calloc(1, sizeof *c);
    assert(c != NULL);
    c->server = s;
    c->tcp.data = c;
    int failed = uv_tcp_init(listener->loop, &c->tcp);
    failed |= uv_accept(listener, (uv_stream_t *)&c->tcp);
    failed |= uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    assert(failed == 0);
    s->connections[s->connection_count++] = c;
}

struct fake_server *fake_server_new(uv_loop_t *loop, struct view bytes)
{
    struct sockaddr_in address;
    struct fake_server *s = calloc(1, sizeof *s);
    assert(s != NULL);
    s->bytes = bytes;
    s->tcp.data = s;
    int failed = uv_ip4_addr("127.0.0.1", 0, &address);
    failed |= uv_tcp_init(loop, &s->tcp);
    failed |= uv_tcp_bind(&s->tcp, (const struct sockaddr *)&address, 0);
    failed |= uv_listen((uv_stream_t *)&s->tcp, 16, on_connection);
    assert(failed == 0);
    return s;
}

unsigned fake_server_port(const struct fake_server *s)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    int failed = uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&address, &size);
    assert(failed == 0);
    return ntohs(((const struct sockaddr_in *)&address)->sin_port);
}

void fake_server_answer(struct fake_server *s, enum fake_answer answer, size_t first)
{
    s->answer = answer;
    s->right_first = first;
}

void fake_server_elsewhere(struct fake_server *s, const char *url)
{
    (void)snprintf(s->elsewhere, sizeof s->elsewhere, "%s", url);
}

void fake_server_release(struct fake_server *s, size_t count)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *c = s->connections[i];
        if (count == 0 || c == NULL || !c->held)
            continue;
        count--;
        c->held = false;
        give(c, FAKE_RIGHT, c->first, c->last);
    }
}

size_t fake_server_requests(const struct fake_server *s)
{
    return s->requests;
}

size_t fake_server_connections(const struct fake_server *s)
{
    return s->connection_count;
}

static void on_server_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void fake_server_close(struct fake_server *s)
{
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (s->connections[i] != NULL)
            hang_up(s->connections[i]);
    uv_close((uv_handle_t *)&s->tcp, on_server_closed);
}
