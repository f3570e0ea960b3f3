#include "dp/plan.h"

#include <assert.h>
#include <math.h>

#include "dp/rdp.h"

#define PRECISION      1e-9
#define BISECTIONS_MAX 100

static enum status check(const char *name, double value, double least, double most, struct why *why)
{
    if (value >= least && value <= most)
        return ST_OK;
    why_set(why, "the privacy's %s is %g, and has to be from %g to %g", name, value, least, most);
    return ST_INVALID;
}

enum status plan_check(const struct plan *p, struct why *why)
{
    enum status status = check("epsilon", p->epsilon, PLAN_EPSILON_MIN, PLAN_EPSILON_MAX, why);
    if (status == ST_OK)
        status = check("delta", p->delta, PLAN_DELTA_MIN, PLAN_DELTA_MAX, why);
    if (status == ST_OK)
        status = check("number of releases", p->releases, 1, PLAN_RELEASES_MAX, why);
    if (status == ST_OK && !(p->q > 0 && p->q <= 1)) {
        why_set(why, "the privacy's sampling is %g, and has to be above 0 and at most 1", p->q);
        status = ST_INVALID;
    }
    return status;
}

/* What p's releases spend with noise z. p passes plan_check() */
static double spent(const struct plan *p, double z)
{
    struct rdp r = {0};
    double epsilon = INFINITY;
    enum status status = rdp_add_gaussian(&r, z, p->q, p->releases);
    if (status == ST_OK)
        status = rdp_epsilon(&r, p->delta, &epsilon);
    assert(status == ST_OK);
    return epsilon;
}

/* From above in steps of two, as small z cost most to look at. */
static double halve(const struct plan *p, double z)
{
    while (z > RDP_Z_MIN && spent(p, fmax(z / 2, RDP_Z_MIN)) <= p->epsilon)
        z = fmax(z / 2, RDP_Z_MIN);
    return z;
}

enum status plan_noise(const struct plan *p, double *ret_z, struct why *why)
{
    enum status status = plan_check(p, why);
    if (status != ST_OK)
        return status;
    double least = spent(p, RDP_Z_MAX);
    if (least > p->epsilon) {
        why_set(why, "no noise is known to reach epsilon %g at delta %g: the least is %.3g",
                p->epsilon, p->delta, least);
        return ST_LIMIT;
    }
    double high = halve(p, RDP_Z_MAX), low = fmax(high / 2, RDP_Z_MIN);
    for (int i = 0; i < BISECTIONS_MAX && high - low > PRECISION * high; i++) {
        double middle = (low + high) / 2;
        if (spent(p, middle) <= p->epsilon)
            high = middle;
        else
            low = middle;
    }
    *ret_z = high;
    return ST_OK;
}
