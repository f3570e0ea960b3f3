#include "proplet/lasting_clock.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/jsn.h"
#include "proplet/record.h"
#include "service/log.h"

#define TIME_MAX (UINT64_C(1) << 53) /* exact as JSON; 285,000 years */

struct saved {
    const char *boot_id;
    uint64_t boot_ms, lasting_ms;
};

static enum status decode(const json_t *header, struct saved *ret)
{
    enum status status =
        jsn_str(header, "boot_id", JSN_REQUIRED, CLOCK_BOOT_SIZE, &ret->boot_id, NULL);
    if (status == ST_OK)
        status = jsn_uint(header, "boot_ms", JSN_REQUIRED, 0, TIME_MAX, &ret->boot_ms, NULL);
    if (status == ST_OK)
        status = jsn_uint(header, "lasting_ms", JSN_REQUIRED, 0, TIME_MAX, &ret->lasting_ms, NULL);
    return status;
}

void lasting_clock_open(struct lasting_clock *c, const char *path, const char *boot_id,
                        uint64_t now_ms)
{
    *c = (struct lasting_clock){.boot_ms = now_ms};
    int size = snprintf(c->path, sizeof c->path, "%s", path);
    assert(size > 0 && size < (int)sizeof c->path);
    (void)snprintf(c->boot_id, sizeof c->boot_id, "%s", boot_id);
    struct record r = {0};
    struct saved s = {0};
    enum status status = record_read(path, 0, &r);
    if (status == ST_OK)
        status = decode(r.header, &s);
    if (status == ST_OK) {
        bool same_boot =
            boot_id[0] != '\0' && strcmp(s.boot_id, boot_id) == 0 && now_ms >= s.boot_ms;
        c->lasting_ms = s.lasting_ms + (same_boot ? now_ms - s.boot_ms : 0);
    } else if (status != ST_NOT_FOUND) {
        log_line(LOG_WARN, "clock.unreadable", "path=%s reason=%s", log_quote(path),
                 status_name(status));
    }
    record_done(&r);
}

uint64_t lasting_clock_ms(const struct lasting_clock *c, uint64_t now_ms)
{
    return c->lasting_ms + (now_ms > c->boot_ms ? now_ms - c->boot_ms : 0);
}

void lasting_clock_not_before(struct lasting_clock *c, uint64_t lasting_ms, uint64_t now_ms)
{
    if (lasting_clock_ms(c, now_ms) >= lasting_ms)
        return;
    c->lasting_ms = lasting_ms;
    c->boot_ms = now_ms;
}

enum status lasting_clock_save(const struct lasting_clock *c, uint64_t now_ms)
{
    json_t *header =
        json_pack("{s:s,s:I,s:I}", "boot_id", c->boot_id, "boot_ms", (json_int_t)now_ms,
                  "lasting_ms", (json_int_t)lasting_clock_ms(c, now_ms));
    enum status status =
        header == NULL ? ST_NOMEM : record_write(c->path, header, view_of(NULL, 0));
    json_decref(header);
    return status;
}
