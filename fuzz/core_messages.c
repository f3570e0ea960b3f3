/* The core's messages and image references. The first byte of the input says
 * which decoder gets the rest: (p)roplet, (s)tart, s(t)op, (r)esults, (g)et,
 * p(u)shed, (i)mage reference, (a)live. What decodes, encodes; and what was encoded
 * decodes and encodes to the same bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "transfer/get_msg.h"
#include "wire/proplet_msg.h"
#include "wire/registry_msg.h"
#include "wire/roster_msg.h"
#include "wire/task_msg.h"

/* Decodes and encodes again. gives: text, NULL if it does not decode */
typedef char *(*again_fn)(struct view payload);

static char *proplet_again(struct view payload)
{
    struct proplet_msg msg;
    struct why why = {""};
    if (proplet_msg_decode(payload, &msg, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        return NULL;
    }
    char *text = proplet_create_encode(&msg.proplet_id, msg.metadata);
    char *alive = proplet_alive_encode(&msg.proplet_id, msg.offline);
    struct proplet_msg beat;
    assert(proplet_msg_decode(view_text(alive), &beat, NULL) == ST_OK);
    assert(beat.offline == msg.offline && id_equal(&beat.proplet_id, &msg.proplet_id));
    free(alive);
    proplet_msg_done(&beat);
    proplet_msg_done(&msg);
    return text;
}

static char *start_again(struct view payload)
{
    struct start_msg msg;
    struct id id;
    struct why why = {""};
    if (start_msg_decode(payload, &msg, &id, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        struct id same;
        assert(id.text[0] == '\0' || id_from(id.text, &same) == ST_OK);
        return NULL;
    }
    assert(id_equal(&id, &msg.task_id));
    assert(msg.env != NULL && json_object_size(msg.env) <= TASK_ENV_MAX);
    assert(msg.timeout_s >= 1 && msg.timeout_s <= ROUND_TIMEOUT_S_MAX);
    assert(msg.image_size <= IMAGE_SIZE_MAX);
    char *text = start_msg_encode(&msg, view_of(NULL, 0));
    start_msg_done(&msg);
    return text;
}

static char *stop_again(struct view payload)
{
    struct stop_msg msg;
    struct why why = {""};
    if (stop_msg_decode(payload, &msg, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        return NULL;
    }
    return stop_msg_encode(&msg);
}

static char *results_again(struct view payload)
{
    struct results_msg msg;
    struct why why = {""};
    if (results_msg_decode(payload, &msg, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        return NULL;
    }
    assert(msg.failed == (msg.error[0] != '\0'));
    assert(msg.failed == (strcmp(msg.reason, "completed") != 0));
    char *text = results_msg_encode(&msg);
    results_msg_done(&msg);
    return text;
}

static char *get_again(struct view payload)
{
    struct get_msg msg;
    struct why why = {""};
    if (get_msg_decode(payload, &msg, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        return NULL;
    }
    assert(msg.part < PARTS_MAX);
    return get_msg_encode(&msg);
}

static char *pushed_again(struct view payload)
{
    struct pushed_msg msg;
    struct why why = {""};
    if (pushed_msg_decode(payload, &msg, &why) != ST_OK) {
        assert(why.text[0] != '\0');
        return NULL;
    }
    return pushed_msg_encode(&msg);
}

/* A name is never a path out of a folder. */
static void check_name(const char *name)
{
    assert(strlen(name) <= IMAGE_NAME_MAX && strchr(name, ':') != NULL);
    assert(name[0] != '/' && name[0] != '.');
    assert(strstr(name, "/.") == NULL && strstr(name, "//") == NULL);
}

static char *image_ref_again(struct view payload)
{
    char *text = text_of(payload);
    if (text == NULL)
        return NULL;
    struct image_ref ref;
    struct why why = {""};
    enum status status = image_ref_parse(text, &ref, &why);
    free(text);
    if (status != ST_OK) {
        assert(why.text[0] != '\0');
        return NULL;
    }
    if (!ref.by_digest) {
        check_name(ref.name);
        return text_of(view_text(ref.name));
    }
    char digest[DIGEST_TEXT_SIZE];
    digest_text(&ref.digest, digest);
    return text_of(view_text(digest));
}

static char *roster_again(struct view payload)
{
    json_t *object = NULL;
    if (jsn_parse(payload, CONTROL_SIZE_MAX, &object, NULL) != ST_OK)
        return NULL;
    struct roster roster;
    struct why why = {""};
    enum status status = roster_read(object, &roster, &why);
    json_decref(object);
    if (status != ST_OK) {
        assert(why.text[0] != '\0');
        return NULL;
    }
    assert(roster.count <= PROPLETS_MAX);
    json_t *alive = json_array();
    for (size_t i = 0; i < roster.count; i++)
        (void)json_array_append_new(alive, json_string(roster.alive[i].text));
    roster_done(&roster);
    return jsn_text_and_release(json_pack("{s:o}", "alive", alive));
}

static again_fn again_of(uint8_t letter)
{
    switch (letter) {
    case 'p':
        return proplet_again;
    case 's':
        return start_again;
    case 't':
        return stop_again;
    case 'r':
        return results_again;
    case 'g':
        return get_again;
    case 'u':
        return pushed_again;
    case 'i':
        return image_ref_again;
    case 'a':
        return roster_again;
    default:
        return NULL;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    again_fn again = size == 0 ? NULL : again_of(data[0]);
    if (again == NULL)
        return 0;
    char *first = again(view_of(data + 1, size - 1));
    /* What we add to a message near the limit may bring it over. */
    if (first != NULL && strlen(first) <= CONTROL_SIZE_MAX) {
        char *second = again(view_text(first));
        assert(second != NULL && strcmp(first, second) == 0);
        free(second);
    }
    free(first);
    return 0;
}
