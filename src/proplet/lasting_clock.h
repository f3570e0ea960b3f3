/* A time that goes on over restarts and reboots and never jumps, for deadlines
 * that are kept on disk.
 *
 * While the machine is up it follows the boot's own clock, also while the device
 * agent is not there. The time that a machine was off cannot be known without
 * trusting a wall clock, so it does not count: a deadline is moved by a reboot,
 * but what was left of it when the time was last saved is never exceeded. */
#ifndef PROPLET_LASTING_CLOCK_H
#define PROPLET_LASTING_CLOCK_H

#include "base/status.h"
#include "io/clock.h"
#include "device/limits.h"

struct lasting_clock {
    char path[PROPLET_PATH_SIZE];
    char boot_id[CLOCK_BOOT_SIZE];
    uint64_t lasting_ms; /* it was this late... */
    uint64_t boot_ms;    /* ...when the boot's clock said this */
};

/* Reads path, a record that need not be there; a damaged one is as none, and the
 * clock then begins at 0.
 * boot_id: of the boot that now_ms counts from; "": unknown, as if it were new */
void lasting_clock_open(struct lasting_clock *c, const char *path, const char *boot_id,
                        uint64_t now_ms);

/* The lasting time at now_ms of this boot. */
uint64_t lasting_clock_ms(const struct lasting_clock *c, uint64_t now_ms);

/* If it is not that late, it is now: something that was stamped with that time is here. */
void lasting_clock_not_before(struct lasting_clock *c, uint64_t lasting_ms, uint64_t now_ms);

/* fails: ST_NOMEM, ST_FULL, ST_IO; the older time then stays on the disk */
MUST_CHECK enum status lasting_clock_save(const struct lasting_clock *c, uint64_t now_ms);

#endif
