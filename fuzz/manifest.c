/* Manifests and the receiver of parts. The input's first line is a manifest's
 * JSON; the rest is first what a hostile holder sends for it, then a blob that
 * an honest one sends in an order that the input chooses. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "fuzz.h"
#include "transfer/receiver.h"

#define BLOB_SIZE_MAX ((uint64_t)64 << 10)

static enum status decode(struct view text, struct manifest *ret)
{
    json_t *object;
    struct why why = {""};
    enum status status = jsn_parse(text, CONTROL_SIZE_MAX, &object, &why);
    if (status == ST_OK) {
        status = manifest_decode(object, BLOB_SIZE_MAX, ret, &why);
        json_decref(object);
    }
    assert(status == ST_OK || why.text[0] != '\0');
    return status;
}

static void check_stable(const struct manifest *m)
{
    assert(m->size >= 1 && m->size <= BLOB_SIZE_MAX);
    assert(m->part_count >= 1 && m->part_count <= PARTS_MAX);
    assert((uint64_t)m->part_count * m->part_size >= m->size);
    assert((uint64_t)(m->part_count - 1) * m->part_size < m->size);

    json_t *object = manifest_encode(m);
    char *first = jsn_text(object);
    struct manifest again;
    assert(decode(view_text(first), &again) == ST_OK);
    json_t *object_again = manifest_encode(&again);
    assert(json_equal(object, object_again));
    free(first);
    json_decref(object);
    json_decref(object_again);
    manifest_done(&again);
}

static void take_if_complete(struct receiver *r)
{
    if (!receiver_complete(r))
        return;
    struct digest expected = receiver_manifest(r)->digest;
    struct bytes whole = {0};
    if (receiver_take(r, &whole) == ST_OK) {
        struct digest digest = digest_of(bytes_view(&whole));
        assert(digest_equal(&digest, &expected));
    }
    bytes_done(&whole);
}

/* Slices of the input as parts: one byte for the index, one for the length. */
static void receive_slices(struct manifest *m, struct view input)
{
    struct receiver *r;
    if (receiver_new(m, &r) != ST_OK)
        return;
    uint64_t now_ms = 0;
    while (input.size >= 2) {
        uint32_t part = input.data[0], asked;
        size_t size = input.data[1] < input.size - 2 ? input.data[1] : input.size - 2;
        enum status status = receiver_part(r, part, view_of(input.data + 2, size));
        assert(status == ST_OK || status == ST_CORRUPT || status == ST_INVALID);
        assert((status == ST_INVALID) == (part >= receiver_manifest(r)->part_count));
        while (receiver_next(r, now_ms, &asked))
            assert(asked < receiver_manifest(r)->part_count);
        now_ms += RECEIVER_RETRY_MS / 2;
        input = view_of(input.data + 2 + size, input.size - 2 - size);
    }
    take_if_complete(r);
    (void)receiver_free(r);
}

/* An honest holder over a link that loses every third answer, and spoils some. */
static void receive_blob(struct view blob, uint32_t part_size, uint64_t seed)
{
    struct manifest m;
    struct receiver *r;
    if (manifest_of(blob, part_size, &m) != ST_OK)
        return;
    check_stable(&m);
    if (receiver_new(&m, &r) != ST_OK) {
        manifest_done(&m);
        return;
    }
    struct rand rand = {seed};
    uint64_t now_ms = 0;
    uint32_t part;
    while (!receiver_complete(r) && !receiver_given_up(r, now_ms)) {
        while (receiver_next(r, now_ms, &part)) {
            struct view right = manifest_part(receiver_manifest(r), blob, part);
            if (rand_below(&rand, 3) == 0)
                assert(receiver_part(r, part, view_of(right.data, right.size - 1)) == ST_CORRUPT);
            else
                assert(receiver_part(r, part, right) == ST_OK);
        }
        now_ms += RECEIVER_RETRY_MS;
    }
    if (receiver_complete(r)) {
        struct bytes whole = {0};
        assert(receiver_take(r, &whole) == ST_OK);
        assert(view_equal(bytes_view(&whole), blob));
        bytes_done(&whole);
    }
    (void)receiver_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > BLOB_SIZE_MAX)
        return 0;
    const uint8_t *line_end = memchr(data, '\n', size);
    size_t line_size = line_end == NULL ? size : (size_t)(line_end - data);
    size_t rest_at = line_end == NULL ? size : line_size + 1;
    struct view rest = view_of(data + rest_at, size - rest_at);

    struct manifest m;
    if (decode(view_of(data, line_size), &m) == ST_OK) {
        check_stable(&m);
        receive_slices(&m, rest);
        manifest_done(&m);
    }
    receive_blob(rest, 1 + (uint32_t)data[0], size);
    return 0;
}
