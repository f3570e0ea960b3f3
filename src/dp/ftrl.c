#include "dp/ftrl.h"

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include <sodium.h>

#define CONTEXT     "fml-ftrl" /* of crypto_kdf: 8 characters */
#define BUFFER_SIZE ((size_t)4096)
#define WORD_SIZE   64 /* of ChaCha20: what its counter counts */

_Static_assert(FTRL_KEY_SIZE == crypto_kdf_KEYBYTES, "the secret derives keys");
_Static_assert(FTRL_KEY_SIZE == crypto_stream_chacha20_ietf_KEYBYTES, "and nodes have such keys");

static bool is_valid(size_t count, uint32_t rounds, uint32_t done)
{
    return count >= 1 && count <= MODEL_PARAMS_MAX && rounds >= 1 && rounds <= TREE_ROUNDS_MAX &&
           done <= rounds;
}

enum status ftrl_init(const struct gauss *noise, size_t count, uint32_t rounds, struct dp_random *r,
                      struct ftrl *ret)
{
    if (!is_valid(count, rounds, 0))
        return ST_INVALID;
    *ret = (struct ftrl){.noise = *noise, .count = count, .rounds = rounds};
    r->fill(r->owner, ret->key, sizeof ret->key);
    return ST_OK;
}

void ftrl_done(struct ftrl *f)
{
    sodium_memzero(f, sizeof *f);
}

/* The random bytes of one block of one node. */
struct stream {
    size_t ready; /* bytes at the end of buffer that were not handed out */
    uint32_t counter;
    uint8_t key[FTRL_KEY_SIZE];
    uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES];
    uint8_t buffer[BUFFER_SIZE];
};

static void fill(void *owner, void *bytes, size_t size)
{
    struct stream *s = owner;
    uint8_t *to = bytes;
    while (size > 0) {
        if (s->ready == 0) {
            assert(s->counter <= UINT32_MAX - BUFFER_SIZE / WORD_SIZE);
            memset(s->buffer, 0, sizeof s->buffer);
            (void)crypto_stream_chacha20_ietf_xor_ic(s->buffer, s->buffer, BUFFER_SIZE, s->nonce,
                                                     s->counter, s->key);
            s->counter += BUFFER_SIZE / WORD_SIZE;
            s->ready = BUFFER_SIZE;
        }
        size_t part = size < s->ready ? size : s->ready;
        memcpy(to, s->buffer + BUFFER_SIZE - s->ready, part);
        s->ready -= part;
        to += part;
        size -= part;
    }
}

static size_t block_size(const struct ftrl *f, size_t block)
{
    size_t before = block * FTRL_BLOCK;
    assert(before < f->count);
    return f->count - before < FTRL_BLOCK ? f->count - before : FTRL_BLOCK;
}

/* ret += sign * the noise of a node */
static void add_node(const struct ftrl *f, struct tree_node node, size_t block, int64_t sign,
                     int64_t ret[FTRL_BLOCK])
{
    struct stream s = {0};
    uint64_t id = (uint64_t)node.level << 32 | node.index, number = htole64(block);
    (void)crypto_kdf_derive_from_key(s.key, sizeof s.key, id, CONTEXT, f->key);
    memcpy(s.nonce, &number, sizeof number);
    struct dp_random r = {.fill = fill, .owner = &s};
    for (size_t i = 0, size = block_size(f, block); i < size; i++)
        ret[i] += sign * gauss_draw(&f->noise, &r);
    sodium_memzero(&s, sizeof s);
}

static bool has(const struct tree_node *nodes, size_t count, struct tree_node node)
{
    for (size_t i = 0; i < count; i++)
        if (nodes[i].level == node.level && nodes[i].index == node.index)
            return true;
    return false;
}

/* ret += sign * the noise of the nodes that are live at t and not at other */
static void add_nodes(const struct ftrl *f, uint32_t t, uint32_t other, size_t block, int64_t sign,
                      int64_t ret[FTRL_BLOCK])
{
    struct tree_node nodes[TREE_LEVELS_MAX], others[TREE_LEVELS_MAX];
    size_t count = tree_live(t, nodes), other_count = tree_live(other, others);
    for (size_t i = 0; i < count; i++)
        if (!has(others, other_count, nodes[i]))
            add_node(f, nodes[i], block, sign, ret);
}

void ftrl_noise(const struct ftrl *f, uint32_t t, size_t block, int64_t ret[FTRL_BLOCK])
{
    assert(t <= f->rounds);
    memset(ret, 0, FTRL_BLOCK * sizeof ret[0]);
    add_nodes(f, t, 0, block, 1, ret);
}

void ftrl_difference(const struct ftrl *f, size_t block, int64_t ret[FTRL_BLOCK])
{
    assert(f->done < f->rounds);
    memset(ret, 0, FTRL_BLOCK * sizeof ret[0]);
    add_nodes(f, f->done + 1, f->done, block, 1, ret);
    add_nodes(f, f->done, f->done + 1, block, -1, ret);
}

enum status ftrl_advance(struct ftrl *f)
{
    if (f->done >= f->rounds)
        return ST_LIMIT;
    f->done++;
    return ST_OK;
}

#define MAGIC      "FML-FTRL"
#define MAGIC_SIZE (sizeof MAGIC - 1)

/* The state as it is written: numbers with the lowest byte first, no padding. */
struct state {
    char magic[MAGIC_SIZE];
    uint32_t version, rounds, done, unused;
    uint64_t count, num, den;
    uint8_t key[FTRL_KEY_SIZE];
    uint8_t digest[crypto_generichash_BYTES_MIN]; /* BLAKE2b of all before it */
};
_Static_assert(sizeof(struct state) == FTRL_STATE_SIZE, "there is padding");

static void digest(const struct state *s, uint8_t ret[sizeof s->digest])
{
    (void)crypto_generichash(ret, sizeof s->digest, (const uint8_t *)s,
                             offsetof(struct state, digest), NULL, 0);
}

void ftrl_encode(const struct ftrl *f, uint8_t ret_bytes[FTRL_STATE_SIZE])
{
    struct state s = {
        .version = htole32(FTRL_VERSION),
        .rounds = htole32(f->rounds),
        .done = htole32(f->done),
        .count = htole64(f->count),
        .num = htole64(f->noise.num),
        .den = htole64(f->noise.den),
    };
    memcpy(s.magic, MAGIC, MAGIC_SIZE);
    memcpy(s.key, f->key, sizeof s.key);
    digest(&s, s.digest);
    memcpy(ret_bytes, &s, sizeof s);
    sodium_memzero(&s, sizeof s);
}

static enum status decode(const struct state *s, struct ftrl *ret)
{
    uint8_t expected[sizeof s->digest];
    if (memcmp(s->magic, MAGIC, MAGIC_SIZE) != 0 || le32toh(s->version) != FTRL_VERSION)
        return ST_MALFORMED;
    digest(s, expected);
    if (memcmp(expected, s->digest, sizeof expected) != 0)
        return ST_CORRUPT;
    struct gauss noise;
    uint64_t count = le64toh(s->count);
    uint32_t rounds = le32toh(s->rounds), done = le32toh(s->done);
    if (s->unused != 0 || !is_valid(count, rounds, done))
        return ST_INVALID;
    enum status status = gauss_of(le64toh(s->num), le64toh(s->den), &noise);
    if (status != ST_OK)
        return status;
    *ret = (struct ftrl){.noise = noise, .count = count, .rounds = rounds, .done = done};
    memcpy(ret->key, s->key, sizeof ret->key);
    return ST_OK;
}

enum status ftrl_decode(struct view bytes, struct ftrl *ret)
{
    struct state s;
    if (bytes.size != sizeof s)
        return ST_MALFORMED;
    memcpy(&s, bytes.data, sizeof s);
    enum status status = decode(&s, ret);
    sodium_memzero(&s, sizeof s);
    return status;
}
