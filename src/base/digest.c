#include "base/digest.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <sodium.h>

static const char prefix[] = "sha256:";

static EVP_MD_CTX *begin(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1)
        return context;
    EVP_MD_CTX_free(context);
    return NULL;
}

/* Once begun, nothing can fail but by our own mistake. */
static struct digest end(EVP_MD_CTX *context)
{
    struct digest d;
    int ended = EVP_DigestFinal_ex(context, d.bytes, NULL);
    assert(ended == 1);
    EVP_MD_CTX_free(context);
    return d;
}

static void more(EVP_MD_CTX *context, struct view v)
{
    int added = EVP_DigestUpdate(context, v.data, v.size);
    assert(added == 1);
}

/* Without the few hundred bytes that this takes nothing else would go on either. */
struct digest digest_of(struct view v)
{
    EVP_MD_CTX *context = begin();
    if (context == NULL)
        abort();
    more(context, v);
    return end(context);
}

/* The name hides whose library it is. */
struct digest_stream {
    EVP_MD_CTX *context;
};

enum status digest_begin(struct digest_stream **ret)
{
    assert(ret != NULL);
    struct digest_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ST_NOMEM;
    s->context = begin();
    if (s->context == NULL) {
        free(s);
        return ST_NOMEM;
    }
    *ret = s;
    return ST_OK;
}

void digest_more(struct digest_stream *s, struct view v)
{
    assert(s != NULL);
    more(s->context, v);
}

struct digest digest_end(struct digest_stream *s)
{
    assert(s != NULL);
    struct digest d = end(s->context);
    free(s);
    return d;
}

void digest_drop(struct digest_stream *s)
{
    if (s == NULL)
        return;
    EVP_MD_CTX_free(s->context);
    free(s);
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
