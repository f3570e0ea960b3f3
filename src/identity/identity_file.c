#include "identity/identity_file.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/jsn.h"

#define VERSION 1

#define SEED_HEX_SIZE ((size_t)2 * KEY_SEED_SIZE)

static const char *const kinds[] = {
    [IDENTITY_DEVICE] = "fml device identity",
    [IDENTITY_FLEET] = "fml fleet key",
    [IDENTITY_PUBLISHER] = "fml publisher key",
};

/* By hand, as every text in it is free of quotes: an id, digits, base64. */
static void print(const struct identity_file *file, const char *seed_hex, struct bytes *text)
{
    char certificate[CERTIFICATE_TEXT_SIZE];
    char *at = (char *)text->data;
    int size =
        snprintf(at, text->size, "{\"kind\":\"%s\",\"version\":%d,", kinds[file->kind], VERSION);
    if (file->kind == IDENTITY_DEVICE) {
        certificate_text(&file->certificate_bytes, certificate);
        size += snprintf(at + size, text->size - (size_t)size,
                         "\"proplet_id\":\"%s\",\"certificate\":\"%s\",", file->certificate.id.text,
                         certificate);
    }
    size += snprintf(at + size, text->size - (size_t)size, "\"seed\":\"%s\"}\n", seed_hex);
    assert((size_t)size < text->size);
    text->size = (size_t)size;
}

enum status identity_file_encode(const struct identity_file *file, struct bytes *ret)
{
    assert(file != NULL && file->key != NULL && ret != NULL);
    struct bytes text = {0};
    enum status status = bytes_resize(&text, IDENTITY_FILE_SIZE_MAX);
    if (status != ST_OK)
        return status;
    uint8_t seed[KEY_SEED_SIZE];
    char hex[SEED_HEX_SIZE + 1];
    key_seed(file->key, seed);
    (void)sodium_bin2hex(hex, sizeof hex, seed, sizeof seed);
    print(file, hex, &text);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(hex, sizeof hex);
    *ret = text;
    return ST_OK;
}

/* ---- decode ---- */

static char *skip_blanks(char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* The digits behind the first "seed": and its quote. gives: NULL: there are none */
static char *find_seed(char *text)
{
    static const char name[] = "\"seed\"";
    char *at = strstr(text, name);
    if (at == NULL)
        return NULL;
    at = skip_blanks(at + sizeof name - 1);
    if (*at != ':')
        return NULL;
    at = skip_blanks(at + 1);
    if (*at != '"')
        return NULL;
    at++;
    return strspn(at, "0123456789abcdef") == SEED_HEX_SIZE && at[SEED_HEX_SIZE] == '"' ? at : NULL;
}

/* Takes the seed out of the text and leaves zeros in its place, so that whoever parses the text
 * afterwards has nothing to keep. Was it something else that looked like it, then the field is
 * not zeros, and refused. */
static bool take_seed(char *text, uint8_t ret_seed[KEY_SEED_SIZE])
{
    char *hex = find_seed(text);
    if (hex == NULL ||
        sodium_hex2bin(ret_seed, KEY_SEED_SIZE, hex, SEED_HEX_SIZE, NULL, NULL, NULL) != 0)
        return false;
    memset(hex, '0', SEED_HEX_SIZE);
    return true;
}

static enum status read_head(const json_t *object, enum identity_kind kind, struct why *why)
{
    const char *text = NULL, *seed = NULL;
    uint64_t version;
    enum status status = jsn_str(object, "kind", JSN_REQUIRED, 64, &text, why);
    if (status == ST_OK && strcmp(text, kinds[kind]) != 0) {
        why_set(why, "its kind is not \"%s\"", kinds[kind]);
        status = ST_INVALID;
    }
    if (status == ST_OK)
        status = jsn_uint(object, "version", JSN_REQUIRED, VERSION, VERSION, &version, why);
    if (status == ST_OK)
        status = jsn_str(object, "seed", JSN_REQUIRED, SEED_HEX_SIZE, &seed, why);
    if (status == ST_OK && (strlen(seed) != SEED_HEX_SIZE || strspn(seed, "0") != SEED_HEX_SIZE)) {
        why_set(why, "seed is there more than once");
        status = ST_INVALID;
    }
    if (status == ST_OK && json_object_size(object) != (kind == IDENTITY_DEVICE ? 5 : 3)) {
        why_set(why, "it has fields that do not belong to a file of the kind \"%s\"", kinds[kind]);
        status = ST_INVALID;
    }
    return status;
}

static enum status read_certificate(const json_t *object, struct identity_file *file,
                                    struct why *why)
{
    struct id id;
    const char *text = NULL;
    enum status status = jsn_id(object, "proplet_id", JSN_REQUIRED, &id, why);
    if (status == ST_OK)
        status =
            jsn_str(object, "certificate", JSN_REQUIRED, CERTIFICATE_TEXT_SIZE - 1, &text, why);
    if (status != ST_OK)
        return status;
    if (certificate_parse(text, &file->certificate_bytes) != ST_OK ||
        certificate_read(certificate_view(&file->certificate_bytes), &file->certificate) != ST_OK) {
        why_set(why, "certificate is not a certificate in base64");
        return ST_INVALID;
    }
    if (!id_equal(&file->certificate.id, &id)) {
        why_set(why, "certificate is for %s, not for %s", file->certificate.id.text, id.text);
        return ST_INVALID;
    }
    if (!key_public_equal(&file->certificate.key, key_public(file->key))) {
        why_set(why, "certificate is for another key than that of seed");
        return ST_INVALID;
    }
    return ST_OK;
}

/* text: without the seed. file->key is there. */
static enum status read_fields(struct view text, struct identity_file *file, struct why *why)
{
    json_t *object = NULL;
    enum status status = jsn_parse(text, IDENTITY_FILE_SIZE_MAX, &object, NULL);
    if (status != ST_OK) {
        /* Not what the parser says: it quotes, and a second seed may be in what it quotes. */
        why_set(why, "it is not one JSON object");
        return ST_MALFORMED;
    }
    status = read_head(object, file->kind, why);
    if (status == ST_OK && file->kind == IDENTITY_DEVICE)
        status = read_certificate(object, file, why);
    json_decref(object);
    return status;
}

static enum status read_seed(struct bytes *copy, struct identity_file *file, struct why *why)
{
    uint8_t seed[KEY_SEED_SIZE];
    if (!take_seed((char *)copy->data, seed)) {
        why_set(why, "it has no seed of %zu lower-case hexadecimal digits", SEED_HEX_SIZE);
        return ST_INVALID;
    }
    enum status status = key_of_seed(seed, &file->key);
    sodium_memzero(seed, sizeof seed);
    if (status != ST_OK)
        why_set(why, "no memory for a key");
    return status;
}

enum status identity_file_decode(struct view text, enum identity_kind kind,
                                 struct identity_file *ret, struct why *why)
{
    assert(ret != NULL);
    if (text.size > IDENTITY_FILE_SIZE_MAX) {
        why_set(why, "it has more than %zu bytes", IDENTITY_FILE_SIZE_MAX);
        return ST_LIMIT;
    }
    struct identity_file file = {.kind = kind};
    struct bytes copy = {0};
    enum status status = bytes_resize(&copy, text.size + 1); /* + 1: ends with a zero */
    if (status != ST_OK) {
        why_set(why, "no memory");
        return status;
    }
    if (text.size > 0)
        memcpy(copy.data, text.data, text.size);
    status = read_seed(&copy, &file, why);
    if (status == ST_OK)
        status = read_fields(view_of(copy.data, text.size), &file, why);
    identity_file_wipe(&copy);
    if (status == ST_OK)
        *ret = file;
    else
        identity_file_done(&file);
    return status;
}

void identity_file_wipe(struct bytes *text)
{
    if (text->data != NULL)
        sodium_memzero(text->data, text->capacity);
    bytes_done(text);
}

void identity_file_done(struct identity_file *file)
{
    if (file == NULL)
        return;
    file->key = key_free(file->key);
    *file = (struct identity_file){0};
}
