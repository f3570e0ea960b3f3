#include "cli/enrolments.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsn.h"

enum enrolment_state enrolment_state(const struct enrolment *e, uint64_t now_s)
{
    if (e->revoked_at[0] != '\0')
        return ENROLMENT_REVOKED;
    return e->not_after != 0 && now_s > e->not_after ? ENROLMENT_EXPIRED : ENROLMENT_IN_FORCE;
}

const char *enrolment_state_name(enum enrolment_state state)
{
    static const char *const names[] = {
        [ENROLMENT_IN_FORCE] = "enrolled",
        [ENROLMENT_EXPIRED] = "expired",
        [ENROLMENT_REVOKED] = "revoked",
    };
    return names[state];
}

json_t *enrolment_encode(const struct enrolment *e)
{
    char hex[KEY_HEX_SIZE];
    key_public_hex(&e->key, hex);
    /* s*: without a revocation there is no such field */
    return json_pack("{s:s, s:I, s:s, s:I, s:s, s:s*}", "id", e->id.text, "serial",
                     (json_int_t)e->serial, "public_key", hex, "not_after",
                     (json_int_t)e->not_after, "enrolled_at", e->enrolled_at, "revoked_at",
                     e->revoked_at[0] == '\0' ? NULL : e->revoked_at);
}

/* ---- decode ---- */

static enum status read_time(const json_t *object, const char *field, enum jsn_need need,
                             char ret[CLOCK_TEXT_SIZE], struct why *why)
{
    const char *text = "";
    enum status status = jsn_str(object, field, need, CLOCK_TEXT_SIZE - 1, &text, why);
    if (status == ST_OK)
        memcpy(ret, text, strlen(text) + 1);
    return status;
}

static enum status read_fields(const json_t *object, struct enrolment *e, struct why *why)
{
    const char *key = "";
    enum status status = jsn_id(object, "id", JSN_REQUIRED, &e->id, why);
    if (status == ST_OK)
        status = jsn_uint(object, "serial", JSN_REQUIRED, 1, INT64_MAX, &e->serial, why);
    if (status == ST_OK)
        status = jsn_uint(object, "not_after", JSN_REQUIRED, 0, INT64_MAX, &e->not_after, why);
    if (status == ST_OK)
        status = read_time(object, "enrolled_at", JSN_REQUIRED, e->enrolled_at, why);
    if (status == ST_OK)
        status = read_time(object, "revoked_at", JSN_OPTIONAL, e->revoked_at, why);
    if (status == ST_OK)
        status = jsn_str(object, "public_key", JSN_REQUIRED, KEY_HEX_SIZE - 1, &key, why);
    if (status == ST_OK && key_public_parse(key, &e->key) != ST_OK) {
        why_set(why, "public_key is not 64 hexadecimal digits");
        status = ST_INVALID;
    }
    return status;
}

static enum status read_line(struct view line, struct enrolments *list, struct why *why)
{
    json_t *object = NULL;
    struct enrolment e = {.serial = 0};
    enum status status = jsn_parse(line, ENROLMENT_LINE_MAX, &object, why);
    if (status != ST_OK)
        return status;
    status = read_fields(object, &e, why);
    json_decref(object);
    if (status == ST_OK && e.serial < enrolments_next_serial(list)) {
        why_set(why, "serial %llu does not rise", (unsigned long long)e.serial);
        status = ST_INVALID;
    }
    if (status != ST_OK)
        return status;
    why_set(why, "no memory, or more than %zu lines", ENROLMENTS_MAX);
    return enrolments_add(list, &e);
}

enum status enrolments_decode(struct view text, struct enrolments *ret, struct why *why)
{
    assert(ret != NULL);
    struct enrolments list = {0};
    enum status status = ST_OK;
    for (size_t at = 0; at < text.size && status == ST_OK;) {
        const uint8_t *from = text.data + at;
        const uint8_t *end = memchr(from, '\n', text.size - at);
        size_t size = end == NULL ? text.size - at : (size_t)(end - from);
        struct why detail = {""};
        status = read_line(view_of(from, size), &list, &detail);
        if (status != ST_OK)
            why_set(why, "line %zu: %.200s", list.count + 1, detail.text);
        at += size + 1;
    }
    if (status == ST_OK)
        *ret = list;
    else
        enrolments_done(&list);
    return status;
}

/* ---- the list ---- */

enum status enrolments_encode(const struct enrolments *list, struct bytes *ret)
{
    assert(list != NULL && ret != NULL);
    struct bytes b = {0};
    enum status status = ST_OK;
    for (size_t i = 0; i < list->count && status == ST_OK; i++) {
        char *line = jsn_text_and_release(enrolment_encode(&list->items[i]));
        status = line == NULL ? ST_NOMEM : bytes_append(&b, view_text(line), ENROLMENTS_SIZE_MAX);
        if (status == ST_OK)
            status = bytes_append(&b, view_text("\n"), ENROLMENTS_SIZE_MAX);
        free(line);
    }
    if (status == ST_OK)
        *ret = b;
    else
        bytes_done(&b);
    return status;
}

enum status enrolments_add(struct enrolments *list, const struct enrolment *e)
{
    assert(e->serial >= enrolments_next_serial(list));
    if (list->count >= ENROLMENTS_MAX)
        return ST_LIMIT;
    /* A power of two at a time: the next size is due whenever the count is one. */
    if ((list->count & (list->count - 1)) == 0) {
        size_t capacity = list->count == 0 ? 1 : 2 * list->count;
        struct enrolment *grown = realloc(list->items, capacity * sizeof *grown);
        if (grown == NULL)
            return ST_NOMEM;
        list->items = grown;
    }
    list->items[list->count++] = *e;
    return ST_OK;
}

uint64_t enrolments_next_serial(const struct enrolments *list)
{
    return list->count == 0 ? 1 : list->items[list->count - 1].serial + 1;
}

const struct enrolment *enrolments_in_force(const struct enrolments *list, const struct id *id,
                                            uint64_t now_s)
{
    for (size_t i = list->count; i > 0; i--) {
        const struct enrolment *e = &list->items[i - 1];
        if (id_equal(&e->id, id) && enrolment_state(e, now_s) == ENROLMENT_IN_FORCE)
            return e;
    }
    return NULL;
}

void enrolments_done(struct enrolments *list)
{
    if (list == NULL)
        return;
    free(list->items);
    *list = (struct enrolments){0};
}
