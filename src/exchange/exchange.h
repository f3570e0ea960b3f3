/* Large blobs between programs over MQTT, in verified parts (PROTOCOL 2.9).
 *
 * A program offers files to others and fetches theirs into files of its own. Nothing
 * travels that was not asked for. The owner subscribes to exchange_filter(), hands in
 * what comes and calls exchange_step() every now and then, at best after each batch of
 * messages. Not thread-safe. */
#ifndef EXCHANGE_EXCHANGE_H
#define EXCHANGE_EXCHANGE_H

#include "io/mqtt.h"
#include "transfer/reference.h"

#define EXCHANGE_PART_SIZE      ((uint32_t)1 << 20) /* of what we describe, if the broker allows */
#define EXCHANGE_PART_SIZE_MIN  ((uint32_t)4 << 10)
#define EXCHANGE_OFFERS_MAX     4096
#define EXCHANGE_FETCHES_MAX    1024
#define EXCHANGE_WINDOW         4     /* parts that all fetches together have under way */
#define EXCHANGE_CLIENTS_MAX    16    /* that are answered at once; the others wait */
#define EXCHANGE_CLIENT_IDLE_MS 2000u /* who asks for nothing so long makes room */
#define EXCHANGE_REQUESTS_MAX   4096  /* that wait; more are dropped and asked for again */
#define EXCHANGE_SENDING_MAX    4     /* messages that the broker has not acknowledged */

struct exchange;
struct fetch;
struct web; /* web/web.h */

struct exchange_out {
    /* As mqtt_publish() and mqtt_unacknowledged(). */
    enum status (*publish)(void *owner, const struct mqtt_message *m);
    size_t (*unacknowledged)(void *owner);
    void *owner;
};

/* me: the id under which others ask. gives: *ret. fails: ST_NOMEM */
MUST_CHECK enum status exchange_new(const struct id *me, const struct exchange_out *out,
                                    struct exchange **ret);

/* At each connect: how many bytes the broker takes in a packet (mqtt_packet_max()). What
 * is described from then on has parts that fit, of a power of two in bytes. */
void exchange_set_packet_max(struct exchange *x, size_t packet_max);

/* Of what is described now: EXCHANGE_PART_SIZE_MIN..EXCHANGE_PART_SIZE */
uint32_t exchange_part_size(const struct exchange *x);

/* The filters to subscribe to, index 0, 1, …; false: no more. */
bool exchange_filter(const struct exchange *x, size_t index, char ret[TOPIC_SIZE_MAX]);

/* ---- to give ---- */

/* Answers requests for this blob from now on, from a file that stays as it is. The
 * same blob may be offered more than once, and must be withdrawn as often.
 * m: copied. fails: ST_LIMIT (EXCHANGE_OFFERS_MAX), ST_NOT_FOUND (no such file),
 *        ST_INVALID (a file of another size), ST_IO, ST_NOMEM */
MUST_CHECK enum status exchange_offer(struct exchange *x, const struct manifest *m,
                                      const char *path);

/* A blob that is not offered is ignored. */
void exchange_withdraw(struct exchange *x, const struct digest *d);

/* A reference to it, for a message: our id and the manifest.
 * gives: text, to be freed with free(). fails: ST_NOT_FOUND (not offered), ST_NOMEM */
MUST_CHECK enum status exchange_refer(const struct exchange *x, const struct digest *d, char **ret);

/* When a part of it was asked for last, as exchange_message() was told; 0: never, or
 * it is not offered. */
uint64_t exchange_asked_ms(const struct exchange *x, const struct digest *d);

/* Both in one, for a blob that may be on offer already: else the file at path, in parts of
 * exchange_part_size(), is offered once. path: at most size_max bytes, see io/map.h
 * gives: as exchange_refer(). fails: as both and as file_manifest(); ST_CORRUPT (a file of
 *        other bytes: it is not offered) */
MUST_CHECK enum status exchange_offer_file(struct exchange *x, const struct digest *d,
                                           const char *path, uint64_t size_max, char **ret);

/* What is offered is served by somebody at base/{hex digest} too, and our references say so:
 * whoever may gets it there, and not through the broker. base: borrowed; NULL: nobody does */
void exchange_set_url_base(struct exchange *x, const char *base);

/* ---- to get ---- */

enum fetch_state {
    FETCH_GOING,
    FETCH_COMPLETE, /* the file is at its path, whole, verified and durable */
    FETCH_REFUSED,  /* the holder does not have it */
    FETCH_CORRUPT,  /* the manifest's parts do not make up what it says */
    FETCH_FULL,     /* no space left on the device */
    FETCH_FAILED,   /* the disk, or memory */
};

/* Fetches a blob into the file at path. What an earlier fetch of the same blob to the
 * same path left behind is used again; a file that is there whole already needs one
 * reading. It goes on until it is over or released, however long the holder is away.
 * ref: copied; path: at most PATH_MAX - 16 bytes, in a folder that is there
 * gives: *ret, to be ended with fetch_release()
 * fails: ST_LIMIT (EXCHANGE_FETCHES_MAX, a path too long), ST_FULL, ST_IO, ST_NOMEM */
MUST_CHECK enum status exchange_fetch(struct exchange *x, const struct reference *ref,
                                      const char *path, struct fetch **ret);

enum fetch_state fetch_state(const struct fetch *f);
const struct digest *fetch_digest(const struct fetch *f);
/* How far it is, for people. */
uint64_t fetch_bytes_there(const struct fetch *f);
uint64_t fetch_bytes(const struct fetch *f);
/* A sentence; fetch_state() is neither GOING nor COMPLETE. */
const char *fetch_detail(const struct fetch *f);

/* Ends it. What there is of the file stays for the next time, unless `forget`: then a
 * partial file is removed. NULL is allowed; returns NULL. */
struct fetch *fetch_release(struct fetch *f, bool forget);

/* Blobs whose manifest has a URL are fetched there, part by part with the same checks, until
 * that fails: the rest then comes from the holder. */
struct exchange_web {
    struct web *web; /* borrowed until it is set anew, or exchange_free() */
    /* Something came: exchange_step() is due. Not from within the exchange's functions. */
    void (*came)(void *owner);
    /* This blob's URL is not used, or not any more. reason: a sentence */
    void (*gave_up)(void *owner, const struct digest *d, const char *reason);
    void *owner;
};

/* web: copied; NULL: no HTTP (any more), and what is under way goes on over the broker. To be
 * called before what web points at is closed. */
void exchange_set_web(struct exchange *x, const struct exchange_web *web);

/* ---- both ---- */

/* True if the topic is one of the exchange's, whatever was in it. */
bool exchange_message(struct exchange *x, const struct mqtt_message *m, uint64_t now_ms);

/* Asks for what is missing, answers what waits, checks a little more of what is
 * there: at most a few MiB in each call. Returns whether it should be called again
 * soon because there is more to check. */
bool exchange_step(struct exchange *x, uint64_t now_ms);

/* The connection was lost and is back: what was asked for is asked for again at once. */
void exchange_reconnected(struct exchange *x);

/* Fetches must have been released. */
struct exchange *exchange_free(struct exchange *x);

#endif
