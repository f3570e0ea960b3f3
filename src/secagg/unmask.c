/* From the shares that devices gave back to the masks that are left on the sum. */
#include "secagg/inside.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* The shares of one device's seed that came back. */
struct returned {
    uint32_t count, threshold;
    uint32_t points[GRAPH_NODES_MAX];
    struct scalar shares[GRAPH_NODES_MAX];
};

/* The work's memory: secrets, so it is locked. Weights are kept, because over a complete
 * graph everybody's shares are of the same points. */
struct work {
    struct secagg_unmask *said; /* (s->count,): what each gave back; it borrows from there */
    struct returned returned;
    uint32_t weighted; /* how many points the weights are of */
    uint32_t points[GRAPH_NODES_MAX];
    struct scalar weights[GRAPH_NODES_MAX];
    struct scalar seed;
};

/* Messages are looked at once. fails: ST_NOMEM */
static enum status read_messages(const struct secagg_server *s, struct work *w)
{
    w->said = calloc(s->count, sizeof w->said[0]);
    if (w->said == NULL)
        return ST_NOMEM;
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->members[i].unmask.size == 0)
            continue;
        enum status status = secagg_unmask_decode(bytes_view(&s->members[i].unmask), &w->said[i]);
        assert(status == ST_OK);
    }
    return ST_OK;
}

/* Of a message whose ranks ascend. */
static bool share_of(const struct secagg_unmask *said, uint32_t owner, struct scalar *ret)
{
    uint32_t low = 0, high = said->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (secagg_unmask_rank(said, middle) < owner)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == said->count || secagg_unmask_rank(said, low) != owner)
        return false;
    *ret = secagg_unmask_share(said, low);
    return true;
}

/* The point of a holder is its place in the owner's neighbourhood, from 1 on. */
static void collect(const struct secagg_server *s, uint32_t owner, struct work *w)
{
    struct returned *ret = &w->returned;
    uint16_t near[GRAPH_NODES_MAX];
    size_t near_count = graph_neighbourhood(&s->graph, owner, near);
    ret->count = 0;
    ret->threshold = secagg_threshold(&s->rules, (uint32_t)near_count);
    for (size_t i = 0; i < near_count; i++) {
        if (share_of(&w->said[near[i]], owner, &ret->shares[ret->count]))
            ret->points[ret->count++] = (uint32_t)i + 1;
    }
}

/* The seed by the first `threshold` shares, but without number `without`. */
static void combine(struct work *w, uint32_t without)
{
    const struct returned *r = &w->returned;
    uint32_t points[GRAPH_NODES_MAX];
    struct scalar shares[GRAPH_NODES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; count < r->threshold; i++) {
        if (i == without)
            continue;
        points[count] = r->points[i];
        shares[count++] = r->shares[i];
    }
    if (w->weighted != count || memcmp(w->points, points, count * sizeof points[0]) != 0) {
        enum status status = shamir_weights(points, count, w->weights);
        assert(status == ST_OK);
        memcpy(w->points, points, count * sizeof points[0]);
        w->weighted = count;
    }
    shamir_combine(w->weights, shares, count, &w->seed);
    sodium_memzero(shares, count * sizeof shares[0]);
}

static bool is_committed(const struct secagg_server *s, uint32_t owner, const struct scalar *seed)
{
    struct secagg_shares_msg m;
    struct digest commitment;
    enum status status = secagg_shares_decode(bytes_view(&s->members[owner].shares), &m);
    assert(status == ST_OK);
    secagg_self_commitment(seed, &s->context, owner, &commitment);
    return digest_equal(&commitment, &m.commitment);
}

/* The keys of one that dropped out, or (keys NULL) the self seed of a survivor in w->seed.
 * fails: ST_CORRUPT (it is not what the owner advertised or committed to), ST_NOMEM */
static enum status check_seed(const struct secagg_server *s, uint32_t owner, struct work *w,
                              struct secagg_keys **keys)
{
    if (keys == NULL)
        return is_committed(s, owner, &w->seed) ? ST_OK : ST_CORRUPT;
    struct secagg_entry entry = member_entry(&s->members[owner]);
    return secagg_keys_rebuild(&w->seed, &entry.public, keys);
}

/* One lying holder is left out, if there are more shares than are needed. */
static enum status rebuild(const struct secagg_server *s, uint32_t owner, struct work *w,
                           struct secagg_keys **keys)
{
    collect(s, owner, w);
    const struct returned *r = &w->returned;
    if (r->count < r->threshold)
        return ST_CORRUPT;
    combine(w, UINT32_MAX);
    enum status status = check_seed(s, owner, w, keys);
    for (uint32_t i = 0; status == ST_CORRUPT && r->count > r->threshold && i < r->threshold; i++) {
        combine(w, i);
        status = check_seed(s, owner, w, keys);
    }
    return status;
}

/* ---- the masks ---- */

struct masks {
    struct mask *items;
    size_t count;
};

/* A survivor's own mask is in the sum once. */
static enum status take_off_self(const struct secagg_server *s, uint32_t rank, struct work *w,
                                 struct masks *masks)
{
    struct mask *mask = &masks->items[masks->count];
    enum status status = rebuild(s, rank, w, NULL);
    if (status == ST_OK)
        status = secagg_self_mask(&w->seed, &s->context, rank, mask);
    if (status != ST_OK)
        return status;
    mask->subtract = true;
    masks->count++;
    return ST_OK;
}

/* The survivors put on masks with one that dropped out. What it would have put on itself
 * is what takes them off. */
static enum status take_off_pairs(const struct secagg_server *s, uint32_t dropped, struct work *w,
                                  struct masks *masks)
{
    struct secagg_keys *keys = NULL;
    enum status status = rebuild(s, dropped, w, &keys);
    for (uint32_t i = 0; status == ST_OK && i < s->count; i++) {
        if (!members_has(&s->survivors, i) || !graph_adjacent(&s->graph, dropped, i))
            continue;
        struct secagg_entry other = member_entry(&s->members[i]);
        status = secagg_pair_mask(keys, &s->context, dropped, i, &other.public,
                                  &masks->items[masks->count]);
        masks->count += status == ST_OK;
    }
    secagg_keys_free(keys);
    return status == ST_INVALID ? ST_CORRUPT : status;
}

static size_t count_masks(const struct secagg_server *s)
{
    size_t count = members_count(&s->survivors);
    for (uint32_t j = 0; j < s->count; j++) {
        if (!members_has(&s->sharers, j) || members_has(&s->survivors, j))
            continue;
        for (uint32_t i = 0; i < s->count; i++)
            count += members_has(&s->survivors, i) && graph_adjacent(&s->graph, j, i);
    }
    return count;
}

enum status secagg_server_masks(const struct secagg_server *s, struct mask **ret, size_t *ret_count,
                                struct id *ret_culprit)
{
    assert(s->phase == SECAGG_DONE);
    struct masks masks = {.items = sodium_allocarray(count_masks(s), sizeof masks.items[0])};
    struct work *w = sodium_malloc(sizeof *w);
    if (w != NULL)
        w->said = NULL;
    enum status status = masks.items == NULL || w == NULL ? ST_NOMEM : ST_OK;
    if (status == ST_OK) {
        w->weighted = 0;
        status = read_messages(s, w);
    }
    for (uint32_t i = 0; status == ST_OK && i < s->count; i++) {
        if (members_has(&s->survivors, i))
            status = take_off_self(s, i, w, &masks);
        else if (members_has(&s->sharers, i))
            status = take_off_pairs(s, i, w, &masks);
        if (status == ST_CORRUPT)
            *ret_culprit = s->members[i].id;
    }
    if (w != NULL)
        free(w->said);
    sodium_free(w);
    if (status != ST_OK) {
        sodium_free(masks.items);
        return status;
    }
    *ret = masks.items;
    *ret_count = masks.count;
    return ST_OK;
}
