/* Lists of revocations. What is read is, signed anew, the same bytes again, and is taken by who
 * trusts the fleet of the seed that is all zeros, which signed the good ones of the corpus. */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "identity/revocations.h"

static void check_list(struct view bytes, const struct revocations *r, const struct key *fleet)
{
    struct bytes again = {0};
    struct revocations *taken = NULL;
    assert(revocations_count(r) <= REVOCATIONS_MAX);
    assert(revocations_sign(r, fleet, &again) == ST_OK);
    assert(again.size == bytes.size);
    assert(memcmp(again.data, bytes.data, bytes.size - KEY_SIGNATURE_SIZE) == 0);
    /* It may take its own place. */
    assert(revocations_check(bytes_view(&again), key_public(fleet), r, &taken, NULL) == ST_OK);
    assert(revocations_number(taken) == revocations_number(r));
    (void)revocations_free(taken);
    bytes_done(&again);
}

static void check_add(struct revocations *r, uint64_t serial)
{
    uint64_t number = revocations_number(r);
    size_t count = revocations_count(r);
    bool there = revocations_contain(r, serial);
    enum status status = revocations_add(r, serial);
    assert((status == ST_EXISTS) == there);
    assert(revocations_contain(r, serial) == (there || status == ST_OK));
    assert(revocations_number(r) == number + (status == ST_OK));
    assert(revocations_count(r) == count + (status == ST_OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[KEY_SEED_SIZE];
    struct view bytes = view_of(data, size);
    struct revocations *r = NULL, *taken = NULL;
    struct key *fleet = NULL;
    struct why why = {""};
    if (key_of_seed(seed, &fleet) != ST_OK)
        return 0;
    enum status status = revocations_check(bytes, key_public(fleet), NULL, &taken, &why);
    assert((status == ST_OK) == (why.text[0] == '\0'));
    if (revocations_read(bytes, &r) == ST_OK) {
        assert(status == ST_OK || status == ST_CORRUPT);
        check_list(bytes, r, fleet);
        check_add(r, size);
    } else {
        assert(status == ST_MALFORMED);
    }
    (void)revocations_free(r);
    (void)revocations_free(taken);
    (void)key_free(fleet);
    return 0;
}
