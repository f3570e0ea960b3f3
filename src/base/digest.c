#include "base/digest.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

static const char prefix[] = "sha256:";

struct digest digest_of(struct view v)
{
    struct digest d;
    static const uint8_t nothing;
    (void)crypto_hash_sha256(d.bytes, v.data == NULL ? &nothing : v.data, v.size);
    return d;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void digest_hex(const struct digest *d, char ret_hex[DIGEST_HEX_SIZE])
{
    (void)sodium_bin2hex(ret_hex, DIGEST_HEX_SIZE, d->bytes, sizeof d->bytes);
}

void digest_text(const struct digest *d, char ret_text[DIGEST_TEXT_SIZE])
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(d, hex);
    (void)snprintf(ret_text, DIGEST_TEXT_SIZE, "%s%s", prefix, hex);
}

enum status digest_parse(const char *text, struct digest *ret_digest)
{
    assert(text != NULL && ret_digest != NULL);
    if (strncmp(text, prefix, sizeof prefix - 1) == 0)
        text += sizeof prefix - 1;
    if (strlen(text) != DIGEST_HEX_SIZE - 1)
        return ST_INVALID;
    /* libsodium takes capitals too; one digest has one spelling here. */
    if (strspn(text, "0123456789abcdef") != DIGEST_HEX_SIZE - 1)
        return ST_INVALID;
    struct digest d;
    if (sodium_hex2bin(d.bytes, sizeof d.bytes, text, DIGEST_HEX_SIZE - 1, NULL, NULL, NULL) != 0)
        return ST_INVALID;
    *ret_digest = d;
    return ST_OK;
}
