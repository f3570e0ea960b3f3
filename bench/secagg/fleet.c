#include <stdio.h>

#include "bench.h"

static void enrol(struct fleet *f, size_t i)
{
    struct fleet_device *d = &f->devices[i];
    (void)snprintf(d->id.text, sizeof d->id.text, "device-%04zu", i);
    must(key_new(&d->key) == ST_OK, "a device has a key");
    struct certificate c = {
        .id = d->id, .key = *key_public(d->key), .serial = i + 1, .not_after = FLEET_NOW + 1};
    must(certificate_sign(&c, f->owner, &d->certificate) == ST_OK, "a device has a certificate");
    d->self = (struct secagg_self){.id = d->id,
                                   .key = d->key,
                                   .certificate = certificate_view(&d->certificate),
                                   .fleet = *key_public(f->owner),
                                   .cohort_min = SECAGG_COHORT_MIN};
    f->ids[i] = d->id;
}

struct fleet fleet_of(size_t count)
{
    struct fleet f = {.devices = room(count, sizeof f.devices[0]),
                      .ids = room(count, sizeof f.ids[0]),
                      .count = count};
    must(key_new(&f.owner) == ST_OK, "a fleet has a key");
    for (size_t i = 0; i < count; i++)
        enrol(&f, i);
    return f;
}
