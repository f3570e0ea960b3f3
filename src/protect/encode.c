#include "protect/encode.h"

#include <assert.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "dp/clip.h"
#include "dp/fixed.h"
#include "protect/difference.h"

#define BLOCK ((size_t)4096) /* values at once; a multiple of MASK_ALIGN */
_Static_assert(BLOCK % MASK_ALIGN == 0, "a block begins where a mask can");

enum encode_state { MEASURING, ROUNDING, FINISHING, DONE };

struct encode {
    struct protection protection;
    struct encode_order order;
    struct difference difference;
    uint64_t samples; /* what it says, at most samples_max; 1 if all weigh the same */
    struct metrics metrics;

    enum encode_state state;
    size_t at; /* the next value */
    struct clip clip;
    double factor;
    unsigned draws;
    __uint128_t square;
    struct gauss share; /* of the noise; distributed only */

    uint8_t *file; /* (header_size + words,) */
    size_t header_size;
    struct digest_stream *digest; /* of the words, while FINISHING */
    float values[BLOCK], scratch[BLOCK];
    int64_t whole[BLOCK];
};

/* ---- beginning ---- */

enum status encode_parameters(struct view base, size_t *ret, struct why *why)
{
    return difference_parameters(base, ret, why);
}

static enum status read_update(struct encode *e, struct why *why)
{
    struct update u;
    enum update_fault fault = update_read(e->order.update, &u, why);
    if (fault != UPDATE_FINE)
        return fault == UPDATE_NO_MEMORY ? ST_NOMEM : ST_MALFORMED;
    const uint32_t samples_max = e->protection.privacy.samples_max;
    e->samples = samples_max == 0 ? 1 : u.num_samples < samples_max ? u.num_samples : samples_max;
    e->metrics = u.metrics;
    enum status status = difference_of(e->order.base, &u, &e->difference, why);
    update_done(&u);
    if (status == ST_OK && difference_count(&e->difference) != e->protection.param_count) {
        why_set(why, "the base model has %zu parameters, and the round is of %zu",
                difference_count(&e->difference), e->protection.param_count);
        status = ST_SHAPE;
    }
    return status;
}

/* As long as it will be at the end. */
static struct masked bound(const struct encode *e)
{
    struct masked m = {.is_masked = e->order.client != NULL};
    if (m.is_masked)
        m.context = *secagg_client_context(e->order.client);
    return m;
}

static enum status make_header(const struct encode *e, const struct masked *m, struct bytes *ret)
{
    return masked_header(m, &e->order.round_id, e->order.base_model_uri, e->protection.word_count,
                         e->protection.word, ret);
}

static enum status measure_header(struct encode *e)
{
    struct bytes header = {0};
    struct masked m = bound(e);
    enum status status = make_header(e, &m, &header);
    e->header_size = header.size;
    bytes_done(&header);
    return status;
}

static enum status prepare_noise(struct encode *e, struct why *why)
{
    if (e->protection.share_sigma == 0 ||
        gauss_of_sigma(e->protection.share_sigma, &e->share) == ST_OK)
        return ST_OK;
    why_set(why,
            "a device's share of the noise is %g whole numbers, which cannot be drawn; take "
            "another scale",
            e->protection.share_sigma);
    return ST_INVALID;
}

enum status encode_new(const struct encode_order *order, struct encode **ret, struct why *why)
{
    assert(order->protection->privacy.is_masked == (order->client != NULL));
    struct encode *e = calloc(1, sizeof *e);
    if (e == NULL)
        return ST_NOMEM;
    e->protection = *order->protection;
    e->order = *order;
    enum status status = read_update(e, why);
    if (status == ST_OK)
        status = prepare_noise(e, why);
    if (status == ST_OK)
        status = measure_header(e);
    if (status == ST_OK)
        status = digest_begin(&e->digest);
    if (status == ST_OK)
        *ret = e;
    else
        encode_free(e);
    return status;
}

size_t encode_size(const struct encode *e)
{
    return e->header_size + e->protection.word_count * e->protection.word;
}

void encode_into(struct encode *e, uint8_t *file)
{
    assert(e->file == NULL && (uintptr_t)file % 8 == 0 && e->header_size % 8 == 0);
    e->file = file;
}

struct encode *encode_free(struct encode *e)
{
    if (e == NULL)
        return NULL;
    difference_done(&e->difference);
    digest_drop(e->digest);
    sodium_memzero(e, sizeof *e); /* values of the update */
    free(e);
    return NULL;
}

bool encode_was_clipped(const struct encode *e)
{
    assert(e->state > MEASURING);
    return clip_norm(&e->clip) > e->protection.privacy.clip;
}

/* ---- words ---- */

static uint8_t *word_at(const struct encode *e, size_t index)
{
    return e->file + e->header_size + index * e->protection.word;
}

/* In the ring: two's complement, its low bits. */
static void put_words(const struct encode *e, size_t first, const int64_t *values, size_t count)
{
    uint8_t *at = word_at(e, first);
    for (size_t i = 0; i < count; i++) {
        uint64_t word = (uint64_t)values[i];
        memcpy(at + i * e->protection.word, &word, e->protection.word);
    }
}

static void add_to_words(const struct encode *e, size_t first, const int64_t *values, size_t count)
{
    uint8_t *at = word_at(e, first);
    for (size_t i = 0; i < count; i++) {
        uint64_t word = 0;
        memcpy(&word, at + i * e->protection.word, e->protection.word);
        word += (uint64_t)values[i];
        memcpy(at + i * e->protection.word, &word, e->protection.word);
    }
}

static size_t block_at(size_t at, size_t count)
{
    return count - at < BLOCK ? count - at : BLOCK;
}

/* ---- measuring ---- */

static enum status measure(struct encode *e, size_t count, struct why *why)
{
    difference_read(&e->difference, e->at, e->at + count, e->scratch, e->values);
    enum status status = clip_add(&e->clip, e->values, count);
    if (status == ST_NOT_FINITE)
        why_set(why, "the update holds a value that is not finite, near parameter %zu", e->at);
    return status;
}

/* A weight is part of the clip: a device with more samples moves the sum no further. */
static double weight_of(const struct encode *e)
{
    uint32_t samples_max = e->protection.privacy.samples_max;
    return samples_max == 0 ? 1 : (double)e->samples / samples_max;
}

static void end_measuring(struct encode *e)
{
    e->factor = clip_factor(&e->clip, e->protection.privacy.clip) * weight_of(e);
    e->state = ROUNDING;
    e->at = 0;
}

/* ---- rounding ---- */

static void round_block(struct encode *e, size_t count)
{
    struct dp_random *random = e->draws < FIXED_DRAWS_MAX ? &e->order.random : NULL;
    difference_read(&e->difference, e->at, e->at + count, e->scratch, e->values);
    clip_apply(e->values, count, e->factor);
    e->square += fixed_round(e->protection.scale, e->values, count, random, e->whole);
    put_words(e, e->at, e->whole, count);
}

static void end_rounding(struct encode *e)
{
    bool is_long = e->square > e->protection.square_max && e->draws < FIXED_DRAWS_MAX;
    e->draws += is_long;
    e->square = 0;
    e->at = 0;
    if (!is_long)
        e->state = FINISHING;
}

/* ---- finishing ---- */

static int64_t metric_words(const struct encode *e, const struct privacy_metric *m,
                            int64_t *ret_weight)
{
    const struct metric *found = metrics_find(&e->metrics, m->name);
    *ret_weight = found == NULL ? 0 : (int64_t)e->samples;
    if (found == NULL)
        return 0;
    double value = fmin(fmax(found->value, m->low), m->high);
    double share = (value - m->low) / (m->high - m->low) * weight_of(e);
    return (int64_t)nearbyint(share * (double)PROTECTION_METRIC_UNIT);
}

static void put_tail(struct encode *e)
{
    const struct protection *p = &e->protection;
    int64_t tail[PROTECTION_TAIL_MAX];
    size_t count = 0;
    if (p->tail_count == 0)
        return;
    tail[count++] = encode_was_clipped(e);
    tail[count++] = (int64_t)e->samples;
    for (size_t i = 0; i < p->privacy.metric_count; i++, count += 2)
        tail[count] = metric_words(e, &p->privacy.metrics[i], &tail[count + 1]);
    assert(count == p->tail_count);
    put_words(e, p->param_count, tail, count);
}

/* Noise is for the parameters: with noise there is no tail. */
static void add_noise(struct encode *e, size_t first, size_t count)
{
    if (e->protection.share_sigma == 0)
        return;
    gauss_fill(&e->share, &e->order.random, e->whole, count);
    add_to_words(e, first, e->whole, count);
}

static enum status finish_block(struct encode *e, size_t count)
{
    enum status status = ST_OK;
    add_noise(e, e->at, count);
    if (e->order.client != NULL)
        status = secagg_client_mask(e->order.client, e->protection.word, e->at, word_at(e, e->at),
                                    count);
    if (status == ST_OK)
        digest_more(e->digest, view_of(word_at(e, e->at), count * e->protection.word));
    return status;
}

static enum status end_finishing(struct encode *e)
{
    struct bytes header = {0};
    struct masked m = bound(e);
    struct digest digest = digest_end(e->digest);
    e->digest = NULL;
    enum status status = ST_OK;
    if (m.is_masked)
        status = secagg_client_sign(e->order.client, &digest, &m.signature);
    if (status == ST_OK)
        status = make_header(e, &m, &header);
    if (status == ST_OK) {
        assert(header.size == e->header_size);
        memcpy(e->file, header.data, header.size);
        e->state = DONE;
    }
    bytes_done(&header);
    return status;
}

/* ---- one step ---- */

static enum status do_block(struct encode *e, int64_t *budget, struct why *why)
{
    size_t all = e->state == FINISHING ? e->protection.word_count : e->protection.param_count;
    size_t count = block_at(e->at, all);
    enum status status = ST_OK;
    int64_t passes = 1;
    if (e->state == MEASURING)
        status = measure(e, count, why);
    else if (e->state == ROUNDING)
        round_block(e, count);
    else {
        passes += e->protection.share_sigma > 0 ? 64 : 0;
        passes += e->order.client == NULL ? 0 : secagg_client_cohort(e->order.client);
        status = finish_block(e, count);
    }
    *budget -= (int64_t)count * 4 * passes;
    e->at += count;
    return status;
}

static enum status next_state(struct encode *e)
{
    size_t all = e->state == FINISHING ? e->protection.word_count : e->protection.param_count;
    if (e->at < all)
        return ST_OK;
    if (e->state == MEASURING)
        end_measuring(e);
    else if (e->state == ROUNDING) {
        end_rounding(e);
        if (e->state == FINISHING)
            put_tail(e);
    } else
        return end_finishing(e);
    return ST_OK;
}

enum status encode_step(struct encode *e, int64_t *budget, bool *ret_done, struct why *why)
{
    assert(e->file != NULL && e->state != DONE);
    enum status status = ST_OK;
    while (status == ST_OK && *budget > 0 && e->state != DONE) {
        status = do_block(e, budget, why);
        if (status == ST_OK)
            status = next_state(e);
    }
    if (status != ST_OK && why->text[0] == '\0')
        why_set(why, "the update cannot be protected: %s", status_name(status));
    *ret_done = e->state == DONE;
    return status;
}
