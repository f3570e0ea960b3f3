/* An HTTP server for tests, on the loop under test: it gives ranges of some bytes, rightly
 * or in one of the ways that a client must survive. */
#ifndef WEB_FAKE_SERVER_H
#define WEB_FAKE_SERVER_H

#include <uv.h>

#include "base/bytes.h"

enum fake_answer {
    FAKE_RIGHT,
    FAKE_FLIPPED,     /* right but for one bit */
    FAKE_SHORT,       /* half of the range, and says so */
    FAKE_BROKEN_OFF,  /* half of the range, says all, hangs up */
    FAKE_LONG,        /* one byte more, and says so */
    FAKE_LONG_CHUNKS, /* the same, without a word about its size before */
    FAKE_OTHER_RANGE, /* begins one byte later, as its head says */
    FAKE_OTHER_TOTAL, /* of a whole of another size */
    FAKE_NO_RANGE,    /* 206 without Content-Range */
    FAKE_WHOLE,       /* 200 and all bytes */
    FAKE_MISSING,     /* 404 */
    FAKE_BUSY,        /* 503 */
    FAKE_ELSEWHERE,   /* 302 to where it was told */
    FAKE_HELD,        /* right, but not before fake_server_release() */
    FAKE_SILENT,      /* never answers */
    FAKE_HANGS_UP,    /* closes at once */
    FAKE_NOISE,       /* bytes that are not HTTP */
};

struct fake_server;

/* Listens on 127.0.0.1. bytes: borrowed. Fails the test if it cannot. */
struct fake_server *fake_server_new(uv_loop_t *loop, struct view bytes);
unsigned fake_server_port(const struct fake_server *s);

/* What it answers from now on, but for the next `first` requests: those it answers right. */
void fake_server_answer(struct fake_server *s, enum fake_answer answer, size_t first);
/* Of FAKE_ELSEWHERE. A path "/moved" is answered right whatever else was said. */
void fake_server_elsewhere(struct fake_server *s, const char *url);

/* Answers those that were held, the oldest connection first, at most `count` of them. */
void fake_server_release(struct fake_server *s, size_t count);

size_t fake_server_requests(const struct fake_server *s);
size_t fake_server_connections(const struct fake_server *s);

/* Closes all its handles, which takes a turn of the loop. */
void fake_server_close(struct fake_server *s);

#endif
