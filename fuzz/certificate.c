/* Certificates, as bytes and as text. What is read is, signed anew, the same bytes again; it
 * counts only for the fleet whose seed is all zeros, which signed the good ones of the corpus. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "identity/certificate.h"

#define NOW 1800000000u

static void check_form(struct view bytes, const struct certificate *c, const struct key *fleet)
{
    struct certificate_bytes again;
    assert(certificate_sign(c, fleet, &again) == ST_OK);
    assert(again.size == bytes.size);
    assert(memcmp(again.data, bytes.data, bytes.size - KEY_SIGNATURE_SIZE) == 0);

    char text[CERTIFICATE_TEXT_SIZE];
    struct certificate_bytes back;
    certificate_text(&again, text);
    assert(certificate_parse(text, &back) == ST_OK);
    assert(view_equal(certificate_view(&again), certificate_view(&back)));
}

static void check_verdict(struct view bytes, bool form, const struct key *fleet)
{
    struct certificate c;
    enum certificate_verdict verdict = certificate_check(bytes, key_public(fleet), NOW, NULL, &c);
    assert((verdict == CERTIFICATE_MALFORMED) == !form);
    assert(verdict != CERTIFICATE_REVOKED);
    if (verdict == CERTIFICATE_FINE)
        assert(c.not_after == 0 || c.not_after >= NOW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[KEY_SEED_SIZE];
    struct view bytes = view_of(data, size);
    struct certificate c;
    struct certificate_bytes parsed;
    struct key *fleet = NULL;
    if (key_of_seed(seed, &fleet) != ST_OK)
        return 0;
    bool form = certificate_read(bytes, &c) == ST_OK;
    if (form)
        check_form(bytes, &c, fleet);
    check_verdict(bytes, form, fleet);

    char *text = text_of(bytes);
    if (text != NULL && certificate_parse(text, &parsed) == ST_OK)
        assert(certificate_read(certificate_view(&parsed), &c) == ST_OK);
    free(text);
    (void)key_free(fleet);
    return 0;
}
