#include "secagg/message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static const uint8_t magic[4] = {'F', 'S', 'A', '1'};

/* What is left of the bytes. Once something was missing nothing is right any more. */
struct reader {
    struct view rest;
    bool failed;
};

static struct view take(struct reader *r, size_t size)
{
    if (r->failed || size > r->rest.size) {
        r->failed = true;
        return view_of(NULL, 0);
    }
    struct view v = view_of(r->rest.data, size);
    r->rest = view_of(r->rest.data + size, r->rest.size - size);
    return v;
}

static void take_into(struct reader *r, void *ret, size_t size)
{
    struct view v = take(r, size);
    if (v.data != NULL)
        memcpy(ret, v.data, size);
}

static uint32_t take_u8(struct reader *r)
{
    uint8_t byte = 0;
    take_into(r, &byte, 1);
    return byte;
}

static uint32_t u16_at(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t take_u16(struct reader *r)
{
    uint8_t bytes[2] = {0};
    take_into(r, bytes, sizeof bytes);
    return u16_at(bytes);
}

static bool is_whole(const struct reader *r)
{
    return !r->failed && r->rest.size == 0;
}

static enum status begin(struct view bytes, enum secagg_kind kind, struct reader *ret)
{
    enum secagg_kind found;
    if (bytes.size > SECAGG_MESSAGE_SIZE_MAX)
        return ST_LIMIT;
    enum status status = secagg_kind_of(bytes, &found);
    if (status != ST_OK || found != kind)
        return ST_MALFORMED;
    *ret = (struct reader){.rest = view_of(bytes.data + 5, bytes.size - 5)};
    return ST_OK;
}

static void take_digest(struct reader *r, struct digest *ret)
{
    take_into(r, ret->bytes, sizeof ret->bytes);
}

static void take_context(struct reader *r, struct secagg_context *ret)
{
    take_digest(r, &ret->config);
    take_digest(r, &ret->roster);
}

/* count lines of a rank and `size` bytes, ranks ascending. */
static struct view take_ranked(struct reader *r, uint32_t count, size_t size)
{
    struct view lines = take(r, count * (2 + size));
    uint32_t next = 0;
    for (uint32_t i = 0; !r->failed && i < count; i++) {
        uint32_t rank = u16_at(lines.data + i * (2 + size));
        r->failed = rank < next || rank >= MEMBERS_MAX;
        next = rank + 1;
    }
    return lines;
}

static void take_members(struct reader *r, struct members *ret)
{
    take_into(r, ret->bits, sizeof ret->bits);
}

/* ---- writing ---- */

static enum status put(struct bytes *b, const void *data, size_t size)
{
    return bytes_append(b, view_of(data, size), SECAGG_MESSAGE_SIZE_MAX);
}

static enum status put_u16(struct bytes *b, uint32_t value)
{
    const uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    return put(b, bytes, sizeof bytes);
}

static enum status put_head(struct bytes *b, enum secagg_kind kind)
{
    const uint8_t byte = (uint8_t)kind;
    enum status status = put(b, magic, sizeof magic);
    return status == ST_OK ? put(b, &byte, 1) : status;
}

static enum status put_context(struct bytes *b, const struct secagg_context *context)
{
    enum status status = put(b, context->config.bytes, 32);
    return status == ST_OK ? put(b, context->roster.bytes, 32) : status;
}

static enum status put_start(struct bytes *b, enum secagg_kind kind,
                             const struct secagg_context *context)
{
    enum status status = put_head(b, kind);
    return status == ST_OK ? put_context(b, context) : status;
}

static enum status put_ranked(struct bytes *b, uint32_t rank, const void *data, size_t size)
{
    enum status status = put_u16(b, rank);
    return status == ST_OK ? put(b, data, size) : status;
}

enum status secagg_append_signature(const struct key_signature *signature, struct bytes *ret)
{
    return put(ret, signature->bytes, sizeof signature->bytes);
}

/* ---- kinds ---- */

static const char *const kind_names[SECAGG_KIND_COUNT] = {
    [SECAGG_ADVERTISE] = "advertise", [SECAGG_ROSTER] = "roster",
    [SECAGG_SHARES] = "shares",       [SECAGG_BOXES] = "boxes",
    [SECAGG_SURVIVORS] = "survivors", [SECAGG_CONFIRM] = "confirm",
    [SECAGG_CONFIRMED] = "confirmed", [SECAGG_UNMASK] = "unmask",
};

const char *secagg_kind_name(enum secagg_kind kind)
{
    return kind_names[kind];
}

const char *secagg_domain(enum secagg_kind kind)
{
    switch (kind) {
    case SECAGG_ADVERTISE:
        return "fml-secagg-v1 advertise";
    case SECAGG_SHARES:
        return "fml-secagg-v1 shares";
    case SECAGG_CONFIRM:
        return "fml-secagg-v1 confirm";
    case SECAGG_UNMASK:
        return "fml-secagg-v1 unmask";
    default:
        assert(!"a device says no such thing");
        return "";
    }
}

enum status secagg_kind_of(struct view bytes, enum secagg_kind *ret)
{
    if (bytes.size < 5 || memcmp(bytes.data, magic, sizeof magic) != 0 ||
        bytes.data[4] < SECAGG_ADVERTISE || bytes.data[4] >= SECAGG_KIND_COUNT)
        return ST_MALFORMED;
    *ret = (enum secagg_kind)bytes.data[4];
    return ST_OK;
}

/* ---- advertise ---- */

enum status secagg_entry_signed(const struct digest *config, const struct secagg_public *public,
                                struct bytes *ret)
{
    enum status status = put(ret, config->bytes, 32);
    return status == ST_OK ? put(ret, public, sizeof *public) : status;
}

enum status secagg_entry_encode(const struct secagg_entry *e, struct bytes *ret)
{
    assert(e->certificate.size <= CERTIFICATE_SIZE_MAX);
    const uint8_t size = (uint8_t)e->certificate.size;
    enum status status = put(ret, &size, 1);
    if (status == ST_OK)
        status = put(ret, e->certificate.data, e->certificate.size);
    if (status == ST_OK)
        status = put(ret, &e->public, sizeof e->public);
    return status == ST_OK ? secagg_append_signature(&e->signature, ret) : status;
}

static void take_entry(struct reader *r, struct secagg_entry *ret)
{
    uint32_t size = take_u8(r);
    r->failed = r->failed || size > CERTIFICATE_SIZE_MAX;
    ret->certificate = take(r, size);
    take_into(r, &ret->public, sizeof ret->public);
    take_into(r, ret->signature.bytes, sizeof ret->signature.bytes);
}

enum status secagg_advertise_encode(const struct secagg_advertise *m, struct bytes *ret)
{
    enum status status = put_head(ret, SECAGG_ADVERTISE);
    if (status == ST_OK)
        status = put(ret, m->config.bytes, 32);
    return status == ST_OK ? secagg_entry_encode(&m->entry, ret) : status;
}

enum status secagg_advertise_decode(struct view bytes, struct secagg_advertise *ret)
{
    struct secagg_advertise m;
    struct reader r;
    enum status status = begin(bytes, SECAGG_ADVERTISE, &r);
    if (status != ST_OK)
        return status;
    take_digest(&r, &m.config);
    take_entry(&r, &m.entry);
    if (!is_whole(&r))
        return ST_MALFORMED;
    *ret = m;
    return ST_OK;
}

/* ---- roster ---- */

static enum status put_line(struct bytes *b, const struct secagg_roster_line *line)
{
    size_t size = strlen(line->id.text);
    const uint8_t byte = (uint8_t)size;
    enum status status = put(b, &byte, 1);
    if (status == ST_OK)
        status = put(b, line->id.text, size);
    return status == ST_OK ? put(b, line->entry.bytes, 32) : status;
}

static enum status put_neighbour(struct bytes *b, const struct secagg_neighbour *n)
{
    enum status status = put_u16(b, n->rank);
    return status == ST_OK ? put(b, n->entry_bytes.data, n->entry_bytes.size) : status;
}

enum status secagg_roster_encode(const struct secagg_roster *m, struct bytes *ret)
{
    enum status status = put_head(ret, SECAGG_ROSTER);
    if (status == ST_OK)
        status = put(ret, m->config.bytes, 32);
    if (status == ST_OK)
        status = put_u16(ret, m->count);
    for (uint32_t i = 0; status == ST_OK && i < m->count; i++)
        status = put_line(ret, &m->all[i]);
    if (status == ST_OK)
        status = put_u16(ret, m->neighbour_count);
    for (uint32_t i = 0; status == ST_OK && i < m->neighbour_count; i++)
        status = put_neighbour(ret, &m->neighbours[i]);
    return status;
}

static void take_lines(struct reader *r, struct secagg_roster *m)
{
    for (uint32_t i = 0; !r->failed && i < m->count; i++) {
        struct secagg_roster_line *line = &m->all[i];
        struct view id = take(r, take_u8(r));
        r->failed = r->failed || id_of(id, &line->id) != ST_OK ||
                    (i > 0 && strcmp(m->all[i - 1].id.text, line->id.text) >= 0);
        take_digest(r, &line->entry);
    }
}

static void take_neighbours(struct reader *r, struct secagg_roster *m)
{
    uint32_t next = 0;
    for (uint32_t i = 0; !r->failed && i < m->neighbour_count; i++) {
        struct secagg_neighbour *n = &m->neighbours[i];
        n->rank = take_u16(r);
        r->failed = r->failed || n->rank < next || n->rank >= m->count;
        next = n->rank + 1;
        struct view before = r->rest;
        take_entry(r, &n->entry);
        n->entry_bytes = view_of(before.data, before.size - r->rest.size);
    }
}

static uint32_t take_count(struct reader *r, uint32_t max)
{
    uint32_t count = take_u16(r);
    r->failed = r->failed || count < 1 || count > max;
    return r->failed ? 0 : count;
}

enum status secagg_roster_decode(struct view bytes, struct secagg_roster *ret)
{
    struct secagg_roster m = {0};
    struct reader r;
    enum status status = begin(bytes, SECAGG_ROSTER, &r);
    if (status != ST_OK)
        return status;
    take_digest(&r, &m.config);
    m.count = take_count(&r, MEMBERS_MAX);
    m.all = calloc(m.count + 1, sizeof m.all[0]);
    if (m.all == NULL)
        return ST_NOMEM;
    take_lines(&r, &m);
    m.neighbour_count = take_count(&r, m.count);
    m.neighbours = calloc(m.neighbour_count + 1, sizeof m.neighbours[0]);
    if (m.neighbours == NULL)
        status = ST_NOMEM;
    else
        take_neighbours(&r, &m);
    if (status == ST_OK && !is_whole(&r))
        status = ST_MALFORMED;
    if (status != ST_OK) {
        secagg_roster_done(&m);
        return status;
    }
    *ret = m;
    return ST_OK;
}

void secagg_roster_done(struct secagg_roster *r)
{
    free(r->all);
    free(r->neighbours);
    *r = (struct secagg_roster){0};
}

struct digest secagg_roster_digest(const struct digest *config,
                                   const struct secagg_roster_line *all, uint32_t count)
{
    /* Ids ascend and have their lengths before them, so one list has one digest. */
    struct bytes b = {0};
    enum status status = put(&b, "fml-secagg-v1 roster", 20);
    if (status == ST_OK)
        status = put(&b, config->bytes, 32);
    for (uint32_t i = 0; status == ST_OK && i < count; i++)
        status = put_line(&b, &all[i]);
    assert(status == ST_OK);
    struct digest digest = digest_of(bytes_view(&b));
    bytes_done(&b);
    return digest;
}

struct digest secagg_graph_seed(const struct digest *roster)
{
    uint8_t bytes[19 + 32];
    memcpy(bytes, "fml-secagg-v1 graph", 19);
    memcpy(bytes + 19, roster->bytes, 32);
    return digest_of(view_of(bytes, sizeof bytes));
}

/* ---- shares and boxes ---- */

struct secagg_box secagg_box_at(struct view boxes, uint32_t i)
{
    const uint8_t *line = boxes.data + (size_t)i * (2 + SECAGG_BOX_SIZE);
    return (struct secagg_box){u16_at(line), line + 2};
}

static enum status put_boxes(struct bytes *b, const struct secagg_box *boxes, uint32_t count)
{
    enum status status = put_u16(b, count);
    for (uint32_t i = 0; status == ST_OK && i < count; i++)
        status = put_ranked(b, boxes[i].rank, boxes[i].bytes, SECAGG_BOX_SIZE);
    return status;
}

enum status secagg_shares_encode(const struct secagg_context *context,
                                 const struct digest *commitment, const struct secagg_box *boxes,
                                 uint32_t count, struct bytes *ret)
{
    enum status status = put_start(ret, SECAGG_SHARES, context);
    if (status == ST_OK)
        status = put(ret, commitment->bytes, 32);
    return status == ST_OK ? put_boxes(ret, boxes, count) : status;
}

static void take_signature(struct reader *r, struct view whole, struct view *ret_signed,
                           struct key_signature *ret)
{
    *ret_signed = view_of(whole.data, whole.size - r->rest.size);
    take_into(r, ret->bytes, sizeof ret->bytes);
}

enum status secagg_shares_decode(struct view bytes, struct secagg_shares_msg *ret)
{
    struct secagg_shares_msg m;
    struct reader r;
    enum status status = begin(bytes, SECAGG_SHARES, &r);
    if (status != ST_OK)
        return status;
    take_context(&r, &m.context);
    take_digest(&r, &m.commitment);
    m.count = take_u16(&r);
    m.boxes = take_ranked(&r, m.count, SECAGG_BOX_SIZE);
    take_signature(&r, bytes, &m.signed_part, &m.signature);
    if (!is_whole(&r))
        return ST_MALFORMED;
    *ret = m;
    return ST_OK;
}

enum status secagg_boxes_encode(const struct secagg_context *context, const struct members *sharers,
                                const struct secagg_box *boxes, uint32_t count, struct bytes *ret)
{
    enum status status = put_start(ret, SECAGG_BOXES, context);
    if (status == ST_OK)
        status = put(ret, sharers->bits, sizeof sharers->bits);
    return status == ST_OK ? put_boxes(ret, boxes, count) : status;
}

enum status secagg_boxes_decode(struct view bytes, struct secagg_boxes_msg *ret)
{
    struct secagg_boxes_msg m;
    struct reader r;
    enum status status = begin(bytes, SECAGG_BOXES, &r);
    if (status != ST_OK)
        return status;
    take_context(&r, &m.context);
    take_members(&r, &m.sharers);
    m.count = take_u16(&r);
    m.boxes = take_ranked(&r, m.count, SECAGG_BOX_SIZE);
    if (!is_whole(&r))
        return ST_MALFORMED;
    *ret = m;
    return ST_OK;
}

/* ---- masked, survivors, confirm, confirmed ---- */

enum status secagg_masked_signed(const struct secagg_context *context, const struct digest *masked,
                                 struct bytes *ret)
{
    enum status status = put_context(ret, context);
    return status == ST_OK ? put(ret, masked->bytes, 32) : status;
}

enum status secagg_survivors_encode(const struct secagg_survivors *m, struct bytes *ret)
{
    enum status status = put_start(ret, SECAGG_SURVIVORS, &m->context);
    return status == ST_OK ? put(ret, m->survivors.bits, sizeof m->survivors.bits) : status;
}

enum status secagg_survivors_decode(struct view bytes, struct secagg_survivors *ret)
{
    struct secagg_survivors m;
    struct reader r;
    enum status status = begin(bytes, SECAGG_SURVIVORS, &r);
    if (status != ST_OK)
        return status;
    take_context(&r, &m.context);
    take_members(&r, &m.survivors);
    if (!is_whole(&r))
        return ST_MALFORMED;
    *ret = m;
    return ST_OK;
}

enum status secagg_confirm_signed(const struct secagg_context *context,
                                  const struct members *sharers, const struct members *survivors,
                                  struct bytes *ret)
{
    enum status status = put_context(ret, context);
    if (status == ST_OK)
        status = put(ret, sharers->bits, sizeof sharers->bits);
    return status == ST_OK ? put(ret, survivors->bits, sizeof survivors->bits) : status;
}

enum status secagg_confirm_encode(const struct secagg_confirm *m, struct bytes *ret)
{
    enum status status = put_start(ret, SECAGG_CONFIRM, &m->context);
    return status == ST_OK ? secagg_append_signature(&m->signature, ret) : status;
}

enum status secagg_confirm_decode(struct view bytes, struct secagg_confirm *ret)
{
    struct secagg_confirm m;
    struct reader r;
    enum status status = begin(bytes, SECAGG_CONFIRM, &r);
    if (status != ST_OK)
        return status;
    take_context(&r, &m.context);
    take_into(&r, m.signature.bytes, sizeof m.signature.bytes);
    if (!is_whole(&r))
        return ST_MALFORMED;
    *ret = m;
    return ST_OK;
}

enum status secagg_confirmed_encode(const struct secagg_context *context, const uint16_t *ranks,
                                    const struct key_signature *signatures, uint32_t count,
                                    struct bytes *ret)
{
    enum status status = put_start(ret, SECAGG_CONFIRMED, context);
    if (status == ST_OK)
        status = put_u16(ret, count);
    for (uint32_t i = 0; status == ST_OK && i < count; i++)
        status = put_ranked(ret, ranks[i], signatures[i].bytes, KEY_SIGNATURE_SIZE);
    return status;
}

enum status secagg_confirmed_decode(struct view bytes, struct secagg_confirmed *ret)
{
    struct secagg_confirmed m;
    struct reader r;
    enum status status = begin(bytes, SECAGG_CONFIRMED, &r);
    if (status != ST_OK)
        return status;
    take_context(&r, &m.context);
    m.count = take_u16(&r);
    m.lines = take_ranked(&r, m.count, KEY_SIGNATURE_SIZE);
    if (!is_whole(&r))
        return ST_MALFORMED;
    *ret = m;
    return ST_OK;
}

uint32_t secagg_confirmed_rank(const struct secagg_confirmed *m, uint32_t i)
{
    assert(i < m->count);
    return u16_at(m->lines.data + (size_t)i * (2 + KEY_SIGNATURE_SIZE));
}

struct key_signature secagg_confirmed_signature(const struct secagg_confirmed *m, uint32_t i)
{
    struct key_signature signature;
    assert(i < m->count);
    memcpy(signature.bytes, m->lines.data + (size_t)i * (2 + KEY_SIGNATURE_SIZE) + 2,
           KEY_SIGNATURE_SIZE);
    return signature;
}

/* ---- unmask ---- */

enum status secagg_unmask_encode(const struct secagg_context *context, const uint16_t *ranks,
                                 const struct scalar *shares, uint32_t count, struct bytes *ret)
{
    enum status status = put_start(ret, SECAGG_UNMASK, context);
    if (status == ST_OK)
        status = put_u16(ret, count);
    for (uint32_t i = 0; status == ST_OK && i < count; i++)
        status = put_ranked(ret, ranks[i], shares[i].bytes, SCALAR_SIZE);
    return status;
}

enum status secagg_unmask_decode(struct view bytes, struct secagg_unmask *ret)
{
    struct secagg_unmask m;
    struct reader r;
    enum status status = begin(bytes, SECAGG_UNMASK, &r);
    if (status != ST_OK)
        return status;
    take_context(&r, &m.context);
    m.count = take_u16(&r);
    m.shares = take_ranked(&r, m.count, SCALAR_SIZE);
    take_signature(&r, bytes, &m.signed_part, &m.signature);
    for (uint32_t i = 0; is_whole(&r) && i < m.count; i++) {
        struct scalar share = secagg_unmask_share(&m, i);
        r.failed = !scalar_is_canonical(&share);
    }
    if (!is_whole(&r))
        return ST_MALFORMED;
    *ret = m;
    return ST_OK;
}

uint32_t secagg_unmask_rank(const struct secagg_unmask *m, uint32_t i)
{
    assert(i < m->count);
    return u16_at(m->shares.data + (size_t)i * (2 + SCALAR_SIZE));
}

struct scalar secagg_unmask_share(const struct secagg_unmask *m, uint32_t i)
{
    struct scalar share;
    assert(i < m->count);
    memcpy(share.bytes, m->shares.data + (size_t)i * (2 + SCALAR_SIZE) + 2, SCALAR_SIZE);
    return share;
}
