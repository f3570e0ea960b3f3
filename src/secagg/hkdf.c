#include "secagg/hkdf.h"

#include <assert.h>
#include <stdbool.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

/* OpenSSL's parameters are not const, though it only reads them. */
static OSSL_PARAM octets(const char *name, struct view v)
{
    static uint8_t none; /* an empty one must not be NULL */
    uint8_t *data = v.size == 0 ? &none : (uint8_t *)(uintptr_t)v.data;
    return OSSL_PARAM_construct_octet_string(name, data, v.size);
}

enum status hkdf_sha256(struct view key, struct view salt, struct view info, uint8_t *ret,
                        size_t size)
{
    assert(size >= 1 && size <= HKDF_SIZE_MAX);
    char hash[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash, 0),
        octets(OSSL_KDF_PARAM_KEY, key),
        octets(OSSL_KDF_PARAM_SALT, salt),
        octets(OSSL_KDF_PARAM_INFO, info),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);
    bool done = context != NULL && EVP_KDF_derive(context, ret, size, params) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return done ? ST_OK : ST_NOMEM;
}
