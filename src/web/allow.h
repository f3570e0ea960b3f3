/* Which URLs may be fetched: those that lie below one of the operator's prefixes.
 *
 * Scheme, host and port must be those of the prefix, letter by letter (a host whatever
 * its case), and the path must go on where the prefix's ends, at a slash: below
 * https://host/a are https://host/a and https://host/a/b, but neither https://host/ab nor
 * https://host.evil/a. Both are parsed by libcurl, and what is compared is the very
 * handle that is fetched, after `..` was resolved. To leave no doubt about what a server
 * makes of it, a URL is plain: no user name, query, fragment, percent sign or backslash,
 * and in its path only letters, digits and - . _ ~ : @ = + , and the slash. */
#ifndef WEB_ALLOW_H
#define WEB_ALLOW_H

#include <curl/curl.h>

#include "base/status.h"

struct allow;

/* texts: as web_settings.allow. One that may hold credentials is not in the sentence.
 * gives: *ret; NULL if there is not one prefix. fails: as web_new() */
MUST_CHECK enum status allow_new(const char *const *texts, size_t count, struct allow **ret,
                                 struct why *why);

/* gives: *ret, what is to be fetched, to be ended with curl_url_cleanup()
 * fails: ST_INVALID with a sentence, ST_NOMEM */
MUST_CHECK enum status allow_check(const struct allow *a, const char *url, CURLU **ret,
                                   struct why *why);

/* NULL is allowed; returns NULL. */
struct allow *allow_free(struct allow *a);

#endif
