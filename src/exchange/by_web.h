/* The parts of one blob by HTTP, for as long as that works: the manifest says a URL, and
 * web/web.h may fetch it. Which part is missing is the plan's matter, and whether its bytes
 * are right that of whoever gets them; then it is given up here, and goes over the broker. */
#ifndef EXCHANGE_BY_WEB_H
#define EXCHANGE_BY_WEB_H

#include "transfer/manifest.h"
#include "transfer/plan.h"
#include "web/web.h"

/* Failures in a row that may pass, such as a busy server; those of gets that were under way
 * together are one. */
#define BY_WEB_TRIES_MAX 3

struct by_web;

struct by_web_owner {
    /* A part came. True: it is what the manifest says. It may not end the by_web. */
    bool (*part)(void *owner, uint32_t part, struct view bytes);
    /* The last call for an answer. reason NULL: more may be asked for; else it is given up,
     * and only by_web_free() is left. It may end the by_web. */
    void (*settled)(void *owner, const char *reason);
    void *owner;
};

/* keeps: web, m and the owner's, until by_web_free()
 * gives: *ret; NULL: the manifest has no URL
 * fails: ST_INVALID (it may not be fetched, with a sentence), ST_NOMEM */
MUST_CHECK enum status by_web_new(struct web *web, const struct manifest *m,
                                  const struct by_web_owner *owner, struct by_web **ret,
                                  struct why *why);

/* Asks for the next missing part, if one may be asked for now. False: none */
bool by_web_ask(struct by_web *b, struct plan *plan, uint64_t now_ms);

/* Whether it was given up. */
bool by_web_is_over(const struct by_web *b);

/* What is under way is cancelled. NULL is allowed; returns NULL. */
struct by_web *by_web_free(struct by_web *b);

#endif
