/* One range: the request, and the judgement of its answer. Knows no loop; web.c adds the
 * handle to libcurl's and hands over what it says at the end. */
#ifndef WEB_GET_H
#define WEB_GET_H

#include <curl/curl.h>

#include "web/allow.h"
#include "web/web.h"

struct web_get {
    struct web_get *next; /* web.c's list */
    bool begun;           /* libcurl has it */
    struct web *web;
    web_done_fn *done;
    void *owner;
    CURL *easy;
    CURLU *url; /* that of the request under way */
    uint64_t offset, total;
    uint8_t *bytes;     /* (size,) */
    size_t size, there; /* asked for; here */
    size_t skipped;     /* of a redirect's body */
    uint32_t redirects;
    bool judged;              /* status and range were looked at, as the first byte came */
    enum web_failure failure; /* found before the end */
    char error[CURL_ERROR_SIZE];
};

struct get_limits {
    const char *ca_file;
    uint32_t slow_s, total_ms;
};

/* takes: url. gives: *ret, to be ended with get_free(). fails: ST_NOMEM (url is then
 * still the caller's) */
MUST_CHECK enum status get_new(CURLU *url, const struct web_range *r, const struct get_limits *l,
                               struct web_get **ret);

/* Where the answer sends us; NULL: it is no redirect. Borrowed from the handle. */
const char *get_redirect(const struct web_get *g);

/* The next request asks there. takes: url. fails: ST_NOMEM (url is the caller's) */
MUST_CHECK enum status get_follow(struct web_get *g, CURLU *url);

/* How it ended. code: libcurl's. gives: *ret; a sentence to why unless WEB_OK */
void get_judge(const struct web_get *g, CURLcode code, struct web_result *ret, struct why *why);

void get_free(struct web_get *g);

#endif
