#include "identity/signed_image.h"

#include <assert.h>
#include <string.h>

#include "base/digest.h"

static const char domain[] = "fml-image-v1";

/* Magic and version of a module (core specification 2.0, section 5.5.16). */
static const uint8_t preamble[] = {0x00, 'a', 's', 'm', 0x01, 0x00, 0x00, 0x00};

#define NAME      "fml.publisher"
#define NAME_SIZE (sizeof NAME - 1)

/* Section id, size of the section, size of the name; then the name. */
#define CONTENT_SIZE (1 + NAME_SIZE + KEY_PUBLIC_SIZE + KEY_SIGNATURE_SIZE)
static const uint8_t head[] = {0, CONTENT_SIZE, NAME_SIZE};

#define KEY_AT       (sizeof head + NAME_SIZE)
#define SIGNATURE_AT (KEY_AT + KEY_PUBLIC_SIZE)

/* Below 128, a size is one byte of LEB128. */
_Static_assert(CONTENT_SIZE < 128, "the section's size is one byte");
_Static_assert(SIGNATURE_AT + KEY_SIGNATURE_SIZE == SIGNED_IMAGE_SECTION_SIZE, "the layout");

const char *signed_image_verdict_name(enum signed_image_verdict verdict)
{
    static const char *const names[SIGNED_IMAGE_VERDICT_COUNT] = {
        [SIGNED_IMAGE_FINE] = "fine",           [SIGNED_IMAGE_UNSIGNED] = "unsigned",
        [SIGNED_IMAGE_MALFORMED] = "malformed", [SIGNED_IMAGE_UNKNOWN] = "unknown_publisher",
        [SIGNED_IMAGE_FORGED] = "forged",
    };
    assert(verdict < SIGNED_IMAGE_VERDICT_COUNT);
    return names[verdict];
}

/* ---- the sections of a module ---- */

/* Takes size bytes off the front. False: there are not so many; rest is then as it was */
static bool take(struct view *rest, size_t size, struct view *ret)
{
    if (size > rest->size)
        return false;
    *ret = view_of(rest->data, size);
    *rest = view_of(rest->data + size, rest->size - size);
    return true;
}

/* An unsigned LEB128 of 32 bits (core specification 2.0, section 5.2.2): at most five bytes, of
 * which the fifth has four bits. */
static bool take_u32(struct view *rest, uint32_t *ret)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift <= 28; shift += 7) {
        struct view byte;
        if (!take(rest, 1, &byte))
            return false;
        uint8_t b = byte.data[0];
        if (shift == 28 && b > 0x0f)
            return false;
        value |= (uint32_t)(b & 0x7f) << shift;
        if ((b & 0x80) == 0) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool take_sized(struct view *rest, struct view *ret)
{
    uint32_t size;
    return take_u32(rest, &size) && take(rest, size, ret);
}

/* What a walk over the sections found. */
struct walk {
    struct view before;  /* all up to our section, or to the end without one */
    struct view section; /* ours, if it is as it must be; else empty */
};

/* Looks at one section, whose first byte is the first of rest, and takes it off. */
static bool step(struct view *rest, struct walk *w)
{
    const struct view from = *rest;
    struct view id, content, name;
    if (!take(rest, 1, &id) || !take_sized(rest, &content))
        return false;
    if (id.data[0] != 0)
        return true;
    if (!take_sized(&content, &name))
        return false;
    if (!view_equal(name, view_of(NAME, NAME_SIZE)))
        return true;
    /* The last one, and in the shortest form: then there is one form of it. */
    if (from.size != SIGNED_IMAGE_SECTION_SIZE || memcmp(from.data, head, sizeof head) != 0)
        return false;
    w->section = from;
    return true;
}

/* False: these are not the sections of a module, or ours is not as it must be. */
static bool walk_sections(struct view module, struct walk *ret)
{
    if (module.size < sizeof preamble || memcmp(module.data, preamble, sizeof preamble) != 0)
        return false;
    struct walk w = {{0}, {0}};
    struct view rest = view_of(module.data + sizeof preamble, module.size - sizeof preamble);
    while (rest.size > 0)
        if (!step(&rest, &w))
            return false;
    w.before = view_of(module.data, module.size - w.section.size);
    *ret = w;
    return true;
}

/* ---- signatures ---- */

enum status signed_image_sign(struct view module, const struct key *publisher, struct bytes *ret)
{
    assert(publisher != NULL && ret != NULL);
    struct walk w;
    if (!walk_sections(module, &w))
        return ST_MALFORMED;
    if (w.before.size > IMAGE_SIZE_MAX - SIGNED_IMAGE_SECTION_SIZE)
        return ST_LIMIT;
    struct digest digest = digest_of(w.before);
    struct key_signature signature;
    struct bytes b = {0};
    enum status status =
        key_sign(publisher, domain, view_of(digest.bytes, sizeof digest.bytes), &signature);
    if (status == ST_OK)
        status = bytes_resize(&b, w.before.size + SIGNED_IMAGE_SECTION_SIZE);
    if (status != ST_OK)
        return status;
    uint8_t *section = b.data + w.before.size;
    memcpy(b.data, w.before.data, w.before.size);
    memcpy(section, head, sizeof head);
    memcpy(section + sizeof head, NAME, NAME_SIZE);
    memcpy(section + KEY_AT, key_public(publisher)->bytes, KEY_PUBLIC_SIZE);
    memcpy(section + SIGNATURE_AT, signature.bytes, KEY_SIGNATURE_SIZE);
    *ret = b;
    return ST_OK;
}

enum signed_image_verdict signed_image_check(struct view module,
                                             const struct key_public *publishers, size_t count,
                                             size_t *ret_which)
{
    assert(publishers != NULL || count == 0);
    struct walk w;
    if (!walk_sections(module, &w))
        return SIGNED_IMAGE_MALFORMED;
    if (w.section.size == 0)
        return SIGNED_IMAGE_UNSIGNED;

    struct key_public key;
    memcpy(key.bytes, w.section.data + KEY_AT, KEY_PUBLIC_SIZE);
    size_t which = 0;
    while (which < count && !key_public_equal(&key, &publishers[which]))
        which++;
    if (which == count)
        return SIGNED_IMAGE_UNKNOWN;

    struct key_signature signature;
    memcpy(signature.bytes, w.section.data + SIGNATURE_AT, KEY_SIGNATURE_SIZE);
    struct digest digest = digest_of(w.before);
    if (!key_verify(&key, domain, view_of(digest.bytes, sizeof digest.bytes), &signature))
        return SIGNED_IMAGE_FORGED;
    if (ret_which != NULL)
        *ret_which = which;
    return SIGNED_IMAGE_FINE;
}
