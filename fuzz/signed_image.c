/* Modules with and without a signature. What can be signed is then signed, and is what it was
 * before that; the good ones of the corpus were signed with the seed that is all zeros. */
#include <assert.h>

#include "fuzz.h"
#include "identity/signed_image.h"

static void check_signed(struct view module, const struct key *publisher)
{
    struct bytes once = {0}, twice = {0};
    const struct key_public *key = key_public(publisher);
    size_t which = 7;
    assert(signed_image_sign(module, publisher, &once) == ST_OK);
    assert(signed_image_check(bytes_view(&once), key, 1, &which) == SIGNED_IMAGE_FINE);
    assert(which == 0);
    assert(signed_image_check(bytes_view(&once), NULL, 0, NULL) == SIGNED_IMAGE_UNKNOWN);
    size_t before = once.size - SIGNED_IMAGE_SECTION_SIZE;
    assert(before <= module.size);
    assert(view_equal(view_of(once.data, before), view_of(module.data, before)));

    assert(signed_image_sign(bytes_view(&once), publisher, &twice) == ST_OK);
    assert(view_equal(bytes_view(&once), bytes_view(&twice)));
    once.data[before - 1] ^= 1;
    assert(signed_image_check(bytes_view(&once), key, 1, NULL) != SIGNED_IMAGE_FINE);
    bytes_done(&once);
    bytes_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[KEY_SEED_SIZE];
    struct view module = view_of(data, size);
    struct key *publisher = NULL;
    struct bytes none = {0};
    if (key_of_seed(seed, &publisher) != ST_OK)
        return 0;
    enum signed_image_verdict verdict = signed_image_check(module, key_public(publisher), 1, NULL);
    if (verdict == SIGNED_IMAGE_MALFORMED)
        assert(signed_image_sign(module, publisher, &none) == ST_MALFORMED);
    else
        check_signed(module, publisher);
    (void)key_free(publisher);
    return 0;
}
