#include "simulate/devices.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/rand.h"
#include "simulate/limits.h"

#define NUMBER_DIGITS 5 /* of SIMULATE_DEVICES_MAX */

enum status devices_check(const struct devices *d)
{
    assert(d->count >= 1 && d->count <= SIMULATE_DEVICES_MAX);
    return strlen(d->prefix.text) <= DEVICES_PREFIX_MAX ? ST_OK : ST_INVALID;
}

void devices_name(const struct devices *d, uint32_t number, struct id *ret)
{
    assert(number >= 1 && number <= d->count);
    (void)snprintf(ret->text, sizeof ret->text, "%.53s-%u", d->prefix.text, number);
}

/* Decimal digits without leading zeros, as devices_name() writes them. */
static bool number_of(struct view digits, uint32_t *ret)
{
    uint32_t value = 0;
    if (digits.size < 1 || digits.size > NUMBER_DIGITS || digits.data[0] == '0')
        return false;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(digits.data[i] - '0');
    }
    *ret = value;
    return true;
}

enum status devices_find(const struct devices *d, struct view name, uint32_t *ret)
{
    size_t prefix = strlen(d->prefix.text);
    uint32_t number;
    if (name.size < prefix + 2 || memcmp(name.data, d->prefix.text, prefix) != 0 ||
        name.data[prefix] != '-')
        return ST_NOT_FOUND;
    if (!number_of(view_of(name.data + prefix + 1, name.size - prefix - 1), &number) ||
        number > d->count)
        return ST_NOT_FOUND;
    *ret = number;
    return ST_OK;
}

uint32_t devices_shard(const struct devices *d, uint32_t number)
{
    return d->shards == 0 ? 0 : (number - 1) % d->shards + 1;
}

bool devices_is_silent(const struct devices *d, uint32_t number, const char *task)
{
    if (d->drop <= 0)
        return false;
    struct digest digest = digest_of(view_text(task));
    struct rand r = {.state = d->seed ^ ((uint64_t)number << 32)};
    uint64_t of_task;
    memcpy(&of_task, digest.bytes, sizeof of_task);
    r.state = rand_u64(&r) ^ of_task;
    return rand_unit(&r) < d->drop;
}
