/* What one secure aggregation asks of those who take part: how many must share, survive and
 * answer. The same on every device and on the coordinator.
 *
 * Source of the thresholds: Bonawitz et al. 2017, arXiv:1611.04482, section 6. Among N who
 * share with each other, of whom c work with the server, the server gets both secrets of
 * a victim only with 2t <= N + c. */
#ifndef SECAGG_RULES_H
#define SECAGG_RULES_H

#include "base/status.h"
#include "secagg/graph.h"
#include "secagg/mask.h"
#include "secagg/members.h"

#define SECAGG_COHORT_MIN 3 /* two would know each other's updates */

enum secagg_server_trust {
    SECAGG_SERVER_MALICIOUS, /* it may do anything: threshold above two thirds */
    SECAGG_SERVER_CURIOUS,   /* it follows the protocol and remembers: above one half */
};

struct secagg_rules {
    enum secagg_server_trust server;
    uint32_t k_of_n;     /* survivors that may be unmasked: at least so many */
    uint32_t neighbours; /* of each, even; 0: graph_degree() */
    enum mask_word word;
};

/* How many of a neighbourhood of so many (with the one whose it is) rebuild a secret. */
uint32_t secagg_threshold(const struct secagg_rules *r, uint32_t neighbourhood);

/* Whether rules are possible with so many participants, before anything is asked of them.
 * fails: ST_INVALID, with a sentence */
MUST_CHECK enum status secagg_rules_check(const struct secagg_rules *r, size_t participants,
                                          struct why *why);

#endif
