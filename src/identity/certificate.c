#include "identity/certificate.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

#include "identity/le.h"

static const char domain[] = "fml-certificate-v1";

/* Magic and version; then the id with its length; then these. */
static const uint8_t head[] = {'F', 'M', 'L', 'C', 1};
#define ID_AT     (sizeof head + 1)
#define REST_SIZE ((size_t)KEY_PUBLIC_SIZE + 8 + 8)

_Static_assert(ID_AT + 1 + REST_SIZE + KEY_SIGNATURE_SIZE == CERTIFICATE_SIZE_MIN, "the layout");
_Static_assert(CERTIFICATE_TEXT_SIZE ==
                   sodium_base64_ENCODED_LEN(CERTIFICATE_SIZE_MAX, sodium_base64_VARIANT_ORIGINAL),
               "the text's size");

const char *certificate_verdict_name(enum certificate_verdict verdict)
{
    static const char *const names[CERTIFICATE_VERDICT_COUNT] = {
        [CERTIFICATE_FINE] = "fine",       [CERTIFICATE_MALFORMED] = "malformed",
        [CERTIFICATE_FORGED] = "forged",   [CERTIFICATE_EXPIRED] = "expired",
        [CERTIFICATE_REVOKED] = "revoked",
    };
    assert(verdict < CERTIFICATE_VERDICT_COUNT);
    return names[verdict];
}

enum status certificate_sign(const struct certificate *c, const struct key *fleet,
                             struct certificate_bytes *ret)
{
    assert(c != NULL && fleet != NULL && ret != NULL);
    struct certificate_bytes b = {{0}, 0};
    size_t id_size = strlen(c->id.text);
    assert(id_size >= 1 && id_size <= ID_SIZE_MAX);
    memcpy(b.data, head, sizeof head);
    b.data[sizeof head] = (uint8_t)id_size;
    memcpy(b.data + ID_AT, c->id.text, id_size);
    uint8_t *rest = b.data + ID_AT + id_size;
    memcpy(rest, c->key.bytes, KEY_PUBLIC_SIZE);
    le_put(rest + KEY_PUBLIC_SIZE, c->serial, 8);
    le_put(rest + KEY_PUBLIC_SIZE + 8, c->not_after, 8);
    b.size = ID_AT + id_size + REST_SIZE;

    struct key_signature signature;
    enum status status = key_sign(fleet, domain, certificate_view(&b), &signature);
    if (status != ST_OK)
        return status;
    memcpy(b.data + b.size, signature.bytes, KEY_SIGNATURE_SIZE);
    b.size += KEY_SIGNATURE_SIZE;
    *ret = b;
    return ST_OK;
}

enum status certificate_read(struct view bytes, struct certificate *ret)
{
    assert(ret != NULL);
    if (bytes.size < CERTIFICATE_SIZE_MIN || bytes.size > CERTIFICATE_SIZE_MAX)
        return ST_MALFORMED;
    size_t id_size = bytes.data[sizeof head];
    if (memcmp(bytes.data, head, sizeof head) != 0 ||
        bytes.size != CERTIFICATE_SIZE_MIN - 1 + id_size)
        return ST_MALFORMED;
    struct certificate c;
    if (id_of(view_of(bytes.data + ID_AT, id_size), &c.id) != ST_OK)
        return ST_MALFORMED;
    const uint8_t *rest = bytes.data + ID_AT + id_size;
    memcpy(c.key.bytes, rest, KEY_PUBLIC_SIZE);
    c.serial = le_get(rest + KEY_PUBLIC_SIZE, 8);
    c.not_after = le_get(rest + KEY_PUBLIC_SIZE + 8, 8);
    *ret = c;
    return ST_OK;
}

enum certificate_verdict certificate_check(struct view bytes, const struct key_public *fleet,
                                           uint64_t now_s, const struct revocations *revoked,
                                           struct certificate *ret)
{
    assert(fleet != NULL && ret != NULL);
    struct certificate c;
    if (certificate_read(bytes, &c) != ST_OK)
        return CERTIFICATE_MALFORMED;
    if (!key_verify_tail(fleet, domain, bytes))
        return CERTIFICATE_FORGED;
    if (c.not_after != 0 && now_s > c.not_after)
        return CERTIFICATE_EXPIRED;
    if (revoked != NULL && revocations_contain(revoked, c.serial))
        return CERTIFICATE_REVOKED;
    *ret = c;
    return CERTIFICATE_FINE;
}

void certificate_text(const struct certificate_bytes *b, char ret_text[CERTIFICATE_TEXT_SIZE])
{
    assert(b != NULL && b->size <= CERTIFICATE_SIZE_MAX);
    (void)sodium_bin2base64(ret_text, CERTIFICATE_TEXT_SIZE, b->data, b->size,
                            sodium_base64_VARIANT_ORIGINAL);
}

enum status certificate_parse(const char *text, struct certificate_bytes *ret)
{
    assert(text != NULL && ret != NULL);
    struct certificate_bytes b = {{0}, 0};
    struct certificate unused;
    if (sodium_base642bin(b.data, sizeof b.data, text, strlen(text), NULL, &b.size, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return ST_MALFORMED;
    enum status status = certificate_read(certificate_view(&b), &unused);
    if (status == ST_OK)
        *ret = b;
    return status;
}
