/* Names of images, and how a push of one ended (PROTOCOL 1.6). */
#ifndef WIRE_REGISTRY_MSG_H
#define WIRE_REGISTRY_MSG_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/jsn.h"

/* An image reference, split. Exactly one of the two forms. */
struct image_ref {
    bool by_digest;
    struct digest digest;
    char name[IMAGE_NAME_MAX + 1]; /* NAME:TAG, always with a tag, without oci:// */
};

/* Reads NAME[:TAG], oci://NAME[:TAG] or sha256:HEX. NAME is levels of letters,
 * digits, '.', '_', '-', joined by '/', each not beginning with '.': so it is
 * never a path out of a folder. NAME:TAG is at most IMAGE_NAME_MAX bytes.
 * fails: ST_INVALID with a sentence */
MUST_CHECK enum status image_ref_parse(const char *text, struct image_ref *ret_ref,
                                       struct why *why);

struct pushed_msg {
    char name[IMAGE_NAME_MAX + 1];
    bool stored;
    struct digest digest; /* if stored */
    char code[64];        /* if not */
    char reason[256];
};

/* fails: as jsn_parse(), ST_INVALID with a sentence */
MUST_CHECK enum status pushed_msg_decode(struct view payload, struct pushed_msg *ret_msg,
                                         struct why *why);
/* Bytes of name and reason that are not UTF-8 become '?'.
 * gives: text, to be freed with free(); NULL: no memory */
char *pushed_msg_encode(const struct pushed_msg *msg);

#endif
