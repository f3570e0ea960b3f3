#include "simulate/updates.h"

#include <stdlib.h>

#include "fl/topics.h"

struct kept {
    struct kept *next;
    struct id round, device;
    struct digest digest;
    struct bytes bytes;
    uint64_t until_ms, again_ms;
};

struct updates {
    const struct proplet_out *out;
    uint32_t resend_ms;
    struct kept *first;
    size_t count, bytes;
};

enum status updates_new(const struct proplet_out *out, uint32_t resend_ms, struct updates **ret)
{
    struct updates *u = calloc(1, sizeof *u);
    if (u == NULL)
        return ST_NOMEM;
    u->out = out;
    u->resend_ms = resend_ms;
    *ret = u;
    return ST_OK;
}

static enum status send(struct updates *u, struct kept *k)
{
    char topic[FL_TOPIC_SIZE];
    fl_topic_update(&k->round, &k->device, topic);
    k->again_ms = u->out->now_ms(u->out->owner) + u->resend_ms;
    return u->out->publish(u->out->owner, topic, bytes_view(&k->bytes));
}

/* Takes it out of the list and frees it. */
static void forget(struct updates *u, struct kept **at)
{
    struct kept *k = *at;
    *at = k->next;
    u->count--;
    u->bytes -= k->bytes.size;
    bytes_done(&k->bytes);
    free(k);
}

enum status updates_add(struct updates *u, const struct id *round, const struct id *device,
                        struct bytes *bytes, uint64_t until_ms, struct digest *ret_digest)
{
    struct kept *k = calloc(1, sizeof *k);
    if (k == NULL) {
        bytes_done(bytes);
        return ST_NOMEM;
    }
    *k = (struct kept){.next = u->first,
                       .round = *round,
                       .device = *device,
                       .digest = digest_of(bytes_view(bytes)),
                       .bytes = *bytes,
                       .until_ms = until_ms};
    *bytes = (struct bytes){0};
    u->first = k;
    u->count++;
    u->bytes += k->bytes.size;
    enum status status = send(u, k);
    if (status == ST_OK)
        *ret_digest = k->digest;
    else
        forget(u, &u->first);
    return status;
}

bool updates_receipt(struct updates *u, const struct id *round, const struct id *device,
                     const struct digest *digest)
{
    for (struct kept **at = &u->first; *at != NULL; at = &(*at)->next) {
        const struct kept *k = *at;
        if (!id_equal(&k->device, device) || !id_equal(&k->round, round) ||
            !digest_equal(&k->digest, digest))
            continue;
        forget(u, at);
        return true;
    }
    return false;
}

size_t updates_round_over(struct updates *u, const struct id *round)
{
    size_t before = u->count;
    for (struct kept **at = &u->first; *at != NULL;) {
        if (id_equal(&(*at)->round, round))
            forget(u, at);
        else
            at = &(*at)->next;
    }
    return before - u->count;
}

void updates_tick(struct updates *u, uint64_t now_ms)
{
    bool quiet = u->out->quiet(u->out->owner);
    for (struct kept **at = &u->first; *at != NULL;) {
        struct kept *k = *at;
        if (now_ms >= k->until_ms) {
            forget(u, at);
            continue;
        }
        if (quiet && now_ms >= k->again_ms)
            (void)!send(u, k); /* one that is not taken now is due again */
        at = &k->next;
    }
}

size_t updates_count(const struct updates *u)
{
    return u->count;
}

size_t updates_bytes(const struct updates *u)
{
    return u->bytes;
}

struct updates *updates_free(struct updates *u)
{
    if (u == NULL)
        return NULL;
    while (u->first != NULL)
        forget(u, &u->first);
    free(u);
    return NULL;
}
