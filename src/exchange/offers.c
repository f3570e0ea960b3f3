#include "exchange/offers.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file.h"

#define OFFERS_MAGIC 0x6f666665u /* "offe" */

/* The file is opened for each part: it is known by its path, and however many are
 * offered, none is held open. */
struct offer {
    struct manifest manifest;
    char *path;
    uint64_t asked_ms; /* 0: never */
    size_t times;      /* offered, and not withdrawn */
};

struct asked {
    struct id client;
    struct digest digest;
    uint32_t part;
};

struct client {
    struct id id; /* empty: a free place */
    uint64_t seen_ms;
};

struct offers {
    uint32_t magic;
    struct offer *items;
    size_t count, capacity;
    struct asked *asked; /* in the order in which they came */
    size_t asked_count, asked_capacity;
    struct client clients[EXCHANGE_CLIENTS_MAX]; /* that are served now */
    struct bytes buffer;                         /* one part */
    size_t next;                                 /* the one that offers_next() gave */
};

enum status offers_new(struct offers **ret)
{
    struct offers *o = calloc(1, sizeof *o);
    if (o == NULL)
        return ST_NOMEM;
    o->magic = OFFERS_MAGIC;
    *ret = o;
    return ST_OK;
}

/* ---- what is offered ---- */

static struct offer *find(const struct offers *o, const struct digest *d)
{
    assert(o != NULL && o->magic == OFFERS_MAGIC);
    for (size_t i = 0; i < o->count; i++)
        if (digest_equal(&o->items[i].manifest.digest, d))
            return &o->items[i];
    return NULL;
}

const struct manifest *offers_find(const struct offers *o, const struct digest *d)
{
    const struct offer *offer = find(o, d);
    return offer == NULL ? NULL : &offer->manifest;
}

static enum status make_room(struct offers *o)
{
    if (o->count == EXCHANGE_OFFERS_MAX)
        return ST_LIMIT;
    if (o->count < o->capacity)
        return ST_OK;
    size_t capacity = o->capacity == 0 ? 8 : 2 * o->capacity;
    struct offer *items = realloc(o->items, capacity * sizeof items[0]);
    if (items == NULL)
        return ST_NOMEM;
    o->items = items;
    o->capacity = capacity;
    return ST_OK;
}

static enum status check_file(const char *path, uint64_t size)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return errno == ENOENT ? ST_NOT_FOUND : ST_IO;
    if (!S_ISREG(info.st_mode))
        return ST_IO;
    return (uint64_t)info.st_size == size ? ST_OK : ST_INVALID;
}

enum status offers_add(struct offers *o, const struct manifest *m, const char *path)
{
    struct offer *there = find(o, &m->digest);
    if (there != NULL) {
        there->times++;
        return ST_OK;
    }
    struct offer fresh = {.times = 1};
    enum status status = make_room(o);
    if (status == ST_OK)
        status = check_file(path, m->size);
    if (status == ST_OK)
        status = manifest_copy(m, &fresh.manifest);
    if (status != ST_OK)
        return status;
    fresh.path = strdup(path);
    if (fresh.path == NULL) {
        manifest_done(&fresh.manifest);
        return ST_NOMEM;
    }
    o->items[o->count++] = fresh;
    return ST_OK;
}

static void end(struct offer *offer)
{
    free(offer->path);
    manifest_done(&offer->manifest);
}

static void forget_asked(struct offers *o, size_t index)
{
    o->asked_count--;
    memmove(&o->asked[index], &o->asked[index + 1], (o->asked_count - index) * sizeof o->asked[0]);
}

void offers_remove(struct offers *o, const struct digest *d)
{
    struct offer *offer = find(o, d);
    if (offer == NULL || --offer->times > 0)
        return;
    for (size_t i = o->asked_count; i > 0; i--)
        if (digest_equal(&o->asked[i - 1].digest, d))
            forget_asked(o, i - 1);
    end(offer);
    *offer = o->items[--o->count];
}

/* ---- what is asked for ---- */

static bool is_waiting(const struct offers *o, const struct get_msg *get)
{
    for (size_t i = 0; i < o->asked_count; i++) {
        const struct asked *a = &o->asked[i];
        if (a->part == get->part && id_equal(&a->client, &get->client_id) &&
            digest_equal(&a->digest, &get->digest))
            return true;
    }
    return false;
}

uint64_t offers_asked_ms(const struct offers *o, const struct digest *d)
{
    const struct offer *offer = find(o, d);
    return offer == NULL ? 0 : offer->asked_ms;
}

enum status offers_ask(struct offers *o, const struct get_msg *get, uint64_t now_ms)
{
    struct offer *offer = find(o, &get->digest);
    if (offer == NULL)
        return ST_NOT_FOUND;
    if (!get->wants_part || get->part >= offer->manifest.part_count)
        return ST_INVALID;
    offer->asked_ms = now_ms;
    if (is_waiting(o, get))
        return ST_OK;
    if (o->asked_count == EXCHANGE_REQUESTS_MAX)
        return ST_LIMIT;
    if (o->asked_count == o->asked_capacity) {
        size_t capacity = o->asked_capacity == 0 ? 64 : 2 * o->asked_capacity;
        struct asked *asked = realloc(o->asked, capacity * sizeof asked[0]);
        if (asked == NULL)
            return ST_NOMEM;
        o->asked = asked;
        o->asked_capacity = capacity;
    }
    o->asked[o->asked_count++] =
        (struct asked){.client = get->client_id, .digest = get->digest, .part = get->part};
    return ST_OK;
}

/* Whether this client is served, or may be from now on. */
static bool admit(struct offers *o, const struct id *client, uint64_t now_ms)
{
    struct client *place = NULL;
    for (size_t i = 0; i < EXCHANGE_CLIENTS_MAX; i++) {
        struct client *c = &o->clients[i];
        bool idle = c->id.text[0] == '\0' ||
                    (now_ms >= c->seen_ms && now_ms - c->seen_ms >= EXCHANGE_CLIENT_IDLE_MS);
        if (id_equal(&c->id, client)) {
            c->seen_ms = now_ms;
            return true;
        }
        if (idle && place == NULL)
            place = c;
    }
    if (place != NULL)
        *place = (struct client){*client, now_ms};
    return place != NULL;
}

static bool read_part(struct offers *o, const struct asked *a, struct view *ret)
{
    const struct offer *offer = find(o, &a->digest);
    assert(offer != NULL); /* offers_remove() takes its requests with it */
    size_t size = manifest_part_bytes(&offer->manifest, a->part);
    int fd = open(offer->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool read =
        fd >= 0 && bytes_resize(&o->buffer, size) == ST_OK &&
        file_read_at(fd, manifest_offset(&offer->manifest, a->part), o->buffer.data, size) == ST_OK;
    if (fd >= 0)
        (void)close(fd);
    *ret = bytes_view(&o->buffer);
    return read;
}

bool offers_next(struct offers *o, uint64_t now_ms, struct offered_part *ret, bool *ret_unread)
{
    assert(o != NULL && o->magic == OFFERS_MAGIC && ret != NULL && ret_unread != NULL);
    *ret_unread = false;
    for (size_t i = 0; i < o->asked_count; i++) {
        const struct asked *a = &o->asked[i];
        if (!admit(o, &a->client, now_ms))
            continue;
        *ret = (struct offered_part){.client = a->client, .digest = a->digest, .part = a->part};
        o->next = i;
        if (read_part(o, a, &ret->bytes))
            return true;
        *ret_unread = true;
        forget_asked(o, i);
        return false;
    }
    return false;
}

void offers_sent(struct offers *o)
{
    assert(o != NULL && o->next < o->asked_count);
    forget_asked(o, o->next);
}

struct offers *offers_free(struct offers *o)
{
    if (o == NULL)
        return NULL;
    for (size_t i = 0; i < o->count; i++)
        end(&o->items[i]);
    free(o->items);
    free(o->asked);
    bytes_done(&o->buffer);
    *(volatile uint32_t *)&o->magic = 0;
    free(o);
    return NULL;
}
