/* Policies: what is read lies within the ranges of the header, and judges any image. */
#include <assert.h>

#include "fuzz.h"
#include "identity/policy.h"

static void check_ranges(const struct policy *p)
{
    assert(p->cohort_min >= POLICY_COHORT_MIN && p->cohort_min <= ROUND_PARTICIPANTS_MAX);
    assert(p->threshold_min >= POLICY_THRESHOLD_MIN && p->threshold_min <= 1);
    assert(p->clip_max > 0 && p->epsilon_max > 0 && p->noise_min >= 0);
    assert(p->delta_max > 0 && p->delta_max <= 1);
    assert(p->train || p->evaluate);
    assert((p->publishers != NULL) == (p->publisher_count > 0));
    assert(p->publisher_count <= POLICY_PUBLISHERS_MAX && p->image_count <= POLICY_IMAGES_MAX);
    assert((p->images != NULL) == (p->image_count > 0));
    assert(p->has_fleet_key || !policy_wants_secure_aggregation(p));
}

static void check_images(const struct policy *p, struct view module)
{
    struct why why = {""};
    struct digest digest = digest_of(module);
    bool allowed = policy_allows_image(p, &digest, module, &why);
    assert(allowed == (why.text[0] == '\0'));
    assert(allowed || p->publishers != NULL || p->images != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy p;
    struct why why = {""};
    if (policy_decode(view_of(data, size), &p, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        return 0;
    }
    check_ranges(&p);
    check_images(&p, view_of(data, size));
    policy_done(&p);
    return 0;
}
