/* The messages of secure aggregation: what decodes encodes to the very same bytes. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "secagg/message.h"

static void assert_same(struct view input, enum status status, struct bytes *again)
{
    assert(status == ST_OK && view_equal(bytes_view(again), input));
    bytes_done(again);
}

static void check_advertise(struct view input)
{
    struct secagg_advertise m;
    struct bytes again = {0};
    if (secagg_advertise_decode(input, &m) == ST_OK)
        assert_same(input, secagg_advertise_encode(&m, &again), &again);
}

static void check_roster(struct view input)
{
    struct secagg_roster m;
    struct bytes again = {0};
    if (secagg_roster_decode(input, &m) != ST_OK)
        return;
    assert(m.count >= 1 && m.count <= MEMBERS_MAX && m.neighbour_count <= m.count);
    (void)secagg_roster_digest(&m.config, m.all, m.count);
    assert_same(input, secagg_roster_encode(&m, &again), &again);
    secagg_roster_done(&m);
}

static struct secagg_box *all_boxes(struct view lines, uint32_t count)
{
    struct secagg_box *boxes = calloc(count + 1, sizeof *boxes);
    assert(boxes != NULL);
    for (uint32_t i = 0; i < count; i++)
        boxes[i] = secagg_box_at(lines, i);
    return boxes;
}

static void check_shares(struct view input)
{
    struct secagg_shares_msg m;
    struct bytes again = {0};
    if (secagg_shares_decode(input, &m) != ST_OK)
        return;
    struct secagg_box *boxes = all_boxes(m.boxes, m.count);
    enum status status = secagg_shares_encode(&m.context, &m.commitment, boxes, m.count, &again);
    assert(status == ST_OK && view_equal(bytes_view(&again), m.signed_part));
    assert_same(input, secagg_append_signature(&m.signature, &again), &again);
    free(boxes);
}

static void check_boxes(struct view input)
{
    struct secagg_boxes_msg m;
    struct bytes again = {0};
    if (secagg_boxes_decode(input, &m) != ST_OK)
        return;
    struct secagg_box *boxes = all_boxes(m.boxes, m.count);
    assert_same(input, secagg_boxes_encode(&m.context, &m.sharers, boxes, m.count, &again), &again);
    free(boxes);
}

static void check_survivors(struct view input)
{
    struct secagg_survivors m;
    struct bytes again = {0};
    if (secagg_survivors_decode(input, &m) == ST_OK)
        assert_same(input, secagg_survivors_encode(&m, &again), &again);
}

static void check_confirm(struct view input)
{
    struct secagg_confirm m;
    struct bytes again = {0};
    if (secagg_confirm_decode(input, &m) == ST_OK)
        assert_same(input, secagg_confirm_encode(&m, &again), &again);
}

static void check_confirmed(struct view input)
{
    static uint16_t ranks[MEMBERS_MAX];
    static struct key_signature signatures[MEMBERS_MAX];
    struct secagg_confirmed m;
    struct bytes again = {0};
    if (secagg_confirmed_decode(input, &m) != ST_OK)
        return;
    for (uint32_t i = 0; i < m.count; i++) {
        ranks[i] = (uint16_t)secagg_confirmed_rank(&m, i);
        signatures[i] = secagg_confirmed_signature(&m, i);
    }
    assert_same(input, secagg_confirmed_encode(&m.context, ranks, signatures, m.count, &again),
                &again);
}

static void check_unmask(struct view input)
{
    static uint16_t ranks[MEMBERS_MAX];
    static struct scalar shares[MEMBERS_MAX];
    struct secagg_unmask m;
    struct bytes again = {0};
    if (secagg_unmask_decode(input, &m) != ST_OK)
        return;
    for (uint32_t i = 0; i < m.count; i++) {
        ranks[i] = (uint16_t)secagg_unmask_rank(&m, i);
        shares[i] = secagg_unmask_share(&m, i);
        assert(scalar_is_canonical(&shares[i]));
    }
    enum status status = secagg_unmask_encode(&m.context, ranks, shares, m.count, &again);
    assert(status == ST_OK && view_equal(bytes_view(&again), m.signed_part));
    assert_same(input, secagg_append_signature(&m.signature, &again), &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view input = view_of(data, size);
    check_advertise(input);
    check_roster(input);
    check_shares(input);
    check_boxes(input);
    check_survivors(input);
    check_confirm(input);
    check_confirmed(input);
    check_unmask(input);
    return 0;
}
