#include "device/guest_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

void guest_text_line(struct view printed, char *ret_line, size_t size)
{
    assert(size >= 1);
    /* Built from the end, because the end is what tells why it failed. */
    size_t at = size - 1;
    bool blank = true; /* so that trailing blanks vanish */
    ret_line[at] = '\0';
    for (size_t i = printed.size; i > 0 && at > 0; i--) {
        uint8_t byte = printed.data[i - 1];
        if (byte <= ' ' && blank)
            continue;
        blank = byte <= ' ';
        ret_line[--at] = blank ? ' ' : byte < 0x7f ? (char)byte : '?';
    }
    if (ret_line[at] == ' ')
        at++;
    memmove(ret_line, ret_line + at, size - at);
}

/* How many bytes the UTF-8 character at the front of v has; 0 if it is none
 * (RFC 3629 section 4: no overlong forms, no surrogates, nothing above 10FFFF). */
static size_t utf8_size(struct view v)
{
    const uint8_t *b = v.data;
    size_t size = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4;
    if (b[0] > 0xf4 || size == 0 || size > v.size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    bool bad = (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ||
               (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f);
    return bad ? 0 : size;
}

json_t *guest_text_json(struct view printed)
{
    char *text = malloc(RESULTS_SIZE_MAX);
    if (text == NULL)
        return NULL;
    size_t written = 0;
    for (size_t i = 0; i < printed.size;) {
        size_t size = utf8_size(view_of(printed.data + i, printed.size - i));
        bool shown = size > 0 && printed.data[i] != '\0';
        size_t step = size > 0 ? size : 1;
        size_t room = shown ? step : 1;
        if (written + room > RESULTS_SIZE_MAX)
            break;
        if (shown)
            memcpy(text + written, printed.data + i, step);
        else
            text[written] = '?';
        written += room;
        i += step;
    }
    json_t *value = json_stringn(text, written);
    free(text);
    return value;
}
