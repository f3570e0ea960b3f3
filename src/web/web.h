/* Ranges of bytes by HTTP or HTTPS (RFC 9110, section 14), from allowed places only.
 *
 * A URL may come from anybody. It is fetched only if it lies below one of the operator's
 * prefixes (allow.h says what that means). Only these two schemes are spoken, a
 * certificate is always verified, a redirect is followed only to another allowed URL, and
 * neither credentials, cookies, proxies of the environment nor .netrc are used.
 *
 * Everything happens on the loop's thread, and nothing blocks it: names are looked up by
 * a thread of libcurl's. Not thread-safe. */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include <stdbool.h>

#include <uv.h>

#include "base/bytes.h"

#define WEB_GETS_MAX      4                 /* that are under way at once */
#define WEB_WAITING_MAX   28                /* more, which begin in the order of their asking */
#define WEB_RANGE_MAX     ((size_t)4 << 20) /* bytes of one */
#define WEB_PREFIXES_MAX  64                /* of the operator's list */
#define WEB_REDIRECTS_MAX 3                 /* of one get, each to an allowed URL */
#define WEB_CONNECT_MS    10000u            /* name lookup, connection and TLS */
#define WEB_SLOW_BYTES    1024              /* a second; who sends less, ... */
#define WEB_SLOW_S        10u               /* ... for so long, has stalled */
#define WEB_TOTAL_MS      120000u           /* one get, whatever the speed */

struct web;
struct web_get;

struct web_settings {
    /* Each text is one prefix or more, separated by spaces: "https://host/models/". */
    const char *const *allow;
    size_t allow_count;
    const char *ca_file; /* PEM; these authorities and no others. NULL: the system's */
    uint32_t slow_s;     /* 0: WEB_SLOW_S; for tests, as is what follows */
    uint32_t total_ms;   /* 0: WEB_TOTAL_MS */
};

/* keeps: loop. Settings and texts are copied.
 * gives: *ret, to be ended with web_close(); NULL if nothing is allowed
 * fails: ST_INVALID (a prefix is not one), ST_LIMIT (WEB_PREFIXES_MAX), ST_NOT_FOUND
 *        (ca_file cannot be read), ST_NOMEM; each with a sentence */
MUST_CHECK enum status web_new(uv_loop_t *loop, const struct web_settings *settings,
                               struct web **ret, struct why *why);

/* Whether this URL may be fetched; if not, why says the reason. w NULL: no. */
bool web_allows(const struct web *w, const char *url, struct why *why);

enum web_failure {
    WEB_OK,
    WEB_UNREACHABLE, /* no such host, no connection, or it broke off before an answer */
    WEB_UNTRUSTED,   /* TLS: the certificate is not that of the host, or not by a known authority */
    WEB_STALLED,     /* too slow, see the limits */
    WEB_REFUSED,     /* a status such as 404 or 503 */
    WEB_REDIRECTED,  /* to a URL that is not allowed, or too often */
    WEB_NO_RANGES,   /* 200: the server would send the whole */
    WEB_WRONG_RANGE, /* another range than was asked for, or of a whole of another size */
    WEB_TOO_LONG,    /* more bytes than the range has */
    WEB_TOO_SHORT,   /* fewer */
    WEB_BROKEN,      /* this is not HTTP */
    WEB_CLOSED,      /* web_close() */
};

/* "too_short"; never NULL. */
const char *web_failure_name(enum web_failure failure);

struct web_range {
    const char *url;
    uint64_t offset;
    size_t size;    /* bytes, 1..WEB_RANGE_MAX */
    uint64_t total; /* of the whole; a server that says another size has another file */
};

struct web_result {
    enum web_failure failure;
    bool passing;       /* the same may work later: a connection, a busy server */
    struct view bytes;  /* WEB_OK: all of the range; borrowed for the call */
    const char *detail; /* else a sentence; borrowed for the call */
};

/* It is over, and the get is no more: it must be forgotten by then. From here others may
 * be begun and cancelled, but web_close() may not be called. */
typedef void web_done_fn(void *owner, const struct web_get *get, const struct web_result *result);

/* Fetches one range, as soon as it is its turn: who asks again and again takes nothing from
 * who waits. Its limits of time count from then. done comes later, from the loop, and once.
 * r: copied; keeps: owner
 * gives: *ret, valid until done comes or web_cancel()
 * fails: ST_INVALID (the URL is not allowed), ST_LIMIT (WEB_WAITING_MAX), ST_NOMEM */
MUST_CHECK enum status web_get(struct web *w, const struct web_range *r, web_done_fn *done,
                               void *owner, struct web_get **ret);

/* How many are under way, or wait. */
size_t web_count(const struct web *w);
/* Whether there is no place for another one. */
bool web_is_full(const struct web *w);

/* done does not come any more. NULL is allowed. */
void web_cancel(struct web_get *get);

/* Each get ends with WEB_CLOSED. Closes all handles, which takes one more turn of the
 * loop. NULL is allowed; returns NULL. */
struct web *web_close(struct web *w);

#endif
