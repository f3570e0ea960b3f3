#include "secagg/rules.h"

uint32_t secagg_threshold(const struct secagg_rules *r, uint32_t neighbourhood)
{
    return r->server == SECAGG_SERVER_MALICIOUS ? 2 * neighbourhood / 3 + 1 : neighbourhood / 2 + 1;
}

enum status secagg_rules_check(const struct secagg_rules *r, size_t participants, struct why *why)
{
    const char *share = r->server == SECAGG_SERVER_MALICIOUS ? "two thirds" : "one half";
    if (participants < SECAGG_COHORT_MIN || participants > MEMBERS_MAX) {
        why_set(why, "secure aggregation needs %d to %d participants, not %zu", SECAGG_COHORT_MIN,
                MEMBERS_MAX, participants);
        return ST_INVALID;
    }
    if (r->neighbours % 2 != 0) {
        why_set(why, "neighbours must be even, so that each has as many on either side");
        return ST_INVALID;
    }
    uint32_t all = (uint32_t)participants;
    uint32_t least = secagg_threshold(r, all);
    least = least < SECAGG_COHORT_MIN ? SECAGG_COHORT_MIN : least;
    if (r->k_of_n < least || r->k_of_n > all) {
        why_set(why,
                "k_of_n must be %u to %u of %u participants: above %s, or a sum over fewer could "
                "be compared with one over others",
                least, all, all, share);
        return ST_INVALID;
    }
    return ST_OK;
}
