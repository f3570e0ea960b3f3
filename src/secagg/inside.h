/* What the files of the coordinator's side share: server.c takes messages, tell.c makes
 * them, unmask.c rebuilds what devices shared. Only for src/secagg. */
#ifndef SECAGG_INSIDE_H
#define SECAGG_INSIDE_H

#include "secagg/server.h"

/* One device. Before the roster all participants are here, afterwards those who advertised,
 * and the index is the rank. In the order of their ids. */
struct member {
    struct id id;
    struct key_public key;
    struct bytes advertise; /* as they came; empty: not yet */
    struct bytes shares;
    struct bytes confirm;
    struct bytes unmask;
    uint32_t confirms_near; /* messages of its neighbourhood, its own among them */
    uint32_t unmasks_near;
    bool masked;
    bool confirmed_in_time; /* while CONFIRMING: its signature is among those that are told */
};

struct secagg_server {
    struct secagg_rules rules;
    struct secagg_context context;
    struct key_public fleet;
    enum secagg_phase phase;
    struct member *members; /* (count,) */
    uint32_t count;
    struct secagg_roster_line *lines; /* (count,), owned, from SHARING on: the roster's */
    struct graph graph;               /* from SHARING on */
    struct members sharers;           /* from MASKING on: U2 */
    struct members survivors;         /* from CONFIRMING on: U3 */
};

/* The entry that the member advertised, and its bytes. */
struct secagg_entry member_entry(const struct member *m);
struct view member_entry_bytes(const struct member *m);

#endif
