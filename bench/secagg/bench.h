/* What the parts of the secure aggregation bench share. */
#ifndef BENCH_SECAGG_BENCH_H
#define BENCH_SECAGG_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"
#include "identity/certificate.h"
#include "secagg/client.h"

/* ---- measure.c ---- */

double now_s(void);

/* Ends the program with this sentence unless it holds. */
void must(bool holds, const char *what);

/* Zeroed, until the program ends; which it does at once if there is no memory. */
void *room(size_t count, size_t size);

/* Seconds of the same work, one after the other. */
struct times {
    double *seconds; /* (count,) of room for more */
    size_t count, room;
    double sum;
};

/* Adds the time since `began`. */
void times_note(struct times *t, double began);
double times_least(const struct times *t);
double times_median(struct times *t);

/* Seconds of so many bytes of ChaCha20 as OpenSSL makes them in pieces that stay in the
 * first cache: no mask and no noise can be had for less. */
double keystream_s(size_t size);

/* ---- fleet.c ---- */

#define FLEET_NOW 1800000000u /* seconds of Unix time */

struct fleet_device {
    struct id id;
    struct key *key;
    struct certificate_bytes certificate;
    struct secagg_self self;
    struct secagg_client *client;
};

struct fleet {
    struct key *owner;
    struct fleet_device *devices; /* (count,), ids ascending */
    struct id *ids;               /* (count,) */
    size_t count;
};

/* Enrolled devices, without clients. */
struct fleet fleet_of(size_t count);

/* ---- the modes, see main.c ---- */

void bench_round(size_t devices, size_t params, size_t checked, size_t repeats);
void bench_mask(size_t params, size_t masks, size_t repeats);
void bench_gauss(size_t draws, size_t repeats);

#endif
