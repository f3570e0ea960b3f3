#include "protect/masked.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define SAYS_MASKED "masked"
#define SAYS_WHOLE  "whole_numbers"

/* ---- writing ---- */

static enum status set_hex(struct model *texts, const char *key, const uint8_t *bytes, size_t size)
{
    char hex[2 * KEY_SIGNATURE_SIZE + 1];
    (void)sodium_bin2hex(hex, sizeof hex, bytes, size);
    return model_set_meta(texts, key, hex);
}

static enum status set_facts(const struct masked *m, const struct id *round_id,
                             const char *base_model_uri, struct model *texts)
{
    struct update u = {.round_id = *round_id, .num_samples = 1};
    (void)snprintf(u.base_model_uri, sizeof u.base_model_uri, "%s", base_model_uri);
    enum status status = update_set_facts(&u, texts);
    if (status == ST_OK)
        status = model_set_meta(texts, "protection", m->is_masked ? SAYS_MASKED : SAYS_WHOLE);
    if (status != ST_OK || !m->is_masked)
        return status;
    status = set_hex(texts, "configuration", m->context.config.bytes, 32);
    if (status == ST_OK)
        status = set_hex(texts, "roster", m->context.roster.bytes, 32);
    return status == ST_OK
               ? set_hex(texts, "signature", m->signature.bytes, sizeof m->signature.bytes)
               : status;
}

enum status masked_header(const struct masked *m, const struct id *round_id,
                          const char *base_model_uri, size_t word_count, enum mask_word word,
                          struct bytes *out)
{
    struct model *texts = NULL;
    struct safetensors_tensor tensor = {
        .shape = {.name = MASKED_TENSOR,
                  .rank = word == MASK_WORD_64 ? 2 : 1,
                  .shape = {word_count, 2}},
        .count = word_count * (word / sizeof(uint32_t)),
        .dtype = DTYPE_U32,
    };
    enum status status = model_new(NULL, 0, &texts);
    if (status == ST_OK)
        status = set_facts(m, round_id, base_model_uri, texts);
    if (status == ST_OK)
        status = safetensors_header(&tensor, 1, texts, out);
    model_free(texts);
    return status;
}

/* ---- reading ---- */

static bool get_hex(const struct model *texts, const char *key, uint8_t *ret, size_t size)
{
    size_t read = 0;
    const char *text = model_meta(texts, key), *end = NULL;
    return text != NULL && strlen(text) == 2 * size &&
           sodium_hex2bin(ret, size, text, 2 * size, NULL, &read, &end) == 0 && read == size;
}

static enum status read_bound(const struct model *texts, struct masked *ret, struct why *why)
{
    if (get_hex(texts, "configuration", ret->context.config.bytes, 32) &&
        get_hex(texts, "roster", ret->context.roster.bytes, 32) &&
        get_hex(texts, "signature", ret->signature.bytes, sizeof ret->signature.bytes))
        return ST_OK;
    why_set(why, "a masked update says its configuration, roster and signature in hexadecimal "
                 "digits");
    return ST_MALFORMED;
}

enum status masked_of(const struct update *u, bool is_masked, size_t word_count,
                      enum mask_word word, struct masked *ret, struct why *why)
{
    const struct safetensors_layout *l = &u->layout;
    const char *said = l->texts == NULL ? NULL : model_meta(l->texts, "protection");
    const char *expected = is_masked ? SAYS_MASKED : SAYS_WHOLE;
    struct masked m = {.is_masked = is_masked};
    if (said == NULL || strcmp(said, expected) != 0) {
        why_set(why, "this round is protected: its updates have protection = %s", expected);
        return ST_INVALID;
    }
    size_t halves = word / sizeof(uint32_t);
    if (l->count != 1 || strcmp(l->tensors[0].shape.name, MASKED_TENSOR) != 0 ||
        l->tensors[0].dtype != DTYPE_U32 || l->tensors[0].count != word_count * halves ||
        u->metrics.count != 0 || u->num_samples != 1) {
        why_set(why,
                "a protected update here is one tensor " MASKED_TENSOR
                " of %zu words of %zu bits, num_samples 1 and no metrics",
                word_count, (size_t)word * 8);
        return ST_SHAPE;
    }
    enum status status = is_masked ? read_bound(l->texts, &m, why) : ST_OK;
    m.words = view_of(l->tensors[0].bytes, word_count * word);
    if (status == ST_OK)
        *ret = m;
    return status;
}
