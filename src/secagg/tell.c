/* What the coordinator tells each device in each phase. */
#include "secagg/inside.h"

#include <assert.h>
#include <stdlib.h>

/* The digest of each, so that all agree on all, and the neighbours' own words. */
static enum status tell_roster(const struct secagg_server *s, uint32_t rank, struct bytes *ret)
{
    uint16_t near[GRAPH_NODES_MAX];
    struct secagg_roster r = {.config = s->context.config, .count = s->count};
    r.neighbour_count = (uint32_t)graph_neighbourhood(&s->graph, rank, near);
    r.all = s->lines;
    r.neighbours = calloc(r.neighbour_count, sizeof r.neighbours[0]);
    enum status status = ST_NOMEM;
    if (r.neighbours != NULL) {
        for (uint32_t i = 0; i < r.neighbour_count; i++)
            r.neighbours[i] = (struct secagg_neighbour){
                .rank = near[i], .entry_bytes = member_entry_bytes(&s->members[near[i]])};
        status = secagg_roster_encode(&r, ret);
    }
    free(r.neighbours);
    return status;
}

/* The box that `from` closed for `to`, a neighbour of it. */
static const uint8_t *box_for(const struct member *from, uint32_t to)
{
    struct secagg_shares_msg m;
    enum status status = secagg_shares_decode(bytes_view(&from->shares), &m);
    assert(status == ST_OK);
    for (uint32_t i = 0; i < m.count; i++) {
        struct secagg_box box = secagg_box_at(m.boxes, i);
        if (box.rank == to)
            return box.bytes;
    }
    assert(!"a neighbour without a box was not accepted");
    return NULL;
}

static enum status tell_boxes(const struct secagg_server *s, uint32_t rank, struct bytes *ret)
{
    uint16_t near[GRAPH_NODES_MAX];
    struct secagg_box boxes[GRAPH_NODES_MAX];
    size_t near_count = graph_neighbourhood(&s->graph, rank, near);
    uint32_t count = 0;
    for (size_t i = 0; i < near_count; i++)
        if (near[i] != rank && members_has(&s->sharers, near[i]))
            boxes[count++] = (struct secagg_box){near[i], box_for(&s->members[near[i]], rank)};
    return secagg_boxes_encode(&s->context, &s->sharers, boxes, count, ret);
}

static enum status tell_survivors(const struct secagg_server *s, struct bytes *ret)
{
    struct secagg_survivors m = {.context = s->context, .survivors = s->survivors};
    return secagg_survivors_encode(&m, ret);
}

/* As many as it needs, the first ones: the same each time, though more may confirm later. */
static enum status tell_confirmed(const struct secagg_server *s, uint32_t rank, struct bytes *ret)
{
    uint16_t near[GRAPH_NODES_MAX], ranks[GRAPH_NODES_MAX];
    size_t near_count = graph_neighbourhood(&s->graph, rank, near);
    struct key_signature *signatures = calloc(near_count, sizeof *signatures);
    uint32_t count = 0;
    if (signatures == NULL)
        return ST_NOMEM;
    for (size_t i = 0; i < near_count; i++) {
        struct secagg_confirm m;
        const struct bytes *confirm = &s->members[near[i]].confirm;
        if (confirm->size == 0 || !s->members[near[i]].confirmed_in_time)
            continue;
        enum status status = secagg_confirm_decode(bytes_view(confirm), &m);
        assert(status == ST_OK);
        ranks[count] = near[i];
        signatures[count++] = m.signature;
    }
    enum status status = secagg_confirmed_encode(&s->context, ranks, signatures, count, ret);
    free(signatures);
    return status;
}

static bool find_rank(const struct secagg_server *s, const struct id *device, uint32_t *ret)
{
    for (uint32_t i = 0; i < s->count; i++) {
        if (!id_equal(&s->members[i].id, device))
            continue;
        *ret = i;
        return true;
    }
    return false;
}

bool secagg_server_awaits(const struct secagg_server *s, const struct id *device)
{
    uint32_t rank;
    if (!find_rank(s, device, &rank))
        return false;
    const struct member *m = &s->members[rank];
    switch (s->phase) {
    case SECAGG_ADVERTISING:
        return m->advertise.size == 0;
    case SECAGG_SHARING:
        return m->shares.size == 0;
    case SECAGG_MASKING:
        return members_has(&s->sharers, rank) && !m->masked;
    case SECAGG_CONFIRMING:
        return m->masked && m->confirm.size == 0;
    case SECAGG_UNMASKING:
        return m->masked && m->unmask.size == 0;
    default:
        return false;
    }
}

enum status secagg_server_message(const struct secagg_server *s, const struct id *device,
                                  struct bytes *ret)
{
    uint32_t rank;
    if (!find_rank(s, device, &rank))
        return ST_NOT_FOUND;
    const struct member *m = &s->members[rank];
    if (s->phase == SECAGG_SHARING)
        return tell_roster(s, rank, ret);
    if (s->phase == SECAGG_MASKING && members_has(&s->sharers, rank))
        return tell_boxes(s, rank, ret);
    if (!m->masked)
        return ST_NOT_FOUND;
    if (s->phase == SECAGG_CONFIRMING || (s->phase == SECAGG_UNMASKING && m->confirm.size == 0))
        return tell_survivors(s, ret);
    if (s->phase == SECAGG_UNMASKING)
        return tell_confirmed(s, rank, ret);
    return ST_NOT_FOUND;
}
