/* One blob that is being fetched: its file, its state. What to ask for and when is
 * decided over all fetches together, in exchange.c. */
#ifndef EXCHANGE_FETCH_H
#define EXCHANGE_FETCH_H

#include "exchange/by_web.h"
#include "exchange/exchange.h"
#include "exchange/partial.h"

struct fetch {
    struct exchange *exchange;
    struct reference reference;
    struct partial *partial; /* NULL once it is whole, or cannot be */
    struct by_web *by_web;   /* NULL: from the holder */
    enum fetch_state state;
    struct why detail;
    uint64_t bytes_there; /* when it was over */
    uint64_t moved_ms;    /* when a part came last; 0: none yet */
};

/* gives: *ret. fails: as exchange_fetch() */
MUST_CHECK enum status fetch_open(const struct reference *ref, const char *path,
                                  struct fetch **ret);

/* A part came. Does nothing unless GOING. False: these are not its bytes */
bool fetch_part(struct fetch *f, uint32_t part, struct view bytes, uint64_t now_ms);

/* From the holder, from now on. */
void fetch_leave_web(struct fetch *f);

/* The holder said no. */
void fetch_refuse(struct fetch *f, const char *code, const char *reason);

/* As partial_check(). True: there is more to check. */
bool fetch_check(struct fetch *f, int64_t *budget);

/* Whether parts may be asked for. */
bool fetch_wants(const struct fetch *f);

/* The holder has not sent anything yet, or for so long that it is perhaps away. */
bool fetch_is_silent(const struct fetch *f, uint64_t now_ms);

void fetch_close(struct fetch *f, bool forget);

#endif
