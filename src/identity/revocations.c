#include "identity/revocations.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "identity/le.h"

#define REVOCATIONS_MAGIC 0x7265766fu /* "revo" */

static const char domain[] = "fml-revocations-v1";

static const uint8_t head[] = {'F', 'M', 'L', 'R', 1};
#define NUMBER_AT  (sizeof head)
#define COUNT_AT   (NUMBER_AT + 8)
#define SERIALS_AT (COUNT_AT + 4)

_Static_assert(SERIALS_AT + KEY_SIGNATURE_SIZE == REVOCATIONS_SIZE_MIN, "the layout");

struct revocations {
    uint32_t magic;
    uint64_t number;
    size_t count, capacity;
    uint64_t *serials; /* (capacity,), count of them ascending; owned */
};

enum status revocations_new(struct revocations **ret)
{
    assert(ret != NULL);
    struct revocations *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ST_NOMEM;
    r->magic = REVOCATIONS_MAGIC;
    *ret = r;
    return ST_OK;
}

/* Where a serial is, or belongs: the first index whose serial is not smaller. */
static size_t place_of(const struct revocations *r, uint64_t serial)
{
    size_t low = 0, high = r->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->serials[middle] < serial)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool revocations_contain(const struct revocations *r, uint64_t serial)
{
    assert(r != NULL && r->magic == REVOCATIONS_MAGIC);
    size_t place = place_of(r, serial);
    return place < r->count && r->serials[place] == serial;
}

static enum status reserve(struct revocations *r, size_t count)
{
    if (count <= r->capacity)
        return ST_OK;
    size_t capacity = count < 2 * r->capacity ? 2 * r->capacity : count;
    uint64_t *grown = realloc(r->serials, capacity * sizeof *grown);
    if (grown == NULL)
        return ST_NOMEM;
    r->serials = grown;
    r->capacity = capacity;
    return ST_OK;
}

enum status revocations_add(struct revocations *r, uint64_t serial)
{
    if (revocations_contain(r, serial))
        return ST_EXISTS;
    if (r->count >= REVOCATIONS_MAX || r->number == UINT64_MAX)
        return ST_LIMIT;
    enum status status = reserve(r, r->count + 1);
    if (status != ST_OK)
        return status;
    uint64_t *at = r->serials + place_of(r, serial);
    memmove(at + 1, at, (size_t)(r->serials + r->count - at) * sizeof *at);
    *at = serial;
    r->count++;
    r->number++;
    return ST_OK;
}

enum status revocations_sign(const struct revocations *r, const struct key *fleet,
                             struct bytes *ret)
{
    assert(r != NULL && r->magic == REVOCATIONS_MAGIC && ret != NULL);
    struct bytes b = {0};
    struct key_signature signature;
    size_t signed_size = SERIALS_AT + 8 * r->count;
    enum status status = bytes_resize(&b, signed_size + KEY_SIGNATURE_SIZE);
    if (status != ST_OK)
        return status;
    memcpy(b.data, head, sizeof head);
    le_put(b.data + NUMBER_AT, r->number, 8);
    le_put(b.data + COUNT_AT, r->count, 4);
    for (size_t i = 0; i < r->count; i++)
        le_put(b.data + SERIALS_AT + 8 * i, r->serials[i], 8);
    status = key_sign(fleet, domain, view_of(b.data, signed_size), &signature);
    if (status != ST_OK) {
        bytes_done(&b);
        return status;
    }
    memcpy(b.data + signed_size, signature.bytes, KEY_SIGNATURE_SIZE);
    bytes_done(ret);
    *ret = b;
    return ST_OK;
}

/* Size before head before count. */
static bool is_list(struct view bytes)
{
    if (bytes.size < REVOCATIONS_SIZE_MIN || bytes.size > REVOCATIONS_SIZE_MAX)
        return false;
    return memcmp(bytes.data, head, sizeof head) == 0 &&
           bytes.size == REVOCATIONS_SIZE_MIN + 8 * le_get(bytes.data + COUNT_AT, 4);
}

static bool is_ascending(const struct revocations *r)
{
    for (size_t i = 1; i < r->count; i++)
        if (r->serials[i] <= r->serials[i - 1])
            return false;
    return true;
}

enum status revocations_read(struct view bytes, struct revocations **ret)
{
    assert(ret != NULL);
    struct revocations *r = NULL;
    if (!is_list(bytes))
        return ST_MALFORMED;
    enum status status = revocations_new(&r);
    if (status != ST_OK)
        return status;
    r->number = le_get(bytes.data + NUMBER_AT, 8);
    size_t count = (size_t)le_get(bytes.data + COUNT_AT, 4);
    status = reserve(r, count);
    if (status != ST_OK) {
        (void)revocations_free(r);
        return status;
    }
    r->count = count;
    for (size_t i = 0; i < r->count; i++)
        r->serials[i] = le_get(bytes.data + SERIALS_AT + 8 * i, 8);
    if (!is_ascending(r)) {
        (void)revocations_free(r);
        return ST_MALFORMED;
    }
    *ret = r;
    return ST_OK;
}

/* Whether one may follow the other: a later list, or the same again. */
static bool may_follow(const struct revocations *r, const struct revocations *known)
{
    if (known == NULL || r->number > known->number)
        return true;
    return r->number == known->number && r->count == known->count &&
           (r->count == 0 ||
            memcmp(r->serials, known->serials, r->count * sizeof *r->serials) == 0);
}

static enum status check(struct view bytes, const struct key_public *fleet,
                         const struct revocations *known, const struct revocations *r,
                         struct why *why)
{
    if (!key_verify_tail(fleet, domain, bytes)) {
        why_set(why, "the list of revocations is not signed by the fleet's key");
        return ST_CORRUPT;
    }
    if (!may_follow(r, known)) {
        why_set(why, "list %llu of revocations cannot take the place of list %llu: use a newer one",
                (unsigned long long)r->number, (unsigned long long)known->number);
        return ST_EXISTS;
    }
    return ST_OK;
}

enum status revocations_check(struct view bytes, const struct key_public *fleet,
                              const struct revocations *known, struct revocations **ret,
                              struct why *why)
{
    assert(fleet != NULL && ret != NULL);
    struct revocations *r = NULL;
    enum status status = revocations_read(bytes, &r);
    if (status != ST_OK) {
        why_set(why, status == ST_NOMEM ? "no memory" : "these bytes are no list of revocations");
        return status;
    }
    status = check(bytes, fleet, known, r, why);
    if (status == ST_OK)
        *ret = r;
    else
        (void)revocations_free(r);
    return status;
}

uint64_t revocations_number(const struct revocations *r)
{
    assert(r != NULL && r->magic == REVOCATIONS_MAGIC);
    return r->number;
}

size_t revocations_count(const struct revocations *r)
{
    assert(r != NULL && r->magic == REVOCATIONS_MAGIC);
    return r->count;
}

struct revocations *revocations_free(struct revocations *r)
{
    if (r == NULL)
        return NULL;
    assert(r->magic == REVOCATIONS_MAGIC);
    *(volatile uint32_t *)&r->magic = 0; /* a later use must trip an assert */
    free(r->serials);
    free(r);
    return NULL;
}
