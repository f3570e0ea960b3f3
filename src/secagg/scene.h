/* For tests: a fleet with its keys, and secure aggregations among it. Not part of the library. */
#ifndef SECAGG_SCENE_H
#define SECAGG_SCENE_H

#include "secagg/client.h"
#include "secagg/server.h"

#define SCENE_NOW   1800000000u /* seconds of Unix time */
#define SCENE_WORDS 37          /* of each update: several blocks of a keystream, and some */

struct scene_device {
    struct id id;
    struct key *key;
    struct certificate_bytes certificate;
    struct secagg_self self;
    struct secagg_client *client;
    uint32_t update[SCENE_WORDS]; /* what it encoded */
    uint32_t masked[SCENE_WORDS]; /* what left it */
};

struct scene {
    struct key *fleet;
    struct secagg_rules rules;
    struct digest config;
    struct scene_device *devices; /* (count,), ids ascending: index = rank if all advertise */
    struct id *ids;
    size_t count;
    struct secagg_server *server;
};

/* count devices, whose updates differ in each word; rules.k_of_n 0: the threshold */
void scene_begin(struct scene *s, size_t count, struct secagg_rules rules);
void scene_end(struct scene *s);

/* New clients and a new server for the same devices. */
void scene_again(struct scene *s);

/* Everything up to this phase (SECAGG_DONE: to the end), closing each when it is settled or
 * all who are left have spoken. leaves: (count,), the phase before whose message each device falls
 * silent, SECAGG_DONE: never; NULL: nobody does */
void scene_run(struct scene *s, const enum secagg_phase *leaves, enum secagg_phase until);

/* The message that the server has for a device now. The caller frees it. */
struct bytes scene_told(const struct scene *s, size_t device);
/* What the device says to it. */
enum secagg_refusal scene_hear(struct scene *s, size_t device, struct view message,
                               struct view *ret_answer);
enum secagg_verdict scene_say(struct scene *s, size_t device, struct view message);
/* Masks the device's update and gives it to the server. */
void scene_mask(struct scene *s, size_t device);

/* In DONE: the sum of the survivors' masked updates, unmasked, is that of their updates. */
void scene_expect_exact_sum(const struct scene *s, const enum secagg_phase *leaves);

#endif
