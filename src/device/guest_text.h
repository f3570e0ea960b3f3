/* What a guest printed, made safe to be shown and sent. Pure. */
#ifndef DEVICE_GUEST_TEXT_H
#define DEVICE_GUEST_TEXT_H

#include <jansson.h>

#include "base/bytes.h"

/* The end of printed as one line of printable ASCII: each run of blanks and
 * control bytes is one space, any other byte that does not print is '?'. Cut in
 * front so that it fits size with its zero (size >= 1). */
void guest_text_line(struct view printed, char *ret_line, size_t size);

/* printed as a JSON text of at most RESULTS_SIZE_MAX bytes, the rest cut. Bytes
 * that are not UTF-8, and zero bytes, become '?'.
 * gives: a new value; NULL: no memory */
json_t *guest_text_json(struct view printed);

#endif
